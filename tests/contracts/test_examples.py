"""Worked examples: what a contract itself suggests to try."""

from __future__ import annotations

from pathlib import Path

from contracts.contract import load_contract
from contracts.document import format_document
from contracts.examples import MAX_EXAMPLES, Example, examples
from contracts.reading import parse_contract_yaml
from contracts.words import Words


def of(path: Path) -> tuple[Example, ...]:
    document = parse_contract_yaml(path.read_bytes(), path.name)
    signed = format_document(document)
    return examples(load_contract(signed), signed, Words(document))


def test_what_counts_days_is_shown_on_time_late_and_never(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "late-delivery.yaml")}
    assert found["“delivered” is on time, 2019-01-11 03:24:00 UTC"] == (
        "2019-01-11 03:24:00 UTC, when “delivered” is counted: the agreement ends: fulfilled",
    )
    assert found["“delivered” is never recorded"][0] == (
        "2019-01-29 03:24:00 UTC, when “window” passes: bolt (buyer) may terminate the agreement"
    )


OWED = (
    "2019-02-13 03:24:00 UTC, when “claims” passes: acme (seller) owes bolt (buyer) {}, payable by "
    "2019-03-15 03:24:00 UTC (30 days after that)"
)


def test_each_outcome_says_when_and_what_its_dates_are_reckoned_from(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "late-delivery.yaml")}
    late = "“delivered” is 8 days late"
    assert found[f"{late}, 2019-01-19 03:24:00 UTC"] == (OWED.format("84.00 USD"),)
    assert found[f"{late}, and recorded too late: counted 2019-01-30 03:24:00 UTC"][1:] == (
        "“delivered” does not count",
        OWED.format("110.00 USD"),
    )


def test_what_others_confirm_is_shown_in_time_never_and_too_late(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "late-delivery.yaml")}
    case, after = "“delivered” is 8 days late, and “force majeure” is", "2019-02-14 03:24:00 UTC"
    owed = OWED.format("84.00 USD")
    assert found[f"{case} recorded and confirmed in time"] == ()
    assert found[f"{case} recorded in time, and never confirmed"] == (owed,)
    for way in (f"recorded too late: counted {after}", f"recorded in time and confirmed too late: {after}"):
        assert found[f"{case} {way}"] == (owed, "“force majeure” does not count")


def test_otherwise_each_fact_comes_alone_with_values_that_it_may_have(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "orders.yaml")}
    accepted = "the agreement is “accepted”; bolt (buyer) must pay for"
    passes = f"2026-01-04 00:00:00 UTC, when “window” passes: {accepted}"
    assert found["Only “ordered” is recorded, order example, pieces 1"] == (passes,)
    assert found["Nothing is ever recorded"] == ()


def test_a_fact_comes_after_those_that_it_needs(documents: Path) -> None:
    found = {example.title: example.outcome for example in of(documents / "orders.yaml")}
    first = "First “ordered”, order example, pieces 1; then"
    assert found[f"{first} “refused” is recorded in time, order example"] == ()
    assert found[f"{first} “refused” is recorded too late: counted 2026-01-05 00:00:00 UTC"][1:] == (
        "“refused” does not count",
    )
    (owed, _) = found[f"{first} “delivered” is recorded and confirmed, order example"]
    assert owed == (
        "2026-01-02 00:00:00 UTC, when the confirmation of “delivered” is counted: bolt (buyer) owes acme "
        "(supplier) 5.00 EUR, payable by 2026-02-01 00:00:00 UTC (30 days after that)"
    )


def test_a_contract_of_which_nothing_follows_shows_none() -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a]}}\nrules: []\n"
    )
    signed = format_document(document)
    assert examples(load_contract(signed), signed, Words(document)) == ()


TIMES = """
contract: 1
name: times
parties: {seller: acme, buyer: bolt}
timekeeper: port
params: {first: {instant: "2026-01-05T00:00:00Z"}, fee: {money: 2.00 EUR}, pay: {duration: 2 days}}
facts: {left: {by: [seller]}}
deadlines: {early: {at: first}, late: {at: first}}
rules:
  - name: owed
    when: early.passed and late.passed
    then:
      - {due: {from: buyer, to: seller, amount: fee, on: late.at + pay}}
      - {obligation: {kind: duty, of: seller, act: bring, by: late.at + pay}}
  - name: brought
    when: exists(left)
    then: [{discharge: bring}, {notify: [buyer]}]
"""


def test_deadlines_that_pass_together_and_the_reasons_of_dates_are_told(tmp_path: Path) -> None:
    path = tmp_path / "times.yaml"
    path.write_text(TIMES)
    found = {example.title: example.outcome for example in of(path)}
    since = "(the deadline “late” (2026-01-05 00:00:00 UTC) + 2 days)"
    assert found["Nothing is ever recorded"] == (
        "2026-01-05 00:00:00 UTC, when “early” passes and “late” passes: bolt (buyer) owes acme (seller) "
        f"2.00 EUR, payable by 2026-01-07 00:00:00 UTC {since}; acme (seller) must bring, by 2026-01-07 "
        f"00:00:00 UTC {since}",
    )
    assert found["Only “left” is recorded"][0] == (
        "2026-01-05 00:00:00 UTC, when “left” is counted: “bring” is done with"
    )


def test_there_are_not_more_than_people_read(documents: Path) -> None:
    for path in sorted(documents.rglob("*.yaml")):
        if "cases" not in path.parts:
            assert len(of(path)) <= MAX_EXAMPLES
