"""Agreements of a home evaluated again by `tally verify`: which statements are about which agreement.

What the home's own indexes say is not believed. While the ranges are worked through, positions of statements
about agreements go into a temporary database on disk, so that memory holds one agreement at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from cli.sources import StoredLog
from contracts.audit import AgreementAudit, audit_agreement
from contracts.document import agreement_hash
from contracts.records import Position, Record, Signature
from ledger.audit.finding import Finding, Unchecked
from ledger.audit.log import Run
from ledger.audit.payloads import PROPOSAL
from ledger.audit.ranges import RangeResult, RangeWork
from ledger.audit.source import Range
from ledger.errors import TallyError
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement, open_payload
from ledger.members.people import check_person_signatures
from ledger.members.roster import Roster
from node.store.reader import Reader
from node.views.timekeeping import outside_of

_TABLES = """
CREATE TABLE about (agreement BLOB, log INTEGER, seq INTEGER, PRIMARY KEY (agreement, log, seq))
  WITHOUT ROWID;
CREATE TABLE tick (log INTEGER, seq INTEGER, time_ms INTEGER, PRIMARY KEY (log, seq)) WITHOUT ROWID;
"""


_COUNTING = (b"\xa7counted", b"\xa4tick")
_PAGE_ENTRIES = 2048


class AgreementIndex:
    """Where statements about agreements stand in the logs of a home."""

    def __init__(self, logs: Sequence[StoredLog]) -> None:
        self._logs = list(logs)
        self._numbers = {log.origin: number for number, log in enumerate(self._logs)}
        self._index = sqlite3.connect("", isolation_level=None)
        self._index.executescript(_TABLES)
        self._roster: Roster | None = None
        self._reader: Reader | None = None

    def wrap(self, run: Run) -> Run:
        """A way to work through ranges that notes what their statements are about."""

        def noting(work: RangeWork, ranges: Iterable[Range], /) -> Iterator[RangeResult]:
            for result in run(work, ranges):
                self._note(work.source.origin, result)
                yield result

        return noting

    def close(self) -> None:
        """Drop the index."""
        self._index.close()

    def audit(self, roster: Roster, reader: Reader) -> tuple[int, list[Finding], list[Unchecked]]:
        """Evaluate every agreement again; gives how many recorded decisions were looked at."""
        self._roster, self._reader = roster, reader
        outside = outside_of(reader, roster)
        decisions = 0
        findings: list[Finding] = []
        unchecked: list[Unchecked] = []
        for (agreement,) in self._index.execute("SELECT DISTINCT agreement FROM about").fetchall():
            audit: AgreementAudit = audit_agreement(agreement, self, outside)
            decisions += audit.decisions
            findings += audit.findings
            unchecked += audit.unchecked
        return decisions, findings, unchecked

    def records(self, agreement: bytes) -> Iterator[Record]:
        """The statements about an agreement, and about those that are proposed to replace it."""
        replacing = set()
        for record in self._about(agreement):
            document = record.body.get("document")
            if record.kind == PROPOSAL and type(document) is bytes:
                replacing.add(agreement_hash(document))
            yield record
        for other in replacing - {agreement}:
            yield from self._about(other)

    def tick(self, timekeeper: str, after: Position | None, due_ms: int) -> Record | None:
        """The first entry of a timekeeper, after this one, that closes what is due then."""
        logs = sorted(
            (origin for origin in self._numbers if parse_origin(origin).organization == timekeeper),
            key=lambda origin: (len(origin), origin),
        )
        for origin in logs[logs.index(after[0]) if after and after[0] in logs else 0 :]:
            beyond = after[1] if after and after[0] == origin else -1
            row = self._index.execute(
                "SELECT seq FROM tick WHERE log = ? AND seq > ? AND time_ms >= ? ORDER BY seq LIMIT 1",
                (self._numbers[origin], beyond, due_ms),
            ).fetchone()
            if row:
                return self._record(self._numbers[origin], row[0])
        return None

    def find(self, leaf: bytes) -> Record | None:
        """The statement of the entry with this hash, if it stands where the home's index says."""
        if self._reader is None:
            return None
        try:
            origin, seq = self._reader.find(leaf)
        except TallyError:
            return None
        record = self._record(self._numbers[origin], seq) if origin in self._numbers else None
        return record if record is not None and record.leaf_hash == leaf else None

    def lacks_counting(self, timekeeper: str) -> bool:
        """Whether something by which this organization counts or closes may be missing here."""
        return lacks_counting(
            [log for log in self._logs if parse_origin(log.origin).organization == timekeeper]
        )

    def _note(self, origin: str, result: RangeResult) -> None:
        number = self._numbers[origin]
        named = [(name, seq) for name, seq in result.payloads.about if name]
        for seq in (seq for name, seq in result.payloads.about if not name):
            record = self._statement(number, seq)
            if record is not None:
                named.append((agreement_hash(record[2].data("document")), seq))
        self._index.execute("BEGIN")
        self._index.executemany(
            "INSERT OR IGNORE INTO about VALUES (?, ?, ?)", ((name, number, seq) for name, seq in named)
        )
        self._index.executemany(
            "INSERT OR IGNORE INTO tick VALUES (?, ?, ?)",
            ((number, seq, time_ms) for seq, time_ms in result.payloads.ticks),
        )
        self._index.execute("COMMIT")

    def _about(self, agreement: bytes) -> Iterator[Record]:
        rows = self._index.execute(
            "SELECT log, seq FROM about WHERE agreement = ? ORDER BY log, seq", (agreement,)
        ).fetchall()
        for number, seq in rows:
            record = self._record(number, seq)
            if record is not None:
                yield record

    def _record(self, number: int, seq: int) -> Record | None:
        origin = self._logs[number].origin
        found = self._statement(number, seq)
        if found is None or self._roster is None or self._roster.is_beyond(origin, seq):
            return None
        data, time_ms, statement = found
        return record_of(self._roster, origin, seq, leaf_hash(data), time_ms, statement)

    def _statement(self, number: int, seq: int) -> tuple[bytes, int, Statement] | None:
        """An entry with its time and statement; None where the statement is not here or does not hold."""
        log = self._logs[number]
        where = f"{log.origin} entry {seq}"
        entries, payloads = log.entries(seq, seq + 1), log.payloads(seq, seq + 1)
        if not entries or not payloads:
            return None
        try:
            entry = parse_entry(entries[0][1], where)
            statement = open_payload(entry, payloads[0][1], payloads[0][2], where)
        except TallyError:  # said elsewhere: `payload-changed`
            return None
        return entries[0][1], entry.time_ms, statement


