"""A partner's rotation of keys and its later log, as a node takes them in and gives them on.

The partner's log is written by hand, so that it can also be written wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from cli.homes import find_database, open_home_file
from ledger.audit.home import audit_logs
from ledger.errors import ConflictError, ForbiddenError, ForkError, GapError, InvalidError
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import add_signatures
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement
from ledger.log.tile import TileReader
from ledger.log.tree import Frontier, prove_consistency
from ledger.members.network import MemberKeys, recovery_hash
from ledger.members.reopening import Reopening, seal_opening
from ledger.members.rotation import seal_rotation
from ledger.members.witnessing import cosigners
from node.evidence_watch import EvidenceWatch
from node.keyfiles import read_key
from node.node import Node
from node.signing import sign_request
from node.store.reader import Reader
from node.store.schema import connect
from node.sync.batching import make_batch
from node.sync.door import PROTOCOL, PROTOCOL_HEADER, Door, Request
from node.sync.heads import learn_heads, own_heads
from node.sync.storing import store_batch, store_note
from node.sync.wire import Batch, format_batch
from node.views.evidence import list_evidence
from node.views.status import show_status

PASSPHRASE = b"correct horse"
SIMULATED = b"correct horse battery staple"
LIMIT = 2**20


@dataclass
class HandLog:
    """The log of a firm, continued by hand. `seeds` are of the keys that it has at the moment."""

    origin: str
    seeds: dict[str, bytes]
    prev: bytes
    entries: list[bytes] = field(default_factory=list)
    payloads: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)
    time_ms: int = 1_760_000_100_000

    @property
    def size(self) -> int:
        return len(self.entries)

    def keys(self) -> MemberKeys:
        publics = {name: public_key(seed) for name, seed in self.seeds.items()}
        return MemberKeys(**{**publics, "recovery": recovery_hash(publics["recovery"])})

    def add(self, kind: str, body: Mapping[str, Value]) -> None:
        """One more entry; its time goes on by a second."""
        self.time_ms += 1000
        nonce = self.size.to_bytes(16, "big")
        payload = format_statement(Statement(kind=kind, audience=None, body=body, nonce=nonce))
        salt = bytes(16)
        entry = format_entry(
            Entry(
                seq=self.size,
                prev=leaf_hash(self.entries[-1]) if self.entries else self.prev,
                time_ms=self.time_ms,
                kind=kind,
                size=len(payload),
                commit=commit_to(salt, payload),
            )
        )
        self.payloads.append((self.size, salt, payload))
        self.entries.append(entry)

    def sign(self, size: int | None = None, seed: bytes | None = None) -> str:
        """A note of the log's size, or of a smaller one."""
        size = self.size if size is None else size
        root = Frontier().extended([leaf_hash(entry) for entry in self.entries[:size]]).root()
        note = seal_checkpoint(
            Checkpoint(origin=self.origin, size=size, root=root), seed or self.seeds["log"]
        )
        self.notes[size] = note
        return note

    def rotate(self) -> None:
        """Give log, witness and recovery new keys."""
        before = self.keys()
        old = self.seeds["log"]
        named = {
            name: (name + str(self.size)).encode().ljust(32, b"+") for name in ("log", "witness", "recovery")
        }
        new = {**self.seeds, **named}
        after = replace(self, seeds=new).keys()
        body = seal_rotation(self.origin, before=before, after=after, old_seed=old, new_seed=new["log"])
        self.add("keys.rotate", body)
        self.sign(seed=old)
        self.seeds = new

    def batch(self, start: int, end: int, note: str | None = None) -> Batch:
        """The entries from `start` to before `end`, under the note of that size."""
        return Batch(
            origin=self.origin,
            start=start,
            entries=self.entries[start:end],
            payloads=[row for row in self.payloads if start <= row[0] < end],
            checkpoint=note or self.notes[end],
            proof=(),
            witnessed=None,
        )


def continue_by_hand(node: Node, passphrase: bytes = PASSPHRASE) -> HandLog:
    """The log of a node as it stands, for the test to go on with."""
    origin, reader = node.state.origin, node.reader
    size = node.state.own.copy.size
    seeds = {name: read_key(node.home / "keys" / f"{name}.key", passphrase).seed for name in _NAMES}
    newest = node.state.own.newest
    assert newest is not None
    return HandLog(
        origin=origin,
        seeds=seeds,
        prev=node.state.roster.network,
        entries=reader.entries(origin, 0, size),
        payloads=reader.payloads(origin, 0, size),
        notes={newest.size: newest.note},
    )


