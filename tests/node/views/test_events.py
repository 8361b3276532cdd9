"""The trace over what nodes hold: across firms, with only what each of them may know."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from ledger.errors import UsageError
from node.capture import CaptureOptions, draft_document
from node.store.reader import Reader, Record
from node.views.events import query_events, trace

CHERRIES = "urn:epc:class:lgtin:4012345.011111.CHERRY"
GREEN = "urn:epc:class:lgtin:4012345.011111.GREEN"
ROAST = "urn:epc:class:lgtin:4012345.022222.ROAST"


def event(kind: str, hour: int, **fields: object) -> dict[str, object]:
    return {
        "type": kind,
        "eventTime": f"2026-05-01T{hour:02d}:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        **fields,
    }


def lots(*names: str) -> list[dict[str, object]]:
    return [{"epcClass": name, "quantity": 10, "uom": "KGM"} for name in names]


def picked(hour: int) -> dict[str, object]:
    return event("ObjectEvent", hour, quantityList=lots(CHERRIES), action="ADD", bizStep="commissioning")


def made(hour: int, source: str, product: str) -> dict[str, object]:
    return event(
        "TransformationEvent", hour, inputQuantityList=lots(source), outputQuantityList=lots(product)
    )


def capture(firm: Any, *events: dict[str, object], audience: tuple[str, ...] | None = None) -> None:
    document = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-05-02T00:00:00Z",
        "epcisBody": {"eventList": list(events)},
    }
    drafts = draft_document(json.dumps(document).encode(), firm.node.world, CaptureOptions(audience=audience))
    firm.node.record(list(drafts.drafts)).result(20)


def shown(firm: Any, direction: str, thing: str) -> dict[str, Any]:
    return trace(firm.node.reader, direction, thing)


def test_a_lot_is_traced_back_across_firms_at_every_firm(network: Any) -> None:
    capture(network["port"], picked(1), made(2, CHERRIES, GREEN))
    capture(network["acme"], made(3, GREEN, ROAST))
    network.share()
    answers = [shown(network[name], "back", ROAST) for name in ("port", "acme", "bolt")]
    assert answers[0] == answers[1] == answers[2]
    assert {edge["organization"] for edge in answers[0]["edges"]} == {"port", "acme"}
    assert [leaf["step"]["how"] for leaf in answers[0]["leaves"]] == ["commissioned"]


def test_a_lot_is_traced_forward_across_firms(network: Any) -> None:
    capture(network["port"], picked(1), made(2, CHERRIES, GREEN))
    capture(network["acme"], made(3, GREEN, ROAST))
    network.share()
    back, forward = (shown(network["bolt"], *ask) for ask in (("back", ROAST), ("forward", CHERRIES)))
    assert forward["edges"] == back["edges"]
    assert [leaf["thing"] for leaf in forward["leaves"]] == [back["target"]]


def test_every_entry_that_an_answer_names_is_here(network: Any) -> None:
    capture(network["port"], picked(1), made(2, CHERRIES, GREEN))
    network.share()
    bolt = network["bolt"].node
    answer = trace(bolt.reader, "back", GREEN)
    named = [entry for edge in answer["edges"] for entry in edge["entries"]]
    assert named
    assert all(bolt.reader.find(bytes.fromhex(e["leaf"])) == (e["origin"], e["seq"]) for e in named)


def test_an_event_for_other_eyes_is_in_no_answer_and_the_gap_is_said(network: Any) -> None:
    capture(network["port"], picked(1), made(2, CHERRIES, GREEN), audience=("acme", "port"))
    capture(network["acme"], made(3, GREEN, ROAST))
    network.share()
    assert len(shown(network["acme"], "back", ROAST)["edges"]) == 2
    answer = shown(network["bolt"], "back", ROAST)
    assert len(answer["edges"]) == 1
    assert [unknown["what"] for unknown in answer["unknown"]] == [
        "no origin is recorded: neither commissioned nor made"
    ]


def test_an_event_that_names_many_things_is_read_once_for_a_question(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [f"urn:epc:id:sgtin:4012345.033333.{n}" for n in range(50)]
    making = event("TransformationEvent", 2, inputQuantityList=lots(CHERRIES), outputEPCList=items)
    capture(network["port"], picked(1), making)
    read: Counter[tuple[str, int]] = Counter()
    record = Reader.record

    def count(self: Reader, origin: str, seq: int) -> Record:
        read[(origin, seq)] += 1
        return record(self, origin, seq)

    monkeypatch.setattr(Reader, "record", count)
    answer = shown(network["port"], "forward", CHERRIES)
    assert len(answer["leaves"]) == 50
    assert sorted(read.values()) == [1, 1]


def test_another_direction_is_refused(network: Any) -> None:
    with pytest.raises(UsageError):
        shown(network["port"], "sideways", ROAST)


def test_a_question_about_nothing_is_refused(network: Any) -> None:
    with pytest.raises(UsageError):
        shown(network["port"], "back", " ")


def test_a_page_of_events_says_where_the_next_begins(network: Any) -> None:
    capture(network["port"], picked(1), made(2, CHERRIES, GREEN), made(3, GREEN, ROAST))
    reader = network["port"].node.reader
    first = query_events(reader, {}, limit=2)
    last = query_events(reader, {}, limit=2, before=first.next)
    assert [found.event.time_ms for found in (*first.events, *last.events)] == sorted(
        (found.event.time_ms for found in (*first.events, *last.events)), reverse=True
    )
    assert (len(first.events), len(last.events), last.next) == (2, 1, None)


def test_an_unknown_filter_is_refused(network: Any) -> None:
    with pytest.raises(UsageError):
        query_events(network["port"].node.reader, {"EQ_colour": "red"})
