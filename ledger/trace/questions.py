"""Questions about provenance: `trace_back` to the sources and `trace_forward` to everyone who got it.

Both walk the graph from a thing through time. Going back, a thing at an instant leads to what it was made
from before that instant, to the lot it belongs to, and to what it then contained. Going forward it leads
to what was made from it later, and to the items of a lot. What carried it (a pallet, and what that stood
on) is followed only while it was inside, for the steps that the carrier took; what else was on the pallet
is not part of the answer.

Every edge and step names the entries behind it. What is not known is said in `unknown`; an answer that hit
a limit says so and is not `complete`. The same events give the same answer in whatever order they came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from ledger.trace.answers import (
    ATTACHED,
    BACK,
    DETACHED,
    FORWARD,
    OF_LOT,
    PACKED,
    TRANSFORMED,
    UNPACKED,
    Edge,
    Leaf,
    Step,
    Trace,
    Unknown,
    step_of,
)
from ledger.trace.graph import Graph, SetAside, Stay
from ledger.trace.identifiers import canonical, is_only_product
from ledger.trace.recorded import ALWAYS_MS, NEVER_MS, EventSource, RecordedEvent, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far one question goes before it says that it did not see everything."""

    max_visits: int = 50_000
    max_edges: int = 200_000
    max_records: int = 2_000_000


class _Visit(NamedTuple):
    """A thing during a span of time. A carrier is followed for its steps alone; `inside` is the span for
    which contents belong to the answer."""

    thing: str
    low_ms: int
    high_ms: int
    carrier: bool
    inside: tuple[int, int] | None

    def covers(self, other: _Visit) -> bool:
        return (
            self.low_ms <= other.low_ms
            and self.high_ms >= other.high_ms
            and (not self.carrier or other.carrier)
            and (
                other.inside is None
                or (
                    self.inside is not None
                    and self.inside[0] <= other.inside[0]
                    and self.inside[1] >= other.inside[1]
                )
            )
        )


def trace_back(
    source: EventSource, thing: str, *, at: int | None = None, limits: Limits | None = None
) -> Trace:
    """What the thing came from, as of the instant `at` (milliseconds), or over all that is recorded."""
    return _ask(_Back(source, limits or Limits()), BACK, thing, at)


def trace_forward(
    source: EventSource, thing: str, *, at: int | None = None, limits: Limits | None = None
) -> Trace:
    """What became of the thing from the instant `at` on, or over all that is recorded."""
    return _ask(_Forward(source, limits or Limits()), FORWARD, thing, at)


def _ask(walk: _Walk, direction: str, thing: str, at: int | None) -> Trace:
    target = canonical(thing)
    walk.run(target, at)
    steps = tuple(sorted(walk.steps))
    by_thing: dict[str, list[Step]] = {}
    for step in steps:
        by_thing.setdefault(step.thing, []).append(step)
    ends = sorted(walk.wholes - walk.led_on)
    leaves = tuple(Leaf(name, walk.leaf_step(name, by_thing)) for name in ends)
    return Trace(
        direction=direction,
        target=target,
        at=at,
        things=tuple(sorted(walk.visited)),
        edges=tuple(sorted(walk.edges)),
        steps=steps,
        leaves=leaves,
        set_aside=tuple(sorted(walk.set_aside, key=_aside_order)),
        unknown=tuple(sorted(walk.unknown)),
        complete=walk.complete,
    )


