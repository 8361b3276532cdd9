"""Worked examples: what a contract itself suggests to try."""

from __future__ import annotations

from pathlib import Path

from contracts.contract import load_contract
from contracts.document import format_document
from contracts.examples import Example, examples
from contracts.reading import parse_contract_yaml
from contracts.words import Words


def of(path: Path) -> tuple[Example, ...]:
    document = parse_contract_yaml(path.read_bytes(), path.name)
    signed = format_document(document)
    return examples(load_contract(signed), signed, Words(document))


def test_what_counts_days_is_shown_on_time_late_and_never(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "late-delivery.yaml")}
    assert found["“delivered” is on time, 2019-01-11 03:24:00 UTC"] == ("the agreement ends: fulfilled",)
    (line,) = found["“delivered” is 8 days late, 2019-01-19 03:24:00 UTC"]
    assert line.startswith("acme (seller) owes bolt (buyer) 84.00 USD")
    assert "bolt (buyer) may terminate the agreement" in found["“delivered” is never recorded"]


def test_otherwise_each_fact_comes_alone_with_values_that_it_may_have(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "orders.yaml")}
    assert found["Only “ordered” is recorded, order example, pieces 1"][0] == "the agreement is “accepted”"
    assert found["Nothing is ever recorded"] == ()


def test_a_contract_of_which_nothing_follows_shows_none() -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a]}}\nrules: []\n"
    )
    signed = format_document(document)
    assert examples(load_contract(signed), signed, Words(document)) == ()
