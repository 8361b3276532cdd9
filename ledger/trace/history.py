"""What is recorded about one thing, sorted by the roles that it has in the events.

An event that its own organization declared wrong is set aside; what another declares is kept as disputed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.trace.event import Event, Thing
from ledger.trace.recorded import (
    MEMBERSHIPS,
    NEVER_MS,
    OBJECT,
    TRANSFORMATION,
    Declarations,
    RecordedEvent,
    Ref,
    event_order,
    time_of,
)

# The roles of a thing in an event, as bits. A thing may have several.
SEEN: Final = 1
CHILD: Final = 2
PARENT: Final = 4
INPUT: Final = 8
OUTPUT: Final = 16
ONE: Final = 32
"""Named as a single thing, not as an amount."""


@dataclass(slots=True)
class History:
    """What is recorded about one thing, errors set aside, all in order of time."""

    made: Sequence[RecordedEvent] = ()
    used: Sequence[RecordedEvent] = ()
    seen: Sequence[RecordedEvent] = ()
    as_child: Sequence[RecordedEvent] = ()
    as_parent: Sequence[RecordedEvent] = ()
    lots: Sequence[tuple[str, RecordedEvent]] = ()
    items: Sequence[tuple[str, RecordedEvent]] = ()
    linked: Sequence[RecordedEvent] = ()
    emptied: Sequence[RecordedEvent] = ()
    ended: Sequence[RecordedEvent] = ()
    set_aside: Sequence[tuple[RecordedEvent | None, RecordedEvent]] = ()
    disputed: Sequence[tuple[RecordedEvent, str]] = ()
    size: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is known, not even something set aside."""
        return self.size == 0

    def seen_between(self, low_ms: int, high_ms: int) -> Sequence[RecordedEvent]:
        """The observations of a span of time, both ends included."""
        first = bisect_left(self.seen, low_ms, key=time_of)
        return self.seen[first : bisect_right(self.seen, high_ms, lo=first, key=time_of)]


@dataclass(slots=True)
class Named:
    """What an event names, by thing. Made once for an event, which may name thousands.

    A thing's roles are bits; `amounts` are numbers with their units.
    """

    refs: tuple[Ref]
    roles: dict[str, int] = field(default_factory=dict)
    amounts: dict[str, tuple[str, str]] = field(default_factory=dict)
    lots: dict[str, list[str]] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)


def read_history(
    thing: str, records: Sequence[RecordedEvent], named_in: Callable[[RecordedEvent], Named]
) -> History:
    """The history of a thing out of the events that name it, in any order.

    `named_in` is `read_named`, remembered by the caller: an event is asked once for each thing that it names.
    """
    history = History()
    if len(records) > 1:
        unique = {record.leaf: record for record in records}
        records = sorted(unique.values(), key=event_order)
    history.size = len(records)
    if any(record.event.error is not None for record in records):
        records = _set_aside(records, history)
    _file(history, thing, [(record, named_in(record)) for record in records])
    return history


def read_named(record: RecordedEvent) -> Named:
    """What an event names."""
    event = record.event
    named = Named((record.ref,))
    roles = named.roles
    for thing, role in _roles_of(event):
        if thing.counted:
            roles[thing.id] = roles.get(thing.id, 0) | role
            named.amounts.setdefault(thing.id, (thing.amount, thing.unit))
        else:
            roles[thing.id] = roles.get(thing.id, 0) | role | ONE
    for item, lot in event.lots:
        named.lots.setdefault(item, []).append(lot)
        named.items.setdefault(lot, []).append(item)
    return named


def _file(history: History, thing: str, records: Sequence[tuple[RecordedEvent, Named]]) -> None:
    """Sort a thing's events, which are in order of time, by what it is in them."""
    found = [(record, named.roles.get(thing, 0)) for record, named in records]
    any_role = 0
    for _, roles in found:
        any_role |= roles
    # Most things have one or two roles; a question asks about thousands of things.
    if any_role & OUTPUT:
        history.made = [record for record, roles in found if roles & OUTPUT]
    if any_role & INPUT:
        history.used = [record for record, roles in found if roles & INPUT]
    if any_role & CHILD:
        history.as_child = [record for record, roles in found if roles & CHILD]
    if any_role & PARENT:
        history.as_parent = [record for record, roles in found if roles & PARENT]
        history.emptied = [record for record in history.as_parent if _empties(record.event)]
    if any_role & SEEN:
        history.seen = [record for record, roles in found if roles & SEEN]
    if any_role & ONE:
        history.ended = list(_endings(found))
    if any(record.event.transformation_id == thing for record, _ in records):
        history.linked = [record for record, _ in records if record.event.transformation_id == thing]
    if any(record.event.lots for record, _ in records):
        history.lots = [(lot, record) for record, named in records for lot in named.lots.get(thing, ())]
        history.items = [(item, record) for record, named in records for item in named.items.get(thing, ())]


def _set_aside(records: Sequence[RecordedEvent], history: History) -> list[RecordedEvent]:
    """Without the events that were declared wrong, and without the declarations themselves."""
    declarations = Declarations([record for record in records if record.event.error is not None])
    matched: set[bytes] = set()
    left: list[RecordedEvent] = []
    aside: list[tuple[RecordedEvent | None, RecordedEvent]] = []
    disputed: list[tuple[RecordedEvent, str]] = []
    for record in records:
        if record.event.error is not None:
            continue
        declared = declarations.about(record)
        own = declared.get(record.organization)
        if own is None:
            disputed += [(record, organization) for organization in sorted(declared)]
            left.append(record)
        else:
            aside.append((record, own))
            matched.add(own.leaf)
    history.set_aside = [*aside, *((None, d) for d in declarations.all if d.leaf not in matched)]
    history.disputed = disputed
    return left


def _roles_of(event: Event) -> Iterator[tuple[Thing, int]]:
    member = event.type in MEMBERSHIPS and event.parent != ""
    for thing in event.observed:
        yield thing, SEEN
    for thing in event.children:
        yield thing, CHILD if member and thing.id != event.parent else SEEN
    if event.parent:
        yield Thing(event.parent), PARENT if member else SEEN
    making = event.type == TRANSFORMATION
    for thing in event.inputs:
        yield thing, INPUT if making else SEEN
    for thing in event.outputs:
        yield thing, OUTPUT if making else SEEN


def _empties(event: Event) -> bool:
    """Whether everything is taken out of a parent, without being named."""
    return event.action == "DELETE" and not event.children


def _endings(found: Sequence[tuple[RecordedEvent, int]]) -> Iterator[RecordedEvent]:
    """The events across which nothing stays inside a thing: it is used up, ceases to be, or begins anew.

    A thing that is commissioned a second time is a returnable one in its next life.
    """
    commissioned_ms = NEVER_MS
    for record, roles in found:
        event = record.event
        is_object = event.type == OBJECT
        begins = is_object and event.action == "ADD"
        ends = bool(roles & INPUT) or (is_object and event.action == "DELETE")
        if roles & ONE and (ends or (begins and commissioned_ms < event.time_ms)):
            yield record
        if begins and roles & SEEN:
            commissioned_ms = min(commissioned_ms, event.time_ms)
