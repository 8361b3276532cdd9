"""Hearing: a home that may be older than its own log writes nothing until every partner has been heard.

That is a home that was restored or copied (`node.place` tells), or one whose partner shows more of its
own log than is here. Each partner says how far it holds the log; what is missing is pulled like any other
log, through the same door. A partner that holds another history of it ends this for good: somebody else
has written under the same key, and no further entry of this home would be worth anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ledger.errors import UnavailableError
from node.logs import get_log
from node.node import Node
from node.sync.heads import Learned

HEARING = "hearing"
CONTRADICTED = "contradicted"

log = get_log(__name__)


class Hearing:
    """Which partners have still to be heard; only the event loop touches it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._unheard: set[str] = set()
        self.finished = asyncio.Event()
        self.finished.set()

    @property
    def active(self) -> bool:
        """Whether the node waits for partners."""
        return bool(self._unheard)

    def begin(self, partners: Iterable[str]) -> None:
        """Write nothing until all of these were heard."""
        self._unheard |= set(partners)
        if self._unheard:
            self._block()
            log.warning("hearing partners before writing", partners=sorted(self._unheard))

    def learn(self, partner: str, learned: Learned, everyone: Iterable[str]) -> None:
        """A partner told its heads: does it hold of the own log no more, and nothing else, than is here?"""
        if learned.own_contradicted is not None:
            self._contradicted(partner, learned)
            return
        if learned.own_size > self._node.state.own.copy.size:
            if not self.active:
                self.begin(everyone)
            self._unheard.add(partner)
            self._block()
        elif partner in self._unheard:
            self._unheard.discard(partner)
            self._block()
            if not self._unheard:
                log.info("every partner was heard", size=self._node.state.own.copy.size)

    def _block(self) -> None:
        if not self._unheard:
            self._node.block(HEARING, None)
            self.finished.set()
            return
        self.finished.clear()
        self._node.block(
            HEARING,
            UnavailableError(
                "own log",
                found=f"{', '.join(sorted(self._unheard))} not heard yet",
                expected="every partner's copy of the own log, since this home was restored, copied or moved",
                action="wait until they are reachable; what they hold is fetched back by itself",
            ),
        )

    def _contradicted(self, partner: str, learned: Learned) -> None:
        told = learned.own_contradicted
        size = told.checkpoint.size if told else 0
        if CONTRADICTED not in self._node.blocks:
            log.error("a partner holds another history of the own log", partner=partner, size=size)
        self._node.block(
            CONTRADICTED,
            UnavailableError(
                "own log",
                found=f"another history up to size {size}, signed by this log's key, held by {partner}",
                expected="one history",
                action="stop this node: a copy of this home has written elsewhere. Go on with that home; "
                "where it is lost, open the next log under the recovery key",
            ),
        )
