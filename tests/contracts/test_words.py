"""A contract in words: facts, deadlines, rules and what follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.document import Document
from contracts.effects import EffectMap
from contracts.phrases import Item
from contracts.reading import parse_contract_yaml
from contracts.words import Words, told_time

HEAD = "contract: 1\nname: w\nparties: {seller: acme, buyer: bolt}\ntimekeeper: port\n"


def document(text: str) -> Document:
    return parse_contract_yaml((HEAD + text).encode(), "w")


def late(documents: Path) -> Words:
    return Words(parse_contract_yaml((documents / "late-delivery.yaml").read_bytes(), "late"))


def test_a_fact_says_who_states_and_confirms_it_until_when(documents: Path) -> None:
    assert late(documents).fact("force_majeure") == (
        "acme (seller) states it.",
        "It counts once one person of bolt (buyer) has confirmed it.",
        "It must be stated and confirmed before the deadline “claims” has passed (from 2019-02-13 03:24:00 "
        "UTC on); after that it does not count.",
        "Only the first one counts.",
        "At least one document must be attached.",
    )


def test_fields_are_told_with_their_bounds_and_keys_with_their_numbers() -> None:
    words = Words(
        document(
            "facts: {ordered: {by: [buyer, seller], per: order, max: 2, total: 50, when: count(ordered) < 40,"
            " fields: {order: string, pieces: {integer: {least: 1, most: 9}}, pay: {money: EUR},"
            " sort: {enum: [old, new]}}}}\nrules: []\n"
        )
    )
    assert words.fact("ordered") == (
        "bolt (buyer) or acme (seller) states it.",
        "It counts at most 2 times for each order, 50 in all.",
        "It says: order (a text), pay (an amount in EUR), pieces (a whole number, at least 1, at most 9), "
        "sort (old or new).",
        "It counts only if, when it is counted, the number of “ordered” is less than 40.",
    )


def test_what_a_fact_asks_is_told_to_be_asked_again_where_it_is_confirmed() -> None:
    words = Words(
        document("facts: {f: {by: [buyer], confirm: [seller], max: 9, when: count(f) < 4}}\nrules: []\n")
    )
    assert words.fact("f")[-1].startswith(
        "It counts only if, when it is counted, and again when its last confirmation is, the number of"
    )


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (
            "{integer: {event: sensor, type: Shock, unit: K40, take: count, above: low, below: 9}}",
            "a whole number, from the event: how many readings of Shock in K40, only those above 5 "
            "and below 9",
        ),
        (
            "{decimal: {event: sensor, type: Shock, take: max}}",
            "a number, from the event: the greatest of the readings of Shock",
        ),
        ("{decimal: {event: quantity, unit: KGM}}", "a number, from the event: how many in KGM"),
        ("{string: {event: transaction, type: po}}", "a text, from the event: the transaction po"),
        ("{string: {event: identifier}}", "a text, from the event: the thing"),
        ("string", "a text"),
    ],
)
def test_where_a_field_stands_in_an_event_is_told(field: str, told: str) -> None:
    words = Words(
        document(
            f"params: {{low: {{integer: 5}}}}\nfacts: {{f: {{by: [buyer], event: {{type: ObjectEvent}}, "
            f"fields: {{x: {field}}}}}}}\nrules: []\n"
        )
    )
    assert words.fact("f")[-1].startswith(f"It says: x ({told}")


def test_a_fact_from_events_says_which() -> None:
    words = Words(
        document(
            'params: {dock: {string: "urn:x:1"}}\nfacts: {arrived: {by: [seller], event: {type: ObjectEvent,'
            " step: receiving, place: dock, party: {source: {location: dock}}, transaction: {po: dock},"
            " sensor: {type: Temperature}}}}\nrules: []\n"
        )
    )
    assert words.fact("arrived")[0] == (
        "acme (seller) states it by recording an event (ObjectEvent), step receiving, place urn:x:1, with "
        "readings of Temperature, with the source location urn:x:1, with the transaction po urn:x:1."
    )


def test_a_deadline_says_when_it_passes(documents: Path) -> None:
    assert late(documents).deadline("window") == (
        "“agreed” (2019-01-11 03:24:00 UTC) + 15 days, that is 2019-01-26 03:24:00 UTC, and 3 days more for "
        "recording. It passes when port (timekeeper) records that 2019-01-29 03:24:00 UTC has been reached."
    )


def test_a_rule_is_told_with_what_is_calculated_for_it(documents: Path) -> None:
    words = late(documents)
    rule = words.rule(next(rule for rule in words.document.rules if rule.name == "penalty"))
    assert rule.conditions[-1] == Item("“amount” is more than 0.00 USD")
    assert (
        rule.effects[0] == "acme (seller) owes bolt (buyer) “amount”, payable within 30 days of this moment"
    )
    assert [value.text for value in rule.values] == ["“amount” is", "“late” (in days) is"]
    assert [len(value.below) for value in rule.values] == [2, 2]


RECKONED = """
facts:
  seen: {by: [seller], confirm: [buyer, bank]}
  said: {by: [seller], fields: {since: instant}}
