"""Partners' clocks, and when they say that the own one is off."""

from __future__ import annotations

from node.sync.calls import Told
from node.sync.clocks import REMEMBERED_S, Clocks


def told(offset_s: float, round_trip_s: float = 0) -> Told:
    now = 1_000_000_000
    half = round(round_trip_s * 500)
    return Told(time_ms=now + round(offset_s * 1000), asked_ms=now - half, answered_ms=now + half)


def test_a_clock_that_agrees_with_most_may_write() -> None:
    clocks = Clocks(300)
    clocks.hear("a", told(0), 0)
    clocks.hear("b", told(4000), 0)
    assert clocks.judge(0, 2) is None


def test_a_clock_that_differs_from_more_than_half_may_not() -> None:
    clocks = Clocks(300)
    clocks.hear("a", told(-1000), 0)
    clocks.hear("b", told(-1000), 0)
    clocks.hear("c", told(0), 0)
    error = clocks.judge(0, 3)
    assert error is not None
    assert error.found == "1000 s ahead of most partners"


def test_half_of_the_partners_are_not_enough() -> None:
    clocks = Clocks(300)
    clocks.hear("a", told(1000), 0)
    clocks.hear("b", told(0), 0)
    assert clocks.judge(0, 2) is None


def test_half_of_the_round_trip_is_allowed_for() -> None:
    clocks = Clocks(300)
    clocks.hear("a", told(310, round_trip_s=30), 0)
    assert clocks.judge(0, 1) is None
    clocks.hear("a", told(330, round_trip_s=30), 0)
    assert clocks.judge(0, 1) is not None


def test_what_was_heard_long_ago_does_not_count() -> None:
    clocks = Clocks(300)
    clocks.hear("a", told(1000), 0)
    assert clocks.judge(REMEMBERED_S + 1, 1) is None


def test_nobody_heard_is_no_reason_to_stop() -> None:
    assert Clocks(300).judge(0, 2) is None


def test_one_that_lies_while_the_others_are_silent_stops_nobody() -> None:
    clocks = Clocks(300)
    clocks.hear("liar", told(10**6), 0)
    assert clocks.judge(0, 3) is None
    assert clocks.judge(0, 2) is None
