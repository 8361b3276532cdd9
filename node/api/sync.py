"""Requests between nodes over HTTP: `/sync/v1/*`, strict msgpack in and out (docs/format.md, section 8).

Here is only what HTTP needs; `node.sync.door` checks and answers. It may wait for the disk, so it never
runs on the event loop. These routes stand in no OpenAPI description: they are for nodes, not for people.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from node.sync import wire
from node.sync.door import Door
from node.sync.door import Request as SyncRequest
from node.sync.workers import Offload


def sync_router(door: Door, offload: Offload) -> APIRouter:
    """The routes of the sync protocol. The body's limit is the server's (`node.limits`) and the door's."""
    router = APIRouter(prefix=wire.PREFIX, include_in_schema=False)

    @router.post("/{verb}")
    async def answer(request: Request) -> Response:
        """One request of a partner."""
        asked = sync_request(request, await request.body())
        found = await offload(lambda: door.answer(asked))
        return Response(found.body, found.status, media_type=found.media_type, headers=dict(found.headers))

    return router


def sync_request(request: Request, body: bytes = b"") -> SyncRequest:
    """A request as the door wants it: its target as it stood on the wire."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    target = path + (b"?" + query if query else b"")
    return SyncRequest(
        method=request.method,
        target=target.decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
        body=body,
    )
