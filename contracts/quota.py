"""How many facts of each kind exist already, and whether one more would count. One event is one fact."""

from __future__ import annotations

from contracts.contract import Contract
from contracts.facts import StatedFact
from contracts.limits import MAX_KEYS
from contracts.values import Value, format_value
from ledger.trace.event import Identity


class Quota:
    """Counts the facts of one agreement by kind, by the value of `per`, and the values of keys."""

    def __init__(self, contract: Contract) -> None:
        self._how_many: dict[tuple[str, Value | None], int] = {}
        self._totals: dict[str, int] = {}
        self._keys: dict[str, set[Value]] = {name: set() for name in contract.keys}
        self._events: set[tuple[str, Identity]] = set()

    def surplus(self, stated: StatedFact) -> str:
        """Why one more of these facts would not count, or an empty text."""
        rule, name = stated.rule, stated.name
        if stated.event is not None and (name, stated.event) in self._events:
            return f"the same event has stated {name} before"
        value = None if rule.per is None else stated.fields[rule.per]
        if self._how_many.get((name, value), 0) >= rule.max:
            of = "" if value is None else f" for {rule.per} {format_value(value)}"
            return f"{rule.max} of {name} count{of} already, this is a later one"
        if self._totals.get(name, 0) >= rule.total:
            return f"{rule.total} of {name} count in all already, this is a later one"
        for key in sorted(self._keys.keys() & stated.fields.keys()):
            if len(self._keys[key]) >= MAX_KEYS and stated.fields[key] not in self._keys[key]:
                return f"there are {MAX_KEYS} values of {key}"
        return ""

    def take(self, stated: StatedFact) -> None:
        """One more exists."""
        value = None if stated.rule.per is None else stated.fields[stated.rule.per]
        self._how_many[stated.name, value] = self._how_many.get((stated.name, value), 0) + 1
        self._totals[stated.name] = self._totals.get(stated.name, 0) + 1
        if stated.event is not None:
            self._events.add((stated.name, stated.event))
        for key in self._keys.keys() & stated.fields.keys():
            self._keys[key].add(stated.fields[key])
