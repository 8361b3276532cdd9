"""A contract in words: what may be stated by whom, what follows when, and by which dates.

Everything that the rules know is told, so that somebody who has never seen the language can say what
happens. `contracts.phrases` tells the expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.bands import BandRow
from contracts.calendars import WEEKDAYS, Calendar
from contracts.document import (
    DUTY,
    ENDING_STATES,
    PERMISSION,
    PROHIBITION,
    TERMINATE,
    TIMEKEEPER,
    Discharge,
    Document,
    Due,
    Effect,
    EventRule,
    EventValue,
    FactRule,
    FieldRule,
    Notify,
    Obligation,
    RequestConfirmation,
    Rule,
    State,
)
from contracts.effects import EffectMap
from contracts.field_bounds import field_bounds
from contracts.mentions import rule_expressions
from contracts.phrases import Item, Phrases, listed, quoted
from contracts.render import prose_value
from contracts.syntax import Expression, Field, Literal, Name, walk
from contracts.values import Date, Instant, format_value, parse_value

_KINDS = {
    "boolean": "yes or no",
    "integer": "a whole number",
    "decimal": "a number",
    "money": "an amount of money",
    "instant": "a time",
    "date": "a date",
    "duration": "a length of time",
    "string": "a text",
}
_TAKEN = {
    "count": "how many",
    "sum": "the sum of the",
    "min": "the least of the",
    "max": "the greatest of the",
    None: "the one value of the",
}
"""What readings come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWords:
    """A rule in words: for whom it exists, all that must hold, and what follows then."""

    name: str
    each: str
    """What it exists once for, or empty."""
    conditions: tuple[Item, ...]
    """All of them must hold; empty where it holds at once."""
    effects: tuple[str, ...]
    values: tuple[Item, ...]
    """What is calculated for it."""


