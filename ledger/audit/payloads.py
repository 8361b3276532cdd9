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
from typing import Any, TypeAlias

import msgpack
from msgpack import UnpackException, unpackb

from ledger.audit.finding import Finding, Findings, finding_of
from ledger.errors import MalformedError, TallyError
from ledger.log.encoding import decode, encode
from ledger.log.entry import HASH_BYTES, MAX_PAYLOAD_BYTES, SALT_BYTES, Entry, parse_entry
from ledger.log.kinds import EFFECTS, FIELDS, KINDS, POSITION, is_names
from ledger.log.statement import NONCE_BYTES, Statement, open_payload, parse_statement
from ledger.members.folding import ROSTER_KINDS

Rule = Callable[[Statement, str], None]
"""Checks a statement by the rule of its kind; raises a `TallyError`."""

About: TypeAlias = "tuple[bytes, int]"
"""The hash of an agreement, and the position of a statement about it."""

KEPT_KINDS = ROSTER_KINDS | {"log.open", "seen", "evidence"}
"""Kinds that say something about members and their logs: handed on with their position."""

_STATEMENT_KEYS = ["audience", "body", "kind", "nonce", "signatures"]
_OPEN_FORMS = (EFFECTS, POSITION)
_MAX_ITEMS = 8192


def _are_sorted_fields(value: object) -> bool:
    """Whether a value is a map of texts as strict msgpack has it: unpacking alone takes keys as they come."""
    if type(value) is not dict or not FIELDS.fits(value):
        return False
    keys = list(value)
    return all(type(key) is str for key in keys) and keys == sorted(keys, key=str.encode)


_PLAIN: Mapping[str, tuple[list[str], list[Callable[[object], bool]]]] = {
    name: (
        list(kind.fields),
        [_are_sorted_fields if form is FIELDS else form.fits for form in kind.fields.values()],
    )
    for name, kind in KINDS.items()
    if not kind.signed and not kind.public and not any(form in _OPEN_FORMS for form in kind.fields.values())
}


PROPOSAL = "agreement.propose"
_REMARK = "memo"
_BEFORE_AUDIENCE = b"\x85\xa8audience"
_AUDIENCE_AT = SALT_BYTES + len(_BEFORE_AUDIENCE)
_AFTER_AUDIENCE = b"\xa4body\x81\xa4text"
_AUDIENCE_BYTES = 512
"""A longer one is looked at by itself."""
_BEFORE_NONCE = b"\xa4kind\xa4memo\xa5nonce\xc4\x10"
_AFTER_NONCE = b"\xaasignatures\x90"
_NONCE_AT = -(len(_BEFORE_NONCE) + NONCE_BYTES + len(_AFTER_NONCE))
"""Where, from the end, the rest of a memo begins after its text."""


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
    about: list[About] = field(default_factory=list)
    """Statements about agreements. A proposal, whose document
    has the hash, stands here under no name, and also under that of the agreement which it replaces."""
    ticks: list[tuple[int, int]] = field(default_factory=list)
    """Positions and times of the entries that close deadlines."""
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
        plain = _plain_body(data, salt, payload, pack)
        if plain is None or plain[0] in rules or plain[0] in KEPT_KINDS:
            _check_one(origin, seq, data, (salt, payload), rules, counts)
        else:
            _note_agreement(seq, *plain, counts)


def check_payload_run(
    origin: str,
    start: int,
    entries: Sequence[bytes],
    sealed: Sequence[bytes],
    rules: Mapping[str, Rule],
    counts: PayloadCounts,
) -> None:
    """Check the payloads of entries from position `start` on, each with its salt before it.

    Remarks, of which logs are full, have one form but for audience, text and nonce, and are compared with
    it; any other payload goes the way of `check_payloads`.
    """
    others: list[int] = []
    texts: list[bytes] = []
    is_plain = _REMARK not in rules
    for index, (data, both) in enumerate(zip(entries, sealed, strict=True)):
        end = both.find(_AFTER_AUDIENCE, _AUDIENCE_AT, _AUDIENCE_AT + _AUDIENCE_BYTES)
        head, tail = _memo_of(len(both), both[_AUDIENCE_AT:end] if end >= 0 else b"")
        if (
            is_plain
            and data.endswith(tail + sha256(both).digest())
            and both.startswith(head, SALT_BYTES)
            and both.startswith(_BEFORE_NONCE, _NONCE_AT)
            and both.endswith(_AFTER_NONCE)
        ):
            texts.append(both[SALT_BYTES + len(head) : _NONCE_AT])
        else:
            others.append(index)
    if not _is_utf8(texts):
        others = list(range(len(entries)))
    rows = [(start + index, sealed[index][:SALT_BYTES], sealed[index][SALT_BYTES:]) for index in others]
    check_payloads(origin, {start + index: entries[index] for index in others}, rows, rules, counts)
    counts.checked += len(entries) - len(others)
    counts.bytes += sum(map(len, sealed)) - sum(len(sealed[i]) for i in others)
    counts.bytes -= SALT_BYTES * (len(entries) - len(others))


