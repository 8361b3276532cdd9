"""Strict reading of JSON text that remembers where each value stands.

Events are stored as the very text that was captured, so a reader must give back both a value and its
place. It refuses what other readers of the same text could understand differently:

- bytes that are not UTF-8, and a byte order mark
- two fields of one name in one object; but an event may name its `eventID` twice, as one of GS1's own
  examples does: the last one counts, the event hash leaves the field out
- NaN, Infinity, numbers of more than 40 characters or with an exponent of more than two digits
- `\\ud800` and the like: surrogates that are no pair
- arrays and objects nested deeper than 64, which is found before anything is parsed

Numbers become `Decimal`, which keeps every digit as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn, TypeAlias

from ledger.errors import MalformedError, TooLargeError, short

JsonValue: TypeAlias = "str | Decimal | bool | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 64
MAX_NUMBER_CHARS = 40
_REPEATABLE = "eventID"

_SPACE = re.compile(r"[ \t\n\r]*")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_DEPTH_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|u([dD][c-fC-F]..)|.)"
)
_LONG_EXPONENT = re.compile(r"[eE][+-]?\d{3}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|-?[A-Za-z]+|[\[\]{},:]')


class _RefusedError(ValueError):
    """Raised inside the decoder's hooks, which do not know where they are."""


