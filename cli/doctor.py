"""`tally doctor`: look at a home for faults, and make again what can be made again.

It looks at what a home needs to run (permissions, keys, lock, place) and at the database as a file and its
derived tables. Whether the truth in it holds is for `tally verify`.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.call import call_of
from cli.exits import NO, UNCHECKED, YES
from cli.reading import open_home
from ledger.errors import ConflictError, MissingError, TallyError
from node.bond import own_log
from node.caution import read_caution
from node.home import DATABASE, PEOPLE, TOKEN, open_reader
from node.homekeys import KEY_NAMES, KEYS
from node.keyfiles import read_public
from node.lock import HomeLock, lock_home
from node.place import judge_place, look_here, machine_id, read_mark, state_folder
from node.standing import wrong_notes
from node.state import load_state
from node.store.place_record import read_place
from node.store.reader import Reader
from node.store.rebuild import compare_derived, rebuild_derived
from node.store.schema import VERSION, connect
from node.store.standing import count_strange

FINE, WRONG, UNKNOWN = "fine", "wrong", "not checked"
_LOOSE = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: how it stands, what was found, one thing to do."""

    name: str
    verdict: str
    found: str
    action: str = ""


def doctor(
    context: typer.Context,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make all derived tables again from the entries and payloads.")
    ] = False,
) -> int:
    """Look at a home for faults: permissions, keys, place, the database, what is derived from it.

    Stop the node first. With --rebuild, what is derived is made again from the entries and payloads.
    Whether the entries themselves hold is for tally verify.

    \b
    tally doctor
    tally doctor --rebuild
    """
    call = call_of(context)
    checks = examine(call.home, rebuild=rebuild)
    code = exit_of_checks(checks)
    call.answer(
        {"home": str(call.home), "checks": [asdict(check) for check in checks], "exit": code},
        _lines(call.home, checks),
    )
    return code


def exit_of_checks(checks: list[Check]) -> int:
    """How a visit to the doctor ends."""
    verdicts = {check.verdict for check in checks}
    if WRONG in verdicts:
        return NO
    return UNCHECKED if UNKNOWN in verdicts else YES


def examine(home: Path, *, rebuild: bool = False) -> list[Check]:
    """Look at everything.

    Raises:
        MissingError: there is no home.
    """
    if not (home / DATABASE).is_file():
        raise MissingError(
            str(home),
            found="no home here",
            expected="a folder with a database",
            action="name the home with --home or TALLY_HOME",
        )
    lock, locked = _lock(home)
    try:
        return [
            _permissions(home),
            *(_key(home / KEYS / f"{name}.key") for name in KEY_NAMES),
            *(_key(path) for path in sorted((home / PEOPLE).glob("*.key"))),
            locked,
            _guarded("place", lambda: _place(home)),
            _guarded("database", lambda: _database(home)),
            _guarded("derived tables", lambda: _derived(home, lock is not None, rebuild)),
            _guarded("evidence", lambda: _evidence(home)),
        ]
    finally:
        if lock is not None:
            lock.release()


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    """What a look came to, also where it failed."""
    try:
        return look()
    except TallyError as error:
        return Check(name=name, verdict=WRONG, found=str(error), action=error.action)
    except sqlite3.Error as error:
        return Check(name=name, verdict=WRONG, found=str(error), action="restore the home from a backup")


def _permissions(home: Path) -> Check:
    loose = [
        path.name
        for path in (home / KEYS, home / PEOPLE, home / TOKEN, home)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & _LOOSE
    ]
    if not loose:
        return Check(name="permissions", verdict=FINE, found="only you can read the home")
    return Check(
        name="permissions",
        verdict=WRONG,
        found=f"others can reach {', '.join(loose)}",
        action=f"chmod -R go= {shlex.quote(str(home))}",
    )


def _key(path: Path) -> Check:
    name = f"{path.parent.name}/{path.name}"
    try:
        public = read_public(path)
    except TallyError as error:
        kept_away = name == f"{KEYS}/recovery.key" and isinstance(error, MissingError)
        if kept_away:
            return Check(name=name, verdict=FINE, found="not here: kept in another place, as it should be")
        return Check(name=name, verdict=WRONG, found=str(error), action=error.action)
    return Check(name=name, verdict=FINE, found=f"public key {public.public.hex()[:16]}…")


