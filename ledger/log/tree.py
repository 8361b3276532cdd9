"""The Merkle tree of a log as in RFC 6962 and RFC 9162: growing it, proving from it, checking proofs.

- leaf hash = SHA-256(0x00 | entry) (`ledger.log.entry`), node hash = SHA-256(0x01 | left | right)
- the root of no leaves is SHA-256 of nothing
- the tree over n leaves splits at the largest power of two below n

The *node* `(level, index)` is the root of the complete subtree over the leaves
`index * 2**level` to `(index + 1) * 2**level`. Nodes never change once their leaves are there, so they
are what a store keeps and what a `HashReader` gives. A proof of a tree of n leaves needs O(log n) nodes.

A *frontier* is what is left of a tree when only growing matters: its size and the roots of the complete
subtrees it consists of, largest first. Growing by k leaves costs k node hashes, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeAlias

from ledger.errors import InvalidError, MalformedError, MissingError, short

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
MAX_PROOF_HASHES = 64

EMPTY_ROOT = sha256(b"").digest()

Node: TypeAlias = tuple[int, int]
"""Level and index of a complete subtree."""


class HashReader(Protocol):
    """Where the nodes of a tree are kept."""

    def read_hashes(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of these nodes, in this order; `MissingError` where one is not there."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an interior node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: as many peaks as `size` has bits that are one, largest subtree first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedError("frontier", found=f"size {self.size}", expected="0 to 2^63-1")
        if len(self.peaks) != self.size.bit_count() or any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise MalformedError(
                "frontier", found=f"{len(self.peaks)} peaks", expected=f"{self.size.bit_count()} hashes"
            )

    def extended(self, leaf_hashes: Sequence[bytes]) -> Frontier:
        """The frontier after these leaves."""
        return self.grow(leaf_hashes)[0]

    def grow(self, leaf_hashes: Sequence[bytes]) -> tuple[Frontier, list[list[bytes]]]:
        """The frontier after these leaves, and every new node: a list for each level, from level 0.

        The first new node of a level has the index `self.size >> level`.
        """
        size = self.size + len(leaf_hashes)
        peaks = dict(zip(_bits(self.size), self.peaks, strict=True))
        levels: list[list[bytes]] = []
        new = list(leaf_hashes)
        while new:
            level = len(levels)
            levels.append(new)
            nodes = [peaks[level], *new] if self.size >> level & 1 else new
            if size >> level & 1:
                peaks[level] = nodes[-1]
            new = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=False)
            ]
        return Frontier(size, tuple(peaks[level] for level in _bits(size))), levels

    def root(self) -> bytes:
        """The root of the tree."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT


def read_frontier(reader: HashReader, size: int) -> Frontier:
    """The frontier of the first `size` leaves of a tree that is kept somewhere."""
    return Frontier(size, tuple(_read(reader, _peaks(0, size))))


def prove_inclusion(reader: HashReader, index: int, size: int) -> list[bytes]:
    """The path from leaf `index` to the root of the tree of `size` leaves, the leaf's sibling first."""
    if not 0 <= index < size <= MAX_SIZE:
        raise MalformedError(
            "inclusion proof", found=f"leaf {index} of {size}", expected="a leaf in the tree"
        )
    spans: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return _read_spans(reader, spans[::-1])


