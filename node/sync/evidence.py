"""Evidence found: a member's signed note held against the own copy, proven, and recorded once per accused.

What is recorded quarantines a log: nothing new of it is accepted. A witness that cosigned both of two notes
that contradict each other is accused as well. Evidence that a partner recorded counts after the same checks.
"""

from __future__ import annotations

from ledger.errors import ForkError, InvalidError, TallyError, short
from ledger.log.checkpoint import Checkpoint, check_cosignature, open_checkpoint, parse_checkpoint
from ledger.log.evidence import prove_fork_path
from ledger.log.evidence_files import (
    Evidence,
    Kind,
    fork_evidence,
    format_evidence,
    witness_evidence,
)
from ledger.log.note import NoteSignature, VerifierKey, parse_note
from ledger.log.tree import read_frontier
from ledger.members.evidence import check_accused, check_evidence, signing_key
from ledger.members.roster import Roster
from node.evidence import find_evidence, folder_of, statement_of, write_folder
from node.logs import get_log
from node.node import Node
from node.state import Head
from node.store.reader import Reader
from node.sync.notes import OpenedNote, open_note, text_of

log = get_log(__name__)


def root_at(reader: Reader, head: Head, size: int) -> bytes:
    """The root of the tree over the first `size` entries of a copy."""
    if size == head.copy.size:
        return head.copy.root
    return read_frontier(reader.hashes(head.copy.origin, head.copy.size), size).root()


def find_fork(roster: Roster, reader: Reader, head: Head, told: str) -> Evidence | None:
    """Evidence that a signed note contradicts the copy, where the notes that are kept make one."""
    checkpoint = parse_checkpoint(parse_note(told).text)
    for kept in head.notes():
        if kept.size == checkpoint.size and text_of(kept.note) != text_of(told):
            return make_fork(roster, kept.note, told, ())
    if not 0 < checkpoint.size <= head.copy.size:
        return None
    if root_at(reader, head, checkpoint.size) == checkpoint.root:
        return None
    for kept in head.notes():
        if checkpoint.size < kept.size <= head.copy.size:
            hashes = reader.hashes(checkpoint.origin, head.copy.size)
            path = prove_fork_path(hashes, checkpoint.size, kept.size)
            return make_fork(roster, told, kept.note, tuple(path))
    return None


def make_fork(roster: Roster, note_a: str, note_b: str, path: tuple[bytes, ...]) -> Evidence:
    """Two notes of a member's log as evidence, not yet checked."""
    return fork_evidence(note_a, note_b, path, signing_key(roster, note_a), signing_key(roster, note_b))


def check_note_fits(node: Node, note: str) -> OpenedNote:
    """Hold a member's note against the own copy, and record a fork where they contradict each other.

    Raises:
        ForkError: they do; evidence has been recorded.
        InvalidError: they do, but under a key that was superseded, so that nobody can be accused.
        TallyError: as `open_note`.
    """
    state = node.state
    try:
        told = open_note(state.roster, note)
    except InvalidError:
        _check_superseded(node, note)
        raise
    _check_against_copy(node, told)
    return told


def record_evidence(node: Node, evidence: Evidence) -> None:
    """Check a piece against another, write its files, and put it into the own log, once; then say it loudly.

    Raises:
        TallyError: it proves nothing, or accuses nobody here.
    """
    state = node.state
    proven = check_evidence(evidence)
    check_accused(state.roster, evidence)
    accused = evidence.accused
    if accused.partition("/")[0] == state.organization:
        if state.roster.end_of(accused) is None:
            log.error("evidence against this organization", found=proven.words, action=_OWN_ACTION)
        return
    if not is_recorded(node, accused):
        log.error(proven.words, accused=accused, action=_ACTIONS[evidence.kind])
        _write_files(node, evidence)
        _append(node, evidence)
    if evidence.kind == Kind.FORK:
        _accuse_witnesses(node, evidence)


def is_recorded(node: Node, accused: str) -> bool:
    """Whether the own log has evidence against a log or a witness."""
    return accused in node.state.accused


def try_superseded(node: Node, note: str) -> None:
    """A note that its log's key of that size did not sign: under an earlier key it may be evidence."""
    try:
        _check_superseded(node, note)
    except TallyError as error:
        log.info("a note that cannot be opened", error=error)


