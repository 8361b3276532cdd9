"""Settings: where they come from and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.errors import MalformedError, TooLargeError, UsageError
from ledger.log.checkpoint import witness_vkey
from ledger.log.note import log_vkey
from node.config import Settings, describe_settings, load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TALLY_")]:
        monkeypatch.delenv(name)


def test_defaults_keep_a_fresh_node_to_this_machine(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 8440, True)


def test_the_file_wins_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('port = 9000\nlog_json = true\nurl = "https://acme.example"\n')
    settings = load_settings(tmp_path)
    assert (settings.port, settings.log_json, settings.url) == (9000, True, "https://acme.example")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("port = 9000\nsync_interval_s = 3\n")
    monkeypatch.setenv("TALLY_PORT", "9001")
    settings = load_settings(tmp_path)
    assert (settings.port, settings.sync_interval_s) == (9001, 3)


def test_an_empty_variable_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_PORT", "")
    assert load_settings(tmp_path).port == 8440


def test_an_unknown_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("prot = 9000\n")
    with pytest.raises(UsageError, match="prot"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "x" * 5000),
        ("TLS", "perhaps"),
        ("SEEN_INTERVAL_S", "0"),
        ("SEEN_INTERVAL_S", "nan"),
        ("URL", "ftp://acme.example"),
        ("URL", "https://acme.example/path"),
        ("URL", "https://user@acme.example"),
        ("URL", "https://acme.example:99999"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_refused_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TALLY_{name}", value)
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path)
    assert f"TALLY_{name}" in caught.value.action
    assert len(str(caught.value)) < 300


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"port = \xff")
    with pytest.raises(MalformedError):
        load_settings(tmp_path)
    (tmp_path / "config.toml").write_text("a=" + "[" * 5000)
    with pytest.raises(MalformedError):
        load_settings(tmp_path)
    (tmp_path / "config.toml").write_bytes(b"#" * 100_000)
    with pytest.raises(TooLargeError):
        load_settings(tmp_path)


def test_every_setting_says_what_and_why() -> None:
    described = describe_settings()
    assert [row.name for row in described] == list(Settings.model_fields)
    for row in described:
        assert row.env == f"TALLY_{row.name.upper()}"
        assert len(row.why) > 40, row.name
        assert row.why.endswith("."), row.name
        assert row.default, row.name


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://127.0.0.1:8441"),
        ({"tls": False}, "http://127.0.0.1:8441"),
        ({"host": "::1"}, "https://[::1]:8441"),
        ({"host": "0.0.0.0"}, None),
        ({"host": "::"}, None),
        ({"host": "0.0.0.0", "url": "https://acme.example/"}, "https://acme.example"),
    ],
)
def test_the_address_is_given_or_derived(given: dict[str, object], address: str | None) -> None:
    assert Settings.model_validate(given).address(8441) == address


LOG_KEY = log_vkey("example.com/log", b"l" * 32).text
WITNESS_KEY = witness_vkey("w.example", b"w" * 32).text


def test_logs_and_witnesses_outside_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        f'[[witness.logs]]\nvkey = "{LOG_KEY}"\n[[witness.logs]]\nvkey = "{LOG_KEY}"\norigin = "other"\n'
        f'[[witness.ask]]\nvkey = "{WITNESS_KEY}"\nurl = "https://w.example/prefix/"\n'
    )
    witness = load_settings(tmp_path).witness
    assert [log.named for log in witness.logs] == ["example.com/log", "other"]
    assert (witness.ask[0].key.name, witness.ask[0].url) == ("w.example", "https://w.example/prefix")


@pytest.mark.parametrize(
    "lines",
    [
        f'[[witness.logs]]\nvkey = "{WITNESS_KEY}"\n',
        '[[witness.logs]]\nvkey = "acme"\n',
        "[[witness.logs]]\n",
        f'[[witness.logs]]\nvkey = "{LOG_KEY}"\nname = "x"\n',
        f'[[witness.ask]]\nvkey = "{LOG_KEY}"\nurl = "https://w.example"\n',
        f'[[witness.ask]]\nvkey = "{WITNESS_KEY}"\n',
        f'[[witness.ask]]\nvkey = "{WITNESS_KEY}"\nurl = "ftp://w.example"\n',
        f'[[witness.ask]]\nvkey = "{WITNESS_KEY}"\nurl = "https://w.example?x"\n',
        f'[[witness.ask]]\nvkey = "{WITNESS_KEY}"\nurl = "https://w.example"\n' * 2,
        "[[witness.asked]]\n",
    ],
)
def test_logs_and_witnesses_in_another_form_are_refused(tmp_path: Path, lines: str) -> None:
    (tmp_path / "config.toml").write_text(lines)
    with pytest.raises(UsageError, match="witness"):
        load_settings(tmp_path)
