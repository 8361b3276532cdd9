"""Functions of the language: for each its arguments, the type of its result, and what it computes.

| function | gives |
| --- | --- |
| `if(condition, a, b)` | `a` or `b`, of one type; only the chosen one is computed |
| `min(a, b, …)`, `max(a, b, …)` | the least or greatest of two or more values of one ordered type |
| `round(x, places, mode)` | a decimal or money with at most `places` decimals |
| `money(n, CUR)` | an amount |
| `days(n)` | a duration of n days of 24 hours |
| `days(a, b)`, `ceil_days(a, b)` | whole days from one instant or date to another, never below 0 |

`if` is computed by the evaluator, since it leaves one argument alone; its type is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.civil import DAY_MS
from contracts.limits import MAX_PLACES
from contracts.operations import MODES, ORDERED, compare, decimal, duration, rounded
from contracts.syntax import Currency, Literal, Name, Node
from contracts.types import BOOLEAN, DECIMAL, DURATION, INTEGER, NUMBERS, Type, common
from contracts.values import Date, Duration, Instant, Money, Value


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
    if not places.isdecimal() or int(places) > MAX_PLACES:
        raise TypeFault(f"{places} places", f"a whole number from 0 to {MAX_PLACES}")
    if mode not in MODES:
        raise TypeFault(f"the mode {mode}", f"one of {', '.join(MODES)}")
    if types[0].kind == "money":
        return types[0]
    if types[0].kind not in NUMBERS:
        raise TypeFault(str(types[0]), "a number or money")
    return DECIMAL


def _check_money(types: Sequence[Type], words: Sequence[str]) -> Type:
    if types[0].kind not in NUMBERS:
        raise TypeFault(str(types[0]), "a number")
    (code,) = words
    if len(code) != 3 or not code.isupper():
        raise TypeFault(code, "a currency such as EUR")
    return Type("money", code)


def _check_days(types: Sequence[Type], words: Sequence[str]) -> Type:
    if len(types) == 2:
        return _check_between(types, words)
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
    "ceil_days": Function(
        "ceil_days(from, to)", (2, 2), 0, _check_between, lambda v, w: -(-_between_ms(v) // DAY_MS)
    ),
}  # fmt: skip
