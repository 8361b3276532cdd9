"""Ranges of a log, worked through by several processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from ledger.audit.ranges import RangeResult
from ledger.audit.source import Range

Work = Callable[[Range], RangeResult]

MIN_RANGES = 4
"""Fewer are done sooner than processes start (about 50,000 entries)."""

_work: Work | None = None


def default_jobs() -> int:
    """As many processes as there are cores for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in(
    jobs: int, prepare: Callable[[], None] = lambda: None
) -> Callable[[Work, Iterable[Range]], Iterable[RangeResult]]:
    """A `map` over so many processes; small logs are done in this one.

    `prepare` closes what a process that is forked must not take over, such as connections to databases.
    """

    def run(work: Work, ranges: Iterable[Range]) -> Iterable[RangeResult]:
        listed = list(ranges)
        if jobs <= 1 or len(listed) < MIN_RANGES:
            return map(work, listed)
        prepare()
        return _pooled(work, listed, min(jobs, len(listed)))

    return run


def _pooled(work: Work, ranges: list[Range], jobs: int) -> Iterator[RangeResult]:
    # A fork is there at once, but it would take over locks that other threads hold.
    method = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
    context = multiprocessing.get_context(method)
    # Pickled here, so that a forked process opens connections of its own as well.
    packed = pickle.dumps(work)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_keep, initargs=(packed,)) as pool:
        yield from pool.map(_do, ranges)


def _keep(packed: bytes) -> None:
    """Keep the work, with the connection that its source opens, for all ranges of this process."""
    global _work
    _work = pickle.loads(packed)


def _do(span: Range) -> RangeResult:
    if _work is None:
        raise RuntimeError("a process of the pool has no work")
    return _work(span)
