"""People and devices who act for an organization, and their signatures on statements.

    key id    = SHA-256("tallystick key v1\\n" | "ed25519\\n" | public key)
    signature = Ed25519("tallystick signature v1\\n" | msgpack [alg, kind, origin, key id, role, nonce,
                hash of the body])

A grant or revocation takes effect from the entry after it, in the log of the organization.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from ledger.errors import ForbiddenError, InvalidError, short
from ledger.log.encoding import Value, encode
from ledger.log.signature import check_public_key, check_signature, public_key, sign
from ledger.log.statement import ALGORITHM, PersonSignature, Statement, body_hash
from ledger.members.growing import GrowingMap, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A human or a device with a key (32 bytes, public) and roles, from one position to another."""

    name: str
    key: bytes
    roles: tuple[str, ...]
    granted_at: int
    revoked_at: int | None = None

    def acts_at(self, seq: int) -> bool:
        """Whether the grant holds for the entry at position `seq`."""
        return self.granted_at < seq and (self.revoked_at is None or seq <= self.revoked_at)


Grants = GrowingMap[bytes, Row[Person]]
"""The people of a log by key id, each with every grant that they ever had there, oldest first."""


def key_id(public: bytes) -> bytes:
    """The 32 bytes that name a person's public key."""
    return sha256(b"tallystick key v1\n" + ALGORITHM.encode() + b"\n" + public).digest()


def signed_bytes(
    *, kind: str, origin: str, key: bytes, role: str, nonce: bytes, body: Mapping[str, Value]
) -> bytes:
    """What a person signs; `key` is the key id."""
    fields: list[Value] = [ALGORITHM, kind, origin, key, role, nonce, body_hash(body)]
    return b"tallystick signature v1\n" + encode(fields)


def sign_as_person(
    *, seed: bytes, role: str, kind: str, origin: str, nonce: bytes, body: Mapping[str, Value]
) -> PersonSignature:
    """A person's signature for a statement that will stand in the log `origin`; `seed` is 32 bytes."""
    key = key_id(public_key(seed))
    message = signed_bytes(kind=kind, origin=origin, key=key, role=role, nonce=nonce, body=body)
    return PersonSignature(key=key, role=role, signature=sign(seed, message))


def check_person_signatures(
    people: Mapping[bytes, Sequence[Person]], *, origin: str, seq: int, statement: Statement
) -> tuple[Person, ...]:
    """Check every signature of a statement at one position of a log; gives the people who signed.

    `people` maps a key id to its grants in that log.

    Raises:
        ForbiddenError: nobody with that key and role may act at that position.
        InvalidError: the signature is not the key's over this statement.
    """
    where = f"{origin} entry {seq}"
    signers = []
    for signature in statement.signatures:
        person = _acting(people.get(signature.key, ()), seq)
        if person is None:
            raise ForbiddenError(
                f"{where} signature",
                found=f"key {short(signature.key)}, which is nobody's here",
                expected="the key of a person whom the organization had granted a role before",
                action="grant the person a role first, or sign with the right key",
            )
        if signature.role not in person.roles:
            raise ForbiddenError(
                f"{where} signature of {person.name}",
                found=f"role {signature.role}",
                expected=f"one of {', '.join(person.roles) or 'none'}",
            )
        message = signed_bytes(
            kind=statement.kind,
            origin=origin,
            key=signature.key,
            role=signature.role,
            nonce=statement.nonce,
            body=statement.body,
        )
        check_signature(person.key, message, signature.signature, f"{where} signature of {person.name}")
        signers.append(person)
    return tuple(signers)


def with_grant(people: Grants | None, seq: int, statement: Statement) -> Grants:
    """The people of a log after a `person.grant`; the same where the key may not be enrolled."""
    people = GrowingMap() if people is None else people
    public = statement.data("key")
    try:
        check_public_key(public, "person.grant key")
    except InvalidError:
        return people
    person = Person(name=statement.text("name"), key=public, roles=statement.texts("roles"), granted_at=seq)
    identity = key_id(public)
    return people.with_item(identity, _ended(people.get(identity) or Row(), seq).added(person))


def with_revocation(people: Grants | None, seq: int, statement: Statement) -> Grants:
    """The people of a log after a `person.revoke`."""
    people = GrowingMap() if people is None else people
    identity = statement.data("key")
    grants = people.get(identity)
    return people if grants is None else people.with_item(identity, _ended(grants, seq))


def _ended(grants: Row[Person], seq: int) -> Row[Person]:
    if not grants or grants[-1].revoked_at is not None:
        return grants
    return grants.ended(replace(grants[-1], revoked_at=seq))


def _acting(grants: Sequence[Person], seq: int) -> Person | None:
    """Of the grants of one key, in the order of their positions, the one that holds at a position."""
    at = bisect_left(grants, seq, key=lambda grant: grant.granted_at)
    return grants[at - 1] if at and grants[at - 1].acts_at(seq) else None
