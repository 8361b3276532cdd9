"""Absence: never final before it is witnessed, and never undone by what comes, or who comes back, later."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import TallyError
from tests.simulation.deal import FIRMS, WAIT_S, Deal, Finals, finals

MakeDeal = Callable[..., Deal]


def ordered(make_deal: MakeDeal, seed: int, keeper: str = "port") -> Deal:
    """A deal with one order, known to all."""
    deal = make_deal(seed, keeper, firms=FIRMS)
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    return deal


def closed(deal: Deal) -> Finals:
    """What is final everywhere once the window has closed on nothing."""
    deal.settle(WAIT_S + 30)
    found = deal.final("acme")
    assert set(found) == {("failed", "one")}
    return found


def assert_unchanged(deal: Deal, before: Finals) -> None:
    """All that know of it still have the same final decision, recorded once, also if evaluated anew."""
    for name in FIRMS:
        assert deal.final(name) == finals(deal.afresh(name)) == before
    assert [deal.recorded(name) for name in ("acme", "bolt")] == [[("failed", "one")]] * 2


def test_a_closing_that_is_not_witnessed_is_provisional_everywhere(make_deal: MakeDeal) -> None:
    """Bolt alone of three witnesses has the tick: it knows what would follow, and nothing is final."""
    deal = ordered(make_deal, 1)
    deal.network.isolate("port", "bolt")
    deal.settle(WAIT_S + 30)
    for name in ("port", "bolt"):
        assert [d.final for d in deal.evaluated(name).decisions] == [False]
    assert deal.evaluated("acme").decisions == ()
    assert deal.recorded("bolt") == []
    deal.network.heal()
    assert_unchanged(deal, closed(deal))


def test_before_the_window_has_closed_nothing_is_decided_whatever_other_clocks_say(
    make_deal: MakeDeal,
) -> None:
    """The clocks of both parties are four minutes ahead: only the timekeeper's says when it is over."""
    deal = ordered(make_deal, 2)
    for name in ("acme", "bolt"):
        deal.network.machines[name].skew_ms = 240_000
    deal.network.sleep(WAIT_S - 20)
    deal.work()
    assert all(deal.evaluated(name).decisions == () for name in FIRMS)


@pytest.mark.parametrize("keeper", ["port", "bolt"])
def test_late_facts_and_restarts_of_all_undo_nothing(make_deal: MakeDeal, keeper: str) -> None:
    deal = ordered(make_deal, 3, keeper)
    before = closed(deal)
    late = deal.state("acme", "excused", "one", honest=False)
    delivered = deal.state("acme", "delivered", "one", honest=False)
    deal.network.sleep(5)
    with pytest.raises(TallyError, match="closed"):
        deal.confirm(delivered)
    deal.confirm(delivered, honest=False)
    deal.settle(30)
    for name in FIRMS:
        deal.network.stop(name)
    for name in reversed(FIRMS):
        deal.network.start(name)
    deal.settle(90)
    told = [name for name in FIRMS if name in ("acme", "bolt", "hub", keeper)]
    assert [deal.final(name) for name in told] == [before] * len(told)
    assert [deal.recorded(name) for name in ("acme", "bolt")] == [[("failed", "one")]] * 2
    assert next(view for view in deal.seen("bolt").facts if view.leaf_hash == late).status == "late"


def test_a_timekeeper_restored_from_before_the_closing_closes_nothing_again(make_deal: MakeDeal) -> None:
    """It gets back what it had ticked before it writes: there is one tick, and one history."""
    deal = ordered(make_deal, 4)
    network = deal.network
    network.stop("port")
    home = network.machines["port"].home
    kept = shutil.copytree(home, home.with_name("port-kept"))
    network.start("port")
    before = closed(deal)
    ticks = len(deal.own("port", "tick"))
    deal.state("acme", "excused", "one", honest=False)
    restore(deal, home, kept)
    deal.work("port")
    assert len(deal.own("port", "tick")) < ticks
    network.start("port")
    network.wait_until(lambda: not network.machines["port"].up.blocks)
    deal.settle(120)
    assert len(deal.own("port", "tick")) == ticks
    assert_unchanged(deal, before)
    assert not any(machine.up.state.quarantined for machine in network.running())


def restore(deal: Deal, home: Path, kept: Path) -> None:
    """Put the timekeeper's home back as it was, told that it was restored; its engine does not run yet."""
    deal.network.stop("port")
    shutil.rmtree(home)
    shutil.copytree(kept, home)
    deal.network.open("port")
    engine = deal.network.machines["port"].engine
    assert engine is not None
    engine.hear_partners()
