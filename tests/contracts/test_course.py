"""What a fact asks for is computed when it is counted, and again when its last confirmation is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.course import EXISTS, REFUSED, WAITING
from contracts.reading import parse_contract_yaml
from tests.contracts.capped import CAPPED

BROKEN = "sum(claimed, claimed.amount) + claimed.amount <= cap"


def in_force(story: Any) -> Any:
    told = story(parse_contract_yaml(CAPPED))
    told.sign_all()
    return told


def claim(told: Any, amount: int, name: str = "claimed") -> Any:
    return told.state("acme", name, {"amount": str(amount)})


def statuses(told: Any) -> list[tuple[str, str]]:
    return [(view.status, view.reason) for view in told.fold().facts]


def test_of_two_that_wait_and_pass_a_cap_together_only_the_first_confirmed_counts(story: Any) -> None:
    told = in_force(story)
    first, second = claim(told, 6), claim(told, 7)
    told.count(first, second)
    assert [status for status, _ in statuses(told)] == [WAITING, WAITING]
    told.count(told.confirm("bolt", first), told.confirm("bolt", second))
    told.count(told.confirm("dart", second), told.confirm("dart", first))
    assert statuses(told) == [(REFUSED, f"confirmed when this did not hold: {BROKEN}"), (EXISTS, "")]


def test_two_that_stay_below_a_cap_together_both_count(story: Any) -> None:
    told = in_force(story)
    first, second = claim(told, 6), claim(told, 4)
    told.count(first, second)
    told.count(*(told.confirm(who, fact) for fact in (first, second) for who in ("bolt", "dart")))
    assert statuses(told) == [(EXISTS, ""), (EXISTS, "")]


def test_what_is_above_a_cap_when_it_is_counted_waits_for_nobody(story: Any) -> None:
    told = in_force(story)
    told.count(claim(told, 11))
    assert statuses(told) == [(REFUSED, f"counted when this did not hold: {BROKEN}")]


def test_a_fact_that_nobody_confirms_is_asked_once(story: Any) -> None:
    told = in_force(story)
    told.count(claim(told, 9, "hurried"), claim(told, 10, "hurried"))
    assert statuses(told) == [
        (EXISTS, ""),
        (REFUSED, "counted when this did not hold: hurried.amount < cap"),
    ]


def test_confirmations_that_were_counted_first_change_nothing(story: Any) -> None:
    told = in_force(story)
    fact = claim(told, 9)
    told.count(told.confirm("bolt", fact), told.confirm("dart", fact), fact)
    (view,) = told.fold().facts
    assert (view.status, view.reason) == (EXISTS, "")


@given(amounts=st.lists(st.integers(1, 12), min_size=1, max_size=5), data=st.data())
def test_no_order_of_confirmations_breaks_a_cap(story: Any, amounts: list[int], data: st.DataObject) -> None:
    told = in_force(story)
    facts = [claim(told, amount) for amount in amounts]
    told.count(*facts)
    given_by = [(who, fact) for fact in facts for who in ("bolt", "dart")]
    for who, fact in data.draw(st.permutations(given_by)):
        told.count(told.confirm(who, fact))
    views = told.fold().facts
    counted = sum(int(view.fields["amount"]) for view in views if view.status == EXISTS)
    assert counted <= 10
    assert counted or min(amounts) > 10
    assert not any(view.status == WAITING for view in views)


@pytest.mark.parametrize("late", [False, True])
def test_what_lost_is_not_taken_up_again(story: Any, late: bool) -> None:
    told = in_force(story)
    first, second = claim(told, 6), claim(told, 7)
    told.count(first, second)
    told.count(*(told.confirm(who, fact) for fact in (first, second) for who in ("bolt", "dart")))
    told.count(told.confirm("dart", second) if late else told.confirm("bolt", first))
    assert [status for status, _ in statuses(told)] == [EXISTS, REFUSED]
