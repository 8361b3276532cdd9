"""The life of an agreement as a fold over records: proposed, signed, in force, with its facts.

`fold_agreement` is a pure function of a set of records: their order and repetitions do not matter. All
order comes from the timekeeper's log, that is from its `counted` entries of this agreement, by position;
within one entry, from the list. The rules:

1. A `counted` entry counts what it names, at its own time. It names nothing if its audience lacks a party
   or the timekeeper, or if its time is before that of a `counted` entry before it.
2. A leaf hash is counted once; later namings change nothing. Records that nobody counted change nothing.
3. A statement never counts if its audience lacks a party or the timekeeper.
4. A signature counts for the proposal it names if a person of the role's organization made it, and if the
   proposal's `until` had not passed. A person counts once for a role of a proposal. The agreement is in
   force from the moment when every role of one proposal has the signatures that the document asks for.
5. Facts and confirmations count only while the agreement is in force. What was counted before that is
   shown and changes nothing; it can be stated again. (A timekeeper counts facts only then: `countable`.)
6. A fact counts if its organization has a role in `by` and its fields fit. It exists once it and a
   confirmation by every role in `confirm` are counted, in whatever order. Of the facts of one name the
   first `max` that exist count; later ones are shown and change nothing.
7. Where the timekeeper counted an entry that the holder does not hold, the replay stops there: what
   follows could not be checked. `missing` names it.

The caller owes: every statement that it may hold of a prefix of the timekeeper's log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from contracts.document import agreement_hash
from contracts.evaluator import Contract, ExistingFact, Moment, load_contract
from contracts.records import Position, Record
from contracts.replay import Claim, Offer, Replay
from contracts.signing import signers
from contracts.values import Instant
from ledger.errors import MissingError, TallyError

PROPOSED, IN_FORCE, LAPSED = "proposed", "in force", "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An offer of the document, and who has signed it: persons (key ids) by role, counted."""

    leaf_hash: bytes
    organization: str
    until: int | None
    signed: Mapping[str, tuple[str, ...]]
    lacking: Mapping[str, int]
    """How many more people of a role must sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A confirmation of a fact that the holder knows, counted or not."""

    leaf_hash: bytes
    organization: str
    counted: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView:
    """A fact that somebody stated, and what became of it."""

    leaf_hash: bytes
    name: str
    organization: str
    fields: Mapping[str, str]
    status: str
    reason: str
    counted: Instant | None
    confirmations: tuple[Confirmation, ...]
    awaiting: tuple[str, ...]
    """Roles whose confirmation is not there yet, counted or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A record that has no effect, and why."""

    leaf_hash: bytes
    organization: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a holder knows of one version of an agreement."""

    contract: Contract
    status: str
    start: Moment | None
    """When it came into force."""
    basis: tuple[Position, ...]
    """The entries that its being in force rests on."""
    proposals: tuple[Proposal, ...]
    facts: tuple[FactView, ...]
    existing: tuple[ExistingFact, ...]
    positions: Mapping[bytes, tuple[Position, Position]]
    """For each counted leaf hash, in counting order: where the entry stands, and where it was counted."""
    last_counted_ms: int
    """The time of the last `counted` entry; the next may not be before it."""
    decisions: tuple[Record, ...]
    countable: tuple[bytes, ...]
    """What its timekeeper should count now, in a fair order."""
    missing: tuple[bytes, ...]
    remarks: tuple[Remark, ...]


def fold_agreement(agreement: bytes, records: Iterable[Record]) -> Agreement:
    """What these records make of the agreement with this hash.

    Raises:
        MissingError: no record holds its document.
        TallyError: its document is no contract, or one with errors.
    """
    held = {record.leaf_hash: record for record in records}
    ordered = sorted(held.values(), key=lambda record: (record.origin, record.seq, record.leaf_hash))
    document = next(
        (body for record in ordered if (body := _proposed_document(record, agreement)) is not None), None
    )
    if document is None:
        raise MissingError(
            f"agreement {agreement.hex()[:16]}",
            found="no proposal",
            expected="a proposal with its document",
            action="fetch it from a party",
        )
    replay = Replay(load_contract(document), held)
    replay.run(ordered)
    return _result(replay)


def _proposed_document(record: Record, agreement: bytes) -> bytes | None:
    document = record.body.get("document") if record.kind == "agreement.propose" else None
    return document if isinstance(document, bytes) and agreement_hash(document) == agreement else None


def _result(replay: Replay) -> Agreement:
    return Agreement(
        contract=replay.contract,
        status=_status(replay),
        start=replay.start,
        basis=replay.basis,
        proposals=tuple(_proposal(replay, offer) for offer in replay.offers.values()),
        facts=tuple(_fact(replay, claim) for claim in replay.claims.values()),
        existing=tuple(replay.existing),
        positions={
            leaf_hash: (replay.held[leaf_hash].position, moment.position)
            for leaf_hash, moment in replay.counted.items()
        },
        last_counted_ms=replay.last_ms,
        decisions=tuple(replay.decisions),
        countable=tuple(_countable(replay)),
        missing=tuple(replay.missing),
        remarks=tuple(
            Remark(leaf_hash=leaf_hash, organization=replay.held[leaf_hash].organization, text=text)
            for leaf_hash, text in sorted(replay.remarks.items())
        ),
    )


def _status(replay: Replay) -> str:
    """An offer has lapsed once the timekeeper's log has a later time than its `until`."""
    if replay.start:
        return IN_FORCE
    ends = [offer.record.body["until"] for offer in replay.offers.values()]
    lapsed = ends and all(end is not None and end < replay.last_ms for end in ends)
    return LAPSED if lapsed else PROPOSED


