"""Figures: what was measured, how it is printed, and ratios within one run."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure: `value` in `unit`, and what is to be reached beside a peer or limit of the same run."""

    name: str
    value: float
    unit: str
    note: str = ""


@dataclass(slots=True)
class Stopwatch:
    """Seconds of the wall and of this process's processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(slots=True)
class Board:
    """Everything measured in one run, printed as it comes."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, note: str = "") -> None:
        """Keep and print a figure."""
        figure = Figure(name=name, value=value, unit=unit, note=note)
        self.figures[name] = figure
        shown = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
        print(f"{name:<58}{shown:>14} {unit:<12}{note}", flush=True)

    def ratio(self, name: str, ours: str, theirs: str, target: float) -> None:
        """A ratio of two figures of this run, with what it is to reach."""
        if ours in self.figures and theirs in self.figures:
            value = self.figures[ours].value / self.figures[theirs].value
            verdict = "reached" if value >= target else "missed"
            self.add(name, value, "times", f"to reach {target:g}: {verdict}")

    def as_json(self) -> str:
        """All figures, one JSON object."""
        return json.dumps({name: asdict(figure) for name, figure in self.figures.items()}, indent=2)

    def head(self, title: str) -> None:
        """A line between groups."""
        print(f"\n{title}", flush=True)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Times a block."""
    watch = Stopwatch()
    cpu = _cpu_s()
    wall = time.perf_counter()
    try:
        yield watch
    finally:
        watch.wall_s = time.perf_counter() - wall
        watch.cpu_s = _cpu_s() - cpu


def tell(text: str) -> None:
    """Progress, beside the figures."""
    print(text, file=sys.stderr, flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
