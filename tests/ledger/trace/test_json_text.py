"""Strict JSON: what is read as other readers would, what is refused, and where."""

from __future__ import annotations

import contextlib
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, TallyError, TooLargeError
from ledger.trace.json_text import MAX_DEPTH, read_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(text: bytes | str) -> object:
    return read_json(text.encode() if isinstance(text, str) else text, where="doc", max_bytes=1_000_000)


@given(plain)
def test_what_python_writes_is_read_alike(value: object) -> None:
    assert read(json.dumps(value)) == value
    assert read(json.dumps(value, ensure_ascii=False, indent=2)) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(TallyError):
        read(data)


@given(st.text(alphabet='[]{}",:\\u0d8123 aefnrtlsx', max_size=40))
def test_nearly_json_is_read_or_refused(text: str) -> None:
    try:
        value = read(text)
    except TallyError:
        return
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == value


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ('{"a": 1,\n "a": 2}', "doc line 2 column 2", "a second field 'a'"),
        ('{"a": {"b": [1, {"c": 1, "c": 2}]}}', "doc line 1 column 26", "a second field 'c'"),
        ('{"\\u0061": 1, "a": 2}', "doc line 1 column 15", "a second field 'a'"),
        ('{"eventID": 1, "eventID": 2}', "doc line 1 column 16", "a second field 'eventID'"),
        ('[[{"eventID": 1, "eventID": 2}]]', "doc line 1 column 18", "a second field 'eventID'"),
        ('{"a": NaN}', "doc line 1 column 7", "NaN"),
        ('{"a": -Infinity}', "doc line 1 column 7", "-Infinity"),
        ('"\\ud800"', "doc line 1 column 2", "half a surrogate pair '\\\\ud800'"),
        ('"\\udc00\\ud800"', "doc line 1 column 2", "half a surrogate pair '\\\\udc00'"),
        ("[1e100]", "doc line 1 column 2", "the number '1e100'"),
        ("", "doc line 1 column 1", "the end of the text"),
        ("[1] 2", "doc line 1 column 5", "'2'"),
        ("[01]", "doc line 1 column 3", "'1]'"),
        ("{'a': 1}", "doc line 1 column 2", "\"'a': 1}\""),
    ],
)
def test_a_refusal_names_place_and_find(text: str, where: str, found: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(text)
    assert (caught.value.where, caught.value.found) == (where, found)
    assert caught.value.expected
    assert caught.value.action


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(MalformedError, match="byte 2: 0xff, expected UTF-8"):
        read(b'["\xff"]')


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(MalformedError, match="byte order mark"):
        read(b"\xef\xbb\xbf{}")


def test_a_surrogate_pair_is_one_character() -> None:
    assert read('"\\ud83d\\ude00 \\\\ud800"') == "😀 \\ud800"


def test_numbers_keep_every_digit() -> None:
    assert str(read("12.50")) == "12.50"
    assert read("1234567890123456789012345678901234567.5") == Decimal(
        "1234567890123456789012345678901234567.5"
    )


def test_depth_counts_brackets_outside_strings_only() -> None:
    assert read('["' + "[" * 1000 + '"]')
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(TooLargeError):
        read("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    with pytest.raises(TooLargeError):
        read('["\\"]",' * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "data",
    [b"[" * 900_000, b'{"a":' * 180_000, b'"' * 900_000, b"9" * 900_000, b'{"a":1,"a":1,' * 60_000],
)
def test_attack_a_bad_document_is_refused_fast(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(MalformedError):
        read(data)
    assert time.process_time() - start < 2


def test_the_callers_limit_holds() -> None:
    with pytest.raises(TooLargeError, match="11 bytes, expected at most 10"):
        read_json(b'"123456789"', where="doc", max_bytes=10)


def test_only_an_event_may_name_its_id_twice() -> None:
    value = read('{"eventTime": "x", "eventID": "urn:a:1", "eventID": "urn:a:2"}')
    assert value == {"eventTime": "x", "eventID": "urn:a:2"}
    with pytest.raises(MalformedError, match="a second field 'type'"):
        read('{"eventTime": "x", "eventID": "1", "eventID": "2", "type": 1, "type": 2}')
