"""Facts from events: the delivery that is recorded for the trace is the one that the contract waits for."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checker import inspect_document
from contracts.course import EXISTS
from contracts.events import read_sensor
from contracts.reading import parse_contract_yaml
from ledger.errors import TallyError

CONTRACT = b"""
contract: 1
name: cold-chain
parties: {carrier: dart, buyer: bolt}
timekeeper: port
params:
  order: {string: "urn:epc:id:gdti:0614141.06012.1234"}
  limit: {decimal: 13}
text: Above {limit} degrees {carrier} tells {buyer} of {order}.
facts:
  arrived:
    by: [carrier]
    event:
      type: ObjectEvent
      action: OBSERVE
      step: receiving
      place: "urn:epc:id:sgln:0614141.00888.0"
      transaction: {po: order}
    fields:
      kg: {decimal: {event: quantity, unit: KGM}}
      hottest: {decimal: {event: sensor, type: Temperature, unit: CEL, take: max}}
rules:
  - name: warm
    when: exists(arrived) and arrived.hottest > limit and arrived.kg > 0
    then: [{notify: [carrier, buyer]}]
"""
EVENT: dict[str, Any] = {
    "type": "ObjectEvent",
    "action": "OBSERVE",
    "eventTime": "2026-01-01T10:00:00Z",
    "eventTimeZoneOffset": "+00:00",
    "bizStep": "receiving",
    "bizLocation": {"id": "https://id.gs1.org/414/0614141008889"},
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:epc:id:gdti:0614141.06012.1234"}],
    "quantityList": [
        {"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 3000.5, "uom": "KGM"},
        {"epcClass": "urn:epc:class:lgtin:4012345.012345.998878", "quantity": 10, "uom": "KGM"},
    ],
    "sensorElementList": [
        {
            "sensorReport": [
                {"type": "Temperature", "value": 5, "uom": "CEL"},
                {"type": "Temperature", "maxValue": 14.5, "uom": "CEL"},
                {"type": "Temperature", "value": 99, "uom": "FAH"},
            ]
        }
    ],
}


def capture(told: Any, organization: str = "dart", **change: Any) -> Any:
    event = {key: value for key, value in {**EVENT, **change}.items() if value is not None}
    body = {"capture": bytes(32), "context": "", "event": json.dumps(event), "hash": bytes(32)}
    return told.add(organization, "event", body)


def in_force(story: Any) -> Any:
    told = story(parse_contract_yaml(CONTRACT))
    told.sign_all()
    return told


def test_an_event_that_fits_is_the_fact(story: Any) -> None:
    told = in_force(story)
    told.count(capture(told))
    (view,) = told.fold().facts
    assert (view.status, view.by_event) == (EXISTS, True)
    assert dict(view.fields) == {"at": "2026-01-01T10:00:00Z", "hottest": "14.5", "kg": "3010.5"}
    assert [d.firing.rule for d in told.evaluate().decisions] == ["warm"]


def test_a_digital_link_of_the_same_place_is_the_same_place(story: Any) -> None:
    told = in_force(story)
    told.count(capture(told, bizLocation={"id": "urn:epc:id:sgln:0614141.00888.0"}))
    assert told.fold().facts[0].status == EXISTS


@pytest.mark.parametrize(
    "change",
    [
        {"bizStep": "shipping"},
        {"action": "ADD"},
        {"bizLocation": {"id": "urn:epc:id:sgln:0614141.00777.0"}},
        {"bizTransactionList": None},
        {"quantityList": None},
        {"sensorElementList": None},
        {"quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877"}]},
        {
            "errorDeclaration": {
                "declarationTime": "2026-01-02T00:00:00Z",
                "reason": "did_not_occur",
            }
        },
    ],
)
def test_an_event_that_does_not_fit_states_nothing(story: Any, change: dict[str, Any]) -> None:
    told = in_force(story)
    told.count(capture(told, **change))
    assert told.fold().facts == ()


def test_an_event_of_somebody_else_states_nothing(story: Any) -> None:
    told = in_force(story)
    told.count(capture(told, organization="bolt"))
    assert told.fold().facts == ()


def test_an_event_from_before_the_offer_is_not_for_it(story: Any) -> None:
    told = story(parse_contract_yaml(CONTRACT))
    before, _ = capture(told), told.sign_all()
    after = capture(told, eventID="urn:uuid:1")
    assert told.fold().countable == (after.leaf_hash,)
    assert before.leaf_hash not in told.fold().countable


@pytest.mark.parametrize("text", ["", "[]", "{", '{"type": 1}', '{"type":"ObjectEvent"}'])
def test_what_is_no_event_breaks_nothing(story: Any, text: str) -> None:
    told = in_force(story)
    body = {"capture": bytes(32), "context": "", "event": text, "hash": bytes(32)}
    told.count(told.add("dart", "event", body))
    assert told.fold().facts == ()


# What the readings of a sensor come to

SHOCKS = """
contract: 1
name: shocks
parties: {logger: dart, buyer: bolt}
timekeeper: port
params: {limit: {decimal: "5"}, most: {integer: 9}}
text: "{logger} tells {buyer} of readings above {limit} and below {most}."
facts:
  shock:
    by: [logger]
    event: {type: ObjectEvent, action: OBSERVE}
    fields: {value: {KIND: {event: sensor, type: Acceleration, unit: K40, NARROWED}}}
