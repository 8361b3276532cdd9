"""What must hold of a contract before anyone signs it; everything wrong is reported at once.

- names and roles: unknown, colliding, running in circles, roles that do not exist; a party that keeps the
  time (warning)
- facts: confirmed by who states them; a deadline, key or event that does not fit; fields that no rule
  reads (warning)
- deadlines: no instant; relative to a fact that must come before it; reckoned from what one party alone
  chooses and another loses by (warning)
- rules: types; what may not exist; absence that nothing settles; never or always; terms compared with
  themselves; duties that no rule discharges; cost. Warnings: absence that one gains by who alone could end
  it, sums that may still grow
- prose: a placeholder that names nothing. Warnings: numbers on one side only, what is never used

`contracts.checking_facts`, `checking_deadlines`, `checking_rules`, `checking_terms` and `checking_prose` look
at the parts.
"""

from __future__ import annotations

from contracts.checking_deadlines import check_deadlines, check_times_owed
from contracts.checking_facts import check_facts, check_names
from contracts.checking_prose import check_prose, check_use
from contracts.checking_rules import RuleCheck
from contracts.checking_terms import check_terms
from contracts.document import Document
from contracts.problems import Problem, Problems, Report
from contracts.reading import Draft
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


def inspect_draft(draft: Draft) -> tuple[Problem, ...]:
    """Everything that is wrong or odd about a contract that somebody writes: first the faults of its form.

    Where there are some, the rest is told as far as it does not hang on them, and without warnings.
    """
    faults = tuple(
        Problem(error=True, where=f.where, found=f.found, expected=f.expected, action=f.action)
        for f in draft.faults
    )
    if draft.document is None:
        return faults
    problems = Problems(draft.document, broken=draft.broken, whole=not faults)
    return (*faults, *_inspect(problems).problems)


def inspect_document(document: Document) -> Report:
    """Everything that is wrong or odd about a document, in the order of its parts."""
    return _inspect(Problems(document))


def _inspect(problems: Problems) -> Report:
    for error in problems.contexts.errors:
        problems.caught(error)
    check_names(problems)
    check_facts(problems)
    check_deadlines(problems)
    rules = RuleCheck(problems)
    rules.check()
    check_terms(problems)
    check_times_owed(problems)
    check_prose(problems)
    if problems.whole:
        check_use(problems)
    return Report(
        problems=tuple(problems.found),
        contexts=problems.contexts,
        conditions=rules.conditions,
        cost=rules.costs.life,
    )
