"""What holds in every network of nodes, whatever the lines do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ledger.errors import UnavailableError
from ledger.log.entry import parse_entry
from ledger.members.witnessing import cosigners

if TYPE_CHECKING:
    from tests.simulation.network import Network

MakeNetwork = Callable[[int], "Network"]


def kinds_of(network: Network, name: str) -> list[str]:
    node = network.machines[name].up
    entries = node.reader.entries(node.state.origin, 0, node.state.own.copy.size)
    return [parse_entry(entry).kind for entry in entries]


def final_everywhere(network: Network, name: str, seq: int) -> bool:
    origin = network.machines[name].up.state.origin
    return all(machine.up.state.is_witnessed(origin, seq) for machine in network.running())


def test_a_memo_reaches_every_partner_and_is_witnessed_within_a_second(network: Network) -> None:
    seq = network.memo("acme", "hello")[0].seq
    assert network.wait_until(lambda: final_everywhere(network, "acme", seq), 5) < 1
    assert network.agree()


def test_all_cosignatures_of_a_quiet_network_land_on_one_note(network: Network) -> None:
    network.memo("acme", "hello")
    network.sleep(1)
    state = network.machines["acme"].up.state
    assert state.own.newest is not None
    assert set(cosigners(state.roster, state.own.newest.note)) == {"bolt", "cord"}


def test_a_burst_of_entries_becomes_final(network: Network) -> None:
    for i in range(50):
        seq = network.memo("acme", f"number {i}")[0].seq
        network.sleep(0.003)
    assert network.wait_until(lambda: final_everywhere(network, "acme", seq), 5) < 1


def test_a_partner_that_was_down_for_an_hour_catches_up_by_itself_within_seconds(network: Network) -> None:
    network.stop("cord")
    seq = network.memo("acme", "while you were out")[0].seq
    network.sleep(3600)
    network.start("cord")
    assert network.wait_until(network.agree, 30) < 5
    assert network.wait_until(lambda: final_everywhere(network, "acme", seq), 30) < 15


def test_two_of_three_make_nothing_witnessed_while_both_others_are_needed(network: Network) -> None:
    network.stop("cord")
    seq = network.memo("acme", "hello")[0].seq
    network.sleep(60)
    assert not network.machines["acme"].up.state.is_witnessed(network.machines["acme"].up.state.origin, seq)


def test_what_came_while_a_clock_was_wrong_is_cosigned_once_it_is_right(network: Network) -> None:
    """A node whose clock is wrong holds what it gets and signs nothing; later it is asked again."""
    cord = network.machines["cord"]
    error = UnavailableError("clock", found="ahead of most partners", expected="about the same time")
    cord.up.block("stopped", error)
    seq = network.memo("acme", "hello")[0].seq
    network.sleep(60)
    origin = network.machines["acme"].up.state.origin
    assert cord.up.state.copy(origin).size > seq
    assert not network.machines["acme"].up.state.is_witnessed(origin, seq)
    cord.up.block("stopped", None)
    network.wait_until(lambda: final_everywhere(network, "acme", seq), 30)


def test_a_node_that_nobody_can_call_takes_part(make_network: MakeNetwork) -> None:
    network = make_network(3)
    network.found("acme")
    network.join("bolt")
    network.join("mobile", callable=False)
    network.wait_until(network.agree)
    seq = network.memo("mobile", "from the road")[0].seq
    network.wait_until(lambda: final_everywhere(network, "mobile", seq), 60)
    seq = network.memo("acme", "to the road")[0].seq
    network.wait_until(lambda: final_everywhere(network, "acme", seq), 60)


def test_a_log_reaches_a_partner_through_a_third(network: Network) -> None:
    network.cut.add(frozenset(("acme", "cord")))
    network.memo("acme", "over bolt")
    network.wait_until(network.agree, 60)
    assert not list(network.lacking())


def test_what_a_third_may_not_have_comes_from_the_author_when_it_can_be_reached(network: Network) -> None:
    network.cut.add(frozenset(("acme", "cord")))
    secret = network.memo("acme", "for cord alone", audience=["cord"])[0].seq
    network.wait_until(network.agree, 60)
    origin = network.machines["acme"].up.state.origin
    assert network.machines["cord"].up.reader.payload(origin, secret) is None
    assert network.machines["bolt"].up.reader.payload(origin, secret) is None
    network.heal()
    network.wait_until(lambda: not list(network.lacking()), 60)
    assert not list(network.leaked())


def test_idle_nodes_stop_writing(make_network: MakeNetwork) -> None:
    network = make_network(2)
    network.settings |= {"sync_interval_s": 60, "seen_interval_s": 60}
    network.found("acme")
    network.join("bolt")
    network.memo("acme", "the last thing anybody says")
    network.sleep(600)
    sizes = network.heads_of("acme")
    network.sleep(7200)
    assert network.heads_of("acme") == sizes
    assert "seen" in kinds_of(network, "bolt")


def test_a_restart_sets_no_seen_entries_off(network: Network) -> None:
    network.memo("acme", "hello")
    network.sleep(600)
    sizes = network.heads_of("acme")
    for name in ("acme", "bolt", "cord"):
        network.stop(name)
        network.start(name)
    network.sleep(600)
    assert network.heads_of("acme") == sizes


def test_seen_entries_keep_their_interval(network: Network) -> None:
    for i in range(60):
        network.memo("acme", f"minute {i}")
        network.sleep(10)
    assert 2 <= kinds_of(network, "bolt").count("seen") <= 12


def test_a_restored_home_fetches_its_own_entries_back_before_it_writes(
    network: Network,
) -> None:
    machine = network.machines["bolt"]
    network.stop("bolt")
    shutil.copytree(machine.home, machine.home.with_name("backup"))
    network.start("bolt")
    for i in range(5):
        network.memo("bolt", f"lost {i}")
    network.memo("bolt", "private", audience=["acme"])
    network.wait_until(network.agree)
    size = network.machines["bolt"].up.state.own.copy.size
    network.stop("bolt")
    shutil.rmtree(machine.home)
    shutil.move(machine.home.with_name("backup"), machine.home)

    node = network.open("bolt")
    assert node.state.own.copy.size < size
    assert machine.engine is not None
    machine.engine.hear_partners()
    with pytest.raises(Exception, match="not heard yet"):
        network.memo("bolt", "too early")
    network.start("bolt")
    network.run(machine.engine.wait_heard())
    assert node.state.own.copy.size >= size
    network.memo("bolt", "now I may")
    network.wait_until(network.agree)
    assert not any(machine.up.state.quarantined for machine in network.running())
    assert not list(network.lacking())


def test_a_home_that_does_not_know_it_was_restored_is_stopped_by_its_partners(network: Network) -> None:
    machine = network.machines["bolt"]
    network.stop("bolt")
    shutil.copytree(machine.home, machine.home.with_name("backup"))
    network.start("bolt")
    network.memo("bolt", "lost")
    network.wait_until(network.agree)
    network.stop("bolt")
    shutil.rmtree(machine.home)
    shutil.move(machine.home.with_name("backup"), machine.home)
    network.start("bolt")
    network.wait_until(network.agree, 30)
    assert machine.engine is not None
    network.run(machine.engine.wait_heard())
    network.memo("bolt", "again in step")
    network.wait_until(network.agree, 30)
    assert not any(machine.up.state.quarantined for machine in network.running())


def test_hearing_waits_for_every_partner(network: Network) -> None:
    network.stop("bolt")
    network.stop("cord")
    node = network.open("bolt")
    machine = network.machines["bolt"]
    assert machine.engine is not None
    machine.engine.hear_partners()
    network.start("bolt")
    network.sleep(300)
    assert "hearing" in node.blocks
    network.start("cord")
    network.wait_until(lambda: not node.blocks, 30)


def test_a_node_whose_clock_is_off_by_minutes_does_not_write_until_it_is_right(network: Network) -> None:
    machine = network.machines["cord"]
    machine.skew_ms = 20 * 60 * 1000
    network.wait_until(lambda: "clock" in machine.up.blocks, 60)
    with pytest.raises(Exception, match="clock"):
        network.memo("cord", "at the wrong time")
    assert not network.machines["acme"].up.blocks
    machine.skew_ms = 0
    network.wait_until(lambda: not machine.up.blocks, 60)


def test_status_tells_lag_and_agreement(network: Network) -> None:
    network.memo("acme", "hello")
    network.sleep(15)
    network.isolate("cord")
    network.memo("acme", "unheard by cord")
    network.sleep(60)
    engine = network.machines["acme"].engine
    assert engine is not None
    bolt, cord = engine.status()
    assert (bolt.reachable, bolt.lag_out, bolt.agrees, bolt.error) == (True, 0, True, "")
    assert not cord.reachable
    assert cord.lag_out > 0
    assert "no answer" in cord.error


@pytest.mark.parametrize("seed", range(6))
def test_under_any_weather_the_nodes_converge_and_audiences_hold(
    make_network: MakeNetwork, seed: int
) -> None:
    network = make_network(seed)
    network.settings |= {"sync_interval_s": 5, "seen_interval_s": 20}
    network.found("acme")
    for name in ("bolt", "cord", "dart"):
        network.join(name, callable=name != "dart")
    network.wait_until(network.agree)
    chance = network.chance
    names = list(network.machines)
    weather = network.weather
    weather.drop, weather.repeat, weather.max_delay_s = 0.2, 0.3, 0.5
    signed: dict[tuple[str, int], set[bytes]] = {}
    for step in range(40):
        running = [machine.name for machine in network.running()]
        match chance.randrange(8):
            case 0 if len(running) > 2:
                network.stop(chance.choice(running))
            case 1:
                for name in set(names) - set(running):
                    network.start(name)
            case 2:
                network.isolate(chance.choice(names))
            case 3:
                network.heal()
            case _:
                author = chance.choice(running)
                some = chance.sample(names, chance.randrange(1, 3))
                network.memo(author, f"step {step}", chance.choice([None, some]))
        network.sleep(chance.uniform(0, 8))
        _gather_signed(network, signed)
    network.heal()
    weather.drop = weather.repeat = 0.0
    for name in names:
        if network.machines[name].node is None:
            network.start(name)
    network.wait_until(lambda: network.agree() and not list(network.lacking()), 300)
    assert not list(network.leaked())
    _gather_signed(network, signed)
    assert all(len(roots) == 1 for roots in signed.values()), "a position was signed twice"
    assert not any(machine.up.state.quarantined for machine in network.running())


def _gather_signed(network: Network, signed: dict[tuple[str, int], set[bytes]]) -> None:
    """Every head that any node holds: no origin and size may ever have two roots."""
    for machine in network.running():
        for origin, head in machine.up.state.heads.items():
            for note in head.notes():
                root = note.note.split("\n")[2].encode()
                signed.setdefault((origin, note.size), set()).add(root)
