"""Reading the facts of a contract document, which events state them, and its deadlines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from contracts.document import (
    BUILT_IN_FIELDS,
    DeadlineRule,
    EventParty,
    EventRule,
    EventValue,
    FactRule,
    FieldRule,
)
from contracts.faults import likely
from contracts.limits import (
    MAX_ATTACHMENTS,
    MAX_FACTS_OF_A_KIND,
    MAX_FIELDS,
    MAX_MEMBERS,
    MAX_PARTIES,
    MAX_VALUE_CHARS,
    NAME,
    ROLE,
)
from contracts.tree import Reader, check_name, optional
from contracts.types import KINDS, Type, parse_typed
from ledger.errors import short

EVENT_TYPES = (
    "ObjectEvent",
    "AggregationEvent",
    "TransactionEvent",
    "TransformationEvent",
    "AssociationEvent",
)
EVENT_PARTS = (
    "quantity",
    "sensor",
    "identifier",
    "transaction",
    "source",
    "destination",
    "location",
    "read_point",
    "disposition",
)
"""The parts of an event that a field can take its value from."""
TAKES = ("sum", "min", "max", "count")
"""What the readings of a sensor can come to."""
_EVENT_VALUE_KEYS = ("type", "unit", "take", "above", "below")
PARTY_TYPES = ("owning_party", "possessing_party", "location")

_FACT_KEYS = ("confirm", "before", "state_before", "max", "per", "total", "fields", "attachments", "when")


def read_fact(reader: Reader) -> FactRule:
    """`{by, confirm, before, state_before, max, per, total, fields, attachments, when, event}`."""
    parts = reader.keys(("by",), (*_FACT_KEYS, "event"), "a fact")
    per = optional(parts, "per", lambda part: part.name("a field of this fact"))
    if "per" not in parts and "total" in parts:
        fault = parts["total"].refuse("a total without per", "`max` alone, or `per` with it", "say it in max")
        reader.faults.add(fault)
    most = optional(parts, "max", _count) or 1
    return FactRule(
        by=parts["by"].attempt(_roles) or (),
        confirm=optional(parts, "confirm", _roles) or (),
        before=optional(parts, "before", lambda part: part.name("a deadline")),
        state_before=optional(parts, "state_before", lambda part: part.name("a deadline")),
        max=most,
        per=per,
        total=most if per is None else optional(parts, "total", _count) or MAX_FACTS_OF_A_KIND,
        fields=optional(parts, "fields", _fields) or {},
        attachments=optional(parts, "attachments", _attachments) or 0,
        when=optional(parts, "when", Reader.expression),
        event=optional(parts, "event", _event),
        place=reader.place,
    )


def read_deadline(reader: Reader) -> DeadlineRule:
    """`{at, grace, per}`."""
    parts = reader.keys(("at",), ("grace", "per"), "a deadline")
    grace = optional(parts, "grace", Reader.expression)
    per = optional(parts, "per", lambda part: part.name("a field's name"))
    return DeadlineRule(at=parts["at"].expression(), grace=grace, per=per, place=reader.place)


def _roles(reader: Reader) -> tuple[str, ...]:
    return reader.names(MAX_PARTIES, "a role", ROLE)


def _count(reader: Reader) -> int:
    return reader.integer(1, MAX_FACTS_OF_A_KIND, "how many count")


def _attachments(reader: Reader) -> int:
    if reader.tree == "required":
        return 1
    return reader.integer(1, MAX_ATTACHMENTS, "`required`, or how many attachments")


def _fields(reader: Reader) -> dict[str, FieldRule]:
    fields: dict[str, FieldRule] = {}
    for name, entry in reader.entries(MAX_FIELDS, "fields").items():
        rule = entry.attempt(partial(_named_field, name))
        if rule is not None:
            fields[name] = rule
    return fields


def _named_field(name: str, reader: Reader) -> FieldRule:
    check_name(name, reader.place, "a field")
    if name in BUILT_IN_FIELDS:
        raise reader.refuse(f"the field {name}", "another name: every fact has it", f"leave {name} out")
    return _field(reader)


def _field(reader: Reader) -> FieldRule:
    """`decimal`, `{money: EUR}`, `{enum: [good, fair]}`, `{decimal: {least: "1", most: limit}}`."""
    if isinstance(reader.tree, str):
        if reader.tree not in KINDS or reader.tree == "enum":
            raise reader.refuse(short(reader.tree), f"a type: {', '.join(KINDS)}", _type_action(reader.tree))
        return FieldRule(type=Type(reader.tree), least=None, most=None, place=reader.place)
    entries = reader.entries(1, "a type such as decimal, {money: EUR} or {enum: [good, fair]}")
    kind, detail = next(iter(entries.items()), ("", reader))
    if kind == "enum":
        members = detail.names(MAX_MEMBERS, "a member")
        return FieldRule(type=Type("enum", members=members), least=None, most=None, place=reader.place)
    if kind == "money" and isinstance(detail.tree, str):
        if not (len(detail.tree) == 3 and all("A" <= letter <= "Z" for letter in detail.tree)):
            raise detail.refuse(short(detail.tree), "a currency such as EUR")
        return FieldRule(type=Type("money", detail.tree), least=None, most=None, place=reader.place)
    if kind not in KINDS:
        raise reader.refuse(short(kind), f"a type: {', '.join(KINDS)}", _type_action(kind))
    details = detail.keys((), ("least", "most", "event", *_EVENT_VALUE_KEYS), "bounds")
    least, most = (_text(details, key, "a value or a param") for key in ("least", "most"))
    event = _event_value(detail, details, kind)
    return FieldRule(type=Type(kind), least=least, most=most, event=event, place=reader.place)


def _type_action(kind: str) -> str:
    if kind == "enum":
        return "list its words, like {enum: [good, fair]}"
    twin = likely(kind, KINDS)
    return f"write {twin}" if twin else "write one of them"


def _event_value(reader: Reader, parts: Mapping[str, Reader], kind: str) -> EventValue | None:
    """`event: quantity, unit: KGM`: where an event has the value of a field."""
    if "event" not in parts:
        if stray := [key for key in _EVENT_VALUE_KEYS if key in parts]:
            raise parts[stray[0]].refuse(f"{stray[0]} without event", "the part of an event", "add `event`")
        return None
    source = parts["event"].word(EVENT_PARTS, "a part of an event")
    numeric = source in ("quantity", "sensor")
    if (kind in ("integer", "decimal")) is not numeric or (not numeric and kind != "string"):
        raise reader.refuse(
            f"a {kind} from {source}", "an integer or decimal from quantity or sensor, otherwise a string"
        )
    _check_narrowed(parts, source)
    return EventValue(
        source=source,
        type=_text(parts, "type", "a word or URI"),
        unit=_text(parts, "unit", "a unit such as KGM"),
        take=parts["take"].word(TAKES, "what readings come to") if "take" in parts else None,
        above=_number(parts, "above"),
        below=_number(parts, "below"),
        place=reader.place,
    )


def _check_narrowed(parts: Mapping[str, Reader], source: str) -> None:
    """Only readings of a sensor are several numbers, and only where it is said what they come to, fewer."""
    for key in ("take", "above", "below"):
        if key in parts and source != "sensor":
            raise parts[key].refuse(f"{key} of a {source}", f"{key} only of a sensor", "remove it")
        if key in parts and "take" not in parts:
            found = f"{key} without take"
            raise parts[key].refuse(found, f"what readings come to: {', '.join(TAKES)}", "add `take`")


def _number(parts: Mapping[str, Reader], key: str) -> str | None:
    """A number, or the name of a param, which is looked up once the params are known."""
    text = _text(parts, key, "a number or a param")
    if text is not None and not NAME.fullmatch(text):
        parse_typed(Type("decimal"), text, str(parts[key].place))
    return text


def _text(parts: Mapping[str, Reader], key: str, what: str) -> str | None:
    return parts[key].text(MAX_VALUE_CHARS, what) if key in parts else None


_EVENT_KEYS = ("action", "step", "disposition", "place", "read_point", "identifier")


def _event(reader: Reader) -> EventRule:
    parts = reader.keys(("type",), (*_EVENT_KEYS, "party", "transaction", "sensor"), "an event")
    sensor = parts["sensor"].keys(("type",), (), "a sensor report") if "sensor" in parts else {}
    return EventRule(
        type=parts["type"].word(EVENT_TYPES, "a type of events"),
        action=parts["action"].word(("OBSERVE", "ADD", "DELETE"), "an action") if "action" in parts else None,
        step=_text(parts, "step", "a business step"),
        disposition=_text(parts, "disposition", "a disposition"),
        location=_text(parts, "place", "a place"),
        read_point=_text(parts, "read_point", "a read point"),
        identifier=_text(parts, "identifier", "an identifier"),
        parties=_event_parties(parts["party"]) if "party" in parts else (),
        transactions=_transactions(parts["transaction"]) if "transaction" in parts else (),
        sensor=_text(sensor, "type", "a type of measurement"),
        place=reader.place,
    )


def _event_parties(reader: Reader) -> tuple[EventParty, ...]:
    return tuple(
        EventParty(side=side, type=kind, id=entry.text(MAX_VALUE_CHARS, "an identifier"))
        for side, found in reader.keys((), ("source", "destination"), "parties").items()
        for kind, entry in found.keys((), PARTY_TYPES, "kinds of parties").items()
    )


def _transactions(reader: Reader) -> tuple[tuple[str, str], ...]:
    entries = reader.entries(MAX_MEMBERS, "transactions, by type")
    return tuple((kind, entry.text(MAX_VALUE_CHARS, "an identifier")) for kind, entry in entries.items())
