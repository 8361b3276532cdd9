"""Why a rule has fired, or why not: its conditions one by one, and what is missing.

The condition is taken apart at its outermost `and`s. Each part holds, does not hold, or was not read
because a part before it does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.agreement import IN_FORCE, Agreement
from contracts.document import Rule
from contracts.evaluator import ExistingFact, Look
from contracts.replay import NOT_COUNTED, WAITING
from contracts.syntax import Exists, Field, Logic, Name, Node, walk
from ledger.errors import MissingError, TallyError, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of a rule's condition; `holds` is None where it was not read."""

    text: str
    holds: bool | None
    entries: tuple[bytes, ...]
    """The entries that it was decided from."""
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a rule waits for; empty `missing` where it has fired or could not be calculated."""

    rule: str
    holds: bool
    conditions: tuple[Condition, ...]
    missing: tuple[str, ...]


def explain(agreement: Agreement, rule_name: str) -> Explanation:
    """Which conditions of a rule hold now, from which entries, and what is missing.

    Raises:
        MissingError: the contract has no such rule.
    """
    rules = agreement.contract.document.rules
    rule = next((rule for rule in rules if rule.name == rule_name), None)
    if rule is None:
        raise MissingError(
            f"contract {agreement.contract.document.name}",
            found=f"the rule {short(rule_name)}",
            expected=", ".join(rule.name for rule in rules) or "no rules",
        )
    conditions = tuple(_conditions(agreement, rule))
    holds = agreement.status == IN_FORCE and all(condition.holds for condition in conditions)
    return Explanation(
        rule=rule.name,
        holds=holds,
        conditions=conditions,
        missing=() if holds else tuple(_missing(agreement, rule)),
    )


def _conditions(agreement: Agreement, rule: Rule) -> Iterator[Condition]:
    known: dict[str, list[ExistingFact]] = {}
    for fact in agreement.existing:
        known.setdefault(fact.name, []).append(fact)
    holds: bool | None = True
    for part in _parts(rule.when.node):
        look = Look(agreement.contract, known)
        trouble = ""
        if holds is True:
            try:
                holds = look.value(rule.when, part) is True
            except TallyError as error:
                holds, trouble = False, str(error)
        else:
            holds = None
        entries = tuple(entry for name in sorted(look.read) for entry in known[name][0].entries)
        yield Condition(text=rule.when.part(part), holds=holds, entries=entries, trouble=trouble)


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, Logic) and node.operator == "and":
        yield from _parts(node.left)
        yield from _parts(node.right)
    else:
        yield node


def _missing(agreement: Agreement, rule: Rule) -> Iterator[str]:
    """What could still happen, in words; the facts in the order in which the rule mentions them."""
    document = agreement.contract.document
    if agreement.status != IN_FORCE:
        for proposal in agreement.proposals:
            for role, count in proposal.lacking.items():
                holder = document.parties.get(role, document.timekeeper)
                yield f"{count} more signature{'s' if count > 1 else ''} by {holder} ({role})"
    if agreement.missing:
        yield f"{len(agreement.missing)} counted entry that this node does not hold"
    existing = {fact.name for fact in agreement.existing}
    for name in _facts(agreement, rule):
        if name not in existing:
            yield from _missing_fact(agreement, name)


def _facts(agreement: Agreement, rule: Rule) -> list[str]:
    document = agreement.contract.document
    names: dict[str, None] = {}
    for node in walk(rule.when.node):
        if isinstance(node, (Exists, Field)):
            names[node.fact] = None
        if isinstance(node, Name) and node.name in document.lets:
            mentioned = agreement.contract.report.lets[node.name].names
            names |= dict.fromkeys(name for name in sorted(mentioned) if name in document.facts)
    return list(names)


def _missing_fact(agreement: Agreement, name: str) -> Iterator[str]:
    document = agreement.contract.document
    views = [view for view in agreement.facts if view.name == name and view.status in (WAITING, NOT_COUNTED)]
    if not views:
        who = " or ".join(f"{document.parties[role]} ({role})" for role in document.facts[name].by)
        yield f"{name}: not stated; {who} may state it"
    for view in views:
        waits = [f"{document.parties[role]} ({role}) to confirm it" for role in view.awaiting]
        if view.status == NOT_COUNTED or any(c.counted is None for c in view.confirmations):
            waits.append(f"{document.timekeeper} (timekeeper) to count it")
        yield f"{name}: stated by {view.organization}; waits for {' and for '.join(waits) or 'nothing'}"
