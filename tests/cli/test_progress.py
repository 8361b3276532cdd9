"""The bar of `tally verify`: on a terminal alone, with a percentage, and without colours by NO_COLOR."""

from __future__ import annotations

import io
import re

import pytest

from cli.progress import show_progress

COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-9]|9[0-7]|4[0-9])(?:;[0-9]+)*m")


class Screen(io.StringIO):
    """A stderr that is a terminal, or is none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """What is on stderr after half of the work, and all of it."""
    screen = Screen(terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", screen)
    with show_progress() as teller:
        teller.expect(1000)
        teller.expect(3000)
        teller.done(2000)
        teller.done(2000)
    return screen.getvalue()


def test_a_terminal_shows_percentage_count_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = shown(monkeypatch, terminal=True)
    assert "50%" in text
    assert "2,000 of 4,000 entries" in text
    assert "100%" in text
    assert re.search(r"\d:\d\d:\d\d", text)
    assert COLOUR.search(text)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(monkeypatch, terminal=True)
    assert "50%" in text
    assert not COLOUR.search(text)


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False) == ""
