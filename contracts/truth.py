"""Rules that can never hold or always hold, as far as that is plain from the document alone.

A condition is taken apart into what it asks: whether something exists, has passed, is true, and on which
side of what a value lies. Every way in which these can be answered together is tried; params are known, and
a deadline at params that closes later has not passed while an earlier one has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cmp_to_key
from math import prod
from typing import TypeAlias

from contracts.facts_known import Closing, Known
from contracts.field_bounds import field_bounds
from contracts.look import Look
from contracts.meaning import Unknowable
from contracts.mentions import Mentions
from contracts.operations import compare
from contracts.problems import Problems
from contracts.program import Program
from contracts.syntax import (
    Aggregate,
    Call,
    Compare,
    Exists,
    Expression,
    Field,
    Literal,
    Logic,
    Name,
    Node,
    Not,
    walk,
)
from contracts.values import Duration, Instant, Value
from ledger.errors import TallyError

MAX_ATOMS = 10
MAX_CASES = 4096

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


@dataclass(slots=True)
class _Atoms:
    """What a condition asks: yes or no, or where a value lies among the values it is compared with."""

    cases: dict[str, int] = field(default_factory=dict)
    values: dict[str, dict[Value, int]] = field(default_factory=dict)
    """The values that one is compared with; once all are known, each with its place among them."""
    nodes: dict[str, Node] = field(default_factory=dict)
    """What is compared with them."""

    def settle(self) -> int:
        """Order the values; gives in how many ways everything can be answered."""
        for name, values in self.values.items():
            ordered = sorted(values, key=cmp_to_key(_compared))
            self.values[name] = {value: place for place, value in enumerate(ordered)}
            # Odd answers are the values themselves, even ones what lies between.
            self.cases[name] = 2 * len(values) + 1
        return prod(self.cases.values())


class _Cases:
    """Every way in which the atoms of a condition can be answered, each a bit of a whole number.

    So what a part of the condition comes to in all cases at once is one number, and `and` is one operation.
    """

    def __init__(self, atoms: _Atoms) -> None:
        self.values = atoms.values
        self._below: dict[str, list[int]] = {}
        count = atoms.settle()
        self.every = (1 << count) - 1
        stride = 1
        for name, cases in atoms.cases.items():
            period = stride * cases
            repeated = self.every // ((1 << period) - 1)
            self._below[name] = [((1 << stride * answer) - 1) * repeated for answer in range(cases + 1)]
            stride = period

    def __contains__(self, name: str) -> bool:
        return name in self._below

    def holds(self, name: str, operator: str, answer: int) -> int:
        """The cases in which an atom's answer lies so to this one."""
        low, high = self._below[name][answer : answer + 2]
        held = {"<": low, "<=": high, ">": ~high, ">=": ~low, "==": high & ~low, "!=": ~high | low}
        return held[operator] & self.every


_Part: TypeAlias = Callable[[_Cases], int]
"""A part of a condition: the cases in which it holds."""


