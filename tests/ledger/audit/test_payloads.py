"""Payloads in an audit: the fast way and the one door give the same verdict, and rules of kinds are kept."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.payloads import KEPT_KINDS, PayloadCounts, check_payloads
from ledger.audit.rules import RULES
from ledger.errors import TallyError
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry
from ledger.log.kinds import KINDS
from ledger.log.statement import Statement, format_statement, open_payload
from ledger.trace.event_hash import event_hash
from ledger.trace.json_text import read_json

ORIGIN = "acme/0123456789abcdef"
SALT = bytes(16)
EVENT = (
    '{"type": "ObjectEvent", "eventTime": "2026-01-02T03:04:05Z", "eventTimeZoneOffset": "+00:00",'
    ' "action": "ADD", "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"]}'
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=33)
    | st.just(bytes(32)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def entry_for(payload: bytes, kind: str) -> Entry:
    return Entry(
        seq=1, prev=bytes(32), time_ms=1, kind=kind, size=len(payload), commit=commit_to(SALT, payload)
    )


def check(entry: Entry, salt: bytes, payload: bytes) -> PayloadCounts:
    counts = PayloadCounts()
    check_payloads(ORIGIN, {1: format_entry(entry)}, [(1, salt, payload)], RULES, counts)
    return counts


def codes(counts: PayloadCounts) -> list[str]:
    return [finding.code for finding in counts.findings]


def is_accepted(entry: Entry, salt: bytes, payload: bytes) -> bool:
    try:
        open_payload(entry, salt, payload, "here")
    except TallyError:
        return False
    return True


@st.composite
def near_statements(draw: st.DrawFn) -> tuple[str, bytes]:
    """Statements of kinds without rules of their own, most of them slightly wrong."""
    kind = draw(st.sampled_from([name for name in KINDS if name not in RULES]))
    fields = {name: draw(VALUES) for name in KINDS[kind].fields}
    if draw(st.booleans()):
        fields = {name: "x" if kind == "memo" else value for name, value in fields.items()}
    value = {
        "audience": draw(st.sampled_from([None, [], ["acme"], ["bolt", "acme"], 1])),
        "body": fields,
        "kind": draw(st.sampled_from([kind, "memo"])),
        "nonce": draw(st.sampled_from([bytes(16), bytes(15), "x"])),
        "signatures": draw(st.sampled_from([[], None, [1], ""])),
    }
    if draw(st.booleans()):
        value = {name: value[name] for name in draw(st.permutations(sorted(value)))}
    return kind, msgpack.packb(value)


@settings(deadline=None, max_examples=1500)
@given(near=near_statements())
def test_both_ways_accept_the_same_statements(near: tuple[str, bytes]) -> None:
    kind, payload = near
    entry = entry_for(payload, kind)
    assert (codes(check(entry, SALT, payload)) == []) == is_accepted(entry, SALT, payload)


@settings(deadline=None, max_examples=1500)
@given(at=st.integers(0, 300), bit=st.integers(0, 7), recommit=st.booleans())
def test_both_ways_accept_the_same_bytes(at: int, bit: int, recommit: bool) -> None:
    """Every flip, also one that the entry commits to."""
    statement = Statement(kind="memo", audience=None, body={"text": "a remark"}, nonce=bytes(16))
    payload = format_statement(statement)
    at %= len(payload)
    changed = payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :]
    entry = entry_for(changed if recommit else payload, "memo")
    accepted = is_accepted(entry, SALT, changed)
    assert (codes(check(entry, SALT, changed)) == []) == accepted
    assert accepted <= recommit


@pytest.mark.parametrize("size", [1, 127, 128, 255, 256, 65_535, 65_536])
def test_payloads_of_every_size_pass(size: int) -> None:
    body: dict[str, Value] = {"text": "x" * size}
    payload = format_statement(Statement(kind="memo", audience=None, body=body, nonce=bytes(16)))
    assert codes(check(entry_for(payload, "memo"), SALT, payload)) == []


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17), bytes(15) + b"\1"])
def test_another_salt_is_found(salt: bytes) -> None:
    payload = format_statement(Statement(kind="memo", audience=None, body={"text": "x"}, nonce=bytes(16)))
    assert codes(check(entry_for(payload, "memo"), salt, payload)) == ["payload-changed"]


def test_a_payload_that_is_no_statement_is_told_from_one_that_was_swapped() -> None:
    assert codes(check(entry_for(b"\xc0", "memo"), SALT, b"\xc0")) == ["payload-form"]
    assert codes(check(entry_for(b"\xc0", "memo"), SALT, b"\xc1")) == ["payload-changed"]


def test_an_unknown_kind_is_counted_and_not_interpreted() -> None:
    payload = format_statement(Statement(kind="future.kind", audience=None, body={"a": 1}, nonce=bytes(16)))
    counts = check(entry_for(payload, "future.kind"), SALT, payload)
    assert (codes(counts), counts.unknown_kinds) == ([], 1)


def test_statements_about_members_are_handed_on() -> None:
    body: dict[str, Value] = {"key": bytes(32)}
    payload = format_statement(Statement(kind="person.revoke", audience=None, body=body, nonce=bytes(16)))
    counts = check(entry_for(payload, "person.revoke"), SALT, payload)
    assert "person.revoke" in KEPT_KINDS
    assert [(kept.seq, kept.payload) for kept in counts.kept] == [(1, payload)]


def event_payload(text: str, digest: bytes) -> bytes:
    body: dict[str, Value] = {"capture": bytes(32), "context": "", "event": text, "hash": digest}
    return format_statement(Statement(kind="event", audience=None, body=body, nonce=bytes(16)))


def test_an_event_with_its_hash_passes() -> None:
    value = read_json(EVENT.encode(), where="event", max_bytes=10_000)
    assert isinstance(value, dict)
    payload = event_payload(EVENT, event_hash(value, ""))
    counts = check(entry_for(payload, "event"), SALT, payload)
    assert (codes(counts), counts.events) == ([], 1)


def test_an_event_under_another_hash_is_found() -> None:
    payload = event_payload(EVENT, bytes(32))
    assert codes(check(entry_for(payload, "event"), SALT, payload)) == ["event-hash"]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"type": "NoEvent"}', EVENT[:-1]])
def test_text_that_is_no_event_is_found(text: str) -> None:
    payload = event_payload(text, bytes(32))
    assert codes(check(entry_for(payload, "event"), SALT, payload)) == ["event-form"]
