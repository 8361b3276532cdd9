"""Expressions in words: every construct is told, and params by their values."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.functions import CALENDAR_FUNCTIONS, FUNCTIONS
from contracts.grammar import parse_expression
from contracts.mentions import rule_expressions
from contracts.operations import MODES
from contracts.phrases import Item, Phrases, listed, quoted
from contracts.reading import parse_contract_yaml
from contracts.syntax import Place
from contracts.vocabulary import CALLS, ROUNDED

DOCUMENT = """
contract: 1
name: said
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  value: {money: 200.00 USD}
  rate: {decimal: 0.105}
  step: {integer: 2}
  agreed: {instant: "2019-01-11T03:24:00Z"}
  day: {date: 2019-01-31}
  grade: {enum: good, of: [good, fair]}
calendars: {work: {weekend: [sunday], zone: "+01:00", until: 2030-12-31}}
bands: {steps: {of: decimal, gives: decimal, rows: [{to: 1, value: 0}, {from: 1, value: 2}]}}
text: "{rate:%} of {value} by {step}, {agreed}, {day}, {grade}."
facts:
  delivered: {by: [seller], before: window, fields: {kilos: decimal, whole: boolean}}
  force_majeure: {by: [seller], confirm: [buyer]}
  paid: {by: [buyer], max: 9, fields: {amount: {money: USD}}}
deadlines:
  window: {at: agreed + days(15), grace: days(3)}
  reply: {at: force_majeure.at + days(2)}
lets:
  late: ceil_days(agreed, delivered.at)
