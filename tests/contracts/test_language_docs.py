"""docs/contract-language.md says what is so: its examples are run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from contracts.checker import inspect_document
from contracts.document import parse_contract_yaml
from contracts.evaluator import compute, make_contract
from contracts.functions import FUNCTIONS
from contracts.limits import (
    MAX_COST,
    MAX_DOCUMENT_BYTES,
    MAX_EXPRESSION_CHARS,
    MAX_EXPRESSION_DEPTH,
    MAX_LET_DEPTH,
    MAX_RULES_CHARS,
)
from contracts.operations import MODES
from contracts.values import EXAMPLES, format_value
from ledger.errors import TallyError

PAGE = (Path(__file__).parent.parent.parent / "docs" / "contract-language.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CONTRACTS = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("contract:")]
PARAMS = next(text for kind, text in BLOCKS if kind == "yaml" and text.startswith("params:"))
EXAMPLE_LINES = [
    line.split(" => ")
    for kind, text in BLOCKS
    if kind == "text"
    for line in text.splitlines()
    if " => " in line
]
HEAD = "contract: 1\nname: examples\nparties: {seller: acme, buyer: bolt}\ntimekeeper: port\nrules: []\n"


@pytest.mark.parametrize("text", CONTRACTS, ids=range(len(CONTRACTS)))
def test_contracts_pass_or_are_refused_where_the_page_says(text: str) -> None:
    problems = inspect_document(parse_contract_yaml(text.encode(), "page")).problems
    refused = re.search(r"^# refused: (.*)$", text, re.MULTILINE)
    if refused:
        assert f"page {refused[1]} " in problems[0].where
    else:
        assert problems == ()


@pytest.mark.parametrize(("text", "result"), EXAMPLE_LINES, ids=[text for text, _ in EXAMPLE_LINES])
def test_examples_give_what_the_page_says(text: str, result: str) -> None:
    contract = make_contract(parse_contract_yaml((HEAD + PARAMS).encode()), bytes(32))
    if not result.startswith("error: "):
        assert format_value(compute(contract, text)) == result
        return
    with pytest.raises(TallyError) as caught:
        compute(contract, text)
    assert caught.value.found.startswith(result.removeprefix("error: "))


def test_the_first_contract_does_what_the_page_says(story: Any) -> None:
    told = story(parse_contract_yaml(CONTRACTS[0].encode()))
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60.5"})
    told.count(fact, told.confirm("corner", fact))
    (due,) = told.evaluate().dues
    assert (due.payer, due.payee, due.amount) == ("corner", "roast", "508.20 EUR")


def test_every_function_type_mode_and_limit_is_told() -> None:
    for name in FUNCTIONS:
        assert f"`{name}(" in PAGE
    for kind in EXAMPLES:
        assert f"\n| {kind} |" in PAGE
    for mode in MODES:
        assert f"`{mode}`" in PAGE
    for limit in (MAX_COST, MAX_EXPRESSION_CHARS, MAX_EXPRESSION_DEPTH, MAX_LET_DEPTH, MAX_RULES_CHARS):
        assert re.search(rf" {limit:,}\s", PAGE)
    assert f"{MAX_DOCUMENT_BYTES // 1024} KiB" in PAGE
