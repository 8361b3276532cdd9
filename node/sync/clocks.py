"""Partners' clocks: a node whose own differs by minutes from those of most partners does not write.

Each answer of a partner tells its time. Half of the round trip is allowed for, since nobody knows which
way took longer. Who is right cannot be known either; that more than half of all partners disagree is
reason enough to ask the operator. Of all, not of those who were heard lately: one that is awake while the
others sleep, and lies, must not be able to stop anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import UnavailableError
from node.sync.calls import Told

REMEMBERED_S = 600


@dataclass(frozen=True, slots=True)
class _Heard:
    told: Told
    at_s: float


class Clocks:
    """What partners' clocks said; times of hearing are of a clock that never jumps."""

    def __init__(self, max_skew_s: int) -> None:
        self._max_skew_ms = max_skew_s * 1000
        self._heard: dict[str, _Heard] = {}

    def hear(self, partner: str, told: Told, at_s: float) -> None:
        """A partner's clock was told at this moment."""
        self._heard[partner] = _Heard(told, at_s)

    def offset_ms(self, partner: str) -> int | None:
        """How far a partner's clock is ahead of the own one; None where it was never heard."""
        heard = self._heard.get(partner)
        return None if heard is None else heard.told.offset_ms

    def judge(self, now_s: float, partners: int) -> UnavailableError | None:
        """Why the node should not write, if its clock is off; `partners` is how many there are."""
        recent = [heard.told for heard in self._heard.values() if now_s - heard.at_s <= REMEMBERED_S]
        off = [told.offset_ms for told in recent if self._differs(told)]
        if len(off) * 2 <= partners:
            return None
        middle = sorted(off)[len(off) // 2]
        return UnavailableError(
            "clock",
            found=f"{abs(middle) // 1000} s {'behind' if middle > 0 else 'ahead of'} most partners",
            expected=f"at most {self._max_skew_ms // 1000} s",
            action="set the clock of this machine, best by NTP; the node writes again by itself",
        )

    def _differs(self, told: Told) -> bool:
        return abs(told.offset_ms) - told.error_ms > self._max_skew_ms
