"""What a condition can still come to: the values that an expression may have from now on.

A fact that exists once stays as it is; one that can no longer come stays away. So much of an expression is
settled, and is computed; the rest may have any value. What depends on whether something comes is looked at
both ways. Where `True` is not among the values of a condition, its rule can no longer fire; with something
assumed to have come, it says whether that would help. What is said to be possible may yet be impossible: no
two parts are held against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.aggregates import Run
from contracts.agreement import ENDED, Agreement
from contracts.compiling import compile_expression
from contracts.course import WAITING
from contracts.document import FactRule
from contracts.inference import infer_aggregates
from contracts.look import Key, Look
from contracts.operations import compare
from contracts.syntax import (
    Aggregate,
    Call,
    Compare,
    Exists,
    Expression,
    Field,
    Logic,
    Name,
    Node,
    Not,
    walk,
)
from contracts.values import Value
from ledger.errors import TallyError

Values: TypeAlias = "frozenset[Value] | None"
"""The values that something may have; None for any, empty where it cannot be calculated."""

_YES: frozenset[Value] = frozenset((True,))
_NO: frozenset[Value] = frozenset((False,))
_EITHER = _YES | _NO
MAX_VALUES = 16


@dataclass(frozen=True, slots=True)
class Prospects:
    """Answers for one agreement as it stands, under one key or none."""

    agreement: Agreement
    key: Key | None
    ready: dict[int, tuple[Node, Run]]
    """Parts that were made ready, by the identity of their nodes; shared between keys."""
    lets: dict[tuple[str, str], Values] = field(default_factory=dict)
    """The values of each let, by what is assumed: each is looked at once."""
    opens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What may still come of what each let reads."""

    # What may come

    def can_come(self, name: str, *, everywhere: bool = False) -> bool:
        """Whether one more fact of a name may come to exist, under the key or `everywhere`."""
        agreement = self.agreement
        rule = agreement.contract.document.facts[name]
        if agreement.status == ENDED and name not in agreement.contract.after_end:
            return False
        if self._is_full(name, rule, everywhere=everywhere):
            return False
        if rule.before is not None and self.has_passed(rule.before, everywhere=everywhere):
            return False
        if rule.state_before is not None and self.has_passed(rule.state_before, everywhere=everywhere):
            return any(view.name == name and view.status == WAITING for view in agreement.facts)
        return True

    def _is_full(self, name: str, rule: FactRule, *, everywhere: bool) -> bool:
        existing = self.agreement.known.facts(name)
        if rule.per is None:
            return len(existing) >= rule.max
        if len(existing) >= rule.total:
            return True
        if everywhere or self.key is None or self.key[0] != rule.per:
            return False
        return len(self.agreement.known.facts_with(name, *self.key)) >= rule.max

    def has_passed(self, deadline: str, *, everywhere: bool = False) -> bool:
        """Whether a deadline has closed; one of many keys has not, where it is asked for all of them."""
        per = self.agreement.contract.document.deadlines[deadline].per
        if per is not None and (everywhere or self.key is None or self.key[0] != per):
            return False
        value = None if per is None or self.key is None else self.key[1]
        closing = self.agreement.known.deadline(deadline, value)
        return closing is not None and closing.passed

    def is_there(self, name: str) -> bool:
        """Whether a fact exists, or a deadline is fixed."""
        known, document = self.agreement.known, self.agreement.contract.document
        if name in document.deadlines:
            keyed = document.deadlines[name].per is not None and self.key is not None
            return known.deadline(name, self.key[1] if keyed and self.key else None) is not None
        if self.key is None or self.key[0] not in document.facts[name].fields:
            return bool(known.facts(name))
        return bool(known.facts_with(name, *self.key))

    def is_open(self, name: str) -> bool:
        """Whether something that is not there may still come, or be fixed."""
        if name in self.agreement.contract.document.facts:
            return self.can_come(name)
        return all(self.is_there(need) or self.is_open(need) for need in self.agreement.contract.needs[name])

    # What an expression may come to

    def can_hold(self, expression: Expression, node: Node, assumed: str = "") -> bool:
        """Whether a condition may hold, now or later, once what is `assumed` has come or passed."""
        values = self.values(expression, node, assumed)
        return values is None or True in values

    def helpful(self, expression: Expression, node: Node) -> Iterator[str]:
        """The facts and deadlines whose coming or passing may make a condition hold, as it reads them."""
        if self.values(expression, node) == _YES or not self.can_hold(expression, node):
            return
        if isinstance(node, Logic):
            yield from self.helpful(expression, node.left)
            yield from self.helpful(expression, node.right)
            return
        for name in dict.fromkeys(self._open_below(node)):
            if self.can_hold(expression, node, name):
                yield name

    def values(self, expression: Expression, node: Node, assumed: str = "") -> Values:
        """The values that a part of an expression may have."""
        match node:
            case Exists(fact=name):
                return self._whether(name, there=self.is_there(name), assumed=assumed)
            case Field(fact=name, field="passed") if name in self.agreement.contract.document.deadlines:
                return self._whether(name, there=self.has_passed(name), assumed=assumed)
            case Name(name=name) if name in self.agreement.contract.document.lets:
                if (name, assumed) not in self.lets:
                    let = self.agreement.contract.document.lets[name]
                    self.lets[name, assumed] = self.values(let, let.node, assumed)
                return self.lets[name, assumed]
            case Not(operand=operand):
                return _each(self.values(expression, operand, assumed))
            case Logic():
                return self._logic(expression, node, assumed)
            case Call(function="if", arguments=(asked, yes, no)):
                chosen = self.values(expression, asked, assumed)
                found = [
                    self.values(expression, part, assumed)
                    for answer, part in ((True, yes), (False, no))
                    if chosen is None or answer in chosen
                ]
                return _together(found)
            case Compare():
                return self._compare(expression, node, assumed)
        if any(True for _ in self._open_below(node)):
            return None
        return self._computed(expression, node)

    def _whether(self, name: str, *, there: bool, assumed: str) -> Values:
        if there:
            return _YES
        if not self.is_open(name):
            return _NO
        return _YES if name == assumed else _EITHER

    def _logic(self, expression: Expression, node: Logic, assumed: str) -> Values:
        left = self.values(expression, node.left, assumed)
        last = node.operator == "or"
        if left is not None and left <= {last}:
            return left
        right = self.values(expression, node.right, assumed)
        if left is None or right is None:
            return _EITHER
        found = {last} & left
        return frozenset(found | right) if (not last) in left else frozenset(found)

    def _compare(self, expression: Expression, node: Compare, assumed: str) -> Values:
        left, right = (self.values(expression, part, assumed) for part in (node.left, node.right))
        if left is None or right is None:
            return _EITHER
        try:
            return frozenset(compare(node.operator, a, b) for a in left for b in right)
        except ArithmeticError:
            return frozenset()

    def _computed(self, expression: Expression, node: Node) -> Values:
        """The value of a part that nothing can change any more."""
        if id(node) not in self.ready:
            scope = self.agreement.contract.program.contexts.scope(None if self.key is None else self.key[0])
            part = Expression(text=expression.text, node=node, place=expression.place)
            document = self.agreement.contract.document
            run = compile_expression(document, part, infer_aggregates(part, scope), keep=False)
            self.ready[id(node)] = (node, run)
        look = Look(self.agreement.contract.program, self.agreement.known, self.key)
        try:
            return frozenset((self.ready[id(node)][1](look),))
        except TallyError:
            return frozenset()

    def _open_below(self, node: Node) -> Iterator[str]:
        """The facts and deadlines that a part reads and that may still come or pass."""
        document = self.agreement.contract.document
        for below in walk(node):
            match below:
                case Aggregate(fact=name):
                    if self.can_come(name, everywhere=below.everywhere):
                        yield name
                case Field(fact=name, field="passed") if name in document.deadlines:
                    if not self.has_passed(name) and self.is_open(name):
                        yield name
                case Exists(fact=name) | Field(fact=name):
                    if not self.is_there(name) and self.is_open(name):
                        yield name
                case Name(name=name) if name in document.lets:
                    if name not in self.opens:
                        below_let = self._open_below(document.lets[name].node)
                        self.opens[name] = tuple(dict.fromkeys(below_let))
                    yield from self.opens[name]

    # In words

    def gone(self, name: str) -> str:
        """Why a fact that is not there can no longer come."""
        rule = self.agreement.contract.document.facts[name]
        for deadline in (rule.state_before, rule.before):
            if deadline is not None and self.has_passed(deadline):
                return f"{name}: absent for ever, {deadline} has closed"
        if self.agreement.status == ENDED:
            return f"{name}: absent for ever, the agreement has ended"
        return f"{name}: absent for ever, {rule.total} count already"


def _each(values: Values) -> Values:
    return _EITHER if values is None else frozenset(not value for value in values)


def _together(found: list[Values]) -> Values:
    """The values of alternatives; many are as good as any."""
    known: frozenset[Value] = frozenset()
    for values in found:
        if values is None or len(known | values) > MAX_VALUES:
            return None
        known |= values
    return known
