"""Expressions and rules give what the frozen vectors say, on every machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.document import parse_document
from contracts.evaluator import Contract, compute, make_contract
from contracts.values import format_value
from ledger.errors import TallyError
from ledger.log.encoding import encode

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "contracts" / "expressions.json").read_bytes()
)


def contract_of(**parts: Any) -> Contract:
    tree = {
        "contract": "1",
        "name": "vectors",
        "parties": {"seller": "acme", "buyer": "bolt"},
        "timekeeper": "port",
        "rules": [],
        **parts,
    }
    return make_contract(parse_document(encode(tree)), bytes(32))


VECTOR_CONTRACT = contract_of(params=VECTORS["params"])


@pytest.mark.parametrize(("text", "value"), VECTORS["values"])
def test_value(text: str, value: str) -> None:
    assert format_value(compute(VECTOR_CONTRACT, text)) == value


@pytest.mark.parametrize(("text", "found"), VECTORS["errors"])
def test_error(text: str, found: str) -> None:
    with pytest.raises(TallyError) as caught:
        compute(VECTOR_CONTRACT, text)
    assert caught.value.found.startswith(found)
    assert caught.value.where.startswith("expression")


@given(
    st.recursive(
        st.sampled_from([*VECTORS["params"], "1", "0", "2.5", "'good'", "days(3)", "money(1, EUR)"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "==", "<", "and", "or"]), inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
            inner.map(lambda part: f"-{part}"),
            inner.map(lambda part: f"not {part}"),
            inner.map(lambda part: f"round({part}, 2, half_up)"),
            st.tuples(inner, inner, inner).map(lambda parts: f"if({', '.join(parts)})"),
            st.tuples(inner, inner).map(lambda parts: f"max({', '.join(parts)})"),
        ),
        max_leaves=8,
    )
)
def test_no_expression_breaks_the_evaluator(text: str) -> None:
    try:
        first = compute(VECTOR_CONTRACT, text)
    except TallyError:
        return
    assert compute(VECTOR_CONTRACT, text) == first


def test_a_rule_without_facts_fires_when_the_agreement_is_in_force(story: Callable[..., Any]) -> None:
    tree: dict[str, Any] = {
        "contract": "1",
        "name": "deposit",
        "parties": {"seller": "acme", "buyer": "bolt"},
        "timekeeper": "port",
        "params": {"deposit": {"money": "50.00 EUR"}},
        "rules": [
            {
                "name": "deposit",
                "when": "true",
                "then": [{"due": {"from": "buyer", "to": "seller", "amount": "deposit"}}],
            }
        ],
    }
    told = story(parse_document(encode(tree)))
    in_force = told.sign_all()
    (decision,) = told.evaluate().decisions
    assert decision.firing.rests_on == ()
    assert decision.firing.moment.position == in_force.position


FACTS = {
    "offer": {"by": ["seller"], "fields": {"amount": "money", "share": "decimal"}},
    "extra": {"by": ["buyer"], "fields": {"amount": "money"}},
}


def ruled(story: Callable[..., Any], when: str, amount: str) -> Any:
    tree: dict[str, Any] = {
        "contract": "1",
        "name": "ruled",
        "parties": {"seller": "acme", "buyer": "bolt"},
        "timekeeper": "port",
        "facts": FACTS,
        "rules": [
            {
                "name": "r",
                "when": when,
                "then": [{"due": {"from": "buyer", "to": "seller", "amount": amount}}],
            }
        ],
    }
    told = story(parse_document(encode(tree)))
    told.sign_all()
    return told


@pytest.mark.parametrize(
    ("amount", "offer", "found"),
    [
        ("offer.amount / offer.share", {"amount": "1 EUR", "share": "0"}, "division by zero in"),
        ("offer.amount + money(1, USD)", {"amount": "1 EUR", "share": "0"}, "EUR and USD in one calculation"),
        ("offer.amount * offer.share", {"amount": "1 EUR", "share": "-1"}, "an amount due of -1.00 EUR"),
        ("offer.amount * offer.share", {"amount": "9 EUR", "share": "9" * 34}, "a result of 10^34 or more"),
    ],
)
def test_what_only_values_show_keeps_the_rule_open(
    story: Callable[..., Any], amount: str, offer: dict[str, str], found: str
) -> None:
    told = ruled(story, "exists(offer)", amount)
    told.count(told.state("acme", "offer", offer))
    evaluation = told.evaluate()
    assert evaluation.decisions == ()
    (failure,) = evaluation.failures
    assert failure.rule == "r"
    assert failure.error.found.startswith(found)
    assert "rules[0].then[0].due.amount column" in failure.error.where


def test_a_firing_rests_only_on_what_it_read(story: Callable[..., Any]) -> None:
    told = ruled(story, "exists(offer) or exists(extra)", "money(1, EUR)")
    extra = told.state("bolt", "extra", {"amount": "1 EUR"})
    offer = told.state("acme", "offer", {"amount": "1 EUR", "share": "1"})
    told.count(extra, offer)
    (decision,) = told.evaluate().decisions
    assert decision.firing.rests_on == (extra.leaf_hash,)


def test_what_a_firing_rests_on_is_in_counting_order(story: Callable[..., Any]) -> None:
    told = ruled(story, "exists(offer) and exists(extra)", "offer.amount + extra.amount")
    extra = told.state("bolt", "extra", {"amount": "1 EUR"})
    offer = told.state("acme", "offer", {"amount": "1 EUR", "share": "1"})
    told.count(extra)
    told.count(offer)
    (decision,) = told.evaluate().decisions
    assert decision.firing.rests_on == (extra.leaf_hash, offer.leaf_hash)


def test_a_fact_has_three_times(story: Callable[..., Any]) -> None:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60", "at": "2019-01-11T03:24:00+01:00"})
    counted = told.count(fact)
    confirmed = told.count(told.confirm("corner", fact))
    agreement = told.fold()
    times = [compute(agreement.contract, f"delivered.{name}", agreement.existing) for name in
             ("at", "counted", "confirmed")]  # fmt: skip
    assert format_value(times[0]) == "2019-01-11T02:24:00Z"
    assert [getattr(moment, "ms", None) for moment in times[1:]] == [counted.time_ms, confirmed.time_ms]
