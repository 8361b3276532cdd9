"""Attacks on witnesses and with them: each test is named after one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import InvalidError, TallyError, UnavailableError
from ledger.log.checkpoint import Checkpoint, cosign, open_checkpoint, seal_checkpoint
from ledger.log.encoding import decode, encode
from ledger.log.note import Note, add_signatures, format_note, log_vkey, parse_note
from ledger.log.policy import check_policy
from ledger.log.receipt import check_receipt, format_receipt, parse_receipt
from ledger.log.tree import Frontier, prove_consistency
from ledger.log.witness import AddCheckpoint, OtherSizeError
from ledger.members.policy import network_policy
from node.store.witness_notes import write_cosigned
from node.sync.storing import store_batch
from node.sync.wire import Batch
from node.views.receipts import make_receipt
from node.witness import OutsideLogs, forget_cosigned

if TYPE_CHECKING:
    from node.node import Node
    from tests.simulation.network import Network

MakeNetwork = Callable[[int], "Network"]

NAME = "example.com/log"
SEED = sha256(b"somebody's log").digest()


class Tree:
    """A log of somebody: two of them share their first leaves."""

    def __init__(self, *parts: tuple[str, int]) -> None:
        self.leaves = [sha256(f"{word} {n}".encode()).digest() for word, count in parts for n in range(count)]
        self.levels = Frontier().grow(self.leaves)[1]

    def read_hashes(self, nodes: Any) -> list[bytes]:
        return [self.levels[level][index] for level, index in nodes]

    def request(self, old: int, size: int) -> AddCheckpoint:
        root = Frontier().extended(self.leaves[:size]).root()
        note = seal_checkpoint(Checkpoint(origin=NAME, size=size, root=root), SEED)
        proof = prove_consistency(self, old, size) if 0 < old < size else []
        return AddCheckpoint(old_size=old, proof=tuple(proof), checkpoint=note)


TRUE = Tree(("same", 5), ("true", 60))
FALSE = Tree(("same", 5), ("false", 60))


@pytest.fixture
def node(make_network: MakeNetwork) -> Node:
    network = make_network(6)
    network.settings["witness"] = {"logs": [{"vkey": log_vkey(NAME, SEED).text}]}
    return network.found("acme")


# The witness


def test_a_log_that_shows_two_histories_to_many_threads_at_once(node: Node) -> None:
    """Whoever comes first wins; of the other history nothing beyond the shared leaves is ever cosigned."""
    logs = OutsideLogs(node)
    logs.cosign(TRUE.request(0, 5))

    def ask(case: tuple[Tree, int]) -> tuple[Tree, int] | None:
        try:
            logs.cosign(case[0].request(5, case[1]))
        except (OtherSizeError, InvalidError):
            return None
        return case

    cases = [(tree, size) for size in range(6, 40) for tree in (TRUE, FALSE)]
    with ThreadPoolExecutor(8) as pool:
        done = [case for case in pool.map(ask, cases) if case is not None]
    assert len(done) == 1
    tree, size = done[0]
    other = FALSE if tree is TRUE else TRUE
    logs.cosign(tree.request(size, 50))
    with pytest.raises(InvalidError):
        logs.cosign(other.request(50, 60))


def test_a_checkpoint_rolled_back_by_a_slower_request(node: Node) -> None:
    logs = OutsideLogs(node)
    logs.cosign(TRUE.request(0, 9))
    logs.cosign(TRUE.request(9, 20))
    for size in (9, 15, 20):
        with pytest.raises(OtherSizeError) as raised:
            logs.cosign(TRUE.request(9, size))
        assert raised.value.size == 20


def test_a_database_restored_from_before_a_cosignature(node: Node) -> None:
    """What was cosigned since the backup is forgotten, so nothing is cosigned under that key any more."""
    logs = OutsideLogs(node)
    logs.cosign(TRUE.request(0, 5))
    backup = logs.cosign(TRUE.request(5, 9))
    logs.cosign(TRUE.request(9, 20))
    restored = TRUE.request(5, 9).checkpoint + backup
    node.writer.change(lambda database: write_cosigned(database, NAME, restored)).result()
    forget_cosigned(node)
    with pytest.raises(UnavailableError, match="forgotten"):
        logs.cosign(FALSE.request(9, 30))
    with pytest.raises(UnavailableError, match="forgotten"):
        logs.cosign(TRUE.request(9, 30))


def test_a_database_restored_from_before_the_first_cosignature(node: Node) -> None:
    forget_cosigned(node)
    with pytest.raises(UnavailableError, match="forgotten") as raised:
        OutsideLogs(node).cosign(FALSE.request(0, 9))
    assert "rotate" in raised.value.action


def test_a_restored_home_while_it_hears_its_partners(node: Node) -> None:
    """Neither logs outside nor members' are cosigned by a home that does not know yet how old it is."""
    node.block("opening", UnavailableError("own log", found="not heard", expected="heard"))
    with pytest.raises(UnavailableError):
        OutsideLogs(node).cosign(TRUE.request(0, 9))
    node.block("opening", None)
    OutsideLogs(node).cosign(TRUE.request(0, 9))


def test_a_member_that_asks_a_restored_home_to_cosign_an_older_state(network: Network) -> None:
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    bolt.block("opening", UnavailableError("own log", found="not heard", expected="heard"))
    network.memo("acme", "more")
    newest = acme.state.own.newest
    assert newest is not None
    origin = acme.state.origin
    start = bolt.state.copy(origin).size
    batch = Batch(
        origin=origin,
        start=start,
        entries=acme.reader.entries(origin, start, newest.size - start),
        payloads=(),
        checkpoint=newest.note,
    )
    assert store_batch(bolt, batch).cosignature is None
    bolt.block("opening", None)
    assert store_batch(bolt, batch).cosignature is not None


