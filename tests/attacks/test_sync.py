"""What a hostile partner, or somebody who is none, can try against the exchange between nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import ForkError, InvalidError, MissingError, TallyError
from ledger.log.checkpoint import Checkpoint, open_checkpoint, seal_checkpoint
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.intake import Copy, check_head
from ledger.log.note import add_signatures
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import prove_consistency
from ledger.members.evidence import check_accused, check_evidence, evidence_of
from ledger.members.invitation import secret_hash
from ledger.members.witnessing import is_witnessed
from node import signing
from node.node import Node
from node.state import Head
from node.store.reader import StoredNote
from node.sync import wire
from node.sync.batching import make_batch
from node.sync.calls import Call, Reply
from node.sync.joining import store_join_answer
from node.sync.notes import own_cosignature
from node.sync.storing import store_batch
from node.sync.wire import Batch, Heads, JoinRequest, PayloadsRequest, PullRequest

if TYPE_CHECKING:
    from tests.simulation.network import Network

VERSION = {"tallystick-protocol": "1"}


def signed_call(
    network: Network, sender: str, recipient: str, verb: str, body: bytes, /, **other: Any
) -> Call:
    """A request as a member's node makes it; `other` replaces what is signed."""
    machine = network.machines[sender]
    node = machine.up
    values: dict[str, Any] = {
        "seed": node.keys.node.seed,
        "sender": node.state.origin,
        "recipient": node.state.roster.origin(recipient),
        "method": "POST",
        "path": f"/sync/v1/{verb}",
        "query": "",
        "body": body,
        "now_s": network.now_ms(machine) // 1000,
    } | other
    headers = signing.sign_request(**values)
    return Call(path=f"/sync/v1/{verb}", body=body, headers=VERSION | headers)


def ask(network: Network, sender: str, recipient: str, verb: str, body: bytes, /, **other: Any) -> Reply:
    return network.deliver(recipient, signed_call(network, sender, recipient, verb, body, **other))


def code_of(reply: Reply) -> str:
    error = json.loads(reply.body)["error"]
    assert error["where"]
    assert error["found"]
    return str(error["code"])


def batch_of(network: Network, author: str, reader: str, start: int = 0) -> Batch:
    node = network.machines[author].up
    return make_batch(node, node.state.origin, start, 10_000_000, reader)


def forged(node: Node, before: Copy, texts: Sequence[str], audience: Sequence[str] | None = None) -> Batch:
    """What the owner of a log's key can make: entries behind any copy, under a signed checkpoint."""
    entries, payloads, last = [], [], before.last
    for i, text in enumerate(texts):
        statement = Statement(
            kind="memo",
            audience=None if audience is None else tuple(audience),
            body={"text": text},
            nonce=sha256(text.encode()).digest()[:16],
        )
        payload, salt = format_statement(statement), bytes(16)
        entry = format_entry(
            Entry(
                seq=before.size + i,
                prev=last,
                time_ms=1_800_000_000_000,
                kind="memo",
                size=len(payload),
                commit=commit_to(salt, payload),
            )
        )
        last = leaf_hash(entry)
        entries.append(entry)
        payloads.append((before.size + i, salt, payload))
    edge, _ = before.edge.extended([leaf_hash(entry) for entry in entries])
    checkpoint = Checkpoint(origin=before.origin, size=edge.size, root=edge.frontier.root())
    note = seal_checkpoint(checkpoint, node.keys.log.seed)
    return Batch(origin=before.origin, start=before.size, entries=entries, payloads=payloads, checkpoint=note)


def copy_at(node: Node, size: int) -> Copy:
    return node.reader.copy_at(node.state.origin, node.state.roster.network, size)


def unchanged(network: Network, name: str, act: Callable[[], Reply]) -> Reply:
    before = network.heads_of(name)
    reply = act()
    assert network.heads_of(name) == before
    return reply


# Requests


def test_a_replayed_push_changes_nothing_and_is_answered_again(network: Network) -> None:
    body = wire.format_batch(batch_of(network, "acme", "bolt"))
    call = signed_call(network, "acme", "bolt", "push", body)
    first = network.deliver("bolt", call)
    assert first.status == 200
    assert unchanged(network, "bolt", lambda: network.deliver("bolt", call)).body == first.body
    network.memo("acme", "later")
    network.sleep(2)
    late = unchanged(network, "bolt", lambda: network.deliver("bolt", call))
    assert late.status == 200
    assert wire.parse_push_answer(late.body).cosignature is None, "an old size is not cosigned again"


