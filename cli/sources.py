"""Where `tally verify` reads logs from: a home's database, and tiles in a folder or behind an address.

A database is read with plain queries that ask for bytes: a text that is no longer UTF-8 must become a
finding, not a failure. Sources are small values that open their connection where they are first used, so
that they can be handed to another process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from ledger.audit.source import KeptNote, plan_ranges
from ledger.errors import MalformedError, MissingError, TallyError, UnavailableError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import SALT_BYTES
from ledger.log.note import MAX_NOTE_BYTES, parse_note
from ledger.log.tile import MAX_BUNDLE_ENTRY_BYTES, TILE_BYTES, TILE_HASHES, entries_path, tile_path
from ledger.log.tree import HASH_BYTES

MIN_ROW_BYTES = 64
"""No row with an entry takes less."""

MAX_TILE_ENTRIES = 2**32
"""Of a log in tiles are read: one that claims more would only keep the auditor busy."""

FEW = 100
"""How many strays are named."""


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that reads, gives texts as bytes, and sees one moment of the database.

    Raises:
        MissingError: there is no file.
        MalformedError: it is no database.
    """
    if not path.is_file():
        raise MissingError(str(path), found="no such file", expected="a database of tally")
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        with ExitStack() as opening:
            opening.callback(connection.close)
            connection.text_factory = bytes
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            opening.pop_all()
    except sqlite3.OperationalError as error:
        raise UnavailableError(str(path), found=str(error), expected="a file that can be opened") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    return connection


def damaged(path: Path, error: sqlite3.Error) -> MalformedError:
    """A database that SQLite cannot read."""
    return MalformedError(
        str(path),
        found=str(error),
        expected="a database that can be read",
        action="restore the home from a backup; partners hold copies of its log",
    )


def read_rows(connection: sqlite3.Connection, path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query. Raises MalformedError where the database cannot be read."""
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise damaged(path, error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a database held of a log when it was opened: what is committed meanwhile is not looked at.

    `end` followed its highest position; strays are positions outside of those that so many entries take.
    """

    count: int
    end: int
    notes: tuple[KeptNote, ...]
    stray_entries: tuple[int, ...]
    stray_payloads: tuple[int, ...]


@dataclass(slots=True)
class StoredLog:
    """One log of a home's database."""

    path: Path
    number: int
    origin: str
    moment: Moment
    holds_payloads: bool = True
    _connection: sqlite3.Connection | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[..., StoredLog], tuple[Path, int, str, Moment]]:
        return StoredLog, (self.path, self.number, self.origin, self.moment)

    def count(self) -> int:
        """How many entries there are."""
        return self.moment.count

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Entries by position."""
        return self._rows(
            f"SELECT seq, entry FROM entry_{self.number} WHERE seq >= ? AND seq < ? ORDER BY seq",
            start,
            min(end, self.moment.end),
        )

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Payloads by position."""
        return self._rows(
            f"SELECT seq, salt, payload FROM payload_{self.number} WHERE seq >= ? AND seq < ? ORDER BY seq",
            start,
            min(end, self.moment.end),
        )

    def entry_run(self, start: int, end: int) -> list[bytes] | None:
        """Entries of a run without a gap."""
        end = min(end, self.moment.end)
        sql = f"SELECT entry FROM entry_{self.number} WHERE seq >= ? AND seq < ? ORDER BY seq"
        return self._run(sql, start, end)

    def payload_run(self, start: int, end: int) -> list[bytes] | None:
        """Salt and payload, joined, of a run without a gap."""
        # Joined, a byte could have moved from the salt to the payload.
        sql = (
            f"SELECT salt || payload FROM payload_{self.number} "
            f"WHERE seq >= ? AND seq < ? AND length(salt) = {SALT_BYTES} ORDER BY seq"
        )
        return self._run(sql, start, end)

    def notes(self) -> list[KeptNote]:
        """The notes that the home keeps."""
        return list(self.moment.notes)

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        """Positions out of place, of entries and payloads."""
        return self.moment.stray_entries, self.moment.stray_payloads

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        """Leaf hashes in the tiles that the home keeps for speed."""
        first, last = max(0, start) // TILE_HASHES, max(0, end) // TILE_HASHES
        try:
            rows = self._rows(
                f"SELECT id, hashes FROM tile_{self.number} WHERE id BETWEEN ? AND ?", first, last
            )
        except TallyError:
            return {}
        return {
            tile * TILE_HASHES + i: hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES]
            for tile, hashes in rows
            for i in range(len(hashes) // HASH_BYTES)
            if start <= tile * TILE_HASHES + i < end
        }

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        """Tiles of a home are derived from its entries, and `tally doctor` looks after them."""

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, sql: str, start: int, end: int) -> list[bytes] | None:
        """A column of bytes for each of these positions, each of which occurs at most once."""
        values = list(chain.from_iterable(self._rows(sql, start, end)))
        return values if len(values) == end - start and set(map(type, values)) == {bytes} else None

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = open_database(self.path)
        return read_rows(self._connection, self.path, sql, *values)


