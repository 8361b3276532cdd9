"""The event as the trace sees it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.errors import MalformedError
from ledger.trace.event import Thing, Typed, things_of, view_event

BASE: dict[str, Any] = {
    "type": "ObjectEvent",
    "eventTime": "1970-01-01T00:00:01.500+00:00",
    "eventTimeZoneOffset": "+02:00",
    "action": "OBSERVE",
}
LOT = "urn:epc:class:lgtin:4012345.011111.L7"
LOT_LINK = "https://id.gs1.org/01/04012345111118/10/L7"
ITEM = "urn:epc:id:sgtin:4012345.011111.1"
ITEM_LINK = "https://id.gs1.org/01/04012345111118/21/1"


def test_an_event_in_plain_words() -> None:
    event = view_event(
        {
            **BASE,
            "epcList": [ITEM],
            "quantityList": [{"epcClass": LOT, "quantity": Decimal("1.50"), "uom": "KGM"}, {"epcClass": "x"}],
            "bizStep": "https://ref.gs1.org/cbv/BizStep-shipping",
            "disposition": "in_transit",
            "readPoint": {"id": "urn:epc:id:sgln:4012345.00011.0"},
            "destinationList": [{"type": "possessing_party", "destination": "urn:epc:id:pgln:4012345.00000"}],
            "bizTransactionList": [{"type": "po", "bizTransaction": "PO-1"}, {"bizTransaction": "PO-2"}],
        }
    )
    assert event.time_ms == 1500
    assert event.observed == (
        Thing(ITEM_LINK),
        Thing(LOT_LINK, True, "1.50", "KGM"),
        Thing("x", True, "", ""),
    )
    assert (event.business_step, event.disposition) == ("shipping", "in_transit")
    assert event.place == "https://id.gs1.org/414/4012345000115"
    assert event.destinations == (Typed("possessing_party", "https://id.gs1.org/417/4012345000009"),)
    assert event.transactions == (Typed("po", "PO-1"), Typed("", "PO-2"))


def test_every_name_is_told_with_its_role() -> None:
    event = view_event(
        {
            **BASE,
            "type": "TransformationEvent",
            "inputEPCList": ["a", "a"],
            "outputEPCList": [ITEM],
            "ilmd": {"cbvmda:lotNumber": "L7"},
            "transformationID": "urn:x:t",
            "eventID": "urn:x:e",
        }
    )
    assert list(things_of(event)) == [
        ("a", "input"),
        (ITEM_LINK, "output"),
        (LOT_LINK, "lot"),
        ("urn:x:t", "transformation"),
        ("urn:x:e", "event"),
    ]


def test_members_and_parents_have_their_roles() -> None:
    event = view_event({**BASE, "type": "AggregationEvent", "parentID": "p", "childEPCs": ["c"]})
    assert list(things_of(event)) == [("c", "child"), ("p", "parent")]


def test_a_link_with_lot_and_serial_states_the_lot() -> None:
    event = view_event({**BASE, "epcList": ["https://x.example/01/04012345111118/10/L7/21/1"]})
    assert event.lots == ((ITEM_LINK, LOT_LINK),)


def test_the_identity_tells_captures_apart_that_the_hash_does_not() -> None:
    declaration: dict[str, Any] = {
        "declarationTime": "2026-01-01T00:00:00Z",
        "correctiveEventIDs": ["urn:x:2"],
    }
    plain = view_event(BASE)
    named = view_event({**BASE, "eventID": "urn:x:1"})
    declared = view_event({**BASE, "errorDeclaration": declaration})
    again = view_event({**BASE, "recordTime": "2026-01-01T00:00:00Z"})
    assert plain.digest == named.digest == declared.digest
    assert len({plain.identity, named.identity, declared.identity}) == 3
    assert plain.identity == again.identity
    assert declared.error is not None
    assert declared.error.corrective_ids == ("urn:x:2",)


def test_fields_of_a_wrong_form_are_not_seen() -> None:
    wrong: dict[str, Any] = {
        "epcList": [1, None, {"id": "x"}],
        "quantityList": "x",
        "readPoint": [],
        "ilmd": 5,
    }
    event = view_event({**BASE, **wrong})
    assert event.observed == ()
    assert event.place == ""


def test_an_event_without_time_is_refused() -> None:
    with pytest.raises(MalformedError):
        view_event({"type": "ObjectEvent"})
