"""This node as a witness of somebody's log, seen by a client that was written from the standard alone."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from node.api.app import create_app
from node.api.witness import witness_router

if TYPE_CHECKING:
    from tests.simulation.network import Network


def load_client() -> ModuleType:
    name = "witness_client"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "witness_client.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


client = load_client()
NAME = "example.com/behind-the-sofa"
SEED = sha256(b"a log of somebody").digest()
OTHER = client.Signer("example.com/other", sha256(b"other").digest())


def sofa(size: int) -> Any:
    """A log that the witness is configured for."""
    return client.Log(client.Signer(NAME, SEED)).grow(size)


@dataclass
class Witness:
    """The witness under test, and what it needs to be asked."""

    network: Network
    served: tuple[Any, FastAPI] | None = None

    @property
    def vkey(self) -> str:
        state = self.network.machines["acme"].up.state
        return state.roster.witness_key("acme").text

    def app(self) -> FastAPI:
        machine = self.network.machines["acme"]
        assert machine.engine is not None
        if self.served is not None and self.served[0] is machine.up:
            return self.served[1]

        async def offload(work: Callable[[], Any]) -> Any:
            return work()

        app = create_app(machine.up, routers=[witness_router(machine.up, machine.engine, offload)])
        self.served = (machine.up, app)
        return app

    def ask(self, request: bytes, method: str = "POST") -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(self.app())
            async with httpx.AsyncClient(transport=transport, base_url="http://witness") as http:
                return await http.request(method, "/add-checkpoint", content=request)

        return self.network.run(run())

    def cosigned(self, request: bytes) -> int:
        """Ask, and expect a cosignature; its time."""
        answer = self.ask(request)
        assert answer.status_code == 200, answer.text
        note = request.decode().split("\n\n", 1)[1]
        time: int = client.check_cosignature(answer.text, note, self.vkey)
        return time

    def refused(self, request: bytes) -> int:
        answer = self.ask(request)
        assert answer.status_code != 200
        if answer.status_code == 409:
            assert answer.headers["content-type"] == "text/x.tlog.size"
            assert answer.text.endswith("\n")
            assert answer.text[:-1] == str(int(answer.text))
        return answer.status_code


@pytest.fixture
def witness(make_network: Callable[[int], Network]) -> Witness:
    network = make_network(3)
    logs = [sofa(0).signer.vkey, client.Signer("rotated.example", SEED).vkey]
    later = client.Signer("rotated.example", sha256(b"later").digest()).vkey
    network.settings["witness"] = {
        "logs": [
            *({"vkey": vkey} for vkey in (*logs, later)),
            {"vkey": client.Signer("key.example", sha256(b"named").digest()).vkey, "origin": "Named Log+1"},
        ]
    }
    network.found("acme")
    return Witness(network)


def test_a_log_is_cosigned_from_its_first_checkpoint_on(witness: Witness) -> None:
    log = sofa(40)
    witness.cosigned(log.request(0, 1))
    for old, size in ((1, 2), (2, 3), (3, 4), (4, 8), (8, 13), (13, 13), (13, 32), (32, 33), (33, 40)):
        witness.cosigned(log.request(old, size))


def test_the_first_checkpoint_may_be_of_any_size(witness: Witness) -> None:
    witness.cosigned(sofa(21).request(0))


def test_an_empty_log_is_cosigned_and_may_grow(witness: Witness) -> None:
    log = sofa(5)
    witness.cosigned(log.request(0, 0))
    witness.cosigned(log.request(0, 0))
    witness.cosigned(log.request(0, 5))


def test_the_same_checkpoint_again_is_cosigned_again(witness: Witness) -> None:
    log = sofa(7)
    first = witness.cosigned(log.request(0))
    witness.network.sleep(100)
    assert witness.cosigned(log.request(7)) >= first + 100


def test_times_never_fall_even_where_the_clock_does(witness: Witness) -> None:
    log = sofa(9)
    first = witness.cosigned(log.request(0, 7))
    witness.network.machines["acme"].skew_ms = -3_600_000
    assert witness.cosigned(log.request(7, 7)) == first
    assert witness.cosigned(log.request(7, 9)) == first


def test_extension_lines_are_covered(witness: Witness) -> None:
    log = sofa(9)
    witness.cosigned(client.body(0, [], log.note(4, "extension\nlines 2\n")))
    witness.cosigned(log.request(4, 9))


def test_signatures_of_others_are_ignored(witness: Witness) -> None:
    log = sofa(9)
    text = log.text(4)
    stranger = client.Signer(NAME, sha256(b"not the log's key").digest())
    cosigner = client.Signer("w.example", OTHER.seed, 4)
    lines = [OTHER.line(text), stranger.line(text), log.signer.line(text), cosigner.line(text)]
    answer = witness.ask(client.body(0, [], f"{text}\n{''.join(lines)}"))
    assert answer.status_code == 200
    assert answer.text.count("\n") == 1
    client.check_cosignature(answer.text, f"{text}\n{log.signer.line(text)}", witness.vkey)


def test_each_of_several_keys_of_a_log_is_its_key(witness: Witness) -> None:
    old = client.Log(client.Signer("rotated.example", SEED)).grow(9)
    new = client.Log(client.Signer("rotated.example", sha256(b"later").digest())).grow(9)
    witness.cosigned(old.request(0, 5))
    witness.cosigned(new.request(5, 9))


def test_a_log_may_have_another_name_than_its_key(witness: Witness) -> None:
    signer = client.Signer("key.example", sha256(b"named").digest())
    text = client.Log(client.Signer("Named Log+1", SEED)).grow(3).text()
    witness.cosigned(client.body(0, [], f"{text}\n{signer.line(text)}"))
    own = client.Log(signer).grow(3)
    assert witness.refused(own.request(0)) == 404


def test_an_unknown_log_is_404(witness: Witness) -> None:
    assert witness.refused(client.Log(OTHER).grow(3).request(0)) == 404
    # Even where nothing else about the request is right.
    assert witness.refused(client.Log(OTHER).grow(3).request(9, 3)) == 404
    own = witness.network.machines["acme"].up.state.own.newest
    assert own is not None
    assert witness.refused(client.body(0, [], own.note)) == 404


def test_a_checkpoint_that_the_log_s_key_did_not_sign_is_403(witness: Witness) -> None:
    log = sofa(5)
    stranger = client.Signer(NAME, sha256(b"stranger").digest())
    text = log.text()
    assert witness.refused(client.body(0, [], f"{text}\n{stranger.line(text)}")) == 403
    assert witness.refused(client.body(0, [], f"{text}\n{OTHER.line(text)}")) == 403
    moved = f"{text}\n{log.signer.line(log.text(4))}"
    assert witness.refused(client.body(0, [], moved)) == 403
    # A good line does not make up for a wrong one under the same key.
    both = f"{text}\n{log.signer.line(text)}{log.signer.line(log.text(4))}"
    assert witness.refused(client.body(0, [], both)) == 403
    # And it is told before an old size that is too large.
    assert witness.refused(client.body(9, [], f"{text}\n{stranger.line(text)}")) == 403


def test_an_old_size_above_the_checkpoint_is_400(witness: Witness) -> None:
    log = sofa(9)
    assert witness.refused(client.body(6, [], log.note(5))) == 400
    witness.cosigned(log.request(0, 6))
    assert witness.refused(client.body(6, [], log.note(5))) == 400


def test_another_old_size_is_409_with_the_right_one(witness: Witness) -> None:
    log = sofa(9)
    assert (witness.refused(log.request(3)), witness.ask(log.request(3)).text) == (409, "0\n")
    witness.cosigned(log.request(0, 5))
    for old in (0, 1, 4, 6, 9):
        assert (witness.refused(log.request(old)), witness.ask(log.request(old)).text) == (409, "5\n")
    assert witness.ask(log.request(0, 3)).text == "5\n"
    assert witness.ask(log.request(3, 3)).text == "5\n"
    witness.cosigned(log.request(5))


def test_another_root_of_the_same_size_is_409(witness: Witness) -> None:
    log = sofa(9)
    witness.cosigned(log.request(0, 5))
    log.leaves[2] = b"another"
    assert witness.refused(log.request(5, 5)) == 409
    witness.cosigned(sofa(9).request(5, 9))


def test_an_empty_log_has_one_root(witness: Witness) -> None:
    signer = sofa(0).signer
    text = f"{NAME}\n0\n{client.b64(bytes(32))}\n"
    wrong = client.body(0, [], f"{text}\n{signer.line(text)}")
    assert witness.refused(wrong) == 409
    witness.cosigned(sofa(0).request(0))
    assert witness.refused(wrong) == 409


@pytest.mark.parametrize("old", [1, 5, 8, 12])
def test_a_proof_that_does_not_fit_is_422(witness: Witness, old: int) -> None:
    log = sofa(13)
    witness.cosigned(log.request(0, old))
    proof = client.consistency(old, log.leaves)
    wrong = [
        [],
        proof[:-1],
        proof[1:],
        [*proof, bytes(32)],
        [bytes(32), *proof],
        proof[::-1] if proof[::-1] != proof else [bytes(32)],
        client.consistency(old, log.leaves[:12]),
        *([*proof[:place], bytes(32), *proof[place + 1 :]] for place in range(len(proof))),
    ]
    for path in wrong:
        assert witness.refused(client.body(old, path, log.note())) == 422, path
    forked = sofa(13)
    forked.leaves[0] = b"another"
    assert witness.refused(forked.request(old)) == 422
    witness.cosigned(log.request(old))


def test_a_proof_where_there_is_nothing_to_prove_is_422(witness: Witness) -> None:
    log = sofa(9)
    assert witness.refused(client.body(0, [bytes(32)], log.note())) == 422
    witness.cosigned(log.request(0))
    assert witness.refused(client.body(9, [bytes(32)], log.note())) == 422


NOTE = sofa(4).note()
TEXT = sofa(4).text()
LINE = sofa(4).signer.line(TEXT)
MALFORMED = {
    "nothing": b"",
    "a checkpoint alone": NOTE.encode(),
    "no old size": f"\n{NOTE}".encode(),
    "an old size without a number": f"old \n\n{NOTE}".encode(),
    "an old size that is no number": f"old x\n\n{NOTE}".encode(),
    "an old size with a zero before it": f"old 00\n\n{NOTE}".encode(),
    "an old size with a sign": f"old +0\n\n{NOTE}".encode(),
    "a negative old size": f"old -1\n\n{NOTE}".encode(),
    "an old size in hex": f"old 0x0\n\n{NOTE}".encode(),
    "an old size with two spaces": f"old  0\n\n{NOTE}".encode(),
    "an old size with a space behind it": f"old 0 \n\n{NOTE}".encode(),
    "an old size with a tab": f"old\t0\n\n{NOTE}".encode(),
    "an old size beyond 63 bits": f"old {2**64}\n\n{NOTE}".encode(),
    "an old size of a thousand digits": f"old {'9' * 1000}\n\n{NOTE}".encode(),
    "an old size in digits of another script": f"old ٠\n\n{NOTE}".encode(),
    "old in capitals": f"OLD 0\n\n{NOTE}".encode(),
    "no empty line": f"old 0\n{NOTE}".encode(),
    "two empty lines": f"old 0\n\n\n{NOTE}".encode(),
    "carriage returns": f"old 0\r\n\r\n{NOTE}".encode(),
    "a hash that is none": f"old 0\nxyz\n\n{NOTE}".encode(),
    "a hash of 31 bytes": f"old 0\n{client.b64(bytes(31))}\n\n{NOTE}".encode(),
    "a hash of 33 bytes": f"old 0\n{client.b64(bytes(33))}\n\n{NOTE}".encode(),
    "a hash in base64 for URLs": f"old 0\n{'_' * 42}8=\n\n{NOTE}".encode(),
    "a hash without padding": f"old 0\n{client.b64(bytes(32)).rstrip('=')}\n\n{NOTE}".encode(),
    "a hash with bits that say nothing": f"old 0\n{client.b64(bytes(32))[:-2]}B=\n\n{NOTE}".encode(),
    "a hash with a space": f"old 0\n {client.b64(bytes(32))}\n\n{NOTE}".encode(),
    "64 hashes": client.body(0, [bytes(32)] * 64, NOTE),
    "no checkpoint": b"old 0\n\n",
    "no signatures": f"old 0\n\n{TEXT}".encode(),
    "no signatures below the empty line": f"old 0\n\n{TEXT}\n".encode(),
    "a cut signature line": f"old 0\n\n{NOTE[:-1]}".encode(),
    "a signature line of another form": f"old 0\n\n{TEXT}\n- {LINE[2:]}".encode(),
    "a line behind the signatures": f"old 0\n\n{NOTE}more\n".encode(),
    "an empty line behind the signatures": f"old 0\n\n{NOTE}\n".encode(),
    "a checkpoint of two lines": f"old 0\n\n{NAME}\n4\n\n{LINE}".encode(),
    "a checkpoint without a name": f"old 0\n\n\n{TEXT.split(chr(10), 1)[1]}\n{LINE}".encode(),
    "a size with a zero before it": f"old 0\n\n{NOTE.replace(chr(10) + '4', chr(10) + '04')}".encode(),
    "a size beyond 63 bits": f"old 0\n\n{NOTE.replace(chr(10) + '4', chr(10) + str(2**64))}".encode(),
    "a root of 31 bytes": f"old 0\n\n{NAME}\n4\n{client.b64(bytes(31))}\n\n{LINE}".encode(),
    "an empty extension line": f"old 0\n\n{TEXT}\nmore\n\n{LINE}".encode(),
    "bytes that are not UTF-8": b"old 0\n\n" + NOTE.encode().replace(b"sofa", b"s\xfffa"),
    "a byte of zero": b"old 0\n\n" + NOTE.encode().replace(b"sofa", b"s\x00fa"),
    "a mark of byte order": b"\xef\xbb\xbf" + f"old 0\n\n{NOTE}".encode(),
    "101 signatures": f"old 0\n\n{TEXT}\n{LINE}{OTHER.line(TEXT) * 100}".encode(),
}


def test_what_is_no_request_is_400(witness: Witness) -> None:
    found = {why: witness.refused(request) for why, request in MALFORMED.items()}
    assert found == dict.fromkeys(MALFORMED, 400)
    witness.cosigned(sofa(4).request(0))


def test_a_body_of_any_size_is_refused(witness: Witness) -> None:
    for size in (200_000, 3_000_000):
        assert witness.refused(b"old 0\n\n" + b"x" * size) in (400, 413)


def test_only_post_asks(witness: Witness) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert witness.ask(sofa(4).request(0), method).status_code == 405


def test_what_was_cosigned_is_known_after_a_restart(witness: Witness) -> None:
    log = sofa(9)
    witness.cosigned(log.request(0, 5))
    witness.network.stop("acme")
    witness.network.start("acme")
    assert witness.refused(log.request(0)) == 409
    witness.cosigned(log.request(5))


def test_whatever_is_asked_two_histories_are_never_cosigned(witness: Witness) -> None:
    """Hundreds of requests out of two histories that share three leaves: what is cosigned is one history."""
    chance = Random(1)
    true, false = (client.Log(client.Signer("rotated.example", SEED)).grow(12) for _ in range(2))
    false.leaves[3:] = [b"another"] * 9
    held, told = 0, ""
    for _ in range(200):
        log = chance.choice([true, false])
        old, size = chance.randrange(13), chance.randrange(13)
        answer = witness.ask(log.request(old if chance.random() < 0.5 else held, size))
        if answer.status_code == 200:
            assert size >= held
            assert size > held or log.text(held) == told or held == 0
            history = next(each for each in (true, false) if each.text(size) == log.text(size))
            assert held == 0 or history.text(held) == told
            held, told = size, log.text(size)
    assert held == 12
