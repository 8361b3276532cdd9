"""Payloads of a batch of entries: commitment, form, and the rules of their kinds.

The fast way settles what nearly every payload is: a statement without persons' signatures, of a kind whose
form alone decides. Whatever it cannot settle goes through `open_payload`, which also says what is wrong.
That the fast way refuses nothing and lets nothing more through follows from three facts: an entry that was
checked ends in kind, size and commitment, each in its one encoding; packing again what was unpacked gives
the same bytes; and the forms of the plain kinds leave no room for other types or unsorted keys.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgpack
from msgpack import UnpackException, unpackb

from ledger.audit.finding import Findings, finding_of
from ledger.errors import MalformedError, TallyError
from ledger.log.encoding import encode
from ledger.log.entry import HASH_BYTES, SALT_BYTES, parse_entry
from ledger.log.kinds import EFFECTS, FIELDS, KINDS, POSITION, is_names
from ledger.log.statement import NONCE_BYTES, Statement, open_payload, parse_statement
from ledger.members.roster import ROSTER_KINDS

Rule = Callable[[Statement, str], None]
"""Checks a statement by the rule of its kind; raises a `TallyError`."""

KEPT_KINDS = ROSTER_KINDS | {"log.open", "seen", "evidence"}
"""Kinds that say something about members and their logs: handed on with their position."""

_STATEMENT_KEYS = ["audience", "body", "kind", "nonce", "signatures"]
_OPEN_FORMS = (EFFECTS, FIELDS, POSITION)
_MAX_ITEMS = 8192

_PLAIN: Mapping[str, tuple[list[str], list[Callable[[object], bool]]]] = {
    name: (list(kind.fields), [form.fits for form in kind.fields.values()])
    for name, kind in KINDS.items()
    if not kind.signed and not kind.public and not any(form in _OPEN_FORMS for form in kind.fields.values())
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A checked statement that the audit of the whole log needs, at its position."""

    seq: int
    payload: bytes


@dataclass(slots=True)
class PayloadCounts:
    """What became of the payloads of a range."""

    checked: int = 0
    bytes: int = 0
    events: int = 0
    unknown_kinds: int = 0
    kept: list[Kept] = field(default_factory=list)
    lacking: list[int] = field(default_factory=list)
    """Positions of entries about members whose payload is not there."""
    findings: Findings = field(default_factory=Findings)


def check_payloads(
    origin: str,
    entries: Mapping[int, bytes],
    payloads: Sequence[tuple[int, bytes, bytes]],
    rules: Mapping[str, Rule],
    counts: PayloadCounts,
) -> None:
    """Check payloads against their entries; those of entries that are not whole are passed over."""
    pack = msgpack.Packer(autoreset=True).pack
    for seq, salt, payload in payloads:
        data = entries.get(seq)
        if data is None:
            continue
        counts.checked += 1
        counts.bytes += len(payload)
        kind = _plain_kind(data, salt, payload, pack)
        if kind is None or kind in rules or kind in KEPT_KINDS:
            _check_one(origin, seq, data, (salt, payload), rules, counts)


def note_lacking(
    origin: str, entries: Mapping[int, bytes], held: Container[int], counts: PayloadCounts
) -> None:
    """Note the entries of a batch without a payload whose kind says something about members."""
    for seq, data in entries.items():
        if seq not in held and parse_entry(data, f"{origin} entry {seq}").kind in KEPT_KINDS:
            counts.lacking.append(seq)


def _plain_kind(data: bytes, salt: bytes, payload: bytes, pack: Callable[[object], bytes]) -> str | None:
    """The kind of a payload in which everything fits and which needs no further look at its form."""
    try:
        value: Any = unpackb(payload, max_array_len=_MAX_ITEMS)
        if type(value) is not dict or list(value) != _STATEMENT_KEYS or pack(value) != payload:
            return None
    except (ValueError, OverflowError, TypeError, UnpackException):
        return None
    audience, body, kind, nonce, signatures = value.values()
    form = _PLAIN.get(kind) if type(kind) is str else None
    if (
        form is None
        or type(body) is not dict
        or list(body) != form[0]
        or signatures != []
        or type(nonce) is not bytes
        or len(nonce) != NONCE_BYTES
        or len(salt) != SALT_BYTES
        or (audience is not None and not is_names(audience))
        or not data.endswith(_tail(kind, len(payload)) + sha256(salt + payload).digest())
    ):
        return None
    for fits, item in zip(form[1], body.values(), strict=True):
        if not fits(item):
            return None
    return str(kind)


@lru_cache(maxsize=4096)
def _tail(kind: str, size: int) -> bytes:
    """The end of an entry with this kind and size, up to its commitment."""
    return encode(kind) + encode(size) + b"\xc4" + bytes([HASH_BYTES])


def _check_one(
    origin: str,
    seq: int,
    data: bytes,
    payload: tuple[bytes, bytes],
    rules: Mapping[str, Rule],
    counts: PayloadCounts,
) -> None:
    where = f"{origin} entry {seq}"
    entry = parse_entry(data, where)
    try:
        statement = open_payload(entry, *payload, where)
    except MalformedError as error:
        fits = _fits_commitment(entry.size, entry.commit, *payload)
        code = "payload-form" if fits else "payload-changed"
        counts.findings.add(
            finding_of(
                code,
                error,
                log=origin,
                position=seq,
                signer=origin,
                action="" if fits else "fetch the payload from its author or another holder",
            )
        )
        return
    except TallyError as error:
        counts.findings.add(
            finding_of(
                "payload-changed",
                error,
                log=origin,
                position=seq,
                signer=origin,
                action="fetch the payload from its author or another holder",
            )
        )
        return
    if statement.kind == "event":
        counts.events += 1
    if statement.kind not in KINDS:
        counts.unknown_kinds += 1
    if statement.kind in KEPT_KINDS or statement.signatures:
        counts.kept.append(Kept(seq, payload[1]))
    rule = rules.get(statement.kind)
    if rule is not None:
        try:
            rule(statement, where)
        except TallyError as error:
            counts.findings.add(_broken_rule(origin, seq, statement.kind, error))


def _broken_rule(origin: str, seq: int, kind: str, error: TallyError) -> Any:
    if kind == "event":
        code = "event-hash" if error.where.endswith("body.hash") else "event-form"
    else:
        code = "document-form"
    return finding_of(
        code,
        error,
        log=origin,
        position=seq,
        signer=origin,
        action="ask the author to record a correction",
    )


def _fits_commitment(size: int, commit: bytes, salt: bytes, payload: bytes) -> bool:
    return len(payload) == size and sha256(salt + payload).digest() == commit


def read_kept(kept: Kept, origin: str) -> Statement:
    """The statement of a kept payload, which was checked before."""
    return parse_statement(kept.payload, f"{origin} entry {kept.seq}")
