"""The one writer: a thread that takes whatever waits, and makes one commit of it.

A commit goes through these steps; what happens if the process dies there stands beside each.

1. Take every job that waits. (Nothing was promised.)
2. Begin a transaction; put partners' runs and notes in; make entries out of drafts and pass them through
   the same door as partners' entries, under a checkpoint signed for them. (The transaction is gone, and
   with it the only copy of that checkpoint: no byte of it left this thread.)
3. COMMIT, with the write-ahead log forced to disk. (Either all of it is there after a restart, or none.)
4. Put the new state in place, raise the high-water mark, answer. (The entries are there; a client that
   repeats its request under the same Idempotency-Key is told so.)
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from sqlite_utils import Database

from ledger.errors import ConflictError, TallyError, UnavailableError
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.entry import SALT_BYTES, commit_to, leaf_hash, parse_entry, seal_entries
from ledger.log.intake import cover, grow_copy
from ledger.log.note import VerifierKey
from node.drafts import Draft, Lacking, Recorded, take_drafts
from node.homekeys import check_own_key
from node.jobs import Job, JobQueue, refuse
from node.metrics import Metrics
from node.pending import Changes, Pending, StoredRun
from node.place import Place
from node.state import Head, State, fold_run, load_standing
from node.store.indexing import STANDING_KINDS, TICKS, Indexed
from node.store.place_record import write_place
from node.store.reader import StoredNote
from node.store.standing import Standing, Tides, keep
from node.store.unanswered import note_answered, note_unanswered
from node.store.writing import Writing
from node.world import World


class Writer:
    """Owns the only connection that writes. `state` is what was committed last."""

    def __init__(
        self,
        *,
        database: Database,
        state: State,
        vkey: VerifierKey,
        log_seed: bytes,
        world: World,
        metrics: Metrics,
        raise_mark: Callable[[int, bytes], None],
    ) -> None:
        self.state = state
        self.tides: Tides = {}
        """What came so far that agreements may depend on, as of a state that was put in place before."""
        self.lacking: Lacking = frozenset()
        """What is known of own payloads that were lost; the event loop sets it."""
        self._database = database
        self._writing = Writing(database)
        self._vkey = vkey
        self._seed = log_seed
        self._world = world
        self._metrics = metrics
        self._raise_mark = raise_mark
        self._listeners: list[Callable[[Changes], None]] = []
        self._jobs: JobQueue[Pending] = JobQueue()
        self._in_flight: Sequence[Job[Pending]] = ()
        self._broken: UnavailableError | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end."""
        self._jobs.close()
        self._thread.join()

    def check_alive(self) -> None:
        """Raises UnavailableError where nothing more will be committed."""
        if self._broken is not None:
            raise self._broken
        if not self._thread.is_alive():
            raise UnavailableError("writer", found="not running", expected="a started node")

    def listen(self, listener: Callable[[Changes], None]) -> None:
        """Have `listener` called in the writer's thread after every commit; it must return at once."""
        self._listeners.append(listener)

    def append(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """Append statements to the own log: all or none of them, answered once they are on disk.

        What was recorded before (same nonce, or the same event) is not recorded again.
        """
        return self._submit(Job(partial(self._take_drafts, drafts), entries=len(drafts)))

    def store_run(self, run: StoredRun) -> Future[list[Recorded]]:
        """Store a run that passed the door; ConflictError if its log changed since."""
        return self._submit(Job(partial(self._store_run, run)))

    def store_note(self, origin: str, note: StoredNote) -> Future[list[Recorded]]:
        """Keep a checked note, or its cosignatures, if it is newer or better witnessed than what is kept."""
        return self._submit(Job(partial(self._store_note, origin, note)))

    def store_payloads(
        self,
        origin: str,
        payloads: Sequence[tuple[int, bytes, bytes]],
        indexed: Sequence[tuple[int, Indexed]],
    ) -> Future[list[Recorded]]:
        """Keep checked payloads of entries that are here already."""
        return self._submit(Job(partial(self._store_payloads, origin, payloads, indexed)))

    def note_answered(self, origin: str, seqs: Sequence[int]) -> Future[list[Recorded]]:
        """Note that the author of a log has answered for these entries: what is not here is not for us."""
        return self._submit(Job(partial(self._note_answered, origin, seqs)))

    def store_place(self, place: Place) -> Future[list[Recorded]]:
        """Record where the home was opened."""
        return self._submit(Job(partial(self._store_place, place)))

    def keep_standings(self, standings: Sequence[Standing], refused: list[bytes]) -> Future[list[Recorded]]:
        """Note how agreements stand; those that something has overtaken are added to `refused` instead."""
        return self.change(lambda database: refused.extend(keep(database, standings, self._writing.tides)))

    def change(self, act: Callable[[Database], None]) -> Future[list[Recorded]]:
        """Have `act` write what belongs to no log, in a commit; a TallyError that it raises undoes it."""

        def run(pending: Pending) -> Sequence[tuple[int, bool]]:
            act(self._database)
            return ()

        return self._submit(Job(run))

    def _submit(self, job: Job[Pending]) -> Future[list[Recorded]]:
        if self._broken is None:
            self._jobs.put(job)
        else:
            job.future.set_exception(self._broken)
        if self._broken is not None and not self._thread.is_alive():
            # It ended in between: nobody will take the job any more.
            self._jobs.refuse(self._broken)
        return job.future

    # The thread

    def _work(self) -> None:
        try:
            last = False
            while not last:
                jobs, last = self._jobs.take()
                self._in_flight = jobs
                if self._broken is not None:
                    refuse(jobs, self._broken)
                elif jobs:
                    self._commit(jobs)
        finally:
            # Also after a fault of our own: nobody may wait for an answer that never comes.
            self._broken = self._broken or UnavailableError(
                "writer", found="it has ended", expected="a running node", action="restart the node"
            )
            refuse(self._in_flight, self._broken)
            self._jobs.refuse(self._broken)

    def _commit(self, jobs: Sequence[Job[Pending]]) -> None:
        started = time.perf_counter()
        pending = Pending(state=self.state, heads=dict(self.state.heads))
        try:
            self._database.execute("BEGIN IMMEDIATE")
            # Drafts come last: their positions follow whatever else changed the own log.
            in_order = sorted(jobs, key=lambda job: job.entries > 0)
            done = [job for job in in_order if self._run_job(job, pending)]
            leaves = self._append_drafts(pending)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(jobs, error)
            return
        self.state = pending.state.with_heads(pending.heads, self.state.roster)
        if self.tides != self._writing.tides:
            self.tides = dict(self._writing.tides)
        own = self.state.own.copy
        self._raise_mark(own.size, own.root)
        first = own.size - len(leaves)
        self._count(pending, len(leaves), time.perf_counter() - started)
        for job in done:
            job.future.set_result(self._recorded(job.places, first, leaves))
        self._tell(pending)

    def _fail(self, jobs: Sequence[Job[Pending]], error: sqlite3.Error) -> None:
        """After an error of the disk nobody knows what is on it: stop writing until a restart looks."""
        with contextlib.suppress(sqlite3.Error):
            if self._database.conn.in_transaction:
                self._database.execute("ROLLBACK")
        self._broken = UnavailableError(
            "store", found=str(error), expected="a commit", action="check the disk, then restart the node"
        )
        refuse(jobs, self._broken)

    def _count(self, pending: Pending, appended: int, seconds: float) -> None:
        self._metrics.commits.inc()
        self._metrics.commit_seconds.observe(seconds)
        self._metrics.entries_appended.inc(appended)
        for origin in pending.origins:
            self._metrics.log_entries.labels(origin).set(pending.heads[origin].copy.size)

    def _tell(self, pending: Pending) -> None:
        changes = pending.changes()
        if changes.origins:
            for listener in self._listeners:
                listener(changes)

    def _run_job(self, job: Job[Pending], pending: Pending) -> bool:
        """Do one job inside the transaction; a job that is refused has written nothing."""
        before = pending if job.entries else pending.snapshot()
        try:
            if not job.entries:  # drafts write nothing yet
                self._database.execute("SAVEPOINT job")
            job.places = job.act(pending)
        except TallyError as error:
            if not job.entries:
                # What it wrote before it was refused must not be committed with the others.
                self._database.execute("ROLLBACK TO job")
                self._writing.forget_caches()
                pending.take_back(before)
            job.future.set_exception(error)
            return False
        return True

    # Own entries

    def _take_drafts(self, drafts: Sequence[Draft], pending: Pending) -> Sequence[tuple[int, bool]]:
        check_own_key(pending.state, self._vkey)
        own = pending.heads[pending.state.origin].copy
        return take_drafts(drafts, pending.fresh, self._writing.reader, own, self.lacking)

    def _recorded(
        self, places: Sequence[tuple[int, bool]], first: int, leaves: Sequence[bytes]
    ) -> list[Recorded]:
        """Positions with their leaf hashes, once they are on disk."""
        reader, origin = self._writing.reader, self.state.origin
        return [
            Recorded(
                seq=seq,
                new=new,
                leaf=leaves[seq - first] if seq >= first else leaf_hash(reader.entry(origin, seq)),
            )
            for seq, new in places
        ]

    def _append_drafts(self, pending: Pending) -> Sequence[bytes]:
        """Make entries out of the drafts, sign the checkpoint that ends this commit, pass the door."""
        if not pending.fresh.drafts:
            return []
        state = pending.state
        head = pending.heads[state.origin]
        first = head.copy.size
        time_ms = max(self._world.now_ms(), head.time_ms)
        # One call, since each lets other threads in: see Node.draft.
        random = self._world.random(SALT_BYTES * len(pending.fresh.drafts))
        salts = [random[i : i + SALT_BYTES] for i in range(0, len(random), SALT_BYTES)]
        rows = (
            (draft.statement.kind, len(draft.payload), commit_to(salt, draft.payload))
            for salt, draft in zip(salts, pending.fresh.drafts, strict=True)
        )
        grown = grow_copy(head.copy, seal_entries(head.copy.last, first, time_ms, rows))
        after = grown.after
        note = seal_checkpoint(Checkpoint(origin=state.origin, size=after.size, root=after.root), self._seed)
        payloads = [draft.payload for draft in pending.fresh.drafts]
        stored = StoredRun(
            accepted=cover(grown, note, self._vkey),
            note=StoredNote(size=after.size, note=note, proof=()),
            payloads=list(zip(range(first, after.size), salts, payloads, strict=True)),
            indexed=[(seq, draft.indexed) for seq, draft in enumerate(pending.fresh.drafts, first)],
            statements=[
                (seq, grown.leaves[seq - first], draft.statement)
                for seq, draft in enumerate(pending.fresh.drafts, first)
                if draft.statement.kind in STANDING_KINDS
            ],
        )
        self._store_run(stored, pending)
        return grown.leaves

    # Anybody's entries

    def _store_run(self, run: StoredRun, pending: Pending) -> Sequence[tuple[int, bool]]:
        grown = run.accepted.grown
        origin = grown.after.origin
        head = pending.heads.get(origin)
        at = head.copy if head else pending.state.copy(origin)
        if (at.size, at.last) != (grown.before.size, grown.before.last):
            raise ConflictError(
                f"log {origin}", found=f"size {at.size} by now", expected=f"size {grown.before.size}"
            )
        if head is None or not head.number:
            head = Head(number=self._writing.add_log(origin), copy=at)
        if grown.entries:
            self._writing.add_entries(head.number, grown)
        self._writing.add_payloads(head.number, run.payloads)
        note_unanswered(self._database, head.number, run.unanswered)
        pending.agreements |= self._writing.index(head.number, run.indexed)
        state = fold_run(self._writing.reader, pending.state, run.foldings())
        self._touch_ended(pending, state)
        pending.state = state
        if grown.entries:
            time_ms = parse_entry(grown.entries[-1]).time_ms
            self._set_head(head, head.with_run(grown.after, time_ms, run.note, state.roster), pending)
        else:
            self._set_head(head, head.with_note(run.note, state.roster), pending)
        return ()

    def _touch_ended(self, pending: Pending, state: State) -> None:
        """Where a later log ended another, what lies beyond counts no more."""
        before = pending.state.roster.ends
        for origin, end in state.roster.ends.items():
            if before.get(origin) != end:
                self._touch_late(pending, origin.partition("/")[0])

    def _touch_late(self, pending: Pending, organization: str) -> None:
        pending.late = True
        pending.agreements |= self._writing.touch_logs(organization, pending.numbers_of(organization))

    def _store_note(self, origin: str, note: StoredNote, pending: Pending) -> Sequence[tuple[int, bool]]:
        head = pending.heads[origin]
        self._set_head(head, head.with_note(note, pending.state.roster), pending)
        return ()

    def _set_head(self, head: Head, changed: Head, pending: Pending) -> None:
        origin = head.copy.origin
        if changed.notes() != head.notes():
            rows = [(kept.size, kept.note, b"".join(kept.proof)) for kept in changed.notes()]
            # The note that ends an era stays: by it the entries before a rotation travel.
            turn_after = pending.state.roster.turn_after
            gone = [kept.size for kept in head.notes() if turn_after(origin, kept.size - 1) != kept.size]
            self._writing.set_notes(head.number, rows, instead_of=gone)
        if changed != pending.heads.get(origin):
            pending.heads[origin] = changed
            pending.origins.add(origin)

    def _store_payloads(
        self,
        origin: str,
        payloads: Sequence[tuple[int, bytes, bytes]],
        indexed: Sequence[tuple[int, Indexed]],
        pending: Pending,
    ) -> Sequence[tuple[int, bool]]:
        head = pending.heads[origin]
        # What is here already is in the indexes, too.
        new = {seq for seq, _, _ in payloads if self._writing.reader.payload(origin, seq) is None}
        self._writing.add_payloads(head.number, payloads)
        fresh = [(seq, item) for seq, item in indexed if seq in new]
        pending.agreements |= self._writing.index(head.number, fresh)
        if any(item.in_roster for _, item in indexed):
            # These entries came before others that are folded already.
            state = load_standing(self._writing.reader, pending.state)
            self._touch_ended(pending, state)
            pending.state = state
        if any(item.in_roster or TICKS in item.agreements for _, item in fresh):
            self._touch_late(pending, origin.partition("/")[0])
        self._note_answered(origin, [seq for seq, _, _ in payloads], pending)
        pending.origins.add(origin)
        return ()

    def _note_answered(
        self, origin: str, seqs: Sequence[int], pending: Pending
    ) -> Sequence[tuple[int, bool]]:
        if note_answered(self._database, pending.heads[origin].number, seqs):
            self._touch_late(pending, origin.partition("/")[0])
            pending.origins.add(origin)
        return ()

    def _store_place(self, place: Place, _pending: Pending) -> Sequence[tuple[int, bool]]:
        write_place(self._database, place)
        return ()
