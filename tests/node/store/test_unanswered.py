"""What others left out of a log: noted until its author has answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.store.unanswered import first_unanswered, note_answered, note_unanswered, unanswered


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = connect(tmp_path / "tally.db", write=True)
    migrate(made)
    made.execute("INSERT INTO log VALUES (1, 'acme/x'), (2, 'port/x')")
    note_unanswered(made, 2, [7, 3, 5])
    yield made
    made.close()


def test_the_lowest_come_first(database: Database) -> None:
    assert unanswered(Reader(database), "port/x", 2) == [3, 5]


def test_of_another_log_nothing_is_open(database: Database) -> None:
    assert first_unanswered(Reader(database), "acme/x") is None


def test_what_is_noted_twice_stands_once(database: Database) -> None:
    note_unanswered(database, 2, [3])
    assert unanswered(Reader(database), "port/x", 9) == [3, 5, 7]


def test_what_was_answered_is_gone(database: Database) -> None:
    assert note_answered(database, 2, [3, 4, 5])
    assert unanswered(Reader(database), "port/x", 9) == [7]


def test_an_answer_to_nothing_open_changes_nothing(database: Database) -> None:
    assert not note_answered(database, 2, range(4, 5))
    assert unanswered(Reader(database), "port/x", 9) == [3, 5, 7]


def test_in_a_database_of_before_nothing_is_open(database: Database) -> None:
    database.execute("PRAGMA user_version = 3")
    assert unanswered(Reader(database), "port/x", 9) == []
