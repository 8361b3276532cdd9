"""Calendars against a model that walks day by day, and minute by minute over changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendars import Calendar, make_calendar, weekday
from contracts.civil import DAY_MS
from contracts.operations import ArithmeticFault
from contracts.syntax import Place
from contracts.values import Date, Duration, Instant
from ledger.errors import InvalidError

PLACE = Place(label="calendar")
MINUTE_MS = 60_000
FIRST, LAST = 17_900, 18_200
BEGIN, END = Date(FIRST), Date(LAST)
SPRING, AUTUMN = 18_000 * DAY_MS + 3_600_000, 18_100 * DAY_MS + 3_600_000


def calendar(
    weekend: frozenset[int] = frozenset({6, 7}),
    holidays: frozenset[int] = frozenset(),
    offsets: tuple[tuple[Instant | None, Duration], ...] = (),
    first: Date | None = BEGIN,
    last: Date = END,
) -> Calendar:
    return make_calendar(
        weekend=weekend, holidays=holidays, offsets=offsets, first=first, last=last, place=PLACE
    )


def zone(*minutes: int) -> tuple[tuple[Instant | None, Duration], ...]:
    """Offsets that hold from the beginning, from `SPRING` and from `AUTUMN`."""
    starts = (None, Instant(SPRING), Instant(AUTUMN))
    return tuple((start, Duration(m * MINUTE_MS)) for start, m in zip(starts, minutes, strict=False))


weekends = st.frozensets(st.integers(1, 7), max_size=6)
holidays = st.frozensets(st.integers(FIRST, LAST), max_size=40)
days = st.integers(FIRST, LAST)
shifts = st.sampled_from([-720, -210, -60, 0, 60, 345, 840])
turns = st.sampled_from([-120, -60, -30, 30, 60, 120])


def is_working(free: frozenset[int], off: frozenset[int], day: int) -> bool:
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    return date.isoweekday() not in free and day not in off


@given(weekends, holidays, days, days)
def test_business_days_are_those_that_one_meets_walking(
    free: frozenset[int], off: frozenset[int], start: int, end: int
) -> None:
    met = sum(is_working(free, off, day) for day in range(start + 1, end + 1))
    assert calendar(free, off).business_days(Date(start), Date(end)) == met


@given(weekends, holidays, days, st.integers(-60, 60))
def test_a_business_day_so_far_away_is_the_one_that_one_comes_to(
    free: frozenset[int], off: frozenset[int], start: int, number: int
) -> None:
    day, left = start, abs(number)
    while left and FIRST <= day <= LAST:
        day += 1 if number > 0 else -1
        left -= is_working(free, off, day)
    if FIRST <= day <= LAST:
        assert calendar(free, off).add_business_days(Date(start), number) == Date(day)
    else:
        with pytest.raises(ArithmeticFault, match="in a calendar that"):
            calendar(free, off).add_business_days(Date(start), number)


@given(weekends, holidays, days)
def test_the_next_business_day_is_the_first_that_works(
    free: frozenset[int], off: frozenset[int], start: int
) -> None:
    found = next((day for day in range(start, LAST + 1) if is_working(free, off, day)), None)
    if found is None:
        with pytest.raises(ArithmeticFault):
            calendar(free, off).next_business_day(start)
    else:
        assert calendar(free, off).next_business_day(start) == found


@given(shifts, turns, st.sampled_from([18_000, 17_999, 18_001, 18_100, 18_099, 18_101, 18_050]))
def test_a_day_ends_where_the_clock_goes_on_for_the_last_time(shift: int, turn: int, day: int) -> None:
    cal = calendar(offsets=zone(shift, shift + turn, shift))
    start, end = cal.start_of_day(day), cal.end_of_day(day)
    minutes = range(day * DAY_MS - 2 * DAY_MS, day * DAY_MS + 3 * DAY_MS, 15 * MINUTE_MS)
    shown = [ms for ms in minutes if cal.day(Instant(ms)) == day]
    assert start.ms == shown[0]
    assert end.ms == shown[-1] + 15 * MINUTE_MS
    assert all(cal.day(Instant(ms)) > day for ms in minutes if ms >= end.ms)


@given(shifts, turns, st.integers(17_995, 18_105), st.integers(0, 1439), st.integers(-5, 5))
def test_an_instant_keeps_its_local_time(shift: int, turn: int, day: int, minute: int, number: int) -> None:
    cal = calendar(frozenset(), offsets=zone(shift, shift + turn, shift))
    when = Instant(day * DAY_MS + minute * MINUTE_MS)
    moved = cal.add_business_days(when, number)
    assert isinstance(moved, Instant)

    def clock(ms: int) -> int:
        return ms + (shift + (turn if SPRING <= ms < AUTUMN else 0)) * MINUTE_MS

    wanted = clock(when.ms) + number * DAY_MS
    candidates = [wanted - (shift + t) * MINUTE_MS for t in (0, turn)]
    shown = sorted(ms for ms in candidates if clock(ms) == wanted)
    if number == 0:
        assert moved == when
    elif shown:
        assert moved.ms == shown[0]
    else:
        assert clock(moved.ms) - wanted == abs(turn) * MINUTE_MS


@given(st.integers(-719_162, 2_932_896))
def test_weekdays_are_those_of_the_calendar(day: int) -> None:
    assert weekday(day) == (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoweekday()


def test_a_day_before_the_calendar_begins() -> None:
    with pytest.raises(ArithmeticFault, match="2019-01-03 in a calendar that begins on 2019-01-04"):
        calendar().day(Date(FIRST - 1))


def test_a_day_after_the_calendar_ends() -> None:
    with pytest.raises(ArithmeticFault, match="2019-11-01 in a calendar that ends on 2019-10-31"):
        calendar().day(Date(LAST + 1))


def test_an_instant_before_the_first_offset() -> None:
    offsets = ((Instant(SPRING), Duration(0)),)
    with pytest.raises(ArithmeticFault, match="before the first offset"):
        calendar(offsets=offsets).day(Instant(SPRING - 1))


def test_a_calendar_without_a_beginning_knows_old_days() -> None:
    assert calendar(first=None).is_business_day(-700_000) is True


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"weekend": frozenset(range(1, 8))}, "a weekend of seven days"),
        ({"last": Date(FIRST - 1)}, "an `until` before `from`"),
        ({"holidays": frozenset({LAST + 1})}, "the holiday 2019-11-01"),
        ({"offsets": ((None, Duration(0)), (None, Duration(0)))}, "an offset without `from`"),
        ({"offsets": ((None, Duration(19 * 3_600_000)),)}, "an offset of more than 18 hours"),
        (
            {"offsets": ((Instant(SPRING), Duration(0)), (Instant(SPRING), Duration(60_000)))},
            "offsets from 2019-04-14T01:00:00Z out of order or too close",
        ),
    ],
)
def test_calendars_that_are_refused(more: dict[str, object], found: str) -> None:
    with pytest.raises(InvalidError) as caught:
        calendar(**more)  # type: ignore[arg-type]  # each case replaces one argument
    assert caught.value.found == found
