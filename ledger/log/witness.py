"""Witnessing (C2SP tlog-witness): the request for a cosignature, and when a head may follow another.

The body of `POST add-checkpoint` is `old <size>⏎`, up to 63 lines of base64 hashes (the consistency proof
from the old size to the new), an empty line, and the checkpoint. For old size 0 there are no hashes.

A witness vouches for logs of anybody: their checkpoints may have extension lines after the root, which the
cosignature covers and about which it says nothing. Those of a network's own logs have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import (
    ConflictError,
    ForkError,
    InvalidError,
    MalformedError,
    RollbackError,
    TooLargeError,
    short,
)
from ledger.log.checkpoint import Checkpoint, parse_any_checkpoint, parse_decimal, parse_hash
from ledger.log.note import MAX_NOTE_BYTES, encode_text, format_base64, parse_note
from ledger.log.tree import EMPTY_ROOT, MAX_SIZE, check_consistency

MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PROOF_LINES + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A request for a cosignature. `checkpoint` is the whole note, none of it checked."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str

    @property
    def head(self) -> Checkpoint:
        """What the checkpoint claims: enough to find the log's key, not to believe."""
        return parse_any_checkpoint(parse_note(self.checkpoint).text)


class OtherSizeError(ConflictError):
    """The witness last cosigned another size than the request says, or another root of that size."""

    def __init__(self, where: str, *, found: str, size: int) -> None:
        super().__init__(where, found=found, expected=f"size {size}", action=f"prove it from size {size}")
        self.size = size


def format_add_checkpoint(request: AddCheckpoint) -> str:
    """The body of the request."""
    lines = [f"old {request.old_size}", *map(format_base64, request.proof)]
    text = "\n".join(lines) + "\n\n" + request.checkpoint
    if parse_add_checkpoint(text) != request:
        raise MalformedError(
            "add-checkpoint", found="another request when read back", expected="size, path, note"
        )
    return text


def parse_add_checkpoint(data: str | bytes, where: str = "add-checkpoint") -> AddCheckpoint:
    """The parts of a request, none of it checked."""
    raw = encode_text(data, where) if isinstance(data, str) else data
    if len(raw) > MAX_REQUEST_BYTES:
        raise TooLargeError(where, found=f"{len(raw)} bytes", expected=f"at most {MAX_REQUEST_BYTES}")
    head, separator, note = raw.partition(b"\n\n")
    if not separator or not head.isascii():
        raise MalformedError(
            where, found="no empty line after the path", expected="old size, path, checkpoint"
        )
    lines = head.decode("ascii").split("\n")
    if not lines[0].startswith("old "):
        raise MalformedError(where, found=f"line {short(lines[0])}", expected="old <size>")
    if len(lines) - 1 > MAX_PROOF_LINES:
        raise TooLargeError(where, found=f"{len(lines) - 1} hashes", expected=f"at most {MAX_PROOF_LINES}")
    old_size = parse_decimal(lines[0].removeprefix("old "), where, MAX_SIZE)
    parse_any_checkpoint(parse_note(note, where).text, where)
    proof = tuple(parse_hash(line, where) for line in lines[1:])
    return AddCheckpoint(old_size=old_size, proof=proof, checkpoint=note.decode())


def check_add_checkpoint(request: AddCheckpoint, held: Checkpoint | None) -> None:
    """Whether a signed checkpoint may be cosigned after `held`, the one cosigned last (None: none yet).

    Raises:
        MalformedError: its old size is above its own.
        OtherSizeError: its old size is not the size held, or it has another root of that size.
        InvalidError: the proof does not lead from the one to the other.
    """
    head, size = request.head, held.size if held else 0
    where = f"{short(head.origin)} size {head.size}"
    if request.old_size > head.size:
        raise MalformedError(where, found=f"old size {request.old_size}", expected=f"at most {head.size}")
    if request.old_size != size:
        raise OtherSizeError(where, found=f"old size {request.old_size}", size=size)
    try:
        check_growth(held, head, request.proof)
    except ForkError as error:
        raise OtherSizeError(where, found=f"another {error.found}", size=size) from error


def check_growth(held: Checkpoint | None, head: Checkpoint, proof: Sequence[bytes]) -> None:
    """Whether `head` may follow what is held of the same log (None: nothing yet).

    Both are opened before. A head of the held size with another root is a fork; a smaller one, a rollback.
    A proof that does not fit is a refusal, and evidence of nothing.
    """
    old = held or Checkpoint(origin=head.origin, size=0, root=EMPTY_ROOT)
    where = f"{head.origin} size {head.size}"
    if head.origin != old.origin:
        raise InvalidError(where, found="another log", expected=old.origin)
    if head.size < old.size:
        raise RollbackError(where, found=f"size {head.size}", expected=f"at least {old.size}")
    if head.size == old.size and head.root != old.root:
        raise ForkError(where, found=f"root {short(head.root)}", expected=short(old.root))
    if old.size == 0 and proof:
        raise InvalidError(where, found=f"{len(proof)} hashes", expected="no proof from the empty log")
    if old.size:
        check_consistency(
            old_size=old.size, old_root=old.root, new_size=head.size, new_root=head.root, proof=proof
        )
