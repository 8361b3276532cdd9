"""Evidence: what proves to anyone that a key signed two things that cannot both be true.

Of a log's key any of these three, and nothing else:

- two notes of one size with different roots
- two notes and a consistency path that reaches the root of the larger from a root of the smaller size
  that is not the one the smaller note signs. The path is a consistency proof; where the smaller size is
  a power of two, a proof leaves that other root out, and here it stands first.
- two receipts for one position with different entries

Of a witness's key the first two, with its cosignatures in the place of the log's signatures.

It counts only after one's own check. The same thing told twice proves nothing, nor does a path that does
not fit: that is a failed proof, not a proven failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, short
from ledger.log.checkpoint import Checkpoint, cosignatures, open_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, parse_note
from ledger.log.receipt import CheckedReceipt, check_receipt
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


def check_fork(
    note_a: str,
    note_b: str,
    vkey: VerifierKey,
    proof: Sequence[bytes] = (),
    *,
    vkey_b: VerifierKey | None = None,
) -> Fork:
    """Whether two notes of one log cannot both be true; with a path, `note_a` is the smaller.

    `vkey_b` is the key of the second note, where the log's key was rotated in between.
    """
    first = open_checkpoint(note_a, vkey, "first note")
    second = open_checkpoint(note_b, vkey_b or vkey, "second note")
    return check_heads(first, second, proof)


def check_fork_by_witness(
    note_a: str, note_b: str, vkey: VerifierKey, proof: Sequence[bytes] = ()
) -> tuple[Fork, tuple[int, int]]:
    """Whether a witness (a key of type 0x04) cosigned two notes of one log that cannot both be true.

    Gives the times of its cosignatures too, in seconds. Who else signed the notes does not matter.
    """
    first, first_s = _open_cosigned(note_a, vkey, "first note")
    second, second_s = _open_cosigned(note_b, vkey, "second note")
    return check_heads(first, second, proof), (first_s, second_s)


def check_heads(first: Checkpoint, second: Checkpoint, path: Sequence[bytes] = ()) -> Fork:
    """Whether two heads, both signed by whoever is accused, cannot both be true."""
    where = f"evidence against {first.origin}"
    if first.origin != second.origin:
        raise InvalidError(where, found=f"a head of {short(second.origin)}", expected="two heads of one log")
    if first.size == second.size and not path:
        form, other = ROOTS, second.root
    elif path and 0 < first.size < second.size:
        _check_path(path, where)
        form = PATH
        other, reached = path_roots(path, first.size, second.size)
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


def check_fork_of_entries(
    receipt_a: str | bytes, receipt_b: str | bytes, vkey: VerifierKey, *, vkey_b: VerifierKey | None = None
) -> Fork:
    """Whether two receipts of one log prove different entries at one position; `vkey_b` as above."""
    first = check_receipt(receipt_a, vkey, where="first receipt")
    second = check_receipt(receipt_b, vkey_b or vkey, where="second receipt")
    return check_two_entries(first, second)


def check_two_entries(first: CheckedReceipt, second: CheckedReceipt) -> Fork:
    """Whether two receipts that were checked prove different entries at one position of one log."""
    origin = first.checkpoint.origin
    one_place = origin == second.checkpoint.origin and first.entry.seq == second.entry.seq
    if not one_place or first.leaf == second.leaf:
        raise InvalidError(
            f"evidence against {origin}",
            found=f"entries {first.entry.seq} and {second.entry.seq} of one history",
            expected="two entries at one position",
        )
    return Fork(form=ENTRIES, origin=origin, place=first.entry.seq, first=first.leaf, second=second.leaf)


def _open_cosigned(note: str, vkey: VerifierKey, where: str) -> tuple[Checkpoint, int]:
    times = cosignatures(note, [vkey], where)
    if vkey.name not in times:
        raise InvalidError(where, found="no cosignature by this key", expected=f"one by {vkey.name}")
    return parse_checkpoint(parse_note(note, where).text, where), times[vkey.name]


def _check_path(path: Sequence[bytes], where: str) -> None:
    if len(path) > MAX_PROOF_HASHES + 1 or any(len(item) != HASH_BYTES for item in path):
        raise MalformedError(
            where,
            found="another path",
            expected=f"at most {MAX_PROOF_HASHES + 1} hashes of {HASH_BYTES} bytes",
        )
