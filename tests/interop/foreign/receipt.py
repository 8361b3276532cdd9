"""Receipts (section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .encoding import Refused, is_hashes, need, read_base64, read_msgpack, read_number
from .log import Entry, read_entry
from .note import Head, Vkey, verify_checkpoint
from .tree import check_inclusion, leaf_hash


@dataclass(frozen=True)
class Receipt:
    """A verified receipt; the payload where it holds one, and a `seen` entry with its payload likewise."""

    head: Head
    entry: Entry
    payload: bytes | None
    seen: tuple[Entry, bytes] | None = None


def verify_receipt(data: bytes, log: Vkey, witnesses: Iterable[Vkey] = ()) -> Receipt:
    """The entry of a receipt and its payload, proven to be in the log."""
    known = [*witnesses]
    return read_receipt(data, lambda note: verify_checkpoint(note, log, known))


def read_receipt(data: bytes, verify: Callable[[bytes], Head]) -> Receipt:
    """A receipt under the head that its note is verified to be."""
    proof, gap, note = data.partition(b"\n\n")
    need(gap, "a receipt without a checkpoint")
    try:
        lines = proof.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused("a receipt that is not ASCII") from error
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "not a receipt")
    need(lines[1].startswith("extra ") and lines[2].startswith("index "), "a receipt without extra or index")
    hashes = [read_base64(line) for line in lines[3:]]
    need(is_hashes(hashes), "a hash that is not 32 bytes")
    extra = read_msgpack(read_base64(lines[1][6:]))
    need(isinstance(extra, list) and extra, "extra of another form")
    shown = extra.pop() if isinstance(extra[-1], list) else None
    need(len(extra) in (1, 3) and all(isinstance(part, bytes) for part in extra), "extra of another form")
    head = verify(note)
    entry = read_entry(extra[0])
    need(entry.seq == read_number(lines[2][6:]), "an index that is not the entry's")
    check_inclusion(leaf_hash(entry.data), entry.seq, head, hashes)
    if len(extra) == 3:
        check_payload(entry, extra[1], extra[2])
    seen = None if shown is None else _read_seen(shown, head, entry.seq)
    return Receipt(head, entry, extra[2] if len(extra) == 3 else None, seen)


def _read_seen(shown: list[Any], head: Head, before: int) -> tuple[Entry, bytes]:
    need(
        len(shown) == 4 and all(isinstance(part, bytes) for part in shown[:3]), "a seen entry of another form"
    )
    need(is_hashes(shown[3]), "a path of another form")
    entry = read_entry(shown[0])
    need(entry.kind == "seen" and entry.seq < before, "not a seen entry from before")
    check_inclusion(leaf_hash(entry.data), entry.seq, head, shown[3])
    check_payload(entry, shown[1], shown[2])
    return entry, shown[2]


def check_payload(entry: Entry, salt: bytes, payload: bytes) -> None:
    """Refuse a payload that the entry did not commit to."""
    need(len(salt) == 16 and len(payload) == entry.size, "a salt or payload of another size")
    need(sha256(salt + payload).digest() == entry.commit, "the payload is not what the entry commits to")
