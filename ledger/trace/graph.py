"""The graph that events draw: what was made from what, what was inside what and when, what is set aside.

Events are looked up by the things they name (`EventSource`); everything here is derived from them and
does not depend on the order in which they were recorded. Two rules carry the rest:

**Time.** A thing is inside a parent from an event that puts it in until the first of: an event that takes
it out or empties the parent; for a single item also an event that packs it elsewhere, uses it up or
decommissions it; an event that uses up or decommissions the parent or commissions it anew. Of events at
one instant those that take out come first, those that use up last.

**Errors.** An event that its own organization declared wrong is set aside.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.trace.event import Event, Thing
from ledger.trace.recorded import (
    ALWAYS_MS,
    ASSOCIATION,
    MEMBERSHIPS,
    NEVER_MS,
    OBJECT,
    TRANSFORMATION,
    Declarations,
    EventSource,
    RecordedEvent,
    Ref,
    event_order,
    time_of,
)


class Stay(NamedTuple):
    """A thing inside a parent, from `start_ms` up to but not including `end_ms`.

    Without `came_in` nobody recorded when it was put in; without `went_out` nobody recorded that it was
    taken out, though something else may have ended the stay.
    """

    child: str
    parent: str
    start_ms: int
    end_ms: int
    attached: bool
    came_in: RecordedEvent | None
    went_out: RecordedEvent | None

    def overlaps(self, low_ms: int, high_ms: int) -> bool:
        """Whether some instant of the closed span lies in the stay.

        A thing that was used up with its parent was inside at that very instant.
        """
        return self.start_ms <= high_ms and (
            self.end_ms > low_ms or (self.end_ms == low_ms and self.went_out is None)
        )


class SetAside(NamedTuple):
    """An event that its author declared wrong, the declaration, and the events that put it right."""

    event: Ref | None
    declaration: Ref
    reason: str
    corrective_ids: tuple[str, ...]
    corrections: tuple[Ref, ...]


@dataclass(slots=True)
class History:
    """What is recorded about one thing, errors set aside, each list in order of time."""

    made: list[RecordedEvent] = field(default_factory=list)
    used: list[RecordedEvent] = field(default_factory=list)
    seen: list[RecordedEvent] = field(default_factory=list)
    as_child: list[RecordedEvent] = field(default_factory=list)
    as_parent: list[RecordedEvent] = field(default_factory=list)
    lots: list[tuple[str, RecordedEvent]] = field(default_factory=list)
    items: list[tuple[str, RecordedEvent]] = field(default_factory=list)
    linked: list[RecordedEvent] = field(default_factory=list)
    emptied: list[RecordedEvent] = field(default_factory=list)
    ended: list[RecordedEvent] = field(default_factory=list)
    set_aside: list[tuple[RecordedEvent | None, RecordedEvent]] = field(default_factory=list)
    disputed: list[tuple[RecordedEvent, str]] = field(default_factory=list)
    commissioned_ms: int = NEVER_MS

    size: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is known, not even something set aside."""
        return self.size == 0

    def seen_between(self, low_ms: int, high_ms: int) -> list[RecordedEvent]:
        """The observations of a span of time, both ends included."""
        first = bisect_left(self.seen, low_ms, key=time_of)
        return self.seen[first : bisect_right(self.seen, high_ms, lo=first, key=time_of)]


@dataclass(slots=True)
class _Named:
    """What an event names, by thing. Made once for an event, which may name thousands."""

    roles: dict[str, set[str]] = field(default_factory=dict)
    amounts: dict[str, Thing] = field(default_factory=dict)
    lots: dict[str, list[str]] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)


