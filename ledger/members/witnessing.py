"""Who cosigned a checkpoint, and whether that makes it witnessed under the network's witness set.

A cosignature under a witness key that was superseded counts if its time is not after that of the entry that
superseded it. A cosignature does not cover its witness's name, so one public key counts as one witness.
"""

from __future__ import annotations

from ledger.errors import TallyError
from ledger.log.checkpoint import check_cosignature, parse_checkpoint
from ledger.log.note import Note, NoteSignature, parse_note
from ledger.log.origin import parse_origin
from ledger.members.eras import WitnessEra
from ledger.members.roster import Roster


def cosigners(roster: Roster, note: str) -> dict[str, int]:
    """The members of the witness set whose cosignature on this note is good, with its time in seconds.

    Lines of others are ignored, as are lines under a witness's name that do not verify.
    """
    parsed = parse_note(note)
    writer = parse_origin(parse_checkpoint(parsed.text).origin).organization
    witnesses = set(roster.witnesses(writer))
    found: dict[str, int] = {}
    counted: set[bytes] = set()
    for line in parsed.signatures:
        organization = witness_named(line.name)
        era = roster.witness_era(organization, line.key_id) if organization in witnesses else None
        if era is None or era.key.public_key in counted:
            continue
        time_s = cosigned_at(parsed, line, era)
        if time_s is not None:
            found.setdefault(organization, time_s)
            counted.add(era.key.public_key)
    return found


def is_witnessed(roster: Roster, note: str) -> bool:
    """Whether more than half of the writer's witness set cosigned this note."""
    writer = parse_origin(parse_checkpoint(parse_note(note).text).origin).organization
    return len(cosigners(roster, note)) >= roster.witnesses_needed(writer)


def cosigned_at(note: Note, line: NoteSignature, era: WitnessEra) -> int | None:
    """The time, in seconds, of a line under a witness key, None where it does not count."""
    try:
        time_s = check_cosignature(f"{note.text}\n{line.line}", line, era.key)
    except TallyError:
        return None
    return time_s if era.counts_at(time_s) else None


def witness_named(name: str) -> str:
    """The organization whose witness key has this name; empty where it is nobody's."""
    origin, _, suffix = name.rpartition("/")
    if suffix != "witness":
        return ""
    try:
        return parse_origin(origin).organization
    except TallyError:
        return ""
