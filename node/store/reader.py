"""Reading a home's database: entries, payloads, heads, and the derived indexes.

A `Reader` belongs to one thread. It asks only for what it needs: a proof reads a few tiles, a page of a
log reads that page. Everything it gives is bytes as stored; who needs trust checks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ledger.errors import InvalidError, MissingError, short
from ledger.log.entry import Entry, entry_times, leaf_hash, parse_entry
from ledger.log.intake import Copy
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement, parse_statement
from ledger.log.tile import TILE_HASHES, TileReader, read_edge
from node.store.indexing import TICKS
from node.store.leaves import find_candidates
from node.store.schema import connect

OWN = 1
"""The number of the home's own log in the table `log`, or of the first where it has opened later ones."""

VALUES_AT_ONCE = 500
_TILE_SHIFT = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNote:
    """A signed note of a log, and the consistency proof from the copy's size to its size."""

    size: int
    note: str
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry with its statement; `statement` is None where this home has no payload for it."""

    origin: str
    seq: int
    leaf: bytes
    entry: Entry
    statement: Statement | None


def prefix_of(data: bytes) -> int:
    """The first six bytes as the integer that SQLite indexes: rarely shared, and small."""
    return int.from_bytes(data[:6], "big", signed=True)


def tile_id(level: int, index: int) -> int:
    """The row of a tile."""
    return level << _TILE_SHIFT | index


class Reader:
    """A view of one database through one connection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Open a database for reading; raises UnavailableError where there is none."""
        return cls(connect(path, write=False))

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    # Logs

    def origins(self) -> list[str]:
        """The logs in this home, its own first."""
        return [row[0] for row in self._rows("SELECT origin FROM log ORDER BY number")]

    def own_origin(self) -> str:
        """The home's own log: of those of its organization, the one that was opened last."""
        first = self.origin_of(OWN)
        later = self._rows("SELECT origin FROM log WHERE origin LIKE ?", f"{first}/%")
        return max((first, *(str(row[0]) for row in later)), key=lambda origin: parse_origin(origin).number)

    def is_own(self, number: int) -> bool:
        """Whether a log is one of the home's organization, by its number."""
        return self.origin_of(number).partition("/")[0] == self.origin_of(OWN).partition("/")[0]

    def number(self, origin: str) -> int:
        """The number of a log's tables.

        Raises:
            MissingError: this home has no copy of that log.
        """
        if origin not in self._numbers:
            rows = self._rows("SELECT number FROM log WHERE origin = ?", origin)
            if not rows:
                raise MissingError(
                    f"log {origin}", found="no copy here", expected="a log that this home holds"
                )
            self._numbers[origin] = int(rows[0][0])
        return self._numbers[origin]

    def origin_of(self, number: int) -> str:
        """The origin of a log by its number.

        Raises:
            InvalidError: no log has it: an index of this home is damaged.
        """
        for origin, known in self._numbers.items():
            if known == number:
                return origin
        rows = self._rows("SELECT origin FROM log WHERE number = ?", number)
        if not rows:
            raise InvalidError(
                "the home's index",
                found=f"a log with number {number}",
                expected="logs that this home holds",
                action="run `tally doctor --rebuild`",
            )
        origin = str(rows[0][0])
        self._numbers[origin] = number
        return origin

    def size(self, origin: str) -> int:
        """How many entries of a log this home holds."""
        rows = self._rows(f"SELECT max(seq) + 1 FROM entry_{self.number(origin)}")
        return int(rows[0][0] or 0)

    def notes(self, origin: str) -> list[StoredNote]:
        """The signed notes kept for a log, smallest first."""
        return self._notes("log = ? ORDER BY size", self.number(origin))

    def note(self, origin: str, size: int) -> StoredNote | None:
        """The signed note of one size, where it is kept."""
        return next(iter(self._notes("log = ? AND size = ?", self.number(origin), size)), None)

    def _notes(self, which: str, *values: int) -> list[StoredNote]:
        rows = self._rows(f"SELECT size, note, proof FROM checkpoint WHERE {which}", *values)
        return [
            StoredNote(size=size, note=note, proof=tuple(proof[i : i + 32] for i in range(0, len(proof), 32)))
            for size, note, proof in rows
        ]

    # Entries and payloads

    def entries(self, origin: str, start: int, count: int) -> list[bytes]:
        """Up to `count` entries from position `start`, in order."""
        return [
            row[0]
            for row in self._rows(
                f"SELECT entry FROM entry_{self.number(origin)} WHERE seq >= ? AND seq < ? ORDER BY seq",
                start,
                start + count,
            )
        ]

    def entry(self, origin: str, seq: int) -> bytes:
        """One entry.

        Raises:
            MissingError: this home does not hold that position.
        """
        rows = self._rows(f"SELECT entry FROM entry_{self.number(origin)} WHERE seq = ?", seq)
        if not rows:
            raise MissingError(
                f"{origin} entry {seq}", found="not here", expected=f"a position below {self.size(origin)}"
            )
        return bytes(rows[0][0])

    def payload(self, origin: str, seq: int) -> tuple[bytes, bytes] | None:
        """Salt and payload of an entry, or None where this home does not have them."""
        rows = self._rows(f"SELECT salt, payload FROM payload_{self.number(origin)} WHERE seq = ?", seq)
        return (rows[0][0], rows[0][1]) if rows else None

    def payloads(self, origin: str, start: int, count: int) -> list[tuple[int, bytes, bytes]]:
        """Those of a run's payloads that this home has, as (seq, salt, payload)."""
        return self._rows(
            f"SELECT seq, salt, payload FROM payload_{self.number(origin)} "
            "WHERE seq >= ? AND seq < ? ORDER BY seq",
            start,
            start + count,
        )

    def missing_payloads(self, origin: str, limit: int) -> list[int]:
        """Positions of a log whose payload this home does not have, newest first, up to a limit."""
        number = self.number(origin)
        rows = self._rows(
            f"SELECT e.seq FROM entry_{number} e LEFT JOIN payload_{number} p ON p.seq = e.seq "
            "WHERE p.seq IS NULL ORDER BY e.seq DESC LIMIT ?",
            limit,
        )
        return [int(row[0]) for row in rows]

    def record(self, origin: str, seq: int) -> Record:
        """One entry with its statement. Raises MissingError where the entry is not here."""
        data = self.entry(origin, seq)
        found = self.payload(origin, seq)
        return _record(origin, seq, data, None if found is None else found[1])

    def find(self, leaf: bytes) -> tuple[str, int]:
        """The log and position of the entry with this leaf hash.

        Raises:
            MissingError: this home holds no such entry.
        """
        for origin in self.origins():

            def read_tile(index: int, width: int, origin: str = origin) -> bytes:
                return self.read_tile(origin, 0, index, width)

            number, size = self.number(origin), self.size(origin)
            for seq in find_candidates(self.database, number, size, leaf, read_tile):
                if leaf_hash(self.entry(origin, seq)) == leaf:
                    return origin, seq
        raise MissingError(
            f"entry {short(leaf)}",
            found="not here",
            expected="the hash of an entry that this home holds",
            action="wait until its log has been synced, or check the hash",
        )

    def own_nonces(self, nonce: bytes) -> Iterator[int]:
        """Positions in the own log whose nonce begins like this one."""
        for (seq,) in self._rows("SELECT seq FROM nonce WHERE prefix = ?", prefix_of(nonce)):
            yield int(seq)

    # The tree

    def hashes(self, origin: str, size: int | None = None) -> TileReader:
        """The nodes of a log's tree at its size here, or at a smaller one."""

        def fetch(level: int, index: int, width: int) -> bytes:
            return self.read_tile(origin, level, index, width)

        return TileReader(self.size(origin) if size is None else size, fetch)

    def copy(self, origin: str, network: bytes) -> Copy:
        """The copy of a log as it stands here; `network` is the id, for a log without entries."""
        return self.copy_at(origin, network, self.size(origin))

    def copy_at(self, origin: str, network: bytes, size: int) -> Copy:
        """The copy of a log as it stood at a size up to the one here."""
        last = leaf_hash(self.entry(origin, size - 1)) if size else network
        return Copy(origin=origin, last=last, edge=read_edge(self.hashes(origin, size), size))

    def read_tile(self, origin: str, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile; level 0 of the newest tile is hashed from its entries.

        Raises:
            MissingError: the log is not that long here.
        """
        number = self.number(origin)
        rows = self._rows(f"SELECT hashes FROM tile_{number} WHERE id = ?", tile_id(level, index))
        hashes = bytes(rows[0][0]) if rows else b""
        if not hashes and level == 0:
            hashes = b"".join(map(leaf_hash, self.entries(origin, index * TILE_HASHES, width)))
        if len(hashes) < width * 32:
            raise MissingError(
                f"{origin} tile {level}/{index}",
                found=f"{len(hashes) // 32} hashes",
                expected=f"{width}",
                action="run `tally doctor --rebuild`",
            )
        return hashes[: width * 32]

    # Derived indexes

    def roster_positions(self) -> list[tuple[int, int]]:
        """(log number, seq) of the entries that make the roster, each log's in order."""
        return self._rows("SELECT log, seq FROM roster ORDER BY log, seq")

    def agreement_hashes(self) -> list[bytes]:
        """The agreements that any entry here is about."""
        sql = "SELECT DISTINCT hash FROM agreement WHERE hash <> ? ORDER BY hash"
        return [bytes(row[0]) for row in self._rows(sql, TICKS)]

    def agreement_size(self, agreement: bytes) -> int:
        """How many entries here are about an agreement."""
        return int(self._rows("SELECT count(*) FROM agreement WHERE hash = ?", agreement)[0][0])

    def agreement_records(self, agreement: bytes) -> list[Record]:
        """The entries about one agreement whose payload is here, by log and position."""
        return self.agreement_records_after(agreement, {})

    def agreement_records_after(self, agreement: bytes, ends: Mapping[str, int]) -> list[Record]:
        """Those of them that stand at or past a position of their log; 0 where `ends` does not name it."""
        found = []
        numbers = self._rows("SELECT DISTINCT log FROM agreement WHERE hash = ? ORDER BY log", agreement)
        for origin in [self.origin_of(number) for (number,) in numbers]:
            number = self.number(origin)
            sql = (
                f"SELECT a.seq, e.entry, p.payload FROM agreement a JOIN entry_{number} e ON e.seq = a.seq "
                f"LEFT JOIN payload_{number} p ON p.seq = a.seq "
                "WHERE a.hash = ? AND a.log = ? AND a.seq >= ? ORDER BY a.seq"
            )
            rows = self._rows(sql, agreement, number, ends.get(origin, 0))
            found += [_record(origin, seq, entry, payload) for seq, entry, payload in rows]
        return found

    def count_ticks(self, origin: str, end: int) -> int:
        """How many ticks of a log below a position are here."""
        sql = "SELECT count(*) FROM agreement WHERE hash = ? AND log = ? AND seq < ?"
        return int(self._rows(sql, TICKS, self.number(origin), end)[0][0])

    def ticks(self, origin: str, start: int, end: int) -> list[tuple[int, int]]:
        """Position and time of the ticks of a log from `start` up to before `end`, in order."""
        number = self.number(origin)
        rows = self._rows(
            f"SELECT a.seq, e.entry FROM agreement a JOIN entry_{number} e ON e.seq = a.seq "
            "WHERE a.hash = ? AND a.log = ? AND a.seq >= ? AND a.seq < ? ORDER BY a.seq",
            TICKS,
            number,
            start,
            end,
        )
        times = entry_times([entry for _, entry in rows])
        return [(int(seq), time_ms) for (seq, _), time_ms in zip(rows, times, strict=True)]

    def events_touching(self, name: str) -> list[Record]:
        """The events that touch a thing (canonical identifier), by log and position."""
        return [self.record(*place) for place in self.places_touching(name)]

    def places_touching(self, name: str) -> list[tuple[str, int]]:
        """(origin, seq) of the events that touch a thing (canonical identifier)."""
        rows = self._rows(
            "SELECT e.log, e.seq FROM thing t JOIN touch x ON x.thing = t.id JOIN event e ON e.id = x.event "
            "WHERE t.name = ? ORDER BY e.log, e.seq",
            name,
        )
        return [(self.origin_of(number), seq) for number, seq in rows]

    def events_like(self, digest: bytes, identity: bytes | None = None) -> list[tuple[str, int]]:
        """(origin, seq) of events whose hash, and identity, begin like these; the caller compares them."""
        sql = "SELECT log, seq FROM event WHERE hash = ?"
        if identity is None:
            rows = self._rows(f"{sql} ORDER BY log, seq", prefix_of(digest))
        else:
            rows = self._rows(
                f"{sql} AND identity = ? ORDER BY log, seq", prefix_of(digest), prefix_of(identity)
            )
        return [(self.origin_of(number), seq) for number, seq in rows]

    def known_event_hashes(self, digests: Sequence[bytes]) -> set[int]:
        """Those of these event hashes that any event here begins with, as `prefix_of` has them."""
        prefixes = list(map(prefix_of, digests))
        known: set[int] = set()
        for start in range(0, len(prefixes), VALUES_AT_ONCE):
            part = prefixes[start : start + VALUES_AT_ONCE]
            marks = ",".join("?" * len(part))
            known.update(
                row[0] for row in self._rows(f"SELECT hash FROM event WHERE hash IN ({marks})", *part)
            )
        return known

    def events_captured(self, capture: bytes) -> list[tuple[str, int]]:
        """(origin, seq) of events out of documents whose hash begins like this one."""
        rows = self._rows(
            "SELECT log, seq FROM event WHERE capture = ? ORDER BY log, seq", prefix_of(capture)
        )
        return [(self.origin_of(number), seq) for number, seq in rows]

    def newest_events(
        self, limit: int, before: int | None = None, thing: str | None = None
    ) -> list[tuple[int, str, int]]:
        """(row, origin, seq) of events, those that touch a thing or all, newest arrivals first."""
        below = 2**62 if before is None else before
        if thing is None:
            rows = self._rows(
                "SELECT id, log, seq FROM event WHERE id < ? ORDER BY id DESC LIMIT ?", below, limit
            )
        else:
            rows = self._rows(
                "SELECT e.id, e.log, e.seq FROM thing t JOIN touch x ON x.thing = t.id "
                "JOIN event e ON e.id = x.event WHERE t.name = ? AND x.event < ? "
                "ORDER BY x.event DESC LIMIT ?",
                thing,
                below,
                limit,
            )
        return [(row, self.origin_of(number), seq) for row, number, seq in rows]

    def _rows(self, sql: str, *values: int | str | bytes) -> list[tuple[Any, ...]]:
        return self.database.conn.execute(sql, values).fetchall()


def _record(origin: str, seq: int, data: bytes, payload: bytes | None) -> Record:
    where = f"{origin} entry {seq}"
    statement = None if payload is None else parse_statement(payload, where)
    entry = parse_entry(data, where)
    return Record(origin=origin, seq=seq, leaf=leaf_hash(data), entry=entry, statement=statement)