class Truth:
    """Answers for the rules of one document."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.document = problems.document
        self.mentions = Mentions(problems.document)
        self.program = Program(problems.document, problems.contexts)
        self.known = Known()
        self.due: dict[str, int] = {}
        self._fix_plain_deadlines()

    def _fix_plain_deadlines(self) -> None:
        """Deadlines at params are known from the start."""
        for name in self.problems.contexts.order:
            rule = self.document.deadlines.get(name)
            if rule is None or rule.per is not None:
                continue
            if any(needed not in self.due for needed in self.mentions.of_deadline(name)):
                continue
            look = Look(self.program, self.known, later=True)
            try:
                self.problems.contexts.infer(rule.at, in_deadline=True)
                at = look.value(rule.at)
                grace = Duration(0) if rule.grace is None else look.value(rule.grace)
            except (TallyError, Unknowable):
                continue
            if isinstance(at, Instant) and isinstance(grace, Duration):
                self.due[name] = at.ms + grace.ms
                closing = Closing(at=at, due_ms=self.due[name], passed=False, entries=())
                self.known.fix(name, None, closing)

    def check(self, when: Expression, name: str, per: str | None) -> None:
        """Report a condition that is the same whatever happens, of a rule or fact; a bare `true` is meant."""
        node = when.node
        if isinstance(node, Literal) and node.value is True:
            return
        atoms = _Atoms()
        part = self._part(when, node, atoms)
        if len(atoms.cases) > MAX_ATOMS or atoms.settle() > MAX_CASES:
            return
        cases = _Cases(atoms)
        possible = self._possible(cases) & self._within_bounds(cases, atoms, per)
        seen = part(cases) & possible
        if not seen:
            self.problems.error(
                when.place,
                f"a condition of {name} that can never hold",
                "one that can",
                "correct what it asks, or what the facts may say",
            )
        elif seen == possible:
            self.problems.error(
                when.place,
                f"a condition of {name} that always holds",
                "one that rests on something",
                f"write {name}: true where it is to hold at once",
            )

    # What is asked

    def _part(self, expression: Expression, node: Node, atoms: _Atoms) -> _Part:
        """Take a condition apart; each part is looked at once, however many cases there are."""
        if isinstance(node, Logic):
            left = self._part(expression, node.left, atoms)
            right = self._part(expression, node.right, atoms)
            if node.operator == "and":
                return lambda cases: left(cases) & right(cases)
            return lambda cases: left(cases) | right(cases)
        if isinstance(node, Not):
            inner = self._part(expression, node.operand, atoms)
            return lambda cases: cases.every & ~inner(cases)
        constant = self._constant(expression, node)
        if constant is not None:
            return lambda cases: cases.every if constant is True else 0
        name, value, operator = self._asked(expression, node)
        if value is not None:
            atoms.cases[name] = 0
            atoms.values.setdefault(name, {})[value] = 0
            if isinstance(node, Compare):
                is_left = name == f"value {expression.part(node.left)}"
                atoms.nodes[name] = node.left if is_left else node.right
            return lambda cases: cases.holds(name, operator, 2 * cases.values[name][value] + 1)
        atoms.cases[name] = 3 if operator else 2
        return lambda cases: cases.holds(name, operator or "==", 1)

    def _asked(self, expression: Expression, node: Node) -> tuple[str, Value | None, str]:
        """The name of what a part asks, the value that it is compared with, and the operator."""
        if isinstance(node, Compare):
            left, right = self._constant(expression, node.left), self._constant(expression, node.right)
            ordered = node.operator not in ("==", "!=")
            if right is not None and not isinstance(right, (bool, str) if ordered else bool):
                return f"value {expression.part(node.left)}", right, node.operator
            if left is not None and not isinstance(left, (bool, str) if ordered else bool):
                return f"value {expression.part(node.right)}", left, _TURNED[node.operator]
            texts = expression.part(node.left), expression.part(node.right)
            if node.operator not in ("==", "!=") or (left is None and right is None):
                turned = texts[0] > texts[1]
                name = "pair " + " and ".join(sorted(texts))
                return name, None, _TURNED[node.operator] if turned else node.operator
        return f"part {expression.part(node)}", None, ""

    def _constant(self, expression: Expression, node: Node) -> Value | None:
        """The value of a part that reads nothing but params and plain deadlines, or None."""
        for below in walk(node):
            if isinstance(below, (Field, Exists)):
                if below.fact not in self.due or (isinstance(below, Field) and below.field == "passed"):
                    return None
            elif isinstance(below, Name) and below.name in self.document.lets:
                if self.mentions.of(self.document.lets[below.name]):
                    return None
            elif isinstance(below, Aggregate) or (
                isinstance(below, Name) and below.name not in self.document.params
            ):
                return None
        part = Expression(text=expression.text, node=node, place=expression.place)
        try:
            return self.program.compute(part, Look(self.program, self.known))
        except TallyError:
            return None

    # How it can be answered

    def _possible(self, cases: _Cases) -> int:
        """The cases in which no deadline has passed that is not fixed, or before an earlier one."""
        names = [name for name in self.document.deadlines if f"part {name}.passed" in cases]
        passed = {name: cases.holds(f"part {name}.passed", "==", 1) for name in names}
        possible = cases.every
        for name, held in passed.items():
            if f"part exists({name})" in cases:
                possible &= ~held | cases.holds(f"part exists({name})", "==", 1)
            for other, other_held in passed.items():
                if other in self.due and name in self.due and self.due[other] <= self.due[name]:
                    possible &= ~held | other_held
        return possible

    def _within_bounds(self, cases: _Cases, atoms: _Atoms, per: str | None) -> int:
        """The cases in which no value lies outside its own bounds."""
        possible = cases.every
        for name, node in atoms.nodes.items():
            low, high = self._bounds(node, per)
            values = list(cases.values[name])
            for place in range(2 * len(values) + 1):
                # What lies at a place: one value, or all between two.
                least = values[(place - 1) // 2] if place else None
                most = values[place // 2] if place < 2 * len(values) else None
                apart = place % 2 == 0
                if _is_beyond(least, high, apart=apart) or _is_beyond(low, most, apart=apart):
                    possible &= ~cases.holds(name, "==", place)
        return possible

    def _bounds(self, node: Node, per: str | None) -> tuple[Value | None, Value | None]:
        """The least and greatest value of a field, of how many facts there are, or of a number of days."""
        facts = self.document.facts
        match node:
            case Name(name=name) if name in self.document.lets:
                return self._bounds(self.document.lets[name].node, per)
            case Field(fact=name, field=field) if name in facts and field in facts[name].fields:
                try:
                    return field_bounds(self.document, facts[name].fields[field])
                except TallyError:
                    return None, None
            case Aggregate(function="count", fact=name):
                rule = facts[name]
                one_key = per is not None and rule.per == per and not node.everywhere
                return 0, rule.max if rule.per is None or one_key else rule.total
            case Call(function="ceil_days" | "business_days"):
                return 0, None
        return None, None


def _is_beyond(least: Value | None, most: Value | None, *, apart: bool) -> bool:
    """Whether one value is above another, or with `apart` as great as it."""
    if least is None or most is None:
        return False
    return _compared(least, most) >= (0 if apart else 1)


def _compared(a: Value, b: Value) -> int:
    try:
        return -1 if compare("<", a, b) else 1 if compare(">", a, b) else 0
    except ArithmeticError:
        return 0
