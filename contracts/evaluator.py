"""Evaluation: what a contract's rules decide, given the facts in the order in which they came to exist.

`decide` is a pure function. It starts at the moment when the agreement is in force and replays the facts
one by one. After each it looks at the open rules that mention the fact; a rule whose condition holds
fires once, at that moment, and is closed. So a firing depends on nothing that comes after it.

`and` and `or` read their right side only where the left does not decide, `if` only the chosen side. What
a firing rests on are the facts that its condition and its effects read at that moment.

A calculation without a result (overflow, division by zero, two currencies) makes the rule fail at that
moment, with a place; it is tried again when another fact that it mentions comes to exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from contracts.checker import Report, check_document, scope_of
from contracts.document import Document, Due, Notify, Rule, State, agreement_hash, parse_document
from contracts.functions import FUNCTIONS, split_arguments
from contracts.grammar import parse_expression
from contracts.inference import infer
from contracts.operations import NEGATIONS, OPERATIONS, compare, describe_fault, instant
from contracts.records import Position
from contracts.syntax import (
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
    Place,
)
from contracts.values import KIND_OF, Duration, Instant, Money, Value, format_value
from ledger.errors import InvalidError, MissingError, TallyError

EffectMap: TypeAlias = "dict[str, str | list[str]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A document that passed the checker, and what follows from it once."""

    agreement: bytes
    document: Document
    report: Report
    mentions: Mapping[str, frozenset[str]]
    """The facts that each rule's condition mentions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in the timekeeper's log: the time of an entry and its position."""

    instant: Instant
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingFact:
    """A fact that exists: its fields, its times, and the entries that make it exist, in counting order."""

    name: str
    fields: Mapping[str, Value]
    at: Instant
    counted: Instant
    confirmed: Instant | None
    entries: tuple[bytes, ...]
    since: Moment

    def built_in(self, field: str) -> Value:
        """One of the times that every fact has."""
        times = {"at": self.at, "counted": self.counted, "confirmed": self.confirmed}
        value = times.get(field)
        if value is None:
            raise MissingError(self.name, found=f"no {field}", expected="at, counted, or confirmed")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule whose condition held: at which moment, with which effects, resting on which entries."""

    rule: str
    moment: Moment
    effects: tuple[EffectMap, ...]
    rests_on: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rule that could not be calculated, when it was last tried."""

    rule: str
    moment: Moment
    error: TallyError


@lru_cache(maxsize=256)
def load_contract(signed: bytes) -> Contract:
    """Read and check the signed form of a contract; what was read is remembered by its bytes.

    Raises:
        TallyError: no contract, or one with errors.
    """
    return make_contract(parse_document(signed), agreement_hash(signed))


def make_contract(document: Document, agreement: bytes) -> Contract:
    """Check a document and prepare its evaluation.

    Raises:
        InvalidError: the document has errors.
    """
    report = check_document(document)
    mentions = {
        rule: frozenset(name for name in meaning.names if name in document.facts)
        for rule, meaning in report.conditions.items()
    }
    return Contract(agreement=agreement, document=document, report=report, mentions=mentions)


def decide(
    contract: Contract, start: Moment, facts: Sequence[ExistingFact]
) -> tuple[tuple[Firing, ...], tuple[Failure, ...]]:
    """The firings in their order, and the rules that cannot be calculated; `facts` as they came to exist."""
    known: dict[str, list[ExistingFact]] = {}
    open_rules = {rule.name: rule for rule in contract.document.rules}
    firings: list[Firing] = []
    failures: dict[str, Failure] = {}

    def look(rules: list[Rule], moment: Moment) -> None:
        for rule in rules:
            try:
                firing = _fire(contract, rule, known, moment)
            except TallyError as error:
                failures[rule.name] = Failure(rule=rule.name, moment=moment, error=error)
                continue
            failures.pop(rule.name, None)
            if firing is not None:
                del open_rules[rule.name]
                firings.append(firing)

    look(list(open_rules.values()), start)
    for fact in facts:
        known.setdefault(fact.name, []).append(fact)
        touched = [rule for name, rule in open_rules.items() if fact.name in contract.mentions[name]]
        look(touched, fact.since)
    return tuple(firings), tuple(failures.values())


def compute(contract: Contract, text: str, facts: Sequence[ExistingFact] = ()) -> Value:
    """The value of an expression in a contract, with these facts; checked first, as rules are.

    Raises:
        TallyError: no expression, types that do not fit, or a calculation without a result.
    """
    expression = parse_expression(text, Place(label="expression"))
    infer(expression, scope_of(contract.document, contract.report.lets))
    known: dict[str, list[ExistingFact]] = {}
    for fact in facts:
        known.setdefault(fact.name, []).append(fact)
    return Look(contract, known).value(expression)


def _fire(
    contract: Contract, rule: Rule, known: Mapping[str, Sequence[ExistingFact]], moment: Moment
) -> Firing | None:
    view = Look(contract, known)
    if view.value(rule.when) is not True:
        return None
    effects = tuple(_effect(view, effect, moment) for effect in rule.then)
    read = [fact for facts in known.values() for fact in facts[:1] if fact.name in view.read]
    return Firing(
        rule=rule.name,
        moment=moment,
        effects=effects,
        rests_on=tuple(entry for fact in read for entry in fact.entries),
    )


