"""Instants: milliseconds UTC, rounded half to even."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.trace.instants import format_instant, parse_instant

instants = st.datetimes(
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 1, 1),
    timezones=st.builds(lambda m: timezone(timedelta(minutes=m)), st.integers(-840, 840)),
)


@given(instants)
def test_parsing_agrees_with_the_calendar(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    millis = parse_instant(moment.isoformat())
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis) == moment


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_format_and_parse_are_inverse(millis: int) -> None:
    assert parse_instant(format_instant(millis)) == millis


@pytest.mark.parametrize(
    ("text", "rounded"),
    [
        ("2023-02-02T11:04:03.1415Z", "2023-02-02T11:04:03.142Z"),
        ("2023-02-02T11:04:03.1425Z", "2023-02-02T11:04:03.142Z"),
        ("2023-02-02T11:04:03.9996Z", "2023-02-02T11:04:04.000Z"),
        ("2022-02-16T20:33:31.116000-06:00", "2022-02-17T02:33:31.116Z"),
        ("2022-02-16t20:33:31z", "2022-02-16T20:33:31.000Z"),
    ],
)
def test_what_is_finer_than_a_millisecond_is_rounded(text: str, rounded: str) -> None:
    assert format_instant(parse_instant(text)) == rounded


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-02-30T00:00:00Z",
        "2023-02-02T11:04:03",
        "2023-02-02 11:04:03Z",
        "2023-02-02",
        "2023-02-02T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٣-02-02T11:04:03Z",
        "20230202T110403Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_instant(text)
