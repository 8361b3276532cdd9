"""Writes the frozen vectors of the log beside itself, and refuses to overwrite any.

A vector that changes is a format that changed. If that is meant, remove the file by hand, run
`python tests/vectors/log/make.py`, and say in `docs/format.md` from which version on the new bytes hold.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.log.checkpoint import Checkpoint, cosign, format_checkpoint, seal_checkpoint, witness_vkey
from ledger.log.encoding import encode
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.evidence import prove_fork_path
from ledger.log.evidence_files import entries_evidence, fork_evidence, format_evidence, witness_evidence
from ledger.log.note import add_signatures, log_vkey
from ledger.log.origin import format_origin, format_witness_name
from ledger.log.policy import format_policy, parse_policy
from ledger.log.receipt import Shown, prove_receipt
from ledger.log.signature import public_key, sign
from ledger.log.statement import Statement, format_statement
from ledger.log.tile import Edge, TileReader, entries_path, format_bundle, log_path, tile_path
from ledger.log.tree import Frontier, prove_consistency, prove_inclusion
from ledger.log.witness import AddCheckpoint, format_add_checkpoint

FOLDER = Path(__file__).parent
NETWORK_ID = sha256(b"tallystick vectors: network").digest()
ORIGIN = format_origin("acme", NETWORK_ID)
LOG_SEED = sha256(b"tallystick vectors: log key").digest()
WITNESS_SEED = sha256(b"tallystick vectors: witness key").digest()
WITNESS_NAME = format_witness_name("bolt", NETWORK_ID)
TIME_S = 1_700_000_000

VALUES: list[Any] = [
    None, False, True, 0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1,
    -1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63),
    "", "a", "ä€😀", "x" * 31, "x" * 32, "x" * 255, "x" * 256,
    [], [1, [2, [3]]], list(range(15)), list(range(16)),
    {}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"￿": 1, "😀": 2}, {str(n): n for n in range(16)},
]  # fmt: skip

REFUSED = {
    "nothing": "",
    "two values": "0102",
    "a positive integer in a longer form": "cc7f",
    "a negative integer in a longer form": "d0ff",
    "a positive integer as a signed one": "d101ff",
    "2^63": "cf8000000000000000",
    "a string in a longer form": "d90161",
    "bytes in a longer form": "c5000161",
    "an array in a longer form": "dc000101",
    "a map in a longer form": "de0001a16101",
    "a half of a pair": "81a161",
    "a 32-bit float": "ca3f800000",
    "a 64-bit float": "cb3ff0000000000000",
    "not a number": "cb7ff8000000000000",
    "a timestamp": "d6ff00000001",
    "an extension": "d40501",
    "the unused first byte": "c1",
    "a key twice": "82a16101a16101",
    "keys out of order": "82a16201a16102",
    "a key of bytes": "81c4016101",
    "a key that is a number": "810101",
    "a key that is nil": "81c001",
    "a string that is not UTF-8": "a1ff",
    "a lone surrogate": "a3eda080",
    "an over-long UTF-8 form": "a2c080",
    "an array that claims 2^32-1 items": "ddffffffff",
    "seventeen arrays in each other": "91" * 16 + "90",
}


def leaves(count: int) -> list[bytes]:
    """The leaf hashes of entries that are the decimal digits of their position."""
    return [leaf_hash(str(index).encode()) for index in range(count)]


def log() -> list[dict[str, Any]]:
    """Twenty entries of one log."""
    rows: list[dict[str, Any]] = []
    prev = NETWORK_ID
    for seq in range(20):
        salt = sha256(b"tallystick vectors: salt %d" % seq).digest()[:16]
        payload = encode({"number": seq, "text": "x" * seq * 20})
        commit = commit_to(salt, payload)
        kind = "log.open" if seq == 0 else "event"
        time_ms = TIME_S * 1000 + seq
        entry = format_entry(
            Entry(seq=seq, prev=prev, time_ms=time_ms, kind=kind, size=len(payload), commit=commit)
        )
        prev = leaf_hash(entry)
        rows.append({"entry": entry, "leaf": prev, "salt": salt, "payload": payload, "commit": commit})
    return rows


def encoding_vectors() -> dict[str, Any]:
    """What strict msgpack takes and what it refuses."""
    accepted = [{"json": value, "hex": encode(value)} for value in VALUES]
    deepest = "91" * 15 + "90"
    return {"accept": [*accepted, {"hex": deepest}, {"hex": "c403000102"}], "refuse": REFUSED}


def entry_vectors() -> dict[str, Any]:
    """Entries with what they commit to."""
    return {"network_id": NETWORK_ID, "origin": ORIGIN, "log_path": log_path(ORIGIN), "entries": log()}


def tree_vectors() -> dict[str, Any]:
    """Roots and proofs over `leaves`."""
    sizes = [*range(21), 255, 256, 257, 65_537]
    reader = _reader(300)
    inclusion = [(0, 1), (0, 2), (6, 7), (0, 20), (13, 20), (19, 20), (256, 257), (7, 300)]
    consistency = [(1, 2), (6, 7), (8, 20), (13, 20), (20, 20), (256, 257), (255, 300)]
    return {
        "roots": {str(size): Frontier().extended(leaves(size)).root() for size in sizes},
        "inclusion": [
            {"index": index, "size": size, "proof": prove_inclusion(reader, index, size)}
            for index, size in inclusion
        ],
        "consistency": [
            {"old": old, "new": new, "proof": prove_consistency(reader, old, new)} for old, new in consistency
        ],
    }


def tile_vectors() -> dict[str, Any]:
    """Paths, a bundle, and the hash of every tile of a log of 65,537 leaves."""
    edge, full = Edge().extended(leaves(65_537))
    places = [(0, 0, 256), (0, 5, 1), (1, 999, 255), (2, 1000, 256), (0, 1_234_067, 256), (63, 1_234_067, 8)]
    return {
        "paths": [
            {"level": level, "index": index, "width": width, "path": tile_path(level, index, width)}
            for level, index, width in places
        ],
        "entries_paths": [entries_path(0), entries_path(1_234_067, 3)],
        "bundle": format_bundle([b"", b"one", b"x" * 300]),
        "tiles": {tile.path: sha256(tile.data).digest() for tile in [*full, *edge.partial_tiles()]},
    }


def note_vectors() -> dict[str, Any]:
    """Keys, checkpoints, cosignatures, receipts, a fork and a witness request."""
    rows = log()
    reader = _reader_of([row["leaf"] for row in rows])
    heads = {size: _head([row["leaf"] for row in rows[:size]]) for size in (0, 1, 13, 20)}
    notes = {size: seal_checkpoint(head, LOG_SEED) for size, head in heads.items()}
    line = cosign(notes[13], WITNESS_NAME, WITNESS_SEED, TIME_S)
    cosigned = add_signatures(notes[13], line)
    row = rows[7]
    other = seal_checkpoint(_head(leaves(13)), LOG_SEED)
    request = AddCheckpoint(old_size=13, proof=tuple(prove_consistency(reader, 13, 20)), checkpoint=notes[20])
    return {
        "log_seed": LOG_SEED,
        "log_public_key": public_key(LOG_SEED),
        "log_vkey": log_vkey(ORIGIN, LOG_SEED).text,
        "witness_seed": WITNESS_SEED,
        "witness_vkey": witness_vkey(WITNESS_NAME, WITNESS_SEED).text,
        "signature_of_empty": sign(LOG_SEED, b""),
        "checkpoint_text": format_checkpoint(heads[13]),
        "checkpoints": {str(size): note for size, note in notes.items()},
        "cosignature_time_s": TIME_S,
        "cosignature": line,
        "cosigned": cosigned,
        "receipt": prove_receipt(reader, entry=row["entry"], checkpoint=notes[13]),
        "receipt_with_payload": prove_receipt(
            reader, entry=row["entry"], checkpoint=cosigned, salt=row["salt"], payload=row["payload"]
        ),
        "fork_of_13": other,
        "fork_path_8_to_20": prove_fork_path(reader, 8, 20),
        "add_checkpoint": format_add_checkpoint(request),
    }


def evidence_vectors() -> dict[str, Any]:
    """The files of a piece of evidence of each kind that needs a log alone, as texts by name."""
    rows, other = log(), leaves(20)
    hashes = [row["leaf"] for row in rows]
    reader, key = _reader_of(hashes), log_vkey(ORIGIN, LOG_SEED)
    witness = witness_vkey(WITNESS_NAME, WITNESS_SEED)
    note_8 = seal_checkpoint(_head(other[:8]), LOG_SEED)
    note_20 = seal_checkpoint(_head(hashes), LOG_SEED)
    notes_13 = [seal_checkpoint(_head(each[:13]), LOG_SEED) for each in (hashes, other)]
    lines = [cosign(note, WITNESS_NAME, WITNESS_SEED, TIME_S) for note in notes_13]
    cosigned = [add_signatures(note, line) for note, line in zip(notes_13, lines, strict=True)]
    lone = Entry(seq=0, prev=NETWORK_ID, time_ms=0, kind="log.open", size=0, commit=bytes(32))
    second = format_entry(lone)
    lone_note = seal_checkpoint(_head([leaf_hash(second)]), LOG_SEED)
    receipts = (
        prove_receipt(reader, entry=rows[0]["entry"], checkpoint=note_20),
        prove_receipt(_reader_of([leaf_hash(second)]), entry=second, checkpoint=lone_note),
    )
    pieces = {
        "equal": fork_evidence(cosigned[0], cosigned[1], (), key, key),
        "longer": fork_evidence(note_8, note_20, tuple(prove_fork_path(reader, 8, 20)), key, key),
        "witness": witness_evidence(cosigned[0], cosigned[1], (), witness),
        "entries": entries_evidence(*receipts, key, key),
    }
    return {
        name: {file: data.decode() for file, data in format_evidence(piece).items()}
        for name, piece in pieces.items()
    }


def policy_vectors() -> dict[str, Any]:
    """Policies with the cosignatures that reach their quorum, policies refused, and a receipt that carries
    what its log had seen before."""
    log_line = f"log {log_vkey(ORIGIN, LOG_SEED).text}\n"
    seeds = {name: sha256(f"tallystick vectors: {name}".encode()).digest() for name in "abc"}
    lines = "".join(f"witness {name} {witness_vkey(name, seed).text}\n" for name, seed in seeds.items())
    row = log()[7]
    note = seal_checkpoint(_head([each["leaf"] for each in log()]), LOG_SEED)
    for place, (name, seed) in enumerate(seeds.items()):
        note = add_signatures(note, cosign(note, name, seed, TIME_S + place))
    policies = {
        "two of three": (f"{log_line}{lines}group g 2 a b c\nquorum g\n", [["a", "b"], ["b", "c"]]),
        "groups of groups": (
            f"# a and one of b and c\n\n{log_line}{lines}group x any b c\n\tgroup y all a  x\nquorum y\n",
            [["a", "b"], ["a", "c"]],
        ),
        "nobody": (f"{log_line}quorum none\n", [[]]),
        "no log": (f"{lines}quorum b\n", [["b"]]),
    }
    return {
        "note": note,
        "accept": {
            name: {"policy": text, "enough": enough, "form": format_policy(parse_policy(text))}
            for name, (text, enough) in policies.items()
        },
        "refuse": {
            "no quorum": log_line,
            "cut short": f"{log_line}quorum none",
            "a name defined below": f"quorum a\n{lines}",
            "a member of two groups": f"{lines}group x any a\ngroup y any a\nquorum x\n",
            "a log twice": f"{log_line}{log_line}quorum none\n",
            "a threshold of none": f"{lines}group x 0 a\nquorum x\n",
            "a carriage return": f"{log_line}quorum none\r\n",
        },
        "receipt_with_seen": _receipt_with_seen(row),
    }


def _receipt_with_seen(row: dict[str, Any]) -> str:
    """The receipt of an entry that stands behind a `seen` entry, in a log of two."""
    before = seal_checkpoint(_head(leaves(3)), LOG_SEED)
    heads = [add_signatures(before, cosign(before, WITNESS_NAME, WITNESS_SEED, TIME_S))]
    payload = format_statement(
        Statement(kind="seen", audience=None, body={"heads": [*heads]}, nonce=bytes(16))
    )
    salt = bytes(range(16))
    opening = Entry(seq=0, prev=NETWORK_ID, time_ms=0, kind="log.open", size=0, commit=bytes(32))
    entries = [format_entry(opening)]
    contents = [("seen", salt, payload), ("memo", row["salt"], row["payload"])]
    for seq, (kind, own_salt, content) in enumerate(contents, 1):
        entry = Entry(
            seq=seq,
            prev=leaf_hash(entries[-1]),
            time_ms=1000 * seq,
            kind=kind,
            size=len(content),
            commit=commit_to(own_salt, content),
        )
        entries.append(format_entry(entry))
    hashes = [leaf_hash(entry) for entry in entries]
    return prove_receipt(
        _reader_of(hashes),
        entry=entries[2],
        checkpoint=seal_checkpoint(_head(hashes), LOG_SEED),
        salt=row["salt"],
        payload=row["payload"],
        seen=Shown(entry=entries[1], salt=salt, payload=payload),
    )


FILES = {
    "encoding.json": encoding_vectors,
    "entries.json": entry_vectors,
    "tree.json": tree_vectors,
    "tiles.json": tile_vectors,
    "notes.json": note_vectors,
    "evidence.json": evidence_vectors,
    "policies.json": policy_vectors,
}


def text_of(name: str) -> str:
    """The text that the file of this name must have; bytes are written as hex."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True, default=bytes.hex) + "\n"


def _head(hashes: list[bytes]) -> Checkpoint:
    return Checkpoint(origin=ORIGIN, size=len(hashes), root=Frontier().extended(hashes).root())


def _reader(size: int) -> TileReader:
    return _reader_of(leaves(size))


def _reader_of(hashes: list[bytes]) -> TileReader:
    edge, full = Edge().extended(hashes)
    tiles = {(tile.level, tile.index, tile.width): tile.data for tile in [*full, *edge.partial_tiles()]}
    return TileReader(len(hashes), lambda level, index, width: tiles[level, index, width])


def main() -> None:
    """Write every file that is not there."""
    for name in FILES:
        path = FOLDER / name
        if not path.exists():
            with path.open("x", encoding="ascii") as file:
                file.write(text_of(name))


if __name__ == "__main__":
    main()
