"""A database in which single bytes were changed: truth is found and placed, derived data is made again."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import FINE, examine
from cli.homes import find_database, read_known_place
from cli.means import Means
from cli.reading import open_home
from cli.targets import exit_of_report, verify_target
from ledger.audit.report import Report
from ledger.log.checkpoint import Checkpoint, cosign, parse_checkpoint, seal_checkpoint, witness_vkey
from ledger.log.note import parse_note, parse_vkey
from ledger.log.receipt import check_receipt
from node.keyfiles import read_key
from node.place import open_mark
from node.store.rebuild import rebuild_derived
from node.store.schema import DERIVED_TABLES, connect
from node.views.receipts import make_receipt

MEANS = Means(heads={})
EVERY_BYTE_UP_TO = 40
SAMPLED_BYTES = 9


def load(name: str) -> Any:
    """A helper beside this file: test folders are no packages."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that nobody has touched."""
    return Path(load("small_home").make_small_home(tmp_path_factory.mktemp("pristine")))


@pytest.fixture
def home(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    copy = tmp_path / "home"
    shutil.copytree(pristine, copy)
    return copy


@pytest.fixture
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes what it likes, and gives texts as bytes."""
    connection = sqlite3.connect(find_database(home), isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    yield connection
    connection.close()


def verify(home: Path) -> Report:
    return verify_target(str(home), MEANS)


def tables(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row[0].decode() for row in rows]


def is_derived(table: str) -> bool:
    return table in DERIVED_TABLES or table.startswith(("tile_", "leaf_"))


def columns(database: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Name, type, and whether it is part of the key."""
    rows = database.execute(f"PRAGMA table_info({table})").fetchall()
    return [(row[1].decode(), row[2].decode(), bool(row[5])) for row in rows]


def flipped(value: object) -> Iterator[object]:
    """The value with one byte changed, or with one bit of a number changed, in turn."""
    if isinstance(value, int):
        yield from (value ^ 1 << bit for bit in (0, 1, 7, 20, 47))
        yield -value - 1
        return
    if value is None:
        return
    assert isinstance(value, bytes)
    size = len(value)
    sample = {i * (size - 1) // (SAMPLED_BYTES - 1) for i in range(SAMPLED_BYTES)}
    for at in range(size) if size <= EVERY_BYTE_UP_TO else sorted(sample):
        yield value[:at] + bytes([value[at] ^ 1 << at % 8]) + value[at + 1 :]
    yield value + b"\0"
    yield value[:-1]


def sampled_rows(rows: list[tuple[Any, ...]], dense: int) -> list[tuple[Any, ...]]:
    """The first and the last rows, and a few between: what lies between are remarks, all alike."""
    if len(rows) <= 2 * dense:
        return rows
    return [*rows[:dense], *rows[dense:-dense:37], *rows[-dense:]]


def change(
    database: sqlite3.Connection, table: str, key: dict[str, object], column: tuple[str, str], value: object
) -> bool:
    """Change one cell; whether the database took it."""
    where = " AND ".join(
        f'CAST("{name}" AS BLOB) = ?' if isinstance(known, bytes) else f'"{name}" = ?'
        for name, known in key.items()
    )
    cast = "CAST(? AS TEXT)" if column[1] == "TEXT" else "?"
    try:
        done = database.execute(
            f'UPDATE {table} SET "{column[0]}" = {cast} WHERE {where}', [value, *key.values()]
        )
    except (sqlite3.IntegrityError, OverflowError):
        return False
    assert done.rowcount == 1
    return True


@dataclass(frozen=True, slots=True)
class Flip:
    """A cell that was changed: where, in which row, and what stood there."""

    table: str
    column: tuple[str, str]
    row: dict[str, Any]
    key: dict[str, object]


def each_flip(
    database: sqlite3.Connection, table: str, dense: int, *, put_back: bool = True
) -> Iterator[Flip]:
    """Every row and column with one byte changed in turn; each is put back before the next."""
    forms = columns(database, table)
    for values in sampled_rows(database.execute(f"SELECT * FROM {table}").fetchall(), dense):
        row = {name: value for (name, _, _), value in zip(forms, values, strict=True)}
        key = {name: row[name] for name, _, keyed in forms if keyed}
        for name, kind, _ in forms:
            for value in flipped(row[name]):
                if value != row[name] and change(database, table, key, (name, kind), value):
                    new_key = key | ({name: value} if name in key else {})
                    yield Flip(table, (name, kind), row, new_key)
                    if put_back:
                        assert change(database, table, new_key, (name, kind), row[name])


REMEMBERED = ("unanswered",)
"""What a home remembers of its own doing and nothing else tells: from whom an entry came."""
TRUTH = ("checkpoint", "entry_1", "entry_2", "log", "payload_1", "payload_2", "place")
WITNESSES = ("cosigned", "forgetful", "outside")
"""Empty in this home until `fill_witnesses`."""


def test_these_are_the_tables_of_truth(database: sqlite3.Connection) -> None:
    assert [table for table in tables(database) if not is_derived(table)] == sorted(
        [*TRUTH, *WITNESSES, *REMEMBERED]
    )


def test_a_home_that_nobody_touched_holds(home: Path) -> None:
    report = verify(home)
    assert report.findings == ()
    assert exit_of_report(report) == 0


@pytest.mark.parametrize("table", TRUTH)
def test_every_flip_in_the_truth_is_found_and_placed(
    home: Path, database: sqlite3.Connection, table: str
) -> None:
    wrong = []
    for flip in each_flip(database, table, dense=3):
        report = verify(home)
        if not report.findings or exit_of_report(report) == 0 or not is_placed(flip, report):
            wrong.append((flip, report.findings))
    assert wrong == []
    assert verify(home).findings == ()


def fill_witnesses(database: sqlite3.Connection, home: Path) -> None:
    """What a home remembers that cosigned a log of somebody and had its own cosigned by somebody."""
    seed = sha256(b"somebody").digest()
    own = parse_checkpoint(parse_note(newest_note(database)).text).origin
    name = f"{own}/witness"
    key = read_key(home / "keys" / "witness.key", load("small_home").PASSPHRASE).seed
    plain = seal_checkpoint(Checkpoint(origin="example.com/log", size=7, root=bytes(32)), seed)
    text, _, _ = plain.rpartition("\n\n")
    # The line of the log's own key is left out: it was checked before, and nothing rests on it any more.
    cosigned = f"{text}\n\n{cosign(plain, name, key, 1_760_000_000)}"
    database.execute("INSERT INTO cosigned VALUES ('example.com/log', ?)", [cosigned])
    database.execute("INSERT INTO forgetful VALUES (?)", [witness_vkey(name, key).text])
    note = plain_note(newest_note(database))
    line = cosign(note, "example.com/witness", seed, 1_760_000_000)
    witness = witness_vkey("example.com/witness", seed).text
    database.execute("INSERT INTO outside VALUES (?, ?)", [witness, note + line])


def newest_note(database: sqlite3.Connection) -> str:
    rows = database.execute("SELECT note FROM checkpoint WHERE log = 1 ORDER BY size DESC").fetchall()
    return str(rows[0][0].decode())


def plain_note(note: str) -> str:
    """A note with the line of its log alone."""
    text, _, lines = note.rpartition("\n\n")
    return f"{text}\n\n{lines.splitlines()[0]}\n"


@pytest.mark.parametrize("table", WITNESSES)
def test_every_flip_in_what_is_remembered_of_witnesses_is_found(
    home: Path, database: sqlite3.Connection, table: str
) -> None:
    fill_witnesses(database, home)
    assert verify(home).findings == ()
    missed = []
    for flip in each_flip(database, table, dense=3):
        report = verify(home)
        if {finding.code for finding in report.findings} != {"database-witness"}:
            missed.append((flip, report.findings))
    assert missed == []


def test_a_changed_line_of_an_outside_witness_does_not_spoil_receipts(
    home: Path, database: sqlite3.Connection
) -> None:
    fill_witnesses(database, home)
    key = parse_vkey(database.execute("SELECT witness FROM outside").fetchall()[0][0].decode())

    def cosigned() -> dict[str, int]:
        with open_home(home) as opened:
            origin = opened.state.origin
            text = make_receipt(opened.reader, opened.state, (origin, opened.state.own.copy.size - 1))
            return check_receipt(text, opened.state.roster.log_key(origin), witnesses=[key]).cosigned

    assert list(cosigned()) == ["example.com/witness"]
    note = database.execute("SELECT note FROM outside").fetchall()[0][0].decode()
    head, _, last = note.rpartition(" ")
    changed = f"{head} {last[:20]}{'A' if last[20] != 'A' else 'B'}{last[21:]}"
    database.execute("UPDATE outside SET note = ?", [changed])
    assert cosigned() == {}


def is_placed(flip: Flip, report: Report) -> bool:
    """Whether the findings name the place of a flip, and for an entry or payload no other."""
    places = {finding.position for finding in report.findings}
    if not flip.table.startswith(("entry", "payload")):
        return all(finding.where for finding in report.findings)
    if flip.column[0] == "seq":
        return flip.key["seq"] in places or flip.row["seq"] in places
    return places == {flip.row["seq"]}


def derived_tables() -> list[str]:
    return sorted([*DERIVED_TABLES, "tile_1", "tile_2", "leaf_1", "leaf_2"])


@pytest.mark.parametrize("table", derived_tables())
def test_every_flip_in_derived_data_is_noticed_and_made_good(
    home: Path, database: sqlite3.Connection, table: str
) -> None:
    rebuild(home)
    before = dump(database)
    for flip in each_flip(database, table, dense=3, put_back=False):
        (derived,) = [check for check in examine(home) if check.name == "derived tables"]
        noticed = derived.verdict != FINE
        # The number of an event that touches nothing and of a thing's row mean nothing; nor does what a stale
        # note says, but that a document passed the checker: and this one did.
        assert noticed or flip.column[0] in ("id", "sound", "leaning"), flip
        rebuild(home)
        assert dump(database) == before, flip


@pytest.mark.parametrize("table", ["standing", "listed", "watching"])
def test_every_flip_in_what_lists_show_is_noticed(
    home: Path, database: sqlite3.Connection, table: str
) -> None:
    load("small_home").note_agreements(home)
    assert database.execute("SELECT count(*) FROM standing WHERE stale").fetchone() == (0,)
    assert database.execute(f"SELECT count(*) > 0 FROM {table}").fetchone() == (1,)
    missed = [flip for flip in each_flip(database, table, dense=3) if check_derived(home) == FINE]
    # A stale note is not believed, and what firings wait for says when to look, not what is so.
    assert [flip for flip in missed if flip.column[0] not in ("stale", "waits")] == []


def check_derived(home: Path) -> str:
    (derived,) = [check for check in examine(home) if check.name == "derived tables"]
    return derived.verdict


def rebuild(home: Path) -> None:
    writer = connect(find_database(home), write=True)
    try:
        rebuild_derived(writer)
    finally:
        writer.close()


def dump(database: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in tables(database)}


def test_a_file_that_is_no_database_is_found(home: Path) -> None:
    find_database(home).write_bytes(b"no database at all, but long enough to look at" * 100)
    remove_wal(home)
    assert codes(verify(home)) == {"database-damaged"}


def test_a_truncated_database_is_found(home: Path, database: sqlite3.Connection) -> None:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    data = find_database(home).read_bytes()
    find_database(home).write_bytes(data[: len(data) // 2 // 4096 * 4096])
    report = verify(home)
    assert exit_of_report(report) in (1, 12)


def test_an_empty_file_is_found(home: Path) -> None:
    find_database(home).write_bytes(b"")
    remove_wal(home)
    assert codes(verify(home)) == {"database-table", "database-log", "place-changed"}


def test_a_lost_write_ahead_log_is_a_rollback(
    home: Path, database: sqlite3.Connection, tmp_path: Path
) -> None:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    place = read_known_place(home, tmp_path).place
    assert place is not None
    here = replace(place, path=str(home.resolve()))
    size = int(database.execute("SELECT max(seq) + 1 FROM entry_1").fetchone()[0])
    with closing(open_mark(tmp_path / "state", here, size=size + 5, root=bytes(32))) as mark:
        mark.confirm()
    report = verify(home)
    assert codes(report) == {"place-older"}
    assert exit_of_report(report) == 13


def test_a_partner_s_log_taken_out_whole_is_missed(home: Path, database: sqlite3.Connection) -> None:
    for table in ("entry_2", "payload_2", "tile_2", "leaf_2"):
        database.execute(f"DROP TABLE {table}")
    database.execute("DELETE FROM checkpoint WHERE log = 2")
    database.execute("DELETE FROM log WHERE number = 2")
    report = verify(home)
    assert [item.what for item in report.unchecked if not item.harmless] == [
        "the log of bolt, a member: it is not here"
    ]
    assert exit_of_report(report) == 3


def test_a_log_without_its_last_entries_is_a_gap(home: Path, database: sqlite3.Connection) -> None:
    for table in ("entry_1", "payload_1"):
        database.execute(f"DELETE FROM {table} WHERE seq > 300")
    report = verify(home)
    assert ("chain-missing", 301) in {(f.code, f.position) for f in report.findings}
    assert exit_of_report(report) == 12


def remove_wal(home: Path) -> None:
    for suffix in ("-wal", "-shm"):
        find_database(home).with_name(find_database(home).name + suffix).unlink(missing_ok=True)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}
