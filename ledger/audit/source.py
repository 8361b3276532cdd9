"""What an audit reads a log from: a home's database, a folder of tiles, a node's address.

A source gives rows as it has them, also wrong ones: the audit decides. Rows come in order of position; a
position may be missing, or stand where none should be. Sources hand over bytes of any length and value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ledger.errors import MissingError
from ledger.log.entry import parse_entry
from ledger.log.statement import Statement, open_payload

RANGE_ENTRIES = 16_384
"""Entries of one piece of work: a power of two, so that each piece is a whole subtree."""

BATCH_ENTRIES = 2048
"""Entries that are in memory with their payloads at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNote:
    """A signed note as it is kept: under which size, and with which joined proof."""

    size: int
    note: bytes
    proof: bytes = b""


class LogSource(Protocol):
    """One log as somebody keeps it. Raises only `TallyError`, where nothing can be read."""

    @property
    def origin(self) -> str:
        """The name under which it is kept."""

    @property
    def holds_payloads(self) -> bool:
        """Whether it has payloads at all; tiles have none."""

    def count(self) -> int:
        """How many entries there are, at whatever positions."""

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Entries from position `start` to before `end`, as (position, bytes)."""

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Payloads of these positions, as (position, salt, payload)."""

    def notes(self) -> list[KeptNote]:
        """The signed notes that are kept, smallest first."""

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        """Positions of entries, and of payloads, outside of those that so many entries take; a few do."""

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        """What is remembered of the leaf hashes there: by position, at least the first 8 bytes of each.

        Only asked where something is wrong: it tells which of two entries was changed.
        """

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        """Hashes of a tile level that are shown to others, or None where they are only kept for speed."""


@runtime_checkable
class BulkSource(Protocol):
    """A source that can also hand over whole runs, without positions: half the work where all is well.

    What it gives is believed no more than single rows, and where it does not fit those are asked for.
    """

    def entry_run(self, start: int, end: int) -> list[bytes] | None:
        """Entries from position `start` to before `end` or the log's end; None where one is missing."""

    def payload_run(self, start: int, end: int) -> list[bytes] | None:
        """Salt and payload, joined, of exactly these positions; None where one is missing."""


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of work: the positions from `start` to before `end`, a whole subtree."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Run(Mapping[int, bytes]):
    """Entries that follow each other without a gap, by position."""

    start: int
    entries: Sequence[bytes]

    def __getitem__(self, seq: int) -> bytes:
        if not 0 <= seq - self.start < len(self.entries):
            raise KeyError(seq)
        return self.entries[seq - self.start]

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.start + len(self.entries)))

    def __len__(self) -> int:
        return len(self.entries)


def read_statement(source: LogSource, seq: int) -> Statement:
    """The statement at a position, held against its entry.

    Raises:
        MissingError: it is not here.
        TallyError: it does not hold.
    """
    where = f"{source.origin} entry {seq}"
    entries, payloads = source.entries(seq, seq + 1), source.payloads(seq, seq + 1)
    if not entries or not payloads:
        raise MissingError(where, found="no entry with a payload", expected="a statement")
    return open_payload(parse_entry(entries[0][1], where), payloads[0][1], payloads[0][2], where)


def plan_ranges(count: int) -> list[Range]:
    """Pieces that have room for so many entries. What lies outside of them is out of place."""
    return [Range(start, start + RANGE_ENTRIES) for start in range(0, count, RANGE_ENTRIES)]
