"""What nodes do together: writes over HTTP with partners cosigning, capture, a fresh partner catching up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ledger.members.invitation import open_invitation
from node.config import load_settings
from node.home import NewHome
from node.keyfiles import MIN_COST
from node.node import Node
from node.serve import join_network
from node.world import real_world
from tests.benchmarks.figures import Board, tell
from tests.benchmarks.network import PASSPHRASE, Member, free_ports, running_network
from tests.benchmarks.one_node import BATCH, memo

LOAD = Path(__file__).with_name("load.py")
LOAD_S = 8
CLIENTS = 64
EVENTS = 100
POLL_S = 0.02
CATCH_UP_TIMEOUT_S = 300


def measure_writes(board: Board, folder: Path) -> None:
    """64 clients, each answer after its fsync: alone, and with three partners who store and cosign."""
    board.head(f"Writing over HTTP, {CLIENTS} clients, each answer after its entry is on disk")
    for names, what in (
        (("acme",), "one node alone"),
        (("acme", "bolt", "dart", "port"), "with three partners cosigning"),
    ):
        place = folder / f"writes-{len(names)}"
        place.mkdir()
        with running_network(place, names, tls=False) as members:
            before = _cpu_s(members[0])
            found = _load(members[0], "memos", "--clients", str(CLIENTS))
            cpu_s = _cpu_s(members[0]) - before
            board.add(f"append over HTTP, {what}", found["entries_per_s"], "entries/s", _latencies(found))
            board.add(f"the same per second of the node's processor, {what}", found["entries"] / cpu_s, "/s")


def measure_capture(board: Board, folder: Path) -> None:
    """EPCIS documents of 100 events: validated, hashed, chained, signed, on disk."""
    board.head(f"Capturing EPCIS 2.0 over HTTP, documents of {EVENTS} events of about 800 bytes")
    place = folder / "capture"
    place.mkdir()
    with running_network(place, ("acme",), tls=False) as members:
        before = _cpu_s(members[0])
        found = _load(members[0], "capture", "--clients", "4", "--events", str(EVENTS))
        cpu_s = _cpu_s(members[0]) - before
        board.add("capture", found["entries_per_s"], "events/s", _latencies(found))
        board.add("capture per second of the node's processor", found["entries"] / cpu_s, "/s")


def measure_replication(board: Board, folder: Path, entries: int) -> None:
    """A fresh partner joins and fetches a long log over TCP: verified, and on its disk."""
    board.head("Replicating to a fresh partner, two processes")
    place = folder / "replicate"
    place.mkdir()
    with running_network(place, ("acme",), tls=False) as members:
        acme = members[0]
        with acme.client() as client:
            text = client.post("/invitations", json={"organization": "fresh"}).json()["invitation"]
        fresh = Member(
            name="fresh",
            home=place / "fresh",
            port=free_ports(1)[0],
            state_folder=acme.state_folder,
            tls=False,
        )
        new = NewHome(
            organization="fresh",
            title="Fresh",
            person="ana",
            passphrase=PASSPHRASE.encode(),
            world=real_world(),
            state_folder=acme.state_folder,
            cost=MIN_COST,
        )
        join_network(fresh.home, open_invitation(text), new)
        acme.stop()
        _lengthen(acme, entries)
        acme.start()
        wanted = acme.size(acme.origin)
        try:
            seconds = _catch_up(fresh, acme.origin, wanted)
        finally:
            fresh.stop()
        board.add("replicate to a fresh partner", entries / seconds, "entries/s", f"{entries:,} entries")


def _catch_up(fresh: Member, origin: str, wanted: int) -> float:
    """Seconds from the first entry that arrives to the last."""
    held = fresh.size(origin)
    fresh.start()
    deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
    while fresh.size(origin) <= held:
        _wait(deadline)
    started = time.perf_counter()
    first = fresh.size(origin)
    while fresh.size(origin) < wanted:
        _wait(deadline)
    taken = time.perf_counter() - started
    # What was there at the first look is not counted into the rate.
    return taken * (wanted - held) / max(1, wanted - first)


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeError("the partner does not catch up")
    time.sleep(POLL_S)


def _lengthen(member: Member, entries: int) -> None:
    tell(f"making {entries:,} entries ...")
    node = Node(
        home=member.home,
        settings=load_settings(member.home),
        passphrase=PASSPHRASE.encode(),
        world=real_world(),
    )
    node.start()
    try:
        for _ in range(entries // BATCH):
            node.record([memo(node) for _ in range(BATCH)]).result()
    finally:
        node.stop()


def _load(member: Member, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(LOAD), arguments[0], member.url, member.token, "--seconds", str(LOAD_S)]
    done = subprocess.run([*command, *arguments[1:]], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if found["refused"]:
        raise RuntimeError(f"{found['refused']} requests were refused")
    return found


def _latencies(found: dict[str, Any]) -> str:
    return f"median {found['median_ms']} ms, p99 {found['p99_ms']} ms"


def _cpu_s(member: Member) -> float:
    """Seconds of processor that a node's process has used."""
    pid = member.process.pid if member.process else 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
