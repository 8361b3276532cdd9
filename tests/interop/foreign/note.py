"""Signed notes, checkpoints, cosignatures (section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from .encoding import need, read_base64, read_number, read_text
from .signature import check_signature

MAX_NOTE_BYTES = 128 * 1024
MAX_SIGNATURE_LINES = 100
MAX_NAME = 256


@dataclass(frozen=True)
class Vkey:
    """Who signs, under which type, with which key."""

    name: str
    key_id: bytes
    type: int
    key: bytes


@dataclass(frozen=True)
class Head:
    """A verified checkpoint, and when which witness cosigned it (seconds)."""

    origin: str
    size: int
    root: bytes
    cosigned: Mapping[str, int]


def make_vkey(name: str, kind: int, key: bytes) -> Vkey:
    """The verifier key of a name, a type (1 log, 4 witness) and a public key."""
    return Vkey(name, sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4], kind, key)


def read_vkey(text: str) -> Vkey:
    """A vkey from its text."""
    name, key_id, data = [*text.split("+", 2), "", ""][:3]
    raw = read_base64(data)
    need(len(raw) == 33 and raw[0] in (1, 4), "a vkey of another type")
    vkey = make_vkey(name, raw[0], raw[1:])
    need(name and not re.search(r"[\s+]", name) and key_id == vkey.key_id.hex(), "not a vkey")
    return vkey


def read_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The signed text, and who signed with which bytes."""
    need(len(note) <= MAX_NOTE_BYTES, "a note over 128 KiB")
    text = read_text(note, "a note")
    need(not any(char < " " and char != "\n" for char in text), "a control character in a note")
    body, gap, tail = text.rpartition("\n\n")
    need(gap and tail.endswith("\n"), "a note without signatures")
    lines = tail[:-1].split("\n")
    need(len(lines) <= MAX_SIGNATURE_LINES, "too many signatures")
    found = []
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        need(match, "a signature line of another form")
        assert match is not None
        raw = read_base64(match[2])
        need(len(match[1]) <= MAX_NAME and len(raw) > 4, "a signature line without a signature")
        found.append((match[1], raw))
    return body.encode() + b"\n", found


def read_head(text: bytes) -> Head:
    """The checkpoint that a note's text is; nobody is said to have signed it."""
    rows = text.decode().split("\n")
    need(len(rows) == 4 and rows[3] == "", "a checkpoint has three lines")
    root = read_base64(rows[2])
    need(len(root) == 32, "a root that is not 32 bytes")
    size = read_number(rows[1])
    need(size or root == sha256(b"").digest(), "a root of nothing that is another")
    return Head(rows[0], size, root, {})


def signers(note: bytes, known: Iterable[Vkey]) -> dict[Vkey, int]:
    """Which of these keys signed the note; a witness with its time in seconds, a log with 0.

    A line that names a known key and does not verify refuses the note.
    """
    text, lines = read_note(note)
    found: dict[Vkey, int] = {}
    for vkey in known:
        for name, raw in lines:
            if (name, raw[:4]) == (vkey.name, vkey.key_id):
                found[vkey] = _check_line(vkey, text, raw[4:])
    return found


def _check_line(vkey: Vkey, text: bytes, raw: bytes) -> int:
    if vkey.type == 1:
        check_signature(vkey.key, text, raw)
        return 0
    need(len(raw) == 72, "a cosignature that is not 72 bytes")
    time = int.from_bytes(raw[:8], "big")
    need(time < 2**63, "a cosignature's time out of range")
    check_signature(vkey.key, b"cosignature/v1\ntime %d\n" % time + text, raw[8:])
    return time


def verify_checkpoint(note: bytes, log: Vkey, witnesses: Iterable[Vkey] = ()) -> Head:
    """The head that the log signed and all these witnesses cosigned."""
    text, _ = read_note(note)
    head = read_head(text)
    need(log.type == 1 and head.origin == log.name, "a checkpoint of another log")
    asked = [log, *witnesses]
    found = signers(note, asked)
    for vkey in asked:
        need(vkey in found, f"no signature of {vkey.name}")
    times = {vkey.name: time for vkey, time in found.items() if vkey.type != 1}
    return Head(head.origin, head.size, head.root, times)
