"""Facts from events: the delivery that is recorded for the trace is the one that the contract waits for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.course import EXISTS
from contracts.reading import parse_contract_yaml

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
