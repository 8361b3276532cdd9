"""The Merkle tree against its definition: every size up to 100, every proof, every hash corrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.entry import leaf_hash
from ledger.log.tree import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    read_frontier,
)

LEAVES = [leaf_hash(b"leaf %d" % index) for index in range(100)]


def flips(proof: Sequence[bytes]) -> list[list[bytes]]:
    """The proof with each hash corrupted in turn, one left out, one repeated, one more at each end."""
    corrupt = [
        [*proof[:place], bytes([item[0] ^ 1]) + item[1:], *proof[place + 1 :]]
        for place, item in enumerate(proof)
    ]
    shorter = [[*proof[:place], *proof[place + 1 :]] for place in range(len(proof))]
    return [*corrupt, *shorter, [*proof, LEAVES[0]], [LEAVES[0], *proof]]


@pytest.fixture(scope="module")
def roots(root_of: Callable[[Sequence[bytes]], bytes]) -> list[bytes]:
    return [root_of(LEAVES[:size]) for size in range(101)]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex().startswith("e3b0c442")
    assert Frontier().root() == EMPTY_ROOT


def test_a_frontier_grown_leaf_by_leaf_has_the_root_of_the_definition(roots: list[bytes]) -> None:
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES):
        assert frontier.root() == roots[size]
        frontier = frontier.extended([leaf])
    assert frontier.root() == roots[100]


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_frontier_grown_in_any_steps_is_the_same(steps: list[int]) -> None:
    frontier, size = Frontier(), 0
    for step in steps:
        frontier = frontier.extended(LEAVES[size : size + step])
        size = min(100, size + step)
    assert frontier == Frontier().extended(LEAVES[:size])


@given(st.integers(0, 60), st.integers(0, 40))
def test_the_new_nodes_are_those_that_the_whole_tree_has(old: int, more: int) -> None:
    whole = Frontier().grow(LEAVES[: old + more])[1]
    _, levels = Frontier().extended(LEAVES[:old]).grow(LEAVES[old : old + more])
    for level, new in enumerate(levels):
        assert new == whole[level][old >> level :]
    assert all((old + more) >> level == old >> level for level in range(len(levels), 8))


def test_a_frontier_is_read_back_from_a_kept_tree(reader_of: Callable[..., Any]) -> None:
    for size in range(101):
        assert read_frontier(reader_of(LEAVES), size) == Frontier().extended(LEAVES[:size])


def test_a_frontier_with_a_peak_too_few_is_refused() -> None:
    with pytest.raises(MalformedError):
        Frontier(3, (LEAVES[0],))


def test_every_inclusion_proof_up_to_100_leaves(reader_of: Callable[..., Any], roots: list[bytes]) -> None:
    reader = reader_of(LEAVES)
    for size in range(1, 101):
        for index in range(size):
            proof = prove_inclusion(reader, index, size)
            check_inclusion(leaf=LEAVES[index], index=index, size=size, proof=proof, root=roots[size])


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 99, 100])
def test_a_corrupt_inclusion_proof_is_refused(
    size: int, reader_of: Callable[..., Any], roots: list[bytes]
) -> None:
    reader = reader_of(LEAVES)
    for index in range(size):
        proof = prove_inclusion(reader, index, size)
        for wrong in flips(proof):
            with pytest.raises(InvalidError):
                check_inclusion(leaf=LEAVES[index], index=index, size=size, proof=wrong, root=roots[size])
        for leaf, root in ((LEAVES[index - 1], roots[size]), (LEAVES[index], roots[size - 1])):
            if size > 1:
                with pytest.raises(InvalidError):
                    check_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=root)


def test_every_consistency_proof_up_to_100_leaves(reader_of: Callable[..., Any], roots: list[bytes]) -> None:
    reader = reader_of(LEAVES)
    for new in range(1, 101):
        for old in range(1, new + 1):
            proof = prove_consistency(reader, old, new)
            check_consistency(
                old_size=old, old_root=roots[old], new_size=new, new_root=roots[new], proof=proof
            )


@pytest.mark.parametrize("new", [*range(1, 34), 63, 64, 65, 99, 100])
def test_a_corrupt_consistency_proof_is_refused(
    new: int, reader_of: Callable[..., Any], roots: list[bytes]
) -> None:
    reader = reader_of(LEAVES)
    for old in range(1, new + 1):
        proof = prove_consistency(reader, old, new)
        for wrong in flips(proof):
            with pytest.raises(InvalidError):
                check_consistency(
                    old_size=old, old_root=roots[old], new_size=new, new_root=roots[new], proof=wrong
                )
        for old_root, new_root in ((roots[old - 1], roots[new]), (roots[old], roots[new - 1])):
            with pytest.raises(InvalidError):
                check_consistency(
                    old_size=old, old_root=old_root, new_size=new, new_root=new_root, proof=proof
                )


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, 2**63)])
def test_a_leaf_outside_the_tree_is_neither_proven_nor_checked(
    index: int, size: int, reader_of: Callable[..., Any]
) -> None:
    with pytest.raises(MalformedError):
        prove_inclusion(reader_of(LEAVES), index, size)
    with pytest.raises(InvalidError):
        check_inclusion(leaf=LEAVES[0], index=index, size=size, proof=[], root=LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(0, 5), (0, 0), (6, 5), (-1, 5), (5, 2**63)])
def test_sizes_that_do_not_compare_are_neither_proven_nor_checked(
    old: int, new: int, reader_of: Callable[..., Any]
) -> None:
    with pytest.raises(MalformedError):
        prove_consistency(reader_of(LEAVES), old, new)
    with pytest.raises(InvalidError):
        check_consistency(old_size=old, old_root=LEAVES[0], new_size=new, new_root=LEAVES[0], proof=[])


def test_a_hash_of_another_length_is_malformed() -> None:
    for leaf, root, proof in (
        (b"", LEAVES[0], []),
        (LEAVES[0], b"x" * 33, []),
        (LEAVES[0], LEAVES[0], [b"x" * 31]),
    ):
        with pytest.raises(MalformedError):
            check_inclusion(leaf=leaf, index=0, size=1, proof=proof, root=root)


def test_a_path_of_a_million_hashes_is_refused_before_any_is_hashed() -> None:
    with pytest.raises(MalformedError, match="1000000 hashes"):
        check_inclusion(leaf=LEAVES[0], index=0, size=2, proof=[LEAVES[0]] * 1_000_000, root=LEAVES[0])


@given(
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    st.lists(st.binary(min_size=31, max_size=32), max_size=66),
)
def test_made_up_proofs_are_refused(a: int, b: int, proof: list[bytes]) -> None:
    with pytest.raises(TallyError):
        check_inclusion(leaf=LEAVES[0], index=a, size=b, proof=proof, root=LEAVES[1])
    with pytest.raises(TallyError):
        check_consistency(old_size=a, old_root=LEAVES[0], new_size=b, new_root=LEAVES[1], proof=proof)


@pytest.mark.parametrize("size", [1 << 10, 1 << 14, (1 << 14) + 4567])
def test_a_proof_reads_few_nodes_in_one_call(size: int, reader_of: Callable[..., Any]) -> None:
    leaves = [index.to_bytes(32, "big") for index in range(size)]
    reader = reader_of(leaves)
    most = 2 * size.bit_length()
    for index in (0, 1, size // 3, size // 2, size - 1):
        reader.nodes_read = reader.calls = 0
        prove_inclusion(reader, index, size)
        assert reader.nodes_read <= most
        assert reader.calls == 1
        reader.nodes_read = reader.calls = 0
        prove_consistency(reader, index + 1, size)
        assert reader.nodes_read <= most
        assert reader.calls <= 1