class Graph:
    """Histories and stays, looked up when needed and kept for the length of one question."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._histories: dict[str, History] = {}
        self._stays: dict[str, list[Stay]] = {}
        self._guests: dict[str, list[Stay]] = {}
        self._named: dict[bytes, _Named] = {}

    def history(self, thing: str) -> History:
        """What is recorded about the thing."""
        known = self._histories.get(thing)
        if known is None:
            known = self._histories[thing] = self._read_history(thing)
        return known

    def stays(self, thing: str) -> list[Stay]:
        """Where the thing was inside, in order of time."""
        known = self._stays.get(thing)
        if known is None:
            known = self._stays[thing] = sorted(self._read_stays(thing), key=_stay_order)
        return known

    def contents(self, parent: str, low_ms: int, high_ms: int) -> Iterator[Stay]:
        """What was inside the parent at some instant of the span."""
        guests = self._guests.get(parent)
        if guests is None:
            guests = self._guests[parent] = sorted(self._read_guests(parent), key=_stay_order)
        children = dict.fromkeys(stay.child for stay in guests if stay.overlaps(low_ms, high_ms))
        for child in children:
            for stay in self.stays(child):
                if stay.parent == parent and stay.overlaps(low_ms, high_ms):
                    yield stay

    def amount_in(self, record: RecordedEvent, thing: str) -> Thing:
        """How much of a thing an event names, where it does."""
        return self._named_in(record).amounts.get(thing) or Thing(thing)

    def corrections(self, event_ids: Sequence[str]) -> tuple[Ref, ...]:
        """The entries of the events with these eventIDs."""
        found = {
            record.ref
            for event_id in event_ids
            for record in self._source.events_touching(event_id)
            if record.event.event_id == event_id
        }
        return tuple(sorted(found))

    def _read_history(self, thing: str) -> History:
        history = History()
        unique = {record.leaf: record for record in self._source.events_touching(thing)}
        records = list(unique.values())
        if len(records) > 1:
            records.sort(key=event_order)
        history.size = len(records)
        if any(record.event.error is not None for record in records):
            records = _set_aside(records, history)
        for record in records:
            self._file(history, thing, record)
        return history

    def _file(self, history: History, thing: str, record: RecordedEvent) -> None:
        event = record.event
        roles = self._named_in(record).roles.get(thing, set())
        if "output" in roles:
            history.made.append(record)
        if "input" in roles:
            history.used.append(record)
        if "child" in roles:
            history.as_child.append(record)
        if "parent" in roles:
            history.as_parent.append(record)
            if event.action == "DELETE" and not event.children:
                history.emptied.append(record)
        if event.transformation_id == thing:
            history.linked.append(record)
        if "one" in roles and ("input" in roles or _ends(event) or _begins_again(event, history)):
            history.ended.append(record)
        if "seen" in roles:
            history.seen.append(record)
            if event.type == OBJECT and event.action == "ADD":
                history.commissioned_ms = min(history.commissioned_ms, event.time_ms)
        if event.lots:
            named = self._named_in(record)
            history.lots += [(lot, record) for lot in named.lots.get(thing, ())]
            history.items += [(item, record) for item in named.items.get(thing, ())]

    def _named_in(self, record: RecordedEvent) -> _Named:
        known = self._named.get(record.leaf)
        if known is None:
            known = self._named[record.leaf] = _Named()
            for thing, role in _roles_of(record.event):
                roles = known.roles.setdefault(thing.id, set())
                roles.add(role)
                if thing.counted:
                    known.amounts.setdefault(thing.id, thing)
                else:
                    roles.add("one")
            for item, lot in record.event.lots:
                known.lots.setdefault(item, []).append(lot)
                known.items.setdefault(lot, []).append(item)
        return known

    def _read_stays(self, thing: str) -> Iterator[Stay]:
        history = self.history(thing)
        if not history.as_child:
            return
        moves = list(history.as_child)
        parents = dict.fromkeys(record.event.parent for record in history.as_child)
        closings: dict[bytes, list[str]] = {}
        for parent in parents:
            parent_history = self.history(parent)
            for record in (*parent_history.emptied, *parent_history.ended):
                closings.setdefault(record.leaf, []).append(parent)
                moves.append(record)
        moves += history.ended
        walk = _Moves(thing, closings, {record.leaf for record in history.ended})
        done: set[bytes] = set()
        for record in sorted(moves, key=event_order):
            if record.leaf not in done:
                done.add(record.leaf)
                yield from walk.follow(record, self._named_in(record).roles.get(thing, set()))
        yield from walk.still_inside()

    def _read_guests(self, parent: str) -> Iterator[Stay]:
        """Who may have been inside, by the parent's events alone: never too few, `stays` says exactly."""
        history = self.history(parent)
        if not history.as_parent:
            return
        inside: dict[tuple[str, bool], RecordedEvent] = {}
        closing = {record.leaf for record in (*history.emptied, *history.ended)}
        members = {record.leaf for record in history.as_parent}
        moves = {record.leaf: record for record in (*history.as_parent, *history.ended)}
        for record in sorted(moves.values(), key=event_order):
            event = record.event
            if record.leaf in closing:
                for key, came_in in inside.items():
                    yield _stay(key[0], (parent, key[1]), came_in, record)
                inside.clear()
            attached = event.type == ASSOCIATION
            for child in event.children if record.leaf in members else ():
                key = (child.id, attached)
                if event.action == "DELETE":
                    yield _stay(child.id, (parent, attached), inside.pop(key, None), record)
                else:
                    inside.setdefault(key, record)
        for key, came_in in inside.items():
            yield _stay(key[0], (parent, key[1]), came_in, None)


