"""Maps and rows that never change and grow by one item at a time, each new one sharing with the old.

A roster is a value, and folding a statement makes another one. With plain dictionaries each of 20,000
grants would copy all before it. Here a map is a few layers, the later the smaller, joined as they grow:
a new item costs, over time, as much as the logarithm of their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class GrowingMap(Mapping[K, V]):
    """A map with `with_item`; items keep the place at which their key came first."""

    __slots__ = ("_layers", "_size")

    def __init__(self) -> None:
        self._layers: tuple[dict[K, V], ...] = ()
        self._size = 0

    def with_item(self, key: K, value: V) -> GrowingMap[K, V]:
        """The map with one more item, or with another value for a key that it has."""
        grown: GrowingMap[K, V] = GrowingMap()
        layers = list(self._layers)
        last = {key: value}
        while layers and len(layers[-1]) <= len(last):
            last = {**layers.pop(), **last}
        grown._layers = (*layers, last)
        grown._size = self._size + (key not in self)
        return grown

    def __getitem__(self, key: K) -> V:
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[K]:
        joined: dict[K, V] = {}
        for layer in self._layers:
            joined.update(layer)
        return iter(joined)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"GrowingMap of {self._size}"


class Row(Sequence[T]):
    """A sequence to which items are added at the end, and whose last item may be put another way."""

    __slots__ = ("_items",)

    def __init__(self, items: GrowingMap[int, T] | None = None) -> None:
        self._items: GrowingMap[int, T] = GrowingMap() if items is None else items

    def added(self, item: T) -> Row[T]:
        """The row with one more item."""
        return Row(self._items.with_item(len(self._items), item))

    def ended(self, item: T) -> Row[T]:
        """The row with this as its last item, in the place of the one that is there."""
        return Row(self._items.with_item(len(self._items) - 1, item))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        at = index + len(self._items) if index < 0 else index
        if not 0 <= at < len(self._items):
            raise IndexError(index)
        return self._items[at]

    def __iter__(self) -> Iterator[T]:
        return iter(dict(self._items.items()).values())

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and self._items == other._items
