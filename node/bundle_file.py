"""Bundles on disk: read as a stream once, then by their parts; written whole or not at all.

`read_bundle` goes through the file once, in constant memory, and checks form, order and hash. The parts
that it gives are read again where they lie: a whole log run by run, as an audit asks for it, a sparse one
entry by entry. A part can be handed to another process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from ledger.audit.bundle_order import BundleContents, BundleOrder, BundlePart
from ledger.audit.source import KeptNote
from ledger.errors import ConflictError, InvalidError, MalformedError, MissingError, UnavailableError, short
from ledger.log.bundle import (
    LENGTH_BYTES,
    MAGIC,
    RUN_ENTRIES,
    BundleEnd,
    BundleEntry,
    BundleNote,
    BundlePayloads,
    BundleRecord,
    BundleRun,
    check_length,
    format_record,
    parse_record,
)
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import parse_note
from node.disk import sync_folder, unwritable

_AGAIN = "ask the one who made the bundle for it again"


def read_bundle(path: Path) -> BundleContents:
    """Go through a bundle once; gives what is in it.

    Raises:
        MissingError, UnavailableError: it cannot be read.
        MalformedError: it is none, or its records are not in form and order.
        InvalidError: it was changed: it has another hash than its end says.
    """
    order = BundleOrder()
    with _opened(path) as file:
        first = file.read(len(MAGIC))
        if first != MAGIC:
            raise MalformedError(str(path), found=short(first), expected=short(MAGIC), action=_AGAIN)
        digest = sha256(first)
        offset = len(MAGIC)
        while prefix := file.read(LENGTH_BYTES):
            data = _rest(file, prefix, offset)
            record = parse_record(data, _place(offset))
            if isinstance(record, BundleEnd) and record.digest != digest.digest():
                raise InvalidError(
                    _place(offset),
                    found=f"hash {short(record.digest)}",
                    expected=f"{short(digest.digest())} of what stands before it",
                    action=_AGAIN,
                )
            order.take(record, offset)
            digest.update(prefix)
            digest.update(data)
            offset += len(prefix) + len(data)
    return order.finish()


@dataclass(frozen=True, slots=True)
class _Records:
    """The records of an open bundle from some place on."""

    file: BinaryIO

    def read(self, offset: int) -> Iterator[BundleRecord]:
        """The records from this place on."""
        self.file.seek(offset)
        while True:
            data = _rest(self.file, self.file.read(LENGTH_BYTES), offset)
            yield parse_record(data, _place(offset))
            offset += LENGTH_BYTES + len(data)

    def after(self, offset: int) -> int:
        """Where the record after the one at this place begins."""
        self.file.seek(offset)
        return offset + LENGTH_BYTES + int.from_bytes(self.file.read(LENGTH_BYTES), "big")


@dataclass(frozen=True, slots=True)
class WholeLog:
    """A log of a bundle with all its entries, as an audit reads logs. `more_notes` are the auditor's own.

    The file is opened for each question: beside thousands of entries that costs nothing, and no process
    takes over what another has open.
    """

    path: Path
    part: BundlePart
    more_notes: tuple[KeptNote, ...] = ()
    holds_payloads: bool = True

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.part.log.origin

    def count(self) -> int:
        """How many entries there are: all of them, as was seen when the bundle was read."""
        return self.part.log.size

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Entries by position."""
        rows: list[tuple[int, bytes]] = []
        with _opened(self.path) as file:
            for offset in self._runs(start, end):
                run = next(_Records(file).read(offset))
                if not isinstance(run, BundleRun):
                    raise _changed(offset)
                first, last = max(start, run.start), min(end, run.start + len(run.entries))
                rows += enumerate(run.entries[first - run.start : last - run.start], first)
        return rows

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Payloads by position."""
        rows: list[tuple[int, bytes, bytes]] = []
        with _opened(self.path) as file:
            records = _Records(file)
            for offset in self._runs(start, end):
                for record in records.read(records.after(offset)):
                    if not isinstance(record, BundlePayloads):
                        break
                    rows += [row for row in record.rows if start <= row[0] < end]
        return rows

    def notes(self) -> list[KeptNote]:
        """The signed notes of the bundle, and those that the auditor knew before."""
        kept = [_kept(note) for note in _read_notes(self.path, self.part)]
        return sorted((*kept, *self.more_notes), key=lambda note: note.size)

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        """None: the order of the records leaves no room for them."""
        return (), ()

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        """A bundle holds no hashes beside the entries."""
        return {}

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        """A bundle holds no tiles."""

    def _runs(self, start: int, end: int) -> Sequence[int]:
        first = max(0, start) // RUN_ENTRIES
        return self.part.runs_at[first : -(-max(0, end) // RUN_ENTRIES)] if end > start else ()


@dataclass(frozen=True, slots=True)
class SparseLog:
    """A log of a bundle of which single entries are given, each with its proof."""

    path: Path
    part: BundlePart
    holds_payloads: bool = True

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.part.log.origin

    def items(self) -> Iterator[BundleEntry]:
        """The entries that are given with their proofs and payloads, by position."""
        with _opened(self.path) as file:
            found = _Records(file).read(self.part.entries_at)
            for _ in range(self.part.entries):
                record = next(found)
                if not isinstance(record, BundleEntry):
                    raise _changed(self.part.entries_at)
                yield record

    def count(self) -> int:
        """How many entries are given."""
        return self.part.entries

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Those entries of these positions that are given."""
        return [(seq, item.entry) for seq, item in self._between(start, end)]

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Those payloads of these positions that are given."""
        return [
            (seq, item.salt, item.payload)
            for seq, item in self._between(start, end)
            if item.salt is not None and item.payload is not None
        ]

    def notes(self) -> list[KeptNote]:
        """The signed notes, smallest first, each with its proof."""
        return [_kept(note) for note in _read_notes(self.path, self.part)]

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        """None: the order of the records leaves no room for them."""
        return (), ()

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        """A bundle holds no hashes beside the entries."""
        return {}

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        """A bundle holds no tiles."""

    def _between(self, start: int, end: int) -> Iterator[tuple[int, BundleEntry]]:
        for item in self.items():
            seq = parse_entry(item.entry).seq
            if seq >= end:
                return
            if seq >= start:
                yield seq, item


class BundleWriter:
    """Takes the records of a bundle in turn, and the hash of them on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()
        self._write(MAGIC)

    def put(self, record: BundleRecord) -> None:
        """Write one record."""
        self._write(format_record(record))

    def end(self) -> None:
        """Write the end, and wait for the disk."""
        self.put(BundleEnd(self._digest.digest()))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)


