"""One agreement of a simulated network: what its firms do, and what each of their nodes makes of it.

Not a test module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contracts.agreement import IN_FORCE, Agreement
from contracts.decision import Evaluation, evaluate
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import add_signatures
from ledger.log.statement import PersonSignature, Statement, format_statement
from ledger.members.people import sign_as_person
from node.capture import CaptureOptions, draft_event
from node.clerk import Clerk
from node.drafts import make_draft
from node.home import PEOPLE
from node.keyfiles import read_key
from node.sync.storing import store_batch, store_note
from node.sync.wire import Batch
from node.views.records import AgreementBook

if TYPE_CHECKING:
    from tests.simulation.network import Kept, Network

PASSPHRASE = b"correct horse battery staple"
FIRMS = ("port", "acme", "bolt", "hub")
ROLES = {"acme": "seller", "bolt": "buyer", "port": "timekeeper"}
PARTIES = ("acme", "bolt")
WAIT_S = 60
QUIET = {"sync_interval_s": 60, "seen_interval_s": 600}
"""Settings of networks in which little is said but what the test has said."""
DOCUMENT = f"""
contract: 1
name: orders
parties: {{seller: acme, buyer: bolt}}
timekeeper: KEEPER
SUCCESSOR
params:
  price: {{money: 10.00 EUR}}
  wait: {{duration: {WAIT_S} seconds}}
text: >
  Each order is delivered within {{wait}} for {{price}}; if it is not, {{seller}} owes {{price}},
  unless it has excused itself or shipped the goods.
facts:
  ordered: {{by: [buyer], per: order, total: 50, fields: {{order: string}}}}
  delivered:
    {{by: [seller], confirm: [buyer], before: window, per: order, total: 50, fields: {{order: string}}}}
  excused: {{by: [seller], before: window, per: order, total: 50, fields: {{order: string}}}}
  shipped:
    by: [seller]
    event: {{type: ObjectEvent, action: OBSERVE, step: shipping}}
    before: window
    per: order
    total: 50
    fields: {{order: {{string: {{event: transaction, type: po}}}}}}
deadlines:
  window: {{at: ordered.at + wait, per: order}}
rules:
  - name: paid
    per: order
    when: exists(delivered)
    then: [{{due: {{from: buyer, to: seller, amount: price}}}}]
  - name: failed
    per: order
    when: window.passed and not exists(delivered) and not (exists(excused) or exists(shipped))
    then: [{{due: {{from: seller, to: buyer, amount: price}}}}]
  - name: spared
    per: order
    when: window.passed and not exists(delivered) and (exists(excused) or exists(shipped))
    then: [{{notify: [seller, buyer]}}]
