"""What an expression is, before any fact is known: its type, and how it leans on facts.

`Flow` follows which facts an expression needs and how their arrival can change it:

- `needs`: facts whose fields it reads where it does not know that they exist
- `if_true`, `if_false`: facts that exist whenever it is true, or false
- `gains`, `loses`: facts whose arrival can make it true, or false (both, where it is no condition)

A condition that a fact's arrival could make false rests on the absence of that fact. Absence is settled
only by a deadline, so without deadlines the checker refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts.document import FactRule
from contracts.functions import FUNCTIONS, TypeFault, split_arguments
from contracts.operations import NEGATIONS, OPERATIONS, ORDERED
from contracts.syntax import (
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
)
from contracts.types import BOOLEAN, INSTANT, STRING, Type, common
from contracts.values import KIND_OF
from ledger.errors import InvalidError, short

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How an expression leans on facts; see the module."""

    needs: frozenset[str] = NOTHING
    if_true: frozenset[str] = NOTHING
    if_false: frozenset[str] = NOTHING
    gains: frozenset[str] = NOTHING
    loses: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the checker knows of an expression."""

    type: Type
    flow: Flow
    depth: int
    cost: int
    names: frozenset[str]
    """Every param, let and fact that it mentions, also through lets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names that an expression may use."""

    params: Mapping[str, Type]
    facts: Mapping[str, FactRule]
    lets: Mapping[str, Meaning]
    unknown_lets: frozenset[str] = NOTHING
    """Lets that have an error of their own, which is reported there."""


class Unknowable(Exception):
    """The expression uses a let that has an error already; never leaves `contracts`."""


def infer(expression: Expression, scope: Scope) -> Meaning:
    """Type and flow of an expression.

    Raises:
        InvalidError: a type does not fit or a name is not known; with line and column.
        Unknowable: a let that it uses has an error of its own.
    """
    return _Inference(expression, scope).node(expression.node)


class _Inference:
    """One walk over one expression."""

    def __init__(self, expression: Expression, scope: Scope) -> None:
        self.expression = expression
        self.scope = scope

    def node(self, node: Node) -> Meaning:
        return _BRANCHES[type(node)](self, node)

    def refuse(self, node: Node, found: str, expected: str, action: str = "") -> InvalidError:
        return InvalidError(self.expression.at(node), found=found, expected=expected, action=action)

    def literal(self, node: Literal) -> Meaning:
        return _leaf(Type(KIND_OF[type(node.value)]))

    def currency(self, node: Currency) -> Meaning:
        raise self.refuse(
            node, f"the currency {node.code} alone", "a value", f"write money(1, {node.code}) for an amount"
        )

    def name(self, node: Name) -> Meaning:
        scope = self.scope
        if node.name in scope.params:
            return _leaf(scope.params[node.name], node.name)
        if node.name in scope.lets:
            meaning = scope.lets[node.name]
            return replace(meaning, names=meaning.names | {node.name}, depth=meaning.depth + 1, cost=1)
        if node.name in scope.unknown_lets:
            raise Unknowable
        if node.name in scope.facts:
            raise self.refuse(
                node,
                f"the fact {node.name} alone",
                "a value",
                f"write exists({node.name}) or one of its fields, such as {node.name}.at",
            )
        raise self.refuse(
            node,
            f"the name {short(node.name)}",
            "a param or a let",
            f"define {node.name} under params or lets",
        )

    def fact(self, node: Exists | Field) -> FactRule:
        fact = self.scope.facts.get(node.fact)
        if fact is None:
            raise self.refuse(
                node, f"the name {short(node.fact)}", "a fact", f"define {node.fact} under facts"
            )
        return fact

    def exists(self, node: Exists) -> Meaning:
        self.fact(node)
        itself = frozenset({node.fact})
        return replace(_leaf(BOOLEAN, node.fact), flow=Flow(if_true=itself, gains=itself))

    def field(self, node: Field) -> Meaning:
        fact = self.fact(node)
        if fact.max != 1:
            raise self.refuse(
                node,
                f"a field of {node.fact}, of which {fact.max} count",
                "a fact that counts once",
                f"set `max: 1` for {node.fact}",
            )
        if node.field in fact.fields:
            kind = fact.fields[node.field].type
        elif node.field in ("at", "counted") or (node.field == "confirmed" and fact.confirm):
            kind = INSTANT
        else:
            known = ", ".join([*fact.fields, "at", "counted", *(["confirmed"] if fact.confirm else [])])
            raise self.refuse(
                node,
                f"the field {short(node.field)}",
                f"a field of {node.fact}: {known}",
                "define or rename it",
            )
        return replace(_leaf(kind, node.fact), flow=Flow(needs=frozenset({node.fact})))

    def opposite(self, node: Not) -> Meaning:
        inner = self.boolean(node.operand)
        flow = inner.flow
        turned = Flow(
            needs=flow.needs,
            if_true=flow.if_false,
            if_false=flow.if_true,
            gains=flow.loses,
            loses=flow.gains,
        )
        return _above(BOOLEAN, turned, inner)

    def negative(self, node: Negate) -> Meaning:
        inner = self.node(node.operand)
        if inner.type.kind not in NEGATIONS:
            raise self.refuse(node, f"a minus before {inner.type}", f"one of {', '.join(NEGATIONS)}")
        return _above(inner.type, _mixed(inner), inner)

    def logic(self, node: Logic) -> Meaning:
        left, right = self.boolean(node.left), self.boolean(node.right)
        a, b = left.flow, right.flow
        known = a.if_true if node.operator == "and" else a.if_false
        both = node.operator == "and"
        flow = Flow(
            needs=a.needs | (b.needs - known),
            if_true=a.if_true | b.if_true if both else a.if_true & b.if_true,
            if_false=a.if_false & b.if_false if both else a.if_false | b.if_false,
            gains=a.gains | b.gains,
            loses=a.loses | b.loses,
        )
        return _above(BOOLEAN, flow, left, right)

    def boolean(self, node: Node) -> Meaning:
        meaning = self.node(node)
        if meaning.type != BOOLEAN:
            raise self.refuse(
                node,
                f"{self.expression.part(node)}, which is {meaning.type}",
                "a boolean",
                "compare it with something",
            )
        return meaning

    def compare(self, node: Compare) -> Meaning:
        left, right = self.node(node.left), self.node(node.right)
        self.check_comparable(node, left.type, right.type)
        return _above(BOOLEAN, _mixed(left, right), left, right)

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
            raise self.refuse(node, f"{left} {node.operator} {right}", "two values of one type")
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
                "kinds that the operator takes",
                "see `Operators` in the docs",
            )
        if a.kind == b.kind == "money" and a.currency and b.currency and a.currency != b.currency:
            raise self.refuse(
                node,
                f"{a.currency} {node.operator} {b.currency}",
                "one currency",
                f"convert one: money(amount / money(1, {b.currency}) * rate, {a.currency})",
            )
        currency = (a.currency or b.currency) if operation.result == "money" else None
        return _above(Type(operation.result, currency), _mixed(left, right), left, right)

    def call(self, node: Call) -> Meaning:
        function = FUNCTIONS.get(node.function)
        if function is None:
            names = ", ".join(["exists", *FUNCTIONS])
            form = "exists(a fact)" if node.function == "exists" else f"one of {names}"
            raise self.refuse(node, f"the function {short(node.function)}", form)
        try:
            expressions, words = split_arguments(function, node.arguments)
            meanings = [self.node(argument) for argument in expressions]
            kind = function.check([meaning.type for meaning in meanings], words)
        except TypeFault as fault:
            raise self.refuse(node, fault.found, fault.expected, f"write {function.form}") from fault
        flow = _choice(*meanings) if node.function == "if" else _mixed(*meanings)
        return _above(kind, flow, *meanings)


def _leaf(kind: Type, *names: str) -> Meaning:
    return Meaning(type=kind, flow=Flow(), depth=1, cost=1, names=frozenset(names))


def _above(kind: Type, flow: Flow, *below: Meaning) -> Meaning:
    return Meaning(
        type=kind,
        flow=flow,
        depth=1 + max(meaning.depth for meaning in below),
        cost=1 + sum(meaning.cost for meaning in below),
        names=NOTHING.union(*(meaning.names for meaning in below)),
    )


def _mixed(*parts: Meaning) -> Flow:
    """The flow of a value: any fact that reaches it can change it either way."""
    moved = NOTHING.union(*(part.flow.gains | part.flow.loses for part in parts))
    return Flow(needs=NOTHING.union(*(part.flow.needs for part in parts)), gains=moved, loses=moved)


def _choice(condition: Meaning, yes: Meaning, no: Meaning) -> Flow:
    asked, a, b = condition.flow, yes.flow, no.flow
    moved = asked.gains | asked.loses
    return Flow(
        needs=asked.needs | (a.needs - asked.if_true) | (b.needs - asked.if_false),
        if_true=(asked.if_true | a.if_true) & (asked.if_false | b.if_true),
        if_false=(asked.if_true | a.if_false) & (asked.if_false | b.if_false),
        gains=moved | a.gains | b.gains,
        loses=moved | a.loses | b.loses,
    )


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
}
