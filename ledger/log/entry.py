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
from typing import Any

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
    Whole batches are compared column by column; where a batch does not fit, its entries are looked at
    one by one, and the first that is wrong is named.
    """
    hashes: list[bytes] = []
    for offset in range(0, len(entries), _BATCH_ENTRIES):
        batch = entries[offset : offset + _BATCH_ENTRIES]
        link = hashes[-1] if hashes else prev
        found = _batch_hashes(batch, start + offset, link)
        hashes += _check_each(origin, batch, start + offset, link) if found is None else found
    return hashes


def _batch_hashes(batch: Sequence[bytes], start: int, prev: bytes) -> list[bytes] | None:
    """The leaf hashes of a batch in which everything fits, or None."""
    if set(map(type, batch)) != {bytes} or max(map(len, batch)) > MAX_ENTRY_BYTES:
        return None
    count = len(batch)
    try:
        joined = b"\xdd" + count.to_bytes(4, "big") + b"".join(batch)
        rows = msgpack.unpackb(joined, use_list=False, max_array_len=max(count, _FIELDS))
    except (ValueError, msgpack.UnpackException):
        return None
    if set(map(type, rows)) != {tuple} or set(map(len, rows)) != {_FIELDS}:
        return None
    if not _columns_fit(list(zip(*rows, strict=True)), start, count):
        return None
    # Only now that the columns hold plain integers, strings and bytes is packing again a proof of form.
    # Entry by entry, since the joined bytes would hide where one ends and the next begins.
    if list(map(msgpack.Packer(autoreset=True).pack, rows)) != list(batch):
        return None
    hashes = [sha256(b"\x00" + entry).digest() for entry in batch]
    links = [prev, *hashes[:-1]]
    return hashes if [row[2] for row in rows] == links else None


def _columns_fit(columns: Sequence[Any], start: int, count: int) -> bool:
    versions, seqs, prevs, times, kinds, sizes, commits = columns
    return (
        all(set(map(type, column)) == {int} for column in (versions, seqs, times, sizes))
        and all(set(map(type, column)) == {bytes} for column in (prevs, commits))
        and set(map(type, kinds)) == {str}
        and set(versions) == {VERSION}
        and seqs == tuple(range(start, start + count))
        and seqs[-1] <= MAX_NUMBER
        and min(times) >= 0
        and max(times) <= MAX_NUMBER
        and min(sizes) >= 0
        and max(sizes) <= MAX_PAYLOAD_BYTES
        and all(map(_is_kind, set(kinds)))
        and set(map(len, commits)) == {HASH_BYTES}
    )


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
