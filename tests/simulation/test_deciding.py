"""Agreements over nodes that lose, repeat and delay messages: all decide the same, once, not too early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from contracts.agreement import IN_FORCE, Agreement
from contracts.decision import Evaluation, evaluate
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.errors import TallyError
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import add_signatures
from ledger.log.statement import PersonSignature, Statement, format_statement
from ledger.members.people import sign_as_person
from node.clerk import Clerk
from node.drafts import make_draft
from node.home import PEOPLE
from node.keyfiles import read_key
from node.sync.storing import store_batch, store_note
from node.sync.wire import Batch

if TYPE_CHECKING:
    from tests.simulation.network import Network

PASSPHRASE = b"correct horse battery staple"
FIRMS = ("port", "acme", "bolt", "hub")
ROLES = {"acme": "seller", "bolt": "buyer", "port": "timekeeper"}
DOCUMENT = """
contract: 1
name: orders
parties: {seller: acme, buyer: bolt}
timekeeper: %s
successor: hub
params:
  price: {money: 10.00 EUR}
  wait: {duration: 60 seconds}
text: Each order is delivered within {wait} for {price}; if it is not, {seller} owes {price}.
facts:
  ordered: {by: [buyer], per: order, total: 50, fields: {order: string}}
  delivered: {by: [seller], confirm: [buyer], before: window, per: order, total: 50, fields: {order: string}}
deadlines:
  window: {at: ordered.at + wait, per: order}
rules:
  - name: paid
    per: order
    when: exists(delivered)
    then: [{due: {from: buyer, to: seller, amount: price}}]
  - name: failed
    per: order
    when: window.passed and not exists(delivered)
    then: [{due: {from: seller, to: buyer, amount: price}}]
"""


class Deal:
    """One agreement of a simulated network, whose clerks work when the test lets time pass."""

    def __init__(self, network: Network, keeper: str = "port") -> None:
        self.network = network
        self.keeper = keeper
        self.document = format_document(parse_contract_yaml((DOCUMENT % keeper).encode()))
        self.agreement = agreement_hash(self.document)
        self.clerks: dict[str, Clerk] = {}
        self.told = 0
        self.head = ""
        network.found("port")
        for name in FIRMS[1:]:
            network.join(name)
        network.wait_until(lambda: network.agree() and len(network.heads_of("port")) == len(FIRMS))

    def work(self, *names: str) -> None:
        """Let the clerks of the nodes that run work, in this order."""
        for name in names or FIRMS:
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

    def say(self, name: str, kind: str, body: Mapping[str, Any], *, signed: bool = False) -> bytes:
        """Record a statement for all; the own rules of the node look at it."""
        node = self.network.machines[name].up
        self.told += 1
        nonce = self.told.to_bytes(16)
        signatures: tuple[PersonSignature, ...] = ()
        if signed:
            seed = read_key(self.network.machines[name].home / PEOPLE / "ann.key", PASSPHRASE).seed
            role = "director"
            origin = node.state.origin
            signatures = (
                sign_as_person(seed=seed, role=role, kind=kind, origin=origin, nonce=nonce, body=dict(body)),
            )
        statement = Statement(kind=kind, audience=None, body=dict(body), nonce=nonce, signatures=signatures)
        return node.record([make_draft(statement)]).result(20)[0].leaf

    def bring_into_force(self) -> None:
        offer = {"document": self.document, "replaces": None, "until": None}
        proposal = self.say("acme", "agreement.propose", offer)
        self.settle()
        for name, role in ROLES.items():
            if role in ("seller", "buyer") or self.keeper == name:
                body = {"agreement": self.agreement, "party": role, "proposal": proposal}
                self.say(name, "agreement.sign", body, signed=True)
        self.settle()
        assert self.seen("acme").status == IN_FORCE

    def state(self, name: str, fact: str, order: str) -> bytes:
        body: dict[str, Value] = {"agreement": self.agreement, "attachments": [], "cites": []}
        return self.say(name, "fact", body | {"fields": {"order": order}, "name": fact})

    def confirm(self, fact: bytes) -> None:
        self.say("bolt", "confirm", {"agreement": self.agreement, "fact": fact}, signed=True)

    def hand_over(self, name: str, to: str = "hub") -> None:
        node = self.network.machines[name].up
        keeper = self.seen(name).timekeeper
        witnessed = node.state.head(node.state.roster.origin(keeper)).witnessed
        assert witnessed is not None
        # Whoever comes second says the same head as the first.
        self.head = self.head or witnessed.note
        body = {"agreement": self.agreement, "head": self.head, "term": 1, "timekeeper": to}
        self.say(name, "timekeeper.replace", body, signed=True)

    def seen(self, name: str) -> Agreement:
        node = self.network.machines[name].up
        return node.book.agreement(node.reader, node.state, self.agreement)

    def evaluated(self, name: str) -> Evaluation:
        return evaluate(self.seen(name), self.network.machines[name].up.state.is_witnessed)

    def final(self, name: str) -> dict[tuple[str, str | None], bytes]:
        """The final decisions as a node sees them."""
        decisions = self.evaluated(name).decisions
        return {(d.firing.rule, d.key): d.hash for d in decisions if d.final}

    def recorded(self, name: str) -> list[tuple[str, Any]]:
        """Rule and key of every decision in a firm's own log."""
        node = self.network.machines[name].up
        found = (
            node.reader.record(node.state.origin, seq).statement for seq in range(node.state.own.copy.size)
        )
        return [(s.text("rule"), s.body.get("key")) for s in found if s is not None and s.kind == "decision"]


