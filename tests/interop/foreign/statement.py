"""Statements and who signed them (section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from .encoding import check_map, is_bytes, need, read_map, write_msgpack
from .log import MAX_PAYLOAD, ORGANIZATION, Entry
from .network import check_opening
from .signature import check_public_key, check_signature

BODIES = {
    "log.open": "founding keys number organization title",
    "keys.rotate": "keys new old",
    "person.grant": "key name roles",
    "person.revoke": "key",
    "node.address": "certificate url",
    "network.invite": "organization secret",
    "network.admit": "invite keys open organization title",
    "seen": "heads",
    "evidence": "notes origin proof",
    "evidence.files": "accused files form",
    "memo": "text",
    "event": "capture context event hash",
    "agreement.propose": "document replaces until",
    "agreement.sign": "agreement party proposal",
    "agreement.withdraw": "agreement proposal",
    "agreement.decline": "agreement proposal",
    "agreement.terminate": "agreement party text",
    "timekeeper.replace": "agreement head term timekeeper",
    "fact": "agreement attachments cites fields name",
    "confirm": "agreement fact",
    "counted": "agreement entries",
    "tick": "",
    "decision": "agreement effects inputs outcome rule timekeeper",
    "correction": "agreement decision effects text",
}
"""The keys of each kind's body."""

MORE = {"log.open": {"pin", "recovery"}, "decision": {"key"}}
"""Keys that stand in some bodies of a kind, all of them or none."""

NEEDS_PERSON = {"agreement.sign", "agreement.decline", "agreement.terminate", "timekeeper.replace"}
NEEDS_PERSON |= {"confirm", "correction"}
FOR_ALL = {"log.open", "keys.rotate", "person.grant", "person.revoke", "node.address", "network.invite"}
FOR_ALL |= {"network.admit", "seen", "evidence", "evidence.files", "timekeeper.replace", "tick"}
MAX_AUDIENCE = 256
MAX_SIGNATURES = 16


def verify_statement(payload: bytes, kind: str) -> dict[str, Any]:
    """The statement in a payload (section 5)."""
    need(len(payload) <= MAX_PAYLOAD, "a payload over 1 MiB")
    value = read_map(payload, "audience", "body", "kind", "nonce", "signatures")
    need(value["kind"] == kind, "a statement of another kind than its entry")
    need(isinstance(value["body"], dict) and is_bytes(value["nonce"], 16), "no body or nonce")
    if kind in BODIES:
        more = set(value["body"]) - set(BODIES[kind].split())
        need(not more or more == MORE.get(kind), f"a body that is none of {kind}")
        check_map(value["body"], *BODIES[kind].split(), *more)
    audience = value["audience"]
    need(audience is None or kind not in FOR_ALL, "a statement that must be for all members")
    if audience is not None:
        names = isinstance(audience, list) and all(isinstance(name, str) for name in audience)
        need(names and all(map(ORGANIZATION.fullmatch, audience)), "an audience that is none")
        need(audience == sorted(set(audience)) and len(audience) <= MAX_AUDIENCE, "an audience out of order")
    signatures = value["signatures"]
    need(isinstance(signatures, list) and len(signatures) <= MAX_SIGNATURES, "no list of signatures")
    for signature in signatures:
        check_map(signature, "alg", "key", "role", "signature")
        need(signature["alg"] == "ed25519" and is_bytes(signature["key"], 32), "a signature of another form")
        need(isinstance(signature["role"], str) and is_bytes(signature["signature"], 64), "no role")
    keys = [signature["key"] for signature in signatures]
    need(keys == sorted(set(keys)), "signatures out of order")
    return value


def key_id(key: bytes) -> bytes:
    """What names a person's key."""
    return sha256(b"tallystick key v1\ned25519\n" + key).digest()


def check_people(
    statement: Mapping[str, Any], origin: str, people: Mapping[bytes, tuple[bytes, set[str]]]
) -> None:
    """Refuse unless every signature is by one of these people (key id: public key, roles) in her role."""
    if statement["kind"] in NEEDS_PERSON:
        need(statement["signatures"], "a statement that needs a person's signature")
    body = sha256(b"tallystick body v1\n" + write_msgpack(statement["body"])).digest()
    for signature in statement["signatures"]:
        need(signature["key"] in people, "a signature by a stranger")
        key, roles = people[signature["key"]]
        need(signature["role"] in roles, "a signature in a role that was not granted")
        signed = [signature["alg"], statement["kind"], origin, signature["key"], signature["role"]]
        message = write_msgpack([*signed, statement["nonce"], body])
        check_signature(key, b"tallystick signature v1\n" + message, signature["signature"])


def verify_statements(
    statements: Iterable[tuple[Entry, bytes | None]], origin: str
) -> list[tuple[Entry, dict[str, Any]]]:
    """The statements of one log in order, people as granted so far; not those without payload."""
    people: dict[bytes, tuple[bytes, set[str]]] = {}
    nonces: set[bytes] = set()
    read = []
    for entry, payload in statements:
        if payload is None:
            continue
        statement = verify_statement(payload, entry.kind)
        need(statement["nonce"] not in nonces, f"entry {entry.seq}: a nonce twice in one log")
        nonces.add(statement["nonce"])
        check_people(statement, origin, people)
        body = statement["body"]
        if entry.kind == "log.open":
            check_opening(body, origin, entry.prev)
        elif entry.kind == "person.grant":
            check_public_key(body["key"])
            people[key_id(body["key"])] = (body["key"], set(body["roles"]))
        elif entry.kind == "person.revoke":
            people.pop(body["key"], None)
        read.append((entry, statement))
    return read


def write_nonce(key: str, index: int) -> bytes:
    """The nonce of the statement at this place of a write under an Idempotency-Key."""
    first, *rest = sha256(b"tallystick nonce v1\n" + key.encode() + b"\n%d" % index).digest()[:16]
    return bytes([first | 0x80, *rest])
