"""Agreements of a bundle evaluated again: which of its statements are about which agreement.

Where no decision is recorded there is nothing to hold against anything, and nothing is looked up. Otherwise
positions of statements about agreements, of ticks and of events go into a temporary database on disk, with
single entries themselves, so that memory holds one agreement at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.agreements_check import lacks_counting, record_of
from contracts.agreement import Agreement
from contracts.audit import audit_agreement, read_again
from contracts.decision import MET, evaluate
from contracts.document import agreement_hash
from contracts.outside import network_outside
from contracts.records import Position, Record
from contracts.render import render_text
from ledger.audit.bundle_order import BundleContents, BundlePart
from ledger.audit.finding import Finding, Unchecked
from ledger.audit.payloads import PROPOSAL
from ledger.errors import TallyError
from ledger.log.bundle import RUN_ENTRIES
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.kinds import KINDS
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement, open_payload
from ledger.members.roster import Roster
from node.bundle_file import SparseLog, WholeLog

MAX_FACTS = 200
"""How many facts of an agreement are told in words."""

_TABLES = """
CREATE TABLE statement (
  leaf BLOB PRIMARY KEY, agreement BLOB, replaces BLOB, tick_ms INTEGER, part INTEGER, seq INTEGER,
  entry BLOB, salt BLOB, payload BLOB
) WITHOUT ROWID;
CREATE INDEX about ON statement (agreement, part, seq) WHERE agreement IS NOT NULL;
CREATE INDEX replacing ON statement (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX tick ON statement (part, seq) WHERE tick_ms IS NOT NULL;
"""
_WANTED = {name for name, kind in KINDS.items() if "agreement" in kind.fields} | {PROPOSAL, "event", "tick"}
_DECISION = b"\xa8decision"
_MARKS = ", ".join("?" * 9)
_COLUMNS = "part, seq, entry, salt, payload"


def audit_agreements(
    path: Path, contents: BundleContents, roster: Roster
) -> tuple[int, list[Finding], list[Unchecked]]:
    """Evaluate the agreements of a bundle again, by the members that it shows; gives how many recorded
    decisions were looked at."""
    decisions = 0
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    parts = contents.parts
    if not any(_DECISION in data for part in parts for data in _entries(path, part)):
        return decisions, findings, unchecked
    holdings = BundleHoldings(path, parts, roster)
    try:
        outside = network_outside(roster)
        for agreement in holdings.agreements():
            audit = audit_agreement(agreement, holdings, outside)
            decisions += audit.decisions
            findings += audit.findings
            unchecked += audit.unchecked
    finally:
        holdings.close()
    return decisions, findings, unchecked


def agreement_lines(path: Path, contents: BundleContents, roster: Roster) -> list[str]:
    """What the agreement of a bundle says and what follows from it; nothing for other bundles."""
    if contents.head.what != "agreement":
        return []
    holdings = BundleHoldings(path, contents.parts, roster)
    try:
        for agreement in holdings.agreements():
            if agreement.hex() == contents.head.subject:
                return list(_say(read_again(agreement, holdings, network_outside(roster))))
    except TallyError:
        return []  # the audit says why
    finally:
        holdings.close()
    return []


def _say(found: Agreement) -> Iterator[str]:
    document = found.contract.document
    evaluation = evaluate(found, lambda origin, seq: True)
    status = found.status + (f" ({found.reason})" if found.reason else "")
    roles = ", ".join(f"{role} {organization}" for role, organization in document.parties.items())
    yield f"the agreement {document.name}: {status}; {roles}; timekeeper {found.timekeeper}"
    yield f"its text: {' '.join(render_text(document).split())}"
    for proposal in found.proposals:
        roles = ", ".join(f"as {role}" for role, people in proposal.signed.items() if people)
        yield f"proposed by {proposal.organization}; signatures that were counted: {roles or 'none'}"
    for fact in found.facts[:MAX_FACTS]:
        values = "".join(f" {name}={value}" for name, value in fact.fields.items())
        yield f"fact {fact.name}{values}, by {fact.organization}: {fact.status}"
    if found.facts[MAX_FACTS:]:
        yield f"and {len(found.facts) - MAX_FACTS} more facts"
    for due in evaluation.dues:
        yield (
            f"{due.payer} owes {due.payee} {due.amount}, payable by {due.by}: rule {due.rule}"
            f"{'' if due.key is None else f' for {due.key}'}{', met' if due.standing == MET else ''}"
        )
    for obliged in evaluation.obligations:
        to = f" towards {obliged.to}" if obliged.to else ""
        by = f" by {obliged.by}" if obliged.by else ""
        what = f"{obliged.duty} of {obliged.of}{to}: {obliged.act}{by}"
        yield f"{what}, {obliged.standing}: rule {obliged.rule}"
    if found.missing:
        yield "not everything that was counted is in the bundle: more may follow from the agreement than this"


class BundleHoldings:
    """The statements of a bundle, as the audit of agreements looks them up."""

    def __init__(self, path: Path, parts: Sequence[BundlePart], roster: Roster) -> None:
        self._path = path
        self._parts = parts
        self._roster = roster
        self._index = sqlite3.connect("", isolation_level=None)
        self._index.executescript(_TABLES)
        self._index.execute("BEGIN")
        for number, part in enumerate(parts):
            rows = self._whole(number, part) if part.log.is_whole else self._sparse(number, part)
            self._index.executemany(f"INSERT OR IGNORE INTO statement VALUES ({_MARKS})", rows)
        self._index.execute("COMMIT")

    def close(self) -> None:
        """Drop the index."""
        self._index.close()

    def agreements(self) -> list[bytes]:
        """The agreements that any statement is about."""
        sql = "SELECT DISTINCT agreement FROM statement WHERE agreement IS NOT NULL ORDER BY agreement"
        return [row[0] for row in self._index.execute(sql)]

    def records(self, agreement: bytes) -> Iterator[Record]:
        """The statements about an agreement, and about those that are proposed to replace it."""
        yield from self._about(agreement)
        sql = "SELECT DISTINCT agreement FROM statement WHERE replaces = ? AND agreement != ? ORDER BY 1"
        for (other,) in self._index.execute(sql, (agreement, agreement)).fetchall():
            yield from self._about(other)

    def tick(self, timekeeper: str, after: Position | None, due_ms: int) -> Record | None:
        """The first entry of a timekeeper, after this one, that closes what is due then."""
        for number, part in enumerate(self._parts):
            origin = parse_origin(part.log.origin)
            place = (origin.number, -1)
            known = (parse_origin(after[0]).number, after[1]) if after else (0, -1)
            if origin.organization != timekeeper or origin.number < known[0]:
                continue
            beyond = known[1] if place[0] == known[0] else -1
            sql = (
                f"SELECT {_COLUMNS} FROM statement "
                "WHERE tick_ms >= ? AND part = ? AND seq > ? ORDER BY seq LIMIT 1"
            )
            found = next(self._records(sql, due_ms, number, beyond), None)
            if found is not None:
                return found
        return None

    def find(self, leaf: bytes) -> Record | None:
        """The statement of the entry with this hash, if it is in the bundle."""
        return next(self._records(f"SELECT {_COLUMNS} FROM statement WHERE leaf = ?", leaf), None)

    def lacks_counting(self, timekeeper: str) -> bool:
        """Whether something by which this organization counts or closes may be missing here."""
        own = [part for part in self._parts if parse_origin(part.log.origin).organization == timekeeper]
        return not all(part.log.is_whole for part in own) or lacks_counting(
            [WholeLog(self._path, part) for part in own]
        )

    def _about(self, agreement: bytes) -> Iterator[Record]:
        sql = f"SELECT {_COLUMNS} FROM statement WHERE agreement = ? ORDER BY part, seq"
        return self._records(sql, agreement)

    def _whole(self, number: int, part: BundlePart) -> Iterator[tuple[object, ...]]:
        """Rows of a whole log: where its statements stand, without them."""
        log = WholeLog(self._path, part)
        for start in range(0, part.log.size, RUN_ENTRIES):
            entries = dict(log.entries(start, start + RUN_ENTRIES))
            for seq, salt, payload in log.payloads(start, start + RUN_ENTRIES):
                row = _row(part, entries[seq], salt, payload)
                if row is not None:
                    yield *row, number, seq, None, None, None

    def _sparse(self, number: int, part: BundlePart) -> Iterator[tuple[object, ...]]:
        """Rows of single entries, with them."""
        for item in SparseLog(self._path, part).items():
            if item.salt is None or item.payload is None:
                continue
            row = _row(part, item.entry, item.salt, item.payload)
            if row is not None:
                seq = parse_entry(item.entry).seq
                yield *row, number, seq, item.entry, item.salt, item.payload

    def _records(self, sql: str, *values: object) -> Iterator[Record]:
        for number, seq, entry, salt, payload in self._index.execute(sql, values).fetchall():
            part = self._parts[number]
            if entry is None:
                log = WholeLog(self._path, part)
                ((_, entry),) = log.entries(seq, seq + 1)
                ((_, salt, payload),) = log.payloads(seq, seq + 1)
            record = self._record(part.log.origin, entry, salt, payload)
            if record is not None:
                yield record

    def _record(self, origin: str, data: bytes, salt: bytes, payload: bytes) -> Record | None:
        found = _open(origin, data, salt, payload)
        if found is None:
            return None
        seq, time_ms, statement = found
        if self._roster.is_beyond(origin, seq):
            return None
        return record_of(self._roster, origin, seq, leaf_hash(data), time_ms, statement)


def _entries(path: Path, part: BundlePart) -> Iterator[bytes]:
    """The entries of a log, joined run by run where it is whole."""
    if not part.log.is_whole:
        yield from (item.entry for item in SparseLog(path, part).items())
        return
    log = WholeLog(path, part)
    for start in range(0, part.log.size, RUN_ENTRIES):
        yield b"".join(entry for _, entry in log.entries(start, start + RUN_ENTRIES))


def _row(
    part: BundlePart, data: bytes, salt: bytes, payload: bytes
) -> tuple[bytes, bytes | None, bytes | None, int | None] | None:
    """What a statement is looked up by: leaf hash, agreement, the one it replaces, time if it is a tick."""
    entry = parse_entry(data)
    if entry.kind not in _WANTED:
        return None
    if entry.kind == "event":
        return leaf_hash(data), None, None, None
    found = _open(part.log.origin, data, salt, payload)
    if found is None:
        return None
    statement = found[2]
    agreement, replaces = statement.body.get("agreement"), None
    if entry.kind == PROPOSAL:
        agreement = agreement_hash(statement.data("document"))
        replaces = statement.body["replaces"]
    return (
        leaf_hash(data),
        agreement if type(agreement) is bytes else None,
        replaces if type(replaces) is bytes else None,
        entry.time_ms if entry.kind == "tick" else None,
    )


def _open(origin: str, data: bytes, salt: bytes, payload: bytes) -> tuple[int, int, Statement] | None:
    """Position, time and statement; None where it does not hold, which the audit of the log says."""
    where = f"{origin} entry"
    try:
        entry = parse_entry(data, where)
        return entry.seq, entry.time_ms, open_payload(entry, salt, payload, where)
    except TallyError:
        return None