_NAMES = ("log", "node", "recovery", "witness")


def reopened(hand: HandLog, founding: bytes, pin: str, title: str = "Acme again") -> HandLog:
    """The next log of the firm, opened under the recovery key, with keys of its own."""
    number = 2
    later = HandLog(
        origin=f"{hand.origin}/{number}",
        seeds={name: f"{name} of the next".encode().ljust(32, b"!") for name in _NAMES},
        prev=hand.prev,
        time_ms=hand.time_ms,
    )
    reopening = Reopening(
        founding=founding,
        organization=hand.origin.partition("/")[0],
        title=title,
        number=number,
        keys=later.keys(),
        pin=pin,
    )
    later.add("log.open", seal_opening(reopening, hand.seeds["recovery"]))
    later.sign()
    return later


@pytest.fixture
def bolt(network: Any) -> Node:
    found: Node = network["bolt"].node
    return found


@pytest.fixture
def port(network: Any) -> Node:
    found: Node = network["port"].node
    return found


@pytest.fixture
def hand(network: Any, bolt: Node) -> HandLog:
    """Acme's log, which bolt and port hold as it stands."""
    return continue_by_hand(network["acme"].node)


def pass_on(giver: Node, taker: Node, origin: str) -> int:
    """Pull a log from one node by another until nothing more comes; gives how many batches it took."""
    for taken in range(50):
        start = taker.state.copy(origin).size
        batch = make_batch(giver, origin, start, LIMIT, taker.state.organization)
        if not batch.entries:
            return taken
        store_batch(taker, batch)
    raise AssertionError("it does not end")


def rotated_twice(hand: HandLog) -> list[int]:
    """Two rotations with memos before, between and after; the sizes up to which single keys sign."""
    turns = []
    for _ in range(2):
        hand.add("memo", {"text": "before"})
        hand.rotate()
        turns.append(hand.size)
    hand.add("memo", {"text": "after"})
    hand.sign()
    return turns


def take_all(node: Node, hand: HandLog, turns: list[int]) -> None:
    start = node.state.copy(hand.origin).size
    for end in (*turns, hand.size):
        store_batch(node, hand.batch(start, end))
        start = end


# Rotation


def test_a_rotation_is_taken_in_cosigned_and_given_on(hand: HandLog, bolt: Node, port: Node) -> None:
    turns = rotated_twice(hand)
    take_all(bolt, hand, turns)
    assert bolt.state.copy(hand.origin).size == hand.size
    assert pass_on(bolt, port, hand.origin) == 3
    head = port.state.head(hand.origin)
    assert (head.copy.size, head.copy.root) == (hand.size, bolt.state.copy(hand.origin).root)
    assert port.state.roster.member("acme").keys == hand.keys()
    assert set(cosigners(port.state.roster, head.notes()[-1].note)) >= {"port"}


def test_a_batch_never_reaches_beyond_a_rotation(hand: HandLog, bolt: Node) -> None:
    start = hand.size
    turns = rotated_twice(hand)
    take_all(bolt, hand, turns)
    ends = []
    while start < hand.size:
        batch = make_batch(bolt, hand.origin, start, LIMIT, "port")
        start += len(batch.entries)
        ends.append((start, int(batch.checkpoint.split("\n")[1])))
    assert ends == [(end, end) for end in (*turns, hand.size)]


def test_entries_from_before_a_rotation_under_a_note_from_after_it_are_refused(
    hand: HandLog, bolt: Node
) -> None:
    start = hand.size
    rotated_twice(hand)
    old = hand.size
    with pytest.raises(InvalidError, match="no signature by this key"):
        store_batch(bolt, hand.batch(start, old))
    assert bolt.state.copy(hand.origin).size == start


def test_a_note_beyond_a_rotation_under_the_key_before_it_is_refused(hand: HandLog, bolt: Node) -> None:
    start, old = hand.size, hand.seeds["log"]
    hand.rotate()
    hand.add("memo", {"text": "after"})
    with pytest.raises(InvalidError, match="beyond the rotation"):
        store_batch(bolt, hand.batch(start, hand.size, hand.sign(seed=old)))
    store_batch(bolt, hand.batch(start, start + 1))
    with pytest.raises(InvalidError, match="no signature by this key"):
        store_batch(bolt, hand.batch(start + 1, hand.size, hand.sign(seed=old)))


