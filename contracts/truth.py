"""Rules that can never hold or always hold, as far as that is plain from the document alone.

A condition is taken apart into what it asks: whether something exists, has passed, is true, and on which
side of what a value lies. Every way in which these can be answered together is tried; params are known, and
a deadline at params that closes later has not passed while an earlier one has not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import product
from typing import TypeAlias

from contracts.document import Rule
from contracts.facts_known import Closing, Known
from contracts.look import Look
from contracts.mentions import Mentions
from contracts.operations import compare
from contracts.problems import Problems
from contracts.program import Program
from contracts.syntax import (
    Aggregate,
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

Answers: TypeAlias = "dict[str, int]"

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


@dataclass(slots=True)
class _Atoms:
    """What a condition asks: yes or no, or where a value lies among the values it is compared with."""

    cases: dict[str, int] = field(default_factory=dict)
    values: dict[str, list[Value]] = field(default_factory=dict)


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
            except TallyError:
                continue
            if isinstance(at, Instant) and isinstance(grace, Duration):
                self.due[name] = at.ms + grace.ms
                closing = Closing(at=at, due_ms=self.due[name], passed=False, entries=())
                self.known.fix(name, None, closing)

    def check(self, rule: Rule) -> None:
        """Report a rule whose condition is the same whatever happens; a bare `true` is meant."""
        node = rule.when.node
        if isinstance(node, Literal) and node.value is True:
            return
        atoms = _Atoms()
        self._collect(rule.when, node, atoms)
        count = 1
        for cases in atoms.cases.values():
            count *= cases
        if count > MAX_CASES or len(atoms.cases) > MAX_ATOMS:
            return
        seen = {self._holds(rule.when, node, answers, atoms) for answers in self._possible(atoms)}
        if seen == {False}:
            self.problems.error(
                rule.when.place,
                f"a condition of {rule.name} that can never hold",
                "one that can",
                "correct it",
            )
        elif seen == {True}:
            self.problems.error(
                rule.when.place,
                f"a condition of {rule.name} that always holds",
                "one that rests on something",
                "write true where the rule is to fire at once",
            )

    # What is asked

    def _collect(self, expression: Expression, node: Node, atoms: _Atoms) -> None:
        if isinstance(node, Logic):
            self._collect(expression, node.left, atoms)
            self._collect(expression, node.right, atoms)
        elif isinstance(node, Not):
            self._collect(expression, node.operand, atoms)
        elif self._constant(expression, node) is None:
            name, value, _ = self._asked(expression, node)
            if value is not None:
                atoms.values.setdefault(name, []).append(value)
            atoms.cases[name] = 2
        for name, values in atoms.values.items():
            atoms.values[name] = _in_order(values)
            atoms.cases[name] = 2 * len(atoms.values[name]) + 1
        for name in [name for name in atoms.cases if name.startswith("pair ")]:
            atoms.cases[name] = 3

    def _asked(self, expression: Expression, node: Node) -> tuple[str, Value | None, str]:
        """The name of what a part asks, the value that it is compared with, and the operator."""
        if isinstance(node, Compare):
            left, right = self._constant(expression, node.left), self._constant(expression, node.right)
            if right is not None and not isinstance(right, (bool, str)):
                return f"value {expression.part(node.left)}", right, node.operator
            if left is not None and not isinstance(left, (bool, str)):
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

    def _possible(self, atoms: _Atoms) -> Iterable[Answers]:
        names = list(atoms.cases)
        for answers in product(*(range(atoms.cases[name]) for name in names)):
            found = dict(zip(names, answers, strict=True))
            if self._can_be(found):
                yield found

    def _can_be(self, answers: Answers) -> bool:
        passed = {
            name[5:-7]: yes
            for name, yes in answers.items()
            if name.startswith("part ") and name.endswith(".passed")
        }
        for name, yes in passed.items():
            if yes and not answers.get(f"part exists({name})", 1):
                return False
            for other, other_yes in passed.items():
                earlier = other in self.due and name in self.due and self.due[other] <= self.due[name]
                if yes and not other_yes and earlier:
                    return False
        return True

    def _holds(self, expression: Expression, node: Node, answers: Answers, atoms: _Atoms) -> bool:
        if isinstance(node, Logic):
            left = self._holds(expression, node.left, answers, atoms)
            right = self._holds(expression, node.right, answers, atoms)
            return (left and right) if node.operator == "and" else (left or right)
        if isinstance(node, Not):
            return not self._holds(expression, node.operand, answers, atoms)
        constant = self._constant(expression, node)
        if constant is not None:
            return constant is True
        name, value, operator = self._asked(expression, node)
        if value is not None:
            # Odd places are the values themselves, even ones what lies between.
            return _orders(operator, answers[name], 2 * _place(value, atoms.values[name]) + 1)
        if name.startswith("pair "):
            return _orders(operator, answers[name], 1)
        return bool(answers[name])


def _orders(operator: str, a: int, b: int) -> bool:
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[operator]


def _in_order(values: Iterable[Value]) -> list[Value]:
    """Different values in ascending order; those that cannot be compared keep their places."""
    found: list[Value] = []
    for value in values:
        if not any(_same(value, other) for other in found):
            found.append(value)
    return sorted(found, key=cmp_to_key(_compared))


def _place(value: Value, values: list[Value]) -> int:
    return next(place for place, other in enumerate(values) if _same(value, other))


def _same(a: Value, b: Value) -> bool:
    try:
        return bool(compare("==", a, b))
    except ArithmeticError:
        return False


def _compared(a: Value, b: Value) -> int:
    try:
        return -1 if compare("<", a, b) else 1 if compare(">", a, b) else 0
    except ArithmeticError:
        return 0
