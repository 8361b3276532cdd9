"""Agreements over nodes that lose, repeat and delay messages: all decide the same, once, not too early."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import TallyError
from tests.simulation.deal import FIRMS, Deal

MakeDeal = Callable[..., Deal]


@pytest.mark.parametrize("in_time", [True, False])
def test_one_entry_before_or_after_the_closing_flips_the_outcome(make_deal: MakeDeal, in_time: bool) -> None:
    deal = make_deal(1)
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
    assert [set(deal.final(name)) for name in deal.firms] == [{(rule, "one")}] * 3


def test_absence_is_not_decided_before_it_is_witnessed_and_never_undone(make_deal: MakeDeal) -> None:
    deal = make_deal(2, firms=FIRMS)
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
    make_deal: MakeDeal, names: tuple[str, str]
) -> None:
    deal = make_deal(3, firms=FIRMS)
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


def test_members_who_join_later_take_no_timekeeper_s_term_away(make_deal: MakeDeal) -> None:
    deal = make_deal(4, firms=FIRMS)
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
