"""A contract: a document that passed the checker, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from contracts.checker import check_document, inspect_document
from contracts.document import Discharge, Document, agreement_hash
from contracts.facts_known import ExistingFact, Known
from contracts.look import Look
from contracts.mentions import Mentions
from contracts.patterns import Patterns
from contracts.problems import Report
from contracts.program import Program
from contracts.reading import decode_tree
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


@lru_cache(maxsize=256)
def load_contract(signed: bytes, *, sound: bool = False) -> Contract:
    """Read and check the signed form of a contract; what was read is remembered by its bytes.

    `sound` says that it is known to have passed the checker: what passed once passes always, and of many
    thousand agreements most are read again and again.

    Raises:
        TallyError: no contract, or one with errors.
    """
    read = _PATTERNS.read(decode_tree(signed), "contract")
    if not sound:
        check_document(read.document)
    return replace(
        read.prepared, agreement=agreement_hash(signed), document=read.document, program=read.program
    )


def make_contract(document: Document, agreement: bytes) -> Contract:
    """Check a document and prepare its evaluation.

    Raises:
        InvalidError: the document has errors.
    """
    check_document(document)
    return replace(_prepare(document, Program(document)), agreement=agreement)


def _prepare(document: Document, program: Program) -> Contract:
    """What follows from a document whatever its name and the values of its params; of no agreement yet."""
    mentions = Mentions(document)
    discharging = frozenset(
        rule.name for rule in document.rules if any(isinstance(effect, Discharge) for effect in rule.then)
    )
    of_rules = {rule.name: mentions.of_rule(rule) for rule in document.rules}
    behind = mentions.behind(name for rule in discharging for name in of_rules[rule])
    return Contract(
        agreement=b"",
        document=document,
        program=program,
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


_PATTERNS = Patterns(_prepare)


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
