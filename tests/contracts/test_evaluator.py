"""Rules fire when they should, and rest on what they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.contract import compute
from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import parse_document
from contracts.values import format_value
from ledger.log.encoding import encode


def test_a_rule_without_facts_fires_when_the_agreement_is_in_force(story: Callable[..., Any]) -> None:
    tree: dict[str, Any] = {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
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
        "language": LANGUAGE_VECTORS,
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


def test_a_rule_per_key_is_looked_at_whenever_a_fact_of_another_key_that_it_reads_comes(
    story: Callable[..., Any],
) -> None:
    tree: dict[str, Any] = {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
        "name": "failures",
        "parties": {"maker": "acme", "owner": "bolt"},
        "timekeeper": "port",
        "facts": {
            "failed": {"by": ["owner"], "per": "day", "max": "2", "total": "20", "fields": {"day": "date"}}
        },
        "lets": {"near": "count(all failed where failed.day >= day and failed.day < day + days(60))"},
        "rules": [
            {"name": "two", "per": "day", "when": "near >= 2", "then": [{"state": "weak"}]},
            {"name": "own", "per": "day", "when": "count(failed) >= 2", "then": [{"state": "odd"}]},
        ],
    }
    told = story(parse_document(encode(tree)))
    told.sign_all()
    for day in ("2026-05-01", "2026-01-10", "2026-03-11", "2026-03-10"):
        told.count(told.state("bolt", "failed", {"day": day}))
    assert [(d.firing.rule, format_value(d.firing.key[1])) for d in told.evaluate().decisions] == [
        ("two", "2026-03-11"),
        ("two", "2026-01-10"),
        ("two", "2026-03-10"),
    ]


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
