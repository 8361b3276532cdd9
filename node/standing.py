"""What is known of agreements that rest, in memory and, between runs, in the file `standing` of the home.

The file is strict msgpack: `["standing", 1, {agreement in hex: [entries, timekeeper, next due or nil]}]`,
with those alone for which nothing waits. It is derived from the store and may be deleted at any time. A line
of it holds only while as many entries as then are about the agreement.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from ledger.errors import TallyError
from ledger.log.encoding import Value, decode, encode

FILE = "standing"
_FORM: list[Value] = ["standing", 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One agreement: how many entries were about it, who keeps its time, when its next deadline is due.

    `busy`: something waits that must be looked at after a start. `stating`: who states facts by events.
    """

    entries: int
    timekeeper: str
    next_due: int | None
    busy: bool = False
    ended: bool = False
    stating: tuple[str, ...] = ()


class Standings:
    """The standings of all agreements, found by what is due."""

    def __init__(self) -> None:
        self.all: dict[bytes, Standing] = {}
        self.watchers: dict[str, set[bytes]] = {}
        """Agreements by the organizations that state facts of theirs by events."""
        self.open: set[bytes] = set()
        """Agreements that have not ended."""
        self._heaps: dict[str, list[tuple[int, bytes]]] = {}

    def note(self, agreement: bytes, standing: Standing) -> None:
        """Note how an agreement stands now."""
        self.all[agreement] = standing
        (self.open.discard if standing.ended else self.open.add)(agreement)
        for organization in standing.stating:
            self.watchers.setdefault(organization, set()).add(agreement)
        if standing.next_due is not None:
            heappush(self._heaps.setdefault(standing.timekeeper, []), (standing.next_due, agreement))

    def next_due(self, timekeeper: str) -> int | None:
        """When the next deadline of a timekeeper's agreements is due, in milliseconds."""
        heap = self._heaps.get(timekeeper, [])
        while heap and not self._holds(timekeeper, *heap[0]):
            heappop(heap)
        return heap[0][0] if heap else None

    def due_at(self, time_ms: int) -> set[bytes]:
        """The agreements that something of is due at a time, whoever keeps it."""
        found: set[bytes] = set()
        for timekeeper in self._heaps:
            heap, kept = self._heaps[timekeeper], []
            while heap and heap[0][0] <= time_ms:
                due, agreement = heappop(heap)
                if self._holds(timekeeper, due, agreement) and agreement not in found:
                    found.add(agreement)
                    kept.append((due, agreement))
            for item in kept:
                heappush(heap, item)
        return found

    def _holds(self, timekeeper: str, due: int, agreement: bytes) -> bool:
        standing = self.all.get(agreement)
        return standing is not None and (standing.timekeeper, standing.next_due) == (timekeeper, due)


def load_standings(home: Path, sizes: Mapping[bytes, int]) -> tuple[Standings, set[bytes]]:
    """The standings that still hold, and the agreements to be looked at; `sizes` are those of the store."""
    standings = Standings()
    try:
        found: Any = decode((home / FILE).read_bytes(), FILE)
        kept = found[2] if found[:2] == _FORM else {}
        for text, (entries, timekeeper, next_due) in kept.items():
            agreement = bytes.fromhex(text)
            if sizes.get(agreement) == entries:
                standings.note(agreement, Standing(entries=entries, timekeeper=timekeeper, next_due=next_due))
    except (OSError, TallyError, TypeError, ValueError, LookupError, AttributeError):
        # Not there, or not what this version writes: then it is as if nothing were known.
        return Standings(), set(sizes)
    return standings, sizes.keys() - standings.all.keys()


def save_standings(home: Path, standings: Standings) -> None:
    """Keep what rests for the next start; a file that cannot be written is done without."""
    kept: dict[str, Value] = {
        agreement.hex(): [standing.entries, standing.timekeeper, standing.next_due]
        for agreement, standing in sorted(standings.all.items())
        if not standing.busy
    }
    fresh = home / f"{FILE}.new"
    try:
        fresh.write_bytes(encode([*_FORM, kept]))
        os.replace(fresh, home / FILE)
    except OSError:
        fresh.unlink(missing_ok=True)
