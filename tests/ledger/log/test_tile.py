"""Tiles: paths, bundles, making them while a log grows, and reading a tree from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import MalformedError, MissingError, TallyError
from ledger.log.tile import (
    MAX_TILE_INDEX,
    Edge,
    Tile,
    TileReader,
    entries_path,
    fold_tiles,
    format_bundle,
    log_path,
    parse_bundle,
    parse_tile_path,
    read_edge,
    subtree_hash,
    tile_path,
)
from ledger.log.tree import Frontier, node_hash, prove_consistency, prove_inclusion

LEAVES = [index.to_bytes(32, "big") for index in range(70_000)]


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "/tile/0/000"),
        (0, 5, 1, "/tile/0/005.p/1"),
        (1, 999, 255, "/tile/1/999.p/255"),
        (2, 1000, 256, "/tile/2/x001/000"),
        (0, 1234067, 256, "/tile/0/x001/x234/067"),
        (63, 1234067, 8, "/tile/63/x001/x234/067.p/8"),
    ],
)
def test_tile_paths_are_those_of_the_standard(level: int, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path
    place = parse_tile_path(path)
    assert (place.level, place.index, place.width) == (level, index, width)


def test_entries_have_paths_of_their_own() -> None:
    assert entries_path(1234067, 3) == "/tile/entries/x001/x234/067.p/3"
    assert parse_tile_path("/tile/entries/000").level is None


@given(st.integers(0, 63), st.integers(0, MAX_TILE_INDEX), st.integers(1, 256))
def test_a_path_leads_back_to_its_place(level: int, index: int, width: int) -> None:
    place = parse_tile_path(tile_path(level, index, width))
    assert (place.level, place.index, place.width) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/0",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/0/0000",
        "/tile/0/x000/000",
        "/tile/0/x001/x000",
        "/tile/0/001/000",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/0/000.p/",
        "/tile/0/000/",
        "/tile/0/000\n",
        "/tile/0/٠٠٠",
        "/tile/0/../000",
        "tile/0/000",
        "/tile/entry/000",
        "/tile/0/x999/x999/x999/x999/x999/999",
        "/tile/0/" + "x001/" * 100_000 + "000",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(path)


def test_the_path_of_a_log_is_the_hash_of_its_origin() -> None:
    assert log_path("acme/0123456789abcdef") == (
        "/log/72d1ebee2e7021d024636fd09dc60f2de37adef6cc2046e8d1fb88af54d04ad4"
    )


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert parse_bundle(format_bundle(entries), len(entries)) == entries


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\x00\x01ab", 1), (b"\x00\x02a", 1), (b"\x00", 1), (b"\x00\x01a", 2), (b"\x00\x01a", 0), (b"", 1)],
)
def test_a_bundle_that_does_not_fit_its_width_is_refused(data: bytes, width: int) -> None:
    with pytest.raises(MalformedError):
        parse_bundle(data, width)


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    assert len(format_bundle([bytes(65_535)])) == 65_537
    with pytest.raises(MalformedError):
        format_bundle([bytes(65_536)])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_tiles_made_at_once_are_those_of_the_definition(size: int) -> None:
    edge, tiles = Edge().extended(LEAVES[:size])
    levels = Frontier().grow(LEAVES[:size])[1]
    for tile in [*tiles, *edge.partial_tiles()]:
        hashes = levels[8 * tile.level]
        assert tile.data == b"".join(hashes[256 * tile.index : 256 * tile.index + tile.width])
    assert len(tiles) == size // 256 + size // 256**2
    assert [tile.width for tile in edge.partial_tiles()] == [
        width for width in (size % 256, size // 256 % 256, size // 256**2 % 256) if width
    ]


def test_seventy_thousand_leaves_have_the_tiles_that_the_standard_says() -> None:
    edge, tiles = Edge().extended(LEAVES)
    assert [sum(tile.level == level for tile in tiles) for level in range(3)] == [273, 1, 0]
    assert [tile.path for tile in edge.partial_tiles()] == [
        "/tile/0/273.p/112",
        "/tile/1/001.p/17",
        "/tile/2/000.p/1",
    ]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 700), max_size=5))
def test_tiles_made_in_any_steps_are_the_same(steps: list[int]) -> None:
    edge, tiles = Edge(), list[Tile]()
    for step in steps:
        edge, more = edge.extended(LEAVES[edge.size : edge.size + step])
        tiles += more
    at_once, all_tiles = Edge().extended(LEAVES[: edge.size])
    assert edge == at_once
    assert sorted(tiles, key=lambda tile: tile.path) == sorted(all_tiles, key=lambda tile: tile.path)


@pytest.fixture(scope="module")
def tiles() -> dict[tuple[int, int, int], bytes]:
    edge, full = Edge().extended(LEAVES)
    return {(tile.level, tile.index, tile.width): tile.data for tile in [*full, *edge.partial_tiles()]}


@pytest.fixture(scope="module")
def in_memory(reader_of: Callable[..., Any]) -> Any:
    return reader_of(LEAVES)


def test_proofs_from_tiles_are_those_from_all_nodes(
    tiles: dict[tuple[int, int, int], bytes], in_memory: Any
) -> None:
    reader = TileReader(len(LEAVES), lambda *place: tiles[place])
    for index in (0, 1, 255, 256, 65_535, 65_536, 69_999):
        for size in (70_000, 69_999, 65_537):
            if index < size:
                assert prove_inclusion(reader, index, size) == prove_inclusion(in_memory, index, size)
                assert prove_consistency(reader, index + 1, size) == prove_consistency(
                    in_memory, index + 1, size
                )


def test_a_proof_fetches_at_most_two_tiles_of_each_level(tiles: dict[tuple[int, int, int], bytes]) -> None:
    fetched = []

    def fetch(*place: int) -> bytes:
        fetched.append(place)
        return tiles[place[0], place[1], place[2]]

    prove_inclusion(TileReader(len(LEAVES), fetch), 12_345, 70_000)
    assert len(fetched) == len(set(fetched)) <= 6


@pytest.mark.parametrize("size", [0, 1, 256, 65_536, 70_000])
def test_an_edge_is_read_back_from_tiles(size: int, tiles: dict[tuple[int, int, int], bytes]) -> None:
    reader = TileReader(len(LEAVES), lambda *place: tiles[place])
    assert read_edge(reader, size) == Edge().extended(LEAVES[:size])[0]


def test_a_tile_of_another_length_is_refused() -> None:
    reader = TileReader(3, lambda level, index, width: bytes(31 * width))
    with pytest.raises(MalformedError, match=r"/tile/0/000\.p/3"):
        reader.read_hashes([(0, 0)])


@pytest.mark.parametrize("node", [(0, 300), (1, 149), (8, 1), (16, 0)])
def test_a_node_that_is_not_complete_is_missing(node: tuple[int, int]) -> None:
    with pytest.raises(MissingError):
        TileReader(299, lambda level, index, width: bytes(32 * width)).read_hashes([node])


def test_what_a_store_does_not_have_is_told() -> None:
    def fetch(level: int, index: int, width: int) -> bytes:
        raise MissingError(tile_path(level, index, width), found="nothing")

    with pytest.raises(TallyError):
        TileReader(3, fetch).read_hashes([(0, 0)])


def test_the_hash_of_a_full_tile_is_its_root(root_of: Callable[..., bytes]) -> None:
    assert subtree_hash(b"".join(LEAVES[:256])) == root_of(LEAVES[:256])
    assert subtree_hash(b"".join(LEAVES[:4]), 2, 2) == node_hash(LEAVES[2], LEAVES[3])


def test_a_tile_is_computed_from_those_below_it(tiles: dict[tuple[int, int, int], bytes]) -> None:
    for place in ((1, 0, 256), (1, 1, 17), (2, 0, 1)):
        assert fold_tiles(lambda *below: tiles[below], *place) == tiles[place]


def test_an_edge_with_another_partial_tile_is_refused() -> None:
    edge, _ = Edge().extended(LEAVES[:3])
    with pytest.raises(MalformedError):
        Edge(edge.frontier, (b"".join(LEAVES[:2]),))
