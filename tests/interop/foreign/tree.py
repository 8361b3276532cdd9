"""The Merkle tree of RFC 6962."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from .encoding import need
from .note import Head


def leaf_hash(entry: bytes) -> bytes:
    """What names an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node over two others."""
    return sha256(b"\x01" + left + right).digest()


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """The root over these hashes, as RFC 6962 section 2.1 defines it."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_hash(hashes[:split]), tree_hash(hashes[split:]))


def check_inclusion(leaf: bytes, index: int, head: Head, proof: Sequence[bytes]) -> None:
    """RFC 9162, section 2.1.3.2."""
    need(index < head.size, "an index beyond the tree")
    node, last, found = index, head.size - 1, leaf
    for part in proof:
        need(last, "a proof that is too long")
        if node & 1 or node == last:
            found = node_hash(part, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, part)
        node, last = node >> 1, last >> 1
    need(last == 0 and found == head.root, "the proof does not lead to the root")


def implied_roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a path with its start leads to (RFC 9162, section 2.1.4.2, from step 4)."""
    need(0 < old < new and path, "no path between these sizes")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for part in path[1:]:
        need(last, "a path that is too long")
        if node & 1 or node == last:
            older, newer = node_hash(part, older), node_hash(part, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, part)
        node, last = node >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return older, newer


def check_consistency(old: int, old_root: bytes, head: Head, proof: Sequence[bytes]) -> None:
    """RFC 9162, section 2.1.4.2: the old tree is the beginning of the head's."""
    need(old <= head.size, "an old size above the new")
    if old in (0, head.size):
        need(not proof and (old == 0 or old_root == head.root), "two roots of one size")
        return
    path = proof if old & old - 1 else [old_root, *proof]
    need(
        implied_roots(old, head.size, path) == (old_root, head.root), "the proof does not lead to both roots"
    )
