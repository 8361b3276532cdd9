"""The life of an agreement: what counts, when it is in force, and that only counted order matters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.agreement import ENDED, IN_FORCE, PROPOSED, fold_agreement
from contracts.course import EXISTS, NOT_COUNTED, REFUSED, SURPLUS, WAITING
from contracts.decision import evaluate
from contracts.records import Record
from ledger.errors import MissingError

PARTIES_AND_PORT = ("corner", "port", "roast", "wheels")


def delivered(story: Any) -> Any:
    """In force, delivered, confirmed, all of it counted."""
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60.5"})
    told.count(fact, told.confirm("corner", fact))
    return told


def test_a_confirmed_milestone_makes_the_price_due(story: Any) -> None:
    told = delivered(story)
    evaluation = told.evaluate()
    assert [(due.payer, due.payee, due.amount, due.final) for due in evaluation.dues] == [
        ("corner", "roast", "508.20 EUR", True),
        ("corner", "wheels", "35.00 EUR", True),
    ]
    assert evaluation.state == "delivered"


def test_the_firing_instant_is_the_counting_time_of_the_last_entry(story: Any) -> None:
    told = delivered(story)
    (decision,) = told.evaluate().decisions
    assert decision.firing.moment.instant.ms == told.records[-1].time_ms
    assert decision.firing.moment.position == told.records[-1].position


def test_it_is_in_force_only_when_the_last_role_is_counted(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    for role, acts_as in (("roaster", "director"), ("carrier", "driver"), ("shop", "buyer")):
        told.count(told.sign(proposal, role, role, acts_as=acts_as))
        assert told.fold().status == PROPOSED
    told.count(told.sign(proposal, "timekeeper", "harbour"))
    assert told.fold().status == IN_FORCE


def test_a_signature_that_nobody_counted_changes_nothing(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    signature = told.sign(proposal, "roaster", "rosa")
    agreement = told.fold()
    assert agreement.proposals[0].lacking["roaster"] == 1
    assert agreement.countable == (signature.leaf_hash,)


def test_a_person_signs_once(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    told.count(told.sign(proposal, "roaster", "rosa"))
    again = told.sign(proposal, "roaster", "rosa")
    told.count(again)
    (remark,) = told.fold().remarks
    assert remark.leaf_hash == again.leaf_hash
    assert "once" in remark.text


@pytest.mark.parametrize(
    ("role", "more"),
    [
        ("roaster", {"organization": "wheels"}),
        ("shop", {"acts_as": "intern"}),
        ("nobody", {"organization": "roast"}),
        ("roaster", {"audience": ("corner", "roast", "wheels")}),
    ],
)
def test_signatures_that_never_count(story: Any, role: str, more: dict[str, Any]) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    told.count(told.sign(proposal, role, "somebody", **more))
    agreement = told.fold()
    assert not any(agreement.proposals[0].signed.values())
    assert len(agreement.remarks) == 1
    assert agreement.countable == ()


def test_an_offer_lapses(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast", until=told.now_ms + 1500)
    told.count(told.sign(proposal, "roaster", "rosa"))
    agreement = told.fold()
    assert (agreement.status, agreement.reason) == (ENDED, "lapsed")
    assert "lapsed" in agreement.remarks[0].text


def test_a_fact_counted_before_the_agreement_is_in_force_changes_nothing(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.propose("acme")
    fact = told.state("bolt", "delivery", {"accepted": "true"})
    assert told.fold().countable == ()
    told.count(fact)
    told.sign_all()
    (view,) = told.fold().facts
    assert view.status == REFUSED
    assert told.evaluate().decisions == ()


def test_a_fact_that_needs_confirmation_exists_only_once_confirmed(story: Any) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    told.count(fact)
    (view,) = told.fold().facts
    assert (view.status, view.awaiting) == (WAITING, ("shop",))
    confirmation = told.confirm("corner", fact)
    assert told.evaluate().decisions == ()
    told.count(confirmation)
    assert told.fold().facts[0].status == EXISTS


def test_a_confirmation_counted_before_its_fact_counts(story: Any) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    confirmation = told.confirm("corner", fact)
    told.count(confirmation)
    told.count(fact)
    (existing,) = told.fold().existing
    assert existing.entries == (confirmation.leaf_hash, fact.leaf_hash)


@pytest.mark.parametrize(
    ("organization", "person"), [("wheels", "will"), ("roast", "rosa"), ("corner", None), ("stranger", "s")]
)
def test_confirmations_that_never_count(story: Any, organization: str, person: str | None) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    told.count(fact, told.confirm(organization, fact, person))
    assert told.fold().facts[0].status == WAITING
    assert len(told.fold().remarks) == 1


@pytest.mark.parametrize(
    ("organization", "name", "fields"),
    [
        ("roast", "delivered", {"kilograms": "60"}),
        ("wheels", "stolen", {"kilograms": "60"}),
        ("wheels", "delivered", {}),
        ("wheels", "delivered", {"kilograms": "abc"}),
        ("wheels", "delivered", {"kilograms": "49.9"}),
        ("wheels", "delivered", {"kilograms": "60", "colour": "red"}),
        ("wheels", "delivered", {"kilograms": "60", "counted": "2019-01-11T03:24:00Z"}),
        ("wheels", "delivered", {"kilograms": "60", "at": "yesterday"}),
    ],
)
def test_facts_that_never_count(story: Any, organization: str, name: str, fields: dict[str, str]) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state(organization, name, fields)
    assert fact.leaf_hash not in told.fold().countable
    told.count(fact, told.confirm("corner", fact))
    assert told.fold().existing == ()


def test_a_fact_withheld_from_a_party_never_counts(story: Any) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60"}, audience=("port", "roast", "wheels"))
    told.count(fact, told.confirm("corner", fact))
    assert told.fold().existing == ()
    assert any("without corner" in remark.text for remark in told.fold().remarks)


def test_a_fact_for_exactly_the_parties_counts(story: Any) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60"}, audience=("corner", "port", "roast"))
    told.count(fact, told.confirm("corner", fact, audience=PARTIES_AND_PORT), audience=PARTIES_AND_PORT)
    assert len(told.fold().existing) == 1


def test_a_count_withheld_from_a_party_counts_nothing(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.sign_all()
    told.count(told.state("bolt", "delivery", {"accepted": "true"}), audience=("acme", "port"))
    assert told.fold().facts[0].status == NOT_COUNTED


def test_only_the_timekeeper_counts(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.sign_all()
    told.count(told.state("bolt", "delivery", {"accepted": "true"}), organization="acme")
    assert told.fold().facts[0].status == NOT_COUNTED
    assert "port, the timekeeper" in told.fold().remarks[0].text


def test_a_count_with_a_falling_time_counts_nothing_until_counted_again(story: Any) -> None:
    told = story("payment-upon-delivery")
    in_force = told.sign_all()
    fact = told.state("bolt", "delivery", {"accepted": "true"})
    told.count(fact, time_ms=in_force.time_ms - 1)
    assert told.fold().facts[0].status == NOT_COUNTED
    told.count(fact, time_ms=in_force.time_ms)
    assert told.fold().facts[0].status == EXISTS


def test_a_second_demand_is_shown_and_changes_nothing(story: Any) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    first, second = told.state("acme", "demand"), told.state("acme", "demand")
    told.count(first, second)
    assert [view.status for view in told.fold().facts] == [EXISTS, SURPLUS]
    (due,) = told.evaluate().dues
    assert due.amount == "3.14 EUR"


def test_a_wrong_claim_does_not_use_up_the_fact(story: Any) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    wrong = told.state("wheels", "delivered", {"kilograms": "70"})
    right = told.state("wheels", "delivered", {"kilograms": "50"})
    told.count(wrong, right, told.confirm("corner", right))
    assert told.evaluate().dues[0].amount == "420.00 EUR"


def test_the_replay_stops_where_a_counted_entry_is_not_held(story: Any) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    hidden, shown = told.state("acme", "demand"), told.state("acme", "demand")
    told.count(hidden, shown)
    told.records.remove(hidden)
    agreement = told.fold()
    assert agreement.missing == (hidden.leaf_hash,)
    assert agreement.existing == ()
    assert told.evaluate().decisions == ()


def test_a_second_log_of_the_timekeeper_follows_its_first(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.sign_all()
    told.count(told.state("bolt", "delivery", {"accepted": "true"}), log="/2")
    told.count(told.state("bolt", "delivery", {"accepted": "false"}), log="/10")
    assert told.evaluate().state == "due"


def test_records_of_other_agreements_change_nothing(story: Any) -> None:
    told, other = delivered(story), story("payment-upon-delivery")
    other.sign_all()
    before = told.fold()
    assert fold_agreement(told.agreement, [*other.records, *told.records]) == before


def test_without_the_document_nothing_is_known(story: Any) -> None:
    told = delivered(story)
    with pytest.raises(MissingError):
        fold_agreement(told.agreement, told.records[1:])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_order_of_arrival_does_not_matter(story: Any, data: st.DataObject) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    facts = [told.state("wheels", "delivered", {"kilograms": str(50 + i)}) for i in range(3)]
    confirms = [told.confirm("corner", fact) for fact in facts]
    loose = data.draw(st.permutations([*facts, *confirms]))
    cut = data.draw(st.integers(0, len(loose)))
    told.count(*loose[:cut])
    told.count(*loose[cut:])
    arrived: list[Record] = data.draw(st.permutations([*told.records, *told.records[:4]]))
    expected, found = told.fold(), fold_agreement(told.agreement, arrived)
    assert found == expected
    first, second = (evaluate(agreement, lambda origin, seq: True) for agreement in (expected, found))
    assert first == second
    assert len(first.decisions) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_more_of_the_timekeepers_log_never_undoes_a_firing(story: Any, data: st.DataObject) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    stated = [told.state("acme", "demand"), told.state("bolt", "paid"), told.state("acme", "demand")]
    stated.append(told.confirm("acme", stated[1]))
    fired: list[bytes] = []
    for record in data.draw(st.permutations(stated)):
        told.count(record)
        hashes = [decision.hash for decision in told.evaluate().decisions]
        assert hashes[: len(fired)] == fired
        fired = hashes
    assert len(fired) == 2


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_who_holds_less_decides_the_same_or_less(story: Any, data: st.DataObject) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    demands = [told.state("acme", "demand") for _ in range(2)]
    paid = [told.state("bolt", "paid") for _ in range(2)]
    confirms = [told.confirm("acme", fact) for fact in paid]
    told.count(*data.draw(st.permutations([*demands, *paid, *confirms])))
    everything = [decision.hash for decision in told.evaluate().decisions]
    droppable = [record for record in told.records if record.kind not in ("agreement.propose", "counted")]
    dropped = data.draw(st.sets(st.sampled_from(range(len(droppable))), min_size=1))
    hidden = {droppable[index].leaf_hash for index in dropped}
    held = [record for record in told.records if record.leaf_hash not in hidden]
    agreement = fold_agreement(told.agreement, held)
    decided = [decision.hash for decision in evaluate(agreement, lambda origin, seq: True).decisions]
    assert agreement.missing
    assert decided == everything[: len(decided)]


bodies = st.dictionaries(
    st.sampled_from(
        ["agreement", "name", "fields", "fact", "entries", "document", "party", "proposal", "until"]
    ),
    st.one_of(
        st.none(),
        st.integers(),
        st.binary(max_size=40),
        st.text(max_size=20),
        st.lists(st.binary(max_size=33)),
    ),
)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(["fact", "confirm", "counted", "agreement.sign", "decision", "x"]), body=bodies)
def test_no_body_breaks_the_fold(story: Any, kind: str, body: dict[str, Any]) -> None:
    told = delivered(story)
    before = told.fold()
    told.add("corner", kind, body, person="p")
    after = told.fold()
    assert after.existing == before.existing
