"""How many decimals a value can have, as far as its expression tells; for the warning about amounts due."""

from __future__ import annotations

from contracts.document import Document
from contracts.syntax import Aggregate, Arithmetic, Call, Field, Literal, Name, Negate, Node
from contracts.values import Money, Value, places_of


class Precision:
    """Knows the decimals of a document's expressions; each let is looked at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.lets: dict[str, int | None] = {}

    def most_places(self, node: Node) -> int | None:
        """The greatest number of decimals that a number or amount can have, or None where that is open."""
        match node:
            case Literal(value=value):
                return _places(value)
            case Name(name=name):
                return self._named(name)
            case Field():
                return self._field(node)
            case Negate(operand=operand):
                return self.most_places(operand)
            case Arithmetic(operator=operator, left=left, right=right):
                return _arithmetic(operator, self.most_places(left), self.most_places(right))
            case Call():
                return self._call(node)
            case Aggregate(function="sum" | "min_of" | "max_of", arguments=arguments):
                return self.most_places(arguments[0])
            case Aggregate(function="count"):
                return 0
            case _:
                return None

    def _named(self, name: str) -> int | None:
        if name in self.document.params:
            return _places(self.document.params[name].value)
        if name not in self.document.lets:
            return None
        if name not in self.lets:
            self.lets[name] = self.most_places(self.document.lets[name].node)
        return self.lets[name]

    def _field(self, node: Field) -> int | None:
        fact = self.document.facts.get(node.fact)
        rule = None if fact is None else fact.fields.get(node.field)
        return 0 if rule is not None and rule.type.kind == "integer" else None

    def _call(self, call: Call) -> int | None:
        match call.function:
            case "round":
                places = call.arguments[1]
                return places.value if isinstance(places, Literal) and isinstance(places.value, int) else None
            case "money":
                return self.most_places(call.arguments[0])
            case "min" | "max" | "if":
                chosen = call.arguments[1:] if call.function == "if" else call.arguments
                found = [self.most_places(argument) for argument in chosen]
                known = [places for places in found if places is not None]
                return max(known) if len(known) == len(found) else None
            case "band":
                return self._band(call.arguments[0])
            case "days" | "ceil_days" | "business_days" | "year" | "month" | "day_of_month" | "weekday":
                return 0
            case _:
                return None

    def _band(self, name: Node) -> int | None:
        table = self.document.bands.get(name.name) if isinstance(name, Name) else None
        return None if table is None else max(_places(row.value) for row in table.rows)


def _places(value: Value) -> int:
    return places_of(value.amount if isinstance(value, Money) else value)


def _arithmetic(operator: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None or operator == "/":
        return None
    return left + right if operator == "*" else max(left, right)
