"""The node's side of the one door: what came from a partner, held against the roster and the own copies.

`ledger.log.intake` and `ledger.log.statement` do the checking; here is only what they are to be held
against, and what becomes of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgpack

from ledger.errors import ForbiddenError, InvalidError, MalformedError, short
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.intake import OPENING_KIND, Run, accept_entries
from ledger.log.note import VerifierKey, parse_note
from ledger.log.origin import format_origin
from ledger.log.statement import Statement, open_payload
from ledger.members.eras import note_key
from ledger.members.network import network_id
from ledger.members.roster import Member, Roster
from node.pending import StoredRun
from node.state import State
from node.store.indexing import INDEXED_KINDS, STANDING_KINDS, Indexed, index_statement
from node.store.reader import Reader, StoredNote
from node.sync.later import check_turn, is_next_log, read_later_opening
from node.sync.notes import check_within_end
from node.sync.wire import Batch, Payload

_READ_KINDS = INDEXED_KINDS | {OPENING_KIND}


def read_batch(state: State, batch: Batch) -> StoredRun:
    """Check a batch of a member's log against the own copy of it, ready to be stored.

    The next log of a member is opened by the batch that begins with its entry 0.

    Raises:
        ForbiddenError: the log is quarantined.
        MissingError: nobody in the network has a log of that name.
        ConflictError: the log ended below, or its opening pins less than is known of the log before.
        GapError, MalformedError, InvalidError, RollbackError, ForkError: as `accept_entries`.
    """
    check_not_forked(state, batch.origin)
    roster = state.roster
    claimed = parse_checkpoint(parse_note(batch.checkpoint).text)
    check_within_end(roster, claimed)
    if is_next_log(roster, batch.origin):
        opening = read_later_opening(state, batch)
        vkey = note_key(batch.origin, opening.keys.log)
        leaf: bytes | None = leaf_hash(batch.entries[0])
    else:
        log = roster.log(batch.origin)
        vkey, leaf = log.era_of(claimed.size).key, log.opening
    run = read_run(state, batch, vkey, leaf)
    check_turn(roster, run)
    return run


def check_not_forked(state: State, origin: str) -> None:
    """Check that no evidence was recorded against a log. Raises ForbiddenError where it was."""
    if origin in state.quarantined:
        raise ForbiddenError(
            f"log {origin}",
            found="a log that forked",
            expected="a log without evidence against it",
            action="read the evidence with `tally evidence show`; nothing new of this log is accepted",
        )


def read_run(state: State, batch: Batch, vkey: VerifierKey, opening: bytes | None) -> StoredRun:
    """Check a batch under a given log key: a member's, or a newcomer's who is not one yet."""
    copy = state.copy(batch.origin)
    run = Run(start=batch.start, entries=batch.entries, note=batch.checkpoint, proof=batch.proof)
    accepted = accept_entries(copy, run, vkey, opening=opening)
    first = copy.size
    grown = accepted.grown
    end = grown.after.size
    wanted = [payload for payload in batch.payloads if first <= payload[0] < end]
    reads_all = batch.origin == state.origin
    statements = list(_read_statements(batch.origin, first, grown.entries, wanted, reads_all=reads_all))
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


def check_opening(statement: Statement, origin: str, log_key: bytes, roster: Roster) -> Member:
    """Check the opening of a log: its network, its name, its key; gives who it says it is.

    Raises:
        InvalidError: it opens a log of another network, name or key.
    """
    where = f"{origin} entry 0"
    if network_id(statement.data("founding")) != roster.network:
        raise InvalidError(where, found="another network's founding", expected=short(roster.network))
    opened = Member.of_opening(statement)
    number = statement.body["number"]
    named = format_origin(opened.organization, roster.network, number if isinstance(number, int) else 1)
    if named != origin:
        raise InvalidError(where, found=f"the opening of {named}", expected=origin)
    if opened.keys.log != log_key:
        raise InvalidError(where, found=f"log key {short(opened.keys.log)}", expected=short(log_key))
    return opened


def _read_statements(
    origin: str, first: int, entries: Sequence[bytes], payloads: Sequence[Payload], *, reads_all: bool
) -> Iterator[tuple[int, Statement]]:
    """Hold every payload against its entry; give the statements of those that an index reads.

    The own log's are all read, since its nonces are indexed. Of others' entries most need nothing but
    their commitment checked: this is what keeps a fresh partner's first sync near the speed of hashing.
    """
    if not payloads:
        return
    # The entries passed the door, so this is their one reading; the fields are those of an entry.
    joined = b"\xdd" + len(entries).to_bytes(4, "big") + b"".join(entries)
    rows: Sequence[tuple[Any, ...]] = msgpack.unpackb(joined, use_list=False, max_array_len=len(joined))
    for seq, salt, payload in payloads:
        row = rows[seq - first]
        fits = sha256(salt + payload).digest() == row[6] and len(payload) == row[5]
        if not fits or reads_all or row[4] in _READ_KINDS:
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
