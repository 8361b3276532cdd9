"""What a rule waits for, in words, at every step of an agreement's life."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.explain import explain
from contracts.reading import parse_contract_yaml
from ledger.errors import InvalidError, MissingError


def test_each_step_says_what_is_missing(story: Any) -> None:
    told = story("payment-upon-demand")
    proposal = told.propose("acme")
    told.count(told.sign(proposal, "seller", "sue"))
    assert explain(told.fold(), "completed").missing == (
        "1 more signature by bolt (buyer)",
        "demand: not stated; acme (seller) may state it",
        "paid: not stated; bolt (buyer) may state it",
    )
    told.count(told.sign(proposal, "buyer", "bob"))
    told.count(told.state("acme", "demand"))
    paid = told.state("bolt", "paid")
    (text,) = explain(told.fold(), "completed").missing
    assert (
        text
        == "paid: stated by bolt; waits for acme (seller) to confirm it and for acme (timekeeper) to count it"
    )
    told.count(paid)
    (text,) = explain(told.fold(), "completed").missing
    assert text == "paid: stated by bolt; waits for acme (seller) to confirm it"


def test_conditions_are_taken_apart(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.sign_all()
    conditions = explain(told.fold(), "refusal").conditions
    assert [(c.text, c.holds) for c in conditions] == [
        ("exists(delivery)", False),
        ("not delivery.accepted", None),
    ]
    fact = told.state("bolt", "delivery", {"accepted": "true"})
    told.count(fact)
    explanation = explain(told.fold(), "refusal")
    assert [(c.text, c.holds, c.entries) for c in explanation.conditions] == [
        ("exists(delivery)", True, (fact.leaf_hash,)),
        ("not delivery.accepted", False, (fact.leaf_hash,)),
    ]
    assert not explanation.holds
    assert explain(told.fold(), "payment").holds


def test_an_unknown_rule_is_an_error(story: Any) -> None:
    told = story("payment-upon-delivery")
    told.sign_all()
    with pytest.raises(MissingError, match="payment, refusal"):
        explain(told.fold(), "nothing")


def late_delivery(story: Any) -> Any:
    """The design's example, in force since 2019-01-01."""
    told = story("late-delivery")
    told.now_ms = 1_546_300_800_000
    proposal = told.propose("acme")
    people = [("seller", "sue"), ("buyer", "bob"), ("buyer", "bea"), ("carrier", "cas")]
    told.count(*(told.sign(proposal, role, person) for role, person in people))
    told.count(told.sign(proposal, "timekeeper", "tim"))
    return told


def test_conditions_are_told_in_words_with_what_they_rest_on(story: Any) -> None:
    told = late_delivery(story)
    told.tick(1_600_000_000_000)
    explanation = explain(told.fold(), "quit")
    assert [condition.words for condition in explanation.conditions] == [
        "the deadline “window” has passed (from 2019-01-29 03:24:00 UTC on)",
        "“delivered” has not been recorded in time",
    ]
    assert explanation.conditions[0].basis[0].startswith("the timekeeper's tick, port, ")
    assert explanation.outcome == ("bolt (buyer) may terminate the agreement",)
    assert explanation.fired is not None


def test_what_is_missing_says_until_when(story: Any) -> None:
    told = late_delivery(story)
    (delivered, *_) = explain(told.fold(), "closed").missing
    assert delivered == (
        "delivered: not stated; dart (carrier) may state it, until window closes at 2019-01-29T03:24:00Z"
    )


def test_a_firing_is_explained_as_it_was_when_it_fired(story: Any) -> None:
    """What was counted later, also further on in the same entry, is no reason for it."""
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a], max: 5}}\n"
        b"rules: [{name: two, when: count(f) >= 2, then: [{state: twice}]}]\n"
    )
    told = story(document)
    told.sign_all()
    facts = [told.state("acme", "f") for _ in range(4)]
    told.count(*facts[:3])
    told.count(facts[3])
    agreement = told.fold()
    (firing,) = agreement.firings
    (condition,) = explain(agreement, "two").conditions
    assert condition.holds
    assert condition.entries == firing.rests_on == tuple(fact.leaf_hash for fact in facts[:2])


def test_a_deadline_that_passed_later_had_not_passed(story: Any) -> None:
    told = late_delivery(story)
    told.count(told.state("dart", "delivered", {"at": "2019-01-05T00:00:00Z"}))
    told.tick(1_600_000_000_000)
    explanation = explain(told.fold(), "closed")
    assert explanation.fired is not None
    assert [condition.holds for condition in explanation.conditions] == [True, True]


def test_a_rule_per_a_field_needs_its_value(story: Any) -> None:
    told = story("orders")
    told.sign_all()
    fact = told.state("bolt", "ordered", {"order": "A7", "pieces": "2"})
    told.count(fact)
    agreement = told.fold()
    explanation = explain(agreement, "delivery", "A7")
    assert [(c.text, c.holds) for c in explanation.conditions] == [
        ("exists(ordered)", True),
        ("exists(delivered)", False),
    ]
    assert explain(agreement, "delivery", "B1").conditions[0].holds is False
    with pytest.raises(InvalidError, match="a value of order: A7"):
        explain(agreement, "delivery")
