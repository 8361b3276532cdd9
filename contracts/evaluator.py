"""Evaluation: what a contract's rules decide as facts come to exist and deadlines close.

An `Evaluator` is told, moment by moment in the order of the timekeeper's log, that the agreement is in
force, that a fact exists, that a tick came. At each it fixes the deadlines that have all that they need,
and looks at the open rules that mention what has changed; a rule whose condition holds fires once, at that
moment, and is closed. So a firing depends on nothing that comes after it.

A rule `per` a field is one rule for each value of the field: in the look for a value, facts that have the
field are only those with that value. It is looked at from the moment at which something that it mentions
has the value.

A calculation without a result (overflow, division by zero, two currencies) makes the rule fail at that
moment, with a place; it is tried again when something else that it mentions changes. Once a state ended
the agreement, or the evaluator is told that it ended, only rules that discharge are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from contracts.contract import Contract
from contracts.document import ENDING_STATES, PERMISSION, TERMINATE
from contracts.effects import EffectMap, compute_effect
from contracts.facts_known import Closing, ExistingFact, Known, Moment
from contracts.look import Key, Look
from contracts.values import Duration, Instant, Value
from ledger.errors import InvalidError, TallyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule whose condition held: at which moment, with which effects, resting on which entries."""

    rule: str
    key: Key | None
    moment: Moment
    effects: tuple[EffectMap, ...]
    rests_on: tuple[bytes, ...]
    """Leaf hashes in counting order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rule or deadline that could not be calculated, when it was last tried."""

    rule: str
    key: Key | None
    moment: Moment
    error: TallyError


