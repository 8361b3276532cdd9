"""Errors of the checker stand where they belong, and tell what can be written there instead."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.checker import inspect_draft
from contracts.grammar import parse_expression
from contracts.problems import Problem
from contracts.reading import draft_contract_yaml
from contracts.syntax import Place, is_same

HEAD = """contract: 1
name: small
parties: {seller: acme, buyer: bolt}
timekeeper: port
params: {price: {money: "9.00 EUR"}, until: {instant: "2026-03-01T00:00:00Z"}, cap: {integer: 5}}
text: "{seller} {buyer} {price} {until} {cap}"
"""


def problems(text: str) -> Sequence[Problem]:
    return inspect_draft(draft_contract_yaml((HEAD + text).encode(), "c"))


def errors(text: str) -> list[Problem]:
    return [problem for problem in problems(text) if problem.error]


# A term that is compared with itself

BACK = """facts:
  back: {by: [seller], per: slip, max: 3, fields: {slip: integer, grams: integer}}
  lone: {by: [seller], fields: {slip: integer}}
rules:
  - {name: r, PER when: "WHEN", then: [{state: s}]}
"""


def back(when: str, per: str = "") -> list[Problem]:
    found = errors(BACK.replace("WHEN", when).replace("PER", f"per: {per}," if per else ""))
    return [problem for problem in found if "compared with itself" in problem.found]


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("exists(lone) and lone.slip == lone.slip", "lone.slip compared with itself"),
        ("exists(lone) and lone.slip + 1 < (lone.slip  + 1)", "lone.slip + 1 compared with itself"),
        ("cap >= cap", "cap compared with itself"),
        ("count(back) != count( back )", "count(back) compared with itself"),
        ("count(back where back.grams > 1) > count(back where back.grams > 1)", None),
        ("count(back where back.slip < back.slip) > 0", "back.slip compared with itself"),
    ],
)
def test_a_term_compared_with_itself_is_an_error(when: str, found: str | None) -> None:
    (problem,) = back(when)
    assert found is None or problem.found == found
    assert "line 11 column" in problem.where
    assert problem.action


@pytest.mark.parametrize(
    "when",
    [
        "exists(lone) and lone.slip == cap",
        "count(back where back.grams > 1) > 3",
        "count(back) * 2 > count(lone) and count(back) > 2",
        "count(back where back.grams < back.slip) > 0",
    ],
)
def test_two_different_terms_are_none(when: str) -> None:
    assert back(when) == []


def test_inside_an_aggregate_it_tells_how_to_mean_the_other_fact() -> None:
    (problem,) = back("count(all back where back.slip < back.slip) > 0", "slip")
    assert "inside the aggregate both mean the back that it looks at" in problem.action
    assert "key of a rule per it" in problem.action
    assert back("exists(lone) and count(all back where back.slip < slip) > 1", "slip") == []


TERMS = st.recursive(
    st.sampled_from(["a", "b", "f.x", "f.y", "1", "2.5", "'a b'", "'ab'", "exists(f)"]),
    lambda below: st.one_of(
        st.tuples(below, st.sampled_from([" + ", "+", " * "]), below).map(lambda p: f"({''.join(p)})"),
        below.map("count(f where {})".format),
        below.map("sum(f, {})".format),
        st.tuples(below, below).map(lambda p: f"sum(f, {p[0]} where {p[1]})"),
        st.tuples(below, below).map(lambda p: f"running(f, {p[0]}, {p[1]})"),
        st.tuples(below, below).map(lambda p: f"min({p[0]}, {p[1]})"),
        below.map("not {}".format).map("({})".format),
    ),
    max_leaves=5,
)


@given(TERMS, TERMS)
def test_terms_are_the_same_if_they_are_written_the_same(one: str, other: str) -> None:
    place = Place(label="c", path=(), mark=None)
    left, right = (parse_expression(text, place).node for text in (one, other))
    assert is_same(left, parse_expression(f"  ({one})", place).node)
    assert is_same(left, right) is (one.replace(" + ", "+") == other.replace(" + ", "+"))


# What contracts cost

COSTLY = """facts:
  began: {by: [buyer]}
  paid: {by: [buyer], max: 9000, fields: {amount: {money: EUR}}}