class Words:
    """Tells the parts of one document that passed the checker."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.phrases = Phrases(document)

    def role(self, role: str) -> str:
        """A role with the organization that has it."""
        return f"{self.document.parties[role]} ({role})"

    # Facts

    def fact(self, name: str) -> tuple[str, ...]:
        """What may be stated under a name, by whom, and until when, in sentences."""
        return tuple(self._fact(self.document.facts[name]))

    def _fact(self, rule: FactRule) -> Iterator[str]:
        by = listed([self.role(role) for role in rule.by], "or")
        if rule.event is not None:
            yield f"{by} states it by recording {self._event(rule.event)}."
        else:
            yield f"{by} states it."
        if rule.confirm:
            confirm = listed([f"one person of {self.role(role)}" for role in rule.confirm])
            yield f"It counts once {confirm} {'has' if len(rule.confirm) == 1 else 'have'} confirmed it."
        if rule.state_before is not None:
            yield f"It must be stated {self._until(rule.state_before)}."
        if rule.before is not None:
            what = "stated and confirmed" if rule.confirm else "stated"
            yield f"It must be {what} {self._until(rule.before)}."
        yield from self._count(rule)
        if rule.fields:
            told = [f"{name.replace('_', ' ')} ({self._field(field)})" for name, field in rule.fields.items()]
            yield f"It says: {', '.join(told)}."
        if rule.attachments:
            papers = "one document" if rule.attachments == 1 else f"{rule.attachments} documents"
            yield f"At least {papers} must be attached."
        if rule.when is not None:
            again = ", and again when its last confirmation is" if rule.confirm else ""
            yield f"It counts only if, when it is counted{again}, {self.phrases.tell(rule.when)}."

    def _until(self, deadline: str) -> str:
        return f"before {self.phrases.passing(deadline)}; after that it does not count"

    def _count(self, rule: FactRule) -> Iterator[str]:
        times = "once" if rule.max == 1 else f"at most {rule.max} times"
        if rule.per is not None:
            yield f"It counts {times} for each {rule.per.replace('_', ' ')}, {rule.total} in all."
        elif rule.max > 1:
            yield f"It counts {times}."
        else:
            yield "Only the first one counts."

    def _field(self, field: FieldRule) -> str:
        kind = field.type
        if kind.kind == "enum":
            return listed(kind.members, "or")
        text = f"an amount in {kind.currency}" if kind.currency else _KINDS[kind.kind]
        least, most = field_bounds(self.document, field)
        if least is not None:
            text += f", at least {prose_value(least)}"
        text = text if most is None else f"{text}, at most {prose_value(most)}"
        return text if field.event is None else f"{text}, from the event: {self._source(field.event)}"

    def _source(self, of: EventValue) -> str:
        """Where a field's value stands in an event."""
        kind = "" if of.type is None else f" {self._identifier(of.type)}"
        unit = "" if of.unit is None else f" in {of.unit}"
        if of.source == "sensor":
            sides = (("above", of.above), ("below", of.below))
            limits = [f"{word} {self._identifier(text)}" for word, text in sides if text is not None]
            narrowed = f", only those {listed(limits)}" if limits else ""
            return f"{_TAKEN[of.take]} readings of{kind}{unit}{narrowed}"
        if of.source == "quantity":
            return f"how many{unit} of {kind.strip() or 'all that it is about'}"
        return f"the {'thing' if of.source == 'identifier' else of.source.replace('_', ' ')}{kind}"

    def _event(self, event: EventRule) -> str:
        parts = [f"an event ({event.type})"]
        for word, value in (
            ("action", event.action),
            ("step", event.step),
            ("disposition", event.disposition),
            ("place", event.location),
            ("read point", event.read_point),
            ("with the identifier", event.identifier),
            ("with readings of", event.sensor),
        ):
            parts += [f"{word} {self._identifier(value)}"] if value is not None else []
        parts += [f"with the {p.side} {p.type} {self._identifier(p.id)}" for p in event.parties]
        parts += [f"with the transaction {kind} {self._identifier(of)}" for kind, of in event.transactions]
        return ", ".join(parts)

    def _identifier(self, text: str) -> str:
        param = self.document.params.get(text)
        return text if param is None else format_value(param.value)

    # Deadlines, values, tables

    def deadline(self, name: str) -> str:
        """When a deadline is, and when it closes."""
        rule = self.document.deadlines[name]
        closing = self.phrases.closing(name)
        each = "" if rule.per is None else f"for each {rule.per.replace('_', ' ')}: "
        said = self.phrases.tell(rule.at)
        more = "" if rule.grace is None else f", and {self.phrases.tell(rule.grace)} more for recording"
        due = "this time" if closing is None else prose_value(Instant(closing.due_ms))
        keeper = f"{self.document.timekeeper} ({TIMEKEEPER})"
        later = "".join(f" {self._not_before(fact)}" for fact in sorted(self._times_in(rule.at)))
        return f"{each}{said}{more}.{later} It passes when {keeper} records that {due} has been reached."

    def _not_before(self, fact: str) -> str:
        done = "recorded and confirmed" if self.document.facts[fact].confirm else "recorded"
        return (
            f"If {quoted(fact)} states a time before the timekeeper has counted it as {done}, "
            "the time of that counting is taken instead."
        )

    def _times_in(self, expression: Expression) -> frozenset[str]:
        """The facts whose stated times a deadline is reckoned from, itself or through lets."""
        found, seen, waiting = set[str](), set[str](), [expression.node]
        while waiting:
            for node in walk(waiting.pop()):
                if isinstance(node, Field) and self._is_stated_time(node):
                    found.add(node.fact)
                elif isinstance(node, Name) and node.name in self.document.lets.keys() - seen:
                    seen.add(node.name)
                    waiting.append(self.document.lets[node.name].node)
        return frozenset(found)

    def _is_stated_time(self, node: Field) -> bool:
        rule = self.document.facts.get(node.fact)
        own = None if rule is None else rule.fields.get(node.field)
        if own is not None:
            return own.type.kind == "instant"
        return rule is not None and node.field == "at"

    def let(self, name: str) -> Item:
        """What a name of the document stands for."""
        unit = self.phrases.measures.days(self.document.lets[name].node)
        counted = f" (in {unit})" if unit else ""
        told = self.phrases.alternatives(self.document.lets[name])
        if len(told) == 1:
            return Item(f"{quoted(name)}{counted} is {told[0]}")
        return Item(f"{quoted(name)}{counted} is", told)

    def band(self, name: str) -> tuple[str, ...]:
        """Each row of a table."""
        return tuple(_row(row) for row in self.document.bands[name].rows)

    def calendar(self, name: str) -> str:
        """Which days a calendar holds to be business days."""
        return told_calendar(self.document.calendars[name])

    # Rules

    def rule(self, rule: Rule) -> RuleWords:
        """A rule in words."""
        always = isinstance(rule.when.node, Literal)
        used = self.lets_of(rule)
        return RuleWords(
            name=rule.name,
            each="" if rule.per is None else rule.per.replace("_", " "),
            conditions=() if always else self.phrases.conditions(rule.when),
            effects=tuple(self._effect(effect) for effect in rule.then),
            values=tuple(self.let(name) for name in used),
        )

    def lets_of(self, rule: Rule) -> tuple[str, ...]:
        """The lets that a rule uses, each before those that it uses itself."""
        found: dict[str, None] = {}
        waiting = [name for each in rule_expressions(rule) for name in self._used(each)]
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self._used(self.document.lets[name])
        return tuple(found)

    def _used(self, expression: Expression) -> list[str]:
        nodes = [node for node in walk(expression.node) if isinstance(node, Name)]
        return [node.name for node in nodes if node.name in self.document.lets]

    def _effect(self, effect: Effect) -> str:
        match effect:
            case Due():
                return self._due(effect)
            case Obligation():
                return self._obligation(effect)
            case Discharge(name=name):
                return f"“{name.replace('_', ' ')}” is done with"
            case State(state=state):
                return told_state(state)
            case RequestConfirmation(of=role, fact=fact):
                return f"{self.role(role)} is asked to confirm {quoted(fact)}"
            case Notify(roles=roles):
                return f"{listed([self.role(role) for role in roles])} are notified"

    def _due(self, due: Due) -> str:
        name = f" (as {quoted(due.name)})" if due.name is not None else ""
        text = f"{self.role(due.payer)} owes {self.role(due.payee)} {self.phrases.tell(due.amount)}{name}"
        if due.on is not None:
            return f"{text}, payable on {self.phrases.tell(due.on)}"
        if due.within is None:
            return f"{text}, payable at once"
        return f"{text}, payable within {self.phrases.tell(due.within)} of this moment"

    def _obligation(self, effect: Obligation) -> str:
        text = f"{self.role(effect.of)} {_MODAL[effect.duty]} {_act(effect.act)}"
        if effect.amount is not None:
            text += f" {self.phrases.tell(effect.amount)}"
        if effect.to is not None:
            text += f", towards {self.role(effect.to)}"
        if effect.by is not None:
            text += f", by {self.phrases.tell(effect.by)}"
        return f"{text}, also after the end of the agreement" if effect.survives else text

    def outcome(self, effect: EffectMap) -> str:
        """An effect that came out, in words."""
        match effect:
            case {"kind": "due", "from": str(payer), "to": str(payee), "amount": str(amount), "by": str(by)}:
                return f"{self.role(payer)} owes {self.role(payee)} {amount}, payable by {told_time(by)}"
            case {"kind": "obligation", "of": str(role), "duty": str(duty), "act": str(act)}:
                amount = f" {effect['amount']}" if "amount" in effect else ""
                by = f", by {told_time(str(effect['by']))}" if "by" in effect else ""
                return f"{self.role(role)} {_MODAL[duty]} {_act(act)}{amount}{by}"
            case {"kind": "discharge", "name": str(name)}:
                return f"“{name.replace('_', ' ')}” is done with"
            case {"kind": "state", "state": str(state)}:
                return told_state(state)
            case {"kind": "confirm", "of": str(role), "fact": str(fact)}:
                return f"{self.role(role)} is asked to confirm {quoted(fact)}"
        roles = [role for role in effect["roles"] if role in self.document.parties]
        return f"{listed([self.role(role) for role in roles])} are notified"


