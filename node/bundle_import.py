"""A fresh home from a bundle whose audit found nothing wrong: every log that it gives whole becomes a copy.

Entries pass the first half of the one door (`grow_copy`), and at the end of each log their root must be the
one that was audited under its signed notes. Payloads are held against their entries, and indexed.

Without keys such a home reads and never writes. With the key files of an organization it is that
organization's again: its place (see `node.place`) names no machine, so that it is judged restored and hears
its partners before anything is written.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from ledger.audit.bundle import BundleAudit
from ledger.audit.bundle_order import BundleContents
from ledger.errors import InvalidError, MalformedError, UnavailableError, UsageError, short
from ledger.log.bundle import RUN_ENTRIES
from ledger.log.entry import check_payload, parse_entry
from ledger.log.intake import Copy, grow_copy
from ledger.log.note import Note, NoteSignature, format_note, parse_note
from ledger.log.origin import parse_origin
from ledger.log.statement import open_payload
from ledger.members.roster import Roster
from node.bundle_file import WholeLog
from node.disk import fresh_folder
from node.home import DATABASE, write_token
from node.homekeys import KEY_NAMES, KEYS
from node.keyfiles import copy_key, read_public
from node.place import BACKED_UP, HOME_ID_BYTES, Place
from node.state import load_state
from node.store.indexing import INDEXED_KINDS, Indexed, index_statement
from node.store.place_record import write_place
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.store.writing import Writing
from node.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The home that was made: its own log, the copies with their sizes, and the logs that were left out."""

    origin: str
    copies: Mapping[str, int]
    left_out: tuple[str, ...]
    keys: tuple[str, ...] = ()


def import_bundle(
    home: Path,
    bundle: Path,
    checked: tuple[BundleContents, BundleAudit],
    *,
    world: World,
    keys: Path | None = None,
    progress: Callable[[int], None] = lambda entries: None,
) -> Imported:
    """Make a home in a new or empty folder; `keys` is a folder with an organization's key files.

    Raises:
        UsageError: the bundle gives single entries, which no home can hold.
        InvalidError: the keys are those of no log in it; or the file changed since it was checked.
        ConflictError: there is something at that path.
        UnavailableError: the disk refuses.
    """
    contents, audit = checked
    check_importable(contents)
    whole = {part.log.origin: WholeLog(bundle, part) for part in contents.parts if part.log.is_whole}
    own = _own_log(contents, audit.roster, keys)
    if own not in whole:
        raise UsageError(
            str(bundle), found=f"no whole log {own}", expected="the log of the home's organization"
        )
    # The home's own logs come first, by their numbers: the first of all is how a home knows them.
    mine = parse_origin(own).organization
    logs = sorted(whole.values(), key=lambda log: parse_origin(log.origin).organization != mine)
    with fresh_folder(home) as draft:
        place = Place(home=world.random(HOME_ID_BYTES), machine=BACKED_UP, path=str(home.resolve()), starts=1)
        _fill(draft / DATABASE, logs, audit, place, progress)
        copied = () if keys is None else _copy_keys(keys, draft)
        write_token(draft, world)
    left = tuple(part.log.origin for part in contents.parts if not part.log.is_whole)
    return Imported(origin=own, copies={log.origin: log.count() for log in logs}, left_out=left, keys=copied)


def _fill(
    path: Path, logs: Sequence[WholeLog], audit: BundleAudit, place: Place, progress: Callable[[int], None]
) -> None:
    """Make the database of a home, its own log first; on disk when this returns."""
    roots = {log.origin: log.root for log in audit.logs}
    database = connect(path, write=True)
    try:
        os.chmod(path, 0o600)
        # Nobody reads it before all of it is on disk.
        database.execute("PRAGMA synchronous = OFF")
        migrate(database)
        for log in logs:
            _Import(database, log, audit.roster.network, progress).store(roots[log.origin])
        _write_notes(database, logs)
        database.execute("BEGIN IMMEDIATE")
        write_place(database, place)
        database.execute("COMMIT")
        # One file, which is on disk when it is said to be.
        database.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise UnavailableError(
            str(path), found=str(error), expected="a database that can be written", action="check the disk"
        ) from error
    finally:
        database.close()
    _sync(path)