def read_moment(connection: sqlite3.Connection, path: Path, number: int) -> Moment:
    """What a database holds of a log, as the connection sees it."""
    entry, payload = f"entry_{number}", f"payload_{number}"
    highest = read_rows(connection, path, f"SELECT max(seq) FROM {entry}")[0][0]
    end = 0 if highest is None else min(highest + 1, 2**63 - 1)
    sql = "SELECT size, note, proof FROM checkpoint WHERE log = ? ORDER BY size"
    notes = [
        KeptNote(size=size, note=note, proof=proof)
        for size, note, proof in read_rows(connection, path, sql, number)
    ]
    # Counting takes long. Where a note names the size, and the file has room for so much, the ranges tell
    # what is missing.
    if notes and notes[-1].size == end and end * MIN_ROW_BYTES <= _file_bytes(path):
        count = end
    else:
        count = read_rows(connection, path, f"SELECT count(*) FROM {entry}")[0][0]
    ranges = plan_ranges(count)
    room = ranges[-1].end if ranges else 0
    strays = (
        [row[0] for row in read_rows(connection, path, sql, limit, FEW)]
        for sql, limit in (
            (f"SELECT seq FROM {entry} WHERE seq < 0 OR seq >= ? LIMIT ?", room),
            (f"SELECT seq FROM {payload} WHERE seq < 0 OR seq >= ? LIMIT ?", min(end, room)),
        )
    )
    stray_entries, stray_payloads = map(tuple, strays)
    return Moment(
        count=count,
        end=end,
        notes=tuple(notes),
        stray_entries=stray_entries,
        stray_payloads=stray_payloads,
    )


def _file_bytes(path: Path) -> int:
    """How large a database is with what was committed and not yet moved into it."""
    journal = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (journal.stat().st_size if journal.exists() else 0)


class Fetch(Protocol):
    """Files below one log's own path. It can be handed to another process."""

    def __call__(self, path: str, max_bytes: int, /) -> bytes:
        """The bytes of a file.

        Raises:
            MissingError: there is no such file.
            UnavailableError: nobody answers.
        """

    def __hash__(self) -> int:
        """Files are remembered by where they came from."""


@dataclass(frozen=True, slots=True)
class FolderFetch:
    """Files of a folder on disk."""

    folder: Path

    def __call__(self, path: str, max_bytes: int, /) -> bytes:
        file = self.folder / path.removeprefix("/")
        try:
            with file.open("rb") as opened:
                data = opened.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise MissingError(str(file), found="no such file", expected="a file of the log") from error
        except OSError as error:
            raise UnavailableError(str(file), found=error.strerror or "cannot be read") from error
        check_length(len(data), max_bytes, str(file))
        return data


