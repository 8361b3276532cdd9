"""Two real nodes under load, one of which is killed again and again: what was promised holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.tile import log_path
from ledger.log.tree import read_frontier
from node.home import open_reader
from node.state import load_state
from node.store.reader import Reader
from node.tls import client_context
from tests.benchmarks.network import running_network

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
WRITERS_PER_NODE = 3
NAMES = ("acme", "bolt")


@dataclass(slots=True)
class Witnessed:
    """What clients and lookers-on saw of the two nodes."""

    acknowledged: dict[str, dict[str, tuple[int, str]]] = field(
        default_factory=lambda: {name: {} for name in NAMES}
    )
    notes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    faults: list[str] = field(default_factory=list)


def write(member: Any, pin: bytes, number: int, seen: Witnessed, ending: threading.Event) -> None:
    """Write memos one after the other; what fails is sent again under its key until it is answered."""
    headers = {"authorization": f"Bearer {member.token}"}
    url = f"https://127.0.0.1:{member.port}"
    with httpx.Client(
        base_url=url, verify=client_context(pin), headers=headers, timeout=10, trust_env=False
    ) as client:
        for i in range(1_000_000):
            text = f"{member.name} {number} {i}"
            while not _acknowledged(client, member.name, text, seen):
                if ending.is_set():
                    return
                time.sleep(0.02)
            if ending.is_set():
                return


def _acknowledged(client: httpx.Client, name: str, text: str, seen: Witnessed) -> bool:
    try:
        answer = client.post(
            "/memos", json={"text": text}, headers={"idempotency-key": text.replace(" ", "-")}
        )
    except httpx.HTTPError:
        return False
    if answer.status_code not in (200, 201):
        if answer.status_code != 503:
            seen.faults.append(f"{answer.status_code} {answer.text}")
        return False
    body = answer.json()
    seen.acknowledged[name][text] = (body["seq"], body["leaf"])
    return True


def look_on(members: list[Any], pin: dict[str, bytes], seen: Witnessed, ending: threading.Event) -> None:
    """Ask both nodes for both logs' checkpoints, over and over."""
    origins = [member.origin for member in members]
    contexts = {member.name: client_context(pin[member.name]) for member in members}
    while not ending.is_set():
        for member in members:
            try:
                with httpx.Client(
                    base_url=f"https://127.0.0.1:{member.port}",
                    verify=contexts[member.name],
                    timeout=5,
                    trust_env=False,
                ) as client:
                    for origin in origins * 10:
                        answer = client.get(f"{log_path(origin)}/checkpoint")
                        if answer.status_code == 200:
                            seen.notes[origin].add(answer.text)
                        time.sleep(0.003)
            except httpx.HTTPError:
                time.sleep(0.02)


def keep_notes(member: Any, origin: str, seen: Witnessed) -> None:
    """What a home has on its disk of a log's signed notes."""
    reader = open_reader(member.home)
    try:
        seen.notes[origin].update(kept.note for kept in reader.notes(origin))
    finally:
        reader.close()


@pytest.mark.timeout(300)
def test_twenty_kills_under_load_break_no_promise(tmp_path: Path) -> None:
    chance = Random(20)
    seen = Witnessed()
    ending = threading.Event()
    with running_network(tmp_path, NAMES) as members:
        acme, bolt = members
        pin = {member.name: member.certificate for member in members}
        origin = acme.origin
        threads = [
            _spawn(write, member, pin[member.name], number, seen, ending)
            for member in members
            for number in range(WRITERS_PER_NODE)
        ]
        threads.append(_spawn(look_on, members, pin, seen, ending))
        for _ in range(KILLS):
            before = len(seen.acknowledged["acme"])
            _wait(lambda: len(seen.acknowledged["acme"]) > before)  # noqa: B023
            time.sleep(chance.uniform(0, 0.25))
            acme.stop(signal.SIGKILL)
            keep_notes(bolt, origin, seen)
            keep_notes(acme, origin, seen)
            acme.start()
        ending.set()
        for thread in threads:
            thread.join()
        # Each must hold the other's log as well, whole, before the nodes are stopped and compared.
        for author in members:
            log = author.origin
            _wait(lambda: len({member.size(log) for member in members}) == 1, limit_s=60)  # noqa: B023
    assert not seen.faults
    assert min(map(len, seen.acknowledged.values())) > 2 * KILLS, "too little was written to mean anything"
    for member in members:
        check_home(member, members, seen)
        check_verified(member)


def check_home(member: Any, members: list[Any], seen: Witnessed) -> None:
    """Hold one home against everything that was acknowledged and seen."""
    reader = open_reader(member.home)
    try:
        roster = load_state(reader).roster
        for author in members:
            origin = author.origin
            size = reader.size(origin)
            for text, (seq, leaf) in seen.acknowledged[author.name].items():
                assert seq < size, f"{member.name} lost {origin} entry {seq}, {text!r}"
                assert leaf_hash(reader.entry(origin, seq)).hex() == leaf
            texts = _texts(reader, origin, size)
            assert len(texts) == len(set(texts)), "a key was recorded twice"
            assert set(seen.acknowledged[author.name]) <= set(texts)
            for note in seen.notes[origin]:
                checkpoint = open_checkpoint(note, roster.log_key(roster.origin(author.name)))
                hashes = reader.hashes(origin, size)
                assert read_frontier(hashes, checkpoint.size).root() == checkpoint.root
    finally:
        reader.close()


def check_verified(member: Any) -> None:
    """Have `tally verify` look at a home, with the state folder of its machine."""
    environ = os.environ | {"TALLY_STATE_DIR": str(member.state_folder)}
    command = [sys.executable, "-P", "-m", "cli", "verify", str(member.home)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _texts(reader: Reader, origin: str, size: int) -> list[str]:
    found = (reader.record(origin, seq).statement for seq in range(size))
    return [statement.text("text") for statement in found if statement and statement.kind == "memo"]


def _spawn(work: Callable[..., None], *values: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=values, daemon=True)
    thread.start()
    return thread


def _wait(condition: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
