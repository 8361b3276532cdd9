"""What a replay asks about the network, answered from its roster."""

from __future__ import annotations

from contracts.records import Outside, Position
from ledger.errors import TallyError
from ledger.log.checkpoint import open_checkpoint, parse_checkpoint
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.members.roster import Roster
from ledger.members.witnessing import is_witnessed


def network_outside(roster: Roster) -> Outside:
    """What the members of a network, and notes of their logs, say to a replay."""

    def head(note: str, organization: str, time_ms: int) -> Position | None:
        try:
            claimed = parse_checkpoint(parse_note(note).text)
            if parse_origin(claimed.origin).organization != organization:
                return None
            checkpoint = open_checkpoint(note, roster.log_key(claimed.origin, claimed.size))
            witnessed = is_witnessed(roster.as_of(time_ms), note)
            return (checkpoint.origin, checkpoint.size) if witnessed else None
        except TallyError:
            return None

    def enough(replaced: str, organizations: frozenset[str], time_ms: int) -> bool:
        others = roster.as_of(time_ms).members.keys() - {replaced}
        return 2 * len(organizations & others) > len(others)

    return Outside(head=head, enough=enough)
