"""Work that waits for the disk or costs more than a moment runs in threads, not on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_THREADS = 8


class Offload(Protocol):
    """Runs a function elsewhere; a simulation runs it on the spot, so that a seed decides everything."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What `work()` gives or raises."""


class Workers:
    """A few threads of the node's own; each keeps its own reader of the database."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix="sync")

    async def __call__(self, work: Callable[[], T], /) -> T:
        """See `Offload`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def stop(self) -> None:
        """End the threads after what they do."""
        self._pool.shutdown(wait=True, cancel_futures=True)
