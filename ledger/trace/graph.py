"""The graph that events draw: what was made from what, what was inside what and when, what is set aside.

Events are looked up by the things they name (`EventSource`); everything here is derived from them and
does not depend on the order in which they were recorded. Two rules carry the rest:

**Time.** A thing is inside a parent from an event that puts it in until the first of: an event that takes
it out or empties the parent; for a single item also an event that packs it elsewhere, uses it up or
decommissions it; an event that uses up or decommissions the parent or commissions it anew. Of events at
one instant those that take out come first, those that use up last.

**Errors.** An event that its own organization declared wrong is set aside (`ledger.trace.history`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.trace.history import CHILD, ONE, History, Named, read_history, read_named
from ledger.trace.recorded import (
    ALWAYS_MS,
    ASSOCIATION,
    MEMBERSHIPS,
    NEVER_MS,
    EventSource,
    RecordedEvent,
    Ref,
    event_order,
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


class Graph:
    """Histories and stays, looked up when needed and kept for the length of one question."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._histories: dict[str, History] = {}
        self._stays: dict[str, list[Stay]] = {}
        self._guests: dict[str, list[Stay]] = {}
        self._named: dict[bytes, Named] = {}

    def history(self, thing: str) -> History:
        """What is recorded about the thing."""
        known = self._histories.get(thing)
        if known is None:
            records = self._source.events_touching(thing)
            known = self._histories[thing] = read_history(thing, records, self.named_in)
        return known

    def stays(self, thing: str) -> list[Stay]:
        """Where the thing was inside, in order of time."""
        known = self._stays.get(thing)
        if known is None:
            known = self._stays[thing] = self._read_stays(thing)
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

    def corrections(self, event_ids: Sequence[str]) -> tuple[Ref, ...]:
        """The entries of the events with these eventIDs."""
        found = {
            record.ref
            for event_id in event_ids
            for record in self._source.events_touching(event_id)
            if record.event.event_id == event_id
        }
        return tuple(sorted(found))

    def named_in(self, record: RecordedEvent) -> Named:
        """What an event names."""
        known = self._named.get(record.leaf)
        if known is None:
            known = self._named[record.leaf] = read_named(record)
        return known

    def _read_stays(self, thing: str) -> list[Stay]:
        history = self.history(thing)
        if not history.as_child:
            return []
        moves = {record.leaf: record for record in (*history.as_child, *history.ended)}
        closings: dict[bytes, list[str]] = {}
        for parent in dict.fromkeys(record.event.parent for record in history.as_child):
            parent_history = self.history(parent)
            for record in (*parent_history.emptied, *parent_history.ended):
                closings.setdefault(record.leaf, []).append(parent)
                moves[record.leaf] = record
        walk = _Moves(thing, closings, {record.leaf for record in history.ended})
        for record in sorted(moves.values(), key=event_order):
            walk.follow(record, self.named_in(record).roles.get(thing, 0))
        walk.finish()
        return sorted(walk.stays, key=_stay_order)

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
    """Follows one thing in and out of its parents; `stays` are those found so far."""

    def __init__(self, thing: str, closings: dict[bytes, list[str]], ends: set[bytes]) -> None:
        self.stays: list[Stay] = []
        self._thing = thing
        self._closings = closings
        self._ends = ends
        self._inside: dict[tuple[str, bool], RecordedEvent] = {}
        self._left_ms: dict[tuple[str, bool], int] = {}
        self._moved_ms: dict[bool, int] = {}

    def follow(self, record: RecordedEvent, roles: int) -> None:
        """One event that may put the thing in, take it out, or close what it is in."""
        closed = [(p, attached) for p in self._closings.get(record.leaf, ()) for attached in (False, True)]
        for key in list(self._inside) if record.leaf in self._ends else closed:
            if key in self._inside:
                self._leave(key, record)
        if not roles & CHILD:
            return
        event = record.event
        key = (event.parent, event.type == ASSOCIATION)
        if event.action == "DELETE":
            self._leave(key, record, alone=bool(roles & ONE))
        else:
            if roles & ONE:
                for other in [k for k in self._inside if k != key and k[1] == key[1]]:
                    self._leave(other, record)
            self._inside.setdefault(key, record)
        self._moved_ms[key[1]] = event.time_ms

    def finish(self) -> None:
        """The stays that no event ended."""
        self.stays += [_stay(self._thing, key, came_in, None) for key, came_in in self._inside.items()]

    def _leave(self, key: tuple[str, bool], record: RecordedEvent, *, alone: bool = False) -> None:
        """End a stay. Where nothing says when it began: after what is known of the thing before."""
        came_in = self._inside.pop(key, None)
        since = self._left_ms.get(key, ALWAYS_MS)
        if alone:
            since = max(since, self._moved_ms.get(key[1], ALWAYS_MS))
        self._left_ms[key] = record.event.time_ms
        if came_in is not None or since < record.event.time_ms:
            self.stays.append(_stay(self._thing, key, came_in, record, since))


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
