"""The ticks of logs by position and time, kept in memory: which one closes what is due.

An agreement needs only the ticks that close something of it, and a timekeeper of many records many.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from contracts.terms import LogOrder
from ledger.log.origin import parse_origin
from node.state import State
from node.store.reader import Reader


@dataclass(slots=True)
class _Ticks:
    """The ticks of one log; `rising` while their times never fall, as those of an honest log do not."""

    size: int = 0
    seqs: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    rising: bool = True

    def add(self, seq: int, time_ms: int) -> None:
        self.rising &= not self.times or self.times[-1] <= time_ms
        self.seqs.append(seq)
        self.times.append(time_ms)

    def first(self, start: int, end: int, due_ms: int) -> int | None:
        low, high = bisect_left(self.seqs, start), bisect_left(self.seqs, end)
        if self.rising:
            found = max(low, bisect_left(self.times, due_ms))
        else:
            found = next((at for at in range(low, high) if self.times[at] >= due_ms), high)
        return self.seqs[found] if found < high else None


class TickIndex:
    """The ticks of every log that was asked for. Its caller lets one thread at a time in."""

    def __init__(self) -> None:
        self._logs: dict[str, _Ticks] = {}

    def first(
        self, reader: Reader, state: State, timekeeper: str, after: LogOrder, due_ms: int
    ) -> tuple[str, int] | None:
        """Origin and position of the first tick past a place whose time is at or past `due_ms`."""
        for order in self._orders(state, timekeeper):
            origin = order[1]
            if order < after[:2]:
                continue
            start = after[2] + 1 if after[:2] == order else 0
            found = self._read(reader, state, origin).first(start, state.copy(origin).size, due_ms)
            if found is not None and not state.roster.is_beyond(origin, found):
                return origin, found
        return None

    def all(self, reader: Reader, state: State, timekeeper: str) -> list[tuple[str, int]]:
        """Every tick of an organization's logs, but those past where a later log ended an earlier one."""
        return [
            (origin, seq)
            for _, origin in self._orders(state, timekeeper)
            for seq in self._read(reader, state, origin).seqs
            if not state.roster.is_beyond(origin, seq)
        ]

    @staticmethod
    def _orders(state: State, timekeeper: str) -> list[tuple[int, str]]:
        return sorted(
            (len(origin), origin) for origin in state.heads if parse_origin(origin).organization == timekeeper
        )

    def _read(self, reader: Reader, state: State, origin: str) -> _Ticks:
        size, known = state.copy(origin).size, self._logs.setdefault(origin, _Ticks())
        if known.size == size:
            return known
        # A payload may have come after later ones; not in the own log, which is written whole.
        if origin != state.origin and reader.count_ticks(origin, known.size) != len(known.seqs):
            known = self._logs[origin] = _Ticks()
        for seq, time_ms in reader.ticks(origin, known.size, size):
            known.add(seq, time_ms)
        known.size = size
        return known
