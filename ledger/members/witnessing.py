"""Who cosigned a checkpoint, and whether that makes it witnessed under the network's witness set."""

from __future__ import annotations

from ledger.errors import TallyError
from ledger.log.checkpoint import check_cosignature, parse_checkpoint
from ledger.log.note import NoteSignature, parse_note
from ledger.log.origin import parse_origin
from ledger.members.roster import Roster


def cosigners(roster: Roster, note: str) -> dict[str, int]:
    """The members of the witness set whose cosignature on this note is good, with its time in seconds.

    Lines of others are ignored, as are lines under a witness's name that do not verify.
    """
    parsed = parse_note(note)
    writer = parse_origin(parse_checkpoint(parsed.text).origin).organization
    found = {}
    for organization in roster.witnesses(writer):
        vkey = roster.witness_key(organization)
        for line in parsed.signatures:
            if line.is_by(vkey):
                time_s = _time_of(note, line, roster, organization)
                if time_s is not None:
                    found[organization] = time_s
    return found


def is_witnessed(roster: Roster, note: str) -> bool:
    """Whether more than half of the writer's witness set cosigned this note."""
    writer = parse_origin(parse_checkpoint(parse_note(note).text).origin).organization
    return len(cosigners(roster, note)) >= roster.witnesses_needed(writer)


def _time_of(note: str, line: NoteSignature, roster: Roster, organization: str) -> int | None:
    try:
        return check_cosignature(note, line, roster.witness_key(organization))
    except TallyError:
        return None
