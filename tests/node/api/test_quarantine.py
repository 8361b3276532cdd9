"""Every answer about a log that is proven to have forked says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.views.evidence import quarantine_lines, quarantined_in, quarantined_of

CAPTURED = {
    "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    "type": "ObjectEvent",
    "action": "OBSERVE",
    "bizStep": "shipping",
    "eventTime": "2026-03-02T10:00:00.000Z",
    "eventTimeZoneOffset": "+00:00",
    "epcList": ["urn:epc:id:sgtin:4012345.011111.1"],
}
THING = "https://id.gs1.org/01/04012345111118/21/1"


def quarantine(api: Any) -> str:
    """Have the node hold evidence against the only log that it has."""
    state = api.node.state
    api.node.writer.state = replace(state, accused=frozenset({state.origin}))
    return str(state.origin)


def test_entries_status_network_and_receipts_say_that_a_log_is_quarantined(api: Any) -> None:
    leaf = api.post("/memos", json={"text": "one"}).json()["leaf"]
    assert "tallystick-quarantined" not in api.get(f"/receipts/{leaf}").headers
    assert not api.get("/entries").json()["quarantined"]
    assert not api.get(f"/entries/{leaf}").json()["quarantined"]
    origin = quarantine(api)
    assert api.get(f"/receipts/{leaf}").headers["tallystick-quarantined"] == origin
    assert api.get("/entries").json()["quarantined"]
    assert api.get(f"/entries/{leaf}").json()["quarantined"]
    assert api.get("/status").json()["own"]["quarantined"]
    assert api.get("/members").json()["members"][0]["quarantined"]


def test_a_trace_over_a_quarantined_log_says_so(api: Any) -> None:
    assert api.post("/events", json=CAPTURED).status_code in (200, 201)
    before = api.get("/trace/back", params={"id": THING}).json()
    assert before["quarantined"] == []
    origin = quarantine(api)
    for direction in ("back", "forward"):
        assert api.get(f"/trace/{direction}", params={"id": THING}).json()["quarantined"] == [origin]


def test_the_quarantined_logs_of_an_answer_are_found_wherever_it_names_them(api: Any) -> None:
    origin = quarantine(api)
    state = api.node.state
    assert quarantined_in(state, {"steps": [{"entry": {"origin": origin, "seq": 1}}]}) == [origin]
    assert quarantined_in(state, {"steps": [{"entry": {"origin": "bolt/0123456789abcdef"}}]}) == []
    assert quarantined_of(state, ["acme", "bolt"]) == [origin]
    assert quarantined_of(state, ["bolt"]) == []
    assert [line.split(":")[0] for line in quarantine_lines([origin])] == ["QUARANTINED"]


def test_a_witness_that_is_accused_is_no_quarantined_log(api: Any) -> None:
    state = api.node.state
    accused = replace(state, accused=frozenset({f"{state.origin}/witness"}))
    assert quarantined_of(accused, ["acme"]) == []
