"""Tiles (C2SP tlog-tiles): the hashes and entries of a log as files that never change.

Below the log's own path, `/log/<hex SHA-256 of the origin>`:

- `/tile/<level>/<n>[.p/<width>]`: hashes of 32 bytes, end to end. Tile level L holds tree level 8L; tile
  n holds its hashes 256n to 256n + 255. A partial tile holds the first `width` of them, 1 to 255.
- `/tile/entries/<n>[.p/<width>]`: the entries 256n to 256n + 255, each after its length in two bytes,
  big-endian
- n is written in groups of three digits, all but the last after an `x`: 1234067 is `x001/x234/067`

The levels between tile levels are computed. An `Edge` is what a writer needs in memory to go on: the
tree's frontier and the partial tile of each level.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.errors import MalformedError, MissingError, short
from ledger.log.tree import HASH_BYTES, Frontier, HashReader, Node, node_hash, read_frontier

TILE_HASHES = 256
TILE_LEVELS = 8
TILE_BYTES = TILE_HASHES * HASH_BYTES
MAX_TILE_LEVEL = 63
MAX_TILE_INDEX = 2**55 - 1
MAX_BUNDLE_ENTRY_BYTES = 2**16 - 1

_PATH = re.compile(r"/tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)

FetchTile = Callable[[int, int, int], bytes]
"""Gives the bytes of the tile at (level, index) with this many hashes, or raises `MissingError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Hashes `256 * index` and on of a tile level, full or partial."""

    level: int
    index: int
    data: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds."""
        return len(self.data) // HASH_BYTES

    @property
    def path(self) -> str:
        """Its path below the log's own."""
        return tile_path(self.level, self.index, self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlace:
    """What a path asks for: hashes of a tile level, or entries where `level` is None."""

    level: int | None
    index: int
    width: int


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tiled log: its frontier, and for each tile level the partial tile's hashes."""

    frontier: Frontier = field(default_factory=Frontier)
    rows: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        widths = [_width_at(self.size, level) for level in range(_tile_levels(self.size))]
        if [len(row) for row in self.rows] != [width * HASH_BYTES for width in widths]:
            raise MalformedError("edge", found="other partial tiles", expected=f"those of size {self.size}")

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self.frontier.size

    def extended(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, list[Tile]]:
        """The edge after these leaves, and the tiles that they completed."""
        frontier, levels = self.frontier.grow(leaf_hashes)
        tiles: list[Tile] = []
        rows = []
        for level in range(_tile_levels(frontier.size)):
            row = self.rows[level] if level < len(self.rows) else b""
            row += b"".join(levels[TILE_LEVELS * level] if TILE_LEVELS * level < len(levels) else ())
            index = self.size >> TILE_LEVELS * (level + 1)
            whole = len(row) - len(row) % TILE_BYTES
            for start in range(0, whole, TILE_BYTES):
                data = row[start : start + TILE_BYTES]
                tiles.append(Tile(level=level, index=index + start // TILE_BYTES, data=data))
            rows.append(row[whole:])
        return Edge(frontier, tuple(rows)), tiles

    def partial_tiles(self) -> list[Tile]:
        """The partial tiles that a server of this size of the log must have."""
        return [
            Tile(level=level, index=self.size >> TILE_LEVELS * (level + 1), data=row)
            for level, row in enumerate(self.rows)
            if row
        ]


def read_edge(reader: HashReader, size: int) -> Edge:
    """The edge of the first `size` leaves of a tree that is kept somewhere."""
    rows = []
    for level in range(_tile_levels(size)):
        count = size >> TILE_LEVELS * level
        nodes = [(TILE_LEVELS * level, index) for index in range(count - count % TILE_HASHES, count)]
        rows.append(b"".join(reader.read_hashes(nodes)) if nodes else b"")
    return Edge(read_frontier(reader, size), tuple(rows))


@dataclass(frozen=True, slots=True)
class TileReader:
    """The nodes of a tree of `size` leaves, from its tiles; each call fetches each tile once."""

    size: int
    fetch: FetchTile

    def read_hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hashes of these nodes, computed inside the tiles that hold them."""
        tiles: dict[tuple[int, int], bytes] = {}
        hashes = []
        for node in nodes:
            level, inside = divmod(node[0], TILE_LEVELS)
            index, start = divmod(node[1] << inside, TILE_HASHES)
            width = min(TILE_HASHES, (self.size >> TILE_LEVELS * level) - index * TILE_HASHES)
            if start + (1 << inside) > width:
                raise MissingError(
                    f"node {node}", found="not complete", expected=f"a node of {self.size} leaves"
                )
            if (level, index) not in tiles:
                tiles[level, index] = self._fetch(level, index, width)
            hashes.append(subtree_hash(tiles[level, index], start, 1 << inside))
        return hashes

    def _fetch(self, level: int, index: int, width: int) -> bytes:
        data = self.fetch(level, index, width)
        if len(data) != width * HASH_BYTES:
            raise MalformedError(
                tile_path(level, index, width), found=f"{len(data)} bytes", expected=f"{width * HASH_BYTES}"
            )
        return data


def subtree_hash(tile: bytes, start: int = 0, count: int = TILE_HASHES) -> bytes:
    """The root over `count` hashes of a tile, a power of two; for a full tile, its hash one level up."""
    span = tile[start * HASH_BYTES : (start + count) * HASH_BYTES]
    hashes = [span[i : i + HASH_BYTES] for i in range(0, len(span), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def fold_tiles(fetch: FetchTile, level: int, index: int, width: int) -> bytes:
    """The tile at a level above 0 from the full tiles below it: one that a store need not keep."""
    first = index * TILE_HASHES
    return b"".join(subtree_hash(fetch(level - 1, first + i, TILE_HASHES)) for i in range(width))


def log_path(origin: str) -> str:
    """The path below which a node serves the tiles of a log."""
    return f"/log/{sha256(origin.encode()).hexdigest()}"


def tile_path(level: int, index: int, width: int = TILE_HASHES) -> str:
    """The path of a tile of hashes."""
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise MalformedError("tile path", found=f"level {level}", expected=f"0 to {MAX_TILE_LEVEL}")
    return f"/tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int = TILE_HASHES) -> str:
    """The path of a bundle of entries."""
    return f"/tile/entries/{_index_path(index, width)}"


def parse_tile_path(path: str) -> TilePlace:
    """What a path below a log's own asks for; every place has one path."""
    match = _PATH.fullmatch(path)
    if not match:
        raise MalformedError("tile path", found=short(path), expected="/tile/<level>/<n>[.p/<width>]")
    kind, groups, partial = match.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    width = int(partial) if partial else TILE_HASHES
    level = None if kind == "entries" else int(kind)
    canonical = entries_path(index, width) if level is None else tile_path(level, index, width)
    if canonical != path:
        raise MalformedError("tile path", found=short(path), expected=canonical)
    return TilePlace(level=level, index=index, width=width)


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle of entries."""
    if any(len(entry) > MAX_BUNDLE_ENTRY_BYTES for entry in entries):
        raise MalformedError(
            "bundle", found="a larger entry", expected=f"at most {MAX_BUNDLE_ENTRY_BYTES} bytes"
        )
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int, where: str = "bundle") -> list[bytes]:
    """The `width` entries of a bundle."""
    entries: list[bytes] = []
    position = 0
    while position < len(data) and len(entries) < width:
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        entries.append(data[start:position])
    if position != len(data) or len(entries) != width:
        raise MalformedError(where, found=f"{len(data)} bytes that do not fit", expected=f"{width} entries")
    return entries


def _index_path(index: int, width: int) -> str:
    if not 0 <= index <= MAX_TILE_INDEX:
        raise MalformedError("tile path", found=f"index {index}", expected=f"0 to {MAX_TILE_INDEX}")
    if not 1 <= width <= TILE_HASHES:
        raise MalformedError("tile path", found=f"width {width}", expected=f"1 to {TILE_HASHES}")
    digits = f"{index:0{(len(str(index)) + 2) // 3 * 3}d}"
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == TILE_HASHES else f"{path}.p/{width}"


def _tile_levels(size: int) -> int:
    """How many tile levels a tree of this size has hashes on."""
    return -(-size.bit_length() // TILE_LEVELS)


def _width_at(size: int, level: int) -> int:
    return (size >> TILE_LEVELS * level) % TILE_HASHES
