"""What words must know of a value to tell it: whether it is a time, money, or a number of days.

Only the form of an expression is looked at, after the checker; what it does not show is told without a unit.
"""

from __future__ import annotations

from contracts.document import Document
from contracts.syntax import Aggregate, Arithmetic, Call, Currency, Field, Name, Negate, Node
from contracts.types import Type
from contracts.values import minor_digits

_OF_TIMES = ("add_business_days", "end_of_day", "end_of_business_day", "start_of_day", "date", "add_months")
_CENTS = ("AUD", "CAD", "EUR", "NZD", "SGD", "USD", "ZAR")
"""Currencies whose hundredth part people call a cent."""
_DAYS = {"days": "days", "ceil_days": "days", "business_days": "business days"}


class Measures:
    """Answers for the expressions of one document; each let is looked at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._times: dict[str, bool] = {}
        self._currencies: dict[str, str | None] = {}
        self._days: dict[str, str] = {}

    def is_time(self, node: Node) -> bool:
        """Whether a part is an instant or a date."""
        document = self.document
        match node:
            case Name(name=name):
                if name in document.lets:
                    if name not in self._times:
                        self._times[name] = self.is_time(document.lets[name].node)
                    return self._times[name]
                return name == "last" or (
                    name in document.params and document.params[name].type.kind in ("instant", "date")
                )
            case Field(fact=name, field=field):
                own = self._own(name, field)
                return field != "passed" if own is None else own.kind in ("instant", "date")
            case Arithmetic(operator="+" | "-"):
                return self.is_time(node.left) != self.is_time(node.right)
            case (
                Call(function="if", arguments=(_, first, _))
                | Call(function="min" | "max", arguments=(first, *_))
                | Aggregate(function="min_of" | "max_of", arguments=(first, *_))
            ):
                return self.is_time(first)
        return isinstance(node, Call) and node.function in _OF_TIMES

    def currency(self, node: Node) -> str | None:
        """The currency of an amount of money, None of anything else."""
        match node:
            case Name(name=name):
                return self._named(name)
            case Field(fact=name, field=field):
                own = self._own(name, field)
                return None if own is None else own.currency
            case Negate(operand=operand):
                return self.currency(operand)
            case Arithmetic(operator=operator, left=left, right=right):
                first, second = self.currency(left), self.currency(right)
                return (None if second else first) if operator == "/" else first or second
            case Call(function="money", arguments=(_, Currency(code=code))):
                return code
            case Call(function="if", arguments=(_, *parts)) | Call(function="min" | "max", arguments=parts):
                return next((found for part in parts if (found := self.currency(part))), None)
            case (
                Call(function="round", arguments=(first, *_))
                | Aggregate(function="sum" | "min_of" | "max_of" | "running", arguments=(first, *_))
            ):
                return self.currency(first)
            case Call(function="band", arguments=(Name(name=table), _)):
                return self.document.bands[table].gives.currency
        return None

    def days(self, node: Node) -> str:
        """What a whole number counts, `days` or `business days`, or empty."""
        match node:
            case Name(name=name) if name in self.document.lets:
                if name not in self._days:
                    self._days[name] = self.days(self.document.lets[name].node)
                return self._days[name]
            case Arithmetic(operator="+" | "-"):
                return self.days(node.left) or self.days(node.right)
            case Call(function="min" | "max", arguments=parts):
                return next((found for part in parts if (found := self.days(part))), "")
            case Call(function=function, arguments=(_, _, *_)):
                return _DAYS.get(function, "")
        return ""

    def is_in_cents(self, node: Node, places: str) -> bool:
        """Whether so many decimals of a part are its cents."""
        currency = self.currency(node)
        return currency in _CENTS and places == str(minor_digits(currency))

    def _own(self, fact: str, field: str) -> Type | None:
        """The type of a field that a fact defines itself."""
        rule = self.document.facts.get(fact)
        own = None if rule is None else rule.fields.get(field)
        return None if own is None else own.type

    def _named(self, name: str) -> str | None:
        if name in self.document.params:
            return self.document.params[name].type.currency
        if name not in self.document.lets:
            return None
        if name not in self._currencies:
            self._currencies[name] = self.currency(self.document.lets[name].node)
        return self._currencies[name]
