"""The replay of an agreement's counted entries, step by step; `contracts.agreement` states the rules.

Mutable while it runs and used once: `contracts.agreement` reads the result from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.civil import MAX_MS
from contracts.document import agreement_hash
from contracts.evaluator import Contract, ExistingFact, Moment
from contracts.facts import StatedFact, parse_fact
from contracts.records import Position, Record, log_order
from contracts.signing import (
    check_member,
    check_person,
    check_reach,
    check_replaces,
    check_timekeeper,
    signers,
)
from contracts.values import Instant
from ledger.errors import TallyError
from ledger.log.kinds import check_body

KINDS_OF_AGREEMENTS = frozenset(
    ("agreement.propose", "agreement.sign", "fact", "confirm", "counted", "decision")
)

NOT_COUNTED = "not counted"
REFUSED = "does not count"
WAITING = "waits for confirmation"
EXISTS = "exists"
SURPLUS = "one too many"


class _Missing(Exception):
    """Stops the replay at an entry that the holder does not hold."""

    def __init__(self, leaf_hash: bytes) -> None:
        super().__init__(leaf_hash)
        self.leaf_hash = leaf_hash


@dataclass(slots=True)
class Offer:
    """A proposal, and the people whose signatures were counted, by role."""

    record: Record
    signers: dict[str, list[str]] = field(default_factory=dict)
    positions: list[Position] = field(default_factory=list)


@dataclass(slots=True)
class Claim:
    """A fact that somebody stated, and what has become of it so far."""

    record: Record
    stated: StatedFact
    status: str = NOT_COUNTED
    reason: str = ""
    counted: Instant | None = None


class Replay:
    """The replay of one agreement's counted entries; `run` once, then read what it came to."""

    def __init__(self, contract: Contract, held: Mapping[bytes, Record]) -> None:
        self.contract = contract
        self.document = contract.document
        self.organizations = contract.document.organizations()
        self.held = held
        self.offers: dict[bytes, Offer] = {}
        self.claims: dict[bytes, Claim] = {}
        self.signatures: set[bytes] = set()
        self.confirms: dict[bytes, list[Record]] = {}
        self.counted: dict[bytes, Moment] = {}
        self.ranks: dict[bytes, int] = {}
        self.start: Moment | None = None
        self.basis: tuple[Position, ...] = ()
        self.existing: list[ExistingFact] = []
        self.how_many: dict[str, int] = {}
        self.missing: list[bytes] = []
        self.decisions: list[Record] = []
        self.remarks: dict[bytes, str] = {}
        self.last_ms = 0

    def run(self, ordered: list[Record]) -> None:
        counted: list[Record] = []
        for record in ordered:
            try:
                self.sort_in(record, counted)
            except TallyError as error:
                self.remarks[record.leaf_hash] = str(error)
        self.drop_strangers()
        try:
            for record in sorted(counted, key=log_order):
                self.replay(record)
        except _Missing as stop:
            self.missing.append(stop.leaf_hash)

    # What each record is, before any of it counts

    def sort_in(self, record: Record, counted: list[Record]) -> None:
        """Put a record where it belongs; raises where it can have no effect."""
        if record.kind not in KINDS_OF_AGREEMENTS or not self.concerns(record):
            return
        where = f"{record.origin} entry {record.seq}"
        check_body(record.kind, record.body, where)
        check_reach(record, self.organizations, where)
        check_member(record.organization, self.organizations, where)
        match record.kind:
            case "agreement.propose":
                check_replaces(record.body, where)
                self.offers[record.leaf_hash] = Offer(record)
            case "agreement.sign":
                self.signatures.add(record.leaf_hash)
            case "fact":
                stated = parse_fact(self.document, record.organization, record.body, record.time_ms)
                self.claims[record.leaf_hash] = Claim(record, stated)
            case "confirm":
                check_person(record, where)
                self.confirms.setdefault(record.body["fact"], []).append(record)
            case "counted":
                check_timekeeper(self.document, record.organization, where)
                counted.append(record)
            case "decision":
                self.decisions.append(record)

    def concerns(self, record: Record) -> bool:
        """Whether a record is about this agreement."""
        if record.kind != "agreement.propose":
            return record.body.get("agreement") == self.contract.agreement
        document = record.body.get("document")
        return isinstance(document, bytes) and agreement_hash(document) == self.contract.agreement

    def drop_strangers(self) -> None:
        """Remark on confirmations by organizations that the fact does not ask."""
        for leaf_hash, claim in self.claims.items():
            asked = {self.document.parties[role] for role in claim.stated.rule.confirm}
            for record in self.confirms.get(leaf_hash, ()):
                if record.organization not in asked:
                    text = f"{claim.stated.name} is confirmed by {', '.join(sorted(asked)) or 'nobody'}"
                    self.remarks[record.leaf_hash] = text

    # What the timekeeper counted

    def replay(self, record: Record) -> None:
        if not self.last_ms <= record.time_ms <= MAX_MS:
            self.remarks[record.leaf_hash] = (
                f"counts nothing: its time {record.time_ms} lies before that of the counted entry before it"
            )
            return
        self.last_ms = record.time_ms
        moment = Moment(instant=Instant(record.time_ms), position=record.position)
        for leaf_hash in record.body["entries"]:
            if leaf_hash in self.counted:
                continue
            named = self.held.get(leaf_hash)
            if named is None:
                raise _Missing(leaf_hash)
            self.counted[leaf_hash] = moment
            self.ranks[leaf_hash] = len(self.ranks)
            if leaf_hash in self.remarks:
                continue
            match named.kind:
                case "agreement.sign":
                    self.count_signature(named, moment)
                case "fact":
                    self.count_fact(named, moment)
                case "confirm":
                    self.count_confirmation(named, moment)
                case _:
                    self.remarks[leaf_hash] = f"a {named.kind} is not counted"

    def count_signature(self, record: Record, moment: Moment) -> None:
        leaf_hash, role = record.body["proposal"], record.body["party"]
        if leaf_hash not in self.held:
            raise _Missing(leaf_hash)
        offer = self.offers.get(leaf_hash)
        if offer is None or record.leaf_hash not in self.signatures:
            self.remarks[record.leaf_hash] = "signs a proposal that does not count"
            return
        try:
            people = signers(self.document, record.organization, role, record.signatures)
        except TallyError as error:
            self.remarks[record.leaf_hash] = str(error)
            return
        until = offer.record.body["until"]
        if until is not None and moment.instant.ms > until:
            self.remarks[record.leaf_hash] = "signed an offer that had lapsed"
            return
        known = offer.signers.setdefault(role, [])
        fresh = [person for person in people if person not in known]
        if not fresh:
            self.remarks[record.leaf_hash] = "signed before: a person signs a proposal once"
            return
        known.extend(fresh)
        offer.positions += [record.position, moment.position]
        if self.start is None and not any(self.lacking(offer).values()):
            self.start = moment
            self.basis = (offer.record.position, *offer.positions)

    def lacking(self, offer: Offer) -> dict[str, int]:
        return {
            role: max(0, rule.need - len(offer.signers.get(role, ())))
            for role, rule in self.document.sign.items()
        }

    def count_fact(self, record: Record, moment: Moment) -> None:
        claim = self.claims.get(record.leaf_hash)
        if claim is None:
            self.remarks[record.leaf_hash] = "a fact of another agreement"
        elif self.start is None:
            claim.status, claim.reason = REFUSED, "counted before the agreement was in force: state it again"
        else:
            claim.status, claim.counted = WAITING, moment.instant
            self.let_exist(record.leaf_hash, moment)

    def count_confirmation(self, record: Record, moment: Moment) -> None:
        if self.start is None:
            self.remarks[record.leaf_hash] = "counted before the agreement was in force: confirm again"
            return
        self.let_exist(record.body["fact"], moment)

    def let_exist(self, leaf_hash: bytes, moment: Moment) -> None:
        """Make a counted fact exist if every confirmation that it needs is counted too."""
        claim = self.claims.get(leaf_hash)
        if claim is None or claim.status != WAITING or claim.counted is None:
            return
        confirmations = self.needed_confirmations(claim)
        if confirmations is None:
            return
        stated = claim.stated
        if self.how_many.get(stated.name, 0) >= stated.rule.max:
            claim.status, claim.reason = (
                SURPLUS,
                f"{stated.rule.max} of {stated.name} count, this is a later one",
            )
            return
        claim.status = EXISTS
        self.how_many[stated.name] = self.how_many.get(stated.name, 0) + 1
        entries = sorted((leaf_hash, *confirmations), key=self.ranks.__getitem__)
        times = [self.counted[confirmation].instant for confirmation in confirmations]
        self.existing.append(
            ExistingFact(
                name=stated.name,
                fields=stated.fields,
                at=stated.at,
                counted=claim.counted,
                confirmed=max(times, default=None),
                entries=tuple(entries),
                since=moment,
            )
        )

    def needed_confirmations(self, claim: Claim) -> list[bytes] | None:
        """The first counted confirmation of each confirming organization, or None if one lacks."""
        counted = [
            record
            for record in self.confirms.get(claim.record.leaf_hash, ())
            if record.leaf_hash in self.counted and record.leaf_hash not in self.remarks
        ]
        found: dict[str, bytes] = {}
        for record in sorted(counted, key=lambda record: self.ranks[record.leaf_hash]):
            found.setdefault(record.organization, record.leaf_hash)
        needed = {self.document.parties[role] for role in claim.stated.rule.confirm}
        return [found[organization] for organization in sorted(needed)] if needed <= found.keys() else None