def _proposal(replay: Replay, offer: Offer) -> Proposal:
    return Proposal(
        leaf_hash=offer.record.leaf_hash,
        organization=offer.record.organization,
        until=offer.record.body["until"],
        signed={role: tuple(people) for role, people in sorted(offer.signers.items())},
        lacking={role: count for role, count in replay.lacking(offer).items() if count},
    )


def _fact(replay: Replay, claim: Claim) -> FactView:
    record = claim.record
    confirmations = [
        Confirmation(
            leaf_hash=confirmation.leaf_hash,
            organization=confirmation.organization,
            counted=moment.instant if (moment := replay.counted.get(confirmation.leaf_hash)) else None,
        )
        for confirmation in replay.confirms.get(record.leaf_hash, ())
        if confirmation.leaf_hash not in replay.remarks
    ]
    given = {confirmation.organization for confirmation in confirmations}
    parties = replay.document.parties
    return FactView(
        leaf_hash=record.leaf_hash,
        name=claim.stated.name,
        organization=record.organization,
        fields=dict(sorted(record.body["fields"].items())),
        status=claim.status,
        reason=claim.reason,
        counted=claim.counted,
        confirmations=tuple(confirmations),
        awaiting=tuple(role for role in claim.stated.rule.confirm if parties[role] not in given),
    )


def _countable(replay: Replay) -> Iterator[bytes]:
    """What would have an effect if it were counted now: signatures first, then facts, then confirmations.

    Within each by the authors' times; a timekeeper may as well use the order in which it received them.
    """
    waiting = [
        record
        for leaf_hash, record in replay.held.items()
        if leaf_hash not in replay.counted and leaf_hash not in replay.remarks
    ]
    waiting.sort(key=lambda record: (record.time_ms, record.leaf_hash))
    if replay.start is None:
        yield from (record.leaf_hash for record in waiting if _is_countable_signature(replay, record))
        return
    yield from (record.leaf_hash for record in waiting if record.leaf_hash in replay.claims)
    confirms = {record.leaf_hash for known in replay.claims for record in replay.confirms.get(known, ())}
    yield from (record.leaf_hash for record in waiting if record.leaf_hash in confirms)


def _is_countable_signature(replay: Replay, record: Record) -> bool:
    if record.leaf_hash not in replay.signatures or record.body["proposal"] not in replay.offers:
        return False
    role = record.body["party"]
    try:
        people = signers(replay.document, record.organization, role, record.signatures)
    except TallyError:
        return False
    known = replay.offers[record.body["proposal"]].signers.get(role, ())
    return any(person not in known for person in people)
