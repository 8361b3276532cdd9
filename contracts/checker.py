"""What must hold of a contract before anyone signs it; everything wrong is reported at once.

Errors: names that are unknown, collide or run in circles; types and currencies that do not fit; roles
that do not exist; a fact whose confirmer states it; a rule that rests on the absence of a fact; effects
that read a fact which may not exist; a cost over the bound. Warnings: a party that keeps the time, what
is defined and never used, params that decide and that the prose does not tell, amounts due that may have
more decimals than their currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.bounds import field_bounds
from contracts.document import TIMEKEEPER, Document, Due, Effect, FactRule, Notify, Rule
from contracts.inference import NOTHING, Meaning, Scope, Unknowable, infer
from contracts.limits import MAX_COST, MAX_LET_DEPTH
from contracts.operations import ArithmeticFault, compare
from contracts.precision import Precision
from contracts.render import Placeholder, check_placeholder, placeholders
from contracts.syntax import Exists, Expression, Field, Name, Place, walk
from contracts.types import BOOLEAN, DURATION, Type
from contracts.values import minor_digits
from ledger.errors import InvalidError, TallyError, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that the checker found; `error` refuses the document, a warning is shown."""

    error: bool
    where: str
    found: str
    expected: str
    action: str

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}"
        return f"{text}, expected {self.expected}" if self.expected else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All problems of a document, and what is known of its expressions."""

    problems: tuple[Problem, ...]
    lets: Mapping[str, Meaning]
    let_order: tuple[str, ...]
    conditions: Mapping[str, Meaning]
    """The meaning of each rule's `when`, by rule."""
    cost: int
    """Nodes computed at most over the whole life of the agreement."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What refuses the document."""
        return tuple(problem for problem in self.problems if problem.error)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What its signers should know."""
        return tuple(problem for problem in self.problems if not problem.error)


def check_document(document: Document) -> Report:
    """Check a document.

    Raises:
        InvalidError: the first error; its message counts the others.
    """
    report = inspect_document(document)
    if report.errors:
        first = report.errors[0]
        more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
        raise InvalidError(
            first.where, found=first.found + more, expected=first.expected, action=first.action
        )
    return report


def inspect_document(document: Document) -> Report:
    """Everything that is wrong or odd about a document, in the order of its parts."""
    return _Checker(document).report()


class _Checker:
    """Collects problems; each `check_…` looks at one part of the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.lets: dict[str, Meaning] = {}
        self.unknown: set[str] = set()
        self.used: set[str] = set()
        self.conditions: dict[str, Meaning] = {}
        self.cost = 0
        self.precision = Precision(document)

    def report(self) -> Report:
        self.check_names()
        self.check_roles()
        self.check_fields()
        order = self.check_lets()
        names: set[str] = set()
        for rule in self.document.rules:
            if rule.name in names:
                self.error(rule.place, f"a second rule {rule.name}", "each name once", "rename one")
            names.add(rule.name)
            self.check_rule(rule)
        self.check_text()
        self.check_use()
        if self.cost > MAX_COST:
            self.error(
                self.document.place("rules"),
                f"a cost of {self.cost} steps",
                f"at most {MAX_COST}",
                "use fewer or shorter rules",
            )
        return Report(
            problems=tuple(self.problems),
            lets=self.lets,
            let_order=order,
            conditions=self.conditions,
            cost=self.cost,
        )

    def error(self, where: Place | str, found: str, expected: str, action: str = "") -> None:
        self._add(True, where, found, expected, action)

    def warn(self, where: Place | str, found: str, expected: str, action: str = "") -> None:
        self._add(False, where, found, expected, action)

    def _add(self, error: bool, where: Place | str, found: str, expected: str, action: str) -> None:
        problem = Problem(error=error, where=str(where), found=found, expected=expected, action=action)
        self.problems.append(problem)

    def caught(self, error: TallyError) -> None:
        self.error(error.where, error.found, error.expected, error.action)

    # Names and roles

    def check_names(self) -> None:
        document = self.document
        owners: dict[str, str] = {}
        for part in ("parties", "params", "facts", "lets"):
            for name in getattr(document, part):
                if name in owners:
                    self.error(
                        document.place(part, name),
                        f"the name {name}, which stands under {owners[name]} too",
                        "each name once",
                        "rename one of them",
                    )
                owners[name] = part

    def check_roles(self) -> None:
        document = self.document
        if document.party_keeps_time:
            role = next(role for role in document.parties if document.parties[role] == document.timekeeper)
            self.warn(
                document.place(TIMEKEEPER),
                f"{document.timekeeper}, which is also {role}",
                "a timekeeper that is no party",
                "name a third organization, or know that a party keeps the time",
            )
        for name, fact in document.facts.items():
            self.check_known_roles(fact.place, (*fact.by, *fact.confirm))
            self.check_confirmers(name, fact)

    def check_known_roles(self, place: Place, roles: tuple[str, ...]) -> None:
        for role in roles:
            if role not in self.document.parties:
                self.error(
                    place,
                    f"the role {short(role)}",
                    f"one of {', '.join(self.document.parties)}",
                    "add it under parties or correct it",
                )

    def check_confirmers(self, name: str, fact: FactRule) -> None:
        parties = self.document.parties
        for role in fact.confirm:
            same = [other for other in fact.by if parties.get(other, other) == parties.get(role, role)]
            if same:
                self.error(
                    fact.place,
                    f"{name} is confirmed by {role}, who as {same[0]} may state it",
                    "somebody else to confirm it",
                    f"take {role} out of confirm or {same[0]} out of by",
                )

    # Fields

    def check_fields(self) -> None:
        for fact_name, fact in self.document.facts.items():
            for name, rule in fact.fields.items():
                self.used |= self.document.params.keys() & {rule.least, rule.most}
                try:
                    low, high = field_bounds(self.document, rule)
                    crossed = low is not None and high is not None and compare(">", low, high)
                except TallyError as error:
                    self.caught(error)
                    continue
                except ArithmeticFault as fault:
                    self.error(rule.place, str(fault), "bounds in one currency", "correct one of them")
                    continue
                if crossed:
                    found = f"least above most for {fact_name}.{name}"
                    self.error(rule.place, found, "least at or below most", "exchange them")

    # Lets

    def check_lets(self) -> tuple[str, ...]:
        order, circles = sort_lets(self.document.lets)
        for name in circles:
            self.unknown.add(name)
            self.error(
                self.document.lets[name].place,
                f"{name} leads back to itself",
                "lets without circles",
                "cut one",
            )
        for name in order:
            expression = self.document.lets[name]
            meaning = self.meaning(expression)
            if meaning is None:
                self.unknown.add(name)
            elif meaning.depth > MAX_LET_DEPTH:
                self.unknown.add(name)
                self.error(
                    expression.place, "lets that nest deeper", f"at most {MAX_LET_DEPTH} levels", "use fewer"
                )
            else:
                self.lets[name] = meaning
        return order

    def meaning(self, expression: Expression) -> Meaning | None:
        try:
            return infer(expression, scope_of(self.document, self.lets, frozenset(self.unknown)))
        except Unknowable:
            return None
        except TallyError as error:
            self.caught(error)
            return None

    # Rules

    def check_rule(self, rule: Rule) -> None:
        condition = self.meaning(rule.when)
        if condition is not None:
            self.conditions[rule.name] = condition
            self.use(condition)
            self.check_condition(rule, condition)
        for effect in rule.then:
            self.check_effect(effect, condition)

    def use(self, meaning: Meaning) -> None:
        self.used |= meaning.names
        lets = [self.lets[name] for name in meaning.names if name in self.lets]
        facts = [name for name in meaning.names if name in self.document.facts]
        self.cost += (meaning.cost + sum(let.cost for let in lets)) * (1 + len(facts))

    def check_condition(self, rule: Rule, condition: Meaning) -> None:
        if condition.type != BOOLEAN:
            self.error(rule.when.place, f"a condition that is {condition.type}", "a boolean", "compare it")
            return
        self.check_needs(rule.when, condition, NOTHING)
        self.check_absence(rule.when, condition.flow.loses)

    def check_needs(self, expression: Expression, meaning: Meaning, known: frozenset[str]) -> None:
        for fact in sorted(meaning.flow.needs - known):
            self.error(
                self.where(expression, fact),
                f"{fact} is read where it may not exist",
                f"exists({fact}) in the condition before it",
                f"write exists({fact}) and … in `when`",
            )

    def check_absence(self, expression: Expression, facts: frozenset[str]) -> None:
        for fact in sorted(facts):
            self.error(
                self.where(expression, fact),
                f"what follows depends on the absence of {fact}",
                "only facts that exist: absence is settled by a deadline, which this version does not know",
                f"make {fact} a fact that says so, with a field, or leave it out",
            )

    def where(self, expression: Expression, fact: str) -> str:
        """Where an expression mentions a fact, itself or through a let."""
        for node in walk(expression.node):
            let = self.lets.get(node.name) if isinstance(node, Name) else None
            if let is not None and fact in let.names:
                return expression.at(node)
            if isinstance(node, (Exists, Field)) and node.fact == fact:
                return expression.at(node)
        return str(expression.place)

    def check_effect(self, effect: Effect, condition: Meaning | None) -> None:
        if isinstance(effect, Notify):
            self.check_known_roles(effect.place, effect.roles)
        if isinstance(effect, Due):
            self.check_due(effect, condition)

    def check_due(self, due: Due, condition: Meaning | None) -> None:
        parties = self.document.parties
        self.check_known_roles(due.place, (due.payer, due.payee))
        if parties.get(due.payer, due.payer) == parties.get(due.payee, due.payee):
            self.error(due.place, f"{due.payer} owes itself", "two organizations", "correct from or to")
        amount = self.check_value(due.amount, Type("money"), condition)
        places = minor_digits(amount.type.currency) if amount else 0
        most = self.precision.most_places(due.amount.node) if amount else 0
        if most is None or most > places:
            self.warn(
                due.amount.place,
                "an amount that may have more decimals than its currency",
                f"at most {places} decimals",
                f"write round(…, {places}, half_up)",
            )
        if due.within is not None:
            self.check_value(due.within, DURATION, condition)

    def check_value(self, expression: Expression, wanted: Type, condition: Meaning | None) -> Meaning | None:
        meaning = self.meaning(expression)
        if meaning is None:
            return None
        self.use(meaning)
        if meaning.type.kind != wanted.kind:
            action = "write money(n, EUR) for an amount" if wanted.kind == "money" else "write days(n)"
            self.error(expression.place, str(meaning.type), wanted.kind, action)
        if condition is not None:
            self.check_needs(expression, meaning, condition.flow.if_true)
            moved = meaning.flow.gains | meaning.flow.loses
            self.check_absence(expression, moved - condition.flow.if_true)
        return meaning

    # Prose and use

    def check_text(self) -> None:
        told: set[str] = set()
        try:
            for part in placeholders(self.document):
                if isinstance(part, Placeholder):
                    told.add(part.name)
                    check_placeholder(self.document, part)
        except TallyError as error:
            self.caught(error)
            return
        for name in sorted((self.used & set(self.document.params)) - told):
            self.warn(
                self.document.params[name].place,
                f"{name} decides, and the text does not tell it",
                f"{{{name}}} in the text",
                "tell it",
            )
        self.used |= told

    def check_use(self) -> None:
        for part in ("params", "facts", "lets"):
            for name in getattr(self.document, part):
                if name not in self.used and name not in self.unknown:
                    self.warn(
                        self.document.place(part, name), f"{name} is never used", "a use", "use or remove it"
                    )


def scope_of(document: Document, lets: Mapping[str, Meaning], unknown: frozenset[str] = NOTHING) -> Scope:
    """The names that expressions of a document may use."""
    params = {name: param.type for name, param in document.params.items()}
    return Scope(params=params, facts=document.facts, lets=lets, unknown_lets=unknown)


def sort_lets(lets: Mapping[str, Expression]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lets so that each follows those it uses, and those that run in circles (or hang on a circle)."""
    uses = {
        name: {node.name for node in walk(lets[name].node) if isinstance(node, Name)} & lets.keys()
        for name in sorted(lets)
    }
    order: list[str] = []
    while ready := [name for name in uses if not uses[name]]:
        order += ready
        uses = {name: below.difference(ready) for name, below in uses.items() if below}
    return tuple(order), tuple(uses)
