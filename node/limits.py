"""ASGI middlewares that keep one caller from harming the rest, and the one shape of an error answer.

From outside in: `RateLimit` (429), `BodyLimit` (413, 415, and 503 while too much is in flight), then
`TimeLimit` (503), then the application. `BodyLimit` reads the whole body before the application runs:
every handler needs all of it anyway, and so none of them can be handed a stream that never ends.

    {"error": {"where": …, "expected": …, "found": …, "action": …, "code": …}}

`code` is the sort of failure: malformed, too_large, invalid, fork, gap, rollback, forbidden, missing,
conflict, unavailable, usage.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ledger.errors import (
    ConflictError,
    ForbiddenError,
    ForkError,
    GapError,
    InvalidError,
    MalformedError,
    MissingError,
    RollbackError,
    TallyError,
    TooLargeError,
    UnavailableError,
    UsageError,
    short,
)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# The narrowest class comes first.
_SORTS: Sequence[tuple[type[TallyError], str, int]] = (
    (TooLargeError, "too_large", 413),
    (MalformedError, "malformed", 400),
    (ForkError, "fork", 422),
    (GapError, "gap", 422),
    (RollbackError, "rollback", 422),
    (InvalidError, "invalid", 422),
    (ForbiddenError, "forbidden", 403),
    (MissingError, "missing", 404),
    (ConflictError, "conflict", 409),
    (UnavailableError, "unavailable", 503),
    (UsageError, "usage", 400),
)
_UNSUPPORTED_MEDIA_TYPE = 415
_TOO_MANY_REQUESTS = 429
_RETRY_S = 1
_LENGTH = re.compile(rb"[0-9]{1,18}")


def error_body(error: TallyError) -> dict[str, dict[str, str]]:
    """What an answer says about a failure."""
    return {
        "error": {
            "where": error.where,
            "expected": error.expected,
            "found": error.found,
            "action": error.action,
            "code": _sort_of(error)[0],
        }
    }


def status_of(error: TallyError) -> int:
    """The HTTP status of a failure."""
    return _sort_of(error)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests per second on average, and so many at once."""

    per_s: float
    burst: int


class TokenBuckets:
    """One bucket of tokens for each key; pure but for its own state, the caller brings the time.

    Only the `max_keys` keys that asked last are kept: who comes back after that finds a full bucket.
    """

    def __init__(self, rate: Rate, max_keys: int = 4096) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now_s: float) -> float:
        """Takes a token: 0 where there was one, else the seconds until there is."""
        tokens, since_s = self._buckets.pop(key, (float(self._rate.burst), now_s))
        tokens = min(self._rate.burst, tokens + max(0.0, now_s - since_s) * self._rate.per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._rate.per_s
        self._buckets[key] = (tokens if wait_s else tokens - 1, now_s)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait_s


class Door:
    """Counts open connections, altogether and by address."""

    def __init__(
        self, most: int, most_per_client: int, *, on_change: Callable[[int], None] | None = None
    ) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._on_change = on_change
        self._by_client: Counter[str] = Counter()
        self._open = 0

    def enter(self, address: tuple[str, int] | None) -> bool:
        """Counts a connection in; False where it is one too many (it leaves all the same)."""
        client = address[0] if address else ""
        self._by_client[client] += 1
        self._change(1)
        return self._open <= self._most and self._by_client[client] <= self._most_per_client

    def leave(self, address: tuple[str, int] | None) -> None:
        """Counts a connection out."""
        client = address[0] if address else ""
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]
        self._change(-1)

    def _change(self, by: int) -> None:
        self._open += by
        if self._on_change:
            self._on_change(self._open)


