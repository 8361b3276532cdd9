"""Backups: a copy of a home that may be taken while its node runs, and homes made from one.

    tally.db        one file, as it stood at one moment
    keys/, people/  the sealed key files, unless they are left out
    config.toml     the settings, where there are some

The database is copied by SQLite's own backup interface, so that no commit is half in it. The copy's place
(see `node.place`) names no machine: whoever opens it, or a home that was made of it in any way, is judged
restored, and hears its partners before anything is written. The operator's token and what tells of the
running node are not in it; a restored home gets a new token.

Both ways go through a folder beside the target, which takes its place when everything is on disk and was
checked: dying before leaves nothing at the target.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlite_utils import Database

from ledger.errors import ConflictError, MissingError, UnavailableError
from node.config import CONFIG_FILE
from node.disk import fresh_folder, sync_folder, write_whole
from node.home import DATABASE, PEOPLE, write_token
from node.homekeys import KEY_NAMES, KEYS
from node.keyfiles import copy_key
from node.place import BACKED_UP
from node.store.place_record import read_place, write_place
from node.store.schema import connect
from node.world import World

COPY_PAGES = 4096
"""Pages that are copied in one step; between two steps the copy can be stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy of a home holds: its key files by name, and those that a node needs and that are not in."""

    keys: tuple[str, ...]
    lacking: tuple[str, ...]


def back_up(home: Path, destination: Path, *, with_keys: bool, check: Callable[[Path], None]) -> Copied:
    """Write a backup of a home to a new folder; `check` looks at it before it takes its place.

    Raises:
        MissingError: there is no home.
        ConflictError: there is something at the destination.
        UnavailableError: the disk refuses.
        TallyError: what `check` raises; then nothing is kept.
    """
    _check_apart(home, destination)
    with fresh_folder(destination) as draft:
        copied = _copy_home(home, draft, with_keys=with_keys)
        check(draft)
        return copied


def restore(backup: Path, home: Path, *, world: World, check: Callable[[Path], None]) -> Copied:
    """Make a home from a backup, or from another copy of a home, in a new or empty folder.

    Raises: as `back_up`.
    """
    _check_apart(backup, home)
    with fresh_folder(home) as draft:
        copied = _copy_home(backup, draft, with_keys=True)
        check(draft)
        write_token(draft, world)
        return copied


def _check_apart(source: Path, target: Path) -> None:
    if not (source / DATABASE).is_file():
        raise MissingError(
            str(source),
            found="no database",
            expected="a home, or a backup of one",
            action="check the path",
        )
    if source.resolve() in (target.resolve(), *target.resolve().parents):
        raise ConflictError(
            str(target),
            found=f"a place inside {source}",
            expected="a place outside of it",
            action="choose another folder",
        )


def _copy_home(source: Path, target: Path, *, with_keys: bool) -> Copied:
    _copy_database(source / DATABASE, target / DATABASE)
    if (source / CONFIG_FILE).is_file():
        write_whole(target / CONFIG_FILE, (source / CONFIG_FILE).read_bytes())
    (target / KEYS).mkdir(mode=0o700)
    (target / PEOPLE).mkdir(mode=0o700)
    files = [*(source / KEYS).rglob("*.key"), *(source / PEOPLE).glob("*.key")] if with_keys else []
    names = sorted(str(file.relative_to(source)) for file in files)
    for name in names:
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_key(source / name, target / name)
    needed = [f"{KEYS}/{name}.key" for name in KEY_NAMES]
    return Copied(keys=tuple(names), lacking=tuple(name for name in needed if name not in names))


def _copy_database(source: Path, target: Path) -> None:
    """One file that holds a moment of the source and says of itself that it is a copy, on disk."""
    held = connect(source, write=False)
    try:
        held.execute("BEGIN")  # one moment for all steps, however long they take
        held.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copy = sqlite3.connect(target, isolation_level=None)
        try:
            os.chmod(target, 0o600)
            held.conn.backup(copy, pages=COPY_PAGES)
            # Without a write-ahead log it is one file, which can be read from where nothing can be written.
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA synchronous = EXTRA")
            database = Database(copy, use_old_upsert=False)
            place = replace(read_place(database), machine=BACKED_UP)
            copy.execute("BEGIN IMMEDIATE")
            write_place(database, place)
            copy.execute("COMMIT")
        finally:
            copy.close()
        with target.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(target.parent)
    except sqlite3.Error as error:
        raise UnavailableError(
            str(source),
            found=str(error),
            expected="a database that can be copied",
            action="check the disk; see `tally verify` and `tally doctor`",
        ) from error
    finally:
        held.close()
