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

import msgpack

from ledger.errors import GapError, InvalidError, MalformedError, TallyError, TooLargeError, short
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

_LINK_BYTES = 2 + HASH_BYTES
_TIME_BYTES = 9
_COMMIT_BYTES = 2 + HASH_BYTES
_LONG_TIME = 0xCF  # the form of times from 2^32; earlier ones, before 1970-02-20, are looked at one by one
_TIME_AT = {0xCC: 4 + _LINK_BYTES, 0xCD: 5 + _LINK_BYTES, 0xCE: 7 + _LINK_BYTES, 0xCF: 11 + _LINK_BYTES}
"""Where the time of an entry stands, by the first byte of its position."""

_FEW = 4  # so few are parsed sooner than their columns are compared
_WIDER_FROM = (2**7, 2**8, 2**16, 2**32)  # positions from which one more byte, or more, is needed


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
    """
    return read_run(origin, entries, start=start, prev=prev).hashes


def entry_times(entries: Sequence[bytes]) -> list[int]:
    """The times of entries that were checked before."""
    times = []
    for data in entries:
        at = _TIME_AT[data[2]] if data[2] >= 0x80 else 3 + _LINK_BYTES
        if data[at] == _LONG_TIME:
            times.append(int.from_bytes(data[at + 1 : at + _TIME_BYTES]))
        else:
            times.append(parse_entry(data).time_ms)
    return times


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What a run of entries that was checked came to: their leaf hashes, and the kinds that occur."""

    hashes: list[bytes]
    kinds: set[str]


def read_run(origin: str, entries: Sequence[bytes], *, start: int, prev: bytes) -> CheckedRun:
    """Check a run of entries as `check_entries` does, and say which kinds occur in it.

    Whole batches are compared column by column; where a batch does not fit, its entries are looked at one
    by one, and the first that is wrong is named.
    """
    run = CheckedRun([], set())
    while len(run.hashes) < len(entries):
        done = len(run.hashes)
        first = start + done
        # All positions of a batch are encoded in equally many bytes.
        wider = next((limit for limit in _WIDER_FROM if first < limit), first + _BATCH_ENTRIES)
        batch = entries[done : done + min(_BATCH_ENTRIES, wider - first)]
        link = run.hashes[-1] if done else prev
        found = _read_batch(batch, first, link) or _read_each(origin, batch, first, link)
        run.hashes.extend(found.hashes)
        run.kinds.update(found.kinds)
    return run


def _read_batch(batch: Sequence[bytes], start: int, prev: bytes) -> CheckedRun | None:
    """What a batch comes to in which everything fits, or None.

    Entries of one kind, and of sizes of one width, are equally long and have every field in the same
    place: so of such a group the first is parsed, and the others are compared with it, with the positions
    and with the links, one column of bytes at a time.
    """
    if set(map(type, batch)) != {bytes} or start + len(batch) - 1 > MAX_NUMBER:
        return None
    hashes = [sha256(b"\x00" + entry).digest() for entry in batch]
    links = [prev, *hashes[:-1]]
    seqs = range(start, start + len(batch))
    at = 2 + len(encode(start)) + _LINK_BYTES + _TIME_BYTES
    kinds = _kinds_of(batch, seqs, links, at)
    if kinds is not None:
        return CheckedRun(hashes, kinds)
    # Grouped by kind, which another width of the size shifts by a byte or two.
    groups: dict[bytes, list[int]] = {}
    for index, entry in enumerate(batch):
        groups.setdefault(entry[at:-37], []).append(index)
    every: set[str] = set()
    for group in groups.values():
        kinds = _kinds_of([batch[i] for i in group], [seqs[i] for i in group], [links[i] for i in group], at)
        if kinds is None:
            return None
        every |= kinds
    return CheckedRun(hashes, every)


def _kinds_of(
    entries: Sequence[bytes], seqs: Sequence[int], links: Sequence[bytes], at: int
) -> set[str] | None:
    """The kinds of a group whose entries are whole, in their place and linked; None where columns cannot
    tell. `at` is where their kind begins."""
    if len(entries) < _FEW:
        alone = {_kind_alone(*row) for row in zip(entries, seqs, links, strict=True)}
        return {kind for kind in alone if kind} if None not in alone else None
    first, count, length = entries[0], len(entries), len(entries[0])
    if set(map(len, entries)) != {length}:
        return None
    kind = _kind_alone(first, seqs[0], links[0])
    link_at, time_at = at - _TIME_BYTES - _LINK_BYTES, at - _TIME_BYTES
    if kind is None or first[time_at] != _LONG_TIME:
        return None
    size_at, commit_at = at + len(encode(kind)), length - _COMMIT_BYTES
    joined = b"".join(entries)
    columns = [joined[i::length] for i in range(commit_at + 2)]
    # Every byte but those of position, link, time, size and commitment is that of the first.
    fixed = (0, 1, link_at, link_at + 1, time_at, time_at + 1, *range(at, size_at), commit_at, commit_at + 1)
    fits = (
        all(columns[i] == first[i : i + 1] * count for i in fixed)
        and _columns_of(_pack_all(seqs), link_at - 2) == columns[2:link_at]
        and _columns_of(b"".join(links), HASH_BYTES) == columns[link_at + 2 : time_at]
        and _are_times(columns[time_at + 2 : at])
        and _are_sizes(columns[size_at:commit_at])
    )
    return {kind} if fits else None


def _kind_alone(data: bytes, seq: int, link: bytes) -> str | None:
    """The kind of an entry that is whole, in its place and linked."""
    try:
        entry = parse_entry(data)
    except TallyError:
        return None
    return entry.kind if entry.seq == seq and entry.prev == link else None


def _pack_all(seqs: Sequence[int]) -> bytes:
    pack = msgpack.Packer(autoreset=True).pack
    return b"".join(map(pack, seqs))


def _columns_of(joined: bytes, width: int) -> list[bytes]:
    return [joined[i::width] for i in range(width)]


def _are_times(columns: Sequence[bytes]) -> bool:
    """Whether these are times from 2^32 to below 2^53: their bytes after the first, which is 0."""
    return max(columns[0]) < 0x20 and any(min(column) > 0 for column in columns[:3])


def _are_sizes(columns: Sequence[bytes]) -> bool:
    """Whether these are sizes below 2^20, each in its shortest form."""
    form, count = columns[0][0], len(columns[0])
    match len(columns):
        case 1:
            return max(columns[0]) < 0x80
        case 2:
            return form == 0xCC and columns[0].count(form) == count and min(columns[1]) >= 0x80
        case 3:
            return form == 0xCD and columns[0].count(form) == count and min(columns[1]) > 0
        case 5:
            plain = form == 0xCE and columns[0].count(form) == count and columns[1].count(0) == count
            return plain and min(columns[2]) > 0 and max(columns[2]) < 0x10
    return False


def _read_each(origin: str, batch: Sequence[bytes], start: int, prev: bytes) -> CheckedRun:
    """The slow path: the same verdict, and the place and reason of the first entry that is wrong."""
    run = CheckedRun([], set())
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
        run.hashes.append(prev)
        run.kinds.add(entry.kind)
    return run


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
