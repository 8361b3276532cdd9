"""Values of expressions, computed with Python's fractions and datetime alone: nothing here is the project's.

Each function gives pairs of an expression and its value as canonical text; `language-1.json` holds them
all, and the evaluator must give the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from itertools import product

DIGITS = 34


def decimal_text(value: Fraction) -> str:
    """A fraction as decimal text with 34 significant digits, half even, without trailing zeros."""
    if value == 0:
        return "0"
    size = abs(value)
    exponent = 0
    while size >= 10**DIGITS:
        size, exponent = size / 10, exponent + 1
    while size < 10 ** (DIGITS - 1):
        size, exponent = size * 10, exponent - 1
    whole = half_even(size)
    text = str(whole)
    if exponent >= 0:
        text += "0" * exponent
    else:
        text = text.rjust(-exponent + 1, "0")
        text = f"{text[:exponent]}.{text[exponent:]}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def half_even(value: Fraction) -> int:
    """The nearest integer, ties to the even one, of a number that is not negative."""
    low, rest = divmod(value.numerator, value.denominator)
    twice = 2 * rest - value.denominator
    return low + (twice > 0 or (twice == 0 and low % 2 == 1))


OPERANDS = ("7", "0.1", "2.5", "1234567890.12345", "0.000000001", "3", "999999999999999999999999.5")


def arithmetic() -> Iterator[tuple[str, str]]:
    """Sums, differences, products and quotients of decimals and integers."""
    for left, right in product(OPERANDS, OPERANDS):
        a, b = Fraction(left), Fraction(right)
        for operator, value in (("+", a + b), ("-", a - b), ("*", a * b), ("/", a / b)):
            if operator != "*" or value < 10**DIGITS:
                yield f"{left} {operator} {right}", decimal_text(value)


ROUNDED = ("2.5", "-2.5", "3.5", "2.4", "-2.6", "0.125", "-0.135", "1.005", "7")


def rounding() -> Iterator[tuple[str, str]]:
    """`round` in every mode, with and without decimals."""
    for text, places in product(ROUNDED, (0, 2)):
        scaled = Fraction(text) * 10**places
        low = scaled.numerator // scaled.denominator
        high = low if scaled == low else low + 1
        near = low if scaled - low < high - scaled else high
        tie = scaled - low == high - scaled and high != low
        away, towards = (high, low) if scaled > 0 else (low, high)
        results = {
            "ceiling": high,
            "floor": low,
            "up": away,
            "down": towards,
            "half_up": away if tie else near,
            "half_down": towards if tie else near,
            "half_even": (low if low % 2 == 0 else high) if tie else near,
        }
        for mode, result in results.items():
            yield f"round({text}, {places}, {mode})", decimal_text(Fraction(result, 10**places))


DAYS = (date(2019, 1, 31), date(2019, 12, 31), date(2020, 2, 29), date(2000, 3, 1), date(1969, 7, 20))


def of_days(text: str) -> str:
    """A date of the vectors' document: day1 to day5 are `DAYS`."""
    return f"day{DAYS.index(date.fromisoformat(text)) + 1}"


def dates() -> Iterator[tuple[str, str]]:
    """Months, weekdays and differences of dates."""
    for number, day in enumerate(DAYS, 1):
        name = f"day{number}"
        yield f"year({name})", str(day.year)
        yield f"month({name})", str(day.month)
        yield f"day_of_month({name})", str(day.day)
        yield f"weekday({name})", str(day.isoweekday())
        for months in (0, 1, 2, 12, 13, 1200, -1, -11, -12):
            yield f"add_months({name}, {months})", months_after(day, months).isoformat()
        for other_number, other in enumerate(DAYS, 1):
            days = (other - day).days
            yield f"days({name}, day{other_number})", str(max(0, days))
            yield f"day{other_number} - {name}", f"{days} day{'' if abs(days) == 1 else 's'}"


def months_after(day: date, months: int) -> date:
    """Walk month by month, then back from days that a month has not."""
    year, month = day.year, day.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month in (0, 13):
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    for of_month in range(day.day, 0, -1):
        try:
            return date(year, month, of_month)
        except ValueError:
            continue
    raise ValueError("a month without days")


INSTANTS = (
    datetime(2019, 1, 11, 3, 24, tzinfo=UTC),
    datetime(2019, 1, 16, 21, 34, tzinfo=UTC),
    datetime(2019, 3, 30, 23, 30, tzinfo=UTC),
    datetime(2019, 3, 31, 12, 0, tzinfo=UTC),
    datetime(2019, 10, 25, 22, 30, tzinfo=UTC),
    datetime(2019, 10, 27, 0, 30, tzinfo=UTC),
)