MakeNetwork = Callable[[int], "Network"]


@pytest.mark.parametrize("keeper", ["port", "bolt"])
@pytest.mark.parametrize("seed", range(1))
def test_whatever_is_lost_late_or_restarted_all_decide_the_same_once(
    make_network: MakeNetwork, seed: int, keeper: str
) -> None:
    """Stops fall between counting and ticking, and between a decision and its record."""
    deal, chance = Deal(make_network(seed), keeper), Random(seed)
    network = deal.network
    deal.bring_into_force()
    for machine in network.machines.values():
        machine.skew_ms = chance.randrange(-20_000, 20_000)
    network.weather.drop, network.weather.repeat, network.weather.max_delay_s = 0.1, 0.1, 8
    waiting: list[bytes] = []
    for number in range(4):
        order = f"order {number}"
        deal.state("bolt", "ordered", order)
        if chance.random() < 0.7:
            waiting.append(deal.state("acme", "delivered", order))
        deal.work(*chance.sample(FIRMS, 4))
        network.sleep(chance.uniform(0, 40))
        down = chance.choice(FIRMS)
        network.stop(down)
        network.sleep(chance.uniform(0, 20))
        network.start(down)
        deal.work(*chance.sample(FIRMS, 3))
        held = deal.seen("bolt")
        here = {fact.leaf_hash for fact in held.facts if fact.awaiting and not fact.reason}
        for fact in [fact for fact in waiting if fact in here and fact not in held.missing]:
            if not any(view.leaf_hash == fact and view.status == "late" for view in held.facts):
                waiting.remove(fact)
                deal.confirm(fact)
    network.weather.drop, network.weather.max_delay_s = 0, 0.01
    deal.settle(400)
    expected = deal.final("acme")
    assert len(expected) >= 4
    # Whoever is neither a party nor keeps the time, now or next, is not told what was counted.
    told = deal.seen("acme").contract.document.audience()
    for name in FIRMS:
        assert deal.final(name) == (expected if name in told else {})
        assert sorted(deal.recorded(name)) == (sorted(expected) if name in ("acme", "bolt") else [])


@pytest.mark.parametrize("in_time", [True, False])
def test_one_entry_before_or_after_the_closing_flips_the_outcome(
    make_network: MakeNetwork, in_time: bool
) -> None:
    deal = Deal(make_network(1))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    if not in_time:
        deal.network.isolate("port")
    fact = deal.state("acme", "delivered", "one")
    deal.network.sleep(5)
    deal.confirm(fact)
    deal.network.sleep(5)
    deal.work("port")
    deal.network.sleep(60)
    deal.work("port")
    deal.network.heal()
    deal.settle()
    rule = "paid" if in_time else "failed"
    assert [set(deal.final(name)) for name in FIRMS] == [{(rule, "one")}] * 4


