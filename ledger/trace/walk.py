"""The walk through the graph that both directions share: what is visited, in which order, and how far.

A visit is a thing during a span of time; an opening is a span for which its contents are followed. What an
earlier visit or opening covers is not done again. The widest come first, so that most things are visited
once, and the answer does not depend on the order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from ledger.trace.answers import ATTACHED, DETACHED, PACKED, UNPACKED, Edge, SetAside, Step, Unknown, step_of
from ledger.trace.graph import Graph, Stay
from ledger.trace.identifiers import is_only_product
from ledger.trace.recorded import EventSource, RecordedEvent

_NO_AMOUNT = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far one question goes before it says that it did not see everything."""

    max_visits: int = 50_000
    max_edges: int = 200_000
    max_records: int = 2_000_000


class Visit(NamedTuple):
    """A thing during a span of time. A carrier is followed for its steps alone; `inside` is the span for
    which contents belong to the answer."""

    thing: str
    low_ms: int
    high_ms: int
    carrier: bool
    inside: tuple[int, int] | None

    def covers(self, other: Visit) -> bool:
        """Whether this visit leads wherever the other does, contents aside."""
        return (
            self.low_ms <= other.low_ms
            and self.high_ms >= other.high_ms
            and (not self.carrier or other.carrier)
        )


class Opening(NamedTuple):
    """A span for which a thing's contents are followed: `all` of them, or those with no known beginning."""

    low_ms: int
    high_ms: int
    all: bool

    def covers(self, other: Opening) -> bool:
        """Whether this opening shows whatever the other does."""
        return self.low_ms <= other.low_ms and self.high_ms >= other.high_ms and self.all >= other.all


class Walk(ABC):
    """What both directions share: the queue, what was found, and how stays and steps become answers."""

    def __init__(self, source: EventSource, limits: Limits) -> None:
        self.graph = Graph(source)
        self.visited: dict[str, list[Visit]] = {}
        self._opened: dict[str, list[Opening]] = {}
        self.wholes: set[str] = set()
        self.led_on: set[str] = set()
        self.edges: set[Edge] = set()
        self.steps: set[Step] = set()
        self.set_aside: set[SetAside] = set()
        self.unknown: set[Unknown] = set()
        self.complete = True
        self._dead_ends: set[str] = set()
        self._limits = limits
        self._queue: list[tuple[int, int, Visit]] = []
        self._pushed = 0
        self._visits = 0
        self._records = 0

    def run(self, target: str, at: int | None) -> None:
        self.push(self.start(target, at))
        while self._queue:
            _, _, visit = heappop(self._queue)
            known = self.visited.setdefault(visit.thing, [])
            opening = None if visit.carrier else self.opening(visit)
            is_new = not any(earlier.covers(visit) for earlier in known)
            if not is_new and opening is None:
                continue
            if self._over_limits():
                self.complete = False
                self.unknown.add(Unknown(target, "more than the limit of one question: ask about a part"))
                return
            self._visits += 1
            if is_new:
                known.append(visit)
                self._visit(visit, is_target=visit.thing == target)
            if opening is not None and visit.thing not in self._dead_ends:
                self._open(visit.thing, opening)

    @abstractmethod
    def start(self, target: str, at: int | None) -> Visit:
        """The visit that the question begins with."""

    @abstractmethod
    def rank(self, visit: Visit) -> int:
        """Smaller for a visit that covers more of what the direction reaches."""

    @abstractmethod
    def expand(self, visit: Visit) -> None:
        """Follow a visit to what it leads to."""

    @abstractmethod
    def opening(self, visit: Visit) -> Opening | None:
        """For which span the contents of what is visited belong to the answer."""

    @abstractmethod
    def contents(self, thing: str, opening: Opening) -> None:
        """Follow what was inside a thing."""

    @abstractmethod
    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """What is told of a thing from which nothing led on."""

    def lead(self, thing: str, visit: Visit) -> None:
        """Go on from a thing, which thereby is no leaf."""
        self.led_on.add(thing)
        self.push(visit)

    def push(self, visit: Visit) -> None:
        """Have a visit paid, the widest first, so that most things are visited once."""
        if visit.low_ms <= visit.high_ms:
            self._pushed += 1
            heappush(self._queue, (self.rank(visit), self._pushed, visit))

    def _over_limits(self) -> bool:
        return (
            self._visits >= self._limits.max_visits
            or self._records >= self._limits.max_records
            or len(self.edges) >= self._limits.max_edges
        )

    def _visit(self, visit: Visit, *, is_target: bool) -> None:
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
                self._dead_ends.add(visit.thing)
                return
        self.expand(visit)

    def _open(self, thing: str, opening: Opening) -> None:
        known = self._opened.setdefault(thing, [])
        if not any(earlier.covers(opening) for earlier in known):
            known.append(opening)
            self.contents(thing, opening)

    def carry(self, visit: Visit) -> None:
        """What carried the thing, followed while the thing was inside."""
        stays = self.graph.stays(visit.thing)
        self._records += len(stays)
        for stay in stays:
            if stay.overlaps(visit.low_ms, visit.high_ms):
                self.add_stay(stay, visit.high_ms)
                self.push(
                    Visit(
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
            self.add_edge(stay.child, stay.parent, how, stay.came_in)
        if stay.went_out is not None and stay.end_ms <= until_ms:
            how = DETACHED if stay.attached else UNPACKED
            self.add_edge(stay.parent, stay.child, how, stay.went_out)

    def add_edge(
        self, source: str, target: str, how: str, record: RecordedEvent, later: RecordedEvent | None = None
    ) -> None:
        """An edge that a record tells of, and another of the same transformation where it took both."""
        named = self.graph.named_in(record)
        amount, unit = named.amounts.get(source, _NO_AMOUNT)
        refs = named.refs if later is None else (*named.refs, later.ref)
        event = record.event
        self.edges.add(
            Edge(event.time_ms, source, target, how, refs, record.organization, event.place, amount, unit)
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