class _Moves:
    """Follows one thing in and out of its parents."""

    def __init__(self, thing: str, closings: dict[bytes, list[str]], ends: set[bytes]) -> None:
        self._thing = thing
        self._closings = closings
        self._ends = ends
        self._inside: dict[tuple[str, bool], RecordedEvent] = {}
        self._left_ms: dict[tuple[str, bool], int] = {}
        self._moved_ms: dict[bool, int] = {}

    def follow(self, record: RecordedEvent, roles: set[str]) -> Iterator[Stay]:
        """One event that may put the thing in, take it out, or close what it is in."""
        closed = [(p, attached) for p in self._closings.get(record.leaf, ()) for attached in (False, True)]
        for key in list(self._inside) if record.leaf in self._ends else closed:
            if key in self._inside:
                yield from self._leave(key, record)
        if "child" not in roles:
            return
        event = record.event
        key = (event.parent, event.type == ASSOCIATION)
        if event.action == "DELETE":
            yield from self._leave(key, record, alone="one" in roles)
        else:
            if "one" in roles:
                for other in [k for k in self._inside if k != key and k[1] == key[1]]:
                    yield from self._leave(other, record)
            self._inside.setdefault(key, record)
        self._moved_ms[key[1]] = event.time_ms

    def still_inside(self) -> Iterator[Stay]:
        """The stays that no event ended."""
        for key, came_in in self._inside.items():
            yield _stay(self._thing, key, came_in, None)

    def _leave(self, key: tuple[str, bool], record: RecordedEvent, *, alone: bool = False) -> Iterator[Stay]:
        """End a stay. Where nothing says when it began: after what is known of the thing before."""
        came_in = self._inside.pop(key, None)
        since = self._left_ms.get(key, ALWAYS_MS)
        if alone:
            since = max(since, self._moved_ms.get(key[1], ALWAYS_MS))
        self._left_ms[key] = record.event.time_ms
        if came_in is not None or since < record.event.time_ms:
            yield _stay(self._thing, key, came_in, record, since)


def _set_aside(records: list[RecordedEvent], history: History) -> list[RecordedEvent]:
    """Without the events that were declared wrong, and without the declarations themselves."""
    declarations = Declarations([record for record in records if record.event.error is not None])
    matched: set[bytes] = set()
    left = []
    for record in records:
        if record.event.error is not None:
            continue
        declared = declarations.about(record)
        own = declared.get(record.organization)
        if own is None:
            history.disputed += [(record, organization) for organization in sorted(declared)]
            left.append(record)
        else:
            history.set_aside.append((record, own))
            matched.add(own.leaf)
    history.set_aside += [(None, d) for d in declarations.all if d.leaf not in matched]
    return left


def _stay_order(stay: Stay) -> tuple[int, int, str, str, bool]:
    return (stay.start_ms, stay.end_ms, stay.parent, stay.child, stay.attached)


def _stay(
    child: str,
    key: tuple[str, bool],
    came_in: RecordedEvent | None,
    ended_by: RecordedEvent | None,
    since_ms: int = ALWAYS_MS,
) -> Stay:
    by_name = (
        ended_by is not None
        and ended_by.event.type in MEMBERSHIPS
        and ended_by.event.parent == key[0]
        and ended_by.event.action == "DELETE"
    )
    return Stay(
        child=child,
        parent=key[0],
        start_ms=came_in.event.time_ms if came_in else since_ms,
        end_ms=ended_by.event.time_ms if ended_by else NEVER_MS,
        attached=key[1],
        came_in=came_in,
        went_out=ended_by if by_name else None,
    )


def _roles_of(event: Event) -> Iterator[tuple[Thing, str]]:
    member = event.type in MEMBERSHIPS and event.parent != ""
    for thing in event.observed:
        yield thing, "seen"
    for thing in event.children:
        yield thing, "child" if member and thing.id != event.parent else "seen"
    if event.parent:
        yield Thing(event.parent), "parent" if member else "seen"
    making = event.type == TRANSFORMATION
    for thing in event.inputs:
        yield thing, "input" if making else "seen"
    for thing in event.outputs:
        yield thing, "output" if making else "seen"


def _ends(event: Event) -> bool:
    """Whether what is observed ceases to be: nothing stays inside across that."""
    return event.type == OBJECT and event.action == "DELETE"


def _begins_again(event: Event, history: History) -> bool:
    """Whether a thing is commissioned a second time: a returnable one in its next life."""
    return event.type == OBJECT and event.action == "ADD" and history.commissioned_ms < event.time_ms
