"""EPCIS documents, read so that every event can be given back byte for byte.

`read_capture` accepts the three shapes in which events travel:

- `EPCISDocument`: `epcisBody.eventList`, or `epcisBody.event` for a single one
- `EPCISQueryDocument`: `epcisBody.queryResults.resultsBody.eventList`
- a bare event: an object whose `type` is neither of the two

The fields of an object may stand in any order, so the shape is known only after everything is read.
An event's text is a slice of the document's bytes; so is the text of the document's `@context`.
Nothing is said here about what events must hold: see `ledger.trace.check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError, TooLargeError, short
from ledger.trace.json_text import (
    JsonValue,
    check_end,
    open_json,
    read_json,
    read_value,
    skip_space,
    walk_array,
    walk_object,
)

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
MAX_EVENTS: Final = 10_000
# With its envelope an event's statement stays under 1 MiB.
MAX_EVENT_BYTES: Final = 900 * 1024
MAX_CONTEXT_BYTES: Final = 64 * 1024

DOCUMENT: Final = "EPCISDocument"
QUERY_DOCUMENT: Final = "EPCISQueryDocument"
BARE_EVENT: Final = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedEvent:
    """One event: the bytes it was captured as, what they say, and its place in the document."""

    text: bytes
    value: dict[str, JsonValue]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A document taken apart. `envelope` is everything around the events, `context` its `@context` as text.

    `ignored_fields` are the names in a document's field `…:ignoreFields`: a repository's own additions to
    the events, which the event hash leaves out.
    """

    shape: str
    context: str
    ignored_fields: tuple[str, ...]
    envelope: dict[str, JsonValue]
    events: tuple[CapturedEvent, ...]


def read_capture(data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES, where: str = "document") -> Capture:
    """Take a document apart. Raises `MalformedError` naming the place of what cannot be read."""
    text = open_json(data, where=where, max_bytes=max_bytes)
    start = skip_space(text, 0)
    if text[start : start + 1] != "{":
        raise MalformedError(
            where,
            found=short(text[start : start + 20]) if start < len(text) else "nothing",
            expected="a JSON object",
            action="send an EPCISDocument or one event",
        )
    reading = _Reading(text, where)
    end = walk_object(text, start, where, reading.take_top)
    check_end(text, end, where)
    return reading.capture(start, end)


def read_event(text: bytes, *, where: str = "event") -> CapturedEvent:
    """One event's own text, as a statement holds it."""
    value = read_json(text, where=where, max_bytes=MAX_EVENT_BYTES)
    if not isinstance(value, dict):
        raise MalformedError(where, found=short(text[:20]), expected="a JSON object")
    return CapturedEvent(text=text, value=value, place=where)


class _Reading:
    """One pass over a document's text."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.context = ""
        self.events: list[CapturedEvent] = []
        self.envelope: dict[str, JsonValue] = {}

    def take_top(self, key: str, at: int) -> int:
        if key == "epcisBody" and self.text[at : at + 1] == "{":
            body: dict[str, JsonValue] = {}
            self.envelope[key] = body
            return walk_object(self.text, at, self.where, lambda k, a: self._take_body(body, k, a))
        end = self._take_value(self.envelope, key, at)
        if key == "@context":
            self.context = self.text[at:end]
        return end

    def _take_body(self, body: dict[str, JsonValue], key: str, at: int) -> int:
        if key == "eventList":
            return self._take_list(body, "epcisBody", at)
        if key == "event" and self.text[at : at + 1] == "{":
            body[key] = {}
            return self._take_event("epcisBody.event", at)
        if key == "queryResults" and self.text[at : at + 1] == "{":
            results: dict[str, JsonValue] = {}
            body[key] = results
            return walk_object(self.text, at, self.where, lambda k, a: self._take_results(results, k, a))
        return self._take_value(body, key, at)

    def _take_results(self, results: dict[str, JsonValue], key: str, at: int) -> int:
        if key == "resultsBody" and self.text[at : at + 1] == "{":
            inner: dict[str, JsonValue] = {}
            results[key] = inner
            return walk_object(self.text, at, self.where, lambda k, a: self._take_results_body(inner, k, a))
        return self._take_value(results, key, at)

    def _take_results_body(self, inner: dict[str, JsonValue], key: str, at: int) -> int:
        if key == "eventList":
            return self._take_list(inner, "epcisBody.queryResults.resultsBody", at)
        return self._take_value(inner, key, at)

    def _take_list(self, holder: dict[str, JsonValue], path: str, at: int) -> int:
        if self.text[at : at + 1] != "[":
            return self._take_value(holder, "eventList", at)
        holder["eventList"] = []
        return walk_array(
            self.text, at, self.where, lambda index, a: self._take_event(f"{path}.eventList[{index}]", a)
        )

    def _take_event(self, path: str, at: int) -> int:
        value, end = read_value(self.text, at, self.where)
        if len(self.events) >= MAX_EVENTS:
            raise TooLargeError(
                path, found="one event more", expected=f"at most {MAX_EVENTS}", action="split the document"
            )
        self.events.append(_event(self.text[at:end], value, path))
        return end

    def _take_value(self, holder: dict[str, JsonValue], key: str, at: int) -> int:
        holder[key], end = read_value(self.text, at, self.where)
        return end

    def capture(self, start: int, end: int) -> Capture:
        shape = self.envelope.get("type")
        if len(self.context) > MAX_CONTEXT_BYTES:
            raise TooLargeError(
                "@context",
                found=f"{len(self.context)} characters",
                expected=f"at most {MAX_CONTEXT_BYTES}",
                action="name the context by its address",
            )
        if shape in (DOCUMENT, QUERY_DOCUMENT) or "epcisBody" in self.envelope:
            return Capture(
                shape=QUERY_DOCUMENT if shape == QUERY_DOCUMENT else DOCUMENT,
                context=self.context,
                ignored_fields=_ignored_fields(self.envelope),
                envelope=self.envelope,
                events=tuple(self.events),
            )
        event = _event(self.text[start:end], self.envelope, "")
        return Capture(shape=BARE_EVENT, context="", ignored_fields=(), envelope={}, events=(event,))


def _event(text: str, value: JsonValue, path: str) -> CapturedEvent:
    if not isinstance(value, dict):
        raise MalformedError(path, found=short(text, 30), expected="an event, which is a JSON object")
    data = text.encode()
    if len(data) > MAX_EVENT_BYTES:
        raise TooLargeError(
            path or "event",
            found=f"{len(data)} bytes",
            expected=f"at most {MAX_EVENT_BYTES}",
            action="split the event, or attach large data as a document",
        )
    return CapturedEvent(text=data, value=value, place=path)


def _ignored_fields(envelope: dict[str, JsonValue]) -> tuple[str, ...]:
    names: list[str] = []
    for key, value in envelope.items():
        if key.endswith(":ignoreFields") and isinstance(value, list):
            names += [name for name in value if isinstance(name, str)]
    return tuple(names)
