"""The picture of a simulation: readable, whole, and nothing from elsewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from contracts.contract import load_contract
from contracts.document import format_document
from contracts.reading import parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import Simulation, simulate
from contracts.timeline import MAX_ROWS, picture, timeline_lines

SVG = "{http://www.w3.org/2000/svg}"


def run(path: Path, text: str) -> Simulation:
    document = parse_contract_yaml(path.read_bytes(), path.name)
    signed = format_document(document)
    return simulate(load_contract(signed), signed, parse_scenario(text.encode(), document, "s"))


@pytest.fixture(scope="module")
def late(documents: Path) -> Simulation:
    return run(
        documents / "late-delivery.yaml",
        'start: "2019-01-01T00:00:00Z"\nuntil: "2019-04-01T00:00:00Z"\n'
        'story: [{fact: delivered, at: "2019-01-19T03:24:00Z"}]\n',
    )


def texts(simulation: Simulation) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture(simulation)).iter(f"{SVG}text")]


def test_every_step_stands_in_the_picture(late: Simulation) -> None:
    shown = texts(late)
    for line in (line for step in late.steps for line in step.lines):
        assert line in shown
    assert "2019-01-29 03:24:00 UTC" in shown
    assert "10 days later" in shown


def test_it_is_told_to_those_who_do_not_see_it(late: Simulation) -> None:
    root = ET.fromstring(picture(late))
    assert root.get("role") == "img"
    said = root.findtext(f"{SVG}desc") or ""
    assert root.findtext(f"{SVG}title") == "late-delivery: what happens in a simulation"
    assert "acme (seller) owes bolt (buyer) 84.00 USD" in said


def test_it_asks_nobody_for_anything(late: Simulation) -> None:
    drawn = picture(late).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|href|<script|@import|url\(", drawn)


def test_what_people_wrote_does_not_become_markup(documents: Path) -> None:
    text = (
        "story: [{fact: ordered, at: 2026-01-01T00:00:00Z, fields: {order: '<b>&', pieces: 2}}]\n"
        "until: 2026-02-01T00:00:00Z"
    )
    simulation = run(documents / "orders.yaml", text)
    assert any("order <b>&" in shown for shown in texts(simulation))


def test_a_long_story_is_cut_and_says_so(documents: Path) -> None:
    items = "".join(
        f"  - {{fact: ordered, at: 2026-01-01T00:00:00Z, fields: {{order: o{n}, pieces: 1}}}}\n"
        for n in range(MAX_ROWS)
    )
    simulation = run(documents / "orders.yaml", f"story:\n{items}")
    assert "and 1 more steps, which this picture leaves out" in texts(simulation)


def test_lines_of_text_tell_the_same(late: Simulation) -> None:
    rows = list(timeline_lines(late.steps))
    assert rows[1] == ("2019-01-19 03:24:00 UTC", "fact", "“delivered”, dart: counted")
    assert rows[4][2].startswith("rule penalty: acme (seller) owes bolt (buyer) 84.00 USD")
    assert rows[5] == ("", "", "  acme (seller) and bolt (buyer) are notified")


def test_every_sort_of_step_has_a_shape_and_a_name_of_its_own(documents: Path) -> None:
    story = """
start: "2019-01-01T00:00:00Z"
until: "2019-04-01T00:00:00Z"
story:
  - {fact: delivered, at: "2019-01-19T03:24:00Z"}
  - {terminate: seller, counted: "2019-01-20T00:00:00Z"}
  - {correct: penalty, amount: 63.00 USD, counted: "2019-02-20T00:00:00Z"}
  - {handover: harbor, counted: "2019-02-25T00:00:00Z"}
  - {replaced: "2019-03-01T00:00:00Z"}
"""
    document = parse_contract_yaml((documents / "late-delivery.yaml").read_bytes(), "late")
    signed = format_document(document)
    simulation = simulate(load_contract(signed), signed, parse_scenario(story.encode(), document))
    drawn = picture(simulation)
    for title in (
        "people confirm or terminate",
        "a decision is corrected",
        "another keeps the time",
        "the end",
    ):
        assert title in drawn
    assert "acme (seller) owes bolt (buyer) 63.00 USD" in drawn
