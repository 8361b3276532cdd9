"""Worked examples: small scenarios that a contract itself suggests, and what comes of each.

Where a rule counts the days from a time to a fact, the fact comes at that time, a day later, eight days
later, or never. Otherwise each fact comes alone, and then none at all. Everything else is left out: an
example shows how to read the rules, it does not say all that can happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.civil import DAY_MS
from contracts.contract import Contract
from contracts.document import Document, FactRule, FieldRule
from contracts.field_bounds import field_bounds
from contracts.mentions import rule_expressions
from contracts.phrases import Phrases, quoted
from contracts.render import prose_value
from contracts.scenario import Scenario, Told
from contracts.simulate import FAILED, FIRED, NO_FACT, Simulation, simulate
from contracts.syntax import Aggregate, Call, Compare, Expression, Field, Node, walk
from contracts.values import Instant, format_value
from contracts.words import Words
from ledger.errors import TallyError

MAX_FACTS = 6
MAX_EXAMPLE_COST = 2_000_000
"""Contracts with more steps in their whole life than this show no examples: pages come at once."""
_LATER_DAYS = (0, 1, 8)
_SAMPLES = {
    "boolean": "true",
    "integer": "1",
    "decimal": "1",
    "duration": "1 day",
    "string": "example",
}
_START = Instant(1_767_225_600_000)
"""2026-01-01, for contracts that name no time."""
_LONG_MS = 4000 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What happens, and what follows, both in words."""

    title: str
    outcome: tuple[str, ...]


def examples(contract: Contract, signed: bytes, words: Words) -> tuple[Example, ...]:
    """Examples for a contract; none where nothing would follow in any of them."""
    if contract.report.cost > MAX_EXAMPLE_COST:
        return ()
    found: list[Example] = []
    for title, scenario in _scenarios(contract.document, words.phrases):
        try:
            simulation = simulate(contract, signed, scenario, words)
        except TallyError:
            continue
        found.append(Example(title=title, outcome=tuple(_outcome(simulation))))
    return tuple(found) if any(example.outcome for example in found) else ()


def _outcome(simulation: Simulation) -> Iterator[str]:
    for step in simulation.steps:
        if step.sort == FIRED:
            told = zip(step.lines, step.effects, strict=True)
            yield from (line for line, effect in told if effect["kind"] != "notify")
        elif step.sort in (FAILED, NO_FACT):
            yield from step.lines


def _scenarios(document: Document, phrases: Phrases) -> Iterator[tuple[str, Scenario]]:
    pair = next(_pairs(document, phrases), None)
    if pair is not None:
        yield from _late(document, *pair)
        return
    start = _begin(document)
    for name, rule in list(document.facts.items())[:MAX_FACTS]:
        told = _told(document, name, Instant(start.ms + DAY_MS))
        with_ = "".join(f", {field.replace('_', ' ')} {text}" for field, text in told.texts.items())
        done = "recorded and confirmed" if rule.confirm else "recorded"
        yield f"Only {quoted(name)} is {done}{with_}", _scenario(start, told)
    if document.deadlines:
        yield "Nothing is ever recorded", _scenario(start)


def _late(document: Document, name: str, when: Instant) -> Iterator[tuple[str, Scenario]]:
    start = Instant(max(0, min(when.ms - DAY_MS, _begin(document).ms)))
    for days in _LATER_DAYS:
        told = _told(document, name, Instant(when.ms + days * DAY_MS))
        with_ = "".join(f", {field.replace('_', ' ')} {text}" for field, text in told.texts.items())
        late = "on time" if days == 0 else f"{days} day{'s' if days > 1 else ''} late"
        yield f"{quoted(name)} is {late}, {prose_value(told.at)}{with_}", _scenario(start, told)
    yield f"{quoted(name)} is never recorded", _scenario(start)


def _scenario(start: Instant, *told: Told) -> Scenario:
    return Scenario(start=start, until=Instant(start.ms + _LONG_MS), story=told)


def _told(document: Document, name: str, at: Instant) -> Told:
    rule = document.facts[name]
    return Told(
        role=rule.by[0],
        fact=name,
        texts=_sample_fields(document, rule, at),
        at=at,
        counted=at,
        attachments=rule.attachments,
        confirmed=dict.fromkeys(rule.confirm, at),
        place=rule.place,
    )


def _sample_fields(document: Document, rule: FactRule, at: Instant) -> dict[str, str]:
    return {name: _sample(document, field, at) for name, field in rule.fields.items()}


def _sample(document: Document, field: FieldRule, at: Instant) -> str:
    least, most = field_bounds(document, field)
    bound = most if least is None else least
    if bound is not None:
        return format_value(bound)
    match field.type.kind:
        case "enum":
            return field.type.members[0]
        case "money":
            return f"100.00 {field.type.currency or 'EUR'}"
        case "instant":
            return format_value(at)
        case "date":
            return format_value(at)[:10]
    return _SAMPLES[field.type.kind]


def _begin(document: Document) -> Instant:
    """A day before the first time that the contract names."""
    times = [param.value.ms for param in document.params.values() if isinstance(param.value, Instant)]
    return Instant(max(0, min(times, default=_START.ms + DAY_MS) - DAY_MS))


def _pairs(document: Document, phrases: Phrases) -> Iterator[tuple[str, Instant]]:
    """Facts that count once, with a time of the contract from which days are counted to them."""
    expressions = [*document.lets.values()]
    expressions += [each for rule in document.rules for each in rule_expressions(rule)]
    for expression in expressions:
        for node in walk(expression.node):
            match node:
                case Call(function="days" | "ceil_days" | "business_days", arguments=(early, late, *_)):
                    yield from _pair(document, phrases, expression, early, late)
                case Compare(left=left, right=right):
                    yield from _pair(document, phrases, expression, left, right)
                    yield from _pair(document, phrases, expression, right, left)


def _pair(
    document: Document, phrases: Phrases, expression: Expression, early: Node, late: Node
) -> Iterator[tuple[str, Instant]]:
    when = phrases.constant(expression, early)
    if not isinstance(when, Instant) or when.ms < DAY_MS:
        return
    below = list(walk(late))
    if any(isinstance(node, Aggregate) for node in below):
        return
    for node in below:
        rule = document.facts.get(node.fact) if isinstance(node, Field) else None
        if isinstance(node, Field) and rule is not None and rule.total == 1 and node.field == "at":
            yield node.fact, when
