"""Band tables: rows of half-open bands [from, to), each with a value.

    discount:
      of: decimal
      gives: decimal
      rows: [{to: "100", value: "0"}, {from: "100", to: "500", value: "0.05"}, {from: "500", value: "0.1"}]

The first row may leave `from` out and the last `to`: that end is open. Every other row begins where the
one before it ends. What lies outside is an error with a place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from contracts.operations import ORDERED, ArithmeticFault, compare
from contracts.syntax import Place
from contracts.types import Type
from contracts.values import Date, Duration, Instant, Money, Value, format_value
from ledger.errors import InvalidError

_MEASURES: Mapping[type, Callable[[Any], Any]] = {
    Money: lambda value: value.amount,
    Instant: lambda value: value.ms,
    Duration: lambda value: value.ms,
    Date: lambda value: value.days,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRow:
    """One band: from `low` on (None: no end), below `high` (None: no end)."""

    low: Value | None
    high: Value | None
    value: Value
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class BandTable:
    """Bands in ascending order; make it with `make_table`, which checks them."""

    of: Type
    gives: Type
    rows: tuple[BandRow, ...]
    place: Place
    _lows: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    def find(self, value: Value) -> Value:
        """The value of the band in which a value lies; a fault where there is none."""
        first, last = self.rows[0], self.rows[-1]
        for operator, end in (("<", first.low), (">=", last.high)):
            if end is not None and compare(operator, value, end):
                raise ArithmeticFault(f"{format_value(value)}, which is in no band")
        currency = next((_currency(row.high) for row in self.rows if row.high is not None), None)
        if currency and isinstance(value, Money) and value.currency != currency:
            raise ArithmeticFault(f"{value.currency} and {currency} in one calculation")
        return self.rows[bisect_right(self._lows, _measure(value))].value


def make_table(*, of: Type, gives: Type, rows: tuple[BandRow, ...], place: Place) -> BandTable:
    """A table of bands, which must be in order, without gaps and overlaps.

    Raises:
        InvalidError: they are not; with the place of the row.
    """
    if of.kind not in ORDERED:
        raise InvalidError(
            str(place), found=f"bands of {of}", expected=f"one of {', '.join(sorted(ORDERED))}"
        )
    if not rows:
        raise InvalidError(str(place), found="no rows", expected="at least one band", action="add rows")
    currencies = {_currency(end) for row in rows for end in (row.low, row.high) if end is not None}
    if len(currencies) > 1:
        raise InvalidError(str(place), found="bands in several currencies", expected="one currency")
    for row in rows:
        if row.low is not None and row.high is not None and not compare("<", row.low, row.high):
            raise InvalidError(
                str(row.place),
                found=f"a band from {format_value(row.low)} to {format_value(row.high)}",
                expected="`from` below `to`: a band holds `from` and not `to`",
                action="exchange them",
            )
    for before, after in pairwise(rows):
        _check_neighbours(before, after)
    lows = tuple(_measure(row.low) for row in rows[1:] if row.low is not None)
    return BandTable(of=of, gives=gives, rows=rows, place=place, _lows=lows)


def _check_neighbours(before: BandRow, after: BandRow) -> None:
    if before.high is None:
        found, expected = "a band after one without an end", "`to` in every row but the last"
        raise InvalidError(str(before.place), found=found, expected=expected, action="add `to`")
    if after.low is None:
        found, expected = "a band without a beginning", "`from` in every row but the first"
        raise InvalidError(str(after.place), found=found, expected=expected, action="add `from`")
    if after.low == before.high:
        return
    low, high = format_value(after.low), format_value(before.high)
    gap = compare(">", after.low, before.high)
    raise InvalidError(
        str(after.place),
        found=f"a gap from {high} to {low}" if gap else f"an overlap from {low} to {high}",
        expected=f"a band from {high}",
        action=f"write from: {high}",
    )


def _measure(value: Value) -> Any:
    """What bands of one type are ordered by."""
    measure = _MEASURES.get(type(value))
    return value if measure is None else measure(value)


def _currency(value: Value | None) -> str | None:
    return value.currency if isinstance(value, Money) else None
