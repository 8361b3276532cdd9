"""Capture and queries: byte for byte, once for each event, by whatever name."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def event(serial: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "eventTime": "2026-03-02T10:00:00.000Z",
        "eventTimeZoneOffset": "+00:00",
        "epcList": [f"urn:epc:id:sgtin:4012345.011111.{serial}"],
        **more,
    }


def document(*events: Any, context: Any = CONTEXT) -> bytes:
    whole = {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-02T10:00:00.000Z",
        "epcisBody": {"eventList": list(events)},
    }
    return json.dumps(whole, indent=1).encode()


def capture(api: Any, data: bytes, **more: Any) -> Any:
    headers = {"content-type": "application/ld+json", **more.pop("headers", {})}
    return api.post("/capture", content=data, headers=headers, **more)


def test_each_event_becomes_an_entry(api: Any) -> None:
    answer = capture(api, document(event("1"), event("2")))
    assert answer.status_code == 202
    said = answer.json()
    assert [item["result"] for item in said["events"]] == ["recorded", "recorded"]
    assert (said["recorded"], said["already_recorded"], said["success"]) == (2, 0, True)
    assert api.size() == 4
    assert answer.headers["location"] == f"/capture/{said['captureID']}"


def test_the_location_shows_what_was_recorded(api: Any) -> None:
    answer = capture(api, document(event("1"), event("2")))
    shown = api.get(answer.headers["location"]).json()
    leaves = [item["leaf"] for item in answer.json()["events"]]
    assert [item["leaf"] for item in shown["events"]] == leaves


def test_the_same_document_adds_nothing_and_says_so(api: Any) -> None:
    data = document(event("1"), event("2"))
    first, second = capture(api, data), capture(api, data)
    assert second.status_code == 202
    assert [item["result"] for item in second.json()["events"]] == ["already recorded"] * 2
    leaves = [[item["leaf"] for item in answer.json()["events"]] for answer in (first, second)]
    assert leaves[0] == leaves[1]
    assert api.size() == 4


def test_an_event_known_from_another_document_is_recognised(api: Any) -> None:
    first = capture(api, document(event("1")))
    second = capture(api, document(event("1"), event("2")))
    assert [item["new"] for item in second.json()["events"]] == [False, True]
    third = capture(api, document(event("1")) + b"\n")
    assert api.get(third.headers["location"]).json()["captureID"] == first.json()["captureID"]


def test_one_event_twice_in_a_document_is_recorded_once(api: Any) -> None:
    said = capture(api, document(event("1"), event("1"))).json()
    assert [item["new"] for item in said["events"]] == [True, False]
    assert api.size() == 3


def test_a_document_with_one_bad_event_records_none(api: Any) -> None:
    error = api.refusal(capture(api, document(event("1"), event("2", eventTime="soon"))), 400)
    assert "eventList[1]" in error["where"]
    assert api.size() == 2


def test_a_document_without_events_is_no_error(api: Any) -> None:
    answer = capture(api, document())
    assert answer.status_code == 202
    assert answer.json()["events"] == []
    assert "location" not in answer.headers


def test_an_event_comes_back_byte_for_byte(api: Any) -> None:
    text = '{ "type":"ObjectEvent",\t"action":"OBSERVE","eventTime":"2026-03-02T10:00:00Z",' + (
        '"eventTimeZoneOffset":"+00:00", "epcList":["urn:epc:id:sgtin:4012345.011111.9"],'
        '"eventID":"urn:uuid:1b2e", "ex:weight": 1.50 , "ex:name": "K\\u00e4se" }'
    )
    context = [CONTEXT, {"ex": "https://example.org/"}]
    data = document("EVENT", context=context).replace(b'"EVENT"', text.encode())
    said = capture(api, data).json()["events"][0]
    answer = api.get("/events/urn:uuid:1b2e")
    assert answer.content == text.encode()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["tallystick-entry"] == said["leaf"]


def test_an_event_without_an_id_is_found_by_its_hash(api: Any) -> None:
    said = capture(api, document(event("1"))).json()["events"][0]
    assert said["event_id"].startswith("ni:///sha-256;")
    for name in (said["event_id"], said["hash"]):
        assert json.loads(api.get(f"/events/{quote(name, safe='')}").content) == event("1")


def test_a_single_event_is_captured_once(api: Any) -> None:
    body = event("1") | {"@context": CONTEXT}
    first, second = api.post("/events", json=body), api.post("/events", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert json.loads(api.get(first.headers["location"]).content) == body


def test_a_document_is_no_single_event(api: Any) -> None:
    answer = api.post("/events", content=document(event("1")), headers={"content-type": "application/json"})
    assert api.refusal(answer, 422)["expected"] == "one event"


def test_the_same_key_with_another_document_is_a_conflict(api: Any) -> None:
    headers = {"idempotency-key": "k"}
    capture(api, document(event("1")), headers=headers)
    assert capture(api, document(event("1")), headers=headers).json()["recorded"] == 0
    api.refusal(capture(api, document(event("2")), headers=headers), 409)
    assert api.size() == 3


def test_an_audience_is_kept(api: Any) -> None:
    leaf = capture(api, document(event("1")), params={"audience": ["acme"]}).json()["events"][0]["leaf"]
    assert api.get(f"/entries/{leaf}").json()["statement"]["audience"] == ["acme"]
    api.refusal(capture(api, document(event("2")), params={"audience": ["bolt"]}), 422)


def serials(page: Any) -> list[str]:
    events = page.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return [item["epcList"][0].rpartition(".")[2] for item in events]


def test_events_are_listed_newest_first_and_page_by_page(api: Any) -> None:
    capture(api, document(*(event(str(number)) for number in range(5))))
    first = api.get("/events?perPage=2")
    assert serials(first) == ["4", "3"]
    second = api.get(first.headers["link"][1:].partition(">")[0])
    assert serials(second) == ["2", "1"]
    third = api.get(second.headers["link"][1:].partition(">")[0])
    assert serials(third) == ["0"]
    assert "link" not in third.headers


def test_filters_leave_out_what_does_not_fit(api: Any) -> None:
    capture(
        api,
        document(
            event("1", bizStep="receiving"),
            event("2", eventTime="2026-05-01T00:00:00Z"),
            event("3", bizLocation={"id": "urn:epc:id:sgln:4012345.00002.0"}),
        ),
    )
    asked = {
        "EQ_bizStep=receiving": ["1"],
        "EQ_bizStep=https://ref.gs1.org/cbv/BizStep-receiving": ["1"],
        "GE_eventTime=2026-04-01T00:00:00Z": ["2"],
        "LT_eventTime=2026-04-01T00:00:00Z": ["3", "1"],
        "EQ_bizLocation=urn:epc:id:sgln:4012345.00002.0": ["3"],
        "MATCH_anyEPC=urn:epc:id:sgtin:4012345.011111.2": ["2"],
        "MATCH_anyEPC=https://id.gs1.org/01/04012345111118/21/2": ["2"],
        "eventType=AggregationEvent": [],
        "EQ_action=OBSERVE": ["3", "2", "1"],
    }
    assert {query: serials(api.get(f"/events?{query}")) for query in asked} == asked


def test_a_page_ends_where_a_prefix_would_mean_two_things(api: Any) -> None:
    for number, base in enumerate(("https://one.example/", "https://two.example/")):
        data = document(event(str(number), **{"ex:a": "b"}), context=[CONTEXT, {"ex": base}])
        assert capture(api, data).status_code == 202
    first = api.get("/events")
    assert serials(first) == ["1"]
    assert serials(api.get(first.headers["link"][1:].partition(">")[0])) == ["0"]


def test_a_thing_is_traced_over_what_was_captured(api: Any) -> None:
    made = {
        "type": "TransformationEvent",
        "eventTime": "2026-03-02T12:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "inputEPCList": ["urn:epc:id:sgtin:4012345.011111.1"],
        "outputEPCList": ["urn:epc:id:sgtin:4012345.022222.1"],
    }
    capture(api, document(event("1", action="ADD", bizStep="commissioning"), made))
    back = api.get("/trace/back", params={"id": "urn:epc:id:sgtin:4012345.022222.1"}).json()
    assert [leaf["thing"] for leaf in back["leaves"]] == ["https://id.gs1.org/01/04012345111118/21/1"]
    forward = api.get("/trace/forward", params={"id": "urn:epc:id:sgtin:4012345.011111.1"}).json()
    assert forward["edges"][0]["how"] == "transformed"
