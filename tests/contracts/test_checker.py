"""What the checker finds, where, before anyone signs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checker import check_document, inspect_document
from contracts.limits import LANGUAGE_VECTORS, MAX_LIFE_COST
from contracts.reading import parse_contract_yaml, parse_document
from ledger.errors import InvalidError, TallyError
from ledger.log.encoding import encode

BASE: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "small",
    "parties": {"seller": "acme", "buyer": "bolt", "carrier": "dart"},
    "timekeeper": "port",
    "params": {
        "price": {"money": "10.00 USD"},
        "fee": {"money": "1.00 EUR"},
        "rate": {"decimal": "0.1"},
        "steps": {"integer": "2"},
        "agreed": {"instant": "2019-01-11T03:24:00Z"},
        "pay": {"duration": "30 days"},
        "grade": {"enum": "good", "of": ["good", "fair"]},
    },
    "text": "{price} {fee} {rate:%} {steps} {agreed} {pay} {grade}",
    "facts": {
        "delivered": {
            "by": ["carrier"],
            "confirm": ["buyer"],
            "fields": {
                "kg": "decimal",
                "value": "money",
                "grade": {"enum": ["good", "fair"]},
                "note": "string",
            },
        },
        "many": {"by": ["seller"], "max": "5", "fields": {"x": "integer"}},
        "paid": {"by": ["buyer"]},
    },
    "rules": [{"name": "go", "when": "exists(delivered)", "then": [{"state": "going"}]}],
}


def rule(when: str, *then: Any) -> dict[str, Any]:
    return {"rules": [{"name": "r", "when": when, "then": list(then) or [{"state": "s"}]}]}


def due(amount: str, when: str = "exists(delivered)", **more: str) -> dict[str, Any]:
    return rule(when, {"due": {"from": "buyer", "to": "seller", "amount": amount, **more}})


def errors(change: dict[str, Any]) -> list[tuple[str, str]]:
    document = parse_document(encode({**BASE, **change}), "c")
    return [(problem.where, problem.found) for problem in inspect_document(document).errors]


@pytest.mark.parametrize(
    "when",
    [
        "exists(delivered)",
        "exists(delivered) and delivered.kg > 3",
        "exists(delivered) and delivered.grade == 'good'",
        "exists(delivered) and delivered.grade != grade",
        "exists(delivered) and delivered.confirmed < agreed + pay",
        "exists(delivered) and not (delivered.kg > 3)",
        "exists(delivered) or exists(paid) and paid.at > agreed",
        "count(many) > 0",
        "true",
        "exists(delivered) and if(delivered.kg > 3, exists(paid), count(many) > 0)",
    ],
)
def test_conditions_that_stand(when: str) -> None:
    assert errors(rule(when)) == []


@pytest.mark.parametrize(
    ("when", "column", "found"),
    [
        ("nothing", 1, "the name 'nothing'"),
        ("delivered", 1, "the fact delivered alone"),
        ("exists(nothing)", 1, "the name 'nothing'"),
        ("exists(price)", 1, "the name 'price'"),
        ("exists(delivered.kg)", 1, "the function 'exists'"),
        ("steps", 0, "a condition that is integer"),
        ("price > steps", 1, "money in USD > integer"),
        ("price == fee", 1, "money in USD == money in EUR"),
        ("price + fee > price", 1, "USD + EUR"),
        ("true and steps + price > price", 10, "integer + money in USD"),
        ("true and 1", 10, "1, which is integer"),
        ("agreed > pay", 1, "instant > duration"),
        ("agreed + agreed > agreed", 1, "instant + instant"),
        ("grade == 'bad'", 10, "'bad'"),
        ("grade < 'good'", 9, "'good'"),
        ("'a' < 'b'", 1, "string < string"),
        ("true < false", 1, "boolean < boolean"),
        ("USD == USD", 1, "the currency USD alone"),
        ("-agreed > agreed", 1, "a minus before instant"),
        ("foo(1) > 2", 1, "the function 'foo'"),
        ("min(1) > 2", 1, "1 arguments"),
        ("min(1, price) > 2", 1, "integer and money in USD"),
        ("round(rate, 2, sideways) > 1", 1, "the mode sideways"),
        ("round(rate, 34, half_up) > 1", 1, "34 places"),
        ("round(rate, 1 + 1, half_up) > 1", 1, "an expression"),
        ("money(1, usd) > price", 1, "usd"),
        ("if(steps, 1, 2) > 1", 1, "a condition that is integer"),
        ("if(true, price, fee) > price", 1, "money in USD and money in EUR"),
        ("exists(delivered) and delivered.colour == 'red'", 23, "the field 'colour'"),
        ("exists(paid) and paid.confirmed > agreed", 18, "the field 'confirmed'"),
        ("count(many) > 0 and many.x > 1", 21, "a field of many, of which 5 count"),
        ("delivered.kg > 3", 1, "delivered is read where it may not exist"),
        ("delivered.kg > 3 and exists(delivered)", 1, "delivered is read where it may not exist"),
        ("exists(delivered) or delivered.kg > 3", 1, "delivered is read where it may not exist"),
        ("not exists(paid)", 5, "what follows depends on the absence of paid"),
        ("exists(delivered) and not exists(paid)", 27, "what follows depends on the absence of paid"),
        ("exists(paid) == false", 1, "what follows depends on the absence of paid"),
        ("if(exists(paid), false, true)", 4, "what follows depends on the absence of paid"),
    ],
)
def test_conditions_that_do_not(when: str, column: int, found: str) -> None:
    place = f"c rules[0].when column {column}" if column else "c rules[0].when"
    assert (place, found) in errors(rule(when))


@pytest.mark.parametrize(
    ("change", "where", "found"),
    [
        (due("price", **{"from": "nobody"}), "c rules[0].then[0]", "the role 'nobody'"),
        (due("price", to="buyer"), "c rules[0].then[0]", "buyer owes itself"),
        (due("rate"), "c rules[0].then[0].due.amount", "decimal"),
        (due("price + fee"), "c rules[0].then[0].due.amount column 1", "USD + EUR"),
        (due("price", within="steps"), "c rules[0].then[0].due.within", "integer"),
        (
            due("price * delivered.kg", when="exists(paid)"),
            "c rules[0].then[0].due.amount column 9",
            "delivered is read where it may not exist",
        ),
        (
            due("if(exists(paid), price, price / 2)"),
            "c rules[0].then[0].due.amount column 4",
            "what follows depends on the absence of paid",
        ),
        (rule("true", {"notify": ["nobody"]}), "c rules[0].then[0]", "the role 'nobody'"),
        ({"facts": {**BASE["facts"], "f": {"by": ["nobody"]}}}, "c facts.f", "the role 'nobody'"),
        (
            {"facts": {**BASE["facts"], "f": {"by": ["buyer", "seller"], "confirm": ["buyer"]}}},
            "c facts.f",
            "f is confirmed by buyer, who as buyer may state it",
        ),
        ({"lets": {"price": "1"}}, "c lets.price", "the name price, which stands under params too"),
        ({"lets": {"a": "b", "b": "a"}}, "c lets.a", "a leads back to itself"),
        ({"rules": BASE["rules"] * 2}, "c rules[1]", "a second rule go"),
        ({"text": "{prices}"}, "c text", "{prices}"),
        ({"text": "{price:%}"}, "c text", "{price:%}"),
        ({"text": "{price"}, "c text", "'{'"),
        (
            {
                "facts": {
                    "delivered": {"by": ["seller"], "fields": {"x": {"decimal": {"least": "5", "most": "4"}}}}
                }
            },
            "c facts.delivered.fields.x",
            "least above most for delivered.x",
        ),
        (
            {"facts": {"delivered": {"by": ["seller"], "fields": {"x": {"decimal": {"least": "pay"}}}}}},
            "c facts.delivered.fields.x",
            "the bound 'pay'",
        ),
    ],
)
def test_documents_that_do_not_stand(change: dict[str, Any], where: str, found: str) -> None:
    assert (where, found) in errors(change)


def test_a_confirmer_in_another_role_of_the_same_organization_is_found() -> None:
    parties = {"seller": "acme", "buyer": "bolt", "carrier": "acme"}
    facts = {"delivered": {"by": ["seller"], "confirm": ["carrier"]}}
    assert ("c facts.delivered", "delivered is confirmed by carrier, who as seller may state it") in errors(
        {"parties": parties, "facts": facts}
    )


def test_what_is_unused_or_untold_is_a_warning() -> None:
    change = {"text": "{price}", **due("price * rate")}
    document = parse_document(encode({**BASE, **change}), "c")
    found = {problem.found for problem in inspect_document(document).warnings}
    assert {
        "“steps” is never used.",
        "“many” is never used.",
        "The value “rate” decides what follows, but the text does not say it.",
    } <= found


@pytest.mark.parametrize(
    ("amount", "warned"),
    [
        ("price", False),
        ("price + money(1.5, USD)", False),
        ("price * steps", False),
        ("max(price, money(0, USD))", False),
        ("if(steps > 1, price, -price)", False),
        ("round(price * delivered.kg, 2, half_up)", False),
        ("price * 0.5", False),
        ("price * rate / 3", True),
        ("price * delivered.kg", True),
        ("delivered.value", True),
        ("price * 0.001", True),
        ("round(price / 3, 3, half_up)", True),
        ("money(0.5, JPY)", True),
        ("money(1.2345, KWD)", True),
        ("money(1.234, KWD)", False),
    ],
)
def test_an_amount_with_too_many_decimals_is_a_warning(amount: str, warned: bool) -> None:
    document = parse_document(encode({**BASE, **due(amount)}), "c")
    report = inspect_document(document)
    assert report.errors == ()
    assert any("more decimals" in problem.found for problem in report.warnings) is warned


def test_a_party_that_keeps_the_time_is_a_warning() -> None:
    document = parse_document(encode({**BASE, "timekeeper": "bolt"}), "c")
    told = [problem.found for problem in inspect_document(document).warnings]
    assert "bolt keeps the time and is a party itself, the buyer." in told


def test_numbers_of_a_table_are_told_and_others_are_not() -> None:
    rows = [{"to": "100", "value": "0.05"}, {"from": "100", "value": "0.1"}]
    document = BASE | {
        "bands": {"discount": {"of": "decimal", "gives": "decimal", "rows": rows}},
        "text": f"{BASE['text']} Below 100 pieces 5%, from 100 on 10%, and 77 of something else.",
    }
    warned = inspect_document(parse_document(encode(document), "c")).warnings
    told = [warning.found for warning in warned if "reads this number" in warning.found]
    assert told == ["The text says 77, but no rule or table reads this number."]


def test_the_first_error_counts_the_others() -> None:
    document = parse_document(encode({**BASE, **rule("nothing", {"notify": ["nobody"]})}), "c")
    with pytest.raises(InvalidError, match=r"and 1 more"):
        check_document(document)


@pytest.mark.parametrize(("most", "refused"), [(500, False), (10_000, True)])
def test_the_cost_is_known_and_bounded(most: int, refused: bool) -> None:
    """Every fact is a look, and every look reads every fact: fine for hundreds, too much for thousands."""
    facts = {
        "delivered": {"by": ["buyer"]},
        "paid": {"by": ["buyer"], "max": str(most), "fields": {"amount": {"money": "USD"}}},
    }
    when = "exists(delivered) and sum(paid, if(paid.at < delivered.at, paid.amount, money(0, USD))) > price"
    rules = [{"name": "r", "when": when, "then": [{"state": "s"}]}]
    tree = {**BASE, "facts": facts, "rules": rules, "params": {"price": {"money": "9 USD"}}}
    report = inspect_document(parse_document(encode(tree), "c"))
    assert any("a cost of" in problem.found for problem in report.errors) is refused
    assert (report.cost > MAX_LIFE_COST) is refused


names = st.sampled_from(
    ["price", "rate", "steps", "delivered", "paid", "delivered.kg", "exists(paid)", "1", "'x'"]
)
operators = st.sampled_from([" + ", " * ", " and ", " or ", " == ", " < ", " and not "])


@settings(max_examples=200)
@given(st.lists(st.tuples(names, operators), min_size=1, max_size=6))
def test_no_condition_breaks_the_checker(parts: list[tuple[str, str]]) -> None:
    when = "".join(name + operator for name, operator in parts) + "true"
    try:
        errors(rule(when))
    except TallyError:
        return


def test_lets_that_double_cost_no_more_than_their_number() -> None:
    lets = {f"l{i}": f"l{i + 1} + l{i + 1}" for i in range(46)} | {"l46": "price"}
    begun = time.process_time()
    assert errors({"lets": lets, **due("l0")}) == []
    assert time.process_time() - begun < 1.0


def test_lets_that_nest_too_deep_are_found() -> None:
    lets = {f"l{i}": f"l{i + 1} + price" for i in range(200)} | {"l200": "price"}
    assert any(found == "lets that nest deeper" for _, found in errors({"lets": lets, **due("l0")}))


SILENCE = """
contract: 1
name: silence
parties: {seller: acme, buyer: bolt}
timekeeper: port
params: {fee: {money: "50.00 EUR"}, until: {instant: "2026-03-01T00:00:00Z"}}
text: Unless it is told by {until}, seller owes buyer {fee}.
facts:
  arrived: {by: [STATER], before: window}
