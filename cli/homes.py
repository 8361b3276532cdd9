"""A home's database as `tally verify` reads it: its logs, and whether its tables belong together."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.sources import FEW, StoredLog, damaged, open_database, read_moment, read_rows
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.audit.log import LogAudit, roots_at
from ledger.errors import TallyError, short
from ledger.log.origin import parse_origin
from node.home import DATABASE
from node.place import Mark, Place, read_mark
from node.store.place_record import read_place
from node.store.schema import connect

OWN = 1
LOG_TABLES = ("entry", "payload")
SHARED_TABLES = ("log", "checkpoint", "place")

_NUMBERED = re.compile(rb"(entry|payload|tile|leaf)_(-?[0-9]+)")
_RESTORE = "restore the home from a backup, or let partners bring the log back"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFile:
    """A database that was opened: its logs, the own one by name, and what is wrong with its tables."""

    path: Path
    own: str
    logs: tuple[StoredLog, ...]
    findings: tuple[Finding, ...]

    def close(self) -> None:
        """Close the connections of its logs."""
        for log in self.logs:
            log.close()


def find_database(target: Path) -> Path:
    """The database of a home, which may be named itself."""
    return target / DATABASE if target.is_dir() else target


def open_home_file(path: Path) -> HomeFile:
    """Open a home's database and look at its tables.

    Raises:
        MissingError: there is none.
        MalformedError: it cannot be read.
    """
    connection = open_database(path)
    try:
        tables = {row[0] for row in read_rows(connection, path, _TABLES)}
        findings = [_missing_table(name) for name in SHARED_TABLES if name.encode() not in tables]
        rows = (
            read_rows(connection, path, "SELECT number, origin FROM log ORDER BY number")
            if not findings
            else []
        )
        logs = []
        for number, name in rows:
            log = _open_log(connection, path, number, name, tables, findings)
            if log is not None:
                logs.append(log)
        numbers = {row[0] for row in rows}
        findings += [_orphan(table) for table in sorted(tables) if _is_orphan(table, numbers)]
        if b"checkpoint" in tables:
            findings += _orphan_notes(connection, path, numbers)
    finally:
        connection.close()
    own = _own_of(logs)
    if not own:
        findings.append(_no_own_log())
    return HomeFile(path=path, own=own, logs=tuple(logs), findings=tuple(findings))


def _own_of(logs: Sequence[StoredLog]) -> str:
    """Log 1, or the one that its organization opened last; empty where there is no log 1."""
    first = next((log.origin for log in logs if log.number == OWN), "")
    later = [log.origin for log in logs if first and log.origin.startswith(f"{first}/") and log.moment.count]
    return max((first, *later), key=lambda origin: parse_origin(origin).number) if later else first


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def _open_log(
    connection: sqlite3.Connection,
    path: Path,
    number: int,
    name: bytes,
    tables: set[bytes],
    findings: list[Finding],
) -> StoredLog | None:
    missing = [f"{kind}_{number}" for kind in LOG_TABLES if f"{kind}_{number}".encode() not in tables]
    origin = name.decode("utf-8", "backslashreplace")
    try:
        parse_origin(origin, f"log {number}")
    except TallyError as error:
        findings.append(finding_of("database-log", error, log=short(origin), action=_RESTORE))
        return None
    if missing:
        findings += [_missing_table(table, origin) for table in missing]
        return None
    moment = read_moment(connection, path, number)
    if moment.count == 0:
        findings.append(
            Finding(
                code="database-log",
                log=origin,
                found="no entry",
                expected="at least its opening",
                action=_RESTORE,
            )
        )
    return StoredLog(path, number, origin, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlace:
    """What is recorded of a home's place: by its database, where that holds, and by this machine."""

    place: Place | None = None
    mark: Mark | None = None
    findings: tuple[Finding, ...] = ()


def read_known_place(target: Path, state: Path) -> KnownPlace:
    """The record of the home's place, checked, and the machine's mark of it.

    To be read before the logs: a node raises its mark after it has committed.
    """
    path = find_database(target)
    try:
        database = connect(path, write=False)
        try:
            place = read_place(database)
        finally:
            database.close()
    except TallyError as error:
        return KnownPlace(findings=(finding_of("place-changed", error, place="table place"),))
    except sqlite3.Error as error:
        return KnownPlace(findings=(finding_of("place-changed", damaged(path, error), place="table place"),))
    try:
        mark = read_mark(state, place.home)
    except TallyError:
        mark = None
    here = str(path.parent.resolve())
    return KnownPlace(place=place, mark=mark if mark and mark.place.path == here else None)


def check_mark(known: KnownPlace, own: LogAudit, source: StoredLog) -> tuple[list[Finding], list[Unchecked]]:
    """Check whether the home is older than this machine remembers it."""
    mark = known.mark
    if mark is None or mark.number != parse_origin(own.origin).number:
        what = "whether this is the newest state of the home: this machine remembers none of it here"
        return [], [Unchecked(what=what, log=own.origin, harmless=True)]
    if own.size < mark.size:
        found, expected = f"{own.size} entries", f"{mark.size}, as it had when it was last open"
    else:
        root = {own.size: own.root, **roots_at(source, [mark.size])}.get(mark.size, mark.root)
        if root == mark.root or mark.size == 0:
            return [], []
        found = f"root {short(root or b'')} of its first {mark.size} entries"
        expected = f"{short(mark.root)}, as it had when it was last open"
    return [
        Finding(
            code="place-older",
            log=own.origin,
            position=own.size if own.size < mark.size else None,
            found=found,
            expected=expected,
            action="let the node reach its partners before it writes: it fetches what is missing",
        )
    ], []


def _is_orphan(table: bytes, numbers: set[int]) -> bool:
    match = _NUMBERED.fullmatch(table)
    return match is not None and int(match[2]) not in numbers


def _orphan(table: bytes) -> Finding:
    name = table.decode("utf-8", "backslashreplace")
    return Finding(
        code="database-table",
        place=f"table {name}",
        found="a table of a log that the table log does not name",
        expected="tables of the logs that it names",
        action=_RESTORE,
    )


def _missing_table(name: str, origin: str = "") -> Finding:
    return Finding(
        code="database-table",
        log=origin,
        place=f"table {name}",
        found="no such table",
        expected="the tables of a home",
        action=_RESTORE,
    )


def _orphan_notes(connection: sqlite3.Connection, path: Path, numbers: set[int]) -> list[Finding]:
    rows = read_rows(connection, path, "SELECT log, size FROM checkpoint ORDER BY log, size")
    return [
        Finding(
            code="database-log",
            place=f"table checkpoint, log {log}, size {size}",
            found="a note of a log that the table log does not name",
            expected="notes of the logs that it names",
            action=_RESTORE,
        )
        for log, size in rows
        if log not in numbers
    ][:FEW]


def _no_own_log() -> Finding:
    return Finding(
        code="database-log",
        place="table log",
        found=f"no log {OWN}",
        expected="the home's own log",
        action=_RESTORE,
    )
