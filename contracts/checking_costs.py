"""The part of the checker that knows, before anyone signs, how many steps a contract takes in its whole life.

A step is one node that is computed (`contracts.meaning`). A rule is looked at when it begins and after each
fact and deadline that it mentions; under a key once for each value that is touched. A deadline is tried
whenever one of the facts and deadlines that it needs has come; the `when` of a fact is computed whenever one
is counted, and again when it is confirmed. What aggregates that are kept running add belongs to the whole
life alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from contracts.document import Rule
from contracts.flows import NOTHING
from contracts.inference import infer_aggregates
from contracts.limits import MAX_LIFE_COST, MAX_LOOK_COST, MAX_WHOLE_COST
from contracts.meaning import Meaning, Scope, Unknowable
from contracts.mentions import Mentions, rule_expressions
from contracts.problems import Problems
from contracts.syntax import Aggregate, Expression, Place, walk
from ledger.errors import TallyError

FIX_STEPS = 100
"""What it takes to fix a deadline and to close it, beside its expressions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What is looked at again and again: expressions, in a scope, and the lets that they use."""

    place: Place
    expressions: tuple[Expression, ...]
    scope: Scope
    meanings: tuple[Meaning, ...]
    """Of the expressions, and of the lets."""
    extra: int = 0
    """What a look takes beside them."""

    @property
    def once(self) -> int:
        """Steps of one look."""
        return self.extra + sum(meaning.cost for meaning in self.meanings)

    @property
    def kept(self) -> int:
        """What aggregates that are kept running add in the whole life."""
        return sum(meaning.kept for meaning in self.meanings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """How often something is looked at: for one value of a key, and for all."""

    looked: _Looked
    life: int
    whole: int

    def cost(self, *, whole: bool) -> int:
        """Its steps for one value of a key, or for the whole life."""
        return self.whole * self.looked.once + self.looked.kept if whole else self.life * self.looked.once


class Costs:
    """Steps at most in the life of an agreement: for each value of a key (`life`), and for all (`whole`)."""

    def __init__(self, problems: Problems, mentions: Mentions) -> None:
        self.problems = problems
        self.document = problems.document
        self.mentions = mentions
        self._shares: list[_Share] = []

    @property
    def life(self) -> int:
        """All steps for one value of a key."""
        return sum(share.cost(whole=False) for share in self._shares)

    @property
    def whole(self) -> int:
        """All steps for all values of its keys."""
        return sum(share.cost(whole=True) for share in self._shares)

    def add_rule(self, rule: Rule, parts: Iterable[Meaning]) -> None:
        """All looks at a rule."""
        scope = self.problems.contexts.scope(rule.per)
        looked = self._look(rule.place, tuple(rule_expressions(rule)), scope, parts)
        everywhere: frozenset[str] = NOTHING.union(*(meaning.everywhere for meaning in looked.meanings))
        keys = scope.count_keys()
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
        self._shares.append(_Share(looked=looked, life=own + shared * keys, whole=whole + shared * keys))

    def check(self) -> None:
        """Add what deadlines and statements take, and hold all of it against the limits."""
        self._add_deadlines()
        self._add_statements()
        limits = ((False, MAX_LIFE_COST, "each value of a key"), (True, MAX_WHOLE_COST, "all values of keys"))
        for whole, most, whose in limits:
            cost = self.whole if whole else self.life
            if cost > most:
                dearest = max(self._shares, key=lambda share: share.cost(whole=whole))
                self.problems.error(
                    self._dearest_place(dearest, whole=whole),
                    f"a cost of {cost} steps for {whose}, {dearest.cost(whole=whole)} of them here",
                    f"at most {most}",
                    "use fewer or shorter rules, lower `max` and `total`, or write the rules per key",
                )
                return

    def _dearest_place(self, share: _Share, *, whole: bool) -> str:
        """Where the dearest aggregate stands, if it takes most of the steps; otherwise the place of all."""
        looked, looks = share.looked, share.whole if whole else share.life
        names: frozenset[str] = NOTHING.union(*(meaning.names for meaning in looked.meanings))
        lets = [self.document.lets[name] for name in sorted(names & looked.scope.lets.keys())]
        dearest, where = share.cost(whole=whole) // 2, str(looked.place)
        for part in (*looked.expressions, *lets):
            try:
                meanings = infer_aggregates(part, looked.scope)
            except (Unknowable, TallyError):
                continue
            for node in walk(part.node):
                if isinstance(node, Aggregate):
                    meaning = meanings[node.span]
                    cost = looks * meaning.cost + (meaning.kept if whole else 0)
                    dearest, where = max((dearest, where), (cost, part.at(node)), key=lambda found: found[0])
        return where

    def _add_deadlines(self) -> None:
        for name, rule in self.document.deadlines.items():
            scope = self.problems.contexts.scope(rule.per, in_deadline=True)
            parts = (rule.at,) if rule.grace is None else (rule.at, rule.grace)
            found = [self._meaning(part, rule.per, in_deadline=True) for part in parts]
            meant = [meaning for meaning in found if meaning is not None]
            looked = self._look(rule.place, parts, scope, meant, extra=FIX_STEPS)
            keys, needs = self.problems.contexts.scope(rule.per).count_keys(), self.mentions.of_deadline(name)
            keyed = sum(self._has_key(need, rule.per) for need in needs)
            tries = 1 + keyed + (len(needs) - keyed) * keys
            self._shares.append(_Share(looked=looked, life=tries, whole=keys + len(needs) * keys))

    def _add_statements(self) -> None:
        """The `when` of a fact: computed when it is counted, and again when its last confirmation is."""
        for name, fact in self.document.facts.items():
            meaning = None if fact.when is None else self._meaning(fact.when, fact.per, own=name)
            if fact.when is not None and meaning is not None:
                scope = self.problems.contexts.scope(fact.per, own=name)
                looked = self._look(fact.place, (fact.when,), scope, (meaning,))
                times = 2 if fact.confirm else 1
                self._shares.append(_Share(looked=looked, life=times * fact.max, whole=times * fact.total))

    def _meaning(
        self, expression: Expression, key: str | None, *, own: str | None = None, in_deadline: bool = False
    ) -> Meaning | None:
        """What an expression means; one that means nothing is reported elsewhere."""
        with suppress(Unknowable, TallyError):
            return self.problems.contexts.infer(expression, key, own=own, in_deadline=in_deadline)
        return None

    def _look(
        self,
        place: Place,
        expressions: tuple[Expression, ...],
        scope: Scope,
        parts: Iterable[Meaning],
        *,
        extra: int = 0,
    ) -> _Looked:
        """Expressions with all lets that they use; one look at them must not take too many steps."""
        found = tuple(parts)
        names: frozenset[str] = NOTHING.union(*(part.names for part in found))
        used = (*found, *(scope.lets[name] for name in sorted(names) if name in scope.lets))
        looked = _Looked(place=place, expressions=expressions, scope=scope, meanings=used, extra=extra)
        if looked.once - extra > MAX_LOOK_COST:
            self.problems.error(
                self._dearest_place(_Share(looked=looked, life=1, whole=1), whole=False),
                f"a look of {looked.once - extra} steps",
                f"at most {MAX_LOOK_COST}",
                "lower `max`, or write aggregates that read only their own fact, which are kept running",
            )
        return looked

    def _has_key(self, name: str, per: str | None) -> bool:
        fact, deadline = self.document.facts.get(name), self.document.deadlines.get(name)
        if fact is not None:
            return per is None or per in fact.fields
        return per is None or (deadline is not None and deadline.per == per)
