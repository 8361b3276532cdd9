"""Opening a home: what fails leaves nothing open."""

from __future__ import annotations

import gc
import sqlite3
from pathlib import Path

import pytest

from ledger.errors import TallyError
from node.config import Settings
from node.node import Node
from node.store.schema import connect
from node.world import World


def open_connections() -> int:
    """How many connections to databases are open in this process."""
    gc.collect()
    found = 0
    for one in gc.get_objects():
        if isinstance(one, sqlite3.Connection):
            try:
                one.execute("SELECT 1")
            except sqlite3.ProgrammingError:
                continue
            found += 1
    return found


def test_a_wrong_passphrase_leaves_no_database_open(home: Path, world: World) -> None:
    before = open_connections()
    with pytest.raises(TallyError) as kept:
        Node(home=home, settings=Settings(), passphrase=b"another", world=world)
    assert kept.value.found
    assert open_connections() == before


@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_no_database_is_not_left_open(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "tally.db"
    path.write_bytes(b"no database at all" * 100)
    before = open_connections()
    with pytest.raises(TallyError, match="not a database") as kept:
        connect(path, write=write)
    assert kept.value.action
    assert open_connections() == before
