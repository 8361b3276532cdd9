"""Whatever is thrown at a real node over TLS: refused in words, the log unchanged, never a 500."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.log.tile import log_path
from node import signing
from node.home import open_reader
from node.homekeys import read_home_keys
from node.sync import wire
from node.sync.wire import Batch, Heads, JoinRequest
from node.tls import client_context
from tests.benchmarks.network import running_network

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
FIELDS = {"where", "expected", "found", "action", "code"}
ORIGIN = "evil/0123456789abcdef"


class Target:
    """A running node, its partner's keys, and raw connections to it."""

    def __init__(self, node: Any, partner: Any) -> None:
        self.node = node
        self.origin = node.origin
        self.partner_origin = partner.origin
        self.token = node.token
        self.partner_seed = read_home_keys(partner.home, b"measured").node.seed
        self._context = client_context(node.certificate)

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.node.port), 20)
        return self._context.wrap_socket(plain)

    def send(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to raw bytes; status 0 where the node hung up."""
        with self.connect() as connection:
            with suppress(OSError):  # refused before all was sent: the answer may be there all the same
                connection.sendall(data)
            return _read_answer(connection)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
        return self.send(head.encode("latin-1") + body)

    def sync(self, verb: str, body: bytes, /, **other: Any) -> tuple[int, bytes]:
        """A request of the partner; `other` replaces what is signed."""
        values: dict[str, Any] = {
            "seed": self.partner_seed,
            "sender": self.partner_origin,
            "recipient": self.origin,
            "method": "POST",
            "path": f"/sync/v1/{verb}",
            "query": "",
            "body": body,
            "now_s": int(time.time()),
        } | other
        headers = signing.sign_request(**values) | {"tallystick-protocol": "1"}
        return self.post(f"/sync/v1/{verb}", body, headers)

    def size(self) -> int:
        return int(self.node.size(self.origin))


def _read_answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return 0, b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                break
            body += more
    except OSError:
        return 0, b""
    return int(head.split(b" ")[1]), body


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_network(tmp_path_factory.mktemp("doors"), ("acme", "bolt")) as (acme, bolt):
        target = Target(acme, bolt)
        bolt.stop()
        time.sleep(0.5)
        yield target
        # After everything that was thrown at it, it still does its work.
        with acme.client() as client:
            assert client.get("/health").status_code == 200
            assert client.post("/memos", json={"text": "still writing"}).status_code == 201
        assert acme.process is not None
        peak = Path(f"/proc/{acme.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        assert int(peak) < 600 * 1024, "kilobytes at most in memory"
        assert "Traceback" not in (acme.home / "node.log").read_text()


def check_refused(answer: tuple[int, bytes], *statuses: int) -> None:
    status, body = answer
    assert 400 <= status < 500 or status in statuses, answer
    if statuses:
        assert status in statuses, answer
    if body:
        error = json.loads(body)["error"]
        assert set(error) == FIELDS
        assert error["where"]
        assert error["found"]


@pytest.fixture(autouse=True)
def unchanged(target: Target) -> Iterator[None]:
    before = target.size()
    yield
    assert target.size() == before


BODIES = {
    "nothing": b"",
    "no msgpack": b"{}",
    "a reserved byte": b"\xc1",
    "a float": b"\xcb" + bytes(8),
    "deep nesting": b"\x91" * 100_000,
    "a claim of four thousand millions": b"\xdd\xff\xff\xff\xff",
    "twice one key": b"\x82\xa1a\x01\xa1a\x01",
    "two mebibytes of nils": b"\xdd\x00\x20\x00\x00" + b"\xc0" * 0x200000,
    "seven mebibytes of lists": b"\xdd\x00\x70\x00\x00" + b"\x90" * 0x700000,
    "nine mebibytes": bytes(9 * MIB),
}


@pytest.mark.parametrize("verb", ["push", "pull", "heads", "payloads", "join", "other"])
@pytest.mark.parametrize("name", BODIES)
def test_bodies_between_nodes(target: Target, verb: str, name: str) -> None:
    check_refused(target.sync(verb, BODIES[name]))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": bytes(32)},
        {"sender": ORIGIN},
        {"sender": "x" * 5000},
        {"recipient": ORIGIN},
        {"now_s": int(time.time()) - 4000},
        {"now_s": int(time.time()) + 4000},
        {"path": "/sync/v1/pull"},
        {"query": "x=1"},
        {"method": "PUT"},
        {"body": b"other"},
    ],
)
def test_requests_that_nobody_signed_for_this_node(target: Target, other: dict[str, Any]) -> None:
    body = wire.format_heads(Heads(notes=[], time_ms=0))
    assert target.sync("heads", body)[0] == 200
    check_refused(target.sync("heads", body, **other), 403, 431)


def test_heads_of_a_thousand_notes_and_notes_of_a_hundred_lines(target: Target) -> None:
    reader = open_reader(target.node.home)
    note = reader.notes(target.origin)[-1].note
    reader.close()
    lines = "".join(f"— bolt/{target.origin[-16:]}/witness {'A' * 8}\n" for _ in range(99))
    for notes in ([note] * 1024, [note + lines] * 500, [f"{i}/0123456789abcdef\n1\n" for i in range(1024)]):
        assert target.sync("heads", wire.format_heads(Heads(notes=notes, time_ms=2**53)))[0] == 200
    check_refused(target.sync("heads", wire.format_heads(Heads(notes=["x"] * 1025, time_ms=0))), 400)


def test_batches_that_are_none(target: Target) -> None:
    def push(**fields: Any) -> None:
        whole: dict[str, Any] = {
            "origin": target.partner_origin,
            "start": 0,
            "entries": [],
            "payloads": [],
            "checkpoint": "",
        } | fields
        check_refused(target.sync("push", wire.format_batch(Batch(**whole))))

    push(entries=[b"\x90"] * 100_000)
    push(entries=[bytes(100)] * 50_000)
    push(origin="o" * 5000)
    push(origin=target.origin)
    push(origin=ORIGIN)
    push(start=2**63 - 1)
    push(payloads=[(2**63 - 1, bytes(16), b"x")])
    push(payloads=[(0, bytes(16), b"x"), (0, bytes(16), b"x")])
    push(checkpoint="\n" * 200_000)
    push(checkpoint=f"{target.partner_origin}\n1\n{'A' * 44}\n\n" + "— x AAAA\n" * 200)
    push(witnessed="x" * MIB)
    push(proof=[b""] * 64)
    push(proof=[b""] * 65)


def test_joins_that_nobody_asked_for(target: Target) -> None:
    evil = f"evil/{target.origin[-16:]}"
    for origin in (evil, ORIGIN, target.origin, target.partner_origin, "..", "o" * 100_000):
        batch = Batch(origin=origin, start=0, entries=[b"x"], payloads=[(0, bytes(16), b"x")], checkpoint="x")
        check_refused(
            target.sync("join", wire.format_join_request(JoinRequest(batch=batch, secret=bytes(32))))
        )
    check_refused(target.sync("join", bytes(wire.MAX_JOIN_BYTES + 1)), 413)


def test_a_chunked_body_without_an_end_is_cut_off(target: Target) -> None:
    head = b"POST /sync/v1/join HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    status, _ = target.send(head + (b"10000\r\n" + bytes(0x10000) + b"\r\n") * 200)
    assert status in (0, 413)


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/../../x",
        "/tile/0/..%2f..%2fcheckpoint",
        "/tile/entries/%2e%2e/%2e%2e",
        "/tile/0/-1",
        "/tile/0/x001",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/999999999999999999999",
        "/tile/64/000",
        "/tile/0/" + "x999/" * 20 + "999",
        "/tile/0/%00",
        "/tile/0/%ff%fe",
        "/tile/0/000%0d%0ax:y",
        "/tile//",
        "/checkpoint/..",
    ],
)
def test_paths_of_tiles(target: Target, path: str) -> None:
    check_refused(
        target.send(f"GET {log_path(target.origin)}{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()), 404
    )


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", (400,)),
        (b"\xff\xfe", (400,)),
        (b"old 0\n\n", (400,)),
        (b"old -1\n\nx\n1\nx\n\n", (400,)),
        (b"old 00\n\n" + b"x", (400,)),
        (b"old 1\n" + b"A" * 43 + b"=\n" * 100 + b"\n", (400,)),
        (b"old 0\n\nevil/0123456789abcdef\n1\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 x AAAAAAAA\n", (404,)),
        (b"old 9\n\nevil/0123456789abcdef\n1\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 x AAAAAAAA\n", (404,)),
        (b"old 0\n\n" + bytes(300_000), (400, 413)),
        (bytes(3 * MIB), (413,)),
    ],
)
def test_add_checkpoint(target: Target, body: bytes, statuses: tuple[int, ...]) -> None:
    check_refused(target.post("/add-checkpoint", body, {}), *statuses)


def test_a_partners_checkpoint_by_a_stranger(target: Target) -> None:
    note = f"{target.partner_origin}\n1\n{'A' * 43}=\n\n— {target.partner_origin} {'A' * 96}\n"
    check_refused(target.post("/add-checkpoint", b"old 0\n\n" + note.encode(), {}), 403)


@pytest.mark.parametrize(
    "token", ["", "x", "Bearer", "Bearer ", "Basic eDp4", "Bearer \xff", "Bearer " + "a" * 8000]
)
@pytest.mark.parametrize(
    "path", ["/memos", "/capture", "/people", "/invitations", "/agreements", "/facts", "/sync/../memos"]
)
def test_writes_without_the_token(target: Target, path: str, token: str) -> None:
    headers = {"authorization": token, "content-type": "application/json"}
    check_refused(target.post(path, b'{"text": "x"}', headers), 401, 404)


@pytest.mark.parametrize(
    "path", ["/entries", "/events", "/status", "/members", "/due", "/agreements", "/trace/back?id=x"]
)
@pytest.mark.parametrize("before", ["", "/log/..", "/sync/..", "/log/%2e%2e", "/"])
def test_reads_without_the_token(target: Target, path: str, before: str) -> None:
    answer = target.send(f"GET {before}{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    check_refused(answer, 401, 404)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /events/%0d%0aset-cookie:%20x HTTP/1.1\r\nhost: x\r\n",
        b"GET /events/\xff\xfe HTTP/1.1\r\nhost: x\r\n",
        b"GET /events/" + b"%25" * 2000 + b" HTTP/1.1\r\nhost: x\r\n",
        b"GET /receipts/" + b"a" * 64 + b"?payload=maybe HTTP/1.1\r\nhost: x\r\n",
        b"GET /entries?origin=%ED%A0%80 HTTP/1.1\r\nhost: x\r\n",
        b"POST /memos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: a\xff\r\n"
        b"content-length: 13\r\n",
        b"POST /memos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 13\r\n"
        b"content-length: 14\r\n",
        b"POST /memos HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\ntransfer-encoding: chunked\r\n",
        b"POST /capture?audience=%00 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 13\r\n",
        b"GET  /status HTTP/1.1\r\nhost: x\r\n",
        b"GET /status HTTP/9.9\r\nhost: x\r\n",
        b"BREW /status HTTP/1.1\r\nhost: x\r\n",
    ],
)
def test_raw_requests_of_the_operator(target: Target, raw: bytes) -> None:
    authorization = f"authorization: Bearer {target.token}\r\n\r\n".encode()
    status, body = target.send(raw + authorization + b'{"text": 1.5}')
    assert status == 0 or 400 <= status < 500, (status, body)
    assert b"set-cookie" not in body.lower() or status == 404


def test_random_bytes_at_the_port(target: Target) -> None:
    for length in (1, 100, 10_000):
        status, _ = target.send(sha256(b"%d" % length).digest() * length + os.urandom(length))
        assert status in (0, 400, 431)