class RateLimit:
    """Refuses requests to some paths when one address sends them too fast.

    Behind a proxy all callers share its address. `monotonic_s` is the clock.
    """

    def __init__(self, app: App, *, rates: Mapping[str, Rate], monotonic_s: Callable[[], float]) -> None:
        self._app = app
        self._buckets = [(prefix, TokenBuckets(rate)) for prefix, rate in _longest_first(rates)]
        self._monotonic_s = monotonic_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            buckets = next((found for prefix, found in self._buckets if _under(scope, prefix)), None)
            wait_s = buckets.take(_client(scope), self._monotonic_s()) if buckets else 0.0
            if wait_s:
                error = UnavailableError(
                    _where(scope), found="too many requests", expected="fewer", action="Wait, then try again."
                )
                await _refuse(send, error, status=_TOO_MANY_REQUESTS, retry_s=math.ceil(wait_s))
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads bodies up to a limit by path and hands them on whole; compressed ones are refused.

    An answer given before the body has come does not close the connection: closing under a caller that
    still sends would cost it the answer. The server drops what still comes, within its deadlines.
    """

    def __init__(
        self, app: App, *, default_bytes: int, limits_bytes: Mapping[str, int], buffered_bytes: int
    ) -> None:
        self._app = app
        self._default_bytes = default_bytes
        self._limits_bytes = _longest_first(limits_bytes)
        self._free_bytes = buffered_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next(
            (size for prefix, size in self._limits_bytes if _under(scope, prefix)), self._default_bytes
        )
        held = 0
        try:
            _check_headers(scope, limit)
            chunks: list[bytes] = []
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return  # the caller has gone; nobody to answer
                chunk = message.get("body", b"")
                if held + len(chunk) > limit:
                    raise _too_large(scope, "a longer body", limit)
                self._take(scope, len(chunk))
                held += len(chunk)
                chunks.append(chunk)
                more = message.get("more_body", False)
            await self._app(scope, _whole(b"".join(chunks), receive), send)
        except _RefusedError as refused:
            await _refuse(send, refused.error, status=refused.status)
        finally:
            self._free_bytes += held

    def _take(self, scope: Scope, count: int) -> None:
        """Counts bytes in flight, of all requests together."""
        if count > self._free_bytes:
            raise _RefusedError(
                UnavailableError(
                    _where(scope),
                    found="too many bodies in flight",
                    expected="fewer",
                    action="Try again later.",
                )
            )
        self._free_bytes -= count


class TimeLimit:
    """Ends requests that take too long; what they recorded by then stays recorded."""

    def __init__(self, app: App, *, limit_s: float) -> None:
        self._app = app
        self._limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._limit_s) as limit:
                await self._app(scope, receive, watched)
        except TimeoutError:
            if not limit.expired() or started:
                raise
            error = UnavailableError(
                _where(scope),
                found="no answer in time",
                expected=f"one within {self._limit_s:g} s",
                action="Try again; requests may be repeated safely.",
            )
            await _refuse(send, error)


class _RefusedError(Exception):
    """A refusal on its way to the answer, with a status of its own where HTTP has a better one."""

    def __init__(self, error: TallyError, status: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


def _sort_of(error: TallyError) -> tuple[str, int]:
    for kind, code, status in _SORTS:
        if isinstance(error, kind):
            return code, status
    return "invalid", 422


def _check_headers(scope: Scope, limit: int) -> None:
    """What can be refused before a byte of the body is read."""
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise _RefusedError(
                MalformedError(
                    _where(scope),
                    found=f"content-encoding {short(value.decode('latin-1'), 40)}",
                    expected="identity",
                    action="Send the body uncompressed.",
                ),
                _UNSUPPORTED_MEDIA_TYPE,
            )
        if name == b"content-length":
            if not _LENGTH.fullmatch(value):
                raise _RefusedError(
                    MalformedError(_where(scope), found="another content-length", expected="a number")
                )
            if int(value) > limit:
                raise _too_large(scope, f"{int(value)} bytes", limit)


def _too_large(scope: Scope, found: str, limit: int) -> _RefusedError:
    return _RefusedError(
        TooLargeError(
            _where(scope),
            found=found,
            expected=f"at most {limit} bytes of body",
            action="Send less at once.",
        )
    )


def _whole(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then whatever the server has to say (that the caller has gone)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(
    send: Send, error: TallyError, *, status: int | None = None, retry_s: int | None = None
) -> None:
    body = json.dumps(error_body(error)).encode()
    status = status or status_of(error)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if retry_s is None and isinstance(error, UnavailableError):
        retry_s = _RETRY_S
    if retry_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, retry_s)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _longest_first(limits: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(limits.items(), key=lambda item: -len(item[0]))


def _under(scope: Scope, prefix: str) -> bool:
    path: str = scope["path"]
    return path.startswith(prefix)


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _where(scope: Scope) -> str:
    return f"{scope['method']} {short(scope['path'])[1:-1]}"
