"""Real clauses with inputs and results that nobody on this project wrote, case by case in the evaluator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.checker import check_document, inspect_document
from contracts.reading import parse_contract_yaml
from ledger.errors import InvalidError
from tests.conformance.contract_cases import DOCUMENTS, SCENES, Said, read_cases, scenes_of
from tests.conformance.contract_play import play


@pytest.fixture(scope="module")
def cases(conformance: Path) -> dict[str, Any]:
    return read_cases(conformance)


def test_every_clause_is_expressed(cases: dict[str, Any]) -> None:
    assert list(cases) == list(SCENES)
    assert sum(len(told["cases"]) for told in cases.values()) == 34


@pytest.mark.parametrize("clause", SCENES)
def test_every_case_comes_out_as_its_clause_says(cases: dict[str, Any], clause: str) -> None:
    for scene in scenes_of(clause, cases[clause]):
        if scene.refusal:
            assert scene.rejected
            with pytest.raises(InvalidError, match=rf"line \d+ column \d+ .*{scene.refusal}"):
                check_document(parse_contract_yaml(scene.text, clause))
            continue
        told = play(scene)
        if scene.rejected:
            assert scene.said[-1].refusal
            assert not told.evaluate().dues
            continue
        found = scene.read(told.fold(), told.evaluate())
        assert {key: found[key] for key in scene.expected} == scene.expected, scene.case


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_checker_finds_nothing_odd_about_the_documents(path: Path) -> None:
    report = inspect_document(parse_contract_yaml(path.read_bytes(), path.stem))
    assert [str(problem) for problem in report.problems] == []


def test_a_rate_recorded_later_decides_what_was_undecided(cases: dict[str, Any]) -> None:
    clause = "late-delivery-paid-in-another-currency"
    scene = next(s for s in scenes_of(clause, cases[clause]) if s.case["rate"] == "none recorded")
    quoted = Said(at=scene.end, by="mint", name="quoted", fields={"dollars": "1.1"})
    told = play(replace(scene, said=(*scene.said, quoted)))
    assert [due.amount for due in told.evaluate().dues] == ["69.30 USD"]


def test_a_second_demand_that_stands_in_the_log_all_the_same_is_one_too_many(cases: dict[str, Any]) -> None:
    scene = scenes_of("payment-upon-demand", cases["payment-upon-demand"])[0]
    told = play(scene)
    before = told.evaluate()
    told.count(told.state("acme", "demand"))
    assert [fact.status for fact in told.fold().facts] == ["exists", "one too many"]
    assert told.evaluate() == before
