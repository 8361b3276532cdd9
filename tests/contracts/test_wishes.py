"""What some parties have said of an agreement and others have not yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.records import Record
from contracts.replay import Replay
from contracts.statements import check_statement
from contracts.wishes import CORRECT, END
from ledger.errors import ConflictError, ForbiddenError


@pytest.fixture
def told(story: Callable[[str], Any]) -> Any:
    """An agreement in force between acme and bolt, in which a delivery made an amount due."""
    found = story("payment-upon-delivery")
    found.sign_all()
    found.count(found.state("bolt", "delivery", {"accepted": "true"}))
    return found


def end(told: Any, organization: str, role: str, text: str = "") -> Record:
    body = {"agreement": told.agreement, "party": role, "text": text}
    record: Record = told.add(organization, "agreement.terminate", body, person="ana")
    return record


def correct(told: Any, organization: str, effects: list[dict[str, Any]]) -> Record:
    (decision,) = told.evaluate().decisions
    body = {"agreement": told.agreement, "decision": decision.hash, "effects": effects, "text": "wrong"}
    record: Record = told.add(organization, "correction", body, person="ana")
    return record


def check(told: Any, record: Record) -> None:
    replay = Replay(told.fold().contract)
    replay.learn(*(each for each in told.records if each is not record))
    check_statement(replay, record)


def test_where_nobody_said_anything_there_is_no_wish(told: Any) -> None:
    assert told.fold().wishes == ()


@pytest.mark.parametrize("counted", [False, True])
def test_who_is_still_to_end_it_is_told_counted_or_not(told: Any, counted: bool) -> None:
    record = end(told, "acme", "seller", "we stop")
    if counted:
        told.count(record)
    (wish,) = told.fold().wishes
    assert (wish.sort, wish.by, wish.lacking, wish.text) == (END, ("acme",), ("bolt",), "we stop")


def test_an_end_that_all_have_said_is_no_wish_any_more(told: Any) -> None:
    told.count(end(told, "acme", "seller"), end(told, "bolt", "buyer"))
    assert told.fold().wishes == ()


def test_who_has_said_the_end_is_refused_a_second_time(told: Any) -> None:
    told.count(end(told, "acme", "seller"))
    with pytest.raises(ConflictError, match="said before"):
        check(told, end(told, "acme", "seller"))
    check(told, end(told, "bolt", "buyer"))


def test_a_correction_of_more_than_amounts_waits_for_every_party(told: Any) -> None:
    record = correct(told, "acme", [{"kind": "notify", "roles": ["buyer"]}])
    told.count(record)
    (wish,) = told.fold().wishes
    assert (wish.sort, wish.by, wish.lacking) == (CORRECT, ("acme",), ("bolt",))
    assert wish.leaf_hash == record.leaf_hash
    with pytest.raises(ConflictError, match="said before"):
        check(told, correct(told, "acme", [{"kind": "notify", "roles": ["buyer"]}]))


def test_a_correction_that_all_have_said_is_no_wish_any_more(told: Any) -> None:
    effects = [{"kind": "notify", "roles": ["buyer"]}]
    told.count(correct(told, "acme", effects))
    told.count(correct(told, "bolt", effects))
    assert told.fold().wishes == ()


def test_what_another_correction_has_overtaken_is_no_wish_any_more(told: Any) -> None:
    first, second = ([{"kind": "notify", "roles": [role]}] for role in ("buyer", "seller"))
    told.count(correct(told, "acme", first), correct(told, "bolt", first))
    told.count(correct(told, "acme", second), correct(told, "bolt", second))
    assert told.fold().wishes == ()


def test_who_would_gain_by_a_correction_is_told_whose_signature_it_takes(told: Any) -> None:
    (decision,) = told.evaluate().decisions
    effects = [
        {**effect, "amount": "1.00 USD"} if effect["kind"] == "due" else dict(effect)
        for effect in decision.effects
    ]
    with pytest.raises(ForbiddenError, match="acme, who would get less or owe more"):
        check(told, correct(told, "bolt", effects))
