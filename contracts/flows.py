"""How an expression leans on facts, before any is known; `Flow` is composed from the parts upwards.

Facts are named as an expression means them: `f`, or `all f` where a rule per key leaves its key aside.

A condition that a fact's arrival could make false rests on the absence of that fact. Absence is settled
where the fact is known to exist and counts once, and where the deadline before which it must come is known
to have passed; `a and b` settles what either does, `a or b` what both do. What is settled can no longer
move anything: each node leaves it out of `gains` and `loses`.

Quantities that facts state are taken as not negative: a sum over them only grows. A running value counts
as a value of its moment: comparing it with `<` or `>` rests on nothing that comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How an expression leans on facts.

    - `needs`: facts whose fields it reads where it does not know that they exist
    - `if_true`, `if_false`: facts that exist whenever it is true, or false
    - `settled_if_true`, `settled_if_false`: facts that can no longer come, whenever it is true, or false
    - `gains`, `loses`: facts whose arrival can make it true, or false; a value greater, or smaller
    - `absent`: facts whose being there or not changes it
    - `grows`: facts over which it aggregates, so that more of them change it
    """

    needs: frozenset[str] = NOTHING
    if_true: frozenset[str] = NOTHING
    if_false: frozenset[str] = NOTHING
    settled_if_true: frozenset[str] = NOTHING
    settled_if_false: frozenset[str] = NOTHING
    gains: frozenset[str] = NOTHING
    loses: frozenset[str] = NOTHING
    absent: frozenset[str] = NOTHING
    grows: frozenset[str] = NOTHING

    @property
    def moves(self) -> frozenset[str]:
        """Facts whose arrival can change it at all."""
        return self.gains | self.loses | self.grows


STILL = Flow()
"""Leans on nothing; composing it with itself gives itself, which most nodes of most rules do."""


def _union(parts: tuple[Flow, ...], part: str) -> frozenset[str]:
    found: frozenset[str] = NOTHING
    for flow in parts:
        found |= getattr(flow, part)
    return found


def rising(*parts: Flow) -> Flow:
    """A value that grows where a part grows and falls where a part falls: `a + b`, `max(a, b)`."""
    if all(part is STILL for part in parts):
        return STILL
    names = ("needs", "gains", "loses", "absent", "grows")
    return Flow(**{name: _union(parts, name) for name in names})


def mixed(*parts: Flow) -> Flow:
    """A value that any movement of a part can change either way."""
    flow = rising(*parts)
    if flow is STILL:
        return flow
    moved = flow.gains | flow.loses
    return replace(flow, gains=moved, loses=moved)


def negated(flow: Flow) -> Flow:
    """`not a`, `-a`: what was true is false, what grew falls."""
    if flow is STILL:
        return flow
    return Flow(
        needs=flow.needs,
        if_true=flow.if_false,
        if_false=flow.if_true,
        settled_if_true=flow.settled_if_false,
        settled_if_false=flow.settled_if_true,
        gains=flow.loses,
        loses=flow.gains,
        absent=flow.absent,
        grows=flow.grows,
    )


def both(a: Flow, b: Flow) -> Flow:
    """`a and b`; b is computed only where a is true."""
    if a is b is STILL:
        return STILL
    settled = a.settled_if_true | b.settled_if_true
    return Flow(
        needs=a.needs | (b.needs - a.if_true),
        if_true=a.if_true | b.if_true,
        if_false=a.if_false & b.if_false,
        settled_if_true=settled,
        settled_if_false=a.settled_if_false & b.settled_if_false,
        gains=a.gains | b.gains,
        loses=(a.loses | b.loses) - settled,
        absent=a.absent | (b.absent - a.settled_if_true),
        grows=a.grows | (b.grows - a.settled_if_true),
    )


def either(a: Flow, b: Flow) -> Flow:
    """`a or b`; b is computed only where a is false."""
    if a is b is STILL:
        return STILL
    settled = a.settled_if_false | b.settled_if_false
    return Flow(
        needs=a.needs | (b.needs - a.if_false),
        if_true=a.if_true & b.if_true,
        if_false=a.if_false | b.if_false,
        settled_if_true=a.settled_if_true & b.settled_if_true,
        settled_if_false=settled,
        gains=(a.gains | b.gains) - settled,
        loses=a.loses | b.loses,
        absent=a.absent | (b.absent - a.settled_if_false),
        grows=a.grows | (b.grows - a.settled_if_false),
    )


def compared(operator: str, a: Flow, b: Flow) -> Flow:
    """`a < b` and its kin, of values."""
    if operator in ("<", "<="):
        return compared(">", b, a)
    flow = mixed(a, b)
    if flow is STILL:
        return flow
    if operator in (">", ">="):
        return replace(flow, gains=a.gains | b.loses, loses=a.loses | b.gains)
    moved = flow.moves
    return replace(flow, gains=moved, loses=moved)


def choice(asked: Flow, a: Flow, b: Flow) -> Flow:
    """`if(asked, a, b)`."""
    if asked is a is b is STILL:
        return STILL
    moved = asked.gains | asked.loses
    yes, no = asked.settled_if_true, asked.settled_if_false
    return Flow(
        needs=asked.needs | (a.needs - asked.if_true) | (b.needs - asked.if_false),
        if_true=(asked.if_true | a.if_true) & (asked.if_false | b.if_true),
        if_false=(asked.if_true | a.if_false) & (asked.if_false | b.if_false),
        settled_if_true=(yes | a.settled_if_true) & (no | b.settled_if_true),
        settled_if_false=(yes | a.settled_if_false) & (no | b.settled_if_false),
        gains=moved | (a.gains - yes) | (b.gains - no),
        loses=moved | (a.loses - yes) | (b.loses - no),
        absent=asked.absent | (a.absent - yes) | (b.absent - no),
        grows=asked.grows | (a.grows - yes) | (b.grows - no),
    )
