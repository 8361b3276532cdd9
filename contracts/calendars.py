"""Calendars: weekends, holidays and the offsets of a zone, all of them written in the document.

    work: {weekend: [saturday, sunday], holidays: [2019-01-21], zone: "+01:00", until: 2020-12-31}

A calendar says nothing about days outside `from` to `until`: there every function is a fault. `offsets`
are those of the zone with the instant from which each holds; before the first one it says nothing either,
unless that one holds from the beginning.

A local time that a clock turned back shows twice is the first of the two; one that a clock turned forward
leaves out is as much later as the clock was turned. A day ends at the last instant at which a clock that
showed it goes on to a later day, and begins at the first one that it shows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from contracts.civil import DAY_MS, MAX_DAY, MIN_DAY, MIN_MS
from contracts.operations import ArithmeticFault, instant
from contracts.syntax import Place
from contracts.values import Date, Duration, Instant, format_value
from ledger.errors import InvalidError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_OFFSET_MS = 18 * 3_600_000
"""No zone is further from UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Which days are business days, from `first` to `last`, and what a clock shows at an instant.

    Make it with `make_calendar`. `weekend` holds weekdays from 1 (Monday), `holidays` are sorted days since
    1970-01-01 that are no weekend, `offsets` are pairs of the ms from which they hold and the ms that a
    clock is ahead of UTC.
    """

    weekend: frozenset[int]
    holidays: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    first: int
    last: int
    place: Place

    def day(self, when: Instant | Date) -> int:
        """The local day of an instant, or a date itself, within the calendar."""
        day = when.days if isinstance(when, Date) else self._local_ms(when) // DAY_MS
        return self._within(day)

    def is_business_day(self, day: int) -> bool:
        """Whether a day within the calendar is neither weekend nor holiday."""
        self._within(day)
        place = bisect_left(self.holidays, day)
        holiday = place < len(self.holidays) and self.holidays[place] == day
        return not holiday and weekday(day) not in self.weekend

    def business_days(self, start: Instant | Date, end: Instant | Date) -> int:
        """Business days after the day of `start` up to and with that of `end`, never below 0."""
        return max(0, self._count(self.day(end)) - self._count(self.day(start)))

    def add_business_days(self, when: Instant | Date, number: int) -> Instant | Date:
        """The business day that is so many after (or before) a day; an instant keeps its local time."""
        start = self.day(when)
        if number == 0:
            return when
        day = self._find(self._count(start if number > 0 else start - 1) + number + (number < 0))
        if isinstance(when, Date):
            return Date(day)
        return self._instant(self._local_ms(when) + (day - start) * DAY_MS)

    def next_business_day(self, day: int) -> int:
        """A day itself if it is a business day, otherwise the next one."""
        return day if self.is_business_day(day) else self._find(self._count(day) + 1)

    def start_of_day(self, day: int) -> Instant:
        """The first instant at which a clock shows the day."""
        return self._midnight(self._within(day), 0)

    def end_of_day(self, day: int) -> Instant:
        """The instant at which a clock goes on from the day to a later one, for the last time."""
        return self._midnight(self._within(day) + 1, -1)

    def _within(self, day: int) -> int:
        if not self.first <= day <= self.last:
            end = format_value(Date(self.last if day > self.last else self.first))
            side = "ends on" if day > self.last else "begins on"
            shown = format_value(Date(day)) if MIN_DAY <= day <= MAX_DAY else "a day"
            raise ArithmeticFault(f"{shown} in a calendar that {side} {end}")
        return day

    def _local_ms(self, when: Instant) -> int:
        """What a clock shows at an instant, in ms since its own 1970-01-01."""
        place = bisect_right(self.offsets, when.ms, key=lambda row: row[0]) - 1
        if place < 0:
            raise ArithmeticFault(f"{format_value(when)}, before the first offset of the calendar's zone")
        return when.ms + self.offsets[place][1]

    def _shown_at(self, local_ms: int) -> list[int]:
        """The instants, in ms, at which a clock shows a local time: none, one or two."""
        shown = {local_ms - offset for _, offset in self._near(local_ms)}
        held = (ms for ms in shown if ms >= self.offsets[0][0])
        return sorted(ms for ms in held if self._local_ms(Instant(ms)) == local_ms)

    def _near(self, local_ms: int) -> Sequence[tuple[int, int]]:
        """The offsets that may hold when a clock shows a local time: two at most, and those beside them."""
        place = bisect_right(self.offsets, local_ms, key=lambda row: row[0])
        return self.offsets[max(0, place - 2) : place + 2]

    def _skipped(self, local_ms: int) -> tuple[int, int]:
        """The instant at which a clock was turned forward over a local time, and its offset before."""
        for (_, before), (start, after) in pairwise(self._near(local_ms)):
            if start + before <= local_ms < start + after:
                return start, before
        raise ArithmeticFault("a local time before the first offset of the calendar's zone")

    def _instant(self, local_ms: int) -> Instant:
        shown = self._shown_at(local_ms)
        return instant(shown[0] if shown else local_ms - self._skipped(local_ms)[1])

    def _midnight(self, day: int, which: int) -> Instant:
        """The first (0) or last (-1) instant at which a clock goes on from an earlier day to this one."""
        shown = self._shown_at(day * DAY_MS)
        if not shown:
            return instant(self._skipped(day * DAY_MS)[0])
        # A clock that is turned back to midnight sharp shows it twice and the day before it once.
        arrived = [ms for ms in shown[1:] if self._local_ms(Instant(ms - 1)) < day * DAY_MS]
        return instant([shown[0], *arrived][which])

    def _count(self, day: int) -> int:
        """Business days from some day long ago up to and with a day."""
        weeks, rest = divmod(day + 3, 7)  # 1969-12-29 was a Monday
        working = [number not in self.weekend for number in range(1, 8)]
        return weeks * sum(working) + sum(working[: rest + 1]) - bisect_right(self.holidays, day)

    def _find(self, number: int) -> int:
        """The first day within the calendar on which `_count` comes to a number."""
        low, high = self.first, self.last + 1
        if self._count(low - 1) >= number:
            raise ArithmeticFault(f"a day in a calendar that begins on {format_value(Date(self.first))}")
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._count(middle) < number else (low, middle)
        return self._within(low)


def weekday(day: int) -> int:
    """The weekday of a day since 1970-01-01, from 1 (Monday) to 7."""
    return (day + 3) % 7 + 1


def make_calendar(
    *,
    weekend: Iterable[int],
    holidays: Iterable[int],
    offsets: Sequence[tuple[Instant | None, Duration]],
    first: Date | None,
    last: Date,
    place: Place,
) -> Calendar:
    """A calendar; the first offset may hold from the beginning (None).

    Raises:
        InvalidError: no business day in a week, days or offsets out of order or out of bounds.
    """
    free = frozenset(weekend)
    begin = MIN_DAY if first is None else first.days
    if len(free) == 7:
        raise InvalidError(str(place), found="a weekend of seven days", expected="a business day in a week")
    if begin > last.days:
        raise InvalidError(str(place), found="an `until` before `from`", expected="`from` first")
    days = sorted(set(holidays))
    outside = [day for day in days if not begin <= day <= last.days]
    if outside:
        raise InvalidError(
            str(place),
            found=f"the holiday {format_value(Date(outside[0]))}",
            expected="holidays from `from` to `until`",
            action="move `until`, or leave the holiday out",
        )
    return Calendar(
        weekend=free,
        holidays=tuple(day for day in days if weekday(day) not in free),
        offsets=_offsets(offsets, place),
        first=begin,
        last=last.days,
        place=place,
    )


def _offsets(offsets: Sequence[tuple[Instant | None, Duration]], place: Place) -> tuple[tuple[int, int], ...]:
    rows: list[tuple[int, int]] = []
    for since, offset in offsets:
        if since is None and rows:
            raise InvalidError(str(place), found="an offset without `from`", expected="only the first")
        if abs(offset.ms) > MAX_OFFSET_MS:
            raise InvalidError(str(place), found="an offset of more than 18 hours", expected="such as +01:00")
        start = MIN_MS - DAY_MS if since is None else since.ms
        # Two changes within a day and a half could fold one local time three times over.
        if rows and start <= rows[-1][0] + 2 * MAX_OFFSET_MS:
            raise InvalidError(
                str(place),
                found=f"offsets from {format_value(Instant(start))} out of order or too close",
                expected="one after the other, more than 36 hours apart",
            )
        rows.append((start, offset.ms))
    return tuple(rows) or ((MIN_MS - DAY_MS, 0),)
