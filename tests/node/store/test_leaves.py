"""Finding entries by leaf hash through sorted runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
from sqlite_utils import Database

from node.store.leaves import RUN, add_runs, find_candidates

SIZE = RUN + 1000


def leaf(seq: int) -> bytes:
    return sha256(seq.to_bytes(8, "big")).digest()


@pytest.fixture(scope="module")
def read_tile() -> Callable[[int, int], bytes]:
    leaves = [leaf(seq) for seq in range(SIZE)]
    return lambda index, width: b"".join(leaves[index * 256 : index * 256 + width])


@pytest.fixture(scope="module")
def database(read_tile: Callable[[int, int], bytes]) -> Iterator[Database]:
    made = empty_database()
    add_runs(made, 1, 0, SIZE, read_tile)
    yield made
    made.close()


def empty_database() -> Database:
    made = Database(sqlite3.connect(":memory:", isolation_level=None))
    made.execute("CREATE TABLE leaf_1 (run INTEGER PRIMARY KEY, records BLOB NOT NULL) STRICT")
    return made


@pytest.mark.parametrize("seq", [0, 1, 255, 256, RUN - 1, RUN, RUN + 256, SIZE - 1])
def test_an_entry_is_found_by_its_hash(
    seq: int, database: Database, read_tile: Callable[[int, int], bytes]
) -> None:
    assert list(find_candidates(database, 1, SIZE, leaf(seq), read_tile)) == [seq]


def test_a_hash_that_is_not_there_is_not_found(
    database: Database, read_tile: Callable[[int, int], bytes]
) -> None:
    assert list(find_candidates(database, 1, SIZE, leaf(SIZE), read_tile)) == []


def test_entries_that_share_a_prefix_are_all_candidates(
    database: Database, read_tile: Callable[[int, int], bytes]
) -> None:
    twin = leaf(7)[:6] + bytes(26)
    assert list(find_candidates(database, 1, SIZE, twin, read_tile)) == [7]


def test_a_run_is_made_once(read_tile: Callable[[int, int], bytes]) -> None:
    made = empty_database()
    for size in range(0, SIZE, 997):
        add_runs(made, 1, size, min(size + 997, SIZE), read_tile)
    assert made.execute("SELECT run, length(records) FROM leaf_1").fetchall() == [(0, 8 * RUN)]
    made.close()
