"""Clauses come to what Python reckons of their prose: day by day, and part by part of a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.contract import Contract, load_contract
from contracts.decision import Evaluation
from contracts.document import format_document
from contracts.reading import parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import simulate

Play: TypeAlias = Callable[[str, dict[str, Any]], Evaluation]
DAY = timedelta(days=1)
FIRST, LAST = date(2026, 1, 15), date(2027, 1, 15)
PAYABLE = [date(2026 + month // 12, month % 12 + 1, 15) for month in range(1, 13)]
HOLIDAYS = {date(2026, 4, 3), date(2026, 4, 6)}
SUMMER = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))
CLAUSES = ("loan-in-parts", "demurrage-from-notice", "joint-purchase-with-default")
BUYERS = ("first", "second", "third", "fourth", "fifth")


@pytest.fixture(scope="module")
def play(documents: Path) -> Play:
    """Tries a clause's document out."""

    def load(name: str) -> tuple[bytes, Contract]:
        text = (documents / "clauses" / f"{name}.yaml").read_bytes()
        signed = format_document(parse_contract_yaml(text, name))
        return signed, load_contract(signed)

    loaded = {name: load(name) for name in CLAUSES}

    def run(name: str, scenario: dict[str, Any]) -> Evaluation:
        signed, contract = loaded[name]
        read = parse_scenario(json.dumps(scenario).encode(), contract.document)
        evaluation = simulate(contract, signed, read).evaluation
        assert evaluation.failures == ()
        return evaluation

    return run


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def local(at: datetime) -> datetime:
    """What clocks show, as a time without a zone."""
    summer = SUMMER[0] <= at < SUMMER[1]
    return at.replace(tzinfo=None) + timedelta(hours=2 if summer else 1)


def cents(amount: Fraction) -> Fraction:
    """Rounded half up."""
    return Fraction((amount * 100 + Fraction(1, 2)).__floor__(), 100)


def interest(balance: Fraction, since: date, until: date) -> Fraction:
    """Of each day 6 percent of what is open, and 5 of what is above the plan, once a part was payable."""
    found, day = Fraction(0), since
    while day < until:
        payable = sum(due <= day for due in PAYABLE)
        late = max(Fraction(0), balance - (12000 - 1000 * payable)) if payable else 0
        found += (balance * 6 + late * 5) / 36500
        day += DAY
    return cents(found)


seconds = st.integers(0, 364 * 86400 - 1)


@settings(max_examples=15)
@given(payments=st.dictionaries(seconds, st.integers(1, 300_000), max_size=8))
def test_a_loan_bears_interest_day_by_day(play: Play, payments: dict[int, int]) -> None:
    story, balance, last, paid_off = [], Fraction(12000), FIRST, False
    for second, paid in sorted(payments.items()):
        at = datetime(2026, 1, 15, tzinfo=UTC) + timedelta(seconds=second)
        amount = f"{Decimal(paid) / 100:.2f} EUR"
        story.append({"fact": "paid", "at": text(at), "fields": {"amount": amount}, "confirm": text(at)})
        if not paid_off:
            balance += interest(balance, last, local(at).date()) - Fraction(paid, 100)
            last, paid_off = local(at).date(), balance <= 0
    rest = [] if paid_off else [balance + interest(balance, last, LAST)]
    scenario = {"start": "2026-01-15T00:00:00Z", "until": "2027-03-01T00:00:00Z", "story": story}
    dues = [due.amount for due in play("loan-in-parts", scenario).dues]
    assert dues[:12] == ["1000.00 EUR"] * 12
    assert [Fraction(amount.removesuffix(" EUR")) for amount in dues[12:]] == rest


def works(day: date) -> bool:
    return day.weekday() != 6 and day not in HOLIDAYS


def next_working_day(at: datetime) -> datetime:
    at += DAY
    while not works(at.date()):
        at += DAY
    return at


@settings(max_examples=60)
@given(ready=st.integers(0, 25 * 86400), kept=st.integers(0, 30 * 86400), whole=st.booleans())
def test_demurrage_runs_by_working_days_begun(play: Play, ready: int, kept: int, whole: bool) -> None:
    unit = 3600 if whole else 1
    told = datetime(2026, 3, 20, tzinfo=UTC) + timedelta(seconds=ready // unit * unit)
    back = told + timedelta(seconds=kept // unit * unit)
    clock, owed, day = local(told), 0, 0
    if works(clock.date()) and clock.hour < 17:
        clock = max(clock, clock.replace(hour=8, minute=0, second=0))
    else:
        clock = next_working_day(clock.replace(hour=8, minute=0, second=0))
    for _ in range(4):
        clock = next_working_day(clock)
    while clock < local(back):
        day += 1
        owed += 50 if day <= 3 else 80 if day <= 7 else 120
        clock = next_working_day(clock)
    story = [
        {"fact": name, "at": text(at), "fields": {"container": "C1"}}
        for name, at in (("ready", told), ("returned", back))
    ]
    (due,) = play("demurrage-from-notice", {"start": "2026-03-01T00:00:00Z", "story": story}).dues
    assert due.amount == f"{owed}.00 USD"


@settings(max_examples=25)
@given(
    pieces=st.dictionaries(st.sampled_from(BUYERS), st.integers(1, 300), min_size=1),
    paying=st.sets(st.sampled_from(BUYERS)),
)
def test_parts_come_to_the_whole_and_so_does_what_others_carry(
    play: Play, pieces: dict[str, int], paying: set[str]
) -> None:
    paid = sorted(paying & pieces.keys())
    story = [
        {"fact": f"{buyer}_pledge", "at": "2026-03-02T00:00:00Z", "fields": {"pieces": str(count)}}
        for buyer, count in pieces.items()
    ] + [
        {"fact": f"{buyer}_paid", "at": "2026-04-10T00:00:00Z", "confirm": "2026-04-11T00:00:00Z"}
        for buyer in paid
    ]
    scenario = {"start": "2026-03-01T00:00:00Z", "until": "2026-06-15T00:00:00Z", "story": story}
    dues = play("joint-purchase-with-default", scenario).dues
    parts = {due.payer: Decimal(due.amount.removesuffix(" EUR")) for due in dues[: len(pieces)]}
    carried = [Decimal(due.amount.removesuffix(" EUR")) for due in dues[len(pieces) :]]
    count = sum(pieces.values())
    price = Decimal("10.00") if count < 100 else Decimal("9.00") if count < 500 else Decimal("7.45")
    assert sum(parts.values()) == price * count + 100
    organizations = dict(zip(BUYERS, ("bolt", "corner", "dart", "echo", "finca"), strict=True))
    missing = sum(parts[organizations[buyer]] for buyer in pieces.keys() - set(paid))
    assert sum(carried) == (missing if paid else 0)
    assert len(carried) == (len(paid) if missing else 0)