def prove_consistency(reader: HashReader, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with the tree of `old` leaves."""
    if not 0 < old <= new <= MAX_SIZE:
        raise MalformedError("consistency proof", found=f"sizes {old} and {new}", expected="0 < old <= new")
    spans: list[tuple[int, int]] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    # What is left is the last complete piece of the old tree; if that is all of it, its root is known.
    if start:
        spans.append((start, end))
    return _read_spans(reader, spans[::-1])


def check_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Whether `leaf` is at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2)."""
    where = f"inclusion proof of leaf {index} in {size}"
    _check_hashes(where, [leaf, root, *proof])
    if not 0 <= index < size <= MAX_SIZE:
        raise InvalidError(where, found="no such leaf", expected="an index below the size")
    position, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise InvalidError(where, found="too many hashes", expected="a path that ends at the root")
        if position & 1 or position == last:
            found = node_hash(step, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    if last:
        raise InvalidError(where, found="too few hashes", expected="a path that ends at the root")
    _check_same(where, found, root)


def check_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Whether the new tree begins with the old one (RFC 9162, 2.1.4.2). The empty tree proves nothing."""
    where = f"consistency proof of {old_size} and {new_size}"
    _check_hashes(where, [old_root, new_root, *proof])
    if not 0 < old_size <= new_size <= MAX_SIZE:
        raise InvalidError(where, found="sizes that do not compare", expected="0 < old size <= new size")
    if old_size == new_size:
        if proof:
            raise InvalidError(where, found=f"{len(proof)} hashes", expected="no proof between equal sizes")
        _check_same(where, old_root, new_root)
        return
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    old_found, new_found = path_roots(path, old_size, new_size)
    _check_same(where, old_found, old_root)
    _check_same(where, new_found, new_root)


def path_roots(path: Sequence[bytes], old_size: int, new_size: int) -> tuple[bytes, bytes]:
    """The roots of the old and the new tree that a consistency path leads to, where 0 < old < new.

    The path begins with a subtree of the old tree. A consistency proof leaves that one out where it is
    the whole old tree, that is where the old size is a power of two.
    """
    where = f"consistency path of {old_size} and {new_size}"
    if not path:
        raise InvalidError(where, found="no hashes", expected="a path")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_found = new_found = path[0]
    for step in path[1:]:
        if last == 0:
            raise InvalidError(where, found="too many hashes", expected="a path that ends at the root")
        if position & 1 or position == last:
            old_found = node_hash(step, old_found)
            new_found = node_hash(step, new_found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_found = node_hash(new_found, step)
        position, last = position >> 1, last >> 1
    if last:
        raise InvalidError(where, found="too few hashes", expected="a path that ends at the root")
    return old_found, new_found


def _check_hashes(where: str, hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PROOF_HASHES + 2:
        raise MalformedError(where, found=f"{len(hashes) - 2} hashes", expected=f"at most {MAX_PROOF_HASHES}")
    for item in hashes:
        if len(item) != HASH_BYTES:
            raise MalformedError(where, found=f"a hash of {len(item)} bytes", expected=f"{HASH_BYTES} bytes")


def _check_same(where: str, found: bytes, root: bytes) -> None:
    if found != root:
        raise InvalidError(where, found=f"root {short(found)}", expected=short(root))


def _bits(size: int) -> list[int]:
    """The levels of a tree's peaks, largest first."""
    return [level for level in reversed(range(size.bit_length())) if size >> level & 1]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _peaks(start: int, end: int) -> Iterator[Node]:
    """The complete subtrees that leaves `start` to `end` consist of, where `start` is a place to split."""
    for level in _bits(end - start):
        yield level, start >> level
        start += 1 << level


def _read_spans(reader: HashReader, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """The subtree hash of each span of leaves, with one call to the reader."""
    parts = [list(_peaks(start, end)) for start, end in spans]
    hashes = iter(_read(reader, [node for part in parts for node in part]))
    return [_fold([next(hashes) for _ in part]) for part in parts]


def _read(reader: HashReader, nodes: Iterator[Node] | Sequence[Node]) -> Sequence[bytes]:
    wanted = list(nodes)
    hashes = reader.read_hashes(wanted) if wanted else []
    if len(hashes) != len(wanted):
        raise MissingError("tree", found=f"{len(hashes)} hashes", expected=f"{len(wanted)}")
    return hashes


def _fold(peaks: Sequence[bytes]) -> bytes:
    found = peaks[-1]
    for peak in reversed(peaks[:-1]):
        found = node_hash(peak, found)
    return found
