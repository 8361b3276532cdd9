"""Operators of the language: one table says for each pair of kinds what comes out and how.

The checker reads the kinds, the evaluator the functions, so they cannot disagree. A function raises
`ArithmeticFault` (or a trap of `decimal`, which is an `ArithmeticError` too) for what only values show:
overflow, division by zero, two currencies, a date plus half a day. The evaluator adds the place.

Integers meet decimals as decimals; `/` on numbers always gives a decimal. Every result lies below 10^34
in size; instants and dates lie in the years 1 to 9999.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any

from contracts.civil import DAY_MS, MAX_DAY, MAX_MS, MIN_DAY, MIN_MS
from contracts.values import (
    CONTEXT,
    INTEGER_BOUND,
    KIND_OF,
    MAX_DURATION_MS,
    ZERO,
    Date,
    Duration,
    Instant,
    Money,
    Value,
)


class ArithmeticFault(ArithmeticError):
    """What a calculation cannot give; never leaves `contracts` (the evaluator adds the place)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operator gives for two kinds: the kind of the result, and the function."""

    result: str
    run: Callable[[Any, Any], Value]


MODES = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "half_down": ROUND_HALF_DOWN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}
"""Rounding modes; `up` is away from zero, `down` towards it, ties of `half_up` go away from zero."""


def describe_fault(fault: ArithmeticError) -> str:
    """A fault in a few words."""
    if isinstance(fault, ArithmeticFault):
        return str(fault)
    if isinstance(fault, DivisionByZero):
        return "division by zero"
    if isinstance(fault, Overflow):
        return "a result of 10^34 or more"
    if isinstance(fault, InvalidOperation):
        return "a division of zero by zero, or more than 34 digits"
    if isinstance(fault, DecimalException):
        return "a result too small for 34 digits"
    return "a calculation without a result"


def integer(value: int) -> int:
    """An integer within the language's bounds."""
    if not -INTEGER_BOUND < value < INTEGER_BOUND:
        raise ArithmeticFault("a result of 10^34 or more")
    return value


def decimal(value: int | Decimal) -> Decimal:
    """An integer or decimal as a decimal, exactly."""
    return value if type(value) is Decimal else Decimal(value)


def instant(ms: int) -> Instant:
    """An instant within the years 1 to 9999."""
    if not MIN_MS <= ms <= MAX_MS:
        raise ArithmeticFault("an instant outside the years 1 to 9999")
    return Instant(ms)


def duration(ms: int) -> Duration:
    """A duration that two instants can be apart."""
    if not -MAX_DURATION_MS <= ms <= MAX_DURATION_MS:
        raise ArithmeticFault("a duration of more than 9999 years")
    return Duration(ms)


def date(days: int) -> Date:
    """A date within the years 1 to 9999."""
    if not MIN_DAY <= days <= MAX_DAY:
        raise ArithmeticFault("a date outside the years 1 to 9999")
    return Date(days)


def whole_days(value: Duration) -> int:
    """A duration as a number of days; a part of a day is a fault."""
    days, rest = divmod(value.ms, DAY_MS)
    if rest:
        raise ArithmeticFault("a date and a duration that is not whole days")
    return days


def _add(a: int | Decimal, b: int | Decimal) -> Decimal:
    return CONTEXT.add(decimal(a), decimal(b))


def _subtract(a: int | Decimal, b: int | Decimal) -> Decimal:
    return CONTEXT.subtract(decimal(a), decimal(b))


def _multiply(a: int | Decimal, b: int | Decimal) -> Decimal:
    return CONTEXT.multiply(decimal(a), decimal(b)) or ZERO


def _divide(a: int | Decimal, b: int | Decimal) -> Decimal:
    if not b:
        raise ArithmeticFault("division by zero")
    return CONTEXT.divide(decimal(a), decimal(b)) or ZERO


def check_same_currency(a: Money, b: Money) -> None:
    """Refuse two currencies in one calculation."""
    if a.currency != b.currency:
        raise ArithmeticFault(f"{a.currency} and {b.currency} in one calculation")


def _add_money(a: Money, b: Money) -> Money:
    check_same_currency(a, b)
    return Money(_add(a.amount, b.amount), a.currency)


def _subtract_money(a: Money, b: Money) -> Money:
    check_same_currency(a, b)
    return Money(_subtract(a.amount, b.amount), a.currency)


def _divide_money(a: Money, b: Money) -> Decimal:
    check_same_currency(a, b)
    return _divide(a.amount, b.amount)


def _scale_money(a: Money, b: int | Decimal) -> Money:
    return Money(_multiply(a.amount, b), a.currency)


