"""Runs an ASGI application under uvicorn, with deadlines and limits that uvicorn leaves open.

A connection is always in one of these states, each with its deadline, after which it is closed:

    waiting    nothing sent yet, or the last answer is out                 idle_timeout_s
    head       request line and headers are coming                        header_timeout_s
    body       headers are complete, the body is coming                   body_timeout_s + its time at
                                                                          min_body_bytes_per_s
    answering  the application works; it has a time limit of its own,     answer_timeout_s
               this one ends callers who do not read what they asked for

The head has a limit on bytes and on lines, a TLS handshake the deadline of a head. Connections are limited
altogether and by address; one too many is answered 503. Refusals here have the error body of `limits`.
SIGTERM and SIGINT end the server cleanly: no new connections, requests in flight have
`shutdown_timeout_s` to finish, then the application's own shutdown runs, and `serve` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ledger.errors import MalformedError, TallyError, TooLargeError, UnavailableError
from node.config import Settings
from node.limits import App, Door, error_body

BACKLOG = 512
MAX_HEADER_LINES = 100
MAX_PIPELINED = 8
TLS_GOODBYE_S = 1.0
"""How long a closing connection waits for the other side's farewell: idle partners do not send one."""

OnStarted = Callable[[str, int], None]
"""Told host and real port once connections are accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What one caller may take, by the names of the settings."""

    idle_timeout_s: float = 30
    header_timeout_s: float = 10
    body_timeout_s: float = 15
    min_body_bytes_per_s: int = 32 * 1024
    answer_timeout_s: float = 90
    shutdown_timeout_s: float = 10
    max_header_bytes: int = 16 * 1024
    max_connections: int = 512
    max_connections_per_client: int = 256


def limits_of(settings: Settings) -> ServerLimits:
    """The limits that a node's settings ask for."""
    return ServerLimits(
        idle_timeout_s=settings.idle_timeout_s,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        min_body_bytes_per_s=settings.min_body_bytes_per_s,
        answer_timeout_s=settings.request_timeout_s + settings.idle_timeout_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        max_header_bytes=settings.max_header_bytes,
        max_connections=settings.max_connections,
        max_connections_per_client=settings.max_connections_per_client,
    )


