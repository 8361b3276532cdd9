"""Deals under whatever may happen to their nodes: everybody comes to the same final decisions, once.

`SEEDS` in the environment, as `first-last`, says how many networks are tried for each timekeeper.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from random import Random

import pytest

from ledger.errors import TallyError
from ledger.log.entry import parse_entry
from ledger.log.statement import Statement
from tests.simulation.deal import PARTIES, WAIT_S, Deal, Finals, finals
from tests.simulation.network import EPOCH_MS, Machine

FIRST, LAST = map(int, os.environ.get("SEEDS", "0-99").split("-"))
SEEDS = range(FIRST, LAST + 1)
ORDERS = 3
MINUTE_MS, DAY_MS = 60_000, 86_400_000
SKEWS_MS = (20_000, 20_000, 4 * MINUTE_MS, 180 * MINUTE_MS, 5 * DAY_MS)
"""How wrong a clock may be; partners let nobody in whose clock is wrong by more than five minutes."""

MakeDeal = Callable[..., Deal]


class Storm:
    """Hits a deal with everything that may happen, and looks at what its nodes make of it."""

    def __init__(self, deal: Deal, seed: int) -> None:
        self.deal = deal
        self.network = deal.network
        self.chance = Random(seed)
        self.orders: list[str] = []
        self.delivered: list[bytes] = []
        self._final: Finals = {}
        """What was ever final anywhere."""
        self._final_at: dict[str, Finals] = {name: {} for name in deal.firms}
        weather = self.network.weather
        weather.drop, weather.repeat, weather.max_delay_s = 0.1, 0.1, 8

    def blow(self) -> None:
        """One thing that goes wrong, or right again."""
        chance, network = self.chance, self.network
        name = chance.choice(self.deal.firms)
        machine = network.machines[name]
        match chance.randrange(6):
            case 0:
                limit_ms = chance.choice(SKEWS_MS)
                machine.skew_ms = chance.randrange(-limit_ms, limit_ms)
            case 1:
                network.isolate(name)
            case 5:
                network.cut.add(frozenset(chance.sample(self.deal.firms, 2)))
            case 2:
                network.heal()
            case 3 if machine.node is not None:
                network.stop(name)
            case _:
                self.start(machine)

    def start(self, machine: Machine) -> None:
        """Start a node, unless it runs."""
        if machine.node is None:
            self.network.start(machine.name)

    def trade(self) -> None:
        """Somebody orders, delivers, confirms, or has an excuse, as far as nodes and what they know allow."""
        deal, chance = self.deal, self.chance
        if any(self.network.machines[name].node is None for name in PARTIES):
            return
        try:
            if len(self.orders) < ORDERS and chance.random() < 0.5:
                order = f"urn:order:{len(self.orders)}"
                deal.state("bolt", "ordered", order)
                self.orders.append(order)
                if chance.random() < 0.7:
                    self.delivered.append(deal.state("acme", "delivered", order))
            elif self.orders and chance.random() < 0.4:
                order = chance.choice(self.orders)
                if chance.random() < 0.5:
                    deal.state("acme", "excused", order)
                else:
                    deal.ship(order)
            elif self.delivered:
                deal.confirm(chance.choice(self.delivered))
        except TallyError:
            return  # the node's clock is wrong, or it knows that this is too late

    def pass_time(self) -> None:
        """Let time pass, and clerks work in any order, those of some nodes not at all."""
        self.network.sleep(self.chance.uniform(0, 30))
        firms = list(self.deal.firms)
        self.deal.work(*self.chance.sample(firms, self.chance.randint(1, len(firms))))
        self.look()

    def look(self) -> None:
        """What was final once stays, at every node, and is the same at all."""
        for machine in self.network.running():
            found, before = self.deal.final(machine.name), self._final_at[machine.name]
            assert before.items() <= found.items(), f"{machine.name} took a final decision back"
            for key, name in found.items():
                assert self._final.setdefault(key, name) == name, f"{machine.name} decided {key} differently"
            self._final_at[machine.name] = found

    def calm(self) -> None:
        """Mend everything, set the clocks past everything that was said, and let all come to rest."""
        network = self.network
        network.heal()
        network.weather.drop = network.weather.repeat = 0
        network.weather.max_delay_s = 0.01
        for machine in network.machines.values():
            self.start(machine)
        newest = max(head.time_ms for m in network.machines.values() for head in m.up.state.heads.values())
        ahead_ms = max(0, newest - EPOCH_MS - round(network.loop.time() * 1000)) + (WAIT_S + 1) * 1000
        for machine in network.machines.values():
            machine.skew_ms = ahead_ms
        for _ in range(40):
            network.sleep(15)
            self.deal.work()
            self.look()
            if self._is_settled():
                return
        raise AssertionError("it never came to rest")

    def _is_settled(self) -> bool:
        deal = self.deal
        told = [name for name in deal.firms if name in deal.seen("acme").contract.document.audience()]
        found = [deal.final(name) for name in told]
        return (
            self.network.agree()
            and {key for _, key in found[0]} == set(self.orders)
            and all(final == found[0] for final in found)
            and all(sorted(deal.recorded(name)) == sorted(found[0]) for name in PARTIES)
        )


def outcomes(deal: Deal) -> set[tuple[str, str]]:
    """Rule and order of everything that follows, by reading the timekeeper's log with the plainest means."""
    node = deal.network.machines[deal.keeper].up
    reader, origin = node.reader, node.state.origin
    due: dict[str, int] = {}
    delivered: dict[bytes, str] = {}
    confirmed: set[bytes] = set()
    excused: set[str] = set()
    found: set[tuple[str, str]] = set()
    for seq in range(node.state.own.copy.size):
        record = reader.record(origin, seq)
        assert record.statement is not None
        said, time_ms = record.statement, record.entry.time_ms
        if said.kind == "tick":
            closed = {order for order, at_ms in due.items() if at_ms <= time_ms}
            decided = {order for _, order in found}
            found |= {("spared" if order in excused else "failed", order) for order in closed - decided}
        if said.kind != "counted" or said.data("agreement") != deal.agreement:
            continue
        for leaf in said.hashes("entries"):
            place = reader.find(leaf)
            named = reader.record(*place).statement
            assert named is not None
            if named.kind == "confirm":
                confirmed.add(named.data("fact"))
            elif named.kind not in ("fact", "event"):
                continue  # what brought the agreement into force
            elif named.kind == "event" or named.text("name") == "excused":
                excused.add(order_of(named))
            elif named.text("name") == "delivered":
                delivered[leaf] = order_of(named)
            else:
                said_ms = parse_entry(reader.entry(*place)).time_ms
                due[order_of(named)] = max(time_ms, said_ms) + WAIT_S * 1000
            for fact, order in delivered.items():
                if fact in confirmed and not found & {("failed", order), ("spared", order)}:
                    found.add(("paid", order))
    return found


def order_of(stated: Statement) -> str:
    """The order that a fact or an event is about."""
    if stated.kind == "event":
        return str(json.loads(stated.text("event"))["bizTransactionList"][0]["bizTransaction"])
    fields = stated.body["fields"]
    assert isinstance(fields, dict)
    return str(fields["order"])


@pytest.mark.parametrize("keeper", ["port", "bolt"])
@pytest.mark.parametrize("seed", SEEDS)
def test_all_decide_the_same_once_whatever_is_lost_late_restarted_or_wrong_about_the_time(
    make_deal: MakeDeal, seed: int, keeper: str
) -> None:
    deal = make_deal(seed, keeper)
    storm = Storm(deal, seed)
    while len(storm.orders) < ORDERS or storm.chance.random() < 0.7:
        storm.blow()
        storm.trade()
        storm.pass_time()
    storm.calm()
    expected = deal.final("acme")
    assert set(expected) == outcomes(deal)
    for name in deal.firms:
        # Whoever is neither a party nor keeps the time is not told what was counted.
        told = name in (*PARTIES, keeper)
        assert finals(deal.afresh(name)) == deal.final(name) == (expected if told else {})
        assert sorted(deal.recorded(name)) == (sorted(expected) if name in PARTIES else [])
