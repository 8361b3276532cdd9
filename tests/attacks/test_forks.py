"""Logs that fork before a network's eyes: each is found, proven, written down, and shut out."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from ledger.errors import ForbiddenError, ForkError, UnavailableError
from ledger.log.checkpoint import Checkpoint, cosign, open_checkpoint, seal_checkpoint
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.evidence_files import Kind, parse_evidence
from ledger.log.intake import Copy
from ledger.log.note import add_signatures
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement
from ledger.log.witness import AddCheckpoint, format_add_checkpoint
from ledger.members.evidence import check_accused, check_evidence
from ledger.members.network import MemberKeys, recovery_hash
from ledger.members.reopening import Reopening, seal_opening
from ledger.members.rotation import seal_rotation
from node.api.witness import Witness
from node.evidence import FOLDER, HeldEvidence, folder_of, read_folder, recorded_evidence
from node.evidence_watch import EvidenceWatch
from node.keyfiles import read_key
from node.node import Node
from node.sync import wire
from node.sync.heads import learn_heads
from node.sync.joining import store_join_answer
from node.sync.storing import store_batch
from node.sync.wire import Batch, Heads, JoinAnswer

if TYPE_CHECKING:
    from tests.simulation.network import Network


def load(name: str) -> ModuleType:
    """A module beside this one, since test folders are no packages."""
    found = sys.modules.get(f"attacks_{name}")
    if found is None:
        spec = importlib.util.spec_from_file_location(
            f"attacks_{name}", Path(__file__).with_name(f"{name}.py")
        )
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules[f"attacks_{name}"] = found
        spec.loader.exec_module(found)
    return found


sync = load("test_sync")
PASSPHRASE = b"correct horse battery staple"


def held_by(network: Network, name: str) -> list[HeldEvidence]:
    node = network.machines[name].up
    return list(recorded_evidence(node.reader, node.state))


def accused_at(network: Network, name: str) -> list[str]:
    return [held.evidence.accused for held in held_by(network, name)]


def origin_of(network: Network, name: str) -> str:
    return network.machines[name].up.state.origin


def assert_held(network: Network, name: str, accused: str, kind: Kind = Kind.FORK) -> None:
    """One piece, in the own log and in a folder beside it, which anybody can check."""
    node = network.machines[name].up
    pieces = [held.evidence for held in held_by(network, name) if held.evidence.accused == accused]
    assert [piece.kind for piece in pieces] == [kind]
    files = read_folder(folder_of(node.home, accused))
    assert parse_evidence(files) == pieces[0]
    check_evidence(pieces[0])
    check_accused(node.state.roster, pieces[0])
    assert accused in node.state.quarantined


def alone(network: Network) -> Copy:
    """Acme, whose key will be misused, hears nobody and tells nothing by itself."""
    network.isolate("acme")
    acme = network.machines["acme"].up
    copy: Copy = sync.copy_at(acme, acme.state.own.copy.size)
    return copy


def told(network: Network, copy: Copy, *texts: str) -> Batch:
    found: Batch = sync.forged(network.machines["acme"].up, copy, list(texts))
    return found


def push(network: Network, to: str, batch: Batch) -> int:
    return int(sync.ask(network, "acme", to, "push", wire.format_batch(batch)).status)


def tell_head(network: Network, sender: str, to: str, note: str) -> None:
    body = wire.format_heads(Heads(notes=[note], time_ms=0))
    assert sync.ask(network, sender, to, "heads", body).status == 200


def add_checkpoint(network: Network, to: str, request: AddCheckpoint) -> Response:
    machine = network.machines[to]
    assert machine.engine is not None

    async def offload(work: Callable[[], Any]) -> Any:
        return work()

    door = Witness(machine.up, machine.engine, offload)
    answer = network.run(door.add_checkpoint(format_add_checkpoint(request).encode()))
    network.sleep(1)
    return answer


# Found by two partners that compare heads


def test_a_fork_of_equal_length_is_found_by_two_that_compare_heads(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "to bolt"), told(network, copy, "to cord")
    assert push(network, "bolt", one) == push(network, "cord", other) == 200
    tell_head(network, "cord", "bolt", other.checkpoint)
    assert_held(network, "bolt", one.origin)


def test_a_fork_of_a_shorter_log_is_found_by_two_that_compare_heads(network: Network) -> None:
    """Cord holds fewer entries of the other history: its head alone gives it away."""
    copy = alone(network)
    one, other = told(network, copy, "to bolt", "more", "more still"), told(network, copy, "to cord")
    assert push(network, "bolt", one) == push(network, "cord", other) == 200
    tell_head(network, "cord", "bolt", other.checkpoint)
    assert_held(network, "bolt", one.origin)


@pytest.mark.parametrize("longer", [1, 4])
def test_a_fork_of_a_longer_log_is_found_by_two_that_compare_heads(network: Network, longer: int) -> None:
    copy = alone(network)
    one = told(network, copy, "to bolt")
    other = told(network, copy, "to cord", *(f"more {i}" for i in range(longer)))
    assert push(network, "bolt", one) == push(network, "cord", other) == 200
    network.wait_until(lambda: one.origin in accused_at(network, "bolt"), 60)
    assert_held(network, "bolt", one.origin)


def test_a_rollback_with_other_entries_on_top_is_a_fork(network: Network) -> None:
    """A home that was set back and went on signs a second entry for a position that it used."""
    network.memo("acme", "before")
    network.wait_until(network.agree)
    acme = network.machines["acme"].up
    size = acme.state.own.copy.size
    copy = sync.copy_at(acme, size - 1)
    network.isolate("acme")
    assert push(network, "bolt", told(network, copy, "instead")) == 422
    assert_held(network, "bolt", acme.state.origin)
    assert network.machines["bolt"].up.state.copy(acme.state.origin).size == size, "the good prefix stays"


def test_a_rollback_to_an_old_head_is_no_evidence_and_changes_nothing(network: Network) -> None:
    network.memo("acme", "before")
    network.wait_until(network.agree)
    acme = network.machines["acme"].up
    size = acme.state.own.copy.size
    old = sync.copy_at(acme, size - 1)
    head = Checkpoint(origin=old.origin, size=old.size, root=old.root)
    tell_head(network, "cord", "bolt", seal_checkpoint(head, acme.keys.log.seed))
    assert not accused_at(network, "bolt")
    assert network.machines["bolt"].up.state.copy(old.origin).size == size


@pytest.mark.parametrize("less", [0, 1])
def test_a_fork_through_add_checkpoint_is_found(network: Network, less: int) -> None:
    """Whoever has the log's key asks for a line on another history, of the held size or a smaller one."""
    network.wait_until(network.agree)
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    origin, size = acme.state.origin, bolt.state.copy(acme.state.origin).size
    network.isolate("acme")
    other = Checkpoint(origin=origin, size=size - less, root=sha256(b"other").digest())
    request = AddCheckpoint(
        old_size=size - less, proof=(), checkpoint=seal_checkpoint(other, acme.keys.log.seed)
    )
    answer = add_checkpoint(network, "bolt", request)
    assert (answer.status_code, answer.body) == (409, f"{size}\n".encode())
    assert_held(network, "bolt", origin)