def test_a_push_for_another_node_is_refused(network: Network) -> None:
    body = wire.format_batch(batch_of(network, "acme", "bolt"))
    call = signed_call(network, "acme", "bolt", "push", body)
    reply = unchanged(network, "cord", lambda: network.deliver("cord", call))
    assert (reply.status, code_of(reply)) == (403, "forbidden")


def test_a_strangers_signature_is_refused(network: Network) -> None:
    body = wire.format_batch(batch_of(network, "acme", "bolt"))
    for other in ({"seed": bytes(32)}, {"sender": "evil/0123456789abcdef"}):
        reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", body, **other))  # noqa: B023
        assert (reply.status, code_of(reply)) == (403, "forbidden")


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_an_expired_or_postdated_request_is_refused(network: Network, off_s: int) -> None:
    now_s = network.now_ms(network.machines["acme"]) // 1000
    body = wire.format_batch(batch_of(network, "acme", "bolt"))
    reply = unchanged(
        network, "bolt", lambda: ask(network, "acme", "bolt", "push", body, now_s=now_s + off_s)
    )
    assert (reply.status, code_of(reply)) == (403, "forbidden")
    assert reply.headers["tallystick-time"], "the refused one can see that it is its clock"


def test_a_body_other_than_the_signed_one_is_refused(network: Network) -> None:
    call = signed_call(network, "acme", "bolt", "heads", wire.format_heads(Heads(notes=[], time_ms=0)))
    other = replace(call, body=wire.format_heads(Heads(notes=[], time_ms=1)))
    assert network.deliver("bolt", other).status == 403


def test_another_protocol_version_is_refused_in_words(network: Network) -> None:
    call = signed_call(network, "acme", "bolt", "heads", wire.format_heads(Heads(notes=[], time_ms=0)))
    for headers in (
        {**call.headers, "tallystick-protocol": "2"},
        {name: value for name, value in call.headers.items() if name != "tallystick-protocol"},
    ):
        reply = network.deliver("bolt", replace(call, headers=headers))
        assert (reply.status, code_of(reply)) == (400, "usage")


@pytest.mark.parametrize("verb", ["push", "pull", "heads", "payloads", "join"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"{}",
        b"\x80",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 10_000,
        b"\xcb" + bytes(8),
        b"\x82\xa5heads\x90\xa4time\xcb" + bytes(8),
    ],
)
def test_a_malformed_body_is_refused_by_every_request(network: Network, verb: str, body: bytes) -> None:
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", verb, body))
    assert reply.status in (400, 403, 413)


def test_a_huge_body_is_refused(network: Network) -> None:
    body = bytes(network.machines["bolt"].up.settings.max_sync_body_bytes + 1)
    assert ask(network, "acme", "bolt", "push", body).status == 413


def test_numbers_that_no_database_holds_are_refused(network: Network) -> None:
    origin = network.machines["bolt"].up.state.origin
    big = 2**63 - 1
    pull = wire.format_pull_request(PullRequest(origin=origin, start=big, limit_bytes=big))
    assert ask(network, "acme", "bolt", "pull", pull).status == 422
    payloads = wire.format_payloads_request(PayloadsRequest(origin=origin, seqs=[big]))
    assert wire.parse_payloads(ask(network, "acme", "bolt", "payloads", payloads).body) == []


# Logs


def test_a_member_cannot_push_another_members_log(network: Network) -> None:
    body = wire.format_batch(batch_of(network, "acme", "cord"))
    reply = unchanged(network, "cord", lambda: ask(network, "bolt", "cord", "push", body))
    assert (reply.status, code_of(reply)) == (403, "forbidden")


def test_an_entry_of_another_log_is_refused(network: Network) -> None:
    mine = batch_of(network, "acme", "bolt", 3)
    node = network.machines["acme"].up
    origin = network.machines["cord"].up.state.origin
    foreign = replace(forged(node, copy_at(node, node.state.own.copy.size), ["x"]), origin=origin)
    assert ask(network, "acme", "bolt", "push", wire.format_batch(foreign)).status == 403
    size = node.state.own.copy.size
    moved = replace(
        mine, start=size, entries=batch_of(network, "cord", "bolt", 2).entries, payloads=(), proof=()
    )
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", wire.format_batch(moved)))
    assert reply.status in (400, 422)


