"""`POST /add-checkpoint` (C2SP tlog-witness), for members' logs and for those that the settings name.

In this order:

    400  no such request
    404  no member's log of that name and none of the settings, or this node's own
    403  not signed by the log's key, or evidence against the log has been recorded
    400  an old size above the checkpoint's
    409  the old size is not the one cosigned last (it is in the body), or the same size has another root
    422  the proof does not lead from that size to the checkpoint
    503  this node may not cosign at present, or cannot have the entries; ask again
    200  the cosignature line, stored before it is given

A member's cosignature of another's log says *I hold this log to here*. So the size that this witness has of
a member's log is the size of the copy here, and a larger checkpoint is cosigned only after its entries were
pulled and stored. Of other logs it keeps the note that it cosigned last (`node.witness`).
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from ledger.errors import (
    ForbiddenError,
    ForkError,
    InvalidError,
    MalformedError,
    MissingError,
    TallyError,
    UnavailableError,
)
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.witness import AddCheckpoint, OtherSizeError, check_add_checkpoint, parse_add_checkpoint
from node.limits import error_body, status_of
from node.node import Node
from node.sync.engine import Engine
from node.sync.evidence import check_note_fits
from node.sync.storing import store_batch
from node.sync.wire import Batch
from node.sync.workers import Offload
from node.witness import OutsideLogs

SIZE_TYPE = "text/x.tlog.size"
LINE_TYPE = "text/plain; charset=utf-8"


class Witness:
    """Cosigns checkpoints."""

    def __init__(self, node: Node, engine: Engine, offload: Offload) -> None:
        self._node = node
        self._engine = engine
        self._offload = offload
        self._outside = OutsideLogs(node)

    async def add_checkpoint(self, body: bytes) -> Response:
        """The answer to one request."""
        try:
            line = await self._cosign(parse_add_checkpoint(body))
        except OtherSizeError as error:
            # Given as a header, since a media type of text would get a charset.
            return Response(f"{error.size}\n".encode(), 409, headers={"content-type": SIZE_TYPE})
        except TallyError as error:
            return JSONResponse(error_body(error), _status_of(error))
        return Response(line, 200, media_type=LINE_TYPE)

    async def _cosign(self, request: AddCheckpoint) -> str:
        origin = request.head.origin
        if not _is_member_log(self._node, origin):
            return await self._offload(lambda: self._outside.cosign(request))
        checkpoint = await self._offload(lambda: self._check(request))
        if checkpoint.size > self._node.state.copy(origin).size:
            await self._engine.fetch(origin)
        return await self._offload(lambda: self._cosign_held(request, checkpoint))

    def _check(self, request: AddCheckpoint) -> Checkpoint:
        """Check everything that the request alone, and the size here, can tell of a member's log."""
        origin = request.head.origin
        state = self._node.state
        vkey = state.roster.log_key(origin, request.head.size)
        try:
            checkpoint = open_checkpoint(request.checkpoint, vkey, f"{origin} checkpoint")
        except InvalidError as error:
            raise ForbiddenError(error.where, found=error.found, expected=error.expected) from error
        if origin in state.quarantined:
            raise ForbiddenError(f"log {origin}", found="evidence of a fork", expected="one history")
        copy = state.copy(origin)
        held = Checkpoint(origin=origin, size=copy.size, root=copy.root) if copy.size else None
        try:
            check_add_checkpoint(request, held)
        except OtherSizeError:
            # Whatever the old size says: a signed head that the entries here contradict is evidence.
            if checkpoint.size <= copy.size:
                self._record_fork(request.checkpoint)
            raise
        return checkpoint

    def _cosign_held(self, request: AddCheckpoint, checkpoint: Checkpoint) -> str:
        """The own line on a note whose entries are all here, stored in a commit that holds them."""
        node, size = self._node, checkpoint.size
        node.check_may_write()
        held = node.state.copy(checkpoint.origin).size
        if held < size or not held:
            raise UnavailableError(
                f"log {checkpoint.origin}",
                found=f"{held} entries here",
                expected=f"{size}",
                action="ask again later",
            )
        batch = Batch(
            origin=checkpoint.origin, start=size, entries=(), payloads=(), checkpoint=request.checkpoint
        )
        try:
            line = store_batch(node, batch).cosignature
        except ForkError as error:
            raise OtherSizeError(error.where, found=error.found, size=held) from error
        if line is None:
            held = node.state.copy(checkpoint.origin).size
            raise OtherSizeError(f"log {checkpoint.origin}", found=f"size {size}", size=held)
        return line

    def _record_fork(self, note: str) -> None:
        try:
            check_note_fits(self._node, note)
        except ForkError:
            return


def witness_router(node: Node, engine: Engine, offload: Offload) -> APIRouter:
    """The route of the witness."""
    witness = Witness(node, engine, offload)
    router = APIRouter(tags=["logs"])

    @router.post("/add-checkpoint", summary="Ask for a cosignature on a checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        return await witness.add_checkpoint(await request.body())

    return router


def _is_member_log(node: Node, origin: str) -> bool:
    """Whether it is another member's log. Raises MissingError for this node's own."""
    state = node.state
    if origin == state.origin:
        raise MissingError(f"log {origin}", found="this node's own log", expected="another's")
    try:
        state.roster.member_of(origin)
    except (MalformedError, MissingError):
        return False
    return True


def _status_of(error: TallyError) -> int:
    """The status that the standard asks for."""
    return 400 if isinstance(error, MalformedError) else status_of(error)
