"""The order of a bundle's records, held while they come by, and where each part of it lies.

    order = BundleOrder()
    for offset, record in records: order.take(record, offset)
    contents = order.finish()

A part is as small as an offset for each run, whatever the log holds, so that a bundle of any length is
taken in constant memory. What the records say is not believed here: `ledger.audit.bundle` checks it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.errors import MalformedError, short
from ledger.log.bundle import (
    RUN_ENTRIES,
    BundleClose,
    BundleEnd,
    BundleEntry,
    BundleHead,
    BundleLog,
    BundleNote,
    BundlePayloads,
    BundleRecord,
    BundleRun,
)
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import parse_note
from ledger.log.origin import format_origin, parse_origin
from ledger.members.network import network_id, parse_founding

MAX_LOGS = 4096
MAX_NOTES = 256
"""Signed notes of one log in a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePart:
    """One log of a bundle: how it begins and ends, how many entries are given, and where its records lie.

    `notes_at` is the offset of its first note, `runs_at` those of the runs of a whole log, `entries_at`
    that of the first entry of a sparse one.
    """

    log: BundleLog
    close: BundleClose
    entries: int
    notes: int
    notes_at: int
    runs_at: Sequence[int]
    entries_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContents:
    """What is in a bundle, in its order; `digest` is the SHA-256 that its end names."""

    head: BundleHead
    network: bytes
    founder: str
    parts: tuple[BundlePart, ...]
    digest: bytes


@dataclass(slots=True)
class _Open:
    """The log that is being told."""

    log: BundleLog
    notes: int = 0
    notes_at: int = 0
    note_size: int = 0
    runs_at: array[int] = field(default_factory=lambda: array("Q"))
    entries_at: int = 0
    entries: int = 0
    next: int = 0
    """The position that the next entry has at least; of a run exactly."""
    payload_from: int = 0
    payloads: int = 0


