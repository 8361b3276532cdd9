"""Instants as EPCIS writes them (RFC 3339, with the offset) and as we reckon: integer milliseconds UTC.

Milliseconds are rounded to the nearest, a half to the even one, as the CBV event hash does.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError, short

_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999

EXPECTED: Final = "a date and time with offset, as 2026-05-01T12:00:00.000+02:00"


@lru_cache(maxsize=16_384)
def parse_instant(text: str) -> int:
    """Milliseconds since 1970 UTC."""
    if not _INSTANT.fullmatch(text):
        raise MalformedError("time", found=short(text), expected=EXPECTED)
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise MalformedError("time", found=short(text), expected=EXPECTED) from None
    micros = (moment - _EPOCH) // _MICROSECOND
    millis, rest = divmod(micros, 1000)
    if rest > 500 or (rest == 500 and millis % 2):
        millis += 1
    if not _FIRST_MS <= millis <= _LAST_MS:
        raise MalformedError("time", found=short(text), expected="a time between the years 1 and 9999")
    return millis


@lru_cache(maxsize=16_384)
def format_instant(millis: int) -> str:
    """The instant in UTC with three digits: `2026-05-01T10:00:00.000Z`."""
    moment = _NAIVE_EPOCH + timedelta(milliseconds=millis)
    return moment.isoformat(timespec="milliseconds") + "Z"
