"""Logs: their form, and what never gets into them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ledger.errors import GapError
from node.logs import get_log, set_up_logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_and_fields(stream: io.StringIO) -> None:
    set_up_logs(json=True, stream=stream)
    get_log("node.sync").info("pushed", partner="bolt", size=41)
    (line,) = lines(stream)
    assert line["timestamp"].endswith("Z")
    assert {key: line[key] for key in ("event", "level", "logger", "partner", "size")} == {
        "event": "pushed",
        "level": "info",
        "logger": "node.sync",
        "partner": "bolt",
        "size": 41,
    }


def test_a_console_line_is_text(stream: io.StringIO) -> None:
    set_up_logs(json=False, stream=stream)
    get_log("node.sync").info("pushed", partner="bolt")
    text = stream.getvalue()
    assert "pushed" in text
    assert "partner=bolt" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_never_show(stream: io.StringIO, as_json: bool) -> None:
    set_up_logs(json=as_json, stream=stream)
    get_log("node").warning(
        "odd",
        passphrase="hunter2",
        TALLY_PASSPHRASE="hunter2",
        operator_token="hunter2",
        payload="hunter2",
        headers={"authorization": "hunter2", "Cookie": "hunter2"},
        deep=[{"seed": "hunter2", "data": b"hunter2"}],
        data=b"hunter2",
    )
    assert "hunter2" not in stream.getvalue()
    assert b"hunter2".hex() not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_tracebacks_do_not_show_values(stream: io.StringIO, as_json: bool) -> None:
    set_up_logs(json=as_json, stream=stream)
    seed = "".join(["hun", "ter2"])
    try:
        int(seed[:0])
    except ValueError:
        get_log("node").exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_long_texts_are_cut(stream: io.StringIO) -> None:
    set_up_logs(json=True, stream=stream)
    get_log("node").info("x" * 10_000, text="y" * 10_000)
    assert len(stream.getvalue()) < 1500


def test_a_failure_is_spelled_with_what_to_do(stream: io.StringIO) -> None:
    set_up_logs(json=True, stream=stream)
    error = GapError("acme entry 41", found="nothing", expected="an entry", action="Sync again.")
    get_log("node").error("stopped", error=error)
    (line,) = lines(stream)
    assert line["error"] == "acme entry 41: nothing, expected an entry"
    assert line["action"] == "Sync again."


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn", "somebody.else"])
def test_other_libraries_take_the_same_way(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).addHandler(logging.StreamHandler(io.StringIO()))
    set_up_logs(json=True, stream=stream)
    logging.getLogger(name).warning("Shutting %s", "down", extra={"color_message": "\x1b[31m"})
    (line,) = lines(stream)
    assert line["event"] == "Shutting down"
    assert line["logger"] == name


def test_the_level_holds(stream: io.StringIO) -> None:
    set_up_logs(json=True, level="warning", stream=stream)
    get_log("node").info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    assert stream.getvalue() == ""


def test_setting_up_twice_does_not_log_twice(stream: io.StringIO) -> None:
    set_up_logs(json=True, stream=stream)
    set_up_logs(json=True, stream=stream)
    get_log("node").info("once")
    assert len(lines(stream)) == 1
