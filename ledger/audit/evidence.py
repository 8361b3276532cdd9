"""Evidence judged: what a piece proves, and against whom, as a finding."""

from __future__ import annotations

from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.errors import InvalidError, TallyError, short
from ledger.log.evidence_files import Evidence, Kind
from ledger.log.note import VerifierKey
from ledger.log.statement import Statement
from ledger.members.evidence import (
    Proven,
    check_accused,
    check_evidence,
    evidence_of,
    superseded_at,
)
from ledger.members.roster import Roster

_ACTIONS = {
    Kind.FORK: "rely on nothing of this log beyond the fork; keep the evidence",
    Kind.ENTRIES: "rely on nothing of this log from there on; keep the evidence",
    Kind.OPENINGS: "ask the organization which log is the right one; keep the evidence",
    Kind.WITNESS: "count no cosignature of this witness; keep the evidence",
}


def judge_statement(
    roster: Roster, statement: Statement, *, log: str, seq: int, time_ms: int
) -> Finding | Unchecked:
    """What a statement that records evidence comes to: against the accused, or against who recorded it.

    `time_ms` is what its entry says. What was recorded before the key was superseded was evidence then; but
    the time is the recorder's word, so it is held against nobody. Where a later log ended the one that is
    accused, it is settled: which history stands is said there.
    """
    try:
        evidence = evidence_of(roster, statement)
        proven = check_evidence(evidence)
        superseded_ms = superseded_at(roster, evidence)
        end = roster.end_of(evidence.accused)
        if superseded_ms is not None and end is not None:
            what = f"evidence against {evidence.accused}, which ended at {end.size}: the later log settles it"
            return Unchecked(what=what, log=log, first=seq, harmless=True)
        if superseded_ms is not None and time_ms <= superseded_ms:
            what = f"whether evidence against {evidence.accused} is older than the rotation of its key"
            return Unchecked(what=what, log=log, first=seq)
        check_accused(roster, evidence)
    except TallyError as error:
        return finding_of(
            "evidence-unproven",
            error,
            log=log,
            position=seq,
            signer=log,
            action="do not hold it against the accused",
        )
    return proven_finding(evidence, proven, f"as {log} entry {seq} proves")


def check_said_key(evidence: Evidence, vkey: VerifierKey) -> None:
    """Check that a piece is about the key that the auditor was told on another way.

    Raises:
        InvalidError: it is another key.
    """
    if vkey not in evidence.vkeys:
        raise InvalidError(
            f"evidence against {short(evidence.accused)}",
            found="another key" if evidence.vkeys else "a recovery key",
            expected=f"the key of {vkey.name} that was said",
        )


def proven_finding(evidence: Evidence, proven: Proven, place: str = "") -> Finding:
    """A piece that was checked as a finding against whoever it accuses."""
    fork = proven.fork
    where = f"size {fork.place}" if evidence.kind in (Kind.FORK, Kind.WITNESS) else f"entry {fork.place}"
    return Finding(
        code="evidence-witness" if evidence.kind == Kind.WITNESS else "evidence-fork",
        log=fork.origin,
        place=", ".join(part for part in (where, place) if part),
        found=f"two histories: {short(fork.first)}",
        expected=f"one: {short(fork.second)}",
        signer=proven.signer,
        action=_ACTIONS[evidence.kind],
    )
