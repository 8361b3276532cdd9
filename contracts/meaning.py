"""What the checker knows of an expression, and the scope in which it stands.

Costs are steps, one for each node that is computed. A look at an expression costs `cost`: its nodes, and
for each aggregate the nodes of its arguments once for every fact that may be there. An aggregate that
reads only its own facts and what never changes is kept running: its steps are paid once in the life of the
agreement, `kept`; for every value of the key, where it runs over facts of all values. A let is computed once
in a look, so its cost stands in its own meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.bands import BandTable
from contracts.calendars import Calendar
from contracts.document import DeadlineRule, FactRule
from contracts.flows import NOTHING, STILL, Flow
from contracts.limits import MAX_KEYS
from contracts.types import Type
from contracts.values import Value
from ledger.errors import TallyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the checker knows of an expression."""

    type: Type
    flow: Flow
    depth: int
    cost: int
    scans: int
    """The part of `cost` that is spent in aggregates."""
    kept: int
    names: frozenset[str]
    """Every param, let, fact, deadline, calendar and table that it mentions, also through lets."""
    fields: frozenset[tuple[str, str]]
    """Every field of a fact that it reads, also through lets."""
    everywhere: frozenset[str]
    """Facts that it reads whatever their key is."""
    single: frozenset[str]
    """Facts that count once here and that it reads outside aggregates over them, also through lets."""
    steady: bool
    """Whether it reads nothing that can change: params, and the fact that an aggregate is looking at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names that an expression may use, and where it stands."""

    params: Mapping[str, Type]
    values: Mapping[str, Value] = field(default_factory=dict)
    """The values of params, where they are known."""
    facts: Mapping[str, FactRule]
    deadlines: Mapping[str, DeadlineRule] = field(default_factory=dict)
    deadline_needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The facts that must exist before a deadline is fixed."""
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    bands: Mapping[str, BandTable] = field(default_factory=dict)
    lets: Mapping[str, Meaning] = field(default_factory=dict)
    broken: Mapping[str, TallyError | None] = field(default_factory=dict)
    """Lets that mean nothing here, and why; None where that is reported elsewhere."""
    key: tuple[str, Type] | None = None
    """The field that the rule is `per`, and its type."""
    own: str | None = None
    """The fact whose statement is at hand (in its `when`)."""
    in_deadline: bool = False

    def count_keys(self) -> int:
        """How many values the key of this scope may have; 1 without one."""
        if self.key is None:
            return 1
        return min(MAX_KEYS, sum(fact.total for fact in self.facts.values() if self.key[0] in fact.fields))


class Unknowable(Exception):
    """The expression uses a let that has an error already; never leaves `contracts`."""


def leaf(
    kind: Type,
    *names: str,
    flow: Flow | None = None,
    fields: frozenset[tuple[str, str]] = frozenset(),
    everywhere: frozenset[str] = NOTHING,
    single: frozenset[str] = NOTHING,
    steady: bool = True,
) -> Meaning:
    """The meaning of a node without parts."""
    return Meaning(
        type=kind,
        flow=flow or STILL,
        depth=1,
        cost=1,
        scans=0,
        kept=0,
        names=frozenset(names),
        fields=fields,
        everywhere=everywhere,
        single=single,
        steady=steady,
    )


def above(kind: Type, flow: Flow, *below: Meaning) -> Meaning:
    """The meaning of a node with parts."""
    first = below[0]
    depth, cost, scans, kept, steady = first.depth, first.cost, first.scans, first.kept, first.steady
    names, fields, everywhere, single = first.names, first.fields, first.everywhere, first.single
    for part in below[1:]:
        depth, steady = max(depth, part.depth), steady and part.steady
        cost, scans, kept = cost + part.cost, scans + part.scans, kept + part.kept
        names, fields, everywhere = names | part.names, fields | part.fields, everywhere | part.everywhere
        single = single | part.single
    return Meaning(
        type=kind,
        flow=flow,
        depth=1 + depth,
        cost=1 + cost,
        scans=scans,
        kept=kept,
        names=names,
        fields=fields,
        everywhere=everywhere,
        single=single,
        steady=steady,
    )
