"""A silent timekeeper is replaced over nodes: who votes, who wins, and what the command tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cli.main import main
from ledger.errors import ConflictError, MissingError, TallyError
from ledger.log.encoding import Value
from ledger.log.kinds import KINDS
from node.api.app import create_app
from node.home import read_token
from node.sync.batching import make_batch
from node.sync.storing import store_batch
from node.views.agreements import show_agreement
from tests.simulation.deal import PASSPHRASE, QUIET, Deal, face, show
from tests.simulation.network import Kept, Machine, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

INSIDE = ("port", "acme", "bolt", "hub")
"""The timekeeper, the parties and the successor: they hold the document."""
OUTSIDE = "oak"
LEFT = ("acme", "bolt", "hub")
VOTERS = ("acme", "oak", "hub")
"""More than half of the four others, a party among them."""
REPLACE = "timekeeper.replace"


class Private(Deal):
    """A deal whose document only those hold whom it names."""

    def say(self, name: str, kind: str, body: Any, **options: Any) -> bytes:
        """Record a statement; what need not be for all is for those alone."""
        if not KINDS[kind].public:
            options.setdefault("audience", INSIDE)
        return super().say(name, kind, body, **options)

    def hand_over(
        self, name: str, to: str = "hub", *, term: int = 1, silent: str = "port", honest: bool = True
    ) -> None:
        """Say that another keeps the time, with the head that this node knows."""
        state = self.network.machines[name].up.state
        witnessed = state.head(state.roster.origin(silent)).witnessed
        assert witnessed is not None
        body = {"agreement": self.agreement, "head": witnessed.note, "term": term, "timekeeper": to}
        self.say(name, REPLACE, body, signed=True, honest=honest)

    def keepers(self, names: Sequence[str] = LEFT) -> set[tuple[str, int, tuple[bytes, ...]]]:
        """Who keeps the time in which term, as these nodes see it, and what is missing there."""
        return {(seen.timekeeper, seen.term, seen.missing) for seen in map(self.seen, names)}

    def orders(self, name: str) -> list[str]:
        """The orders that exist for a node."""
        return [str(fact.fields["order"]) for fact in self.seen(name).existing if fact.name == "ordered"]


@pytest.fixture(scope="module")
def in_force(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    network = Network(tmp_path_factory.mktemp("handover"))
    network.settings |= QUIET
    deal = Private(network, firms=(*INSIDE, OUTSIDE))
    deal.bring_into_force()
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    return network.keep()


@pytest.fixture
def deal(make_network: Callable[[int], Network], in_force: Kept, request: pytest.FixtureRequest) -> Private:
    """An agreement in force among some firms of a network, in which one order is counted."""
    network = make_network(getattr(request, "param", 0))
    network.settings |= QUIET
    return Private(network, kept=in_force)


# Who is enough


def test_members_who_hold_no_document_vote_for_the_successor(deal: Private) -> None:
    deal.network.stop("port")
    with pytest.raises(MissingError):
        deal.seen("oak")
    for name in VOTERS:
        deal.hand_over(name)
    deal.settle(130)
    assert deal.keepers() == {("hub", 1, ())}
    assert [set(deal.final(name)) for name in LEFT] == [{("failed", "one")}] * 3


def test_a_vote_one_short_leaves_the_time_where_it_is(deal: Private) -> None:
    deal.network.stop("port")
    for name in ("acme", "oak"):
        deal.hand_over(name)
    deal.settle(30)
    assert deal.keepers() == {("port", 0, ())}


def test_a_member_who_joined_last_votes_too_and_counts_among_the_others(deal: Private) -> None:
    deal.network.join("nine")
    deal.network.sleep(120)
    deal.network.stop("port")
    for name in ("acme", "oak"):
        deal.hand_over(name)
    deal.settle(30)
    assert deal.keepers() == {("port", 0, ())}
    deal.hand_over("nine")
    deal.settle(30)
    assert deal.keepers() == {("hub", 1, ())}


def test_a_member_who_holds_no_document_says_so_once(deal: Private) -> None:
    deal.hand_over("oak")
    with pytest.raises(ConflictError, match="said before"):
        deal.hand_over("oak", "bolt")


def test_a_new_timekeeper_is_a_member(deal: Private) -> None:
    with pytest.raises(TallyError, match="mallory"):
        deal.hand_over("oak", "mallory")


# Where it is cut


def test_parties_who_know_different_heads_hand_over_together(deal: Private) -> None:
    deal.network.isolate("acme")
    deal.state("bolt", "ordered", "two")
    deal.settle(12)
    deal.network.stop("port")
    for name in ("acme", "bolt"):
        deal.hand_over(name)
    deal.network.heal()
    deal.settle(130)
    assert deal.keepers() == {("hub", 1, ())}
    assert [deal.orders(name) for name in LEFT] == [["one", "two"]] * 3
    assert deal.final("acme").keys() == {("failed", "one"), ("failed", "two")}


def test_a_head_past_what_nobody_can_get_does_not_jam_the_successor(deal: Private) -> None:
    """The silent one counted an entry that is nobody's, and a party in league with it names that head."""
    deal.network.isolate("hub")
    for name in VOTERS:
        deal.hand_over(name)
    body = {"agreement": deal.agreement, "entries": [bytes(32)]}
    deal.say("port", "counted", body, honest=False)
    deal.network.sleep(5)
    deal.hand_over("bolt")
    deal.network.stop("port")
    deal.network.heal()
    deal.settle(130)
    heads = {statement.text("head") for name in ("acme", "bolt") for statement in deal.own(name, REPLACE)}
    assert len(heads) == 2
    assert deal.keepers() == {("hub", 1, ())}
    assert deal.final("bolt").keys() == {("failed", "one")}


