"""Contracts evaluated again by an audit: recorded decisions that the rules do not give are named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contracts.audit import AgreementAudit, audit_agreement
from contracts.decision import decision_body, evaluate
from contracts.records import NOTHING_OUTSIDE, Position, Record


@dataclass
class Held:
    """What an auditor holds of one agreement."""

    held: list[Record]
    all_counting: bool = True

    def records(self, agreement: bytes) -> Iterable[Record]:
        return self.held

    def tick(self, timekeeper: str, after: Position | None, due_ms: int) -> Record | None:
        return None

    def find(self, leaf_hash: bytes) -> Record | None:
        return None

    def lacks_counting(self, timekeeper: str) -> bool:
        return not self.all_counting


@pytest.fixture
def delivered(story: Any) -> Any:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60.5"})
    told.count(fact, told.confirm("corner", fact))
    return told


def decided(told: Any, organization: str, **changed: Any) -> Record:
    """The decision as this organization records it."""
    agreement = told.fold()
    (decision,) = evaluate(agreement, lambda origin, seq: True).decisions
    body = {**decision_body(agreement, decision), **changed}
    like: Record = next(record for record in told.records if record.kind == "fact")
    leaf = organization.encode().ljust(32, b"=")
    origin = f"{organization}/{like.origin.partition('/')[2]}"
    return replace(
        like, kind="decision", body=body, origin=origin, organization=organization, seq=900, leaf_hash=leaf
    )


def audit(told: Any, *decisions: Record, without: str = "", all_counting: bool = True) -> AgreementAudit:
    held = [record for record in told.records if record.kind != without]
    name = told.fold().contract.agreement
    return audit_agreement(name, Held([*held, *decisions], all_counting), NOTHING_OUTSIDE)


def test_decisions_that_the_rules_give_hold(delivered: Any) -> None:
    found = audit(delivered, decided(delivered, "roast"), decided(delivered, "corner"))
    assert (found.decisions, found.findings, found.unchecked) == (2, (), ())


def test_a_decision_with_another_outcome_is_named(delivered: Any) -> None:
    wrong = decided(delivered, "roast", outcome=bytes(32))
    found = audit(delivered, wrong, decided(delivered, "corner"))
    assert [(f.code, f.log, f.position, f.signer) for f in found.findings] == [
        ("decision-differs", wrong.origin, 900, wrong.origin)
    ]


def test_a_decision_of_a_rule_that_has_not_fired_is_named(delivered: Any) -> None:
    found = audit(delivered, decided(delivered, "roast", rule="never"))
    assert [f.code for f in found.findings] == ["decision-differs"]


def test_what_is_not_all_here_could_not_be_checked(delivered: Any) -> None:
    found = audit(delivered, decided(delivered, "roast"), without="confirm")
    assert found.findings == ()
    assert [item.count for item in found.unchecked] == [1]


def test_nobody_is_accused_where_a_statement_of_the_timekeeper_is_missing(delivered: Any) -> None:
    found = audit(delivered, decided(delivered, "roast"), without="counted", all_counting=False)
    assert found.findings == ()
    assert [item.count for item in found.unchecked] == [1]
    accused = audit(delivered, decided(delivered, "roast"), without="counted")
    assert [f.code for f in accused.findings] == ["decision-differs"]


def test_decisions_that_hold_are_checked_also_where_statements_of_the_timekeeper_are_missing(
    delivered: Any,
) -> None:
    found = audit(delivered, decided(delivered, "roast"), all_counting=False)
    assert (found.decisions, found.findings, found.unchecked) == (1, (), ())


def test_parties_that_differ_are_named_also_where_not_all_is_here(delivered: Any) -> None:
    other = decided(delivered, "corner", outcome=bytes(32))
    found = audit(delivered, decided(delivered, "roast"), other, without="confirm")
    assert [f.code for f in found.findings] == ["decision-parties"]


def test_an_agreement_without_its_document_could_not_be_checked(delivered: Any) -> None:
    found = audit(delivered, decided(delivered, "roast"), without="agreement.propose")
    assert found.findings == ()
    assert len(found.unchecked) == 1
