"""The one door by which entries come into a log, at home and from outside.

`accept_entries` takes a copy of a log as it stands and a run of entries that follow it, and gives the
copy as it will stand, or raises. In this order:

1. every entry: strict form, position, link to the entry before (`check_entries`)
2. entry 0 opens the log, and no other entry does
3. the checkpoint: a signed note by the log's key, for this log, of no smaller size
4. the tree over the old and the new entries has the root that the checkpoint signs, or, where the
   checkpoint is of a larger size, a root that it is proven to contain

A checkpoint that does not fit what the copy holds, although its signature is good, is a fork: the error
carries what is needed to prove it. Payloads pass `ledger.log.statement.open_payload`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.errors import ForkError, GapError, InvalidError, MalformedError, RollbackError, TallyError, short
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import check_entries, parse_entry
from ledger.log.note import VerifierKey
from ledger.log.tile import Edge, Tile
from ledger.log.tree import check_consistency

OPENING_KIND = "log.open"
_OPENING_BYTES = OPENING_KIND.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A log as somebody holds it: `last` is the leaf hash of its last entry, or the network id."""

    origin: str
    last: bytes
    edge: Edge = field(default_factory=Edge)

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.edge.size

    @property
    def root(self) -> bytes:
        """The root of the tree over them."""
        return self.edge.frontier.root()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Entries that follow each other from position `start`, and a signed note that covers them.

    `proof` leads from the tree that ends with the last entry to the note's, where the note's is larger.
    """

    start: int
    entries: Sequence[bytes]
    note: str
    proof: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """Entries that follow a copy, checked but not yet covered by a checkpoint, and what they make of it.

    `tiles` are those that the entries completed.
    """

    before: Copy
    after: Copy
    entries: Sequence[bytes]
    leaves: Sequence[bytes]
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A run that passed the door, and the checkpoint that covers it."""

    grown: Grown
    checkpoint: Checkpoint


def accept_entries(copy: Copy, run: Run, vkey: VerifierKey, *, opening: bytes | None = None) -> Accepted:
    """Check a run of entries against a copy of its log; entries that the copy has are passed over.

    `opening` is the leaf hash that entry 0 must have, where it is known.

    Raises:
        GapError: the run begins beyond the copy's end.
        MalformedError, InvalidError: an entry or the checkpoint is wrong; the message names it.
        RollbackError: the checkpoint is older than what the copy holds.
        ForkError: the checkpoint is signed, and contradicts what the copy holds.
    """
    if run.start > copy.size:
        raise GapError(
            f"{copy.origin} entry {run.start}",
            found=f"a run from {run.start}",
            expected=f"position {copy.size}",
            action="send the entries in between first",
        )
    grown = grow_copy(copy, run.entries[copy.size - run.start :], opening=opening)
    return cover(grown, run.note, vkey, run.proof)


def grow_copy(copy: Copy, entries: Sequence[bytes], *, opening: bytes | None = None) -> Grown:
    """The first half of the door: the entries themselves. Raises as `accept_entries`."""
    leaves = check_entries(copy.origin, entries, start=copy.size, prev=copy.last)
    _check_opening(copy, entries, leaves, opening)
    edge, tiles = copy.edge.extended(leaves)
    after = Copy(origin=copy.origin, last=leaves[-1] if leaves else copy.last, edge=edge)
    return Grown(before=copy, after=after, entries=entries, leaves=leaves, tiles=tiles)


def cover(grown: Grown, note: str, vkey: VerifierKey, proof: Sequence[bytes] = ()) -> Accepted:
    """The second half of the door: the signed note that covers the entries. Raises as `accept_entries`."""
    checkpoint = open_checkpoint(note, vkey)
    check_head(grown.after, checkpoint, proof)
    return Accepted(grown=grown, checkpoint=checkpoint)


def check_head(copy: Copy, checkpoint: Checkpoint, proof: Sequence[bytes] = ()) -> None:
    """Check that a signed checkpoint of the copy's size, or a larger one, contains the copy.

    Raises:
        InvalidError: the checkpoint is of another log, or the proof leads nowhere.
        RollbackError: it is of a smaller size.
        ForkError: it is of the same size with another root.
    """
    where = f"{copy.origin} checkpoint of size {checkpoint.size}"
    if checkpoint.origin != copy.origin:
        raise InvalidError(where, found=f"origin {short(checkpoint.origin)}", expected=copy.origin)
    if checkpoint.size < copy.size:
        raise RollbackError(where, found=f"size {checkpoint.size}", expected=f"at least {copy.size}")
    if checkpoint.size == copy.size:
        if proof:
            raise InvalidError(where, found=f"a proof of {len(proof)} hashes", expected="none at equal sizes")
        if checkpoint.root != copy.root:
            raise ForkError(
                where,
                found=f"root {short(checkpoint.root)}",
                expected=f"root {short(copy.root)} of the entries that are here",
                action="do not rely on entries of this log that only one side shows; keep both heads",
            )
    elif copy.size:
        try:
            check_consistency(
                old_size=copy.size,
                old_root=copy.root,
                new_size=checkpoint.size,
                new_root=checkpoint.root,
                proof=proof,
            )
        except TallyError as error:
            raise InvalidError(
                where,
                found="a root that is not proven to contain the entries before it",
                expected=f"a consistency proof from size {copy.size}",
                action="ask for the proof again; if it is refused again, compare heads",
            ) from error


def _check_opening(
    copy: Copy, entries: Sequence[bytes], leaves: Sequence[bytes], opening: bytes | None
) -> None:
    # Searching the bytes first keeps the run at the speed of hashing.
    suspects = [seq for seq, data in enumerate(entries, copy.size) if _OPENING_BYTES in data or not seq]
    for seq in suspects:
        kind = parse_entry(entries[seq - copy.size]).kind
        if (kind == OPENING_KIND) != (seq == 0):
            raise MalformedError(
                f"{copy.origin} entry {seq}",
                found=f"kind {kind}",
                expected=f"{OPENING_KIND} at position 0 and nowhere else",
            )
    if opening is not None and copy.size == 0 and leaves and leaves[0] != opening:
        raise ForkError(
            f"{copy.origin} entry 0",
            found=f"hash {short(leaves[0])}",
            expected=f"{short(opening)}, the one that was admitted",
            action="ask which log the network admitted",
        )
