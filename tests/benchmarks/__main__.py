"""`make bench`: what this costs on this machine, with the machine's raw limits in the same run.

    python -m tests.benchmarks [--entries 100000] [--agreements 2000 [--homes FOLDER]] [--only PART …]
                               [--json FILE]

Where PEERS names the folder of the peers' drivers, those run too, and ratios are printed. Machines are
noisy: believe ratios of one run, not figures of two.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
from pathlib import Path

from cli.parallel import default_jobs
from tests.benchmarks.contracts import measure_contracts
from tests.benchmarks.figures import Board
from tests.benchmarks.machine import measure_machine
from tests.benchmarks.one_network import measure_capture, measure_replication, measure_writes
from tests.benchmarks.one_node import measure_appends, measure_verify
from tests.benchmarks.peers import compare, measure_peers

PARTS = ("machine", "node", "writes", "capture", "contracts", "replicate", "peers")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure this machine and this ledger.")
    parser.add_argument("--entries", type=int, default=100_000, help="entries of the long log")
    parser.add_argument("--agreements", type=int, default=2000, help="agreements in force on one node")
    parser.add_argument("--homes", type=Path, help="folder for homes with agreements; kept, and used again")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--json", type=Path, help="where to write all figures as JSON")
    arguments = parser.parse_args()
    board = Board()
    cores = default_jobs()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {cores} cores")
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as made:
        os.environ["TALLY_STATE_DIR"] = str(Path(made) / "state")
        _measure(board, Path(made), arguments, cores)
    if arguments.json:
        arguments.json.write_text(board.as_json() + "\n", encoding="utf-8")


def _measure(board: Board, folder: Path, arguments: argparse.Namespace, cores: int) -> None:
    entries, only = arguments.entries, arguments.only
    if "machine" in only:
        measure_machine(board, folder)
    if "node" in only:
        measure_verify(board, measure_appends(board, folder, entries), cores)
    if "writes" in only:
        measure_writes(board, folder)
    if "capture" in only:
        measure_capture(board, folder)
    if "contracts" in only:
        measure_contracts(board, folder, arguments.agreements, arguments.homes)
    if "replicate" in only:
        measure_replication(board, folder, entries)
    drivers = os.environ.get("PEERS")
    if "peers" in only and drivers:
        measure_peers(board, Path(drivers), folder, entries)
    compare(board)


if __name__ == "__main__":
    main()
