"""A timekeeper that tells two parties different things: it is found and shown, and nobody decides twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.log.encoding import Value
from node.views.agreements import show_agreement
from node.views.evidence import list_evidence
from node.views.status import show_status
from tests.attacks.withholding import leave_out
from tests.simulation.deal import FIRMS, WAIT_S, Deal, face, show

MakeDeal = Callable[..., Deal]
HONEST = ("acme", "bolt", "hub")


def show_two_faces(deal: Deal, first: str, second: str) -> None:
    """A fact was counted and then the window closed: so for one party, and the other way round for the other.

    The one that hub sees with the first party is witnessed, the other never.
    """
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    fact = deal.state("acme", "delivered", "one")
    deal.network.sleep(5)
    confirmed = deal.confirm(fact)
    deal.network.sleep(5)
    for name in FIRMS:
        deal.network.isolate(name)
    now_ms = deal.network.now_ms(deal.network.machines["port"])
    counted: tuple[str, dict[str, Value]] = (
        "counted",
        {"agreement": deal.agreement, "entries": [fact, confirmed]},
    )
    show(deal, face(deal, [counted, ("tick", {})], now_ms + 10_000), (first, "hub"))
    show(deal, face(deal, [("tick", {}), counted], now_ms + 2 * WAIT_S * 1000), (second,))


def status_of(deal: Deal, name: str) -> Any:
    node = deal.network.machines[name].up
    return show_status(node.reader, node.state, node.book)


def disputed_at(deal: Deal, name: str) -> set[tuple[str, str, str]]:
    """Rule, key and who recorded it, of every decision that is shown as disputed."""
    waiting = status_of(deal, name)["waiting"]["disputed"]
    return {(item["rule"], item["key"], who) for item in waiting for who in item["disputed_by"]}


@pytest.mark.parametrize(("first", "second"), [("acme", "bolt"), ("bolt", "acme")])
def test_two_faces_are_proven_by_its_own_signatures_and_only_one_is_ever_final(
    make_deal: MakeDeal, first: str, second: str
) -> None:
    deal = make_deal(1, firms=FIRMS)
    show_two_faces(deal, first, second)
    deal.work("acme", "bolt")
    assert set(deal.final(first)) == {("paid", "one")}
    assert [d.firing.rule for d in deal.evaluated(second).decisions] == ["failed"]
    assert deal.final(second) == {}
    deal.network.heal()
    deal.network.stop("port")
    deal.settle(200)
    origin = deal.network.machines["acme"].up.state.roster.origin("port")
    for name in HONEST:
        node = deal.network.machines[name].up
        assert [item["accused"] for item in list_evidence(node.reader, node.state)] == [origin]
        copies = {copy["origin"]: copy["quarantined"] for copy in status_of(deal, name)["copies"]}
        assert copies[origin]
        shown = show_agreement(node.reader, node.state, node.book, deal.agreement)
        assert shown["quarantined"] == [origin]
    assert deal.recorded(first) == [("paid", "one")]
    assert deal.recorded(second) == []
    assert disputed_at(deal, second) == {("paid", "one", first)}


def test_a_timekeeper_that_keeps_what_it_counted_from_one_party_is_shown_at_all(
    make_deal: MakeDeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is one and the same for all. Whom it tells less decides otherwise, and everybody sees that."""
    deal = make_deal(2, firms=FIRMS)
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    leave_out(monkeypatch, "port", "bolt", b"counted")
    deal.state("acme", "excused", "one")
    deal.settle(WAIT_S + 100)
    assert set(deal.final("acme")) == {("spared", "one")}
    assert set(deal.final("bolt")) == {("failed", "one")}
    assert disputed_at(deal, "acme") == {("failed", "one", "bolt")}
    assert disputed_at(deal, "bolt") == {("spared", "one", "acme")}
    # After a restart bolt asks every partner for what it lacks, and learns from acme what was counted.
    deal.network.stop("bolt")
    deal.network.start("bolt")
    deal.settle(130)
    assert deal.final("bolt") == deal.final("acme")
    assert ("failed", "one", "bolt") in disputed_at(deal, "acme") & disputed_at(deal, "bolt")
