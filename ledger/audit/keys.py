"""What the audit says of keys over time: rotations, openings of later logs, and where they end a log."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.audit.finding import Finding, finding_of
from ledger.audit.notes import witness_era_of
from ledger.audit.source import LogSource, read_statement
from ledger.errors import ConflictError, ForkError, TallyError, short
from ledger.log.checkpoint import Checkpoint, parse_checkpoint
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement
from ledger.members.reopening import Reopening, check_later_opening, check_recovery
from ledger.members.roster import Roster
from ledger.members.rotation import check_rotation
from ledger.members.witnessing import cosigned_at

_ASK = "ask the organization which keys are its own; rely on nothing that only these keys sign"


def judge_rotation(roster: Roster, origin: str, seq: int, statement: Statement) -> Finding | None:
    """What is wrong with a rotation in a member's log, in its place."""
    if origin not in roster.logs(parse_origin(origin).organization) or roster.is_beyond(origin, seq):
        return None
    log = roster.log(origin)
    if any(era.end == seq + 1 for era in log.eras):
        return None  # whoever gave the roster had folded it before
    try:
        check_rotation(origin, log.keys, statement)
    except TallyError as error:
        return finding_of(
            "rotation",
            error,
            log=origin,
            position=seq,
            signer=origin,
            action="go on with the key before; the rotation has no effect",
        )
    return None


def judge_opening(roster: Roster, origin: str, statement: Statement, leaf: bytes) -> Finding | None:
    """What is wrong with the opening of a later log of a member."""
    organization = parse_origin(origin).organization
    if origin in roster.logs(organization):
        known = roster.log(origin).opening
        if known == leaf:
            return None
        where = f"{origin} entry 0"
        other = ForkError(where, found=f"hash {short(leaf)}", expected=f"{short(known)}, which came first")
        return finding_of("member-other-log", other, log=origin, position=0, signer=origin, action=_ASK)
    logs = roster.logs(organization)
    if not logs:
        return None
    before = roster.log(logs[-1])
    code = "opening-recovery"
    try:
        reopening = Reopening.of_opening(statement)
        recovery = before.era_of(reopening.pinned.size + 1).recovery
        check_recovery(statement, recovery, f"{origin} entry 0")
        code = "opening-pin"
        check_later_opening(statement, origin=origin, network=roster.network, before=before)
    except TallyError as error:
        return finding_of(code, error, log=origin, position=0, signer=origin, action=_ASK)
    return None


def find_ends(sources: Sequence[LogSource]) -> dict[str, Checkpoint]:
    """Where later logs that are here say that the logs before them end.

    Not checked yet: an opening that has no effect is a finding of its own log.
    """
    ends = {}
    for source in sources:
        try:
            if parse_origin(source.origin).number == 1:
                continue
            pinned = Reopening.of_opening(read_statement(source, 0)).pinned
        except TallyError:
            continue
        ends[pinned.origin] = pinned
    return ends


def judge_pins(sources: Sequence[LogSource], roster: Roster) -> list[Finding]:
    """Heads that members cosigned and that lie beyond the pin at which a later log ended theirs."""
    return [
        finding
        for source in sources
        if (end := roster.end_of(source.origin)) is not None
        for finding in _beyond(source, end, roster)
    ]


def _beyond(source: LogSource, end: Checkpoint, roster: Roster) -> list[Finding]:
    findings = []
    for kept in source.notes():
        try:
            note = parse_note(kept.note)
            head = parse_checkpoint(note.text)
        except TallyError:  # said elsewhere: `note-malformed`
            continue
        if head.origin != source.origin or head.size <= end.size:
            continue
        eras = [(line, witness_era_of(roster, line)) for line in note.signatures]
        names = sorted(
            line.name for line, era in eras if era is not None and cosigned_at(note, line, era) is not None
        )
        if names:
            later = roster.origin(parse_origin(source.origin).organization)
            lower = ConflictError(
                f"{later} pin",
                found=f"a pin of size {end.size}",
                expected=f"at least {head.size}, the head that {', '.join(names)} cosigned",
            )
            findings.append(
                finding_of("opening-pin", lower, log=later, position=0, signer=later, action=_ASK)
            )
    return findings[-1:]
