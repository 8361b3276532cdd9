"""The document: one signed form, one hash, and clear refusals of what is no contract."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checker import inspect_document
from contracts.document import agreement_hash, format_document
from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import is_other_language, parse_contract_yaml, parse_document
from contracts.yaml_text import parse_yaml
from ledger.errors import MalformedError, TallyError, TooLargeError
from ledger.log.encoding import encode

MINIMAL: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "small",
    "parties": {"seller": "acme", "buyer": "bolt"},
    "timekeeper": "port",
    "rules": [{"name": "go", "when": "true", "then": [{"state": "going"}]}],
}


@pytest.mark.parametrize("name", ["coffee-delivery", "payment-upon-demand", "perishable-goods"])
def test_the_signed_form_gives_the_same_document(documents: Path, name: str) -> None:
    document = parse_contract_yaml((documents / f"{name}.yaml").read_bytes(), name)
    signed = format_document(document)
    again = parse_document(signed, name)
    assert again.tree == document.tree
    assert (again.params.keys(), again.facts.keys(), len(again.rules)) == (
        document.params.keys(),
        document.facts.keys(),
        len(document.rules),
    )
    assert format_document(again) == signed


def test_layout_and_order_of_keys_do_not_reach_the_hash() -> None:
    one = b"contract: 1\nname: a\nparties: {x: acme, y: bolt}\ntimekeeper: port\nrules: []\n"
    two = (
        b"# a remark\nrules: []\ntimekeeper: 'port'\nparties:\n  y: bolt\n  x: acme\nname: a\ncontract: '1'\n"
    )
    assert format_document(parse_contract_yaml(one)) == format_document(parse_contract_yaml(two))


def test_one_letter_of_the_prose_reaches_the_hash() -> None:
    hashes = {agreement_hash(encode({**MINIMAL, "text": text})) for text in ("one", "One", "one ")}
    assert len(hashes) == 3


def test_each_role_signs_with_one_person_unless_the_document_says() -> None:
    document = parse_document(encode(MINIMAL))
    assert {role: rule.need for role, rule in document.sign.items()} == {
        "buyer": 1,
        "seller": 1,
        "timekeeper": 1,
    }


def test_a_party_that_keeps_the_time_signs_once() -> None:
    assert "timekeeper" not in parse_document(encode({**MINIMAL, "timekeeper": "acme"})).sign


@pytest.mark.parametrize(
    ("change", "where", "found"),
    [
        ({"contract": "2"}, "contract", "'2'"),
        ({"contract": None}, "contract", "no contract"),
        ({"name": "Big Name"}, "name", "Big Name"),
        ({"name": "ärger"}, "name", "ärger"),
        ({"parties": {"seller": "acme"}}, "parties", "1 parties"),
        ({"parties": {"seller": "acme", "buyer": "Bolt"}}, "parties.buyer", "Bolt"),
        ({"parties": {"seller": "acme", "the_buyer": "bolt"}}, "parties.the_buyer", "the_buyer"),
        (
            {"parties": {"timekeeper": "acme", "buyer": "bolt"}},
            "parties.timekeeper",
            "a word of the language",
        ),
        ({"sign": {"carrier": "1"}}, "sign.carrier", "carrier"),
        ({"sign": {"buyer": "0"}}, "sign.buyer", "'0'"),
        ({"sign": {"buyer": {"need": "2", "of": ["a", "a"]}}}, "sign.buyer.of[0]", "more than once"),
        ({"params": {"x": {"decimal": "1e5"}}}, "params.x.decimal", "1e5"),
        ({"params": {"x": {"decimal": "NaN"}}}, "params.x.decimal", "NaN"),
        ({"params": {"x": {"float": "1"}}}, "params.x", "float"),
        ({"params": {"x": "1"}}, "params.x", "a text"),
        ({"params": {"x": {"enum": "a", "of": ["b"]}}}, "params.x.enum", "'a'"),
        ({"params": {"if": {"decimal": "1"}}}, "params.if", "a word of the language"),
        ({"params": {"X": {"decimal": "1"}}}, "params.X", "'X'"),
        ({"params": {"рrice": {"decimal": "1"}}}, "params.рrice", "рrice"),
        ({"facts": {"f": {"confirm": ["buyer"]}}}, "facts.f", "no by"),
        ({"facts": {"f": {"by": []}}}, "facts.f.by", "an empty list"),
        ({"facts": {"f": {"by": ["buyer"], "max": "0"}}}, "facts.f.max", "'0'"),
        ({"facts": {"f": {"by": ["buyer"], "max": "1e9"}}}, "facts.f.max", "1e9"),
        (
            {"facts": {"f": {"by": ["buyer"], "fields": {"at": "instant"}}}},
            "facts.f.fields.at",
            "the field at",
        ),
        ({"facts": {"f": {"by": ["buyer"], "fields": {"x": "float"}}}}, "facts.f.fields.x", "float"),
        (
            {"facts": {"f": {"by": ["buyer"], "fields": {"x": {"money": "Euro"}}}}},
            "facts.f.fields.x.money",
            "Euro",
        ),
        ({"lets": {"x": ["a"]}}, "lets.x", "a list"),
        ({"rules": [{"name": "a", "when": "true", "then": []}]}, "rules[0].then", "no effect"),
        ({"rules": [{"name": "a", "when": "true"}]}, "rules[0]", "no then"),
        ({"text": "a\u202eb"}, "text", "0x202e"),
        ({"text": "a\x07b"}, "text", "0x0007"),
        ({"colour": "red"}, "colour", "colour"),
    ],
)
def test_what_is_no_contract(change: dict[str, Any], where: str, found: str) -> None:
    tree = {key: value for key, value in {**MINIMAL, **change}.items() if value is not None}
    with pytest.raises(TallyError) as caught:
        parse_document(encode(tree), "c")
    if where == "contract" and "contract" not in tree:
        where = ""
    assert caught.value.where == f"c {where}".strip()
    assert found in caught.value.found


@pytest.mark.parametrize("value", [None, 1, True, b"x", {"contract": 1}, {"rules": [None]}])
def test_a_signed_form_holds_only_texts(value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_document(encode(value))


def test_a_signed_form_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse_document(encode({**MINIMAL, "text": "x" * 200_000}))


def test_a_place_in_yaml_is_line_and_column_of_the_character() -> None:
    head = b"contract: 1\nname: a\nparties: {x: acme, y: bolt}\ntimekeeper: port\n"
    text = head + b'lets:\n  late: "1 + $"\nrules: []\n'
    with pytest.raises(MalformedError) as caught:
        parse_contract_yaml(text, "a.yaml")
    assert caught.value.where == "a.yaml line 6 column 14 (lets.late)"
    assert parse_yaml(text, "a.yaml")[1]["lets", "late"].column == 9


def test_the_longest_rules_are_read_fast() -> None:
    dense = "max(" + ",".join(["min(" + ",".join(["1"] * 64) + ")"] * 30) + ")"
    begun = time.process_time()
    parse_document(encode({**MINIMAL, "lets": {f"l{i}": dense for i in range(4)}}))
    assert time.process_time() - begun < 1.5
    with pytest.raises(TooLargeError, match="c rules: 19"):
        parse_document(encode({**MINIMAL, "lets": {f"l{i}": dense for i in range(5)}}), "c")


WORDS = (
    "contract name parties timekeeper rules sign params text facts lets by confirm max fields when then due"
    " state notify need of decimal least x"
)
keys = st.sampled_from(WORDS.split())
trees = st.recursive(
    st.sampled_from(["1", "x", "", "acme", "exists(x)", "true", "decimal", "x.at", "{x}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from([*MINIMAL, "sign", "params", "text", "facts", "lets"]), trees, max_size=4)
)
def test_no_tree_breaks_the_reader_or_the_checker(change: dict[str, Any]) -> None:
    try:
        document = parse_document(encode({**MINIMAL, **change}))
    except TallyError:
        return
    inspect_document(document)
    assert parse_document(format_document(document)).tree == document.tree


@pytest.mark.parametrize("changed", [{"language": "0" * 64}, {"contract": "2"}])
def test_a_document_of_another_version_of_the_language_is_told_apart(changed: dict[str, str]) -> None:
    assert is_other_language(encode({**MINIMAL, **changed}))


@pytest.mark.parametrize(
    "changed", [{}, {"language": "none"}, {"contract": "one"}, {"contract": "0"}, {"language": ["0" * 64]}]
)
def test_a_document_that_names_no_other_version_is_judged(changed: dict[str, Any]) -> None:
    assert not is_other_language(encode({**MINIMAL, **changed}))


def test_what_is_no_map_is_of_no_other_version() -> None:
    assert not is_other_language(b"\xc1")
