"""Strict msgpack: one value, one encoding, and nothing else gets in."""

from __future__ import annotations

import struct
import time
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import MalformedError, TooLargeError
from ledger.log.encoding import MAX_DEPTH, decode, encode

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40),
)
values: Any = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=20)
    ),
    max_leaves=20,
)


class Refused(Exception):
    """The reference checker says no."""


def reference(data: bytes) -> None:
    """The rules of strict msgpack, byte by byte, with no library: slow, and easy to compare with the text."""
    if _reference_value(data, 0, 0) != len(data):
        raise Refused("trailing bytes")


def _reference_value(data: bytes, at: int, depth: int) -> int:
    first = _take(data, at, 1)[0]
    at += 1
    if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return at
    if 0xCC <= first <= 0xD3:
        width = 1 << (first & 3)
        signed = first >= 0xD0
        number = int.from_bytes(_take(data, at, width), "big", signed=signed)
        smaller = {1: 32 if signed else 128, 2: 128 if signed else 256, 4: 2**15 if signed else 2**16}
        bound = smaller.get(width, 2**31 if signed else 2**32)
        if (signed and number >= -bound) or (not signed and number < bound) or number >= 2**63:
            raise Refused("integer")
        return at + width
    if 0xA0 <= first <= 0xBF:
        return _reference_text(data, at, first & 31)
    if first in (0xD9, 0xDA, 0xDB):
        length, at = _length(data, at, 1 << (first - 0xD9), {1: 32, 2: 2**8, 4: 2**16})
        return _reference_text(data, at, length)
    if first in (0xC4, 0xC5, 0xC6):
        length, at = _length(data, at, 1 << (first - 0xC4), {1: 0, 2: 2**8, 4: 2**16})
        _take(data, at, length)
        return at + length
    if depth == MAX_DEPTH:
        raise Refused("depth, or a type that does not exist here")
    if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
        count = first & 15
        if first >= 0xDC:
            count, at = _length(data, at, 2 << (first - 0xDC), {2: 16, 4: 2**16})
        for _ in range(count):
            at = _reference_value(data, at, depth + 1)
        return at
    if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
        count = first & 15
        if first >= 0xDE:
            count, at = _length(data, at, 2 << (first - 0xDE), {2: 16, 4: 2**16})
        return _reference_items(data, at, count, depth)
    raise Refused("float, extension or no type")


def _reference_items(data: bytes, at: int, count: int, depth: int) -> int:
    before = None
    for _ in range(count):
        start = at
        if not (0xA0 <= _take(data, at, 1)[0] <= 0xBF or data[at] in (0xD9, 0xDA, 0xDB)):
            raise Refused("key type")
        at = _reference_value(data, at, depth + 1)
        key = msgpack.unpackb(data[start:at]).encode()
        if before is not None and key <= before:
            raise Refused("key order")
        before = key
        at = _reference_value(data, at, depth + 1)
    return at


def _reference_text(data: bytes, at: int, length: int) -> int:
    try:
        _take(data, at, length).decode()
    except UnicodeDecodeError as error:
        raise Refused("UTF-8") from error
    return at + length


def _length(data: bytes, at: int, width: int, least: dict[int, int]) -> tuple[int, int]:
    length = int.from_bytes(_take(data, at, width), "big")
    if length < least[width]:
        raise Refused("long form")
    return length, at + width


