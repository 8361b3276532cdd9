"""The clerk: what a node does for its agreements by itself, after commits, when time comes, at every start.

- Where this organization keeps the time, it counts what waits: one `counted` entry per agreement and round.
  What it has counted may make more countable; the commit of one round is what starts the next.
- Once a deadline of such an agreement is due, it records one `tick`, which serves all of them.
- Where it is a party, it records the decision of every firing that has become final, each once.

What it knows of agreements that rest (when they are due, that nothing waits) is kept in the home's file
`standing` between runs, so that a start looks only at those that changed. The file is derived: without it,
or where it does not fit, every agreement is looked at. The clerk may be stopped anywhere: what was appended
is seen at the next start, what was not is appended then. One thread does it all, so two rounds never meet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
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
from node.standing import Standing, load_standings, save_standings
from node.store.indexing import TICKS
from node.writer import Changes

RETRY_S = 1.0
"""How long the clerk waits while the node must not write."""

_log = get_log(__name__)


class Clerk:
    """Counts, ticks and decides for one node. `start` runs it in a thread; `work_off` does one round."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._touched: set[bytes] = set()
        self._origins: set[str] = set()
        self._heads_moved = False
        self._wake = threading.Event()
        self._ending = False
        self._provisional: dict[bytes, tuple[tuple[Position, ...], ...]] = {}
        self._decided: dict[bytes, int] = {}
        """How many of an agreement's firings are known to need no decision of ours any more."""
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._standings, unknown = load_standings(node.home, node.reader.agreement_sizes())
        node.writer.listen(self._note)
        self._touch(unknown)

    def start(self) -> None:
        """Begin to work; everything that is open is looked at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way. Call it before the node stops."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        save_standings(self._node.home, self._standings)

    def work_off(self) -> bool:
        """Look once at every agreement that was touched; False where some have to wait for the node.

        What is appended touches its agreement again: call it until nothing is left for a settled state.
        """
        with self._lock:
            touched, self._touched = self._touched, set()
            origins, self._origins = self._origins, set()
            moved, self._heads_moved = self._heads_moved, False
        if moved:
            touched |= self._now_final()
        if TICKS in touched:
            touched = (touched - {TICKS}) | self._due_now(self._node.world.now_ms())
        touched |= self._event_touched(origins)
        postponed = self._round(sorted(touched))
        self._touch(postponed)
        return not postponed and self._tick()

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
            self._origins |= changes.origins
            self._heads_moved = True
        if changes.agreements or self._provisional or self._standings.watchers:
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

    def _due_now(self, now_ms: int) -> set[bytes]:
        """Agreements of any timekeeper that a new tick may close something of."""
        state = self._node.state
        newest = max([now_ms, *(head.time_ms for head in state.heads.values())])
        return self._standings.due_at(newest)

    def _event_touched(self, origins: Iterable[str]) -> set[bytes]:
        """Agreements in which an organization states facts by events, and whose log grew."""
        watchers = self._standings.watchers
        return set().union(*(watchers.get(origin.partition("/")[0], set()) for origin in origins))

    def _run(self) -> None:
        done = self.work_off()
        while not self._ending:
            self._wake.wait(self._pause_s() if done else RETRY_S)
            self._wake.clear()
            if not self._ending:
                done = self.work_off()

    def _pause_s(self) -> float | None:
        """How long nothing is due of the agreements whose time this organization keeps."""
        due = self._standings.next_due(self._node.state.organization)
        if due is None:
            return None
        return min(max(due - self._node.world.now_ms(), 0) / 1000, threading.TIMEOUT_MAX) + 0.001

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
                continue
            waiting += [(identity, self._node.record([draft])) for draft in drafts]
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
        node = self._node
        with node.book.replay(node.reader, node.state, identity) as replay:
            drafts = [*self._count(replay), *self._decide(identity, replay)]
            size = node.reader.agreement_size(identity)
            self._standings.note(
                identity, _standing(replay, size, bool(drafts or identity in self._provisional))
            )
            replaced = {offer.body["replaces"] for offer in replay.held.offers.values()} - {None}
            if replay.course.start is not None and replaced:
                self._touch(replaced & self._standings.open)
        return drafts

    def _count(self, replay: Replay) -> Iterable[Draft]:
        """One statement that counts all that can be counted now, if this organization keeps the time."""
        # Where something counted is missing here, nothing may be counted on top of it.
        if replay.timekeeper != self._node.state.organization or replay.missing:
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
        body: dict[str, Value] = {"agreement": replay.contract.agreement, "entries": entries}
        yield self._draft("counted", body, replay)

    def _tick(self) -> bool:
        """One tick for everything that is due; False where the node cannot write at present."""
        node = self._node
        due = self._standings.next_due(node.state.organization)
        if due is None or due > node.world.now_ms() or self._touched:
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
        self._provisional.pop(identity, None)
        if state.organization not in replay.contract.document.parties.values():
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
        waiting = tuple(rests_on_positions(agreement, d.firing) for d in decisions if not d.final)
        if waiting:
            self._provisional[identity] = waiting
            # A head may have moved between the evaluation and here.
            with self._lock:
                self._heads_moved = True
            self._wake.set()
        return [
            self._draft("decision", decision_body(agreement, decision), replay)
            for decision in decisions
            if decision.final
        ]

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


def _standing(replay: Replay, entries: int, busy: bool) -> Standing:
    document = replay.contract.document
    stating = {
        document.parties[role]
        for rule in document.facts.values()
        if rule.event is not None
        for role in rule.by
    }
    return Standing(
        entries=entries,
        timekeeper=replay.timekeeper,
        # What cannot go on at present is not waited for with ticks.
        next_due=replay.next_due if replay.opened and not replay.missing else None,
        busy=busy or bool(replay.missing) or bool(stating),
        ended=replay.course.end is not None,
        stating=tuple(sorted(stating)),
    )
