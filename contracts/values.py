"""Values of the contract language and their texts: one text in, one canonical text out.

| kind | value | text |
| --- | --- | --- |
| boolean | bool | `true`, `false` |
| integer | int below 10^34 in size | `-?(0|[1-9][0-9]*)`, at most 34 digits |
| decimal | Decimal, 34 digits, half-even, traps on | `12.50`, `-0.1`: no exponent, no sign `+`, no NaN |
| money | Money(amount, currency) | `<decimal> <three capital letters>` |
| instant | Instant(ms since 1970-01-01T00:00:00Z) | `2019-01-11T03:24:00Z`, `….250+05:30` |
| date | Date(days since 1970-01-01) | `2019-01-11` |
| duration | Duration(ms) | `30 days`, `1 hour`, `-5 minutes`; weeks down to milliseconds |
| string, enum | str, no characters that do not show (`limits.HIDDEN`) | itself |

Canonical text: decimals without trailing zeros, money with at least the currency's own decimals,
instants in UTC, durations in the largest unit (up to days) that divides them. Nothing here depends on
Python's version, a locale or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
    Underflow,
)
from typing import Any, TypeAlias

from contracts.civil import DAY_MS, MAX_MS, MIN_MS, date_of, day_of, month_days
from contracts.limits import DIGITS, HIDDEN, MAX_VALUE_CHARS
from ledger.errors import MalformedError, short

CONTEXT = Context(
    prec=DIGITS,
    rounding=ROUND_HALF_EVEN,
    Emin=-DIGITS,
    Emax=DIGITS - 1,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[DivisionByZero, FloatOperation, InvalidOperation, Overflow, Underflow],
)
"""34 digits, half-even; a result of 10^34 or more, or too small to keep its digits, is an error."""

INTEGER_BOUND = 10**DIGITS
MAX_DURATION_MS = MAX_MS - MIN_MS
ZERO = Decimal(0)

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_MONEY = re.compile(r"(-?[0-9.]+) ([A-Z]{3})")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,3}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_DURATION = re.compile(r"(-?(?:0|[1-9][0-9]{0,14})) (week|day|hour|minute|second|millisecond)s?")
_UNIT_MS = {
    "week": 7 * DAY_MS,
    "day": DAY_MS,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1000,
    "millisecond": 1,
}
_MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimals of the currencies that have not two."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A point in time, in milliseconds since 1970-01-01T00:00:00Z."""

    ms: int


@dataclass(frozen=True, slots=True, order=True)
class Date:
    """A day of the calendar, in days since 1970-01-01."""

    days: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, in milliseconds; a day has 24 hours."""

    ms: int


Value: TypeAlias = "bool | int | Decimal | str | Money | Instant | Date | Duration"


def parse_value(kind: str, text: str, where: str) -> Value:
    """The value that a text stands for.

    Raises:
        MalformedError: the text has not the form of its kind; the message gives an example.
    """
    value = _PARSERS[kind](text) if len(text) <= MAX_VALUE_CHARS else None
    if value is None:
        raise MalformedError(
            where,
            found=short(text) if text else "an empty text",
            expected=f"{KIND_WORDS[kind]} such as {EXAMPLES[kind]}",
            action=f"write it like {EXAMPLES[kind]}",
        )
    return value


def format_value(value: Value) -> str:
    """The canonical text of a value."""
    return _FORMATTERS[type(value)](value)


def format_percent(value: Decimal) -> str:
    """A share as a percentage: 0.105 is `10.5%`."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise MalformedError("percentage", found=short(value), expected="a decimal")
    return f"{format_decimal(Decimal((sign, digits, exponent + 2)))}%"


