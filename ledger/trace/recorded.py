"""Recorded events: an event with the entry behind it, where they are looked up, and their order in time.

Errors: an event is declared wrong by its own organization, which names it by eventID or, where one of the
two has none, by the same event hash. What another organization declares is told and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ledger.trace.event import Event

ALWAYS_MS: Final = -(2**62)
NEVER_MS: Final = 2**62

AGGREGATION: Final = "AggregationEvent"
ASSOCIATION: Final = "AssociationEvent"
TRANSFORMATION: Final = "TransformationEvent"
OBJECT: Final = "ObjectEvent"
MEMBERSHIPS: Final = frozenset({AGGREGATION, ASSOCIATION})


class Ref(NamedTuple):
    """The entry behind an answer."""

    origin: str
    seq: int
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event and the entry that records it."""

    event: Event
    origin: str
    seq: int
    leaf: bytes

    @property
    def organization(self) -> str:
        """Who recorded it."""
        return self.origin.partition("/")[0]

    @property
    def ref(self) -> Ref:
        return Ref(self.origin, self.seq, self.leaf)


class EventSource(Protocol):
    """Where events are looked up. `things_of` says under which names an event must be found."""

    def events_touching(self, thing: str) -> Sequence[RecordedEvent]:
        """Every recorded event that names the thing in any role, in any order."""


class Declarations:
    """Finds who declared an event wrong."""

    def __init__(self, declarations: list[RecordedEvent]) -> None:
        self.all = declarations
        self._by: dict[tuple[str, str | bytes], dict[str, RecordedEvent]] = {}
        for record in declarations:
            event = record.event
            names: list[tuple[str, str | bytes]] = [("hash", event.digest)]
            names.append(("eventID", event.event_id) if event.event_id else ("nameless", event.digest))
            for name in names:
                self._by.setdefault(name, {}).setdefault(record.organization, record)

    def about(self, record: RecordedEvent) -> dict[str, RecordedEvent]:
        """The declarations that name this event, by organization: the same eventID, else the same hash."""
        event = record.event
        if not event.event_id:
            return self._by.get(("hash", event.digest), {})
        nameless = self._by.get(("nameless", event.digest), {})
        return {**nameless, **self._by.get(("eventID", event.event_id), {})}


def time_of(record: RecordedEvent) -> int:
    return record.event.time_ms


def event_order(record: RecordedEvent) -> tuple[int, int, bytes, str, str, int]:
    """By time, then by phase, then by content, so that the order of recording never shows."""
    event = record.event
    return (event.time_ms, _phase(event), event.digest, event.event_id, record.origin, record.seq)


def _phase(event: Event) -> int:
    """Of one instant's events: first what takes out or begins, then what puts in, then what uses up."""
    if event.type in MEMBERSHIPS:
        return 0 if event.action == "DELETE" else 1
    return 2 if event.type == TRANSFORMATION or event.action == "DELETE" else 0
