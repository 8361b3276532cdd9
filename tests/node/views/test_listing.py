"""Lists show what a replay of everything shows, whatever was noted, and when."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.errors import TallyError, UsageError
from ledger.log.encoding import Value
from ledger.log.statement import Statement, client_nonce
from node.drafts import make_draft
from node.node import Node
from node.store.standing import stale_agreements
from node.views.listing import (
    AGREEMENTS,
    DUE,
    OBLIGATIONS,
    WAITING_LISTS,
    items_of,
    list_agreements,
    list_due,
    list_obligations,
    named_agreements,
    shown_of,
    waiting_confirmations,
    waiting_for,
)
from node.views.records import AgreementBook

EVERYONE = ("acme", "bolt", "port")
DAY_MS = 86_400_000
SALE = """
contract: 1
name: sale-%d
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: "%d.00 EUR"}
  wait: {duration: 2 days}
text: >
  What {seller} delivers and {buyer} confirms costs {price}. What {seller} has not delivered {wait} after the
  order, {buyer} may refuse.
facts:
  ordered: {by: [buyer]}
  delivered: {by: [seller], confirm: [buyer], before: window}
deadlines:
  window: {at: ordered.at + wait}
rules:
  - name: pay
    when: exists(delivered)
    then: [{due: {from: buyer, to: seller, amount: price, within: wait}}, {state: fulfilled}]
  - name: refuse
    when: exists(ordered) and window.passed and not exists(delivered)
    then: [{obligation: {kind: permission, of: buyer, act: refuse}}]
