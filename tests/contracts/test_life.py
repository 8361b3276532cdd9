"""How agreements end, and are put right."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import ENDED, IN_FORCE, PROPOSED, fold_agreement
from contracts.decision import evaluate
from contracts.reading import parse_contract_yaml
from contracts.records import Record
from contracts.statements import check_statement
from ledger.errors import TallyError


def in_force(story: Any, name: str = "payment-upon-delivery") -> Any:
    told = story(name)
    told.sign_all()
    return told


def status(told: Any) -> tuple[str, str]:
    agreement = told.fold()
    return agreement.status, agreement.reason


def end(told: Any, kind: str, organization: str, **body: Any) -> Record:
    record: Record = told.add(organization, kind, {"agreement": told.agreement, **body}, person="ana")
    return record


def test_its_proposer_withdraws_a_proposal(story: Any) -> None:
    told = story("payment-upon-delivery")
    proposal = told.propose("acme")
    record = end(told, "agreement.withdraw", "acme", proposal=proposal.leaf_hash)
    assert status(told) == (PROPOSED, "")
    told.count(record)
    assert status(told) == (ENDED, "withdrawn")


def test_nobody_withdraws_another_s_proposal(story: Any) -> None:
    told = story("payment-upon-delivery")
    proposal = told.propose("acme")
    told.count(end(told, "agreement.withdraw", "bolt", proposal=proposal.leaf_hash))
    assert status(told) == (PROPOSED, "")


def test_a_party_declines_and_nothing_signed_later_counts(story: Any) -> None:
    told = story("payment-upon-delivery")
    proposal = told.propose("acme")
    told.count(end(told, "agreement.decline", "bolt", proposal=proposal.leaf_hash))
    told.count(*(told.sign(proposal, role, role) for role in told.document.sign))
    assert status(told) == (ENDED, "declined")


def test_which_of_signature_and_withdrawal_is_counted_first_decides(story: Any) -> None:
    told = story("payment-upon-delivery")
    proposal = told.propose("acme")
    signatures = [told.sign(proposal, role, role) for role in told.document.sign]
    withdrawal = end(told, "agreement.withdraw", "acme", proposal=proposal.leaf_hash)
    told.count(*signatures, withdrawal)
    assert status(told) == (IN_FORCE, "")


def test_it_ends_when_every_party_has_terminated(story: Any) -> None:
    told = in_force(story)
    told.count(end(told, "agreement.terminate", "acme", party="seller", text=""))
    assert status(told) == (IN_FORCE, "")
    told.count(end(told, "agreement.terminate", "bolt", party="buyer", text=""))
    assert status(told) == (ENDED, "terminated")


def test_after_the_end_no_fact_counts(story: Any) -> None:
    told = in_force(story)
    for name, role in (("acme", "seller"), ("bolt", "buyer")):
        told.count(end(told, "agreement.terminate", name, party=role, text=""))
    told.count(told.state("bolt", "delivery", {"accepted": "true"}))
    assert told.evaluate().dues == ()
    assert "had ended" in told.fold().facts[0].reason


def test_a_new_version_in_force_ends_the_one_before(story: Any, documents: Path) -> None:
    told = in_force(story)
    text = (documents / "payment-upon-delivery.yaml").read_bytes()
    newer = story(parse_contract_yaml(text.replace(b"9.99", b"8.99")))
    newer.lengths, newer.now_ms = told.lengths, told.now_ms
    proposal = newer.propose("acme", replaces=told.agreement)
    records = [*told.records, *newer.records]
    assert fold_agreement(told.agreement, records).status == IN_FORCE
    newer.count(*(newer.sign(proposal, role, role) for role in newer.document.sign))
    records = [*told.records, *newer.records]
    old = fold_agreement(told.agreement, records)
    assert (old.status, old.reason) == (ENDED, "replaced")
    assert fold_agreement(told.agreement, records[::-1]) == old
    assert fold_agreement(newer.agreement, records).status == IN_FORCE


def test_a_new_version_that_fewer_people_sign_leaves_the_one_before_in_force(
    story: Any, documents: Path
) -> None:
    text = (documents / "payment-upon-delivery.yaml").read_bytes()
    strict = text.replace(b"timekeeper:", b"sign: {buyer: 2}\ntimekeeper:")
    told = story(parse_contract_yaml(strict))
    proposal = told.propose("acme")
    told.count(*(told.sign(proposal, role, f"{role}-{n}") for role in told.document.sign for n in (1, 2)))
    newer = story(parse_contract_yaml(text))
    newer.lengths, newer.now_ms = told.lengths, told.now_ms
    proposal = newer.propose("acme", replaces=told.agreement)
    newer.count(*(newer.sign(proposal, role, role) for role in newer.document.sign))
    records = [*told.records, *newer.records]
    assert fold_agreement(newer.agreement, records).status == IN_FORCE
    assert fold_agreement(told.agreement, records).status == IN_FORCE


# Corrections


def delivered(story: Any) -> tuple[Any, bytes]:
    told = in_force(story)
    told.count(told.state("bolt", "delivery", {"accepted": "true"}))
    (decision,) = told.evaluate().decisions
    return told, decision.hash


def due(amount: str, told: Any) -> list[dict[str, Any]]:
    (decision,) = told.evaluate().decisions
    return [
        {**effect, "amount": amount} if effect["kind"] == "due" else dict(effect)
        for effect in decision.firing.effects
    ]


def test_whom_a_correction_disfavours_makes_it_stand(story: Any) -> None:
    told, decision = delivered(story)
    effects = due("10.00 USD", told)
    told.count(end(told, "correction", "bolt", decision=decision, effects=effects, text="too much"))
    assert told.evaluate().dues[0].amount == "11.98 USD"
    told.count(end(told, "correction", "acme", decision=decision, effects=effects, text="too much"))
    (found,) = told.evaluate().decisions
    assert told.evaluate().dues[0].amount == "10.00 USD"
    assert found.correction is not None
    assert found.hash == decision


def test_what_was_corrected_is_final_once_the_correction_is_witnessed_too(story: Any) -> None:
    told, decision = delivered(story)
    record = end(told, "correction", "acme", decision=decision, effects=due("10.00 USD", told), text="")
    told.count(record)
    agreement = told.fold()
    for lacking in agreement.positions[record.leaf_hash]:
        found = evaluate(agreement, partial(_all_but, lacking))
        assert [amount.final for amount in found.dues] == [False]
        assert [each.final for each in found.decisions] == [True]
    assert [amount.final for amount in evaluate(agreement, lambda origin, seq: True).dues] == [True]


def _all_but(lacking: tuple[str, int], origin: str, seq: int) -> bool:
    return (origin, seq) != lacking


def test_a_correction_for_another_decision_has_no_effect(story: Any) -> None:
    told, _ = delivered(story)
    told.count(end(told, "correction", "acme", decision=bytes(32), effects=[], text=""))
    assert told.evaluate().dues[0].amount == "11.98 USD"


@pytest.mark.parametrize("kind", ["agreement.terminate", "correction"])
def test_no_statement_of_a_stranger_passes(story: Any, kind: str) -> None:
    told, decision = delivered(story)
    bodies: dict[str, dict[str, Any]] = {
        "agreement.terminate": {"party": "buyer", "text": ""},
        "correction": {"decision": decision, "effects": [], "text": ""},
    }
    record = end(told, kind, "mallory", **bodies[kind])
    told.records.pop()
    with pytest.raises(TallyError):
        check_statement(told.replay(), record)
