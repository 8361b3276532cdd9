"""What an audit of several logs judges last: times, and evidence that was recorded.

Both take the keys of others. Whose key counted when, and who is a witness, may stand in a log that is read
after: so they are judged by the members as all logs together show them, and the verdict does not depend on
the order in which logs are read. What is judged is read once more, since it is little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.audit.evidence import judge_statement
from ledger.audit.finding import Finding, Unchecked
from ledger.audit.notes import witness_era_of
from ledger.audit.source import KeptNote
from ledger.audit.times import Bounds
from ledger.errors import TallyError
from ledger.log.note import NoteSignature
from ledger.log.statement import Statement
from ledger.members.roster import Roster

Read = Callable[[int], Statement]
"""Gives the statement at a position once more; asked in order of position. Raises a TallyError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What is left to be judged of one log.

    `evidence`: positions of statements that record evidence, with the times of their entries;
    `more_evidence`: how many there are besides. `cosigned`: good cosignatures on its notes, with their times.
    """

    bounds: Bounds
    notes: Sequence[KeptNote]
    evidence: Mapping[int, int] = field(default_factory=dict)
    more_evidence: int = 0
    cosigned: Sequence[tuple[NoteSignature, int]] = ()


def judge_later(later: Later, roster: Roster | None, read: Read) -> tuple[list[Finding], list[Unchecked]]:
    """Judge times and evidence by the members as they are known now."""
    origin = later.bounds.origin
    findings, unchecked = _judge_evidence(later, roster, read)
    eras = [(witness_era_of(roster, line), time_s) for line, time_s in later.cosigned]
    superseded = sum(era is not None and not era.counts_at(time_s) for era, time_s in eras)
    if superseded:
        what = "cosignatures under witness keys that were superseded before: they count for nothing"
        unchecked.append(Unchecked(what=what, log=origin, count=superseded, harmless=True))
    findings += later.bounds.check_heads(later.notes, roster)
    try:
        findings += later.bounds.check_recorded(roster, read)
    except TallyError as error:
        what = f"times against cosignatures that the log had recorded: {error}"
        unchecked.append(Unchecked(what=what, log=origin))
    if later.bounds.unjudged is not None:
        what = "times against cosignatures that the log had recorded: too many lie before them"
        unchecked.append(Unchecked(what=what, log=origin, first=later.bounds.unjudged))
    return findings, unchecked


def _judge_evidence(later: Later, roster: Roster | None, read: Read) -> tuple[list[Finding], list[Unchecked]]:
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    origin = later.bounds.origin
    for seq, time_ms in later.evidence.items():
        if roster is None:
            break
        try:
            judged: Finding | Unchecked = judge_statement(
                roster, read(seq), log=origin, seq=seq, time_ms=time_ms
            )
        except TallyError as error:
            judged = Unchecked(what=f"evidence that is recorded: {error}", log=origin, first=seq)
        if isinstance(judged, Finding):
            findings.append(judged)
        else:
            unchecked.append(judged)
    if later.more_evidence:
        what = "evidence that is recorded: more than one for each accused"
        unchecked.append(Unchecked(what=what, log=origin, count=later.more_evidence))
    return findings, unchecked