rules:
  - {name: told, when: exists(shock) and shock.value > 3, then: [{notify: [buyer]}]}
"""


def shocks(narrowed: str, kind: str = "decimal") -> bytes:
    return SHOCKS.replace("KIND", kind).replace("NARROWED", narrowed).encode()


def readings(*reports: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"sensorReport": [{"type": "Acceleration", "uom": "K40", **report} for report in reports]}]


def taken(story: Any, narrowed: str, elements: list[dict[str, Any]], kind: str = "decimal") -> str | None:
    """What an event with these readings says, or None where it does not fit."""
    told = story(parse_contract_yaml(shocks(narrowed, kind)))
    told.sign_all()
    told.count(capture(told, sensorElementList=elements))
    views = told.fold().facts
    return dict(views[0].fields)["value"] if views else None


MIXED = readings({"value": 5}, {"value": 6.5}, {"value": 1, "maxValue": 9}, {"minValue": 2, "maxValue": 30})


@pytest.mark.parametrize(
    ("narrowed", "value"),
    [
        ("take: count", "4"),
        ("take: count, above: limit", "3"),
        ("take: count, above: 9", "1"),
        ("take: count, above: 30", "0"),
        ("take: count, below: 5", "2"),
        ("take: count, above: limit, below: most", "3"),
        ("take: sum", "12.5"),
        ("take: sum, above: 1", "11.5"),
        ("take: sum, above: 7", "0"),
        ("take: max", "30"),
        ("take: max, below: 30", "9"),
        ("take: max, above: 30", None),
        ("take: min", "1"),
        ("take: min, above: 1", "2"),
        ("take: min, below: 1", None),
    ],
)
def test_readings_are_counted_and_narrowed(story: Any, narrowed: str, value: str | None) -> None:
    assert taken(story, narrowed, MIXED) == value


@pytest.mark.parametrize("narrowed", ["take: count", "take: count, above: limit", "take: sum, above: limit"])
@pytest.mark.parametrize(
    "elements",
    [
        [],
        [{"sensorReport": [{"type": "Temperature", "uom": "CEL", "value": 50}]}],
        [{"sensorReport": [{"type": "Acceleration", "uom": "MSK", "value": 50}]}],
    ],
)
def test_an_event_without_any_such_report_does_not_fit(
    story: Any, narrowed: str, elements: list[dict[str, Any]]
) -> None:
    assert taken(story, narrowed, elements) is None


def test_a_report_without_a_number_is_one_but_lies_nowhere(story: Any) -> None:
    elements = readings({"stringValue": "broken"}, {"value": 7})
    assert taken(story, "take: count", elements, "integer") == "2"
    assert taken(story, "take: count, above: limit", elements, "integer") == "1"
    assert taken(story, "take: sum", readings({"stringValue": "broken"})) is None


@settings(max_examples=60)
@given(
    values=st.lists(st.decimals(-20, 20, places=1), min_size=1, max_size=12),
    low=st.decimals(-20, 20, places=1),
    high=st.decimals(-20, 20, places=1),
)
def test_count_and_sum_are_those_of_the_readings_between(
    values: list[Decimal], low: Decimal, high: Decimal
) -> None:
    report: dict[str, Any] = {"sensorElementList": readings(*({"value": value} for value in values))}
    between = [value for value in values if low < value < high]
    document = parse_contract_yaml(shocks("take: count"))
    for take, wanted in (("count", Decimal(len(between))), ("sum", sum(between, Decimal(0)))):
        of = document.facts["shock"].fields["value"].event
        assert of is not None
        found = read_sensor(document, replace(of, take=take, above=f"{low:f}", below=f"{high:f}"), report)
        assert Decimal(found) == wanted


@pytest.mark.parametrize(
    ("value", "where", "found"),
    [
        ("{decimal: {event: sensor, type: T, take: mean}}", ".take", "'mean'"),
        ("{decimal: {event: sensor, type: T, above: 5}}", ".above", "above without take"),
        ("{decimal: {event: sensor, type: T, take: max, above: warm days}}", ".above", "'warm days'"),
        ("{decimal: {event: sensor, type: T, take: max, below: 1e3}}", ".below", "'1e3'"),
        ("{decimal: {event: quantity, unit: KGM, above: 5}}", ".above", "above of a quantity"),
        ("{decimal: {event: quantity, unit: KGM, take: sum}}", ".take", "take of a quantity"),
        ("{string: {event: transaction, type: po, below: 5}}", ".below", "below of a transaction"),
        ("{decimal: {above: 5}}", ".above", "above without event"),
        ("{string: {event: sensor, type: T, take: count}}", ".string", "a string from sensor"),
    ],
)
def test_what_readings_come_to_is_read_strictly(value: str, where: str, found: str) -> None:
    text = shocks("").replace(
        b"{value: {decimal: {event: sensor, type: Acceleration, unit: K40, }}}",
        b"{value: " + value.encode() + b"}",
    )
    with pytest.raises(TallyError) as caught:
        parse_contract_yaml(text, "shocks")
    assert f"{where})" in caught.value.where
    assert "line 12 column" in caught.value.where
    assert caught.value.found == found


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ("take: max, above: unknown", "the number unknown"),
        ("take: max, above: agreed", "the number agreed"),
        ("take: max, above: most, below: limit", "readings above 9 and below 5"),
        ("take: count, above: 5, below: 5", "readings above 5 and below 5"),
    ],
)
def test_readings_lie_above_and_below_numbers(narrowed: str, found: str) -> None:
    text = shocks(narrowed).replace(b"params: {", b'params: {agreed: {instant: "2026-01-01T00:00:00Z"}, ')
    problems = inspect_document(parse_contract_yaml(text)).errors
    assert [problem.found for problem in problems] == [found]
    assert all("line 12 column" in problem.where and problem.action for problem in problems)


def test_a_number_that_readings_are_held_against_is_told() -> None:
    warned = inspect_document(parse_contract_yaml(shocks("take: count, above: 7"))).warnings
    assert any("the number 7" in problem.found.lower() for problem in warned)
    warned = inspect_document(parse_contract_yaml(shocks("take: count, above: limit, below: most"))).warnings
    assert not any("limit" in problem.where or "most" in problem.where for problem in warned)
