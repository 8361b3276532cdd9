"""What the checker knows of an expression: absence and what settles it, keys, lets in contexts, costs."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.contexts import Contexts
from contracts.grammar import parse_expression
from contracts.limits import LANGUAGE_VECTORS
from contracts.meaning import Meaning
from contracts.reading import parse_document
from contracts.syntax import Expression, Place
from ledger.errors import InvalidError
from ledger.log.encoding import encode

TREE: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "flows",
    "parties": {"seller": "acme", "buyer": "bolt"},
    "timekeeper": "port",
    "params": {
        "agreed": {"instant": "2019-01-11T03:24:00Z"},
        "price": {"money": "5.00 EUR"},
        "minus": {"decimal": "-1"},
        "yes": {"boolean": "true"},
    },
    "facts": {
        "delivered": {"by": ["seller"], "before": "window", "fields": {"kg": "decimal"}},
        "claimed": {"by": ["buyer"], "before": "window"},
        "asked": {"by": ["buyer"], "state_before": "window"},
        "accepted": {"by": ["buyer"], "confirm": ["seller"], "state_before": "window"},
        "free": {"by": ["buyer"]},
        "paid": {"by": ["buyer"], "before": "window", "max": "10", "fields": {"amount": {"money": "EUR"}}},
        "many": {"by": ["buyer"], "max": "10000", "fields": {"number": "decimal"}},
        "order": {"by": ["buyer"], "per": "lot", "before": "soon", "fields": {"lot": "string"}},
        "item": {"by": ["buyer"], "per": "lot", "max": "3", "total": "500", "fields": {"lot": "string"}},
    },
    "deadlines": {
        "window": {"at": "agreed + days(3)"},
        "inspect": {"at": "delivered.at + days(3)"},
        "soon": {"at": "order.at + days(3)", "per": "lot"},
    },
    "lets": {
        "late": "order.at > agreed",
        "sums": "sum(paid, paid.amount)",
        "chosen": "if(exists(free), 1, 2)",
        "heavy": "if(exists(delivered), delivered.kg, 0)",
        "heavier": "heavy + 1",
    },
    "rules": [],
}
CONTEXTS = Contexts(parse_document(encode(TREE)))


def expression(text: str) -> Expression:
    return parse_expression(text, Place(label="expression"))


def meaning(text: str, key: str | None = None) -> Meaning:
    return CONTEXTS.infer(expression(text), key)


@pytest.mark.parametrize(
    "text",
    [
        "window.passed and not exists(delivered)",
        "not exists(delivered) and window.passed",
        "(exists(delivered) or window.passed) and if(exists(delivered), 1, 2) == 2",
        "window.passed and not exists(delivered) or exists(claimed)",
        "window.passed and not exists(asked)",
        "not (exists(delivered) or not window.passed)",
        "if(window.passed, not exists(delivered), false)",
        "exists(delivered) and delivered.kg < 3",
        "inspect.passed and delivered.kg > 3",
        "count(paid) > 3",
        "count(paid) >= 3 and sums > price",
        "sum(paid, paid.amount * 2) >= price",
        "max_of(many, many.number) > 3",
        "min_of(many, many.number) < 3",
        "min_of(many, many.number - 5) <= 3",
        "running(many, 0, balance - many.number) < 5",
        "window.passed and count(paid) < 3",
        "window.passed and sums == price",
        "3 < count(paid)",
        "not (count(paid) <= 3)",
        "max(count(many), 3) > 5",
        "count(many where many.at > max_of(many, many.at) - days(60)) >= 3",
        "count(many) + count(paid) > 5",
        "not window.passed and exists(free)",
        "exists(inspect)",
    ],
)
def test_conditions_that_rest_on_no_unsettled_absence(text: str) -> None:
    assert meaning(text).flow.loses == frozenset()


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("not exists(free)", {"free"}),
        ("not exists(delivered)", {"delivered"}),
        ("window.passed and not exists(free)", {"free"}),
        ("(window.passed or exists(free)) and not exists(delivered)", {"delivered"}),
        ("window.passed and not exists(accepted)", {"accepted"}),
        ("not exists(delivered) or window.passed", {"delivered"}),
        ("if(exists(free), 1, 2) == 2", {"free"}),
        ("chosen == 2", {"free"}),
        ("count(many) < 3", {"many"}),
        ("count(many) == 3", {"many"}),
        ("count(many) != 3", {"many"}),
        ("count(many) <= 3", {"many"}),
        ("3 > count(many)", {"many"}),
        ("min_of(many, many.number) > 3", {"many"}),
        ("max_of(many, many.number) < 3", {"many"}),
        ("sum(many, many.number - 5) > 3", {"many"}),
        ("sum(many, many.number) * minus > 3", {"many"}),
        ("running(many, 0, balance - many.number) == 5", {"many"}),
        ("count(paid) - count(many) > 3", {"many"}),
        ("count(many where exists(free)) > 3", {"free"}),
        ("count(many where count(paid) < 3) > 3", {"paid"}),
        ("not exists(inspect)", {"delivered"}),
    ],
)
def test_conditions_that_rest_on_absence(text: str, facts: set[str]) -> None:
    assert meaning(text).flow.loses == facts


def test_effects_tell_what_is_absent_from_what_may_still_grow() -> None:
    flow = meaning("if(exists(free), 1, 2) + count(many)").flow
    assert flow.absent == {"free"}
    assert flow.grows == {"many"}


def test_a_deadline_relative_to_a_fact_tells_that_the_fact_exists() -> None:
    assert meaning("inspect.passed and delivered.kg > 3").flow.needs == frozenset()
    assert meaning("delivered.kg > 3").flow.needs == {"delivered"}
    assert meaning("inspect.at > agreed").flow.needs == {"delivered"}
    assert meaning("exists(inspect) and inspect.at > agreed").flow.needs == frozenset()


def test_the_deadline_of_a_key_settles_only_facts_with_that_key() -> None:
    assert meaning("soon.passed and not exists(order)", "lot").flow.loses == frozenset()
    assert meaning("soon.passed and count(all order) < 3", "lot").flow.loses == {"all order"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("late", "late here: a field of order, which counts once for each lot"),
        ("soon.passed", "the deadline soon, which exists for each lot"),
        ("lot == 'a'", "the name 'lot'"),
    ],
)
def test_what_only_a_key_gives_a_meaning(text: str, found: str) -> None:
    assert meaning(text, "lot").type.kind == "boolean"
    with pytest.raises(InvalidError) as caught:
        meaning(text)
    assert caught.value.found == found


def test_a_fact_that_counts_several_times_for_a_key_has_no_field_alone() -> None:
    with pytest.raises(InvalidError, match="of which 3 count"):
        meaning("exists(item)", "lot")


def test_a_deadline_reads_neither_existence_nor_aggregates_nor_what_has_passed() -> None:
    for text in ("exists(free)", "count(many)", "window.passed", "sums", "chosen"):
        with pytest.raises(InvalidError, match="in a deadline"):
            CONTEXTS.infer(expression(text), in_deadline=True)
    assert CONTEXTS.infer(expression("inspect.at"), in_deadline=True).type.kind == "instant"


def test_costs_count_what_is_kept_running_once() -> None:
    counted = meaning("count(many where many.number > 3)")
    assert (counted.cost, counted.kept) == (1, 10_000 * 4)


def test_costs_count_what_cannot_be_kept_in_every_look() -> None:
    counted = meaning("count(many where exists(free)) > 3")
    assert (counted.cost, counted.kept) == (3 + 10_000 * 2, 0)


def test_an_inner_aggregate_is_paid_for_once() -> None:
    counted = meaning("sum(many, many.number * count(paid))")
    assert (counted.cost, counted.kept) == (1 + 10_000 * 4, 10)


@pytest.mark.parametrize(
    ("text", "key", "steps"),
    [
        ("count(item)", None, 500),
        ("count(item)", "lot", 500),  # the facts of all keys together
        ("count(all item)", "lot", 500 * 10_000),  # `order` can have so many lots
    ],
)
def test_what_is_kept_running_is_paid_for_all_keys_of_the_life(
    text: str, key: str | None, steps: int
) -> None:
    assert meaning(text, key).kept == steps


def test_what_is_read_whatever_the_key_is() -> None:
    assert meaning("exists(order) and count(paid) > 1 and count(all item) > 2", "lot").everywhere == {
        "paid",
        "item",
    }


def test_fields_that_are_read_are_known_also_through_lets() -> None:
    assert meaning("sums > price and delivered.kg > 1").fields == {("paid", "amount"), ("delivered", "kg")}


@pytest.mark.parametrize(
    ("text", "let", "fact"),
    [
        ("count(delivered where heavy > 3)", "heavy", "delivered"),
        ("sum(delivered, heavier)", "heavier", "delivered"),
        ("running(delivered, 0, balance + heavy)", "heavy", "delivered"),
        ("sum(delivered, count(paid where heavy > 3))", "heavy", "delivered"),
        ("count(all order where late)", "late", "order"),
    ],
)
def test_a_let_that_reads_a_fact_says_nothing_of_the_one_that_an_aggregate_looks_at(
    text: str, let: str, fact: str
) -> None:
    with pytest.raises(InvalidError, match=f"the let {let}, which reads {fact} outside this aggregate"):
        meaning(text, "lot")


@pytest.mark.parametrize(
    "text", ["count(paid where paid.amount > sums / 2)", "sum(paid, paid.amount * heavy)"]
)
def test_a_let_inside_an_aggregate_may_read_everything_else(text: str) -> None:
    assert meaning(text).type.kind in ("integer", "money")


def test_a_let_that_reads_a_key_fails_for_what_is_wrong_under_that_key() -> None:
    (error,) = contexts(
        lets={"late": "order.at > agreed", "others": "count(all order where late and lot != order.lot)"}
    ).errors
    assert isinstance(error, InvalidError)
    assert error.found.startswith("the let late, which reads order outside")


def contexts(**parts: Any) -> Contexts:
    return Contexts(parse_document(encode({**TREE, **parts})))


KEYS = [f"k{number}" for number in range(9)]
RULE = {"name": "r", "when": "true", "then": [{"notify": ["buyer"]}]}


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"lets": {"a": "b + 1", "b": "a + 1"}}, "a leads back to itself"),
        ({"lets": {"a": "late.at"}, "deadlines": {**TREE["deadlines"], "late": {"at": "a"}}},
         "a leads back to itself"),
        ({"lets": {"a": "1 + yes"}}, "integer + boolean"),
        ({"rules": [{**RULE, "per": "colour"}]}, "per colour, which no fact has"),
        ({"rules": [{**RULE, "per": "kg"}]}, "per kg, a field that is decimal"),
        ({"facts": {**TREE["facts"], "odd": {"by": ["buyer"], "fields": {"lot": "integer"}}}},
         "per lot, a field that is integer, string"),
        ({"lets": {"lot": "1"}}, "the key lot, which stands under lets too"),
        ({"facts": {**TREE["facts"], "wide": {"by": ["buyer"], "fields": dict.fromkeys(KEYS, "string")}},
          "rules": [{**RULE, "name": key, "per": key} for key in KEYS]}, "more than 4 keys"),
    ],
)  # fmt: skip
def test_documents_whose_names_lead_nowhere(parts: dict[str, Any], found: str) -> None:
    assert found in [error.found for error in contexts(**parts).errors]


def test_an_error_of_a_let_is_told_once() -> None:
    broken = contexts(lets={"a": "1 + yes", "b": "a + 1", "c": "b + a"})
    assert [error.found for error in broken.errors] == ["integer + boolean"]