def format_decimal(value: Decimal, least_places: int = 0) -> str:
    """Digits without an exponent and without trailing zeros beyond `least_places`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", ""):
        text = "0"
    whole, _, places = text.partition(".")
    places = places.ljust(least_places, "0")
    return f"{whole}.{places}" if places else whole


def places_of(value: Value) -> int:
    """How many decimals a number has, without trailing zeros."""
    return len(format_decimal(value).partition(".")[2]) if isinstance(value, Decimal) else 0


def minor_digits(currency: str | None) -> int:
    """How many decimals a currency has in payments; 2 where it is not known."""
    return _MINOR_DIGITS.get(currency or "", 2)


def _format_money(value: Money) -> str:
    return f"{format_decimal(value.amount, minor_digits(value.currency))} {value.currency}"


def _format_day(day: int) -> str:
    year, month, of_month = date_of(day)
    return f"{year:04d}-{month:02d}-{of_month:02d}"


def _format_instant(value: Instant) -> str:
    day, ms = divmod(value.ms, DAY_MS)
    seconds, ms = divmod(ms, 1000)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{_format_day(day)}T{clock}{f'.{ms:03d}' if ms else ''}Z"


def _format_duration(value: Duration) -> str:
    for unit in ("day", "hour", "minute", "second"):
        if value.ms % _UNIT_MS[unit] == 0:
            count = value.ms // _UNIT_MS[unit]
            return f"{count} {unit}{'' if abs(count) == 1 else 's'}"
    return f"{value.ms} milliseconds" if abs(value.ms) != 1 else f"{value.ms} millisecond"


def _parse_boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _parse_integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text) or len(text.lstrip("-")) > DIGITS or text == "-0":
        return None
    return int(text)


def _parse_decimal(text: str) -> Decimal | None:
    if not _DECIMAL.fullmatch(text) or sum(map(str.isdigit, text)) > DIGITS:
        return None
    value = Decimal(text)
    return None if not value and text.startswith("-") else value


def _parse_money(text: str) -> Money | None:
    parts = _MONEY.fullmatch(text)
    amount = _parse_decimal(parts[1]) if parts else None
    return Money(amount, parts[2]) if parts and amount is not None else None


def _parse_date(text: str) -> Date | None:
    parts = _DATE.fullmatch(text)
    if not parts:
        return None
    year, month, day = int(parts[1]), int(parts[2]), int(parts[3])
    if year == 0 or not 1 <= month <= 12 or not 1 <= day <= month_days(year, month):
        return None
    return Date(day_of(year, month, day))


def _parse_instant(text: str) -> Instant | None:
    parts = _INSTANT.fullmatch(text)
    date = _parse_date(parts[1]) if parts else None
    if not parts or date is None:
        return None
    hour, minute, second = int(parts[2]), int(parts[3]), int(parts[4])
    offset_hour, offset_minute = int(parts[7] or 0), int(parts[8] or 0)
    if hour > 23 or minute > 59 or second > 59 or offset_hour > 23 or offset_minute > 59:
        return None
    offset = (offset_hour * 60 + offset_minute) * (-1 if parts[6] == "-" else 1)
    ms = ((hour * 60 + minute - offset) * 60 + second) * 1000 + int((parts[5] or "").ljust(3, "0"))
    total = date.days * DAY_MS + ms
    return Instant(total) if MIN_MS <= total <= MAX_MS else None


def _parse_duration(text: str) -> Duration | None:
    parts = _DURATION.fullmatch(text)
    if not parts or parts[1] == "-0":
        return None
    ms = int(parts[1]) * _UNIT_MS[parts[2]]
    return Duration(ms) if abs(ms) <= MAX_DURATION_MS else None


def _parse_string(text: str) -> str | None:
    return None if HIDDEN.search(text) or "\t" in text or "\n" in text else text


_PARSERS = {
    "boolean": _parse_boolean,
    "integer": _parse_integer,
    "decimal": _parse_decimal,
    "money": _parse_money,
    "instant": _parse_instant,
    "date": _parse_date,
    "duration": _parse_duration,
    "string": _parse_string,
    "enum": _parse_string,
}

_FORMATTERS: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: format_decimal,
    str: str,
    Money: _format_money,
    Instant: _format_instant,
    Date: lambda value: _format_day(value.days),
    Duration: _format_duration,
}

KIND_OF = {
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "string",
    Money: "money",
    Instant: "instant",
    Date: "date",
    Duration: "duration",
}
"""The kind of a value by its Python type; a member of an enum is a string here."""

KIND_WORDS = {
    "boolean": "a boolean",
    "integer": "an integer of at most 34 digits",
    "decimal": "a decimal of at most 34 digits",
    "money": "an amount of money",
    "instant": "an instant",
    "date": "a date",
    "duration": "a duration",
    "string": f"a text of at most {MAX_VALUE_CHARS} characters, all of which show",
    "enum": "one of the listed words",
}

EXAMPLES = {
    "boolean": "true",
    "integer": "12",
    "decimal": "12.5",
    "money": "200.00 USD",
    "instant": "2019-01-11T03:24:00Z",
    "date": "2019-01-11",
    "duration": "30 days",
    "string": "good",
    "enum": "good",
}
