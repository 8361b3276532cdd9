"""Reading logs as the public standard has it (C2SP tlog-tiles), and a list of the logs for people.

    GET /logs                                         origins, vkeys and sizes, as JSON
    GET /log/<hex SHA-256 of the origin>/checkpoint   the newest signed note of which all is here
    GET /log/<…>/tile/<level>/<n>[.p/<width>]         hashes
    GET /log/<…>/tile/entries/<n>[.p/<width>]         entries; payloads are never served here

Where the network's policy keeps tiles to its members, these requests carry a member's signature like those
between nodes. Tiles never change: they may be kept for ever, checkpoints must be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from ledger.errors import MalformedError, MissingError, TallyError
from ledger.log.tile import TILE_HASHES, TILE_LEVELS, TilePlace, format_bundle, log_path, parse_tile_path
from ledger.log.tree import MAX_SIZE
from node.api.sync import sync_request
from node.limits import error_body, status_of
from node.node import Node
from node.state import Head
from node.store.reader import StoredNote
from node.sync.door import Door
from node.sync.workers import Offload

NOTE_TYPE = "text/plain; charset=utf-8"
TILE_TYPE = "application/octet-stream"
FOR_EVER = "max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class TileReads:
    """What is read of logs; every method may be called from any thread."""

    def __init__(self, node: Node, door: Door) -> None:
        self._node = node
        self._door = door

    @property
    def open(self) -> bool:
        """Whether anybody may read."""
        return self._node.state.roster.founding.policy.tiles == "open"

    def check_reader(self, request: Request) -> None:
        """Check that whoever asks may read. Raises ForbiddenError."""
        if not self.open:
            self._door.check_sender(sync_request(request))

    def logs(self) -> list[dict[str, Any]]:
        """The logs that are here."""
        state = self._node.state
        found = []
        for origin, head in sorted(state.heads.items()):
            note = newest_whole(head)
            organization = origin.partition("/")[0]
            if origin in state.roster.logs(organization):
                found.append(
                    {
                        "origin": origin,
                        "vkey": state.roster.log_key(origin, note.size if note else None).text,
                        "size": note.size if note else 0,
                        "path": log_path(origin),
                    }
                )
        return found

    def checkpoint(self, name: str) -> bytes:
        """The newest note of which every entry is here."""
        note = newest_whole(self._head(name))
        if note is None:
            raise MissingError(f"/log/{name}/checkpoint", found="none", expected="a signed note")
        return note.note.encode()

    def tile(self, name: str, path: str) -> bytes:
        """A tile of hashes or a bundle of entries."""
        head = self._head(name)
        place = parse_tile_path(path)
        note = newest_whole(head)
        start = place.index * TILE_HASHES
        if start + place.width > _width(place, note.size if note else 0):
            raise MissingError(
                f"/log/{name[:64]}{path}", found="not that long yet", expected="a tile of the checkpoint"
            )
        origin = head.copy.origin
        if place.level is None:
            return format_bundle(self._node.reader.entries(origin, start, place.width))
        return self._node.reader.read_tile(origin, place.level, place.index, place.width)

    def _head(self, name: str) -> Head:
        for origin, head in self._node.state.heads.items():
            if sha256(origin.encode()).hexdigest() == name:
                return head
        raise MissingError(
            f"/log/{name[:64]}", found="no such log", expected="a log in /logs", action="read /logs"
        )


def tiles_router(node: Node, door: Door, offload: Offload) -> APIRouter:
    """The routes of tile reads."""
    reads = TileReads(node, door)
    router = APIRouter(tags=["logs"])

    @router.get("/logs", summary="The logs that this node holds, with the keys that verify them")
    async def logs(request: Request) -> Response:
        return await _answered(offload, lambda: _logs(reads, request))

    @router.get("/log/{name}/checkpoint", summary="The newest signed note of a log")
    async def checkpoint(name: str, request: Request) -> Response:
        return await _answered(offload, lambda: _checkpoint(reads, name, request))

    @router.get("/log/{name}/tile/{rest:path}", summary="A tile of hashes or of entries")
    async def tile(name: str, rest: str, request: Request) -> Response:
        return await _answered(offload, lambda: _tile(reads, name, f"/tile/{rest}", request))

    return router


async def _answered(offload: Offload, read: Callable[[], Response]) -> Response:
    """What a read gives, or its refusal. A path that is none is simply not there."""
    try:
        return await offload(read)
    except TallyError as error:
        status = 404 if isinstance(error, MalformedError) else status_of(error)
        return JSONResponse(error_body(error), status)


def newest_whole(head: Head) -> StoredNote | None:
    """The largest note of a log of which the copy has every entry."""
    notes = [note for note in head.notes() if note.size <= head.copy.size]
    return notes[-1] if notes else None


def _width(place: TilePlace, size: int) -> int:
    """How many hashes, or entries, a log of this size has on the level."""
    return min(size, MAX_SIZE) >> TILE_LEVELS * (place.level or 0)


def _logs(reads: TileReads, request: Request) -> Response:
    reads.check_reader(request)
    return JSONResponse({"logs": reads.logs()}, headers={"cache-control": ASK_AGAIN})


def _checkpoint(reads: TileReads, name: str, request: Request) -> Response:
    reads.check_reader(request)
    return Response(reads.checkpoint(name), media_type=NOTE_TYPE, headers={"cache-control": ASK_AGAIN})


def _tile(reads: TileReads, name: str, path: str, request: Request) -> Response:
    reads.check_reader(request)
    keep = "public" if reads.open else "private"
    return Response(
        reads.tile(name, path), media_type=TILE_TYPE, headers={"cache-control": f"{keep}, {FOR_EVER}"}
    )