def test_who_lacks_the_old_log_up_to_the_cut_decides_nothing_of_what_follows(deal: Private) -> None:
    network = deal.network
    network.isolate("bolt")
    deal.state("acme", "excused", "one")
    deal.settle(12)
    for name in VOTERS:
        deal.hand_over(name)
    network.stop("port")
    # Everything reaches bolt but what the old one recorded last.
    deal.settle(100)
    assert [d.firing.rule for d in deal.evaluated("acme").decisions] == ["spared"]
    bolt = network.machines["bolt"].up
    for name in VOTERS:
        machine = network.machines[name].up
        origin = machine.state.origin
        store_batch(bolt, make_batch(machine, origin, bolt.state.copy(origin).size, 10**6, "bolt"))
    assert deal.seen("bolt").timekeeper == "hub"
    assert deal.seen("bolt").missing
    assert deal.evaluated("bolt").decisions == ()
    network.heal()
    deal.settle(130)
    assert deal.keepers() == {("hub", 1, ())}
    assert deal.recorded("bolt") == deal.recorded("acme") == [("spared", "one")]


def test_who_holds_the_other_face_of_the_old_log_decides_nothing_and_finds_the_fork(deal: Private) -> None:
    network = deal.network
    excused = deal.state("acme", "excused", "one")
    network.sleep(5)
    for name in (*INSIDE, OUTSIDE):
        network.isolate(name)
    counted: tuple[str, dict[str, Value]] = (
        "counted",
        {"agreement": deal.agreement, "entries": [excused]},
    )
    now_ms = network.now_ms(network.machines["port"])
    show(deal, face(deal, [counted, ("memo", {"text": ""})], now_ms), VOTERS)
    show(deal, face(deal, [("tick", {}), counted], now_ms), ("bolt",))
    network.stop("port")
    for name in VOTERS:
        deal.hand_over(name)
    network.heal()
    deal.settle(150)
    assert [d.firing.rule for d in deal.evaluated("acme").decisions] == ["spared"]
    bolt = network.machines["bolt"].up.state
    assert bolt.roster.origin("port") in bolt.quarantined
    assert (deal.seen("bolt").timekeeper, len(deal.seen("bolt").missing)) == ("hub", 1)
    assert (deal.final("bolt"), deal.recorded("bolt")) == ({}, [])


# Who wins


