"""Hearing: a home that may be older than its own log writes nothing until every partner has been heard.

That is a home that was restored or copied (`node.place` tells), or one whose partner shows more of its
own log than is here. A partner was heard once it shows no more of the own log than is here, no more of the
founder's log either (which says who else is a partner), and was asked for the own payloads that are lacking.
What is missing is pulled like any other log, through the same door. Whoever becomes known as a member on the
way is a partner to be heard, too.

A partner that holds another history of the own log ends this for good: somebody else has written under the
same key, and no further entry of this home would be worth anything.

Both outlast a restart (`node.caution`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ledger.errors import TallyError, UnavailableError
from ledger.log.entry import parse_entry
from node.caution import Caution, read_caution, write_caution
from node.logs import get_log
from node.node import Node
from node.sync.heads import Learned, learn_heads
from node.sync.missing import Missing
from node.sync.workers import Offload

HEARING = "hearing"
CONTRADICTED = "contradicted"
MAX_LACKING = 100_000
"""Own payloads without which a home goes on; one that lacks more is better restored from a newer backup."""

RECOVER = "open the next log under the recovery key: `tally recover`"

log = get_log(__name__)


class Hearing:
    """Which partners have still to be heard; only the event loop touches it."""

    def __init__(
        self,
        node: Node,
        offload: Offload,
        *,
        missing: Missing,
        can_call: Callable[[str], bool],
        wake: Callable[[], None],
    ) -> None:
        self._node = node
        self._offload = offload
        self._missing = missing
        self._can_call = can_call
        self._wake = wake
        self._heard: dict[str, int] = {}
        self._finishing = asyncio.Lock()
        self.active = False
        """Whether the node waits for partners."""
        self.finished = asyncio.Event()
        self.finished.set()
        self._caution = read_caution(node.home, node.state.origin)
        node.writer.lacking = self._caution.lacking
        if self._caution.contradicted:
            self._look_again(self._caution.contradicted)
        if self._caution.waiting:
            self.begin()

    def begin(self) -> None:
        """Write nothing until every partner was heard."""
        if self.active:
            return
        self.active = True
        self._heard.clear()
        self._remember(replace(self._caution, waiting=True))
        self.finished.clear()
        self._show()
        if self._node.state.partners():
            log.warning("hearing partners before writing", partners=self._node.state.partners())
        else:
            self._finish(_find_lacking(self._node, self._missing))

    async def learn(self, partner: str, learned: Learned) -> None:
        """A partner told its heads: does it hold of the own log no more, and nothing else, than is here?"""
        if learned.own_contradicted is not None:
            checkpoint = learned.own_contradicted.checkpoint
            self.contradict(partner, checkpoint.size, learned.own_contradicted.note)
            return
        if learned.own_size > self._node.state.own.copy.size:
            self.begin()
            self._heard.pop(partner, None)
        elif self.active and not self._is_behind(learned):
            self._heard[partner] = learned.own_size
        if self.active:
            async with self._finishing:
                await self._go_on()

    def contradict(self, partner: str, size: int, note: str = "") -> None:
        """A partner holds another history of the own log; without a note that shows it, it is heard anew."""
        if CONTRADICTED not in self._node.blocks:
            log.error("a partner holds another history of the own log", partner=partner, size=size)
            self._remember(
                replace(self._caution, contradicted=note, waiting=self._caution.waiting or not note)
            )
        self._block_contradicted(size, f"held by {partner}")

    async def _go_on(self) -> None:
        """Finish if everybody was heard, also whoever became known since."""
        if self.active and not self._waiting():
            node, missing = self._node, self._missing
            lacking = await self._offload(lambda: _find_lacking(node, missing))
            if not self._waiting():
                self._finish(lacking)
                return
            self._wake()
        if self.active:
            self._show()

    def _waiting(self) -> list[str]:
        """The partners that were not heard, or not asked for every payload that is lacking."""
        own = self._node.state.origin
        return [
            name
            for name in self._node.state.partners()
            if name not in self._heard or (self._can_call(name) and self._missing.to_ask(name, own))
        ]

    def _is_behind(self, learned: Learned) -> bool:
        founder = self._node.state.roster.founding.founder
        return any(origin.partition("/")[0] == founder for origin in learned.behind)

    def _finish(self, lacking: frozenset[tuple[str, int]]) -> None:
        self.active = False
        self._node.writer.lacking = lacking
        self._remember(replace(self._caution, waiting=False, lacking=lacking))
        self._node.block(HEARING, None)
        self.finished.set()
        log.info("every partner was heard", size=self._node.state.own.copy.size, lacking=len(lacking))

    def _show(self) -> None:
        waiting = self._waiting()
        heard = ", ".join(f"{name} holds {size}" for name, size in sorted(self._heard.items()))
        size = self._node.state.own.copy.size
        self._node.block(
            HEARING,
            UnavailableError(
                "own log",
                found=f"{', '.join(waiting) or 'nobody'} not heard yet, {size} entries here"
                + (f" ({heard})" if heard else ""),
                expected="every partner's copy of the own log, since this home was restored, copied or moved",
                action="wait until they are reachable: what they hold is fetched back by itself. "
                f"Where one never will be again, {RECOVER}",
            ),
        )

    def _look_again(self, note: str) -> None:
        """The head that contradicted the own log before the last stop: does it still?"""
        told = learn_heads(self._node, [note])
        size = self._node.state.own.copy.size
        if told.own_contradicted is not None:
            self._block_contradicted(told.own_contradicted.checkpoint.size, "told before the last stop")
        else:
            waiting = self._caution.waiting or told.own_size > size
            self._remember(replace(self._caution, contradicted="", waiting=waiting))

    def _block_contradicted(self, size: int, holder: str) -> None:
        self._node.block(
            CONTRADICTED,
            UnavailableError(
                "own log",
                found=f"another history up to size {size}, signed by this log's key, {holder}",
                expected="one history",
                action="stop this node: a copy of this home has written elsewhere. Go on with that home; "
                f"where it is lost, {RECOVER}",
            ),
        )

    def _remember(self, caution: Caution) -> None:
        if caution == self._caution:
            return
        self._caution = caution
        try:
            write_caution(self._node.home, self._node.state.origin, caution)
        except TallyError as error:
            log.error("what must outlast a restart was not kept", error=error, action=error.action)


def _find_lacking(node: Node, missing: Missing) -> frozenset[tuple[str, int]]:
    """Kind and size of the own payloads that are not here; whoever was not asked for them is to be asked."""
    origin = node.state.origin
    seqs = node.reader.missing_payloads(origin, MAX_LACKING)
    missing.want(origin, seqs)
    entries = (parse_entry(node.reader.entry(origin, seq)) for seq in seqs)
    return frozenset((entry.kind, entry.size) for entry in entries)
