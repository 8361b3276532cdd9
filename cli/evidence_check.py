"""A folder of evidence checked from its files alone, and what it proves in words."""

from __future__ import annotations

from pathlib import Path

from ledger.audit.evidence import check_said_key, proven_finding
from ledger.audit.finding import Unchecked, finding_of
from ledger.audit.log import Counts
from ledger.audit.report import Report, make_report
from ledger.errors import MissingError, TallyError
from ledger.log.evidence_files import DESCRIPTION, Evidence, Kind, parse_evidence
from ledger.log.note import VerifierKey
from ledger.members.evidence import Proven, check_accused, check_evidence, superseded_at
from ledger.members.roster import Roster
from node.evidence import read_folder
from node.views.values import format_seconds


def is_evidence(path: Path) -> bool:
    """Whether a path is a folder of evidence."""
    return path.is_dir() and (path / DESCRIPTION).is_file()


def verify_evidence(path: Path, vkey: VerifierKey | None = None, roster: Roster | None = None) -> Report:
    """Check a folder of evidence: by itself, and where keys are known, against whom it counts.

    Raises:
        MissingError: the folder cannot be read.
    """
    files = read_folder(path)
    log = ""
    try:
        evidence = parse_evidence(files)
        log = evidence.origin
        proven = check_evidence(evidence)
        if vkey is not None:
            check_said_key(evidence, vkey)
        if roster is not None and superseded_at(roster, evidence) is not None:
            return _too_late(path, evidence, proven)
        open_question = _check_against(evidence, roster, told=vkey is not None)
    except TallyError as error:
        action = "hold it against nobody"
        refused = finding_of("evidence-unproven", error, log=log, place=error.where, action=action)
        return make_report(str(path), checked=(), findings=[refused])
    report = make_report(
        str(path),
        checked=tuple(evidence_lines(evidence, proven)),
        findings=[proven_finding(evidence, proven)],
        unchecked=open_question,
    )
    return Report(
        target=report.target,
        checked=report.checked,
        counts=Counts(notes=2, signatures=2),
        findings=report.findings,
        unchecked=report.unchecked,
    )


def _too_late(path: Path, evidence: Evidence, proven: Proven) -> Report:
    """Two histories under a key that is out of use: whoever has the old key may have made one since.

    What a member recorded before is evidence still, so that nobody is accused and nobody acquitted.
    """
    what = (
        f"whether both were signed while this key was in use: {evidence.accused} has another since, and the "
        "files bear too few cosignatures from before. A member's log that recorded them earlier tells"
    )
    return make_report(
        str(path),
        checked=evidence_lines(evidence, proven),
        unchecked=[Unchecked(what=what, log=evidence.origin)],
    )


def evidence_lines(evidence: Evidence, proven: Proven) -> list[str]:
    """What a piece proves in words: what was signed, by which key, when as far as that is said."""
    lines = [proven.words]
    if evidence.kind == Kind.OPENINGS:
        lines.append(f"the hash of the recovery key: {evidence.recovery.hex()}")
    else:
        lines += [f"the key that signed: {vkey.text}" for vkey in dict.fromkeys(evidence.vkeys)]
    if proven.times_s is not None:
        first, second = map(format_seconds, proven.times_s)
        lines.append(f"the witness says that it cosigned them on {first} and {second}")
    return lines


def _check_against(evidence: Evidence, roster: Roster | None, *, told: bool) -> list[Unchecked]:
    """What stays open about whose keys they are; raises where they are not those of the accused."""
    if roster is not None:
        try:
            check_accused(roster, evidence)
        except MissingError:
            pass  # it is about another network
        else:
            return []
    if told:
        return []
    what = f"whether this is the key of {evidence.accused}: nothing but the folder says so (--vkey, --home)"
    return [Unchecked(what=what, log=evidence.origin, harmless=True)]
