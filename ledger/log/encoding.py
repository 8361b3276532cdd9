"""Strict msgpack: the one encoding of every value that is hashed, signed, stored or sent.

Types are nil, bool, integers from -2^63 to 2^63-1, UTF-8 strings, bytes, arrays, and maps with string
keys. One value has one encoding:

- every form is the shortest that holds the value; no floats, no extension types, no timestamps
- map keys are unique and sorted by their UTF-8 bytes (which is the order of their code points)
- arrays and maps nest at most `MAX_DEPTH` deep (`[]` is one deep); nothing follows the value

`decode` walks types and key order, then encodes again and compares: msgpack itself lets duplicate and
unsorted keys, byte keys, over-long forms, floats and extensions through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, TypeAlias

import msgpack

from ledger.errors import MalformedError, TooLargeError, short

Value: TypeAlias = "bool | int | str | bytes | list[Value] | dict[str, Value] | None"
"""What `decode` gives."""

Encodable: TypeAlias = "bool | int | str | bytes | Sequence[Encodable] | Mapping[str, Encodable] | None"
"""What `encode` takes: any `Value`, and tuples for arrays."""

MAX_DEPTH = 16
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1

# msgpack sets memory aside for as many items as an array claims, at up to 1,024 levels. Claims above
# this are first held against the bytes that are there.
_UNCHECKED_ITEMS = 4096

_SCALARS = frozenset({NoneType, bool, str, bytes})


def encode(value: Encodable, where: str = "msgpack") -> bytes:
    """The one encoding of a value; map keys are sorted here, everything else must already fit."""
    canonical = _canonical(value, where, 1)
    try:
        return _pack(canonical)
    except (ValueError, OverflowError) as error:  # lone surrogates; texts of 4 GiB
        raise MalformedError(where, found=type(error).__name__, expected="UTF-8 text") from error


def decode(data: bytes, where: str = "msgpack") -> Value:
    """The value whose one encoding is `data`; any other bytes are refused."""
    value = _unpack(data, where)
    if type(value) is dict or type(value) is list:
        _check_container(value, where, 1)
    else:
        _check_scalar(value, where)
    if _pack(value) != data:
        raise MalformedError(
            where, found="a second encoding of the same value", expected="shortest forms and unique keys"
        )
    return value


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(data: bytes, where: str) -> Value:
    try:
        try:
            value: Value = msgpack.unpackb(data, max_array_len=_UNCHECKED_ITEMS)
        except ValueError as error:
            if "max_array_len" not in str(error):
                raise
            _check_claims(data, where)
            value = msgpack.unpackb(data)
    except UnicodeDecodeError as error:
        raise MalformedError(where, found="a string that is not UTF-8", expected="UTF-8") from error
    except (ValueError, msgpack.UnpackException) as error:
        raise MalformedError(where, found="no msgpack value", expected="one strict msgpack value") from error
    return value


def _check_container(container: Any, where: str, depth: int) -> None:
    """Types, key order and depth of an array or map and of everything in it."""
    if depth > MAX_DEPTH:
        raise TooLargeError(where, found="deeper nesting", expected=f"at most {MAX_DEPTH} levels")
    values = container
    if type(container) is dict:
        _check_keys(container, where)
        values = container.values()
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes:
            continue
        if kind is dict or kind is list:
            _check_container(value, where, depth + 1)
        else:
            _check_scalar(value, where)


def _check_keys(container: dict[Any, Any], where: str) -> None:
    keys = list(container)
    try:
        in_order = keys == sorted(keys)  # a TypeError where strings and bytes are mixed
    except TypeError:
        in_order = False
    if keys and not (in_order and type(keys[0]) is str):
        raise MalformedError(where, found="map keys out of order", expected="string keys in order")


def _check_scalar(value: Any, where: str) -> None:
    kind = type(value)
    if kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise MalformedError(where, found="an integer out of range", expected="-2^63 to 2^63-1")
    elif kind not in _SCALARS:
        raise MalformedError(
            where, found=kind.__name__, expected="nil, bool, integer, string, bytes, array or map"
        )


def _canonical(value: Any, where: str, depth: int) -> object:
    """The value with sorted maps, checked; `depth` counts the container that `value` would be."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is not dict and kind is not list and kind is not tuple:
        _check_scalar(value, where)
        return value
    if depth > MAX_DEPTH:
        raise TooLargeError(where, found="deeper nesting", expected=f"at most {MAX_DEPTH} levels")
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise MalformedError(where, found=f"map key {short(key)}", expected="string keys")
        return {key: _canonical(value[key], where, depth + 1) for key in sorted(value)}
    return [_canonical(item, where, depth + 1) for item in value]


# What follows a first byte: how many bytes of content, or (negative) how many bytes of a length.
_CONTENT_BYTES = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8} | {
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
}  # fmt: skip
_TEXT_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ITEMS_LENGTH_BYTES = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}


def _check_claims(data: bytes, where: str) -> None:
    """Refuse arrays and maps that claim more items than the remaining bytes can hold, without memory."""
    position, open_items = 0, [1]
    owed = 1
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        if owed > len(data) - position:
            raise MalformedError(where, found="fewer items than claimed", expected="whole arrays and maps")
        open_items[-1] -= 1
        owed -= 1
        size, items = _header(data, position, where)
        position += size
        if items is not None:
            owed += items
            open_items.append(items)
            if len(open_items) > MAX_DEPTH + 1:
                raise TooLargeError(where, found="deeper nesting", expected=f"at most {MAX_DEPTH} levels")


def _header(data: bytes, position: int, where: str) -> tuple[int, int | None]:
    """How many bytes the value at `position` takes without its items, and its items if it has any."""
    first = data[position]
    if first < 0x80 or first >= 0xE0:
        return 1, None
    if first < 0xA0:
        return 1, (first & 15) * (2 if first < 0x90 else 1)
    if first < 0xC0:
        return 1 + (first & 31), None
    if first in _CONTENT_BYTES:
        return 1 + _CONTENT_BYTES[first], None
    width = _TEXT_LENGTH_BYTES.get(first) or _ITEMS_LENGTH_BYTES.get(first)
    if width is None:
        raise MalformedError(where, found=f"first byte {first:#04x}", expected="a strict msgpack type")
    length = int.from_bytes(data[position + 1 : position + 1 + width], "big")
    if first in _TEXT_LENGTH_BYTES:
        return 1 + width + length, None
    return 1 + width, length * (2 if first >= 0xDE else 1)
