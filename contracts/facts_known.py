"""What is known of an agreement at one moment: the facts that exist, and the deadlines that are fixed.

Grown by the replay as the timekeeper's log goes on, read by `contracts.look`. Facts stand in the order in
which they came to exist; those with one value of a field are found without walking over the others.
`kept` holds what aggregates have come to so far, so that each new fact is added and none is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from contracts.records import Position
from contracts.values import Instant, Value
from ledger.errors import InvalidError, MissingError

NO_FACTS: tuple[ExistingFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in the timekeeper's log: the time of an entry and its position."""

    instant: Instant
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingFact:
    """A fact that exists: its fields, its times, and the entries that make it exist, in counting order."""

    name: str
    fields: Mapping[str, Value]
    at: Instant
    counted: Instant
    confirmed: Instant | None
    entries: tuple[bytes, ...]
    since: Moment

    def built_in(self, field: str) -> Value:
        """One of the times that every fact has."""
        times = {"at": self.at, "counted": self.counted, "confirmed": self.confirmed}
        value = times.get(field)
        if value is None:
            raise MissingError(self.name, found=f"no {field}", expected="at, counted, or confirmed")
        return value

    def value(self, field: str) -> Value:
        """A field of its own, or one of the times that every fact has."""
        return self.fields[field] if field in self.fields else self.built_in(field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A deadline that is fixed: its instant, when it is due with its grace, whether it has closed.

    `entries` are the leaf hashes that fixed it and, once it has closed, that of the tick.
    """

    at: Instant
    due_ms: int
    passed: bool
    entries: tuple[bytes, ...]
    closed: Moment | None = None


class Known:
    """Facts and deadlines so far; what is added stays."""

    __slots__ = ("_closings", "_facts", "_indexes", "kept")

    def __init__(self) -> None:
        self._facts: dict[str, list[ExistingFact]] = {}
        self._indexes: dict[tuple[str, str], dict[Value, list[ExistingFact]]] = {}
        self._closings: dict[tuple[str, Value | None], Closing] = {}
        self.kept: dict[object, object] = {}
        """What aggregates have come to so far, under keys of `contracts.aggregates`."""

    def add(self, fact: ExistingFact) -> None:
        """A fact comes to exist, after all that exist already."""
        self._facts.setdefault(fact.name, []).append(fact)
        for (name, field), index in self._indexes.items():
            if name == fact.name:
                index.setdefault(fact.fields[field], []).append(fact)

    def facts(self, name: str) -> Sequence[ExistingFact]:
        """Every fact of a name, in the order in which they came to exist."""
        return self._facts.get(name, NO_FACTS)

    def facts_with(self, name: str, field: str, value: Value) -> Sequence[ExistingFact]:
        """The facts of a name whose field has a value, in the same order."""
        index = self._indexes.get((name, field))
        if index is None:
            index = self._indexes[name, field] = {}
            for fact in self._facts.get(name, NO_FACTS):
                index.setdefault(fact.fields[field], []).append(fact)
        return index.get(value, NO_FACTS)

    def deadline(self, name: str, key: Value | None = None) -> Closing | None:
        """A deadline, for one value of its key if it has one; None until it is fixed."""
        return self._closings.get((name, key))

    def deadlines(self) -> Iterator[tuple[str, Value | None, Closing]]:
        """Every deadline that is fixed, with the value of its key, as they were fixed."""
        for (name, key), closing in self._closings.items():
            yield name, key, closing

    def fix(self, name: str, key: Value | None, closing: Closing) -> None:
        """A deadline comes to exist; it never moves again."""
        if (name, key) in self._closings:
            raise InvalidError(name, found="a deadline fixed twice", expected="once")
        self._closings[name, key] = closing

    def close(self, name: str, key: Value | None, tick: bytes, moment: Moment) -> None:
        """A deadline that is fixed closes with a tick."""
        fixed = self._closings[name, key]
        self._closings[name, key] = replace(fixed, passed=True, entries=(*fixed.entries, tick), closed=moment)
