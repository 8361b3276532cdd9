"""What one process does: appending, bytes on disk, verifying."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from cli.homes import open_home_file
from cli.parallel import run_in
from ledger.audit.home import audit_logs
from ledger.audit.payloads import Rule
from ledger.audit.rules import RULES
from node.config import load_settings
from node.drafts import Draft
from node.home import DATABASE, NewHome, found_home
from node.keyfiles import MIN_COST
from node.node import Node
from node.world import real_world
from tests.benchmarks.figures import Board, stopwatch

PASSPHRASE = b"measured"
PAYLOAD_BYTES = 300
ENVELOPE_BYTES = 70
"""What a memo's payload is beside its text."""

BATCH = 1_000
SINGLES = 2_000


def measure_appends(board: Board, folder: Path, entries: int) -> Path:
    """Append in batches of 1,000 and one by one; gives the home with the long log."""
    board.head(f"Appending, {PAYLOAD_BYTES}-byte payloads, every commit forced to disk")
    home = make_home(folder, "long")
    node = open_node(home)
    batches = [[memo(node) for _ in range(BATCH)] for _ in range(entries // BATCH)]
    with stopwatch() as watch:
        for batch in batches:
            node.record(batch).result()
    board.add("append, batches of 1,000", len(batches) * BATCH / watch.wall_s, "entries/s")
    node.stop()
    board.add("bytes beyond the payload, in batches", _overhead(home), "bytes/entry", "to reach at most 220")
    single = make_home(folder, "single")
    node = open_node(single)
    drafts = [memo(node) for _ in range(SINGLES)]
    with stopwatch() as watch:
        for draft in drafts:
            node.record([draft]).result()
    board.add("append, one by one", SINGLES / watch.wall_s, "entries/s", "one fsync each")
    node.stop()
    return home


def measure_verify(board: Board, home: Path, cores: int) -> None:
    """Audit a long log: entries alone, and with every payload; on one core and on several."""
    board.head("Verifying a log")
    for name, rules in (
        ("verify entries, chain, tree, signatures", None),
        ("verify with every payload", RULES),
    ):
        for jobs in sorted({1, cores}):
            rate = max(_audit_rate(home, rules, jobs) for _ in range(3))
            plural = "core" if jobs == 1 else "cores"
            board.add(f"{name}, {jobs} {plural}", rate, "entries/s", "best of 3")
    for name in ("verify entries, chain, tree, signatures", "verify with every payload"):
        if cores > 1:
            board.ratio(f"{name}: {cores} cores to 1", f"{name}, {cores} cores", f"{name}, 1 core", 1.7)


def make_home(folder: Path, organization: str) -> Path:
    """A founder's home with cheap keys."""
    home = folder / organization
    found_home(
        home,
        NewHome(
            organization=organization,
            title=organization,
            person="ana",
            passphrase=PASSPHRASE,
            world=real_world(),
            state_folder=folder / "state",
            cost=MIN_COST,
        ),
        network="measured",
    )
    return home


def open_node(home: Path) -> Node:
    """An opened home that writes."""
    node = Node(home=home, settings=load_settings(home), passphrase=PASSPHRASE, world=real_world())
    node.start()
    return node


def memo(node: Node, *, key: str | None = None) -> Draft:
    """A remark whose payload has PAYLOAD_BYTES."""
    text = os.urandom((PAYLOAD_BYTES - ENVELOPE_BYTES) // 2).hex()
    return node.draft("memo", {"text": text}, idempotency_key=key)


def _audit_rate(home: Path, rules: Mapping[str, Rule] | None, jobs: int) -> float:
    opened = open_home_file(home / DATABASE)
    try:
        with stopwatch() as watch:
            audits, findings = audit_logs(
                opened.logs, own=opened.own, run=run_in(jobs, opened.close), rules=rules
            )
    finally:
        opened.close()
    wrong = [*findings, *(finding for audit in audits for finding in audit.findings)]
    if wrong:
        raise RuntimeError(f"the log does not verify: {wrong[0]}")
    return sum(audit.counts.entries for audit in audits) / watch.wall_s


def _overhead(home: Path) -> float:
    connection = sqlite3.connect(home / DATABASE)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        payloads = connection.execute("SELECT count(*), sum(length(payload)) FROM payload_1").fetchone()
    finally:
        connection.close()
    return float(((home / DATABASE).stat().st_size - payloads[1]) / payloads[0])
