"""Exchanging heads with one partner, and fetching from it whatever this node lacks: any log, any payload.

    heads ─▶ for each log that is behind: pull, batch by batch ─▶ heads again, with the new cosignatures
          └▶ payloads that other holders did not give

While one batch is checked and stored, the next is on its way. One log is pulled from one partner at a
time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from ledger.errors import InvalidError, MalformedError, MissingError, TallyError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import parse_note
from node.logs import get_log
from node.node import Node
from node.store.unanswered import unanswered
from node.sync.forks import seek_fork
from node.sync.heads import Learned, learn_heads, own_heads
from node.sync.missing import MAX_ASKED_AT_ONCE, Missing
from node.sync.partners import MIN_BACKOFF_S, Partner, jittered, wait_at_most
from node.sync.storing import Stored, store_batch, store_payloads
from node.sync.wire import Batch, PayloadsRequest, PullRequest, parse_batch
from node.sync.workers import Offload

PULL_BYTES = 1_500_000
MAX_MISSING_AT_START = 10_000
MIN_GAP_S = 0.05

log = get_log(__name__)

OnLearned = Callable[[str, Learned], Awaitable[None]]


class Pulling:
    """The pull side of one engine; everything runs on the event loop."""

    def __init__(
        self,
        node: Node,
        offload: Offload,
        *,
        can_call: Callable[[str], bool],
        on_learned: OnLearned,
        on_clock: Callable[[Partner], None],
        on_own_fork: Callable[[str], None],
    ) -> None:
        self._node = node
        self._offload = offload
        self._can_call = can_call
        self._on_learned = on_learned
        self._on_clock = on_clock
        self._on_own_fork = on_own_fork
        self._busy: set[str] = set()
        self._suspects: dict[tuple[str, str], str] = {}
        self.missing = Missing()

    async def start(self) -> None:
        """Find out which payloads earlier runs left missing."""
        for origin in self._node.state.heads:
            await self._offload(partial(self._want_again, origin))

    def _want_again(self, origin: str) -> None:
        self.missing.want(origin, self._node.reader.missing_payloads(origin, MAX_MISSING_AT_START))

    async def run_partner(self, partner: Partner) -> None:
        """Exchange heads with one partner at its interval, sooner where there is a reason."""
        interval_s = self._node.settings.sync_interval_s
        while True:
            partner.exchange_wake.clear()
            if self._can_call(partner.name):
                await self._try_exchange(partner)
                await asyncio.sleep(
                    min(interval_s, MIN_GAP_S if partner.exchange_error is None else MIN_BACKOFF_S)
                )
            await wait_at_most(partner.exchange_wake, jittered(self._node.world, interval_s))

    async def exchange(self, partner: Partner) -> None:
        """One exchange of heads with everything that follows from it.

        Raises:
            TallyError: what went wrong on the way, after which the rest is left for the next time.
        """
        learned = await self._exchange_heads(partner)
        behind = list(learned.behind)
        if learned.own_size > self._node.state.own.copy.size:
            behind.insert(0, self._node.state.origin)
        pulled = 0
        errors: list[TallyError] = []
        for origin in behind:
            try:
                pulled += await self.pull(partner, origin)
            except MissingError:
                continue  # the partner is catching up itself
            except (InvalidError, MalformedError) as error:
                errors.append(error)  # of this log; the others may be well
        await self._fetch_missing(partner)
        if pulled:
            # Tells the partner of the cosignatures that were made for what came.
            await self._exchange_heads(partner)
        if errors:
            raise errors[0]

    def is_fetching(self, origin: str) -> bool:
        """Whether a log is being pulled at the moment; may be asked from any thread."""
        return origin in self._busy

    async def pull(self, partner: Partner, origin: str) -> int:
        """Fetch a log from a partner as far as it goes; how many entries are new.

        Raises:
            InvalidError: what it gave does not pass the door.
            TallyError: it gave nothing.
        """
        if origin in self._busy or origin in self._node.state.quarantined:
            return 0
        self._busy.add(origin)
        try:
            return await self._pull(partner, origin)
        except InvalidError:
            await self._seek_fork(partner, origin)
            raise
        finally:
            self._busy.discard(origin)

    async def _try_exchange(self, partner: Partner) -> None:
        try:
            await self.exchange(partner)
        except TallyError as error:
            if partner.exchange_error is None or str(partner.exchange_error) != str(error):
                log.warning("exchange failed", partner=partner.name, error=error)
            partner.exchange_error = error
            self._node.metrics.sync_failures.labels(partner.name).inc()
        else:
            partner.exchange_error = None
            partner.alive.set()
        finally:
            self._on_clock(partner)

    async def _exchange_heads(self, partner: Partner) -> Learned:
        node = self._node
        heads = await partner.calls.heads(await self._offload(lambda: own_heads(node)))
        learned = await self._offload(lambda: learn_heads(node, heads.notes))
        partner.heard_ms = node.world.now_ms()
        await self._on_learned(partner.name, learned)
        return learned

    async def _pull(self, partner: Partner, origin: str) -> int:
        start = self._node.state.copy(origin).size
        coming = asyncio.create_task(self._fetch(partner, origin, start))
        total = 0
        try:
            while True:
                batch, more = await coming
                end = batch.start + len(batch.entries)
                if more:
                    coming = asyncio.create_task(self._fetch(partner, origin, end))
                stored: Stored = await self._offload(partial(store_batch, self._node, batch, partner.name))
                total += stored.new
                self._want(partner.name, batch)
                if not more and not self._is_turn(batch, end):
                    return total
                if not more:
                    coming = asyncio.create_task(self._fetch(partner, origin, end))
        finally:
            await _drop(coming)

    def _is_turn(self, batch: Batch, end: int) -> bool:
        """Whether a batch ended with a rotation, so that the partner may have more than its note says."""
        turn_after = self._node.state.roster.turn_after
        return bool(batch.entries) and turn_after(batch.origin, end - 1) == end

    async def _fetch(self, partner: Partner, origin: str, start: int) -> tuple[Batch, bool]:
        """One batch, and whether the partner has more behind it."""
        request = PullRequest(origin=origin, start=start, limit_bytes=PULL_BYTES)
        body = await partner.calls.pull(request)
        self._node.metrics.sync_pulls.labels(partner.name).inc()
        return await self._offload(lambda: _read_answer(partner.name, request, body))

    def _want(self, giver: str, batch: Batch) -> None:
        """Ask for the payloads that did not come along, unless the author itself left them out."""
        if giver == batch.origin.partition("/")[0]:
            return
        given = {seq for seq, _, _ in batch.payloads}
        end = batch.start + len(batch.entries)
        self.missing.want(batch.origin, (seq for seq in range(batch.start, end) if seq not in given))

    async def _fetch_missing(self, partner: Partner) -> None:
        for origin in self._node.state.heads:
            if origin.partition("/")[0] == partner.name:
                await self._ask_author(partner, origin)
        await self._fetch_wanted(partner)
        # What was counted lets an agreement go on, perhaps to the next thing that its author leaves out.
        while await self._offload(partial(self._want_counted, partner.name)):
            if not await self._fetch_wanted(partner):
                return

    async def _ask_author(self, partner: Partner, origin: str) -> None:
        """Ask the author of a log for what others left out and may decide something here.

        What it gives none of is not for this node.
        """
        node = self._node
        while seqs := await self._offload(lambda: unanswered(node.reader, origin, MAX_ASKED_AT_ONCE)):
            given = await partner.calls.payloads(PayloadsRequest(origin=origin, seqs=seqs))
            wanted = [payload for payload in given if payload[0] in set(seqs)]
            if wanted:
                await self._offload(partial(store_payloads, node, origin, wanted))
            else:
                await self._offload(node.writer.note_answered(origin, seqs).result)
            self.missing.got(origin, [seq for seq, _, _ in wanted] or seqs)

    def _want_counted(self, partner: str) -> bool:
        """Want from a partner what a timekeeper counted and is not here; whether there is anything."""
        reader, found = self._node.reader, False
        for leaf in self._node.book.lacking(reader, self._node.state):
            with contextlib.suppress(MissingError):  # the entry itself comes with its log
                origin, seq = reader.find(leaf)
                if reader.payload(origin, seq) is None:
                    self.missing.want_from(partner, origin, (seq,))
                    found = True
        return found

    async def _fetch_wanted(self, partner: Partner) -> int:
        """Ask a partner for what is wanted; how much of it came."""
        came = 0
        for origin in self.missing.origins():
            while seqs := self.missing.to_ask(partner.name, origin):
                try:
                    given = await partner.calls.payloads(PayloadsRequest(origin=origin, seqs=seqs))
                except MissingError:
                    given = []  # it has no copy of that log
                asked = set(seqs)
                wanted = [payload for payload in given if payload[0] in asked]
                if not wanted:
                    self.missing.refused(partner.name, origin, seqs)
                    continue
                await self._offload(partial(store_payloads, self._node, origin, wanted))
                self.missing.got(origin, [seq for seq, _, _ in wanted])
                came += len(wanted)
        return came

    async def _seek_fork(self, partner: Partner, origin: str) -> None:
        """What does not fit may be another history: look for proof, once for each state of the own copy."""
        key = (partner.name, origin)
        here = self._node.state.copy(origin).last.hex()
        if self._suspects.get(key) == here:
            return
        self._suspects[key] = here
        try:
            found = await seek_fork(self._node, self._offload, partner.calls, origin)
        except TallyError as error:
            log.info("no fork was proven", partner=partner.name, origin=origin, error=error)
            return
        if found and origin == self._node.state.origin:
            self._on_own_fork(partner.name)

    async def suspect(self, partner: Partner, origin: str) -> None:
        """A partner pushed what does not fit: look at its history of that log."""
        if self._can_call(partner.name):
            await self._seek_fork(partner, origin)


def _read_answer(partner: str, request: PullRequest, body: bytes) -> tuple[Batch, bool]:
    where = f"{partner}: answer to pull"
    batch = parse_batch(body, where)
    if batch.origin != request.origin or batch.start != request.start:
        raise InvalidError(
            where,
            found=f"{batch.origin} from {batch.start}",
            expected=f"{request.origin} from {request.start}",
        )
    size = parse_checkpoint(parse_note(batch.checkpoint, where).text, where).size
    return batch, bool(batch.entries) and size > batch.start + len(batch.entries)


async def _drop(task: asyncio.Task[tuple[Batch, bool]]) -> None:
    """End a fetch that nobody waits for any more."""
    task.cancel()
    with contextlib.suppress(TallyError, asyncio.CancelledError):
        await task
