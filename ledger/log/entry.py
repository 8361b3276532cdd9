"""Entries: the records of a log, their hashes, and the one room where a run of entries is checked.

An entry is the strict msgpack array `[1, seq, prev, time, kind, size, commit]`:

| field | form |
| --- | --- |
| 1 | version of this form |
| seq | position in the log, 0 to 2^53 |
| prev | 32 bytes: leaf hash of the entry before; for entry 0 the network id |
| time | the author's claim, milliseconds since 1970 UTC, 0 to 2^53; orders nothing |
| kind | `[a-z][a-z0-9]*(\\.[a-z0-9]+)*`, at most 32 characters |
| size | payload in bytes, 0 to 1,048,576 |
| commit | SHA-256(salt \\| payload), salt 16 bytes |

Leaf hash = SHA-256(0x00 | entry): the chain's link and the Merkle leaf are one. Numbers stay within
2^53 because readers in other languages keep them as doubles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

import msgpack

from ledger.errors import GapError, InvalidError, MalformedError, TooLargeError, short
from ledger.log.encoding import Value, decode, encode

VERSION = 1
HASH_BYTES = 32
SALT_BYTES = 16
MAX_NUMBER = 2**53
MAX_KIND_BYTES = 32
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_ENTRY_BYTES = 127  # every field at its largest

_FIELDS = 7
_KIND = re.compile(r"[a-z][a-z0-9]*(?:\.[a-z0-9]+)*\Z", re.ASCII)
_BATCH_ENTRIES = 2048

# What follows the link in an entry, as strict msgpack: time, kind (the group), size, commit.
_REST = re.compile(
    rb"(?:\xcf(?!\x00{4})\x00(?:[\x00-\x1f].{6}|\x20\x00{6})"  # 2^32 to 2^53
    rb"|[\x00-\x7f]|\xcc[\x80-\xff]|\xcd(?!\x00)..|\xce(?!\x00\x00)....)"
    rb"([\xa1-\xbf][a-z0-9.]{1,31}|\xd9\x20[a-z0-9.]{32})"
    rb"(?:\xcd(?!\x00)..|[\x00-\x7f]|\xcc[\x80-\xff]|\xce\x00(?:[\x01-\x0f]..|\x10\x00\x00))"  # to 2^20
    rb"\xc4\x20.{32}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record of a log. `size` and `commit` stand for a payload that is kept elsewhere."""

    seq: int
    prev: bytes
    time_ms: int
    kind: str
    size: int
    commit: bytes


def leaf_hash(entry: bytes) -> bytes:
    """The name of an entry everywhere: the next entry's `prev`, and the leaf of the Merkle tree."""
    return sha256(b"\x00" + entry).digest()


def commit_to(salt: bytes, payload: bytes) -> bytes:
    """The commitment that an entry holds in place of its payload."""
    if len(salt) != SALT_BYTES:
        raise MalformedError("salt", found=f"{len(salt)} bytes", expected=f"{SALT_BYTES} bytes")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLargeError("payload", found=f"{len(payload)} bytes", expected=f"at most {MAX_PAYLOAD_BYTES}")
    return sha256(salt + payload).digest()


def check_payload(entry: Entry, salt: bytes, payload: bytes, where: str) -> None:
    """Whether salt and payload are the ones that the entry committed to."""
    if len(payload) != entry.size:
        raise InvalidError(where, found=f"payload of {len(payload)} bytes", expected=f"{entry.size} bytes")
    commit = commit_to(salt, payload)
    if commit != entry.commit:
        raise InvalidError(
            where, found=f"payload with commitment {short(commit)}", expected=short(entry.commit)
        )


def check_kind(kind: str, where: str) -> None:
    """Whether a name may be the kind of an entry."""
    if not _is_kind(kind):
        raise MalformedError(
            where,
            found=f"kind {short(kind)}",
            expected=f"a dotted lower-case name of at most {MAX_KIND_BYTES}",
        )


def format_entry(entry: Entry) -> bytes:
    """The bytes of an entry; refuses what `parse_entry` would refuse."""
    row: list[Value] = [VERSION, entry.seq, entry.prev, entry.time_ms, entry.kind, entry.size, entry.commit]
    _entry_of(row, f"entry {entry.seq}")
    return encode(row)


def seal_entries(
    prev: bytes, start: int, time_ms: int, rows: Iterable[tuple[str, int, bytes]]
) -> list[bytes]:
    """The bytes of entries that follow each other: (kind, size, commit) from position `start` on.

    Checks nothing: `check_entries` does, at the door that own entries pass too.
    """
    pack = msgpack.Packer(autoreset=True).pack
    entries = []
    for seq, (kind, size, commit) in enumerate(rows, start):
        data: bytes = pack((VERSION, seq, prev, time_ms, kind, size, commit))
        prev = sha256(b"\x00" + data).digest()
        entries.append(data)
    return entries


