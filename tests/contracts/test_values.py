"""Values and their texts, held against `datetime` and `fractions`, which nobody here wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.civil import date_of, day_of
from contracts.operations import OPERATIONS, rounded
from contracts.values import (
    EXAMPLES,
    Date,
    Duration,
    Instant,
    Money,
    format_percent,
    format_value,
    parse_value,
)
from ledger.errors import MalformedError, TallyError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.dates())
def test_days_agree_with_datetime(day: date) -> None:
    number = (day - date(1970, 1, 1)).days
    assert day_of(day.year, day.month, day.day) == number
    assert date_of(number) == (day.year, day.month, day.day)
    assert parse_value("date", day.isoformat(), "x") == Date(number)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
)
def test_instants_agree_with_datetime(moment: datetime, offset: int) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = aware.isoformat(timespec="milliseconds")
    assert parse_value("instant", text, "x") == Instant((aware - EPOCH) // timedelta(milliseconds=1))


@given(
    st.one_of(
        st.booleans(),
        st.integers(-(10**34) + 1, 10**34 - 1),
        st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20),
        st.builds(Instant, st.integers(-62_135_596_800_000, 253_402_300_799_999)),
        st.builds(Date, st.integers(-719_162, 2_932_896)),
        st.builds(Duration, st.integers(-(10**14), 10**14)),
        st.builds(
            Money,
            st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9),
            st.sampled_from(["EUR", "JPY", "KWD"]),
        ),
    )
)
def test_every_value_has_one_text_that_gives_it_back(value: object) -> None:
    kinds = {bool: "boolean", int: "integer", Decimal: "decimal", Instant: "instant", Date: "date"}
    kind = {**kinds, Duration: "duration", Money: "money"}[type(value)]
    text = format_value(value)  # type: ignore[arg-type]  # one of the value types
    again = parse_value(kind, text, "x")
    assert again == value
    assert format_value(again) == text


@pytest.mark.parametrize(
    ("kind", "text", "canonical"),
    [
        ("decimal", "12.500", "12.5"),
        ("decimal", "0.000", "0"),
        ("decimal", "-0.1", "-0.1"),
        ("money", "200 USD", "200.00 USD"),
        ("money", "1.23450 EUR", "1.2345 EUR"),
        ("money", "100.00 JPY", "100 JPY"),
        ("money", "1 KWD", "1.000 KWD"),
        ("instant", "2019-04-01T12:00:00-05:00", "2019-04-01T17:00:00Z"),
        ("instant", "2019-04-01T12:00:00.5Z", "2019-04-01T12:00:00.500Z"),
        ("duration", "2 weeks", "14 days"),
        ("duration", "24 hours", "1 day"),
        ("duration", "90 minutes", "90 minutes"),
        ("duration", "1500 milliseconds", "1500 milliseconds"),
        ("boolean", "true", "true"),
    ],
)
def test_canonical_texts(kind: str, text: str, canonical: str) -> None:
    assert format_value(parse_value(kind, text, "x")) == canonical


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *[(kind, "") for kind in EXAMPLES if kind not in ("string", "enum")],
        *[
            ("decimal", t)
            for t in ("NaN", "1e5", "1E5", "+1", "01", ".5", "1.", "Infinity", "1_0", "-0", "١", "0x1")
        ],
        *[("decimal", t) for t in ("1" * 35, "0." + "1" * 34, "9" * 1_000_000, "1 ", "1\n", "1,5")],
        *[("integer", t) for t in ("1.0", "1e3", "-0", "00", "٣", "9" * 35)],
        *[
            ("money", t)
            for t in ("1", "USD", "1 usd", "1USD", "1  USD", "1 EURO", "NaN USD", "1.2.3 USD", "1 ÜSD")
        ],
        *[("boolean", t) for t in ("True", "yes", "1")],
        *[
            ("date", t)
            for t in ("2019-02-29", "0000-01-01", "2019-13-01", "2019-1-1", "2019-00-10", "10000-01-01")
        ],
        *[
            ("instant", t)
            for t in ("2019-01-11", "2019-01-11T24:00:00Z", "2019-01-11T03:24:00", "2019-01-11T03:24Z")
        ],
        *[
            ("instant", t)
            for t in ("2019-01-11T03:24:60Z", "2019-01-11t03:24:00z", "0001-01-01T00:00:00+01:00")
        ],
        *[("instant", t) for t in ("9999-12-31T23:59:59-01:00", "2019-01-11T03:24:00+24:00")],
        *[
            ("duration", t)
            for t in ("30", "30days", "1 month", "1.5 days", "P1D", "-0 days", "999999999999999 weeks")
        ],
        *[("string", t) for t in ("a\nb", "\x00", "\x7f", "\x85", "\ud800", "x" * 501)],
    ],
)
def test_texts_that_are_no_value(kind: str, text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_value(kind, text, "field x")
    assert caught.value.where == "field x"
    assert EXAMPLES[kind] in caught.value.expected


@given(st.sampled_from(sorted(EXAMPLES)), st.text(max_size=50))
def test_no_text_breaks_the_parser(kind: str, text: str) -> None:
    try:
        value = parse_value(kind, text, "x")
    except TallyError:
        return
    assert parse_value(kind, format_value(value), "x") == value


amounts = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)


@given(amounts, amounts, st.sampled_from("+-*"))
def test_small_decimals_are_exact(a: Decimal, b: Decimal, operator: str) -> None:
    result = OPERATIONS[operator, "decimal", "decimal"].run(a, b)
    assert isinstance(result, Decimal)
    x, y = Fraction(a), Fraction(b)
    assert Fraction(result) == {"+": x + y, "-": x - y, "*": x * y}[operator]


@given(amounts, st.integers(0, 4))
def test_half_up_rounds_ties_away_from_zero(amount: Decimal, places: int) -> None:
    exact = abs(Fraction(amount)) * 10**places + Fraction(1, 2)
    expected = Fraction(exact.numerator // exact.denominator, 10**places)
    result = rounded(amount, places, "half_up")
    assert isinstance(result, Decimal if places else int)
    assert abs(Fraction(result)) == expected


def test_percentages_keep_every_digit() -> None:
    assert format_percent(Decimal("0.105")) == "10.5%"
    assert format_percent(Decimal("9" * 34)) == "9" * 34 + "00%"
