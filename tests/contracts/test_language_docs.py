"""docs/contract-language.md says what is so: its examples are run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from contracts.checker import inspect_document
from contracts.facts_known import ExistingFact, Known, Moment
from contracts.functions import CALENDAR_FUNCTIONS, FUNCTIONS
from contracts.grammar import AGGREGATES, parse_expression
from contracts.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_EXPRESSION_CHARS,
    MAX_EXPRESSION_DEPTH,
    MAX_LET_DEPTH,
    MAX_LIFE_COST,
    MAX_LOOK_COST,
    MAX_RULES_CHARS,
)
from contracts.look import Look
from contracts.operations import MODES
from contracts.program import Program
from contracts.reading import parse_contract_yaml
from contracts.syntax import Place
from contracts.types import parse_typed
from contracts.values import EXAMPLES, Instant, format_value, parse_value
from contracts.yaml_text import parse_yaml
from ledger.errors import TallyError

PAGE = (Path(__file__).parent.parent.parent / "docs" / "contract-language.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CONTRACTS = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("contract:")]
HEAD = "contract: 1\nname: examples\nparties: {seller: acme, buyer: bolt}\ntimekeeper: port\nrules: []\n"


def section(title: str) -> str:
    """One section of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


TOLD = "".join(section(title) for title in ("Values and types", "Calendars", "Bands", "Expressions"))
PARTS = re.findall(r"^```yaml\n((?:params|calendars|bands|facts):\n.*?)^```$", TOLD, re.DOTALL | re.MULTILINE)
SO_FAR = re.findall(r"^```yaml\n# so far\n(.*?)^```$", TOLD, re.DOTALL | re.MULTILINE)[0]
EXAMPLE_LINES = re.findall(r"^(.*?) => (.*)$", TOLD, re.MULTILINE)
PROGRAM = Program(parse_contract_yaml((HEAD + "".join(PARTS)).encode(), "page"))


def so_far() -> Known:
    """The facts that the page says came to exist."""
    known = Known()
    tree, _ = parse_yaml(SO_FAR.encode(), "page")
    assert isinstance(tree, list)
    for number, item in enumerate(tree):
        assert isinstance(item, dict)
        (name,) = item.keys() - {"at"}
        rules, texts = PROGRAM.document.facts[name].fields, item[name]
        assert isinstance(texts, dict)
        fields = {field: parse_typed(rules[field].type, str(text), "page") for field, text in texts.items()}
        at = parse_value("instant", str(item["at"]), "page")
        assert isinstance(at, Instant)
        moment = Moment(instant=at, position=("port", number))
        known.add(
            ExistingFact(
                name=name, fields=fields, at=at, counted=at, confirmed=None, entries=(b"",), since=moment
            )
        )
    return known


@pytest.mark.parametrize("text", CONTRACTS, ids=range(len(CONTRACTS)))
def test_contracts_pass_or_are_refused_where_the_page_says(text: str) -> None:
    report = inspect_document(parse_contract_yaml(text.encode(), "page"))
    refused = re.findall(r"^# refused: (.*)$", text, re.MULTILINE)
    warned = re.findall(r"^# warned: (.*)$", text, re.MULTILINE)
    assert [places(problem.where) for problem in report.errors] == refused
    assert refused or [places(problem.where) for problem in report.warnings] == warned


def places(where: str) -> str:
    """The line and column of a problem's place."""
    return where.removeprefix("page ").partition(" (")[0]


@pytest.mark.parametrize(("text", "result"), EXAMPLE_LINES, ids=[text for text, _ in EXAMPLE_LINES])
def test_examples_give_what_the_page_says(text: str, result: str) -> None:
    look = Look(PROGRAM, so_far())
    if not result.startswith("error: "):
        assert format_value(PROGRAM.compute_text(text, look)) == result
        return
    with pytest.raises(TallyError) as caught:
        PROGRAM.compute_text(text, look)
    assert caught.value.found.startswith(result.removeprefix("error: "))


RECIPES = re.findall(
    r"^\| .* \| `(.*)` \|$", TOLD.partition("| wanted | write |")[2].partition("\n\n")[0], re.MULTILINE
)
KITCHEN = """
params:
  loan: {money: 1000.00 EUR}
  share: {money: 10.00 EUR}
  value: {money: 10.00 EUR}
  pieces: {integer: 700}
  rate: {decimal: 0.05}
  start: {instant: "2019-01-11T03:24:00Z"}
  from: {instant: "2019-01-11T03:24:00Z"}
  to: {instant: "2019-02-11T03:24:00Z"}
calendars:
  work: {zone: "+01:00", until: 2019-12-31}
facts:
  failed: {by: [buyer], max: 100}
  check: {by: [buyer], max: 100, fields: {passed: boolean}}
  paid: {by: [buyer], max: 100, fields: {amount: {money: EUR}}}
  quoted: {by: [buyer], max: 100, fields: {rate: decimal}}
  outage: {by: [buyer], max: 100, fields: {length: duration}}
  reading: {by: [buyer], max: 100, fields: {celsius: decimal}}
"""


@pytest.mark.parametrize("text", RECIPES)
def test_recipes_are_expressions_that_rest_on_no_absence(text: str) -> None:
    program = Program(parse_contract_yaml((HEAD + KITCHEN).encode(), "page"))
    program.compute_text(text, Look(program, Known()))
    condition = program.contexts.infer(parse_expression(text, Place(label="page")))
    assert condition.type.kind != "boolean" or not condition.flow.loses


def test_the_first_contract_does_what_the_page_says(story: Any) -> None:
    told = story(parse_contract_yaml(CONTRACTS[0].encode()))
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60.5"})
    told.count(fact, told.confirm("corner", fact))
    (due,) = told.evaluate().dues
    assert (due.payer, due.payee, due.amount) == ("corner", "roast", "508.20 EUR")


def test_every_function_type_mode_and_limit_is_told() -> None:
    for name in (*FUNCTIONS, *CALENDAR_FUNCTIONS, *AGGREGATES, "exists", "band"):
        assert f"`{name}(" in PAGE
    for kind in EXAMPLES:
        assert f"\n| {kind} |" in PAGE
    for mode in MODES:
        assert f"`{mode}`" in PAGE
    for limit in (
        *(MAX_LOOK_COST, MAX_LIFE_COST, MAX_EXPRESSION_CHARS, MAX_EXPRESSION_DEPTH, MAX_LET_DEPTH),
        MAX_RULES_CHARS,
    ):
        assert re.search(rf"\s{limit:,}[\s.]", PAGE)
    assert f"{MAX_DOCUMENT_BYTES // 1024} KiB" in PAGE
