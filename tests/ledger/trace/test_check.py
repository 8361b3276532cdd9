"""The form of events: what is accepted, what is refused, and what the refusal says."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.trace.check import check_capture, check_event
from ledger.trace.document import read_capture, read_event

ALWAYS: dict[str, Any] = {"eventTime": "2026-05-01T12:00:00+02:00", "eventTimeZoneOffset": "+02:00"}
EVENTS: dict[str, dict[str, Any]] = {
    "object": {**ALWAYS, "type": "ObjectEvent", "epcList": ["urn:x:1"], "action": "OBSERVE"},
    "aggregation": {
        **ALWAYS,
        "type": "AggregationEvent",
        "parentID": "urn:x:p",
        "childEPCs": ["urn:x:1"],
        "action": "ADD",
    },
    "association": {
        **ALWAYS,
        "type": "AssociationEvent",
        "parentID": "urn:x:p",
        "childQuantityList": [{"epcClass": "urn:x:1", "quantity": 2}],
        "action": "ADD",
    },
    "transaction": {
        **ALWAYS,
        "type": "TransactionEvent",
        "bizTransactionList": [{"type": "po", "bizTransaction": "PO-1"}],
        "epcList": ["urn:x:1"],
        "action": "ADD",
    },
    "transformation": {
        **ALWAYS,
        "type": "TransformationEvent",
        "inputEPCList": ["urn:x:1"],
        "outputEPCList": ["urn:x:2"],
    },
    "own": {**ALWAYS, "type": "ex:WeighingEvent", "anything": 1},
}


def check(event: dict[str, Any]) -> None:
    check_event(read_event(json.dumps(event).encode()).value)


@pytest.mark.parametrize("kind", EVENTS)
def test_every_type_of_event_is_accepted(kind: str) -> None:
    check(EVENTS[kind])


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("field", ["type", "eventTime", "eventTimeZoneOffset"])
def test_what_every_event_needs_is_missed(kind: str, field: str) -> None:
    event = {key: value for key, value in EVENTS[kind].items() if key != field}
    with pytest.raises(MalformedError) as caught:
        check(event)
    assert (caught.value.where, caught.value.found) == (field, "no such field")
    assert caught.value.action


@pytest.mark.parametrize(
    ("kind", "change", "where", "found"),
    [
        ("object", {"eventTime": "yesterday"}, "eventTime", "'yesterday'"),
        ("object", {"eventTime": 5}, "eventTime", "the number 5"),
        ("object", {"eventTime": "2026-02-30T00:00:00Z"}, "eventTime", "'2026-02-30T00:00:00Z'"),
        ("object", {"eventTimeZoneOffset": "2"}, "eventTimeZoneOffset", "'2'"),
        ("object", {"type": "Objectevent"}, "type", "'Objectevent'"),
        ("object", {"type": ["ObjectEvent"]}, "type", "an array"),
        ("object", {"action": "add"}, "action", "'add'"),
        ("object", {"epcList": "urn:x:1"}, "epcList", "'urn:x:1'"),
        ("object", {"epcList": ["urn:x:1", 7]}, "epcList[1]", "the number 7"),
        ("object", {"epcList": ["not a name"]}, "epcList[0]", "'not a name'"),
        ("object", {"epcList": ["urn:x:1", "urn:x:1"]}, "epcList", "the same item twice"),
        ("object", {"bizStep": "shiping"}, "bizStep", "'shiping'"),
        (
            "object",
            {"bizStep": "urn:epcglobal:cbv:bizstep:shipping"},
            "bizStep",
            "'urn:epcglobal:cbv:bizstep:shipping'",
        ),
        ("object", {"bizstep": "shipping"}, "bizstep", "an unknown field"),
        ("object", {"readPoint": "urn:x:1"}, "readPoint", "'urn:x:1'"),
        ("object", {"readPoint": {}}, "readPoint.id", "no such field"),
        ("object", {"eventID": "17"}, "eventID", "'17'"),
        ("object", {"ilmd": {"ex:lot": "1"}}, "ilmd", "ilmd with action OBSERVE"),
        ("object", {"quantityList": [{"quantity": 1}]}, "quantityList[0].epcClass", "no such field"),
        (
            "object",
            {"quantityList": [{"epcClass": "urn:x:1", "quantity": "1"}]},
            "quantityList[0].quantity",
            "'1'",
        ),
        (
            "object",
            {"quantityList": [{"epcClass": "urn:x:1", "ex:a": 1}]},
            "quantityList[0].ex:a",
            "an unknown field",
        ),
        ("object", {"persistentDisposition": {}}, "persistentDisposition", "neither set nor unset"),
        ("object", {"errorDeclaration": {}}, "errorDeclaration.declarationTime", "no such field"),
        ("object", {"sourceList": [{"source": "urn:x:1"}]}, "sourceList[0].type", "no such field"),
        (
            "object",
            {"sensorElementList": [{"sensorReport": [{"value": 1}]}]},
            "sensorElementList[0].sensorReport[0]",
            "neither type nor exception",
        ),
        ("object", {"epcList": None}, "epcList", "null"),
        ("aggregation", {"childEPCs": []}, "event", "no childEPCs and no childQuantityList"),
        ("transaction", {"bizTransactionList": []}, "bizTransactionList", "an empty array"),
        ("transformation", {"inputEPCList": []}, "event", "no inputs"),
        ("transformation", {"outputEPCList": []}, "event", "no outputs"),
        ("own", {"bizStep": 5}, "bizStep", "the number 5"),
    ],
)
def test_a_refusal_names_the_path_and_what_is_there(
    kind: str, change: dict[str, Any], where: str, found: str
) -> None:
    with pytest.raises(MalformedError) as caught:
        check({**EVENTS[kind], **change})
    assert (caught.value.where, caught.value.found) == (where, found)
    assert caught.value.expected


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("object", {"bizStep": "https://ns.example.com/steps/roasting"}),
        ("object", {"epcList": ["LOT-42"]}),
        ("object", {"epcList": []}),
        ("object", {"ex:field": {"any": [1, None, {"thing": True}]}}),
        ("object", {"action": "ADD", "ilmd": {"ex:lot": "1"}}),
        ("object", {"certificationInfo": ["https://x.example/1"]}),
        ("object", {"sensorElementList": [{"sensorReport": [{"exception": "ALARM_CONDITION"}]}]}),
        ("aggregation", {"childEPCs": [], "action": "DELETE"}),
        ("aggregation", {"persistentDisposition": {"set": ["recalled"]}}),
        ("transformation", {"outputEPCList": [], "transformationID": "urn:x:t"}),
    ],
)
def test_less_usual_events_are_accepted(kind: str, change: dict[str, Any]) -> None:
    check({**EVENTS[kind], **change})


def document(**changes: Any) -> bytes:
    return json.dumps(
        {
            "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-05-01T12:00:00Z",
            "epcisBody": {"eventList": [EVENTS["object"]]},
            **changes,
        }
    ).encode()


def test_a_document_is_accepted() -> None:
    check_capture(read_capture(document()))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"@context": 5}, "@context"),
        ({"type": "Document"}, "type"),
        ({"schemaVersion": 2.0}, "schemaVersion"),
        ({"creationDate": "today"}, "creationDate"),
        ({"epcisBody": []}, "epcisBody"),
        ({"epcisBody": {}}, "epcisBody.eventList"),
        ({"epcisBody": {"eventList": {}}}, "epcisBody.eventList"),
        ({"epcisBody": {"eventList": [EVENTS["own"], {}]}}, "epcisBody.eventList[1].type"),
        (
            {"epcisBody": {"eventList": [{**EVENTS["object"], "eventTime": None}]}},
            "epcisBody.eventList[0].eventTime",
        ),
        ({"unknown": 1}, "unknown"),
        ({"type": "EPCISQueryDocument"}, "epcisBody.eventList"),
        ({"type": "EPCISQueryDocument", "epcisBody": {}}, "epcisBody.queryResults"),
    ],
)
def test_a_fault_in_a_document_is_placed(change: dict[str, Any], where: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_capture(read_capture(document(**change)))
    assert caught.value.where == where


@pytest.mark.parametrize("field", ["@context", "type", "schemaVersion", "creationDate", "epcisBody"])
def test_what_a_document_needs_is_missed(field: str) -> None:
    whole = json.loads(document())
    del whole[field]
    with pytest.raises(MalformedError):
        check_capture(read_capture(json.dumps(whole).encode()))


def test_a_bare_event_needs_its_context() -> None:
    with pytest.raises(MalformedError, match="@context: no such field"):
        check_capture(read_capture(json.dumps(EVENTS["object"]).encode()))
    event = {"@context": "https://ref.gs1.org/epcis-context.jsonld", **EVENTS["object"]}
    check_capture(read_capture(json.dumps(event).encode()))


@given(st.sampled_from(sorted(EVENTS)), st.data())
def test_any_value_anywhere_is_accepted_or_refused(kind: str, data: st.DataObject) -> None:
    value = data.draw(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(0, 9)
            | st.sampled_from(["", "urn:x:1", "ADD", "shipping"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "type", "ex:a", "value"]), inner, max_size=3)
            ),
            max_leaves=6,
        )
    )
    field = data.draw(st.sampled_from([*EVENTS[kind], "readPoint", "sensorElementList", "quantityList"]))
    with contextlib.suppress(MalformedError):
        check({**EVENTS[kind], field: value})