def test_a_gap_is_answered_with_the_size_that_is_held(network: Network) -> None:
    network.isolate("acme")
    held = network.machines["bolt"].up.state.copy(network.machines["acme"].up.state.origin).size
    for i in range(4):
        network.memo("acme", f"entry {i}")
    body = wire.format_batch(batch_of(network, "acme", "bolt", held + 2))
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", body))
    assert reply.status == 409
    assert wire.parse_push_answer(reply.body) == wire.PushAnswer(size=held)


def test_a_rollback_is_not_cosigned(network: Network) -> None:
    node = network.machines["acme"].up
    size = node.state.own.copy.size
    old = forged(node, copy_at(node, size - 1), [])
    old = replace(old, start=size - 1)
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", wire.format_batch(old)))
    answer = wire.parse_push_answer(reply.body)
    assert answer == wire.PushAnswer(size=size)


def test_a_payload_that_does_not_fit_its_commitment_is_refused(network: Network) -> None:
    node = network.machines["acme"].up
    batch = forged(node, copy_at(node, node.state.own.copy.size), ["true"])
    seq, salt, payload = batch.payloads[0]
    lie = replace(batch, payloads=[(seq, salt, payload.replace(b"true", b"lies"))])
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", wire.format_batch(lie)))
    assert (reply.status, code_of(reply)) == (422, "invalid")


def test_a_payload_at_a_position_outside_of_the_run_is_not_stored(network: Network) -> None:
    node = network.machines["acme"].up
    batch = forged(node, copy_at(node, node.state.own.copy.size), ["true"])
    seq, salt, payload = batch.payloads[0]
    odd = replace(batch, payloads=[(seq + 1, salt, payload), (2**62, salt, payload)])
    assert ask(network, "acme", "bolt", "push", wire.format_batch(odd)).status == 200
    assert network.machines["bolt"].up.reader.payload(batch.origin, seq + 1) is None


# Forks


def evidence_at(network: Network, name: str) -> list[Statement]:
    node = network.machines[name].up
    found = []
    for seq in range(node.state.own.copy.size):
        statement = node.reader.record(node.state.origin, seq).statement
        if statement is not None and statement.kind == "evidence":
            found.append(statement)
    return found


def assert_proves_fork(network: Network, name: str, accused: str) -> None:
    roster = network.machines[name].up.state.roster
    found = evidence_at(network, name)
    assert len(found) == 1, "evidence is recorded once per log"
    evidence = evidence_of(roster, found[0])
    check_accused(roster, evidence)
    fork = check_evidence(evidence).fork
    assert fork.origin == roster.origin(accused)
    assert fork.first != fork.second


def two_histories(network: Network) -> tuple[Batch, Batch]:
    """Two signed histories of acme's log of one size, neither of which anybody has seen."""
    node = network.machines["acme"].up
    network.isolate("acme")
    copy = copy_at(node, node.state.own.copy.size)
    return forged(node, copy, ["to bolt"]), forged(node, copy, ["to cord"])


def test_a_fork_at_equal_size_is_found_proven_and_shut_out(network: Network) -> None:
    one, other = two_histories(network)
    assert ask(network, "acme", "bolt", "push", wire.format_batch(one)).status == 200
    shorter = replace(other, start=other.start, entries=[], payloads=())
    assert ask(network, "acme", "bolt", "push", wire.format_batch(other)).status == 422
    assert ask(network, "acme", "bolt", "push", wire.format_batch(shorter)).status in (403, 422)
    assert_proves_fork(network, "bolt", "acme")
    origin = one.origin
    size = network.machines["bolt"].up.state.copy(origin).size
    node = network.machines["acme"].up
    grown = forged(node, network.machines["bolt"].up.state.copy(origin), ["more"])
    reply = unchanged(network, "bolt", lambda: ask(network, "acme", "bolt", "push", wire.format_batch(grown)))
    assert (reply.status, code_of(reply)) == (403, "forbidden")
    assert network.machines["bolt"].up.state.copy(origin).size == size, "what lies below stays"


def test_a_fork_at_equal_size_is_found_through_a_third(network: Network) -> None:
    one, other = two_histories(network)
    assert ask(network, "acme", "bolt", "push", wire.format_batch(one)).status == 200
    assert ask(network, "acme", "cord", "push", wire.format_batch(other)).status == 200
    network.wait_until(lambda: bool(evidence_at(network, "bolt") and evidence_at(network, "cord")), 60)
    network.sleep(120)
    assert_proves_fork(network, "bolt", "acme")
    assert_proves_fork(network, "cord", "acme")


