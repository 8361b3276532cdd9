"""Builds the records of an agreement's life for tests, as a node would hand them to the fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import Agreement, fold_agreement
from contracts.contract import load_contract
from contracts.decision import Evaluation, evaluate
from contracts.document import Document, agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from contracts.records import Record, Signature
from contracts.replay import Replay

DOCUMENTS = Path(__file__).parent / "documents"
NETWORK = "0123456789abcdef"


@dataclass
class Story:
    """Records of one agreement, in the order in which a test tells them."""

    document: Document
    records: list[Record] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    now_ms: int = 1_700_000_000_000

    @property
    def signed(self) -> bytes:
        return format_document(self.document)

    @property
    def agreement(self) -> bytes:
        return agreement_hash(self.signed)

    def add(
        self,
        organization: str,
        kind: str,
        body: dict[str, Any],
        *,
        person: str | None = None,
        role: str = "director",
        audience: tuple[str, ...] | None = None,
        time_ms: int | None = None,
        log: str = "",
    ) -> Record:
        origin = f"{organization}/{NETWORK}{log}"
        seq = self.lengths[origin] = self.lengths.get(origin, -1) + 1
        signatures = (Signature(organization=organization, person=person, role=role),) if person else ()
        self.now_ms += 1000
        record = Record(
            origin=origin,
            organization=organization,
            seq=seq,
            leaf_hash=sha256(
                f"{origin} {seq} {kind} {sorted(body.items())}".encode(errors="replace")
            ).digest(),
            time_ms=self.now_ms if time_ms is None else time_ms,
            kind=kind,
            body=body,
            audience=audience,
            signatures=signatures,
        )
        self.records.append(record)
        return record

    def propose(
        self, organization: str, until: int | None = None, replaces: bytes | None = None, **more: Any
    ) -> Record:
        body = {"document": self.signed, "replaces": replaces, "until": until}
        return self.add(organization, "agreement.propose", body, **more)

    def sign(self, proposal: Record, role: str, person: str, **more: Any) -> Record:
        holder = self.document.parties.get(role, self.document.timekeeper)
        body = {"agreement": self.agreement, "party": role, "proposal": proposal.leaf_hash}
        more["role"] = more.pop("acts_as", "director")
        return self.add(more.pop("organization", holder), "agreement.sign", body, person=person, **more)

    def count(self, *records: Record, **more: Any) -> Record:
        body = {"agreement": self.agreement, "entries": [record.leaf_hash for record in records]}
        organization = more.pop("organization", self.document.timekeeper)
        return self.add(organization, "counted", body, **more)

    def sign_all(self) -> Record:
        """Propose, sign for every role, count: in force."""
        proposal = self.propose(next(iter(self.document.parties.values())))
        rules = self.document.sign.items()
        return self.count(
            *(
                self.sign(proposal, role, f"{role}-1", acts_as=next(iter(rule.of), "director"))
                for role, rule in rules
            )
        )

    def tick(self, time_ms: int, **more: Any) -> Record:
        """A tick of the timekeeper at a time."""
        return self.add(
            more.pop("organization", self.document.timekeeper), "tick", {}, time_ms=time_ms, **more
        )

    def state(
        self, organization: str, name: str, fields: dict[str, str] | None = None, **more: Any
    ) -> Record:
        body = {
            "agreement": self.agreement,
            "attachments": more.pop("attachments", []),
            "cites": [],
            "fields": fields or {},
            "name": name,
        }
        return self.add(organization, "fact", body, **more)

    def confirm(self, organization: str, fact: Record, person: str | None = "anna", **more: Any) -> Record:
        body = {"agreement": self.agreement, "fact": fact.leaf_hash}
        return self.add(organization, "confirm", body, person=person, **more)

    def fold(self) -> Agreement:
        return fold_agreement(self.agreement, self.records)

    def replay(self, *records: Record) -> Replay:
        """A replay that learnt everything told so far, or these records."""
        replay = Replay(load_contract(self.signed))
        replay.learn(*(records or self.records))
        return replay

    def evaluate(self, *, witnessed: bool = True) -> Evaluation:
        return evaluate(self.fold(), lambda origin, seq: witnessed)


@pytest.fixture(scope="session")
def documents() -> Path:
    """The folder of example contracts."""
    return DOCUMENTS


@pytest.fixture(scope="session")
def story() -> Callable[[str | Document], Story]:
    """Begins a story about an example contract (its file's name) or about a document."""

    def begin(document: str | Document) -> Story:
        if isinstance(document, str):
            document = parse_contract_yaml((DOCUMENTS / f"{document}.yaml").read_bytes(), document)
        return Story(document)

    return begin
