"""Who hears its timekeeper through others: ticks are for all, and what was counted before is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.store.unanswered import first_unanswered
from tests.attacks.withholding import leave_out
from tests.simulation.deal import WAIT_S, Deal

MakeDeal = Callable[..., Deal]


@pytest.fixture
def relayed(make_deal: MakeDeal) -> Deal:
    """The seller excused itself in time, and its line to the timekeeper was cut before that was counted."""
    deal = make_deal(1, "bolt")
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    deal.state("acme", "excused", "one")
    deal.network.sleep(5)
    deal.network.cut.add(frozenset(("acme", "bolt")))
    deal.work("bolt")
    deal.settle(WAIT_S + 120)
    return deal


def unanswered(deal: Deal) -> int | None:
    """The first entry of the timekeeper's log that the seller has no answer for."""
    node = deal.network.machines["acme"].up
    return first_unanswered(node.reader, node.state.roster.origin("bolt"))


def test_a_tick_that_a_stranger_passes_on_closes_nothing(relayed: Deal) -> None:
    assert unanswered(relayed) is not None
    assert relayed.final("acme") == {}
    assert relayed.recorded("acme") == []


def test_the_agreement_names_what_it_waits_for(relayed: Deal) -> None:
    node = relayed.network.machines["acme"].up
    origin, seq = node.state.roster.origin("bolt"), unanswered(relayed)
    assert seq is not None
    assert relayed.seen("acme").missing == (node.reader.record(origin, seq).leaf,)


def test_it_still_closes_nothing_after_a_restart(relayed: Deal) -> None:
    relayed.network.stop("acme")
    relayed.network.start("acme")
    relayed.settle(130)
    assert relayed.final("acme") == {}
    assert relayed.recorded("acme") == []


def test_both_decide_the_same_once_the_line_is_mended(relayed: Deal) -> None:
    relayed.network.heal()
    relayed.settle(130)
    assert unanswered(relayed) is None
    assert relayed.recorded("acme") == relayed.recorded("bolt") == [("spared", "one")]


def test_what_the_timekeeper_itself_leaves_out_is_answered(
    relayed: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else entries about others' agreements, which it rightly leaves out, would hold up everything."""
    leave_out(monkeypatch, "bolt", "acme", b"counted")
    relayed.network.heal()
    relayed.settle(130)
    assert unanswered(relayed) is None
