"""The transport against partners that are slow, silent, huge, malformed or hostile: real sockets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from ledger.errors import MalformedError, MissingError, TallyError, TooLargeError, UnavailableError
from ledger.log.signature import public_key
from ledger.members.roster import Address
from node.sync.calls import Call, Reply
from node.sync.http import HttpTransport
from node.tls import make_certificate, server_context

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CALL = Call(path="/sync/v1/heads", body=b"x", max_answer_bytes=1000)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Big: 1\r\n\r\nhi"


def answering(data: bytes, *, close: bool = True) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()
        else:
            await asyncio.sleep(3600)

    return serve


def ask(
    serve: Serve,
    *,
    timeout_s: float = 5,
    seed: bytes | None = None,
    pin: bytes | None = None,
    node_key: bytes | None = None,
) -> Reply:
    """One request to a server that behaves as told."""

    async def run() -> Reply:
        certificate = None if seed is None else make_certificate(seed, "bolt/0123456789abcdef", ["127.0.0.1"])
        context = None if seed is None or certificate is None else server_context(seed, certificate)
        tasks: set[asyncio.Task[object]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        scheme = "http" if context is None else "https"
        address = Address(url=f"{scheme}://127.0.0.1:{port}", certificate=pin or certificate)
        transport = HttpTransport(
            lambda partner: address, timeout_s=timeout_s, key_of=lambda partner: node_key
        )
        try:
            return await transport.request("bolt", CALL)
        finally:
            await transport.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()
            await server.wait_closed()

    return asyncio.run(run())


def test_an_answer_comes_back_with_lower_case_headers() -> None:
    reply = ask(answering(OK))
    assert (reply.status, reply.body, reply.headers["x-big"]) == (200, b"hi", "1")


def test_a_silent_partner_costs_no_more_than_the_timeout() -> None:
    with pytest.raises(UnavailableError, match="no answer in time"):
        ask(answering(b"", close=False), timeout_s=0.2)


def test_a_partner_that_stops_halfway_costs_no_more_than_the_timeout() -> None:
    with pytest.raises(UnavailableError, match="no answer in time"):
        ask(answering(OK[:-1], close=False), timeout_s=0.2)


def test_an_answer_that_breaks_off_is_an_error_of_the_partner() -> None:
    with pytest.raises(UnavailableError):
        ask(answering(OK[:-1]))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + bytes(100_000),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1000\r\n%s\r\n" % bytes(4096) * 50,
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000),
    ],
)
def test_a_huge_answer_is_cut_off(data: bytes) -> None:
    with pytest.raises(TooLargeError):
        ask(answering(data))


def test_headers_without_end_are_cut_off() -> None:
    with pytest.raises(UnavailableError):
        ask(
            answering(b"HTTP/1.1 200 OK\r\n" + b"x: yyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 20_000, close=False),
            timeout_s=2,
        )


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"GZIP", b"identity, gzip"])
def test_a_gzip_bomb_is_refused_before_it_is_opened(encoding: bytes) -> None:
    bomb = gzip.compress(bytes(10_000_000))[:900]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: %d\r\n\r\n" % (encoding, len(bomb))
    with pytest.raises(MalformedError, match="content-encoding"):
        ask(answering(head + bomb))


def test_a_redirect_is_not_followed() -> None:
    reply = ask(answering(b"HTTP/1.1 307 No\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"))
    assert reply.status == 307


@pytest.mark.parametrize("data", [b"", b"\x00\x01\x02", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_an_error_of_the_partner(data: bytes) -> None:
    with pytest.raises(UnavailableError):
        ask(answering(data))


def test_nobody_listening_is_an_error_with_an_action() -> None:
    async def run() -> None:
        transport = HttpTransport(lambda partner: Address(url="http://127.0.0.1:1"), timeout_s=1)
        try:
            await transport.request("bolt", CALL)
        finally:
            await transport.close()

    with pytest.raises(UnavailableError) as caught:
        asyncio.run(run())
    assert caught.value.action


def test_a_partner_without_an_address_cannot_be_called() -> None:
    transport = HttpTransport(lambda partner: Address(), timeout_s=1)
    with pytest.raises(MissingError):
        asyncio.run(transport.request("bolt", CALL))


def test_the_pinned_certificate_is_accepted() -> None:
    assert ask(answering(OK), seed=bytes(31) + b"\x01").body == b"hi"


def test_another_certificate_is_refused_although_it_names_the_partner() -> None:
    other = make_certificate(bytes(31) + b"\x02", "bolt/0123456789abcdef", ["127.0.0.1"])
    assert public_key(bytes(31) + b"\x02")
    with pytest.raises(TallyError):
        ask(answering(OK), seed=bytes(31) + b"\x01", pin=other)


def test_a_certificate_of_another_key_than_the_node_key_is_refused() -> None:
    seed = bytes(31) + b"\x01"
    assert ask(answering(OK), seed=seed, node_key=public_key(seed)).body == b"hi"
    with pytest.raises(TallyError, match="certificate of bolt"):
        ask(answering(OK), seed=seed, node_key=public_key(bytes(31) + b"\x02"))


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https://",
        "http:///sync",
        "http://[",
        "http://[::1",
        "http://a:99999",
        "http://a:0",
        "http://a:b",
        "http://a b",
        "http://a\r\nx: y",
        "http://\x00",
        "http://\ud800",
        "http://" + "a" * 290,
        "http://" + "a." * 140,
        "http://..",
        "http://xn--a",
        "http://\u2025",
        "http://%00",
        "http://user:pass@",
        "https://?",
        "https://#",
    ],
)
def test_an_address_that_is_none_is_an_error_of_the_partner(url: str) -> None:
    async def run() -> None:
        transport = HttpTransport(lambda partner: Address(url=url), timeout_s=1)
        try:
            await transport.request("bolt", CALL)
        finally:
            await transport.close()

    with pytest.raises(TallyError):
        asyncio.run(run())


def test_a_new_address_is_called_while_the_old_one_still_answers() -> None:
    """One request hangs at the old address while the next goes to the new one; both get their answers."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(OK)
        writer.close()

    async def run() -> list[Reply | BaseException]:
        servers = [await asyncio.start_server(slow, "127.0.0.1", 0) for _ in range(2)]
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
        transport = HttpTransport(lambda partner: Address(url=urls[0]), timeout_s=5)
        first = asyncio.create_task(transport.request("bolt", CALL))
        await asyncio.sleep(0.1)
        urls.pop(0)
        second = asyncio.create_task(transport.request("bolt", CALL))
        found = await asyncio.gather(first, second, return_exceptions=True)
        await transport.close()
        for server in servers:
            server.close()
        return list(found)

    first, second = asyncio.run(run())
    assert isinstance(first, Reply | TallyError)
    assert isinstance(second, Reply)


def test_proxies_from_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert ask(answering(OK)).body == b"hi"
