"""Rotations and later logs as they come from a partner: what a batch has to bring, and what is refused.

A batch never reaches beyond a rotation: the entries up to it travel under the note of the size that ends
with it, so whoever reads knows the key of every note. The next log of a member is opened by the batch that
begins with its entry 0. An opening that pins less of the log before than somebody cosigned is refused, as is
a second opening of one number.
"""

from __future__ import annotations

from ledger.errors import ConflictError, ForkError, GapError, InvalidError, MalformedError, TallyError, short
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.intake import Copy
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement, open_payload
from ledger.members.folding import fold_roster
from ledger.members.reopening import Reopening, check_later_opening
from ledger.members.roster import Roster
from ledger.members.rotation import KIND as ROTATION_KIND
from ledger.members.witnessing import witness_named
from node.pending import StoredRun
from node.state import State
from node.store.reader import Reader, StoredNote
from node.sync.wire import Batch

_KEY_KINDS = frozenset({"log.open", ROTATION_KIND})


def is_next_log(roster: Roster, origin: str) -> bool:
    """Whether a log is the one that a member would open next."""
    organization = parse_origin(origin).organization
    return organization in roster.members and origin == roster.next_origin(organization)


def read_later_opening(state: State, batch: Batch) -> Reopening:
    """What the batch that opens a member's next log says, with a pin that may stand.

    Raises:
        ConflictError: it pins less of the log before than a member is known to have cosigned.
        TallyError: as `open_next_log`.
    """
    reopening = open_next_log(state.roster, batch)
    check_pin(state, reopening.pinned)
    return reopening


def open_next_log(roster: Roster, batch: Batch) -> Reopening:
    """What the batch that opens a member's next log says, under the recovery key.

    Raises:
        GapError: it does not begin with entry 0.
        MalformedError, InvalidError: it opens nothing.
    """
    organization = parse_origin(batch.origin).organization
    if batch.start:
        raise GapError(
            f"{batch.origin} entry {batch.start}",
            found=f"a run from {batch.start}",
            expected="position 0, the opening of a log that is not known here",
            action="send the log from its start",
        )
    statement = _first_statement(batch)
    before = roster.log(roster.origin(organization))
    check_later_opening(statement, origin=batch.origin, network=roster.network, before=before)
    return Reopening.of_opening(statement)


def check_pin(state: State, pinned: Checkpoint) -> None:
    """Check that no head of the log before is kept here that is cosigned and higher than the pin.

    Raises:
        ConflictError: there is one; it is named.
    """
    head = state.heads.get(pinned.origin)
    for kept in reversed(head.notes() if head else []):
        names = [witness_named(line.name) for line in parse_note(kept.note).signatures]
        witnesses = sorted(filter(None, names))
        if kept.size > pinned.size and witnesses:
            raise ConflictError(
                f"{pinned.origin} pin of size {pinned.size}",
                found=f"a pin below the head of size {kept.size} that {', '.join(witnesses)} cosigned",
                expected=f"a pin of at least size {kept.size}",
                action="ask the organization to pin the highest head that any member cosigned: "
                + kept.note.replace("\n", " ").strip(),
            )


def check_same_opening(roster: Roster, batch: Batch) -> None:
    """Check that a batch does not open a later log that is known here in another way.

    Raises:
        ForkError: the organization's recovery key opened two logs of one number: both leaf hashes are named.
        InvalidError: it begins with another entry 0, which the recovery key did not sign.
    """
    log = roster.log(batch.origin)
    number = parse_origin(batch.origin).number
    if number == 1 or batch.start or not batch.entries or leaf_hash(batch.entries[0]) == log.opening:
        return
    where, other = f"{batch.origin} entry 0", leaf_hash(batch.entries[0])
    origins = roster.logs(parse_origin(batch.origin).organization)
    before = roster.log(origins[number - 2])
    try:
        check_later_opening(
            _first_statement(batch), origin=batch.origin, network=roster.network, before=before
        )
    except TallyError as error:
        raise InvalidError(
            where, found=f"entry {short(other)}", expected=f"{short(log.opening)}, which opened the log"
        ) from error
    raise ForkError(
        where,
        found=f"a second opening: {other.hex()}",
        expected=f"the one that came first: {(log.opening or b'').hex()}",
        action="ask the organization which log is the right one; nothing of the second is accepted",
    )


def check_turn(roster: Roster, run: StoredRun) -> None:
    """Check that a run that passed the door does not reach beyond a rotation in it.

    Raises:
        InvalidError: it does, or the payload of a rotation is not with it.
    """
    grown, checkpoint = run.accepted.grown, run.accepted.checkpoint
    origin, first = grown.after.origin, grown.before.size
    given = {seq for seq, _, _ in run.payloads}
    # Searching the bytes first keeps the run at the speed of hashing.
    for seq, data in enumerate(grown.entries, first):
        if b"keys.rotate" in data and seq not in given and parse_entry(data).kind == ROTATION_KIND:
            raise InvalidError(
                f"{origin} entry {seq}",
                found="a rotation without its payload",
                expected="the statement, which is for all members",
                action="send the payload along, or ask another holder",
            )
    turn = roster_with_keys(roster, run).turn_after(origin, first)
    if turn is not None and checkpoint.size > turn:
        raise InvalidError(
            f"{origin} checkpoint of size {checkpoint.size}",
            found=f"a note beyond the rotation of entry {turn - 1} with entries from before it",
            expected=f"a note of size {turn} for them",
            action="send the entries up to the rotation under the note that ends with it",
        )


def roster_with_keys(roster: Roster, run: StoredRun) -> Roster:
    """The roster with the keys that a run of entries brings along."""
    for folding in run.foldings():
        if folding.statement.kind in _KEY_KINDS:
            roster = fold_roster(roster, folding)
    return roster


def turn_note(reader: Reader, roster: Roster, copy: Copy, start: int) -> StoredNote | None:
    """The note under which entries from `start` travel, where a rotation or the end of the log follows."""
    origin = copy.origin
    turn = roster.turn_after(origin, start)
    end = roster.end_of(origin)
    if end is not None and start <= end.size <= copy.size and (turn is None or end.size < turn):
        return StoredNote(size=end.size, note=_pin_text(reader, roster, origin), proof=())
    return None if turn is None else reader.note(origin, turn)


def _pin_text(reader: Reader, roster: Roster, origin: str) -> str:
    origins = roster.logs(parse_origin(origin).organization)
    later = origins[origins.index(origin) + 1]
    statement = reader.record(later, 0).statement
    if statement is None:
        raise InvalidError(f"{later} entry 0", found="no payload", expected="the opening of the log")
    return Reopening.of_opening(statement).pin


def _first_statement(batch: Batch) -> Statement:
    where = f"{batch.origin} entry 0"
    if not batch.entries or not batch.payloads or batch.payloads[0][0] != 0:
        raise MalformedError(where, found="no entry 0 with its payload", expected="the opening of the log")
    entry = parse_entry(batch.entries[0], where)
    _, salt, payload = batch.payloads[0]
    statement = open_payload(entry, salt, payload, where)
    if statement.kind != "log.open":
        raise MalformedError(where, found=f"kind {statement.kind}", expected="log.open")
    return statement