_MODAL = {DUTY: "must", PERMISSION: "may", PROHIBITION: "must not"}


def _act(act: str) -> str:
    return "terminate the agreement" if act == TERMINATE else act.replace("_", " ")


def told_state(state: str) -> str:
    """A state in words."""
    if state in ENDING_STATES:
        return f"the agreement ends: {state}"
    return f"the agreement is “{state.replace('_', ' ')}”"


def told_time(text: str) -> str:
    """An instant or a date, as text, as people read it."""
    return prose_value(parse_value("instant", text, "time")) if "T" in text else text


def told_calendar(calendar: Calendar) -> str:
    """Which days are business days."""
    free = [WEEKDAYS[day - 1].capitalize() for day in sorted(calendar.weekend)]
    days = f"every day but {listed(free)}" if free else "every day"
    if calendar.holidays:
        days += f", and but for {listed([format_value(Date(day)) for day in calendar.holidays])}"
    offsets = [
        f"UTC{_offset(ms)}" + (f" from {prose_value(Instant(since))}" if number else "")
        for number, (since, ms) in enumerate(calendar.offsets)
    ]
    return f"Business days: {days}. Clocks: {listed(offsets)}. Until {format_value(Date(calendar.last))}."


def _offset(ms: int) -> str:
    sign, minutes = "+" if ms >= 0 else "−", abs(ms) // 60_000
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _row(row: BandRow) -> str:
    value = prose_value(row.value)
    if row.high is None:
        return f"always: {value}" if row.low is None else f"from {prose_value(row.low)} on: {value}"
    low = "" if row.low is None else f"from {prose_value(row.low)} "
    return f"{low}up to, but not with, {prose_value(row.high)}: {value}"
