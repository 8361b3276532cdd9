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

from itertools import islice
from typing import TypeAlias

from ledger.trace.answers import BACK, FORWARD, OF_LOT, TRANSFORMED, Leaf, SetAside, Step, Trace, Unknown
from ledger.trace.identifiers import canonical
from ledger.trace.recorded import ALWAYS_MS, NEVER_MS, EventSource, RecordedEvent, Ref
from ledger.trace.walk import Limits, Opening, Visit, Walk

_Span: TypeAlias = tuple[str, int, int]
"""A thing during a span of time, in milliseconds."""


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


def _ask(walk: Walk, direction: str, thing: str, at: int | None) -> Trace:
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


class _Back(Walk):
    def start(self, target: str, at: int | None) -> Visit:
        if at is None:
            return Visit(target, ALWAYS_MS, NEVER_MS, False, (ALWAYS_MS, NEVER_MS))
        return Visit(target, ALWAYS_MS, at, False, (at, at))

    def rank(self, visit: Visit) -> int:
        return -visit.high_ms

    def expand(self, visit: Visit) -> None:
        self.carry(visit)
        if not visit.carrier:
            self._origins(visit)

    def opening(self, visit: Visit) -> Opening | None:
        return None if visit.inside is None else Opening(*visit.inside, True)

    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """The earliest commissioning of a source; without one its origin is unknown."""
        for step in steps.get(thing, ()):
            if step.how == "commissioned":
                return step
        self.unknown.add(Unknown(thing, "no origin is recorded: neither commissioned nor made"))
        return None

    def _origins(self, visit: Visit) -> None:
        history = self.graph.history(visit.thing)
        for made in history.made:
            if made.event.time_ms <= visit.high_ms:
                self._inputs(visit.thing, made)
        for lot, record in history.lots:
            self.add_edge(lot, visit.thing, OF_LOT, record)
            self.lead(visit.thing, Visit(lot, ALWAYS_MS, visit.high_ms, False, None))
        for stay in self.graph.stays(visit.thing):
            if stay.came_in is None and not history.made and stay.end_ms <= visit.high_ms:
                # Nobody recorded how it got in, so it may have been there from the parent's own origin.
                self.lead(visit.thing, Visit(stay.parent, ALWAYS_MS, stay.end_ms, False, None))

    def _inputs(self, thing: str, made: RecordedEvent) -> None:
        found = False
        for record in self.linked(made):
            at = record.event.time_ms
            if at <= made.event.time_ms:
                for used in record.event.inputs:
                    found = True
                    self.add_edge(used.id, thing, TRANSFORMED, record, None if record is made else made)
                    self.lead(thing, Visit(used.id, ALWAYS_MS, at, False, (at, at)))
        if not found:
            self.unknown.add(Unknown(thing, "made, but from what is not recorded"))

    def contents(self, thing: str, opening: Opening) -> None:
        low, high = opening.low_ms, opening.high_ms
        for stay in self.graph.contents(thing, low, high):
            self.add_stay(stay, high)
            until = min(stay.end_ms, high)
            inside = (max(stay.start_ms, low), until)
            self.lead(thing, Visit(stay.child, ALWAYS_MS, until, False, inside))


class _Forward(Walk):
    def __init__(self, source: EventSource, limits: Limits) -> None:
        super().__init__(source, limits)
        self._last: dict[_Span, Step | None] = {}

    def start(self, target: str, at: int | None) -> Visit:
        if at is None:
            return Visit(target, ALWAYS_MS, NEVER_MS, False, (ALWAYS_MS, NEVER_MS))
        return Visit(target, at, NEVER_MS, False, (at, at))

    def rank(self, visit: Visit) -> int:
        return visit.low_ms

    def expand(self, visit: Visit) -> None:
        self.carry(visit)
        self._outputs(visit)
        if not visit.carrier:
            if self._used_up_inside(visit):
                self.led_on.add(visit.thing)
            self._items(visit)

    def opening(self, visit: Visit) -> Opening | None:
        if visit.inside is None:
            return Opening(visit.low_ms, visit.high_ms, False)
        return Opening(*visit.inside, True)

    def leaf_step(self, thing: str, steps: dict[str, list[Step]]) -> Step | None:
        """The last that is known of an end, on its own or on what carried it."""
        own = steps.get(thing, ())
        carried = [self._last_on(span, steps) for span in self._carriers((thing, ALWAYS_MS, NEVER_MS))]
        return max([*own[-1:], *(step for step in carried if step is not None)], default=None)

    def _last_on(self, span: _Span, steps: dict[str, list[Step]]) -> Step | None:
        """The last step of a carrier, or of what that stood on; asked once for all that it carried."""
        if span not in self._last:
            found: list[Step] = []
            todo, seen = [span], {span}
            while todo:
                name, low, high = at = todo.pop()
                own = (step for step in reversed(steps.get(name, ())) if low <= step.time_ms <= high)
                found += islice(own, 1)
                onward = self._carriers(at) - seen
                todo += onward
                seen |= onward
            self._last[span] = max(found, default=None)
        return self._last[span]

    def _carriers(self, span: _Span) -> set[_Span]:
        thing, low, high = span
        return {
            (stay.parent, max(stay.start_ms, low), min(stay.end_ms, high))
            for stay in self.graph.stays(thing)
            if stay.overlaps(low, high)
        }

    def _outputs(self, visit: Visit) -> None:
        for used in self.graph.history(visit.thing).used:
            at = used.event.time_ms
            if not visit.low_ms <= at <= visit.high_ms:
                continue
            found = False
            for record in self.linked(used):
                if record.event.time_ms >= at:
                    for made in record.event.outputs:
                        found = True
                        later = None if record is used else record
                        self.add_edge(visit.thing, made.id, TRANSFORMED, used, later)
                        made_at = record.event.time_ms
                        self.lead(visit.thing, Visit(made.id, made_at, NEVER_MS, False, None))
            if not found:
                self.unknown.add(Unknown(visit.thing, "used up, but what was made from it is not recorded"))

    def _used_up_inside(self, visit: Visit) -> bool:
        """Whether something was made of what the thing was inside, and so of the thing."""
        return any(
            stay.start_ms <= used.event.time_ms <= stay.end_ms and stay.went_out is None
            for stay in self.graph.stays(visit.thing)
            if stay.overlaps(visit.low_ms, visit.high_ms)
            for used in self.graph.history(stay.parent).used
        )

    def _items(self, visit: Visit) -> None:
        for item, record in self.graph.history(visit.thing).items:
            self.add_edge(visit.thing, item, OF_LOT, record)
            self.lead(visit.thing, Visit(item, ALWAYS_MS, NEVER_MS, False, None))

    def contents(self, thing: str, opening: Opening) -> None:
        low, high = opening.low_ms, opening.high_ms
        for stay in self.graph.contents(thing, low, high):
            if not opening.all and stay.came_in is not None:
                continue  # Put in after the thing came to be: not made of it.
            self.add_stay(stay, NEVER_MS)
            start = max(stay.start_ms, low)
            inside = (start, min(stay.end_ms, high)) if opening.all else None
            self.lead(thing, Visit(stay.child, start, NEVER_MS, False, inside))


def _aside_order(aside: SetAside) -> tuple[Ref, bool, Ref]:
    return (aside.declaration, aside.event is not None, aside.event or aside.declaration)
