"""Strict msgpack (format, section 2), base64 and numbers in their one form."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from typing import Any

MAX_DEPTH = 16


class Refused(Exception):
    """Something does not hold."""


def need(holds: object, what: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        raise Refused(what)


# Read loosely, write again in the one form, compare.


def read_msgpack(data: bytes) -> Any:
    """The one value that these bytes are the strict form of."""
    value, end = _read(data, 0, 0)
    need(end == len(data) and write_msgpack(value) == data, "not the one form of a msgpack value")
    return value


def write_msgpack(value: Any) -> bytes:
    """The one form of a value."""
    if value is None or isinstance(value, bool):
        return b"\xc0" if value is None else b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _write_int(value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), ((0xA0, 32), (0xD9, 1), (0xDA, 2), (0xDB, 4))) + data
    if isinstance(value, bytes):
        return _head(len(value), ((0xC4, 1), (0xC5, 2), (0xC6, 4))) + value
    if isinstance(value, list):
        return _head(len(value), ((0x90, 16), (0xDC, 2), (0xDD, 4))) + b"".join(map(write_msgpack, value))
    need(isinstance(value, dict) and all(isinstance(key, str) for key in value), "a type that is not allowed")
    items = sorted(value.items(), key=lambda item: item[0].encode())
    body = b"".join(write_msgpack(key) + write_msgpack(item) for key, item in items)
    return _head(len(items), ((0x80, 16), (0xDE, 2), (0xDF, 4))) + body


def _write_int(value: int) -> bytes:
    need(-(2**63) <= value < 2**63, "an integer out of range")
    if -32 <= value < 128:
        return struct.pack("b", value)
    forms = "\xccB \xcdH \xceI \xcfQ" if value > 0 else "\xd0b \xd1h \xd2i \xd3q"
    for form in forms.split():
        try:
            return form[0].encode("latin-1") + struct.pack(">" + form[1], value)
        except struct.error:
            continue
    raise AssertionError


def _head(length: int, forms: Sequence[tuple[int, int]]) -> bytes:
    for tag, size in forms:
        if size >= 16:
            if length < size:
                return bytes([tag + length])
        elif length < 256**size:
            return bytes([tag]) + length.to_bytes(size, "big")
    raise Refused("too long")


def take(data: bytes, at: int, count: int) -> tuple[bytes, int]:
    need(at + count <= len(data), "msgpack ends early")
    return data[at : at + count], at + count


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    raw, at = take(data, at, 1)
    first = raw[0]
    if first < 0x80 or first >= 0xE0:
        return (first if first < 0x80 else first - 256), at
    if 0xC0 <= first <= 0xC3:
        need(first != 0xC1, "an unused byte")
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if 0xCC <= first <= 0xD3:
        number, at = take(data, at, 1 << (first - 0xCC & 3))
        return int.from_bytes(number, "big", signed=first >= 0xD0), at
    sort, length, at = _read_length(data, at, first)
    if sort in "sb":
        raw, at = take(data, at, length)
        try:
            return (raw.decode() if sort == "s" else raw), at
        except UnicodeDecodeError as error:
            raise Refused("a string that is not UTF-8") from error
    need(depth < MAX_DEPTH, "nested too deep")
    items = []
    for _ in range(length * 2 if sort == "m" else length):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    if sort == "a":
        return items, at
    need(all(isinstance(key, str) for key in items[::2]), "a key that is no string")
    need(len(set(items[::2])) == length, "a key twice")
    return dict(zip(items[::2], items[1::2], strict=True)), at


def _read_length(data: bytes, at: int, first: int) -> tuple[str, int, int]:
    if first < 0xC0:
        sort = "m" if first < 0x90 else "a" if first < 0xA0 else "s"
        return sort, first & (0x1F if sort == "s" else 0x0F), at
    forms = {0xC4: "b1", 0xC5: "b2", 0xC6: "b4", 0xD9: "s1", 0xDA: "s2", 0xDB: "s4"}
    forms |= {0xDC: "a2", 0xDD: "a4", 0xDE: "m2", 0xDF: "m4"}
    need(first in forms, "a type that is not allowed")
    form = forms[first]
    raw, at = take(data, at, int(form[1]))
    return form[0], int.from_bytes(raw, "big"), at


def read_map(data: bytes, *keys: str) -> dict[str, Any]:
    """A strict msgpack map with exactly these keys."""
    return check_map(read_msgpack(data), *keys)


def check_map(value: Any, *keys: str) -> dict[str, Any]:
    """The value, if it is a map with exactly these keys."""
    need(isinstance(value, dict) and sorted(value) == sorted(keys), f"no map of {', '.join(keys)}")
    return dict(value)


def is_bytes(value: Any, size: int) -> bool:
    """Whether it is a byte string of this size."""
    return isinstance(value, bytes) and len(value) == size


def is_hashes(value: Any) -> bool:
    """Whether it is an array of byte strings of 32 bytes."""
    return isinstance(value, list) and all(is_bytes(item, 32) for item in value)


def is_number(value: Any, least: int = 0) -> bool:
    """Whether it is an integer, at least this."""
    return type(value) is int and value >= least


def read_text(data: bytes, what: str) -> str:
    """UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{what} that is not UTF-8") from error


def read_base64(text: str) -> bytes:
    """Standard base64 with padding, in its one form."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    need(base64.b64encode(data).decode() == text, "not the one form in base64")
    return data


def read_number(text: str) -> int:
    """Decimal digits without leading zeros."""
    need(re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII), "not a number")
    return int(text)