rules: []
"""
PHRASES = Phrases(parse_contract_yaml(DOCUMENT.encode(), "said"))

SAID = {
    "exists(delivered)": "“delivered” has been recorded in time",
    "exists(force_majeure)": "“force majeure” has been recorded and confirmed",
    "not exists(force_majeure)": "“force majeure” has not been recorded and confirmed",
    "exists(reply)": "the deadline “reply” is fixed",
    "window.passed": "the deadline “window” has passed (from 2019-01-29 03:24:00 UTC on)",
    "not window.passed": "the deadline “window” has not passed",
    "window.at": "the deadline “window” (2019-01-26 03:24:00 UTC)",
    "not delivered.whole": "“delivered” says no to “whole”",
    "delivered.whole": "“delivered” says yes to “whole”",
    "late == 0": "“late” is 0 days",
    "1 >= late": "1 day is at least “late”",
    "not late > 3": "“late” is at most 3 days",
    "not (late > 3 or exists(delivered))": "it is not so that (“late” is more than 3 days or “delivered” has "
    "been recorded in time)",
    "delivered.at <= agreed": "the time at which, by what was stated, “delivered” happened is not after "
    "“agreed” (2019-01-11 03:24:00 UTC)",
    "delivered.counted": "the time at which the timekeeper counted “delivered”",
    "force_majeure.confirmed": "the time at which the timekeeper counted the confirmation of “force majeure”",
    "min(value * rate, value * late)": "the smaller of 21.00 USD (200.00 USD × 10.5%) and 200.00 USD × "
    "“late”",
    "min(agreed + days(1), delivered.at)": "the earlier of 2019-01-12 03:24:00 UTC (“agreed” + 1 day) and "
    "the time at which, by what was stated, “delivered” happened",
    "value * rate * late / step": "200.00 USD × 10.5% × “late” ÷ 2",
    "value - (value - value * late)": "200.00 USD − (200.00 USD − 200.00 USD × “late”)",
    "value * rate": "200.00 USD × 10.5%, that is 21.00 USD",
    "-(value * late)": "−(200.00 USD × “late”)",
    "days(15)": "15 days",
    "agreed + days(step)": "“agreed” (2019-01-11 03:24:00 UTC) + 2 days, that is 2019-01-13 03:24:00 UTC",
    'grade == "good"': "“good” is “good”",
    "if(exists(delivered), value, money(0, USD))": "200.00 USD if “delivered” has been recorded in time, and "
    "otherwise nothing (0.00 USD)",
    "min(value, value * late)": "the smaller of 200.00 USD and 200.00 USD × “late”",
    "max(agreed, delivered.at, window.at)": "the latest of “agreed” (2019-01-11 03:24:00 UTC), the time at "
    "which, by what was stated, “delivered” happened and the deadline “window” (2019-01-26 03:24:00 UTC)",
    "round(value * late, 2, half_even)": "200.00 USD × “late”, rounded to cents, half a cent going to "
    "the even cent",
    "round(value * late, 1, half_up)": "200.00 USD × “late”, rounded to 1 decimal, a half counting as a full "
    "one",
    "round(delivered.kilos, 2, up)": "the kilos of “delivered”, rounded to 2 decimals, a part counting as a "
    "full one",
    "round(value / value * delivered.kilos, 0, down)": "200.00 USD ÷ 200.00 USD × the kilos of "
    "“delivered”, rounded to a whole number, a part counting as nothing",
    "count(paid)": "the number of “paid”",
    "count(paid where paid.amount > value)": "the number of “paid” of which the amount of “paid” is more "
    "than 200.00 USD",
    "sum(all paid, paid.amount)": "the sum of the amount of “paid” over every “paid” (whatever its key)",
    "running(paid, value, balance - paid.amount)": "a value that begins at 200.00 USD and after each “paid” "
    "becomes what it was before − the amount of “paid”",
    "band(steps, delivered.kilos)": "what the table “steps” gives for the kilos of “delivered”",
    "business_days(agreed, delivered.at, work)": "the number of business days (of the calendar “work”) after "
    "“agreed” (2019-01-11 03:24:00 UTC) up to the time at which, by what was stated, “delivered” "
    "happened",
    "exists(delivered) and late == 0 or window.passed": "“delivered” has been recorded in time and “late” is "
    "0 days or the deadline “window” has passed (from 2019-01-29 03:24:00 UTC on)",
    "exists(delivered) and (late == 0 or window.passed)": "“delivered” has been recorded in time and (“late” "
    "is 0 days or the deadline “window” has passed (from 2019-01-29 03:24:00 UTC on))",
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), SAID.items(), ids=list(SAID))
def test_an_expression_is_told(text: str, words: str) -> None:
    assert PHRASES.tell(parse_expression(text, Place(label="test"))) == words


def test_every_function_has_its_words() -> None:
    told = {name for name, _ in CALLS} | {"if", "min", "max", "round"}
    assert told == {*FUNCTIONS, *CALENDAR_FUNCTIONS, "band"}


def test_every_expression_of_the_examples_is_told_without_code(documents: Path) -> None:
    for path in sorted(documents.rglob("*.yaml")):
        document = parse_contract_yaml(path.read_bytes(), path.name)
        phrases = Phrases(document)
        expressions = [*document.lets.values()]
        expressions += [each for rule in document.rules for each in rule_expressions(rule)]
        for expression in expressions:
            said = phrases.tell(expression)
            assert said.count("(") == said.count(")"), said
            assert not set("_=<>*/{}") & set(said.replace("“", "").replace("”", "")), said


def test_a_condition_is_taken_apart_where_all_must_hold() -> None:
    condition = parse_expression("exists(delivered) and (late == 0 or window.passed)", Place(label="test"))
    assert PHRASES.conditions(condition) == (
        Item("“delivered” has been recorded in time"),
        Item(
            "at least one of these:",
            ("“late” is 0 days", "the deadline “window” has passed (from 2019-01-29 03:24:00 UTC on)"),
        ),
    )


def test_lists_and_names_read_as_people_write_them() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
    assert quoted("force_majeure") == "“force majeure”"


def test_a_value_that_stands_by_itself_tells_its_alternatives_without_brackets() -> None:
    text = "if(exists(delivered), money(0, USD), if(late > 3, value + value * rate, money(0, USD)))"
    told = PHRASES.alternatives(parse_expression(text, Place(label="test")))
    assert told == (
        "if “delivered” has been recorded in time: nothing (0.00 USD)",
        "if “late” is more than 3 days: 221.00 USD (200.00 USD + 200.00 USD × 10.5%)",
        "otherwise: nothing (0.00 USD)",
    )


def test_a_calculation_on_one_of_two_values_is_told_as_one_of_two_calculations() -> None:
    text = "days(agreed, if(exists(delivered), delivered.at, window.at))"
    told = PHRASES.alternatives(parse_expression(text, Place(label="test")))
    assert told == (
        "if “delivered” has been recorded in time: the number of whole days from “agreed” (2019-01-11 "
        "03:24:00 UTC) to the time at which, by what was stated, “delivered” happened",
        "otherwise: the number of whole days from “agreed” (2019-01-11 03:24:00 UTC) to the deadline "
        "“window” (2019-01-26 03:24:00 UTC), that is 15 days",
    )


def test_every_way_to_round_has_its_words() -> None:
    assert set(ROUNDED) == set(MODES)
