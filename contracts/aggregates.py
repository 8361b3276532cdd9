"""Aggregates as they are computed: over facts of one kind in counting order, from scratch or kept running.

What an aggregate has come to is a `Tally`: how many facts it has seen, and a value. Adding a fact to a
tally is the only way to compute one, so a tally that was kept and one made anew are the same. A fact that
cannot be added (an overflow, two currencies) stops both at the same fact, with the same error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from contracts.facts_known import ExistingFact
from contracts.look import Look
from contracts.operations import ArithmeticFault, add, compare
from contracts.types import Type
from contracts.values import ZERO, Duration, Money, Value

Run: TypeAlias = Callable[[Look], Value]
"""A node made ready: computes its value in a look."""


@dataclass(slots=True)
class Tally:
    """What an aggregate has come to: facts seen, the value so far (None: no fact yet), the `at` before."""

    seen: int = 0
    value: Value | None = None
    last: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregation:
    """One aggregate of an expression, made ready. `kept` says that its tally lasts beyond a look."""

    function: str
    fact: str
    everywhere: bool
    where: Run | None
    part: Run | None
    """What is summed or compared, or the step of a running value."""
    start: Run | None
    first: Run | None
    type: Type
    kept: bool

    def value(self, look: Look) -> Value:
        """The value over all facts of this look; a fault where none gives no value."""
        facts = look.facts(self.fact, everywhere=self.everywhere)
        tally = self._tally(look)
        if tally.seen < len(facts):
            outer = look.items.get(self.fact), look.balance, look.last
            try:
                while tally.seen < len(facts):
                    self._add(look, tally, facts[tally.seen])
                    tally.seen += 1
            finally:
                item, look.balance, look.last = outer
                if item is None:
                    look.items.pop(self.fact, None)
                else:
                    look.items[self.fact] = item
        return self._of_none(look) if tally.value is None else tally.value

    def _tally(self, look: Look) -> Tally:
        if not self.kept:
            return Tally()
        kept = look.known.kept.setdefault((self, look.key), Tally())
        return kept if isinstance(kept, Tally) else Tally()

    def _add(self, look: Look, tally: Tally, fact: ExistingFact) -> None:
        look.items[self.fact] = fact
        if self.where is not None and self.where(look) is not True:
            return
        if self.function == "running":
            self._step(look, tally, fact)
            return
        value = 1 if self.part is None else self.part(look)
        before = tally.value
        if before is None:
            tally.value = value
        elif self.function in ("count", "sum"):
            tally.value = add(before, value)
        elif compare("<" if self.function == "min_of" else ">", value, before):
            tally.value = value

    def _step(self, look: Look, tally: Tally, fact: ExistingFact) -> None:
        look.balance = self._start(look) if tally.value is None else tally.value
        if self.first is not None:
            look.last = self.first(look) if tally.last is None else tally.last
        tally.value = look.balance if self.part is None else self.part(look)
        tally.last = fact.at

    def _start(self, look: Look) -> Value:
        return 0 if self.start is None else self.start(look)

    def _of_none(self, look: Look) -> Value:
        if self.function == "running":
            return self._start(look)
        if self.function == "count":
            return 0
        kind = self.type.kind
        if self.function != "sum":
            raise ArithmeticFault(f"{self.function} of no {self.fact}")
        if kind == "money":
            if self.type.currency is None:
                raise ArithmeticFault(f"a sum of no {self.fact}, in no known currency")
            return Money(ZERO, self.type.currency)
        return Duration(0) if kind == "duration" else ZERO if kind == "decimal" else 0
