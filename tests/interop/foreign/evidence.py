"""Evidence: folders of files that prove misbehaviour (section 10)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .encoding import Refused, need, read_base64, read_text
from .network import check_opening, check_recovery, network_id, split_origin
from .note import Head, Vkey, make_vkey, read_head, read_note, read_vkey, signers, verify_checkpoint
from .receipt import Receipt, read_receipt, verify_receipt
from .statement import verify_statement
from .tree import implied_roots, leaf_hash

NOTES = ("a.checkpoint", "b.checkpoint")
RECEIPTS = ("a.tlog-proof", "b.tlog-proof")
FILES = {
    "fork": {*NOTES, "consistency", "vkey"},
    "entries": {*RECEIPTS, "vkey"},
    "witness": {*NOTES, "consistency", "vkey"},
    "openings": {*RECEIPTS, "recovery"},
}
"""The files of each kind beside `evidence.json`."""


@dataclass(frozen=True)
class Evidence:
    """What was proven: the kind, the log, and the keys that signed `a` and `b` (none for openings)."""

    kind: str
    origin: str
    keys: tuple[Vkey, ...]

    @property
    def accused(self) -> str:
        """The log, or the witness key's name."""
        return self.keys[0].name if self.kind == "witness" else self.origin


def verify_evidence(files: Mapping[str, bytes]) -> Evidence:
    """What a folder with these files proves."""
    kind, origin = _read_description(files.get("evidence.json", b""))
    need(set(files) == FILES[kind] | {"evidence.json"}, "a folder with other files")
    if kind == "openings":
        _verify_openings(files, origin)
        return Evidence(kind, origin, ())
    keys = _read_keys(read_text(files["vkey"], "a key"))
    if kind == "witness":
        need(len(set(keys)) == 1 and keys[0].type == 4, "a key that is no witness's, or two")
        _verify_two_notes(files, origin, lambda note, _: _cosigned(note, keys[0]))
        return Evidence(kind, origin, keys)
    need(all((key.type, key.name) == (1, origin) for key in keys), "the key of another log")
    if kind == "fork":
        _verify_two_notes(files, origin, lambda note, at: verify_checkpoint(note, keys[at]))
    else:
        a, b = (verify_receipt(files[name], key) for name, key in zip(RECEIPTS, keys, strict=True))
        _check_two_receipts(a, b, origin)
    return Evidence(kind, origin, keys)


def verify_body(body: Mapping[str, Any]) -> Evidence:
    """What a statement of the kind `evidence.files` proves."""
    need(all(isinstance(text, str) for text in body["files"].values()), "files that are no text")
    found = verify_evidence({name: text.encode() for name, text in body["files"].items()})
    need((found.kind, found.accused) == (body["form"], body["accused"]), "evidence of another form or person")
    return found


def _read_description(data: bytes) -> tuple[str, str]:
    try:
        said = json.loads(read_text(data, "evidence.json"))
        kind, origin = said["kind"], said["origin"]
    except (ValueError, TypeError, KeyError) as error:
        raise Refused("no description of evidence") from error
    need(kind in FILES and isinstance(origin, str), "another kind of evidence")
    fields = {"format": "tallystick evidence v1", "kind": kind, "origin": origin}
    need(data == json.dumps(fields, ensure_ascii=False).encode() + b"\n", "not the one form of evidence.json")
    return kind, origin


def _read_keys(text: str) -> tuple[Vkey, Vkey]:
    need(text.endswith("\n"), "a key without a line feed")
    lines = text[:-1].split("\n")
    need(len(lines) == len(set(lines)) in (1, 2), "one key, or two that differ")
    return read_vkey(lines[0]), read_vkey(lines[-1])


def _cosigned(note: bytes, witness: Vkey) -> Head:
    text, lines = read_note(note)
    need(len(lines) == 1 and witness in signers(note, [witness]), "not the one line of the witness")
    return read_head(text)


def _verify_two_notes(files: Mapping[str, bytes], origin: str, verify: Callable[[bytes, int], Head]) -> None:
    a, b = (verify(files[name], at) for at, name in enumerate(NOTES))
    need(a.origin == b.origin == origin, "a note of another log")
    need((a.size, a.root) < (b.size, b.root), "two notes out of order")
    text = read_text(files["consistency"], "a path")
    need(not text or text.endswith("\n"), "a path without a line feed")
    path = [read_base64(line) for line in text.split("\n")[:-1]]
    need(all(len(part) == 32 for part in path), "a hash that is not 32 bytes")
    check_fork(a, b, path)


def check_fork(first: Head, second: Head, path: Sequence[bytes]) -> None:
    """Refuse unless the two heads, the smaller first, cannot both be true."""
    if first.size == second.size:
        need(first.root != second.root and not path, "two notes that say the same")
        return
    older, newer = implied_roots(first.size, second.size, path)
    need(newer == second.root, "the path does not lead to the larger note's root")
    need(older != first.root, "two notes that fit")


def verify_fork(a: bytes, b: bytes, path: Sequence[bytes], log: Vkey) -> None:
    """Refuse unless the two notes, both signed by the log, cannot both be true."""
    first, second = sorted((verify_checkpoint(a, log), verify_checkpoint(b, log)), key=lambda head: head.size)
    check_fork(first, second, path)


def _check_two_receipts(a: Receipt, b: Receipt, origin: str) -> None:
    need(a.head.origin == b.head.origin == origin, "a receipt of another log")
    need(a.entry.seq == b.entry.seq, "two receipts for two positions")
    need(leaf_hash(a.entry.data) < leaf_hash(b.entry.data), "two receipts that fit, or out of order")


def _verify_openings(files: Mapping[str, bytes], origin: str) -> None:
    recovery = files["recovery"]
    receipts = []
    for name in RECEIPTS:
        # The key stands in the entry that is proven: the receipt is read first, then its note is verified.
        found = read_receipt(files[name], lambda note: read_head(read_note(note)[0]))
        need(found.entry.seq == 0 and found.payload is not None, "not an entry 0 with its payload")
        assert found.payload is not None
        body = verify_statement(found.payload, "log.open")["body"]
        check_opening(body, origin, found.entry.prev)
        need(split_origin(origin)[1] > 1, "not a later log")
        named = check_recovery(body, origin, network_id(body["founding"]))
        need(named.hex().encode() + b"\n" == recovery, "under another recovery key")
        receipts.append(verify_receipt(files[name], make_vkey(origin, 1, body["keys"]["log"])))
    _check_two_receipts(receipts[0], receipts[1], origin)


def verify_fork_of_entries(a: bytes, b: bytes, log: Vkey) -> None:
    """Refuse unless two receipts prove different entries at one position of the log."""
    first, second = verify_receipt(a, log).entry, verify_receipt(b, log).entry
    need(first.seq == second.seq and first.data != second.data, "two receipts that fit")
