"""The part of the checker that looks at rules: conditions, effects, absence, who gains by it, and cost."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from contracts.checking_costs import Costs
from contracts.document import (
    DUTY,
    PERMISSION,
    Discharge,
    Due,
    Effect,
    Notify,
    Obligation,
    RequestConfirmation,
    Rule,
)
from contracts.faults import likely
from contracts.flows import NOTHING
from contracts.limits import MAX_LET_DEPTH
from contracts.meaning import Meaning, Unknowable
from contracts.mentions import Mentions, rule_expressions
from contracts.phrases import listed, quoted
from contracts.precision import Precision
from contracts.problems import Problems
from contracts.syntax import Aggregate, Exists, Expression, Field, Name, walk
from contracts.truth import Truth
from contracts.types import BOOLEAN
from contracts.values import minor_digits
from ledger.errors import TallyError, short


class RuleCheck:
    """Looks at every rule of a document; `conditions` and `costs` say what it learnt."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.document = problems.document
        self.mentions = Mentions(problems.document)
        self.precision = Precision(problems.document)
        self.truth = Truth(problems)
        self.conditions: dict[str, Meaning] = {}
        self._silences: set[tuple[str, str]] = set()
        """Facts of which it was said who gains where they are absent: by not stating, by not confirming."""
        self.costs = Costs(problems, self.mentions)

    def check(self) -> None:
        """Every rule, then what holds between them."""
        self._check_lets()
        self._check_statements()
        names: set[str] = set()
        for rule in self.document.rules:
            if rule.name in names or rule.name in self.document.deadlines:
                what = "rule" if rule.name in names else "deadline or rule"
                self.problems.error(
                    rule.place, f"a second {what} {rule.name}", "each name once", "rename one"
                )
            names.add(rule.name)
            self._check_rule(rule)
        if self.problems.whole:
            self._check_discharges()
        self.costs.check()

    def _check_lets(self) -> None:
        for name in self.problems.contexts.order:
            let = self.problems.contexts.scope().lets.get(name)
            if let is not None and let.depth > MAX_LET_DEPTH:
                place = self.document.lets[name].place
                self.problems.error(place, "lets that nest deeper", f"at most {MAX_LET_DEPTH} levels")

    def _check_statements(self) -> None:
        """A condition under which no statement, or every one, counts."""
        for name, fact in self.document.facts.items():
            if fact.when is None:
                continue
            with suppress(Unknowable, TallyError):
                if self.problems.contexts.infer(fact.when, fact.per, own=name).type == BOOLEAN:
                    self.truth.check(fact.when, name, fact.per)

    def _check_rule(self, rule: Rule) -> None:
        if rule.per is not None and rule.per not in self.problems.contexts.keys:
            return
        condition = self.problems.meaning(rule.when, rule.per)
        parts = []
        if condition is not None:
            self.conditions[rule.name] = condition
            parts.append(condition)
            self._check_condition(rule, condition)
        for effect in rule.then:
            parts += self._check_effect(rule, effect, condition)
        if condition is not None:
            self._check_gain(rule, condition, parts)
        self.costs.add_rule(rule, parts)
        if rule.per is not None and self.problems.whole and not self._touches_key(rule):
            self.problems.error(
                rule.place,
                f"per {rule.per}, and nothing that the rule mentions has {rule.per}",
                f"a fact with the field {rule.per}",
                "leave per out, or read such a fact",
            )

    def _touches_key(self, rule: Rule) -> bool:
        document = self.document
        return any(
            (name in document.facts and rule.per in document.facts[name].fields)
            or (name in document.deadlines and document.deadlines[name].per == rule.per)
            for name in self.mentions.of_rule(rule)
        )

    # Conditions

    def _check_condition(self, rule: Rule, condition: Meaning) -> None:
        if condition.type != BOOLEAN:
            self.problems.error(
                rule.when.place, f"a condition that is {condition.type}", "a boolean", "compare it"
            )
            return
        self._check_needs(rule.when, condition, NOTHING)
        self._check_absence(rule, rule.when, condition.flow.loses - condition.flow.settled_if_true)
        self.truth.check(rule.when, rule.name, rule.per)
        self._check_passing(rule)

    def _check_needs(self, expression: Expression, meaning: Meaning, known: frozenset[str]) -> None:
        for fact in sorted(meaning.flow.needs - known):
            self.problems.error(
                self._where(expression, fact),
                f"{fact} is read where it may not exist",
                f"exists({fact}) in the condition before it",
                f"write exists({fact}) and … in `when`",
            )

    def _check_absence(self, rule: Rule, expression: Expression, facts: frozenset[str]) -> None:
        for fact in sorted(facts):
            self.problems.error(
                self._where(expression, fact.removeprefix("all ")),
                f"what follows depends on the absence of {fact}",
                "a deadline before which it must come, and that has passed",
                self._settling(rule, fact),
            )

    def _settling(self, rule: Rule, fact: str) -> str:
        """What to write so that a fact can come no more: only what this rule can read settles it there."""
        name = fact.removeprefix("all ")
        deadline = self.document.facts[name].before
        stands = None if deadline is None else self.document.deadlines.get(deadline)
        if deadline is None or stands is None:
            return f"give {name} a deadline with `before`"
        if stands.per is None or (stands.per == rule.per and name == fact):
            return f"write {deadline}.passed and …"
        other = (
            f"give {name} a deadline without `per` under `before`: {deadline} exists for each {stands.per}"
        )
        return other if name != fact else f"make the rule per {stands.per}, or {other}"

    def _where(self, expression: Expression, fact: str) -> str:
        """Where an expression mentions a fact, itself or through a let or deadline."""
        for node in walk(expression.node):
            if isinstance(node, (Exists, Field, Aggregate)) and node.fact == fact:
                return expression.at(node)
        for node in walk(expression.node):
            through = isinstance(node, Name) and node.name in self.document.lets
            lets = [self.document.lets[node.name]] if through and isinstance(node, Name) else []
            if isinstance(node, (Exists, Field)) and node.fact in self.document.deadlines:
                lets.append(self.document.deadlines[node.fact].at)
            if any(fact in self.mentions.behind(self.mentions.of(let)) for let in lets):
                return expression.at(node)
        return str(expression.place)

    def _check_passing(self, rule: Rule) -> None:
        """A deadline relative to a fact may never come: then nor does what rests on its passing."""
        needs = self.problems.contexts.deadline_needs
        mentioned = self.mentions.of(rule.when)
        for name in sorted(mentioned & self.document.deadlines.keys()):
            for fact in sorted(needs.get(name, NOTHING) - mentioned):
                self.problems.warn(
                    self._where(rule.when, name),
                    f"Without {quoted(fact)} the deadline {quoted(name)} never comes, and the rule "
                    f"{quoted(rule.name)} never takes effect.",
                    f"Write exists({fact}) and … into its condition, to say so.",
                )

    def _check_gain(self, rule: Rule, condition: Meaning, parts: Iterable[Meaning]) -> None:
        """Who gains where a fact is absent should not be the only one who could have stated it."""
        read = self.mentions.of(rule.when)
        # Also those whose absence a deadline has settled: `window.passed and not exists(f)`.
        ended = {fact for fact in condition.flow.settled_if_true if fact.removeprefix("all ") in read}
        asked = NOTHING.union(*(part.flow.absent for part in parts)) - condition.flow.if_true
        gainers = {self.document.parties.get(role, role) for role in self._gainers(rule)}
        absent = {fact.removeprefix("all ") for fact in (asked | ended) - condition.flow.if_true}
        for name in sorted(absent & self.document.facts.keys()):
            fact = self.document.facts[name]
            stating = {self.document.parties.get(role, role) for role in fact.by}
            confirming = {self.document.parties.get(role, role) for role in fact.confirm}
            if stating <= gainers and not confirming - gainers:
                silent, act, how = stating, "state", "as well"
            elif confirming and confirming <= gainers and not {name, f"all {name}"}.isdisjoint(asked):
                silent, act, how = confirming, "confirm", "instead"
            else:
                continue
            if (name, act) in self._silences:
                continue
            self._silences.add((name, act))
            mentioned = (each for each in rule_expressions(rule) if name in self.mentions.of(each))
            self.problems.warn(
                self._where(next(mentioned, rule.when), name),
                f"Only {listed(sorted(silent))} can {act} {quoted(name)}, and "
                f"{min(silent) + ' gains' if len(silent) == 1 else 'they gain'} by not doing so.",
                f"Consider letting a neutral party {act} it {how}.",
            )

    def _gainers(self, rule: Rule) -> Iterable[str]:
        """The roles that a rule's effects favour."""
        for effect in rule.then:
            if isinstance(effect, Due):
                yield effect.payee
            elif isinstance(effect, Obligation) and effect.duty == PERMISSION:
                yield effect.of
            elif isinstance(effect, Obligation) and effect.to is not None:
                yield effect.to
            elif isinstance(effect, Discharge):
                yield from (o.of for o, _ in self._obligations() if o.act == effect.name and o.duty == DUTY)

    # Effects

    def _check_effect(self, rule: Rule, effect: Effect, condition: Meaning | None) -> list[Meaning]:
        problems = self.problems
        match effect:
            case Due():
                return self._check_due(rule, effect, condition)
            case Obligation():
                return self._check_obligation(rule, effect, condition)
            case Notify():
                problems.roles(effect.place, effect.roles)
            case RequestConfirmation():
                problems.roles(effect.place, (effect.of,))
                fact = self.document.facts.get(effect.fact)
                if effect.fact not in problems.broken and (fact is None or effect.of not in fact.confirm):
                    problems.error(
                        effect.place,
                        f"{effect.fact} confirmed by {effect.of}",
                        "a fact with that role under `confirm`",
                        "correct one of them",
                    )
        return []

    def _check_due(self, rule: Rule, due: Due, condition: Meaning | None) -> list[Meaning]:
        parties = self.document.parties
        self.problems.roles(due.place, (due.payer, due.payee))
        if parties.get(due.payer, due.payer) == parties.get(due.payee, due.payee):
            self.problems.error(
                due.place, f"{due.payer} owes itself", "two organizations", "correct from or to"
            )
        amount = self._check_value(rule, due.amount, ("money",), condition)
        places = minor_digits(amount.type.currency) if amount else 0
        most = self.precision.most_places(due.amount.node) if amount else 0
        if most is None or most > places:
            self.problems.warn(
                due.amount.place,
                "An amount due may come out with more decimals than its currency has.",
                f"Write round(…, {places}, half_up).",
            )
        found = [amount]
        if due.within is not None:
            found.append(self._check_value(rule, due.within, ("duration",), condition))
        if due.on is not None:
            found.append(self._check_value(rule, due.on, ("instant", "date"), condition))
        return [meaning for meaning in found if meaning is not None]

    def _check_obligation(self, rule: Rule, made: Obligation, condition: Meaning | None) -> list[Meaning]:
        self.problems.roles(made.place, (made.of,) if made.to is None else (made.of, made.to))
        found = []
        if made.amount is not None:
            found.append(self._check_value(rule, made.amount, (), condition))
        if made.by is not None:
            found.append(self._check_value(rule, made.by, ("instant", "date"), condition))
        return [meaning for meaning in found if meaning is not None]

    def _check_value(
        self, rule: Rule, expression: Expression, kinds: tuple[str, ...], condition: Meaning | None
    ) -> Meaning | None:
        meaning = self.problems.meaning(expression, rule.per)
        if meaning is None:
            return None
        if kinds and meaning.type.kind not in kinds:
            action = {"money": "write money(n, EUR) for an amount", "duration": "write days(n)"}
            self.problems.error(
                expression.place, str(meaning.type), " or ".join(kinds), action.get(kinds[0], "")
            )
        if condition is not None:
            flow, known = meaning.flow, condition.flow
            self._check_needs(expression, meaning, known.if_true)
            self._check_absence(rule, expression, flow.absent - known.settled_if_true)
            for fact in sorted(flow.grows - known.settled_if_true - flow.absent):
                name = fact.removeprefix("all ")
                self.problems.warn(
                    self._where(expression, name),
                    f"More of {quoted(name)} may come after the rule {quoted(rule.name)} has taken effect, "
                    "and then changes nothing.",
                    "Consider waiting for a deadline before which they must come.",
                )
        return meaning

    # Obligations

    def _obligations(self) -> Iterable[tuple[Obligation, str | None]]:
        for rule in self.document.rules:
            yield from ((effect, rule.per) for effect in rule.then if isinstance(effect, Obligation))

    def _check_discharges(self) -> None:
        """A duty needs a rule that discharges it, and a discharge something that it discharges."""
        rules = self.document.rules
        discharged = {(e.name, r.per) for r in rules for e in r.then if isinstance(e, Discharge)}
        named = {(e.name, r.per) for r in rules for e in r.then if isinstance(e, Due) and e.name is not None}
        named |= {(obligation.act, per) for obligation, per in self._obligations()}
        for obligation, per in self._obligations():
            if obligation.duty == DUTY and (obligation.act, per) not in discharged:
                self.problems.error(
                    obligation.place,
                    f"the duty {obligation.act}, which no rule discharges",
                    "a rule with {discharge: " + obligation.act + "}" + (f" per {per}" if per else ""),
                    "add a rule for the fact that meets it",
                )
        for rule in rules:
            for effect in rule.then:
                if isinstance(effect, Discharge) and (effect.name, rule.per) not in named:
                    twin = likely(
                        effect.name, [name for name, per in sorted(named, key=str) if per == rule.per]
                    )
                    self.problems.error(
                        effect.place,
                        f"a discharge of {short(effect.name)}, which nothing is",
                        "an `act` of an obligation or the `as` of a due, under the same key",
                        f"write {twin}" if twin else "correct the name, or the rule's key",
                    )
