"""The tables of a home's database: pragmas, migration, and what refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from ledger.errors import MalformedError, UnavailableError
from node.store import schema
from node.store.schema import VERSION, connect, migrate


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = connect(tmp_path / "tally.db", write=True)
    yield made
    made.close()


def pragma(database: Database, name: str) -> object:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("recursive_triggers", 1)],
)
def test_the_writer_waits_for_the_disk(database: Database, name: str, value: object) -> None:
    assert pragma(database, name) == value


def test_a_new_database_is_brought_to_this_version(database: Database) -> None:
    migrate(database)
    assert pragma(database, "user_version") == VERSION


def test_a_second_migration_changes_nothing(database: Database) -> None:
    migrate(database)
    before = database.schema
    migrate(database)
    assert database.schema == before


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(MalformedError) as caught:
        migrate(database)
    assert "newer version" in caught.value.action


def test_a_migration_that_fails_leaves_the_version_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(database: Database) -> None:
        database.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setitem(schema._STEPS, 1, fail)
    with pytest.raises(sqlite3.OperationalError):
        migrate(database)
    assert (database.table_names(), pragma(database, "user_version")) == ([], 0)


def test_a_reader_cannot_write(database: Database, tmp_path: Path) -> None:
    migrate(database)
    reader = connect(tmp_path / "tally.db", write=False)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO log (origin) VALUES ('x')")
    reader.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tally.db"
    path.write_bytes(b"no database at all, whatever its name says" * 20)
    with pytest.raises(UnavailableError):
        connect(path, write=False)