def test_a_rotation_without_its_payload_is_refused(hand: HandLog, bolt: Node) -> None:
    start = hand.size
    hand.rotate()
    with pytest.raises(InvalidError, match="without its payload"):
        store_batch(bolt, replace(hand.batch(start, hand.size), payloads=[]))


def test_a_rotation_without_effect_changes_no_key(hand: HandLog, bolt: Node) -> None:
    start, seeds = hand.size, hand.seeds
    hand.rotate()
    hand.entries.pop()
    hand.payloads.pop()
    hand.seeds = seeds
    hand.add("keys.rotate", {"keys": hand.keys().as_map(), "new": bytes(64), "old": bytes(64)})
    hand.add("memo", {"text": "under the same key"})
    hand.sign()
    store_batch(bolt, hand.batch(start, hand.size))
    assert bolt.state.copy(hand.origin).size == hand.size
    assert len(bolt.state.roster.log_keys(hand.origin)) == 1


def test_a_note_under_a_key_that_is_not_known_yet_says_that_there_is_more(
    hand: HandLog, bolt: Node, port: Node
) -> None:
    take_all(bolt, hand, rotated_twice(hand))
    assert learn_heads(port, own_heads(bolt).notes).behind == [hand.origin]
    pass_on(bolt, port, hand.origin)
    assert learn_heads(port, own_heads(bolt).notes).behind == []


def test_a_push_from_beyond_a_rotation_is_answered_with_what_is_held(hand: HandLog, bolt: Node) -> None:
    turns = rotated_twice(hand)
    ahead = replace(hand.batch(hand.size, hand.size), entries=[], payloads=[])
    with pytest.raises(GapError):
        store_batch(bolt, ahead)
    assert Door(bolt).serving.held(hand.origin).size < turns[0]


def test_eras_and_their_notes_outlast_a_restart(network: Any, hand: HandLog, bolt: Node, port: Node) -> None:
    take_all(bolt, hand, rotated_twice(hand))
    before = bolt.state.roster.log_keys(hand.origin)
    again = network.restart("bolt").node
    assert again.state.roster.log_keys(hand.origin) == before
    assert pass_on(again, port, hand.origin) == 3


# Later logs


def test_a_later_log_is_taken_in_cosigned_and_given_on(hand: HandLog, bolt: Node, port: Node) -> None:
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    later.add("memo", {"text": "we are back"})
    later.sign()
    stored = store_batch(bolt, later.batch(0, later.size))
    assert stored.cosignature is not None
    assert bolt.state.roster.origin("acme") == later.origin
    assert later.origin in learn_heads(port, own_heads(bolt).notes).behind
    pass_on(bolt, port, later.origin)
    assert port.state.roster.logs("acme") == (hand.origin, later.origin)
    assert port.state.copy(later.origin).root == bolt.state.copy(later.origin).root


def test_the_opening_of_a_later_log_is_asked_for_from_its_start(hand: HandLog, bolt: Node) -> None:
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    later.add("memo", {"text": "we are back"})
    later.sign()
    with pytest.raises(GapError, match="position 0"):
        store_batch(bolt, later.batch(1, 2))


def test_a_pin_lower_than_a_head_that_was_cosigned_is_refused(hand: HandLog, bolt: Node) -> None:
    low = hand.sign(hand.size - 1)
    later = reopened(hand, founding_of(bolt), low)
    with pytest.raises(ConflictError) as caught:
        store_batch(bolt, later.batch(0, 1))
    assert "bolt" in caught.value.found
    assert f"{hand.origin} {hand.size} " in caught.value.action
    assert bolt.state.roster.origin("acme") == hand.origin


def test_a_later_log_under_another_recovery_key_is_refused(hand: HandLog, bolt: Node) -> None:
    hand.seeds = {**hand.seeds, "recovery": b"e" * 32}
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    with pytest.raises(InvalidError, match="recovery key"):
        store_batch(bolt, later.batch(0, 1))


