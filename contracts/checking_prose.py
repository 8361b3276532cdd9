"""The part of the checker that holds prose and rules side by side, and finds what nobody uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from contracts.document import Document
from contracts.limits import DIGITS, NAME
from contracts.mentions import document_expressions
from contracts.phrases import quoted
from contracts.problems import Problems
from contracts.render import Placeholder, check_placeholder, placeholders
from contracts.syntax import Call, Literal, Node, children
from contracts.values import CONTEXT, format_value
from ledger.errors import TallyError

_PERCENT = re.compile(r"%|\bper ?cent\b", re.IGNORECASE)
_NUMBER = re.compile(
    rf"(?<![\w.,:/-])([0-9]+(?:[.,][0-9]+)*)(?![\w:/-])(\s?(?:{_PERCENT.pattern}))?", re.ASCII
)
_HUNDRED = Decimal(100)
_SMALL = frozenset((Decimal(0), Decimal(1)))
"""Numbers that rules use without saying anything by them."""
_USED = ("params", "calendars", "bands", "facts", "deadlines", "lets")


def check_prose(problems: Problems) -> None:
    """Params and numbers that decide and that the prose does not tell, and the other way round."""
    document = problems.document
    told: set[str] = set()
    written: dict[str, frozenset[Decimal]] = {}
    percent = False
    try:
        for part in placeholders(document):
            if isinstance(part, Placeholder):
                told.add(part.name)
                if part.name not in problems.broken:
                    check_placeholder(document, part)
            else:
                for text, numbers in _written(part):
                    written[text] = written.get(text, numbers) | numbers
                percent |= _PERCENT.search(part) is not None
    except TallyError as error:
        problems.caught(error)
        return
    for name in sorted((problems.used & set(document.params)) - told):
        problems.warn(
            document.params[name].place,
            f"The value {quoted(name)} decides what follows, but the text does not say it.",
            f"Write {{{name}}} into the text.",
        )
    problems.used |= told
    _check_numbers(problems, written, percent=percent)


def _written(prose: str) -> Iterator[tuple[str, frozenset[Decimal]]]:
    """Each number of a part of the prose, and what it can be in a rule: 5% may be 0.05 there."""
    for found in _NUMBER.finditer(prose):
        text = found[1].replace(",", "")
        if text.count(".") > 1 or len(text) > DIGITS:
            yield found[1], frozenset()
        elif found[2]:
            share = Decimal(text)
            yield found[1], frozenset((share, CONTEXT.scaleb(share, -2)))
        else:
            yield found[1], frozenset((Decimal(text),))


def _check_numbers(problems: Problems, written: Mapping[str, frozenset[Decimal]], *, percent: bool) -> None:
    """`percent`: the prose speaks of percent, which tells what 100 means in a rule."""
    document = problems.document
    told = frozenset[Decimal]((_HUNDRED,) if percent else ()).union(_SMALL, *written.values())
    decided = set(_tabled(document))
    for where, text in _decisive(problems):
        decided.add(Decimal(text))
        if Decimal(text) not in told:
            problems.warn(
                where,
                f"The number {text} decides what follows, but the text does not say it.",
                "Define it under params and write {its name} into the text.",
            )
    for text in sorted(written):
        if decided.isdisjoint(written[text]):
            problems.warn(
                document.place("text"),
                f"The text says {text}, but no rule or table reads this number.",
                "Define it under params if it is to decide.",
            )


def _decisive(problems: Problems) -> Iterator[tuple[str, str]]:
    """Each number that decides, and where it stands: in an expression, or what readings are held against."""
    for expression in document_expressions(problems.document):
        for node in _literals(expression.node):
            yield expression.at(node), format_value(node.value)
    for fact in problems.document.facts.values():
        for field in fact.fields.values():
            if field.event is not None:
                texts = (field.event.above, field.event.below)
                yield from ((str(field.event.place), t) for t in texts if t and not NAME.fullmatch(t))


def _tabled(document: Document) -> Iterator[Decimal]:
    """The numbers of all tables, without currencies and units, also as percentages."""
    for table in document.bands.values():
        for row in table.rows:
            for value in (row.low, row.high, row.value):
                text = "" if value is None else format_value(value).partition(" ")[0]
                if re.fullmatch(r"-?[0-9.]+", text):
                    yield Decimal(text)
                    yield CONTEXT.scaleb(Decimal(text), 2)


def _literals(node: Node) -> Iterator[Literal]:
    """The numbers of an expression, without the decimals to which something is rounded."""
    if isinstance(node, Literal):
        if isinstance(node.value, (int, Decimal)) and not isinstance(node.value, bool):
            yield node
        return
    below = children(node)
    if isinstance(node, Call) and node.function == "round":
        below = below[:1]
    for child in below:
        yield from _literals(child)


def check_use(problems: Problems) -> None:
    """What is defined and never used, and fields that no rule reads."""
    document = problems.document
    used = problems.used | set(problems.contexts.circles)
    scope = problems.contexts.scope()
    for part in _USED:
        for name in getattr(document, part):
            if name not in used and name not in scope.broken:
                problems.warn(
                    document.place(part, name), f"{quoted(name)} is never used.", "Use or remove it."
                )
    for name, fact in document.facts.items():
        for field, rule in fact.fields.items():
            if (name, field) not in problems.read and field not in problems.contexts.keys and name in used:
                problems.warn(
                    rule.place,
                    f"No rule reads {quoted(field)} of {quoted(name)}.",
                    "Know that nothing follows from it, or remove it.",
                )
