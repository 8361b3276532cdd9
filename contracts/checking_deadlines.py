"""The part of the checker that looks at deadlines: an instant that will exist, and that nobody backdates.

Where a deadline reads an instant of a fact, it starts at the counting if that is later (`contracts.look`).
Whatever else a fact states is as early as its author wants: a date, or a number that is reckoned from. Where
somebody else loses by it and does not confirm it, that is a warning; so are times until which somebody owes,
which take instants as they are stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from contracts.document import BUILT_IN_FIELDS, PERMISSION, DeadlineRule, Document, Due, Obligation
from contracts.flows import NOTHING
from contracts.mentions import Mentions
from contracts.phrases import quoted
from contracts.problems import Problems
from contracts.syntax import Call, Compare, Expression, Field, Name, Node, children, walk

MAX_PATHS = 96
"""How many lets and deadlines are looked into behind one time."""
_COUNTED = ("counted", "confirmed")
"""Times of a fact that its author does not choose."""


def check_deadlines(problems: Problems) -> None:
    """Each deadline: an instant that will exist, and a grace."""
    mentions = Mentions(problems.document)
    circles = problems.contexts.circles
    for name, rule in problems.document.deadlines.items():
        if name in circles:
            continue
        at = problems.meaning(rule.at, rule.per, in_deadline=True)
        if at is not None and at.type.kind != "instant":
            action = (
                "write end_of_day(…, calendar)" if at.type.kind == "date" else "add days(n) to an instant"
            )
            problems.error(rule.at.place, f"a deadline that is {at.type}", "an instant", action)
        if rule.grace is not None:
            grace = problems.meaning(rule.grace, rule.per, in_deadline=True)
            if grace is not None and grace.type.kind != "duration":
                problems.error(rule.grace.place, f"a grace of {grace.type}", "a duration", "write days(n)")
        _check_key(problems, name, rule, mentions)
        _check_backdating(problems, name, mentions)


def _check_key(problems: Problems, name: str, rule: DeadlineRule, mentions: Mentions) -> None:
    """A deadline per key needs something that has the key, or it would exist for no value of it."""
    document = problems.document
    if rule.per is None or not problems.whole:
        return
    for needed in mentions.of_deadline(name):
        fact, deadline = document.facts.get(needed), document.deadlines.get(needed)
        if (fact and rule.per in fact.fields) or (deadline and deadline.per == rule.per):
            return
    problems.error(
        rule.place,
        f"{name} per {rule.per}, and nothing that it needs has {rule.per}",
        f"a fact with the field {rule.per}",
        "leave per out, or read such a fact",
    )


# Who could set a time back


def _check_backdating(problems: Problems, name: str, mentions: Mentions) -> None:
    """A deadline that rests on what one party alone states, at the cost of another."""
    document = problems.document
    losers = _losers(document, name, mentions)
    key = document.deadlines[name].per
    keyed = {fact for fact in mentions.of_deadline(name) & document.facts.keys()
             if key in document.facts[fact].fields}  # fmt: skip
    chosen = _Chosen(document=document, later=True, key=key, keyed=frozenset(keyed))
    for expression in (document.deadlines[name].at, document.deadlines[name].grace):
        for stated in () if expression is None else chosen.of(expression):
            _warn(problems, stated, losers)


def check_times_owed(problems: Problems) -> None:
    """Until when something is due or to be done, where only who gains by it says so."""
    document = problems.document
    for rule in document.rules:
        for effect in rule.then:
            loser, until = None, None
            if isinstance(effect, Due):
                loser, until = effect.payer, effect.on
            elif isinstance(effect, Obligation) and effect.duty != PERMISSION:
                loser, until = effect.of, effect.by
            if loser is not None and until is not None:
                for stated in _Chosen(document=document, later=False).of(until):
                    _warn(problems, stated, frozenset({loser}))


def _losers(document: Document, name: str, mentions: Mentions) -> frozenset[str]:
    """The roles whose window a deadline is, and those who owe by a rule that mentions it."""
    found: set[str] = set()
    for fact in document.facts.values():
        if name in (fact.before, fact.state_before):
            found.update((*fact.by, *fact.confirm))
    for rule in document.rules:
        if name in mentions.behind(mentions.of_rule(rule)):
            found.update(effect.payer for effect in rule.then if isinstance(effect, Due))
            obliged = (effect for effect in rule.then if isinstance(effect, Obligation))
            found.update(effect.of for effect in obliged if effect.duty != PERMISSION)
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """Something that a fact states and a time is reckoned from, and where."""

    expression: Expression
    node: Node
    fact: str
    field: str


def _warn(problems: Problems, stated: _Stated, losers: frozenset[str]) -> None:
    parties = problems.document.parties
    rule = problems.document.facts[stated.fact]
    confirming = {parties.get(role, role) for role in rule.confirm}
    for author in rule.by:
        hurt = [
            role
            for role in sorted(losers)
            if parties.get(role, role) not in {parties.get(author, author), *confirming}
        ]
        if hurt:
            problems.warn(
                stated.expression.at(stated.node),
                f"{author} alone chooses {_told(stated)}, and {hurt[0]} loses if it is set back.",
                _instead(problems.document, stated, hurt[0]),
            )
            return


def _instead(document: Document, stated: _Stated, loser: str) -> str:
    own = document.facts[stated.fact].fields.get(stated.field)
    name = f"{stated.fact}.{stated.field}"
    calendar = next(iter(document.calendars), "calendar")
    match None if own is None else own.type.kind:
        case "date":
            instead = f"max({name}, date({stated.fact}.counted, {calendar}))"
        case "instant" | None:
            instead = f"{stated.fact}.counted, or max({name}, {stated.fact}.counted)"
        case _:
            instead = f"a param, or give {stated.field} a `least`"
    if loser in document.facts[stated.fact].by:
        return f"Write {instead}."
    return f"Write {instead}; or let {loser} confirm {quoted(stated.fact)}."


def _told(stated: _Stated) -> str:
    field = "the time" if stated.field == "at" else quoted(stated.field)
    return f"{field} that {quoted(stated.fact)} states"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Finds what the authors of facts choose in a time, also through lets and other deadlines.

    With `later`, instants of facts are nothing that they choose. `key` is the name of the key, and `keyed`
    are the facts that bring a value of it.
    """

    document: Document
    later: bool
    key: str | None = None
    keyed: frozenset[str] = NOTHING
    visited: set[tuple[str, frozenset[str]]] = dataclass_field(default_factory=set)
    """Lets and deadlines that were looked into, and what was guarded there."""

    def of(self, expression: Expression) -> Iterator[_Stated]:
        """What is chosen in an expression."""
        yield from self._below(expression, expression.node, NOTHING)

    def _below(self, expression: Expression, node: Node, guarded: frozenset[str]) -> Iterator[_Stated]:
        """`guarded`: facts whose counting this part cannot be before."""
        match node:
            case Field(fact=fact, field=field):
                if fact in self.document.deadlines:
                    yield from self._into(fact, guarded)
                elif fact in self.document.facts.keys() - guarded and self._is_chosen(fact, field):
                    yield _Stated(expression=expression, node=node, fact=fact, field=field)
            case Name(name=name):
                yield from self._into(name, guarded)
                for fact in sorted(self.keyed - guarded) if name == self.key else ():
                    if self._is_chosen(fact, name):
                        yield _Stated(expression=expression, node=node, fact=fact, field=name)
            case Call(function="max", arguments=parts):
                counted = [self._counted(part) for part in parts]
                for place, part in enumerate(parts):
                    beside = guarded.union(*counted[:place], *counted[place + 1 :])
                    yield from self._below(expression, part, beside)
            case Compare() | Call(function="band"):
                # What only decides between times of the document is one of its terms.
                return
            case _:
                for part in children(node):
                    yield from self._below(expression, part, guarded)

    def _into(self, name: str, guarded: frozenset[str]) -> Iterator[_Stated]:
        """What is chosen behind a name. A document of many paths is not followed on all of them."""
        if (name, guarded) in self.visited or len(self.visited) >= MAX_PATHS:
            return
        self.visited.add((name, guarded))
        document = self.document
        behind: tuple[Expression | None, ...] = (document.lets.get(name),)
        if self.later and name in document.deadlines:
            behind = (document.deadlines[name].at, document.deadlines[name].grace)
        for expression in behind:
            if expression is not None:
                yield from self._below(expression, expression.node, guarded)

    def _counted(self, node: Node) -> frozenset[str]:
        """The facts of which a part reads a time that their authors do not choose, itself or through lets."""
        times = BUILT_IN_FIELDS if self.later else _COUNTED
        found, seen, waiting = set[str](), set[str](), [node]
        while waiting:
            for below in walk(waiting.pop()):
                if isinstance(below, Field) and below.field in times:
                    found.add(below.fact)
                elif isinstance(below, Name) and below.name in self.document.lets.keys() - seen:
                    seen.add(below.name)
                    waiting.append(self.document.lets[below.name].node)
        return frozenset(found)

    def _is_chosen(self, name: str, field: str) -> bool:
        rule = self.document.facts[name].fields.get(field)
        if rule is None:
            return field == "at" and not self.later
        if rule.type.kind == "instant":
            return not self.later
        if rule.type.kind == "date":
            return True
        return rule.type.kind in ("integer", "decimal", "duration") and rule.least is None
