"""Statements: the payloads of entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.encoding import Value, encode
from ledger.log.entry import Entry, commit_to
from ledger.log.kinds import KINDS, Form, check_body
from ledger.log.statement import (
    Statement,
    client_nonce,
    format_statement,
    is_client_nonce,
    may_have,
    node_nonce,
    open_payload,
    parse_statement,
    write_nonce,
)
from ledger.members.folding import ROSTER_KINDS

SALT = b"s" * 16


def memo(audience: tuple[str, ...] | None = None, **changes: Any) -> Statement:
    fields: dict[str, Any] = {
        "kind": "memo",
        "audience": audience,
        "body": {"text": "hello"},
        "nonce": b"n" * 16,
    }
    return Statement(**{**fields, **changes})


def entry_for(payload: bytes, kind: str = "memo") -> Entry:
    return Entry(
        seq=1, prev=bytes(32), time_ms=0, kind=kind, size=len(payload), commit=commit_to(SALT, payload)
    )


def test_a_statement_reads_back_as_written() -> None:
    assert parse_statement(format_statement(memo(("acme", "bolt"))), "test") == memo(("acme", "bolt"))


def test_what_makes_members_and_people_and_time_is_told_to_all() -> None:
    public = {name for name, kind in KINDS.items() if kind.public}
    assert public == ROSTER_KINDS | {"seen", "evidence", "evidence.files", "tick", "timekeeper.replace"}


def test_a_grant_for_some_members_alone_is_no_grant() -> None:
    body: dict[str, Value] = {"key": bytes(32), "name": "eve", "roles": ["director"]}
    grant = Statement(kind="person.grant", audience=None, body=body, nonce=bytes(16))
    assert parse_statement(format_statement(grant), "test") == grant
    with pytest.raises(MalformedError, match="is for all members"):
        format_statement(replace(grant, audience=("bolt",)))


def test_a_payload_opens_against_its_entry() -> None:
    payload = format_statement(memo())
    assert open_payload(entry_for(payload), SALT, payload, "test") == memo()


def test_every_flipped_bit_of_a_payload_is_refused() -> None:
    payload = format_statement(memo())
    entry = entry_for(payload)
    for place in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(InvalidError):
            open_payload(entry, SALT, bytes(flipped), "test")


def test_every_flipped_bit_of_a_salt_is_refused() -> None:
    payload = format_statement(memo())
    for place in range(128):
        flipped = bytearray(SALT)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(InvalidError):
            open_payload(entry_for(payload), bytes(flipped), payload, "test")


def test_a_payload_of_another_kind_than_its_entry_is_refused() -> None:
    payload = format_statement(memo())
    with pytest.raises(MalformedError, match="as in the entry"):
        open_payload(entry_for(payload, kind="tick"), SALT, payload, "test")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"audience": ["bolt", "acme"]}, "audience"),
        ({"audience": ["acme", "acme"]}, "audience"),
        ({"audience": ["Acme"]}, "audience"),
        ({"body": {"text": 5}}, "field text"),
        ({"body": {"text": "a", "more": "b"}}, "body of kind memo"),
        ({"body": {}}, "body of kind memo"),
        ({"nonce": b"short"}, "nonce"),
        ({"signatures": [{"alg": "ed25519"}]}, r"signatures\[0\]"),
    ],
)
def test_a_statement_of_another_form_is_refused_with_the_place(change: dict[str, Any], place: str) -> None:
    value: dict[str, Any] = {
        "audience": None,
        "body": {"text": "a"},
        "kind": "memo",
        "nonce": bytes(16),
        "signatures": [],
    }
    with pytest.raises(MalformedError, match=place):
        parse_statement(encode({**value, **change}), "test")


def test_a_kind_that_is_not_known_is_read() -> None:
    assert parse_statement(format_statement(memo(kind="later.kind", body={"x": 1})), "test").body == {"x": 1}


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if kind.signed))
def test_a_kind_that_a_person_must_sign_is_refused_unsigned(kind: str) -> None:
    with pytest.raises(MalformedError, match="a person's signature"):
        format_statement(memo(kind=kind, body=body_of(KINDS[kind].fields)))


def body_of(fields: Mapping[str, Form]) -> dict[str, Value]:
    """Some body whose fields have these forms."""
    values: tuple[Value, ...] = (
        "x",
        1,
        2,
        bytes(32),
        bytes(64),
        [],
        {},
        ["x", "y"],
        ["x", 1],
        {"x": "y"},
        {"key": bytes(32), "signature": bytes(64)},
        {name: bytes(32) for name in ("log", "node", "recovery", "witness")},
        "https://x",
    )
    return {name: next(value for value in values if form.fits(value)) for name, form in fields.items()}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_body_needs_each_of_its_fields_and_no_other(kind: str) -> None:
    body = body_of(KINDS[kind].fields)
    check_body(kind, body, "test")
    for wrong in ({**body, "zz": 1}, *({k: v for k, v in body.items() if k != name} for name in body)):
        with pytest.raises(MalformedError, match=f"body of kind {kind}"):
            check_body(kind, wrong, "test")


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if kind.more))
def test_the_further_fields_of_a_kind_stand_all_or_none(kind: str) -> None:
    known = KINDS[kind]
    body = body_of({**known.fields, **known.more})
    check_body(kind, body, "test")
    further = [name for name in known.more if name not in known.fields]
    for name in further if len(further) > 1 else ():
        with pytest.raises(MalformedError, match=f"body of kind {kind}"):
            check_body(kind, {k: v for k, v in body.items() if k != name}, "test")


@pytest.mark.parametrize("number", [0, 1, 10_000, True, "2"])
def test_a_later_log_has_a_number_from_2_to_9999(number: Value) -> None:
    known = KINDS["log.open"]
    body = body_of({**known.fields, **known.more})
    with pytest.raises(MalformedError, match="field number"):
        check_body("log.open", {**body, "number": number}, "test")


@pytest.mark.parametrize(
    ("audience", "reader", "may"),
    [
        (None, "zorn", True),
        (("acme",), "acme", True),
        (("acme",), "bolt", False),
        (("bolt",), "author", True),
    ],
)
def test_an_audience_is_kept(audience: tuple[str, ...] | None, reader: str, may: bool) -> None:
    assert may_have(format_statement(memo(audience)), "author", reader) is may


@given(st.binary(max_size=200))
def test_what_is_no_statement_is_its_authors_alone(payload: bytes) -> None:
    if not payload.startswith(b"\x85\xa8audience\xc0"):
        assert not may_have(payload, "author", "bolt")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_statement_or_refused(payload: bytes) -> None:
    try:
        statement = parse_statement(payload, "test")
    except TallyError:
        return
    assert format_statement(statement) == payload


@given(st.text(max_size=50), st.integers(0, 10**6))
def test_a_write_nonce_says_that_a_client_chose_it(key: str, index: int) -> None:
    try:
        nonce = write_nonce(key, index)
    except UnicodeEncodeError:
        return
    assert is_client_nonce(nonce)


@given(st.binary(min_size=16, max_size=16))
def test_a_nonce_says_who_chose_it(random: bytes) -> None:
    assert (is_client_nonce(client_nonce(random)), is_client_nonce(node_nonce(random))) == (True, False)
