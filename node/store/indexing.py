"""What the derived indexes hold of a statement: one pure function for new and for rebuilt rows."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from contracts.document import agreement_hash
from ledger.errors import TallyError
from ledger.log.encoding import encode
from ledger.log.statement import Statement
from ledger.members.folding import ROSTER_KINDS
from ledger.trace.document import read_event
from ledger.trace.event import Event, things_of, view_event

STANDING_KINDS = ROSTER_KINDS | {"evidence"}
"""Kinds that change who stands how in the network; read again at every start. Of openings those of later
logs do: an organization's first log is known by its admission."""

_ABOUT_AGREEMENT = frozenset(
    {"agreement.sign", "agreement.withdraw", "agreement.decline", "agreement.terminate", "timekeeper.replace"}
    | {"fact", "confirm", "counted", "decision", "correction"}
)

TICKS = bytes(32)
"""Stands in the place of an agreement's hash for `tick` entries, which concern all of a timekeeper's."""

INDEXED_KINDS = STANDING_KINDS | _ABOUT_AGREEMENT | {"agreement.propose", "event", "tick"}
"""Kinds of others' statements that any index holds something of; of own ones all are indexed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedEvent:
    """The keys of an event: event hash, identity and captured document (32 bytes each), things touched."""

    hash: bytes
    identity: bytes
    capture: bytes
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What the indexes hold of a statement."""

    nonce: bytes
    in_roster: bool = False
    agreements: tuple[bytes, ...] = ()
    """The agreements that it is about: a proposal also about the one that it replaces."""
    event: IndexedEvent | None = None


def index_statement(statement: Statement) -> Indexed:
    """What the indexes hold of a statement. A payload that its own rules refuse is not in them."""
    kind = statement.kind
    agreements: tuple[bytes, ...] = ()
    event = None
    if kind == "event":
        event = _index_event(statement)
    elif kind == "agreement.propose":
        replaced = statement.body["replaces"]
        agreements = (agreement_hash(statement.data("document")),)
        agreements += (replaced,) if isinstance(replaced, bytes) else ()
    elif kind in _ABOUT_AGREEMENT:
        agreements = (statement.data("agreement"),)
    elif kind == "tick":
        agreements = (TICKS,)
    return Indexed(
        nonce=statement.nonce,
        in_roster=kind in STANDING_KINDS and (kind != "log.open" or "pin" in statement.body),
        agreements=agreements,
        event=event,
    )


def index_event(event: Event, capture: bytes) -> IndexedEvent:
    """What the indexes hold of an event that was captured in a document with this hash."""
    return IndexedEvent(
        hash=event.digest,
        identity=event_identity(event.digest, event.event_id, event.identity.declaration),
        capture=capture,
        things=tuple(sorted({name for name, _ in things_of(event)})),
    )


def event_identity(digest: bytes, event_id: str, declaration: str) -> bytes:
    """One hash of what an event is recognised by; it stands in an index and nowhere else."""
    fields = encode([digest, event_id, declaration])
    return sha256(b"tallystick event identity v1\n" + fields).digest()


def read_recorded_event(statement: Statement) -> Event:
    """The event of an `event` statement as the trace sees it.

    Raises:
        TallyError: its text is no event.
    """
    value = read_event(statement.text("event").encode()).value
    return view_event(value, context=statement.text("context"), digest=statement.data("hash"))


def _index_event(statement: Statement) -> IndexedEvent | None:
    try:
        return index_event(read_recorded_event(statement), statement.data("capture"))
    except TallyError:
        return None