@pytest.mark.parametrize("deal", range(2), indirect=True)
def test_of_a_unanimous_handover_and_a_vote_one_wins_at_every_node(deal: Private) -> None:
    """A party says both, which its own node would not let pass; whatever arrives first, its first counts."""
    network, chance = deal.network, deal.network.chance
    network.stop("port")
    said = [("acme", "acme"), ("bolt", "hub"), ("bolt", "acme"), ("oak", "hub"), ("hub", "hub")]
    if chance.random() < 0.5:
        said[1:3] = said[2:0:-1]
    winner = said[1][1]
    later = said[3:]
    chance.shuffle(later)
    for name, to in (*said[:3], *later):
        network.isolate(chance.choice((*LEFT, OUTSIDE)))
        deal.hand_over(name, to, honest=False)
        network.sleep(chance.uniform(0, 30))
        deal.work(*chance.sample(LEFT, 3))
        if chance.random() < 0.5:
            network.heal()
    network.heal()
    deal.settle(150)
    assert deal.keepers() == {(winner, 1, ())}
    assert [set(deal.final(name)) for name in LEFT] == [{("failed", "one")}] * 3
    assert deal.recorded("acme") == deal.recorded("bolt") == [("failed", "one")]


def test_who_took_over_and_falls_silent_is_replaced_in_turn(deal: Private) -> None:
    network = deal.network
    network.stop("port")
    for name in VOTERS:
        deal.hand_over(name)
    deal.settle(30)
    deal.state("bolt", "ordered", "two")
    deal.settle(30)
    network.stop("hub")
    for name in ("acme", "bolt"):
        deal.hand_over(name, "acme", term=2, silent="hub")
    deal.settle(130)
    deal.state("bolt", "ordered", "three")
    deal.settle(12)
    assert deal.keepers(("acme", "bolt")) == {("acme", 2, ())}
    assert deal.orders("bolt") == ["one", "two", "three"]
    network.start("hub")
    network.start("port")
    deal.settle(130)
    assert deal.keepers(INSIDE) == {("acme", 2, ())}
    assert deal.final("port") == deal.final("acme")


def test_the_old_one_that_comes_back_stops_and_what_it_counted_meanwhile_is_shown(deal: Private) -> None:
    network = deal.network
    order = deal.state("bolt", "ordered", "two")
    network.sleep(5)
    network.isolate("port")
    deal.work("port")
    counted = deal.orders("port")
    for name in VOTERS:
        deal.hand_over(name)
    deal.settle(130)
    assert (counted, deal.orders("port"), deal.orders("acme")) == (
        ["one", "two"],
        ["one", "two"],
        ["one", "two"],
    )
    network.heal()
    before = len(deal.own("port", "counted"))
    deal.settle(130)
    deal.state("bolt", "ordered", "three")
    deal.settle(130)
    assert deal.keepers(INSIDE) == {("hub", 1, ())}
    assert len(deal.own("port", "counted")) == before
    for name in INSIDE:
        assert deal.final(name) == deal.final("acme")
        assert [remark.text for remark in deal.seen(name).remarks] == [
            "counted past the head at which hub takes over"
        ]
        (fact,) = [fact for fact in deal.seen(name).facts if fact.leaf_hash == order]
        position = deal.seen(name).positions[order][1]
        assert (fact.status, position[0].partition("/")[0]) == ("exists", "hub")


@pytest.mark.parametrize("deal", range(2), indirect=True)
def test_whatever_is_lost_or_late_all_come_to_the_same_timekeeper_and_decisions(deal: Private) -> None:
    network = deal.network
    chance = Random(repr(network.chance.random()))
    network.weather.drop, network.weather.max_delay_s = 0.1, 8
    silent, number = "port", 0
    for name in chance.sample((*LEFT, OUTSIDE), 4):
        if network.machines["port"].node is not None and chance.random() < 0.4:
            network.stop("port")
        number += 1
        deal.state("bolt", "ordered", f"more {number}")
        network.isolate(chance.choice((*INSIDE, OUTSIDE)))
        deal.work(*chance.sample(INSIDE, 2))
        deal.hand_over(name, silent=silent)
        network.sleep(chance.uniform(0, 20))
        network.heal()
    network.weather.drop, network.weather.max_delay_s = 0, 0.01
    if network.machines["port"].node is None:
        network.start("port")
    deal.settle(130)
    assert deal.keepers(INSIDE) == {("hub", 1, ())}
    assert len({tuple(sorted(deal.final(name).items())) for name in INSIDE}) == 1
    assert len(deal.final("acme")) == number + 1
    assert sorted(deal.recorded("acme")) == sorted(deal.recorded("bolt")) == sorted(deal.final("hub"))


# The command