def _effect(view: Look, effect: Due | State | Notify, moment: Moment) -> EffectMap:
    match effect:
        case Due():
            return _due(view, effect, moment)
        case State():
            return {"kind": "state", "state": effect.state}
        case Notify():
            return {"kind": "notify", "roles": list(effect.roles)}


def _due(view: Look, due: Due, moment: Moment) -> EffectMap:
    amount = view.value(due.amount)
    within = Duration(0) if due.within is None else view.value(due.within)
    if not isinstance(amount, Money) or not isinstance(within, Duration):
        raise InvalidError(str(due.place), found="other types", expected="money, and a duration")
    if amount.amount < 0:
        raise InvalidError(
            due.amount.at(due.amount.node),
            found=f"an amount due of {format_value(amount)}",
            expected="zero or more",
            action="limit it with max(…), or exchange from and to in a rule of its own",
        )
    try:
        by = instant(moment.instant.ms + within.ms)
    except ArithmeticError as fault:
        raise InvalidError(str(due.place), found=describe_fault(fault), expected="an earlier time") from fault
    return {
        "kind": "due",
        "from": due.payer,
        "to": due.payee,
        "amount": format_value(amount),
        "by": format_value(by),
    }


class Look:
    """One look at one rule: computes expressions, each let at most once, and notes the facts it read."""

    __slots__ = ("contract", "expression", "known", "lets", "read")

    def __init__(self, contract: Contract, known: Mapping[str, Sequence[ExistingFact]]) -> None:
        self.contract = contract
        self.known = known
        self.lets: dict[str, Value] = {}
        self.read: set[str] = set()
        self.expression: Expression | None = None

    def value(self, expression: Expression, node: Node | None = None) -> Value:
        """The value of an expression, or of one node of it.

        Raises:
            InvalidError: a calculation without a result; with the place.
            MissingError: a field of a fact that does not exist, which the checker excludes for rules.
        """
        outer, self.expression = self.expression, expression
        try:
            value: Value = self.node(node or expression.node)
            return value
        finally:
            self.expression = outer

    def node(self, node: Node) -> Any:
        """The value of a node of the current expression."""
        return _BRANCHES[type(node)](self, node)

    def fail(self, node: Node, fault: ArithmeticError) -> NoReturn:
        """Give a fault its place."""
        expression = self.expression
        where, text = (expression.at(node), expression.part(node)) if expression else ("expression", "")
        raise InvalidError(
            where,
            found=f"{describe_fault(fault)} in {text}",
            expected="a calculation with a result",
            action="correct the facts by agreement; the rule stays open",
        ) from fault

    def name(self, node: Name) -> Value:
        param = self.contract.document.params.get(node.name)
        if param is not None:
            return param.value
        if node.name not in self.lets:
            self.lets[node.name] = self.value(self.contract.document.lets[node.name])
        return self.lets[node.name]

    def exists(self, node: Exists) -> bool:
        if node.fact not in self.known:
            return False
        self.read.add(node.fact)
        return True

    def field(self, node: Field) -> Value:
        facts = self.known.get(node.fact)
        if not facts:
            where = self.expression.at(node) if self.expression else "expression"
            raise MissingError(where, found=f"no {node.fact}", expected="a fact that exists")
        self.read.add(node.fact)
        fact = facts[0]
        return fact.fields[node.field] if node.field in fact.fields else fact.built_in(node.field)

    def logic(self, node: Logic) -> bool:
        left: bool = self.node(node.left)
        if left is (node.operator == "or"):
            return left
        right: bool = self.node(node.right)
        return right

    def compare(self, node: Compare) -> bool:
        try:
            return compare(node.operator, self.node(node.left), self.node(node.right))
        except ArithmeticError as fault:
            self.fail(node, fault)

    def arithmetic(self, node: Arithmetic) -> Value:
        left, right = self.node(node.left), self.node(node.right)
        try:
            operation = OPERATIONS[node.operator, KIND_OF[type(left)], KIND_OF[type(right)]]
            return operation.run(left, right)
        except ArithmeticError as fault:
            self.fail(node, fault)

    def negative(self, node: Negate) -> Value:
        value = self.node(node.operand)
        return NEGATIONS[KIND_OF[type(value)]](value)

    def call(self, node: Call) -> Value:
        function = FUNCTIONS[node.function]
        if node.function == "if":
            condition, yes, no = node.arguments
            chosen: Value = self.node(yes if self.node(condition) else no)
            return chosen
        expressions, words = split_arguments(function, node.arguments)
        values = [self.node(argument) for argument in expressions]
        try:
            return function.run(values, words)
        except ArithmeticError as fault:
            self.fail(node, fault)


_BRANCHES: Mapping[type, Callable[[Look, Any], Any]] = {
    Literal: lambda view, node: node.value,
    Name: Look.name,
    Field: Look.field,
    Exists: Look.exists,
    Not: lambda view, node: not view.node(node.operand),
    Negate: Look.negative,
    Logic: Look.logic,
    Compare: Look.compare,
    Arithmetic: Look.arithmetic,
    Call: Look.call,
}
