"""How a call ends: exit codes, errors in words and as JSON, help without loading what it is about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.call import columns, plural, printable
from cli.main import COMMANDS

GROUPS = [name for name, entry in COMMANDS.items() if entry.commands]


def test_no_arguments_show_the_help_and_are_wrong_usage(tally: Any) -> None:
    done = tally()
    assert done.code == 2
    assert "Commands:" in done.err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_asked_for_either_way(tally: Any, option: str) -> None:
    done = tally(option)
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_shows_its_commands(tally: Any, group: str) -> None:
    done = tally(group)
    assert done.code == 2
    assert all(name in done.err for name in COMMANDS[group].commands)


def test_the_version_is_one_line(tally: Any) -> None:
    assert tally("--version").out.startswith("tally 0.")


def test_an_unknown_command_is_wrong_usage_and_a_near_one_is_named(tally: Any) -> None:
    done = tally("netwrk")
    assert done.code == 2
    assert "Did you mean 'network'?" in done.err


@pytest.mark.parametrize(
    "arguments", [("network", "found"), ("capture",), ("status", "--bogus"), ("log", "show", "--limit", "0")]
)
def test_wrong_usage_is_2_and_one_json_value(tally: Any, arguments: tuple[str, ...]) -> None:
    done = tally(*arguments, "--json")
    assert done.code == 2
    assert done.value["error"]["code"] == "usage"
    assert done.value["exit"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("due",),
        ("log", "show"),
        ("agree", "show"),
        ("trace", "back", "urn:x:1"),
        ("network", "show"),
        ("people", "list"),
        ("receipt", "finca:0"),
        ("serve",),
        ("log", "add", "x"),
        ("capture", "-"),
        ("claim", "sale", "handed_over"),
        ("confirm", "sale:handed_over"),
        ("network", "invite", "roast"),
    ],
)
def test_without_a_home_nothing_can_be_checked(tally: Any, arguments: tuple[str, ...]) -> None:
    done = tally("--home", "nowhere", *arguments, "--json")
    assert done.code == 3
    assert done.value["error"]["found"] == "no home here"
    assert done.value["error"]["action"]


def test_an_error_says_where_what_and_one_thing_to_do(tally: Any) -> None:
    done = tally("--home", "nowhere", "status")
    assert done.out == ""
    assert done.err.splitlines()[0].startswith("tally: nowhere: no home here, expected a folder")
    assert "To do:" in done.err


def test_home_and_json_stand_before_or_behind_the_command(tally: Any) -> None:
    tally.found("finca")
    before = tally("--home", "finca", "--json", "network", "show")
    behind = tally("network", "show", "--home", "finca", "--json")
    assert before.value == behind.value
    assert before.code == behind.code == 0


def test_the_home_comes_from_the_environment(tally: Any) -> None:
    tally.found("finca")
    assert tally("network", "show", "--json", TALLY_HOME="finca").value["founder"] == "finca"
    assert tally("--home", "nowhere", "network", "show", TALLY_HOME="finca").code == 3


def test_a_fault_of_our_own_is_70_and_one_line_that_names_the_file(
    tally: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally.found("finca")
    monkeypatch.setattr("cli.due.list_due", lambda *_, **__: 1 // 0)
    done = tally("--home", "finca", "due", "--json")
    assert done.code == 70
    assert done.value["error"]["code"] == "fault"
    assert len(done.err.splitlines()) == 1
    assert "ZeroDivisionError" in (tally.folder / "state" / "faults.log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("trace", "back", "urn:x:1", "--at", "2026-13"),
        ("verify", "finca", "--vkey", "x"),
        ("verify", "https://127.0.0.1:9", "--cert", "nowhere"),
        ("log", "add", " "),
    ],
)
def test_an_option_that_says_nothing_sensible_is_wrong_usage(tally: Any, arguments: tuple[str, ...]) -> None:
    tally.found("finca")
    assert tally("--home", "finca", *arguments, "--json").value["error"]["code"] == "usage"


def test_a_home_in_a_folder_with_spaces_is_quoted_in_what_to_do(tally: Any) -> None:
    tally.found("finca").rename(tally.folder / "my finca")
    assert "tally --home 'my finca' serve" in tally("--home", "my finca", "log", "add", "x").err


@pytest.mark.parametrize("arguments", [("agree", "show"), ("due",)])
def test_an_empty_answer_is_said_in_words(tally: Any, arguments: tuple[str, ...]) -> None:
    tally.found("finca")
    done = tally("--home", "finca", *arguments)
    assert (done.code, done.out) == (0, "")
    assert done.err


def test_a_terminal_without_unicode_gets_escapes_and_json_stays_json(tally: Any) -> None:
    tally("--home", "h", "network", "found", "Caf\u00e9 \u2713", "--organization", "finca")
    text = tally.process("--home", "h", "network", "show", PYTHONIOENCODING="cp850")
    assert text.code == 0
    assert "Caf\u00e9 \\u2713" in text.out
    value = tally.process("--home", "h", "network", "show", "--json", PYTHONIOENCODING="cp850").value
    assert value["name"] == "Caf\u00e9 \u2713"


def test_the_entries_that_are_shown_are_counted_from_the_first_to_the_last(tally: Any) -> None:
    tally.found("finca")
    assert "2 entries here, shown 0 to 1" in tally("--home", "finca", "log", "show").err
    assert "2 entries here, none from 9 on" in tally("--home", "finca", "log", "show", "--from", "9").err


def test_the_help_loads_no_node_and_no_web(tmp_path: Path) -> None:
    script = (
        "import sys, cli.main\n"
        "cli.main.main(['--help'])\n"
        "print([name for name in ('fastapi', 'sqlite_utils', 'httpx', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_runs_like_the_console_script(tally: Any) -> None:
    assert tally.process("--version").out == tally("--version").out


def test_a_reader_that_goes_away_is_no_fault(tally: Any) -> None:
    command = f"{sys.executable} -P -m cli --help | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert printable("café \x1b[2J\u202e✓\n") == "café \\u001b[2J\\u202e✓\n"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]


def test_one_is_singular() -> None:
    assert (plural(1, "entry", "entries"), plural(2, "entry", "entries")) == ("1 entry", "2 entries")
