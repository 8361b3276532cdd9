"""The event hash: what changes it and what does not. The published vectors are in tests/conformance."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.trace.event_hash import event_hash, format_ni, pre_hash

BASE: dict[str, Any] = {
    "type": "ObjectEvent",
    "eventTime": "2026-05-01T12:00:00+02:00",
    "eventTimeZoneOffset": "+02:00",
    "epcList": ["urn:epc:id:sscc:4012345.0000000333", "urn:epc:id:sscc:4012345.0000000111"],
    "action": "OBSERVE",
    "bizStep": "shipping",
}
CONTEXT = json.dumps(["https://ref.gs1.org/epcis-context.jsonld", {"ex": "https://ns.example.com/"}])


def hashed(context: str = CONTEXT, /, **changes: Any) -> str:
    return pre_hash({**BASE, **changes}, context)


def test_the_hash_is_that_of_the_string() -> None:
    assert event_hash(BASE, CONTEXT) == hashlib.sha256(hashed().encode()).digest()
    assert format_ni(b"\x01" * 32) == "ni:///sha-256;" + "01" * 32 + "?ver=CBV2.0"


@pytest.mark.parametrize(
    "change",
    [
        {"eventID": "urn:uuid:1"},
        {"recordTime": "2026-05-01T12:00:00+02:00"},
        {"errorDeclaration": {"declarationTime": "2026-05-01T12:00:00+02:00"}},
        {"@context": "https://example.com"},
        {"rdfs:comment": "a remark"},
        {"eventTime": "2026-05-01T10:00:00.000Z"},
        {"bizStep": "cbv:BizStep-shipping"},
        {"bizStep": "https://ref.gs1.org/cbv/BizStep-shipping"},
        {"bizStep": "urn:epcglobal:cbv:bizstep:shipping"},
        {
            "epcList": [
                "https://x.example/00/040123450000001112",
                "https://id.gs1.org/sscc/040123450000003338",
            ]
        },
        {"quantityList": []},
    ],
)
def test_other_ways_to_write_the_event_keep_the_hash(change: dict[str, Any]) -> None:
    assert hashed(**change) == hashed()


@pytest.mark.parametrize(
    "change",
    [
        {"eventTime": "2026-05-01T10:00:00.001Z"},
        {"eventTimeZoneOffset": "+03:00"},
        {"action": "ADD"},
        {"bizStep": "receiving"},
        {"epcList": []},
        {"disposition": "active"},
        {"ex:field": "x"},
        {"ilmd": {"ex:lot": "1"}},
        {"type": "TransactionEvent"},
        {"readPoint": {"id": "here"}},
        {"sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": Decimal(1)}]}]},
    ],
)
def test_another_event_has_another_hash(change: dict[str, Any]) -> None:
    assert hashed(**change) != hashed()


def test_the_prefix_does_not_matter_only_the_namespace() -> None:
    other = json.dumps({"other": "https://ns.example.com/"})
    assert hashed(**{"ex:f": {"ex:g": "1"}}) == hashed(other, **{"other:f": {"other:g": "1"}})
    assert hashed(**{"ex:f": "1"}).endswith("{https://ns.example.com/}f=1")
    assert hashed(**{"ex:f": "ex:v"}).endswith("f=https://ns.example.com/v")


def test_an_events_own_context_counts() -> None:
    own = {"@context": [{"ex": "https://ns.example.com/"}]}
    assert hashed("", **own, **{"ex:f": "1"}) == hashed(**{"ex:f": "1"})


def test_fields_that_the_document_ignores_are_left_out() -> None:
    event = {**BASE, "ex:added": "1"}
    assert pre_hash(event, CONTEXT, ("ex:added",)) == hashed()
    assert pre_hash(event, CONTEXT) != hashed()


@pytest.mark.parametrize(
    ("written", "hashed_as"),
    [
        ("26", "26"),
        ("26.0", "26"),
        ("12.10", "12.1"),
        ("-0.50", "-0.5"),
        ("1e2", "100"),
        ("007", "7"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1234567890123456.50", "1234567890123456.5"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("Infinity", "Infinity"),
        ("1e400", "1E+400"),
        ("AB-12", "AB-12"),
    ],
)
def test_numbers_lose_their_padding_and_no_digit(written: str, hashed_as: str) -> None:
    assert hashed(**{"ex:n": written}).endswith(f"n={hashed_as}")


def test_two_long_numbers_stay_apart() -> None:
    assert hashed(**{"ex:n": "12345678901234567"}) != hashed(**{"ex:n": "12345678901234568"})


def test_true_is_written_as_in_xml() -> None:
    assert hashed(**{"ex:b": True}).endswith("b=true")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["ex:a", "ex:b", "ilmd", "readPoint", "epcList", "eventTime"]), json_values
    )
)
def test_any_values_have_a_hash_that_order_does_not_change(changes: dict[str, Any]) -> None:
    event = {**BASE, **changes}
    assert pre_hash(event, CONTEXT) == pre_hash(dict(reversed(event.items())), CONTEXT)
