"""An event as the trace sees it: identifiers canonical, times in milliseconds, words plain.

`view_event` reads one checked event into an `Event`; `things_of` lists every name under which a store
must find it again. The captured text stays the truth: a view can be made anew at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from ledger.errors import MalformedError
from ledger.trace.event_hash import event_hash
from ledger.trace.identifiers import canonical, lot_of, lot_of_product
from ledger.trace.instants import parse_instant
from ledger.trace.json_text import JsonValue
from ledger.trace.namespaces import Namespaces, read_namespaces
from ledger.trace.vocabulary import (
    BIZ_STEP,
    DISPOSITION,
    ERROR_REASON,
    PARTY_TYPE,
    TRANSACTION_TYPE,
    plain,
)

OBSERVED: Final = "observed"
PARENT: Final = "parent"
CHILD: Final = "child"
INPUT: Final = "input"
OUTPUT: Final = "output"
LOT: Final = "lot"
TRANSFORMATION: Final = "transformation"
EVENT: Final = "event"

_LOT_FIELDS: Final = frozenset(
    {
        "{urn:epcglobal:cbv:mda}lotNumber",
        "{urn:epcglobal:cbv:mda:}lotNumber",
        "urn:epcglobal:cbv:mda:lotNumber",
    }
)


class Thing(NamedTuple):
    """What an event names: an item, or (`counted`) an amount of a lot or product, which may be unknown."""

    id: str
    counted: bool = False
    amount: str = ""
    unit: str = ""


class Typed(NamedTuple):
    """A party or a business transaction with the plain word for what it is."""

    kind: str
    id: str


class Identity(NamedTuple):
    """What is recognised as captured before: same hash, same eventID, same error declaration."""

    digest: bytes
    event_id: str
    declaration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDeclaration:
    """The author says that the event is wrong, and perhaps which events put it right."""

    time_ms: int
    reason: str
    corrective_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `observed` holds what it is about where it names neither members nor inputs and outputs."""

    type: str
    action: str
    time_ms: int
    time: str
    business_step: str
    disposition: str
    read_point: str
    business_location: str
    observed: tuple[Thing, ...]
    parent: str
    children: tuple[Thing, ...]
    inputs: tuple[Thing, ...]
    outputs: tuple[Thing, ...]
    transformation_id: str
    lots: tuple[tuple[str, str], ...]
    sources: tuple[Typed, ...]
    destinations: tuple[Typed, ...]
    transactions: tuple[Typed, ...]
    ilmd: Mapping[str, JsonValue]
    error: ErrorDeclaration | None
    event_id: str
    digest: bytes

    @property
    def identity(self) -> Identity:
        """Two captures with the same identity are the same event."""
        declaration = ""
        if self.error is not None:
            declaration = " ".join((str(self.error.time_ms), self.error.reason, *self.error.corrective_ids))
        return Identity(self.digest, self.event_id, declaration)

    @property
    def place(self) -> str:
        """Where it happened: the read point, else the business location."""
        return self.read_point or self.business_location


def view_event(
    value: Mapping[str, JsonValue],
    *,
    context: str = "",
    ignored: Iterable[str] = (),
    digest: bytes | None = None,
) -> Event:
    """The event as the trace sees it. `digest` is its event hash where that is at hand already."""
    time = _text(value, "eventTime")
    outputs = (*_things(value, "outputEPCList"), *_amounts(value, "outputQuantityList"))
    observed = (*_things(value, "epcList"), *_amounts(value, "quantityList"))
    ilmd = value.get("ilmd")
    return Event(
        type=_text(value, "type"),
        action=_text(value, "action"),
        time_ms=parse_instant(time),
        time=time,
        business_step=plain(_text(value, "bizStep"), BIZ_STEP),
        disposition=plain(_text(value, "disposition"), DISPOSITION),
        read_point=_place(value, "readPoint"),
        business_location=_place(value, "bizLocation"),
        observed=observed,
        parent=canonical(_text(value, "parentID")),
        children=(*_things(value, "childEPCs"), *_amounts(value, "childQuantityList")),
        inputs=(*_things(value, "inputEPCList"), *_amounts(value, "inputQuantityList")),
        outputs=outputs,
        transformation_id=canonical(_text(value, "transformationID")),
        lots=tuple(_lots(value, context, outputs or observed)),
        sources=_typed(value, "sourceList", "source", PARTY_TYPE),
        destinations=_typed(value, "destinationList", "destination", PARTY_TYPE),
        transactions=_typed(value, "bizTransactionList", "bizTransaction", TRANSACTION_TYPE),
        ilmd=ilmd if isinstance(ilmd, dict) else {},
        error=_error(value),
        event_id=_text(value, "eventID"),
        digest=event_hash(value, context, ignored) if digest is None else digest,
    )


