"""Real clauses with inputs and results that nobody on this project wrote, as far as this version goes.

Expressed here: payment upon delivery, payment upon demand, perishable goods (the extremes of the journey
stated as one fact). The other clauses need deadlines or sums, which this version does not know.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.checker import check_document
from contracts.document import parse_contract_yaml
from contracts.statements import check_fact
from ledger.errors import InvalidError, TallyError


@pytest.fixture(scope="module")
def cases(conformance: Path) -> dict[str, Any]:
    """Every clause with its cases, all scalars as text."""
    text = (conformance / "contracts" / "cases.yaml").read_bytes()
    loaded: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)
    return loaded


def state(told: Any, organization: str, name: str, fields: dict[str, str] | None = None) -> None:
    """Check, state and count a fact, and let every organization that is asked confirm it."""
    body = {
        "agreement": told.agreement,
        "attachments": [],
        "cites": [],
        "fields": fields or {},
        "name": name,
    }
    check_fact(told.fold(), organization, body)
    fact = told.state(organization, name, fields)
    document = told.document
    asked = [document.parties[role] for role in document.facts[name].confirm]
    told.count(fact, *[told.confirm(other, fact) for other in asked])


def test_payment_upon_delivery(cases: dict[str, Any], documents: Path, story: Any) -> None:
    text = (documents / "payment-upon-delivery.yaml").read_text()
    results = []
    for case in cases["payment-upon-delivery"]["cases"]:
        filled = text.replace("9.99 USD", case["goods"]).replace("1.99 USD", case["fee"])
        document = parse_contract_yaml(filled.encode(), "payment-upon-delivery")
        if case.get("result") == "reject":
            with pytest.raises(InvalidError, match=r"line 16 column \d+ .*USD \+ EUR"):
                check_document(document)
            results.append("reject")
            continue
        told = story(document)
        told.sign_all()
        state(told, "bolt", "delivery", {"accepted": case["accepted"]})
        (due,) = told.evaluate().dues
        assert (due.payer, due.payee, due.amount) == ("bolt", "acme", case["due"])
        results.append(due.amount)
    assert results == ["11.98 USD", "reject"]


def test_payment_upon_demand(cases: dict[str, Any], story: Any) -> None:
    wanted = [case for case in cases["payment-upon-demand"]["cases"] if case["facts"][0] == "demand"]
    assert len(wanted) == 3
    for case in wanted:
        told = story("payment-upon-demand")
        told.sign_all()
        for number, name in enumerate(case["facts"]):
            if name in case["facts"][:number]:
                with pytest.raises(TallyError, match="already"):
                    state(told, "acme", name)
                told.count(told.state("acme", name))
            else:
                state(told, {"demand": "acme", "paid": "bolt"}[name], name)
        evaluation = told.evaluate()
        assert evaluation.state == case["state"]
        assert [due.amount for due in evaluation.dues] == [case.get("due", "3.14 EUR")]


def test_perishable_goods(cases: dict[str, Any], story: Any) -> None:
    for case in cases["perishable-goods"]["cases"]:
        told = story("perishable-goods")
        told.sign_all()
        heat = [Decimal(reading[0]) for reading in case["readings"]]
        moisture = [Decimal(reading[1]) for reading in case["readings"]]
        fields = {"kilograms": case["kg"]}
        if case["readings"]:
            fields |= {
                "coldest": str(min(heat)),
                "warmest": str(max(heat)),
                "driest": str(min(moisture)),
                "dampest": str(max(moisture)),
            }
        if case.get("result") == "reject":
            with pytest.raises(TallyError):
                state(told, "finca", "arrived", fields)
            continue
        state(told, "finca", "arrived", fields)
        (due,) = told.evaluate().dues
        assert (due.payer, due.payee, due.amount) == ("dock", "finca", case["price"])
