"""What a rule waits for, in words, at every step of an agreement's life."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.explain import explain
from ledger.errors import MissingError


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