def parse_entry(data: bytes, where: str = "entry") -> Entry:
    """The entry in `data`, whose position and chain link are still to be checked (`check_entries`)."""
    if len(data) > MAX_ENTRY_BYTES:
        raise TooLargeError(where, found=f"{len(data)} bytes", expected=f"at most {MAX_ENTRY_BYTES}")
    return _entry_of(decode(data, where), where)


def check_entries(origin: str, entries: Sequence[bytes], *, start: int, prev: bytes) -> list[bytes]:
    """Check form, position and chain link of a run of entries that begins at position `start`.

    `prev` is the leaf hash of the entry before, for position 0 the network id. Returns the leaf hashes.
    Whole batches are held against one pattern; where a batch does not fit, its entries are looked at one
    by one, and the first that is wrong is named.
    """
    hashes: list[bytes] = []
    for offset in range(0, len(entries), _BATCH_ENTRIES):
        batch = entries[offset : offset + _BATCH_ENTRIES]
        link = hashes[-1] if hashes else prev
        found = _batch_hashes(batch, start + offset, link)
        hashes += _check_each(origin, batch, start + offset, link) if found is None else found
    return hashes


def _batch_hashes(batch: Sequence[bytes], start: int, prev: bytes) -> list[bytes] | None:
    """The leaf hashes of a batch in which everything fits, or None.

    Position and link are known, so an entry must begin with the one encoding of both; the rest is held
    against a pattern of every shortest form. What neither can tell is whether the length of a kind is the
    one it claims: the few different kinds of a batch are looked at by themselves.
    """
    if set(map(type, batch)) != {bytes} or start + len(batch) - 1 > MAX_NUMBER:
        return None
    hashes = [sha256(b"\x00" + entry).digest() for entry in batch]
    pack = msgpack.Packer(autoreset=True).pack
    heads = [
        b"\x97\x01" + pack(seq) + b"\xc4\x20" + link
        for seq, link in enumerate(chain((prev,), hashes[:-1]), start)
    ]
    if not all(map(bytes.startswith, batch, heads)):
        return None
    matches = list(map(_REST.fullmatch, batch, map(len, heads)))
    kinds = {match[1] for match in matches if match}
    return hashes if None not in matches and all(map(_is_packed_kind, kinds)) else None


def _is_packed_kind(data: bytes) -> bool:
    text = data[2:] if data[0] == 0xD9 else data[1:]
    return msgpack.packb(text.decode("ascii")) == data and _is_kind(text.decode("ascii"))


def _check_each(origin: str, batch: Sequence[bytes], start: int, prev: bytes) -> list[bytes]:
    """The slow path: the same verdict, and the place and reason of the first entry that is wrong."""
    hashes = []
    for seq, data in enumerate(batch, start):
        where = f"{origin} entry {seq}"
        if type(data) is not bytes:
            raise MalformedError(where, found=type(data).__name__, expected="bytes")
        entry = parse_entry(data, where)
        if entry.seq != seq:
            raise GapError(where, found=f"an entry for position {entry.seq}", expected=f"position {seq}")
        if entry.prev != prev:
            raise InvalidError(where, found=f"previous hash {short(entry.prev)}", expected=short(prev))
        prev = leaf_hash(data)
        hashes.append(prev)
    return hashes


def _entry_of(row: Value, where: str) -> Entry:
    if not isinstance(row, list) or len(row) != _FIELDS:
        raise MalformedError(where, found="another shape", expected=f"an array of {_FIELDS}")
    version, seq, prev, time_ms, kind, size, commit = row
    if type(version) is not int or version != VERSION:
        raise MalformedError(where, found=f"version {short(version)}", expected=str(VERSION))
    if type(kind) is not str:
        raise MalformedError(where, found=f"kind {short(kind)}", expected="a string")
    check_kind(kind, where)
    return Entry(
        seq=_number(seq, "position", MAX_NUMBER, where),
        prev=_hash(prev, "previous hash", where),
        time_ms=_number(time_ms, "time", MAX_NUMBER, where),
        kind=kind,
        size=_number(size, "size", MAX_PAYLOAD_BYTES, where),
        commit=_hash(commit, "commitment", where),
    )


def _number(value: Value, name: str, limit: int, where: str) -> int:
    if type(value) is not int or not 0 <= value <= limit:
        raise MalformedError(where, found=f"{name} {short(value)}", expected=f"0 to {limit}")
    return value


def _hash(value: Value, name: str, where: str) -> bytes:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise MalformedError(where, found=f"{name} {short(value)}", expected=f"{HASH_BYTES} bytes")
    return value


def _is_kind(kind: str) -> bool:
    return len(kind) <= MAX_KIND_BYTES and _KIND.match(kind) is not None