deadlines: {window: {at: until}}
rules:
  - name: fee
    when: window.passed and not exists(arrived)
    then: [{due: {from: seller, to: buyer, amount: fee}}]
"""


@pytest.mark.parametrize(("stater", "warned"), [("buyer", True), ("seller", False)])
def test_a_fact_that_only_who_gains_by_its_absence_may_state_is_warned_of(stater: str, warned: bool) -> None:
    report = inspect_document(parse_contract_yaml(SILENCE.replace("STATER", stater).encode(), "silence"))
    assert not report.errors
    assert any("gains by not doing so" in str(problem) for problem in report.warnings) is warned


BACKDATED = """
contract: 1
name: backdated
parties: {seller: acme, buyer: bolt}
timekeeper: port
params: {slack: {duration: 30 days}, least: {integer: 5}}
text: "{seller} invoices; {buyer} objects within {slack} and {least} days, or has accepted."
calendars: {work: {zone: Z, until: 2030-12-31}}
facts:
  invoiced: {by: [seller], CONFIRM fields: {day: date, instant: instant, term: duration, number: integer,
             bounded: {integer: {least: least}}}}
  objected: {by: [buyer], before: window, when: exists(invoiced)}
lets: {day: invoiced.day, since: 'date(invoiced.counted, work)'}
deadlines: {window: {at: "AT", grace: slack}}
rules:
  - name: accepted
    when: window.passed and not exists(objected) and exists(invoiced)
    then: [{state: accepted}]
  - name: owed
    when: exists(invoiced)
    then: [{due: {from: buyer, to: seller, amount: "money(1, EUR)", on: "ON"}}]