lets: {late: "sum(paid, if(paid.at < began.at, paid.amount, price))"}
rules:
  - {name: cheap, when: exists(began), then: [{state: begun}]}
  - name: dear
    when: "exists(began) and (WHEN)"
    then: [{state: s}]
"""


@pytest.mark.parametrize(
    ("when", "where"),
    [
        ("sum(paid, if(paid.at < began.at, paid.amount, price)) > price", "c line 14 column 31 "),
        (
            "count(paid) > 1 and sum(paid, if(paid.at < began.at, paid.amount, price)) > price",
            "c line 14 column 51 ",
        ),
        ("late > price", "c line 10 column 15 (lets.late)"),
    ],
)
def test_a_cost_is_told_where_the_dearest_aggregate_stands(when: str, where: str) -> None:
    told = [problem for problem in errors(COSTLY.replace("WHEN", when)) if "a cost of" in problem.found]
    assert [where in problem.where for problem in told] == [True]
    assert "of them here" in told[0].found


def test_a_cost_within_the_limit_is_told_nowhere() -> None:
    text = COSTLY.replace("WHEN", "late > price").replace("9000", "900")
    assert not any("a cost of" in problem.found for problem in errors(text))


def test_a_look_is_told_where_its_dearest_aggregate_stands() -> None:
    when = "sum(paid, if(paid.at < began.at, paid.amount, price) * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2) > price"
    looks = [problem for problem in errors(COSTLY.replace("WHEN", when)) if "a look of" in problem.found]
    assert [problem.where.startswith("c line 14 column 31 ") for problem in looks] == [True]


def test_what_no_aggregate_costs_is_told_at_its_rule() -> None:
    facts = "facts:\n  f: {by: [buyer], per: k, total: 10000, fields: {k: integer}}\n"
    facts += "  g: {by: [buyer], max: 10000, fields: {x: integer}}\n"
    rule = "  - {name: r, per: k, when: exists(f) and count(g) > 1, then: [{state: s}]}\n"
    (problem,) = errors(facts + "rules:\n" + rule)
    assert "a cost of" in problem.found
    assert problem.where == "c line 11 column 5 (rules[0])"


def test_lets_that_double_are_walked_once_for_their_cost() -> None:
    lets = "".join(f"  l{i}: l{i + 1} + l{i + 1}\n" for i in range(40)) + "  l40: sum(paid, paid.amount)\n"
    text = COSTLY.replace("WHEN", "sum(paid, if(paid.at < began.at, paid.amount, price)) > l0")
    begun = time.process_time()
    found = errors(text.replace("lets: {", "lets:\n" + lets + "  ").replace('price))"}', 'price))"'))
    assert time.process_time() - begun < 2.0
    assert any("a cost of" in problem.found for problem in found)


# Zones, commas

CALENDAR = "calendars: {work: {zone: ZONE, until: 2026-12-31}}\nrules: []\n"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "CET", "+1", "1:00", "+01:00:00"])
def test_a_zone_by_name_is_told_how_to_be_written(zone: str) -> None:
    (problem,) = errors(CALENDAR.replace("ZONE", f'"{zone}"'))
    assert problem.found == repr(zone)
    assert "line 7 column 26" in problem.where
    assert 'write "+01:00", or where clocks change a list: [{offset: "+01:00"}, {from: ' in problem.action


def test_a_zone_as_it_is_told_is_read() -> None:
    for zone in ('"+01:00"', '[{offset: "+01:00"}, {from: "2026-03-29T01:00:00Z", offset: "+02:00"}]'):
        assert errors(CALENDAR.replace("ZONE", zone)) == []


CUT = """facts: {delivered: {by: [seller], fields: {kg: decimal}}}
lets: {least: LET}
rules:
  - name: r
    when: exists(delivered)
    then: [{due: {from: buyer, to: seller, amount: AMOUNT, within: days(30)}}]