def _lock(home: Path) -> tuple[HomeLock | None, Check]:
    try:
        return lock_home(home), Check(name="lock", verdict=FINE, found="no node runs")
    except ConflictError as error:
        return None, Check(name="lock", verdict=FINE, found=error.found)
    except TallyError as error:
        return None, Check(name="lock", verdict=WRONG, found=str(error), action=error.action)


def _place(home: Path) -> Check:
    """What the next start makes of the home, by the same judgement."""
    reader = open_reader(home)
    try:
        recorded = read_place(reader.database)
        state = state_folder(os.environ)
        here = look_here(home, recorded, machine_id(state, random=os.urandom), database=DATABASE)
        origin = reader.own_origin()
        own = own_log(reader, origin)
        verdict = judge_place(recorded, read_mark(state, recorded.home), here, own)
        caution = read_caution(home, origin)
    finally:
        reader.close()
    if caution.contradicted:
        return Check(
            name="place",
            verdict=WRONG,
            found="a partner holds another history of its log: a copy of this home has written elsewhere",
            action="go on with that home; where it is lost, `tally recover` opens the next log",
        )
    if verdict.may_append and not caution.waiting:
        return Check(name="place", verdict=FINE, found=f"{verdict.found}, opened {recorded.starts} times")
    found = "it has not heard its partners yet" if verdict.may_append else verdict.found
    return Check(
        name="place",
        verdict=FINE,
        found=found,
        action="let it reach its partners: it hears their copies of its log before it writes",
    )


def _database(home: Path) -> Check:
    database = connect(home / DATABASE, write=False)
    try:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version != VERSION:
            return Check(
                name="database",
                verdict=WRONG,
                found=f"schema version {version}, expected {VERSION}",
                action="start the node once with the newest version of tally",
            )
        rows = [str(row[0]) for row in database.execute("PRAGMA integrity_check(10)")]
        if rows != ["ok"]:
            return Check(
                name="database",
                verdict=WRONG,
                found="; ".join(rows),
                action="restore the home from a backup; partners hold copies of its log",
            )
    finally:
        database.close()
    return Check(name="database", verdict=FINE, found="SQLite finds no damage")


def _evidence(home: Path) -> Check:
    """Whom this home has evidence against: no fault of the home, and not to be overlooked in it."""
    with open_home(home) as opened:
        accused = sorted(opened.state.quarantined)
        settled = sorted(opened.state.accused - opened.state.quarantined)
    parts = [f"recorded against {', '.join(accused)}: nothing new of theirs is accepted"] if accused else []
    parts += [f"settled by later logs: {', '.join(settled)}"] if settled else []
    return Check(
        name="evidence",
        verdict=FINE,
        found="; ".join(parts) or "none is recorded here",
        action="see `tally evidence list`, and hand it to the other members" if accused else "",
    )


def _derived(home: Path, locked: bool, rebuild: bool) -> Check:
    name = "derived tables"
    if not locked:
        return Check(
            name=name,
            verdict=WRONG if rebuild else UNKNOWN,
            found="a node has the home open",
            action="end the node first",
        )
    if rebuild:
        database = connect(home / DATABASE, write=True)
        try:
            rebuild_derived(database)
        finally:
            database.close()
    reader = open_reader(home)
    try:
        return _compared(home, reader, rebuild)
    finally:
        reader.close()


def _compared(home: Path, reader: Reader, rebuilt: bool) -> Check:
    differences = compare_derived(home / DATABASE, reader)
    # Replays of what the indexes find mean something only where these are right.
    wrong = 0 if differences else count_strange(reader) + len(wrong_notes(reader, load_state(reader)))
    if not differences and not wrong:
        found = (
            "made again from the entries and payloads" if rebuilt else "as the entries and payloads make them"
        )
        return Check(name="derived tables", verdict=FINE, found=found)
    rows = ", ".join(f"{d.table}: {d.missing} missing, {d.surplus} too many" for d in differences)
    rows = rows or f"what lists show of {wrong} agreements is not what their entries come to"
    return Check(
        name="derived tables",
        verdict=WRONG,
        found=rows,
        action="run `tally doctor --rebuild`",
    )


def _lines(home: Path, checks: list[Check]) -> Iterator[str]:
    yield f"Home {home}"
    for check in checks:
        mark = {FINE: "✓", WRONG: "✗", UNKNOWN: "?"}[check.verdict]
        yield f"  {mark} {check.name}: {check.found}"
        if check.action:
            yield f"      to do: {check.action}"
