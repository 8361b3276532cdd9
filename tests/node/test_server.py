"""The server over raw sockets: deadlines, limits, TLS, and a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvloop

from ledger.errors import UnavailableError
from node.config import Settings
from node.limits import App, BodyLimit, Message, Receive, Scope, Send
from node.server import NodeServer, ServerLimits, limits_of, listen, make_server
from node.tls import client_context, make_certificate, server_context

SEED = bytes(range(32))
CERTIFICATE = make_certificate(SEED, "acme/0123456789abcdef", ["127.0.0.1"])
QUICK = ServerLimits(
    idle_timeout_s=0.4,
    header_timeout_s=0.6,
    body_timeout_s=0.6,
    min_body_bytes_per_s=1000,
    answer_timeout_s=2,
    shutdown_timeout_s=5,
    max_header_bytes=4096,
    max_connections=6,
    max_connections_per_client=4,
)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"

Address = tuple[str, int]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """`/slow` takes a second, `/flood` answers with 20 MB, `/early` without reading; others echo the body."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = b""
    more = scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
        body = b"slow but sure"
    if scope["path"] == "/flood":
        body = bytes(20_000_000)
    await send(start(body))
    await send({"type": "http.response.body", "body": body})


def start(body: bytes) -> Message:
    headers = [(b"content-length", b"%d" % len(body))]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Running:
    def __init__(self) -> None:
        self.server: NodeServer | None = None
        self.address: Address = ("", 0)
        self.connections: list[int] = []


@contextmanager
def running(
    limits: ServerLimits = QUICK, context: ssl.SSLContext | None = None, serving: App = app
) -> Iterator[Running]:
    state = Running()
    started = threading.Event()

    def on_started(host: str, port: int) -> None:
        state.address = (host, port)
        started.set()

    state.server = make_server(
        serving,
        host="127.0.0.1",
        port=0,
        context=context,
        limits=limits,
        on_started=on_started,
        on_connections=state.connections.append,
    )

    def run() -> None:
        assert state.server is not None
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(state.server.serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield state
    finally:
        state.server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with running() as state:
        yield state.address


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=8)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = bytearray()
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            data += chunk
    return bytes(data)