def test_a_witness_row_changed_on_disk(node: Node) -> None:
    logs = OutsideLogs(node)
    line = logs.cosign(TRUE.request(0, 20))
    for false in (
        FALSE.request(0, 9).checkpoint + line,
        TRUE.request(0, 9).checkpoint,
        TRUE.request(0, 20).checkpoint + line.replace("A", "B"),
    ):
        try:
            node.writer.change(partial(write_cosigned, origin=NAME, note=false)).result()
            logs.cosign(FALSE.request(9, 30))
        except (UnavailableError, OtherSizeError, TallyError):
            continue
        pytest.fail("it cosigned after a note that it never cosigned")


def test_a_witness_that_cosigns_without_state_cannot_make_a_fork_witnessed_alone(network: Network) -> None:
    """One witness signs whatever it is shown: two histories of one size. More than half would have to."""
    network.join("dart")
    network.wait_until(network.agree)
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    roster = acme.state.roster
    policy = network_policy(roster, acme.state.origin)
    head = Checkpoint(origin=acme.state.origin, size=9, root=bytes(32))
    note = seal_checkpoint(head, acme.keys.log.seed)
    note = add_signatures(note, cosign(note, roster.witness_key("bolt").name, bolt.keys.witness.seed, 1))
    with pytest.raises(InvalidError, match="quorum"):
        check_policy(policy, note)


# Receipts


def receipt_of(node: Node, seq: int = 0) -> str:
    return make_receipt(node.reader, node.state, (node.state.origin, seq), with_payload=True)


def vkey_of(node: Node) -> Any:
    return node.state.roster.log_key(node.state.origin)


def refused(text: str, node: Node) -> None:
    with pytest.raises(TallyError):
        check_receipt(text, vkey_of(node))


def parts_of(receipt: Any) -> list[Any]:
    parts: Any = decode(receipt.extra, "extra")
    assert isinstance(parts, list)
    return parts


def test_a_receipt_whose_extra_lies(network: Network) -> None:
    acme = network.machines["acme"].up
    network.memo("acme", "one")
    seq = network.memo("acme", "two")[0].seq
    receipt = parse_receipt(receipt_of(acme, seq))
    other = parse_receipt(receipt_of(acme, seq - 1))
    entry, salt, payload, *_ = parts_of(receipt)
    false, salt_2, payload_2, *_ = parts_of(other)
    lies: list[Any] = [
        [false, salt_2, payload_2],
        [entry, salt_2, payload_2],
        [entry, salt, payload_2],
        [entry, salt_2, payload],
        [entry, salt, payload[:-1]],
        [entry, salt, payload + b"\0"],
        [entry, b"", salt + payload],
        [false],
        [entry, [entry, salt, payload, []]],
        [],
    ]
    check_receipt(format_receipt(receipt), vkey_of(acme))
    for lie in lies:
        refused(_with(receipt, extra=encode(lie)), acme)


def test_a_proof_for_another_log(network: Network) -> None:
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    refused(receipt_of(bolt), acme)
    mixed = parse_receipt(receipt_of(acme))
    other = parse_receipt(receipt_of(bolt))
    refused(_with(mixed, checkpoint=other.checkpoint), bolt)
    refused(_with(mixed, extra=other.extra), acme)
    refused(_with(mixed, proof=other.proof), acme)


def test_a_proof_for_another_size(network: Network) -> None:
    acme = network.machines["acme"].up
    before = parse_receipt(receipt_of(acme))
    network.memo("acme", "more")
    network.wait_until(network.agree)
    after = parse_receipt(receipt_of(acme))
    assert before.checkpoint != after.checkpoint
    refused(_with(before, checkpoint=after.checkpoint), acme)
    refused(_with(after, checkpoint=before.checkpoint), acme)


def test_a_proof_for_another_network(make_network: MakeNetwork) -> None:
    """Two networks of one name, founded by firms of one name: neither's receipt holds in the other."""
    nodes = [make_network(seed).found("acme") for seed in (1, 2)]
    assert nodes[0].state.roster.founding.name == nodes[1].state.roster.founding.name
    for one, other in (nodes, nodes[::-1]):
        check_receipt(receipt_of(one), vkey_of(one))
        refused(receipt_of(one), other)
        with pytest.raises(InvalidError):
            check_policy(network_policy(other.state.roster, other.state.origin), _note(one))


def test_cosignatures_moved_from_another_checkpoint(network: Network) -> None:
    acme = network.machines["acme"].up
    old = parse_note(_note(acme))
    network.memo("acme", "more")
    new = parse_note(_note(acme))
    own = [line for line in new.signatures if line.name == acme.state.origin]
    moved = format_note(Note(new.text, (*own, *old.signatures[1:])))
    open_checkpoint(moved, vkey_of(acme))
    assert len(old.signatures) > 1
    with pytest.raises(InvalidError):
        check_policy(network_policy(acme.state.roster, acme.state.origin), moved)


def _note(node: Node) -> str:
    newest = node.state.own.newest
    assert newest is not None
    return newest.note


def _with(receipt: Any, **changed: Any) -> str:
    values = {name: getattr(receipt, name) for name in ("index", "proof", "checkpoint", "extra")}
    return format_receipt(type(receipt)(**(values | changed)))
