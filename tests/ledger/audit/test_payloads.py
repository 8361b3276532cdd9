"""Payloads in an audit: the fast way and the one door give the same verdict, and rules of kinds are kept."""

from __future__ import annotations

from random import Random
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.payloads import KEPT_KINDS, PayloadCounts, check_payload_run, check_payloads
from ledger.audit.rules import RULES
from ledger.errors import TallyError
from ledger.log.encoding import Value, encode
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
    statement = Statement(kind="memo", audience=None, body={"text": "a memo"}, nonce=bytes(16))
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


def check_run(rows: list[tuple[Entry, bytes, bytes]]) -> PayloadCounts:
    """The same entries and payloads as one run, each payload behind its salt."""
    counts = PayloadCounts()
    entries = [format_entry(entry) for entry, _, _ in rows]
    check_payload_run(ORIGIN, 1, entries, [salt + payload for _, salt, payload in rows], RULES, counts)
    return counts


@settings(deadline=None, max_examples=500)
@given(near=st.lists(near_statements(), min_size=1, max_size=4))
def test_a_run_comes_to_what_its_payloads_come_to(near: list[tuple[str, bytes]]) -> None:
    rows = [(entry_for(payload, kind), SALT, payload) for kind, payload in near]
    found = check_run(rows)
    each = [check(*row) for row in rows]
    assert codes(found) == [code for counts in each for code in codes(counts)]
    assert found.checked == len(rows)
    assert found.bytes == sum(counts.bytes for counts in each)
    assert len(found.about) == sum(len(counts.about) for counts in each)


def memo(text: bytes, header: bytes | None = None) -> bytes:
    """A memo with these bytes as its text, after the header of a text of this length or another one."""
    before = encode("x" * len(text))[: -len(text) or None] if header is None else header
    parts = (b"\x85\xa8audience\xc0\xa4body\x81\xa4text", before, text)
    return b"".join(parts) + b"\xa4kind\xa4memo\xa5nonce\xc4\x10" + bytes(16) + b"\xaasignatures\x90"


FIELD = st.sampled_from(["a", "b", "ab", "é", "\U0001f600", "\uffff", b"a", 1])


@settings(deadline=None, max_examples=500)
@given(
    fields=st.dictionaries(FIELD, st.sampled_from(["x", "", b"x", 1]) | st.text(max_size=3), max_size=4),
    order=st.randoms(use_true_random=False),
    repeated=st.booleans(),
)
def test_both_ways_accept_the_same_facts(fields: Any, order: Random, repeated: bool) -> None:
    """Keys out of order, of another type, or twice."""
    items = list(fields.items())
    order.shuffle(items)
    items += items[:1] if repeated else []
    packed = bytes([0x80 | len(items)]) + b"".join(msgpack.packb(part) for item in items for part in item)
    body: tuple[tuple[str, object], ...] = (("agreement", bytes(32)), ("attachments", []), ("cites", []))
    start = b"".join(msgpack.packb(part) for pair in body for part in pair)
    payload = b"".join(
        (
            b"\x85\xa8audience\xc0\xa4body\x85" + start + b"\xa6fields" + packed,
            b"\xa4name\xa1f\xa4kind\xa4fact\xa5nonce\xc4\x10" + bytes(16) + b"\xaasignatures\x90",
        )
    )
    entry = entry_for(payload, "fact")
    assert (codes(check(entry, SALT, payload)) == []) == is_accepted(entry, SALT, payload)


AUDIENCES = [
    b"\xc0",
    b"\x90",
    b"\x92\xa4acme\xa4bolt",
    b"\x92\xa4bolt\xa4acme",
    b"\x91\xd9\x04acme",
    b"\xdc\x00\x01\xa4acme",
    b"\xc0\xc0",
    b"",
    b"\x91\xabx\xa4body\x81\xa4text",
]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("text", [b"hello", b"\xa4body\x81\xa4text", b"\xff"])
def test_a_memo_for_any_audience_comes_to_the_same_in_a_run(audience: bytes, text: bytes) -> None:
    payload = memo(text).replace(b"audience\xc0", b"audience" + audience, 1)
    entry = entry_for(payload, "memo")
    found = codes(check_run([(entry, SALT, payload)]))
    assert found == codes(check(entry, SALT, payload))
    assert (found == []) == is_accepted(entry, SALT, payload)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 34, 255, 256, 257, 258, 65_535, 65_536, 65_540])
def test_memos_of_every_length_hold(length: int) -> None:
    payload = memo(b"x" * length)
    entry = entry_for(payload, "memo")
    assert is_accepted(entry, SALT, payload)
    assert codes(check_run([(entry, SALT, payload)])) == []


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (b"x" * 31, b"\xd9\x1f"),
        (b"x" * 32, b"\xda\x00\x20"),
        (b"x" * 40, b"\xd9\x27"),
        (b"x" * 40, b"\xd9\x29"),
        (b"x" * 40, b"\xc4\x28"),
        (b"\xff" * 8, None),
        (b"\xe2\x82", None),
        (b"x" * 300, b"\xdb\x00\x00\x01\x2c"),
    ],
)
def test_a_memo_in_another_form_is_found_in_a_run(text: bytes, header: bytes | None) -> None:
    payload = memo(text, header)
    entry = entry_for(payload, "memo")
    assert not is_accepted(entry, SALT, payload)
    assert (
        codes(check_run([(entry, SALT, payload)])) == codes(check(entry, SALT, payload)) == ["payload-form"]
    )


def test_a_character_that_lies_in_two_texts_is_found() -> None:
    first, second = memo(b"x\xe2\x82"), memo(b"\xacx")
    rows = [(entry_for(payload, "memo"), SALT, payload) for payload in (first, second)]
    assert codes(check_run(rows)) == ["payload-form", "payload-form"]


def test_a_salt_of_another_payload_is_found_in_a_run() -> None:
    payload = memo(b"hello")
    rows = [(entry_for(payload, "memo"), b"t" * 16, payload)]
    assert codes(check_run(rows)) == ["payload-changed"]
