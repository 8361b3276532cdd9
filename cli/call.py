"""What every command shares: where the home is, and how answers and prose reach the one who asked.

Answers go to stdout, as text or (`--json`) as one JSON value; prose, questions and progress go to stderr.
Every command has the options `--home`, `--json` and `-h/--help`; `cli.main` adds them.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ledger.errors import UsageError
from node.keyfiles import find_passphrase

DEFAULT_HOME = "~/tallystick"

_SHOWN = "\n\t\u00a0\u2009\u202f\u3000"


@dataclass(slots=True)
class Call:
    """One call of `tally`: what was said about home and form of the answer."""

    home_option: Path | None = None
    as_json: bool = False

    @property
    def home(self) -> Path:
        """The home that this call is about: --home, else TALLY_HOME, else ~/tallystick."""
        named = self.home_option or Path(os.environ.get("TALLY_HOME") or DEFAULT_HOME)
        return named.expanduser()

    def answer(self, value: object, lines: Iterable[str]) -> None:
        """Give the answer: the value as JSON, or the same as lines of text."""
        if self.as_json:
            typer.echo(json.dumps(value, ensure_ascii=not _speaks_unicode(), indent=2))
        else:
            for line in lines:
                typer.echo(printable(line))

    def command(self, rest: str) -> str:
        """A command about the same home, as the one who asked would type it."""
        return f"{tally_at(self.home_option)} {rest}" if self.home_option else f"tally {rest}"

    def tell(self, text: str) -> None:
        """Say something beside the answer."""
        typer.echo(printable(text), err=True)

    def ask(self, question: str, default: str | None = None) -> str:
        """Ask the person at the terminal.

        Raises:
            UsageError: there is none.
        """
        self._check_asks(question)
        return str(typer.prompt(question, default=default, show_default=bool(default), err=True))

    def confirm(self, question: str) -> bool:
        """Ask the person at the terminal for yes or no; raises UsageError where there is none.

        Every command that asks so has the option `--yes`.
        """
        self._check_asks(question, "read it first; to say yes without being asked: --yes")
        return typer.confirm(question, err=True)

    def passphrase(self, *, new: bool = False) -> bytes:
        """The passphrase of the home's keys: environment, file, or asked for (twice where it is new)."""
        return find_passphrase(os.environ, self._prompt(new) if asks() else None)

    def _prompt(self, new: bool) -> Callable[[], str]:
        def prompt() -> str:
            first = getpass.getpass("New passphrase: " if new else "Passphrase: ")
            if new and getpass.getpass("The same again: ") != first:
                raise UsageError(
                    "passphrase", found="two different ones", expected="the same twice", action="try again"
                )
            return first

        return prompt

    def _check_asks(self, question: str, action: str = "see the options with --help") -> None:
        if not asks():
            raise UsageError(
                "terminal",
                found=f"nobody to ask: {question}",
                expected="a terminal, or the answer as an option",
                action=action,
            )


def tally_at(home: Path) -> str:
    """The beginning of a command about a home, as it is typed."""
    return f"tally --home {shlex.quote(str(home))}"


def show_what_fits() -> None:
    """Have characters that the terminal's encoding lacks written as escapes, rather than fail there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def asks() -> bool:
    """Whether somebody sits at the terminal who can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def call_of(context: typer.Context) -> Call:
    """What was said about home and form, by the context that a command is given."""
    call: Any = context.obj
    if not isinstance(call, Call):
        raise TypeError(f"context holds {type(call).__name__}")
    return call


def printable(text: str) -> str:
    """Text that partners may have written, without what a terminal would obey instead of showing it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _SHOWN else f"\\u{ord(c):04x}" for c in text)


def one_line(text: str) -> str:
    """Text that partners may have written, in one line: no part of it passes for a line of ours."""
    return printable(text).replace("\n", "\\u000a").replace("\t", " ")


def short_hash(hash_hex: str) -> str:
    """A hash as tables show it: its first 16 hex digits."""
    return hash_hex[:16]


def columns(rows: Iterable[Iterable[object]], indent: str = "") -> list[str]:
    """Rows of cells as lines, in columns two spaces apart."""
    table = [[str(cell) for cell in row] for row in rows]
    count = max((len(row) for row in table), default=0)
    widths = [max((len(row[i]) for row in table if i < len(row)), default=0) for i in range(count)]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip()
        for row in table
    ]


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
