"""Signed notes that come from outside: which of their lines count, and the own cosignature on them.

Of a note's lines the log's own and the members' good cosignatures are kept, one of each member; others
are dropped here, so that nobody can fill a note up with lines until there is no room for cosignatures.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import InvalidError, TallyError
from ledger.log.checkpoint import Checkpoint, check_cosignature, cosign, open_checkpoint
from ledger.log.note import MAX_NOTE_BYTES, Note, NoteSignature, format_note, parse_note
from ledger.log.origin import format_witness_name, parse_origin
from ledger.members.roster import Roster
from node.node import Node

MAX_TRIES_PER_WITNESS = 2
"""Lines under one witness's name that are looked at; the rest costs the sender its cosignature."""


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A member's note: what it says, and the note with the lines that count."""

    checkpoint: Checkpoint
    note: str


def open_note(roster: Roster, note: str) -> OpenedNote:
    """Open a note of a member's log.

    Raises:
        MissingError: nobody in the network has a log of that name.
        MalformedError, InvalidError: it is no checkpoint, or not signed by the log's key.
    """
    origin = note.partition("\n")[0]
    organization = roster.member_of(origin).organization
    vkey = roster.log_key(organization)
    where = f"{origin} checkpoint"
    checkpoint = open_checkpoint(note, vkey, where)
    parsed = parse_note(note, where)
    signed = next(line for line in parsed.signatures if line.is_by(vkey))
    lines = [signed, *_good_cosignatures(roster, parsed, note)]
    return OpenedNote(checkpoint, format_note(Note(parsed.text, tuple(lines))))


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
    position is not cosigned twice.
    """
    state = node.state
    name = format_witness_name(state.organization, state.roster.network)
    vkey = state.roster.witness_key(state.organization) if is_member(node) else None
    for held in (note, known):
        if vkey is None or held is None or text_of(held) != text_of(note):
            continue
        for line in parse_note(held).signatures:
            if line.is_by(vkey):
                return line.line
    return cosign(note, name, node.keys.witness.seed, node.world.now_ms() // 1000)


def is_member(node: Node) -> bool:
    """Whether the network's founder has admitted this node's organization, as far as is known here."""
    state = node.state
    return state.organization in state.roster.members


def check_answered_cosignature(roster: Roster, witness: str, note: str, line: str) -> None:
    """Check the line by which a partner answered a push.

    Raises:
        MalformedError, InvalidError: it is no cosignature of that partner on that note.
    """
    if len(line) > MAX_NOTE_BYTES:
        raise InvalidError(f"cosignature of {witness}", found=f"{len(line)} characters", expected="one line")
    check_cosignature(note, line, roster.witness_key(witness), f"cosignature of {witness}")


def _good_cosignatures(roster: Roster, parsed: Note, note: str) -> list[NoteSignature]:
    found: dict[str, NoteSignature] = {}
    tries: dict[str, int] = {}
    for line in parsed.signatures:
        organization = _witness_named(line.name)
        if organization not in roster.members or organization in found:
            continue
        vkey = roster.witness_key(organization)
        tries[organization] = tries.get(organization, 0) + 1
        if not line.is_by(vkey) or tries[organization] > MAX_TRIES_PER_WITNESS:
            continue
        try:
            check_cosignature(note, line, vkey)
        except TallyError:
            continue
        found[organization] = line
    return [found[organization] for organization in sorted(found)]


def _witness_named(name: str) -> str:
    """The organization whose witness key has this name; empty where it is nobody's."""
    origin, _, suffix = name.rpartition("/")
    if suffix != "witness":
        return ""
    try:
        return parse_origin(origin).organization
    except TallyError:
        return ""
