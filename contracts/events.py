"""Facts from events: which facts of a contract a recorded EPCIS event states, and with which values.

An event states a fact if everything that the fact's `event` says holds of it: type, action, step,
disposition, place, read point, an identifier that it names in any role, parties, transactions, a sensor
report. Identifiers are compared in their canonical form, words of the vocabulary in theirs. Each field of
the fact must have its value in the event; `at` is the event's time. An event with an error declaration
states nothing. What an event is recognised by is computed from its text, whatever hash its statement tells:
so one event that two parties recorded, or one party twice, is one fact (`contracts.quota`).

Where a field finds its value (`event`):

- `quantity`: the sum over what the event is about (observed, packed, put out), in `unit`; without `unit`,
  one for each single item and the amounts that have no unit. `type` narrows it to one product.
- `sensor`: the reports of `type` in `unit`, at least one; `take: min` and `max` see their least and greatest
  values too, `sum` adds the values, `count` says how many reports there are, without `take` there must be one
  value. `above` and `below` leave out the numbers that are not: of `count` the reports of which neither the
  value nor the greatest is above, or neither the value nor the least below
- `transaction`, `source`, `destination`: the one of `type`; `identifier`: the one thing that it is about
- `location`, `read_point`, `disposition`: what the event says
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import partial

from contracts.document import Document, EventRule, EventValue
from contracts.facts import StatedFact, read_stated
from contracts.limits import DIGITS, NAME
from contracts.records import Record
from contracts.values import Instant, format_value
from ledger.errors import InvalidError, MissingError, TallyError, short
from ledger.trace.document import read_event
from ledger.trace.event import Event, Thing, Typed, things_of, view_event
from ledger.trace.identifiers import canonical
from ledger.trace.json_text import JsonValue
from ledger.trace.vocabulary import BIZ_STEP, DISPOSITION, GS1, PARTY_TYPE, TRANSACTION_TYPE, expand, plain


def read_event_facts(document: Document, record: Record) -> dict[str, StatedFact]:
    """The facts that an `event` statement states for a contract, by name; what does not fit states none."""
    names = [
        name
        for name, rule in document.facts.items()
        if rule.event is not None and record.organization in {document.parties[role] for role in rule.by}
    ]
    if not names:
        return {}
    try:
        value = read_event(record.body["event"].encode()).value
        event = view_event(value, context=record.body["context"])
    except TallyError:
        return {}
    found: dict[str, StatedFact] = {}
    for name in names:
        try:
            found[name] = _stated(document, name, event, value)
        except TallyError:
            continue
    return found


def resolve(document: Document, text: str) -> str:
    """A text of an event rule: the value of a string param where it has the form of a name.

    Raises:
        InvalidError: no such param.
    """
    if not NAME.fullmatch(text):
        return text
    param = document.params.get(text)
    if param is None or param.type.kind not in ("string", "enum"):
        raise InvalidError(
            "event",
            found=f"the identifier {text}",
            expected="an identifier, or a param that is a string",
            action=f"define {text} under params",
        )
    return format_value(param.value)


def check_identifiers(document: Document, stated: StatedFact, keys: frozenset[str]) -> None:
    """Check that a statement by hand writes a key as events tell it, or it would come together with nothing.

    Raises:
        InvalidError: another form of the identifier; the message says which to write.
    """
    told = {
        name
        for rule in document.facts.values()
        for name, field in rule.fields.items()
        if field.event is not None and field.type.kind == "string" and field.event.source != "disposition"
    }
    for field in sorted(told & stated.texts.keys()):
        if field not in keys and field != stated.rule.per:
            continue
        text, same = stated.texts[field], canonical(stated.texts[field])
        if text != same:
            raise InvalidError(
                f"fact {stated.name} field {field}",
                found=short(text),
                expected="the form in which events tell it: another text is another key",
                action=f"write {same}",
            )


def _stated(document: Document, name: str, event: Event, value: Mapping[str, JsonValue]) -> StatedFact:
    rule = document.facts[name]
    if rule.event is None or event.error is not None or not _fits(document, rule.event, event, value):
        raise _unfit("an event of another kind")
    texts = {
        field: _field(document, of.event, event, value)
        for field, of in rule.fields.items()
        if of.event is not None
    }
    texts["at"] = format_value(Instant(event.time_ms))
    return replace(read_stated(document, name, texts, event.time_ms), event=event.identity)


def _fits(document: Document, rule: EventRule, event: Event, value: Mapping[str, JsonValue]) -> bool:
    same = partial(_same, document)
    touched = {thing for thing, _ in things_of(event)}
    return (
        event.type == rule.type
        and rule.action in (None, event.action)
        and (rule.step is None or event.business_step == plain(rule.step, BIZ_STEP))
        and (rule.disposition is None or event.disposition == plain(rule.disposition, DISPOSITION))
        and (rule.location is None or same(rule.location, event.business_location))
        and (rule.read_point is None or same(rule.read_point, event.read_point))
        and (rule.identifier is None or canonical(resolve(document, rule.identifier)) in touched)
        and all(
            any(
                typed.kind == plain(party.type, PARTY_TYPE) and same(party.id, typed.id)
                for typed in (event.sources if party.side == "source" else event.destinations)
            )
            for party in rule.parties
        )
        and all(
            any(t.kind == plain(kind, TRANSACTION_TYPE) and same(text, t.id) for t in event.transactions)
            for kind, text in rule.transactions
        )
        and (rule.sensor is None or any(True for _ in _reports(value, rule.sensor, None)))
    )


def _same(document: Document, wanted: str, found: str) -> bool:
    return bool(found) and canonical(resolve(document, wanted)) == found


def _field(document: Document, of: EventValue, event: Event, value: Mapping[str, JsonValue]) -> str:
    match of.source:
        case "quantity":
            return _quantity(document, of, event)
        case "sensor":
            return read_sensor(document, of, value)
        case "identifier":
            return _only([thing.id for thing in _about(event)] or [event.parent])
        case _:
            return _only(_TEXTS[of.source](event, of.type))


def _typed(base: str, of: Callable[[Event], tuple[Typed, ...]]) -> Callable[[Event, str | None], list[str]]:
    return lambda event, kind: [
        typed.id for typed in of(event) if kind is None or typed.kind == plain(kind, base)
    ]


_TEXTS: Mapping[str, Callable[[Event, str | None], list[str]]] = {
    "transaction": _typed(TRANSACTION_TYPE, lambda event: event.transactions),
    "source": _typed(PARTY_TYPE, lambda event: event.sources),
    "destination": _typed(PARTY_TYPE, lambda event: event.destinations),
    "location": lambda event, _: [event.business_location],
    "read_point": lambda event, _: [event.read_point],
    "disposition": lambda event, _: [event.disposition],
}


def _about(event: Event) -> tuple[Thing, ...]:
    return event.observed or event.children or event.outputs


def _quantity(document: Document, of: EventValue, event: Event) -> str:
    wanted = None if of.type is None else canonical(resolve(document, of.type))
    things = [thing for thing in _about(event) if wanted in (None, thing.id)]
    if of.unit is None:
        amounts = [thing.amount if thing.counted else "1" for thing in things if not thing.unit]
    else:
        amounts = [thing.amount for thing in things if thing.counted and thing.unit == of.unit]
    if not amounts or "" in amounts:
        raise _unfit("an unknown quantity")
    return _added([Decimal(amount) for amount in amounts])


def read_sensor(document: Document, of: EventValue, value: Mapping[str, JsonValue]) -> str:
    """What the readings of an event come to for a field.

    Raises:
        MissingError: none that it could be.
    """
    if of.type is None:
        raise _unfit("a sensor without its type")
    reports = list(_reports(value, of.type, of.unit))
    low, high = threshold(document, of.above), threshold(document, of.below)
    if of.take == "count" and reports:
        return str(sum(_counts(report, low, high) for report in reports))
    keys = {"min": ("minValue", "value"), "max": ("maxValue", "value")}.get(of.take or "", ("value",))
    told = [number for report in reports for number in _numbers(report, *keys)]
    values = [n for n in told if (low is None or n > low) and (high is None or n < high)]
    match of.take:
        case "sum" if told:
            return _added(values)
        case _ if not values:
            raise _unfit("no such reading")
        case "min":
            return _text(min(values))
        case "max":
            return _text(max(values))
        case _:
            return _only([_text(reading) for reading in values])


def threshold(document: Document, text: str | None) -> Decimal | None:
    """What readings must be above or below: a number, or the value of a param that is one.

    Raises:
        InvalidError: no such param.
    """
    if text is None or not NAME.fullmatch(text):
        return None if text is None else Decimal(text)
    param = document.params.get(text)
    if param is None or not isinstance(param.value, int | Decimal) or isinstance(param.value, bool):
        raise InvalidError(
            "event",
            found=f"the number {text}",
            expected="a number, or a param that is an integer or decimal",
            action=f"define {text} under params",
        )
    return Decimal(param.value)


def _counts(report: Mapping[str, JsonValue], low: Decimal | None, high: Decimal | None) -> bool:
    """Whether a report lies on the right side of both; one without a number lies nowhere."""
    above = low is None or any(number > low for number in _numbers(report, "value", "maxValue"))
    below = high is None or any(number < high for number in _numbers(report, "value", "minValue"))
    return above and below


def _numbers(report: Mapping[str, JsonValue], *keys: str) -> Iterator[Decimal]:
    for key in keys:
        if isinstance(found := report.get(key), Decimal):
            yield found


def _reports(
    value: Mapping[str, JsonValue], kind: str, unit: str | None
) -> Iterator[Mapping[str, JsonValue]]:
    """The sensor reports of one type, and in one unit where it is said."""
    elements = value.get("sensorElementList")
    for element in elements if isinstance(elements, list) else ():
        reports = element.get("sensorReport") if isinstance(element, dict) else None
        for report in reports if isinstance(reports, list) else ():
            if not isinstance(report, dict) or not isinstance(found := report.get("type"), str):
                continue
            if expand(found, GS1) == expand(kind, GS1) and unit in (None, report.get("uom")):
                yield report


def _added(amounts: list[Decimal]) -> str:
    with localcontext(prec=2 * DIGITS):
        return _text(sum(amounts, Decimal(0)))


def _text(number: Decimal) -> str:
    """A number as the language writes it; one that it cannot hold is refused where it is read."""
    if number.adjusted() > DIGITS or (number and number.adjusted() < -2 * DIGITS):
        raise _unfit("a number out of range")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _only(texts: list[str]) -> str:
    found = {text for text in texts if text}
    if len(found) != 1:
        raise _unfit(f"{len(found)} values")
    return found.pop()


def _unfit(found: str) -> MissingError:
    return MissingError("event", found=found, expected="one value for each field")
