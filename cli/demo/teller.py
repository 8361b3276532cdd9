"""Telling the demo: numbered steps in plain words, each command as it is run, and what it answered."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
import threading
from collections.abc import Sequence
from typing import TextIO

WIDTH_CHARS = 96
INDENT = "    "
CONTINUED = " \\"


class Teller:
    """Writes the story; commands that run at the same time are told one after the other."""

    def __init__(self, stream: TextIO) -> None:
        self.steps: list[str] = []
        self._stream = stream
        self._bold = stream.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()

    @property
    def step(self) -> str:
        """The step that is being told."""
        return f"step {len(self.steps)}, {self.steps[-1]}" if self.steps else "preparing"

    def begin(self, title: str, *paragraphs: str) -> None:
        """Begin a step."""
        self.steps.append(title)
        head = f"{len(self.steps)}. {title}"
        self._write(f"\n{self._strong(head)}")
        self.say(*paragraphs)

    def say(self, *paragraphs: str) -> None:
        """Say something in plain words."""
        for paragraph in paragraphs:
            self._write(f"\n{textwrap.fill(' '.join(paragraph.split()), WIDTH_CHARS)}")

    def show(
        self, arguments: Sequence[str], output: str, *, code: int = 0, most_lines: int | None = None
    ) -> None:
        """Show a command and what it answered; of a long answer the beginning, and how much is left out."""
        lines = output.rstrip("\n").split("\n") if output.strip() else []
        left_out = 0
        if most_lines is not None and len(lines) > most_lines:
            left_out = len(lines) - most_lines
            lines = lines[:most_lines]
        text = ["", *(INDENT + self._strong(line) for line in _command_lines(arguments))]
        text += [(INDENT + line).rstrip() for line in lines]
        if left_out:
            text.append(f"{INDENT}… {left_out} more lines")
        if code:
            text.append(f"{INDENT}(exit code {code})")
        self._write("\n".join(text))

    def tell_lines(self, lines: Sequence[str]) -> None:
        """Lines as they are, set in."""
        self._write("\n".join((INDENT + line).rstrip() for line in lines))

    def _strong(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._bold else text

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()


def _command_lines(arguments: Sequence[str]) -> list[str]:
    """A command as it is typed, a long one over several lines."""
    lines = ["$ tally"]
    for word in map(shlex.quote, arguments):
        if len(lines[-1]) + len(word) + len(" " + CONTINUED) > WIDTH_CHARS:
            lines[-1] += CONTINUED
            lines.append(INDENT + word)
        else:
            lines[-1] += " " + word
    return lines


def make_teller(*, to_stdout: bool) -> Teller:
    """A teller on stdout, or on stderr where stdout is for JSON."""
    return Teller(sys.stdout if to_stdout else sys.stderr)
