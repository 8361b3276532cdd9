"""Pushing the own log, in rounds.

A round takes the newest own head as its target and sends every partner what it lacks up to there, so that
all cosignatures land on one note: only then can more than half of them make it witnessed. One request per
partner is in flight. A round ends when every partner that answers at all has answered, or after a little
patience; then the newest head is the next target. Who was slow joins the round that is on when it is done.

    commit ─▶ round: push to all ─▶ cosignatures ─▶ more than half: witnessed, stored ─▶ partners are told

A cosignature that comes late still counts for its note, as long as that note is among the recent ones.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping

from ledger.errors import ForbiddenError, MalformedError, RollbackError, TallyError
from ledger.log.note import add_signatures
from ledger.log.origin import parse_origin
from ledger.members.witnessing import is_witnessed
from node.logs import get_log
from node.node import Node
from node.store.reader import StoredNote
from node.sync.batching import make_batch
from node.sync.notes import check_answered_cosignature, signers, text_of, without_known
from node.sync.partners import Partner, wait_at_most, wait_backoff
from node.sync.storing import try_note
from node.sync.wire import Batch, format_batch
from node.sync.workers import Offload

PIECE_BYTES = 1_500_000
"""Largest batch: below the smallest limit that a receiver may set, with room for its notes."""

ROUND_PATIENCE_S = 0.25
ROUND_PAUSE_S = 0.1
MAX_RECENT_NOTES = 64
MAX_STRAYS = 3
ELSEWHERE_S = 0.5
"""How long a partner is left alone that is fetching the log by itself."""

log = get_log(__name__)


class RecentNotes:
    """Own notes of the last rounds, each with the cosignatures that came in so far."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, str] = OrderedDict()

    def open(self, note: str) -> None:
        """Begin to gather cosignatures on a note."""
        self._notes.setdefault(text_of(note), note)
        while len(self._notes) > MAX_RECENT_NOTES:
            self._notes.popitem(last=False)

    def merge(self, note: str) -> str | None:
        """The note with the cosignatures of another copy of it, which were checked; None if not recent."""
        key = text_of(note)
        known = self._notes.get(key)
        if known is None:
            return None
        _, _, lines = without_known(note, known).rpartition("\n\n")
        self._notes[key] = add_signatures(known, lines)
        return self._notes[key]