@pytest.mark.parametrize("longer", [1, 2, 3, 5])
def test_a_fork_of_different_sizes_is_found_through_a_third(network: Network, longer: int) -> None:
    node = network.machines["acme"].up
    network.isolate("acme")
    copy = copy_at(node, node.state.own.copy.size)
    one = forged(node, copy, ["to bolt"])
    other = forged(node, copy, ["to cord", *(f"more {i}" for i in range(longer))])
    assert ask(network, "acme", "bolt", "push", wire.format_batch(one)).status == 200
    assert ask(network, "acme", "cord", "push", wire.format_batch(other)).status == 200
    network.wait_until(lambda: bool(evidence_at(network, "bolt") and evidence_at(network, "cord")), 120)
    network.sleep(120)
    assert_proves_fork(network, "bolt", "acme")
    assert_proves_fork(network, "cord", "acme")


def test_the_same_note_told_twice_is_no_evidence(network: Network) -> None:
    network.memo("acme", "hello")
    network.sleep(1)
    notes = [head.newest.note for head in network.machines["acme"].up.state.heads.values() if head.newest]
    body = wire.format_heads(Heads(notes=notes * 3, time_ms=0))
    for _ in range(3):
        assert ask(network, "cord", "bolt", "heads", body).status == 200
    assert not evidence_at(network, "bolt")


def test_a_made_up_chain_is_no_evidence(network: Network) -> None:
    """Bolt cannot make cord believe that acme forked: it has not acme's key."""
    bolt, acme = network.machines["bolt"].up, network.machines["acme"].up
    fake = forged(bolt, copy_at(acme, acme.state.own.copy.size - 1), ["slander"])
    body = wire.format_heads(Heads(notes=[fake.checkpoint], time_ms=0))
    assert unchanged(network, "cord", lambda: ask(network, "bolt", "cord", "heads", body)).status == 200
    network.sleep(30)
    assert not evidence_at(network, "cord")
    assert not network.machines["cord"].up.state.quarantined


def test_cosignatures_of_others_cannot_fill_a_note_up(network: Network) -> None:
    acme = network.machines["acme"].up
    newest = acme.state.own.newest
    assert isinstance(newest, StoredNote)
    junk = "".join(f"— junk{i} {'A' * 8}\n" for i in range(90))
    body = wire.format_heads(Heads(notes=[newest.note + junk], time_ms=0))
    assert ask(network, "cord", "bolt", "heads", body).status == 200
    held = network.machines["bolt"].up.state.heads[acme.state.origin].newest
    assert held is not None
    assert "junk" not in held.note


# Notes of more entries than are here


def told_ahead(network: Network, one: Batch, *cosigners: str) -> Batch:
    """The note over a forged run without its entries, with a proof from where the run begins."""
    cord = network.machines["cord"].up
    store_batch(cord, one)
    note = cord.state.heads[one.origin].newest
    assert note is not None
    text = note.note
    for name in cosigners:
        text = add_signatures(text, own_cosignature(network.machines[name].up, text, None))
    hashes = cord.reader.hashes(one.origin, note.size)
    proof = tuple(prove_consistency(hashes, one.start, note.size))
    return replace(one, entries=[], payloads=[], checkpoint=text, proof=proof)


def two_futures(network: Network, real: int, fake: int) -> tuple[Batch, Batch]:
    """Two histories of acme's log that begin alike, while nobody hears anybody."""
    for name in network.machines:
        network.isolate(name)
    acme = network.machines["acme"].up
    copy = copy_at(acme, acme.state.own.copy.size)
    return (
        forged(acme, copy, ["alike", *(f"real {i}" for i in range(1, real))]),
        forged(acme, copy, ["alike", *(f"fake {i}" for i in range(1, fake))]),
    )


def test_a_log_that_comes_in_pieces_keeps_only_proofs_that_fit(network: Network) -> None:
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    network.isolate("acme")
    origin = acme.state.origin
    held = bolt.state.copy(origin).size
    acme.record([acme.draft("memo", {"text": str(i)}) for i in range(9)]).result()
    for start in range(held, held + 9):
        store_batch(bolt, make_batch(acme, origin, start, 1, "bolt"))
        for kept in bolt.reader.notes(origin):
            copy = bolt.state.copy(origin)
            if kept.size <= copy.size:
                assert not kept.proof
            else:
                check_head(
                    copy,
                    open_checkpoint(kept.note, acme.state.roster.log_key(acme.state.roster.origin("acme"))),
                    kept.proof,
                )
        again = make_batch(bolt, origin, start, 10, "cord")
        assert len(again.entries) == 1, "what came is passed on at once, under a note that proves it"
    assert bolt.state.copy(origin) == acme.state.own.copy


