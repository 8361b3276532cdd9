"""A home that is older than its log, or runs twice: no position is ever signed for the second time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import ConflictError, TallyError, UnavailableError
from node.alone import rotate_keys
from node.caution import CAUTION_FILE, Caution, read_caution, write_caution
from node.keyfiles import MIN_COST
from node.node import Node
from node.recovery import Answer, choose_pin, cosigners_of, find_beyond
from node.sync.notes import OpenedNote, open_note

if TYPE_CHECKING:
    from tests.simulation.network import Network

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))


def back_up(network: Network, name: str) -> Path:
    """A copy of a home, taken while its node rests."""
    home = network.machines[name].home
    kept = home.with_name(f"{name}-kept")
    network.stop(name)
    shutil.copytree(home, kept)
    network.start(name)
    return kept


def put_back(network: Network, name: str, kept: Path) -> None:
    """The home as it was, opened and told that it was restored; its engine does not run yet."""
    home = network.machines[name].home
    if network.machines[name].node is not None:
        network.stop(name)
    shutil.rmtree(home)
    shutil.copytree(kept, home)
    network.open(name)
    engine = network.machines[name].engine
    assert engine is not None
    engine.hear_partners()


def rotate(network: Network, name: str) -> None:
    """Rotate the keys of a home as `tally keys rotate` does, without its place."""
    home = network.machines[name].home
    node = network.machines[name].up
    network.stop(name)
    rotate_keys(home, PASSPHRASE, node.world, MIN_COST)
    network.start(name)


def hearing(network: Network, name: str) -> UnavailableError:
    return network.machines[name].up.blocks["hearing"]


def cannot_write(network: Network, name: str) -> None:
    size = network.machines[name].up.state.own.copy.size
    with pytest.raises(UnavailableError):
        network.memo(name, "too early")
    assert network.machines[name].up.state.own.copy.size == size


def assert_one_history(network: Network) -> None:
    """Nobody holds anything against anybody."""
    network.wait_until(network.agree)
    assert not any(machine.up.state.quarantined for machine in network.running())


def test_a_restored_home_with_all_partners_fetches_back_and_writes(three_nodes: Network) -> None:
    network = three_nodes
    kept = back_up(network, "bolt")
    for i in range(5):
        network.memo("bolt", f"lost {i}")
    network.wait_until(network.agree)
    size = network.machines["bolt"].up.state.own.copy.size
    put_back(network, "bolt", kept)
    cannot_write(network, "bolt")
    network.start("bolt")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    assert network.memo("bolt", "now")[0].seq >= size
    assert_one_history(network)


def test_a_restored_home_with_some_partners_fetches_what_they_hold_and_waits(three_nodes: Network) -> None:
    network = three_nodes
    kept = back_up(network, "bolt")
    network.memo("bolt", "lost")
    network.wait_until(network.agree)
    size = network.machines["bolt"].up.state.own.copy.size
    network.stop("cord")
    put_back(network, "bolt", kept)
    network.start("bolt")
    network.sleep(300)
    node = network.machines["bolt"].up
    assert node.state.own.copy.size >= size
    assert "cord not heard yet" in hearing(network, "bolt").found
    assert "acme holds" in hearing(network, "bolt").found
    assert "tally recover" in hearing(network, "bolt").action
    cannot_write(network, "bolt")
    network.start("cord")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    network.memo("bolt", "now")
    assert_one_history(network)


def test_a_restored_home_without_any_partner_waits(three_nodes: Network) -> None:
    network = three_nodes
    kept = back_up(network, "bolt")
    put_back(network, "bolt", kept)
    network.stop("acme")
    network.stop("cord")
    network.start("bolt")
    network.sleep(3600)
    assert "acme, cord not heard yet" in hearing(network, "bolt").found
    cannot_write(network, "bolt")


def test_a_restored_home_waits_for_the_partner_that_holds_most(three_nodes: Network) -> None:
    """Only cord has the newest entries; acme alone would have let the home sign their positions again."""
    network = three_nodes
    kept = back_up(network, "bolt")
    network.isolate("acme")
    network.memo("bolt", "cord alone has it")
    network.sleep(10)
    size = network.machines["bolt"].up.state.own.copy.size
    network.heal()
    network.stop("bolt")
    network.stop("cord")
    put_back(network, "bolt", kept)
    network.start("bolt")
    network.sleep(300)
    assert network.machines["bolt"].up.state.own.copy.size < size
    cannot_write(network, "bolt")
    network.start("cord")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    assert network.memo("bolt", "now")[0].seq >= size
    assert_one_history(network)


def test_hearing_outlasts_a_restart(three_nodes: Network) -> None:
    """A home that learns from a partner that it is older is in its place: its next start must not forget."""
    network = three_nodes
    kept = back_up(network, "bolt")
    network.memo("bolt", "lost")
    network.wait_until(network.agree)
    network.stop("cord")
    network.stop("bolt")
    shutil.rmtree(network.machines["bolt"].home)
    shutil.copytree(kept, network.machines["bolt"].home)
    network.start("bolt")  # nothing tells it that it was restored
    network.wait_until(lambda: "hearing" in network.machines["bolt"].up.blocks, 60)
    network.sleep(60)
    network.stop("bolt")
    network.start("bolt")
    cannot_write(network, "bolt")
    network.start("cord")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    assert not (network.machines["bolt"].home / CAUTION_FILE).exists()
    network.memo("bolt", "now")
    assert_one_history(network)


def test_a_member_that_joined_since_the_backup_is_heard_too(three_nodes: Network) -> None:
    network = three_nodes
    kept = back_up(network, "bolt")
    network.join("dart")
    network.wait_until(network.agree)
    network.isolate("acme", "cord")
    network.memo("bolt", "dart alone has it")
    network.sleep(10)
    size = network.machines["bolt"].up.state.own.copy.size
    network.heal()
    network.stop("bolt")
    network.stop("dart")
    put_back(network, "bolt", kept)
    assert network.machines["bolt"].up.state.partners() == ["acme", "cord"]
    network.start("bolt")
    network.sleep(300)
    assert "dart not heard yet" in hearing(network, "bolt").found
    cannot_write(network, "bolt")
    network.start("dart")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    assert network.memo("bolt", "now")[0].seq >= size
    assert_one_history(network)


def twins(network: Network, here: int, there: int) -> None:
    """Bolt's home was copied and both wrote: the copy `there` entries for all, the original `here` alone."""
    kept = back_up(network, "bolt")
    for i in range(there):
        network.memo("bolt", f"by the copy {i}")
    network.wait_until(network.agree)
    network.stop("bolt")
    shutil.rmtree(network.machines["bolt"].home)
    shutil.copytree(kept, network.machines["bolt"].home)
    for other in ("acme", "cord"):
        network.cut.add(frozenset(("bolt", other)))
    network.start("bolt")
    for i in range(here):
        network.memo("bolt", f"by the original {i}")
    network.heal()


