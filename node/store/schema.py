"""The tables of a home's database, and how an older one is brought up to date.

Truth (docs/format.md says what the bytes are; `tally verify` checks every column):

    log          number, origin; log 1 is the home's own
    entry_<n>    seq, entry                    the entries of log n
    payload_<n>  seq, salt, payload            those of its payloads that this home may have
    checkpoint   log, size, note, proof        per log the newest note, the newest that is witnessed, and
                                               those that end with a rotation of its key;
                                               proof: from the copy's size to the note's, where that is larger
    place        home, machine, path, starts, check: where this home runs (see node.place)
    cosigned     origin, note: per log outside the network the note that was cosigned last, own line in it
    forgetful    witness: own witness keys that may have cosigned more than is known (see node.witness)
    outside      witness, note: per witness outside the network the note of the own log that it cosigned last
    unanswered   log, seq: what others left out of a log (see node.store.unanswered)

Derived (`tally doctor --rebuild` drops it and makes it again from the truth):

    tile_<n>     full tiles of log n: id = level << 48 | index, 256 hashes of 32 bytes
    leaf_<n>     sorted runs of leaf hashes of log n (see node.store.leaves)
    nonce        first 6 bytes of a nonce in the own log that its client chose -> seq
    roster       log, seq of the entries that make the roster
    event        the events, by hash and identity; thing, touch: which event touches which thing, and how
    agreement    agreement hash -> log, seq of the entries that are about it; 32 zero bytes -> the ticks
    related      agreements that one proposal is about together, each way
    standing, listed, watching: how each agreement stands, for what rests (see node.store.standing)

A table per log keeps each log's rows together and every append at the right edge of its tree: rows of
several logs in one table would leave its pages half empty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlite_utils import Database

from ledger.errors import MalformedError, UnavailableError

VERSION = 4

_TRUTH = """
CREATE TABLE log (number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE checkpoint (
  log INTEGER NOT NULL REFERENCES log(number), size INTEGER NOT NULL, note TEXT NOT NULL,
  proof BLOB NOT NULL, PRIMARY KEY (log, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE place (
  id INTEGER PRIMARY KEY CHECK (id = 1), home BLOB NOT NULL, machine TEXT NOT NULL,
  path TEXT NOT NULL, starts INTEGER NOT NULL, "check" BLOB NOT NULL
) STRICT;
"""

_WITNESS = """
CREATE TABLE cosigned (origin TEXT PRIMARY KEY, note TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE forgetful (witness TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE outside (witness TEXT PRIMARY KEY, note TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

_DERIVED = """
CREATE TABLE nonce (
  prefix INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (prefix, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE roster (
  log INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY, log INTEGER NOT NULL, seq INTEGER NOT NULL, hash INTEGER NOT NULL,
  identity INTEGER NOT NULL, capture INTEGER NOT NULL
) STRICT;
CREATE INDEX event_hash ON event (hash, identity);
CREATE INDEX event_capture ON event (capture);
CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE touch (
  thing INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (thing, event)
) STRICT, WITHOUT ROWID;
CREATE TABLE agreement (
  hash BLOB NOT NULL, log INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, log, seq)
) STRICT, WITHOUT ROWID;
"""

_STANDING = """
CREATE TABLE related (
  hash BLOB NOT NULL, other BLOB NOT NULL, PRIMARY KEY (hash, other)
) STRICT, WITHOUT ROWID;
CREATE TABLE standing (
  hash BLOB PRIMARY KEY, stale INTEGER NOT NULL DEFAULT 1 CHECK (stale IN (0, 1)),
  sound INTEGER NOT NULL DEFAULT 0 CHECK (sound IN (0, 1)),
  signed BLOB NOT NULL DEFAULT x'', timekeeper TEXT, due INTEGER, waits TEXT,
  leaning INTEGER NOT NULL DEFAULT 0 CHECK (leaning IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_stale ON standing (hash) WHERE stale;
CREATE INDEX standing_waits ON standing (hash) WHERE waits IS NOT NULL;
CREATE INDEX standing_leaning ON standing (hash) WHERE leaning;
CREATE INDEX standing_due ON standing (timekeeper, due) WHERE due IS NOT NULL;
CREATE TABLE watching (
  organization TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (organization, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE listed (
  list TEXT NOT NULL, sort TEXT NOT NULL, hash BLOB NOT NULL, place INTEGER NOT NULL,
  one TEXT NOT NULL, other TEXT NOT NULL, item TEXT NOT NULL, PRIMARY KEY (list, sort, hash, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_of ON listed (hash)
"""

_UNANSWERED = """
CREATE TABLE unanswered (
  log INTEGER NOT NULL REFERENCES log(number), seq INTEGER NOT NULL, PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID
"""

_EVERYTHING_STALE = """
WITH shared AS MATERIALIZED (
  SELECT min(hash) AS low, max(hash) AS high FROM agreement GROUP BY log, seq HAVING count(*) > 1
) INSERT INTO related SELECT low, high FROM shared UNION SELECT high, low FROM shared;
INSERT INTO standing (hash) SELECT DISTINCT hash FROM agreement WHERE hash <> zeroblob(32)
"""

DERIVED_TABLES = (
    *("nonce", "roster", "touch", "event", "thing", "agreement"),
    *("related", "standing", "watching", "listed"),
)


def connect(path: Path, *, write: bool) -> Database:
    """Open a home's database; a reader cannot write, the writer waits for the disk at every commit.

    Raises:
        UnavailableError: the file is not there or is no database.
    """
    try:
        if write:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        else:
            uri = f"{path.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        with ExitStack() as opening:
            opening.callback(connection.close)
            connection.execute("PRAGMA schema_version")
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA foreign_keys = ON")
            if write:
                _prepare_writer(connection)
            opening.pop_all()
    except sqlite3.DatabaseError as error:
        raise UnavailableError(
            str(path), found=str(error), expected="a database of tally", action="check the path of the home"
        ) from error
    return Database(connection, use_old_upsert=False)


def _prepare_writer(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # Without this, INSERT OR REPLACE would slip past a trigger on delete.
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA cache_size = -65536")


def migrate(database: Database) -> None:
    """Bring a database to this version's tables, each step in one transaction.

    Raises:
        MalformedError: the database was written by a newer version.
    """
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise MalformedError(
            "database",
            found=f"schema version {found}",
            expected=f"at most {VERSION}",
            action="install a newer version of tally",
        )
    for version in range(found + 1, VERSION + 1):
        with database.atomic():
            _STEPS[version](database)
            database.execute(f"PRAGMA user_version = {version}")


def create_log_tables(database: Database, number: int) -> None:
    """The tables of one log."""
    for statement in (
        f"CREATE TABLE entry_{number} (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT",
        f"CREATE TABLE payload_{number} "
        "(seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, payload BLOB NOT NULL) STRICT",
        f"CREATE TABLE tile_{number} (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT",
        f"CREATE TABLE leaf_{number} (run INTEGER PRIMARY KEY, records BLOB NOT NULL) STRICT",
    ):
        database.execute(statement)


def create_derived_tables(database: Database) -> None:
    """The derived tables, empty; those of single logs are left to `create_log_tables`."""
    _run(database, _DERIVED)
    _run(database, _STANDING)


def _first(database: Database) -> None:
    _run(database, _TRUTH)
    _run(database, _DERIVED)


def _second(database: Database) -> None:
    _run(database, _WITNESS)


def _third(database: Database) -> None:
    _run(database, _STANDING)
    _run(database, _EVERYTHING_STALE)


def _fourth(database: Database) -> None:
    _run(database, _UNANSWERED)


def _run(database: Database, script: str) -> None:
    # executescript would commit the transaction that we are in.
    for statement in script.split(";"):
        if statement.strip():
            database.execute(statement)


_STEPS: dict[int, Callable[[Database], None]] = {1: _first, 2: _second, 3: _third, 4: _fourth}
