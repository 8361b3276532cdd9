"""Expressions told in words, for people who have never seen the language.

Params are told by their values, everything else by its name in quotes. What reads nothing but params is
computed, and its result stands behind it. Each part has a rank, so that brackets stand where they must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from contracts.document import Document
from contracts.look import Look
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
from ledger.errors import TallyError

_OR, _AND, _SAYS, _PHRASE, _SUM, _PRODUCT, _WORD = range(7)
"""Ranks: what may stand inside what without brackets."""

_COMPARED = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
_COMPARED_TIMES = _COMPARED | {
    "<": "is before",
    "<=": "is not after",
    ">": "is after",
    ">=": "is not before",
}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
_MODES = {
    "half_up": "a half away from zero",
    "half_even": "a half to the even digit",
    "half_down": "a half towards zero",
    "up": "always away from zero",
    "down": "always towards zero",
    "ceiling": "always upwards",
    "floor": "always downwards",
}
_OF_TIMES = ("add_business_days", "end_of_day", "end_of_business_day", "start_of_day", "date", "add_months")


@dataclass(frozen=True, slots=True)
class Said:
    """A part in words, and its rank."""

    text: str
    rank: int

    def within(self, rank: int) -> str:
        """The text as a part of something that needs at least this rank."""
        return self.text if self.rank >= rank else f"({self.text})"


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
        self._times: dict[str, bool] = {}
        """Whether each let is a time: each is looked at once."""

    @cached_property
    def _percents(self) -> frozenset[str]:
        """Params that the prose tells as percentages."""
        parts = placeholders(self.document)
        return frozenset(part.name for part in parts if isinstance(part, Placeholder) and part.percent)

    def tell(self, expression: Expression) -> str:
        """An expression in words."""
        return self.say(expression, expression.node).text

    def alternatives(self, expression: Expression) -> str:
        """A value in words that stands by itself: what it is under which condition, without brackets."""
        node, told = expression.node, ""
        while isinstance(node, Call) and node.function == "if" and self.constant(expression, node) is None:
            asked, chosen, node = node.arguments
            condition = self.say(expression, asked).within(_AND)
            told += f"{self._chosen(expression, chosen)} if {condition}; otherwise "
        if told and self._is_nothing(expression, node):
            return told + self._chosen(expression, node)
        return told + self.say(expression, node).text

    def conditions(self, expression: Expression) -> tuple[str, ...]:
        """A condition in words, taken apart at its outermost `and`s."""
        return tuple(self.say(expression, part).text for part in outermost(expression.node))

    def deadline(self, name: str) -> str:
        """A deadline by its name, with its instant where that is known from the start."""
        at = self.instant_of(name)
        return f"the deadline {quoted(name)}{'' if at is None else f' ({prose_value(at)})'}"

    def passing(self, name: str) -> str:
        """That a deadline has passed, with the time from which it can where that is known from the start."""
        closing = self.truth.known.deadline(name)
        since = "" if closing is None else f" (from {prose_value(Instant(closing.due_ms))} on)"
        return f"the deadline {quoted(name)} has passed{since}"

    def param(self, name: str) -> str:
        """The value of a param, as the prose tells it."""
        value = self.document.params[name].value
        if name in self._percents and isinstance(value, Decimal):
            return format_percent(value)
        return prose_value(value)

    def instant_of(self, name: str) -> Instant | None:
        """The instant of a deadline that rests on params alone."""
        closing = self.truth.known.deadline(name)
        return None if closing is None else closing.at

    def say(self, expression: Expression, node: Node) -> Said:
        """A part of an expression in words."""
        said = self._say(expression, node)
        if not isinstance(node, (Arithmetic, Call)):
            return said
        value = self.constant(expression, node)
        if value is None:
            return said
        if isinstance(node, Call) and node.function in ("days", "hours", "minutes", "money"):
            return Said(prose_value(value), _WORD)
        return Said(f"{said.within(_SUM)}, that is {prose_value(value)}", _AND)

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
            return Said("the time of the one before", _WORD)
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
        built_in = {
            "at": f"the time of {of}",
            "counted": f"the time at which {of} was counted",
            "confirmed": f"the time at which {of} was confirmed",
        }
        if node.field in built_in and node.field not in self.document.facts[name].fields:
            return Said(built_in[node.field], _WORD)
        if self.document.facts[name].fields[node.field].type.kind == "boolean":
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
                return self._compare(expression, operand, _OPPOSITE[operator])
            case Not(operand=inner):
                return self.say(expression, inner)
        return Said(f"it is not so that {self.say(expression, operand).within(_SAYS)}", _SAYS)

    def _compare(self, expression: Expression, node: Compare, operator: str) -> Said:
        words = _COMPARED_TIMES if self._is_time(node.left) or self._is_time(node.right) else _COMPARED
        left, right = self.say(expression, node.left), self.say(expression, node.right)
        return Said(f"{left.within(_PHRASE)} {words[operator]} {right.within(_PHRASE)}", _SAYS)

    def _is_time(self, node: Node) -> bool:
        document = self.document
        match node:
            case Name(name=name):
                if name in document.lets:
                    if name not in self._times:
                        self._times[name] = self._is_time(document.lets[name].node)
                    return self._times[name]
                return name == "last" or (
                    name in document.params and document.params[name].type.kind in ("instant", "date")
                )
            case Field(fact=name, field=field):
                rule = document.facts.get(name)
                own = None if rule is None else rule.fields.get(field)
                return field != "passed" if own is None else own.type.kind in ("instant", "date")
            case Arithmetic(operator="+" | "-"):
                return self._is_time(node.left) != self._is_time(node.right)
            case (
                Call(function="if", arguments=(_, first, _))
                | Call(function="min" | "max", arguments=(first, *_))
            ):
                return self._is_time(first)
            case Aggregate(function="min_of" | "max_of", arguments=(first, *_)):
                return self._is_time(first)
        return isinstance(node, Call) and node.function in _OF_TIMES

    # Numbers

    def _arithmetic(self, expression: Expression, node: Arithmetic, operator: str) -> Said:
        rank = _SUM if operator in "+-" else _PRODUCT
        left, right = self._operand(expression, node.left), self._operand(expression, node.right)
        # What is taken away or divided by keeps its own brackets.
        return Said(f"{left.within(rank)} {_SIGNS[operator]} {right.within(rank + (operator in '-/'))}", rank)

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
            words = [part.name if isinstance(part, Name) else "" for part in node.arguments]
            places = "a whole number" if said[1] == "0" else f"{said[1]} decimals"
            inner = self.say(expression, node.arguments[0]).within(_PHRASE)
            return Said(f"{inner}, rounded to {places} ({_MODES[words[2]]})", _AND)
        return Said(_CALLS[node.function, len(said)].format(*said), _PHRASE)

    def _extreme(self, expression: Expression, node: Call) -> Said:
        said = [self.say(expression, part).within(_SUM) for part in node.arguments]
        if self._is_time(node.arguments[0]):
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
                if self._is_time(node.arguments[0]):
                    least = "earliest" if node.function == "min_of" else "latest"
                every = those.removeprefix("all ")
                return Said(f"the {least} of {parts[0]} over every {every}{whole}", _PHRASE)
        first = f" (for the first one, {parts[2]} takes the place of the time before)" if parts[2:] else ""
        every = those.removeprefix("all ")
        return Said(
            f"a value that begins at {parts[0]} and after each {every}{whole} becomes {parts[1]}{first}",
            _AND,
        )


_CALLS: Mapping[tuple[str, int], str] = {
    ("money", 2): "{0} {1}",
    ("days", 1): "{0} days",
    ("hours", 1): "{0} hours",
    ("minutes", 1): "{0} minutes",
    ("days", 2): "the number of whole days from {0} to {1}",
    ("ceil_days", 2): "the number of days from {0} to {1}, a part of a day counting as a full day",
    ("add_months", 2): "the day {1} months after {0}",
    ("year", 1): "the year of {0}",
    ("month", 1): "the month of {0}",
    ("day_of_month", 1): "the day of the month of {0}",
    ("weekday", 1): "the weekday (1 is Monday) of {0}",
    ("band", 2): "what the table {0} gives for {1}",
    ("business_days", 3): "the number of business days (of the calendar {2}) after {0} up to {1}",
    ("add_business_days", 3): "{1} business days (of the calendar {2}) after {0}",
    ("is_business_day", 2): "{0} is a business day (of the calendar {1})",
    ("date", 2): "the day of {0} (in the calendar {1})",
    ("start_of_day", 2): "the beginning of the day {0} (in the calendar {1})",
    ("end_of_day", 2): "the end of the day of {0} (in the calendar {1})",
    ("end_of_business_day", 2): "the end of the business day of {0} or the next one (in the calendar {1})",
}
"""The words of each function, by its name and how many arguments it is given."""
