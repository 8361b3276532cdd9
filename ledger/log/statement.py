"""Statements: what an entry commits to (docs/format.md, section 5).

    payload = strict msgpack {audience, body, kind, nonce, signatures}
    commit  = SHA-256(salt | payload)

Bytes are kept as received; `parse_statement` gives a view on them, `format_statement` makes them once.
`open_payload` is the one place where a payload is held against its entry and its own form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TypeVar

from ledger.errors import MalformedError, TooLargeError, short
from ledger.log.encoding import Value, decode, encode
from ledger.log.entry import MAX_PAYLOAD_BYTES, Entry, check_payload
from ledger.log.kinds import KINDS, check_body, is_name, is_names

T = TypeVar("T")

NONCE_BYTES = 16
_CLIENT_BIT = 0x80
ALGORITHM = "ed25519"
MAX_SIGNATURES = 16

_STATEMENT_KEYS = ["audience", "body", "kind", "nonce", "signatures"]
_SIGNATURE_KEYS = ["alg", "key", "role", "signature"]
# A statement for all members begins with these bytes: a map of five, "audience", nil.
_FOR_ALL = b"\x85\xa8audience\xc0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSignature:
    """A person's signature on a statement: key id (32 bytes), the role they act under, 64 bytes."""

    key: bytes
    role: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an entry commits to. `audience` is None for all members of the network."""

    kind: str
    audience: tuple[str, ...] | None
    body: Mapping[str, Value]
    nonce: bytes
    signatures: tuple[PersonSignature, ...] = ()

    # Typed views of the body; its form was checked when the statement was parsed.

    def text(self, name: str) -> str:
        """A text of the body."""
        return _typed(self.body[name], str)

    def data(self, name: str) -> bytes:
        """A byte string of the body, such as a hash or a key."""
        return _typed(self.body[name], bytes)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts of the body."""
        return tuple(_typed(item, str) for item in _typed(self.body[name], list))

    def hashes(self, name: str) -> tuple[bytes, ...]:
        """A list of byte strings of the body."""
        return tuple(_typed(item, bytes) for item in _typed(self.body[name], list))


def _typed(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"body holds {type(value).__name__} where {kind.__name__} was asked for")
    return value


def format_statement(statement: Statement) -> bytes:
    """The payload of a statement.

    Raises:
        MalformedError: a field has not the form that its kind asks for.
        TooLargeError: over 1 MiB.
    """
    payload = encode(
        {
            "audience": None if statement.audience is None else list(statement.audience),
            "body": dict(statement.body),
            "kind": statement.kind,
            "nonce": statement.nonce,
            "signatures": [
                {"alg": ALGORITHM, "key": s.key, "role": s.role, "signature": s.signature}
                for s in statement.signatures
            ],
        }
    )
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLargeError(
            f"new {statement.kind}",
            found=f"a statement of {len(payload)} bytes",
            expected=f"at most {MAX_PAYLOAD_BYTES}",
            action="attach large data as a document",
        )
    parse_statement(payload, f"new {statement.kind}")
    return payload


def parse_statement(payload: bytes, where: str) -> Statement:
    """Read a payload; `where` begins every message.

    Raises:
        MalformedError: not strict msgpack, not a statement, or not a body of its kind.
    """
    value = decode(payload, where)
    if type(value) is not dict or list(value) != _STATEMENT_KEYS:
        raise MalformedError(where, found="no statement", expected=f"a map of {', '.join(_STATEMENT_KEYS)}")
    audience, body, kind, nonce, signatures = value.values()
    if audience is not None and not is_names(audience):
        raise MalformedError(
            f"{where} audience", found=short(audience), expected="nil or a sorted list of organizations"
        )
    if type(kind) is not str or type(body) is not dict:
        raise MalformedError(where, found="no kind or no body", expected="kind: text, body: map")
    if type(nonce) is not bytes or len(nonce) != NONCE_BYTES:
        raise MalformedError(f"{where} nonce", found=short(nonce), expected=f"{NONCE_BYTES} bytes")
    check_body(kind, body, where)
    _check_reach(kind, audience, where)
    return Statement(
        kind=kind,
        audience=None if audience is None else tuple(audience),  # type: ignore[arg-type]  # is_names
        body=body,
        nonce=nonce,
        signatures=_parse_signatures(signatures, kind, where) if signatures != [] else _unsigned(kind, where),
    )


