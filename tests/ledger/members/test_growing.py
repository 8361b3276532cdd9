"""Maps and rows that grow by one item and never change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.members.growing import GrowingMap, Row

ITEMS = st.lists(st.tuples(st.integers(0, 20), st.integers()), max_size=60)


@given(ITEMS)
def test_a_growing_map_is_what_a_dictionary_would_be(items: list[tuple[int, int]]) -> None:
    grown: GrowingMap[int, int] = GrowingMap()
    plain: dict[int, int] = {}
    for key, value in items:
        grown, plain = grown.with_item(key, value), {**plain, key: value}
        assert list(grown.items()) == list(plain.items())
        assert (len(grown), key in grown, 99 in grown) == (len(plain), True, False)


@given(ITEMS)
def test_a_map_is_not_changed_by_what_grows_out_of_it(items: list[tuple[int, int]]) -> None:
    grown: GrowingMap[int, int] = GrowingMap()
    seen = []
    for key, value in items:
        seen.append((grown, dict(grown)))
        grown = grown.with_item(key, value)
    assert all(dict(before) == then for before, then in seen)


@given(st.lists(st.tuples(st.booleans(), st.integers()), max_size=60))
def test_a_row_is_what_a_list_would_be(steps: list[tuple[bool, int]]) -> None:
    row: Row[int] = Row()
    plain: list[int] = []
    for ends, item in steps:
        if ends and plain:
            row, plain = row.ended(item), [*plain[:-1], item]
        else:
            row, plain = row.added(item), [*plain, item]
        assert list(row) == plain
        assert (row[-1], row[0], len(row), row[1:3]) == (plain[-1], plain[0], len(plain), tuple(plain[1:3]))


def test_layers_stay_few_however_much_is_added() -> None:
    grown: GrowingMap[int, int] = GrowingMap()
    for key in range(5000):
        grown = grown.with_item(key, key)
        assert len(grown._layers) <= 14
