"""Commercial clauses come to what was reckoned by hand from their prose; the scenarios stand in `clauses`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.contract import load_contract
from contracts.document import format_document
from contracts.reading import parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import simulate
from contracts.yaml_text import parse_yaml

FOLDER = Path(__file__).parent / "clauses"


def scenarios() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.yaml")):
        cases, _ = parse_yaml(path.read_bytes(), path.name)
        assert isinstance(cases, list)
        for case in cases:
            assert isinstance(case, dict)
            yield pytest.param(path.name, case, id=f"{path.stem}: {case['told']}")


@pytest.mark.parametrize(("name", "case"), list(scenarios()))
def test_a_clause_comes_to_what_its_prose_says(documents: Path, name: str, case: dict[str, Any]) -> None:
    document = parse_contract_yaml((documents / "clauses" / name).read_bytes(), name)
    signed = format_document(document)
    scenario = parse_scenario(json.dumps(case["scenario"]).encode(), document)
    evaluation = simulate(load_contract(signed), signed, scenario).evaluation
    dues = [f"{due.payer} {due.payee} {due.amount} {due.by}" for due in evaluation.dues]
    obligations = [
        " ".join(map(str, (found.duty, found.of, found.act, found.key, found.standing)))
        for found in evaluation.obligations
    ]
    assert evaluation.failures == ()
    assert sorted(dues) == sorted(case["due"])
    assert sorted(obligations) == sorted(case["obligations"])


def test_every_clause_has_scenarios(documents: Path) -> None:
    told = {path.name for path in FOLDER.glob("*.yaml")}
    assert told == {path.name for path in (documents / "clauses").glob("*.yaml")}
    assert len(told) == 26
