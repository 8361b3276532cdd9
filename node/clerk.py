"""The clerk: what a node does for its agreements by itself, after commits and at every start.

- Where this organization keeps the time, it counts what waits: one `counted` entry per round, naming
  signatures first, then facts and confirmations. What it has counted may make more countable; the commit
  of one round is what starts the next.
- Where it is a party, it records the decision of every rule that has fired and become final.

Nothing is remembered but what stands in the store, so the clerk may be stopped anywhere: what was appended
is seen at the next start, what was not is appended then. One thread does it all, so two rounds never meet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future

from contracts.agreement import Agreement
from contracts.decision import Decision, decision_body, evaluate, rests_on_positions
from contracts.records import Position
from ledger.errors import TallyError, UnavailableError
from ledger.log.encoding import Value
from ledger.log.kinds import MAX_HASHES
from node.drafts import Recorded
from node.logs import get_log
from node.node import Node
from node.writer import Changes

RETRY_S = 1.0
"""How long the clerk waits while the node must not write."""

_log = get_log(__name__)


class Clerk:
    """Counts and decides for one node. `start` runs it in a thread; `work_off` does one step by hand."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._touched: set[bytes] = set()
        self._heads_moved = False
        self._wake = threading.Event()
        self._ending = False
        self._provisional: dict[bytes, tuple[tuple[Position, ...], ...]] = {}
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        node.writer.listen(self._note)
        self._touch(node.reader.agreement_hashes())

    def start(self) -> None:
        """Begin to work; everything that is open is looked at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way. Call it before the node stops."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def work_off(self) -> bool:
        """Look once at every agreement that was touched; False where some have to wait for the node.

        What is appended touches its agreement again: call it until nothing is left for a settled state.
        """
        with self._lock:
            touched, self._touched = self._touched, set()
            moved, self._heads_moved = self._heads_moved, False
        if moved:
            touched |= self._now_final()
        postponed = [agreement for agreement in sorted(touched) if not self._look(agreement)]
        self._touch(postponed)
        return not postponed

    @property
    def idle(self) -> bool:
        """Whether nothing is known that waits to be looked at."""
        with self._lock:
            return not self._touched and not self._heads_moved

    # Where work comes from

    def _note(self, changes: Changes) -> None:
        """Called in the writer's thread."""
        with self._lock:
            self._touched |= changes.agreements
            self._heads_moved = True
        if changes.agreements or self._provisional:
            self._wake.set()

    def _touch(self, agreements: Iterable[bytes]) -> None:
        with self._lock:
            self._touched.update(agreements)

    def _now_final(self) -> set[bytes]:
        """Agreements with a firing that was provisional, and whose entries are all witnessed by now."""
        state = self._node.state
        return {
            agreement
            for agreement, firings in self._provisional.items()
            if any(all(state.is_witnessed(*position) for position in firing) for firing in firings)
        }

    def _run(self) -> None:
        done = self.work_off()
        while not self._ending:
            self._wake.wait(None if done else RETRY_S)
            self._wake.clear()
            if not self._ending:
                done = self.work_off()

    # The work

    def _look(self, identity: bytes) -> bool:
        """Count and decide for one agreement; False where the node cannot write at present."""
        node = self._node
        try:
            agreement = node.book.agreement(node.reader, node.state, identity)
        except TallyError:
            # No document here yet, or no contract: an entry that changes this touches it again.
            return True
        try:
            self._count(agreement)
            self._decide(agreement)
        except UnavailableError as error:
            _log.info("agreement waits", agreement=identity.hex(), reason=error)
            return False
        except TallyError as error:
            _log.error("agreement not served", agreement=identity.hex(), reason=error)
        return True

    def _count(self, agreement: Agreement) -> None:
        """One statement that counts all that can be counted now, if this organization keeps the time."""
        document = agreement.contract.document
        # Where something counted is missing here, nothing may be counted on top of it.
        if document.timekeeper != self._node.state.organization or agreement.missing:
            return
        entries: list[Value] = list(agreement.countable[:MAX_HASHES])
        if entries:
            self._append(
                "counted", {"agreement": agreement.contract.agreement, "entries": entries}, agreement
            )

    def _decide(self, agreement: Agreement) -> None:
        """Record the decisions of rules that became final, if this organization is a party."""
        state = self._node.state
        identity = agreement.contract.agreement
        self._provisional.pop(identity, None)
        if state.organization not in agreement.contract.document.parties.values():
            return
        decisions = evaluate(agreement, state.is_witnessed).decisions
        for decision in decisions:
            if decision.final and not self._has_decided(agreement, decision):
                self._append("decision", decision_body(agreement, decision), agreement)
        waiting = tuple(rests_on_positions(agreement, d.firing) for d in decisions if not d.final)
        if waiting:
            self._provisional[identity] = waiting
            # A head may have moved between the evaluation and here.
            with self._lock:
                self._heads_moved = True
            self._wake.set()

    def _has_decided(self, agreement: Agreement, decision: Decision) -> bool:
        """Whether this organization recorded a decision of the rule; a final one is never replaced."""
        own = self._node.state.organization
        return any(
            record.organization == own and record.body["rule"] == decision.firing.rule
            for record in agreement.decisions
        )

    def _append(self, kind: str, body: dict[str, Value], agreement: Agreement) -> list[Recorded]:
        node = self._node
        draft = node.draft(kind, body, audience=agreement_audience(agreement))
        future: Future[list[Recorded]] = node.record([draft])
        return future.result()


def agreement_audience(agreement: Agreement) -> tuple[str, ...]:
    """Whom a statement about an agreement must reach: every party and the timekeeper."""
    return agreement.contract.document.organizations()
