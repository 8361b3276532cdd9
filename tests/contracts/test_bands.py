"""Band tables: the band of a value against a walk over the rows, and tables that are refused."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bands import BandRow, BandTable, make_table
from contracts.operations import ArithmeticFault
from contracts.syntax import Place
from contracts.types import DECIMAL, INTEGER, STRING, Type
from contracts.values import Money, Value
from ledger.errors import InvalidError

PLACE = Place(label="bands")


def table(*rows: tuple[Value | None, Value | None], of: Type = DECIMAL) -> BandTable:
    """A table whose rows give their own number."""
    made = tuple(
        BandRow(low=low, high=high, value=number, place=Place(label=f"row {number}"))
        for number, (low, high) in enumerate(rows)
    )
    return make_table(of=of, gives=INTEGER, rows=made, place=PLACE)


decimals = st.decimals(-1000, 1000, places=2)


@given(st.lists(decimals, min_size=1, max_size=12, unique=True), st.booleans(), st.booleans(), decimals)
def test_the_band_is_the_one_that_holds_the_value(
    limits: list[Decimal], open_below: bool, open_above: bool, value: Decimal
) -> None:
    edges: list[Decimal | None] = [*sorted(limits)]
    edges = [*([None] if open_below else []), *edges, *([None] if open_above else [])]
    rows = list(pairwise(edges))
    if not rows:
        return
    holding = [
        number
        for number, (low, high) in enumerate(rows)
        if (low is None or low <= value) and (high is None or value < high)
    ]
    if holding:
        assert table(*rows).find(value) == holding[0]
    else:
        with pytest.raises(ArithmeticFault, match="which is in no band"):
            table(*rows).find(value)


def test_a_limit_belongs_to_the_band_above_it() -> None:
    assert table((None, 10), (10, None)).find(10) == 1


def test_one_row_open_on_both_sides_holds_everything() -> None:
    assert table((None, None)).find(-5) == 0


def test_an_amount_in_another_currency_is_in_no_band() -> None:
    euro = [Money(Decimal(number), "EUR") for number in (1, 2)]
    money = table((None, euro[0]), (euro[0], None), of=Type("money", "EUR"))
    assert money.find(euro[1]) == 1
    with pytest.raises(ArithmeticFault, match="USD and EUR"):
        money.find(Money(Decimal(1), "USD"))


@pytest.mark.parametrize(
    ("rows", "where", "found"),
    [
        (((None, 10), (11, None)), "row 1", "a gap from 10 to 11"),
        (((None, 10), (9, None)), "row 1", "an overlap from 9 to 10"),
        (((10, 20), (0, 10)), "row 1", "an overlap from 0 to 20"),
        (((10, 10),), "row 0", "a band from 10 to 10"),
        (((20, 10),), "row 0", "a band from 20 to 10"),
        (((None, None), (10, None)), "row 0", "a band after one without an end"),
        (((None, 10), (None, 20)), "row 1", "a band without a beginning"),
        ((), "bands", "no rows"),
        (((None, Money(Decimal(1), "EUR")), (Money(Decimal(1), "USD"), None)), "bands",
         "bands in several currencies"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(
    rows: tuple[tuple[Value | None, Value | None], ...], where: str, found: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        table(*rows)
    assert (caught.value.where, caught.value.found) == (where, found)


def test_bands_of_what_has_no_order() -> None:
    with pytest.raises(InvalidError, match="bands of string"):
        table((None, None), of=STRING)
