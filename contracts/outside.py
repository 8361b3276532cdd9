"""What a replay asks about the network, answered from its roster and from the copies at hand."""

from __future__ import annotations

from collections.abc import Callable

from contracts.records import Outside, Position
from ledger.errors import TallyError
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.members.roster import Roster
from ledger.members.witnessing import is_witnessed


def _holds_all(checkpoint: Checkpoint) -> bool:
    return True


def network_outside(roster: Roster, holds: Callable[[Checkpoint], bool] = _holds_all) -> Outside:
    """What the members of a network, and notes of their logs, say to a replay.

    `holds` says whether the copy at hand is of that tree, or begins with it. Without it every log counts as
    held whole: for those who look at single entries.
    """

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

    def lacks(note: str) -> bytes | None:
        checkpoint = parse_checkpoint(parse_note(note).text)
        return None if holds(checkpoint) else checkpoint.root

    return Outside(head=head, enough=enough, lacks=lacks)
