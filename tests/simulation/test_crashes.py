"""Nodes that die at each step of their clerk: before an entry is written, or after and before it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import pytest

from node.drafts import Draft, Recorded
from tests.simulation.deal import PARTIES, WAIT_S, Deal, finals

MakeDeal = Callable[..., Deal]
CLERKS = {"counted", "tick", "decision"}


class Killed(Exception):
    """Ends a clerk's step where it stands, as a dying process does."""


class Killer:
    """Kills nodes at what their clerks write, each entry at its first try, and starts them again."""

    def __init__(self, deal: Deal, *, written: bool) -> None:
        self.deal = deal
        self.written = written
        self.spared: set[tuple[str, str, int]] = set()
        self.kills = 0
        for name in deal.firms:
            self.aim(name)

    def aim(self, name: str) -> None:
        """Have the clerk's next new entry kill this node, before or after it is written."""
        node = self.deal.network.machines[name].up
        record = node.record

        def deadly(drafts: Sequence[Draft]) -> Future[list[Recorded]]:
            kind = drafts[0].statement.kind
            key = (name, kind, len(self.deal.own(name, kind)))
            if kind not in CLERKS or key in self.spared:
                return record(drafts)
            self.spared.add(key)
            if self.written:
                record(drafts).result()
            raise Killed(name)

        node.record = deadly  # type: ignore[method-assign]  # a node that dies here

    def work(self) -> None:
        """Let all clerks work; whoever dies of it is started again, and its clerk looks anew."""
        for name in self.deal.firms:
            for _ in range(8):
                try:
                    self.deal.work(name)
                except Killed:
                    self.kills += 1
                    self.deal.network.stop(name)
                    self.deal.network.start(name)
                    self.aim(name)


def play(deal: Deal, work: Callable[[], None]) -> None:
    """Four orders: one delivered, one excused, one too late, one shipped."""
    network = deal.network
    for number in range(4):
        deal.state("bolt", "ordered", f"urn:order:{number}")
        network.sleep(3)
        work()
    delivered = deal.state("acme", "delivered", "urn:order:0")
    deal.state("acme", "excused", "urn:order:1")
    deal.ship("urn:order:3")
    network.sleep(3)
    work()
    deal.confirm(delivered)
    for _ in range(8):
        network.sleep(WAIT_S / 6)
        work()
    for _ in range(4):
        network.sleep(20)
        work()


def state_of(deal: Deal, name: str) -> list[tuple[object, ...]]:
    """What follows at a node, without hashes and times, which differ from run to run."""
    return [
        (d.firing.rule, d.key, d.final, [dict(effect) | {"by": ""} for effect in d.effects])
        for d in deal.evaluated(name).decisions
    ]


@pytest.mark.parametrize("keeper", ["port", "bolt"])
@pytest.mark.parametrize("written", [False, True])
def test_a_death_at_any_step_of_any_clerk_changes_nothing_in_the_end(
    make_deal: MakeDeal, keeper: str, written: bool
) -> None:
    undisturbed, deal = make_deal(7, keeper), make_deal(7, keeper)
    play(undisturbed, undisturbed.work)
    killer = Killer(deal, written=written)
    play(deal, killer.work)
    assert killer.kills >= 8
    told = [name for name in deal.firms if name in (*PARTIES, keeper)]
    for name in told:
        assert sorted(map(str, state_of(deal, name))) == sorted(map(str, state_of(undisturbed, name)))
        assert finals(deal.afresh(name)) == deal.final(name) == deal.final("acme")
    assert len(deal.final("acme")) == 4
    for name in PARTIES:
        assert sorted(deal.recorded(name)) == sorted(deal.final("acme"))
    counted = Counter(leaf for said in deal.own(keeper, "counted") for leaf in said.hashes("entries"))
    assert set(counted.values()) == {1}
    assert len(deal.own(keeper, "tick")) == len(undisturbed.own(keeper, "tick"))
