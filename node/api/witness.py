"""`POST /add-checkpoint` (C2SP tlog-witness), for the logs of the network's other members.

A member's cosignature says *I hold this log to here*. So the size that this witness has of a log is the
size of the copy here, and a larger checkpoint is cosigned only after its entries were pulled and stored:

    404  no member's log of that name, or this node's own
    403  not signed by the log's key, or evidence against the log has been recorded
    400  no such request, or an old size above the checkpoint's
    409  the old size is not the one here (it is in the body), or the same size has another root
    422  the proof does not lead from the size here to the checkpoint
    503  the entries could not be had from anybody; ask again
    200  the cosignature line, stored before it is given
"""

from __future__ import annotations

from dataclasses import dataclass

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
from ledger.log.tree import check_consistency
from ledger.log.witness import AddCheckpoint, parse_add_checkpoint
from node.limits import error_body, status_of
from node.node import Node
from node.sync.engine import Engine
from node.sync.evidence import check_note_fits, root_at
from node.sync.notes import open_note, own_cosignature
from node.sync.storing import store_note
from node.sync.workers import Offload

SIZE_TYPE = "text/x.tlog.size"
LINE_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request whose checkpoint is signed by the log that it names."""

    request: AddCheckpoint
    checkpoint: Checkpoint


class _OtherSizeError(Exception):
    """The witness has another size than the request says."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Witness:
    """Cosigns checkpoints of members' logs that this node holds."""

    def __init__(self, node: Node, engine: Engine, offload: Offload) -> None:
        self._node = node
        self._engine = engine
        self._offload = offload

    async def add_checkpoint(self, body: bytes) -> Response:
        """The answer to one request."""
        try:
            asked = await self._offload(lambda: self._read(body))
            if asked.checkpoint.size > self._node.state.copy(asked.checkpoint.origin).size:
                await self._engine.fetch(asked.checkpoint.origin)
            line = await self._offload(lambda: self._cosign(asked))
        except _OtherSizeError as error:
            return Response(f"{error.size}\n", 409, media_type=SIZE_TYPE)
        except TallyError as error:
            return JSONResponse(error_body(error), _status_of(error))
        return Response(line, 200, media_type=LINE_TYPE)

    def _read(self, body: bytes) -> _Asked:
        """Check everything that the request alone, and the size here, can tell."""
        request = parse_add_checkpoint(body)
        origin = request.head.origin
        state = self._node.state
        vkey = state.roster.log_key(_organization_of(self._node, origin))
        try:
            checkpoint = open_checkpoint(request.checkpoint, vkey, f"{origin} checkpoint")
        except InvalidError as error:
            raise ForbiddenError(error.where, found=error.found, expected=error.expected) from error
        if origin in state.quarantined:
            raise ForbiddenError(f"log {origin}", found="evidence of a fork", expected="one history")
        head = state.heads.get(origin)
        size = head.copy.size if head else 0
        if request.old_size != size:
            raise _OtherSizeError(size)
        if head is not None and size:
            if checkpoint.size == size and checkpoint.root != head.copy.root:
                self._record_fork(request.checkpoint)
                raise _OtherSizeError(size)
            check_consistency(
                old_size=size,
                old_root=head.copy.root,
                new_size=checkpoint.size,
                new_root=checkpoint.root,
                proof=request.proof,
            )
        elif request.proof:
            raise InvalidError("add-checkpoint", found="a proof from size 0", expected="none")
        return _Asked(request=request, checkpoint=checkpoint)

    def _cosign(self, asked: _Asked) -> str:
        """Store the note with the own line, then give the line."""
        node = self._node
        origin, size = asked.checkpoint.origin, asked.checkpoint.size
        head = node.state.heads.get(origin)
        held = head.copy.size if head else 0
        if head is None or held < size or not held:
            raise UnavailableError(
                f"log {origin}", found=f"{held} entries here", expected=f"{size}", action="ask again later"
            )
        if root_at(node.reader, head, size) != asked.checkpoint.root:
            self._record_fork(asked.request.checkpoint)
            raise _OtherSizeError(held)
        if held > size:
            raise _OtherSizeError(held)
        note = open_note(node.state.roster, asked.request.checkpoint).note
        line = own_cosignature(node, note, head.newest.note if head.newest else None)
        store_note(node, note if line in note else note + line)
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

    @router.post("/add-checkpoint", summary="Ask for a cosignature on a member's checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        return await witness.add_checkpoint(await request.body())

    return router


def _organization_of(node: Node, origin: str) -> str:
    """Whose log it is. Raises MissingError where it is no other member's."""
    state = node.state
    try:
        organization = state.roster.member_of(origin).organization
    except MalformedError as error:
        raise MissingError(error.where, found=error.found, expected="a member's log") from error
    if origin == state.origin:
        raise MissingError(f"log {origin}", found="this node's own log", expected="another member's")
    return organization


def _status_of(error: TallyError) -> int:
    """The status that the standard asks for."""
    return 400 if isinstance(error, MalformedError) else status_of(error)
