"""What a node asks of the world besides its store and its network: the time and randomness.

Both come from outside, so that a test can run a whole network under a seed and a clock of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`now_ms` gives milliseconds since 1970 UTC; `random` gives that many unpredictable bytes."""

    now_ms: Callable[[], int]
    random: Callable[[int], bytes]


def real_world() -> World:
    """The machine's clock and random source."""
    return World(now_ms=lambda: time.time_ns() // 1_000_000, random=os.urandom)
