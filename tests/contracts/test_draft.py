"""Contracts that are being written: every fault is told at once, each with its place and what to write."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checker import inspect_draft
from contracts.faults import MAX_FAULTS
from contracts.problems import Problem
from contracts.reading import draft_contract_yaml, parse_contract_yaml
from ledger.errors import TallyError

HEAD = "contract: 1\nname: d\nparties: {seller: acme, buyer: bolt}\ntimekeeper: port\n"
GOOD = HEAD + (
    "params: {price: {money: 5.00 EUR}}\n"
    "text: '{buyer} pays {price}.'\n"
    "facts: {sold: {by: [seller], confirm: [buyer]}}\n"
    "rules: [{name: pay, when: exists(sold), then: [{due: {from: buyer, to: seller, amount: price}}]}]\n"
)


def told(text: str) -> tuple[Problem, ...]:
    return inspect_draft(draft_contract_yaml(text.encode(), "d"))


def found(text: str) -> list[str]:
    return [problem.found for problem in told(text)]


def test_a_good_draft_is_a_document_without_problems() -> None:
    draft = draft_contract_yaml(GOOD.encode(), "d")
    assert (draft.faults, draft.broken, inspect_draft(draft)) == ((), frozenset(), ())
    assert draft.document == parse_contract_yaml(GOOD.encode(), "d")


def test_faults_of_form_and_of_meaning_are_told_together() -> None:
    text = HEAD + (
        "params: {pay: {duration: 30 dayz}, n: {integer: 1}, n: {integer: 2}}\n"
        "facts:\n"
        "  sold: {by: [seller], confrim: [buyer], max: lots}\n"
        "  paid: {by: [buyer], fields: {amount: decimel}}\n"
        "  told: {by: [buyer], fields: {size: integer}}\n"
        "lets: {a: 1 + (, b: a + pay, c: n + 'x'}\n"
        "rules:\n"
        "  - {name: one, when: exists(sold) and bogus, then: [{due: {from: buyer}}]}\n"
        "  - {name: two, when: exists(told) and told.szie > 1 and other, then: [{notify: [king]}]}\n"
    )
    problems = told(text)
    places = [problem.where.removeprefix("d line ").partition(" (")[0] for problem in problems]
    assert list(zip(places, (problem.found for problem in problems), strict=True)) == [
        ("5 column 53", "the key 'n' a second time"),
        ("5 column 26", "'30 dayz'"),
        ("8 column 40", "'decimel'"),
        ("7 column 33", "the key 'confrim'"),
        ("7 column 47", "'lots'"),
        ("10 column 16", "the end of the expression"),
        ("12 column 60", "no to"),
        ("12 column 60", "no amount"),
        ("10 column 33", "integer + string"),
        ("12 column 40", "the name 'bogus'"),
        ("13 column 40", "the field 'szie'"),
        ("13 column 58", "the name 'other'"),
        ("13 column 72", "the role 'king'"),
    ]
    assert all(problem.error for problem in problems)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("confirm: [buyer]", "confrim: [buyer]"), ("exists(sold)", "exists(slod)"), ("{due:", "{deu:")],
)
def test_what_was_probably_meant_is_said(wrong: str, right: str) -> None:
    (problem, *_) = told(GOOD.replace(wrong, right))
    assert (
        problem.action == f"write {wrong.partition('(')[2].rstrip(')') or wrong.strip('{').partition(':')[0]}"
    )


def test_what_uses_a_part_with_faults_is_no_fault_itself() -> None:
    assert found(GOOD.replace("5.00 EUR", "5.00 eur")) == ["'5.00 eur'"]
    assert found(GOOD.replace("by: [seller]", "by: seller")) == ["a text"]


def test_a_section_that_cannot_be_read_ends_it_at_the_form() -> None:
    assert found(GOOD.replace("facts:", "fact:")) == ["the key 'fact'"]


def test_an_expression_that_a_comma_cut_is_to_be_quoted() -> None:
    problems = told(HEAD + "rules: [{name: a, when: max(1, 2) > 3, then: [{state: b}]}]\n")
    assert 'write when: "max(1, 2) > 3"' in [problem.action for problem in problems]


def test_a_letter_of_another_script_in_an_expression_is_named() -> None:
    (problem,) = told(GOOD.replace("exists(sold)", "exists(s\u043eld)"))
    assert "0x043e, which looks like o" in problem.found
    assert problem.where.startswith("d line 8 column 35")
    assert found(GOOD.replace("exists(sold)", "exists(sold) and '\u043e' == 'o'"))[0] != problem.found


def test_a_let_with_an_error_in_a_deadline_is_told_and_breaks_nothing() -> None:
    text = HEAD + (
        "lets: {bad: 1 + 'x'}\ndeadlines: {d: {at: bad}}\nfacts: {f: {by: [seller], before: d}}\n"
        "rules: [{name: a, when: d.passed and not exists(f), then: [{state: b}]}]\n"
    )
    assert [problem.found for problem in told(text) if problem.error] == ["integer + string"]


def test_no_more_faults_are_told_than_anybody_reads() -> None:
    rules = "".join(f"  - {{name: r{n}, when: true, thn: []}}\n" for n in range(200))
    begun = time.process_time()
    assert len(told(f"{HEAD}rules:\n{rules}")) <= MAX_FAULTS + 1
    assert time.process_time() - begun < 1


LINES = GOOD.splitlines(keepends=True)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.text(st.sampled_from("{}[]:,'\"()#&*! x1\n"), max_size=3))
def test_a_draft_is_refused_where_the_strict_reading_refuses_and_nowhere_else(at: int, put: str) -> None:
    text = (GOOD[:at] + put + GOOD[at + 1 :]).encode()
    draft = draft_contract_yaml(text, "d")
    inspect_draft(draft)
    refused = ""
    try:
        document = parse_contract_yaml(text, "d")
    except TallyError as error:
        refused = str(error)
    if refused:
        assert refused in map(str, draft.faults)
    else:
        assert (draft.document, draft.faults) == (document, ())