def test_the_log_before_accepts_nothing_beyond_its_end(hand: HandLog, bolt: Node) -> None:
    end = hand.size
    store_batch(bolt, reopened(hand, founding_of(bolt), hand.notes[end]).batch(0, 1))
    hand.add("memo", {"text": "by whoever has the old keys"})
    note = hand.sign()
    with pytest.raises(ConflictError, match="beyond the log's end"):
        store_batch(bolt, hand.batch(end, hand.size))
    with pytest.raises(ConflictError, match="beyond the log's end"):
        store_note(bolt, note)
    assert bolt.state.copy(hand.origin).size == end


def test_a_second_opening_of_one_number_is_refused_and_both_are_named(hand: HandLog, bolt: Node) -> None:
    first = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    second = reopened(hand, founding_of(bolt), hand.notes[hand.size], title="Acme twice")
    store_batch(bolt, first.batch(0, 1))
    with pytest.raises(ForkError) as caught:
        store_batch(bolt, second.batch(0, 1))
    assert leaf_hash(first.entries[0]).hex() in caught.value.expected
    assert leaf_hash(second.entries[0]).hex() in caught.value.found


def test_a_later_log_outlasts_a_restart_and_voids_what_lay_beyond_the_pin(
    network: Any, hand: HandLog, bolt: Node
) -> None:
    end, pin = hand.size, hand.notes[hand.size]
    tell_ahead(bolt, hand)
    assert len(bolt.state.roster.people_of(hand.origin)) == 2
    later = reopened(hand, founding_of(bolt), pin)
    store_batch(bolt, later.batch(0, 1))
    assert len(bolt.state.roster.people_of(hand.origin)) == 1
    again = network.restart("bolt").node
    assert len(again.state.roster.people_of(hand.origin)) == 1
    ended = again.state.roster.end_of(hand.origin)
    assert ended == Checkpoint(
        origin=hand.origin, size=end, root=again.reader.copy_at(hand.origin, b"", end).root
    )
    served = make_batch(again, hand.origin, 0, LIMIT, "port")
    assert len(served.entries) == end
    assert served.checkpoint == pin


# A log that forked, and a later one that says which history stands


def forked_note(hand: HandLog) -> str:
    """A second head of the log's size."""
    other = Checkpoint(origin=hand.origin, size=hand.size, root=bytes(32))
    return seal_checkpoint(other, hand.seeds["log"])


def accuse(node: Node, hand: HandLog) -> None:
    with pytest.raises(ForkError):
        store_note(node, forked_note(hand))
    assert hand.origin in node.state.quarantined


def test_a_fork_is_settled_by_the_later_log_that_ends_it(network: Any, hand: HandLog, bolt: Node) -> None:
    accuse(bolt, hand)
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    store_batch(bolt, later.batch(0, 1))
    again = network.restart("bolt").node
    for node in (bolt, again):
        assert node.state.accused == {hand.origin}
        assert not node.state.quarantined
    (piece,) = list_evidence(again.reader, again.state)
    assert (piece["accused"], piece["settled_at"]) == (hand.origin, hand.size)
    shown = {head["origin"]: head for head in show_status(again.reader, again.state, again.book)["copies"]}
    assert (shown[hand.origin]["quarantined"], shown[hand.origin]["settled"]) == (False, True)
    assert (shown[later.origin]["quarantined"], shown[later.origin]["settled"]) == (False, False)


def test_a_fork_of_the_later_log_is_not_settled(hand: HandLog, bolt: Node) -> None:
    accuse(bolt, hand)
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    store_batch(bolt, later.batch(0, 1))
    accuse(bolt, later)
    assert bolt.state.quarantined == {later.origin}


def test_what_a_forked_log_lacks_up_to_its_end_is_taken_in(hand: HandLog, bolt: Node) -> None:
    accuse(bolt, hand)
    start = hand.size
    hand.add("memo", {"text": "not told before the fork was found"})
    hand.sign()
    with pytest.raises(ForbiddenError, match="forked"):
        store_batch(bolt, hand.batch(start, hand.size))
    store_batch(bolt, reopened(hand, founding_of(bolt), hand.notes[hand.size]).batch(0, 1))
    store_batch(bolt, hand.batch(start, hand.size))
    assert bolt.state.copy(hand.origin).size == hand.size