def test_a_true_smaller_head_through_add_checkpoint_accuses_nobody(network: Network) -> None:
    network.wait_until(network.agree)
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    old = sync.copy_at(acme, acme.state.own.copy.size - 1)
    head = Checkpoint(origin=old.origin, size=old.size, root=old.root)
    request = AddCheckpoint(old_size=old.size, proof=(), checkpoint=seal_checkpoint(head, acme.keys.log.seed))
    assert add_checkpoint(network, "bolt", request).status_code == 409
    assert not bolt.state.quarantined


def test_a_fork_in_a_join_answer_is_found(network: Network) -> None:
    """The founder shows a newcomer another history of its own log than the one that it joined by."""
    network.wait_until(network.agree)
    acme, cord = network.machines["acme"].up, network.machines["cord"].up
    network.isolate("acme")
    other = sync.forged(acme, sync.copy_at(acme, acme.state.own.copy.size - 1), ["instead"])
    admitted = bytes(32)
    with pytest.raises(ForkError):
        store_join_answer(cord, JoinAnswer(admitted=admitted, batches=[other]))
    assert_held(network, "cord", acme.state.origin)


# Found through a third


def seen_by(network: Network, name: str, *notes: str) -> None:
    network.record(name, "seen", {"heads": list(notes)})


def test_a_fork_is_found_in_what_a_third_recorded_as_seen(network: Network) -> None:
    """Bolt never meets acme's other history, only cord's log, which says that cord saw it."""
    copy = alone(network)
    one, other = told(network, copy, "to bolt", "more"), told(network, copy, "to cord")
    assert push(network, "bolt", one) == 200
    seen_by(network, "cord", other.checkpoint)
    network.wait_until(lambda: one.origin in accused_at(network, "bolt"), 120)
    assert_held(network, "bolt", one.origin)