def open_json(data: bytes, *, where: str, max_bytes: int) -> str:
    """The text of `data`, once encoding, size, depth and surrogates are in order. Nothing is parsed yet."""
    if len(data) > max_bytes:
        raise TooLargeError(
            where, found=f"{len(data)} bytes", expected=f"at most {max_bytes}", action="split the document"
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise MalformedError(
            where,
            found="a byte order mark",
            expected="JSON",
            action='save the file as "UTF-8" without a mark',
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"{where} byte {error.start}",
            found=f"0x{data[error.start]:02x}",
            expected="UTF-8",
            action="save the file as UTF-8",
        ) from None
    _check_depth(data, where)
    if "\\u" in text and _SURROGATE.search(text):
        _check_surrogates(text, where)
    return text


def read_json(data: bytes, *, where: str, max_bytes: int) -> JsonValue:
    """The one value that `data` holds, with nothing before or after it but white space."""
    text = open_json(data, where=where, max_bytes=max_bytes)
    value, end = read_value(text, skip_space(text, 0), where)
    check_end(text, end, where)
    return value


def read_value(text: str, start: int, where: str) -> tuple[JsonValue, int]:
    """The value that starts at `start`, and the position after it."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        refuse_syntax(text, error.pos, where, error.msg)
    except _RefusedError:
        _explain(text, start, where)
    return value, end


def walk_object(text: str, start: int, where: str, take: Callable[[str, int], int]) -> int:
    """Call `take(key, start of value)`, which returns the value's end, for each field of an object."""
    if text[start : start + 1] != "{":
        refuse_syntax(text, start, where, "Expecting an object")
    seen: set[str] = set()
    at = skip_space(text, start + 1)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        if text[at : at + 1] != '"':
            refuse_syntax(text, at, where, "Expecting a field name in double quotes")
        key, end = read_value(text, at, where)
        if not isinstance(key, str) or (key in seen and key != _REPEATABLE):
            refuse_duplicate(text, at, where, str(key))
        seen.add(key)
        at = skip_space(text, end)
        if text[at : at + 1] != ":":
            refuse_syntax(text, at, where, "Expecting ':'")
        at = skip_space(text, take(key, skip_space(text, at + 1)))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            refuse_syntax(text, at, where, "Expecting ',' or '}'")
        at = skip_space(text, at + 1)


def walk_array(text: str, start: int, where: str, take: Callable[[int, int], int]) -> int:
    """Call `take(index, start of item)`, which returns the item's end, for each item of an array."""
    if text[start : start + 1] != "[":
        refuse_syntax(text, start, where, "Expecting an array")
    at = skip_space(text, start + 1)
    if text[at : at + 1] == "]":
        return at + 1
    index = 0
    while True:
        at = skip_space(text, take(index, at))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            refuse_syntax(text, at, where, "Expecting ',' or ']'")
        at = skip_space(text, at + 1)
        index += 1


def skip_space(text: str, start: int) -> int:
    """The position of the first character from `start` on that is no white space."""
    found = _SPACE.match(text, start)
    return found.end() if found else start


def check_end(text: str, end: int, where: str) -> None:
    """Nothing but white space may follow."""
    at = skip_space(text, end)
    if at != len(text):
        refuse_syntax(text, at, where, "Expecting nothing after the document")


def place(text: str, at: int) -> str:
    """A position as people count: line and column from 1."""
    return f"line {text.count(chr(10), 0, at) + 1} column {at - text.rfind(chr(10), 0, at)}"


def refuse_syntax(text: str, at: int, where: str, message: str) -> NoReturn:
    """Raise for text that is not JSON, naming line and column."""
    found = short(text[at : at + 20]) if at < len(text) else "the end of the text"
    raise MalformedError(
        f"{where} {place(text, at)}",
        found=found,
        expected=message.removeprefix("Expecting ").lower() if message.startswith("Expecting") else "JSON",
        action="correct the JSON at that place" if text.strip() else "send a JSON document",
    )


def refuse_duplicate(text: str, at: int, where: str, key: str) -> NoReturn:
    """Raise for a field that stands twice in one object."""
    raise MalformedError(
        f"{where} {place(text, at)}",
        found=f"a second field {short(key)}",
        expected="each field once",
        action="remove one of the two",
    )


def _check_depth(data: bytes, where: str) -> None:
    """Count brackets outside strings; up to the first fault these are what the decoder would descend into."""
    bare = _ESCAPE.sub(b"", data) if b"\\" in data else data
    outside = b"".join(bare.translate(None, _NOT_STRUCTURE).split(b'"')[::2])
    depth = 0
    for bracket in outside:
        depth += _DEPTH_STEP[bracket]
        if depth > MAX_DEPTH:
            raise TooLargeError(
                where,
                found=f"values nested more than {MAX_DEPTH} deep",
                expected=f"at most {MAX_DEPTH}",
                action="flatten the extension fields",
            )


def _check_surrogates(text: str, where: str) -> None:
    for found in _ESCAPES.finditer(text):
        high, low, stray = found.groups()
        if stray or (high and not low):
            raise MalformedError(
                f"{where} {place(text, found.start())}",
                found=f"half a surrogate pair {short(found.group())}",
                expected="a whole character",
                action="write the character itself",
            )


def _explain(text: str, start: int, where: str) -> NoReturn:
    """Find again, slowly and with its place, what the decoder refused."""
    open_keys: list[set[str] | None] = []
    expects_key = False
    repeated_at = -1
    for token in _TOKEN.finditer(text, start):
        word, at = token.group(), token.start()
        if word in "[{":
            open_keys.append(set() if word == "{" else None)
            expects_key = word == "{"
        elif word in "]}":
            open_keys.pop()
            expects_key = False
            if not open_keys:
                break
        elif word == ",":
            expects_key = open_keys[-1] is not None
        elif word == ":":
            expects_key = False
        elif word[0] == '"' and expects_key:
            key = str(JSONDecoder().decode(word))
            keys = open_keys[-1]
            if keys is not None and key in keys:
                if key != _REPEATABLE:
                    refuse_duplicate(text, at, where, key)
                repeated_at = at
            if keys is not None:
                keys.add(key)
        elif word[0] != '"':
            _explain_word(text, at, where, word)
    if repeated_at >= 0:
        refuse_duplicate(text, repeated_at, where, _REPEATABLE)
    raise MalformedError(where, found="JSON that other readers could understand differently")


def _explain_word(text: str, at: int, where: str, word: str) -> None:
    if word in ("NaN", "Infinity", "-Infinity"):
        raise MalformedError(
            f"{where} {place(text, at)}", found=word, expected="a number", action="leave the field out"
        )
    if word[0] in "-0123456789" and _is_refused_number(word):
        raise MalformedError(
            f"{where} {place(text, at)}",
            found=f"the number {short(word, 40)}",
            expected=f"at most {MAX_NUMBER_CHARS} characters and an exponent below 100",
            action="write it shorter, or as a string",
        )


def _is_refused_number(word: str) -> bool:
    return len(word) > MAX_NUMBER_CHARS or _LONG_EXPONENT.search(word) is not None


def _number(word: str) -> Decimal:
    if len(word) > MAX_NUMBER_CHARS or _LONG_EXPONENT.search(word):
        raise _RefusedError
    return Decimal(word)


def _constant(_: str) -> NoReturn:
    raise _RefusedError


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        repeats = sum(key == _REPEATABLE for key, _ in pairs) - 1
        if "eventTime" not in fields or len(fields) + repeats != len(pairs):
            raise _RefusedError
    return fields


_DECODER = JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_object
)
