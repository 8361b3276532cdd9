"""What becomes of a batch: through the door, onto the disk, and only then the own cosignature.

A cosignature says *I hold this log to here*. It is made for a note whose size and root are those of the
copy, stored in the same commit as the entries it covers, and given away after that commit. So the copy
itself is the state that forbids to cosign anything smaller or anything that contradicts it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger.errors import ConflictError, ForkError, InvalidError, RollbackError, TallyError, UnavailableError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import parse_note
from ledger.members.witnessing import is_witnessed
from node.intake import check_not_forked, read_batch, read_payloads
from node.logs import get_log
from node.node import Node
from node.pending import StoredRun
from node.state import Head
from node.store.reader import StoredNote
from node.store.unanswered import KINDS
from node.sync.evidence import check_note_fits, root_at
from node.sync.later import check_same_opening, is_next_log, read_later_opening, roster_with_keys
from node.sync.notes import OpenedNote, open_note, own_cosignature, signers, text_of, without_known
from node.sync.openings import try_two_openings
from node.sync.wire import Batch, Payload

MAX_TRIES = 8

log = get_log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is held of a log after a batch, how many entries are new, and the cosignature if it is whole."""

    size: int
    new: int = 0
    cosignature: str | None = None


def store_batch(node: Node, batch: Batch, giver: str | None = None) -> Stored:
    """Check a batch, store what is new in it, cosign its checkpoint where the copy ends there.

    A batch that was stored before is answered again and changes nothing. `giver` is the member that it came
    from; None: the author of the log.

    Raises:
        ForkError: its checkpoint contradicts the copy; evidence has been recorded.
        TallyError: as `node.intake.read_batch`.
    """
    check_not_forked(node.state, batch.origin)
    _check_which_log(node, batch)
    held = node.state.copy(batch.origin).size
    stored = _store_run(node, batch, giver)
    late = [payload for payload in batch.payloads if payload[0] < held]
    if late:
        store_payloads(node, batch.origin, late)
    if batch.witnessed is not None:
        store_note(node, batch.witnessed)
    return stored


def _check_which_log(node: Node, batch: Batch) -> None:
    """Of a later log: whether it is the one that was opened, and its pin fits the copy of the log before.

    Raises:
        ForkError: it is a second opening of one number, or the pin is of another history than the copy.
        TallyError: as `read_later_opening`.
    """
    roster = node.state.roster
    if is_next_log(roster, batch.origin):
        check_note_fits(node, read_later_opening(node.state, batch).pin)
        return
    try:
        check_same_opening(roster, batch)
    except ForkError:
        try_two_openings(node, batch)
        raise


def _store_run(node: Node, batch: Batch, giver: str | None) -> Stored:
    for _ in range(MAX_TRIES):
        copy = node.state.copy(batch.origin)
        if batch.start + len(batch.entries) < copy.size:
            return _passed_over(node, batch)
        try:
            run = read_batch(node.state, batch)
            contradicted = _told_otherwise(node, run)
        except (InvalidError, ConflictError) as error:
            if node.state.copy(batch.origin).size != copy.size:
                continue  # the copy grew while this was read
            if isinstance(error, RollbackError):
                return _passed_over(node, batch)
            if copy.size:
                _seek_contradiction(node, batch.checkpoint)
            raise
        try:
            stored = _commit(node, replace(run, unanswered=_left_out(node, run, giver)))
        except ConflictError:
            continue
        if contradicted is not None:
            check_note_fits(node, contradicted)
        return stored
    raise UnavailableError(
        f"log {batch.origin}", found="many writers of one log", expected="fewer", action="try again"
    )


def _seek_contradiction(node: Node, note: str) -> None:
    """Of a batch that was refused, look whether its note proves a fork; raises ForkError if so."""
    try:
        check_note_fits(node, note)
    except ForkError:
        raise
    except TallyError as error:
        # Its key may come with a rotation that is not here yet: why the batch was refused says more.
        log.info("a refused batch has a note that cannot be opened", error=error)


def _told_otherwise(node: Node, run: StoredRun) -> str | None:
    """The newest note told before, if it was of more entries than are here and this run shows others.

    Once the run is stored, the two notes prove it; two notes of one size do at once.

    Raises:
        ForkError: the run's note is of the same size; evidence has been recorded.
        InvalidError: the run does not reach its own note yet, so that nothing can be proven.
    """
    grown, checkpoint = run.accepted.grown, run.accepted.checkpoint
    head = node.state.heads.get(grown.after.origin)
    told = head.newest if head else None
    if told is None or told.size <= grown.before.size or text_of(told.note) == text_of(run.note.note):
        return None
    if told.size == checkpoint.size:
        check_note_fits(node, run.note.note)
    if told.size > grown.after.size:
        return None
    edge, _ = grown.before.edge.extended(grown.leaves[: told.size - grown.before.size])
    if edge.frontier.root() == parse_checkpoint(parse_note(told.note).text).root:
        return None
    if checkpoint.size > grown.after.size:
        raise InvalidError(
            f"{checkpoint.origin} entry {told.size - 1}",
            found="entries that the signed head told before does not cover",
            expected=f"those under the note of size {told.size}",
            action="send the entries up to the signed head at once",
        )
    return told.note