class BundleOrder:
    """Takes the records of one bundle in turn. Raises MalformedError at the first out of its order."""

    def __init__(self) -> None:
        self._head: BundleHead | None = None
        self._network = b""
        self._founder = ""
        self._parts: list[BundlePart] = []
        self._open: _Open | None = None
        self._digest: bytes | None = None

    def take(self, record: BundleRecord, offset: int) -> None:
        """Take the next record; `offset` is where it begins in the file, with its length."""
        where = f"bundle at byte {offset}"
        if self._digest is not None:
            raise _out_of_order(where, "a record after the end", "nothing")
        if isinstance(record, BundleHead) != (self._head is None):
            raise _out_of_order(where, _name(record), "the head once, as the first record")
        match record:
            case BundleHead():
                self._take_head(record, where)
            case BundleLog():
                self._take_log(record, where)
            case BundleEnd():
                if self._open is not None:
                    raise _out_of_order(where, "the end", f"the rest of {self._open.log.origin}")
                self._digest = record.digest
            case BundleClose():
                self._take_close(record, where)
            case BundleNote():
                self._take_note(record, self._log(record, where), offset, where)
            case BundleRun() | BundlePayloads():
                self._take_whole(record, self._log(record, where), offset, where)
            case BundleEntry():
                self._take_entry(record, self._log(record, where), offset, where)

    def finish(self) -> BundleContents:
        """What is in the bundle. Raises MalformedError where it has not come to its end."""
        if self._head is None or self._digest is None:
            raise MalformedError(
                "bundle", found="no end", expected="its last record", action="fetch it again"
            )
        return BundleContents(
            head=self._head,
            network=self._network,
            founder=self._founder,
            parts=tuple(self._parts),
            digest=self._digest,
        )

    def _take_head(self, head: BundleHead, where: str) -> None:
        self._founder = parse_founding(head.founding, f"{where} founding").founder
        self._network = network_id(head.founding)
        self._head = head

    def _take_log(self, log: BundleLog, where: str) -> None:
        if self._open is not None:
            raise _out_of_order(where, f"log {log.origin}", f"the rest of {self._open.log.origin}")
        if len(self._parts) >= MAX_LOGS:
            raise _out_of_order(where, f"more than {MAX_LOGS} logs", f"at most {MAX_LOGS}")
        origin = parse_origin(log.origin, where)
        if origin.text != format_origin(origin.organization, self._network, origin.number):
            raise _out_of_order(where, f"log {log.origin}", f"logs of network {self._network[:8].hex()}")
        if self._parts and self._rank(self._parts[-1].log) >= self._rank(log):
            raise _out_of_order(
                where, f"log {log.origin} after {self._parts[-1].log.origin}", "each log once, in order"
            )
        self._open = _Open(log)

    def _rank(self, log: BundleLog) -> tuple[bool, str, int]:
        origin = parse_origin(log.origin)
        return origin.organization != self._founder, origin.organization, origin.number

    def _log(self, record: BundleRecord, where: str) -> _Open:
        if self._open is None:
            raise _out_of_order(where, _name(record), "a log, or the end")
        return self._open

    def _take_note(self, record: BundleNote, log: _Open, offset: int, where: str) -> None:
        head = parse_checkpoint(parse_note(record.note, where).text, where)
        if log.entries or head.origin != log.log.origin or head.size <= log.note_size:
            raise _out_of_order(
                where,
                f"a note of {short(head.origin)}, size {head.size}",
                f"notes of {log.log.origin} before its entries, smallest first",
            )
        log.notes += 1
        if log.notes > MAX_NOTES:
            raise _out_of_order(where, f"{log.notes} notes", f"at most {MAX_NOTES}")
        log.note_size = head.size
        log.notes_at = log.notes_at or offset

    def _take_whole(self, record: BundleRun | BundlePayloads, log: _Open, offset: int, where: str) -> None:
        if not log.log.is_whole:
            raise _out_of_order(where, _name(record), "single entries of a sparse log")
        if isinstance(record, BundleRun):
            end = record.start + len(record.entries)
            whole = record.start == log.next and (end == log.log.size or len(record.entries) == RUN_ENTRIES)
            if not whole or end > log.log.size:
                raise _out_of_order(
                    where,
                    f"entries {record.start} to {end - 1}",
                    f"a run from {log.next}, {RUN_ENTRIES} entries or up to {log.log.size}",
                )
            log.runs_at.append(offset)
            log.entries, log.next, log.payload_from = end, end, record.start
            return
        first, last = record.rows[0][0], record.rows[-1][0]
        if first < log.payload_from or last >= log.next:
            raise _out_of_order(
                where, f"payloads {first} to {last}", f"those of {log.payload_from} to {log.next - 1}"
            )
        log.payload_from = last + 1
        log.payloads += len(record.rows)

    def _take_entry(self, record: BundleEntry, log: _Open, offset: int, where: str) -> None:
        seq = parse_entry(record.entry, where).seq
        if log.log.is_whole or not log.next <= seq < log.log.size:
            raise _out_of_order(
                where,
                f"{log.log.origin} entry {seq}",
                "runs of a whole log" if log.log.is_whole else f"{log.next} to {log.log.size - 1}",
            )
        log.entries_at = log.entries_at or offset
        log.entries += 1
        log.next = seq + 1
        log.payloads += record.payload is not None

    def _take_close(self, close: BundleClose, where: str) -> None:
        log = self._log(close, where)
        if log.note_size < log.log.size:
            raise _out_of_order(where, f"a note of size {log.note_size}", f"one of at least {log.log.size}")
        if log.log.is_whole and log.next != log.log.size:
            raise _out_of_order(where, f"{log.next} entries", f"{log.log.size}")
        told = close.given + close.withheld + close.absent
        if close.given != log.payloads or told != log.entries:
            raise _out_of_order(
                where,
                f"{close.given} payloads given, {told} in all",
                f"{log.payloads} given, and {log.entries} in all, as many as entries",
            )
        self._parts.append(
            BundlePart(
                log=log.log,
                close=close,
                entries=log.entries,
                notes=log.notes,
                notes_at=log.notes_at,
                runs_at=log.runs_at,
                entries_at=log.entries_at,
            )
        )
        self._open = None


def _name(record: BundleRecord) -> str:
    return type(record).__name__.removeprefix("Bundle").lower()


def _out_of_order(where: str, found: str, expected: str) -> MalformedError:
    return MalformedError(
        where, found=found, expected=expected, action="ask the one who made the bundle for it again"
    )