def test_absence_is_not_decided_before_it_is_witnessed_and_never_undone(make_network: MakeNetwork) -> None:
    deal = Deal(make_network(2))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    deal.network.isolate("port")
    deal.network.sleep(90)
    deal.work()
    assert [d.final for d in deal.evaluated("port").decisions] == [False]
    assert deal.evaluated("acme").decisions == ()
    late = deal.state("acme", "delivered", "one")
    deal.network.heal()
    deal.settle()
    before = deal.final("acme")
    assert set(before) == {("failed", "one")}
    with pytest.raises(TallyError, match="late"):
        deal.confirm(late)
    deal.settle()
    assert deal.final("bolt") == before
    assert deal.recorded("acme") == [("failed", "one")]


@pytest.mark.parametrize("names", [("acme", "bolt"), ("acme", "hub")])
def test_a_silent_timekeeper_is_replaced_by_all_parties_or_by_vote(
    make_network: MakeNetwork, names: tuple[str, str]
) -> None:
    deal = Deal(make_network(3))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    deal.network.stop("port")
    deal.hand_over(names[0])
    deal.settle()
    assert deal.final("acme") == {}
    deal.hand_over(names[1])
    deal.settle(200)
    expected = {name: {("failed", "one")} for name in FIRMS[1:]}
    assert {name: set(deal.final(name)) for name in FIRMS[1:]} == expected
    deal.network.start("port")
    deal.settle()
    assert deal.final("port") == deal.final("acme")
    assert deal.seen("port").timekeeper == "hub"
    assert deal.recorded("acme") == [("failed", "one")]


def test_members_who_join_later_take_no_timekeeper_s_term_away(make_network: MakeNetwork) -> None:
    deal = Deal(make_network(4))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    deal.network.isolate("port")
    for name in ("acme", "hub"):
        deal.hand_over(name)
    deal.settle(200)
    before = deal.final("acme")
    assert set(before) == {("failed", "one")}
    deal.network.heal()
    for name in ("nine", "ten", "oak"):
        deal.network.join(name)
    deal.settle()
    assert deal.seen("acme").timekeeper == "hub"
    assert deal.final("acme") == before
    deal.network.stop("acme")
    deal.network.start("acme")
    assert deal.final("acme") == before


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


@pytest.mark.parametrize("seed", range(2))
def test_a_timekeeper_with_two_faces_is_found_and_makes_no_two_final_decisions(
    make_network: MakeNetwork, seed: int
) -> None:
    deal = Deal(make_network(seed))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    fact = deal.state("acme", "delivered", "one")
    deal.network.sleep(5)
    body = {"agreement": deal.agreement, "fact": fact}
    confirmed = deal.say("bolt", "confirm", body, signed=True)
    deal.network.sleep(5)
    for name in FIRMS:
        deal.network.isolate(name)
    later = deal.network.now_ms(deal.network.machines["port"]) + 120_000
    counted: tuple[str, dict[str, Value]] = (
        "counted",
        {"agreement": deal.agreement, "entries": [fact, confirmed]},
    )
    honest = ("acme", "bolt") if seed else ("bolt", "acme")
    show(deal, face(deal, [counted, ("tick", {})], later - 110_000), (honest[0], "hub"))
    show(deal, face(deal, [("tick", {}), counted], later), (honest[1],))
    deal.work("acme", "bolt")
    assert set(deal.final(honest[0])) == {("paid", "one")}
    assert [d.firing.rule for d in deal.evaluated(honest[1]).decisions] == ["failed"]
    assert deal.final(honest[1]) == {}
    deal.network.heal()
    deal.network.stop("port")
    deal.settle(200)
    for name in ("acme", "bolt"):
        assert deal.network.machines[name].up.state.quarantined
    assert deal.recorded(honest[0]) == [("paid", "one")]
    assert deal.recorded(honest[1]) == []