def _left_out(node: Node, run: StoredRun, giver: str | None) -> list[int]:
    """Entries that may decide something, whose payload somebody else than their author left out."""
    grown = run.accepted.grown
    author = grown.after.origin.partition("/")[0]
    if giver in (None, author) or author == node.state.organization:
        return []
    given = {seq for seq, _, _ in run.payloads}
    absent = ((seq, entry) for seq, entry in enumerate(grown.entries, grown.before.size) if seq not in given)
    return [seq for seq, entry in absent if parse_entry(entry).kind in KINDS]


def _commit(node: Node, run: StoredRun) -> Stored:
    state = node.state
    accepted, grown = run.accepted, run.accepted.grown
    origin, size = grown.after.origin, grown.after.size
    head = state.heads.get(origin)
    known = head.newest.note if head and head.newest else None
    note = open_note(roster_with_keys(state.roster, run), run.note.note).note
    line = None
    # A home that may not write may be older than what it has cosigned, or its clock may be wrong.
    if size == accepted.checkpoint.size and origin != state.origin and not node.blocks:
        line = own_cosignature(node, note, known)
        if line not in note:
            note += line
    if known is not None and text_of(known) == text_of(note):
        if not grown.entries and _adds_nothing(known, note):
            return Stored(size=size, cosignature=line)
        note = without_known(note, known)
    node.writer.store_run(replace(run, note=replace(run.note, note=note))).result()
    _count(node, origin, len(grown.entries))
    return Stored(size=size, new=len(grown.entries), cosignature=line)


def _passed_over(node: Node, batch: Batch) -> Stored:
    """A batch from before what is held here: an old one sent again, or one that another was faster than."""
    told = check_note_fits(node, batch.checkpoint)
    size = node.state.copy(batch.origin).size
    return Stored(size=size, cosignature=_kept_cosignature(node, told))


def _kept_cosignature(node: Node, told: OpenedNote) -> str | None:
    """The line that was given for this very note before, if it is still the newest here."""
    head = node.state.heads.get(told.checkpoint.origin)
    kept = head.newest if head else None
    if head is None or kept is None or head.copy.origin == node.state.origin:
        return None
    whole = kept.size == head.copy.size and text_of(kept.note) == text_of(told.note)
    return own_cosignature(node, kept.note, None) if whole and not node.blocks else None


def store_note(node: Node, note: str) -> bool:
    """Keep a note of a log for its cosignatures, where the copy has its root; whether it was news.

    Raises:
        ForkError: it contradicts the copy; evidence has been recorded.
        TallyError: as `node.sync.notes.open_note`.
    """
    state = node.state
    origin = note.partition("\n")[0]
    head = state.heads.get(origin)
    if head is None or any(note == kept.note for kept in head.notes()):
        return False
    told = check_note_fits(node, note)
    size = told.checkpoint.size
    if not 0 < size <= head.copy.size or root_at(node.reader, head, size) != told.checkpoint.root:
        return False
    if not _is_news(node, head, told):
        return False
    kept = next((kept.note for kept in head.notes() if kept.size == size), None)
    news = told.note if kept is None else without_known(told.note, kept)
    node.writer.store_note(origin, StoredNote(size=size, note=news, proof=())).result()
    return True


def store_payloads(node: Node, origin: str, payloads: list[Payload]) -> list[int]:
    """Check payloads of entries that are here, keep those that were missing; gives their positions.

    Raises:
        InvalidError, MissingError: as `node.intake.read_payloads`.
    """
    missing = [payload for payload in payloads if node.reader.payload(origin, payload[0]) is None]
    if missing:
        checked, indexed, _ = read_payloads(node.reader, origin, missing)
        node.writer.store_payloads(origin, checked, indexed).result()
    return [seq for seq, _, _ in missing]


def _is_news(node: Node, head: Head, told: OpenedNote) -> bool:
    size = told.checkpoint.size
    if head.newest is not None and size == head.newest.size:
        return not _adds_nothing(head.newest.note, told.note)
    return size > head.witnessed_size and is_witnessed(node.state.roster, told.note)


def _adds_nothing(known: str, note: str) -> bool:
    """Whether a note has no signer that the known note of the same text has not."""
    return text_of(known) == text_of(note) and signers(note) <= signers(known)


def _count(node: Node, origin: str, entries: int) -> None:
    if entries and origin != node.state.origin:
        node.metrics.entries_accepted.labels(origin.partition("/")[0]).inc(entries)


def try_note(node: Node, note: str) -> bool:
    """`store_note` for a note out of many: what is wrong with it is logged, not raised."""
    try:
        return store_note(node, note)
    except TallyError as error:
        log.warning("a note was not kept", error=error)
        return False