class _Walk(ABC):
    """What both directions share: the queue, what was found, and how stays and steps become answers."""

    def __init__(self, source: EventSource, limits: Limits) -> None:
        self.graph = Graph(source)
        self.visited: dict[str, list[_Visit]] = {}
        self.wholes: set[str] = set()
        self.led_on: set[str] = set()
        self.edges: set[Edge] = set()
        self.steps: set[Step] = set()
        self.set_aside: set[SetAside] = set()
        self.unknown: set[Unknown] = set()
        self.complete = True
        self._limits = limits
        self._queue: deque[_Visit] = deque()
        self._visits = 0
        self._records = 0

    def run(self, target: str, at: int | None) -> None:
        self.push(self.start(target, at))
        while self._queue and self.complete:
            visit = self._queue.popleft()
            if self._over_limits():
                self.complete = False
                self.unknown.add(Unknown(target, "more than the limit of one question: ask about a part"))
                return
            self._visits += 1
            self._visit(visit, is_target=visit.thing == target)

    @abstractmethod
    def start(self, target: str, at: int | None) -> _Visit:
        """The visit that the question begins with."""

    @abstractmethod
    def expand(self, visit: _Visit) -> None:
        """Follow a visit to what it leads to."""

    @abstractmethod
    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """What is told of a thing from which nothing led on."""

    def lead(self, thing: str, visit: _Visit) -> None:
        """Go on from a thing, which thereby is no leaf."""
        self.led_on.add(thing)
        self.push(visit)

    def push(self, visit: _Visit) -> None:
        known = self.visited.setdefault(visit.thing, [])
        if visit.low_ms <= visit.high_ms and not any(earlier.covers(visit) for earlier in known):
            known.append(visit)
            self._queue.append(visit)

    def _over_limits(self) -> bool:
        return (
            self._visits >= self._limits.max_visits
            or self._records >= self._limits.max_records
            or len(self.edges) >= self._limits.max_edges
        )

    def _visit(self, visit: _Visit, *, is_target: bool) -> None:
        history = self.graph.history(visit.thing)
        for event, declaration in history.set_aside:
            self._set_aside(event, declaration)
        for record, organization in history.disputed:
            what = f"{organization} declares an event of {record.organization} wrong; only its author can"
            self.unknown.add(Unknown(visit.thing, what))
        if history.empty:
            self.unknown.add(Unknown(visit.thing, "nothing is recorded about it"))
        seen = history.seen_between(visit.low_ms, visit.high_ms)
        self._records += 1 + len(seen) + len(history.used) + len(history.made)
        for record in seen:
            self.steps.add(step_of(visit.thing, record))
        if not visit.carrier:
            self.wholes.add(visit.thing)
            if not is_target and is_only_product(visit.thing):
                self.unknown.add(Unknown(visit.thing, "named as a product only: which lot is not recorded"))
                return
        self.expand(visit)

    def carry(self, visit: _Visit) -> None:
        """What carried the thing, followed while the thing was inside."""
        stays = self.graph.stays(visit.thing)
        self._records += len(stays)
        for stay in stays:
            if stay.overlaps(visit.low_ms, visit.high_ms):
                self.add_stay(stay, visit.high_ms)
                self.push(
                    _Visit(
                        stay.parent,
                        max(stay.start_ms, visit.low_ms),
                        min(stay.end_ms, visit.high_ms),
                        True,
                        None,
                    )
                )

    def add_stay(self, stay: Stay, until_ms: int) -> None:
        """The edges of one stay: put in, and taken out where that happened by `until_ms`."""
        if stay.came_in is not None:
            how = ATTACHED if stay.attached else PACKED
            self.add_edge(stay.child, stay.parent, how, (stay.came_in,))
        if stay.went_out is not None and stay.end_ms <= until_ms:
            how = DETACHED if stay.attached else UNPACKED
            self.add_edge(stay.parent, stay.child, how, (stay.went_out,))

    def add_edge(self, source: str, target: str, how: str, records: tuple[RecordedEvent, ...]) -> None:
        event = records[0].event
        thing = self.graph.amount_in(records[0], source)
        self.edges.add(
            Edge(
                event.time_ms,
                source,
                target,
                how,
                tuple(record.ref for record in records),
                records[0].organization,
                event.place,
                thing.amount,
                thing.unit,
            )
        )

    def linked(self, record: RecordedEvent) -> list[RecordedEvent]:
        """The event and the others of the same transformation."""
        name = record.event.transformation_id
        others = self.graph.history(name).linked if name else []
        return [record, *(other for other in others if other.leaf != record.leaf)]

    def _set_aside(self, event: RecordedEvent | None, declaration: RecordedEvent) -> None:
        error = declaration.event.error
        if error is None:
            return
        corrections = self.graph.corrections(error.corrective_ids)
        ref = event.ref if event is not None else None
        self.set_aside.add(SetAside(ref, declaration.ref, error.reason, error.corrective_ids, corrections))


