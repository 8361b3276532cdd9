"""The clerk: what a node does for its agreements by itself, after commits, when time comes, at every start.

- Where this organization keeps the time, it counts what waits: one `counted` entry per agreement and round.
  What it has counted may make more countable; the commit of one round is what starts the next.
- Once a deadline of such an agreement is due, it records one `tick`, which serves all of them.
- Where it is a party, it records the decision of every firing that has become final, each once.

How each agreement stands is noted beside the truth (`node.standing`), so that a start looks only at those
that changed since. The clerk may be stopped anywhere: what was appended is seen at the next start, what was
not is appended then. One thread does it all, so two rounds never meet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from heapq import heappop, heappush
from itertools import islice

from contracts.agreement import read_agreement
from contracts.decision import decide, decision_body, rests_on_positions
from contracts.evaluator import Firing
from contracts.hashes import key_text
from contracts.records import Position
from contracts.replay import Replay
from ledger.errors import TallyError, UnavailableError
from ledger.log.encoding import Value
from ledger.log.kinds import MAX_HASHES
from node.drafts import Draft, Recorded
from node.logs import get_log
from node.node import Node
from node.pending import Changes
from node.standing import KEEP_AFTER_S, KEEP_AT_ONCE, Notes, standing_of, stating
from node.store.indexing import TICKS
from node.store.standing import Standing, one_moment, stale_agreements, waiting_agreements

RETRY_S = 1.0
"""How long the clerk waits while the node must not write."""

OPENING_RETRY_MS = 60_000
"""How long a new timekeeper waits before it names the same statements again, where they opened nothing."""

MAX_DECIDED = 65_536
"""Of how many agreements it is remembered which firings need no decision any more."""
BACKLOG_AT_ONCE = 64

_log = get_log(__name__)


class Clerk:
    """Counts, ticks and decides for one node. `start` runs it in a thread; `work_off` does one round."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._touched: set[bytes] = set()
        self._origins: set[str] = set()
        self._heads_moved = False
        self._late = False
        self._wake = threading.Event()
        self._ending = False
        self._provisional: dict[str, list[tuple[int, bytes]]] = {}
        """By log a heap: at which position a firing still waits for witnesses, and its agreement."""
        self._waiting: dict[bytes, tuple[Firing, list[Position]]] = {}
        """The same by agreement, where all its open firings wait, and which firing was its last then."""
        self._stuck: dict[bytes, frozenset[str]] = {}
        """Agreements that cannot go on, and whose logs may bring what they need."""
        self._decided: dict[bytes, int] = {}
        """How many of an agreement's firings are known to need no decision of ours any more."""
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._notes = Notes(node)
        node.writer.listen(self._note)
        with one_moment(node.reader):
            found, waiting = stale_agreements(node.reader), waiting_agreements(node.reader)
        self._backlog = found
        """What is left of a start. What is touched meanwhile comes first, but for ticks: they close nothing
        before everything is counted that came in time."""
        for identity, positions in waiting:
            self._heads_moved = True
            for origin, seq in positions:
                heappush(self._provisional.setdefault(origin, []), (seq, identity))

    def start(self) -> None:
        """Begin to work; everything that is open is looked at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way. Call it before the node stops."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(UnavailableError):
            self.rest()

    def work_off(self) -> bool:
        """Look once at every agreement that was touched; False where some have to wait for the node.

        What is appended touches its agreement again: call it until nothing is left for a settled state.
        """
        with self._lock:
            touched, self._touched = self._touched, set()
            origins, self._origins = self._origins, set()
            moved, self._heads_moved = self._heads_moved, False
            late, self._late = self._late, False
        if late:
            # What had fired may have been something else.
            self._decided.clear()
            self._waiting.clear()
        if moved:
            touched |= self._now_final()
            touched.update(self._notes.overtaken(), self._unstuck(origins))
        touched.discard(TICKS)
        touched.update(self._backlog[-BACKLOG_AT_ONCE:])
        del self._backlog[-BACKLOG_AT_ONCE:]
        postponed = self._round(sorted(touched))
        self._touch(postponed)
        return not postponed and self._tick()

    def rest(self) -> None:
        """Put beside the truth how agreements stand that were looked at, as is done in a quiet moment."""
        self._touch(self._notes.keep())

    @property
    def idle(self) -> bool:
        """Whether nothing is known that waits to be looked at."""
        with self._lock:
            return not self._touched and not self._heads_moved and not self._backlog

    # Where work comes from

    def _note(self, changes: Changes) -> None:
        """Called in the writer's thread."""
        with self._lock:
            self._touched |= changes.agreements
            self._origins |= changes.origins
            self._heads_moved = True
            self._late |= changes.late
        if changes.agreements or self._provisional or self._stuck or len(self._notes):
            self._wake.set()

    def _touch(self, agreements: Iterable[bytes]) -> None:
        with self._lock:
            self._touched.update(agreements)

    def _now_final(self) -> set[bytes]:
        """Agreements with a firing that was provisional, and of which more is witnessed by now."""
        found = set()
        heads = self._node.state.heads
        for origin, heap in self._provisional.items():
            witnessed = heads[origin].witnessed_size if origin in heads else 0
            while heap and heap[0][0] < witnessed:
                found.add(heappop(heap)[1])
        self._provisional = {origin: heap for origin, heap in self._provisional.items() if heap}
        return found

    def _unstuck(self, origins: Iterable[str]) -> list[bytes]:
        """Agreements that could not go on, and to which what came in these logs may bring what they need."""
        organizations = {origin.partition("/")[0] for origin in origins}
        return [about for about, wanted in self._stuck.items() if wanted & organizations]

    def _run(self) -> None:
        done = self.work_off()
        while not self._ending:
            was_woken = self._wake.wait(self._pause_s() if done or self._backlog else RETRY_S)
            self._wake.clear()
            if not was_woken and not self._backlog:
                self.rest()
            if not self._ending:
                done = self.work_off()

    def _pause_s(self) -> float | None:
        """How long nothing is due of the agreements whose time this organization keeps."""
        if self._backlog:
            return 0
        rest_s = KEEP_AFTER_S if len(self._notes) else None
        due = self._notes.next_due(self._node.state.organization)
        if due is None:
            return rest_s
        due_s = min(max(due - self._node.world.now_ms(), 0) / 1000, threading.TIMEOUT_MAX) + 0.001
        return due_s if rest_s is None else min(due_s, rest_s)

    # The work

    def _round(self, touched: Iterable[bytes]) -> list[bytes]:
        """Look at agreements, and record what came of it in as few commits as may be; gives the postponed."""
        waiting: list[tuple[bytes, Future[list[Recorded]]]] = []
        postponed = []
        for identity in touched:
            try:
                drafts = self._look(identity)
            except UnavailableError as error:
                _log.info("agreement waits", agreement=identity.hex(), reason=error)
                postponed.append(identity)
                continue
            except TallyError as error:
                # No document here yet, or no contract: an entry that changes this touches it again.
                _log.debug("agreement not readable", agreement=identity.hex(), reason=error)
                entries = self._node.reader.agreement_size(identity)
                self._notes.note(Standing(agreement=identity, entries=entries, tides=self._node.writer.tides))
                continue
            waiting += [(identity, self._node.record([draft])) for draft in drafts]
            if len(self._notes) >= KEEP_AT_ONCE:
                self.rest()
        for identity, future in waiting:
            try:
                future.result()
            except UnavailableError as error:
                _log.info("agreement waits", agreement=identity.hex(), reason=error)
                self._decided.pop(identity, None)
                postponed.append(identity)
            except TallyError as error:
                _log.error("agreement not served", agreement=identity.hex(), reason=error)
        return postponed

    def _look(self, identity: bytes) -> list[Draft]:
        """What is to be recorded for one agreement."""
        node, tides = self._node, self._node.writer.tides
        with node.book.replay(node.reader, node.state, identity) as replay:
            drafts = [*self._count(replay), *self._decide(identity, replay)]
            self._stuck.pop(identity, None)
            if replay.missing or replay.awaits is not None or not replay.opened:
                # It goes on when a log comes to where a later term cuts it, or brings an event that counts.
                wanted = {*stating(replay.contract.document), *(term.before for term in replay.terms[1:])}
                self._stuck[identity] = frozenset(wanted)
                self._notes.drop(identity)
            elif not drafts:
                _, waits = self._waiting.get(identity, (None, ()))
                self._notes.note(standing_of(node.book, replay, tides, waits=waits))
        return drafts

    def _count(self, replay: Replay) -> Iterable[Draft]:
        """One statement that counts all that can be counted now, if this organization keeps the time."""
        # Where something counted is missing here, nothing may be counted on top of it; but a new timekeeper
        # may begin below it.
        if replay.timekeeper != self._node.state.organization or (replay.missing and replay.opened):
            return
        entries: list[Value] = [*islice(replay.countable(), MAX_HASHES)]
        if not entries:
            return
        now_ms = max(self._node.world.now_ms(), self._node.state.own.time_ms)
        if now_ms < replay.course.last_ms:
            raise UnavailableError(
                "clock",
                found=f"{now_ms}, before what was counted last",
                expected=f"{replay.course.last_ms} or later",
                action="set the clock right, or wait",
            )
        if now_ms < replay.tried_ms + OPENING_RETRY_MS:
            raise UnavailableError(
                "term",
                found="statements that were named a moment ago, and are not enough yet by the clocks",
                expected="another try in a minute",
            )
        body: dict[str, Value] = {"agreement": replay.contract.agreement, "entries": entries}
        yield self._draft("counted", body, replay)

    def _tick(self) -> bool:
        """One tick for everything that is due; False where the node cannot write at present."""
        node = self._node
        due = self._notes.next_due(node.state.organization)
        if due is None or due > node.world.now_ms() or self._touched or self._backlog:
            return True
        try:
            node.record([node.draft("tick", {})]).result()
        except UnavailableError as error:
            _log.info("tick waits", reason=error)
            return False
        return True

    def _decide(self, identity: bytes, replay: Replay) -> list[Draft]:
        """Record the decisions of firings that became final, if this organization is a party."""
        state = self._node.state
        if len(self._decided) > MAX_DECIDED:
            self._decided.clear()
        if state.organization not in replay.contract.document.parties.values():
            self._decided[identity] = len(replay.course.evaluator.firings)
            return []
        if self._is_waiting(identity, replay):
            return []
        open_firings = [
            firing
            for firing in replay.course.evaluator.firings[self._decided.get(identity, 0) :]
            if not self._has_decided(replay, firing)
        ]
        if not open_firings:
            self._decided[identity] = len(replay.course.evaluator.firings)
            return []
        agreement = read_agreement(replay)
        decisions = [decide(agreement, firing, state.is_witnessed) for firing in open_firings]
        waiting = [
            self._wait_for(identity, rests_on_positions(agreement, decision.firing))
            for decision in decisions
            if not decision.final
        ]
        if len(waiting) == len(decisions):
            self._waiting[identity] = replay.course.evaluator.firings[-1], waiting
        return [
            self._draft("decision", decision_body(agreement, decision), replay)
            for decision in decisions
            if decision.final
        ]

    def _wait_for(self, identity: bytes, positions: Iterable[Position]) -> Position:
        """Have an agreement looked at again when the first unwitnessed of these is witnessed; gives it."""
        state = self._node.state
        unwitnessed = (position for position in positions if not state.is_witnessed(*position))
        # Where a head has moved since the evaluation, nothing may be left to wait for.
        origin, seq = next(unwitnessed, (state.origin, -1))
        heappush(self._provisional.setdefault(origin, []), (seq, identity))
        if seq < 0:
            with self._lock:
                self._heads_moved = True
            self._wake.set()
        return origin, seq

    def _is_waiting(self, identity: bytes, replay: Replay) -> bool:
        """Whether since the last look no rule has fired, and nothing provisional has become final."""
        last, waiting = self._waiting.pop(identity, (None, []))
        state, firings = self._node.state, replay.course.evaluator.firings
        if not firings or last != firings[-1]:
            return False
        if any(seq < 0 or state.is_witnessed(origin, seq) for origin, seq in waiting):
            return False
        self._waiting[identity] = firings[-1], waiting
        return True

    def _has_decided(self, replay: Replay, firing: Firing) -> bool:
        """Whether this organization recorded a decision of the rule; a final one is never replaced."""
        own = self._node.state.organization
        recorded = replay.held.decisions.get((firing.rule, key_text(firing)), ())
        return any(record.organization == own for record in recorded)

    def _draft(self, kind: str, body: dict[str, Value], replay: Replay) -> Draft:
        return self._node.draft(kind, body, audience=audience_of(replay))


def audience_of(replay: Replay) -> tuple[str, ...]:
    """Whom a statement about an agreement is told: its parties, and who keeps its time or may come to."""
    return tuple(sorted({*replay.contract.document.audience(), replay.timekeeper}))