def test_what_partners_recorded_of_a_log_that_ended_is_no_news(hand: HandLog, bolt: Node, port: Node) -> None:
    accuse(bolt, hand)
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    for node in (bolt, port):
        store_batch(node, later.batch(0, 1))
    pass_on(bolt, port, bolt.state.origin)
    with capture_logs() as told:
        EvidenceWatch(port).look()
    assert not port.state.accused
    assert {line["log_level"] for line in told if "proves nothing" in line["event"]} == {"debug"}


def test_an_audit_says_of_a_settled_fork_that_it_is_one(hand: HandLog, bolt: Node) -> None:
    accuse(bolt, hand)
    assert "evidence-fork" in audited(bolt)[0]
    later = reopened(hand, founding_of(bolt), hand.notes[hand.size])
    store_batch(bolt, later.batch(0, 1))
    codes, unchecked = audited(bolt)
    assert codes == []
    assert any("the later log settles it" in what for what in unchecked)


def path_of(hand: HandLog, old: int) -> tuple[bytes, ...]:
    """The consistency path from a size to the size of the log, which is a short one."""
    leaves = [leaf_hash(entry) for entry in hand.entries]

    def read_tile(level: int, index: int, width: int) -> bytes:
        assert level == index == 0
        return b"".join(leaves[:width])

    return tuple(prove_consistency(TileReader(hand.size, read_tile), old, hand.size))


# Three nodes that keep in step by themselves


def signed_call(hand: HandLog, recipient: Node, batch: Batch, now_ms: int) -> Request:
    """A push by a node that only the hand-written log knows."""
    body = format_batch(batch)
    headers = {"content-type": "application/msgpack", PROTOCOL_HEADER: PROTOCOL} | sign_request(
        seed=hand.seeds["node"],
        sender=hand.origin,
        recipient=recipient.state.origin,
        method="POST",
        path="/sync/v1/push",
        query="",
        body=body,
        now_s=now_ms // 1000,
    )
    return Request(method="POST", target="/sync/v1/push", headers=list(headers.items()), body=body)


def test_a_rotation_and_a_later_log_spread_through_three_nodes(three_nodes: Any) -> None:
    network = three_nodes
    network.memo("bolt", "before")
    network.sleep(2)
    hand = continue_by_hand(network.machines["bolt"].up, SIMULATED)
    network.stop("bolt")
    acme, cord = network.machines["acme"], network.machines["cord"]
    take_all(cord.up, hand, rotated_twice(hand))
    network.wait_until(lambda: acme.up.state.copy(hand.origin).size == hand.size, 60)
    assert acme.up.state.roster.log_keys(hand.origin) == cord.up.state.roster.log_keys(hand.origin)
    assert {"acme", "cord"} <= set(
        cosigners(acme.up.state.roster, acme.up.state.head(hand.origin).notes()[-1].note)
    )

    later = reopened(hand, founding_of(acme.up), hand.notes[hand.size])
    later.add("memo", {"text": "we are back"})
    later.sign()
    push = signed_call(later, cord.up, later.batch(0, later.size), network.now_ms(cord))
    assert cord.engine.door.answer(push).status == 200
    network.wait_until(lambda: acme.up.state.copy(later.origin).size == later.size, 60)
    assert acme.up.state.roster.origin("bolt") == later.origin
    assert acme.up.state.roster.end_of(hand.origin) == cord.up.state.roster.end_of(hand.origin)


def test_a_push_of_a_later_log_is_let_in_by_the_node_key_that_its_opening_names(three_nodes: Any) -> None:
    network = three_nodes
    hand = continue_by_hand(network.machines["bolt"].up, SIMULATED)
    cord = network.machines["cord"]
    later = reopened(hand, founding_of(cord.up), hand.notes[hand.size])
    batch = later.batch(0, later.size)
    now_ms = network.now_ms(cord)
    stranger = replace(later, seeds={**later.seeds, "node": b"e" * 32})
    assert cord.engine.door.answer(signed_call(stranger, cord.up, batch, now_ms)).status == 403
    assert cord.up.state.roster.origin("bolt") == hand.origin
    low = reopened(hand, founding_of(cord.up), hand.sign(1))
    refused = cord.engine.door.answer(signed_call(low, cord.up, low.batch(0, 1), now_ms))
    assert refused.status == 409
    assert b"cosigned" in refused.body
    assert cord.engine.door.answer(signed_call(later, cord.up, batch, now_ms)).status == 200


