"""Answers of the trace: edges and steps, each naming the entries behind it, and what is not known.

`format_trace` turns an answer into plain values for JSON: times as text in UTC, leaf hashes in hex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ledger.trace.instants import format_instant
from ledger.trace.recorded import OBJECT, RecordedEvent, Ref

BACK: Final = "back"
FORWARD: Final = "forward"

TRANSFORMED: Final = "transformed"
PACKED: Final = "packed"
UNPACKED: Final = "unpacked"
ATTACHED: Final = "attached"
DETACHED: Final = "detached"
OF_LOT: Final = "of lot"

_SHIPPING: Final = frozenset({"shipping", "departing", "consigning"})
_RECEIVING: Final = frozenset({"receiving", "arriving", "accepting"})


class Edge(NamedTuple):
    """From one thing to another in the direction in which goods flow; an amount belongs to `source`."""

    time_ms: int
    source: str
    target: str
    how: str
    refs: tuple[Ref, ...]
    organization: str
    place: str
    amount: str
    unit: str


class Step(NamedTuple):
    """What happened to one thing: commissioned, shipped, received, observed, decommissioned."""

    time_ms: int
    thing: str
    how: str
    ref: Ref
    organization: str
    business_step: str
    disposition: str
    place: str
    given_by: str
    given_to: str


class Leaf(NamedTuple):
    """Where the walk ended: a source with the step it came from, or an end with the last that is known."""

    thing: str
    step: Step | None


class Unknown(NamedTuple):
    """What the answer does not know about a thing, in words."""

    thing: str
    what: str


class SetAside(NamedTuple):
    """An event that its author declared wrong, the declaration, and the events that put it right."""

    event: Ref | None
    declaration: Ref
    reason: str
    corrective_ids: tuple[str, ...]
    corrections: tuple[Ref, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The answer. `leaves` are the sources of a trace back, the ends of a trace forward."""

    direction: str
    target: str
    at: int | None
    things: tuple[str, ...]
    edges: tuple[Edge, ...]
    steps: tuple[Step, ...]
    leaves: tuple[Leaf, ...]
    set_aside: tuple[SetAside, ...]
    unknown: tuple[Unknown, ...]
    complete: bool


def step_of(thing: str, record: RecordedEvent) -> Step:
    event = record.event
    how = "observed"
    if event.business_step in _SHIPPING:
        how = "shipped"
    elif event.business_step in _RECEIVING:
        how = "received"
    elif event.type == OBJECT and event.action == "ADD":
        how = "commissioned"
    elif event.type == OBJECT and event.action == "DELETE":
        how = "decommissioned"
    return Step(
        event.time_ms,
        thing,
        how,
        record.ref,
        record.organization,
        event.business_step,
        event.disposition,
        event.place,
        _party(event.sources),
        _party(event.destinations),
    )


def _party(typed: tuple[tuple[str, str], ...]) -> str:
    """Who holds it, else who owns it, else where it goes."""
    by_kind = dict(typed)
    for kind in ("possessing_party", "owning_party", "location"):
        if kind in by_kind:
            return by_kind[kind]
    return ""


def format_trace(trace: Trace) -> dict[str, object]:
    """The answer as plain values."""
    return {
        "direction": trace.direction,
        "target": trace.target,
        "at": None if trace.at is None else format_instant(trace.at),
        "complete": trace.complete,
        "things": list(trace.things),
        "edges": [_format_edge(edge) for edge in trace.edges],
        "steps": [_format_step(step) for step in trace.steps],
        "leaves": [
            {"thing": leaf.thing, "step": None if leaf.step is None else _format_step(leaf.step)}
            for leaf in trace.leaves
        ],
        "set_aside": [
            {
                "event": None if aside.event is None else _format_ref(aside.event),
                "declaration": _format_ref(aside.declaration),
                "reason": aside.reason,
                "corrective_ids": list(aside.corrective_ids),
                "corrections": [_format_ref(ref) for ref in aside.corrections],
            }
            for aside in trace.set_aside
        ],
        "unknown": [{"thing": unknown.thing, "what": unknown.what} for unknown in trace.unknown],
    }


def _format_ref(ref: Ref) -> dict[str, object]:
    return {"origin": ref.origin, "seq": ref.seq, "leaf": ref.leaf.hex()}


def _format_edge(edge: Edge) -> dict[str, object]:
    return {
        "from": edge.source,
        "to": edge.target,
        "how": edge.how,
        "time": format_instant(edge.time_ms),
        "organization": edge.organization,
        "place": edge.place,
        "amount": edge.amount,
        "unit": edge.unit,
        "entries": [_format_ref(ref) for ref in edge.refs],
    }


def _format_step(step: Step) -> dict[str, object]:
    return {
        "thing": step.thing,
        "how": step.how,
        "time": format_instant(step.time_ms),
        "organization": step.organization,
        "business_step": step.business_step,
        "disposition": step.disposition,
        "place": step.place,
        "given_by": step.given_by,
        "given_to": step.given_to,
        "entry": _format_ref(step.ref),
    }
