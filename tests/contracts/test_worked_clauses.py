"""The worked clauses of docs/contract-language.md: each document passes, each scenario gives its result."""

from __future__ import annotations

import re

import pytest

from contracts.contract import load_contract
from contracts.document import format_document
from contracts.page import contract_page
from contracts.reading import parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import simulate
from contracts.timeline import timeline_lines
from tests.contracts.test_language_docs import section

CLAUSES = {part.partition("\n")[0]: part for part in section("Worked clauses").split("\n### ")[1:]}


def blocks(clause: str) -> tuple[bytes, bytes, list[str]]:
    """Document, scenario and result of a clause."""
    document, scenario = re.findall(r"^```yaml\n(.*?)^```$", clause, re.DOTALL | re.MULTILINE)
    (result,) = re.findall(r"^```text\n# result\n(.*?)^```$", clause, re.DOTALL | re.MULTILINE)
    return document.encode(), scenario.encode(), result.splitlines()


def test_there_are_ten() -> None:
    assert len(CLAUSES) == 10


@pytest.mark.parametrize("title", CLAUSES)
def test_a_clause_gives_what_the_page_says(title: str) -> None:
    text, scenario, result = blocks(CLAUSES[title])
    document = parse_contract_yaml(text, title)
    signed = format_document(document)
    simulation = simulate(load_contract(signed), signed, parse_scenario(scenario, document, title))
    told = [" ".join(" ".join(row).split()) for row in timeline_lines(simulation.steps)]
    assert [line for line in result if " ".join(line.split()) not in told] == []


@pytest.mark.parametrize("title", CLAUSES)
def test_a_clause_has_a_page(title: str) -> None:
    document = parse_contract_yaml(blocks(CLAUSES[title])[0], title)
    assert f"<h1>{document.name}</h1>" in contract_page(load_contract(format_document(document)))


@pytest.mark.parametrize(("number", "amount"), [(0, "508.20 EUR"), (1, "500.00 EUR")])
def test_the_form_of_a_scenario_is_read_as_the_page_tells_it(number: int, amount: str) -> None:
    (first, *_) = re.findall(
        r"^```yaml\n(contract:.*?)^```$", section("A whole contract"), re.DOTALL | re.MULTILINE
    )
    story = re.findall(r"^```yaml\n(.*?)^```$", section("Scenarios"), re.DOTALL | re.MULTILINE)[number]
    document = parse_contract_yaml(first.encode(), "page")
    signed = format_document(document)
    simulation = simulate(load_contract(signed), signed, parse_scenario(story.encode(), document, "page"))
    (due,) = simulation.evaluation.dues
    assert due.amount == amount