def founding_of(node: Node) -> bytes:
    statement = node.reader.record(node.state.roster.origin(node.state.roster.founding.founder), 0).statement
    assert statement is not None
    return statement.data("founding")


# What an auditor says


def audited(node: Node) -> tuple[list[str], list[str]]:
    """The codes of all findings in a node's home, and what could not be checked."""
    home = open_home_file(find_database(node.home))
    try:
        audits, wrong = audit_logs(home.logs, own=home.own)
    finally:
        home.close()
    codes = [finding.code for audit in audits for finding in audit.findings]
    unchecked = [item.what for audit in audits for item in audit.unchecked]
    return [*codes, *(finding.code for finding in wrong)], unchecked


def keep_note(node: Node, origin: str, size: int, note: str) -> None:
    """Put a note into a database past every check."""
    database = connect(find_database(node.home), write=True)
    number = Reader(database).number(origin)
    with database.atomic():
        database.execute("DELETE FROM checkpoint WHERE log = ? AND size = ?", [number, size])
        database.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?)", [number, size, note, b""])
    database.close()


def test_an_audit_checks_each_note_by_the_key_of_its_size(hand: HandLog, bolt: Node) -> None:
    take_all(bolt, hand, rotated_twice(hand))
    assert audited(bolt)[0] == []


def test_an_audit_names_a_note_that_was_made_under_a_superseded_key(hand: HandLog, bolt: Node) -> None:
    old = hand.seeds["log"]
    take_all(bolt, hand, rotated_twice(hand))
    keep_note(bolt, hand.origin, hand.size, hand.sign(seed=old))
    assert "note-superseded" in audited(bolt)[0]


def test_an_audit_names_a_rotation_without_effect(hand: HandLog, bolt: Node) -> None:
    start = hand.size
    body: dict[str, Value] = {"keys": hand.keys().as_map(), "new": bytes(64), "old": bytes(64)}
    hand.add("keys.rotate", body)
    hand.sign()
    store_batch(bolt, hand.batch(start, hand.size))
    assert audited(bolt)[0] == ["rotation"]


def test_an_audit_takes_cosignatures_under_new_witness_keys(network: Any, hand: HandLog, bolt: Node) -> None:
    take_all(bolt, hand, rotated_twice(hand))
    bolt.record([bolt.draft("memo", {"text": "for acme to cosign"})]).result(20)
    newest = bolt.state.own.newest
    assert newest is not None
    name = bolt.state.roster.witness_key("acme").name
    line = cosign(newest.note, name, hand.seeds["witness"], hand.time_ms // 1000 + 5)
    assert store_note(bolt, add_signatures(newest.note, line))
    assert "acme" in cosigners(bolt.state.roster, bolt.state.own.notes()[-1].note)
    assert audited(bolt)[0] == []


def test_an_audit_follows_a_later_log_and_says_what_lies_beyond_the_pin(hand: HandLog, bolt: Node) -> None:
    end, pin = hand.size, hand.notes[hand.size]
    tell_ahead(bolt, hand)
    later = reopened(hand, founding_of(bolt), pin)
    store_batch(bolt, later.batch(0, 1))
    assert bolt.state.copy(hand.origin).size == end + 1
    codes, unchecked = audited(bolt)
    assert codes == []
    assert any("beyond the end of the log" in what for what in unchecked)


def test_an_audit_names_a_pin_below_a_head_that_a_member_cosigned(hand: HandLog, bolt: Node) -> None:
    end, pin = hand.size, hand.notes[hand.size]
    tell_ahead(bolt, hand)
    store_batch(bolt, reopened(hand, founding_of(bolt), pin).batch(0, 1))
    head = hand.sign(end + 1)
    name = bolt.state.roster.witness_key("bolt").name
    keep_note(bolt, hand.origin, end + 1, head + cosign(head, name, bolt.keys.witness.seed, 1_760_000_000))
    assert "opening-pin" in audited(bolt)[0]


def tell_ahead(node: Node, hand: HandLog) -> None:
    """Tell a node one more entry under a head of two more, which it therefore does not cosign."""
    end = hand.size
    person = public_key(b"q" * 32)
    hand.add("person.grant", {"key": person, "name": "eve", "roles": ["director"]})
    hand.add("memo", {"text": "not told"})
    batch = hand.batch(end, end + 1, hand.sign())
    assert store_batch(node, replace(batch, proof=path_of(hand, end + 1))).cosignature is None
