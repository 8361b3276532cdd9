"""Drafts: statements on their way to a position, and how a repeated one is recognised.

A statement is the same as one before if it has the same nonce (the same request, sent again) or, for an
event, the same identity (event hash, eventID and error declaration).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from ledger.errors import ConflictError
from ledger.log.intake import Copy
from ledger.log.statement import Statement, format_statement, is_client_nonce, parse_statement
from node.store.indexing import Indexed, index_statement
from node.store.reader import Reader, prefix_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A statement with its payload and what the indexes will hold of it."""

    statement: Statement
    payload: bytes
    indexed: Indexed

    @property
    def may_come_again(self) -> bool:
        """Whether a client chose its nonce, so that it may have been recorded before."""
        return is_client_nonce(self.statement.nonce)

    @property
    def identity(self) -> bytes | None:
        """What an event is recognised by, 32 bytes."""
        return self.indexed.event.identity if self.indexed.event else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Where a draft stands in the own log; `new` is false where it stood there before.

    `leaf` is its leaf hash, once it is on disk.
    """

    seq: int
    new: bool
    leaf: bytes = b""


def make_draft(statement: Statement, *, indexed: Indexed | None = None) -> Draft:
    """A draft of a statement; `indexed` where the caller has worked it out already.

    Raises:
        MalformedError: it is no statement of its kind.
    """
    return Draft(
        statement=statement,
        payload=format_statement(statement),
        indexed=indexed or index_statement(statement),
    )


@dataclass(slots=True)
class Fresh:
    """Drafts that become entries in one commit, and how they are recognised: by nonce, events by identity."""

    drafts: list[Draft] = field(default_factory=list)
    nonces: dict[bytes, tuple[int, Statement]] = field(default_factory=dict)
    identities: dict[bytes, int] = field(default_factory=dict)

    def find(self, draft: Draft) -> int | None:
        """The position that was given to the same statement; ConflictError as `find_recorded`."""
        same_nonce = self.nonces.get(draft.statement.nonce)
        if same_nonce is not None:
            check_same_statement(same_nonce[1], draft.statement)
            return same_nonce[0]
        return None if draft.identity is None else self.identities.get(draft.identity)

    def add(self, draft: Draft, seq: int) -> None:
        """Give a draft its position."""
        self.drafts.append(draft)
        self.nonces[draft.statement.nonce] = (seq, draft.statement)
        if draft.identity is not None:
            self.identities[draft.identity] = seq

    def extend(self, other: Fresh) -> None:
        """Add the drafts of another one behind these."""
        self.drafts.extend(other.drafts)
        self.nonces.update(other.nonces)
        self.identities.update(other.identities)


Lacking = Set[tuple[str, int]]
"""Kind and size of payloads of own entries that are not here (see node.caution)."""


def take_drafts(
    drafts: Sequence[Draft], fresh: Fresh, reader: Reader, own: Copy, lacking: Lacking = frozenset()
) -> list[tuple[int, bool]]:
    """Give each draft a position after those of this commit, or find where it stands; whether it is new.

    Raises:
        ConflictError: one contradicts what was recorded. Then none of them is in `fresh`.
    """
    base = own.size + len(fresh.drafts)
    taken = Fresh()
    places = []
    hashes = [draft.indexed.event.hash for draft in drafts if draft.indexed.event]
    # One look at the index for all, since most documents are new.
    events = reader.known_event_hashes(hashes) if len(hashes) > 1 else None
    for draft in drafts:
        seq = taken.find(draft)
        if seq is None:
            seq = fresh.find(draft)
        if seq is None:
            seq = find_recorded(reader, own.origin, draft, events=events)
        if seq is None and draft.may_come_again:
            _check_not_lacking(own.origin, draft, lacking)
        places.append((base + len(taken.drafts) if seq is None else seq, seq is None))
        if seq is None:
            taken.add(draft, places[-1][0])
    fresh.extend(taken)
    return places


def find_recorded(reader: Reader, origin: str, draft: Draft, *, events: Set[int] | None = None) -> int | None:
    """The position at which a draft stands in the own log already.

    `events` are the beginnings of event hashes that are here, where the caller has asked for many at once.

    Raises:
        ConflictError: its nonce was used for another statement.
    """
    if draft.may_come_again:
        for seq in reader.own_nonces(draft.statement.nonce):
            found = reader.payload(origin, seq)
            recorded = None if found is None else parse_statement(found[1], f"{origin} entry {seq}")
            if recorded is not None and recorded.nonce == draft.statement.nonce:
                check_same_statement(recorded, draft.statement)
                return seq
    if draft.indexed.event is not None:
        event = draft.indexed.event
        if events is not None and prefix_of(event.hash) not in events:
            return None
        for log, seq in reader.events_like(event.hash, event.identity):
            if log == origin and _same_event(reader, origin, seq, draft):
                return seq
    return None


def _check_not_lacking(origin: str, draft: Draft, lacking: Lacking) -> None:
    """Check that a write under a client's nonce cannot be one that was recorded and whose payload was lost.

    The same statement under the same nonce has the same kind and the same size.
    """
    kind, size = draft.statement.kind, len(draft.payload)
    if (kind, size) in lacking:
        raise ConflictError(
            f"log {origin}",
            found=f"an entry of kind {kind} whose payload of {size} bytes was lost with an older home",
            expected="a write that cannot be the same one again",
            action="look at `tally log show`: if it is another one, send it without an Idempotency-Key, or "
            "word it differently",
        )


def check_same_statement(recorded: Statement, statement: Statement) -> None:
    """Check that a repeated nonce stands for the same statement."""
    if (recorded.kind, recorded.body, recorded.audience) != (
        statement.kind,
        statement.body,
        statement.audience,
    ):
        raise ConflictError(
            "Idempotency-Key",
            found="a key that another statement was recorded under",
            expected="a new key for a new statement",
            action="repeat the request with a new Idempotency-Key",
        )


def _same_event(reader: Reader, origin: str, seq: int, draft: Draft) -> bool:
    recorded = reader.record(origin, seq).statement
    event = index_statement(recorded).event if recorded is not None else None
    return event is not None and event.identity == draft.identity
