"""Worked examples: small scenarios that a contract itself suggests, and what comes of each, and why then.

Where a rule counts the days from a time to a fact, the fact comes at that time, a day later, eight days
later, or never, and the other facts come beside it while it is eight days late. Otherwise each fact comes
after those that it needs, and then none at all. A fact that others confirm, or that has a deadline, is also
shown not confirmed, and recorded or confirmed too late. Everything else is left out: an example shows how to
read the rules, it does not say all that can happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from contracts.civil import DAY_MS
from contracts.contract import Contract
from contracts.document import Document, Due, FactRule, FieldRule, Obligation
from contracts.effects import EffectMap
from contracts.field_bounds import field_bounds
from contracts.mentions import Mentions, rule_expressions
from contracts.phrases import Phrases, listed, quoted
from contracts.render import prose_value
from contracts.scenario import Scenario, Told
from contracts.simulate import FACT, FAILED, FIRED, NO_FACT, PASSED, SAID, START, Simulation, Step, simulate
from contracts.syntax import Aggregate, Call, Compare, Exists, Expression, Field, Node, outermost, walk
from contracts.values import Duration, Instant, format_value, parse_value
from contracts.words import Words, told_time
from ledger.errors import TallyError

MAX_FACTS = 6
MAX_EXAMPLES = 16
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
    teller = _Teller(contract, signed, words)
    found = []
    for title, scenario in islice(teller.scenarios(), MAX_EXAMPLES):
        simulation = teller.run(scenario)
        if simulation is not None:
            found.append((simulation, title))
    if not any(step.effects for simulation, _ in found for step in simulation.steps):
        return ()
    return tuple(Example(title=title, outcome=tuple(_outcome(each, words))) for each, title in found)


# What follows, when, and why then


def _outcome(simulation: Simulation, words: Words) -> Iterator[str]:
    cause, before = "", simulation.steps[0]
    for step in simulation.steps:
        same = step.at == before.at
        if step.sort == FIRED:
            told = [line for line in _followed(step, words) if line]
            if told:
                yield f"{prose_value(step.at)}, {cause}: {'; '.join(told)}"
        elif step.sort == FAILED:
            yield from step.lines
        elif step.sort == NO_FACT:
            first = step.lines[0]
            yield f"{quoted(step.name)} does not count" if first.startswith(quoted(step.name)) else first
        elif step.sort == START:
            cause = "when the agreement comes into force"
        elif step.sort == PASSED:
            others = (
                cause.partition("when ")[2].removesuffix(" passes") if same and before.sort == PASSED else ""
            )
            cause = f"when {f'{others} passes and ' if others else ''}{quoted(step.name)} passes"
        elif step.sort == SAID:
            cause = f"when the confirmation of {quoted(step.name)} is counted"
        elif step.sort == FACT and not (same and before.sort == SAID):
            cause = f"when {quoted(step.name)} is counted"
        before = step


def _followed(step: Step, words: Words) -> Iterator[str]:
    """Each effect of a rule in words, but for notes, with what its time is reckoned from."""
    rule = next(rule for rule in words.document.rules if rule.name == step.name)
    for line, outcome, effect in zip(step.lines, step.effects, rule.then, strict=True):
        if outcome["kind"] == "notify":
            continue
        until = effect.on if isinstance(effect, Due) else None
        until = effect.by if isinstance(effect, Obligation) else until
        if until is not None:
            result = f", that is {told_time(str(outcome['by']))}"
            yield f"{line} ({words.phrases.tell(until).removesuffix(result)})"
        elif isinstance(effect, Due) and effect.within is not None:
            yield f"{line} ({_span(outcome, step.at)} after that)"
        else:
            yield line


def _span(outcome: EffectMap, since: Instant) -> str:
    by = parse_value("instant", str(outcome["by"]), "by")
    return format_value(Duration(by.ms - since.ms)) if isinstance(by, Instant) else ""


# What happens


class _Teller:
    """Makes up what happens in the examples of one contract."""

    def __init__(self, contract: Contract, signed: bytes, words: Words) -> None:
        self.contract = contract
        self.signed = signed
        self.words = words
        self.document = contract.document
        self.mentions = Mentions(contract.document)

    def run(self, scenario: Scenario) -> Simulation | None:
        """What comes of a scenario, None where it cannot be."""
        try:
            return simulate(self.contract, self.signed, scenario, self.words)
        except TallyError:
            return None

    def scenarios(self) -> Iterator[tuple[str, Scenario]]:
        """What happens in each example, with its title."""
        document = self.document
        pair = next(_pairs(document, self.words.phrases), None)
        if pair is not None:
            yield from self._counting_days(*pair)
            return
        start = _begin(document)
        for name in list(document.facts)[:MAX_FACTS]:
            told = _told(document, name, Instant(start.ms + DAY_MS))
            needed = [_told(document, each, told.at) for each in self._needed(name)]
            others = listed([f"{quoted(each.fact)}{_with(each)}" for each in needed]) if needed else ""
            first = f"First {others}; then" if needed else "Only"
            for how, each in self._ways(start, needed, told):
                yield f"{first} {quoted(name)} is {how}", _scenario(start, *needed, each)
        if document.deadlines:
            yield "Nothing is ever recorded", _scenario(start)

    def _counting_days(self, name: str, when: Instant) -> Iterator[tuple[str, Scenario]]:
        document = self.document
        start = Instant(max(0, min(when.ms - DAY_MS, _begin(document).ms)))
        late = ""
        for days in _LATER_DAYS:
            told = _told(document, name, Instant(when.ms + days * DAY_MS))
            late = "on time" if days == 0 else f"{days} day{'s' if days > 1 else ''} late"
            yield f"{quoted(name)} is {late}, {prose_value(told.at)}{_with(told)}", _scenario(start, told)
        for how, each in self._ways(start, [], told):
            if each != told:
                yield f"{quoted(name)} is {late}, and {how}", _scenario(start, each)
        yield f"{quoted(name)} is never recorded", _scenario(start)
        for other in [fact for fact in document.facts if fact != name][: MAX_FACTS - 1]:
            needed = [told, *(_told(document, each, told.at) for each in self._needed(other) if each != name)]
            for how, each in self._ways(start, needed, _told(document, other, told.at)):
                yield (
                    f"{quoted(name)} is {late}, and {quoted(other)} is {how}",
                    _scenario(start, *needed, each),
                )

    def _ways(self, start: Instant, needed: list[Told], told: Told) -> Iterator[tuple[str, Told]]:
        """A fact as it should be, and then not confirmed, recorded too late and confirmed too late."""
        rule, due = self.document.facts[told.fact], self._due(start, needed, told)
        if due is not None and due.ms < told.at.ms:
            return
        in_time = "" if due is None else " in time"
        yield f"recorded{' and confirmed' if rule.confirm else ''}{in_time}{_with(told)}", told
        if rule.confirm:
            yield f"recorded{in_time}, and never confirmed", replace(told, confirmed={})
        if due is None:
            return
        after = Instant(due.ms + DAY_MS)
        too_late = dict.fromkeys(rule.confirm, after)
        yield (
            f"recorded too late: counted {prose_value(after)}",
            replace(told, counted=after, confirmed=too_late),
        )
        if rule.confirm and rule.before is not None:
            yield (
                f"recorded in time and confirmed too late: {prose_value(after)}",
                replace(told, confirmed=too_late),
            )

    def _due(self, start: Instant, needed: list[Told], told: Told) -> Instant | None:
        """When the deadline of a fact is due that comes after those that it needs."""
        rule = self.document.facts[told.fact]
        deadline = rule.before or rule.state_before
        until = Instant(max([start.ms, *(each.counted.ms for each in needed)]))
        asked = replace(_scenario(start, *needed), until=until)
        found = None if deadline is None else self.run(asked)
        dues = [] if found is None else [each for each in found.agreement.deadlines if each.name == deadline]
        return Instant(dues[0].due_ms) if dues else None

    def _needed(self, name: str) -> list[str]:
        """Facts that come before one: for its deadlines and its `when`, and what its rule asks first."""
        document, rule = self.document, self.document.facts[name]
        deadlines = [each for each in (rule.before, rule.state_before) if each is not None]
        needed = self.mentions.behind([*deadlines, *(self.mentions.of(rule.when) if rule.when else ())])
        first: dict[str, None] = {}
        for each in document.rules:
            parts = [node.fact for node in outermost(each.when.node) if isinstance(node, Exists)]
            if name in parts:
                first = dict.fromkeys(parts[: parts.index(name)])
                break
        return [fact for fact in document.facts if fact in needed | first.keys() and fact != name]


def _with(told: Told) -> str:
    return "".join(f", {field.replace('_', ' ')} {text}" for field, text in told.texts.items())


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
