"""How agreements end, are put right, and are handed over to another timekeeper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import ENDED, IN_FORCE, PROPOSED, fold_agreement
from contracts.reading import parse_contract_yaml
from contracts.records import Outside, Position, Record
from contracts.replay import Replay
from contracts.statements import check_statement
from ledger.errors import TallyError

HEAD = "a head of port"


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


def test_a_correction_for_another_decision_has_no_effect(story: Any) -> None:
    told, _ = delivered(story)
    told.count(end(told, "correction", "acme", decision=bytes(32), effects=[], text=""))
    assert told.evaluate().dues[0].amount == "11.98 USD"


# Another timekeeper


def replaced(told: Any, size: int, records: list[Record] | None = None) -> Replay:
    def head(note: str, organization: str, time_ms: int) -> Position | None:
        return (f"port/{'0123456789abcdef'}", size) if note == HEAD else None

    outside = Outside(head=head, enough=lambda before, organizations, time_ms: False)
    replay = Replay(told.replay().contract, outside=outside)
    replay.learn(*(told.records if records is None else records))
    return replay


def hand_over(told: Any, organization: str, term: int = 1) -> Record:
    return end(told, "timekeeper.replace", organization, head=HEAD, term=term, timekeeper="acme")


def test_a_silent_timekeeper_is_replaced_by_all_parties(story: Any) -> None:
    told = in_force(story)
    fact = told.state("bolt", "delivery", {"accepted": "true"})
    said = [hand_over(told, "acme"), hand_over(told, "bolt")]
    told.count(*said, organization="acme")
    told.count(fact, organization="acme")
    replay = replaced(told, told.lengths["port/0123456789abcdef"] + 1)
    assert replay.timekeeper == "acme"
    assert [firing.rule for firing in replay.course.evaluator.firings] == ["payment"]
    assert replaced(told, 0, told.records[::-1]).timekeeper == "acme"


def test_one_party_alone_replaces_nobody(story: Any) -> None:
    told = in_force(story)
    told.count(hand_over(told, "bolt"), organization="acme")
    assert replaced(told, 99).timekeeper == "port"


def test_the_head_that_a_party_named_is_the_one_to_name(story: Any) -> None:
    told = in_force(story)
    assert replaced(told, 2).stated_for("acme") is None
    hand_over(told, "hub")
    assert replaced(told, 2).stated_for("acme") is None  # no party
    said = hand_over(told, "bolt")
    assert replaced(told, 2).stated_for("acme") == (said, (f"port/{'0123456789abcdef'}", 2))
    assert replaced(told, 2).stated_for("hub") is None


def test_a_head_that_cannot_be_checked_stands_behind_one_that_can(story: Any) -> None:
    told = in_force(story)
    forged = end(told, "timekeeper.replace", "acme", head="forged", term=1, timekeeper="acme")
    assert replaced(told, 2).stated_for("acme") == (forged, None)
    said = hand_over(told, "bolt")
    found = replaced(told, 2).stated_for("acme")
    assert found is not None
    assert found[0] == said


def test_what_the_old_one_counted_past_the_head_is_void(story: Any) -> None:
    told = in_force(story)
    size = told.lengths["port/0123456789abcdef"] + 1
    told.count(told.state("bolt", "delivery", {"accepted": "true"}))
    assert len(replaced(told, size).course.existing) == 1
    hand_over(told, "acme")
    hand_over(told, "bolt")
    replay = replaced(told, size)
    assert replay.course.existing == []
    assert replay.course.start is not None


@pytest.mark.parametrize("kind", ["agreement.terminate", "correction", "timekeeper.replace"])
def test_no_statement_of_a_stranger_passes(story: Any, kind: str) -> None:
    told, decision = delivered(story)
    bodies: dict[str, dict[str, Any]] = {
        "agreement.terminate": {"party": "buyer", "text": ""},
        "correction": {"decision": decision, "effects": [], "text": ""},
        "timekeeper.replace": {"head": HEAD, "term": 7, "timekeeper": "hub"},
    }
    record = end(told, kind, "mallory", **bodies[kind])
    told.records.pop()
    with pytest.raises(TallyError):
        check_statement(told.replay(), record)