def _share_money(a: Money, b: int | Decimal) -> Money:
    return Money(_divide(a.amount, b), a.currency)


def _rows() -> dict[tuple[str, str, str], Operation]:
    rows: dict[tuple[str, str, str], Operation] = {
        ("+", "integer", "integer"): Operation("integer", lambda a, b: integer(a + b)),
        ("-", "integer", "integer"): Operation("integer", lambda a, b: integer(a - b)),
        ("*", "integer", "integer"): Operation("integer", lambda a, b: integer(a * b)),
        ("/", "integer", "integer"): Operation("decimal", _divide),
        ("+", "money", "money"): Operation("money", _add_money),
        ("-", "money", "money"): Operation("money", _subtract_money),
        ("/", "money", "money"): Operation("decimal", _divide_money),
        ("+", "instant", "duration"): Operation("instant", lambda a, b: instant(a.ms + b.ms)),
        ("+", "duration", "instant"): Operation("instant", lambda a, b: instant(a.ms + b.ms)),
        ("-", "instant", "duration"): Operation("instant", lambda a, b: instant(a.ms - b.ms)),
        ("-", "instant", "instant"): Operation("duration", lambda a, b: duration(a.ms - b.ms)),
        ("+", "duration", "duration"): Operation("duration", lambda a, b: duration(a.ms + b.ms)),
        ("-", "duration", "duration"): Operation("duration", lambda a, b: duration(a.ms - b.ms)),
        ("/", "duration", "duration"): Operation("decimal", lambda a, b: _divide(a.ms, b.ms)),
        ("*", "duration", "integer"): Operation("duration", lambda a, b: duration(a.ms * b)),
        ("*", "integer", "duration"): Operation("duration", lambda a, b: duration(a * b.ms)),
        ("+", "date", "duration"): Operation("date", lambda a, b: date(a.days + whole_days(b))),
        ("-", "date", "duration"): Operation("date", lambda a, b: date(a.days - whole_days(b))),
        ("-", "date", "date"): Operation("duration", lambda a, b: duration((a.days - b.days) * DAY_MS)),
    }
    for a, b in (("decimal", "decimal"), ("integer", "decimal"), ("decimal", "integer")):
        rows["+", a, b] = Operation("decimal", _add)
        rows["-", a, b] = Operation("decimal", _subtract)
        rows["*", a, b] = Operation("decimal", _multiply)
        rows["/", a, b] = Operation("decimal", _divide)
    for number in ("integer", "decimal"):
        rows["*", "money", number] = Operation("money", _scale_money)
        rows["*", number, "money"] = Operation("money", lambda a, b: _scale_money(b, a))
        rows["/", "money", number] = Operation("money", _share_money)
    return rows


OPERATIONS = _rows()
"""(operator, left kind, right kind) → what comes out; what is missing here is a type error."""

NEGATIONS: dict[str, Callable[[Any], Value]] = {
    "integer": lambda a: -a,
    "decimal": lambda a: CONTEXT.minus(a) or ZERO,
    "money": lambda a: Money(CONTEXT.minus(a.amount) or ZERO, a.currency),
    "duration": lambda a: Duration(-a.ms),
}
"""Kinds that a minus sign can stand before."""

ORDERED = frozenset({"integer", "decimal", "money", "instant", "date", "duration"})
"""Kinds that `<`, `min` and `max` take; the others only know `==` and `!=`."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
"""How values are compared; money by its amounts, once its currencies are the same."""


def compare(operator: str, a: Any, b: Any) -> bool:
    """Compare two values of kinds that the checker let pass."""
    if type(a) is Money and type(b) is Money:
        check_same_currency(a, b)
        a, b = a.amount, b.amount
    return COMPARISONS[operator](a, b)


def rounded(value: int | Decimal | Money, places: int, mode: str) -> int | Decimal | Money:
    """A number or amount with at most `places` decimals; a number without any is an integer."""
    if isinstance(value, Money):
        return Money(_rounded(value.amount, places, mode), value.currency)
    number = _rounded(decimal(value), places, mode)
    return number if places else integer(int(number))


def add(a: Value, b: Value) -> Value:
    """`a + b`, of kinds that the checker let pass."""
    return OPERATIONS["+", KIND_OF[type(a)], KIND_OF[type(b)]].run(a, b)


def _rounded(value: Decimal, places: int, mode: str) -> Decimal:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= places:
        return value
    step = Decimal((0, (1,), -places))
    return value.quantize(step, rounding=MODES[mode], context=CONTEXT) or ZERO
