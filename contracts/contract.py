"""A contract: a document that passed the checker, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from contracts.checker import check_document, inspect_document
from contracts.document import Discharge, Document, agreement_hash
from contracts.facts_known import ExistingFact, Known
from contracts.look import Look
from contracts.mentions import Mentions
from contracts.problems import Report
from contracts.program import Program
from contracts.reading import parse_document
from contracts.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A document that passed the checker, and what follows from it once."""

    agreement: bytes
    document: Document
    program: Program
    mentions: Mapping[str, frozenset[str]]
    """The facts and deadlines that each rule mentions."""
    everywhere: Mapping[str, frozenset[str]]
    """The facts of which each rule per key reads those of all keys."""
    needs: Mapping[str, frozenset[str]]
    """What must exist before a deadline is fixed, by deadline; each stands after those that it needs."""
    keys: frozenset[str]
    """The fields that rules and deadlines are `per`."""
    discharging: frozenset[str]
    """Rules with a discharge: they are looked at even after the end."""
    after_end: frozenset[str]
    """Facts that count even after the end."""

    @property
    def report(self) -> Report:
        """What the checker says of it, looked at anew: warnings alone, since it passed."""
        return inspect_document(self.document)


MAX_SOUND = 200_000
_SOUND: set[bytes] = set()
"""Agreements whose document passed the checker: what passed once passes always. Of many thousand agreements
most are read again and again, and checking is half of reading."""


@lru_cache(maxsize=256)
def load_contract(signed: bytes) -> Contract:
    """Read and check the signed form of a contract; what was read is remembered by its bytes.

    Raises:
        TallyError: no contract, or one with errors.
    """
    document, agreement = parse_document(signed), agreement_hash(signed)
    if agreement not in _SOUND:
        check_document(document)
        if len(_SOUND) >= MAX_SOUND:
            _SOUND.clear()
        _SOUND.add(agreement)
    return _prepare(document, agreement)


def make_contract(document: Document, agreement: bytes) -> Contract:
    """Check a document and prepare its evaluation.

    Raises:
        InvalidError: the document has errors.
    """
    check_document(document)
    return _prepare(document, agreement)


def _prepare(document: Document, agreement: bytes) -> Contract:
    mentions = Mentions(document)
    discharging = frozenset(
        rule.name for rule in document.rules if any(isinstance(effect, Discharge) for effect in rule.then)
    )
    of_rules = {rule.name: mentions.of_rule(rule) for rule in document.rules}
    behind = mentions.behind(name for rule in discharging for name in of_rules[rule])
    return Contract(
        agreement=agreement,
        document=document,
        program=Program(document),
        mentions=of_rules,
        everywhere={rule.name: mentions.everywhere(rule) for rule in document.rules if rule.per},
        needs=_in_order({name: mentions.of_deadline(name) for name in document.deadlines}),
        keys=frozenset(
            per
            for per in (
                *(rule.per for rule in document.rules),
                *(deadline.per for deadline in document.deadlines.values()),
            )
            if per is not None
        ),
        discharging=discharging,
        after_end=behind & document.facts.keys(),
    )


def _in_order(needs: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Deadlines so that each follows those that it needs; the checker refused circles."""
    ordered: dict[str, frozenset[str]] = {}
    while ready := [n for n in needs if n not in ordered and needs[n] & needs.keys() <= ordered.keys()]:
        ordered |= {name: needs[name] for name in ready}
    return ordered


def compute(contract: Contract, text: str, facts: Sequence[ExistingFact] = ()) -> Value:
    """The value of an expression in a contract, with these facts; checked first, as rules are.

    Raises:
        TallyError: no expression, types that do not fit, or a calculation without a result.
    """
    known = Known()
    for fact in facts:
        known.add(fact)
    return contract.program.compute_text(text, Look(contract.program, known))
