"""The part of the checker that knows, before anyone signs, how many steps a contract takes in its whole life.

A step is one node that is computed (`contracts.meaning`). A rule is looked at when it begins and after each
fact and deadline that it mentions; under a key once for each value that is touched. A deadline is tried
whenever one of the facts and deadlines that it needs has come; the `when` of a fact is computed whenever one
is counted. What aggregates that are kept running add belongs to the whole life alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from contracts.document import Rule
from contracts.flows import NOTHING
from contracts.limits import MAX_LIFE_COST, MAX_LOOK_COST, MAX_WHOLE_COST
from contracts.meaning import Meaning, Unknowable
from contracts.mentions import Mentions
from contracts.problems import Problems
from contracts.syntax import Expression, Place
from ledger.errors import TallyError

FIX_STEPS = 100
"""What it takes to fix a deadline and to close it, beside its expressions."""


class Costs:
    """Steps at most in the life of an agreement: for each value of a key (`life`), and for all (`whole`)."""

    def __init__(self, problems: Problems, mentions: Mentions) -> None:
        self.problems = problems
        self.document = problems.document
        self.mentions = mentions
        self.life = 0
        self.whole = 0

    def add_rule(self, rule: Rule, parts: Iterable[Meaning]) -> None:
        """All looks at a rule."""
        used = self._used(parts, rule.per)
        once = self._look(rule.place, used)
        everywhere: frozenset[str] = NOTHING.union(*(part.everywhere for part in used))
        keys = self._keys(rule.per)
        # What has not the key makes every rule of the key be looked at.
        own, whole, shared = 1, keys, 0
        for name in self.mentions.behind(self.mentions.of_rule(rule)):
            fact = self.document.facts.get(name)
            if fact is None:
                own, whole = own + 2, whole + 2 * keys
            elif rule.per is None or rule.per not in fact.fields:
                shared += fact.total
            else:
                own, whole = own + (fact.max if fact.per == rule.per else fact.total), whole + fact.total
                shared += fact.total if name in everywhere else 0
        self._add(used, (own + shared * keys) * once, (whole + shared * keys) * once)

    def check(self) -> None:
        """Add what deadlines and statements take, and hold all of it against the limits."""
        self._add_deadlines()
        self._add_statements()
        for cost, most, whose in (
            (self.life, MAX_LIFE_COST, "for each value of a key"),
            (self.whole, MAX_WHOLE_COST, "for all values of its keys"),
        ):
            if cost > most:
                self.problems.error(
                    self.document.place("rules"),
                    f"a cost of {cost} steps {whose}",
                    f"at most {most}",
                    "use fewer or shorter rules, lower `max` and `total`, or write the rules per key",
                )
                return

    def _add_deadlines(self) -> None:
        for name, rule in self.document.deadlines.items():
            found = [self._meaning(rule.at, rule.per, in_deadline=True)]
            found += [] if rule.grace is None else [self._meaning(rule.grace, rule.per, in_deadline=True)]
            used = self._used((m for m in found if m is not None), rule.per, in_deadline=True)
            once = FIX_STEPS + self._look(rule.place, used)
            keys, needs = self._keys(rule.per), self.mentions.of_deadline(name)
            keyed = sum(self._has_key(need, rule.per) for need in needs)
            tries = 1 + keyed + (len(needs) - keyed) * keys
            self._add(used, tries * once, (keys + len(needs) * keys) * once)

    def _add_statements(self) -> None:
        for name, fact in self.document.facts.items():
            meaning = None if fact.when is None else self._meaning(fact.when, fact.per, own=name)
            if meaning is not None:
                used = self._used((meaning,), fact.per)
                once = self._look(fact.place, used)
                self._add(used, fact.max * once, fact.total * once)

    def _meaning(
        self, expression: Expression, key: str | None, *, own: str | None = None, in_deadline: bool = False
    ) -> Meaning | None:
        """What an expression means; one that means nothing is reported elsewhere."""
        with suppress(Unknowable, TallyError):
            return self.problems.contexts.infer(expression, key, own=own, in_deadline=in_deadline)
        return None

    def _used(
        self, parts: Iterable[Meaning], per: str | None, *, in_deadline: bool = False
    ) -> tuple[Meaning, ...]:
        """Expressions with all lets that they use."""
        found = tuple(parts)
        lets = self.problems.contexts.scope(per, in_deadline=in_deadline).lets
        names: frozenset[str] = NOTHING.union(*(part.names for part in found))
        return (*found, *(lets[name] for name in sorted(names) if name in lets))

    def _look(self, place: Place, used: Iterable[Meaning]) -> int:
        once = sum(part.cost for part in used)
        if once > MAX_LOOK_COST:
            self.problems.error(
                place,
                f"a look of {once} steps",
                f"at most {MAX_LOOK_COST}",
                "lower `max`, or write aggregates that read only their own fact, which are kept running",
            )
        return once

    def _add(self, used: Iterable[Meaning], life: int, whole: int) -> None:
        self.life += life
        self.whole += whole + sum(part.kept for part in used)

    def _keys(self, per: str | None) -> int:
        return self.problems.contexts.scope(per).count_keys()

    def _has_key(self, name: str, per: str | None) -> bool:
        fact, deadline = self.document.facts.get(name), self.document.deadlines.get(name)
        if fact is not None:
            return per is None or per in fact.fields
        return per is None or (deadline is not None and deadline.per == per)
