"""A seller that withholds a fact from the buyer and shows it to the timekeeper: it gains nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import TallyError
from tests.attacks.withholding import leave_out
from tests.simulation.deal import FIRMS, WAIT_S, Deal

MakeDeal = Callable[..., Deal]


def ordered(make_deal: MakeDeal, seed: int = 1) -> Deal:
    """A deal with one order, known to all. Firms enough to witness what one of them is not shown."""
    deal = make_deal(seed, firms=FIRMS)
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    return deal


def pass_the_window(deal: Deal, *, watching: str = "bolt") -> None:
    """Let the window close; at no moment has it closed on something absent for who is kept in the dark."""
    for _ in range(WAIT_S // 10 + 4):
        deal.network.sleep(10)
        deal.work()
        assert ("failed", "one") not in deal.final(watching)


def held(deal: Deal, name: str, leaf: bytes) -> bool:
    """Whether a node has the payload of an entry."""
    reader = deal.network.machines[name].up.reader
    return reader.payload(*reader.find(leaf)) is not None


def test_the_timekeeper_gives_the_buyer_the_payload_that_the_seller_leaves_out(
    make_deal: MakeDeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = ordered(make_deal)
    leave_out(monkeypatch, "acme", "bolt", b"excused")
    fact = deal.state("acme", "excused", "one")
    deal.network.sleep(5)
    assert not held(deal, "bolt", fact)
    pass_the_window(deal)
    assert held(deal, "bolt", fact)
    assert {name: set(deal.final(name)) for name in FIRMS} == {name: {("spared", "one")} for name in FIRMS}
    assert len({tuple(deal.final(name).items()) for name in FIRMS}) == 1


def test_what_reaches_the_buyer_through_others_only_is_completed_by_the_timekeeper(
    make_deal: MakeDeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is cut, so that hub gives the entry, who may not know the payload."""
    deal = ordered(make_deal, 2)
    network = deal.network
    leave_out(monkeypatch, "acme", "bolt", b"excused")
    network.cut = {frozenset(("acme", "bolt")), frozenset(("port", "bolt"))}
    fact = deal.state("acme", "excused", "one", audience=("acme", "bolt", "port"), honest=False)
    network.sleep(70)
    # Hub gives the entry, and the seller, when it is asked at last, not the payload.
    network.cut = {frozenset(("port", "bolt"))}
    network.sleep(130)
    deal.work()
    assert not held(deal, "bolt", fact)
    network.heal()
    deal.settle(130)
    assert held(deal, "bolt", fact)
    assert set(deal.final("bolt")) == set(deal.final("port")) == {("spared", "one")}


def test_a_fact_shown_to_the_buyer_only_after_the_closing_was_decided_on_before(make_deal: MakeDeal) -> None:
    deal = ordered(make_deal, 3)
    deal.network.cut.add(frozenset(("acme", "bolt")))
    deal.state("acme", "excused", "one")
    pass_the_window(deal)
    before = deal.final("bolt")
    assert set(before) == {("spared", "one")}
    deal.network.heal()
    deal.settle(130)
    assert deal.final("bolt") == deal.final("acme") == before


def hide(deal: Deal) -> bytes:
    """A fact that the seller shows to the timekeeper alone; its own node has to be made to."""
    audience = ("acme", "port")
    with pytest.raises(TallyError, match="audience"):
        deal.state("acme", "excused", "one", audience=audience)
    fact = deal.state("acme", "excused", "one", audience=audience, honest=False)
    deal.network.sleep(5)
    return fact


def counted(deal: Deal) -> list[bytes]:
    """Everything that the timekeeper has named."""
    return [leaf for said in deal.own("port", "counted") for leaf in said.hashes("entries")]


def test_a_fact_whose_audience_leaves_the_buyer_out_is_not_counted(make_deal: MakeDeal) -> None:
    deal = ordered(make_deal, 4)
    fact = hide(deal)
    deal.settle(WAIT_S + 60)
    assert fact not in counted(deal)
    assert not held(deal, "bolt", fact)
    assert {name: set(deal.final(name)) for name in FIRMS} == {name: {("failed", "one")} for name in FIRMS}


def test_a_hidden_fact_that_the_timekeeper_names_all_the_same_has_no_effect(make_deal: MakeDeal) -> None:
    """Who holds it knows that it does not count; the buyer cannot know, decides nothing, and is told why."""
    deal = ordered(make_deal, 5)
    fact = hide(deal)
    body = {"agreement": deal.agreement, "entries": [fact]}
    deal.say("port", "counted", body, audience=("acme", "bolt", "hub", "port"), honest=False)
    deal.settle(WAIT_S + 60)
    assert fact in counted(deal)
    assert set(deal.final("port")) == set(deal.final("acme")) == {("failed", "one")}
    assert deal.final("bolt") == {}
    assert deal.seen("bolt").missing == (fact,)
