"""Functions of the language: for each its arguments, the type of its result, and what it computes.

| function | gives |
| --- | --- |
| `if(condition, a, b)` | `a` or `b`, of one type; only the chosen one is computed |
| `min(a, b, …)`, `max(a, b, …)` | the least or greatest of two or more values of one ordered type |
| `round(x, places, mode)` | a decimal or money with at most `places` decimals |
| `money(n, CUR)` | an amount |
| `days(n)`, `hours(n)`, `minutes(n)` | a duration; a day has 24 hours |
| `days(a, b)`, `ceil_days(a, b)` | whole days from one instant or date to another, never below 0 |
| `add_months(date, n)` | the same day n months later, or the last day of that month |
| `year(date)`, `month(date)`, `day_of_month(date)`, `weekday(date)` | integers; Monday is 1 |

Functions of a calendar stand apart in `CALENDAR_FUNCTIONS`; their last argument names it:

| function | gives |
| --- | --- |
| `business_days(a, b, cal)` | business days after the day of a, up to and with that of b |
| `add_business_days(x, n, cal)` | the n-th business day after x, at the same local time |
| `end_of_day(x, cal)`, `end_of_business_day(x, cal)` | the instant at which that local day ends |
| `start_of_day(date, cal)` | the instant at which it begins |
| `date(instant, cal)` | the local date |
| `is_business_day(x, cal)` | a boolean |

`if` and `band` are computed by `contracts.compiling`: the one leaves an argument alone, the other reads a
table. `if`'s type is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.calendars import Calendar, weekday
from contracts.civil import DAY_MS, date_of, day_of, month_days
from contracts.limits import MAX_PLACES
from contracts.operations import MODES, ORDERED, ArithmeticFault, compare, decimal, duration, rounded
from contracts.syntax import Currency, Literal, Name, Node
from contracts.types import BOOLEAN, DATE, DECIMAL, DURATION, INSTANT, INTEGER, NUMBERS, Type, common
from contracts.values import Date, Duration, Instant, Money, Value

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


class TypeFault(Exception):
    """Arguments that a function does not take; never leaves `contracts` (the checker adds the place)."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Function:
    """How many of its arguments are expressions, what types give what type, and how it is computed.

    What follows the expressions are words (a currency, places, a mode): `check` and `run` get them as texts.
    """

    form: str
    expressions: tuple[int, int]
    words: int
    check: Callable[[Sequence[Type], Sequence[str]], Type]
    run: Callable[[Sequence[Any], Sequence[str]], Value]


def split_arguments(function: Function, arguments: Sequence[Node]) -> tuple[Sequence[Node], list[str]]:
    """The expressions and the words among the arguments of a call."""
    count = len(arguments) - function.words
    low, high = function.expressions
    if not low <= count <= high:
        raise TypeFault(f"{len(arguments)} arguments", function.form)
    return arguments[:count], [_word(node, function) for node in arguments[count:]]


def _word(node: Node, function: Function) -> str:
    match node:
        case Currency():
            return node.code
        case Name():
            return node.name
        case Literal(value=value) if type(value) is int:
            return str(value)
        case _:
            raise TypeFault("an expression", f"{function.form} with plain words")


def same_type(types: Sequence[Type]) -> Type:
    """The one type of several values."""
    result = types[0]
    for other in types[1:]:
        joined = common(result, other)
        if joined is None:
            raise TypeFault(f"{result} and {other}", "values of one type")
        result = joined
    return result


def _check_if(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0] != BOOLEAN:
        raise TypeFault(f"a condition that is {types[0]}", "a boolean condition")
    return same_type(types[1:])


def _run_if(values: Sequence[Any], words: Sequence[str]) -> Value:
    chosen: Value = values[1] if values[0] else values[2]
    return chosen


def _check_ordered(types: Sequence[Type], words: Sequence[str]) -> Type:
    result = same_type(types)
    if result.kind not in ORDERED:
        raise TypeFault(str(result), f"one of {', '.join(sorted(ORDERED))}")
    return result


def _pick(operator: str) -> Callable[[Sequence[Any], Sequence[str]], Value]:
    def pick(values: Sequence[Any], words: Sequence[str]) -> Value:
        best = values[0]
        for value in values[1:]:
            if compare(operator, value, best):
                best = value
        result: Value = best
        return result

    return pick


def _check_round(types: Sequence[Type], words: Sequence[str]) -> Type:
    places, mode = words
    if not ("0" <= places[0] <= "9") or int(places) > MAX_PLACES:
        raise TypeFault(f"{places} places", f"a whole number from 0 to {MAX_PLACES}")
    if mode not in MODES:
        raise TypeFault(f"the mode {mode}", f"one of {', '.join(MODES)}")
    if types[0].kind == "money":
        return types[0]
    if types[0].kind not in NUMBERS:
        raise TypeFault(str(types[0]), "a number or money")
    return DECIMAL if int(places) else INTEGER


def _check_money(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0].kind not in NUMBERS:
        raise TypeFault(str(types[0]), "a number")
    (code,) = words
    if not (len(code) == 3 and all("A" <= letter <= "Z" for letter in code)):
        raise TypeFault(code, "a currency such as EUR")
    return Type("money", code)


def _check_days(types: Sequence[Type], words: Sequence[str]) -> Type:
    if len(types) == 2:
        return _check_between(types, words)
    return _check_length(types, words)


