"""Signed notes that come from outside: which of their lines count, and the own cosignature on them.

Of a note's lines the log's own and the members' good cosignatures are kept, one of each member; others
are dropped here, so that nobody can fill a note up with lines until there is no room for cosignatures.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import ConflictError, InvalidError, TallyError
from ledger.log.checkpoint import (
    TIME_BYTES,
    Checkpoint,
    check_cosignature,
    cosign,
    open_checkpoint,
    parse_checkpoint,
)
from ledger.log.note import MAX_NOTE_BYTES, Note, NoteSignature, format_note, parse_note
from ledger.log.origin import format_witness_name, parse_origin
from ledger.members.roster import Roster
from ledger.members.witnessing import cosigned_at, witness_named
from node.node import Node

MAX_TRIES_PER_WITNESS = 2
"""Lines under one witness's name that are looked at; the rest costs the sender its cosignature."""


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A member's note: what it says, and the note with the lines that count."""

    checkpoint: Checkpoint
    note: str


def open_note(roster: Roster, note: str) -> OpenedNote:
    """Open a note of a member's log, by the key that signs notes of its size.

    Raises:
        MissingError: nobody in the network has a log of that name.
        MalformedError, InvalidError: it is no checkpoint, or not signed by the log's key.
        ConflictError: a later log ended this one below the note's size.
    """
    origin = note.partition("\n")[0]
    where = f"{origin} checkpoint"
    parsed = parse_note(note, where)
    claimed = parse_checkpoint(parsed.text, where)
    check_within_end(roster, claimed)
    vkey = roster.log_key(origin, claimed.size)
    checkpoint = open_checkpoint(note, vkey, where)
    signed = next(line for line in parsed.signatures if line.is_by(vkey))
    lines = [signed, *_good_cosignatures(roster, parsed)]
    return OpenedNote(checkpoint, format_note(Note(parsed.text, tuple(lines))))


def check_within_end(roster: Roster, head: Checkpoint) -> None:
    """Check that a head is not beyond the pin of its log. Raises ConflictError where it is."""
    end = roster.end_of(head.origin)
    if end is not None and head.size > end.size:
        raise ConflictError(
            f"{head.origin} checkpoint of size {head.size}",
            found="a head beyond the log's end",
            expected=f"at most size {end.size}, where the next log pinned it",
            action="go on in the later log; nothing of this one counts from its end on",
        )


def may_be_news(roster: Roster, held: int, note: str) -> bool:
    """Whether a note that cannot be opened may say that there is more: of a key, or a log, not known yet.

    It is of a member's log that is not known here and may be its next, or of a larger size than is held and
    under another key than the newest. It proves nothing: whoever pulls because of it checks what comes.
    """
    try:
        parsed = parse_note(note)
        head = parse_checkpoint(parsed.text)
        organization = parse_origin(head.origin).organization
    except TallyError:
        return False
    if organization not in roster.members or not head.size:
        return False
    if head.origin not in roster.logs(organization):
        return head.origin == roster.next_origin(organization)
    if head.size <= held or roster.end_of(head.origin) is not None:
        return False
    newest = roster.log_key(head.origin)
    return not any(line.is_by(newest) for line in parsed.signatures)


def text_of(note: str) -> str:
    """What the signatures of a note cover."""
    return note.rpartition("\n\n")[0]


def signers(note: str) -> set[tuple[str, bytes]]:
    """The keys that a note has lines of, by name and key id."""
    return {(line.name, line.key_id) for line in parse_note(note).signatures}


def without_known(note: str, known: str) -> str:
    """The note without the lines of keys that the known note has lines of; the log's own line stays.

    A member that cosigns one note again and again would otherwise fill it up.
    """
    parsed = parse_note(note)
    held = signers(known)
    first, *others = parsed.signatures
    news = [line for line in others if (line.name, line.key_id) not in held]
    return format_note(Note(parsed.text, (first, *news)))


def own_cosignature(node: Node, note: str, known: str | None) -> str:
    """This node's cosignature line on a note whose whole log it holds.

    A line that stands in the note already, or in `known` (the note as it is kept), is given again: one
    position is not cosigned twice. Where the clock fell since `known`, an earlier note of the log, was
    cosigned, the time of that counts.
    """
    state = node.state
    name = format_witness_name(state.organization, state.roster.network)
    last_s = 0
    for held in (note, known):
        for line in parse_note(held).signatures if held is not None else ():
            if line.name == name and state.roster.witness_era(state.organization, line.key_id) is not None:
                if text_of(held or "") == text_of(note):
                    return line.line
                last_s = int.from_bytes(line.signature[:TIME_BYTES], "big")
    return cosign(note, name, node.keys.witness.seed, max(last_s, node.world.now_ms() // 1000))


def check_answered_cosignature(roster: Roster, witness: str, note: str, line: str) -> None:
    """Check the line by which a partner answered a push.

    Raises:
        MalformedError, InvalidError: it is no cosignature of that partner on that note.
    """
    if len(line) > MAX_NOTE_BYTES:
        raise InvalidError(f"cosignature of {witness}", found=f"{len(line)} characters", expected="one line")
    check_cosignature(note, line, roster.witness_key(witness), f"cosignature of {witness}")


def _good_cosignatures(roster: Roster, parsed: Note) -> list[NoteSignature]:
    found: dict[str, NoteSignature] = {}
    tries: dict[str, int] = {}
    for line in parsed.signatures:
        organization = witness_named(line.name)
        if organization not in roster.members or organization in found:
            continue
        era = roster.witness_era(organization, line.key_id)
        tries[organization] = tries.get(organization, 0) + 1
        if era is None or line.name != era.key.name or tries[organization] > MAX_TRIES_PER_WITNESS:
            continue
        if cosigned_at(parsed, line, era) is not None:
            found[organization] = line
    return [found[organization] for organization in sorted(found)]