def things_of(event: Event) -> Iterator[tuple[str, str]]:
    """Every name under which the event must be found, with the role it has; names may repeat across roles."""
    seen: set[tuple[str, str]] = set()
    for name, role in _named(event):
        if name and (name, role) not in seen:
            seen.add((name, role))
            yield name, role


def _named(event: Event) -> Iterator[tuple[str, str]]:
    for role, things in (
        (OBSERVED, event.observed),
        (CHILD, event.children),
        (INPUT, event.inputs),
        (OUTPUT, event.outputs),
    ):
        for thing in things:
            yield thing.id, role
    yield event.parent, PARENT
    for _, lot in event.lots:
        yield lot, LOT
    yield event.transformation_id, TRANSFORMATION
    yield event.event_id, EVENT


def _text(value: Mapping[str, JsonValue], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _objects(value: Mapping[str, JsonValue], key: str) -> list[dict[str, JsonValue]]:
    items = value.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _things(value: Mapping[str, JsonValue], key: str) -> list[Thing]:
    names = value.get(key)
    if not isinstance(names, list):
        return []
    return [Thing(canonical(name)) for name in names if isinstance(name, str)]


def _amounts(value: Mapping[str, JsonValue], key: str) -> list[Thing]:
    things = []
    for item in _objects(value, key):
        name, amount = item.get("epcClass"), item.get("quantity")
        if isinstance(name, str):
            number = format(amount, "f") if isinstance(amount, Decimal) else ""
            things.append(Thing(canonical(name), True, number, _text(item, "uom")))
    return things


def _place(value: Mapping[str, JsonValue], key: str) -> str:
    place = value.get(key)
    return canonical(_text(place, "id")) if isinstance(place, dict) else ""


def _typed(value: Mapping[str, JsonValue], key: str, field: str, base: str) -> tuple[Typed, ...]:
    if key not in value:
        return ()
    return tuple(
        Typed(plain(_text(item, "type"), base) if "type" in item else "", canonical(_text(item, field)))
        for item in _objects(value, key)
    )


def _error(value: Mapping[str, JsonValue]) -> ErrorDeclaration | None:
    declared = value.get("errorDeclaration")
    if not isinstance(declared, dict):
        return None
    ids = declared.get("correctiveEventIDs")
    try:
        time_ms = parse_instant(_text(declared, "declarationTime"))
    except MalformedError as error:
        raise MalformedError(
            "errorDeclaration.declarationTime", found=error.found, expected=error.expected
        ) from None
    return ErrorDeclaration(
        time_ms=time_ms,
        reason=plain(_text(declared, "reason"), ERROR_REASON) if "reason" in declared else "",
        corrective_ids=tuple(i for i in ids if isinstance(i, str)) if isinstance(ids, list) else (),
    )


def _lots(value: Mapping[str, JsonValue], context: str, made: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    """Items and the lot they belong to, where the event says so: in a Digital Link, or as master data."""
    for key in ("epcList", "childEPCs", "inputEPCList", "outputEPCList"):
        names = value.get(key)
        if isinstance(names, list):
            for name in names:
                lot = lot_of(name) if isinstance(name, str) and ("/10/" in name or "/lot/" in name) else ""
                if lot and lot != canonical(str(name)):
                    yield canonical(str(name)), lot
    ilmd = value.get("ilmd")
    if isinstance(ilmd, dict):
        number = _lot_number(ilmd, _names(value, context))
        for thing in made:
            lot = "" if thing.counted else lot_of_product(thing.id, number)
            if lot and lot != thing.id:
                yield thing.id, lot


def _names(value: Mapping[str, JsonValue], context: str) -> Namespaces:
    names = read_namespaces(context)
    return names.extended(value["@context"]) if "@context" in value else names


def _lot_number(ilmd: Mapping[str, JsonValue], names: Namespaces) -> str:
    for key, value in ilmd.items():
        if names.key(key) in _LOT_FIELDS and isinstance(value, str):
            return value
    return ""
