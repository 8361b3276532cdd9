"""Payloads that are still to be asked for: entries came from a holder that did not have, or give, them all.

The author has the last word: what it does not give is not for this node. Other holders are asked once
each. An author that nobody can call is told, in the answer to its push, to begin at the first entry whose
payload is wanted. What was refused is remembered in memory only, so a restart asks again.

Of one thing the author has not the last word: what a timekeeper counted, every party may have. While an
agreement stands still for want of it, every partner is asked at every exchange.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

MAX_WANTED_PER_LOG = 100_000
MAX_ASKED_AT_ONCE = 2_000


class Missing:
    """Which payloads of which logs are wanted, and who was asked for them; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, set[int]] = {}
        self._refused: dict[tuple[str, str], set[int]] = {}

    def want(self, origin: str, seqs: Iterable[int]) -> None:
        """Ask for these when somebody who may have them is talked to."""
        with self._lock:
            wanted = self._wanted.setdefault(origin, set())
            for seq in seqs:
                if len(wanted) >= MAX_WANTED_PER_LOG:
                    return
                wanted.add(seq)

    def want_from(self, partner: str, origin: str, seqs: Iterable[int]) -> None:
        """Ask this partner for these once more, whatever it or the author refused before."""
        asked = list(seqs)
        with self._lock:
            self._refused.get((partner, origin), set()).difference_update(asked)
        self.want(origin, asked)

    def origins(self) -> list[str]:
        """The logs of which something is wanted."""
        with self._lock:
            return sorted(origin for origin, wanted in self._wanted.items() if wanted)

    def first(self, origin: str) -> int | None:
        """The lowest position of a log whose payload is wanted."""
        with self._lock:
            return min(self._wanted.get(origin, ()), default=None)

    def to_ask(self, partner: str, origin: str) -> list[int]:
        """What this partner has not refused yet, up to a limit, the lowest positions first."""
        with self._lock:
            refused = self._refused.get((partner, origin), set())
            return sorted(self._wanted.get(origin, set()) - refused)[:MAX_ASKED_AT_ONCE]

    def got(self, origin: str, seqs: Iterable[int]) -> None:
        """These are here now."""
        with self._lock:
            self._wanted.get(origin, set()).difference_update(seqs)

    def refused(self, partner: str, origin: str, seqs: Iterable[int]) -> None:
        """The partner did not give these: if it is the author, nobody will."""
        if partner == origin.partition("/")[0]:
            self.got(origin, seqs)
            return
        with self._lock:
            self._refused.setdefault((partner, origin), set()).update(seqs)

    def count(self) -> int:
        """How many payloads are wanted."""
        with self._lock:
            return sum(map(len, self._wanted.values()))
