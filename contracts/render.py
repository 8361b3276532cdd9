"""The prose of a contract with its params filled in, so that text and rules cannot drift apart.

`{value}` stands for the value of a param, or for the organization of a role; `{rate:%}` for a decimal as
a percentage; `{{` and `}}` for braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from contracts.document import Document
from contracts.values import Instant, Value, format_percent, format_value
from ledger.errors import MalformedError, short

_PART = re.compile(r"\{\{|\}\}|\{([^{}]{0,80})\}|[{}]")
_PLACEHOLDER = re.compile(r"([a-z][a-z0-9_]{0,39})(:%)?")
AROUND_WORDS = 5
AROUND_CHARS = 100
"""How much of the prose is shown at most before and after a param."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """A `{name}` or `{name:%}` of the prose, and where it stands in it."""

    name: str
    percent: bool
    start: int
    end: int


def placeholders(document: Document) -> Iterator[Placeholder | str]:
    """The prose in order: texts, and placeholders with a known form.

    Raises:
        MalformedError: a single brace, or a placeholder of another form.
    """
    at = 0
    for part in _PART.finditer(document.text):
        if part.start() > at:
            yield document.text[at : part.start()]
        at = part.end()
        if part[0] in ("{{", "}}"):
            yield part[0][0]
            continue
        inside = _PLACEHOLDER.fullmatch(part[1] or "")
        if inside is None:
            raise MalformedError(
                str(document.place("text")),
                found=short(part[0]),
                expected="{name} or {name:%}",
                action="write {{ and }} for braces",
            )
        yield Placeholder(name=inside[1], percent=bool(inside[2]), start=part.start(), end=part.end())
    if at < len(document.text):
        yield document.text[at:]


def render_text(document: Document) -> str:
    """The prose that people sign, with every placeholder filled in.

    Raises:
        MalformedError: a placeholder names nothing, or asks for a percentage of what is no decimal.
    """
    return "".join(
        part if isinstance(part, str) else _filled(document, part) for part in placeholders(document)
    )


def surroundings(document: Document) -> dict[str, str]:
    """Each param that the prose tells, where it first does, with a few words before and after."""
    whole, spans = "", dict[str, tuple[int, int]]()
    for part in placeholders(document):
        text = part if isinstance(part, str) else _filled(document, part)
        if isinstance(part, Placeholder) and part.name in document.params:
            spans.setdefault(part.name, (len(whole), len(whole) + len(text)))
        whole += text
    return {name: _around(whole, start, end) for name, (start, end) in spans.items()}


def _around(text: str, start: int, end: int) -> str:
    first, last = max(0, start - AROUND_CHARS), min(len(text), end + AROUND_CHARS)
    left, right = text[first:start].split(), text[end:last].split()
    head = "… " if first or len(left) > AROUND_WORDS else ""
    tail = " …" if last < len(text) or len(right) > AROUND_WORDS else ""
    before = " ".join(left[-AROUND_WORDS:]) + " " * text[first:start][-1:].isspace()
    after = " " * text[end:last][:1].isspace() + " ".join(right[:AROUND_WORDS])
    return f"“{head}{before}{text[start:end]}{after}{tail}”"


def check_placeholder(document: Document, part: Placeholder) -> None:
    """Check that a placeholder names a param or a role, and a percentage only a decimal."""
    where = str(document.place("text"))
    if part.name not in document.params and part.name not in document.parties:
        raise MalformedError(
            where,
            found=f"{{{part.name}}}",
            expected="a param or a role",
            action=f"define {part.name} under params",
        )
    param = document.params.get(part.name)
    if part.percent and (param is None or param.type.kind != "decimal"):
        raise MalformedError(
            where,
            found=f"{{{part.name}:%}}",
            expected="a decimal before :%",
            action=f"write {{{part.name}}}",
        )


def _filled(document: Document, part: Placeholder) -> str:
    check_placeholder(document, part)
    if part.name in document.parties:
        return document.parties[part.name]
    value = document.params[part.name].value
    if part.percent and isinstance(value, Decimal):
        return format_percent(value)
    return prose_value(value)


def prose_value(value: Value) -> str:
    """A value as prose has it: instants without the T, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = format_value(value)
    return text.replace("T", " ").replace("Z", " UTC") if isinstance(value, Instant) else text
