"""The logs of a simulation: records made up for a proposal, signatures, facts, ticks and all else.

Everybody has one log and one key; what they say is learnt by `contracts.simulate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from contracts.contract import Contract
from contracts.document import TIMEKEEPER, Document, agreement_hash
from contracts.effects import EffectMap
from contracts.reading import parse_document
from contracts.records import Outside, Position, Record, Signature
from contracts.scenario import Told
from contracts.values import Instant, format_value
from ledger.log.encoding import encode

_NETWORK = "simulated"
_NO_HASH = bytes(32)


class Logs:
    """Makes records, each with its place in its organization's log."""

    def __init__(self, contract: Contract, signed: bytes) -> None:
        self.contract = contract
        self.document = contract.document
        self.signed = signed
        self._times: dict[str, list[int]] = {}
        """The times of the entries of each log."""

    def record(
        self, organization: str, kind: str, body: dict[str, Any], at: Instant, people: tuple[str, ...] = ()
    ) -> Record:
        """The next record of an organization."""
        origin = _origin(organization)
        times = self._times.setdefault(origin, [])
        times.append(at.ms)
        return Record(
            origin=origin,
            organization=organization,
            seq=len(times) - 1,
            leaf_hash=sha256(f"{origin} {len(times) - 1}".encode()).digest(),
            time_ms=at.ms,
            kind=kind,
            body=body,
            signatures=tuple(
                Signature(organization=organization, person=f"{organization} {number}", role=role)
                for number, role in enumerate(people)
            ),
        )

    def offer(self, at: Instant) -> tuple[Record, list[Record]]:
        """The proposal of the agreement, and everybody's signatures."""
        return self._offered(self.document, self.signed, None, at)

    def next_offer(self, timekeeper: str, at: Instant) -> tuple[Record, list[Record], Record]:
        """The proposal of an agreement that replaces this one, signed and counted."""
        tree = dict(self.document.tree) if isinstance(self.document.tree, dict) else {}
        tree |= {"name": f"{self.document.name[:58]}-next", "timekeeper": timekeeper}
        if timekeeper in self.document.parties.values():
            tree["sign"] = {role: text for role, text in _map(tree.get("sign")).items() if role != TIMEKEEPER}
        signed = encode(tree)
        offer, signatures = self._offered(parse_document(signed), signed, self.contract.agreement, at)
        return offer, signatures, self._counted(agreement_hash(signed), timekeeper, signatures, at)

    def _offered(
        self, document: Document, signed: bytes, replaces: bytes | None, at: Instant
    ) -> tuple[Record, list[Record]]:
        first = next(iter(document.parties.values()))
        body = {"document": signed, "replaces": replaces, "until": None}
        offer = self.record(first, "agreement.propose", body, at)
        signatures = []
        for role in document.sign:
            holder = document.timekeeper if role == TIMEKEEPER else document.parties[role]
            said = {"agreement": agreement_hash(signed), "party": role, "proposal": offer.leaf_hash}
            signatures.append(self.record(holder, "agreement.sign", said, at, _people(document, role)))
        return offer, signatures

    def counted(self, timekeeper: str, leaf_hashes: Sequence[bytes], at: Instant) -> Record:
        """The timekeeper counts entries."""
        body = {"agreement": self.contract.agreement, "entries": list(leaf_hashes)}
        return self.record(timekeeper, "counted", body, at)

    def _counted(self, agreement: bytes, timekeeper: str, records: Sequence[Record], at: Instant) -> Record:
        body = {"agreement": agreement, "entries": [record.leaf_hash for record in records]}
        return self.record(timekeeper, "counted", body, at)

    def tick(self, timekeeper: str, at: Instant) -> Record:
        """The timekeeper says what time it is."""
        return self.record(timekeeper, "tick", {}, at)

    def termination(self, role: str, at: Instant) -> Record:
        """The people of a role terminate the agreement."""
        body = {"agreement": self.contract.agreement, "party": role, "text": ""}
        holder = self.document.parties[role]
        return self.record(holder, "agreement.terminate", body, at, _people(self.document, role))

    def confirmation(self, role: str, fact: Record, at: Instant) -> Record:
        """A person of a role confirms a fact."""
        body = {"agreement": self.contract.agreement, "fact": fact.leaf_hash}
        return self.record(self.document.parties[role], "confirm", body, at, ("director",))

    def correction(
        self, organization: str, decision: bytes, effects: Sequence[EffectMap], text: str, at: Instant
    ) -> Record:
        """A person of an organization says which effects are to stand."""
        body = {
            "agreement": self.contract.agreement,
            "decision": decision,
            "effects": [*effects],
            "text": text,
        }
        return self.record(organization, "correction", body, at, ("director",))

    def handover(self, before: str, timekeeper: str, term: int, cut: Instant, at: Instant) -> list[Record]:
        """Every party names the head of a timekeeper's log at a time, and who keeps the time after it."""
        origin = _origin(before)
        size = sum(time < cut.ms for time in self._times.get(origin, ()))
        body = {
            "agreement": self.contract.agreement,
            "head": f"{origin} {size}",
            "term": term,
            "timekeeper": timekeeper,
        }
        organizations = sorted(set(self.document.parties.values()))
        return [self.record(name, "timekeeper.replace", body, at, ("director",)) for name in organizations]

    def statement(self, told: Told) -> Record:
        """What somebody states: a fact, or an event."""
        holder = self.document.parties[told.role]
        if told.event:
            body: dict[str, Any] = {
                "capture": _NO_HASH,
                "context": "",
                "event": told.event,
                "hash": sha256(told.event.encode()).digest(),
            }
            return self.record(holder, "event", body, told.at)
        body = {
            "agreement": self.contract.agreement,
            "attachments": [sha256(bytes([n])).digest() for n in range(told.attachments)],
            "cites": [],
            "fields": {**told.texts, "at": format_value(told.at)},
            "name": told.fact,
        }
        return self.record(holder, "fact", dict(sorted(body.items())), told.at)


def _origin(organization: str) -> str:
    return f"{organization}/{_NETWORK}"


def _map(tree: object) -> dict[str, Any]:
    return tree if isinstance(tree, dict) else {}


def _people(document: Document, role: str) -> tuple[str, ...]:
    rule = document.sign[role]
    return (next(iter(rule.of), "director"),) * rule.need


def _head(note: str, organization: str, time_ms: int) -> Position | None:
    origin, _, size = note.partition(" ")
    return (origin, int(size)) if origin == _origin(organization) else None


def _never_enough(replaced: str, organizations: frozenset[str], time_ms: int) -> bool:
    return False


OUTSIDE = Outside(head=_head, enough=_never_enough)
"""The network of a simulation: every head is witnessed, and all parties speak for themselves."""
