"""Asking witnesses outside the network to cosign the own log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import InvalidError, MalformedError, RollbackError, TallyError, UnavailableError
from ledger.log.checkpoint import Checkpoint, cosign, parse_checkpoint, witness_vkey
from ledger.log.note import parse_note
from ledger.log.policy import Policy, PolicyGroup, PolicyLog, check_policy, witness_of
from ledger.log.receipt import check_receipt, parse_receipt
from ledger.log.tree import EMPTY_ROOT
from ledger.log.witness import OtherSizeError, check_add_checkpoint, parse_add_checkpoint
from ledger.members.witnessing import is_witnessed
from node.node import Node
from node.store.witness_notes import read_outside
from node.sync.calls import Call, Reply
from node.sync.outside import Outside
from node.views.receipts import make_receipt

if TYPE_CHECKING:
    from tests.simulation.network import Network

NAME = "witness.example/w1"
SEED = sha256(b"an outside witness").digest()
VKEY = witness_vkey(NAME, SEED)


@dataclass
class Elsewhere:
    """A witness outside the network, as honest as `answer` lets it be; counts what it is asked."""

    time_s: int = 1_900_000_000
    held: Checkpoint | None = None
    olds: list[int] = field(default_factory=list)
    answer: Callable[[Reply], Reply] = lambda reply: reply
    down: bool = False

    async def request(self, partner: str, call: Call) -> Reply:
        assert partner == NAME
        if self.down:
            raise UnavailableError(partner, found="no answer", expected="one")
        request = parse_add_checkpoint(call.body)
        self.olds.append(request.old_size)
        assert len(parse_note(request.checkpoint).signatures) == 1
        try:
            check_add_checkpoint(request, self.held)
        except OtherSizeError as error:
            return self.answer(reply(409, f"{error.size}\n"))
        self.held = request.head
        return self.answer(reply(200, cosign(request.checkpoint, NAME, SEED, self.time_s)))

    async def close(self) -> None:
        """Nothing is open."""


def reply(status: int, text: str | bytes) -> Reply:
    return Reply(status=status, headers={}, body=text.encode() if isinstance(text, str) else text)


@dataclass
class Asking:
    """A network whose first node asks a witness outside."""

    network: Network
    witness: Elsewhere
    outside: Outside

    @property
    def node(self) -> Node:
        return self.network.machines["acme"].up

    @property
    def kept(self) -> str | None:
        return read_outside(self.node.reader.database).get(VKEY.text)

    def ask(self) -> None:
        """Ask once, for the newest note."""
        newest = self.node.state.own.newest
        assert newest is not None
        self.network.run(self.outside.ask(self.outside.witnesses[0], newest))


@pytest.fixture
def asking(make_network: Callable[[int], Network]) -> Asking:
    network = make_network(4)
    network.settings["witness"] = {
        "ask": [{"vkey": VKEY.text, "url": "https://w.example/p", "interval_s": 1}]
    }
    network.found("acme")
    network.settings.pop("witness")
    return Asking(network, witness := Elsewhere(), begin(network, witness))


def begin(network: Network, witness: Elsewhere) -> Outside:
    machine = network.machines["acme"]

    async def offload(work: Callable[[], Any]) -> Any:
        return work()

    return Outside(machine.up, witness, offload)


def test_after_a_commit_the_newest_head_is_cosigned_and_kept(asking: Asking) -> None:
    asking.network.run(asking.outside.start())
    for number in range(3):
        asking.network.memo("acme", f"remark {number}")
    asking.network.sleep(5)
    size = asking.node.state.own.copy.size
    assert asking.kept is not None
    assert parse_checkpoint(parse_note(asking.kept).text).size == size
    assert asking.outside.witnesses[0].size == size
    asking.network.memo("acme", "one more")
    asking.network.sleep(5)
    assert asking.witness.olds[-1] == size
    assert asking.witness.held is not None
    assert asking.witness.held.size == size + 1
    asking.network.run(asking.outside.stop())


def test_nothing_new_is_nothing_to_ask(asking: Asking) -> None:
    asking.network.run(asking.outside.start())
    asking.network.sleep(5)
    asked = len(asking.witness.olds)
    asking.network.sleep(3600)
    assert len(asking.witness.olds) == asked
    asking.network.run(asking.outside.stop())


def test_a_head_is_asked_for_once_the_network_has_witnessed_it(asking: Asking) -> None:
    network = asking.network
    network.join("bolt")
    network.join("cord")
    network.run(asking.outside.start())
    network.memo("acme", "for all")
    network.wait_until(lambda: asking.node.state.own.witnessed_size == asking.node.state.own.copy.size)
    network.sleep(15)
    assert asking.kept is not None
    assert is_witnessed(asking.node.state.roster, asking.kept)
    assert NAME in asking.kept
    network.run(asking.outside.stop())


def test_where_partners_are_away_the_newest_is_asked_for_all_the_same(asking: Asking) -> None:
    network = asking.network
    network.join("bolt")
    network.isolate("acme")
    network.run(asking.outside.start())
    network.memo("acme", "alone")
    network.sleep(30)
    assert asking.witness.held is not None
    assert asking.witness.held.size == asking.node.state.own.copy.size
    network.run(asking.outside.stop())


def test_a_witness_that_knows_another_size_is_asked_from_there(asking: Asking) -> None:
    asking.ask()
    size = asking.node.state.own.copy.size
    asking.network.memo("acme", "more")
    asking.outside.witnesses[0].size = 0
    asking.ask()
    assert asking.witness.olds == [0, 0, size]


def test_what_was_cosigned_is_known_after_a_restart(asking: Asking) -> None:
    asking.ask()
    asking.network.stop("acme")
    asking.network.settings["witness"] = {"ask": [{"vkey": VKEY.text, "url": "https://w.example/p"}]}
    asking.network.start("acme")
    again = begin(asking.network, asking.witness)
    asking.network.run(again.start())
    asking.network.memo("acme", "more")
    asking.network.sleep(60)
    assert 0 not in asking.witness.olds[1:]
    asking.network.run(again.stop())


def refusal_of(asking: Asking, answer: Reply) -> TallyError:
    asking.witness.answer = lambda _: answer
    with pytest.raises(TallyError) as raised:
        asking.ask()
    assert asking.kept is None
    return raised.value


def test_a_witness_that_cosigned_more_than_is_here_tells_of_a_rollback(asking: Asking) -> None:
    error = refusal_of(asking, reply(409, "1000\n"))
    assert isinstance(error, RollbackError)
    assert "cosigned 1000 entries" in error.found


def test_a_witness_that_holds_another_head_of_one_size_tells_so(asking: Asking) -> None:
    asking.witness.held = Checkpoint(
        origin=asking.node.state.origin, size=asking.node.state.own.copy.size, root=EMPTY_ROOT
    )
    with pytest.raises(InvalidError, match="another head"):
        asking.ask()


LIES = {
    "nothing": b"",
    "no signature line": b"yes\n",
    "bytes that are not UTF-8": b"\xff\n",
    "a line of another": cosign("a\n1\n" + "A" * 43 + "=\n\n\u2014 a AAAAAAA=\n", "else", SEED, 1).encode(),
    "a line without an end": b"\xe2\x80\x94 w AAAAAAA=",
    "a thousand lines": b"\xe2\x80\x94 w AAAAAAA=\n" * 1000,
}


@pytest.mark.parametrize("why", LIES)
def test_an_answer_without_the_witness_s_line_is_refused(asking: Asking, why: str) -> None:
    assert isinstance(refusal_of(asking, reply(200, LIES[why])), MalformedError | InvalidError)


def test_a_line_for_another_head_is_refused(asking: Asking) -> None:
    asking.ask()
    line = asking.kept.splitlines()[-1] if asking.kept else ""
    asking.network.memo("acme", "more")
    asking.witness.answer = lambda _: reply(200, f"{line}\n")
    with pytest.raises(InvalidError):
        asking.ask()


@pytest.mark.parametrize("body", ["", "x\n", "1", "01\n", "-1\n", "9" * 5000, "1\n1\n"])
def test_a_conflict_that_names_no_size_is_refused(asking: Asking, body: str) -> None:
    assert isinstance(refusal_of(asking, reply(409, body)), MalformedError)


@pytest.mark.parametrize("status", [301, 404, 403, 422, 500])
def test_any_other_answer_is_a_refusal_that_is_told(asking: Asking, status: int) -> None:
    assert str(status) in refusal_of(asking, reply(status, "no")).found


def test_a_witness_that_is_down_is_asked_ever_more_rarely(asking: Asking) -> None:
    asking.witness.down = True
    asking.network.run(asking.outside.start())
    pauses = []
    for _ in range(4):
        asking.network.sleep(asking.outside.witnesses[0].pause_s + 1.5)
        pauses.append(asking.outside.witnesses[0].pause_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 4 * pauses[0] > 0
    asking.witness.down = False
    asking.network.sleep(3600)
    assert asking.outside.witnesses[0].error is None
    asking.network.run(asking.outside.stop())


def test_how_far_it_cosigned_and_what_is_wrong_with_it_is_told(asking: Asking) -> None:
    asking.network.run(asking.outside.start())
    asking.network.sleep(5)
    (good,) = asking.outside.status()
    assert (good.size, good.error) == (asking.node.state.own.copy.size, None)
    asking.witness.down = True
    asking.network.memo("acme", "one more")
    asking.network.sleep(5)
    (bad,) = asking.outside.status()
    assert bad.size == good.size
    assert bad.error is not None
    asking.network.run(asking.outside.stop())


def test_receipts_carry_outside_cosignatures_for_policies_that_name_them(asking: Asking) -> None:
    network, node = asking.network, asking.node
    network.join("bolt")
    network.wait_until(lambda: node.state.own.witnessed_size == node.state.own.copy.size)
    asking.ask()
    text = make_receipt(node.reader, node.state, (node.state.origin, 0))
    vkey = node.state.roster.log_key(node.state.origin)
    bolt = node.state.roster.witness_key("bolt")
    assert check_receipt(text, vkey, witnesses=[VKEY, bolt], need=2).cosigned[NAME] == asking.witness.time_s
    policy = Policy(
        logs=(PolicyLog(vkey),),
        witnesses=(witness_of("w1", VKEY), witness_of("bolt", bolt)),
        groups=(PolicyGroup(name="both", threshold=2, members=("w1", "bolt")),),
        quorum="both",
    )
    assert set(check_policy(policy, parse_receipt(text).checkpoint)) == {"w1", "bolt"}


def test_outside_witnesses_never_make_an_entry_witnessed(asking: Asking) -> None:
    asking.network.join("bolt")
    asking.network.isolate("acme")
    asking.network.memo("acme", "seen by an outsider alone")
    asking.ask()
    node = asking.node
    size = node.state.own.copy.size
    assert not node.state.is_witnessed(node.state.origin, size - 1)
    receipt = make_receipt(node.reader, node.state, (node.state.origin, size - 1))
    assert NAME in receipt
    assert not is_witnessed(node.state.roster, parse_receipt(receipt).checkpoint)