@pytest.mark.parametrize(("here", "there"), [(2, 2), (5, 2), (2, 5), (1, 1), (1, 4)])
def test_a_home_copied_to_a_second_place_with_both_writing_stops_for_good(
    three_nodes: Network, here: int, there: int
) -> None:
    network = three_nodes
    twins(network, here, there)
    node = network.machines["bolt"].up
    network.wait_until(lambda: "contradicted" in network.machines["bolt"].up.blocks, 300)
    assert "tally recover" in node.blocks["contradicted"].action
    cannot_write(network, "bolt")
    network.stop("bolt")
    network.stop("acme")
    network.stop("cord")
    network.start("bolt")  # with nobody there to tell it again
    cannot_write(network, "bolt")


def test_a_contradiction_that_is_none_any_more_is_forgotten(three_nodes: Network) -> None:
    network = three_nodes
    node = network.machines["bolt"].up
    newest = node.state.own.newest
    assert newest is not None
    network.stop("bolt")
    home = network.machines["bolt"].home
    write_caution(home, node.state.origin, Caution(contradicted=newest.note))
    network.start("bolt")
    assert not network.machines["bolt"].up.blocks
    assert read_caution(home, node.state.origin) == Caution()


def test_what_is_remembered_of_another_log_does_not_count(three_nodes: Network) -> None:
    home = three_nodes.machines["bolt"].home
    write_caution(home, "bolt/0123456789abcdef/2", Caution(waiting=True))
    assert read_caution(home, three_nodes.machines["bolt"].up.state.origin) == Caution()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"origin": 1}', '{"origin": "x", "waiting": true}', "\0" * 99]
)
def test_what_is_remembered_and_cannot_be_read_counts_as_waiting(tmp_path: Path, text: str) -> None:
    (tmp_path / CAUTION_FILE).write_text(text)
    found = read_caution(tmp_path, "x")
    assert found.waiting


def keyed(node: Node, text: str, key: str, audience: list[str] | None) -> Any:
    return node.record([node.draft("memo", {"text": text}, audience=audience, idempotency_key=key)])


