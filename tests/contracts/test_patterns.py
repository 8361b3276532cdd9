"""What is shared between documents of one pattern gives what each would give if it were read alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.contract import load_contract
from contracts.document import Due
from contracts.facts_known import ExistingFact, Known, Moment
from contracts.look import Look
from contracts.patterns import MAX_PATTERNS, Patterns
from contracts.program import Program
from contracts.reading import decode_tree, parse_contract_yaml, parse_document
from contracts.values import Instant, Money
from ledger.errors import TallyError
from ledger.log.encoding import encode

YAML = b"""
contract: 1
name: supply
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: "20.00 EUR"}
  rate: {decimal: "0.105"}
  least: {integer: 3}
  wait: {duration: 2 days}
  made: {instant: "2026-01-01T00:00:00Z"}
  grade: {enum: good, of: [good, fair]}
text: >
  {price} at {rate:%}, at least {least} in {wait} from {made}, {grade}.
facts:
  part: {by: [seller], max: 100, fields: {pieces: {integer: {least: least}}, grade: {enum: [good, fair]}}}
deadlines:
  window: {at: made + wait}
lets:
  pieces: sum(part, part.pieces where part.pieces >= least)
  owed: round(price * pieces * rate, 2, half_up)
  fine: if(pieces > least, price, money(0, EUR))
rules:
  - name: pays
    when: window.passed and pieces > least and owed > price and grade == "good"
    then: [{due: {from: buyer, to: seller, amount: owed + fine, within: wait}}]
"""
TREE: Any = parse_contract_yaml(YAML).tree


def signed(name: str = "supply", **params: Any) -> bytes:
    """The signed form with another name and other values."""
    changed = {**TREE["params"], **{key: {**TREE["params"][key], **value} for key, value in params.items()}}
    return encode({**TREE, "name": name, "params": changed})


def values() -> st.SearchStrategy[dict[str, dict[str, str]]]:
    return st.fixed_dictionaries(
        {
            "price": st.integers(1, 10**6).map(lambda n: {"money": f"{n}.00 EUR"}),
            "rate": st.integers(1, 999).map(lambda n: {"decimal": f"0.{n:03d}"}),
            "least": st.integers(0, 50).map(lambda n: {"integer": str(n)}),
            "wait": st.integers(1, 90).map(lambda n: {"duration": f"{n} days"}),
            "made": st.integers(1, 28).map(lambda n: {"instant": f"2026-02-{n:02d}T00:00:00Z"}),
            "grade": st.sampled_from([{"enum": "good"}, {"enum": "fair"}]),
        }
    )


def known(pieces: list[int]) -> Known:
    """Parts that exist."""
    found = Known()
    for at, number in enumerate(pieces):
        moment = Moment(instant=Instant(at), position=("port/x", at))
        found.add(
            ExistingFact(
                name="part",
                fields={"pieces": number, "grade": "good"},
                at=moment.instant,
                counted=moment.instant,
                confirmed=None,
                entries=(bytes([at]) * 32,),
                since=moment,
            )
        )
    return found


def computed(program: Program, pieces: list[int]) -> list[Any]:
    """What its lets, its deadline and its rule come to."""
    document, facts = program.document, known(pieces)
    due = document.rules[0].then[0]
    assert isinstance(due, Due)
    expressions = [
        *document.lets.values(),
        document.deadlines["window"].at,
        document.rules[0].when,
        due.amount,
    ]
    found: list[Any] = []
    for expression in expressions:
        try:
            found.append(Look(program, facts).value(expression))
        except TallyError as error:
            found.append(str(error))
    return found


@given(changes=st.lists(values(), min_size=1, max_size=4), name=st.sampled_from(["supply", "other"]))
def test_a_document_is_read_as_if_alone(changes: list[dict[str, Any]], name: str) -> None:
    patterns = Patterns(lambda document, program: None)
    for change in changes:
        form = signed(name, **change)
        assert patterns.read(decode_tree(form), "contract").document == parse_document(form)


@given(changes=st.lists(values(), min_size=1, max_size=4), pieces=st.lists(st.integers(0, 99), max_size=6))
def test_what_is_computed_is_what_it_would_be_alone(changes: list[dict[str, Any]], pieces: list[int]) -> None:
    patterns = Patterns(lambda document, program: None)
    programs = [patterns.read(decode_tree(signed(**change)), "contract").program for change in changes]
    for program, change in zip(programs, changes, strict=True):
        assert computed(program, pieces) == computed(Program(parse_document(signed(**change))), pieces)


def test_an_error_of_a_value_is_told_as_if_the_document_were_read_alone() -> None:
    load_contract(signed())
    broken = signed(price={"money": "1,00 EUR"})
    with pytest.raises(TallyError) as alone:
        parse_document(broken)
    with pytest.raises(TallyError) as shared:
        load_contract(broken)
    assert str(shared.value) == str(alone.value)


def test_a_document_that_the_checker_refuses_is_refused_beside_one_that_it_lets_pass() -> None:
    text = YAML.decode().replace("pieces > least and owed", "rate < 1 and owed")
    tree: Any = parse_contract_yaml(text.encode()).tree
    load_contract(encode(tree))
    bad = encode({**tree, "params": {**tree["params"], "rate": {"decimal": "2"}}})
    with pytest.raises(TallyError, match="never"):
        load_contract(bad)


def test_money_of_another_currency_is_of_another_type() -> None:
    first, second = load_contract(signed()), None
    with pytest.raises(TallyError, match="EUR"):
        second = load_contract(signed(price={"money": "20.00 USD"}))
    assert second is None
    assert first.document.params["price"].value == Money(Decimal("20.00"), "EUR")


def test_documents_of_one_pattern_share_their_rules_and_others_do_not() -> None:
    one, other = load_contract(signed("a")), load_contract(signed("b", least={"integer": "7"}))
    apart = load_contract(encode({**TREE, "parties": {"seller": "acme", "buyer": "dart"}}))
    assert one.document.rules is other.document.rules
    assert one.document.rules is not apart.document.rules
    assert (one.document.name, other.document.params["least"].value) == ("a", 7)


def test_no_more_patterns_are_kept_than_the_limit() -> None:
    patterns = Patterns(lambda document, program: None)
    for number in range(MAX_PATTERNS + 2):
        form = encode({**TREE, "text": TREE["text"] + str(number)})
        patterns.read(decode_tree(form), "contract")
    assert len(patterns._known) <= MAX_PATTERNS
