"""Checkpoints (C2SP tlog-checkpoint) and cosignatures (tlog-cosignature): the signed heads of logs.

A checkpoint is a note whose text is `origin⏎size⏎base64(root)⏎`: the size in decimal without leading
zeros, the root of 32 bytes. No log of a network has extension lines after these, so they are neither
produced nor accepted; those of other logs may (`parse_any_checkpoint`). The log's key has the origin as its
name.

A cosignature/v1 is a signature line of key type 0x04. It signs `cosignature/v1⏎time <seconds>⏎` and the
whole text; its bytes are the time as 8 bytes, big-endian, and the 64 bytes of the signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, short
from ledger.log.note import (
    COSIGNATURE,
    Note,
    NoteSignature,
    VerifierKey,
    check_note,
    format_base64,
    parse_base64,
    parse_note,
    parse_signature_lines,
    sign_note,
)
from ledger.log.signature import SIGNATURE_BYTES, check_signature, public_key, sign
from ledger.log.tree import EMPTY_ROOT, HASH_BYTES, MAX_SIZE

MAX_TIME_S = 2**63 - 1
TIME_BYTES = 8

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINE = re.compile(r"[^\x00-\x1f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's name, its size, and the root of its tree at that size."""

    origin: str
    size: int
    root: bytes


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{format_base64(checkpoint.root)}\n"
    if parse_checkpoint(text) != checkpoint:
        raise MalformedError("checkpoint", found="another checkpoint when read back", expected="three lines")
    return text


def parse_checkpoint(text: str, where: str = "checkpoint") -> Checkpoint:
    """The checkpoint that a note's text says; believe it after `open_checkpoint` alone."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not _LINE.fullmatch(lines[0]):
        raise MalformedError(where, found=f"{len(lines) - 1} lines", expected="origin, size and root")
    size = parse_decimal(lines[1], where, MAX_SIZE)
    root = parse_hash(lines[2], where)
    if size == 0 and root != EMPTY_ROOT:
        raise MalformedError(where, found=f"root {short(root)} of size 0", expected=short(EMPTY_ROOT))
    return Checkpoint(origin=lines[0], size=size, root=root)


def parse_any_checkpoint(text: str, where: str = "checkpoint") -> Checkpoint:
    """The checkpoint that the text of anybody's note says: with extension lines, and with any root of size 0.

    A cosignature covers extension lines and says nothing about them.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise MalformedError(
            where, found=f"{len(lines) - 1} lines", expected="origin, size, root and lines that are not empty"
        )
    return Checkpoint(
        origin=lines[0], size=parse_decimal(lines[1], where, MAX_SIZE), root=parse_hash(lines[2], where)
    )


def seal_checkpoint(checkpoint: Checkpoint, seed: bytes) -> str:
    """The checkpoint as a note signed by the log's key."""
    return sign_note(format_checkpoint(checkpoint), checkpoint.origin, seed)


def open_checkpoint(note: str | bytes, vkey: VerifierKey, where: str = "checkpoint") -> Checkpoint:
    """The checkpoint in a note that is signed by the key of the log that it names."""
    parsed = parse_note(note, where)
    check_note(parsed, vkey, where)
    checkpoint = parse_checkpoint(parsed.text, where)
    if checkpoint.origin != vkey.name:
        raise InvalidError(where, found=f"origin {short(checkpoint.origin)}", expected=vkey.name)
    return checkpoint


def witness_vkey(name: str, seed: bytes) -> VerifierKey:
    """The key that verifies what `cosign` signs."""
    return VerifierKey(name=name, key_type=COSIGNATURE, public_key=public_key(seed))


def cosign(note: str | bytes, name: str, seed: bytes, time_s: int) -> str:
    """The signature line of a witness that stored this checkpoint and all below it."""
    parsed = parse_note(note)
    parse_any_checkpoint(parsed.text)
    message = _cosigned_message(parsed, time_s, "cosignature")
    signature = time_s.to_bytes(TIME_BYTES, "big") + sign(seed, message)
    return NoteSignature(name=name, key_id=witness_vkey(name, seed).key_id, signature=signature).line


def check_cosignature(
    note: str | bytes, line: str | NoteSignature, vkey: VerifierKey, where: str = "cosignature"
) -> int:
    """The time, in seconds, at which the witness with this key (type 0x04) cosigned the note's text."""
    if isinstance(line, str):
        lines = parse_signature_lines(line, where)
        if len(lines) != 1:
            raise MalformedError(where, found=f"{len(lines)} lines", expected="one signature line")
        line = lines[0]
    return _cosigned_at(parse_note(note, where), line, vkey, where)


def cosignatures(
    note: str | bytes, witnesses: Sequence[VerifierKey], where: str = "checkpoint"
) -> dict[str, int]:
    """Which of these witnesses cosigned the note, and when first, by name.

    Lines of others are ignored; a line that names one of these keys must verify.
    """
    parsed = parse_note(note, where)
    times: dict[str, int] = {}
    for vkey in witnesses:
        for line in parsed.signatures:
            if line.is_by(vkey):
                time_s = _cosigned_at(parsed, line, vkey, where)
                times[vkey.name] = min(time_s, times.get(vkey.name, time_s))
    return times


def parse_decimal(text: str, where: str, limit: int) -> int:
    """A number in decimal digits, without leading zeros."""
    if not _DECIMAL.fullmatch(text) or int(text) > limit:
        raise MalformedError(where, found=f"number {short(text)}", expected=f"decimal digits, 0 to {limit}")
    return int(text)


def parse_hash(text: str, where: str) -> bytes:
    """A hash in base64."""
    data = parse_base64(text, where)
    if len(data) != HASH_BYTES:
        raise MalformedError(where, found=f"a hash of {len(data)} bytes", expected=f"{HASH_BYTES} bytes")
    return data


def _cosigned_at(note: Note, line: NoteSignature, vkey: VerifierKey, where: str) -> int:
    if vkey.key_type != COSIGNATURE:
        raise MalformedError(where, found=f"key type {vkey.key_type}", expected="a witness's key, type 0x04")
    if not line.is_by(vkey):
        raise InvalidError(where, found=f"signature by {short(line.name)}", expected=f"one by {vkey.name}")
    place = f"{where}, cosignature by {vkey.name}"
    if len(line.signature) != TIME_BYTES + SIGNATURE_BYTES:
        raise MalformedError(place, found=f"{len(line.signature)} bytes", expected="a time and a signature")
    time_s = int.from_bytes(line.signature[:TIME_BYTES], "big")
    message = _cosigned_message(note, time_s, place)
    check_signature(vkey.public_key, message, line.signature[TIME_BYTES:], place)
    return time_s


def _cosigned_message(note: Note, time_s: int, where: str) -> bytes:
    if not 0 <= time_s <= MAX_TIME_S:
        raise MalformedError(where, found=f"time {time_s}", expected="0 to 2^63-1 seconds")
    return f"cosignature/v1\ntime {time_s}\n{note.text}".encode()