def instant_text(when: datetime) -> str:
    """An instant in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instants() -> Iterator[tuple[str, str]]:
    """Days between instants, and comparisons of them."""
    day = timedelta(days=1)
    for (i, a), (j, b) in product(enumerate(INSTANTS, 1), enumerate(INSTANTS, 1)):
        apart = max(b - a, timedelta(0))
        yield f"days(t{i}, t{j})", str(apart // day)
        yield f"ceil_days(t{i}, t{j})", str(-(-apart // day))
        yield f"t{i} < t{j}", str(a < b).lower()
    for i, a in enumerate(INSTANTS, 1):
        yield f"t{i} + days(30)", instant_text(a + 30 * day)
        yield f"t{i} - hours(5) - minutes(7)", instant_text(a - timedelta(hours=5, minutes=7))


HOLIDAYS = frozenset({date(2019, 1, 1), date(2019, 1, 21), date(2019, 4, 19), date(2019, 12, 25)})
SPRING = datetime(2019, 3, 31, 1, tzinfo=UTC)
AUTUMN = datetime(2019, 10, 27, 1, tzinfo=UTC)


def shown(when: datetime) -> datetime:
    """What a clock in Berlin shows in 2019."""
    offset = 2 if SPRING <= when < AUTUMN else 1
    return when.astimezone(timezone(timedelta(hours=offset))).replace(tzinfo=None)


def is_business_day(day: date) -> bool:
    """Neither Saturday, Sunday nor one of the holidays."""
    return day.isoweekday() < 6 and day not in HOLIDAYS


def end_of(day: date) -> datetime:
    """Walk quarter by quarter to the first instant at which the clock shows a later day."""
    when = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=3)
    while shown(when).date() <= day:
        when += timedelta(minutes=15)
    return when


def business() -> Iterator[tuple[str, str]]:
    """The calendar `berlin` of the vectors' document, day by day."""
    one = timedelta(days=1)
    for i, a in enumerate(INSTANTS, 1):
        today = shown(a).date()
        yield f"date(t{i}, berlin)", today.isoformat()
        yield f"is_business_day(t{i}, berlin)", str(is_business_day(today)).lower()
        yield f"end_of_day(t{i}, berlin)", instant_text(end_of(today))
        working = today
        while not is_business_day(working):
            working += one
        yield f"end_of_business_day(t{i}, berlin)", instant_text(end_of(working))
        yield f"start_of_day(date(t{i}, berlin), berlin)", instant_text(end_of(today - one))
        for j, b in enumerate(INSTANTS, 1):
            last, count, day = shown(b).date(), 0, today
            while day < last:
                day += one
                count += is_business_day(day)
            yield f"business_days(t{i}, t{j}, berlin)", str(count)
        for number in (1, 2, 5, 10, -1, -3):
            day, left = today, abs(number)
            while left:
                day += one if number > 0 else -one
                left -= is_business_day(day)
            yield f"add_business_days(date(t{i}, berlin), {number}, berlin)", day.isoformat()


LIMITS = (Fraction(100), Fraction(500))
RATES = ("0", "0.05", "0.1")


def bands() -> Iterator[tuple[str, str]]:
    """The table `discount` of the vectors' document: below 100, below 500, and the rest."""
    for text in ("0", "99.999", "100", "100.0", "499.99", "500", "500.01", "123456789", "0.5"):
        yield f"band(discount, {text})", RATES[sum(Fraction(text) >= limit for limit in LIMITS)]


READINGS = ("4.5", "13", "13.1", "-2", "7.25", "20")


def aggregates() -> Iterator[tuple[str, str]]:
    """Over the facts `reading` of the vectors' state `some`."""
    values = [Fraction(text) for text in READINGS]
    for limit in ("0", "7.25", "13", "100", "-5"):
        bound = Fraction(limit)
        above = [value for value in values if value > bound]
        shown_limit = limit if bound >= 0 else f"({limit})"
        yield f"count(reading where reading.celsius > {shown_limit})", str(len(above))
        chosen = f"reading, reading.celsius where reading.celsius > {shown_limit}"
        yield f"sum({chosen})", decimal_text(sum(above, Fraction(0)))
        over = sum((max(Fraction(0), value - bound) for value in values), Fraction(0))
        yield f"sum(reading, max(0, reading.celsius - {shown_limit}))", decimal_text(over)
        if above:
            yield f"min_of({chosen})", decimal_text(min(above))
            yield f"max_of({chosen})", decimal_text(max(above))
    balance = Fraction(100)
    for value in values:
        balance = Fraction(decimal_text(balance / 2)) + value
    yield "running(reading, 100, balance / 2 + reading.celsius)", decimal_text(balance)


def all_vectors() -> Iterator[tuple[str, str]]:
    """Everything that is computed here."""
    for source in (arithmetic, rounding, dates, instants, business, bands, aggregates):
        yield from source()
