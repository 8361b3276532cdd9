"""Types of the language: what a param, a field or an expression is, as the checker sees it.

A type is a kind, for money perhaps its currency, for an enum its members. Money whose currency is not
known before a fact arrives has no currency here; then the evaluator checks it.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.values import EXAMPLES, Money, Value, parse_value
from ledger.errors import InvalidError, short

KINDS = tuple(EXAMPLES)


@dataclass(frozen=True, slots=True)
class Type:
    """A kind with what narrows it."""

    kind: str
    currency: str | None = None
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.currency:
            return f"money in {self.currency}"
        if self.kind == "enum":
            return f"one of {', '.join(self.members)}"
        return self.kind


BOOLEAN = Type("boolean")
INTEGER = Type("integer")
DECIMAL = Type("decimal")
INSTANT = Type("instant")
DATE = Type("date")
DURATION = Type("duration")
STRING = Type("string")
NUMBERS = frozenset({"integer", "decimal"})


def parse_typed(wanted: Type, text: str, where: str) -> Value:
    """The value of a text, held against its type.

    Raises:
        MalformedError: the text has not the form of the type's kind.
        InvalidError: another currency, or no member of the enum.
    """
    if wanted.kind == "enum":
        if text not in wanted.members:
            raise InvalidError(
                where,
                found=short(text),
                expected=str(wanted),
                action=f"write one of {', '.join(wanted.members)}",
            )
        return text
    value = parse_value(wanted.kind, text, where)
    if wanted.currency and isinstance(value, Money) and value.currency != wanted.currency:
        raise InvalidError(
            where,
            found=short(text),
            expected=f"an amount in {wanted.currency}",
            action=f"give the amount in {wanted.currency}",
        )
    return value


def common(a: Type, b: Type) -> Type | None:
    """The type that holds the values of both, or None: what `if`, `min` and comparisons need."""
    if a == b:
        return a
    if a.kind in NUMBERS and b.kind in NUMBERS:
        return DECIMAL
    if a.kind == b.kind == "money":
        return None if a.currency and b.currency else Type("money")
    return None