class Door:
    """The HTTP side of a machine's node, for the commands of its operator."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def post(self, path: str, body: dict[str, Any], *, key: str) -> Any:
        answer = asyncio.run(self._ask(path, body, key))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def _ask(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(self._machine.up))
        headers = {"authorization": f"Bearer {read_token(self._machine.home)}", "idempotency-key": key}
        async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:
            return await client.post(path, json=body, headers=headers)


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def hand_over(deal: Private, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the command at a node's home, as people do; gives exit code and what it told."""

    def call(name: str, *words: str) -> tuple[int, str]:
        machine = deal.network.machines[name]
        monkeypatch.setattr("cli.signing.open_node", lambda home: nullcontext(Door(machine)))
        monkeypatch.setenv("TALLY_PASSPHRASE", PASSPHRASE.decode())
        monkeypatch.setenv("TALLY_STATE_DIR", str(machine.home.parent / "state"))
        code = main(["--home", str(machine.home), "agree", "handover", *words, "--yes"])
        return code, capsys.readouterr().err

    return call


def test_the_command_tells_what_its_head_cuts_before_it_signs(deal: Private, hand_over: Command) -> None:
    """The head that is witnessed for acme is older than what it holds: nobody else is reached."""
    deal.network.isolate("acme", "port")
    deal.state("acme", "excused", "one")
    deal.settle(12)
    state = deal.network.machines["acme"].up.state
    size = state.head(state.roster.origin("port")).witnessed_size
    code, told = hand_over("acme", "orders", "hub")
    assert code == 0
    assert f"port's log is known here as witnessed up to {size} entries" in told
    assert "Past that, port counted for 'orders' in 1 entry held here" in told


def test_the_command_tells_nothing_of_what_is_not_cut(hand_over: Command) -> None:
    code, told = hand_over("bolt", "orders", "hub")

    assert (code, "Past that" in told) == (0, False)


def test_a_member_without_the_document_votes_by_the_whole_hash(deal: Private, hand_over: Command) -> None:
    deal.network.stop("port")
    assert hand_over("acme", "orders", "hub")[0] == 0
    deal.settle(12)
    deal.hand_over("hub")
    code, told = hand_over("oak", deal.agreement.hex(), "hub", "--term", "1", "--from", "port")
    assert code == 0
    assert "Said before: by acme, for hub in place of 'port'" in told
    deal.settle(30)
    assert deal.keepers() == {("hub", 1, ())}


@pytest.mark.parametrize(
    "words", [(), ("--term", "1"), ("--from", "port")], ids=["neither", "no one silent", "no term"]
)
def test_a_member_without_the_document_says_term_and_who_is_silent(
    deal: Private, hand_over: Command, words: tuple[str, ...]
) -> None:
    assert hand_over("oak", deal.agreement.hex(), "hub", *words)[0] == 2


@pytest.mark.parametrize("words", [("--term", "2"), ("--from", "acme")])
def test_who_holds_the_document_is_told_where_it_says_otherwise(
    hand_over: Command, words: tuple[str, ...]
) -> None:
    assert hand_over("acme", "orders", "hub", *words)[0] == 2


def test_an_agreement_shows_who_kept_the_time_from_when_and_which_head_cut(deal: Private) -> None:
    deal.network.stop("port")
    node = deal.network.machines["bolt"].up
    (first,) = show_agreement(node.reader, node.state, node.book, deal.agreement)["terms"]
    assert (first["number"], first["timekeeper"], first["opened"], first["cut"]) == (0, "port", True, None)
    to_come = show_agreement(node.reader, node.state, node.book, deal.agreement)["next_term"]
    assert (to_come["number"], to_come["replaces"]) == (1, "port")
    for name in ("acme", "bolt"):
        body = {"agreement": deal.agreement, "head": to_come["head"], "term": 1, "timekeeper": "hub"}
        deal.say(name, REPLACE, body, signed=True)
    deal.settle(150)
    shown = show_agreement(node.reader, node.state, node.book, deal.agreement)
    _, second = shown["terms"]
    assert (second["timekeeper"], second["replaces"], second["opened"]) == ("hub", "port", True)
    assert second["head"] == to_come["head"]
    assert second["cut"]["origin"] == node.state.roster.origin("port")
    assert second["since"]["origin"] == node.state.roster.origin("hub")
    assert (shown["next_term"]["number"], shown["next_term"]["replaces"]) == (2, "hub")
