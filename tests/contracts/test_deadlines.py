"""Deadlines: when they are fixed, when they close, and that absence is final then and never before."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.course import EXISTS, LATE, REFUSED
from contracts.values import Instant, format_value, parse_value

DAY_MS = 86_400_000
PROOF = bytes(range(32))


def ms(text: str) -> int:
    value = parse_value("instant", text, "test")
    assert isinstance(value, Instant)
    return value.ms


AGREED = ms("2019-01-11T03:24:00Z")
WINDOW_CLOSES = AGREED + 18 * DAY_MS
CLAIMS_CLOSE = AGREED + 33 * DAY_MS


def late_delivery(story: Any) -> Any:
    """In force just before the goods are due."""
    told = story("late-delivery")
    told.now_ms = AGREED - DAY_MS
    proposal = told.propose("acme")
    told.count(
        told.sign(proposal, "seller", "s"),
        told.sign(proposal, "buyer", "b1"),
        told.sign(proposal, "buyer", "b2"),
        told.sign(proposal, "carrier", "c"),
        told.sign(proposal, "timekeeper", "t"),
    )
    return told


def deliver(told: Any, at: str) -> Any:
    return told.state("dart", "delivered", {"at": at}, time_ms=ms(at))


def effects(told: Any) -> dict[str, Any]:
    return {d.firing.rule: d.firing.effects for d in told.evaluate().decisions}


CASES = [
    ("2019-01-11T03:24:00Z", None, False, "fulfilled"),
    ("2019-01-16T21:34:00Z", "63.00 USD", False, None),
    ("2019-01-12T03:24:00Z", "10.50 USD", False, None),
    ("2019-01-12T03:24:01Z", "21.00 USD", False, None),
    (None, "110.00 USD", True, None),
]


@pytest.mark.parametrize(("at", "penalty", "may_terminate", "state"), CASES)
def test_the_design_s_example(
    story: Any, at: str | None, penalty: str | None, may_terminate: bool, state: str | None
) -> None:
    told = late_delivery(story)
    if at is not None:
        told.count(deliver(told, at), time_ms=ms(at) + 1000)
    told.tick(WINDOW_CLOSES)
    told.tick(CLAIMS_CLOSE)
    evaluation = told.evaluate()
    assert [due.amount for due in evaluation.dues] == ([penalty] if penalty else [])
    assert any(o.act == "terminate" for o in evaluation.obligations) is may_terminate
    assert evaluation.state == state


@pytest.mark.parametrize(("after_tick", "status"), [(False, EXISTS), (True, LATE)])
def test_one_entry_before_or_after_the_closing_decides(story: Any, after_tick: bool, status: str) -> None:
    told = late_delivery(story)
    fact = deliver(told, "2019-01-20T00:00:00Z")
    if not after_tick:
        told.count(fact, time_ms=WINDOW_CLOSES)
    told.tick(WINDOW_CLOSES)
    if after_tick:
        told.count(fact, time_ms=WINDOW_CLOSES)
    (view,) = told.fold().facts
    assert view.status == status
    assert ("quit" in effects(told)) is after_tick


def test_a_tick_before_the_grace_is_over_closes_nothing(story: Any) -> None:
    told = late_delivery(story)
    told.tick(WINDOW_CLOSES - 1)
    assert told.fold().deadlines[1].closed is None
    assert effects(told) == {}
    told.tick(WINDOW_CLOSES)
    assert list(effects(told)) == ["quit"]


def test_absence_is_never_undone(story: Any) -> None:
    told = late_delivery(story)
    told.tick(WINDOW_CLOSES)
    before = told.evaluate().decisions
    told.count(deliver(told, "2019-01-12T00:00:00Z"), time_ms=WINDOW_CLOSES + 5)
    assert told.evaluate().decisions == before


def test_a_confirmation_after_the_closing_is_late(story: Any) -> None:
    told = late_delivery(story)
    claim = told.state("acme", "force_majeure", attachments=[PROOF], time_ms=AGREED)
    told.count(claim, time_ms=AGREED + 1)
    told.tick(CLAIMS_CLOSE)
    told.count(told.confirm("bolt", claim), time_ms=CLAIMS_CLOSE + 1)
    (view,) = told.fold().facts
    assert view.status == LATE


def test_confirmed_force_majeure_in_time_owes_nothing(story: Any) -> None:
    told = late_delivery(story)
    claim = told.state("acme", "force_majeure", attachments=[PROOF], time_ms=AGREED)
    told.count(claim, told.confirm("bolt", claim), time_ms=AGREED + 1)
    told.tick(CLAIMS_CLOSE)
    assert told.evaluate().dues == ()


def test_a_fact_without_its_attachment_has_no_effect(story: Any) -> None:
    told = late_delivery(story)
    told.state("acme", "force_majeure", time_ms=AGREED)
    agreement = told.fold()
    assert agreement.facts == ()
    assert "attachments" in agreement.remarks[0].text


def test_a_tick_that_closes_nothing_may_be_left_out(story: Any) -> None:
    told = late_delivery(story)
    idle = [told.tick(AGREED + day * DAY_MS) for day in range(5)]
    told.tick(WINDOW_CLOSES)
    everything = told.replay()
    needed = told.replay(*(record for record in told.records if record not in idle))
    assert everything.course.evaluator.firings == needed.course.evaluator.firings
    assert everything.next_due == needed.next_due == CLAIMS_CLOSE


def test_a_counted_entry_between_ticks_may_lie_before_an_idle_tick_in_time(story: Any) -> None:
    """A tick that closes nothing does not move the time of the agreement either."""
    told = late_delivery(story)
    told.tick(AGREED + DAY_MS)
    told.count(deliver(told, "2019-01-11T03:24:00Z"), time_ms=AGREED)
    assert told.fold().facts[0].status == EXISTS


def test_a_deadline_relative_to_a_fact_is_not_backdated(story: Any) -> None:
    """The order says that it was placed long ago; its window begins when it was counted."""
    told = story("orders")
    told.sign_all()
    order = told.state("bolt", "ordered", {"order": "a", "pieces": "3", "at": "2001-01-01T00:00:00Z"})
    counted = told.count(order)
    (deadline,) = told.fold().deadlines
    assert deadline.at.ms == counted.time_ms + 2 * DAY_MS
    assert (deadline.name, deadline.key) == ("window", "a")


def test_each_value_of_a_key_has_its_own_rule_and_deadline(story: Any) -> None:
    told = story("orders")
    told.sign_all()
    for name in ("a", "b"):
        told.count(told.state("bolt", "ordered", {"order": name, "pieces": "3"}))
    told.count(told.state("acme", "refused", {"order": "a"}))
    told.tick(told.now_ms + 3 * DAY_MS)
    assert [(d.firing.rule, d.key) for d in told.evaluate().decisions] == [("accepted", "b")]


def test_what_is_paid_is_discharged_under_its_key_alone(story: Any) -> None:
    told = story("orders")
    told.sign_all()
    for name in ("a", "b"):
        delivered = told.state("acme", "delivered", {"order": name})
        ordered = told.state("bolt", "ordered", {"order": name, "pieces": "3"})
        told.count(ordered, delivered, told.confirm("bolt", delivered))
    paid = told.state("bolt", "paid", {"order": "b"})
    told.count(paid, told.confirm("acme", paid))
    assert [(due.key, due.amount, due.standing) for due in told.evaluate().dues] == [
        ("a", "15.00 EUR", "open"),
        ("b", "15.00 EUR", "met"),
    ]


def test_a_statement_does_not_count_where_its_condition_does_not_hold(story: Any) -> None:
    told = story("orders")
    told.sign_all()
    told.count(told.state("acme", "refused", {"order": "a"}))
    (view,) = told.fold().facts
    assert view.status == REFUSED
    assert "exists(ordered)" in view.reason


def test_a_decision_on_absence_rests_on_the_tick(story: Any) -> None:
    told = late_delivery(story)
    tick = told.tick(WINDOW_CLOSES)
    (decision,) = told.evaluate().decisions
    assert decision.firing.rests_on == (tick.leaf_hash,)
    assert decision.firing.moment.position == tick.position
    assert format_value(decision.firing.moment.instant) == "2019-01-29T03:24:00Z"
