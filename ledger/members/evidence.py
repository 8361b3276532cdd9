"""What a piece of evidence proves by itself, and whether it counts against the log or witness it names.

`check_evidence` recomputes the verdict from the files alone: whoever holds the key that they name signed
two things that cannot both be true. Whose key that is, only the network's entries say, so `check_accused`
holds the key against the roster:

- the key of a log is one that this log had. A key that was superseded may have been stolen since: what it
  signed counts only if more than half of the writer's witness set cosigned it, at times not after the
  rotation's. So a note that is made today under yesterday's key accuses nobody.
- the key of a witness is the one that the member has now. No cosignature under one that it gave up counts:
  the witness alone says when it made one, so whoever stole the key could write any time into it.
- a recovery key's hash is the one that the log before named last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger.errors import InvalidError, MalformedError, MissingError, short
from ledger.log.checkpoint import Checkpoint, parse_checkpoint
from ledger.log.encoding import decode
from ledger.log.evidence import (
    ENTRIES,
    ROOTS,
    Fork,
    check_fork,
    check_fork_by_witness,
    check_fork_of_entries,
    check_two_entries,
)
from ledger.log.evidence_files import Evidence, Kind, fork_evidence, note_of, parse_body
from ledger.log.intake import OPENING_KIND
from ledger.log.note import VerifierKey, parse_note
from ledger.log.origin import parse_origin
from ledger.log.receipt import CheckedReceipt, check_receipt, parse_receipt
from ledger.log.statement import Statement, parse_statement
from ledger.members.eras import KeyEra, note_key
from ledger.members.reopening import Reopening, check_recovery
from ledger.members.roster import Roster
from ledger.members.witnessing import cosigners

FORK_KIND, FILES_KIND = "evidence", "evidence.files"
EVIDENCE_KINDS = frozenset({FORK_KIND, FILES_KIND})
"""Kinds of statements that record evidence: two notes of one log, and every other form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a piece of evidence proves: `signer` is the name of the key that signed both.

    `sizes` are those of the two heads; `times_s` when the witness cosigned them, by its own word.
    """

    kind: Kind
    fork: Fork
    signer: str
    sizes: tuple[int, int]
    times_s: tuple[int, int] | None = None

    @property
    def words(self) -> str:
        """What was proven, in a sentence."""
        fork = self.fork
        hashes = f"{short(fork.first, 21)} and {short(fork.second, 21)}"
        if self.kind == Kind.OPENINGS:
            return f"{fork.origin} was opened twice under one recovery key: entries 0 with hashes {hashes}"
        if fork.form == ENTRIES:
            return f"{self.signer} signed two entries for position {fork.place}, with hashes {hashes}"
        verb = "cosigned" if self.kind == Kind.WITNESS else "signed"
        of = f" of {fork.origin}" if self.kind == Kind.WITNESS else ""
        told = (
            f"{self.signer} {verb} two histories{of}: two roots of its first {fork.place} entries, {hashes}"
        )
        if fork.form == ROOTS:
            return told
        return f"{told}, the second in a head of size {self.sizes[1]}"


def check_evidence(evidence: Evidence) -> Proven:
    """What a piece of evidence proves by itself.

    Raises:
        MalformedError, InvalidError: it proves nothing.
    """
    times_s = None
    if evidence.kind == Kind.OPENINGS:
        fork, signer = check_two_openings(evidence), f"recovery key {short(evidence.recovery, 21)}"
    else:
        vkey, other = evidence.vkeys
        signer = vkey.name
        if evidence.kind == Kind.WITNESS:
            fork, times_s = check_fork_by_witness(evidence.first, evidence.second, vkey, evidence.path)
        elif evidence.kind == Kind.ENTRIES:
            fork = check_fork_of_entries(evidence.first, evidence.second, vkey, vkey_b=other)
        else:
            fork = check_fork(evidence.first, evidence.second, vkey, evidence.path, vkey_b=other)
    first, second = (_head(evidence, text).size for text in (evidence.first, evidence.second))
    return Proven(kind=evidence.kind, fork=fork, signer=signer, sizes=(first, second), times_s=times_s)


def evidence_of(roster: Roster, statement: Statement) -> Evidence:
    """The piece that a statement records; whether it proves anything is not checked.

    Raises:
        MalformedError, InvalidError: it is no piece of evidence.
        MissingError: it is about a log that nobody in the network has.
    """
    if statement.kind == FILES_KIND:
        return parse_body(statement.body)
    first, second = statement.texts("notes")
    keys = (signing_key(roster, first), signing_key(roster, second))
    evidence = fork_evidence(first, second, statement.hashes("proof"), *keys)
    if evidence.origin != statement.text("origin"):
        raise InvalidError("evidence", found=f"notes of {evidence.origin}", expected=statement.text("origin"))
    return evidence


def signing_key(roster: Roster, note: str) -> VerifierKey:
    """The key of a member's log that a note has a line of: the newest of them.

    Raises:
        MissingError: nobody in the network has a log of that name.
        InvalidError: it has no line of any key of that log.
    """
    origin = note.partition("\n")[0]
    roster.member_of(origin)
    signatures = parse_note(note).signatures
    for era in reversed(list(roster.log_keys(origin))):
        if any(line.is_by(era.key) for line in signatures):
            return era.key
    raise InvalidError(
        f"{origin} checkpoint", found="no signature by a key of this log", expected=f"one by {origin}"
    )


def check_accused(roster: Roster, evidence: Evidence) -> None:
    """Check that the keys of a piece of evidence are those of whom it accuses, and count.

    Raises:
        MissingError: nobody in the network has a log or a witness key of that name.
        InvalidError: it is another's key, or one that was superseded before it signed.
    """
    if evidence.kind == Kind.OPENINGS:
        _check_recovery(roster, evidence)
    elif evidence.kind == Kind.WITNESS:
        _check_witness(roster, evidence.vkeys[0])
    else:
        roster.member_of(evidence.origin)
        for vkey, text in zip(evidence.vkeys, (evidence.first, evidence.second), strict=True):
            check_log_key(roster, vkey, note_of(evidence.kind, text))


def superseded_at(roster: Roster, evidence: Evidence) -> int | None:
    """When the first key of a piece was superseded whose note does not count because of that; None: none."""
    if evidence.kind not in (Kind.FORK, Kind.ENTRIES):
        return None
    times = [
        era.superseded_ms
        for vkey, text in zip(evidence.vkeys, (evidence.first, evidence.second), strict=True)
        for era in roster.log_keys(vkey.name)
        if era.key == vkey and era.superseded_ms is not None
        if not counts_at(roster, era, note_of(evidence.kind, text))
    ]
    return min(times, default=None)


def check_log_key(roster: Roster, vkey: VerifierKey, note: str) -> None:
    """Check that what this key signed counts against the log that it names.

    Raises:
        InvalidError: it is not a key of this log, or one superseded before the note was witnessed.
    """
    where = f"evidence against {short(vkey.name)}"
    era = next((era for era in roster.log_keys(vkey.name) if era.key == vkey), None)
    if era is None:
        raise InvalidError(where, found="another key", expected="a key that this log had")
    if not counts_at(roster, era, note):
        raise InvalidError(
            where,
            found="a note under a key that was superseded",
            expected="cosignatures by more than half of the witnesses from before the rotation",
        )


def counts_at(roster: Roster, era: KeyEra, note: str) -> bool:
    """Whether a note under the key of an era counts: the key is in use, or the note is older than its end."""
    if era.superseded_ms is None:
        return True
    writer = parse_origin(era.key.name).organization
    early = [time_s for time_s in cosigners(roster, note).values() if time_s * 1000 <= era.superseded_ms]
    return len(early) >= roster.witnesses_needed(writer)


def check_two_openings(evidence: Evidence) -> Fork:
    """Whether two entries 0 of one later log, both under the recovery key with this hash, differ.

    Raises:
        MalformedError, InvalidError: they do not, or one is not opened under that key.
    """
    first, second = (_check_opened(evidence, text) for text in (evidence.first, evidence.second))
    return check_two_entries(first, second)


def _check_opened(evidence: Evidence, receipt: str) -> CheckedReceipt:
    """A receipt of an entry 0, signed by the log key that it names, under the recovery key."""
    where = f"opening of {evidence.origin}"
    statement = _shown(receipt, where)
    if statement.kind != OPENING_KIND or "pin" not in statement.body:
        raise MalformedError(where, found=f"kind {statement.kind}", expected="the opening of a later log")
    opened = Reopening.of_opening(statement)
    if opened.origin != evidence.origin:
        raise InvalidError(where, found=f"the opening of {opened.origin}", expected=evidence.origin)
    check_recovery(statement, evidence.recovery, where)
    vkey = note_key(evidence.origin, opened.keys.log)
    checked = check_receipt(receipt, vkey, where=where)
    if checked.entry.seq != 0 or checked.entry.kind != OPENING_KIND:
        raise InvalidError(where, found=f"entry {checked.entry.seq}", expected="entry 0")
    return checked


def _shown(receipt: str, where: str) -> Statement:
    """The statement that a receipt shows, not yet held against its entry."""
    match decode(parse_receipt(receipt, where).extra, where):
        case [bytes(), bytes(), bytes(payload)]:
            return parse_statement(payload, where)
    raise MalformedError(where, found="no payload", expected="a receipt that shows the opening")


def _check_recovery(roster: Roster, evidence: Evidence) -> None:
    """Check that the recovery key is the one that the log before named last."""
    where = f"evidence against {evidence.origin}"
    opened = parse_origin(evidence.origin, where)
    if opened.number < 2:
        raise InvalidError(where, found="a first log", expected="a later one")
    before = roster.log(replace(opened, number=opened.number - 1).text)
    if before.keys.recovery != evidence.recovery:
        raise InvalidError(
            where, found="another recovery key", expected=f"the one that {before.origin} named"
        )


def _check_witness(roster: Roster, vkey: VerifierKey) -> None:
    where = f"evidence against {short(vkey.name)}"
    organization = next((name for name in roster.members if roster.witness_key(name).name == vkey.name), None)
    if organization is None:
        raise MissingError(where, found="no such witness here", expected="the witness key of a member")
    if roster.witness_key(organization) != vkey:
        raise InvalidError(where, found="another key", expected="the key that this witness has now")


def _head(evidence: Evidence, text: str) -> Checkpoint:
    return parse_checkpoint(parse_note(note_of(evidence.kind, text)).text)
