"""A whole log in tiles (sections 4 and 6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .encoding import is_bytes, need, read_msgpack, take
from .note import Head, Vkey, verify_checkpoint
from .tree import leaf_hash, node_hash, tree_hash

Fetch = Callable[[str], bytes]
"""Gives the bytes under a path such as `tile/0/000`."""

MAX_PAYLOAD = 1 << 20
MAX_SEQ = 1 << 53
ORGANIZATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
KIND = re.compile(r"[a-z][a-z0-9]*(\.[a-z0-9]+)*")
ORIGIN = re.compile(r"(?P<organization>[^/]+)/(?P<network>[0-9a-f]{16})(/(?P<number>[1-9][0-9]*))?")


@dataclass(frozen=True)
class Entry:
    """One entry, with the bytes that it is."""

    data: bytes
    seq: int
    prev: bytes
    time: int
    kind: str
    size: int
    commit: bytes


def read_entry(data: bytes) -> Entry:
    """An entry in its one form (section 4)."""
    value = read_msgpack(data)
    need(isinstance(value, list) and len(value) == 7, "an entry has seven fields")
    version, seq, prev, time, kind, size, commit = value
    need(all(type(item) is int for item in (version, seq, time, size)), "a number that is none")
    need(version == 1 and 0 <= seq <= MAX_SEQ and 0 <= time <= MAX_SEQ, "a number out of range")
    need(0 <= size <= MAX_PAYLOAD and is_bytes(prev, 32) and is_bytes(commit, 32), "a field out of range")
    need(isinstance(kind, str) and len(kind) <= 32 and KIND.fullmatch(kind), "not a kind")
    return Entry(data, *value[1:])


def verify_log(fetch: Fetch, log: Vkey, witnesses: Iterable[Vkey] = ()) -> tuple[Head, list[Entry]]:
    """Everything of a log: checkpoint, bundles, form and chain of all entries, every tile, the root."""
    head = verify_checkpoint(fetch("checkpoint"), log, witnesses)
    entries = [read_entry(data) for data in _bundles(fetch, head.size)]
    leaves = [leaf_hash(entry.data) for entry in entries]
    check_chain(entries, leaves, head.origin)
    need(tree_hash(leaves) == head.root, "the entries do not give the root")
    levels = [leaves]
    need(_level(fetch, 0, len(leaves)) == leaves, "the tiles are not over these entries")
    while len(levels[-1]) >= 256:
        below = levels[-1]
        level = [tree_hash(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
        need(_level(fetch, len(levels), len(level)) == level, f"a tile of level {len(levels)}")
        levels.append(level)
    need(not head.size or _from_tiles(levels, 0, head.size) == head.root, "the tiles do not give the root")
    return head, entries


def check_chain(entries: Sequence[Entry], leaves: Sequence[bytes], origin: str) -> None:
    """Each entry in its place, after the one before, the first after the network id."""
    match = ORIGIN.fullmatch(origin)
    need(match and ORGANIZATION.fullmatch(match["organization"]), "not an origin")
    assert match is not None
    need(not entries or entries[0].prev[:8].hex() == match["network"], "entry 0 is of another network")
    for seq, entry in enumerate(entries):
        need(entry.seq == seq, f"entry {seq} says it is {entry.seq}")
        need(seq == 0 or entry.prev == leaves[seq - 1], f"entry {seq} does not follow the one before")
        need((entry.kind == "log.open") == (seq == 0), "log.open is entry 0 and no other")


def tile_name(level: str, index: int, width: int) -> str:
    """The path of a tile or bundle."""
    groups = f"{index:03d}" if index < 1000 else f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < 256 else "")


def _bundles(fetch: Fetch, size: int) -> Iterable[bytes]:
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        data, at = fetch(tile_name("entries", index, width)), 0
        for _ in range(width):
            raw, at = take(data, at, 2)
            entry, at = take(data, at, int.from_bytes(raw, "big"))
            yield entry
        need(at == len(data), "bytes after the last entry of a bundle")


def _level(fetch: Fetch, level: int, count: int) -> list[bytes]:
    hashes = []
    for index in range(-(-count // 256)):
        width = min(256, count - index * 256)
        data = fetch(tile_name(str(level), index, width))
        need(len(data) == width * 32, "a tile of another size")
        hashes += [data[at : at + 32] for at in range(0, len(data), 32)]
    return hashes


def _from_tiles(levels: Sequence[Sequence[bytes]], start: int, end: int) -> bytes:
    """The root over leaves start to end, from the highest tiles that hold it."""
    count = end - start
    for level, hashes in enumerate(levels):
        if count == 256**level:
            return hashes[start // count]
    middle = start + (1 << (count - 1).bit_length() - 1)
    return node_hash(_from_tiles(levels, start, middle), _from_tiles(levels, middle, end))
