"""Values of the ledger as JSON has them: bytes as lowercase hex, times in milliseconds and as text."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ledger.errors import MalformedError, short

Json: TypeAlias = "dict[str, Any]"
"""A value that the `json` module writes as an object."""

_HASH = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LAST_MS = 253_402_300_799_999


def as_json(value: Any) -> Any:
    """A value of a statement for JSON: bytes as hex, maps and lists likewise inside."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(item) for item in value]
    return value


def read_hash(text: str, where: str) -> bytes:
    """A hash of 32 bytes out of its hex.

    Raises:
        MalformedError: it is none.
    """
    if not _HASH.fullmatch(text):
        raise MalformedError(where, found=short(text), expected="64 digits of lowercase hex")
    return bytes.fromhex(text)


def format_time(ms: int) -> str:
    """A time as `2026-11-21T21:41:44.123Z`; what no calendar has stays a number."""
    if not 0 <= ms <= _LAST_MS:
        return f"{ms} ms"
    moment = _EPOCH + datetime.timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_seconds(seconds: int) -> str:
    """A time in seconds as text."""
    return format_time(seconds * 1000)
