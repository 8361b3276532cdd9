"""Forks: found by holding a member's signed note against the own copy, proven, and recorded once per log.

An `evidence` statement holds two notes of one log, the smaller first, and a path as in
`ledger.log.evidence`: empty for notes of one size.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import ForkError, MalformedError, TallyError, short
from ledger.log.checkpoint import Checkpoint
from ledger.log.evidence import Fork, check_fork, prove_fork_path
from ledger.log.note import VerifierKey
from ledger.log.statement import Statement
from ledger.log.tree import read_frontier
from node.logs import get_log
from node.node import Node
from node.state import Head
from node.store.reader import Reader
from node.sync.notes import OpenedNote, open_note, text_of

log = get_log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkProof:
    """Two notes that cannot both be true, the smaller first, with what proves it."""

    origin: str
    notes: tuple[str, str]
    proof: tuple[bytes, ...] = ()


def check_fork_proof(proof: ForkProof, vkey: VerifierKey) -> Fork:
    """What it proves about the log with this key; raises where it proves nothing."""
    return check_fork(*proof.notes, vkey, proof.proof)


def fork_proof_of(statement: Statement) -> ForkProof:
    """The proof in an `evidence` statement, not yet checked."""
    notes = statement.texts("notes")
    if len(notes) != 2:
        raise MalformedError("evidence", found=f"{len(notes)} notes", expected="2")
    return ForkProof(
        origin=statement.text("origin"), notes=(notes[0], notes[1]), proof=statement.hashes("proof")
    )


def root_at(reader: Reader, head: Head, size: int) -> bytes:
    """The root of the tree over the first `size` entries of a copy."""
    if size == head.copy.size:
        return head.copy.root
    return read_frontier(reader.hashes(head.copy.origin, head.copy.size), size).root()


def find_fork(reader: Reader, head: Head, told: OpenedNote) -> ForkProof | None:
    """Proof that a signed note contradicts the copy, where the notes that are kept make one."""
    checkpoint = told.checkpoint
    for kept in head.notes():
        if kept.size == checkpoint.size and text_of(kept.note) != text_of(told.note):
            return ForkProof(origin=checkpoint.origin, notes=(kept.note, told.note))
    if not 0 < checkpoint.size <= head.copy.size:
        return None
    if root_at(reader, head, checkpoint.size) == checkpoint.root:
        return None
    for kept in head.notes():
        if checkpoint.size < kept.size <= head.copy.size:
            path = prove_fork_path(
                reader.hashes(checkpoint.origin, head.copy.size), checkpoint.size, kept.size
            )
            return ForkProof(origin=checkpoint.origin, notes=(told.note, kept.note), proof=tuple(path))
    return None


def check_note_fits(node: Node, note: str) -> OpenedNote:
    """Hold a member's note against the own copy, and record a fork where they contradict each other.

    Raises:
        ForkError: they do; evidence has been recorded.
        TallyError: as `open_note`.
    """
    state = node.state
    told = open_note(state.roster, note)
    head = state.heads.get(told.checkpoint.origin)
    if head is None:
        return told
    proof = find_fork(node.reader, head, told)
    if proof is not None:
        record_fork(node, proof)
        raise fork_error(proof.origin, told.checkpoint)
    return told


def record_fork(node: Node, proof: ForkProof) -> None:
    """Check evidence against another's log and put it into the own log, once; then log it loudly.

    Raises:
        TallyError: it proves nothing, or nothing can be recorded at present.
    """
    state = node.state
    if proof.origin in state.quarantined or proof.origin == state.origin:
        return
    organization = state.roster.member_of(proof.origin).organization
    fork = check_fork_proof(proof, state.roster.log_key(organization))
    draft = node.draft(
        "evidence",
        {"notes": list(proof.notes), "origin": proof.origin, "proof": list(proof.proof)},
        # One nonce per log: of two threads that find the same fork, one records it.
        idempotency_key=f"evidence {proof.origin}",
    )
    log.error(
        "a log forked: its key signed two histories",
        origin=proof.origin,
        size=fork.place,
        first=fork.first.hex(),
        second=fork.second.hex(),
        action="talk to its owner and to your partners; nothing new of this log is accepted",
    )
    try:
        node.record([draft]).result()
    except TallyError as error:
        if proof.origin not in node.state.quarantined:
            log.error("evidence could not be recorded yet", origin=proof.origin, error=error)


def fork_error(origin: str, checkpoint: Checkpoint) -> ForkError:
    """What whoever sent the second history is told."""
    return ForkError(
        f"{origin} checkpoint of size {checkpoint.size}",
        found=f"root {short(checkpoint.root)}",
        expected="one that fits the signed heads that are held here",
        action="nothing new of this log is accepted; both heads are kept as evidence",
    )
