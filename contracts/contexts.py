"""What the lets of a document mean in each context: under a key or none, in a rule or in a deadline.

A let stands for its expression wherever it is used, so it may mean something under `per: order` and nothing
without. What fails in every context is an error of the let; what fails in one is an error where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from contracts.document import Document
from contracts.faults import likely
from contracts.inference import infer
from contracts.limits import MAX_KEY_FIELDS
from contracts.meaning import Meaning, Scope, Unknowable
from contracts.mentions import Mentions
from contracts.syntax import Exists, Expression, Field, Name, Place, walk
from contracts.types import Type
from ledger.errors import InvalidError, TallyError

_NAMED = ("parties", "params", "facts", "lets", "deadlines", "calendars", "bands")
KEY_KINDS = ("string", "integer", "date", "enum")
"""Types that the values of a key may have."""


class Contexts:
    """Knows the scopes of a document; each let is looked at once in each context."""

    def __init__(
        self, document: Document, *, broken: frozenset[str] = frozenset(), whole: bool = True
    ) -> None:
        self.document = document
        self.broken = broken
        """Names of parts that could not be read; `whole` is false where anything lacks."""
        self.whole = whole
        self.errors: list[TallyError] = []
        """Keys without one type, circles, and lets that mean nothing anywhere."""
        self.order, self.circles = sort_names(document)
        mentions = Mentions(document)
        facts = document.facts.keys()
        self.deadline_needs: Mapping[str, frozenset[str]] = {
            name: mentions.behind([name]) & facts for name in document.deadlines
        }
        self.keys: Mapping[str, Type] = self._keys()
        self._scopes: dict[tuple[str | None, bool], Scope] = {}
        self._reported: set[str] = set()
        self._report()

    def scope(self, key: str | None = None, *, own: str | None = None, in_deadline: bool = False) -> Scope:
        """The scope of an expression that stands under a key, in a fact's `when`, or in a deadline."""
        context = (key if key in self.keys else None, in_deadline)
        if context not in self._scopes:
            self._scopes[context] = self._with_lets(self._bare(*context))
        scope = self._scopes[context]
        return scope if own is None else replace(scope, own=own)

    def infer(
        self,
        expression: Expression,
        key: str | None = None,
        *,
        own: str | None = None,
        in_deadline: bool = False,
    ) -> Meaning:
        """What an expression means where it stands.

        Raises:
            InvalidError: a type does not fit or a name is not known; with line and column.
            Unknowable: it uses a let that has an error of its own.
        """
        return infer(expression, self.scope(key, own=own, in_deadline=in_deadline))

    def _bare(self, key: str | None, in_deadline: bool) -> Scope:
        document = self.document
        return Scope(
            params={name: param.type for name, param in document.params.items()},
            values={name: param.value for name, param in document.params.items()},
            facts=document.facts,
            deadlines=document.deadlines,
            deadline_needs=self.deadline_needs,
            calendars=document.calendars,
            bands=document.bands,
            broken=dict.fromkeys((*self.circles, *self.broken)),
            key=None if key is None else (key, self.keys[key]),
            in_deadline=in_deadline,
        )

    def _with_lets(self, scope: Scope) -> Scope:
        lets: dict[str, Meaning] = {}
        broken: dict[str, TallyError | None] = dict(scope.broken)
        plain = None if scope.key is None and not scope.in_deadline else self.scope().lets
        scope = replace(scope, lets=lets, broken=broken)
        for name in self.order:
            if name not in self.document.lets:
                continue
            if plain is not None and name in plain and plain[name].steady:
                lets[name] = plain[name]
                continue
            try:
                lets[name] = infer(self.document.lets[name], scope)
            except Unknowable:
                broken[name] = None
            except TallyError as error:
                broken[name] = None if name in self._reported else error
        return scope

    def _keys(self) -> dict[str, Type]:
        """The type of each field that something is `per`; without one it is no key."""
        keys: dict[str, Type] = {}
        for name, place in _uses_of_keys(self.document):
            if name in keys:
                continue
            if len(keys) == MAX_KEY_FIELDS:
                self._add(place, f"more than {MAX_KEY_FIELDS} keys", f"at most {MAX_KEY_FIELDS}")
                break
            owner = next((part for part in _NAMED if name in getattr(self.document, part)), None)
            if owner is not None:
                self._add(place, f"the key {name}, which stands under {owner} too", "each name once")
            types = {rule.fields[name].type for rule in self.document.facts.values() if name in rule.fields}
            kinds = ", ".join(sorted(map(str, types)))
            if len(types) == 1 and next(iter(types)).kind in KEY_KINDS:
                keys[name] = next(iter(types))
                continue
            if not types and not self.whole:
                continue
            found = f"per {name}, a field that is {kinds}" if types else f"per {name}, which no fact has"
            expected = f"one type wherever it is used: {', '.join(KEY_KINDS)}"
            fields = {field for rule in self.document.facts.values() for field in rule.fields}
            twin = None if types else likely(name, sorted(fields))
            self._add(place, found, expected, f"write {twin}" if twin else "rename or correct it")
        return keys

    def _add(self, place: Place, found: str, expected: str, action: str = "rename or correct it") -> None:
        error = InvalidError(str(place), found=found, expected=expected, action=action)
        if str(error) not in map(str, self.errors):
            self.errors.append(error)

    def _report(self) -> None:
        document = self.document
        for name in self.circles:
            part = "lets" if name in document.lets else "deadlines"
            place = document.place(part, name)
            self._add(place, f"{name} leads back to itself", "an order without circles")
        contexts = [self.scope(None), *(self.scope(key) for key in self.keys)]
        for name in self.order:
            if name in document.lets and all(name in scope.broken for scope in contexts):
                names = frozenset(_names(document.lets[name]))
                # A let that reads a key was written for that key: what fails there says more.
                likely = [self.scope(key) for key in self.keys if key in names] or contexts
                error = next((scope.broken[name] for scope in likely if scope.broken[name]), None)
                # What uses a let that means nothing means nothing either: one error tells it.
                if error is not None and self._reported.isdisjoint(names):
                    self.errors.append(error)
                self._reported.add(name)
        self._scopes.clear()


def _uses_of_keys(document: Document) -> Iterator[tuple[str, Place]]:
    """Every field that a rule, deadline or fact is `per`, and where that stands."""
    for rule in document.rules:
        if rule.per is not None:
            yield rule.per, rule.place
    for deadline in document.deadlines.values():
        if deadline.per is not None:
            yield deadline.per, deadline.place
    for fact in document.facts.values():
        if fact.per is not None:
            yield fact.per, fact.place


def sort_names(document: Document) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lets and deadlines so that each follows those it uses, and those in circles (or that hang on one)."""
    known = {*document.lets, *document.deadlines}
    uses: dict[str, set[str]] = {}
    for name in sorted(known):
        expressions = [document.lets[name]] if name in document.lets else []
        if name in document.deadlines:
            rule = document.deadlines[name]
            expressions += [rule.at] if rule.grace is None else [rule.at, rule.grace]
        uses[name] = {used for expression in expressions for used in _names(expression)} & known
    order: list[str] = []
    while ready := [name for name in uses if not uses[name]]:
        order += ready
        uses = {name: below.difference(ready) for name, below in uses.items() if below}
    return tuple(order), tuple(uses)


def _names(expression: Expression) -> Iterator[str]:
    for node in walk(expression.node):
        if isinstance(node, Name):
            yield node.name
        elif isinstance(node, (Field, Exists)):
            yield node.fact
