"""A simulation as a picture: one row for each step, from top to bottom, as SVG.

The picture is one file that asks nobody for anything. Each sort of step has a shape of its own, so that it
can be read without colours; `title` and `desc` tell it to those who cannot see it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from contracts.markup import tag
from contracts.render import prose_value
from contracts.simulate import (
    CORRECTED,
    END,
    FACT,
    FAILED,
    FIRED,
    HANDED,
    NO_FACT,
    PASSED,
    SAID,
    START,
    Simulation,
    Step,
)
from contracts.values import Duration, format_value

MAX_ROWS = 500
_WIDTH, _SPINE, _TEXT = 960, 208, 232
_LINE, _GAP, _TOP = 19, 16, 78
_CHARS = 92
_FILL = {
    START: "#1a1a1a",
    FACT: "#1f5fa8",
    SAID: "#9ec1e6",
    NO_FACT: "#fff",
    PASSED: "#8a6100",
    FIRED: "#1b6e3c",
    FAILED: "#a11616",
    CORRECTED: "#6b3fa0",
    HANDED: "#fff",
    END: "#1a1a1a",
}
_TITLES = {
    START: "in force",
    FACT: "a fact is counted",
    SAID: "people confirm or terminate",
    NO_FACT: "no effect",
    PASSED: "a deadline has passed",
    FIRED: "a rule fires",
    FAILED: "a calculation without a result",
    CORRECTED: "a decision is corrected",
    HANDED: "another keeps the time",
    END: "the end",
}


def picture(simulation: Simulation) -> str:
    """The timeline of a simulation."""
    name = simulation.agreement.contract.document.name
    drawn: list[str] = []
    y = _TOP
    before: Step | None = None
    for step in simulation.steps[:MAX_ROWS]:
        y += _gap(drawn, before, step, y)
        height = _row(drawn, step, before, y)
        before, y = step, y + height
    left_out = len(simulation.steps) - MAX_ROWS
    if left_out > 0:
        drawn.append(_text(_TEXT, y + 14, f"and {left_out} more steps, which this picture leaves out"))
        y += _LINE + _GAP
    end = y
    y = _legend(drawn, {step.sort for step in simulation.steps}, y + 24)
    spine = f'<line x1="{_SPINE}" y1="{_TOP}" x2="{_SPINE}" y2="{end}" stroke="#999" stroke-width="2"/>'
    about = f"{name}: what happens in a simulation"
    head = tag("title", about, id="title") + tag("desc", _told(simulation), id="desc")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}"'
        ' role="img" aria-labelledby="title desc" font-family="sans-serif" font-size="14" fill="#1a1a1a">'
        f'{head}<rect width="{_WIDTH}" height="{y}" fill="#fff"/>'
        f"{_text(24, 36, about, size='18')}{spine}{''.join(drawn)}</svg>\n"
    )


def _told(simulation: Simulation) -> str:
    """The steps as one text."""
    return ". ".join(
        f"{prose_value(step.at)}: {heading(step)} {'; '.join(step.lines)}".strip()
        for step in simulation.steps[:MAX_ROWS]
    )


def heading(step: Step) -> str:
    """What a step is about, where its lines do not say it: the rule, and the value of its key."""
    if step.sort not in (FIRED, FAILED, CORRECTED, PASSED) or (step.sort == PASSED and step.key is None):
        return ""
    name = step.name.replace("_", " ")
    return (
        f"{'for' if step.sort == PASSED else f'rule {name} for'} {step.key}:" if step.key else f"rule {name}:"
    )


def _gap(drawn: list[str], before: Step | None, step: Step, y: int) -> int:
    """Say how much time goes by before a step; gives the room that it takes."""
    if before is None or step.at == before.at:
        return 0
    passed = _rough(step.at.ms - before.at.ms)
    drawn.append(_text(_SPINE - 14, y + 4, passed, anchor="end", fill="#555", size="12"))
    return _LINE


def _rough(ms: int) -> str:
    """A length of time, to the hour where it is longer than a day."""
    day, hour = 86_400_000, 3_600_000
    days, rest = divmod(ms, day)
    if days == 0:
        return f"{format_value(Duration(ms))} later"
    hours = rest // hour
    return f"{format_value(Duration(days * day))}{f' {hours} h' if hours else ''} later"


def _row(drawn: list[str], step: Step, before: Step | None, y: int) -> int:
    """Draw one step; gives its height."""
    drawn.append(_shape(step.sort, _SPINE, y + 9))
    if before is None or before.at != step.at:
        drawn.append(_text(_SPINE - 14, y + 14, prose_value(step.at), anchor="end", size="12"))
    lines = list(_lines(step))
    for number, line in enumerate(lines):
        weight = "bold" if number == 0 and step.sort == FIRED else "normal"
        drawn.append(_text(_TEXT, y + 14 + number * _LINE, line, weight=weight))
    return len(lines) * _LINE + _GAP


def _lines(step: Step) -> Iterator[str]:
    said = heading(step)
    if said and step.sort == FIRED:
        yield said
        said = ""
    for line in step.lines:
        yield from textwrap.wrap(f"{said} {line}".strip(), _CHARS) or [""]
        said = ""


def _shape(sort: str, x: int, y: int) -> str:
    fill = f'fill="{_FILL[sort]}" stroke="#1a1a1a"'
    match sort:
        case _ if sort == FIRED:
            return f'<rect x="{x - 7}" y="{y - 7}" width="14" height="14" {fill}/>'
        case _ if sort == PASSED:
            return f'<path d="M{x} {y - 9}L{x + 9} {y}L{x} {y + 9}L{x - 9} {y}Z" {fill}/>'
        case _ if sort == FAILED:
            return f'<path d="M{x} {y - 8}L{x + 9} {y + 8}L{x - 9} {y + 8}Z" {fill}/>'
        case _ if sort == CORRECTED:
            return f'<path d="M{x - 8} {y - 8}L{x + 8} {y - 8}L{x} {y + 8}Z" {fill}/>'
        case _ if sort == HANDED:
            return f'<rect x="{x - 9}" y="{y - 6}" width="18" height="12" rx="6" {fill}/>'
        case _ if sort in (START, END):
            return f'<rect x="{x - 12}" y="{y - 4}" width="24" height="8" {fill}/>'
    return f'<circle cx="{x}" cy="{y}" r="7" {fill}/>'


def _legend(drawn: list[str], sorts: set[str], y: int) -> int:
    x = 24
    for sort, title in _TITLES.items():
        if sort in sorts:
            if x > _WIDTH - 200:
                x, y = 24, y + 24
            drawn.append(_shape(sort, x + 10, y))
            drawn.append(_text(x + 28, y + 5, title, size="12"))
            x += 60 + 7 * len(title)
    return y + 28


def _text(
    x: int, y: int, text: str, *, anchor: str = "start", fill: str = "#1a1a1a", size: str = "14",
    weight: str = "normal",
) -> str:  # fmt: skip
    return tag(
        "text", text, x=str(x), y=str(y), text_anchor=anchor, fill=fill, font_size=size, font_weight=weight
    )


def timeline_lines(steps: Iterable[Step]) -> Iterator[tuple[str, str, str]]:
    """The same as rows of text: time, sort, and what happens."""
    for step in steps:
        said = heading(step)
        for number, line in enumerate(step.lines):
            time = prose_value(step.at) if number == 0 else ""
            first = f"{said} {line}".strip() if number == 0 else f"  {line}"
            yield time, step.sort if number == 0 else "", first