class CountingLog(Protocol):
    """Entries and payloads of a log, by position."""

    def count(self) -> int:
        """How many entries there are."""

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Entries from one position to before another."""

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Payloads likewise."""


def lacks_counting(logs: Sequence[CountingLog]) -> bool:
    """Whether a timekeeper's logs are not here, or one of them counts or closes by what is not here."""
    for log in logs:
        for start in range(0, log.count(), _PAGE_ENTRIES):
            here = {seq for seq, _, _ in log.payloads(start, start + _PAGE_ENTRIES)}
            for seq, data in log.entries(start, start + _PAGE_ENTRIES):
                if seq not in here and any(kind in data for kind in _COUNTING):
                    return True
    return not logs


def record_of(
    roster: Roster, origin: str, seq: int, leaf: bytes, time_ms: int, statement: Statement
) -> Record:
    """A statement that was read from its entry, with those of its signatures that hold."""
    return Record(
        origin=origin,
        organization=parse_origin(origin).organization,
        seq=seq,
        leaf_hash=leaf,
        time_ms=time_ms,
        kind=statement.kind,
        body=statement.body,
        audience=statement.audience,
        signatures=_good_signatures(roster, origin, seq, statement),
    )


def _good_signatures(roster: Roster, origin: str, seq: int, statement: Statement) -> tuple[Signature, ...]:
    """Those of a statement whose signatures all are good."""
    if not statement.signatures:
        return ()
    try:
        check_person_signatures(roster.people_of(origin), origin=origin, seq=seq, statement=statement)
    except TallyError:  # said elsewhere: `person-signature`
        return ()
    organization = parse_origin(origin).organization
    return tuple(
        Signature(organization=organization, person=signature.key.hex(), role=signature.role)
        for signature in statement.signatures
    )
