"""Which facts and deadlines a document's expressions mention, themselves, through lets and deadlines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.document import Document, Due, Effect, Obligation, Rule
from contracts.syntax import Aggregate, Exists, Expression, Field, Name, walk


class Mentions:
    """Answers for one document; each let and deadline is walked once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._lets: dict[str, frozenset[str]] = {}
        self._deadlines: dict[str, frozenset[str]] = {}

    def of(self, *expressions: Expression) -> frozenset[str]:
        """The facts and deadlines that expressions mention, themselves or through lets."""
        names: set[str] = set()
        for expression in expressions:
            names |= self._direct(expression)
        return frozenset(names)

    def of_rule(self, rule: Rule) -> frozenset[str]:
        """Those that a rule's condition and effects mention."""
        return self.of(*rule_expressions(rule))

    def everywhere(self, rule: Rule) -> frozenset[str]:
        """The facts that aggregates of a rule run over whatever their key is, themselves or through lets."""
        found: set[str] = set()
        waiting = list(rule_expressions(rule))
        seen: set[str] = set()
        while waiting:
            for node in walk(waiting.pop().node):
                if isinstance(node, Aggregate) and node.everywhere:
                    found.add(node.fact)
                elif isinstance(node, Name) and node.name in self.document.lets.keys() - seen:
                    seen.add(node.name)
                    waiting.append(self.document.lets[node.name])
        return frozenset(found)

    def behind(self, names: Iterable[str]) -> frozenset[str]:
        """Names, and all that the deadlines among them rest on."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            if name in self.document.deadlines:
                waiting.extend(self.of_deadline(name))
        return frozenset(found)

    def of_deadline(self, name: str) -> frozenset[str]:
        """The facts and deadlines that must exist before a deadline is fixed."""
        if name not in self._deadlines:
            rule = self.document.deadlines[name]
            parts = (rule.at,) if rule.grace is None else (rule.at, rule.grace)
            self._deadlines[name] = self.of(*parts)
        return self._deadlines[name]

    def _direct(self, expression: Expression) -> set[str]:
        document = self.document
        names: set[str] = set()
        for node in walk(expression.node):
            if isinstance(node, (Field, Exists, Aggregate)):
                if node.fact in document.facts or node.fact in document.deadlines:
                    names.add(node.fact)
            elif isinstance(node, Name) and node.name in document.lets:
                names |= self._let(node.name)
        return names

    def _let(self, name: str) -> frozenset[str]:
        if name not in self._lets:
            # A let that leads back to itself mentions no more on the way round.
            self._lets[name] = frozenset()
            self._lets[name] = frozenset(self._direct(self.document.lets[name]))
        return self._lets[name]


def document_expressions(document: Document) -> Iterator[Expression]:
    """Every expression of a document: lets, deadlines, what facts ask, rules."""
    yield from document.lets.values()
    for deadline in document.deadlines.values():
        yield deadline.at
        if deadline.grace is not None:
            yield deadline.grace
    for fact in document.facts.values():
        if fact.when is not None:
            yield fact.when
    for rule in document.rules:
        yield from rule_expressions(rule)


def rule_expressions(rule: Rule) -> Iterator[Expression]:
    """Every expression of a rule: its condition, then those of its effects."""
    yield rule.when
    for effect in rule.then:
        yield from effect_expressions(effect)


def effect_expressions(effect: Effect) -> Iterator[Expression]:
    """Every expression of an effect."""
    found: tuple[Expression | None, ...] = ()
    if isinstance(effect, Due):
        found = (effect.amount, effect.within, effect.on)
    elif isinstance(effect, Obligation):
        found = (effect.amount, effect.by)
    yield from (expression for expression in found if expression is not None)