def test_a_repeated_write_whose_payload_was_lost_is_not_recorded_twice(three_nodes: Network) -> None:
    """Nobody but bolt may have the payload, so nobody gives it back: the same request counts once."""
    network = three_nodes
    kept = back_up(network, "bolt")
    seq = keyed(network.machines["bolt"].up, "for ourselves", "key-1", []).result()[0].seq
    keyed(network.machines["bolt"].up, "for all", "key-2", None).result()
    network.wait_until(network.agree)
    put_back(network, "bolt", kept)
    network.start("bolt")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    for again in range(2):
        node = network.machines["bolt"].up
        assert node.reader.payload(node.state.origin, seq) is None
        with pytest.raises(ConflictError, match="was lost"):
            keyed(node, "for ourselves", "key-1", []).result()
        assert not keyed(node, "for all", "key-2", None).result()[0].new
        assert keyed(node, f"another one, {again}", f"key-{3 + again}", []).result()[0].new
        network.stop("bolt")  # and again after a restart
        network.start("bolt")
    network.wait_until(network.agree)


def test_own_payloads_that_a_partner_holds_are_waited_for(three_nodes: Network) -> None:
    """Acme gives the entries and may not have the payload; cord has it: the home waits for cord."""
    network = three_nodes
    kept = back_up(network, "bolt")
    seq = keyed(network.machines["bolt"].up, "for cord", "key-1", ["cord"]).result()[0].seq
    network.wait_until(network.agree)
    put_back(network, "bolt", kept)
    network.start("bolt")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    recorded = keyed(network.machines["bolt"].up, "for cord", "key-1", ["cord"]).result()[0]
    assert (recorded.seq, recorded.new) == (seq, False)


def test_a_home_under_keys_that_were_rotated_elsewhere_signs_nothing(three_nodes: Network) -> None:
    """A backup from before a rotation gets the rotation back, and not the keys that go with it."""
    network = three_nodes
    kept = back_up(network, "bolt")
    rotate(network, "bolt")
    network.memo("bolt", "under the new key")
    network.wait_until(network.agree)
    put_back(network, "bolt", kept)
    network.start("bolt")
    network.wait_until(lambda: not network.machines["bolt"].up.blocks)
    with pytest.raises(UnavailableError, match="rotation to keys"):
        network.memo("bolt", "under the old key")
    network.stop("bolt")
    with pytest.raises(TallyError, match="public key"):
        network.open("bolt")


# The pin of the next log


def told(network: Network, holders: list[str], author: str) -> list[Answer]:
    """What partners answer who are asked for their head of a log."""
    origin = network.machines[author].up.state.origin
    roster = network.machines[author].up.state.roster
    answers = []
    for name in holders:
        newest = network.machines[name].up.state.heads[origin].newest
        assert newest is not None
        answers.append(Answer(partner=name, head=open_note(roster, newest.note)))
    return answers


def pin_of(network: Network, answers: list[Answer]) -> OpenedNote:
    node = network.machines["bolt"].up
    return choose_pin(node.reader, node.state, [a.head for a in answers if a.head is not None])


def test_the_pin_is_what_partners_cosigned_where_a_copy_wrote_another_history(three_nodes: Network) -> None:
    network = three_nodes
    twins(network, 5, 2)
    node = network.machines["bolt"].up
    answers = told(network, ["acme", "cord"], "bolt")
    pin = pin_of(network, answers)
    assert answers[0].head is not None
    assert pin.checkpoint == answers[0].head.checkpoint
    assert pin.checkpoint.size < node.state.own.copy.size
    beyond = list(find_beyond(node.reader, node.state, pin, answers))
    assert [(item.holder, item.size) for item in beyond] == [("", node.state.own.copy.size)]


def test_the_pin_is_the_own_head_where_it_goes_on_from_what_partners_hold(three_nodes: Network) -> None:
    network = three_nodes
    network.wait_until(network.agree)
    network.isolate("bolt")
    network.memo("bolt", "nobody has it yet")
    node = network.machines["bolt"].up
    answers = told(network, ["acme", "cord"], "bolt")
    pin = pin_of(network, answers)
    assert pin.checkpoint.size == node.state.own.copy.size
    assert not list(find_beyond(node.reader, node.state, pin, answers))


def test_the_pin_is_the_highest_head_that_a_partner_cosigned(three_nodes: Network) -> None:
    """Of a home from last week; acme holds more of its log than cord."""
    network = three_nodes
    kept = back_up(network, "bolt")
    network.memo("bolt", "both")
    network.wait_until(network.agree)
    network.isolate("cord")
    network.memo("bolt", "acme alone")
    network.sleep(5)
    put_back(network, "bolt", kept)
    answers = told(network, ["acme", "cord"], "bolt")
    pin = pin_of(network, answers)
    assert answers[0].head is not None
    assert pin.checkpoint == answers[0].head.checkpoint
    assert cosigners_of(pin) == ("acme",)
    assert (
        choose_pin(network.machines["bolt"].up.reader, network.machines["bolt"].up.state, []).checkpoint.size
        < pin.checkpoint.size
    )
