"""What one screen says of a home: its own head, the copies that it holds, what waits for its people."""

from __future__ import annotations

from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import parse_note
from ledger.members.witnessing import cosigners
from node.evidence import accusers_of_own
from node.state import Head, State
from node.store.reader import Reader
from node.views.listing import waiting_for
from node.views.records import AgreementBook
from node.views.values import Json, format_seconds, format_time


def show_status(reader: Reader, state: State, book: AgreementBook) -> Json:
    """The own log, every log that is here, and what waits."""
    return {
        "organization": state.organization,
        "origin": state.origin,
        "network": state.roster.founding.name,
        "own": show_head(state, state.own),
        "copies": [
            show_head(state, state.heads[origin]) for origin in sorted(state.heads) if origin != state.origin
        ],
        "discredited": [name for name in sorted(state.roster.members) if state.roster.is_discredited(name)],
        "accused_by": accusers_of_own(reader, state),
        "waiting": waiting_for(reader, state, book),
    }


def show_head(state: State, head: Head) -> Json:
    """A log as it stands here; `cosigned` says who holds it at its newest checkpoint, and since when."""
    origin = head.copy.origin
    organization = origin.partition("/")[0]
    member = organization in state.roster.members
    note = head.newest.note if head.newest and member else None
    return {
        "origin": origin,
        "organization": organization,
        "size": head.copy.size,
        "root": head.copy.root.hex(),
        "last_entry": format_time(head.time_ms) if head.copy.size else None,
        "witnessed_size": head.witnessed_size,
        "newest_size": parse_checkpoint(parse_note(note).text).size if note else 0,
        "cosigned": {
            name: format_seconds(time_s)
            for name, time_s in sorted(cosigners(state.roster, note).items() if note else ())
        },
        "witnesses_needed": state.roster.witnesses_needed(organization),
        "quarantined": origin in state.quarantined,
        "settled": origin in state.accused and origin not in state.quarantined,
        "ended_at": end.size if (end := state.roster.end_of(origin)) else None,
    }