"""

Finals = dict[tuple[str, str | None], bytes]
"""Hashes of final decisions by rule and key."""


class Deal:
    """One agreement of a simulated network, whose clerks work when the test lets time pass."""

    def __init__(
        self,
        network: Network,
        keeper: str = "port",
        *,
        firms: tuple[str, ...] = FIRMS,
        kept: Kept | None = None,
    ) -> None:
        """Found a network of these firms, or go on with one in which the agreement is in force."""
        self.network = network
        self.keeper = keeper
        self.firms = firms if kept is None else kept.names
        successor = "successor: hub" if "hub" in self.firms else ""
        text = DOCUMENT.replace("KEEPER", keeper).replace("SUCCESSOR", successor)
        self.document = format_document(parse_contract_yaml(text.encode()))
        self.agreement = agreement_hash(self.document)
        self.clerks: dict[str, Clerk] = {}
        self.told = 0
        if kept is None:
            self._found()
        else:
            # Statements under the nonces of those before would be taken for repetitions.
            self.told = 1_000_000
            network.go_on(kept)

    def _found(self) -> None:
        """Found the network; all hold everything of each other."""
        network, firms = self.network, self.firms
        network.found(firms[0])
        for name in firms[1:]:
            network.join(name)
        network.wait_until(lambda: network.agree() and len(network.heads_of(firms[0])) == len(firms))

    def work(self, *names: str) -> None:
        """Let the clerks of the nodes that run work, in this order."""
        for name in names or self.firms:
            machine = self.network.machines[name]
            if machine.node is not None:
                clerk = self.clerks.get(name)
                if clerk is None or clerk._node is not machine.node:
                    clerk = self.clerks[name] = Clerk(machine.node)
                clerk.work_off()

    def settle(self, seconds: float = 60) -> None:
        """Let everything arrive and be worked off."""
        for _ in range(6):
            self.network.sleep(seconds / 6)
            self.work()

    def say(
        self,
        name: str,
        kind: str,
        body: Mapping[str, Any],
        *,
        signed: bool = False,
        audience: Sequence[str] | None = None,
        honest: bool = True,
    ) -> bytes:
        """Record a statement, for all if nobody is named; an honest firm's node looks at it before."""
        node = self.network.machines[name].up
        draft = make_draft(self.statement(name, kind, body, signed=signed, audience=audience))
        record = node.record if honest else node.writer.append
        return record([draft]).result(20)[0].leaf

    def statement(
        self,
        name: str,
        kind: str,
        body: Mapping[str, Any],
        *,
        signed: bool = False,
        audience: Sequence[str] | None = None,
    ) -> Statement:
        """A statement under a nonce of its own, signed by the firm's director or by nobody."""
        self.told += 1
        nonce = self.told.to_bytes(16)
        signatures: tuple[PersonSignature, ...] = ()
        if signed:
            machine = self.network.machines[name]
            seed = read_key(machine.home / PEOPLE / "ann.key", PASSPHRASE).seed
            origin = machine.up.state.origin
            signatures = (
                sign_as_person(
                    seed=seed, role="director", kind=kind, origin=origin, nonce=nonce, body=dict(body)
                ),
            )
        told = None if audience is None else tuple(sorted(audience))
        return Statement(kind=kind, audience=told, body=dict(body), nonce=nonce, signatures=signatures)

    def bring_into_force(self) -> None:
        """Propose it and sign it for every role."""
        offer = {"document": self.document, "replaces": None, "until": None}
        proposal = self.say("acme", "agreement.propose", offer)
        self.settle(12)
        for name, role in ROLES.items():
            if role in ("seller", "buyer") or self.keeper == name:
                body = {"agreement": self.agreement, "party": role, "proposal": proposal}
                self.say(name, "agreement.sign", body, signed=True)
        self.settle(12)
        assert self.seen("acme").status == IN_FORCE

    def state(self, name: str, fact: str, order: str, **options: Any) -> bytes:
        """State a fact of an order; `at` is when it says that it happened."""
        at = options.pop("at", None)
        fields = {"order": order} if at is None else {"at": at, "order": order}
        body: dict[str, Value] = {"agreement": self.agreement, "attachments": [], "cites": []}
        return self.say(name, "fact", body | {"fields": fields, "name": fact}, **options)

    def ship(self, order: str, time: str = "2027-01-15T08:00:00Z", **options: Any) -> bytes:
        """Record the event by which the seller ships an order, at the time that it says."""
        event = {
            "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
            "type": "ObjectEvent",
            "eventTime": time,
            "eventTimeZoneOffset": "+00:00",
            "epcList": ["urn:epc:id:sgtin:0614141.107346.2018"],
            "action": "OBSERVE",
            "bizStep": "shipping",
            "bizTransactionList": [{"type": "po", "bizTransaction": order}],
        }
        node = self.network.machines["acme"].up
        drafts = draft_event(json.dumps(event).encode(), node.world, CaptureOptions(**options)).drafts
        return node.record(drafts).result(20)[0].leaf

    def confirm(self, fact: bytes, **options: Any) -> bytes:
        """Confirm a fact as the buyer."""
        body = {"agreement": self.agreement, "fact": fact}
        return self.say("bolt", "confirm", body, signed=True, **options)

    def hand_over(self, name: str, to: str = "hub") -> None:
        """Say that another firm is to keep the time."""
        node = self.network.machines[name].up
        keeper = self.seen(name).timekeeper
        witnessed = node.state.head(node.state.roster.origin(keeper)).witnessed
        assert witnessed is not None
        body = {"agreement": self.agreement, "head": witnessed.note, "term": 1, "timekeeper": to}
        self.say(name, "timekeeper.replace", body, signed=True)

    # What nodes make of it

    def seen(self, name: str) -> Agreement:
        """The agreement as a node knows it."""
        node = self.network.machines[name].up
        return node.book.agreement(node.reader, node.state, self.agreement)

    def afresh(self, name: str) -> Evaluation:
        """What follows from everything that a node holds, evaluated from the start."""
        node = self.network.machines[name].up
        found = AgreementBook().agreement(node.reader, node.state, self.agreement)
        return evaluate(found, node.state.is_witnessed)

    def evaluated(self, name: str) -> Evaluation:
        """What follows from the agreement as a node knows it."""
        return evaluate(self.seen(name), self.network.machines[name].up.state.is_witnessed)

    def final(self, name: str) -> Finals:
        """The final decisions as a node sees them."""
        return finals(self.evaluated(name))

    def recorded(self, name: str) -> list[tuple[str, Any]]:
        """Rule and key of every decision in a firm's own log."""
        return [(s.text("rule"), s.body.get("key")) for s in self.own(name, "decision")]

    def own(self, name: str, kind: str) -> list[Statement]:
        """The statements of one kind in a firm's own log."""
        node = self.network.machines[name].up
        found = (
            node.reader.record(node.state.origin, seq).statement for seq in range(node.state.own.copy.size)
        )
        return [statement for statement in found if statement is not None and statement.kind == kind]


def finals(evaluation: Evaluation) -> Finals:
    """The final decisions among all."""
    return {(d.firing.rule, d.key): d.hash for d in evaluation.decisions if d.final}


# A timekeeper with two faces


def face(deal: Deal, kinds: list[tuple[str, dict[str, Value]]], time_ms: int) -> Batch:
    """One of the histories that the timekeeper can sign behind what everybody holds."""
    node = deal.network.machines["port"].up
    before = node.state.own.copy
    entries, payloads, last = [], [], before.last
    for at, (kind, body) in enumerate(kinds):
        nonce = bytes([at]) * 16
        payload = format_statement(Statement(kind=kind, audience=None, body=body, nonce=nonce))
        entry = Entry(
            seq=before.size + at,
            prev=last,
            time_ms=time_ms,
            kind=kind,
            size=len(payload),
            commit=commit_to(bytes(16), payload),
        )
        entries.append(format_entry(entry))
        last = leaf_hash(entries[-1])
        payloads.append((before.size + at, bytes(16), payload))
    edge, _ = before.edge.extended([leaf_hash(entry) for entry in entries])
    checkpoint = Checkpoint(origin=before.origin, size=edge.size, root=edge.frontier.root())
    note = seal_checkpoint(checkpoint, node.keys.log.seed)
    return Batch(origin=before.origin, start=before.size, entries=entries, payloads=payloads, checkpoint=note)


def show(deal: Deal, batch: Batch, names: tuple[str, ...]) -> None:
    """Show a history to some, and them each other's cosignatures."""
    note = batch.checkpoint
    for name in names:
        stored = store_batch(deal.network.machines[name].up, batch)
        assert stored.cosignature is not None
        note = add_signatures(note, stored.cosignature)
    for name in names:
        store_note(deal.network.machines[name].up, note)
