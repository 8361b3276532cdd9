"""Documents: three shapes, and every event's own text."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, TallyError, TooLargeError
from ledger.trace.document import MAX_EVENT_BYTES, read_capture, read_event

EVENT = b'{ "type" :"ObjectEvent", "note": "\xc3\xa9\\u00e9" }'


def test_events_and_context_are_given_back_byte_for_byte() -> None:
    context = b'[ "https://example.com/c",\n {"ext":"https://ns.example.com/"} ]'
    body = b'{"epcisBody": {"eventList": [' + EVENT + b" , " + EVENT + b"]}}"
    capture = read_capture(body[:-1] + b', "@context" :' + context + b', "type": "EPCISDocument"}')
    assert [event.text for event in capture.events] == [EVENT, EVENT]
    assert capture.context.encode() == context
    assert [event.place for event in capture.events] == ["epcisBody.eventList[0]", "epcisBody.eventList[1]"]


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(0, 9)), max_size=5), st.integers(0, 4))
def test_every_event_is_the_slice_it_was(events: list[dict[str, object]], indent: int) -> None:
    texts = [json.dumps(event, indent=indent, ensure_ascii=False).encode() for event in events]
    document = b'{"epcisBody":{"eventList":[\n' + b"\n,\t".join(texts) + b"]}}"
    assert [event.text for event in read_capture(document).events] == texts


def test_a_query_document_is_taken_apart() -> None:
    body = b'{"queryResults":{"queryName":"q","resultsBody":{"eventList":[' + EVENT + b"]}}}"
    capture = read_capture(b'{"type":"EPCISQueryDocument","epcisBody":' + body + b"}")
    assert capture.shape == "EPCISQueryDocument"
    assert capture.events[0].text == EVENT
    assert capture.events[0].place == "epcisBody.queryResults.resultsBody.eventList[0]"


def test_a_bare_event_is_its_own_document() -> None:
    capture = read_capture(b"\n " + EVENT + b"\n")
    assert (capture.shape, capture.context) == ("event", "")
    assert capture.events[0].text == EVENT


def test_a_single_event_in_the_body_is_accepted() -> None:
    assert read_capture(b'{"epcisBody":{"event":' + EVENT + b"}}").events[0].text == EVENT


def test_an_event_is_read_alone_as_in_its_document() -> None:
    capture = read_capture(b'{"epcisBody":{"eventList":[' + EVENT + b"]}}")
    assert read_event(EVENT).value == capture.events[0].value


def test_fields_to_ignore_are_told() -> None:
    assert read_capture(b'{"epcisBody":{},"x:ignoreFields":["x:a","x:b"]}').ignored_fields == ("x:a", "x:b")


@pytest.mark.parametrize(
    "data", [b"", b" ", b"[]", b"null", b'"x"', b"<EPCISDocument/>", b"type: ObjectEvent"]
)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        read_capture(data)
    assert caught.value.expected == "a JSON object"
    assert caught.value.action


def test_an_event_that_is_no_object_is_refused_with_its_place() -> None:
    with pytest.raises(MalformedError, match=r"epcisBody\.eventList\[1\]: '3'"):
        read_capture(b'{"epcisBody":{"eventList":[{},3]}}')


def test_fields_of_the_envelope_stand_once() -> None:
    with pytest.raises(MalformedError, match="a second field 'eventList'"):
        read_capture(b'{"epcisBody":{"eventList":[],"eventList":[]}}')


def test_a_field_of_an_event_stands_once() -> None:
    for field in ("type", "eventID"):
        with pytest.raises(MalformedError, match=f"a second field '{field}'"):
            read_capture(f'{{"epcisBody":{{"eventList":[{{"{field}":1,"{field}":2}}]}}}}'.encode())


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        read_capture(b" " * 101, max_bytes=100)


def test_an_event_too_large_for_an_entry_is_refused() -> None:
    event = b'{"type":"' + b"x" * MAX_EVENT_BYTES + b'"}'
    with pytest.raises(TooLargeError, match=r"eventList\[0\]"):
        read_capture(b'{"epcisBody":{"eventList":[' + event + b"]}}")


def test_too_many_events_are_refused() -> None:
    with pytest.raises(TooLargeError, match=r"eventList\[10000\]"):
        read_capture(b'{"epcisBody":{"eventList":[' + b"{}," * 10_000 + b"{}]}}")


@given(st.text(alphabet='{}[]":, epcisBody', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(TallyError):
        read_capture(b'{"epcisBody":' + text.encode())
