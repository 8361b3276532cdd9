"""Signatures of people on statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import ForbiddenError, InvalidError
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement, parse_statement
from ledger.members.people import Person, check_person_signatures, key_id, sign_as_person

ORIGIN = "acme/0123456789abcdef"
SEED = b"s" * 32
KEY = key_id(public_key(SEED))
PEOPLE = {KEY: (Person(name="ada", key=public_key(SEED), roles=("director",), granted_at=1),)}
BODY = {"agreement": bytes(32), "fact": b"f" * 32}


def signed(origin: str = ORIGIN, role: str = "director", nonce: bytes = b"n" * 16) -> Statement:
    signature = sign_as_person(seed=SEED, role=role, kind="confirm", origin=origin, nonce=nonce, body=BODY)
    return Statement(kind="confirm", audience=None, body=BODY, nonce=nonce, signatures=(signature,))


def check(statement: Statement, seq: int = 5) -> tuple[Person, ...]:
    return check_person_signatures(PEOPLE, origin=ORIGIN, seq=seq, statement=statement)


def test_a_good_signature_names_its_person() -> None:
    assert [person.name for person in check(signed())] == ["ada"]


def test_a_signed_statement_reads_back_as_written() -> None:
    assert parse_statement(format_statement(signed()), "test") == signed()


def test_a_signature_for_another_log_is_refused() -> None:
    with pytest.raises(InvalidError, match="signature"):
        check(signed(origin="bolt/0123456789abcdef"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "agreement.sign"},
        {"nonce": b"m" * 16},
        {"body": {"agreement": bytes(32), "fact": b"g" * 32}},
    ],
    ids=["kind", "nonce", "body"],
)
def test_a_signature_moved_to_another_statement_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        check(replace(signed(), **change))


def test_a_role_that_was_not_granted_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="role finance"):
        check(signed(role="finance"))


def test_a_signature_before_the_grant_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="nobody's"):
        check(signed(), seq=1)


def test_a_strangers_signature_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="nobody's"):
        check_person_signatures({}, origin=ORIGIN, seq=5, statement=signed())


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    statement = signed()
    (signature,) = statement.signatures
    for position in range(64):
        flipped = bytearray(signature.signature)
        flipped[position] ^= 1
        with pytest.raises(InvalidError):
            check(replace(statement, signatures=(replace(signature, signature=bytes(flipped)),)))