def check_length(length: int, max_bytes: int, where: str) -> None:
    """Whether a file is not longer than such a file may be."""
    if length > max_bytes:
        raise MalformedError(where, found="a longer file", expected=f"at most {max_bytes} bytes")


@dataclass(frozen=True, slots=True)
class TileLog:
    """A log in the form of tiles, below one path."""

    fetch: Fetch
    origin: str
    size: int
    note: bytes
    more_notes: tuple[KeptNote, ...] = ()
    holds_payloads: bool = False

    def count(self) -> int:
        """How many entries its checkpoint says there are."""
        return self.size

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Entries by position; where a bundle is broken, those before the break."""
        rows: list[tuple[int, bytes]] = []
        for index, width in self._tiles(start, end):
            data = self._file(entries_path(index, width), width * (MAX_BUNDLE_ENTRY_BYTES + 2))
            rows += [
                (seq, entry)
                for seq, entry in enumerate(_split_bundle(data, width), index * TILE_HASHES)
                if start <= seq < end
            ]
        return rows

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Tiles have none."""
        return []

    def notes(self) -> list[KeptNote]:
        """The checkpoint, and what was known of the log before."""
        kept = [KeptNote(size=self.size, note=self.note), *self.more_notes]
        return sorted(kept, key=lambda note: note.size)

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        """Nothing is looked for beyond the size."""
        return (), ()

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        """Leaf hashes in the tiles of level 0."""
        found = {}
        for index, width in self._tiles(start, end):
            hashes = self._file(tile_path(0, index, width), TILE_BYTES)
            for i in range(len(hashes) // HASH_BYTES):
                found[index * TILE_HASHES + i] = hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES]
        return {seq: leaf for seq, leaf in found.items() if start <= seq < end}

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        """Hashes of a tile level, as they are served."""
        size = self.size >> 8 * level
        first, last = start // TILE_HASHES, (start + count - 1) // TILE_HASHES
        tiles = [
            self._file(tile_path(level, index, min(TILE_HASHES, size - index * TILE_HASHES)), TILE_BYTES)
            for index in range(first, last + 1)
        ]
        offset = (start - first * TILE_HASHES) * HASH_BYTES
        return b"".join(tiles)[offset : offset + count * HASH_BYTES]

    def _tiles(self, start: int, end: int) -> list[tuple[int, int]]:
        """Index and width of the tiles that hold these positions."""
        start, end = max(0, start), min(end, self.size)
        if start >= end:
            return []
        indexes = range(start // TILE_HASHES, (end - 1) // TILE_HASHES + 1)
        return [(index, min(TILE_HASHES, self.size - index * TILE_HASHES)) for index in indexes]

    def _file(self, path: str, max_bytes: int) -> bytes:
        """A file, or nothing where it is missing: what should be in it will be missed."""
        try:
            return _fetched(self.fetch, path, max_bytes)
        except MissingError:
            return b""


@lru_cache(maxsize=256)
def _fetched(fetch: Fetch, path: str, max_bytes: int) -> bytes:
    return fetch(path, max_bytes)


def open_tiles(fetch: Fetch, where: str, more_notes: Sequence[KeptNote] = ()) -> TileLog:
    """The log whose checkpoint stands at this place.

    Raises:
        MissingError, UnavailableError: there is no checkpoint, or one of a log too large to be read.
        MalformedError: it is none.
    """
    note = fetch("/checkpoint", MAX_NOTE_BYTES)
    head = parse_checkpoint(parse_note(note, where).text, where)
    if head.size > MAX_TILE_ENTRIES:
        raise UnavailableError(
            where, found=f"a head of size {head.size}", expected=f"at most {MAX_TILE_ENTRIES} entries"
        )
    return TileLog(fetch, head.origin, head.size, note, tuple(more_notes))


def _split_bundle(data: bytes, width: int) -> list[bytes]:
    entries: list[bytes] = []
    position = 0
    while position + 2 <= len(data) and len(entries) < width:
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if position > len(data):
            break
        entries.append(data[start:position])
    return entries
