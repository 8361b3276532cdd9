"""What the derived indexes hold of a statement: one pure function for new and for rebuilt rows."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.document import agreement_hash
from ledger.errors import TallyError
from ledger.log.statement import Statement
from ledger.members.roster import ROSTER_KINDS
from ledger.trace.event import event_view
from ledger.trace.graph import things_of

STANDING_KINDS = ROSTER_KINDS | {"evidence"}
"""Kinds that change who stands how in the network; read again at every start."""

_ABOUT_AGREEMENT = frozenset({"agreement.sign", "fact", "confirm", "counted", "decision"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedEvent:
    """The keys of an event: identity (32 bytes), captured document (32 bytes), time, things touched."""

    identity: bytes
    capture: bytes
    time_ms: int
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What the indexes hold of a statement."""

    nonce: bytes
    in_roster: bool = False
    agreement: bytes | None = None
    event: IndexedEvent | None = None


def index_statement(statement: Statement) -> Indexed:
    """What the indexes hold of a statement. A payload that its own rules refuse is not in them."""
    kind = statement.kind
    agreement = None
    event = None
    if kind == "event":
        event = _index_event(statement)
    elif kind == "agreement.propose":
        agreement = agreement_hash(statement.data("document"))
    elif kind in _ABOUT_AGREEMENT:
        agreement = statement.data("agreement")
    return Indexed(
        nonce=statement.nonce,
        in_roster=kind in STANDING_KINDS,
        agreement=agreement,
        event=event,
    )


def _index_event(statement: Statement) -> IndexedEvent | None:
    try:
        event = event_view(statement.text("event"), statement.text("context"), statement.data("hash"))
    except TallyError:
        return None
    return IndexedEvent(
        identity=event.identity,
        capture=statement.data("capture"),
        time_ms=event.time_ms,
        things=tuple(sorted({name for name, _ in things_of(event)})),
    )
