"""Documents that are made to keep a reader busy: each is read or refused in a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from contracts.checker import inspect_document
from contracts.contract import load_contract
from contracts.limits import LANGUAGE_VECTORS, MAX_EXPRESSION_CHARS
from contracts.page import contract_page
from contracts.reading import parse_contract_yaml, parse_document
from ledger.errors import TallyError
from ledger.log.encoding import encode

BASE: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "x",
    "parties": {"a": "acme", "b": "bolt"},
    "timekeeper": "port",
    "params": {"p": {"instant": "2030-01-01T00:00:00Z"}, "one": {"integer": "1"}, "two": {"integer": "2"}},
}
TEN = {f"f{i}": {"by": ["a"]} for i in range(10)}
MANY = {f"x{i}": {"by": ["a"], "before": "d"} for i in range(128)}
GROWING = {"g": {"by": ["b"], "max": "1000"}}


def joined(parts: Iterable[str], operator: str) -> str:
    """Parts joined so that they nest as little as may be."""
    texts = list(parts)
    while len(texts) > 8:
        groups = (texts[at : at + 8] for at in range(0, len(texts), 8))
        texts = [f"({operator.join(group)})" if len(group) > 1 else group[0] for group in groups]
    return operator.join(texts)


def rules(when: str, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    assert len(when) <= MAX_EXPRESSION_CHARS
    return [{"name": f"r{i}", "when": when, "then": [{"notify": ["a"]}], **more} for i in range(count)]


ANY = joined((f"exists(f{i})" for i in range(10)), " or ")
DOCUMENTS: dict[str, dict[str, Any]] = {
    "all cases of ten questions, and hundreds of constants": {
        "facts": TEN,
        "rules": rules(f"({ANY}) or {joined(['1 == 2'] * 240, ' or ')}", 4),
    },
    "the same with params": {
        "facts": TEN,
        "rules": rules(f"({ANY}) or {joined(['one == two'] * 240, ' or ')}", 4),
    },
    "a value among hundreds": {
        "facts": GROWING,
        "rules": rules(joined((f"count(g) > {i}" for i in range(200)), " or "), 4),
    },
    "two values among dozens each": {
        "facts": {**GROWING, "h": {"by": ["b"], "max": "1000"}},
        "rules": rules(joined((f"count({'gh'[i % 2]}) > {i}" for i in range(60)), " or "), 10),
    },
    "prose of ten thousand numbers": {
        "facts": TEN,
        "text": " ".join(map(str, range(11_000))),
        "rules": rules(ANY),
    },
    "prose of opening braces": {"facts": TEN, "text": "{" * 65_000, "rules": rules(ANY)},
    "prose of doubled braces": {"facts": TEN, "text": "{{" * 32_000, "rules": rules(ANY)},
    "prose of one long number": {"facts": TEN, "text": "1" * 65_000, "rules": rules(ANY)},
    "prose of points": {"facts": TEN, "text": "1." * 32_000, "rules": rules(ANY)},
    "prose of unknown names": {"text": "".join(f"{{z{i}}}" for i in range(9000)), "rules": rules("true")},
    "lets that double": {
        "lets": {f"l{i}": f"l{i + 1} + l{i + 1}" for i in range(90)} | {"l90": "1"},
        "facts": TEN,
        "rules": rules("l0 > 5"),
    },
    "a chain of deadlines": {
        "facts": {"f": {"by": ["a"]}},
        "deadlines": {"d0": {"at": "f.at"}}
        | {f"d{i}": {"at": f"d{i - 1}.at + days(1)"} for i in range(1, 128)},
        "rules": rules("exists(f) and d127.passed"),
    },
    "deadlines that each rest on ten": {
        "facts": {"f": {"by": ["a"]}},
        "deadlines": {"d0": {"at": "f.at"}}
        | {
            f"d{i}": {"at": "max(f.at, " + ", ".join(f"d{j}.at" for j in range(max(0, i - 10), i)) + ")"}
            for i in range(1, 128)
        },
        "rules": rules("exists(f) and " + joined((f"d{i}.passed" for i in range(128)), " and ")),
    },
    "as many rules as there may be": {"facts": TEN, "rules": rules("exists(f1)", 256)},
    "as many facts and one deadline": {
        "facts": MANY,
        "deadlines": {"d": {"at": "p"}},
        "rules": rules("d.passed or exists(x1)", 100),
    },
    "sixteen discharges of nothing in every rule": {
        "facts": TEN,
        "rules": [
            {"name": f"r{i}", "when": "exists(f1)", "then": [{"discharge": f"x{j}"} for j in range(16)]}
            for i in range(60)
        ],
    },
    "nesting aggregates": {
        "facts": {f"g{i}": {"by": ["a"], "max": "3"} for i in range(40)},
        "rules": rules("0 < " + "".join(f"sum(g{i}, " for i in range(20)) + "1" + ")" * 20),
    },
    "holidays by the thousand": {
        "calendars": {
            f"c{i}": {"zone": "+00:00", "until": "2020-12-31", "holidays": ["2019-01-01"] * 2000}
            for i in range(5)
        },
        "facts": TEN,
        "rules": rules(ANY),
    },
    "tables of hundreds of rows": {
        "bands": {
            f"c{i}": {
                "of": "integer",
                "gives": "integer",
                "rows": [{"from": str(j), "to": str(j + 1), "value": "1"} for j in range(250)],
            }
            for i in range(12)
        },
        "facts": TEN,
        "rules": rules(ANY),
    },
    "nineteen thousand lists": {"rules": [[]] * 19_000},
    "nested lists": {"text": [[[[[[[[["x"]]]]]]]]]},
    "names in other scripts": {"params": {"\u0430" * 40 + str(i): {"integer": "1"} for i in range(200)}},
}


def tree_of(change: dict[str, Any]) -> dict[str, Any]:
    return {**BASE, "params": {}, **change} if "params" in change else {**BASE, **change}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_read_and_checked_in_a_moment(name: str) -> None:
    begun = time.process_time()
    try:
        report = inspect_document(parse_document(encode(tree_of(DOCUMENTS[name]))))
    except TallyError:
        report = None
    assert time.process_time() - begun < 2.0
    if report is not None and not report.errors:
        page = contract_page(load_contract(encode(tree_of(DOCUMENTS[name]))))
        assert time.process_time() - begun < 6.0
        assert len(page) < 4_000_000


NUMBERS = (
    *("1" + "0" * 34, "1e9", "1e999999999", "NaN", "Infinity", "-Infinity", "sNaN", "0x10", "\u0661\u0662"),
    *("1_000", "+1", "00", "--1"),
)


@pytest.mark.parametrize("kind", ["integer", "decimal", "money", "instant", "date", "duration", "boolean"])
@pytest.mark.parametrize("number", [*NUMBERS, "9" * 400, "9" * 100_000, "1." + "1" * 400, ""])
def test_no_number_of_another_form_is_one(kind: str, number: str) -> None:
    text = {"money": f"{number} EUR", "duration": f"{number} days"}.get(kind, number)
    begun = time.process_time()
    with pytest.raises(TallyError):
        parse_document(encode({**BASE, "params": {"p": {kind: text}}, "rules": rules("true")}))
    assert time.process_time() - begun < 1.0


HIDDEN = "\x00\x1b\x7f\x9b\xad\u180e\u200b\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff\U000e0041"


@pytest.mark.parametrize("character", HIDDEN)
@pytest.mark.parametrize("part", ["text", "name", "timekeeper", "param", "enum", "rule", "when", "role"])
def test_no_text_has_characters_that_do_not_show(part: str, character: str) -> None:
    bad = f"ab{character}cd"
    changes: dict[str, dict[str, Any]] = {
        "text": {"text": bad},
        "name": {"name": bad},
        "timekeeper": {"timekeeper": bad},
        "param": {"params": {"p": {"string": bad}}},
        "enum": {"params": {"p": {"enum": bad, "of": [bad]}}},
        "rule": {"rules": [{**rules("true")[0], "name": bad}]},
        "when": {"rules": rules(f"'{bad}' == 'x'")},
        "role": {"parties": {bad: "acme", "b": "bolt"}},
    }
    with pytest.raises(TallyError):
        parse_document(encode({**BASE, "rules": rules("true"), **changes[part]}))


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        b"\xc1",
        b"\x81\xa1a",
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        encode({**BASE, "rules": rules("true")}) + b"\x00",
        encode([BASE]),
        encode("contract"),
        encode({**BASE, "rules": rules("true"), "more": "x"}),
        encode({**BASE, "rules": None}),
        encode({**BASE, "rules": {"r": "x"}}),
        encode({**BASE, "rules": [1, 2]}),
        encode({**BASE, "rules": rules("true"), "name": b"x"}),
        encode({**BASE, "rules": rules("true"), "contract": 1}),
        encode({**BASE, "rules": rules("true"), "language": "0" * 64}),
        encode({**BASE, "rules": rules("true"), "parties": ["acme", "bolt"]}),
        encode({**BASE, "rules": rules("true"), "sign": {"a": ["1"]}}),
        encode({**BASE, "rules": rules("true"), "facts": {"f": "x"}}),
        encode({**BASE, "rules": [{"name": "r", "when": ["true"], "then": []}]}),
        b"\x82\xa1a\xa1b\xa1a\xa1b",
        b"\x82\xa1b\xa1b\xa1a\xa1b",
        b"\x81\xa3\xed\xa0\x80\xa1b",
        b"\x81\xd9\x01a\xa1b",
    ],
)
def test_a_signed_form_that_no_document_gives_is_refused(signed: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(TallyError):
        load_contract(signed)
    assert time.process_time() - begun < 1.0


def test_names_in_another_normal_form_are_no_other_names() -> None:
    """A letter and its accent as two characters: neither form is a name, so no two keys look alike."""
    for name in ("caf\u00e9", "cafe\u0301", "\uff41", "\u212a"):
        with pytest.raises(TallyError):
            parse_document(encode({**BASE, "params": {name: {"integer": "1"}}, "rules": rules("true")}))


@pytest.mark.parametrize(
    "text",
    [
        b"a: " + b"(" * 100_000,
        b"{" * 100_000,
        b"a: &x 1\nb: *x\n",
        b"<<: {a: b}\n",
        b"a: !!python/object/apply:os.system ['true']\n",
        b"%YAML 1.1\n---\na: b\n",
        b"a: b\n---\nc: d\n",
        b"a: b\na: c\n",
        b"? [x]\n: y\n",
        b"a: b\n" * 20_000,
        b"x" * 10_000_000,
        "caf\u00e9: 1\ncafe\u0301: 2\n".encode(),
        b"\xff\xfea\x00",
        b"- " * 60_000 + b"x",
        b'"' + b"\\x00" * 20_000 + b'"',
        b'a: "\\ud800"\n',
        b"a: >\n" + b"  x\n\n" * 20_000,
        b"# " * 60_000,
        b"[" + b"a," * 60_000 + b"]",
    ],
)
def test_hostile_yaml_is_refused_in_a_moment(text: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(TallyError):
        parse_contract_yaml(text, "hostile")
    assert time.process_time() - begun < 1.0
