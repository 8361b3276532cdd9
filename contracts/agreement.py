"""The life of an agreement as a fold over records: proposed, in force, ended, with its facts.

`fold_agreement` is a pure function of a set of records: their order and repetitions do not matter. All
order comes from the timekeeper's log, that is from its `counted` entries of this agreement and its `tick`
entries, by position; within one entry, from the list. The rules:

1. A `counted` entry counts what it names, at its own time. An entry whose time is before that of the
   entry before it that counted or closed something counts and closes nothing.
2. A leaf hash is counted once; later namings change nothing. Records that nobody counted change nothing.
3. A statement never counts if its audience lacks a party or the timekeeper.
4. A signature counts for the proposal it names if a person of the role's organization made it, and if the
   proposal's `until` had not passed. A person counts once for a role of a proposal. The agreement is in
   force from the moment when every role of one proposal has the signatures that the document asks for.
   Before that its proposer may withdraw a proposal and any party decline it; it is gone then.
5. Facts and confirmations count only while the agreement is in force, and after its end only facts that a
   rule with a discharge mentions. What was counted earlier can be stated again.
6. A fact counts if its organization has a role in `by`, its fields fit, and its `when` holds. It exists once
   it and a confirmation by every role in `confirm` are counted, in whatever order, before its deadlines
   closed; otherwise it is late. Of the facts of one name (and key) the first `max` that exist count; later
   ones are shown and change nothing. An event states the facts that it fits.
7. A deadline is fixed at the moment at which all that it needs exists, and closes at the first tick after
   that whose time is at or past it and its grace. All that are due close at one moment.
8. It ends when a state says so, when every party's people terminated it, or those of a role that holds a
   permission to, or when an agreement that replaces it comes into force.
9. A timekeeper is replaced as `contracts.terms` has it.
10. Where the timekeeper counted an entry that the holder does not hold, the replay stops there: what
    follows could not be checked. `missing` names it. Where the holder's copy does not reach to where a later
    term cuts the log, it stops before that term, and `missing` names the root there. It also names an entry
    of the timekeeper that came without its statement, not from the timekeeper itself: it may be about this.

The caller owes: every statement that it may hold of a prefix of the timekeeper's log, and the ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from contracts.contract import Contract, load_contract
from contracts.corrections import Correction
from contracts.course import LATE, NOT_COUNTED, WAITING, Offer
from contracts.document import agreement_hash
from contracts.evaluator import Failure, Firing
from contracts.facts import StatedFact
from contracts.facts_known import ExistingFact, Known, Moment
from contracts.records import NOTHING_OUTSIDE, Outside, Position, Record
from contracts.replay import Replay
from contracts.terms import Term
from contracts.values import Instant, Value
from contracts.wishes import Wish, open_wishes
from ledger.errors import MissingError

PROPOSED, IN_FORCE, ENDED = "proposed", "in force", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An offer of the document, and who has signed it: persons (key ids) by role, counted."""

    leaf_hash: bytes
    organization: str
    until: int | None
    replaces: bytes | None
    signed: Mapping[str, tuple[str, ...]]
    lacking: Mapping[str, int]
    """How many more people of a role must sign."""
    gone: str
    """Why it cannot be signed any more: withdrawn, declined, lapsed; or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A confirmation of a fact that the holder knows, counted or not."""

    leaf_hash: bytes
    organization: str
    counted: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView:
    """A fact that somebody stated, and what became of it. `by_event`: it is stated by an event."""

    leaf_hash: bytes
    name: str
    organization: str
    fields: Mapping[str, str]
    at: Instant
    status: str
    reason: str
    counted: Instant | None
    confirmations: tuple[Confirmation, ...]
    by_event: bool
    attachments: tuple[bytes, ...]
    awaiting: tuple[str, ...]
    """Roles whose confirmation is not there yet, counted or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A record that has no effect, and why."""

    leaf_hash: bytes
    organization: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """A statement that its timekeeper should count now."""

    leaf_hash: bytes
    organization: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineView:
    """A deadline that is fixed, for one value of its key if it has one; `closed` once it has."""

    name: str
    key: Value | None
    at: Instant
    due_ms: int
    closed: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a holder knows of one version of an agreement."""

    contract: Contract
    status: str
    reason: str
    """Why it ended, or empty."""
    start: Moment | None
    """When it came into force."""
    end: Moment | None
    basis: tuple[Position, ...]
    """The entries that its being in force rests on."""
    timekeeper: str
    """Who keeps the time at present."""
    term: int
    """0 for the timekeeper of the document, one more for each that took over."""
    terms: tuple[Term, ...]
    """Who kept the time from when on; the last may wait for its opening."""
    takeovers: Mapping[str, tuple[Position, ...]]
    """By log of a later timekeeper: the statements that put it in its place."""
    proposals: tuple[Proposal, ...]
    facts: tuple[FactView, ...]
    existing: tuple[ExistingFact, ...]
    deadlines: tuple[DeadlineView, ...]
    known: Known = field(compare=False)
    """What the rules see; it grows with the replay that this was read from."""
    firings: tuple[Firing, ...]
    failures: tuple[Failure, ...]
    corrections: Mapping[bytes, Correction]
    """What stands in place of a decision's effects, by the decision's hash."""
    positions: Mapping[bytes, tuple[Position, Position]]
    """For each counted leaf hash, in counting order: where the entry stands, and where it was counted."""
    last_counted_ms: int
    """The time of the last entry that counted or closed something; the next may not be before it."""
    decisions: Mapping[tuple[str, str | None], tuple[Record, ...]]
    """Recorded decisions by rule and key."""
    wishes: tuple[Wish, ...]
    """What parties have said of its end or of a correction, and others have not yet."""
    not_counted: tuple[NotCounted, ...]
    """What its timekeeper should count now, in a fair order."""
    missing: tuple[bytes, ...]
    remarks: tuple[Remark, ...]
    next_due: int | None
    """The time from which a tick closes something, in milliseconds."""

    @property
    def countable(self) -> tuple[bytes, ...]:
        """What its timekeeper should count now, by leaf hash."""
        return tuple(each.leaf_hash for each in self.not_counted)

    @property
    def in_force(self) -> bool:
        """Whether it is in force now."""
        return self.status == IN_FORCE


def fold_agreement(
    agreement: bytes, records: Iterable[Record], outside: Outside = NOTHING_OUTSIDE
) -> Agreement:
    """What these records make of the agreement with this hash.

    Raises:
        MissingError: no record holds its document.
        TallyError: its document is no contract, or one with errors.
    """
    held = list(records)
    replay = Replay(load_contract(find_document(agreement, held)), outside=outside)
    replay.learn(*held)
    return read_agreement(replay)


def find_document(agreement: bytes, records: Iterable[Record]) -> bytes:
    """The document that an agreement's hash names, from a proposal of it.

    Raises:
        MissingError: no record holds it.
    """
    for record in records:
        document = record.body.get("document") if record.kind == "agreement.propose" else None
        if isinstance(document, bytes) and agreement_hash(document) == agreement:
            return document
    raise MissingError(
        f"agreement {agreement.hex()[:16]}",
        found="no proposal",
        expected="a proposal with its document",
        action="fetch it from a party",
    )


def read_agreement(replay: Replay) -> Agreement:
    """What a replay has come to, as values that stay."""
    course = replay.course
    end = course.end
    return Agreement(
        contract=replay.contract,
        status=ENDED if end else IN_FORCE if course.start else PROPOSED,
        reason=end[1] if end else "",
        start=course.start,
        end=end[0] if end else None,
        basis=course.basis,
        timekeeper=replay.timekeeper,
        term=replay.terms[-1].number,
        terms=replay.terms,
        takeovers={
            term.timekeeper: tuple(record.position for record in term.statements)
            for term in replay.terms
            if term.statements
        },
        proposals=tuple(_proposals(replay)),
        facts=tuple(_facts(replay)),
        existing=tuple(course.existing),
        deadlines=tuple(_deadlines(course.evaluator.known)),
        known=course.evaluator.known,
        firings=tuple(course.evaluator.firings),
        failures=tuple(course.evaluator.failures.values()),
        corrections=dict(course.corrections.standing),
        positions=dict(_positions(replay)),
        last_counted_ms=course.last_ms,
        decisions={key: tuple(records) for key, records in replay.held.decisions.items()},
        wishes=open_wishes(replay),
        not_counted=tuple(_not_counted(replay)),
        missing=replay.missing if replay.awaits is None else (*replay.missing, replay.awaits),
        remarks=tuple(_remarks(replay)),
        next_due=replay.next_due,
    )


def _ordered(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.origin, record.seq, record.leaf_hash))


def _proposals(replay: Replay) -> Iterator[Proposal]:
    for record in _ordered(replay.held.offers.values()):
        offer = replay.course.offers.get(record.leaf_hash) or Offer(record)
        yield Proposal(
            leaf_hash=record.leaf_hash,
            organization=record.organization,
            until=record.body["until"],
            replaces=record.body["replaces"],
            signed={role: tuple(people) for role, people in sorted(offer.signers.items())},
            lacking={role: count for role, count in replay.course.lacking(offer).items() if count},
            gone=offer.gone,
        )


def _facts(replay: Replay) -> Iterator[FactView]:
    for record in _ordered(replay.held.records[leaf_hash] for leaf_hash in replay.held.stated):
        for name, stated in replay.held.stated[record.leaf_hash].items():
            yield _fact(replay, record, name, stated)


def _fact(replay: Replay, record: Record, name: str, stated: StatedFact) -> FactView:
    course, rule = replay.course, stated.rule
    claim = course.claims.get((record.leaf_hash, name))
    status, reason = (claim.status, claim.reason) if claim else (NOT_COUNTED, "")
    if claim is None:
        reason = course.remarks.get(record.leaf_hash, "")
    elif status == WAITING and rule.before is not None and course.has_passed(rule.before, stated):
        status, reason = LATE, f"not confirmed before {rule.before} had closed"
    confirmations = [
        Confirmation(
            leaf_hash=confirmation.leaf_hash,
            organization=confirmation.organization,
            counted=moment.instant if (moment := course.counted.get(confirmation.leaf_hash)) else None,
        )
        for confirmation in _ordered(replay.held.confirms.get(record.leaf_hash, ()))
        if confirmation.leaf_hash not in course.remarks
        and confirmation.organization in replay.held.asked(record.leaf_hash)
    ]
    given = {confirmation.organization for confirmation in confirmations}
    parties = replay.contract.document.parties
    return FactView(
        leaf_hash=record.leaf_hash,
        name=name,
        organization=record.organization,
        fields=dict(sorted(stated.texts.items())),
        at=stated.at,
        status=status,
        reason=reason,
        counted=claim.counted if claim else None,
        confirmations=tuple(confirmations),
        by_event=record.kind == "event",
        attachments=tuple(record.body.get("attachments", ())),
        awaiting=tuple(role for role in rule.confirm if parties[role] not in given),
    )


def _deadlines(known: Known) -> Iterator[DeadlineView]:
    for name, key, closing in known.deadlines():
        yield DeadlineView(name=name, key=key, at=closing.at, due_ms=closing.due_ms, closed=closing.closed)


def _not_counted(replay: Replay) -> Iterator[NotCounted]:
    for leaf_hash in replay.countable():
        record = replay.held.records[leaf_hash]
        yield NotCounted(leaf_hash=leaf_hash, organization=record.organization, kind=record.kind)


def _positions(replay: Replay) -> Iterator[tuple[bytes, tuple[Position, Position]]]:
    for leaf_hash, moment in replay.course.counted.items():
        record = replay.held.records.get(leaf_hash)
        yield leaf_hash, (record.position if record else moment.position, moment.position)


def _remarks(replay: Replay) -> Iterator[Remark]:
    held, course = replay.held, replay.course
    texts = dict(held.invalid) | course.remarks
    texts |= {record.leaf_hash: text for record, text in held.strangers()}
    for leaf_hash, record in course.waiting.items():
        if not record.reaches((replay.timekeeper,)):
            texts.setdefault(
                leaf_hash, f"{record.origin} entry {record.seq} audience: without {replay.timekeeper}"
            )
    texts |= {record.leaf_hash: text for record, text in replay.idle()}
    for leaf_hash, text in sorted(texts.items()):
        if leaf_hash in held.records:
            organization = held.records[leaf_hash].organization
            yield Remark(leaf_hash=leaf_hash, organization=organization, text=text)
