"""Captured events: found by identifier, hash or document, given back byte for byte, and their trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter

from ledger.errors import MissingError, TallyError, UsageError, short
from ledger.trace.answers import format_trace
from ledger.trace.event import EVENT, TRANSFORMATION, Event, things_of
from ledger.trace.event_hash import format_ni
from ledger.trace.identifiers import canonical
from ledger.trace.instants import parse_instant
from ledger.trace.questions import trace_back, trace_forward
from ledger.trace.recorded import RecordedEvent
from ledger.trace.vocabulary import BIZ_STEP, DISPOSITION, plain
from node.state import State
from node.store.indexing import read_recorded_event
from node.store.reader import Reader, Record
from node.views.values import Json, format_time

MAX_PAGE_EVENTS = 1000
DEFAULT_PAGE_EVENTS = 30
MAX_SCANNED_EVENTS = 5000
"""How many events one page looks at where a filter leaves most of them out."""

_EQUAL: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "eventType": ("type", str),
    "EQ_action": ("action", str),
    "EQ_bizStep": ("business_step", lambda text: plain(text, BIZ_STEP)),
    "EQ_disposition": ("disposition", lambda text: plain(text, DISPOSITION)),
    "EQ_readPoint": ("read_point", canonical),
    "EQ_bizLocation": ("business_location", canonical),
    "EQ_eventID": ("event_id", str),
}
FILTERS = (*_EQUAL, "MATCH_anyEPC", "GE_eventTime", "LT_eventTime")
"""Parameters of the standard's query interface that are known here."""

