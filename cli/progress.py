"""How far a verification is: on a terminal a bar with percentage and time left, anywhere else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

Told = Callable[[int], None]
"""Hears a number of entries."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Whoever is told of entries that are to be checked (`expect`), and of entries that were (`done`)."""

    expect: Told = lambda entries: None
    done: Told = lambda entries: None


@contextmanager
def show_progress() -> Iterator[Teller]:
    """A bar on stderr while work goes on, where that is a terminal. NO_COLOR is respected."""
    if not sys.stderr.isatty():
        yield Teller()
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TimeRemainingColumn(),
    )
    # Without a thread of its own, so that processes can be forked beside it.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("verify", total=0)
        expected = 0

        def expect(entries: int) -> None:
            nonlocal expected
            expected += entries
            bar.update(task, total=expected, refresh=True)

        def done(entries: int) -> None:
            bar.update(task, advance=entries, refresh=True)

        yield Teller(expect, done)