def error_of(answer: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return error


def test_a_request_is_answered_and_says_nothing_about_the_server(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello")
        answer = connection.recv(1000) + connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"hello")
    assert b"uvicorn" not in answer.lower()
    assert b"date:" not in answer.lower()


def test_a_connection_that_sends_nothing_is_closed(address: Address) -> None:
    with connect(address) as connection:
        start_s = time.monotonic()
        assert read_all(connection) == b""
        assert 0.2 < time.monotonic() - start_s < 3


def test_a_connection_that_only_sends_empty_lines_is_closed(address: Address) -> None:
    with connect(address) as connection:
        start_s = time.monotonic()
        try:
            while time.monotonic() - start_s < 5:
                connection.sendall(b"\r\n")
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - start_s < 4


def test_a_kept_connection_is_closed_when_it_falls_silent(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(GET)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(GET)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        start_s = time.monotonic()
        assert read_all(connection) == b""
        assert time.monotonic() - start_s < 3


@pytest.mark.parametrize("head", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: ", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_half_a_header_is_closed(address: Address, head: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(head)
        start_s = time.monotonic()
        assert read_all(connection) == b""
        assert 0.4 < time.monotonic() - start_s < 3


def test_a_header_of_one_byte_now_and_then_is_closed(address: Address) -> None:
    with connect(address) as connection:
        start_s = time.monotonic()
        sent = 0
        try:
            for byte in b"GET / HTTP/1.1\r\nhost: " + b"x" * 200:
                connection.sendall(bytes([byte]))
                sent += 1
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - start_s < 4
        assert sent < 80


@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 100000\r\n\r\nhalf",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhal",
        b"transfer-encoding: chunked\r\n\r\n",
    ],
)
def test_half_a_body_is_closed(address: Address, body: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\n" + body)
        start_s = time.monotonic()
        assert read_all(connection) == b""
        assert 0.4 < time.monotonic() - start_s < 3


def test_a_body_that_drips_is_closed(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        start_s = time.monotonic()
        try:
            while time.monotonic() - start_s < 6:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - start_s < 4


def test_a_slow_body_that_is_fast_enough_is_answered(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.15)  # 1.5 s altogether, longer than any single deadline
            connection.sendall(b"x" * 500)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_a_slow_answer_outlives_the_other_deadlines(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"slow but sure" in read_all(connection)


def test_a_caller_who_does_not_read_the_answer_is_cut_off(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(3.5)
        assert len(read_all(connection)) < 20_000_000


def test_a_caller_who_reads_gets_a_long_answer(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert len(read_all(connection)) > 20_000_000


def test_an_answer_before_the_end_of_the_body_arrives(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n")
        connection.sendall(bytes(3_000_000))
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.sendall(GET)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_a_common_client_reads_why_its_body_was_too_large() -> None:
    limited = BodyLimit(app, default_bytes=2**21, limits_bytes={}, buffered_bytes=2**26)
    with running(ServerLimits(), serving=limited) as state:
        url = f"http://127.0.0.1:{state.address[1]}/"
        with httpx.Client(trust_env=False) as client:
            for body in (bytes(2**21 + 1), bytes(2**24), (bytes(2**16) for _ in range(100))):
                answer = client.post(url, content=body)
                assert answer.status_code == 413
                assert answer.json()["error"]["code"] == "too_large"
            assert client.post(url, content=bytes(2**21)).status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx: " + b"y" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 900_000,
        b"GET /" + b"y" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(600)),
    ],
)
def test_an_oversized_header_is_refused(address: Address, head: bytes) -> None:
    with connect(address) as connection:
        try:
            connection.sendall(head)
        except OSError:
            return  # cut off while still sending
        answer = read_all(connection)
    if answer:
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert error_of(answer)["code"] == "too_large"


def test_a_refused_header_says_what_is_expected(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: " + b"y" * 5000 + b"\r\n\r\n")
        assert error_of(read_all(connection))["expected"] == "at most 4096 bytes in 100 lines"


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET noslash HTTP/1.1\r\nhost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_or_closed(address: Address, junk: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(junk)
        answer = read_all(connection)
    assert not answer or answer.split(b" ")[1] in (b"200", b"400"), answer
    if b" 400 " in answer[:20]:
        assert error_of(answer)["code"] == "malformed"


def test_an_upgrade_is_ignored(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " not in read_all(connection)[:20]


def test_a_flood_of_pipelined_requests_is_cut_off(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
        assert read_all(connection).count(b"HTTP/1.1") < 20


def test_one_address_gets_only_so_many_connections() -> None:
    with running(replace(QUICK, idle_timeout_s=5)) as state:
        held = [connect(state.address) for _ in range(4)]
        time.sleep(0.2)
        with connect(state.address) as extra:
            answer = read_all(extra)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert error_of(answer)["found"] == "too many connections"
        held.pop().close()
        time.sleep(0.2)
        with connect(state.address) as after:
            after.sendall(GET)
            assert after.recv(100).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()
        time.sleep(0.2)
        assert max(state.connections) == 5
        assert state.connections[-1] == 0


def test_all_addresses_together_get_only_so_many() -> None:
    with running(replace(QUICK, idle_timeout_s=5, max_connections=2)) as state:
        held = [connect(state.address) for _ in range(2)]
        time.sleep(0.2)
        with connect(state.address) as extra:
            assert read_all(extra).startswith(b"HTTP/1.1 503 ")
        for connection in held:
            connection.close()


def test_tls_serves_who_pins_the_certificate() -> None:
    with running(context=server_context(SEED, CERTIFICATE)) as state:
        with client_context(CERTIFICATE).wrap_socket(connect(state.address)) as connection:
            connection.sendall(GET)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        other = make_certificate(bytes(32), "acme/0123456789abcdef", ["127.0.0.1"])
        with connect(state.address) as plain, pytest.raises(ssl.SSLError):
            client_context(other).wrap_socket(plain)


def test_tls_closes_who_does_not_shake_hands() -> None:
    with running(context=server_context(SEED, CERTIFICATE)) as state, connect(state.address) as connection:
        start_s = time.monotonic()
        assert read_all(connection) == b""
        assert time.monotonic() - start_s < 4


def test_tls_closes_half_a_header() -> None:
    with (
        running(context=server_context(SEED, CERTIFICATE)) as state,
        client_context(CERTIFICATE).wrap_socket(connect(state.address)) as connection,
    ):
        connection.sendall(GET[:-2])
        start_s = time.monotonic()
        with suppress(ssl.SSLError):  # closed without ceremony
            assert read_all(connection) == b""
        assert time.monotonic() - start_s < 4


def test_a_port_in_use_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UnavailableError):
        listen("192.0.2.1", 0)
    with pytest.raises(UnavailableError):
        listen("no such host.invalid", 0)


def test_an_application_that_does_not_start_stops_the_server() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    server = make_server(broken, host="127.0.0.1", port=0, context=None, limits=QUICK)
    with pytest.raises(UnavailableError):
        asyncio.run(server.serve())


def test_limits_come_from_the_settings() -> None:
    limits = limits_of(Settings.model_validate({"idle_timeout_s": 7, "request_timeout_s": 5}))
    assert (limits.idle_timeout_s, limits.answer_timeout_s) == (7, 12)


PROGRAM = """
import asyncio
from node.server import ServerLimits, serve

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], flush=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    print("request", flush=True)
    await asyncio.sleep(float(scope["query_string"] or 0))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})

serve(app, host="127.0.0.1", port=0, context=None, limits=ServerLimits(shutdown_timeout_s=2),
      on_started=lambda host, port: print(port, flush=True))
print("after", flush=True)
"""


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[str], Address]]:
    arguments: Any = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "lifespan.startup\n"
            yield child, ("127.0.0.1", int(child.stdout.readline()))
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly(number: signal.Signals) -> None:
    with process() as (child, address), connect(address):
        child.send_signal(number)
        output, _ = child.communicate(timeout=20)
        assert output.splitlines() == ["lifespan.shutdown", "after"]
        assert child.returncode == 0


def test_a_request_in_flight_is_still_answered() -> None:
    with process() as (child, address), connect(address) as connection:
        connection.sendall(b"GET /?1 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert child.stdout is not None
        assert child.stdout.readline() == "request\n"
        child.send_signal(signal.SIGTERM)
        assert read_all(connection).endswith(b"done")
        child.communicate(timeout=20)
        assert child.returncode == 0


def test_a_request_that_does_not_end_does_not_hold_the_server() -> None:
    with process() as (child, address), connect(address) as connection:
        connection.sendall(b"GET /?1000 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert child.stdout is not None
        assert child.stdout.readline() == "request\n"
        child.send_signal(signal.SIGTERM)
        start_s = time.monotonic()
        output, _ = child.communicate(timeout=20)
        assert time.monotonic() - start_s < 8
        assert output.splitlines() == ["lifespan.shutdown", "after"]
        assert child.returncode == 0
