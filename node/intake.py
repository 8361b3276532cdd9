"""The node's side of the one door: what came from a partner, held against the roster and the own copies.

`ledger.log.intake` and `ledger.log.statement` do the checking; here is only what they are to be held
against, and what becomes of the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.errors import ForbiddenError, InvalidError, MalformedError, short
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.intake import Run, accept_entries, check_head
from ledger.log.note import VerifierKey
from ledger.log.statement import Statement, open_payload
from ledger.members.network import network_id
from ledger.members.roster import Member, Roster
from ledger.members.witnessing import is_witnessed
from node.state import State
from node.store.indexing import STANDING_KINDS, Indexed, index_statement
from node.store.reader import Reader, StoredNote
from node.sync.wire import Batch, Payload
from node.writer import StoredRun


def read_batch(state: State, batch: Batch) -> StoredRun:
    """Check a batch of a member's log against the own copy of it, ready to be stored.

    Raises:
        ForbiddenError: the log is quarantined.
        MissingError: nobody in the network has a log of that name.
        GapError, MalformedError, InvalidError, RollbackError, ForkError: as `accept_entries`.
    """
    if batch.origin in state.quarantined:
        raise ForbiddenError(
            f"log {batch.origin}",
            found="a log that forked",
            expected="a log without evidence against it",
            action="read the evidence with `tally status`; nothing new of this log is accepted",
        )
    member = state.roster.member_of(batch.origin)
    return read_run(state, batch, state.roster.log_key(member.organization), member.opening)


def read_run(state: State, batch: Batch, vkey: VerifierKey, opening: bytes | None) -> StoredRun:
    """Check a batch under a given log key: a member's, or a newcomer's who is not one yet."""
    copy = state.copy(batch.origin)
    run = Run(start=batch.start, entries=batch.entries, note=batch.checkpoint, proof=batch.proof)
    accepted = accept_entries(copy, run, vkey, opening=opening)
    first = copy.size
    grown = accepted.grown
    end = grown.after.size
    wanted = [payload for payload in batch.payloads if first <= payload[0] < end]
    statements = list(_read_payloads(batch.origin, first, grown.entries, wanted))
    for seq, statement in statements:
        if seq == 0:
            check_opening(statement, batch.origin, vkey.public_key, state.roster)
    return StoredRun(
        accepted=accepted,
        note=StoredNote(size=accepted.checkpoint.size, note=batch.checkpoint, proof=tuple(batch.proof)),
        payloads=wanted,
        indexed=[(seq, index_statement(statement)) for seq, statement in statements],
        statements=[
            (seq, grown.leaves[seq - first], statement)
            for seq, statement in statements
            if statement.kind in STANDING_KINDS
        ],
    )


def read_payloads(
    reader: Reader, origin: str, payloads: Sequence[Payload]
) -> tuple[list[Payload], list[tuple[int, Indexed]], list[tuple[int, Statement]]]:
    """Check payloads of entries that are here already; gives them with what the indexes hold of them.

    Raises:
        MissingError: an entry is not here.
        InvalidError: a payload is not the one that its entry commits to.
    """
    indexed = []
    statements = []
    for seq, salt, payload in payloads:
        found = _read_payload(origin, seq, reader.entry(origin, seq), salt, payload)
        if found is not None:
            indexed.append((seq, index_statement(found)))
            statements.append((seq, found))
    return list(payloads), indexed, statements


def read_witnessed(state: State, reader: Reader, note: str) -> StoredNote | None:
    """A witnessed note of a log, checked against the own copy; None where it says nothing new.

    Raises:
        InvalidError, ForkError: it is signed by nobody we know, or contradicts the own copy.
    """
    checkpoint = open_member_checkpoint(state.roster, note)
    head = state.heads.get(checkpoint.origin)
    if head is None or not head.witnessed_size < checkpoint.size <= head.copy.size:
        return None
    if not is_witnessed(state.roster, note):
        return None
    check_own_past(state, reader, checkpoint)
    return StoredNote(size=checkpoint.size, note=note, proof=())


def check_own_past(state: State, reader: Reader, checkpoint: Checkpoint) -> None:
    """Check a signed checkpoint of a smaller or equal size against the copy that is here.

    Raises:
        ForkError: the copy has another root at that size.
    """
    copy = reader.copy_at(checkpoint.origin, state.roster.network, checkpoint.size)
    check_head(copy, checkpoint)


def open_member_checkpoint(roster: Roster, note: str) -> Checkpoint:
    """The checkpoint of a note that is signed by the log key of the member whose log it names."""
    origin = note.partition("\n")[0]
    member = roster.member_of(origin)
    return open_checkpoint(note, roster.log_key(member.organization), f"{origin} checkpoint")


def check_opening(statement: Statement, origin: str, log_key: bytes, roster: Roster) -> Member:
    """Check the opening of a log: its network, its name, its key; gives who it says it is.

    Raises:
        InvalidError: it opens a log of another network, name or key.
    """
    where = f"{origin} entry 0"
    if network_id(statement.data("founding")) != roster.network:
        raise InvalidError(where, found="another network's founding", expected=short(roster.network))
    opened = Member.of_opening(statement)
    if roster.origin(opened.organization) != origin:
        raise InvalidError(where, found=f"organization {opened.organization}", expected=origin)
    if opened.keys.log != log_key:
        raise InvalidError(where, found=f"log key {short(opened.keys.log)}", expected=short(log_key))
    return opened


def _read_payloads(
    origin: str, first: int, entries: Sequence[bytes], payloads: Iterable[Payload]
) -> Iterable[tuple[int, Statement]]:
    for seq, salt, payload in payloads:
        statement = _read_payload(origin, seq, entries[seq - first], salt, payload)
        if statement is not None:
            yield seq, statement


def _read_payload(origin: str, seq: int, entry: bytes, salt: bytes, payload: bytes) -> Statement | None:
    """The statement, or None where the payload fits its entry and is none: kept, never interpreted."""
    where = f"{origin} entry {seq}"
    try:
        return open_payload(parse_entry(entry, where), salt, payload, where)
    except MalformedError:
        return None
