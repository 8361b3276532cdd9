"""The part of inference that reads facts, deadlines and keys: names, fields, `exists` and aggregates."""

from __future__ import annotations

from dataclasses import replace

from contracts.document import DEADLINE_FIELDS, DeadlineRule, FactRule
from contracts.faults import likely
from contracts.flows import NOTHING, Flow, mixed
from contracts.meaning import Meaning, Scope, Unknowable, above, leaf
from contracts.operations import ORDERED
from contracts.syntax import Aggregate, Exists, Expression, Field, Name, Node, Span
from contracts.types import BOOLEAN, INSTANT, INTEGER, Type, common
from ledger.errors import InvalidError, short

SUMMED = frozenset({"integer", "decimal", "money", "duration"})
"""Kinds that `sum` takes."""


class FactInference:
    """State of one walk over one expression, and its branches for what the ledger tells."""

    def __init__(self, expression: Expression, scope: Scope) -> None:
        self.expression = expression
        self.scope = scope
        self.item: str | None = None
        """The fact that the innermost aggregate is looking at."""
        self.outer: frozenset[str] = NOTHING
        self.aggregates: dict[Span, Meaning] = {}
        """What each aggregate means, by where it stands; `steady` if it can be kept running."""
        self.words: dict[str, Type] = {}
        """`balance` and `last`, inside the step of a running value."""

    def node(self, node: Node) -> Meaning:
        """The meaning of any node."""
        raise NotImplementedError

    def is_never_negative(self, node: Node) -> bool:
        """Whether a number is zero or more."""
        raise NotImplementedError

    def refuse(self, node: Node, found: str, expected: str, action: str = "") -> InvalidError:
        return InvalidError(self.expression.at(node), found=found, expected=expected, action=action)

    def boolean(self, node: Node) -> Meaning:
        meaning = self.node(node)
        if meaning.type != BOOLEAN:
            raise self.refuse(
                node,
                f"{self.expression.part(node)}, which is {meaning.type}",
                "a boolean",
                "compare it with something",
            )
        return meaning

    def name(self, node: Name) -> Meaning:
        name, scope = node.name, self.scope
        if name in self.words:
            return leaf(self.words[name])
        if scope.key is not None and name == scope.key[0]:
            return leaf(scope.key[1], name)
        if name in scope.params:
            return leaf(scope.params[name], name)
        if name in scope.lets:
            meaning = scope.lets[name]
            self.check_outside(node, meaning)
            return replace(
                meaning, names=meaning.names | {name}, depth=meaning.depth + 1, cost=1, scans=0, kept=0
            )
        if name in scope.broken:
            error = scope.broken[name]
            if error is None:
                raise Unknowable
            raise self.refuse(node, f"{name} here: {error.found}", error.expected, error.action)
        raise self.unknown_name(node)

    def check_outside(self, node: Name, let: Meaning) -> None:
        """A let reads the fact that counts once where it stands, never the one that an aggregate looks at."""
        for fact in sorted(let.single & (self.outer | {self.item})):
            raise self.refuse(
                node,
                f"the let {node.name}, which reads {fact} outside this aggregate over {fact}",
                "the fields themselves inside an aggregate over their fact",
                f"write out what {node.name} stands for",
            )

    def unknown_name(self, node: Name) -> InvalidError:
        name, scope = node.name, self.scope
        if name in scope.facts or name in scope.deadlines:
            what = "fact" if name in scope.facts else "deadline"
            action = f"write exists({name}) or a field, such as {name}.at"
            return self.refuse(node, f"the {what} {name} alone", "a value", action)
        if name in ("balance", "last"):
            return self.refuse(node, f"{name} alone", "a value", "it has a value in the step of running(…)")
        known = (*scope.params, *scope.lets, *((scope.key[0],) if scope.key else ()))
        twin = likely(name, known)
        action = f"write {twin}" if twin else f"define {name} under params or lets"
        return self.refuse(node, f"the name {short(name)}", "a param or a let", action)

    # What exists

    def exists(self, node: Exists) -> Meaning:
        if self.scope.in_deadline:
            raise self.refuse(
                node, f"exists({node.fact}) in a deadline", "facts that it needs", "read their fields"
            )
        deadline = self.scope.deadlines.get(node.fact)
        if deadline is not None:
            self.check_key(node, node.fact, deadline)
            needed = self.needed(node.fact, deadline)
            flow = Flow(if_true=needed, settled_if_true=needed, gains=needed, absent=needed)
            return leaf(BOOLEAN, node.fact, flow=flow, steady=False)
        self.fact(node, node.fact)
        self.check_once(node, node.fact, f"exists({node.fact})", f"write count({node.fact}) > 0")
        itself = frozenset({node.fact})
        flow = Flow(if_true=itself, settled_if_true=itself, gains=itself, absent=itself)
        return leaf(BOOLEAN, node.fact, flow=flow, everywhere=self.keyless(node.fact), steady=False)

    def field(self, node: Field) -> Meaning:
        deadline = self.scope.deadlines.get(node.fact)
        if deadline is not None:
            return self.deadline_field(node, deadline)
        rule = self.fact(node, node.fact)
        if node.fact in self.outer and node.fact != self.item:
            raise self.refuse(
                node,
                f"{node.fact} of the outer aggregate",
                "an inner aggregate that reads only its own fact",
                "split it, or keep what it needs in a field",
            )
        item = node.fact == self.item
        own = not item and node.fact == self.scope.own
        if not item and not own:
            self.check_once(node, node.fact, f"a field of {node.fact}", "use count, sum, min_of or max_of")
        kind = self.field_type(node, rule, own=own)
        flow = None if item or own else Flow(needs=frozenset({node.fact}))
        everywhere = NOTHING if item else self.keyless(node.fact)
        reads = frozenset({(node.fact, node.field)})
        single = NOTHING if item else frozenset({node.fact})
        return leaf(
            kind, node.fact, flow=flow, fields=reads, everywhere=everywhere, single=single, steady=item
        )

    def field_type(self, node: Field, rule: FactRule, *, own: bool) -> Type:
        if node.field in rule.fields:
            return rule.fields[node.field].type
        built_in = ["at", "counted", *(["confirmed"] if rule.confirm and not own else [])]
        if node.field in built_in:
            return INSTANT
        twin = likely(node.field, [*rule.fields, *built_in])
        raise self.refuse(
            node,
            f"the field {short(node.field)}",
            f"a field of {node.fact}: {', '.join([*rule.fields, *built_in])}",
            f"write {twin}" if twin else f"define {node.field} under fields of {node.fact}",
        )

    def deadline_field(self, node: Field, rule: DeadlineRule) -> Meaning:
        name, scope = node.fact, self.scope
        self.check_key(node, name, rule)
        if node.field not in DEADLINE_FIELDS:
            expected = f"{name}.at or {name}.passed"
            raise self.refuse(node, f"{short(node.field)} of a deadline", expected)
        needed = self.needed(name, rule)
        if node.field == "at":
            return leaf(INSTANT, name, flow=Flow(needs=needed), steady=False)
        if scope.in_deadline:
            expected = "instants that do not depend on what has passed"
            raise self.refuse(node, f"{name}.passed in a deadline", expected, f"read {name}.at")
        flow = Flow(if_true=needed, settled_if_true=needed | self.closed_by(name, rule))
        return leaf(BOOLEAN, name, flow=flow, steady=False)

    def needed(self, name: str, rule: DeadlineRule) -> frozenset[str]:
        """The facts behind a deadline, as this context means them."""
        facts = self.scope.deadline_needs.get(name, NOTHING)
        return frozenset(self.token(fact, everywhere=rule.per is None) for fact in facts)

    def closed_by(self, name: str, rule: DeadlineRule) -> frozenset[str]:
        """The facts that can no longer come once a deadline has passed."""
        found: set[str] = set()
        for fact, own in self.scope.facts.items():
            if own.before == name or (own.state_before == name and not own.confirm):
                found.add(fact)
                if rule.per is None:
                    found.add(self.token(fact, everywhere=True))
        return frozenset(found)

    def fact(self, node: Node, name: str) -> FactRule:
        rule = self.scope.facts.get(name)
        if rule is None and name in self.scope.broken:
            raise Unknowable
        if rule is None:
            what, where = (
                ("a fact", "facts")
                if isinstance(node, Aggregate)
                else (
                    "a fact or a deadline",
                    "facts or deadlines",
                )
            )
            twin = likely(name, {**self.scope.facts, **self.scope.deadlines})
            action = f"write {twin}" if twin else f"define {name} under {where}"
            raise self.refuse(node, f"the name {short(name)}", what, action)
        return rule

    def is_keyed(self, name: str) -> bool:
        """Whether a fact's name means only those with the key of this context."""
        return self.scope.key is not None and self.scope.key[0] in self.scope.facts[name].fields

    def keyless(self, name: str) -> frozenset[str]:
        """A fact that is read whatever the key of this context is."""
        return NOTHING if self.is_keyed(name) else frozenset({name})

    def token(self, name: str, *, everywhere: bool) -> str:
        """How flows call a fact of this context."""
        return f"all {name}" if everywhere and self.is_keyed(name) else name

    def most(self, name: str, *, everywhere: bool) -> int:
        """How many facts of a name may count in this context."""
        rule, key = self.scope.facts[name], self.scope.key
        if rule.per is not None and not everywhere and key is not None and key[0] == rule.per:
            return min(rule.max, rule.total)
        return rule.max if rule.per is None else rule.total

    def most_in_life(self, node: Aggregate) -> int:
        """How many facts a kept aggregate adds in the life of an agreement, for all values of the key."""
        rule, outside = self.scope.facts[node.fact], node.everywhere or not self.is_keyed(node.fact)
        return rule.total * (self.scope.count_keys() if outside else 1)

    def check_once(self, node: Node, name: str, found: str, action: str) -> None:
        rule = self.scope.facts[name]
        if self.most(name, everywhere=False) == 1:
            return
        if rule.max == 1 and rule.per is not None:
            found, action = (
                f"{found}, which counts once for each {rule.per}",
                f"{action}, or `per: {rule.per}`",
            )
        else:
            found = f"{found}, of which {rule.max} count"
        raise self.refuse(node, found, "a fact that counts once", action)

    def check_key(self, node: Node, name: str, rule: DeadlineRule) -> None:
        key = self.scope.key
        if rule.per is not None and (key is None or key[0] != rule.per):
            raise self.refuse(
                node,
                f"the deadline {name}, which exists for each {rule.per}",
                f"a rule `per: {rule.per}`",
                f"add `per: {rule.per}`",
            )

    # Aggregates

    def aggregate(self, node: Aggregate) -> Meaning:
        self.fact(node, node.fact)
        if self.scope.in_deadline:
            raise self.refuse(
                node, f"{node.function} in a deadline", "facts that count once", "read their fields"
            )
        outside = (self.item, self.outer, self.words)
        self.outer = self.outer if self.item is None else self.outer | {self.item}
        self.item, self.words = node.fact, {}
        try:
            condition = [] if node.where is None else [self.boolean(node.where)]
            kind, parts = self.running(node) if node.function == "running" else self.simple(node)
        finally:
            self.item, self.outer, self.words = outside
        self.aggregates[node.span] = meaning = self.counted(node, kind, [*condition, *parts])
        return replace(meaning, steady=False)

    def counted(self, node: Aggregate, kind: Type, parts: list[Meaning]) -> Meaning:
        """Flow and cost of an aggregate from those of its parts."""
        fact = self.token(node.fact, everywhere=node.everywhere)
        itself = frozenset({fact})
        base = mixed(*(part.flow for part in parts))
        # What its own fact moves inside, through an inner aggregate, belongs to the moment of each look.
        inside = itself - base.absent
        gains, loses = base.gains - inside, base.loses - inside
        rises = node.function in ("count", "max_of") or (
            node.function == "sum" and self.is_never_negative(node.arguments[0])
        )
        if node.function != "running":
            gains = gains if node.function == "min_of" else gains | itself
            loses = loses if rises else loses | itself
        flow = replace(base, gains=gains, loses=loses, grows=base.grows | itself)
        each = 1 + sum(part.cost - part.scans for part in parts)
        steps = each * self.most(node.fact, everywhere=node.everywhere)
        steady = all(part.steady for part in parts)
        scans = sum(part.scans for part in parts) + (0 if steady else steps)
        meaning = above(kind, flow, leaf(kind, node.fact), *parts)
        outside_key = node.everywhere or not self.is_keyed(node.fact)
        return replace(
            meaning,
            cost=1 + scans,
            scans=scans,
            kept=meaning.kept + (each * self.most_in_life(node) if steady else 0),
            everywhere=meaning.everywhere | ({node.fact} if outside_key else NOTHING),
            steady=steady,
        )

    def simple(self, node: Aggregate) -> tuple[Type, list[Meaning]]:
        """`count`, `sum`, `min_of`, `max_of`."""
        if node.function == "count":
            return INTEGER, []
        part = self.node(node.arguments[0])
        kinds = SUMMED if node.function == "sum" else ORDERED
        if part.type.kind not in kinds:
            text = self.expression.part(node.arguments[0])
            raise self.refuse(
                node.arguments[0], f"{text}, which is {part.type}", f"one of {', '.join(sorted(kinds))}"
            )
        return part.type, [part]

    def running(self, node: Aggregate) -> tuple[Type, list[Meaning]]:
        """`running(f, start, step)`: the type of the balance is one that holds start and every step."""
        start_node, step_node = node.arguments[0], node.arguments[1]
        item, self.item = self.item, None
        start = self.node(start_node)
        first = [self.node(part) for part in node.arguments[2:]]
        self.item = item
        if first and first[0].type != INSTANT:
            raise self.refuse(node.arguments[2], str(first[0].type), "an instant")
        last = {"last": INSTANT} if first else {}
        kind = start.type
        for _ in range(3):
            self.words = {"balance": kind, **last}
            step = self.node(step_node)
            self.words = {}
            joined = common(kind, step.type)
            if joined is None:
                raise self.refuse(step_node, f"{kind}, then {step.type}", "a step of the type of the start")
            if joined == kind:
                return kind, [start, *first, step]
            kind = joined
        raise self.refuse(step_node, f"a step of {step.type}", f"a step of {kind}")
