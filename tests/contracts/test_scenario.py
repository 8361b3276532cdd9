"""Scenarios: their form, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.document import Document
from contracts.reading import parse_contract_yaml
from contracts.scenario import Scenario, Terminated, Ticked, Told, parse_scenario
from contracts.values import Instant
from ledger.errors import MalformedError, TallyError

DAY = 86_400_000


@pytest.fixture(scope="module")
def document(documents: Path) -> Document:
    return parse_contract_yaml((documents / "late-delivery.yaml").read_bytes(), "late")


def read(text: str, document: Document) -> Scenario:
    return parse_scenario(text.encode(), document, "s")


def test_what_a_scenario_leaves_out(document: Document) -> None:
    scenario = read("story: [{fact: delivered, at: 1970-01-02T00:00:00Z}]", document)
    assert scenario.start == Instant(DAY)
    assert scenario.until is None
    (told,) = scenario.story
    assert isinstance(told, Told)
    assert (told.role, told.at, told.counted, told.confirmed) == ("carrier", Instant(DAY), Instant(DAY), {})


def test_everything_that_can_be_told(document: Document) -> None:
    scenario = read(
        """
start: "1970-01-01T00:00:00Z"
until: "1970-03-01T00:00:00Z"
story:
  - {fact: force_majeure, at: "1970-01-02T00:00:00Z", by: seller, counted: "1970-01-03T00:00:00Z",
     attachments: 2, confirm: {buyer: "1970-01-04T00:00:00Z"}}
  - {tick: "1970-01-05T00:00:00Z"}
  - {terminate: buyer, counted: "1970-01-06T00:00:00Z"}
""",
        document,
    )
    told, tick, ended = scenario.story
    assert isinstance(told, Told)
    assert (told.attachments, told.confirmed) == (2, {"buyer": Instant(3 * DAY)})
    assert tick == Ticked(counted=Instant(4 * DAY))
    assert ended == Terminated(role="buyer", counted=Instant(5 * DAY))


def test_facts_that_need_papers_have_them_unless_it_says_otherwise(document: Document) -> None:
    (told,) = read("story: [{fact: force_majeure, at: 1970-01-02T00:00:00Z}]", document).story
    assert isinstance(told, Told)
    assert told.attachments == 1


REFUSED = {
    "story: []": "nothing that happens",
    "story: [{fact: nothing, at: 1970-01-02T00:00:00Z}]": "nothing",
    "story: [{fact: delivered}]": "no time",
    "story: [{fact: delivered, at: yesterday}]": "yesterday",
    "story: [{fact: delivered, at: 1969-01-02T00:00:00Z}]": "1969",
    "story: [{fact: delivered, at: 1970-01-02T00:00:00Z, by: king}]": "king",
    "story: [{fact: delivered, at: 1970-01-02T00:00:00Z, confirm: 1970-01-02T00:00:00Z}]": "a confirmation",
    "story: [{fact: force_majeure, at: 1970-01-02T00:00:00Z, confirm: {king: 1970-01-02T00:00:00Z}}]": "king",
    "story: [{fact: delivered, at: 1970-01-02T00:00:00Z, fields: {at: 1970-01-02T00:00:00Z}}]": "at among",
    "story: [{said: delivered}]": "none of fact, event, tick",
    "story: [{tick: 1970-01-02T00:00:00Z, fact: delivered}]": "the key 'tick'",
    "start: 1970-01-03T00:00:00Z\nstory: [{tick: 1970-01-02T00:00:00Z}]": "before the start",
    "story: [{tick: 1970-01-02T00:00:00Z}]\nnow: true": "the key 'now'",
    "story: [{event: '', by: seller, counted: 1970-01-02T00:00:00Z}]": "an empty text",
    "story: [{correct: penalty, counted: 1970-01-02T00:00:00Z}]": "amount and effects, or neither",
    "story: [{correct: king, amount: 1 USD, counted: 1970-01-02T00:00:00Z}]": "king",
    "story: [{correct: quit, amount: one, counted: 1970-01-02T00:00:00Z}]": "one",
    "story: [{correct: quit, amount: 1 USD, by: [king], counted: 1970-01-02T00:00:00Z}]": "the role 'king'",
    "story: [{handover: Port, counted: 1970-01-02T00:00:00Z}]": "Port",
    "story: [{handover: hub, cut: 1970-01-03T00:00:00Z, counted: 1970-01-02T00:00:00Z}]": "a cut after",
    "story: [{replaced: 1970-01-02T00:00:00Z, counted: 1970-01-02T00:00:00Z}]": "the key 'counted'",
    "[]": "a list",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text: str, document: Document) -> None:
    with pytest.raises(MalformedError) as caught:
        read(text, document)
    assert caught.value.where.startswith("s line")
    assert REFUSED[text] in caught.value.found


def test_by_is_needed_where_several_may_state_a_fact() -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: s\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a, b]}}\nrules: []\n"
    )
    with pytest.raises(TallyError, match="no by, where a, b may state it"):
        read("story: [{fact: f, at: 1970-01-02T00:00:00Z}]", document)
