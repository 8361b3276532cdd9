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


def test_only_what_can_make_it_hold_is_missing(story: Any) -> None:
    """Force majeure would not make anything due: it is no reason to wait for in the third condition."""
    told = late_delivery(story)
    told.count(told.state("dart", "delivered", {"at": "2019-01-19T03:24:00Z"}))
    assert [text.partition(":")[0] for text in explain(told.fold(), "penalty").missing] == [
        "force_majeure",
        "claims",
    ]
    assert [text.partition(":")[0] for text in explain(told.fold(), "quit").missing] == []


def test_a_rule_that_can_no_longer_fire_says_why(story: Any) -> None:
    told = late_delivery(story)
    told.count(told.state("dart", "delivered", {"at": "2019-01-19T03:24:00Z"}))
    explanation = explain(told.fold(), "quit")
    assert explanation.never == (
        "nothing that may still come makes this hold: “delivered” has not been recorded in time"
    )
    assert explanation.missing == ()
    late = late_delivery(story)
    late.tick(1_600_000_000_000)
    assert explain(late.fold(), "closed").never.endswith("; delivered: absent for ever, window has closed")
    assert explain(late.fold(), "closed").missing == ()


def test_a_rule_that_can_still_fire_does_not_say_so(story: Any) -> None:
    told = late_delivery(story)
    for rule in ("penalty", "quit", "closed"):
        explanation = explain(told.fold(), rule)
        assert (explanation.never, bool(explanation.missing)) == ("", True)


def test_the_end_of_the_agreement_ends_what_its_rules_wait_for(story: Any) -> None:
    told = late_delivery(story)
    told.count(told.state("dart", "delivered", {"at": "2019-01-05T00:00:00Z"}))
    assert explain(told.fold(), "penalty").never == "the agreement has ended (fulfilled)"


MOST = (
    "contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
    "facts: {f: {by: [a], max: 2, fields: {n: integer}}, g: {by: [b]}}\n"
    "lets: {big: 'sum(f, f.n) > 5'}\n"
    "rules: [{name: r, when: big and exists(g), then: [{state: big}]}]\n"
)


@pytest.mark.parametrize(("second", "never"), [("2", True), ("5", False)])
def test_what_has_counted_as_often_as_it_may_brings_nothing_more(
    story: Any, second: str, never: bool
) -> None:
    told = story(parse_contract_yaml(MOST.encode()))
    told.sign_all()
    told.count(told.state("acme", "f", {"n": "3"}))
    assert explain(told.fold(), "r").missing[0].startswith("f: not stated once more; acme")
    told.count(told.state("acme", "f", {"n": second}))
    explanation = explain(told.fold(), "r")
    assert bool(explanation.never) is never
    assert [text.partition(":")[0] for text in explanation.missing] == ([] if never else ["g"])


def test_a_fact_stated_in_time_may_still_be_confirmed(story: Any) -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a], confirm: [b], state_before: d}}\n"
        b'params: {t: {instant: "2026-03-01T00:00:00Z"}}\ndeadlines: {d: {at: t}}\n'
        b"rules: [{name: r, when: exists(f), then: [{state: x}]}]\n"
    )
    told = story(document)
    told.sign_all()
    told.count(told.state("acme", "f"))
    told.tick(2_000_000_000_000)
    explanation = explain(told.fold(), "r")
    assert explanation.never == ""
    assert explanation.missing == ("f: stated by acme; waits for bolt (b) to confirm it",)


def test_what_holds_and_cannot_be_calculated_says_so(story: Any) -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a], fields: {n: integer}}}\n"
        b"rules:\n"
        b"  - {name: r, when: exists(f), then: [{due: {from: a, to: b, amount: 'money(1, EUR) / f.n'}}]}\n"
    )
    told = story(document)
    told.sign_all()
    told.count(told.state("acme", "f", {"n": "0"}))
    explanation = explain(told.fold(), "r")
    assert explanation.holds
    assert "division by zero" in explanation.trouble


def test_lets_that_double_are_explained_at_once(story: Any) -> None:
    lets = ", ".join(f"l{n}: l{n + 1} + l{n + 1}" for n in range(40))
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a], fields: {n: integer}}}\n"
        + f"lets: {{{lets}, l40: f.n}}\n".encode()
        + b"rules: [{name: r, when: exists(f) and l0 > 7, then: [{state: x}]}]\n"
    )
    told = story(document)
    told.sign_all()
    assert explain(told.fold(), "r").missing == ("f: not stated; acme (a) may state it",)
