"""Sync, tiles and witness over HTTP, as partners see them and programs that know only public formats."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from ledger.log.checkpoint import Checkpoint, check_cosignature, open_checkpoint, seal_checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.note import parse_vkey
from ledger.log.tile import log_path, parse_bundle
from ledger.log.tree import Frontier, prove_consistency
from ledger.log.witness import AddCheckpoint, format_add_checkpoint
from ledger.members.network import Policy
from node import signing
from node.api.sync import sync_router
from node.api.tiles import tiles_router
from node.api.witness import witness_router
from node.sync import wire
from node.sync.wire import Heads, PullRequest

if TYPE_CHECKING:
    from tests.simulation.network import Network

MakeNetwork = Callable[[int], "Network"]


def app_of(network: Network, name: str) -> FastAPI:
    machine = network.machines[name]
    engine = machine.engine
    assert engine is not None

    async def offload(work: Callable[[], Any]) -> Any:
        return work()

    app = FastAPI()
    app.include_router(sync_router(engine.door, offload))
    app.include_router(tiles_router(machine.up, engine.door, offload))
    app.include_router(witness_router(machine.up, engine, offload))
    return app


def call(network: Network, name: str, method: str, path: str, **other: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(network, name))
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.request(method, path, **other)

    return network.run(run())


def sign(
    network: Network, sender: str, recipient: str, method: str, path: str, body: bytes
) -> dict[str, str]:
    machine = network.machines[sender]
    return {"tallystick-protocol": "1"} | signing.sign_request(
        seed=machine.up.keys.node.seed,
        sender=machine.up.state.origin,
        recipient=machine.up.state.roster.origin(recipient),
        method=method,
        path=path,
        query="",
        body=body,
        now_s=network.now_ms(machine) // 1000,
    )


# Sync


def test_heads_are_exchanged_over_http(network: Network) -> None:
    body = wire.format_heads(Heads(notes=[], time_ms=0))
    headers = sign(network, "bolt", "acme", "POST", "/sync/v1/heads", body)
    answer = call(network, "acme", "POST", "/sync/v1/heads", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == wire.MEDIA_TYPE
    assert answer.headers["tallystick-protocol"] == "1"
    heads = wire.parse_heads(answer.content)
    assert len({note.split("\n")[0] for note in heads.notes}) == 3


def test_a_log_is_pulled_over_http(network: Network) -> None:
    origin = network.machines["cord"].up.state.origin
    body = wire.format_pull_request(PullRequest(origin=origin, start=0, limit_bytes=1))
    headers = sign(network, "bolt", "acme", "POST", "/sync/v1/pull", body)
    batch = wire.parse_batch(
        call(network, "acme", "POST", "/sync/v1/pull", content=body, headers=headers).content
    )
    assert (batch.origin, batch.start, len(batch.entries)) == (origin, 0, 1)


def test_a_query_that_was_not_signed_is_refused(network: Network) -> None:
    body = wire.format_heads(Heads(notes=[], time_ms=0))
    headers = sign(network, "bolt", "acme", "POST", "/sync/v1/heads", body)
    answer = call(network, "acme", "POST", "/sync/v1/heads?x=1", content=body, headers=headers)
    assert answer.status_code == 403


def test_an_unknown_request_is_404_and_unsigned_ones_are_403(network: Network) -> None:
    version = {"tallystick-protocol": "1"}
    assert call(network, "acme", "POST", "/sync/v1/gossip", headers=version).status_code == 404
    assert call(network, "acme", "POST", "/sync/v1/heads", headers=version).status_code == 403


# Tiles


def test_a_log_is_verified_from_its_tiles_alone(network: Network) -> None:
    for i in range(300):
        network.memo("acme", f"number {i}")
    network.sleep(5)
    logs = call(network, "bolt", "GET", "/logs").json()["logs"]
    acme = next(log for log in logs if log["origin"] == network.machines["acme"].up.state.origin)
    note = call(network, "bolt", "GET", f"{acme['path']}/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = open_checkpoint(note.text, parse_vkey(acme["vkey"]))
    assert checkpoint.size == acme["size"] > 256
    entries: list[bytes] = []
    level_0 = b""
    for path, width in (("000", 256), (f"001.p/{checkpoint.size - 256}", checkpoint.size - 256)):
        bundle = call(network, "bolt", "GET", f"{acme['path']}/tile/entries/{path}")
        assert bundle.status_code == 200
        assert "immutable" in bundle.headers["cache-control"]
        entries += parse_bundle(bundle.content, width)
        level_0 += call(network, "bolt", "GET", f"{acme['path']}/tile/0/{path}").content
    leaves = [leaf_hash(entry) for entry in entries]
    assert b"".join(leaves) == level_0
    assert Frontier().extended(leaves).root() == checkpoint.root
    level_1 = call(network, "bolt", "GET", f"{acme['path']}/tile/1/000.p/1").content
    assert level_1 == Frontier().extended(leaves[:256]).root()


@pytest.mark.parametrize(
    "rest",
    ["tile/0/001", "tile/0/000.p/255", "tile/9/000.p/1", "tile/0/x000/000", "tile/0/0", "tile/64/000", "x"],
)
def test_what_a_log_has_not_is_404(network: Network, rest: str) -> None:
    path = log_path(network.machines["acme"].up.state.origin)
    assert call(network, "acme", "GET", f"{path}/{rest}").status_code == 404


def test_an_unknown_log_is_404(network: Network) -> None:
    assert call(network, "acme", "GET", f"/log/{'0' * 64}/checkpoint").status_code == 404


def test_where_tiles_are_for_members_they_need_a_members_signature(make_network: MakeNetwork) -> None:
    network = make_network(5)
    network.found("acme", Policy(tiles="members"))
    network.join("bolt")
    path = f"{log_path(network.machines['acme'].up.state.origin)}/checkpoint"
    assert call(network, "acme", "GET", path).status_code == 403
    assert call(network, "acme", "GET", "/logs").status_code == 403
    headers = sign(network, "bolt", "acme", "GET", path, b"")
    assert call(network, "acme", "GET", path, headers=headers).status_code == 200


# Witness


def request_of(network: Network, author: str, old: int) -> str:
    node = network.machines[author].up
    newest = node.state.own.newest
    assert newest is not None
    proof = prove_consistency(node.reader.hashes(node.state.origin), old, newest.size) if old else []
    text, lines = newest.note.split("\n\n")
    plain = f"{text}\n\n{lines.splitlines()[0]}\n"
    return format_add_checkpoint(AddCheckpoint(old_size=old, proof=tuple(proof), checkpoint=plain))


def witness(network: Network, name: str, body: str) -> httpx.Response:
    return call(network, name, "POST", "/add-checkpoint", content=body.encode())


def held(network: Network, name: str, author: str) -> int:
    return network.machines[name].up.state.copy(network.machines[author].up.state.origin).size


def assert_cosigned(network: Network, name: str, author: str, answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    roster = network.machines["acme"].up.state.roster
    newest = network.machines[author].up.state.own.newest
    assert newest is not None
    check_cosignature(newest.note, answer.text, roster.witness_key(name))


def test_what_is_held_is_cosigned_and_asking_again_gives_the_same_line(network: Network) -> None:
    body = request_of(network, "acme", held(network, "bolt", "acme"))
    first = witness(network, "bolt", body)
    assert_cosigned(network, "bolt", "acme", first)
    assert witness(network, "bolt", body).text == first.text


def test_a_larger_checkpoint_is_cosigned_after_its_entries_were_pulled(network: Network) -> None:
    old = held(network, "bolt", "acme")
    engine = network.machines["acme"].engine
    assert engine is not None
    network.run(engine.stop())
    network.memo("acme", "not pushed")
    answer = witness(network, "bolt", request_of(network, "acme", old))
    assert_cosigned(network, "bolt", "acme", answer)
    assert held(network, "bolt", "acme") == old + 1


def test_entries_that_nobody_gives_are_not_cosigned(network: Network) -> None:
    old = held(network, "bolt", "acme")
    network.isolate("acme")
    network.memo("acme", "kept back")
    answer = witness(network, "bolt", request_of(network, "acme", old))
    assert answer.status_code == 503


def test_another_old_size_is_answered_with_the_one_that_is_here(network: Network) -> None:
    size = held(network, "bolt", "acme")
    answer = witness(network, "bolt", request_of(network, "acme", size - 1))
    assert (answer.status_code, answer.text) == (409, f"{size}\n")
    assert answer.headers["content-type"].startswith("text/x.tlog.size")


def test_refusals_of_the_witness(network: Network) -> None:
    acme = network.machines["acme"].up
    size = held(network, "bolt", "acme")
    root = sha256(b"other").digest()

    def add(checkpoint: Checkpoint, seed: bytes, old: int, proof: tuple[bytes, ...] = ()) -> int:
        request = AddCheckpoint(old_size=old, proof=proof, checkpoint=seal_checkpoint(checkpoint, seed))
        return witness(network, "bolt", format_add_checkpoint(request)).status_code

    larger = Checkpoint(origin=acme.state.origin, size=size + 1, root=root)
    seed = acme.keys.log.seed
    assert add(larger, seed, size, (bytes(32),)) == 422
    assert add(larger, bytes(32), size, (bytes(32),)) == 403
    assert add(Checkpoint(origin="nobody/0123456789abcdef", size=1, root=root), seed, 0) == 404
    bolt = network.machines["bolt"].up
    assert add(Checkpoint(origin=bolt.state.origin, size=1, root=root), bolt.keys.log.seed, 0) == 404
    assert witness(network, "bolt", f"old {size + 9}\n\n" + seal_checkpoint(larger, seed)).status_code == 400
    assert witness(network, "bolt", "").status_code == 400
    assert not bolt.state.quarantined


def test_another_root_of_the_same_size_is_a_conflict_and_a_fork(network: Network) -> None:
    acme, bolt = network.machines["acme"].up, network.machines["bolt"].up
    size = held(network, "bolt", "acme")
    other = Checkpoint(origin=acme.state.origin, size=size, root=sha256(b"other").digest())
    request = AddCheckpoint(old_size=size, proof=(), checkpoint=seal_checkpoint(other, acme.keys.log.seed))
    assert witness(network, "bolt", format_add_checkpoint(request)).status_code == 409
    assert acme.state.origin in bolt.state.quarantined
    assert witness(network, "bolt", request_of(network, "acme", size)).status_code == 403
