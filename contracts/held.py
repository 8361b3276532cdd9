"""What is held of one agreement: its records sorted by what they are, before any of them counts.

A record that has not the form of its kind, or whose author has no part in the agreement, has no effect
whoever counts it; `invalid` says why, also of entries about something else, which are not kept. All else is
decided where it is counted (`contracts.course`).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from contracts.contract import Contract
from contracts.document import agreement_hash
from contracts.events import read_event_facts
from contracts.facts import StatedFact, parse_fact
from contracts.records import Record, log_order
from contracts.signing import check_member, check_person, check_reach
from ledger.errors import TallyError
from ledger.log.kinds import check_body

SIGNING_KINDS = frozenset(("agreement.sign", "agreement.withdraw", "agreement.decline"))
"""What counts before the agreement is in force."""
LATER_KINDS = frozenset(("fact", "event", "confirm", "agreement.terminate", "correction"))
"""What counts while it is in force, and some of it after its end."""
STREAM_KINDS = frozenset(("counted", "tick"))
"""What a timekeeper says."""
KINDS_OF_AGREEMENTS = (
    SIGNING_KINDS | LATER_KINDS | STREAM_KINDS | {"agreement.propose", "timekeeper.replace", "decision"}
)


class Held:
    """The records of one agreement by leaf hash, and what each of them is."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.document = contract.document
        self.records: dict[bytes, Record] = {}
        self.offers: dict[bytes, Record] = {}
        self.stated: dict[bytes, dict[str, StatedFact]] = {}
        """The facts that an entry states, by name: one for a `fact`, perhaps several for an event."""
        self.confirms: dict[bytes, list[Record]] = {}
        """Confirmations by the fact that they confirm."""
        self.decisions: dict[tuple[str, str | None], list[Record]] = {}
        """Recorded decisions by rule and key, in the order of the logs."""
        self.replacements: list[Record] = []
        self.candidates: dict[bytes, Record] = {}
        """What a timekeeper may count."""
        self.invalid: dict[bytes, str] = {}
        self._parties = tuple(sorted(set(self.document.parties.values())))

    def knows(self, leaf_hash: bytes) -> bool:
        """Whether an entry is here, or known to have no effect."""
        return leaf_hash in self.records or leaf_hash in self.invalid

    def concerns(self, record: Record) -> bool:
        """Whether a record is about this agreement."""
        if record.kind in ("tick", "event"):
            return True
        if record.kind != "agreement.propose":
            return record.body.get("agreement") == self.contract.agreement
        document = record.body.get("document")
        return isinstance(document, bytes) and agreement_hash(document) == self.contract.agreement

    def add(self, record: Record) -> None:
        """Put a record where it belongs, once."""
        if record.leaf_hash in self.records:
            return
        if record.kind not in KINDS_OF_AGREEMENTS or not self.concerns(record):
            self.invalid[record.leaf_hash] = "an entry that is not about this agreement"
            return
        try:
            self._sort_in(record)
        except TallyError as error:
            self.invalid[record.leaf_hash] = str(error)
        self.records[record.leaf_hash] = record

    def _sort_in(self, record: Record) -> None:
        where = f"{record.origin} entry {record.seq}"
        check_body(record.kind, record.body, where)
        if record.kind == "event":
            self._sort_event(record)
            return
        check_reach(record, self._parties, where)
        if record.kind in STREAM_KINDS:
            return
        if record.kind == "timekeeper.replace":
            check_person(record, where)
            self.replacements.append(record)
            return
        members = self.document.organizations()
        check_member(record.organization, members, where)
        match record.kind:
            case "agreement.propose":
                self.offers[record.leaf_hash] = record
                return
            case "decision":
                # Who only keeps the time decides nothing, and so disputes nothing.
                check_member(record.organization, self._parties, where)
                key = record.body["rule"], record.body.get("key")
                insort(self.decisions.setdefault(key, []), record, key=log_order)
                return
            case "fact":
                stated = parse_fact(self.document, record.organization, record.body, record.time_ms)
                self.stated[record.leaf_hash] = {stated.name: stated}
            case "confirm":
                check_person(record, where)
                self.confirms.setdefault(record.body["fact"], []).append(record)
            case "agreement.decline" | "agreement.terminate" | "correction":
                check_member(record.organization, self._parties, where)
                check_person(record, where)
        self.candidates[record.leaf_hash] = record

    def _sort_event(self, record: Record) -> None:
        """An event that fits no fact is nobody's mistake: it is simply not about this agreement."""
        if record.reaches(self._parties) and (stated := read_event_facts(self.document, record)):
            self.stated[record.leaf_hash] = stated
            self.candidates[record.leaf_hash] = record

    def asked(self, fact: bytes) -> set[str]:
        """The organizations that are asked to confirm what an entry states."""
        return {
            self.document.parties[role]
            for stated in self.stated.get(fact, {}).values()
            for role in stated.rule.confirm
        }

    def strangers(self) -> Iterator[tuple[Record, str]]:
        """Confirmations of facts by organizations that are not asked, and what to say of them."""
        for leaf_hash, stated in self.stated.items():
            asked = self.asked(leaf_hash)
            for record in self.confirms.get(leaf_hash, ()):
                if record.organization not in asked:
                    name = next(iter(stated))
                    yield record, f"{name} is confirmed by {', '.join(sorted(asked)) or 'nobody'}"
