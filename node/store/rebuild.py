"""Derived tables made again from the truth, and held against what the truth would make.

Both stream through the entries and payloads; neither may run while a node writes (take the home's lock).
Truth that does not hold stops them: an index of wrong statements would only hide that.

Row numbers of events and things are given in the order of logs and positions here, and in the order of
arrival by a running node: comparing looks past them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from ledger.errors import InvalidError, MalformedError, UnavailableError
from ledger.log.entry import parse_entry
from ledger.log.statement import open_payload
from node.store.indexing import INDEXED_KINDS, Indexed, index_statement
from node.store.reader import Reader
from node.store.schema import create_log_tables, migrate
from node.store.writing import Writing

RUN_ENTRIES = 4096

_LOG_TABLES = ("tile", "leaf")
_COLUMNS = {
    "nonce": "prefix, seq FROM {0}.nonce",
    "roster": "log, seq FROM {0}.roster",
    "agreement": "hash, log, seq FROM {0}.agreement",
    "related": "hash, other FROM {0}.related",
    "standing": "hash FROM {0}.standing",
    "event": "log, seq, hash, identity, capture FROM {0}.event",
    "thing": "name FROM {0}.thing",
    "touch": (
        "t.name, e.log, e.seq FROM {0}.touch x "
        "LEFT JOIN {0}.thing t ON t.id = x.thing LEFT JOIN {0}.event e ON e.id = x.event"
    ),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A derived table that is not what the truth makes: how many rows are missing, how many too many."""

    table: str
    missing: int
    surplus: int


def rebuild_derived(database: Database) -> None:
    """Make all derived tables again, in one transaction: all of it is there afterwards, or nothing changed.

    Raises:
        MalformedError, InvalidError: the truth does not hold.
        UnavailableError: the database cannot be written.
    """
    try:
        migrate(database)
        writing = Writing(database)
        database.execute("BEGIN IMMEDIATE")
        try:
            for number in _numbers(writing.reader):
                _restore_log_tables(database, number)
            writing.clear_derived()
            _fill(writing, writing.reader)
            database.execute("COMMIT")
        finally:
            if database.conn.in_transaction:
                database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _unreadable(error) from error


def compare_derived(path: Path, reader: Reader) -> list[Difference]:
    """What differs between the derived tables of a database and those that its truth makes.

    Raises:
        MalformedError, InvalidError: the truth does not hold.
    """
    # A database without a name is SQLite's own temporary file, gone when it is closed.
    connection = sqlite3.connect("", isolation_level=None, uri=True)
    made = Database(connection, use_old_upsert=False)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        migrate(made)
        connection.execute("BEGIN")
        numbers = _numbers(reader)
        for number in numbers:
            made.execute("INSERT INTO log VALUES (?, ?)", [number, reader.origin_of(number)])
            create_log_tables(made, number)
        _fill(Writing(made), reader)
        connection.execute("COMMIT")
        connection.execute("ATTACH ? AS home", (f"{path.resolve().as_uri()}?mode=ro",))
        return list(_differences(connection, numbers))
    except sqlite3.Error as error:
        raise _unreadable(error) from error
    finally:
        made.close()


def _fill(writing: Writing, truth: Reader) -> None:
    """Derive everything: trees first, then the indexes of statements."""
    for origin in truth.origins():
        number = truth.number(origin)
        edge = writing.rebuild_tree(number, _runs(truth, origin))
        for start in range(0, edge.size, RUN_ENTRIES):
            writing.index(number, _read_statements(truth, origin, start))


def _runs(truth: Reader, origin: str) -> Iterator[Sequence[bytes]]:
    start = 0
    while run := truth.entries(origin, start, RUN_ENTRIES):
        yield run
        start += len(run)


def _read_statements(truth: Reader, origin: str, start: int) -> Iterator[tuple[int, Indexed]]:
    entries = dict(enumerate(truth.entries(origin, start, RUN_ENTRIES), start))
    is_own = truth.is_own(truth.number(origin))
    for seq, salt, payload in truth.payloads(origin, start, RUN_ENTRIES):
        where = f"{origin} entry {seq}"
        if seq not in entries:
            raise InvalidError(
                where, found="a payload without an entry", expected="an entry", action="run `tally verify`"
            )
        entry = parse_entry(entries[seq], where)
        if not is_own and entry.kind not in INDEXED_KINDS:
            continue
        try:
            statement = open_payload(entry, salt, payload, where)
        except MalformedError:
            continue  # it fits its entry and is no statement: kept, and in no index
        yield seq, index_statement(statement)


def _restore_log_tables(database: Database, number: int) -> None:
    """Put back the derived tables of a log, should they be gone."""
    kinds = [f"{kind}_{number}" for kind in _LOG_TABLES]
    there = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if there.issuperset(kinds):
        return
    pattern = Database(memory=True)
    try:
        create_log_tables(pattern, number)
        for name in kinds:
            if name not in there:
                database.execute(pattern[name].schema)
    finally:
        pattern.close()


def _differences(connection: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Difference]:
    columns = dict(_COLUMNS)
    for number in numbers:
        columns[f"tile_{number}"] = f"id, hashes FROM {{0}}.tile_{number}"
        columns[f"leaf_{number}"] = f"run, records FROM {{0}}.leaf_{number}"
    for table, rest in columns.items():
        made, held = f"SELECT {rest.format('main')}", f"SELECT {rest.format('home')}"
        missing, surplus, twice = (
            int(connection.execute(sql).fetchone()[0])
            for sql in (
                f"SELECT count(*) FROM ({made} EXCEPT {held})",
                f"SELECT count(*) FROM ({held} EXCEPT {made})",
                f"SELECT (SELECT count(*) FROM ({held})) - (SELECT count(*) FROM ({made}))",
            )
        )
        if missing or surplus or twice:
            yield Difference(table, missing, max(surplus, twice))


def _numbers(reader: Reader) -> list[int]:
    return [reader.number(origin) for origin in reader.origins()]


def _unreadable(error: sqlite3.Error) -> UnavailableError:
    return UnavailableError(
        "database",
        found=str(error),
        expected="a database that can be read and written",
        action="run `tally verify`; restore the home from a backup if its truth does not hold",
    )