def test_a_witnessed_note_makes_no_other_entries_witnessed(network: Network) -> None:
    """More than half cosigned the real history; bolt is shown its note, then the entries of another."""
    real, fake = two_futures(network, 5, 3)
    bolt = network.machines["bolt"].up
    ahead = told_ahead(network, real, "bolt")
    assert is_witnessed(bolt.state.roster, ahead.checkpoint)
    store_batch(bolt, ahead)
    store_batch(bolt, fake)
    assert bolt.state.copy(fake.origin).size == fake.start + 3
    assert not bolt.state.is_witnessed(fake.origin, fake.start + 1)


def test_two_notes_of_one_size_are_a_fork_before_the_entries_are_here(network: Network) -> None:
    real, fake = two_futures(network, 5, 5)
    bolt = network.machines["bolt"].up
    store_batch(bolt, told_ahead(network, real))
    with pytest.raises(ForkError):
        store_batch(bolt, fake)
    assert_proves_fork(network, "bolt", "acme")
    kept = bolt.state.heads[fake.origin].newest
    assert kept is not None
    open_checkpoint(kept.note, bolt.state.roster.log_key(bolt.state.roster.origin("acme")))


def test_entries_beside_the_note_told_before_are_a_fork(network: Network) -> None:
    real, fake = two_futures(network, 3, 5)
    bolt = network.machines["bolt"].up
    store_batch(bolt, told_ahead(network, real))
    with pytest.raises(ForkError):
        store_batch(bolt, fake)
    assert_proves_fork(network, "bolt", "acme")


def test_a_part_that_hides_a_fork_is_refused(network: Network) -> None:
    """As long as the run does not reach its own note, nobody could prove anything with it."""
    real, fake = two_futures(network, 3, 6)
    bolt = network.machines["bolt"].up
    store_batch(bolt, told_ahead(network, real))
    acme = network.machines["acme"].up
    store_batch(acme, fake)
    hashes = acme.reader.hashes(fake.origin, fake.start + 6)
    proof = tuple(prove_consistency(hashes, fake.start + 4, fake.start + 6))
    part = replace(fake, entries=fake.entries[:4], payloads=fake.payloads[:4], proof=proof)
    before = bolt.state.copy(fake.origin)
    with pytest.raises(InvalidError, match="entries that the signed head told before does not cover"):
        store_batch(bolt, part)
    assert bolt.state.copy(fake.origin) == before


