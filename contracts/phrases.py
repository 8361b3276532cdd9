"""Expressions told in words, for people who have never seen the language.

Params are told by their values, everything else by its name in quotes. What reads nothing but params is
computed, and its result stands behind it. Each part has a rank, so that brackets stand where they must; what
stands by itself is taken apart into a short list instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from contracts.document import Document
from contracts.facts_known import Closing
from contracts.look import Look
from contracts.measures import Measures
from contracts.problems import Problems
from contracts.render import Placeholder, placeholders, prose_value
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
    outermost,
    walk,
)
from contracts.truth import Truth
from contracts.values import Date, Instant, Money, Value, format_percent
from contracts.vocabulary import CALLS, COMPARED, COMPARED_TIMES, OPPOSITE, ROUNDED, SIGNS
from ledger.errors import TallyError

_OR, _AND, _SAYS, _PHRASE, _SUM, _PRODUCT, _WORD = range(7)
"""Ranks: what may stand inside what without brackets."""

_WRITTEN = (("days", 1), ("hours", 1), ("minutes", 1), ("money", 2))
"""Calls that only write a value down."""
_DATED = re.compile(r"(“[^”]*”) \([^()]*\)")
"""A name and, in brackets, its time."""


@dataclass(frozen=True, slots=True)
class Said:
    """A part in words, and its rank."""

    text: str
    rank: int
    inside: str = ""
    """What takes the place of the text in brackets."""

    def within(self, rank: int) -> str:
        """The text as a part of something that needs at least this rank."""
        return self.text if self.rank >= rank else self.inside or f"({self.text})"


@dataclass(frozen=True, slots=True)
class Item:
    """A part that stands by itself, with the short list that stands below it."""

    text: str
    below: tuple[str, ...] = ()


def quoted(name: str) -> str:
    """A name of the document as people read it: `force_majeure` is “force majeure”."""
    return f"“{name.replace('_', ' ')}”"


def listed(items: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


class Phrases:
    """Tells the expressions of one document that passed the checker."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.truth = Truth(Problems(document))
        self.measures = Measures(document)

    @cached_property
    def _percents(self) -> frozenset[str]:
        """Params that the prose tells as percentages."""
        parts = placeholders(self.document)
        return frozenset(part.name for part in parts if isinstance(part, Placeholder) and part.percent)

    def tell(self, expression: Expression) -> str:
        """An expression in words."""
        return self.say(expression, expression.node).text

    def alternatives(self, expression: Expression) -> tuple[str, ...]:
        """A value in words that stands by itself: what it is when, the last one otherwise."""
        node, told = self._apart(expression, expression.node), list[str]()
        while isinstance(node, Call) and node.function == "if" and self.constant(expression, node) is None:
            asked, chosen, node = node.arguments
            condition = self.say(expression, asked).within(_AND)
            told.append(f"if {condition}: {self._chosen(expression, chosen)}")
            node = self._apart(expression, node)
        last = self.say(expression, node).text
        if told:
            last = self._chosen(expression, node) if self._is_nothing(expression, node) else last
            return (*told, f"otherwise: {last}")
        return (last,)

    def _apart(self, expression: Expression, node: Node) -> Node:
        """A calculation on one of two values as one of two calculations."""
        if not isinstance(node, Call) or node.function == "if":
            return node
        for place, part in enumerate(node.arguments):
            if isinstance(part, Call) and part.function == "if" and self.constant(expression, part) is None:
                before, after = node.arguments[:place], node.arguments[place + 1 :]
                asked, *chosen = part.arguments
                each = (replace(node, arguments=(*before, value, *after)) for value in chosen)
                return replace(part, arguments=(asked, *each))
        return node

    def conditions(self, expression: Expression) -> tuple[Item, ...]:
        """A condition in words, taken apart at its outermost `and`s, and these at their `or`s."""
        return tuple(self._condition(expression, part) for part in outermost(expression.node))

    def _condition(self, expression: Expression, node: Node) -> Item:
        parts = tuple(self.say(expression, part).text for part in _either(node))
        return Item(parts[0]) if len(parts) == 1 else Item("at least one of these:", parts)

    def deadline(self, name: str) -> str:
        """A deadline by its name, with its instant where that is known from the start."""
        at = self.instant_of(name)
        return f"the deadline {quoted(name)}{'' if at is None else f' ({prose_value(at)})'}"

    def passing(self, name: str) -> str:
        """That a deadline has passed, with the time from which it can where that is known from the start."""
        closing = self.closing(name)
        since = "" if closing is None else f" (from {prose_value(Instant(closing.due_ms))} on)"
        return f"the deadline {quoted(name)} has passed{since}"

    def param(self, name: str) -> str:
        """The value of a param, as the prose tells it."""
        value = self.document.params[name].value
        if name in self._percents and isinstance(value, Decimal):
            return format_percent(value)
        return prose_value(value)

    def closing(self, name: str) -> Closing | None:
        """A deadline that rests on params alone, None of any other."""
        return self.truth.known.deadline(name)

    def instant_of(self, name: str) -> Instant | None:
        """The instant of a deadline that rests on params alone."""
        closing = self.closing(name)
        return None if closing is None else closing.at

    def say(self, expression: Expression, node: Node) -> Said:
        """A part of an expression in words."""
        said = self._say(expression, node)
        if not isinstance(node, (Arithmetic, Call)):
            return said
        value = self.constant(expression, node)
        if value is None:
            return said
        if isinstance(node, Call) and (node.function, len(node.arguments)) in _WRITTEN:
            return Said(prose_value(value), _WORD)
        computed, undated = prose_value(value), _DATED.sub(r"\1", said.text)
        computed += f" {unit}" if (unit := self.measures.days(node)) else ""
        return Said(f"{said.within(_PHRASE)}, that is {computed}", _AND, f"{computed} ({undated})")

    def constant(self, expression: Expression, node: Node) -> Value | None:
        """The value of a part that reads nothing but params and deadlines at params, or None."""
        for below in walk(node):
            match below:
                case Aggregate() | Exists():
                    return None
                case Field(fact=name, field=field) if field != "at" or self.instant_of(name) is None:
                    return None
                case Name(name=name) if name not in self.document.params and below is not node:
                    if name in self.document.lets or name in self.truth.problems.contexts.keys:
                        return None
                    if name in ("balance", "last"):
                        return None
        part = Expression(text=expression.text, node=node, place=expression.place)
        try:
            return self.truth.program.compute(part, Look(self.truth.program, self.truth.known))
        except TallyError:
            return None

    def _say(self, expression: Expression, node: Node) -> Said:
        match node:
            case Literal(value=value):
                return Said(f"“{value}”" if isinstance(value, str) else prose_value(value), _WORD)
            case Currency(code=code):
                return Said(code, _WORD)
            case Name(name=name):
                return self._name(name)
            case Field():
                return self._field(node)
            case Exists(fact=name):
                return Said(self._there(name, there=True), _SAYS)
            case Not(operand=operand):
                return self._not(expression, operand)
            case Negate(operand=operand):
                return Said(f"−{self.say(expression, operand).within(_WORD)}", _PRODUCT)
            case Logic(operator=operator):
                rank = _OR if operator == "or" else _AND
                left, right = self.say(expression, node.left), self.say(expression, node.right)
                return Said(f"{left.within(rank)} {operator} {right.within(rank)}", rank)
            case Compare(operator=operator):
                return self._compare(expression, node, operator)
            case Arithmetic(operator=operator):
                return self._arithmetic(expression, node, operator)
            case Call():
                return self._call(expression, node)
            case Aggregate():
                return self._aggregate(expression, node)

    # Names

    def _name(self, name: str) -> Said:
        if name in self.document.params:
            value, told = self.document.params[name].value, self.param(name)
            if isinstance(value, (Instant, Date)):
                return Said(f"{quoted(name)} ({told})", _WORD)
            return Said(f"“{told}”" if isinstance(value, str) else told, _WORD)
        if name == "balance":
            return Said("what it was before", _WORD)
        if name == "last":
            return Said("the time at which, by what was stated, the one before happened", _WORD)
        if any(name in part for part in (self.document.lets, self.document.bands, self.document.calendars)):
            return Said(quoted(name), _WORD)
        return Said(f"the {name.replace('_', ' ')}", _WORD)

    def _field(self, node: Field) -> Said:
        name = node.fact
        if name in self.document.deadlines:
            if node.field == "passed":
                return Said(self.passing(name), _SAYS)
            return Said(self.deadline(name), _WORD)
        of = quoted(name)
        rule = self.document.facts[name]
        last = "last confirmation" if len(rule.confirm) > 1 else "confirmation"
        built_in = {
            "at": f"the time at which, by what was stated, {of} happened",
            "counted": f"the time at which the timekeeper counted {of}",
            "confirmed": f"the time at which the timekeeper counted the {last} of {of}",
        }
        if node.field in built_in and node.field not in rule.fields:
            return Said(built_in[node.field], _WORD)
        if rule.fields[node.field].type.kind == "boolean":
            return Said(f"{of} says yes to {quoted(node.field)}", _SAYS)
        return Said(f"the {node.field.replace('_', ' ')} of {of}", _WORD)

    def _there(self, name: str, *, there: bool) -> str:
        if name in self.document.deadlines:
            return f"{self.deadline(name)} is {'fixed' if there else 'not fixed yet'}"
        rule = self.document.facts[name]
        done = "recorded and confirmed" if rule.confirm else "recorded"
        in_time = " in time" if rule.before or rule.state_before else ""
        return f"{quoted(name)} has {'' if there else 'not '}been {done}{in_time}"

    # Conditions

    def _not(self, expression: Expression, operand: Node) -> Said:
        match operand:
            case Exists(fact=name):
                return Said(self._there(name, there=False), _SAYS)
            case Field(fact=name, field="passed") if name in self.document.deadlines:
                return Said(f"the deadline {quoted(name)} has not passed", _SAYS)
            case Field(fact=name, field=field) if name in self.document.facts:
                return Said(f"{quoted(name)} says no to {quoted(field)}", _SAYS)
            case Compare(operator=operator):
                return self._compare(expression, operand, OPPOSITE[operator])
            case Not(operand=inner):
                return self.say(expression, inner)
        return Said(f"it is not so that {self.say(expression, operand).within(_SAYS)}", _SAYS)

    def _compare(self, expression: Expression, node: Compare, operator: str) -> Said:
        is_time = self.measures.is_time(node.left) or self.measures.is_time(node.right)
        words = COMPARED_TIMES if is_time else COMPARED
        left = self._compared(expression, node.left, node.right)
        right = self._compared(expression, node.right, node.left)
        return Said(f"{left} {words[operator]} {right}", _SAYS)

    def _compared(self, expression: Expression, node: Node, other: Node) -> str:
        """One side of a comparison; a number that is held against a number of days is told with the unit."""
        told, unit = self.say(expression, node).within(_PHRASE), self.measures.days(other)
        value = self.constant(expression, node) if unit else None
        if isinstance(value, bool) or not isinstance(value, int):
            return told
        return f"{told} {unit.removesuffix('s') if value == 1 else unit}"

    # Numbers

    def _arithmetic(self, expression: Expression, node: Arithmetic, operator: str) -> Said:
        rank = _SUM if operator in "+-" else _PRODUCT
        left, right = self._operand(expression, node.left), self._operand(expression, node.right)
        # What is taken away or divided by keeps its own brackets.
        return Said(f"{left.within(rank)} {SIGNS[operator]} {right.within(rank + (operator in '-/'))}", rank)

    def _operand(self, expression: Expression, node: Node) -> Said:
        """A part of a sum or product: only the whole says what it comes to."""
        return self._say(expression, node) if isinstance(node, Arithmetic) else self.say(expression, node)

    def _chosen(self, expression: Expression, node: Node) -> str:
        value = self.constant(expression, node)
        if value is not None and self._is_nothing(expression, node):
            return f"nothing ({prose_value(value)})"
        return self.say(expression, node).within(_PHRASE)

    def _is_nothing(self, expression: Expression, node: Node) -> bool:
        value = self.constant(expression, node)
        return isinstance(value, Money) and not value.amount

    def _call(self, expression: Expression, node: Call) -> Said:
        if node.function == "if":
            asked = self.say(expression, node.arguments[0]).within(_AND)
            first, second = (self._chosen(expression, part) for part in node.arguments[1:])
            return Said(f"{first} if {asked}, and otherwise {second}", _OR)
        if node.function in ("min", "max"):
            return self._extreme(expression, node)
        said = [self.say(expression, part).within(_SUM) for part in node.arguments]
        if node.function == "round":
            return self._rounded(expression, node, said[1])
        return Said(CALLS[node.function, len(said)].format(*said), _PHRASE)

    def _rounded(self, expression: Expression, node: Call, places: str) -> Said:
        inner = self.say(expression, node.arguments[0]).within(_PHRASE)
        mode = node.arguments[2]
        in_cents, otherwise = ROUNDED[mode.name if isinstance(mode, Name) else ""]
        if self.measures.is_in_cents(node.arguments[0], places):
            return Said(f"{inner}, rounded to cents, {in_cents}", _AND)
        kept = {"0": "a whole number", "1": "1 decimal"}.get(places, f"{places} decimals")
        return Said(f"{inner}, rounded to {kept}, {otherwise}", _AND)

    def _extreme(self, expression: Expression, node: Call) -> Said:
        said = [self.say(expression, part).within(_SUM) for part in node.arguments]
        if self.measures.is_time(node.arguments[0]):
            word = "earliest" if node.function == "min" else "latest"
        elif len(said) == 2:
            word = "smaller" if node.function == "min" else "larger"
        else:
            word = "smallest" if node.function == "min" else "largest"
        if len(said) == 2 and word in ("earliest", "latest"):
            word = {"earliest": "earlier", "latest": "later"}[word]
        return Said(f"the {word} of {listed(said)}", _PHRASE)

    def _aggregate(self, expression: Expression, node: Aggregate) -> Said:
        of = quoted(node.fact)
        those = f"all {of}" if node.everywhere else f"{of}"
        if node.where is not None:
            those += f" of which {self.say(expression, node.where).within(_AND)}"
        parts = [self.say(expression, part).within(_PHRASE) for part in node.arguments]
        whole = " (whatever its key)" if node.everywhere else ""
        match node.function:
            case "count":
                return Said(f"the number of {those}", _PHRASE)
            case "sum":
                return Said(f"the sum of {parts[0]} over every {those.removeprefix('all ')}{whole}", _PHRASE)
            case "min_of" | "max_of":
                least = "least" if node.function == "min_of" else "greatest"
                if self.measures.is_time(node.arguments[0]):
                    least = "earliest" if node.function == "min_of" else "latest"
                every = those.removeprefix("all ")
                return Said(f"the {least} of {parts[0]} over every {every}{whole}", _PHRASE)
        first = f" (for the first one, {parts[2]} takes the place of the time before)" if parts[2:] else ""
        every = those.removeprefix("all ")
        return Said(
            f"a value that begins at {parts[0]} and after each {every}{whole} becomes {parts[1]}{first}",
            _AND,
        )


def _either(node: Node) -> Iterator[Node]:
    """The parts of a condition of which one is enough."""
    if isinstance(node, Logic) and node.operator == "or":
        yield from _either(node.left)
        yield from _either(node.right)
    else:
        yield node
