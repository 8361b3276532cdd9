"""Checks a log in a folder of tiles, or a receipt, with the package tlog-scales alone.

verify_tiles.py log FOLDER VKEY
verify_tiles.py receipt FILE VKEY
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, InclusionProof, InclusionProofInvalid


def check_checkpoint(checkpoint: Checkpoint, vkey: str) -> None:
    """Whether the log with this key signed the checkpoint."""
    key = Vkey.from_string(vkey)
    if checkpoint.origin != key.name:
        raise ValueError("a checkpoint of another log")
    checkpoint.verify(key)


def check_log(folder: Path, vkey: str) -> None:
    """Whether every entry leads to the signed root, by itself and all together."""
    reader = TilesReader(LocalBackend(folder))
    checkpoint = reader.get_checkpoint()
    check_checkpoint(checkpoint, vkey)
    if reader.calculate_root_hash() != checkpoint.root_hash:
        raise ValueError("another root")
    for index in range(checkpoint.size):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(leaf_hash(reader.get_entry(index)), checkpoint.root_hash)


def check_receipt(file: Path, vkey: str) -> None:
    """Whether a tlog-proof, whose extra line begins with the entry as msgpack, leads to the signed root."""
    head, _, note = file.read_text().partition("\n\n")
    first, extra, index, *path = head.split("\n")
    data = base64.b64decode(extra.removeprefix("extra "), validate=True)
    if first != "c2sp.org/tlog-proof@v1" or data[0] not in (0x91, 0x93) or data[1] != 0xC4:
        raise ValueError("no tlog-proof with an entry")
    entry = data[3 : 3 + data[2]]
    checkpoint = Checkpoint.from_text(note)
    check_checkpoint(checkpoint, vkey)
    hashes = [base64.b64decode(line, validate=True) for line in path]
    proof = InclusionProof(int(index.removeprefix("index ")), checkpoint.size, hashes)
    proof.check(leaf_hash(entry), checkpoint.root_hash)


def main() -> int:
    """Exit code 0 where it holds, 1 where not."""
    _, what, place, vkey = sys.argv
    try:
        {"log": check_log, "receipt": check_receipt}[what](Path(place), vkey)
    except (InclusionProofInvalid, InvalidSignature, IndexError, RuntimeError, ValueError) as error:
        print("refused:", error or type(error).__name__, file=sys.stderr)
        return 1
    print("holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