class Pushing:
    """The push side of one engine; everything runs on the event loop."""

    def __init__(
        self,
        node: Node,
        offload: Offload,
        partners: Mapping[str, Partner],
        *,
        can_call: Callable[[str], bool],
        own_may_be_behind: Callable[[str], None],
    ) -> None:
        self._node = node
        self._offload = offload
        self._partners = partners
        self._can_call = can_call
        self._own_may_be_behind = own_may_be_behind
        self._recent = RecentNotes()
        self._target: StoredNote | None = None
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()

    def wake(self) -> None:
        """The own log, its witnesses or the roster may have changed."""
        self._wake.set()

    async def run_rounds(self) -> None:
        """Begin a round whenever there is news."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._is_due():
                continue
            self._begin()
            await self._settle()
            await asyncio.sleep(ROUND_PAUSE_S)
            await self._keep_late_cosignatures()
            if self._is_due():
                self._wake.set()

    async def run_partner(self, partner: Partner) -> None:
        """Bring one partner up to the target, again and again."""
        while True:
            await partner.push_wake.wait()
            partner.push_wake.clear()
            try:
                while self._needs(partner):
                    await self._push_once(partner)
                partner.push_error = None
                self._progress.set()
            except TallyError as error:
                self._failed(partner, error)
                self._progress.set()
                await wait_backoff(partner, self._node.world, self._node.settings.sync_interval_s)
                partner.push_wake.set()

    def ask_again(self, partner: Partner) -> None:
        """Ask once more a partner that took the newest own head and did not cosign it: perhaps it may now."""
        if self._target is not None and partner.cosigned < partner.answered == self._target.size:
            partner.answered = partner.cosigned
            partner.push_wake.set()

    async def merge_own(self, note: str) -> None:
        """Count the cosignatures on an own note that a partner told."""
        merged = self._recent.merge(note)
        if merged is not None:
            await self._keep_if_witnessed(merged)

    # Rounds

    def _is_due(self) -> bool:
        own = self._node.state.own
        if own.newest is None or own.newest.size != own.copy.size:
            return False  # the own log is being fetched back
        if self._target is None or own.newest.size > self._target.size:
            return True
        return any(
            partner.told < own.witnessed_size and partner.push_error is None and self._can_call(name)
            for name, partner in self._partners.items()
        )

    def _begin(self) -> None:
        newest = self._node.state.own.newest
        if newest is None:
            return
        self._target = newest
        self._recent.open(newest.note)
        for partner in self._partners.values():
            if self._needs(partner):
                partner.push_wake.set()

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ROUND_PATIENCE_S
        while any(self._needs(partner) and partner.push_error is None for partner in self._partners.values()):
            left_s = deadline - loop.time()
            if left_s <= 0:
                return
            self._progress.clear()
            await wait_at_most(self._progress, left_s)

    async def _keep_late_cosignatures(self) -> None:
        """Keep what came after the note was witnessed, or what is not enough yet, if nothing newer waits."""
        target, newest = self._target, self._node.state.own.newest
        if target is None or newest is None or newest.size != target.size:
            return
        gathered = self._recent.merge(newest.note)
        if gathered is not None and not signers(gathered) <= signers(newest.note):
            await self._offload(lambda: try_note(self._node, gathered))

    def _needs(self, partner: Partner) -> bool:
        if self._target is None or not self._can_call(partner.name):
            return False
        return partner.answered < self._target.size or partner.told < self._node.state.own.witnessed_size

    # One request

    async def _push_once(self, partner: Partner) -> None:
        target = self._target
        if target is None:
            return
        node = self._node
        # While a partner fetches by itself it is only asked how far it is, with an empty batch.
        asked = partner.held is None or partner.fetching
        start = target.size if asked else min(partner.held or 0, target.size)
        witnessed = node.state.own.witnessed_size

        def prepare() -> tuple[Batch, bytes]:
            batch = make_batch(node, node.state.origin, start, PIECE_BYTES, partner.name, target)
            return batch, format_batch(batch)

        batch, body = await self._offload(prepare)
        answer = await partner.calls.push(body)
        node.metrics.sync_pushes.labels(partner.name).inc()
        partner.heard_ms = node.world.now_ms()
        partner.alive.set()
        end = batch.start + len(batch.entries)
        self._check_progress(partner, batch, answer.size)
        partner.fetching = (partner.held or 0) < answer.size < end and (partner.fetching or not asked)
        partner.held = answer.size
        partner.failures = 0
        if end == target.size <= answer.size:
            partner.answered = max(partner.answered, target.size)
            partner.told = max(partner.told, witnessed)
            if answer.cosignature is not None:
                await self._count_cosignature(partner, target, answer.cosignature)
        elif partner.fetching:
            await asyncio.sleep(ELSEWHERE_S)
        lag = node.state.own.copy.size - partner.cosigned
        node.metrics.partner_lag_entries.labels(partner.name).set(lag)

    def _check_progress(self, partner: Partner, batch: Batch, size: int) -> None:
        end = batch.start + len(batch.entries)
        own = self._node.state.own.copy.size
        where = f"{partner.name}: answer to push"
        if size > own:
            self._own_may_be_behind(partner.name)
            raise RollbackError(
                where, found=f"{size} entries of the own log there", expected=f"at most {own}, as here"
            )
        # Once is how a partner says where it stands; again and again is one that takes nothing.
        stray = size < end and size <= batch.start and not partner.fetching
        partner.strays = partner.strays + 1 if stray else 0
        if partner.strays > MAX_STRAYS:
            partner.strays = 0
            raise MalformedError(where, found=f"{size} entries held", expected=f"{end}, as pushed")

    async def _count_cosignature(self, partner: Partner, target: StoredNote, line: str) -> None:
        roster = self._node.state.roster
        check_answered_cosignature(roster, partner.name, target.note, line)
        partner.cosigned = max(partner.cosigned, target.size)
        merged = self._recent.merge(target.note + line)
        if merged is not None:
            await self._keep_if_witnessed(merged)

    async def _keep_if_witnessed(self, merged: str) -> None:
        own = self._node.state.own
        size = int(merged.split("\n", 2)[1])  # an own note
        if size > own.witnessed_size and is_witnessed(self._node.state.roster, merged):
            await self._offload(lambda: try_note(self._node, merged))
            self._wake.set()

    def _failed(self, partner: Partner, error: TallyError) -> None:
        if partner.push_error is None or str(partner.push_error) != str(error):
            log.warning("push failed", partner=partner.name, error=error)
        if isinstance(error, ForbiddenError) and parse_origin(self._node.state.origin).number > 1:
            # It does not know this log yet: the opening, under the recovery key, speaks for itself.
            partner.held = partner.held or 0
        partner.push_error = error
        partner.failures += 1
        self._node.metrics.sync_failures.labels(partner.name).inc()