@contextmanager
def new_bundle(path: Path) -> Iterator[BundleWriter]:
    """A bundle that is written beside its place and put there when it is whole.

    Raises:
        ConflictError: there is something at that path.
        UnavailableError: it cannot be written.
    """
    if path.exists():
        raise _taken(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        # Readable by its owner alone until they hand it on: it may hold what is for few eyes.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                writer = BundleWriter(file)
                yield writer
                writer.end()
            # Unlike a rename, a link never takes the place of a file that came meanwhile.
            os.link(draft, path)
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise unwritable(path, error) from error


def _open_file(path: Path) -> BinaryIO:
    """A file for reading. Raises MissingError, UnavailableError."""
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingError(str(path), found="no such file", expected="a bundle") from error
    except OSError as error:
        raise UnavailableError(str(path), found=error.strerror or "cannot be read") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    file = _open_file(path)
    try:
        yield file
    except OSError as error:
        raise UnavailableError(str(path), found=error.strerror or "cannot be read") from error
    finally:
        file.close()


def _rest(file: BinaryIO, prefix: bytes, offset: int) -> bytes:
    """The bytes of a record, whose length was read already."""
    if len(prefix) == LENGTH_BYTES:
        length = int.from_bytes(prefix, "big")
        check_length(length, _place(offset))
        data = file.read(length)
        if len(data) == length:
            return data
    raise MalformedError(
        _place(offset), found="the end of the file", expected="a whole record", action=_AGAIN
    )


def _read_notes(path: Path, part: BundlePart) -> list[BundleNote]:
    with _opened(path) as file:
        found = _Records(file).read(part.notes_at)
        taken = [next(found) for _ in range(part.notes)]
    return [record for record in taken if isinstance(record, BundleNote)]


def _changed(offset: int) -> InvalidError:
    return InvalidError(
        _place(offset), found="another record", expected="the one that was read before", action=_AGAIN
    )


def _kept(note: BundleNote) -> KeptNote:
    size = parse_checkpoint(parse_note(note.note).text).size
    return KeptNote(size=size, note=note.note.encode(), proof=b"".join(note.proof))


def _place(offset: int) -> str:
    return f"bundle at byte {offset}"


def _taken(path: Path) -> ConflictError:
    return ConflictError(
        str(path), found="something is there", expected="a new file", action="choose another name with --out"
    )