class _Back(_Walk):
    def start(self, target: str, at: int | None) -> _Visit:
        if at is None:
            return _Visit(target, ALWAYS_MS, NEVER_MS, False, (ALWAYS_MS, NEVER_MS))
        return _Visit(target, ALWAYS_MS, at, False, (at, at))

    def expand(self, visit: _Visit) -> None:
        self.carry(visit)
        if not visit.carrier:
            self._origins(visit)
            self._contents(visit)

    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """The earliest commissioning of a source; without one its origin is unknown."""
        for step in steps.get(thing, ()):
            if step.how == "commissioned":
                return step
        self.unknown.add(Unknown(thing, "no origin is recorded: neither commissioned nor made"))
        return None

    def _origins(self, visit: _Visit) -> None:
        history = self.graph.history(visit.thing)
        for made in history.made:
            if made.event.time_ms <= visit.high_ms:
                self._inputs(visit.thing, made)
        for lot, record in history.lots:
            self.add_edge(lot, visit.thing, OF_LOT, (record,))
            self.lead(visit.thing, _Visit(lot, ALWAYS_MS, visit.high_ms, False, None))
        for stay in self.graph.stays(visit.thing):
            if stay.came_in is None and not history.made and stay.end_ms <= visit.high_ms:
                # Nobody recorded how it got in, so it may have been there from the parent's own origin.
                self.lead(visit.thing, _Visit(stay.parent, ALWAYS_MS, stay.end_ms, False, None))

    def _inputs(self, thing: str, made: RecordedEvent) -> None:
        found = False
        for record in self.linked(made):
            at = record.event.time_ms
            if at <= made.event.time_ms:
                for used in record.event.inputs:
                    found = True
                    records = (record,) if record is made else (record, made)
                    self.add_edge(used.id, thing, TRANSFORMED, records)
                    self.lead(thing, _Visit(used.id, ALWAYS_MS, at, False, (at, at)))
        if not found:
            self.unknown.add(Unknown(thing, "made, but from what is not recorded"))

    def _contents(self, visit: _Visit) -> None:
        if visit.inside is None:
            return
        low, high = visit.inside
        for stay in self.graph.contents(visit.thing, low, high):
            self.add_stay(stay, high)
            until = min(stay.end_ms, high)
            inside = (max(stay.start_ms, low), until)
            self.lead(visit.thing, _Visit(stay.child, ALWAYS_MS, until, False, inside))


class _Forward(_Walk):
    def start(self, target: str, at: int | None) -> _Visit:
        if at is None:
            return _Visit(target, ALWAYS_MS, NEVER_MS, False, (ALWAYS_MS, NEVER_MS))
        return _Visit(target, at, NEVER_MS, False, (at, at))

    def expand(self, visit: _Visit) -> None:
        self.carry(visit)
        self._outputs(visit)
        if not visit.carrier:
            if self._used_up_inside(visit):
                self.led_on.add(visit.thing)
            self._items(visit)
            self._contents(visit)

    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """The last that is known of an end, on its own or on what carried it."""
        last: Step | None = None
        todo = [(thing, ALWAYS_MS, NEVER_MS)]
        seen: set[tuple[str, int, int]] = set()
        while todo:
            span = todo.pop()
            if span in seen:
                continue
            seen.add(span)
            name, low, high = span
            for step in reversed(steps.get(name, ())):
                if low <= step.time_ms <= high:
                    last = step if last is None or last < step else last
                    break
            todo += [
                (stay.parent, max(stay.start_ms, low), min(stay.end_ms, high))
                for stay in self.graph.stays(name)
                if stay.overlaps(low, high)
            ]
        return last

    def _outputs(self, visit: _Visit) -> None:
        for used in self.graph.history(visit.thing).used:
            at = used.event.time_ms
            if not visit.low_ms <= at <= visit.high_ms:
                continue
            found = False
            for record in self.linked(used):
                if record.event.time_ms >= at:
                    for made in record.event.outputs:
                        found = True
                        records = (used,) if record is used else (used, record)
                        self.add_edge(visit.thing, made.id, TRANSFORMED, records)
                        made_at = record.event.time_ms
                        self.lead(visit.thing, _Visit(made.id, made_at, NEVER_MS, False, None))
            if not found:
                self.unknown.add(Unknown(visit.thing, "used up, but what was made from it is not recorded"))

    def _used_up_inside(self, visit: _Visit) -> bool:
        """Whether something was made of what the thing was inside, and so of the thing."""
        return any(
            stay.start_ms <= used.event.time_ms <= stay.end_ms and stay.went_out is None
            for stay in self.graph.stays(visit.thing)
            if stay.overlaps(visit.low_ms, visit.high_ms)
            for used in self.graph.history(stay.parent).used
        )

    def _items(self, visit: _Visit) -> None:
        for item, record in self.graph.history(visit.thing).items:
            self.add_edge(visit.thing, item, OF_LOT, (record,))
            self.lead(visit.thing, _Visit(item, ALWAYS_MS, NEVER_MS, False, None))

    def _contents(self, visit: _Visit) -> None:
        low, high = visit.inside or (visit.low_ms, visit.high_ms)
        for stay in self.graph.contents(visit.thing, low, high):
            if visit.inside is None and stay.came_in is not None:
                continue  # Put in after the thing came to be: not made of it.
            self.add_stay(stay, NEVER_MS)
            start = max(stay.start_ms, low)
            inside = (start, min(stay.end_ms, high)) if visit.inside else None
            self.lead(visit.thing, _Visit(stay.child, start, NEVER_MS, False, inside))


def _aside_order(aside: SetAside) -> tuple[Ref, bool, Ref]:
    return (aside.declaration, aside.event is not None, aside.event or aside.declaration)