deadlines: {a: {at: seen.at}, b: {at: base}, c: {at: said.counted}}
lets: {base: said.since}
rules: []
"""


def test_everybody_who_must_confirm_is_told() -> None:
    head = HEAD.replace("buyer: bolt", "buyer: bolt, bank: coin")
    words = Words(parse_contract_yaml((head + RECKONED).encode(), "w"))
    wanted = "It counts once one person of bolt (buyer) and one person of coin (bank) have confirmed it."
    assert wanted in words.fact("seen")


@pytest.mark.parametrize(("name", "fact"), [("a", "seen"), ("b", "said"), ("c", None)])
def test_a_deadline_says_that_a_stated_time_is_never_before_the_counting(name: str, fact: str | None) -> None:
    head = HEAD.replace("buyer: bolt", "buyer: bolt, bank: coin")
    told = Words(parse_contract_yaml((head + RECKONED).encode(), "w")).deadline(name)
    assert ("the time of that counting is taken instead" in told) is (fact is not None)
    assert fact is None or f"If “{fact}” states a time before" in told


EFFECTS: dict[str, tuple[EffectMap, str]] = {
    "{due: {from: buyer, to: seller, amount: 'money(5, EUR)', on: 'add_months(day, 1)'}}": (
        {"kind": "due", "from": "buyer", "to": "seller", "amount": "5.00 EUR", "by": "2026-02-01"},
        "bolt (buyer) owes acme (seller) 5.00 EUR, payable",
    ),
    "{obligation: {kind: duty, of: seller, to: buyer, act: bring_back, survives: true}}": (
        {"kind": "obligation", "of": "seller", "to": "buyer", "act": "bring_back", "duty": "duty"},
        "acme (seller) must bring back",
    ),
    "{obligation: {kind: prohibition, of: seller, act: sell_on}}": (
        {"kind": "obligation", "of": "seller", "act": "sell_on", "duty": "prohibition"},
        "acme (seller) must not sell on",
    ),
    "{obligation: {kind: permission, of: buyer, act: terminate}}": (
        {"kind": "obligation", "of": "buyer", "act": "terminate", "duty": "permission"},
        "bolt (buyer) may terminate the agreement",
    ),
    "{discharge: bring_back}": ({"kind": "discharge", "name": "bring_back"}, "“bring back” is done with"),
    "{state: fulfilled}": ({"kind": "state", "state": "fulfilled"}, "the agreement ends: fulfilled"),
    "{state: half_done}": ({"kind": "state", "state": "half_done"}, "the agreement is “half done”"),
    "{confirm: {of: buyer, fact: seen}}": (
        {"kind": "confirm", "of": "buyer", "fact": "seen"},
        "bolt (buyer) is asked to confirm “seen”",
    ),
    "{notify: [seller, buyer]}": (
        {"kind": "notify", "roles": ["seller", "buyer"]},
        "acme (seller) and bolt (buyer) are notified",
    ),
}


@pytest.mark.parametrize("text", EFFECTS)
def test_every_effect_is_told_before_and_after_it_happened(text: str) -> None:
    outcome, words = EFFECTS[text]
    made = document(
        "params: {day: {date: 2026-01-01}}\nfacts: {seen: {by: [seller], confirm: [buyer]}}\n"
        f'rules: [{{name: r, when: "true", then: [{text}]}}]\n'
    )
    teller = Words(made)
    (said,) = teller.rule(made.rules[0]).effects
    assert said.startswith(words)
    assert teller.outcome(outcome).startswith(words)
    assert teller.rule(made.rules[0]).conditions == ()


def test_tables_and_calendars_are_told() -> None:
    words = Words(
        document(
            "bands: {price: {of: integer, gives: {money: EUR}, rows: [{to: 100, value: 10 EUR}, {from: 100,"
            " to: 500, value: 9 EUR}, {from: 500, value: 7.50 EUR}]}}\n"
            "calendars: {work: {weekend: [saturday, sunday], holidays: [2026-01-01], zone: '-05:30',"
            " until: 2026-12-31}}\n"
            "rules: []\n"
        )
    )
    assert words.band("price") == (
        "up to, but not with, 100: 10.00 EUR",
        "from 100 up to, but not with, 500: 9.00 EUR",
        "from 500 on: 7.50 EUR",
    )
    assert words.calendar("work") == (
        "Business days: every day but Saturday and Sunday, and but for 2026-01-01. Clocks: UTC−05:30. "
        "Until 2026-12-31."
    )


def test_times_are_told_as_in_the_prose() -> None:
    assert told_time("2026-01-01T00:00:00Z") == "2026-01-01 00:00:00 UTC"
    assert told_time("2026-01-01") == "2026-01-01"
