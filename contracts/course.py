"""The course of an agreement: what the timekeeper's entries, taken in order, make of it.

Mutable and grown by `contracts.replay`, entry by entry; `contracts.agreement` states the rules and reads the
result. An entry that names what is not held stops the course (`Missing`); the same entry is taken again when
that is learnt, and what it counted before counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.civil import MAX_MS
from contracts.confirmations import Confirmations
from contracts.corrections import Corrections
from contracts.document import TERMINATE
from contracts.evaluator import Evaluator
from contracts.facts import StatedFact
from contracts.facts_known import ExistingFact, Moment
from contracts.held import SIGNING_KINDS, Held
from contracts.look import Look
from contracts.quota import Quota
from contracts.records import Position, Record
from contracts.signing import check_reach, signers
from contracts.values import Instant
from ledger.errors import InvalidError, TallyError

NOT_COUNTED = "not counted"
REFUSED = "does not count"
WAITING = "waits for confirmation"
EXISTS = "exists"
SURPLUS = "one too many"
LATE = "late"

TERMINATED, REPLACED = "terminated", "replaced"
DECLINED, WITHDRAWN, LAPSED = "declined", "withdrawn", "lapsed"


class Missing(Exception):
    """Stops the course at an entry that the holder does not hold."""

    def __init__(self, leaf_hash: bytes) -> None:
        super().__init__(leaf_hash)
        self.leaf_hash = leaf_hash


@dataclass(slots=True)
class Offer:
    """A proposal, the people whose signatures were counted, by role, and why it is gone if it is."""

    record: Record
    signers: dict[str, list[str]] = field(default_factory=dict)
    positions: list[Position] = field(default_factory=list)
    gone: str = ""


@dataclass(slots=True)
class Claim:
    """A fact that was counted, and what has become of it so far."""

    record: Record
    stated: StatedFact
    counted: Instant
    status: str = WAITING
    reason: str = ""


class Course:
    """What has come of the entries taken so far."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.contract = held.contract
        self.document = held.document
        self.waiting = dict(held.candidates)
        """What a timekeeper may count and has not yet."""
        self.counted: dict[bytes, Moment] = {}
        self.ranks: dict[bytes, int] = {}
        self.offers: dict[bytes, Offer] = {}
        self.claims: dict[tuple[bytes, str], Claim] = {}
        self.existing: list[ExistingFact] = []
        self.start: Moment | None = None
        self.basis: tuple[Position, ...] = ()
        self.offer: Offer | None = None
        self.remarks: dict[bytes, str] = {}
        self.last_ms = 0
        self.evaluator = Evaluator(self.contract, self.ranks)
        self.corrections = Corrections(self.contract)
        self.quota = Quota(self.contract)
        self.confirmations = Confirmations()
        self._terminating: dict[str, set[str]] = {}
        self._gone: tuple[Moment, str] | None = None

    @property
    def end(self) -> tuple[Moment, str] | None:
        """When and for what reason the agreement ended, or its last offer went."""
        if self.start is not None:
            return self.evaluator.end
        return None if any(True for _ in self._open_offers()) else self._gone

    @property
    def next_due(self) -> int | None:
        """The time of the first tick that will close something, in milliseconds."""
        if self.start is not None:
            return self.evaluator.next_due
        ends = [offer.record.body["until"] for offer in self._open_offers()]
        return min((end + 1 for end in ends if end is not None), default=None)

    def _open_offers(self) -> Iterator[Offer]:
        for leaf_hash in self.held.offers:
            if not (offer := self.offer_of(leaf_hash)).gone:
                yield offer

    def offer_of(self, leaf_hash: bytes) -> Offer:
        """What has become of a proposal that is held."""
        return self.offers.setdefault(leaf_hash, Offer(self.held.offers[leaf_hash]))

    # The timekeeper's entries

    def take(self, record: Record, timekeeper: str) -> None:
        """Take the next `counted` or `tick` entry; raises `Missing`."""
        if not self.last_ms <= record.time_ms <= MAX_MS:
            if record.kind == "counted":
                self.remarks[record.leaf_hash] = (
                    f"counts nothing: its time {record.time_ms} lies before that of the entry before it"
                )
            return
        moment = Moment(instant=Instant(record.time_ms), position=record.position)
        if record.kind == "tick":
            self._tick(record, moment)
        elif record.body["agreement"] != self.contract.agreement:
            self._replaced(record, moment)
        else:
            self._count(record, moment, timekeeper)
        if self.start is None:
            self._lapse(moment)

    def _tick(self, record: Record, moment: Moment) -> None:
        """A tick that closes nothing changes nothing, so it may as well be left out."""
        due = self.next_due
        if due is None or due > record.time_ms:
            return
        self.last_ms = record.time_ms
        if self.start is not None:
            self._note(record.leaf_hash, moment)
            self.evaluator.tick(record.leaf_hash, moment)

    def _lapse(self, moment: Moment) -> None:
        for offer in list(self._open_offers()):
            until = offer.record.body["until"]
            if until is not None and until < self.last_ms:
                self._drop(offer, LAPSED, moment)

    def _drop(self, offer: Offer, reason: str, moment: Moment) -> None:
        offer.gone = reason
        if not any(True for _ in self._open_offers()):
            self._gone = (moment, reason)

    def _replaced(self, record: Record, moment: Moment) -> None:
        """The entry that brings the replacing agreement into force; the replay has checked that it may."""
        if self.start is not None and self.evaluator.end is None:
            self.last_ms = record.time_ms
            self._note(record.leaf_hash, moment)
            self.evaluator.finish(moment, REPLACED)

    def _note(self, leaf_hash: bytes, moment: Moment) -> None:
        self.counted[leaf_hash] = moment
        self.ranks[leaf_hash] = len(self.ranks)

    def _count(self, record: Record, moment: Moment, timekeeper: str) -> None:
        self.last_ms = record.time_ms
        for leaf_hash in record.body["entries"]:
            if leaf_hash in self.counted:
                continue
            if leaf_hash in self.held.invalid:
                self._note(leaf_hash, moment)
                continue
            named = self.held.records.get(leaf_hash)
            if named is None:
                raise Missing(leaf_hash)
            if named.kind in SIGNING_KINDS and not self.held.knows(named.body["proposal"]):
                raise Missing(named.body["proposal"])
            self._note(leaf_hash, moment)
            self.waiting.pop(leaf_hash, None)
            try:
                check_reach(named, (timekeeper,), f"{named.origin} entry {named.seq}")
                count = _COUNTS.get(named.kind)
                if count is None:
                    raise InvalidError(named.kind, found="a kind that is not counted")
                count(self, named, moment)
            except TallyError as error:
                self.remarks[leaf_hash] = str(error)

    # Before it is in force

    def _signed_offer(self, record: Record, moment: Moment) -> Offer:
        leaf_hash = record.body["proposal"]
        if leaf_hash not in self.held.offers:
            raise _refused("signature", "a proposal that does not count")
        offer = self.offer_of(leaf_hash)
        until = offer.record.body["until"]
        if until is not None and moment.instant.ms > until:
            raise _refused("signature", "an offer that had lapsed")
        if offer.gone:
            raise _refused("signature", f"an offer that is {offer.gone}")
        return offer

    def _count_signature(self, record: Record, moment: Moment) -> None:
        role = record.body["party"]
        people = signers(self.document, record.organization, role, record.signatures)
        offer = self._signed_offer(record, moment)
        known = offer.signers.setdefault(role, [])
        fresh = [person for person in people if person not in known]
        if not fresh:
            raise _refused("signature", "signed before: a person signs a proposal once")
        known.extend(fresh)
        offer.positions += [record.position, moment.position]
        if self.start is None and not any(self.lacking(offer).values()):
            self.start, self.offer = moment, offer
            self.basis = (offer.record.position, *offer.positions)
            self.evaluator.begin(moment)

    def lacking(self, offer: Offer) -> dict[str, int]:
        """How many more people of each role must sign."""
        return {
            role: max(0, rule.need - len(offer.signers.get(role, ())))
            for role, rule in self.document.sign.items()
        }

    def _count_withdrawal(self, record: Record, moment: Moment) -> None:
        offer = self._offer_to_drop(record, moment)
        if record.organization != offer.record.organization:
            raise _refused("withdrawal", f"by {record.organization}, who did not propose it")
        self._drop(offer, WITHDRAWN, moment)

    def _count_decline(self, record: Record, moment: Moment) -> None:
        self._drop(self._offer_to_drop(record, moment), DECLINED, moment)

    def _offer_to_drop(self, record: Record, moment: Moment) -> Offer:
        if self.start is not None:
            raise _refused(record.kind, "counted when the agreement was in force")
        return self._signed_offer(record, moment)

    def would_count(self, record: Record) -> bool:
        """Whether a signature, withdrawal or decline would change something if it were counted now."""
        if record.body["proposal"] not in self.held.offers:
            return False
        offer = self.offer_of(record.body["proposal"])
        if offer.gone:
            return False
        match record.kind:
            case "agreement.withdraw":
                return record.organization == offer.record.organization
            case "agreement.decline":
                return True
        role = record.body["party"]
        try:
            people = signers(self.document, record.organization, role, record.signatures)
        except TallyError:
            return False
        return any(person not in offer.signers.get(role, ()) for person in people)

    # While it is in force

    def _count_facts(self, record: Record, moment: Moment) -> None:
        """Count what an entry states; each fact for itself."""
        for name, stated in self.held.stated.get(record.leaf_hash, {}).items():
            claim = Claim(record, stated, moment.instant)
            self.claims[record.leaf_hash, name] = claim
            if trouble := self.judge(stated, self.fact_of(record, stated, moment)):
                claim.status, claim.reason = trouble
            else:
                self._let_exist(claim, moment)

    def judge(self, stated: StatedFact, fact: ExistingFact) -> tuple[str, str] | None:
        """Why a statement can have no effect: a status and the reason; None if it can.

        Asked when it is counted, and again when its last confirmation is: `fact` says which.
        """
        rule, done, deadlines = stated.rule, "counted", (stated.rule.state_before, stated.rule.before)
        if fact.confirmed is not None:
            done, deadlines = "confirmed", (None, rule.before)
        if self.start is None:
            return REFUSED, "counted before the agreement was in force: state it again"
        if self.evaluator.end is not None and stated.name not in self.contract.after_end:
            return REFUSED, f"{done} after the agreement had ended"
        for deadline in deadlines:
            if deadline is not None and self.has_passed(deadline, stated):
                return LATE, f"{done} after {deadline} had closed"
        if surplus := self.quota.surplus(stated):
            return SURPLUS, surplus
        if rule.when is None:
            return None
        key = None if rule.per is None else (rule.per, stated.fields[rule.per])
        try:
            holds = Look(self.contract.program, self.evaluator.known, key, own=fact).value(rule.when)
        except TallyError as error:
            return REFUSED, str(error)
        return None if holds is True else (REFUSED, f"{done} when this did not hold: {rule.when.text}")

    def fact_of(
        self, record: Record, stated: StatedFact, moment: Moment, confirmations: Sequence[bytes] = ()
    ) -> ExistingFact:
        """A statement as it exists from a moment on, with what confirms it, if that makes it exist."""
        claim = self.claims.get((record.leaf_hash, stated.name))
        entries = (record.leaf_hash, *confirmations)
        return ExistingFact(
            name=stated.name,
            fields=stated.fields,
            at=stated.at,
            counted=moment.instant if claim is None else claim.counted,
            confirmed=max((self.counted[entry].instant for entry in confirmations), default=None),
            entries=tuple(sorted(entries, key=lambda entry: self.ranks.get(entry, len(self.ranks)))),
            since=moment,
        )

    def has_passed(self, deadline: str, stated: StatedFact) -> bool:
        """Whether a deadline has closed for what a statement is about."""
        per = self.document.deadlines[deadline].per
        key = None if per is None else stated.fields[per]
        closing = self.evaluator.known.deadline(deadline, key)
        return closing is not None and closing.passed

    def _count_confirmation(self, record: Record, moment: Moment) -> None:
        fact = record.body["fact"]
        if self.start is None:
            raise _refused("confirmation", "counted before the agreement was in force: confirm again")
        self.confirmations.count(record)
        for name in self.held.stated.get(fact, {}):
            claim = self.claims.get((fact, name))
            if claim is not None and claim.status == WAITING:
                self._let_exist(claim, moment)

    def _let_exist(self, claim: Claim, moment: Moment) -> None:
        """Make a counted fact exist if every confirmation that it needs is counted too."""
        stated = claim.stated
        needed = (self.document.parties[role] for role in stated.rule.confirm)
        confirmations = self.confirmations.of(claim.record.leaf_hash, needed)
        if confirmations is None:
            return
        fact = self.fact_of(claim.record, stated, moment, confirmations)
        if confirmations and (trouble := self.judge(stated, fact)):
            claim.status, claim.reason = trouble
            return
        claim.status = EXISTS
        self.quota.take(stated)
        self.existing.append(fact)
        self.evaluator.exist(fact)

    def _count_termination(self, record: Record, moment: Moment) -> None:
        """Every party together, or alone a role that holds an open permission to terminate."""
        role = record.body["party"]
        people = signers(self.document, record.organization, role, record.signatures)
        if role not in self.document.parties:
            raise _refused(TERMINATE, f"as {role}, who is no party")
        if self.start is None or self.evaluator.end is not None:
            raise _refused(TERMINATE, "counted when the agreement was not in force")
        said = self._terminating.setdefault(role, set())
        if said.issuperset(people):
            raise _refused(TERMINATE, "said before: a person says so once")
        said.update(people)
        done = [role for role in self.document.parties if self._has_terminated(role)]
        if len(done) == len(self.document.parties) or any(map(self.evaluator.may_terminate, done)):
            self.evaluator.finish(moment, TERMINATED)

    def _has_terminated(self, role: str) -> bool:
        return len(self._terminating.get(role, ())) >= self.document.sign[role].need

    def _count_correction(self, record: Record, moment: Moment) -> None:
        if self.corrections.count(record, moment, self.evaluator.firings):
            self.evaluator.correct(self.corrections.all_standing())

    def _count_replacement(self, record: Record, moment: Moment) -> None:
        """Named by the new timekeeper where its term begins; that it is named is all that it does."""


def _refused(where: str, found: str) -> InvalidError:
    return InvalidError(where, found=found, expected="")


_COUNTS: Mapping[str, Callable[[Course, Record, Moment], None]] = {
    "agreement.decline": Course._count_decline,
    "agreement.sign": Course._count_signature,
    "agreement.terminate": Course._count_termination,
    "agreement.withdraw": Course._count_withdrawal,
    "confirm": Course._count_confirmation,
    "correction": Course._count_correction,
    "event": Course._count_facts,
    "fact": Course._count_facts,
    "timekeeper.replace": Course._count_replacement,
}