def test_a_head_that_a_third_saw_waits_until_the_copy_has_grown(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "to bolt", "more"), told(network, copy, "to cord")
    for name in ("bolt", "cord"):
        watch = EvidenceWatch(network.machines[name].up)
        watch.look()
    seen_by(network, "cord", other.checkpoint)
    network.sleep(30)
    assert not accused_at(network, "bolt")
    assert push(network, "bolt", one) == 200
    network.wait_until(lambda: one.origin in accused_at(network, "bolt"), 120)


def test_evidence_that_a_partner_recorded_counts_after_the_own_check(network: Network) -> None:
    """Cord meets neither history; bolt's log carries the proof to it."""
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    assert push(network, "bolt", one) == 200
    assert push(network, "bolt", other) == 422
    network.wait_until(lambda: one.origin in accused_at(network, "cord"), 120)
    assert_held(network, "cord", one.origin)


def test_made_up_evidence_in_a_partners_log_accuses_nobody(network: Network) -> None:
    """Bolt records that acme told two histories, under a key that is not acme's, and one head twice."""
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    copy = sync.copy_at(acme, acme.state.own.copy.size)
    fake = [sync.forged(bolt, copy, [text]).checkpoint for text in ("one", "other")]
    head = acme.state.own.newest
    assert head is not None
    for notes in (fake, [head.note, head.note]):
        network.record("bolt", "evidence", {"notes": notes, "origin": acme.state.origin, "proof": []})
    network.sleep(120)
    assert not accused_at(network, "cord")
    assert acme.state.origin not in network.machines["cord"].up.state.quarantined


# What follows


