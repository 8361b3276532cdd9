"""The clerk: counts once what can count, and records final decisions once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.agreement import IN_FORCE, PROPOSED, Agreement
from contracts.decision import evaluate
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.errors import UnavailableError
from ledger.log.encoding import Value
from ledger.log.statement import Statement, client_nonce, parse_statement
from node.drafts import make_draft
from node.store.indexing import index_statement
from node.sync.batching import make_batch
from node.sync.storing import store_batch

CONTRACT = b"""
contract: 1
name: delivery
parties: {seller: acme, buyer: bolt}
timekeeper: port
sign: {seller: 1, buyer: {need: 1, of: [director]}}
params:
  price: {money: "100.00 EUR"}
  pay: {duration: 30 days}
text: >
  {seller} delivers to {buyer}, who confirms and then owes {price} within {pay}.
facts:
  delivered: {by: [seller], confirm: [buyer]}
rules:
  - name: delivery
    when: exists(delivered)
    then: [{due: {from: buyer, to: seller, amount: price, within: pay}}, {state: delivered}]
"""
DOCUMENT = format_document(parse_contract_yaml(CONTRACT))
AGREEMENT = agreement_hash(DOCUMENT)
EVERYONE = ("acme", "bolt", "port")


def record(firm: Any, kind: str, body: Mapping[str, Value], *, signed: bool = False) -> bytes:
    nonce = client_nonce(os.urandom(16))
    signatures = (firm.sign(kind, nonce, body),) if signed else ()
    statement = Statement(kind=kind, audience=EVERYONE, body=body, nonce=nonce, signatures=signatures)
    leaf: bytes = firm.node.record([make_draft(statement)]).result(20)[0].leaf
    return leaf


def propose(network: Any) -> bytes:
    return record(
        network["acme"], "agreement.propose", {"document": DOCUMENT, "replaces": None, "until": None}
    )


def sign(network: Any, name: str, proposal: bytes, party: str) -> bytes:
    body: dict[str, Value] = {"agreement": AGREEMENT, "party": party, "proposal": proposal}
    return record(network[name], "agreement.sign", body, signed=True)


def state_fact(network: Any) -> bytes:
    body: dict[str, Value] = {
        "agreement": AGREEMENT,
        "attachments": [],
        "cites": [],
        "fields": {},
        "name": "delivered",
    }
    return record(network["acme"], "fact", body)


def confirm(network: Any, fact: bytes) -> bytes:
    return record(network["bolt"], "confirm", {"agreement": AGREEMENT, "fact": fact}, signed=True)


def bring_into_force(network: Any) -> None:
    proposal = propose(network)
    network.settle()
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        sign(network, name, proposal, party)
    network.settle()


def seen_by(network: Any, name: str) -> Agreement:
    node = network[name].node
    found: Agreement = node.book.agreement(node.reader, node.state, AGREEMENT)
    return found


def kinds(network: Any, name: str) -> list[str]:
    node = network[name].node
    origin = node.state.origin
    size = node.state.own.copy.size
    return [node.reader.record(origin, seq).entry.kind for seq in range(size)]


def test_signatures_are_counted_and_bring_the_agreement_into_force_everywhere(network: Any) -> None:
    bring_into_force(network)
    assert [seen_by(network, name).status for name in EVERYONE] == [IN_FORCE] * 3


def test_only_the_timekeeper_counts(network: Any) -> None:
    bring_into_force(network)
    assert [kinds(network, name).count("counted") for name in ("acme", "bolt")] == [0, 0]
    assert kinds(network, "port").count("counted") == 1


def test_nothing_is_counted_twice_however_often_it_is_looked_at(network: Any) -> None:
    bring_into_force(network)
    state_fact(network)
    network.settle()
    before = kinds(network, "port")
    clerk = network["port"].clerk
    clerk._touch([AGREEMENT])
    clerk.work_off()
    clerk._touch([AGREEMENT])
    clerk.work_off()
    assert kinds(network, "port") == before


def test_a_fact_and_its_confirmation_fire_the_rule_at_every_party(network: Any) -> None:
    bring_into_force(network)
    fact = state_fact(network)
    network.settle()
    confirm(network, fact)
    network.settle()
    for name in EVERYONE:
        node = network[name].node
        evaluation = evaluate(seen_by(network, name), node.state.is_witnessed)
        assert [(due.payer, due.payee, due.amount, due.final) for due in evaluation.dues] == [
            ("bolt", "acme", "100.00 EUR", True)
        ]
        assert evaluation.decisions[0].agreed_by == ("acme", "bolt")


def test_each_party_records_a_final_decision_once_and_the_timekeeper_none(network: Any) -> None:
    bring_into_force(network)
    fact = state_fact(network)
    network.settle()
    confirm(network, fact)
    network.settle()
    network.settle()
    assert [kinds(network, name).count("decision") for name in EVERYONE] == [1, 1, 0]


def test_a_provisional_firing_is_no_decision_until_heads_move(network: Any) -> None:
    bring_into_force(network)
    fact = state_fact(network)
    network.settle()
    confirm(network, fact)
    network.share()
    network["port"].clerk.work_off()
    # The counting reaches acme, and nobody has cosigned it yet.
    port, acme = network["port"].node, network["acme"].node
    network._push(port, port.state.origin, acme)
    network["acme"].clerk.work_off()
    decisions = evaluate(seen_by(network, "acme"), acme.state.is_witnessed).decisions
    assert [decision.final for decision in decisions] == [False]
    assert "decision" not in kinds(network, "acme")
    network.share()
    network["acme"].clerk.work_off()
    assert kinds(network, "acme").count("decision") == 1


def test_a_restart_goes_on_where_it_ended(network: Any) -> None:
    proposal = propose(network)
    network.settle()
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        sign(network, name, proposal, party)
    network.share()
    firm = network.restart("port")
    assert seen_by(network, "port").status == PROPOSED
    firm.clerk.work_off()
    assert seen_by(network, "port").status == IN_FORCE
    counted = kinds(network, "port").count("counted")
    network.restart("port").clerk.work_off()
    assert kinds(network, "port").count("counted") == counted


def test_while_the_node_must_not_write_the_work_waits(network: Any) -> None:
    proposal = propose(network)
    network.settle()
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        sign(network, name, proposal, party)
    network.share()
    firm = network["port"]
    firm.node.block("place", UnavailableError("home", found="an older copy", expected="the newest"))
    assert not firm.clerk.work_off()
    assert not firm.clerk.idle
    firm.node.block("place", None)
    assert firm.clerk.work_off()
    assert seen_by(network, "port").status == IN_FORCE


def test_the_thread_does_the_same_by_itself(network: Any) -> None:
    clerk = network["port"].clerk
    clerk.start()
    try:
        proposal = propose(network)
        network.share()
        for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
            sign(network, name, proposal, party)
        network.share()
        deadline = time.monotonic() + 20
        while seen_by(network, "port").status != IN_FORCE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen_by(network, "port").status == IN_FORCE
    finally:
        clerk.stop()


@pytest.mark.parametrize("broken", ["signature", "nobody"])
def test_a_signature_that_is_not_good_never_counts(network: Any, broken: str) -> None:
    proposal = propose(network)
    network.settle()
    sign(network, "acme", proposal, "seller")
    sign(network, "port", proposal, "timekeeper")
    # A hostile node records what its own rules would refuse.
    bolt = network["bolt"]
    body: dict[str, Value] = {"agreement": AGREEMENT, "party": "buyer", "proposal": proposal}
    nonce = client_nonce(os.urandom(16))
    good = bolt.sign("agreement.sign", nonce, body)
    if broken == "signature":
        bad = type(good)(key=good.key, role=good.role, signature=bytes(64))
    else:
        bad = type(good)(key=b"n" * 32, role=good.role, signature=good.signature)
    statement = Statement(kind="agreement.sign", audience=EVERYONE, body=body, nonce=nonce, signatures=(bad,))
    bolt.node.writer.append([make_draft(statement)]).result(20)
    network.settle()
    assert seen_by(network, "port").status == PROPOSED
    assert seen_by(network, "port").proposals[0].lacking == {"buyer": 1}


# Deadlines

TIMED = b"""
contract: 1
name: in-time
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  wait: {duration: 2 days}
  fine: {money: "10.00 EUR"}
