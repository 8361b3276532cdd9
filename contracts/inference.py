"""What an expression is, before any fact is known: its type, how it leans on facts, and what it costs.

`infer` walks an expression once, in a scope: the names it may use, the key of the rule in which it stands,
the statement at hand. Flows (`contracts.flows`) are composed on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from contracts.facts_inference import FactInference
from contracts.flows import Flow, both, choice, compared, either, mixed, negated, rising
from contracts.functions import CALENDAR_FUNCTIONS, FUNCTIONS, TypeFault, split_arguments
from contracts.grammar import AGGREGATES
from contracts.meaning import Meaning, Scope, Unknowable, above, leaf
from contracts.operations import NEGATIONS, OPERATIONS, ORDERED
from contracts.syntax import (
    Aggregate,
    Arithmetic,
    Call,
    Compare,
    Currency,
    Exists,
    Expression,
    Field,
    Literal,
    Logic,
    Name,
    Negate,
    Node,
    Not,
    Span,
    walk,
)
from contracts.types import BOOLEAN, STRING, Type, common
from contracts.values import KIND_OF, Duration, Money, Value
from ledger.errors import short

MONOTONE = frozenset({"min", "max", "round", "money", "hours", "minutes"})
"""Functions that grow where an argument grows."""


def infer(expression: Expression, scope: Scope) -> Meaning:
    """Type, flow and cost of an expression.

    Raises:
        InvalidError: a type does not fit or a name is not known; with line and column.
        Unknowable: a let that it uses has an error of its own.
    """
    return _Inference(expression, scope).node(expression.node)


def infer_aggregates(expression: Expression, scope: Scope) -> Mapping[Span, Meaning]:
    """What each aggregate of an expression that was inferred before means, by where it stands."""
    if not any(isinstance(node, Aggregate) for node in walk(expression.node)):
        return {}
    inference = _Inference(expression, scope)
    inference.node(expression.node)
    return inference.aggregates


class _Inference(FactInference):
    """One walk over one expression; what reads facts and deadlines is in `FactInference`."""

    def node(self, node: Node) -> Meaning:
        return _BRANCHES[type(node)](self, node)

    def literal(self, node: Literal) -> Meaning:
        return leaf(Type(KIND_OF[type(node.value)]))

    def currency(self, node: Currency) -> Meaning:
        raise self.refuse(
            node, f"the currency {node.code} alone", "a value", f"write money(1, {node.code}) for an amount"
        )

    def opposite(self, node: Not) -> Meaning:
        inner = self.boolean(node.operand)
        return above(BOOLEAN, negated(inner.flow), inner)

    def negative(self, node: Negate) -> Meaning:
        inner = self.node(node.operand)
        if inner.type.kind not in NEGATIONS:
            raise self.refuse(node, f"a minus before {inner.type}", f"one of {', '.join(NEGATIONS)}")
        return above(inner.type, negated(inner.flow), inner)

    def logic(self, node: Logic) -> Meaning:
        left, right = self.boolean(node.left), self.boolean(node.right)
        joined = both if node.operator == "and" else either
        return above(BOOLEAN, joined(left.flow, right.flow), left, right)

    def compare(self, node: Compare) -> Meaning:
        left, right = self.node(node.left), self.node(node.right)
        self.check_comparable(node, left.type, right.type)
        return above(BOOLEAN, compared(node.operator, left.flow, right.flow), left, right)

    def check_comparable(self, node: Compare, left: Type, right: Type) -> None:
        for one, other, literal in ((left, right, node.right), (right, left, node.left)):
            if one.kind == "enum" and other == STRING and isinstance(literal, Literal):
                if literal.value in one.members and node.operator in ("==", "!="):
                    return
                raise self.refuse(
                    literal, short(literal.value), f"{one}, compared with == or !=", "write one of the words"
                )
        joined = common(left, right)
        if joined is None:
            raise self.refuse(
                node,
                f"{left} {node.operator} {right}",
                "two values of one type",
                "turn one side into the other",
            )
        if node.operator not in ("==", "!=") and joined.kind not in ORDERED:
            raise self.refuse(node, f"{left} {node.operator} {right}", f"== or != between values of {joined}")

    def arithmetic(self, node: Arithmetic) -> Meaning:
        left, right = self.node(node.left), self.node(node.right)
        a, b = left.type, right.type
        operation = OPERATIONS.get((node.operator, a.kind, b.kind))
        if operation is None:
            raise self.refuse(
                node,
                f"{a} {node.operator} {b}",
                _takes(node.operator, a.kind),
                "write one of them, or turn one side into it",
            )
        if a.kind == b.kind == "money" and a.currency and b.currency and a.currency != b.currency:
            raise self.refuse(
                node,
                f"{a.currency} {node.operator} {b.currency}",
                "one currency",
                f"convert one: money(amount / money(1, {b.currency}) * rate, {a.currency})",
            )
        currency = (a.currency or b.currency) if operation.result == "money" else None
        return above(Type(operation.result, currency), self.arithmetic_flow(node, left, right), left, right)

    def arithmetic_flow(self, node: Arithmetic, left: Meaning, right: Meaning) -> Flow:
        """Sums move with their parts; a product with one part, where the other stands still above zero."""
        a, b = left.flow, right.flow
        if node.operator == "+":
            return rising(a, b)
        if node.operator == "-":
            return rising(a, negated(b))
        still = not b.moves and self.is_never_negative(node.right)
        if node.operator == "*":
            still = still or (not a.moves and self.is_never_negative(node.left))
        return rising(a, b) if still else mixed(a, b)

    def is_never_negative(self, node: Node) -> bool:
        """Whether a number is zero or more; what facts state is taken to be."""
        match node:
            case Literal():
                return True
            case Name(name=name):
                value = self.scope.values.get(name)
                return value is not None and not _is_negative(value)
            case Field():
                return True
            case Arithmetic(operator=operator, left=left, right=right):
                return operator != "-" and self.is_never_negative(left) and self.is_never_negative(right)
            case Call(function=function, arguments=arguments):
                if function in ("ceil_days", "business_days") or (function == "days" and len(arguments) == 2):
                    return True
                return function in ("round", "money", "days", *MONOTONE) and self.is_never_negative(
                    arguments[0]
                )
            case _:
                return False

    def call(self, node: Call) -> Meaning:
        if node.function in CALENDAR_FUNCTIONS:
            return self.calendar_call(node)
        if node.function == "band":
            return self.band(node)
        function = FUNCTIONS.get(node.function)
        if function is None:
            names = ", ".join(["exists", "band", *FUNCTIONS, *CALENDAR_FUNCTIONS, *AGGREGATES])
            form = (
                "exists(a fact or a deadline)" if node.function == "exists" else "a function of the language"
            )
            raise self.refuse(node, f"the function {short(node.function)}", form, f"use one of {names}")
        try:
            expressions, words = split_arguments(function, node.arguments)
            meanings = [self.node(argument) for argument in expressions]
            kind = function.check([meaning.type for meaning in meanings], words)
        except TypeFault as fault:
            raise self.refuse(node, fault.found, fault.expected, f"write {function.form}") from fault
        flows = [meaning.flow for meaning in meanings]
        if node.function == "if":
            return above(kind, choice(*flows), *meanings)
        grows = node.function in MONOTONE or (node.function == "days" and len(flows) == 1)
        return above(kind, rising(*flows) if grows else mixed(*flows), *meanings)

    def calendar_call(self, node: Call) -> Meaning:
        function = CALENDAR_FUNCTIONS[node.function]
        arguments, last = node.arguments[:-1], node.arguments[-1]
        if len(arguments) != len(function.takes):
            raise self.refuse(node, f"{len(node.arguments)} arguments", function.form)
        if isinstance(last, Name) and last.name in self.scope.broken:
            raise Unknowable
        if not isinstance(last, Name) or last.name not in self.scope.calendars:
            raise self.refuse(
                last,
                f"{self.expression.part(last)} as the calendar",
                f"one of {', '.join(self.scope.calendars) or 'no calendar at all'}",
                "define it under calendars",
            )
        meanings = [self.node(argument) for argument in arguments]
        try:
            kind = function.check([meaning.type for meaning in meanings])
        except TypeFault as fault:
            raise self.refuse(node, fault.found, fault.expected, f"write {function.form}") from fault
        flow = mixed(*(meaning.flow for meaning in meanings))
        return above(kind, flow, *meanings, leaf(kind, last.name))

    def band(self, node: Call) -> Meaning:
        form = "band(table, x)"
        if len(node.arguments) != 2:
            raise self.refuse(node, f"{len(node.arguments)} arguments", form)
        name, argument = node.arguments
        if isinstance(name, Name) and name.name in self.scope.broken:
            raise Unknowable
        table = self.scope.bands.get(name.name) if isinstance(name, Name) else None
        if not isinstance(name, Name) or table is None:
            raise self.refuse(
                name,
                f"{self.expression.part(name)} as the table",
                f"one of {', '.join(self.scope.bands) or 'no band table at all'}",
                "define it under bands",
            )
        inner = self.node(argument)
        joined = common(table.of, inner.type)
        if joined is None or (joined.kind != table.of.kind):
            raise self.refuse(node, str(inner.type), f"a value of {table.of}", f"write {form}")
        return above(table.gives, mixed(inner.flow), inner, leaf(table.gives, name.name))


def _takes(operator: str, kind: str) -> str:
    """What may stand on the right of an operator, after a kind."""
    kinds = sorted({right for sign, left, right in OPERATIONS if (sign, left) == (operator, kind)})
    return f"{kind} {operator} {' or '.join(kinds)}" if kinds else f"no {kind} before {operator}"


def _is_negative(value: Value) -> bool:
    number = value.amount if isinstance(value, Money) else value.ms if isinstance(value, Duration) else value
    return isinstance(number, (int, Decimal)) and number < 0


_BRANCHES: Mapping[type, Callable[[_Inference, Any], Meaning]] = {
    Literal: _Inference.literal,
    Currency: _Inference.currency,
    Name: _Inference.name,
    Field: _Inference.field,
    Exists: _Inference.exists,
    Not: _Inference.opposite,
    Negate: _Inference.negative,
    Logic: _Inference.logic,
    Compare: _Inference.compare,
    Arithmetic: _Inference.arithmetic,
    Call: _Inference.call,
    Aggregate: _Inference.aggregate,
}
