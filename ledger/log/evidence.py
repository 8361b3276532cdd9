"""Evidence: files that prove to anyone that the key of a log signed two things that cannot both be true.

Evidence is a strict msgpack array of one of three forms; notes and receipts are strings:

- `["roots", note, note]`: two checkpoints of one size with different roots
- `["path", old note, new note, other root, [hash, …]]`: a consistency path that reaches the new root
  from `other root`, which is not the root that the old note signs for the old size
- `["entries", receipt, receipt]`: two receipts for one position with different entries

It counts only after `check_evidence`. The same thing told twice proves nothing, nor does a path that does
not fit: that is a failed proof, not a proven failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, TooLargeError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.encoding import decode, encode
from ledger.log.note import MAX_NOTE_BYTES, VerifierKey
from ledger.log.receipt import MAX_RECEIPT_BYTES, check_receipt
from ledger.log.tree import HASH_BYTES, MAX_PROOF_HASHES, check_consistency

ROOTS, PATH, ENTRIES = "roots", "path", "entries"
MAX_EVIDENCE_BYTES = 2 * max(MAX_NOTE_BYTES, MAX_RECEIPT_BYTES) + 64 * MAX_PROOF_HASHES + 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Two notes (with a path and the root it starts from) or two receipts, none of it checked."""

    form: str
    first: str
    second: str
    other_root: bytes = b""
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """What evidence proves: the log signed both hashes for one place.

    For notes the place is a size and the hashes are roots; for receipts it is a position and the hashes
    are leaf hashes.
    """

    form: str
    origin: str
    place: int
    first: bytes
    second: bytes


def format_evidence(evidence: Evidence) -> bytes:
    """The bytes of an evidence file."""
    pair = (evidence.form, evidence.first, evidence.second)
    data = encode((*pair, evidence.other_root, evidence.proof) if evidence.form == PATH else pair)
    if parse_evidence(data) != evidence:
        raise MalformedError(
            "evidence", found="another evidence when read back", expected="one of three forms"
        )
    return data


def parse_evidence(data: bytes, where: str = "evidence") -> Evidence:
    """The parts of an evidence file; `check_evidence` says whether they prove anything."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise TooLargeError(where, found=f"{len(data)} bytes", expected=f"at most {MAX_EVIDENCE_BYTES}")
    match decode(data, where):
        case [("roots" | "entries") as form, str(first), str(second)]:
            return Evidence(form=str(form), first=first, second=second)
        case ["path", str(first), str(second), bytes(other_root), list(proof)]:
            hashes = tuple(item for item in proof if isinstance(item, bytes) and len(item) == HASH_BYTES)
            if len(hashes) == len(proof) <= MAX_PROOF_HASHES:
                return Evidence(form=PATH, first=first, second=second, other_root=other_root, proof=hashes)
    raise MalformedError(where, found="another shape", expected="roots, path or entries")


def check_evidence(evidence: Evidence, vkey: VerifierKey) -> Fork:
    """What the evidence proves about the log with this key; raises if it proves nothing."""
    if evidence.form == ENTRIES:
        return check_fork_of_entries(evidence.first, evidence.second, vkey)
    if evidence.form == PATH:
        return check_fork(
            evidence.first, evidence.second, vkey, other_root=evidence.other_root, proof=evidence.proof
        )
    return check_fork(evidence.first, evidence.second, vkey)


def check_fork(
    note_a: str,
    note_b: str,
    vkey: VerifierKey,
    *,
    other_root: bytes | None = None,
    proof: Sequence[bytes] | None = None,
) -> Fork:
    """Whether two notes of one log cannot both be true.

    Without a path both are of one size. With one, `note_a` is the smaller, and the path shows that the
    tree of `note_b` begins with a tree of that size whose root is `other_root`.
    """
    first = open_checkpoint(note_a, vkey, "first note")
    second = open_checkpoint(note_b, vkey, "second note")
    found = second.root
    if other_root is not None and proof is not None:
        check_consistency(
            old_size=first.size,
            old_root=other_root,
            new_size=second.size,
            new_root=second.root,
            proof=proof,
        )
        found = other_root
    elif first.size != second.size:
        raise InvalidError(
            f"evidence against {first.origin}",
            found=f"sizes {first.size} and {second.size}",
            expected="one size, or a path between the two",
        )
    if first.root == found:
        raise InvalidError(
            f"evidence against {first.origin}", found="one root told twice", expected="two roots of one size"
        )
    form = ROOTS if first.size == second.size else PATH
    return Fork(form=form, origin=first.origin, place=first.size, first=first.root, second=found)


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
