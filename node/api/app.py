"""The application of a node: its routers, and around them what guards every request.

From outside in: figures, rates (partners' and public paths), the operator's token, bodies read within
their limits, a limit on time, hot paths, then the framework and its handlers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI

from ledger.trace.document import MAX_DOCUMENT_BYTES
from node.api import agreements, capture, docs, log, members, record, status, trace
from node.api.describe import describe
from node.api.errors import add_error_handlers
from node.api.guard import Measured, OperatorOnly
from node.api.hot import HotPaths
from node.api.requests import UnsupportedMedia, unsupported
from node.home import read_token
from node.limits import BodyLimit, Rate, RateLimit, TimeLimit
from node.node import Node
from node.sync.wire import MAX_JOIN_BYTES, PREFIX

DESCRIPTION = "A node of a shared ledger: agreements, events, receipts. Bodies are JSON unless they say so."


def create_app(
    node: Node,
    *,
    routers: Sequence[APIRouter] = (),
    partners: Callable[[], Any] = list,
    outside: Callable[[], Any] = list,
    token: str | None = None,
) -> FastAPI:
    """The application that serves a node.

    `routers` are those of the exchange between nodes and of C2SP clients; `partners` and `outside` tell
    `/status` how it stands with each partner and each outside witness; `token` is the operator's, else the
    one in the home.
    """
    app = FastAPI(
        title="Tallystick node",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # Nothing of a node goes to anybody's collector; asking for one would cost every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    own = (record, capture, agreements, members, log, trace)
    for module in own:
        app.include_router(module.router(node))
    app.include_router(status.router(node, partners, outside))
    app.include_router(docs.router())
    for router in routers:
        app.include_router(router)
    add_error_handlers(app)
    app.add_exception_handler(UnsupportedMedia, unsupported)
    describe(app, [*record.FORMS, *agreements.FORMS, *members.FORMS])
    _guard(app, node, token or read_token(node.home))
    return app


def _guard(app: FastAPI, node: Node, token: str) -> None:
    """The last one added stands outermost."""
    settings = node.settings
    partner_rate = Rate(per_s=settings.partner_requests_per_s, burst=settings.partner_burst)
    app.add_middleware(HotPaths, paths=record.hot_paths(node))
    app.add_middleware(TimeLimit, limit_s=settings.request_timeout_s)
    app.add_middleware(
        BodyLimit,
        default_bytes=settings.max_body_bytes,
        limits_bytes={
            "/sync/": settings.max_sync_body_bytes,
            f"{PREFIX}/join": MAX_JOIN_BYTES,
            "/capture": MAX_DOCUMENT_BYTES,
        },
        buffered_bytes=settings.max_buffered_bytes,
    )
    app.add_middleware(OperatorOnly, token=token)
    app.add_middleware(
        RateLimit,
        rates=dict.fromkeys(("/sync/", "/log/", "/add-checkpoint"), partner_rate),
        monotonic_s=time.monotonic,
    )
    app.add_middleware(Measured, metrics=node.metrics)