def _take(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise Refused("too short")
    return data[at : at + count]


def agree(data: bytes) -> None:
    try:
        reference(data)
    except Refused:
        with pytest.raises(MalformedError):
            decode(data)
    else:
        assert encode(decode(data)) == data


@given(values)
def test_what_is_encoded_decodes_to_itself(value: Any) -> None:
    assert decode(encode(value)) == value


@given(values)
def test_every_encoding_passes_the_reference(value: Any) -> None:
    reference(encode(value))


@given(values, st.data())
def test_a_mutated_encoding_is_refused_or_the_encoding_of_another_value(value: Any, data: Any) -> None:
    good = encode(value)
    place = data.draw(st.integers(0, len(good) - 1))
    cut = data.draw(st.integers(0, 4))
    agree(good[:place] + data.draw(st.binary(max_size=4)) + good[place + cut :])


@given(st.binary(max_size=64))
@example(b"\xc1")
@example(b"\x81\xa1a\x81\xa1b\xc2")
def test_any_bytes_are_refused_or_an_encoding(data: bytes) -> None:
    agree(data)


@pytest.mark.parametrize("first", range(256))
def test_every_first_byte_gets_the_verdict_of_the_reference(first: int) -> None:
    for rest in (b"", b"\x00", b"\xff" * 9, b"\x00" * 40, b"\x00\x00\x00\x01a", b"\x01a\x01", b"\x80" * 8):
        for length in range(len(rest) + 1):
            agree(bytes([first]) + rest[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",  # two values
        b"\xcc\x7f",  # 127 in two bytes
        b"\xd0\xff",  # -1 in two bytes
        b"\xd9\x01a",  # one character with a length byte
        b"\xdc\x00\x00",  # no items with two length bytes
        b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00",  # 2^63
        b"\xcb" + struct.pack(">d", 1.5),
        b"\xcb" + struct.pack(">d", float("nan")),
        b"\xca" + struct.pack(">f", 1.0),
        b"\xd6\xff\x00\x00\x00\x01",  # a timestamp
        b"\xd4\x05\x01",  # an extension
        b"\x82\xa1b\x01\xa1a\x02",  # keys out of order
        b"\x82\xa1a\x01\xa1a\x01",  # a key twice
        b"\x81\xc4\x01a\x01",  # a key of bytes
        b"\x82\xa1a\x01\xc4\x01b\x01",  # one of two
        b"\x81\x01\x01",  # a key that is a number
        b"\xa1\xff",  # not UTF-8
        b"\xa3\xed\xa0\x80",  # a lone surrogate
    ],
)
def test_what_msgpack_lets_through_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**63,
        -(2**63) - 1,
        {1: 1},
        {b"a": 1},
        "\ud800",
        {"\ud800": 1},
        {1, 2},
        object(),
    ],
)
def test_what_has_no_encoding_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        encode([value])


def test_an_integer_too_long_to_print_is_refused() -> None:
    with pytest.raises(MalformedError):
        encode(10**5000)


def test_keys_are_sorted_by_their_bytes() -> None:
    assert list(msgpack.unpackb(encode({"b": 1, "\U0001f600": 2, "\uffff": 3, "": 4}))) == [
        "",
        "b",
        "\uffff",
        "\U0001f600",
    ]


def test_a_tuple_is_encoded_as_an_array() -> None:
    assert encode((1, (2,))) == encode([1, [2]])


def test_sixteen_deep_is_taken_and_seventeen_refused() -> None:
    deepest = b"\x91" * 15 + b"\x90"
    assert encode(decode(deepest)) == deepest
    with pytest.raises(TooLargeError):
        decode(b"\x91" + deepest)
    value: Any = []
    for _ in range(16):
        value = {"a": value}
    with pytest.raises(TooLargeError):
        encode(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TooLargeError):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 1_000_000,
        b"\x81\xa0" * 500_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdd\x00\x0f\xff\xff" * 200_000,
        b"\xdc\xff\xff" * 300_000,
        b"\xdc\x0f\xff" * 300_000,
        b"\xdf\xff\xff\xff\xff" * 200_000,
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
    ],
    ids=["arrays", "maps", "claim", "claims", "claims-16", "claims-4095", "map-claims", "bytes", "string"],
)
def test_a_bomb_is_refused_at_once(data: bytes) -> None:
    before = time.process_time()
    with pytest.raises(MalformedError):
        decode(data)
    assert time.process_time() - before < 1


@given(st.lists(st.sampled_from([0, -1, "a", b"b", None, [1], {"c": 2}, 2**40, "x" * 300]), min_size=1))
def test_a_long_array_is_decoded_like_a_short_one(items: list[Any]) -> None:
    long = items * (5000 // len(items) + 1)
    assert decode(encode(long)) == long


@given(st.binary(min_size=1, max_size=30))
def test_a_long_array_with_foreign_bytes_gets_the_verdict_of_the_reference(data: bytes) -> None:
    agree(b"\xdc\x13\x88" + data + b"\x00" * 4990)