"""
SALES = [format_document(parse_contract_yaml((SALE % (n % 2, n)).encode())) for n in range(1, 4)]
ROLES = (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper"))


def told(node: Node) -> dict[str, list[str]]:
    """Everything that the lists of a node show, from what was noted."""
    views = node.reader, node.state, node.book
    pages = {
        AGREEMENTS: list_agreements(*views)[AGREEMENTS],
        DUE: list_due(*views)[DUE],
        OBLIGATIONS: list_obligations(*views)[OBLIGATIONS],
    }
    pages |= {name: items for name, items in waiting_for(*views).items() if name in WAITING_LISTS}
    return {name: [json.dumps(item, sort_keys=True) for item in items] for name, items in pages.items()}


def computed(node: Node) -> dict[str, list[str]]:
    """The same from a replay of everything."""
    book = AgreementBook()
    rows = []
    for identity in node.reader.agreement_hashes():
        with suppress(TallyError):
            agreement = book.agreement(node.reader, node.state, identity)
            items = items_of(node.state, agreement)
            shown = {name: iter(shown_of(node.state, agreement, name)) for name in (*LISTS,)}
            rows += [
                (item.list, item.sort, identity, place, json.dumps(next(shown[item.list]), sort_keys=True))
                for place, item in enumerate(items)
            ]
    return {name: [row[-1] for row in sorted(rows) if row[0] == name] for name in LISTS}


LISTS = (AGREEMENTS, DUE, OBLIGATIONS, *WAITING_LISTS)


def record(firm: Any, kind: str, body: Mapping[str, Value], *, signed: bool = False) -> bytes:
    nonce = client_nonce(os.urandom(16))
    signatures = (firm.sign(kind, nonce, body),) if signed else ()
    statement = Statement(kind=kind, audience=EVERYONE, body=body, nonce=nonce, signatures=signatures)
    leaf: bytes = firm.node.record([make_draft(statement)]).result(20)[0].leaf
    return leaf


class Walk:
    """Firms that do whatever comes to their mind."""

    def __init__(self, network: Any, clock: Any, seed: int) -> None:
        self.network = network
        self.clock = clock
        self.random = Random(seed)
        for document in SALES[:2]:
            self.offer(document, None, None)
        network.settle()
        self.sign()

    def offer(self, document: bytes, replaced: bytes | None, until: int | None) -> None:
        body: dict[str, Value] = {"document": document, "replaces": replaced, "until": until}
        record(self.network[self.random.choice(("acme", "bolt"))], "agreement.propose", body)

    def some(self) -> Any:
        return self.network[self.random.choice(EVERYONE)]

    def document(self) -> bytes:
        return self.random.choice(SALES)

    def propose(self) -> None:
        replaced = agreement_hash(self.document()) if self.random.random() < 0.3 else None
        until = self.clock.now + DAY_MS if self.random.random() < 0.3 else None
        self.offer(self.document(), replaced, until)

    def sign(self) -> None:
        about = agreement_hash(self.document())
        for name, party in ROLES:
            node = self.network[name].node
            for proposal in node.book.agreement(node.reader, node.state, about).proposals:
                body: dict[str, Value] = {
                    "agreement": about,
                    "party": party,
                    "proposal": proposal.leaf_hash,
                }
                with suppress(TallyError):
                    record(self.network[name], "agreement.sign", body, signed=True)

    def state(self) -> None:
        name, firm = self.random.choice((("ordered", "bolt"), ("delivered", "acme")))
        body: dict[str, Value] = {"attachments": [], "cites": [], "fields": {}, "name": name}
        record(self.network[firm], "fact", {"agreement": agreement_hash(self.document()), **body})

    def confirm(self) -> None:
        firm, about = self.network["bolt"], agreement_hash(self.document())
        for fact in firm.node.book.agreement(firm.node.reader, firm.node.state, about).facts:
            with suppress(TallyError):
                record(firm, "confirm", {"agreement": about, "fact": fact.leaf_hash}, signed=True)

    def share(self) -> None:
        self.network.share(*self.random.sample(EVERYONE, 2))

    def settle(self) -> None:
        self.network.settle()

    def work(self) -> None:
        self.some().clerk.work_off()

    def keep(self) -> None:
        """What a clerk does that has worked everything off and rests."""
        clerk = self.some().clerk
        while not clerk.idle:
            clerk.work_off()
        clerk.rest()

    def crash(self) -> None:
        """What was not kept is lost."""
        self.network.restart(self.some().name)

    def wait(self) -> None:
        self.clock.now += self.random.randrange(2 * DAY_MS)

    def step(self) -> str:
        acts: tuple[Callable[[], None], ...] = (
            self.propose, self.sign, self.sign, self.state, self.state, self.confirm, self.share,
            self.settle, self.work, self.keep, self.keep, self.keep, self.crash, self.wait,
        )  # fmt: skip
        act = self.random.choice(acts)
        with suppress(TallyError):
            act()
        return act.__name__


@pytest.mark.parametrize("seed", range(4))
def test_at_every_moment_lists_show_what_a_replay_of_everything_shows(
    network: Any, clock: Any, seed: int
) -> None:
    walk = Walk(network, clock, seed)
    steps = []
    rested = 0
    for _ in range(60):
        steps.append(walk.step())
        for name in EVERYONE:
            node = network[name].node
            assert told(node) == computed(node), (name, steps)
            rested += len(node.reader.agreement_hashes()) - len(stale_agreements(node.reader))
    assert rested > 100, "nothing was ever noted: this has shown nothing"


def in_force(network: Any, count: int) -> Node:
    """A node with so many agreements in force, all noted."""
    for document in SALES[:count]:
        about = agreement_hash(document)
        proposal = record(
            network["acme"], "agreement.propose", {"document": document, "replaces": None, "until": None}
        )
        network.settle()
        for name, party in ROLES:
            body: dict[str, Value] = {"agreement": about, "party": party, "proposal": proposal}
            record(network[name], "agreement.sign", body, signed=True)
        network.settle()
    network["acme"].clerk.stop()
    node: Node = network["acme"].node
    assert not stale_agreements(node.reader)
    return node


def test_what_rests_is_listed_without_a_replay(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node = in_force(network, 2)
    expected = told(node)
    monkeypatch.setattr(AgreementBook, "replay", lambda *_: 1 // 0)
    assert told(node) == expected


def test_a_page_says_where_the_next_begins_and_how_many_there_are(network: Any) -> None:
    node = in_force(network, 3)
    views = node.reader, node.state, node.book
    first, rest = list_agreements(*views, limit=2), list_agreements(*views, start=2, limit=2)
    assert [(page["from"], page["next"], page["total"]) for page in (first, rest)] == [
        (0, 2, 3),
        (2, None, 3),
    ]
    assert first[AGREEMENTS] + rest[AGREEMENTS] == list_agreements(*views)[AGREEMENTS]


def test_pages_hold_what_is_stale_and_what_rests_in_one_order(network: Any) -> None:
    node = in_force(network, 3)
    views = node.reader, node.state, node.book
    whole = list_agreements(*views)[AGREEMENTS]
    about = agreement_hash(SALES[1])
    body: dict[str, Value] = {"attachments": [], "cites": [], "fields": {}, "name": "delivered"}
    record(network["acme"], "fact", {"agreement": about, **body})
    assert stale_agreements(node.reader) == [about]
    views = node.reader, node.state, node.book
    assert [list_agreements(*views, start=n, limit=1)[AGREEMENTS] for n in range(3)] == [[w] for w in whole]


@pytest.mark.parametrize(("start", "limit"), [(-1, 1), (2**54, 1), (0, 0), (0, 1001)])
def test_a_page_that_cannot_be_had_is_refused(network: Any, start: int, limit: int) -> None:
    node = network["acme"].node
    with pytest.raises(UsageError):
        list_due(node.reader, node.state, node.book, start=start, limit=limit)


def test_agreements_are_found_by_name_whether_they_rest_or_not(network: Any) -> None:
    node = in_force(network, 2)
    views = node.reader, node.state, node.book
    hashes = [agreement_hash(document) for document in SALES]
    assert named_agreements(*views, "sale-1", 9) == [hashes[0]]
    record(network["acme"], "agreement.propose", {"document": SALES[2], "replaces": None, "until": None})
    views = node.reader, node.state, node.book
    assert named_agreements(*views, "sale-1", 9) == sorted([hashes[0], hashes[2]])
    assert named_agreements(*views, "sale-9", 9) == []


def test_facts_that_wait_for_a_confirmation_are_found_whether_their_agreement_rests_or_not(
    network: Any,
) -> None:
    in_force(network, 2)
    facts = []
    for document in SALES[:2]:
        about = agreement_hash(document)
        body: dict[str, Value] = {"attachments": [], "cites": [], "fields": {}, "name": "delivered"}
        facts.append((about, record(network["acme"], "fact", {"agreement": about, **body})))
        network.settle()
        if len(facts) == 1:
            network["bolt"].clerk.rest()
    node = network["bolt"].node
    assert stale_agreements(node.reader) == [facts[1][0]]
    assert sorted(waiting_confirmations(node.reader, node.state, node.book)) == sorted(facts)


def test_an_amount_is_final_as_soon_as_heads_say_so_though_nobody_looked_again(
    network: Any, clock: Any
) -> None:
    node = in_force(network, 1)
    about = agreement_hash(SALES[0])
    body: dict[str, Value] = {"agreement": about, "attachments": [], "cites": [], "fields": {}}
    fact = record(network["acme"], "fact", {**body, "name": "delivered"})
    network.share()
    record(network["bolt"], "confirm", {"agreement": about, "fact": fact}, signed=True)
    network.share()
    network["port"].clerk.work_off()
    network._push(network["port"].node, network["port"].node.state.origin, node)
    network["acme"].clerk.work_off()
    network["acme"].clerk.rest()
    assert [due["final"] for due in list_due(node.reader, node.state, node.book)[DUE]] == [False]
    assert not stale_agreements(node.reader)
    network.share()
    assert not stale_agreements(node.reader)
    assert [due["final"] for due in list_due(node.reader, node.state, node.book)[DUE]] == [True]