text: What {seller} has not delivered {wait} after the order costs {fine}.
facts:
  ordered: {by: [buyer]}
  delivered: {by: [seller], before: window, fields: {pieces: integer}}
deadlines:
  window: {at: ordered.at + wait}
rules:
  - name: late
    when: exists(ordered) and window.passed and not exists(delivered)
    then: [{due: {from: seller, to: buyer, amount: fine}}]
"""


def order(network: Any) -> bytes:
    """The timed contract in force, and ordered."""
    document = format_document(parse_contract_yaml(TIMED))
    about = agreement_hash(document)
    proposal = record(
        network["acme"], "agreement.propose", {"document": document, "replaces": None, "until": None}
    )
    network.settle()
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        body: dict[str, Value] = {"agreement": about, "party": party, "proposal": proposal}
        record(network[name], "agreement.sign", body, signed=True)
    network.settle()
    fact: dict[str, Value] = {
        "agreement": about,
        "attachments": [],
        "cites": [],
        "fields": {},
        "name": "ordered",
    }
    record(network["bolt"], "fact", fact)
    network.settle()
    return about


def test_the_timekeeper_ticks_once_after_a_deadline_and_absence_is_decided(network: Any, clock: Any) -> None:
    about = order(network)
    assert kinds(network, "port").count("tick") == 0
    clock.now += 3 * 86_400_000
    network.settle()
    network.settle()
    assert kinds(network, "port").count("tick") == 1
    for name in EVERYONE:
        node = network[name].node
        seen = node.book.agreement(node.reader, node.state, about)
        assert [firing.rule for firing in seen.firings] == ["late"]
    assert [kinds(network, name).count("decision") for name in ("acme", "bolt")] == [1, 1]


def test_a_clerk_that_starts_again_looks_only_at_what_changed(network: Any) -> None:
    order(network)
    firm = network["port"]
    firm.clerk.stop()
    again = type(firm.clerk)(firm.node)
    assert again.idle
    assert again._notes.next_due("port") is not None


def test_a_tick_whose_payload_comes_late_is_heeded_by_whoever_looked_before(network: Any, clock: Any) -> None:
    about = order(network)
    clock.now += 3 * 86_400_000
    network["port"].clerk.work_off()
    port, acme = network["port"].node, network["acme"].node
    origin = port.state.origin
    seq = port.state.own.copy.size - 1
    batch = make_batch(port, origin, acme.state.copy(origin).size, 2**20, "acme")
    store_batch(acme, replace(batch, payloads=()))
    assert (kinds(network, "port")[-1], acme.state.copy(origin).size) == ("tick", seq + 1)
    network["acme"].clerk.work_off()
    network["acme"].clerk.rest()
    assert acme.book.agreement(acme.reader, acme.state, about).firings == ()
    told: list[tuple[bool, bool]] = []
    acme.writer.listen(lambda changes: told.append((changes.late, about in changes.agreements)))
    salt, payload = port.reader.payload(origin, seq) or (b"", b"")
    tick = index_statement(parse_statement(payload, "tick"))
    acme.writer.store_payloads(origin, [(seq, salt, payload)], [(seq, tick)]).result(20)
    assert told == [(True, True)]
    seen = acme.book.agreement(acme.reader, acme.state, about)
    assert [firing.rule for firing in seen.firings] == ["late"]


def test_a_firing_that_waits_for_witnesses_is_decided_after_a_restart(network: Any) -> None:
    bring_into_force(network)
    fact = state_fact(network)
    network.settle()
    confirm(network, fact)
    network.share()
    port, acme = network["port"], network["acme"]
    port.clerk.work_off()
    network._push(port.node, port.node.state.origin, acme.node)
    acme.clerk.work_off()
    acme.clerk.stop()
    acme = network.restart("acme")
    acme.clerk.work_off()
    assert (acme.clerk.idle, "decision" in kinds(network, "acme")) == (True, False)
    network.share()
    acme.clerk.work_off()
    assert kinds(network, "acme").count("decision") == 1
