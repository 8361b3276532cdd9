"""Paths that must be quick, answered before the framework looks for a route.

The framework's own way to a handler costs more than everything that is done for a memo. So the handlers
of hot paths are called at once; they are registered as routes as well, for the description and for tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ledger.errors import TallyError
from node.api.errors import refusal
from node.api.requests import UnsupportedMedia, unsupported
from node.limits import App, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class HotPath:
    """A path without parameters, and what answers a POST to it."""

    path: str
    handler: Handler


class HotPaths:
    """Calls the handlers of hot paths; everything else goes on to the framework."""

    def __init__(self, app: App, *, paths: Mapping[str, HotPath]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = self._paths.get(scope["path"]) if scope["type"] == "http" else None
        if hot is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = hot  # where figures find the path's template
        try:
            response = await hot.handler(Request(scope, receive))
        except TallyError as error:
            response = refusal(error)
        except UnsupportedMedia as error:
            response = await unsupported(Request(scope), error)
        await response(scope, receive, send)