def check_importable(contents: BundleContents) -> None:
    """Check that a bundle gives whole logs. Raises UsageError."""
    if contents.head.what not in ("log", "network"):
        raise UsageError(
            f"bundle of {contents.head.what}",
            found="single entries, which no home can hold",
            expected="a bundle of a log or of the network",
            action="`tally verify` checks it and shows what it says",
        )


def _own_log(contents: BundleContents, roster: Roster, keys: Path | None) -> str:
    """The log that becomes the home's own: whose keys these are, else the subject, else the exporter's."""
    if keys is None:
        head = contents.head
        return head.subject if head.what == "log" else roster.origin(head.exporter)
    public = read_public(keys / "log.key").public
    for organization in sorted(roster.members):
        origin = roster.origin(organization)
        if roster.log_key(origin).public_key == public:
            return origin
    raise InvalidError(
        str(keys / "log.key"),
        found=f"public key {short(public)}",
        expected="the newest key of a log in the bundle",
        action="name the folder with the keys of an organization of this network, and a newer bundle if "
        "the keys are newer",
    )


@dataclass(slots=True)
class _Import:
    """One log on its way into a database."""

    database: Database
    log: WholeLog
    network: bytes
    progress: Callable[[int], None]

    def store(self, root: bytes | None) -> None:
        """Store the log, whose tree must have this root."""
        writing = Writing(self.database)
        origin = self.log.origin
        self.database.execute("BEGIN IMMEDIATE")
        number = writing.add_log(origin)
        copy = Copy(origin=origin, last=self.network)
        for start in range(0, self.log.count(), RUN_ENTRIES):
            entries = [entry for _, entry in self.log.entries(start, start + RUN_ENTRIES)]
            grown = grow_copy(copy, entries)
            writing.add_entries(number, grown)
            payloads = self.log.payloads(start, start + RUN_ENTRIES)
            indexed = list(_index(origin, start, entries, payloads, is_own=writing.reader.is_own(number)))
            writing.add_payloads(number, payloads)
            writing.index(number, indexed)
            # Committed in steps: a transaction of a whole log would not fit into memory.
            self.database.execute("COMMIT")
            self.database.execute("BEGIN IMMEDIATE")
            copy = grown.after
            self.progress(len(entries))
        self.database.execute("COMMIT")
        if copy.root != root:
            raise InvalidError(
                f"log {origin}",
                found=f"root {short(copy.root)}",
                expected=f"{short(root or b'')}, which was checked",
                action="do not change the file while it is imported",
            )


def _index(
    origin: str,
    start: int,
    entries: Sequence[bytes],
    payloads: Sequence[tuple[int, bytes, bytes]],
    *,
    is_own: bool,
) -> Iterator[tuple[int, Indexed]]:
    """Hold payloads against their entries; give what the indexes hold of them."""
    for seq, salt, payload in payloads:
        where = f"{origin} entry {seq}"
        entry = parse_entry(entries[seq - start], where)
        if not is_own and entry.kind not in INDEXED_KINDS:
            check_payload(entry, salt, payload, where)
            continue
        try:
            statement = open_payload(entry, salt, payload, where)
        except MalformedError:
            continue  # it fits its entry and is no statement: kept, and in no index
        yield seq, index_statement(statement)


def _write_notes(database: Database, logs: Sequence[WholeLog]) -> None:
    """Keep the notes, with the lines of those whose keys this home can tell."""
    roster = load_state(Reader(database)).roster
    writing = Writing(database)
    database.execute("BEGIN IMMEDIATE")
    for log in logs:
        known = [era.key for era in roster.log_keys(log.origin)]
        known += [era.key for name in roster.members for era in roster.witness_keys(name)]
        kept = []
        for note in log.notes():
            parsed = parse_note(note.note)
            lines: tuple[NoteSignature, ...] = tuple(
                line for line in parsed.signatures if any(line.is_by(key) for key in known)
            )
            kept.append((note.size, format_note(Note(parsed.text, lines)), note.proof))
        writing.set_notes(writing.reader.number(log.origin), kept)
    database.execute("COMMIT")


def _copy_keys(keys: Path, draft: Path) -> tuple[str, ...]:
    """Copy the key files that are there; the recovery key may rest elsewhere."""
    (draft / KEYS).mkdir(mode=0o700)
    names = [name for name in KEY_NAMES if name != "recovery" or (keys / f"{name}.key").exists()]
    for name in names:
        copy_key(keys / f"{name}.key", draft / KEYS / f"{name}.key")
    return tuple(names)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