"""
CUTS = [
    "round(price * delivered.kg, 2, half_up)",
    "if(delivered.kg > 3, max(price, price * 2), price)",
    "min(price, money(2, EUR)) * 2",
]


@pytest.mark.parametrize("text", CUTS)
def test_an_expression_that_a_comma_cuts_is_told_once_and_whole(text: str) -> None:
    (problem,) = errors(CUT.replace("AMOUNT", text).replace("LET", "price"))
    assert "line 12 column" in problem.where
    assert problem.action == f'write amount: "{text}"'
    (problem,) = errors(CUT.replace("AMOUNT", "price").replace("LET", text))
    assert problem.action == f'write least: "{text}"'


@pytest.mark.parametrize("text", CUTS)
def test_as_it_is_told_it_stands(text: str) -> None:
    assert errors(CUT.replace("AMOUNT", f'"{text}"').replace("LET", "price")) == []


def test_a_bracket_that_nothing_closes_is_no_cut() -> None:
    found = errors(CUT.replace("AMOUNT", "round(price * delivered.kg, 2").replace("LET", "price"))
    assert not any("a comma ends it" in problem.found for problem in found)
    assert found


# What may still come

CHANCE = """facts:
  repaired:
    {by: [seller], before: chance, per: failure, max: 2, total: 9, fields: {failure: string, day: date}}
  failed: {by: [buyer], per: failure, total: 9, fields: {failure: string, day: date}}
deadlines: {chance: {at: "failed.counted + days(2)", per: failure}}
rules:
  - {name: r, PER when: "WHEN", then: [{state: s}]}
"""


@pytest.mark.parametrize(
    ("per", "when", "action"),
    [
        ("failure", "exists(failed) and count(repaired) < 2", "write chance.passed and …"),
        (
            "day",
            "exists(until_day) or count(repaired) < 2",
            "make the rule per failure, or give repaired a deadline without `per` under `before`: "
            "chance exists for each failure",
        ),
        (
            "failure",
            "exists(failed) and count(all repaired) < 2",
            "give repaired a deadline without `per` under `before`: chance exists for each failure",
        ),
    ],
)
def test_only_what_the_rule_can_read_is_told_to_be_waited_for(per: str, when: str, action: str) -> None:
    text = CHANCE.replace("PER", f"per: {per},").replace("WHEN", when.replace("exists(until_day) or ", ""))
    told = [problem.action for problem in errors(text) if "depends on the absence" in problem.found]
    assert told == [action]


def test_what_is_told_to_be_waited_for_settles_it() -> None:
    text = CHANCE.replace("PER", "per: failure,")
    assert errors(text.replace("WHEN", "chance.passed and exists(failed) and count(repaired) < 2")) == []


SILENT = """facts: {arrived: {by: [buyer], before: window}, other: {by: [buyer], before: window}}
deadlines: {window: {at: until}}
rules:
  - {name: a, when: window.passed and not exists(arrived), then: [PAY]}
  - {name: b, when: window.passed and not exists(arrived), then: [PAY]}
""".replace("PAY", "{due: {from: seller, to: buyer, amount: price}}")


def test_who_gains_by_silence_is_told_once_for_a_fact() -> None:
    def told(text: str) -> list[str]:
        return [problem.where.split(" (")[1] for problem in problems(text) if " gains " in str(problem)]

    assert told(SILENT) == ["rules[0].when)"]
    both = SILENT.replace(
        "b, when: window.passed and not exists(arrived)", "b, when: window.passed and not exists(other)"
    )
    assert told(both) == ["rules[0].when)", "rules[1].when)"]