def test_a_forked_log_is_quarantined_and_its_good_prefix_stays(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    assert push(network, "bolt", one) == 200
    assert push(network, "bolt", other) == 422
    size = bolt.state.copy(one.origin).size
    more = told(network, bolt.state.copy(one.origin), "more")
    with pytest.raises(ForbiddenError):
        store_batch(bolt, more)
    assert bolt.state.copy(one.origin).size == size
    assert len(bolt.reader.entries(one.origin, 0, size)) == size
    assert bolt.reader.record(one.origin, size - 1).statement is not None


def test_evidence_is_recorded_once_however_often_the_fork_is_told(network: Network) -> None:
    copy = alone(network)
    one, two, three = (told(network, copy, text) for text in ("one", "two", "three"))
    assert push(network, "bolt", one) == 200
    for _ in range(3):
        for other in (two, three):
            assert push(network, "bolt", other) in (403, 422)
            tell_head(network, "cord", "bolt", other.checkpoint)
    network.sleep(60)
    assert accused_at(network, "bolt") == [one.origin]


def test_a_quarantine_survives_a_restart_and_its_folder_is_made_again(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    assert push(network, "bolt", one) == 200
    assert push(network, "bolt", other) == 422
    folder = folder_of(network.machines["bolt"].home, one.origin)
    for path in list(folder.iterdir()):
        path.unlink()
    folder.rmdir()
    network.stop("bolt")
    network.start("bolt")
    network.wait_until(folder.exists, 30)
    assert_held(network, "bolt", one.origin)


def test_evidence_that_could_not_be_recorded_at_once_is_recorded_later(network: Network) -> None:
    """The files are there first: whatever keeps the entry from being written, the proof is not lost."""
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    assert push(network, "bolt", one) == 200
    bolt.block("test", UnavailableError("test", found="blocked", expected="a free node"))
    assert push(network, "bolt", other) == 422
    assert not accused_at(network, "bolt")
    assert folder_of(bolt.home, one.origin).is_dir()
    network.machines["bolt"].up.block("test", None)
    network.wait_until(lambda: one.origin in accused_at(network, "bolt"), 120)


def test_a_folder_that_proves_nothing_quarantines_nobody(network: Network) -> None:
    origin = origin_of(network, "acme")
    bolt = network.machines["bolt"].up
    acme = network.machines["acme"].up
    head = acme.state.own.newest
    assert head is not None
    made = bolt.home / FOLDER / "acme-forged"
    made.mkdir(parents=True)
    key = bolt.state.roster.log_key(origin)
    for name, text in {
        "a.checkpoint": head.note,
        "b.checkpoint": head.note,
        "consistency": "",
        "vkey": f"{key.text}\n",
        "evidence.json": f'{{"format": "tallystick evidence v1", "kind": "fork", "origin": "{origin}"}}\n',
    }.items():
        (made / name).write_text(text)
    network.stop("bolt")
    network.start("bolt")
    network.sleep(30)
    assert not network.machines["bolt"].up.state.quarantined


# Witnesses


def cosigned(network: Network, batch: Batch, *names: str) -> str:
    note = batch.checkpoint
    for name in names:
        node = network.machines[name].up
        vkey = node.state.roster.witness_key(name)
        note = add_signatures(note, cosign(note, vkey.name, node.keys.witness.seed, 1_800_000_000))
    return note


def test_a_witness_that_cosigns_without_state_is_found_and_counts_no_more(network: Network) -> None:
    """Cord cosigned both of acme's histories; bolt and then everybody holds it against cord."""
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    store_batch(bolt, replace(one, checkpoint=cosigned(network, one, "cord")))
    assert bolt.state.is_witnessed(one.origin, one.start)
    with pytest.raises(ForkError):
        store_batch(bolt, replace(other, checkpoint=cosigned(network, other, "cord")))
    witness = bolt.state.roster.witness_key("cord").name
    assert_held(network, "bolt", one.origin)
    assert_held(network, "bolt", witness, Kind.WITNESS)
    assert "cord" not in bolt.state.roster.witnesses("acme")
    assert bolt.state.roster.witnesses_needed("acme") == 1
    assert bolt.state.is_witnessed(one.origin, one.start), "bolt's own cosignature is all of the others"


def test_a_witness_is_found_by_a_note_that_is_told_after_the_quarantine(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    store_batch(bolt, replace(one, checkpoint=cosigned(network, one, "cord")))
    tell_head(network, "cord", "bolt", other.checkpoint)
    assert accused_at(network, "bolt") == [one.origin]
    tell_head(network, "cord", "bolt", cosigned(network, other, "cord"))
    assert_held(network, "bolt", bolt.state.roster.witness_key("cord").name, Kind.WITNESS)


def test_every_honest_node_and_every_restart_counts_the_same_witnesses(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    store_batch(bolt, replace(one, checkpoint=cosigned(network, one, "cord")))
    with pytest.raises(ForkError):
        store_batch(bolt, replace(other, checkpoint=cosigned(network, other, "cord")))
    network.heal()
    acme = network.machines["acme"].up
    network.wait_until(lambda: "cord" not in acme.state.roster.witnesses("bolt"), 120)
    before = {origin: head.witnessed_size for origin, head in bolt.state.heads.items()}
    network.stop("bolt")
    network.start("bolt")
    again = network.machines["bolt"].up.state
    assert "cord" not in again.roster.witnesses("acme")
    assert all(again.heads[origin].witnessed_size >= size for origin, size in before.items())


def test_a_member_cannot_be_accused_as_a_witness_by_lines_that_are_not_its_own(network: Network) -> None:
    copy = alone(network)
    one, other = told(network, copy, "one"), told(network, copy, "other")
    bolt = network.machines["bolt"].up
    store_batch(bolt, replace(one, checkpoint=cosigned(network, one, "cord")))
    line = cosigned(network, one, "cord").splitlines(keepends=True)[-1]
    with pytest.raises(ForkError):
        store_batch(bolt, replace(other, checkpoint=other.checkpoint + line))
    assert accused_at(network, "bolt") == [one.origin]


# Keys over time


def one_entry(network: Network, kind: str, body: dict[str, Any], copy: Copy, time_ms: int) -> Batch:
    """One entry behind a copy of a log, with its payload, under a checkpoint by acme's log key."""
    acme = network.machines["acme"].up
    payload, salt = (
        format_statement(Statement(kind=kind, audience=None, body=body, nonce=bytes(16))),
        bytes(16),
    )
    entry = format_entry(
        Entry(
            seq=copy.size,
            prev=copy.last,
            time_ms=time_ms,
            kind=kind,
            size=len(payload),
            commit=commit_to(salt, payload),
        )
    )
    edge, _ = copy.edge.extended([leaf_hash(entry)])
    head = Checkpoint(origin=copy.origin, size=edge.size, root=edge.frontier.root())
    return Batch(
        origin=copy.origin,
        start=copy.size,
        entries=[entry],
        payloads=[(copy.size, salt, payload)],
        checkpoint=seal_checkpoint(head, acme.keys.log.seed),
    )


def rotation(network: Network, copy: Copy, time_ms: int) -> Batch:
    """Acme gives its log another key, in an entry of this time."""
    acme = network.machines["acme"].up
    before = acme.state.roster.member("acme").keys
    new_seed = bytes(range(32))
    after = replace(before, log=public_key(new_seed))
    body = seal_rotation(
        copy.origin, before=before, after=after, old_seed=acme.keys.log.seed, new_seed=new_seed
    )
    return one_entry(network, "keys.rotate", dict(body), copy, time_ms)


def test_a_note_made_today_under_a_superseded_key_is_no_evidence_and_not_kept(network: Network) -> None:
    network.memo("acme", "before")
    network.wait_until(network.agree)
    copy = alone(network)
    bolt = network.machines["bolt"].up
    stolen = told(network, sync.copy_at(network.machines["acme"].up, copy.size - 1), "stolen")
    store_batch(bolt, rotation(network, copy, 1_700_000_000_000))
    before = [kept.note for kept in bolt.state.heads[copy.origin].notes()]
    tell_head(network, "cord", "bolt", stolen.checkpoint)
    tell_head(network, "cord", "bolt", cosigned(network, stolen, "bolt", "cord"))
    assert not accused_at(network, "bolt")
    assert copy.origin not in bolt.state.quarantined
    assert [kept.note for kept in bolt.state.heads[copy.origin].notes()] == before


def test_notes_that_were_witnessed_before_the_rotation_stay_evidence(network: Network) -> None:
    network.memo("acme", "before")
    network.wait_until(network.agree)
    copy = alone(network)
    bolt = network.machines["bolt"].up
    other = told(network, sync.copy_at(network.machines["acme"].up, copy.size - 1), "other")
    turned = rotation(network, copy, 1_900_000_000_000)
    store_batch(bolt, replace(turned, checkpoint=cosigned(network, turned, "cord")))
    tell_head(network, "cord", "bolt", cosigned(network, other, "bolt", "cord"))
    assert copy.origin in accused_at(network, "bolt")


# Openings


def opening(network: Network, era: str) -> Batch:
    """A second log of bolt as its recovery key opens it; every era names keys of its own."""
    bolt = network.machines["bolt"].up
    first = bolt.reader.record(bolt.state.origin, 0).statement
    pin = bolt.state.own.newest
    assert first is not None
    assert pin is not None
    seeds = {
        name: sha256(f"{era} {name}".encode()).digest() for name in ("log", "node", "recovery", "witness")
    }
    public = {name: public_key(seed) for name, seed in seeds.items()}
    reopening = Reopening(
        founding=first.data("founding"),
        organization="bolt",
        title="Bolt",
        number=2,
        keys=MemberKeys(**{**public, "recovery": recovery_hash(public["recovery"])}),
        pin=pin.note,
    )
    recovery = read_key(network.machines["bolt"].home / "keys" / "recovery.key", PASSPHRASE).seed
    statement = Statement(
        kind="log.open", audience=None, body=seal_opening(reopening, recovery), nonce=bytes(16)
    )
    payload, salt = format_statement(statement), bytes(16)
    entry = format_entry(
        Entry(
            seq=0,
            prev=bolt.state.roster.network,
            time_ms=1_800_000_000_000,
            kind="log.open",
            size=len(payload),
            commit=commit_to(salt, payload),
        )
    )
    head = Checkpoint(origin=reopening.origin, size=1, root=leaf_hash(entry))
    return Batch(
        origin=reopening.origin,
        start=0,
        entries=[entry],
        payloads=[(0, salt, payload)],
        checkpoint=seal_checkpoint(head, seeds["log"]),
    )


def test_two_openings_of_one_log_are_found_and_proven(network: Network) -> None:
    """Of two openings of one number the first is kept; both together accuse whoever has the recovery key."""
    network.isolate("bolt")
    cord = network.machines["cord"].up
    one, other = opening(network, "one"), opening(network, "other")
    store_batch(cord, one)
    assert not accused_at(network, "cord")
    with pytest.raises(ForkError):
        store_batch(cord, other)
    assert_held(network, "cord", one.origin, Kind.OPENINGS)
    assert cord.reader.entry(one.origin, 0) == one.entries[0], "the first is kept"
    with pytest.raises(ForbiddenError):
        store_batch(cord, one)
    network.wait_until(lambda: one.origin in accused_at(network, "acme"), 120)
    assert_held(network, "acme", one.origin, Kind.OPENINGS)


def test_one_opening_told_twice_is_no_evidence(network: Network) -> None:
    network.isolate("bolt")
    cord = network.machines["cord"].up
    store_batch(cord, opening(network, "one"))
    store_batch(cord, opening(network, "one"))
    assert not accused_at(network, "cord")


# Honest logs


@given(steps=st.lists(st.sampled_from(["acme", "bolt", "cord", "sleep", "seen"]), max_size=12))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_honest_log_is_never_accused_whatever_happens(network: Network, steps: list[str]) -> None:
    for number, step in enumerate(steps):
        if step == "sleep":
            network.sleep(7)
        elif step == "seen":
            notes = [
                head.newest.note for head in network.machines["cord"].up.state.heads.values() if head.newest
            ]
            seen_by(network, "cord", *notes)
        else:
            network.memo(step, f"remark {number}")
    network.wait_until(network.agree)
    for machine in network.running():
        EvidenceWatch(machine.up).look()
        assert not machine.up.state.quarantined


def every_note(node: Node, origin: str, sizes: range) -> Iterator[str]:
    for size in sizes:
        copy = node.reader.copy_at(origin, node.state.roster.network, size)
        yield seal_checkpoint(Checkpoint(origin=origin, size=size, root=copy.root), node.keys.log.seed)


def test_no_head_of_an_honest_log_told_in_any_order_is_evidence(network: Network) -> None:
    for number in range(5):
        network.memo("acme", f"remark {number}")
    network.wait_until(network.agree)
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    origin = acme.state.origin
    notes = list(every_note(acme, origin, range(1, acme.state.own.copy.size + 1)))
    for note in [*reversed(notes), *notes]:
        learn_heads(bolt, [note])
        open_checkpoint(note, bolt.state.roster.log_key(origin))
    assert not bolt.state.quarantined
