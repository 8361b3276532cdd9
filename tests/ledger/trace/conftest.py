"""Builders of events and of a source that holds them, for the trace's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from ledger.trace.event import things_of, view_event
from ledger.trace.json_text import JsonValue
from ledger.trace.recorded import RecordedEvent

Recorded = Callable[..., RecordedEvent]


class Memory:
    """An event source in memory, indexed as a store would."""

    def __init__(self, records: Sequence[RecordedEvent]) -> None:
        self.records = list(records)
        self._index: dict[str, list[RecordedEvent]] = {}
        for record in records:
            for name in dict.fromkeys(name for name, _ in things_of(record.event)):
                self._index.setdefault(name, []).append(record)

    def events_touching(self, thing: str) -> Sequence[RecordedEvent]:
        return self._index.get(thing, [])


class Recorder:
    """Makes recorded events; `t` is in minutes, names are firm-local."""

    def __init__(self) -> None:
        self.records: list[RecordedEvent] = []
        self._sizes: dict[str, int] = {}

    def source(self) -> Memory:
        return Memory(self.records)

    def record(self, kind: str, t: int, by: str = "acme", **fields: JsonValue) -> RecordedEvent:
        value: dict[str, JsonValue] = {
            "type": kind,
            "eventTime": f"2026-01-{1 + t // 1440:02d}T{t // 60 % 24:02d}:{t % 60:02d}:00Z",
            "eventTimeZoneOffset": "+00:00",
            **fields,
        }
        seq = self._sizes[by] = self._sizes.get(by, -1) + 1
        leaf = hashlib.sha256(f"{by} {seq}".encode()).digest()
        record = RecordedEvent(event=view_event(value), origin=f"{by}/0123456789abcdef", seq=seq, leaf=leaf)
        self.records.append(record)
        return record

    def commission(self, t: int, *things: str, by: str = "acme", **fields: JsonValue) -> RecordedEvent:
        return self.observe(t, *things, by=by, action="ADD", bizStep="commissioning", **fields)

    def observe(
        self, t: int, *things: str, by: str = "acme", action: str = "OBSERVE", **fields: JsonValue
    ) -> RecordedEvent:
        return self.record("ObjectEvent", t, by, epcList=list(things), action=action, **fields)

    def ship(self, t: int, *things: str, by: str = "acme", to: str = "") -> RecordedEvent:
        party: JsonValue = {"type": "possessing_party", "destination": to}
        return self.observe(t, *things, by=by, bizStep="shipping", destinationList=[party] if to else [])

    def receive(self, t: int, *things: str, by: str = "acme") -> RecordedEvent:
        return self.observe(t, *things, by=by, bizStep="receiving")

    def pack(
        self, t: int, parent: str, *children: str, by: str = "acme", action: str = "ADD", **fields: JsonValue
    ) -> RecordedEvent:
        return self.record(
            "AggregationEvent", t, by, parentID=parent, childEPCs=list(children), action=action, **fields
        )

    def unpack(self, t: int, parent: str, *children: str, by: str = "acme") -> RecordedEvent:
        return self.pack(t, parent, *children, by=by, action="DELETE")

    def transform(
        self, t: int, inputs: list[str], outputs: list[str], by: str = "acme", **fields: JsonValue
    ) -> RecordedEvent:
        return self.record(
            "TransformationEvent", t, by, inputEPCList=list(inputs), outputEPCList=list(outputs), **fields
        )


@pytest.fixture
def recorder() -> Recorder:
    """Records events one after another."""
    return Recorder()


@pytest.fixture(scope="session")
def memory() -> Callable[[Sequence[RecordedEvent]], Memory]:
    """Makes an event source from records."""
    return Memory


@pytest.fixture(scope="session")
def amount() -> Callable[[str, str, str], dict[str, JsonValue]]:
    """Makes a quantity element."""

    def make(thing: str, number: str, unit: str) -> dict[str, JsonValue]:
        return {"epcClass": thing, "quantity": Decimal(number), "uom": unit}

    return make


@pytest.fixture(scope="session")
def recorder_class() -> type[Recorder]:
    """For properties, which need a fresh recorder for every example."""
    return Recorder
