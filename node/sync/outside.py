"""Asking witnesses outside the network to cosign the own log (`[[witness.ask]]`), by C2SP tlog-witness.

For each witness there is a loop: it waits until the own log has a head that the witness has not cosigned,
asks for the newest, and keeps the answer beside the note. What these witnesses say never makes an entry
witnessed, since the network does not name them; receipts carry their lines, for policies that do.

A head is asked for once the network's own witnesses have cosigned it, so that both stand on one note, but
no later than `WITNESSED_WAIT_S` after it came. A witness that fails is asked again ever more rarely. Of an
answer only its own good line is kept; whatever else it sends costs it its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, RollbackError, TallyError, UnavailableError, short
from ledger.log.checkpoint import check_cosignature, parse_checkpoint, parse_decimal
from ledger.log.note import Note, VerifierKey, add_signatures, format_note, parse_note, parse_signature_lines
from ledger.log.tree import MAX_SIZE, prove_consistency
from ledger.log.witness import AddCheckpoint, format_add_checkpoint
from ledger.members.roster import Address
from node.config import OutsideWitness
from node.logs import get_log
from node.node import Node
from node.pending import Changes
from node.store.reader import StoredNote
from node.store.witness_notes import read_outside, write_outside
from node.sync.calls import Call, Reply, Transport
from node.sync.http import HttpTransport
from node.sync.workers import Offload

WITNESSED_WAIT_S = 5
FIRST_PAUSE_S = 5
LONGEST_PAUSE_S = 3600
MAX_ANSWER_BYTES = 16 * 1024
MAX_SIZE_BYTES = 32

log = get_log(__name__)


@dataclass(slots=True, kw_only=True)
class Asked:
    """An outside witness, how far it cosigned the own log, and how it is with it."""

    name: str
    key: VerifierKey
    interval_s: float
    size: int = 0
    waits_since_s: float | None = None
    pause_s: float = 0
    error: TallyError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideStatus:
    """How it is with an outside witness, for people: how many entries of the own log it cosigned."""

    name: str
    size: int
    error: str | None = None
    action: str | None = None


class Outside:
    """The outside witnesses of one node. Runs on the event loop; work of the disk runs in `offload`."""

    def __init__(self, node: Node, transport: Transport, offload: Offload) -> None:
        self._node = node
        self._transport = transport
        self._offload = offload
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.witnesses = [
            Asked(name=witness.key.name, key=witness.key, interval_s=witness.interval_s)
            for witness in node.settings.witness.ask
        ]

    def status(self) -> list[OutsideStatus]:
        """How far each witness cosigned the own log, and what is wrong with it."""
        return [
            OutsideStatus(
                name=asked.name,
                size=asked.size,
                error=None if asked.error is None else str(asked.error),
                action=None if asked.error is None else asked.error.action or None,
            )
            for asked in self.witnesses
        ]

    async def start(self) -> None:
        """Begin to ask; returns at once."""
        self._loop = asyncio.get_running_loop()
        if self.witnesses:
            self._node.writer.listen(self._on_commit)
        self._tasks = [asyncio.create_task(self._run(asked)) for asked in self.witnesses]
        for task in self._tasks:
            task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End every loop and every connection."""
        self._loop = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._transport.close()

    async def _run(self, asked: Asked) -> None:
        asked.size = await self._offload(lambda: self._kept_size(asked))
        while True:
            news = self._news
            note = self._next_note(asked)
            if note is None:
                with contextlib.suppress(TimeoutError):
                    limit_s = None if asked.waits_since_s is None else WITNESSED_WAIT_S
                    await asyncio.wait_for(news.wait(), limit_s)
                continue
            try:
                await self.ask(asked, note)
            except TallyError as error:
                asked.pause_s = min(LONGEST_PAUSE_S, 2 * asked.pause_s or FIRST_PAUSE_S)
                if str(asked.error) != str(error):
                    log.warning("an outside witness did not cosign", witness=asked.name, error=error)
                asked.error = error
            else:
                asked.pause_s, asked.error = 0, None
            await asyncio.sleep(max(asked.interval_s, asked.pause_s))

    def _next_note(self, asked: Asked) -> StoredNote | None:
        """The note to ask for next: the newest that is witnessed; the newest of all once it waited long."""
        head, now_s = self._node.state.own, asyncio.get_running_loop().time()
        newest, witnessed = head.newest, head.witnessed
        if witnessed is not None and witnessed.size > asked.size:
            asked.waits_since_s = None
            return witnessed
        if newest is None or newest.size <= asked.size:
            asked.waits_since_s = None
            return None
        if asked.waits_since_s is None:
            asked.waits_since_s = now_s
        alone = not self._node.state.roster.witnesses(self._node.state.organization)
        return newest if alone or now_s - asked.waits_since_s >= WITNESSED_WAIT_S else None

    async def ask(self, asked: Asked, note: StoredNote) -> None:
        """Ask for a cosignature on one note; where the witness names another size, once more from there.

        Raises:
            TallyError: it gave none.
        """
        reply = await self._send(asked, note, asked.size)
        if reply.status == 409:
            asked.size = _told_size(asked, reply, self._node.state.own.copy.size)
            if asked.size > note.size:
                return
            reply = await self._send(asked, note, asked.size)
            if reply.status == 409:
                _told_size(asked, reply, self._node.state.own.copy.size)
        if reply.status != 200:
            raise UnavailableError(
                f"witness {asked.name}",
                found=f"{reply.status} {short(reply.body[:200].decode('utf-8', 'replace'), 120)}",
                expected="a cosignature",
                action="see whether it has this log's vkey and the right URL stands in the settings",
            )
        line = _own_line(asked, note, reply.body)
        await self._offload(lambda: self._keep(asked, add_signatures(note.note, line)))
        asked.size = note.size

    async def _send(self, asked: Asked, note: StoredNote, old: int) -> Reply:
        body = await self._offload(lambda: self._request(note, old))
        call = Call(
            path="/add-checkpoint",
            body=body.encode(),
            headers={"content-type": "text/plain; charset=utf-8"},
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        return await self._transport.request(asked.name, call)

    def _request(self, note: StoredNote, old: int) -> str:
        """The request, with the log's own signature alone."""
        origin = self._node.state.origin
        hashes = self._node.reader.hashes(origin, note.size)
        proof = prove_consistency(hashes, old, note.size) if 0 < old < note.size else []
        parsed = parse_note(note.note)
        lines = tuple(line for line in parsed.signatures if line.name == origin)
        plain = format_note(Note(parsed.text, lines))
        return format_add_checkpoint(AddCheckpoint(old_size=old, proof=tuple(proof), checkpoint=plain))

    def _keep(self, asked: Asked, note: str) -> None:
        vkey = asked.key.text
        self._node.writer.change(lambda database: write_outside(database, vkey, note)).result()

    def _kept_size(self, asked: Asked) -> int:
        note = read_outside(self._node.reader.database).get(asked.key.text)
        if note is None:
            return 0
        head = parse_checkpoint(parse_note(note).text)
        own = self._node.state.own.copy
        return head.size if head.origin == own.origin and head.size <= own.size else 0

    def _on_commit(self, changes: Changes) -> None:
        loop = self._loop
        if loop is not None and self._node.state.origin in changes.origins:
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def outside_transport(witnesses: tuple[OutsideWitness, ...], timeout_s: float) -> HttpTransport:
    """HTTP to outside witnesses; https by the authorities that this machine trusts."""
    addresses: Mapping[str, Address] = {each.key.name: Address(url=each.url) for each in witnesses}
    return HttpTransport(addresses.__getitem__, timeout_s=timeout_s)


def _told_size(asked: Asked, reply: Reply, own: int) -> int:
    """The size that a witness says it cosigned last.

    Raises:
        RollbackError: it cosigned more of the own log than is here.
        InvalidError: it is the size that was named, so the witness has another history.
    """
    where = f"witness {asked.name}"
    text = reply.body[:MAX_SIZE_BYTES].decode("ascii", "replace")
    if not text.endswith("\n"):
        raise MalformedError(where, found=f"409 {short(text)}", expected="a size and a line feed")
    size = parse_decimal(text[:-1], where, MAX_SIZE)
    if size > own:
        raise RollbackError(
            where,
            found=f"it cosigned {size} entries of the own log",
            expected=f"at most {own}, as many as are here",
            action="another copy of this home signed more: stop it, and see `tally status`",
        )
    if size == asked.size:
        raise InvalidError(
            where,
            found=f"it holds another head of size {size} of the own log",
            expected="the one that was signed here",
            action="find out who else has this log's key",
        )
    return size


def _own_line(asked: Asked, note: StoredNote, body: bytes) -> str:
    """The witness's line in its answer, which verifies.

    Raises:
        MalformedError, InvalidError: there is none.
    """
    where = f"witness {asked.name}"
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(where, found="bytes that are not UTF-8", expected="signature lines") from error
    for line in parse_signature_lines(text, where):
        if line.is_by(asked.key):
            check_cosignature(note.note, line, asked.key, where)
            return line.line
    raise InvalidError(where, found="no line under its key", expected=asked.key.text)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("asking an outside witness ended by a fault of our own", exc_info=error)
