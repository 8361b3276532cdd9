"""What a node answers its partners, without HTTP: push, pull, heads, payloads.

The sender is a member whose signature on the request has been checked. Everything may be asked again:
a repeated request changes nothing and is answered the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.errors import ForbiddenError, GapError, InvalidError
from ledger.log.statement import may_have
from node.node import Node
from node.store.unanswered import first_unanswered, unanswered
from node.sync.batching import make_batch
from node.sync.heads import Learned, learn_heads, own_heads
from node.sync.hearing import HEARING
from node.sync.missing import MAX_ASKED_AT_ONCE, Missing
from node.sync.storing import store_batch
from node.sync.wire import (
    Batch,
    Heads,
    Payload,
    PayloadsRequest,
    PullRequest,
    PushAnswer,
)

ANSWER_SPARE_BYTES = 1_200_000
"""Room in an answer for one payload of 1 MiB above the limit, notes and proofs."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who else wants to know: told in whatever thread the request is answered in."""

    learned: Callable[[str, Learned], None] = lambda sender, learned: None
    suspected: Callable[[str, str], None] = lambda sender, origin: None
    fetching: Callable[[str], bool] = lambda origin: False
    """Whether this node is pulling a log at the moment."""
    missing: Missing = field(default_factory=Missing)


class Serving:
    """The answers of one node."""

    def __init__(self, node: Node, hooks: Hooks | None = None) -> None:
        self._node = node
        self.hooks = hooks or Hooks()

    def push(self, sender: str, batch: Batch) -> PushAnswer:
        """Store a run of the sender's log. The answer's cosignature is nil where the log is not whole here.

        Raises:
            ForbiddenError: it is not the sender's log, or the log forked.
            GapError: the run begins beyond what is held.
            TallyError: what is wrong with the batch.
        """
        node = self._node
        roster = node.state.roster
        origin = batch.origin
        if origin not in (roster.origin(sender), roster.next_origin(sender)):
            raise ForbiddenError(
                f"push by {sender}",
                found=f"a run of {batch.origin[:80]}",
                expected=roster.origin(sender),
                action="push the own newest log only; others pull what they miss",
            )
        if batch.entries and self.hooks.fetching(origin):
            # It comes in by itself; taking it twice would only make both slower.
            return PushAnswer(size=self._wanted_from(sender, origin, node.state.copy(origin).size))
        try:
            stored = store_batch(node, batch)
        except GapError:
            raise
        except InvalidError:
            # The note may be of another history than the one that is here.
            if node.state.copy(origin).size:
                self.hooks.suspected(sender, origin)
            raise
        # It is stored: what the author left out of its own run is not for this node.
        own = range(batch.start, batch.start + len(batch.entries))
        self.hooks.missing.got(origin, own)
        if any(seq in own for seq in unanswered(node.reader, origin, MAX_ASKED_AT_ONCE)):
            node.writer.note_answered(origin, own).result()
        return PushAnswer(size=self._wanted_from(sender, origin, stored.size), cosignature=stored.cosignature)

    def _wanted_from(self, sender: str, origin: str, size: int) -> int:
        """Where the sender's next run should begin: at the end, or, if it cannot be asked for payloads that
        others did not give, at the first of those."""
        address = self._node.state.roster.addresses.get(sender)
        if address is not None and address.url is not None:
            return size
        firsts = (self.hooks.missing.first(origin), first_unanswered(self._node.reader, origin))
        return min(first for first in (*firsts, size) if first is not None)

    def held(self, origin: str) -> PushAnswer:
        """What is held of the sender's log, for the answer to a push that left entries out."""
        return PushAnswer(size=self._node.state.copy(origin).size)

    def pull(self, sender: str, request: PullRequest) -> Batch:
        """A run of any log that is here, with the payloads that the sender may have.

        Raises:
            MissingError: no copy of that log here, or one that is itself incomplete.
            GapError: the copy is not that long.
        """
        limit = self._node.settings.max_sync_body_bytes - ANSWER_SPARE_BYTES
        return make_batch(self._node, request.origin, request.start, min(request.limit_bytes, limit), sender)

    def heads(self, sender: str, heads: Heads) -> Heads:
        """The own heads, after learning from the sender's."""
        learned = learn_heads(self._node, heads.notes)
        self.hooks.learned(sender, learned)
        return own_heads(self._node)

    def payloads(self, sender: str, request: PayloadsRequest) -> list[Payload]:
        """Those payloads that are here and that the sender may have, as many as fit one answer."""
        state, reader = self._node.state, self._node.reader
        state.head(request.origin)
        # Whoever asks takes the author's silence for an answer; a restored home cannot give one yet.
        hearing = self._node.blocks.get(HEARING)
        if request.origin == state.origin and hearing is not None:
            raise hearing
        author = request.origin.partition("/")[0]
        left = self._node.settings.max_sync_body_bytes - ANSWER_SPARE_BYTES
        given: list[Payload] = []
        for seq in sorted(set(request.seqs)):
            found = reader.payload(request.origin, seq)
            if found is None or not may_have(found[1], author, sender):
                continue
            given.append((seq, *found))
            left -= len(found[1])
            if left <= 0:
                break
        return given