def _check_length(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0] != INTEGER:
        raise TypeFault(str(types[0]), "an integer")
    return DURATION


def _check_between(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0] != types[1] or types[0].kind not in ("instant", "date"):
        raise TypeFault(f"{types[0]} and {types[1]}", "two instants or two dates")
    return INTEGER


def _between_ms(values: Sequence[Instant | Date]) -> int:
    """From the first to the second, never below 0."""
    first, second = (value.ms if isinstance(value, Instant) else value.days * DAY_MS for value in values)
    return max(0, second - first)


def _run_days(values: Sequence[Any], words: Sequence[str]) -> int | Duration:
    return duration(values[0] * DAY_MS) if len(values) == 1 else _between_ms(values) // DAY_MS


def _check_date(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0] != DATE:
        raise TypeFault(str(types[0]), "a date")
    return INTEGER


def _check_months(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0] != DATE or types[1] != INTEGER:
        raise TypeFault(f"{types[0]} and {types[1]}", "a date and an integer")
    return DATE


def _add_months(start: Date, number: int) -> Date:
    year, month, day = date_of(start.days)
    years, months = divmod(month - 1 + number, 12)
    year += years
    if not 1 <= year <= 9999:
        raise ArithmeticFault("a date outside the years 1 to 9999")
    return Date(day_of(year, months + 1, min(day, month_days(year, months + 1))))


def _part(index: int) -> Callable[[Sequence[Any], Sequence[str]], Value]:
    return lambda values, words: date_of(values[0].days)[index]


FUNCTIONS: Mapping[str, Function] = {
    "if": Function("if(condition, a, b)", (3, 3), 0, _check_if, _run_if),
    "min": Function("min(a, b, …)", (2, 64), 0, _check_ordered, _pick("<")),
    "max": Function("max(a, b, …)", (2, 64), 0, _check_ordered, _pick(">")),
    "round": Function(
        "round(x, places, mode)", (1, 1), 2, _check_round, lambda v, w: rounded(v[0], int(w[0]), w[1])
    ),
    "money": Function(
        "money(n, CUR)", (1, 1), 1, _check_money, lambda v, w: Money(decimal(v[0]), w[0])
    ),
    "days": Function("days(n) or days(from, to)", (1, 2), 0, _check_days, _run_days),
    "hours": Function(
        "hours(n)", (1, 1), 0, _check_length, lambda v, w: duration(v[0] * HOUR_MS)
    ),
    "minutes": Function(
        "minutes(n)", (1, 1), 0, _check_length, lambda v, w: duration(v[0] * MINUTE_MS)
    ),
    "ceil_days": Function(
        "ceil_days(from, to)", (2, 2), 0, _check_between, lambda v, w: -(-_between_ms(v) // DAY_MS)
    ),
    "add_months": Function(
        "add_months(date, n)", (2, 2), 0, _check_months, lambda v, w: _add_months(v[0], v[1])
    ),
    "year": Function("year(date)", (1, 1), 0, _check_date, _part(0)),
    "month": Function("month(date)", (1, 1), 0, _check_date, _part(1)),
    "day_of_month": Function("day_of_month(date)", (1, 1), 0, _check_date, _part(2)),
    "weekday": Function("weekday(date)", (1, 1), 0, _check_date, lambda v, w: weekday(v[0].days)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CalendarFunction:
    """A function whose last argument names a calendar; `takes` says which kinds each other one may have."""

    form: str
    takes: tuple[tuple[str, ...], ...]
    gives: Type | None
    run: Callable[..., Value]

    def check(self, types: Sequence[Type]) -> Type:
        """The type of the result; without `gives` that of the first argument."""
        for wanted, found in zip(self.takes, types, strict=True):
            if found.kind not in wanted:
                raise TypeFault(str(found), f"{' or '.join(wanted)}")
        return types[0] if self.gives is None else self.gives


def _end_of_business_day(calendar: Calendar, when: Instant | Date) -> Instant:
    return calendar.end_of_day(calendar.next_business_day(calendar.day(when)))


_TIME = ("instant", "date")
_INTEGER = ("integer",)

CALENDAR_FUNCTIONS: Mapping[str, CalendarFunction] = {
    "business_days": CalendarFunction(
        "business_days(from, to, calendar)", (_TIME, _TIME), INTEGER, Calendar.business_days
    ),
    "add_business_days": CalendarFunction(
        "add_business_days(x, n, calendar)", (_TIME, _INTEGER), None, Calendar.add_business_days
    ),
    "end_of_day": CalendarFunction(
        "end_of_day(x, calendar)", (_TIME,), INSTANT, lambda cal, x: cal.end_of_day(cal.day(x))
    ),
    "end_of_business_day": CalendarFunction(
        "end_of_business_day(x, calendar)", (_TIME,), INSTANT, _end_of_business_day
    ),
    "start_of_day": CalendarFunction(
        "start_of_day(date, calendar)", (("date",),), INSTANT, lambda cal, x: cal.start_of_day(x.days)
    ),
    "date": CalendarFunction(
        "date(instant, calendar)", (("instant",),), DATE, lambda cal, x: Date(cal.day(x))
    ),
    "is_business_day": CalendarFunction(
        "is_business_day(x, calendar)", (_TIME,), BOOLEAN, lambda cal, x: cal.is_business_day(cal.day(x))
    ),
}