class _RefusedHeadError(Exception):
    """Leaves the parser's callbacks when a head is over a limit."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's connection with the deadlines and limits above."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ServerLimits,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door = door
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        self._in_head = False
        self._receiving = False
        self._head_bytes = 0
        self._lines_bytes = 0
        self._body_bytes = 0
        self._body_since_s = 0.0
        self._refusal: tuple[int, TallyError] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._arm(self._limits.idle_timeout_s)
        if not self._door.enter(self.client):
            error = UnavailableError(
                "connection", found="too many connections", expected="fewer", action="Try again later."
            )
            self._answer_and_close(503, error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._door.leave(self.client)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # A line without an end never reaches the callbacks: it is counted here.
        if self._in_head and self._head_bytes > self._limits.max_header_bytes:
            self._refuse_head()
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._receiving = True
        self._head_bytes = self._lines_bytes = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse_head()
            raise _RefusedHeadError
        self._arm(self._limits.header_timeout_s)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._check_head(len(self.url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._lines_bytes += len(name) + len(value) + 4
        self._check_head(len(self.url) + self._lines_bytes)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._body_bytes = 0
        self._body_since_s = self.loop.time()
        self._arm(self._limits.body_timeout_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = False
        answered = self.cycle is None or self.cycle.response_complete
        self._arm(self._limits.idle_timeout_s if answered else self._limits.answer_timeout_s)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._receiving:
            working = self.cycle is not None and not self.cycle.response_complete  # a pipelined request
            self._arm(self._limits.answer_timeout_s if working else self._limits.idle_timeout_s)

    def send_400_response(self, msg: str) -> None:
        status, error = self._refusal or (
            400,
            MalformedError(
                "request",
                found="no HTTP request",
                expected="HTTP/1.1",
                action="Check the address (http or https).",
            ),
        )
        self._answer_and_close(status, error)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._unsent_bytes = self.transport.get_write_buffer_size() if self.transport else 0
        self._deadline = self.loop.call_later(seconds, self._expired)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self) -> None:
        """Closes, unless a body comes fast enough, an answer still drains, or it is us who do not read."""
        limits = self._limits
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent_bytes:
            self._arm(limits.idle_timeout_s)
            return
        if self._receiving and not self._in_head and not self.transport.is_closing():
            if self.flow.read_paused:
                self._arm(limits.body_timeout_s)
                return
            allowed_s = limits.body_timeout_s + self._body_bytes / limits.min_body_bytes_per_s
            left_s = self._body_since_s + allowed_s - self.loop.time()
            if left_s > 0:
                self._arm(max(left_s, 0.05))
                return
        # Not close(), which would wait for ever for a caller that does not read.
        self.transport.abort()

    def _check_head(self, size_bytes: int) -> None:
        if size_bytes > self._limits.max_header_bytes or len(self.headers) > MAX_HEADER_LINES:
            self._refuse_head()
            raise _RefusedHeadError

    def _refuse_head(self) -> None:
        error = TooLargeError(
            "request headers",
            found="more",
            expected=f"at most {self._limits.max_header_bytes} bytes in {MAX_HEADER_LINES} lines",
            action="Send fewer or shorter headers.",
        )
        self._refusal = (431, error)

    def _answer_and_close(self, status: int, error: TallyError) -> None:
        """A refusal written past the application; cut off where an answer is already on its way."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        body = json.dumps(error_body(error)).encode()
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class NodeServer(uvicorn.Server):
    """uvicorn's server on a socket of ours, with our protocol, that ends with a return and not a signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        *,
        limits: ServerLimits,
        on_started: OnStarted | None = None,
        on_connections: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._limits = limits
        self._door = Door(limits.max_connections, limits.max_connections_per_client, on_change=on_connections)
        self._on_started = on_started

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self._listener.close()

    def give_up(self) -> None:
        """Let go of the port without having served."""
        self._listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise UnavailableError(
                "server", found="the application did not start", action="Read the log lines before this one."
            )
        loop = asyncio.get_running_loop()
        context = self.config.ssl
        server = await loop.create_server(
            self._protocol,
            sock=self._listener,
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._limits.header_timeout_s if context else None,
            ssl_shutdown_timeout=TLS_GOODBYE_S if context else None,
        )
        self.servers = [server]
        self.started = True
        if self._on_started:
            host, port = self._listener.getsockname()[:2]
            self._on_started(host, port)

    def _protocol(self) -> GuardedProtocol:
        return GuardedProtocol(
            self.config, self.server_state, self.lifespan.state, limits=self._limits, door=self._door
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals ask for an end; unlike uvicorn, they are not raised again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can listen to signals
            return
        before = {number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and number == signal.SIGINT  # the second Ctrl-C does not wait
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UnavailableError(
            f"{host}:{port}",
            found=error.strerror or str(error),
            expected="a free address of this machine",
            action="Stop the program that uses it, or set TALLY_HOST and TALLY_PORT.",
        ) from error
    return listener


def make_server(
    app: App,
    *,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    limits: ServerLimits,
    on_started: OnStarted | None = None,
    on_connections: Callable[[int], None] | None = None,
) -> NodeServer:
    """A server that already holds its port; `await server.serve()` runs it, `should_exit = True` ends it."""
    config = uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=max(1, round(limits.idle_timeout_s)),
        timeout_graceful_shutdown=max(1, round(limits.shutdown_timeout_s)),
        ssl_context_factory=(lambda config, default: context) if context else None,
    )
    listener = listen(host, port)
    return NodeServer(config, listener, limits=limits, on_started=on_started, on_connections=on_connections)


def serve(
    app: App,
    *,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    limits: ServerLimits | None = None,
    on_started: OnStarted | None = None,
    on_connections: Callable[[int], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then returns; TLS where there is a context."""
    server = make_server(
        app,
        host=host,
        port=port,
        context=context,
        limits=limits or ServerLimits(),
        on_started=on_started,
        on_connections=on_connections,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())