def note_lacking(
    origin: str, entries: Mapping[int, bytes], held: Container[int], counts: PayloadCounts
) -> None:
    """Note the entries of a batch without a payload whose kind says something about members."""
    for seq, data in entries.items():
        if seq not in held and parse_entry(data, f"{origin} entry {seq}").kind in KEPT_KINDS:
            counts.lacking.append(seq)


def _note_agreement(seq: int, kind: str, body: Mapping[str, object], counts: PayloadCounts) -> None:
    """Note which agreements a statement is about."""
    names = [body.get("agreement"), body.get("replaces")]
    if kind == PROPOSAL:
        names.append(b"")
    counts.about += [(name, seq) for name in names if type(name) is bytes]


def _plain_body(
    data: bytes, salt: bytes, payload: bytes, pack: Callable[[object], bytes]
) -> tuple[str, Mapping[str, object]] | None:
    """Kind and body of a payload in which everything fits and which needs no further look at its form."""
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
    return kind, body


@lru_cache(maxsize=4096)
def _memo_of(length: int, audience: bytes) -> tuple[bytes, bytes]:
    """Of a memo that has so many bytes with its salt, for this audience: the payload up to its text, and
    the end of its entry up to the commitment. Where no such memo is, a beginning that no payload has."""
    if not _is_audience(audience):
        return b"\xc1", b""
    before = _BEFORE_AUDIENCE + audience + _AFTER_AUDIENCE
    size = length - SALT_BYTES
    room = size - len(before) + _NONCE_AT
    for text_bytes in (room - width for width in (1, 2, 3, 5)):
        header = encode("x" * text_bytes)[: room - text_bytes] if 0 <= text_bytes < MAX_PAYLOAD_BYTES else b""
        if header and len(encode("x" * text_bytes)) == room:
            return before + header, _tail(_REMARK, size)
    return b"\xc1", b""


@lru_cache(maxsize=4096)
def _is_audience(data: bytes) -> bool:
    """Whether these bytes are an audience in its one encoding."""
    try:
        value = decode(data, "audience")
    except TallyError:
        return False
    return value is None or is_names(value)


def _is_utf8(texts: Sequence[bytes]) -> bool:
    """Whether each of these texts is UTF-8: no character can reach over the line feeds between them."""
    try:
        b"\n".join(texts).decode()
    except UnicodeDecodeError:
        return False
    return True


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
    except TallyError as error:
        counts.findings.add(_not_opened(origin, seq, entry, payload, error))
        return
    _count(seq, entry.time_ms, statement, payload[1], counts)
    rule = rules.get(statement.kind)
    if rule is not None:
        try:
            rule(statement, where)
        except TallyError as error:
            counts.findings.add(_broken_rule(origin, seq, statement.kind, error))


def _not_opened(
    origin: str, seq: int, entry: Entry, payload: tuple[bytes, bytes], error: TallyError
) -> Finding:
    """What is wrong with a payload that gave no statement: it is another one, or was recorded as it is."""
    is_whole = isinstance(error, MalformedError) and _fits_commitment(entry.size, entry.commit, *payload)
    return finding_of(
        "payload-form" if is_whole else "payload-changed",
        error,
        log=origin,
        position=seq,
        signer=origin,
        action="" if is_whole else "fetch the payload from its author or another holder",
    )


def _count(seq: int, time_ms: int, statement: Statement, payload: bytes, counts: PayloadCounts) -> None:
    """Count a statement, and keep of it what the joining needs."""
    if statement.kind == "event":
        counts.events += 1
    if statement.kind not in KINDS:
        counts.unknown_kinds += 1
    else:
        _note_agreement(seq, statement.kind, statement.body, counts)
    if statement.kind == "tick":
        counts.ticks.append((seq, time_ms))
    if statement.kind in KEPT_KINDS or statement.signatures:
        counts.kept.append(Kept(seq, payload))


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