class Evaluator:
    """What has come to exist in one agreement, and what fired. `ranks`: counting order of leaf hashes."""

    def __init__(self, contract: Contract, ranks: Mapping[bytes, int]) -> None:
        self.contract = contract
        self.document = contract.document
        self.known = Known()
        self.firings: list[Firing] = []
        self.failures: dict[tuple[str, Value | None], Failure] = {}
        self.end: tuple[Moment, str] | None = None
        self._ranks = ranks
        self._rules = {rule.name: (place, rule) for place, rule in enumerate(self.document.rules)}
        self._mentioning: dict[str, list[str]] = {}
        for rule_name, mentioned in contract.mentions.items():
            for name in mentioned:
                self._mentioning.setdefault(name, []).append(rule_name)
        self._fired: set[tuple[str, Value | None]] = set()
        self._contexts: dict[str, dict[Value, int]] = {}
        """Values of its key for which a rule or deadline exists, numbered as they came."""
        self._open: list[tuple[int, int, str, Value | None]] = []
        """A heap of the deadlines that are fixed and open: due, a running number, name, key's value."""
        self._permits: set[tuple[str, Value | None]] = set()
        self._fixed_count = 0

    @property
    def next_due(self) -> int | None:
        """When the next open deadline closes, its grace included, in milliseconds."""
        return self._open[0][0] if self._open else None

    def may_terminate(self, role: str) -> bool:
        """Whether a role holds an open permission to end the agreement alone."""
        return any(holder == role for holder, _ in self._permits)

    # What happens

    def begin(self, moment: Moment) -> None:
        """The agreement comes into force."""
        self._fix(None, moment)
        self._look([(rule.name, None) for rule in self.document.rules if rule.per is None], moment)

    def exist(self, fact: ExistingFact) -> None:
        """A fact comes to exist."""
        self.known.add(fact)
        fixed = self._fix(fact, fact.since)
        wanted = dict.fromkeys(self._touched(fact.name, fact.fields))
        for name, value in fixed:
            wanted |= dict.fromkeys(self._touched(name, self._key_fields(name, value)))
        self._look(wanted, fact.since)

    def tick(self, leaf_hash: bytes, moment: Moment) -> bool:
        """Close all deadlines that are due; False where there are none."""
        wanted: dict[tuple[str, Value | None], None] = {}
        closed = []
        while self._open and self._open[0][0] <= moment.instant.ms:
            _, _, name, value = heappop(self._open)
            self.known.close(name, value, leaf_hash, moment)
            closed.append((name, value))
        for name, value in closed:
            wanted |= dict.fromkeys(self._touched(name, self._key_fields(name, value)))
        self._look(wanted, moment)
        return bool(closed)

    def correct(self, standing: Iterable[tuple[Firing, Sequence[EffectMap]]]) -> None:
        """The permissions to end the agreement are those that the effects give which stand now."""
        self._permits.clear()
        for firing, effects in standing:
            self._permit(effects, None if firing.key is None else firing.key[1])

    def finish(self, moment: Moment, reason: str) -> None:
        """The agreement ends by what its parties do."""
        self.end = self.end or (moment, reason)

    # Keys

    def _key_fields(self, deadline: str, value: Value | None) -> Mapping[str, Value]:
        per = self.document.deadlines[deadline].per
        return {} if per is None or value is None else {per: value}

    def _values(
        self, name: str, per: str, fields: Mapping[str, Value], *, everywhere: bool = False
    ) -> Iterable[Value]:
        """The values of its key for which a rule or deadline is touched by what has these fields."""
        contexts = self._contexts.setdefault(name, {})
        if per in fields:
            contexts.setdefault(fields[per], len(contexts))
            if not everywhere:
                return (fields[per],)
        return tuple(contexts)

    def _touched(self, name: str, fields: Mapping[str, Value]) -> Iterable[tuple[str, Value | None]]:
        """The rules, with the value of their key, that mention what has changed."""
        for rule in self._mentioning.get(name, ()):
            per = self._rules[rule][1].per
            if per is None:
                yield rule, None
                continue
            everywhere = name in self.contract.everywhere[rule]
            for value in self._values(rule, per, fields, everywhere=everywhere):
                yield rule, value

    # Deadlines

    def _fix(self, fact: ExistingFact | None, moment: Moment) -> list[tuple[str, Value | None]]:
        """Fix every deadline that now has all it needs; `fact` is what came, None at the beginning."""
        fields = {} if fact is None else fact.fields
        changed = set() if fact is None else {fact.name}
        fixed: list[tuple[str, Value | None]] = []
        for name, needs in self.contract.needs.items():
            if fact is not None and not needs & changed:
                continue
            changed.add(name)
            per = self.document.deadlines[name].per
            for value in (None,) if per is None else self._values(f"deadline {name}", per, fields):
                if self._fix_one(name, needs, value, moment):
                    fixed.append((name, value))
        return fixed

    def _fix_one(self, name: str, needs: frozenset[str], value: Value | None, moment: Moment) -> bool:
        if self.known.deadline(name, value) or not all(self._is_there(need, value, name) for need in needs):
            return False
        rule = self.document.deadlines[name]
        key = None if rule.per is None or value is None else (rule.per, value)
        look = Look(self.contract.program, self.known, key, later=True)
        try:
            at = look.value(rule.at)
            grace = Duration(0) if rule.grace is None else look.value(rule.grace)
            if not isinstance(at, Instant) or not isinstance(grace, Duration) or grace.ms < 0:
                raise InvalidError(str(rule.place), found="no instant", expected="an instant, and a grace")
        except TallyError as error:
            self.failures[name, value] = Failure(rule=name, key=key, moment=moment, error=error)
            return False
        entries = tuple(sorted(look.entries(), key=self._ranks.__getitem__))
        due_ms = at.ms + grace.ms
        self.known.fix(name, value, Closing(at=at, due_ms=due_ms, passed=False, entries=entries))
        self._fixed_count += 1
        heappush(self._open, (due_ms, self._fixed_count, name, value))
        return True

    def _is_there(self, need: str, value: Value | None, deadline: str) -> bool:
        if need in self.document.deadlines:
            keyed = self.document.deadlines[need].per is not None
            return self.known.deadline(need, value if keyed else None) is not None
        per = self.document.deadlines[deadline].per
        if per is None or value is None or per not in self.document.facts[need].fields:
            return bool(self.known.facts(need))
        return bool(self.known.facts_with(need, per, value))

    # Rules

    def _look(self, wanted: Iterable[tuple[str, Value | None]], moment: Moment) -> None:
        """Look at rules in the order of the document, at one rule's values as they came."""
        over = self.end is not None
        endings: list[str] = []
        for name, value in sorted(wanted, key=self._order):
            if (name, value) in self._fired or (over and name not in self.contract.discharging):
                continue
            rule = self._rules[name][1]
            key = None if rule.per is None or value is None else (rule.per, value)
            try:
                firing = self._fire(name, key, moment)
            except TallyError as error:
                self.failures[name, value] = Failure(rule=name, key=key, moment=moment, error=error)
                continue
            self.failures.pop((name, value), None)
            if firing is not None:
                self._fired.add((name, value))
                self.firings.append(firing)
                endings += self._take(firing, value)
        if endings and self.end is None:
            self.end = (moment, endings[0])

    def _order(self, wanted: tuple[str, Value | None]) -> tuple[int, int]:
        name, value = wanted
        return self._rules[name][0], -1 if value is None else self._contexts[name][value]

    def _fire(self, name: str, key: Key | None, moment: Moment) -> Firing | None:
        rule = self._rules[name][1]
        look = Look(self.contract.program, self.known, key)
        if look.value(rule.when) is not True:
            return None
        effects = tuple(compute_effect(look, effect, moment) for effect in rule.then)
        rests_on = tuple(sorted(look.entries(), key=self._ranks.__getitem__))
        return Firing(rule=name, key=key, moment=moment, effects=effects, rests_on=rests_on)

    def _take(self, firing: Firing, value: Value | None) -> list[str]:
        """What effects mean for the life of the agreement; gives the states that end it."""
        self._permit(firing.effects, value)
        states = (str(effect["state"]) for effect in firing.effects if effect["kind"] == "state")
        return [state for state in states if state in ENDING_STATES]

    def _permit(self, effects: Iterable[EffectMap], value: Value | None) -> None:
        for effect in effects:
            match effect:
                case {"kind": "obligation", "act": act, "duty": duty, "of": str(role)}:
                    if (act, duty) == (TERMINATE, PERMISSION):
                        self._permits.add((role, value))
                case {"kind": "discharge", "name": name} if name == TERMINATE:
                    self._permits = {permit for permit in self._permits if permit[1] != value}
