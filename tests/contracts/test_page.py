"""The page of a contract: what a stranger to the language reads before signing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from contracts.contract import Contract, load_contract, make_contract
from contracts.document import agreement_hash, format_document
from contracts.page import contract_page
from contracts.reading import parse_contract_yaml


class Shown(HTMLParser):
    """The texts and the tags of a page, and whether each tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def contract(path: Path) -> Contract:
    return load_contract(format_document(parse_contract_yaml(path.read_bytes(), path.name)))


def test_it_says_what_happens_if_the_goods_come_eight_days_late(documents: Path) -> None:
    text = Shown(contract_page(contract(documents / "late-delivery.yaml"))).text
    assert (
        "“delivered” is 8 days late, 2019-01-19 03:24:00 UTC 2019-02-13 03:24:00 UTC, when “claims” passes: "
        "acme (seller) owes bolt (buyer) 84.00 USD, payable by 2019-03-15 03:24:00 UTC (30 days after that)"
        in text
    )


def test_it_holds_prose_parties_deadlines_signers_warnings_and_hash(documents: Path) -> None:
    found = contract(documents / "late-delivery.yaml")
    text = Shown(contract_page(found)).text
    for wanted in (
        "For every 2 days of delay after 2019-01-11 03:24:00 UTC Seller pays 10.5% of 200.00 USD",
        "An agreement between bolt (buyer), dart (carrier) and acme (seller). port keeps the time (the "
        "timekeeper).",
        "port (timekeeper) records that 2019-01-29 03:24:00 UTC has been reached",
        "any 2 different people who each hold one of these roles: procurement, finance or director",
        "Where the two differ, it goes by the rules",
        "Order and deadlines go by when the timekeeper counts",
        "(the contract “late-delivery”)",
        "What signers should know",
        found.agreement.hex(),
    ):
        assert wanted in text


def test_warnings_are_sentences_without_places_on_the_page(documents: Path) -> None:
    found = contract(documents / "late-delivery.yaml")
    text = Shown(contract_page(found)).text
    assert (
        "Only bolt can confirm “force majeure”, and bolt gains by not doing so. Consider letting a neutral "
        "party confirm it instead."
    ) in text
    assert found.report.warnings
    for problem in found.report.warnings:
        assert problem.where not in text
        assert problem.found.endswith(".")
        assert problem.action.endswith(".")


def test_a_file_is_named_without_its_folder(documents: Path) -> None:
    path = documents / "late-delivery.yaml"
    document = parse_contract_yaml(path.read_bytes(), str(path))
    page = contract_page(make_contract(document, agreement_hash(format_document(document))))
    assert "(the file late-delivery.yaml)" in Shown(page).text
    assert str(documents) not in page


def test_an_agreed_value_stands_with_the_words_around_it(documents: Path) -> None:
    text = Shown(contract_page(contract(documents / "late-delivery.yaml"))).text
    assert "“cap” 55% (in the text: “… a full day, at most 55%, rounded half up to …”)" in text


@pytest.mark.parametrize("name", ["coffee-delivery", "late-delivery", "orders", "perishable-goods"])
def test_it_is_one_file_that_asks_nobody_for_anything(documents: Path, name: str) -> None:
    page = contract_page(contract(documents / f"{name}.yaml"))
    shown = Shown(page)
    assert shown.open == []
    assert not shown.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not re.search(r"https?:|@import|url\(", page)
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


def test_what_somebody_wrote_into_the_prose_stays_text() -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: n\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"params: {p: {string: '<img src=x onerror=y>'}}\n"
        b'text: "<script>alert(1)</script> {p}"\nrules: []\n'
    )
    shown = Shown(contract_page(load_contract(format_document(document))))
    assert not shown.tags & {"script", "img"}
    assert "<script>alert(1)</script> <img src=x onerror=y>" in shown.text


def test_an_agreement_shows_how_it_stands(documents: Path, story: Any) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    told.count(told.state("acme", "demand"))
    agreement = told.fold()
    text = Shown(contract_page(agreement.contract, agreement, told.evaluate())).text
    assert "How it stands: in force" in text
    assert "rule demanded, final bolt (buyer) owes acme (seller) 3.14 EUR" in text
    assert "How it stands" not in Shown(contract_page(agreement.contract)).text


def test_a_proposal_shows_whose_signatures_lack(story: Any) -> None:
    told = story("payment-upon-demand")
    told.propose("acme")
    agreement = told.fold()
    text = Shown(contract_page(agreement.contract, agreement, told.evaluate())).text
    assert "proposed by acme signatures lacking: 1 as buyer, 1 as seller" in text
