"""Evidence: what proves to anyone that the key of a log signed two things that cannot both be true.

Any of these three, and nothing else:

- two notes of one size with different roots
- two notes and a consistency path that reaches the root of the larger from a root of the smaller size
  that is not the one the smaller note signs. The path is a consistency proof; where the smaller size is
  a power of two, a proof leaves that other root out, and here it stands first.
- two receipts for one position with different entries

It counts only after one's own check. The same thing told twice proves nothing, nor does a path that does
not fit: that is a failed proof, not a proven failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.note import VerifierKey
from ledger.log.receipt import check_receipt
from ledger.log.tree import (
    HASH_BYTES,
    MAX_PROOF_HASHES,
    HashReader,
    path_roots,
    prove_consistency,
    read_frontier,
)

ROOTS, PATH, ENTRIES = "roots", "path", "entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """What evidence proves: the log signed both hashes for one place.

    For `roots` and `path` the place is a size and the hashes are roots, first that of the first note; for
    `entries` it is a position and the hashes are leaf hashes.
    """

    form: str
    origin: str
    place: int
    first: bytes
    second: bytes


def prove_fork_path(reader: HashReader, old: int, new: int) -> list[bytes]:
    """The path from the tree of `old` leaves to that of `new`, for evidence against another old root."""
    proof = prove_consistency(reader, old, new)
    return proof if old & (old - 1) else [read_frontier(reader, old).root(), *proof]


def check_fork(note_a: str, note_b: str, vkey: VerifierKey, proof: Sequence[bytes] | None = None) -> Fork:
    """Whether two notes of one log cannot both be true; with a path, `note_a` is the smaller."""
    first = open_checkpoint(note_a, vkey, "first note")
    second = open_checkpoint(note_b, vkey, "second note")
    where = f"evidence against {first.origin}"
    if first.size == second.size and not proof:
        form, other = ROOTS, second.root
    elif proof and 0 < first.size < second.size:
        _check_path(proof, where)
        form = PATH
        other, reached = path_roots(proof, first.size, second.size)
        if reached != second.root:
            raise InvalidError(where, found="a path that misses the root", expected="one that reaches it")
    else:
        raise InvalidError(
            where,
            found=f"sizes {first.size} and {second.size}",
            expected="one size, or a path from the first to the second",
        )
    if first.root == other:
        raise InvalidError(where, found="one root told twice", expected="two roots of one size")
    return Fork(form=form, origin=first.origin, place=first.size, first=first.root, second=other)


def check_fork_of_entries(receipt_a: str, receipt_b: str, vkey: VerifierKey) -> Fork:
    """Whether two receipts of one log prove different entries at one position."""
    first = check_receipt(receipt_a, vkey, where="first receipt")
    second = check_receipt(receipt_b, vkey, where="second receipt")
    origin = first.checkpoint.origin
    if first.entry.seq != second.entry.seq or first.leaf == second.leaf:
        raise InvalidError(
            f"evidence against {origin}",
            found=f"entries {first.entry.seq} and {second.entry.seq} of one history",
            expected="two entries at one position",
        )
    return Fork(form=ENTRIES, origin=origin, place=first.entry.seq, first=first.leaf, second=second.leaf)


def _check_path(path: Sequence[bytes], where: str) -> None:
    if len(path) > MAX_PROOF_HASHES + 1 or any(len(item) != HASH_BYTES for item in path):
        raise MalformedError(
            where,
            found="another path",
            expected=f"at most {MAX_PROOF_HASHES + 1} hashes of {HASH_BYTES} bytes",
        )