def _check_reach(kind: str, audience: Value, where: str) -> None:
    known = KINDS.get(kind)
    if audience is not None and known is not None and known.public:
        raise MalformedError(
            f"{where} audience",
            found=short(audience),
            expected=f"nil: kind {kind} is for all members",
            action="leave the audience out",
        )


def _unsigned(kind: str, where: str) -> tuple[PersonSignature, ...]:
    known = KINDS.get(kind)
    if known is not None and known.signed:
        raise MalformedError(
            f"{where} signatures",
            found="none",
            expected=f"a person's signature, as kind {kind} needs",
            action="sign it with a person's key",
        )
    return ()


def _parse_signatures(value: Value, kind: str, where: str) -> tuple[PersonSignature, ...]:
    if type(value) is not list or len(value) > MAX_SIGNATURES:
        raise MalformedError(
            f"{where} signatures", found=short(value), expected=f"a list of at most {MAX_SIGNATURES}"
        )
    signatures = tuple(_parse_signature(item, f"{where} signatures[{i}]") for i, item in enumerate(value))
    if any(a.key >= b.key for a, b in pairwise(signatures)):
        raise MalformedError(
            f"{where} signatures", found="keys out of order or twice", expected="sorted by key id, each once"
        )
    return signatures


def _parse_signature(value: Value, where: str) -> PersonSignature:
    if type(value) is not dict or list(value) != _SIGNATURE_KEYS:
        raise MalformedError(where, found=short(value), expected=f"a map of {', '.join(_SIGNATURE_KEYS)}")
    algorithm, key, role, signature = value.values()
    if algorithm != ALGORITHM:
        raise MalformedError(f"{where} alg", found=short(algorithm), expected=ALGORITHM)
    if type(key) is not bytes or len(key) != 32:
        raise MalformedError(f"{where} key", found=short(key), expected="a key id of 32 bytes")
    if not is_name(role) or type(role) is not str:
        raise MalformedError(f"{where} role", found=short(role), expected="a role's name")
    if type(signature) is not bytes or len(signature) != 64:
        raise MalformedError(f"{where} signature", found=short(signature), expected="64 bytes")
    return PersonSignature(key=key, role=role, signature=signature)


def body_hash(body: Mapping[str, Value]) -> bytes:
    """The 32 bytes by which a person's signature names a body."""
    return sha256(b"tallystick body v1\n" + encode(dict(body))).digest()


def write_nonce(idempotency_key: str, index: int) -> bytes:
    """The nonce of the `index`-th statement of a write that came with an `Idempotency-Key`."""
    text = f"tallystick nonce v1\n{idempotency_key}\n{index}"
    return client_nonce(sha256(text.encode()).digest()[:NONCE_BYTES])


def client_nonce(random: bytes) -> bytes:
    """A nonce that a client chose: it may come again, so a log remembers where it stands."""
    return bytes([random[0] | _CLIENT_BIT]) + random[1:]


def node_nonce(random: bytes) -> bytes:
    """A nonce that the node chose for a statement that nobody can repeat."""
    return bytes([random[0] & ~_CLIENT_BIT]) + random[1:]


def is_client_nonce(nonce: bytes) -> bool:
    """Whether a nonce says that a client chose it: the first bit is set."""
    return bool(nonce[0] & _CLIENT_BIT)


def open_payload(entry: Entry, salt: bytes, payload: bytes, where: str) -> Statement:
    """Check a payload against its entry and its own form, and read it.

    Raises:
        InvalidError: it is not the payload that the entry commits to.
        MalformedError: it is, but it is no statement of the entry's kind.
    """
    check_payload(entry, salt, payload, where)
    statement = parse_statement(payload, where)
    if statement.kind != entry.kind:
        raise MalformedError(f"{where} kind", found=statement.kind, expected=f"{entry.kind}, as in the entry")
    return statement


def may_have(payload: bytes, author: str, reader: str) -> bool:
    """Whether `reader` (an organization) belongs to the audience of `author`'s payload.

    Decided from the payload itself, so that no index can widen it. What is no statement is its author's.
    """
    if reader == author or payload.startswith(_FOR_ALL):
        return True
    try:
        statement = parse_statement(payload, "payload")
    except MalformedError:
        return False
    return statement.audience is None or reader in statement.audience
