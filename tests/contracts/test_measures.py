"""What words know of a value: times, currencies, numbers of days, cents."""

from __future__ import annotations

import pytest

from contracts.grammar import parse_expression
from contracts.measures import Measures
from contracts.reading import parse_contract_yaml
from contracts.syntax import Node, Place

MEASURES = Measures(
    parse_contract_yaml(
        b"""
contract: 1
name: measured
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: 2.00 EUR}
  yen: {money: 5 JPY}
  start: {instant: "2019-01-11T03:24:00Z"}
  pay: {duration: 3 days}
calendars: {work: {zone: Z, until: 2030-12-31}}
bands: {fees: {of: integer, gives: {money: EUR}, rows: [{value: 1 EUR}]}}
facts:
  sold: {by: [seller], max: 9, fields: {amount: {money: USD}, day: date, pieces: integer}}
  came: {by: [seller], fields: {kilos: decimal}}
lets: {late: "ceil_days(start, came.at)", owed: price * came.kilos, charged: "max(late - 2, 0)", again: late}
rules: []
""",
        "m",
    )
)


def node(text: str) -> Node:
    return parse_expression(text, Place(label="test")).node


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("price", "EUR"),
        ("owed", "EUR"),
        ("-owed", "EUR"),
        ("came.kilos * price / 2", "EUR"),
        ("price / price", None),
        ("if(came.kilos > 1, price, owed)", "EUR"),
        ("max(money(0, USD), sum(sold, sold.amount))", "USD"),
        ("round(running(sold, yen, balance), 0, up)", "JPY"),
        ("band(fees, sold.pieces)", "EUR"),
        ("came.kilos", None),
        ("late", None),
    ],
)
def test_the_currency_of_an_amount_is_known_by_its_form(text: str, currency: str | None) -> None:
    assert MEASURES.currency(node(text)) == currency


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("late", "days"),
        ("again", "days"),
        ("charged", "days"),
        ("min(3, late)", "days"),
        ("days(start, came.at)", "days"),
        ("business_days(start, came.at, work) - 2", "business days"),
        ("days(3)", ""),
        ("late * 2", ""),
        ("sold.pieces", ""),
    ],
)
def test_what_counts_days_is_known_by_its_form(text: str, unit: str) -> None:
    assert MEASURES.days(node(text)) == unit


@pytest.mark.parametrize(
    ("text", "is_time"),
    [
        ("start", True),
        ("came.at + pay", True),
        ("came.at - start", False),
        ("sold.day", True),
        ("came.kilos", False),
        ("max(start, came.counted)", True),
        ("date(start, work)", True),
        ("late", False),
    ],
)
def test_times_are_known_by_their_form(text: str, is_time: bool) -> None:
    assert MEASURES.is_time(node(text)) is is_time


@pytest.mark.parametrize(
    ("text", "places", "in_cents"),
    [("price", "2", True), ("price", "1", False), ("yen", "0", False), ("came.kilos", "2", False)],
)
def test_only_the_decimals_that_are_cents_are_told_as_cents(text: str, places: str, in_cents: bool) -> None:
    assert MEASURES.is_in_cents(node(text), places) is in_cents