def test_a_job_that_is_refused_halfway_leaves_nothing_in_the_database(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    network.isolate("acme")
    batch = forged(acme, copy_at(acme, acme.state.own.copy.size), ["x"])

    def refuse(*_: object) -> None:
        raise MissingError("tile", found="damaged", expected="a tile")

    with monkeypatch.context() as patch:
        patch.setattr(Head, "with_run", refuse)
        with pytest.raises(MissingError):
            store_batch(bolt, batch)
    assert bolt.reader.size(batch.origin) == batch.start
    assert store_batch(bolt, batch).new == 1
    network.memo("bolt", "still writing")


def test_a_founder_cannot_admit_keys_that_verify_nothing(network: Network) -> None:
    """Every node looks at every witness's key at every commit: one bad key would stop them all."""
    secret = sha256(b"evil").digest()
    network.record("acme", "network.invite", {"organization": "evil", "secret": secret_hash(secret)})
    acme = network.machines["acme"].up
    invite = next(leaf for leaf, i in acme.state.roster.invitations.items() if i.organization == "evil")
    small_order = (1).to_bytes(32, "little")
    keys = {"log": small_order, "node": small_order, "recovery": bytes(32), "witness": small_order}
    body = {"invite": invite, "keys": keys, "open": bytes(32), "organization": "evil", "title": "Evil"}
    network.record("acme", "network.admit", body)
    network.memo("acme", "still writing")
    network.wait_until(network.agree, 30)
    for machine in network.running():
        assert "evil" not in machine.up.state.roster.members
        machine.up.writer.check_alive()


# Who may know


def test_a_third_holder_does_not_leak_a_payload_to_others(network: Network) -> None:
    seq = network.memo("acme", "between us", audience=["bolt"])[0].seq
    network.sleep(2)
    origin = network.machines["acme"].up.state.origin
    assert network.machines["bolt"].up.reader.payload(origin, seq) is not None
    asked = wire.format_payloads_request(PayloadsRequest(origin=origin, seqs=list(range(seq + 1))))
    given = wire.parse_payloads(ask(network, "cord", "bolt", "payloads", asked).body)
    assert seq not in [payload[0] for payload in given]
    assert given, "what is for all is given"
    pull = wire.format_pull_request(PullRequest(origin=origin, start=0, limit_bytes=10**6))
    batch = wire.parse_batch(ask(network, "cord", "bolt", "pull", pull).body)
    assert seq not in [payload[0] for payload in batch.payloads]
    assert all(b"between us" not in body for body in network.machines["cord"].seen_bodies)


# Joining


def newcomer(network: Network, name: str, folder: str, invited: str | None = None) -> tuple[Node, bytes]:
    secret = sha256(name.encode()).digest()
    if invited is not None:
        network.record("acme", "network.invite", {"organization": invited, "secret": secret_hash(secret)})
    return network.newcomer(name, folder), secret


def join_of(node: Node, secret: bytes) -> bytes:
    batch = make_batch(node, node.state.origin, 0, 10**6, node.state.organization)
    return wire.format_join_request(JoinRequest(batch=batch, secret=secret))


def send_join(network: Network, body: bytes, to: str = "acme") -> Reply:
    return network.deliver(to, Call(path="/sync/v1/join", body=body, headers=VERSION))


def test_joining_again_is_answered_again_and_another_key_is_refused(network: Network) -> None:
    node, secret = newcomer(network, "dart", "first", "dart")
    try:
        first = send_join(network, join_of(node, secret))
        assert first.status == 200
        again = send_join(network, join_of(node, secret))
        answer = wire.parse_join_answer(first.body)
        assert wire.parse_join_answer(again.body).admitted == answer.admitted
        store_join_answer(node, answer)
        assert "dart" in node.state.roster.members
    finally:
        node.stop()
    thief, _ = newcomer(network, "dart", "second")
    try:
        reply = unchanged(network, "acme", lambda: send_join(network, join_of(thief, secret)))
        assert (reply.status, code_of(reply)) == (403, "forbidden")
        with pytest.raises(TallyError):
            store_join_answer(thief, answer)
    finally:
        thief.stop()


def test_a_join_sent_again_by_a_thief_gives_nothing_that_is_not_for_all(network: Network) -> None:
    """The invitation file and the newcomer's first push prove no key: who has both is not the newcomer."""
    node, secret = newcomer(network, "dart", "first", "dart")
    try:
        stolen = join_of(node, secret)
        assert send_join(network, stolen).status == 200
    finally:
        node.stop()
    network.memo("acme", "for dart alone", audience=["dart"])
    network.memo("acme", "for all of us")
    again = send_join(network, stolen)
    assert again.status == 200
    assert b"for all of us" in again.body
    assert b"for dart alone" not in again.body


def test_a_join_without_the_secret_or_under_another_name_is_refused(network: Network) -> None:
    node, secret = newcomer(network, "dart", "first", "earl")
    try:
        for wrong in (bytes(32), secret):
            reply = unchanged(network, "acme", lambda: send_join(network, join_of(node, wrong)))  # noqa: B023
            assert (reply.status, code_of(reply)) == (403, "forbidden")
        assert send_join(network, join_of(node, secret), to="bolt").status == 403
    finally:
        node.stop()


def test_a_copy_of_a_home_that_runs_elsewhere_is_told_so(network: Network) -> None:
    body = wire.format_heads(Heads(notes=[], time_ms=0))
    reply = ask(network, "acme", "acme", "heads", body)
    assert reply.status == 403
    assert "copy of this home" in json.loads(reply.body)["error"]["action"]


def test_another_history_of_the_own_log_stops_the_node_for_good(network: Network) -> None:
    acme = network.machines["acme"].up
    network.isolate("acme")
    twin = forged(acme, copy_at(acme, acme.state.own.copy.size), ["written by the twin"])
    network.memo("acme", "written here")
    body = wire.format_heads(Heads(notes=[twin.checkpoint], time_ms=0))
    assert ask(network, "bolt", "acme", "heads", body).status == 200
    network.sleep(1)
    assert "contradicted" in acme.blocks
    with pytest.raises(TallyError, match="another history"):
        network.memo("acme", "never")
