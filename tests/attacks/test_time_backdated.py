"""Facts that are told to be older than they are, and facts one entry from the closing: counting decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.course import LATE
from ledger.errors import TallyError
from ledger.log.entry import parse_entry
from node.views.values import format_time
from tests.simulation.deal import WAIT_S, Deal

MakeDeal = Callable[..., Deal]
ORDER = "urn:order:one"


def closed(deal: Deal) -> int:
    """Have the window of one order close with nothing in it; gives a time at which it was open.

    The seller writes nothing meanwhile: the times of its own log never fall.
    """
    deal.state("bolt", "ordered", ORDER)
    deal.settle(12)
    open_ms = deal.network.now_ms(deal.network.machines["port"])
    for _ in range(6):
        deal.network.sleep(WAIT_S / 6 + 5)
        deal.work("port", "bolt")
    assert set(deal.final("bolt")) == {("failed", ORDER)}
    return open_ms


def stays_failed(deal: Deal, fact: bytes) -> None:
    """What comes too late is shown as late at every node, and changes nothing at any."""
    before = deal.final("bolt")
    deal.settle(30)
    for name in deal.firms:
        assert deal.final(name) == before
        view = next(view for view in deal.seen(name).facts if view.leaf_hash == fact)
        assert view.status == LATE


def test_a_seller_whose_clock_goes_back_gains_nothing(make_deal: MakeDeal) -> None:
    """The entry's time lies in the window; partners let its node in, wrong by two minutes only."""
    deal = make_deal(1)
    open_ms = closed(deal)
    machine = deal.network.machines["acme"]
    machine.skew_ms = open_ms - deal.network.now_ms(machine)
    with pytest.raises(TallyError, match="closed"):
        deal.state("acme", "excused", ORDER)
    fact = deal.state("acme", "excused", ORDER, honest=False)
    reader = machine.up.reader
    assert parse_entry(reader.entry(*reader.find(fact))).time_ms < open_ms + WAIT_S * 1000
    stays_failed(deal, fact)


def test_a_seller_that_says_an_earlier_time_gains_nothing(make_deal: MakeDeal) -> None:
    deal = make_deal(2)
    open_ms = closed(deal)
    fact = deal.state("acme", "excused", ORDER, at=format_time(open_ms), honest=False)
    stays_failed(deal, fact)


def test_an_event_of_an_earlier_time_gains_nothing(make_deal: MakeDeal) -> None:
    deal = make_deal(3)
    open_ms = closed(deal)
    stays_failed(deal, deal.ship(ORDER, format_time(open_ms)))


def test_an_event_in_time_counts(make_deal: MakeDeal) -> None:
    deal = make_deal(3)
    deal.state("bolt", "ordered", ORDER)
    deal.settle(12)
    deal.ship(ORDER)
    deal.settle(WAIT_S + 30)
    assert [set(deal.final(name)) for name in deal.firms] == [{("spared", ORDER)}] * 3


def test_an_order_that_says_an_earlier_time_takes_no_window_away(make_deal: MakeDeal) -> None:
    """The buyer says that it ordered an hour ago: the window is counted from the counting all the same."""
    deal = make_deal(4)
    hour_ago_ms = deal.network.now_ms(deal.network.machines["bolt"]) - 3_600_000
    deal.state("bolt", "ordered", ORDER, at=format_time(hour_ago_ms))
    deal.settle(12)
    assert deal.evaluated("acme").decisions == ()
    deal.state("acme", "excused", ORDER)
    deal.settle(WAIT_S + 30)
    assert [set(deal.final(name)) for name in deal.firms] == [{("spared", ORDER)}] * 3


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("keeper", ["port", "bolt"])
def test_one_entry_before_or_after_the_closing_flips_the_outcome(
    make_deal: MakeDeal, keeper: str, in_time: bool
) -> None:
    """Two entries of the timekeeper's log that follow each other, in the one order or the other."""
    deal = make_deal(5, keeper)
    deal.state("bolt", "ordered", ORDER)
    deal.settle(12)
    deal.network.sleep(WAIT_S + 5)
    if in_time:
        fact = deal.state("acme", "excused", ORDER)
    else:
        deal.work(keeper)
        fact = deal.state("acme", "excused", ORDER, honest=False)
    deal.network.sleep(1)
    deal.work(keeper)
    deal.settle(30)
    kinds = ["counted", "tick"] if in_time else ["tick", "counted"]
    assert last_kinds(deal, keeper) == kinds
    view = next(view for view in deal.seen("acme").facts if view.leaf_hash == fact)
    assert (view.status == LATE) is not in_time
    expected = {("spared" if in_time else "failed", ORDER)}
    told = {"acme", "bolt", keeper}
    assert {name: set(deal.final(name)) for name in told} == dict.fromkeys(told, expected)


def last_kinds(deal: Deal, keeper: str) -> list[str]:
    """The kinds of the last two entries by which a timekeeper counted or closed; nothing stands between."""
    node = deal.network.machines[keeper].up
    entries = [parse_entry(e) for e in node.reader.entries(node.state.origin, 0, node.state.own.copy.size)]
    *_, one, other = (entry for entry in entries if entry.kind in ("counted", "tick"))
    assert one.seq + 1 == other.seq
    return [one.kind, other.kind]
