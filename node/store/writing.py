"""Writing into a home's database, inside the one transaction that the writer holds.

Nothing here commits. `Writing` keeps truth and derived tables in step: what adds an entry also adds its
tiles and its places in the indexes, so that a commit leaves nothing half-written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import chain, count

from sqlite_utils import Database

from ledger.log.entry import entry_times, leaf_hash
from ledger.log.intake import Grown
from ledger.log.statement import is_client_nonce
from ledger.log.tile import Edge, Tile
from node.store import standing
from node.store.indexing import TICKS, Indexed, IndexedEvent
from node.store.leaves import add_runs
from node.store.reader import Reader, prefix_of, tile_id
from node.store.schema import DERIVED_TABLES, create_derived_tables, create_log_tables

NAMES_AT_ONCE = 500
MAX_KNOWN_THINGS = 100_000

_ROWS_PER_INSERT = 250
"""SQLite takes 32,766 values in one statement; beyond some hundred rows nothing is gained."""


class Writing:
    """The statements of one writer connection. `reader` sees what was written so far."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reader = Reader(database)
        self.tides: Counter[tuple[str, str]] = Counter()
        """See node.store.standing; what was rolled back may be counted, too."""
        self._things: dict[str, int] = {}

    # Truth

    def add_log(self, origin: str) -> int:
        """Make room for one more log; gives its number."""
        row = self.database.execute(
            "INSERT INTO log (origin) VALUES (?) RETURNING number", [origin]
        ).fetchone()
        number = int(row[0])
        create_log_tables(self.database, number)
        return number

    def add_entries(self, number: int, grown: Grown) -> None:
        """Add entries that passed the door, with their tiles and their places in the index of hashes."""
        first = grown.before.size
        self._insert(f"INSERT INTO entry_{number}", 2, list(enumerate(grown.entries, first)))
        self._index_tree(number, first, grown.tiles, grown.after.edge)

    def add_payloads(self, number: int, payloads: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Add payloads as (seq, salt, payload); one that is there already stays."""
        self._insert(f"INSERT OR IGNORE INTO payload_{number}", 3, payloads)

    def set_notes(
        self, number: int, notes: Iterable[tuple[int, str, bytes]], instead_of: Iterable[int] = ()
    ) -> None:
        """Keep notes of a log, as (size, note, joined proof), in the place of those of these sizes."""
        self._many("DELETE FROM checkpoint WHERE log = ? AND size = ?", [(number, old) for old in instead_of])
        self._many(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", [(number, *note) for note in notes]
        )

    # Derived

    def index(self, number: int, indexed: Iterable[tuple[int, Indexed]]) -> set[bytes]:
        """Put statements, by position, into the derived indexes; gives the agreements that this touches."""
        items = list(indexed)
        organization = self.reader.origin_of(number).partition("/")[0]
        about = {agreement for _, item in items for agreement in item.agreements}
        touched: set[bytes] = set()
        if TICKS in about:
            touched |= self._touch_by_ticks(number, organization, items)
        if self.reader.is_own(number):
            self._many(
                "INSERT OR IGNORE INTO nonce VALUES (?, ?)",
                [(prefix_of(item.nonce), seq) for seq, item in items if is_client_nonce(item.nonce)],
            )
        for seq, item in items:
            if item.in_roster:
                self._run("INSERT OR IGNORE INTO roster VALUES (?, ?)", number, seq)
            for agreement in item.agreements:
                self._run("INSERT OR IGNORE INTO agreement VALUES (?, ?, ?)", agreement, number, seq)
                standing.relate(self.database, agreement, item.agreements[0])
        events = [(seq, item.event) for seq, item in items if item.event is not None]
        if events:
            self._index_events(number, events)
            self.tides[standing.EVENT, organization] += 1
            touched |= standing.touch_watching(self.database, organization)
        if any(item.in_roster for _, item in items):
            self.tides[standing.ROSTER, ""] += 1
            touched |= standing.touch_leaning(self.database)
        if about - {TICKS}:
            touched |= standing.touch(self.database, about - {TICKS})
        return touched | about

    def touch_logs(self, organization: str, numbers: Sequence[int]) -> set[bytes]:
        """What is touched where something came behind what was looked at in logs of an organization."""
        self.tides[standing.LATE, organization] += 1
        return standing.touch_logs(self.database, organization, numbers)

    def _touch_by_ticks(
        self, number: int, organization: str, items: Collection[tuple[int, Indexed]]
    ) -> set[bytes]:
        self.tides[standing.TICK, organization] += 1
        origin = self.reader.origin_of(number)
        ticks = [self.reader.entry(origin, seq) for seq, item in items if TICKS in item.agreements]
        times = entry_times(ticks)
        return standing.touch_due(self.database, organization, max(times))

    def clear_derived(self) -> None:
        """Drop everything that can be made again from the truth."""
        for table in DERIVED_TABLES:
            self.database.execute(f"DROP TABLE IF EXISTS {table}")
        create_derived_tables(self.database)
        self._things.clear()
        for origin in self.reader.origins():
            for kind in ("tile", "leaf"):
                self.database.execute(f"DELETE FROM {kind}_{self.reader.number(origin)}")

    def forget_caches(self) -> None:
        """After a rollback: what was remembered of rows that are not there."""
        self._things.clear()
        self.reader = Reader(self.database)

    def rebuild_tree(self, number: int, runs: Iterable[Sequence[bytes]]) -> Edge:
        """Make tiles and the index of hashes of one log again, from runs of its entries."""
        edge = Edge()
        for run in runs:
            leaves = list(map(leaf_hash, run))
            first = edge.size
            edge, tiles = edge.extended(leaves)
            self._index_tree(number, first, tiles, edge)
        return edge

    def _index_events(self, number: int, events: Sequence[tuple[int, IndexedEvent]]) -> None:
        """Rows are numbered here, since this is the only writer: so they go in by a few large statements."""
        things = self._thing_ids({name for _, event in events for name in event.things})
        first = self._next_id("event")
        self._many(
            "INSERT INTO event (id, log, seq, hash, identity, capture) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (row, number, seq, *map(prefix_of, (event.hash, event.identity, event.capture)))
                for row, (seq, event) in enumerate(events, first)
            ],
        )
        touches = sorted(
            (things[name], row) for row, (_, event) in enumerate(events, first) for name in event.things
        )
        self._many("INSERT OR IGNORE INTO touch VALUES (?, ?)", touches)

    def _thing_ids(self, names: set[str]) -> dict[str, int]:
        """The rows of these things; those that are not there yet get one."""
        known = {name: self._things[name] for name in names if name in self._things}
        asked = sorted(names - known.keys())
        found: dict[str, int] = {}
        for start in range(0, len(asked), NAMES_AT_ONCE):
            part = asked[start : start + NAMES_AT_ONCE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT name, id FROM thing WHERE name IN ({marks})"
            found.update(self.database.conn.execute(sql, part).fetchall())
        if len(found) < len(asked):
            fresh = [name for name in asked if name not in found]
            numbered = dict(zip(fresh, count(self._next_id("thing")), strict=False))
            self._many("INSERT INTO thing (name, id) VALUES (?, ?)", numbered.items())
            found |= numbered
        if len(self._things) > MAX_KNOWN_THINGS:
            self._things.clear()
        self._things |= found
        return known | found

    def _next_id(self, table: str) -> int:
        row = self.database.conn.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()
        return int(row[0])

    def _index_tree(self, number: int, first: int, tiles: Sequence[Tile], edge: Edge) -> None:
        """Keep level 0 in full tiles only, higher levels as far as they go, since they grow rarely.

        The newest tile of level 0 is hashed again from at most 255 entries whenever it is asked for.
        """
        if not tiles:
            return
        upper = [tile for tile in edge.partial_tiles() if tile.level > 0]
        self._many(
            f"INSERT INTO tile_{number} VALUES (?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes",
            [(tile_id(tile.level, tile.index), tile.data) for tile in (*tiles, *upper)],
        )
        add_runs(self.database, number, first, edge.size, partial(self._read_tile, number))

    def _read_tile(self, number: int, index: int, width: int) -> bytes:
        return self.reader.read_tile(self.reader.origin_of(number), 0, index, width)

    def _run(self, sql: str, *values: int | str | bytes) -> None:
        self.database.conn.execute(sql, values)

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        self.database.conn.executemany(sql, rows)

    def _insert(self, sql: str, columns: int, rows: Sequence[Sequence[object]]) -> None:
        """Many rows by statements of some hundred each: half the cost of a statement for each row."""
        row = f"({', '.join('?' * columns)})"
        for start in range(0, len(rows), _ROWS_PER_INSERT):
            part = rows[start : start + _ROWS_PER_INSERT]
            values = ", ".join([row] * len(part))
            self.database.conn.execute(f"{sql} VALUES {values}", list(chain.from_iterable(part)))
