"""The engine: keeps this node and its partners in step, without anybody asking.

    commit ──▶ Pushing (rounds) ──▶ partners' cosignatures ──▶ witnessed
    timer ───▶ Pulling (heads, logs, payloads), one loop per partner
    timer ───▶ Seen (records partners' heads in the own log)
    commit ──▶ EvidenceWatch (holds what partners recorded against the own copies)
    requests ▶ Door (answers partners), which tells the loops what it learned

Everything here runs on one event loop; what waits for the disk or costs time runs in `offload`. A partner
that fails keeps its own two loops busy and nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

from ledger.errors import TallyError
from node.evidence_watch import EvidenceWatch
from node.logs import get_log
from node.node import Node
from node.pending import Changes
from node.sync.calls import Calls, Transport
from node.sync.clocks import Clocks
from node.sync.door import Door
from node.sync.heads import Learned
from node.sync.hearing import Hearing
from node.sync.partners import Partner, PartnerStatus, wait_at_most
from node.sync.pulling import Pulling
from node.sync.pushing import Pushing
from node.sync.seen import Seen
from node.sync.serving import Hooks
from node.sync.workers import Offload

CLOCK = "clock"

WATCH_S = 2.0
"""Seconds between two looks at what partners recorded of others."""
FOLDERS_S = 10.0
"""Seconds that evidence which an operator put into the home waits at most."""

log = get_log(__name__)


class Engine:
    """The sync of one node. `door` answers partners' requests and works without `start`, too."""

    def __init__(self, node: Node, transport: Transport, offload: Offload) -> None:
        self._node = node
        self._transport = transport
        self._offload = offload
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._partners: dict[str, Partner] = {}
        self._clocks = Clocks(node.settings.max_clock_skew_s)
        self._seen = Seen(node)
        self._watch = EvidenceWatch(node)
        self._news = asyncio.Event()
        self._pulling = Pulling(
            node,
            offload,
            can_call=self.can_call,
            on_learned=self._take,
            on_clock=self._on_clock,
            on_own_fork=self._on_own_fork,
        )
        self._hearing = Hearing(
            node,
            offload,
            missing=self._pulling.missing,
            can_call=self.can_call,
            wake=self._wake_exchanges,
        )
        self._pushing = Pushing(
            node,
            offload,
            self._partners,
            can_call=self.can_call,
            own_may_be_behind=self._own_may_be_behind,
        )
        self.door = Door(
            node,
            Hooks(
                learned=self._learned_elsewhere,
                suspected=self._suspected_elsewhere,
                fetching=self._pulling.is_fetching,
                missing=self._pulling.missing,
            ),
            heard=self._heard_elsewhere,
        )

    # Life

    async def start(self) -> None:
        """Begin to keep in step; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._node.writer.listen(self._on_commit)
        self._spawn(self._pulling.start())
        self._spawn(self._pushing.run_rounds())
        self._spawn(self._run_seen())
        self._spawn(self._run_watch())
        self._meet_partners()
        self._pushing.wake()

    async def stop(self) -> None:
        """End every loop and every connection."""
        self._loop = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.close()

    def hear_partners(self) -> None:
        """Write nothing until every partner was heard: for a home that was restored, copied or moved."""
        self._hearing.begin()
        self._wake_exchanges()

    def _wake_exchanges(self) -> None:
        for partner in self._partners.values():
            partner.exchange_wake.set()

    async def wait_heard(self) -> None:
        """Wait until every partner that had to be heard was heard; at once where none had to be."""
        await self._hearing.finished.wait()

    async def fetch(self, origin: str) -> None:
        """Pull one log now, from its author or from whoever else has it.

        Raises:
            TallyError: nobody gave it.
        """
        author = origin.partition("/")[0]
        errors: list[TallyError] = []
        for name in sorted(self._partners, key=lambda name: name != author):
            if not self.can_call(name):
                continue
            try:
                await self._pulling.pull(self._partners[name], origin)
            except TallyError as error:
                errors.append(error)
            else:
                return
        if errors:
            raise errors[0]

    # What is known

    def can_call(self, partner: str) -> bool:
        """Whether a partner has an address."""
        address = self._node.state.roster.addresses.get(partner)
        return address is not None and address.url is not None

    @property
    def hearing(self) -> bool:
        """Whether the node waits for partners before it writes."""
        return self._hearing.active

    def status(self) -> list[PartnerStatus]:
        """Each partner as it stands at the moment, by name."""
        state = self._node.state
        return [self._status_of(name) for name in state.partners()]

    def _status_of(self, name: str) -> PartnerStatus:
        state = self._node.state
        partner = self._partners.get(name)
        origin = state.roster.origin(name)
        address = state.roster.addresses.get(name)
        held = max(partner.held or 0, partner.sizes.get(state.origin, 0)) if partner else 0
        theirs = partner.sizes.get(origin, 0) if partner else 0
        error = partner.error if partner else None
        agrees = list(partner.agrees.values()) if partner else []
        return PartnerStatus(
            organization=name,
            url=address.url if address else None,
            heard_ms=partner.heard_ms if partner else None,
            reachable=partner is not None and partner.heard_ms is not None and error is None,
            error=str(error) if error else "",
            lag_out=max(0, state.own.copy.size - held),
            lag_in=max(0, theirs - state.copy(origin).size),
            agrees=all(agrees) if agrees else None,
            offset_ms=self._clocks.offset_ms(name),
            quarantined=origin in state.quarantined,
        )

    # Loops

    def _meet_partners(self) -> None:
        """Begin the loops of every partner that has none yet."""
        for name in self._node.state.partners():
            if name in self._partners:
                continue
            partner = Partner(name=name, calls=Calls(self._node, name, self._transport))
            self._partners[name] = partner
            self._spawn(self._pushing.run_partner(partner))
            self._spawn(self._pulling.run_partner(partner))

    async def _run_seen(self) -> None:
        while True:
            await asyncio.sleep(self._node.settings.seen_interval_s)
            await self._offload(self._seen.record_if_due)

    async def _run_watch(self) -> None:
        while True:
            self._news.clear()
            await self._offload(self._watch.look)
            await asyncio.sleep(WATCH_S)
            await wait_at_most(self._news, min(FOLDERS_S, self._node.settings.seen_interval_s))

    def _spawn(self, loop: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(loop)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a sync loop ended by a fault of our own", exc_info=error)

    # What happens elsewhere comes in here, from any thread

    def _on_commit(self, changes: Changes) -> None:
        self._call(self._changed)

    def _heard_elsewhere(self, sender: str) -> None:
        self._call(lambda: self._heard(sender))

    def _learned_elsewhere(self, sender: str, learned: Learned) -> None:
        self._call(lambda: self._spawn(self._take_unasked(sender, learned)))

    def _suspected_elsewhere(self, sender: str, origin: str) -> None:
        partner = self._partners.get(sender)
        if partner is not None:
            self._call(lambda: self._spawn(self._pulling.suspect(partner, origin)))

    def _call(self, act: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(act)

    # Reactions, on the event loop

    def _changed(self) -> None:
        if self._loop is not None:
            self._meet_partners()
            self._pushing.wake()
            self._news.set()

    def _heard(self, sender: str) -> None:
        partner = self._partners.get(sender)
        if partner is None:
            return
        partner.heard_ms = self._node.world.now_ms()
        partner.alive.set()
        if partner.exchange_error is not None and self.can_call(sender):
            partner.exchange_error = None
            partner.exchange_wake.set()

    async def _take(self, sender: str, learned: Learned) -> None:
        """A partner told its heads."""
        partner = self._partners.get(sender)
        if partner is None:
            return
        partner.sizes = dict(learned.sizes)
        partner.agrees = dict(learned.agrees)
        await self._hearing.learn(sender, learned)
        for note in learned.own_notes:
            await self._pushing.merge_own(note)
        self._pushing.ask_again(partner)

    async def _take_unasked(self, sender: str, learned: Learned) -> None:
        """A partner told its heads by itself: fetch what they say is missing, unless that just failed."""
        await self._take(sender, learned)
        partner = self._partners.get(sender)
        lacks = learned.behind or learned.own_size > self._node.state.own.copy.size
        if partner is not None and lacks and partner.exchange_error is None:
            partner.exchange_wake.set()

    def _own_may_be_behind(self, partner: str) -> None:
        """A partner says that it holds more of the own log than is here. Its heads will prove it, or not."""
        self._partners[partner].exchange_wake.set()

    def _on_own_fork(self, partner: str) -> None:
        """A partner has proven that it holds another, longer history of the own log."""
        self._hearing.contradict(partner, self._partners[partner].sizes.get(self._node.state.origin, 0))

    def _on_clock(self, partner: Partner) -> None:
        now_s = asyncio.get_running_loop().time()
        if partner.calls.told is not None:
            self._clocks.hear(partner.name, partner.calls.told, now_s)
            partner.calls.told = None
        error = self._clocks.judge(now_s, len(self._node.state.partners()))
        if (error is None) == (CLOCK in self._node.blocks):
            (log.info if error is None else log.error)("clock judged by partners", error=error)
        self._node.block(CLOCK, error)
