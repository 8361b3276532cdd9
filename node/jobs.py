"""Jobs for the writer: each with the future by which its answer is awaited, and the queue they wait in."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ledger.errors import UnavailableError
from node.drafts import Recorded

PendingType = TypeVar("PendingType")

MAX_COMMIT_ENTRIES = 8192
GATHER_STEP_S = 0.001
GATHER_LIMIT_S = 0.02


@dataclass(slots=True)
class Job(Generic[PendingType]):
    """Something to do in a commit: `act` gives the places of the drafts it took, which are `entries`."""

    act: Callable[[PendingType], Sequence[tuple[int, bool]]]
    entries: int = 0
    future: Future[list[Recorded]] = field(default_factory=Future)
    places: Sequence[tuple[int, bool]] = ()


class JobQueue(Generic[PendingType]):
    """What waits for the writer; any thread may put, one takes."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job[PendingType] | None] = queue.SimpleQueue()
        self._crowded = False

    def put(self, job: Job[PendingType]) -> None:
        """Have a job done."""
        self._jobs.put(job)

    def close(self) -> None:
        """Have the taker end once it has done what was put so far."""
        self._jobs.put(None)

    def take(self) -> tuple[list[Job[PendingType]], bool]:
        """Wait for a job, then take what else waits, up to a limit; and whether these are the last."""
        jobs: list[Job[PendingType]] = []
        entries = 0
        job = self._jobs.get()
        if self._crowded:
            self._gather()
        while job is not None and entries < MAX_COMMIT_ENTRIES:
            # False where whoever asked has gone; from here on it cannot be cancelled any more.
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
                entries += job.entries
            try:
                job = self._jobs.get_nowait() if entries < MAX_COMMIT_ENTRIES else job
            except queue.Empty:
                break
        # Several at once: their senders are likely to come back together. One alone never waits.
        self._crowded = len(jobs) > 1
        return jobs, job is None

    def refuse(self, error: UnavailableError) -> None:
        """Refuse everything that waits."""
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None and job.future.set_running_or_notify_cancel():
                    job.future.set_exception(error)

    def _gather(self) -> None:
        """Wait for as long as more comes in: a commit costs the same for one entry and for sixty."""
        waiting = -1
        deadline = time.monotonic() + GATHER_LIMIT_S
        while waiting < self._jobs.qsize() < MAX_COMMIT_ENTRIES and time.monotonic() < deadline:
            waiting = self._jobs.qsize()
            time.sleep(GATHER_STEP_S)


def refuse(jobs: Iterable[Job[PendingType]], error: UnavailableError) -> None:
    """Refuse those of these jobs that have no answer yet."""
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
