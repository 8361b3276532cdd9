"""Why a rule has fired, or why not: its conditions one by one, what they rest on, and what is missing.

The condition is taken apart at its outermost `and`s. Each part holds, does not hold, or was not read
because a part before it does not hold. A rule that has fired is explained at the moment at which it did,
any other as things stand. A rule `per` a field is explained for one value of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from contracts.aggregates import Run
from contracts.agreement import ENDED, PROPOSED, Agreement
from contracts.compiling import compile_expression
from contracts.course import NOT_COUNTED, WAITING
from contracts.document import Rule
from contracts.evaluator import Firing
from contracts.facts_known import Closing, ExistingFact, Known, Moment
from contracts.hashes import hash_of_firing, key_text
from contracts.inference import infer_aggregates
from contracts.look import Key, Look
from contracts.mentions import Mentions
from contracts.phrases import listed, quoted
from contracts.prospects import Prospects
from contracts.render import prose_value
from contracts.syntax import Aggregate, Expression, Name, Node, outermost, walk
from contracts.types import Type, parse_typed
from contracts.values import Instant, Value, format_value
from contracts.words import Words
from ledger.errors import InvalidError, MissingError, TallyError, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of a rule's condition; `holds` is None where it was not read."""

    text: str
    words: str
    holds: bool | None
    entries: tuple[bytes, ...]
    """The entries that it was decided from."""
    basis: tuple[str, ...]
    """The same in words."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a condition, made ready."""

    text: str
    words: str
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a rule has come to, or waits for: empty `missing` where it has fired or cannot be calculated."""

    rule: str
    key: str | None
    fired: Firing | None
    holds: bool
    conditions: tuple[Condition, ...]
    outcome: tuple[str, ...]
    """What followed, in words, if it has fired."""
    stands: tuple[str, ...]
    """Where that was corrected: by whom, when and why, and then what stands in its place."""
    missing: tuple[str, ...]
    """What may still come that would make it fire, each with who may bring it and until when."""
    never: str
    """Why it can no longer fire, or empty."""
    trouble: str
    """Why it has not fired though its condition holds: an effect that cannot be calculated, or empty."""


def explain(agreement: Agreement, rule_name: str, key: str | None = None) -> Explanation:
    """Which conditions of a rule hold, from which entries, and what is missing.

    Raises:
        MissingError: the contract has no such rule.
        InvalidError: a rule `per` a field needs a value of it, and no other rule has one.
    """
    explainer = Explainer(agreement)
    return explainer.explain(explainer.rule(rule_name), key)


class Explainer:
    """Explains the rules of one agreement as it was read."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self.document = agreement.contract.document
        self.words = Words(self.document)
        self._fired = {(firing.rule, key_text(firing)): firing for firing in agreement.firings}
        self._mentions = Mentions(self.document)
        self._failures = {(failure.rule, failure.key): failure for failure in agreement.failures}
        self._parts: dict[str, tuple[_Part, ...]] = {}
        self._ready: dict[int, tuple[Node, Run]] = {}

    def rule(self, name: str) -> Rule:
        """A rule by its name; raises MissingError where there is none."""
        rules = self.document.rules
        rule = next((rule for rule in rules if rule.name == name), None)
        if rule is None:
            raise MissingError(
                f"contract {self.document.name}",
                found=f"the rule {short(name)}",
                expected=", ".join(rule.name for rule in rules) or "no rules",
            )
        return rule

    def keys_of(self, rule: Rule) -> tuple[str | None, ...]:
        """The values of its key for which a rule exists, as text, as they came; (None,) without a key."""
        if rule.per is None:
            return (None,)
        mentioned = self.agreement.contract.mentions[rule.name]
        found: dict[str, None] = {}
        for fact in self.agreement.existing:
            if fact.name in mentioned and rule.per in fact.fields:
                found[format_value(fact.fields[rule.per])] = None
        for deadline in self.agreement.deadlines:
            per = self.document.deadlines[deadline.name].per
            if deadline.name in mentioned and deadline.key is not None and per == rule.per:
                found[format_value(deadline.key)] = None
        return tuple(found)

    def explain(self, rule: Rule, key: str | None = None) -> Explanation:
        """One rule, for one value of its key if it has one."""
        of = self._key(rule, key)
        fired = self._fired.get((rule.name, key))
        known = self.agreement.known if fired is None else self._known_at(rule, of, fired)
        conditions = tuple(self._conditions(rule, of, known))
        holds = self.agreement.start is not None and all(condition.holds for condition in conditions)
        prospects = Prospects(self.agreement, of, self._ready)
        never = "" if holds or fired else self._never(rule, prospects)
        failure = self._failures.get((rule.name, of)) if holds and not fired else None
        missing = () if holds or fired or never else tuple(self._missing(rule, prospects))
        return Explanation(
            rule=rule.name,
            key=key,
            fired=fired,
            holds=holds,
            conditions=conditions,
            outcome=tuple(self.words.outcome(effect) for effect in fired.effects) if fired else (),
            stands=tuple(self._stands(fired)) if fired else (),
            missing=missing,
            never=never,
            trouble=str(failure.error) if failure else "",
        )

    def _key(self, rule: Rule, text: str | None) -> Key | None:
        if (rule.per is None) != (text is None):
            known = ", ".join(str(key) for key in self.keys_of(rule)[:8]) or "none yet"
            raise InvalidError(
                f"rule {rule.name}",
                found="no key" if text is None else f"the key {short(text)}",
                expected=f"a value of {rule.per}: {known}" if rule.per else "no key",
                action="say which one, with --key" if rule.per else "leave --key out",
            )
        if rule.per is None or text is None:
            return None
        kind: Type = self.agreement.contract.program.contexts.keys[rule.per]
        return rule.per, parse_typed(kind, text, f"rule {rule.name} key")

    # Conditions

    def _parts_of(self, rule: Rule) -> tuple[_Part, ...]:
        """The parts of a rule's condition, each made ready once; they keep nothing beyond a look."""
        if rule.name not in self._parts:
            scope = self.agreement.contract.program.contexts.scope(rule.per)
            parts = []
            for node in outermost(rule.when.node):
                part = Expression(text=rule.when.text, node=node, place=rule.when.place)
                run = compile_expression(self.document, part, infer_aggregates(part, scope), keep=False)
                parts.append(_Part(rule.when.part(node), self.words.phrases.tell(part), run))
            self._parts[rule.name] = tuple(parts)
        return self._parts[rule.name]

    def _conditions(self, rule: Rule, key: Key | None, known: Known) -> Iterator[Condition]:
        program = self.agreement.contract.program
        holds: bool | None = True
        for part in self._parts_of(rule):
            look = Look(program, known, key)
            trouble = ""
            if holds is True:
                try:
                    holds = part.run(look) is True
                except TallyError as error:
                    holds, trouble = False, str(error)
            else:
                holds = None
            entries = look.entries()
            yield Condition(
                text=part.text,
                words=part.words,
                holds=holds,
                entries=entries,
                basis=tuple(self._named[entry] for entry in entries if entry in self._named),
                trouble=trouble,
            )

    @cached_property
    def _named(self) -> Mapping[bytes, str]:
        """What each entry is that a condition can rest on."""
        found: dict[bytes, str] = {}
        for fact in self.agreement.facts:
            counted = "not counted" if fact.counted is None else f"counted {prose_value(fact.counted)}"
            found[fact.leaf_hash] = f"{quoted(fact.name)} by {fact.organization}, {counted}"
            for given in fact.confirmations:
                time = "not counted" if given.counted is None else f"counted {prose_value(given.counted)}"
                found[given.leaf_hash] = (
                    f"the confirmation of {quoted(fact.name)} by {given.organization}, {time}"
                )
        for _, _, closing in self.agreement.known.deadlines():
            if closing.closed is not None:
                keeper = closing.closed.position[0].partition("/")[0]
                time = prose_value(closing.closed.instant)
                found[closing.entries[-1]] = f"the timekeeper's tick, {keeper}, {time}"
        return found

    # What is missing

    def _never(self, rule: Rule, prospects: Prospects) -> str:
        """Why a rule that has not fired can no longer fire, or empty."""
        agreement = self.agreement
        if agreement.status == ENDED and rule.name not in agreement.contract.discharging:
            return f"the agreement has ended ({agreement.reason})"
        for node in outermost(rule.when.node):
            if prospects.can_hold(rule.when, node):
                continue
            part = Expression(text=rule.when.text, node=node, place=rule.when.place)
            gone = [
                prospects.gone(name)
                for name in sorted(self._mentions.behind(self._mentions.of(part)))
                if name in self.document.facts
                and not prospects.is_there(name)
                and not prospects.can_come(name)
            ]
            told = self.words.phrases.tell(part)
            return "; ".join([f"nothing that may still come makes this hold: {told}", *gone])
        return ""

    def _missing(self, rule: Rule, prospects: Prospects) -> Iterator[str]:
        """What could still happen that makes the condition hold, in words, in the order in which it asks."""
        agreement, document = self.agreement, self.document
        if agreement.status == PROPOSED:
            for proposal in agreement.proposals:
                for role, count in proposal.lacking.items():
                    holder = document.parties.get(role, document.timekeeper)
                    yield f"{count} more signature{'s' if count > 1 else ''} by {holder} ({role})"
        if agreement.missing:
            yield f"{len(agreement.missing)} counted entry that this node does not hold"
        names = dict.fromkeys(prospects.helpful(rule.when, rule.when.node))
        for name in self._with_needs(names, prospects):
            if name in document.deadlines:
                yield from self._missing_deadline(name, prospects)
            else:
                yield from self._missing_fact(name, prospects)

    def _with_needs(self, names: Iterable[str], prospects: Prospects) -> Iterator[str]:
        """Names, and before each deadline that is not fixed what it still needs; each once."""
        found: dict[str, None] = {}
        for name in names:
            if name in self.document.deadlines and not prospects.is_there(name):
                behind = sorted(self._mentions.behind([name]) - {name})
                found |= dict.fromkeys(each for each in behind if not prospects.is_there(each))
            found[name] = None
        return iter(found)

    def _closing(self, name: str, key: Key | None) -> Closing | None:
        keyed = self.document.deadlines[name].per is not None
        value: Value | None = key[1] if keyed and key is not None else None
        return self.agreement.known.deadline(name, value)

    def _missing_deadline(self, name: str, prospects: Prospects) -> Iterator[str]:
        closing = self._closing(name, prospects.key)
        if closing is None:
            yield f"{name}: not fixed; it rests on what has not come yet"
        elif not closing.passed:
            due = format_value(Instant(closing.due_ms))
            yield f"{name}: open; it closes at {self.agreement.timekeeper}'s first tick from {due} on"

    def _missing_fact(self, name: str, prospects: Prospects) -> Iterator[str]:
        document, agreement, key = self.document, self.agreement, prospects.key
        rule = document.facts[name]
        views = [
            view
            for view in agreement.facts
            if view.name == name
            and view.status in (WAITING, NOT_COUNTED)
            and (key is None or view.fields.get(key[0], format_value(key[1])) == format_value(key[1]))
        ]
        until = ""
        for deadline in (rule.state_before, rule.before):
            closing = self._closing(deadline, key) if deadline else None
            if closing is not None and not closing.passed and not until:
                until = f", until {deadline} closes at {format_value(Instant(closing.due_ms))}"
        if not views:
            who = " or ".join(f"{document.parties[role]} ({role})" for role in rule.by)
            more = "" if rule.max == 1 or not prospects.is_there(name) else " once more"
            yield f"{name}: not stated{more}; {who} may state it{until}"
        for view in views:
            waits = [f"{document.parties[role]} ({role}) to confirm it" for role in view.awaiting]
            if view.status == NOT_COUNTED or any(c.counted is None for c in view.confirmations):
                waits.append(f"{agreement.timekeeper} (timekeeper) to count it")
            lacking = " and for ".join(waits) or "nothing"
            yield f"{name}: stated by {view.organization}; waits for {lacking}{until}"

    def _stands(self, firing: Firing) -> Iterator[str]:
        """What stands in place of what followed, since when and by whom, where that was corrected."""
        found = self.agreement.corrections.get(hash_of_firing(self.agreement.contract.agreement, firing))
        if found is None:
            return
        why = f": “{found.text}”" if found.text else ""
        signed = listed(found.organizations)
        yield f"corrected by {signed}, {prose_value(found.moment.instant)}{why}"
        yield from (self.words.outcome(effect) for effect in found.effects)
        if not found.effects:
            yield "nothing"

    # What was known

    def _known_at(self, rule: Rule, key: Key | None, firing: Firing) -> Known:
        """What a rule saw when it fired: what came later, or further on in the same entry, is left out."""
        names = self._mentions.behind(self._mentions.of(rule.when))
        found = Known()
        for fact in self._facts(rule, key, names & self.document.facts.keys()):
            if _was_there(firing, fact.since, fact.entries):
                found.add(fact)
        for name in sorted(names & self.document.deadlines.keys()):
            closing = self._closing(name, key)
            if closing is None:
                continue
            fixed_by = closing.entries[:-1] if closing.passed else closing.entries
            if all(self._came(firing, entry) for entry in fixed_by):
                passed = closing.closed is not None and _was_there(
                    firing, closing.closed, closing.entries[-1:]
                )
                as_it_was = (
                    closing if passed else replace(closing, passed=False, entries=fixed_by, closed=None)
                )
                keyed = self.document.deadlines[name].per is not None and key is not None
                found.fix(name, key[1] if keyed and key else None, as_it_was)
        return found

    def _facts(self, rule: Rule, key: Key | None, names: Iterable[str]) -> Iterator[ExistingFact]:
        """The facts that a condition may have read, name by name in counting order."""
        known, everywhere = self.agreement.known, self._reads_everywhere(rule.when)
        for name in sorted(names):
            if key is None or everywhere or key[0] not in self.document.facts[name].fields:
                yield from known.facts(name)
            else:
                yield from known.facts_with(name, *key)

    def _reads_everywhere(self, expression: Expression) -> bool:
        """Whether it leaves the key of its rule aside somewhere, itself or in a let."""
        nodes = list(walk(expression.node))
        if any(isinstance(node, Aggregate) and node.everywhere for node in nodes):
            return True
        lets = {node.name for node in nodes if isinstance(node, Name)} & self.document.lets.keys()
        return any(self._reads_everywhere(self.document.lets[name]) for name in lets)

    @cached_property
    def _since(self) -> Mapping[bytes, Moment]:
        """The moment at which the fact came to exist that an entry is part of."""
        return {entry: fact.since for fact in self.agreement.existing for entry in fact.entries}

    def _came(self, firing: Firing, entry: bytes) -> bool:
        since = self._since.get(entry)
        return since is not None and _was_there(firing, since, (entry,))


def _was_there(firing: Firing, moment: Moment, entries: Iterable[bytes]) -> bool:
    """Whether what these entries brought at a moment was there when a rule fired."""
    if moment.instant != firing.moment.instant:
        return moment.instant < firing.moment.instant
    if moment.position == firing.moment.position:
        return set(firing.rests_on).issuperset(entries)
    return moment.position[0] != firing.moment.position[0] or moment.position[1] < firing.moment.position[1]