def hold_against_evidence(node: Node, told: OpenedNote) -> None:
    """A note of a quarantined log: hold its cosignatures against those of the notes that are kept.

    Nothing of the log is accepted any more, but who cosigned both of its histories may show only later.
    """
    state = node.state
    origin = told.checkpoint.origin
    head = state.heads.get(origin)
    try:
        known = find_evidence(node.reader, state, origin).evidence
        if known.kind == Kind.FORK:
            # The pair is proven already: whatever lines a note of the same text has count in its place.
            kept = [kept.note for kept in head.notes()] if head else []
            _accuse_signers(node, known, [known.first, known.second, told.note, *kept])
        found = find_fork(state.roster, node.reader, head, told.note) if head else None
        if found is not None:
            _accuse_witnesses(node, found)
    except TallyError as error:
        log.info("a note of a quarantined log", origin=origin, error=error)


def fork_error(origin: str, checkpoint: Checkpoint) -> ForkError:
    """What whoever sent the second history is told."""
    return ForkError(
        f"{origin} checkpoint of size {checkpoint.size}",
        found=f"root {short(checkpoint.root)}",
        expected="one that fits the signed heads that are held here",
        action="nothing new of this log is accepted; both heads are kept as evidence",
    )


_ACTIONS = {
    Kind.FORK: "talk to its owner and to your partners; nothing new of this log is accepted",
    Kind.ENTRIES: "talk to its owner and to your partners; nothing new of this log is accepted",
    Kind.OPENINGS: "ask its owner which log is the right one; nothing new of this log is accepted",
    Kind.WITNESS: "its cosignatures count no more; talk to its owner and to your partners",
}
_OWN_ACTION = "stop every copy of this home but one, and find out who has its keys"


def _check_superseded(node: Node, note: str) -> None:
    """A note under a key that its log had for other sizes is none, but may be evidence."""
    vkey = signing_key(node.state.roster, note)
    _check_against_copy(node, OpenedNote(open_checkpoint(note, vkey), note))


def _check_against_copy(node: Node, told: OpenedNote) -> None:
    head = node.state.heads.get(told.checkpoint.origin)
    if head is None:
        return
    found = find_fork(node.state.roster, node.reader, head, told.note)
    if found is not None:
        record_evidence(node, found)
        raise fork_error(found.origin, told.checkpoint)


def _write_files(node: Node, evidence: Evidence) -> None:
    try:
        write_folder(folder_of(node.home, evidence.accused), format_evidence(evidence))
    except TallyError as error:
        log.error("the files of evidence could not be written", accused=evidence.accused, error=error)


def _append(node: Node, evidence: Evidence) -> None:
    kind, body = statement_of(evidence)
    # One nonce per accused: of two threads that find the same thing, one records it.
    draft = node.draft(kind, body, idempotency_key=f"evidence {evidence.accused}")
    try:
        node.record([draft]).result()
    except TallyError as error:
        if not is_recorded(node, evidence.accused):
            log.error("evidence could not be recorded yet", accused=evidence.accused, error=error)


def _accuse_witnesses(node: Node, fork: Evidence) -> None:
    """Record evidence against every member that cosigned both notes of a fork that was proven."""
    _accuse_signers(node, fork, [fork.first, fork.second])


def _accuse_signers(node: Node, fork: Evidence, notes: list[str]) -> None:
    roster = node.state.roster
    for organization in sorted(roster.members):
        vkey = roster.witness_key(organization)
        if is_recorded(node, vkey.name):
            continue
        pair = [_cosigned_by(vkey, text_of(text), notes) for text in (fork.first, fork.second)]
        if pair[0] is not None and pair[1] is not None:
            _try_record(node, witness_evidence(pair[0], pair[1], fork.path, vkey))


def _cosigned_by(vkey: VerifierKey, text: str, notes: list[str]) -> str | None:
    """Of these notes one of this text that the witness cosigned, with that line alone."""
    for note in notes:
        if text_of(note) != text:
            continue
        for line in parse_note(note).signatures:
            if line.is_by(vkey) and _is_good(note, line, vkey):
                return f"{text}\n\n{line.line}"
    return None


def _is_good(note: str, line: NoteSignature, vkey: VerifierKey) -> bool:
    try:
        check_cosignature(note, line, vkey)
    except TallyError:
        return False
    return True


def _try_record(node: Node, evidence: Evidence) -> None:
    try:
        record_evidence(node, evidence)
    except TallyError as error:
        log.info("a witness was not accused", accused=evidence.accused, error=error)
