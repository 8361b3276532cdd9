"""YAML in: every scalar as text, nothing clever, and nothing hostile costs time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.reading import parse_contract_yaml
from contracts.yaml_text import parse_yaml
from ledger.errors import MalformedError, TallyError, TooLargeError


def test_every_scalar_is_text() -> None:
    tree, _ = parse_yaml(b"a: 1\nb: true\nc: 2019-01-11\nd: [1e5, no, ~, 0x10]\n", "x")
    assert tree == {"a": "1", "b": "true", "c": "2019-01-11", "d": ["1e5", "no", "~", "0x10"]}


def test_places_are_lines_and_columns_from_one() -> None:
    _, marks = parse_yaml(b"a:\n  - b: 'c'\n", "x")
    mark = marks["a", 0, "b"]
    assert (mark.line, mark.column, mark.shift) == (2, 8, 1)


def test_a_text_without_quotes_begins_where_it_stands() -> None:
    _, marks = parse_yaml(b"a: b\nc: {d: e}\n", "x")
    assert [mark.shift for path, mark in marks.items() if path in (("a",), ("c", "d"))] == [0, 0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"a: 1\na: 2\n", "a second time"),
        (b"a: {b: 1, b: 2}\n", "a second time"),
        (b"a: &x 1\n", "an anchor"),
        (b"a: &x [1]\nb: *x\n", "an anchor"),
        (b"a: *x\n", "alias"),
        (b"a: !!python/object:os.system x\n", "a tag"),
        (b"a: !!str x\n", "a tag"),
        (b"%YAML 1.1\n---\na: 1\n", "a directive"),
        (b"a: 1\n---\nb: 1\n", "a second document"),
        (b"? [a]\n: 1\n", "a key that is a list"),
        (b"a: \x00\n", "0x0000"),
        (b"\xef\xbb\xbfa: 1\n", "0xfeff"),
        (b"a: \xff\n", "no UTF-8"),
        (b"a: [1\n", ""),
        (b"a: 'x\n", ""),
        (b"", "an empty document"),
        (b"# only a remark\n", "an empty document"),
    ],
)
def test_refused(text: bytes, found: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_yaml(text, "coffee.yaml")
    assert found in caught.value.found
    assert caught.value.where.startswith("coffee.yaml")


BILLION_LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        BILLION_LAUGHS,
        b"x" * (2 * 1024 * 1024),
        b"[" * 100_000,
        b"{" * 100_000,
        b"- " * 50_000,
        b"? " * 50_000,
        b"a: " * 30_000,
        b"".join(b" " * i + b"a:\n" for i in range(400)),
        b"- a\n" * 30_000,
        b"'" * 100_000,
        b"!" * 100_000,
        b"a: |\n" + b" \n" * 60_000,
        b"\t" * 100_000,
        b"when: " + b"(" * 100_000,
    ],
)
def test_hostile_text_is_refused_fast(text: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(TallyError):
        parse_contract_yaml(text, "hostile")
    assert time.process_time() - begun < 1.0


def test_depth_is_refused_where_it_begins() -> None:
    with pytest.raises(TooLargeError, match="line 1 column 13"):
        parse_yaml(b"[" * 13 + b"]" * 13, "x")


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
)
def test_no_bytes_break_the_reader(text: bytes) -> None:
    try:
        parse_contract_yaml(text)
    except TallyError:
        return
    pytest.fail("no random text is a contract")


@given(st.text(alphabet="ab:-[]{}\"'|>&*!%#?,\n \t0", max_size=80))
def test_no_yaml_breaks_the_reader(text: str) -> None:
    try:
        parse_yaml(text.encode(), "x")
    except TallyError:
        return