_HASH = re.compile(r"(?:ni:///sha-256;)?([0-9a-fA-F]{64})(?:\?ver=CBV2\.[01])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEvent:
    """An event as it was captured: its own text, and that of its document's `@context`."""

    origin: str
    seq: int
    leaf: bytes
    hash: bytes
    capture: bytes
    text: str
    context: str
    event: Event
    row: int = 0
    """Its place in the order of arrival, where it was found by that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, newest arrival first; `next` continues behind them, None at the end."""

    events: tuple[FoundEvent, ...]
    next: int | None


class StoreEvents:
    """The events of a home, as the trace looks them up (`ledger.trace.recorded.EventSource`)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, int], RecordedEvent | None] = {}

    def events_touching(self, thing: str) -> Sequence[RecordedEvent]:
        """Every recorded event that names the thing in any role."""
        found = map(self._event, self._reader.places_touching(thing))
        return [event for event in found if event is not None]

    def _event(self, place: tuple[str, int]) -> RecordedEvent | None:
        """An event by its place; one that touches many things is read once."""
        if place not in self._known:
            found = _found(self._reader.record(*place))
            self._known[place] = None if found is None else _recorded(found)
        return self._known[place]


def trace(reader: Reader, direction: str, thing: str, at_ms: int | None = None) -> Json:
    """What a thing came from (`back`) or what became of it (`forward`), with the entries behind each step."""
    ask = {"back": trace_back, "forward": trace_forward}.get(direction)
    if ask is None:
        raise UsageError("trace", found=short(direction), expected="back or forward")
    if not thing.strip():
        raise UsageError("trace", found="no identifier", expected="the identifier of an item, lot or pallet")
    return format_trace(ask(StoreEvents(reader), thing, at=at_ms))


def find_events(reader: Reader, name: str) -> list[FoundEvent]:
    """The events with an eventID, or with a hash as `ni:///sha-256;…` or plain hex, newest first.

    Raises:
        MissingError: no event here is called that.
    """
    digest = _digest_of(name)
    found: list[FoundEvent] = []
    if digest is not None:
        found = [item for item in _read(reader, reader.events_like(digest)) if item.hash == digest]
    by_name = _read(reader, reader.places_touching(name))
    found += [item for item in by_name if item.event.event_id == name]
    unique = {item.leaf: item for item in found}
    if not unique:
        raise MissingError(
            f"event {short(name)}",
            found="not here",
            expected="the eventID or the hash of an event that this home holds",
            action="check the identifier, or wait until its log has been synced",
        )
    return sorted(unique.values(), key=lambda item: (item.event.time_ms, item.origin, item.seq), reverse=True)


def find_captured(reader: Reader, capture: bytes) -> list[FoundEvent]:
    """The events that were first recorded from the document with this SHA-256, in its order.

    Raises:
        MissingError: none was.
    """
    found = [item for item in _read(reader, reader.events_captured(capture)) if item.capture == capture]
    if not found:
        raise MissingError(
            f"capture {short(capture)}",
            found="no events here",
            expected="the id of a document that events were recorded from",
        )
    return found


def query_events(
    reader: Reader, filters: Mapping[str, str], *, limit: int = DEFAULT_PAGE_EVENTS, before: int | None = None
) -> EventPage:
    """A page of events that pass all filters (some of the standard's, see `FILTERS`).

    Raises:
        UsageError: a filter is not known here, or the page too large.
        MalformedError: a time is none.
    """
    unknown = sorted(set(filters) - set(FILTERS))
    if unknown:
        raise UsageError(
            "query", found=f"parameter {short(unknown[0])}", expected=f"some of {', '.join(FILTERS)}"
        )
    if not 1 <= limit <= MAX_PAGE_EVENTS:
        raise UsageError("query perPage", found=str(limit), expected=f"1 to {MAX_PAGE_EVENTS}")
    thing = filters.get("MATCH_anyEPC", filters.get("EQ_eventID"))
    if "MATCH_anyEPC" in filters:
        thing = canonical(filters["MATCH_anyEPC"])
    wanted = _wanted(filters)
    events: list[FoundEvent] = []
    for scanned, (row, record) in enumerate(_newest(reader, thing, before)):
        if len(events) == limit or scanned == MAX_SCANNED_EVENTS:
            return EventPage(events=tuple(events), next=before)
        before = row
        found = _found(record)
        if found is not None and all(test(found.event) for test in wanted):
            events.append(replace(found, row=row))
    return EventPage(events=tuple(events), next=None)


def show_event(state: State, found: FoundEvent) -> Json:
    """What there is to say about an event besides its text."""
    return {
        "event_id": found.event.event_id or format_ni(found.hash),
        "hash": found.hash.hex(),
        "type": found.event.type,
        "time": format_time(found.event.time_ms),
        "origin": found.origin,
        "organization": found.origin.partition("/")[0],
        "seq": found.seq,
        "leaf": found.leaf.hex(),
        "witnessed": state.is_witnessed(found.origin, found.seq),
    }


def _recorded(found: FoundEvent) -> RecordedEvent:
    return RecordedEvent(event=found.event, origin=found.origin, seq=found.seq, leaf=found.leaf)


def _found(record: Record) -> FoundEvent | None:
    """None where the payload is not here, or its text is no event."""
    statement = record.statement
    if statement is None or statement.kind != "event":
        return None
    try:
        event = read_recorded_event(statement)
    except TallyError:
        return None
    return FoundEvent(
        origin=record.origin,
        seq=record.seq,
        leaf=record.leaf,
        hash=statement.data("hash"),
        capture=statement.data("capture"),
        text=statement.text("event"),
        context=statement.text("context"),
        event=event,
    )


def _read(reader: Reader, places: Iterable[tuple[str, int]]) -> list[FoundEvent]:
    found = (_found(reader.record(*place)) for place in places)
    return [item for item in found if item is not None]


def _newest(reader: Reader, thing: str | None, before: int | None) -> Iterator[tuple[int, Record]]:
    while True:
        rows = reader.newest_events(256, before, thing)
        for row, origin, seq in rows:
            yield row, reader.record(origin, seq)
            before = row
        if len(rows) < 256:
            return


def _wanted(filters: Mapping[str, str]) -> list[Callable[[Event], bool]]:
    """The filters as tests; values are compared in the canonical form that events have here."""
    tests: list[Callable[[Event], bool]] = []
    for name, text in filters.items():
        if name in _EQUAL:
            field, read = _EQUAL[name]
            tests.append(partial(_is, attrgetter(field), read(text)))
        elif name == "MATCH_anyEPC":
            tests.append(partial(_names, canonical(text)))
        else:
            tests.append(partial(_later if name == "GE_eventTime" else _earlier, parse_instant(text)))
    return tests


def _is(read: Callable[[Event], str], text: str, event: Event) -> bool:
    return read(event) == text


def _later(ms: int, event: Event) -> bool:
    return event.time_ms >= ms


def _earlier(ms: int, event: Event) -> bool:
    return event.time_ms < ms


def _names(thing: str, event: Event) -> bool:
    """Whether an event is about a thing, in whatever role but as an eventID or transformation."""
    return any(name == thing and role not in (EVENT, TRANSFORMATION) for name, role in things_of(event))


def _digest_of(name: str) -> bytes | None:
    """The event hash that a name states, as an `ni` URI of the CBV or as plain hex."""
    found = _HASH.fullmatch(name)
    return bytes.fromhex(found[1].lower()) if found else None
