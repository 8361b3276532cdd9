"""Makes expressions ready: one function for each node, built once, run in many looks.

`and` and `or` compute their right side only where the left does not decide, `if` only the chosen side. A
calculation without a result is an error with the place of its node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from contracts.aggregates import Aggregation, Run
from contracts.document import Document
from contracts.functions import CALENDAR_FUNCTIONS, FUNCTIONS, split_arguments
from contracts.look import Look
from contracts.meaning import Meaning
from contracts.operations import COMPARISONS, NEGATIONS, OPERATIONS, check_same_currency, describe_fault
from contracts.syntax import (
    Aggregate,
    Arithmetic,
    Call,
    Compare,
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
)
from contracts.values import KIND_OF, Money, Value
from ledger.errors import InvalidError, MissingError


def compile_expression(
    document: Document, expression: Expression, aggregates: Mapping[Span, Meaning], *, keep: bool
) -> Run:
    """The function that computes an expression of a document.

    `aggregates` says what each aggregate in it means; with `keep` those that can be are kept running.
    """
    return _Compiler(document, expression, aggregates, keep).node(expression.node)


class _Compiler:
    """One walk over one expression."""

    def __init__(
        self, document: Document, expression: Expression, aggregates: Mapping[Span, Meaning], keep: bool
    ) -> None:
        self.document = document
        self.expression = expression
        self.aggregates = aggregates
        self.keep = keep
        self.item: str | None = None
        """The fact that the aggregate around this node is looking at."""

    def node(self, node: Node) -> Run:
        return _BRANCHES[type(node)](self, node)

    def guarded(self, node: Node, run: Run) -> Run:
        """A run whose faults get the place of the node."""

        def guard(look: Look) -> Value:
            try:
                return run(look)
            except ArithmeticError as fault:
                self.fail(node, fault)

        return guard

    def fail(self, node: Node, fault: ArithmeticError) -> NoReturn:
        """Give a fault its place."""
        raise InvalidError(
            self.expression.at(node),
            found=f"{describe_fault(fault)} in {self.expression.part(node)}",
            expected="a calculation with a result",
            action="correct the facts by agreement; the rule stays open",
        ) from fault

    def literal(self, node: Literal) -> Run:
        value = node.value
        return lambda look: value

    def name(self, node: Name) -> Run:
        name = node.name
        if name == "balance":
            return lambda look: look.balance
        if name == "last":
            return lambda look: look.last
        if name in self.document.params:
            return lambda look: look.document.params[name].value
        if name not in self.document.lets:
            return lambda look: look.key_value(name)
        expression = self.document.lets[name]

        def run(look: Look) -> Value:
            lets = look.lets
            if name not in lets:
                own, look.own = look.own, None
                try:
                    lets[name] = look.value(expression)
                finally:
                    look.own = own
            return lets[name]

        return run

    def field(self, node: Field) -> Run:
        name, field = node.fact, node.field
        if name in self.document.deadlines:
            return self.deadline_field(node)
        if name == self.item:
            return lambda look: look.items[name].value(field)
        expression = self.expression
        return lambda look: look.field(name, field, expression, node)

    def deadline_field(self, node: Field) -> Run:
        name = node.fact

        def passed(look: Look) -> Value:
            closing = look.closing(name)
            return closing is not None and closing.passed

        def at(look: Look) -> Value:
            closing = look.closing(name)
            if closing is None:
                where = self.expression.at(node)
                raise MissingError(where, found=f"{name} is not fixed", expected="a deadline that is")
            return closing.at

        return passed if node.field == "passed" else at

    def exists(self, node: Exists) -> Run:
        name = node.fact
        if name in self.document.deadlines:
            return lambda look: look.closing(name) is not None
        return lambda look: look.exists(name)

    def opposite(self, node: Not) -> Run:
        inner = self.node(node.operand)
        return lambda look: not inner(look)

    def negative(self, node: Negate) -> Run:
        inner = self.node(node.operand)

        def run(look: Look) -> Value:
            value = inner(look)
            return NEGATIONS[KIND_OF[type(value)]](value)

        return run

    def logic(self, node: Logic) -> Run:
        left, right = self.node(node.left), self.node(node.right)
        if node.operator == "and":
            return lambda look: left(look) and right(look)
        return lambda look: left(look) or right(look)

    def compare(self, node: Compare) -> Run:
        left, right = self.node(node.left), self.node(node.right)
        holds = COMPARISONS[node.operator]

        def run(look: Look) -> Value:
            a, b = left(look), right(look)
            if type(a) is Money and type(b) is Money:
                try:
                    check_same_currency(a, b)
                except ArithmeticError as fault:
                    self.fail(node, fault)
                return holds(a.amount, b.amount)
            return holds(a, b)

        return run

    def arithmetic(self, node: Arithmetic) -> Run:
        left, right, operator = self.node(node.left), self.node(node.right), node.operator

        def run(look: Look) -> Value:
            a, b = left(look), right(look)
            try:
                return OPERATIONS[operator, KIND_OF[type(a)], KIND_OF[type(b)]].run(a, b)
            except ArithmeticError as fault:
                self.fail(node, fault)

        return run

    def call(self, node: Call) -> Run:
        if node.function in CALENDAR_FUNCTIONS:
            return self.calendar_call(node)
        if node.function == "band":
            return self.band(node)
        function = FUNCTIONS[node.function]
        arguments, words = split_arguments(function, node.arguments)
        parts = tuple(self.node(argument) for argument in arguments)
        if node.function == "if":
            condition, yes, no = parts
            return lambda look: yes(look) if condition(look) else no(look)
        compute = function.run
        return self.guarded(node, lambda look: compute([part(look) for part in parts], words))

    def calendar_call(self, node: Call) -> Run:
        compute = CALENDAR_FUNCTIONS[node.function].run
        parts = tuple(self.node(argument) for argument in node.arguments[:-1])
        last = node.arguments[-1]
        calendar = self.document.calendars[last.name if isinstance(last, Name) else ""]
        return self.guarded(node, lambda look: compute(calendar, *[part(look) for part in parts]))

    def band(self, node: Call) -> Run:
        name, argument = node.arguments
        table = self.document.bands[name.name if isinstance(name, Name) else ""]
        inner = self.node(argument)
        return self.guarded(node, lambda look: table.find(inner(look)))

    def aggregate(self, node: Aggregate) -> Run:
        running, outer = node.function == "running", self.item
        self.item = None
        before = [self.node(part) for part in (node.arguments[0], *node.arguments[2:])] if running else []
        self.item = node.fact
        inner = node.arguments[1:2] if running else node.arguments
        parts = [self.node(part) for part in inner]
        where = None if node.where is None else self.node(node.where)
        self.item = outer
        meaning = self.aggregates[node.span]
        aggregation = Aggregation(
            function=node.function,
            fact=node.fact,
            everywhere=node.everywhere,
            where=where,
            part=parts[0] if parts else None,
            start=before[0] if before else None,
            first=before[1] if len(before) > 1 else None,
            type=meaning.type,
            kept=self.keep and meaning.steady,
        )
        compute = self.guarded(node, aggregation.value)

        def run(look: Look) -> Value:
            # An aggregate never reads the fact of one around it: one value holds for the whole look.
            if aggregation not in look.aggregates:
                look.aggregates[aggregation] = compute(look)
            return look.aggregates[aggregation]

        return run


_BRANCHES: Mapping[type, Callable[[_Compiler, Any], Run]] = {
    Literal: _Compiler.literal,
    Name: _Compiler.name,
    Field: _Compiler.field,
    Exists: _Compiler.exists,
    Not: _Compiler.opposite,
    Negate: _Compiler.negative,
    Logic: _Compiler.logic,
    Compare: _Compiler.compare,
    Arithmetic: _Compiler.arithmetic,
    Call: _Compiler.call,
    Aggregate: _Compiler.aggregate,
}
