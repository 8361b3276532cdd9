"""Other ledgers beside ours, in the same run: the drivers in the folder that PEERS names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.benchmarks.figures import Board, tell

FIGURES = {
    "hypercore append batch1000": "hypercore append, batches of 1,000 (no fsync)",
    "hypercore audit()": "hypercore audit()",
    "hypercore replicate TCP 2 processes": "hypercore replicate over TCP",
    "ssb-validate2.validateBatch": "ssb validateBatch",
}
RUNS = (
    ("hyper.js", "batch1000"),
    ("hyper.js", "audit"),
    ("hyper-tcp.js",),
    ("ssb.js", "validate"),
)
TIMEOUT_S = 900


def measure_peers(board: Board, drivers: Path, folder: Path, entries: int) -> None:
    """Run the peers' drivers in a copy of their folder, which `npm install` fills."""
    board.head("Other ledgers in the same run (no fsync, 300-byte entries)")
    place = folder / "peers"
    shutil.copytree(drivers, place)
    if not (place / "node_modules").is_dir():
        tell("npm install of the peers ...")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent"],
            cwd=place,
            check=True,
            timeout=TIMEOUT_S,
        )
    results = place / "results.jsonl"
    environ = os.environ | {"DATA": str(place), "RESULTS": str(results)}
    for script, *arguments in RUNS:
        subprocess.run(
            ["node", script, *arguments, str(entries)],
            cwd=place,
            env=environ,
            check=True,
            timeout=TIMEOUT_S,
            stdout=subprocess.DEVNULL,
        )
    for line in results.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        if "rate" in found and found["name"] in FIGURES:
            board.add(FIGURES[found["name"]], found["rate"], "entries/s")


def compare(board: Board) -> None:
    """Our figures beside the peers', as ratios of this run."""
    board.head("Ratios of this run")
    audit = "hypercore audit()"
    for name, ours, theirs, target in (
        ("verify beside hypercore audit()", "verify entries, chain, tree, signatures, 1 core", audit, 50),
        ("verify with payloads beside it", "verify with every payload, 1 core", audit, 25),
        (
            "append in batches beside hypercore",
            "append, batches of 1,000",
            "hypercore append, batches of 1,000 (no fsync)",
            1.5,
        ),
        (
            "replicate beside hypercore",
            "replicate to a fresh partner",
            "hypercore replicate over TCP",
            8,
        ),
    ):
        board.ratio(name, ours, theirs, target)