"""


def backdated(at: str = "invoiced.at", on: str = "invoiced.counted", confirm: str = "") -> list[Any]:
    text = BACKDATED.replace("AT", at).replace('"ON"', f'"{on}"').replace("CONFIRM", confirm)
    report = inspect_document(parse_contract_yaml(text.encode(), "b"))
    assert report.errors == ()
    return [problem for problem in report.warnings if "alone chooses" in problem.found]


@pytest.mark.parametrize(
    ("at", "field", "instead"),
    [
        ("end_of_day(invoiced.day, work)", "day", "max(invoiced.day, date(invoiced.counted, work))"),
        ("start_of_day(day + slack, work)", "day", "max(invoiced.day, date(invoiced.counted, work))"),
        ("min(invoiced.at, start_of_day(day, work))", "day", "max(invoiced.day"),
        ("invoiced.at + invoiced.term", "term", "a param, or give term a `least`"),
        ("invoiced.counted + days(invoiced.number)", "number", "a param, or give number a `least`"),
        ("max(invoiced.at, start_of_day(day, work)) - invoiced.term", "term", "a param"),
    ],
)
def test_a_window_that_its_opponent_sets_back_is_a_warning(at: str, field: str, instead: str) -> None:
    (problem,) = backdated(at)
    assert (
        problem.found
        == f"seller alone chooses “{field}” that “invoiced” states, and buyer loses if it is set back."
    )
    assert instead in problem.action
    assert problem.action.endswith("or let buyer confirm “invoiced”.")
    assert backdated(at, confirm="confirm: [buyer],") == []


@pytest.mark.parametrize(
    "at",
    [
        "invoiced.at + slack",
        "invoiced.instant + slack",
        "invoiced.counted",
        "end_of_day(max(invoiced.day, date(invoiced.counted, work)) + slack, work)",
        "end_of_day(max(day + slack, date(invoiced.at, work)), work)",
        "end_of_day(max(day, since), work)",
        "invoiced.at + days(invoiced.bounded)",
        "if(invoiced.number > 3, invoiced.at, invoiced.at + slack)",
    ],
)
def test_a_window_that_begins_at_the_counting_at_the_earliest_is_none(at: str) -> None:
    assert backdated(at) == []


@pytest.mark.parametrize(
    ("on", "warned"),
    [
        ("invoiced.at + slack", True),
        ("invoiced.instant", True),
        ("day + slack", True),
        ("invoiced.counted + slack", False),
        ("max(invoiced.at, invoiced.counted)", False),
        ("window.at", False),
    ],
)
def test_a_time_to_pay_that_the_payee_sets_back_is_a_warning(on: str, warned: bool) -> None:
    assert [problem.where.partition(" (")[2] for problem in backdated(on=on)] == (
        (["lets.day)"] if "day +" in on else ["rules[1].then[0].due.on)"]) if warned else []
    )


def test_paths_without_end_through_lets_are_not_all_followed() -> None:
    lets = {f"l{n}": f"max(l{n + 1}, f{n % 40}.counted) + (l{n + 1} - l{n + 1})" for n in range(60)}
    facts: dict[str, Any] = {f"f{n}": {"by": ["seller"], "fields": {"d": "date"}} for n in range(40)}
    begun = time.process_time()
    change = {"lets": lets | {"l60": "f0.at"}, "facts": facts, "deadlines": {"d": {"at": "l0"}}}
    inspect_document(parse_document(encode({**BASE, **rule("d.passed"), **change}), "c"))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "when", "untold"),
    [
        ("in percent", "delivered.kg / 2 * 100 > 1", ["2"]),
        ("5% of it", "delivered.kg * 0.05 > 1 and delivered.kg / 100 > 1", []),
        ("5 of it", "delivered.kg * 0.05 > 1", ["0.05"]),
        ("1,000 pieces", "delivered.kg > 1000.0", []),
        ("a hundred", "delivered.kg > 100", ["100"]),
    ],
)
def test_percent_tells_a_hundred_and_a_share(text: str, when: str, untold: list[str]) -> None:
    document = BASE | rule(f"exists(delivered) and {when}") | {"text": f"{BASE['text']} {text}"}
    found = [problem.found for problem in inspect_document(parse_document(encode(document), "c")).warnings]
    assert [f for f in found if "decides what follows" in f] == [
        f"The number {n} decides what follows, but the text does not say it." for n in untold
    ]


NUMBERS: dict[str, Any] = {
    "n": {"integer": {"least": "2", "most": "steps"}},
    "grade": {"enum": ["good", "fair"]},
}


@pytest.mark.parametrize(
    ("when", "never"),
    [
        ("exists(many) and many.n > 2", True),
        ("exists(many) and many.n < 2", True),
        ("exists(many) and many.n >= 2 and many.n <= steps", False),
        ("exists(many) and many.grade == 'good' and many.grade == 'fair'", True),
        ("exists(many) and (many.grade == 'good' or many.grade == 'fair')", False),
        ("count(paid) > 3", True),
        ("count(paid) >= 3", False),
        ("count(paid) < 0", True),
    ],
)
def test_what_the_bounds_of_facts_rule_out_can_never_hold(when: str, never: bool) -> None:
    facts = {"many": {"by": ["seller"], "fields": NUMBERS}, "paid": {"by": ["seller"], "max": "3"}}
    found = [text for _, text in errors({"facts": facts, **rule(when)})]
    assert ("a condition of r that can never hold" in found) is never


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("f.n > 3 and f.n < 2", "a condition of f that can never hold"),
        ("f.n > 3 or f.n <= 3", "a condition of f that always holds"),
        ("f.n > 3", None),
    ],
)
def test_a_fact_under_a_condition_that_never_or_always_holds_is_found(when: str, found: str | None) -> None:
    facts = {"f": {"by": ["seller"], "fields": {"n": "integer"}, "when": when}}
    told = [error for error in errors({"facts": facts, **rule("exists(f)")}) if "condition of f" in error[1]]
    assert told == ([] if found is None else [("c facts.f.when", found)])


def test_who_gains_in_an_amount_by_silence_is_warned_of() -> None:
    text = SILENCE.replace("STATER", "buyer").replace(
        "window.passed and not exists(arrived)", "window.passed"
    )
    amount = text.replace("amount: fee", 'amount: "if(exists(arrived), money(0, EUR), fee)"')
    (problem,) = [
        problem
        for problem in inspect_document(parse_contract_yaml(amount.encode(), "s")).warnings
        if "gains" in problem.found
    ]
    assert "rules[0].then[0].due.amount" in problem.where
