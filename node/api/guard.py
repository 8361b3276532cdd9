"""Who may ask: every path needs the operator's token, but for the few that are open to all.

`OperatorOnly` stands before anything reads a body. Open are the probes and descriptions of the node, and
the paths of partners and C2SP clients, whose handlers check signatures themselves.
"""

from __future__ import annotations

import hmac
import ipaddress
import time

from ledger.errors import ForbiddenError
from node.api.errors import refusal
from node.limits import App, Message, Receive, Scope, Send
from node.metrics import Metrics

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json", "/logs", "/add-checkpoint"})
OPEN_PREFIXES = ("/sync/", "/log/")
LOOPBACK_PATHS = frozenset({"/metrics"})
"""Open also to callers on this machine, unless a proxy stands between."""

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


class OperatorOnly:
    """Refuses requests without the operator's token; the comparison takes the same time for every token."""

    def __init__(self, app: App, *, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]) or self._is_operator(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"] in LOOPBACK_PATHS and _is_local(scope):
            await self._app(scope, receive, send)
            return
        error = ForbiddenError(
            "authorization",
            found="no token, or another one",
            expected="Authorization: Bearer <the operator's token>",
            action="the token stands in the file `token` of the node's home",
        )
        await refusal(error, status=401, headers={"www-authenticate": "Bearer"})(scope, receive, send)

    def _is_operator(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)
        return False


class Measured:
    """Counts answers by the template of their path."""

    def __init__(self, app: App, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            # Paths that nobody serves share one label: callers must not be able to make labels.
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.count_request(route, status, time.perf_counter() - started)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    if not client or any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
