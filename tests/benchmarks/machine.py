"""The raw limits of the machine: what no program on it gets around."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

from ledger.log.signature import check_signature, public_key, sign
from tests.benchmarks.figures import Board, stopwatch

HASHES = 200_000
SIGNATURES = 2_000
SYNCS = 200
ROWS = 100_000
ROW_BYTES = 416


def measure_machine(board: Board, folder: Path) -> None:
    """SHA-256, Ed25519, fsync, and bare SQLite rows with an fsync for every thousand."""
    board.head("Raw limits of this machine")
    entry = os.urandom(100)
    with stopwatch() as watch:
        for _ in range(HASHES):
            hashlib.sha256(entry).digest()
    board.add("SHA-256 of 100 bytes", HASHES / watch.wall_s, "/s")
    seed = bytes(32)
    key, signature = public_key(seed), sign(seed, entry)
    with stopwatch() as watch:
        for _ in range(SIGNATURES):
            check_signature(key, entry, signature, "benchmark")
    board.add("Ed25519 verifications", SIGNATURES / watch.wall_s, "/s")
    descriptor = os.open(folder / "syncs", os.O_WRONLY | os.O_CREAT)
    with stopwatch() as watch:
        for _ in range(SYNCS):
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
    os.close(descriptor)
    board.add("fsync of 4 KiB", SYNCS / watch.wall_s, "/s")
    board.add(
        "bare SQLite rows, batches of 1,000", _bare_rows(folder / "bare.db"), "/s", f"{ROW_BYTES} bytes, FULL"
    )


def _bare_rows(path: Path) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE row (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
    data = os.urandom(ROW_BYTES)
    with stopwatch() as watch:
        for start in range(0, ROWS, 1000):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO row VALUES (?, ?)", ((seq, data) for seq in range(start, start + 1000))
            )
            connection.execute("COMMIT")
    connection.close()
    return ROWS / watch.wall_s
