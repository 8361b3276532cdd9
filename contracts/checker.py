"""What must hold of a contract before anyone signs it; everything wrong is reported at once.

- names and roles: unknown, colliding, running in circles, roles that do not exist; a party that keeps the
  time (warning)
- facts: confirmed by who states them; a deadline, key or event that does not fit; fields that no rule
  reads (warning)
- deadlines: no instant; relative to a fact that must come before it
- rules: types; what may not exist; absence that nothing settles; never or always; duties that no rule
  discharges; cost. Warnings: absence that one gains by who alone could end it, sums that may still grow
- prose: a placeholder that names nothing. Warnings: numbers on one side only, what is never used

`contracts.checking_facts`, `checking_rules` and `checking_prose` look at the parts.
"""

from __future__ import annotations

from contracts.checking_facts import check_deadlines, check_facts, check_names
from contracts.checking_prose import check_prose, check_use
from contracts.checking_rules import RuleCheck
from contracts.document import Document
from contracts.problems import Problems, Report
from ledger.errors import InvalidError


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
    problems = Problems(document)
    for error in problems.contexts.errors:
        problems.caught(error)
    check_names(problems)
    check_facts(problems)
    check_deadlines(problems)
    rules = RuleCheck(problems)
    rules.check()
    check_prose(problems)
    check_use(problems)
    return Report(
        problems=tuple(problems.found),
        contexts=problems.contexts,
        conditions=rules.conditions,
        cost=rules.cost,
    )
