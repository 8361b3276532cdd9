"""The one writer: what is acknowledged stays, what is refused leaves nothing, no position is signed twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, UnavailableError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.intake import Run, accept_entries
from ledger.log.statement import Statement, node_nonce, parse_statement, write_nonce
from node.drafts import Draft, Recorded, make_draft
from node.node import Node
from node.pending import Changes
from node.writer import Writer

EVENT = (
    '{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent",'
    '"action":"OBSERVE","eventTime":"2026-03-02T10:00:00Z","eventTimeZoneOffset":"+00:00",'
    '"epcList":["urn:epc:id:sgtin:4012345.011111.%s"]}'
)


def memo(text: str, *, key: str | None = None, index: int = 0) -> Draft:
    nonce = node_nonce(os.urandom(16)) if key is None else write_nonce(key, index)
    statement = Statement(kind="memo", audience=None, body={"text": text}, nonce=nonce)
    return make_draft(statement)


def event(serial: str) -> Draft:
    body: dict[str, Value] = {
        "capture": b"c" * 32,
        "context": "",
        "event": EVENT % serial,
        "hash": serial.encode().ljust(32),
    }
    return make_draft(Statement(kind="event", audience=None, body=body, nonce=node_nonce(os.urandom(16))))


def hold(node: Node) -> threading.Event:
    """Keep the writer busy in its first commit from here on, until the event is set."""
    go_on = threading.Event()

    def wait(_: Changes) -> None:
        go_on.wait(20)

    node.writer.listen(wait)
    node.writer.append([memo("first")]).result(20)
    return go_on


def texts(node: Node) -> list[str]:
    found = []
    for seq, _, payload in node.reader.payloads(node.state.origin, 0, 10_000):
        statement = parse_statement(payload, f"entry {seq}")
        if statement.kind == "memo":
            found.append(statement.text("text"))
    return found


def check_whole_log(node: Node) -> None:
    """The log passes the door again from the start, under its newest note."""
    state = node.state
    entries = node.reader.entries(state.origin, 0, 100_000)
    note = node.reader.notes(state.origin)[-1].note
    copy = type(state.own.copy)(origin=state.origin, last=state.roster.network)
    accept_entries(copy, Run(start=0, entries=entries, note=note), state.roster.log_key(state.origin))


def test_an_answered_entry_is_in_the_log(node: Node) -> None:
    recorded = node.writer.append([memo("hello")]).result(20)[0]
    assert recorded.new
    assert recorded.leaf == leaf_hash(node.reader.entry(node.state.origin, recorded.seq))
    assert texts(node) == ["hello"]
    check_whole_log(node)


def test_what_waits_together_is_one_commit_with_one_checkpoint(opened: Any) -> None:
    node = opened.node
    go_on = hold(node)
    before = len(opened.marks)
    futures = [node.writer.append([memo(f"m{i}")]) for i in range(50)]
    go_on.set()
    positions = [future.result(20)[0].seq for future in futures]
    assert positions == list(range(positions[0], positions[0] + 50))
    assert len(opened.marks) == before + 1
    assert node.state.own.newest.size == node.state.own.copy.size
    check_whole_log(node)


def test_drafts_of_one_job_stand_together_and_in_order(node: Node) -> None:
    recorded = node.writer.append([memo("a"), memo("b"), memo("c")]).result(20)
    assert [place.seq for place in recorded] == [2, 3, 4]
    assert texts(node) == ["a", "b", "c"]


def test_a_repeated_nonce_is_recorded_once_across_commits(node: Node) -> None:
    first = node.writer.append([memo("x", key="k")]).result(20)[0]
    second = node.writer.append([memo("x", key="k")]).result(20)[0]
    assert (second.seq, second.leaf, second.new) == (first.seq, first.leaf, False)
    assert texts(node) == ["x"]


def test_a_repeated_nonce_is_recorded_once_within_a_commit(node: Node) -> None:
    go_on = hold(node)
    futures = [node.writer.append([memo("x", key="k")]) for _ in range(5)]
    go_on.set()
    places = [future.result(20)[0] for future in futures]
    assert len({(place.seq, place.leaf) for place in places}) == 1
    assert [place.new for place in places] == [True, False, False, False, False]


def test_a_repeated_event_is_recorded_once_within_a_job_a_commit_and_across(node: Node) -> None:
    go_on = hold(node)
    one = node.writer.append([event("1"), event("1")])
    two = node.writer.append([event("1"), event("2")])
    go_on.set()
    first, again = one.result(20)
    assert (first.new, again.new, first.leaf) == (True, False, again.leaf)
    assert [place.new for place in two.result(20)] == [False, True]
    assert [place.new for place in node.writer.append([event("2"), event("3")]).result(20)] == [False, True]


def test_a_key_used_for_something_else_is_a_conflict_across_commits(node: Node) -> None:
    node.writer.append([memo("x", key="k")]).result(20)
    with pytest.raises(ConflictError):
        node.writer.append([memo("y", key="k")]).result(20)
    assert texts(node) == ["x"]


def test_a_refused_job_leaves_nothing_behind_in_its_commit(node: Node) -> None:
    node.writer.append([memo("x", key="k")]).result(20)
    go_on = hold(node)
    refused = node.writer.append([memo("new", key="n"), memo("other", key="k")])
    after = node.writer.append([memo("after")])
    retried = node.writer.append([memo("new", key="n")])
    go_on.set()
    with pytest.raises(ConflictError):
        refused.result(20)
    assert after.result(20)[0].new
    assert retried.result(20)[0].new
    assert texts(node) == ["x", "first", "after", "new"]
    check_whole_log(node)


def test_a_job_that_was_cancelled_in_time_is_not_done(node: Node) -> None:
    go_on = hold(node)
    cancelled = node.writer.append([memo("cancelled")])
    assert cancelled.cancel()
    kept = node.writer.append([memo("kept")])
    go_on.set()
    kept.result(20)
    assert texts(node) == ["first", "kept"]


def test_times_never_fall(opened: Any) -> None:
    node, clock = opened.node, opened.clock
    times = []
    for step in (0, 5000, -90_000, 1):
        clock.now += step
        seq = node.writer.append([memo("t")]).result(20)[0].seq
        times.append(parse_entry(node.reader.entry(node.state.origin, seq)).time_ms)
    assert times == sorted(times)


def test_stopping_commits_what_waits(home: Path, open_node: Callable[[], Any]) -> None:
    node = open_node().node
    futures = [node.writer.append([memo(f"m{i}")]) for i in range(20)]
    node.stop()
    assert all(future.result(1)[0].new for future in futures)
    assert open_node().node.state.own.copy.size == 22


def test_after_the_end_a_job_is_refused_and_waits_for_nothing(open_node: Callable[[], Any]) -> None:
    node = open_node().node
    node.stop()
    with pytest.raises(UnavailableError):
        node.writer.append([memo("late")]).result(5)
    with pytest.raises(UnavailableError):
        node.writer.check_alive()


class FailingCommits:
    """A database whose COMMIT fails from a certain time on."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.failing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def execute(self, sql: str, *more: Any) -> Any:
        if self.failing and sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._database.execute(sql, *more)


def test_an_error_of_the_disk_breaks_the_writer_for_good(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = node.writer
    database = FailingCommits(writer._database)
    monkeypatch.setattr(writer, "_database", database)
    writer.append([memo("good")]).result(20)
    database.failing = True
    with pytest.raises(UnavailableError, match="disk I/O error"):
        writer.append([memo("bad")]).result(20)
    database.failing = False
    with pytest.raises(UnavailableError, match="disk I/O error"):
        writer.append([memo("worse")]).result(20)
    with pytest.raises(UnavailableError):
        writer.check_alive()
    assert texts(node) == ["good"]


def test_a_fault_of_our_own_leaves_nobody_waiting(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Writer, "_append_drafts", fault)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with pytest.raises(UnavailableError):
        node.writer.append([memo("x")]).result(20)
    with pytest.raises(UnavailableError):
        node.writer.append([memo("y")]).result(20)


def test_many_threads_lose_nothing(node: Node) -> None:
    futures: list[Future[list[Recorded]]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        for i in range(50):
            future = node.writer.append([memo(f"{number}.{i}")])
            with lock:
                futures.append(future)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    positions = sorted(future.result(20)[0].seq for future in futures)
    assert positions == list(range(2, 402))
    check_whole_log(node)


APPENDER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from node.config import Settings
from node.node import Node
from node.world import real_world

notes = open(sys.argv[1] + "/released", "a", buffering=1)
home = Path(sys.argv[1]) / "acme"
node = Node(home=home, settings=Settings(), passphrase=b"correct horse", world=real_world())

def tell(changes):
    # What a partner could have seen: every checkpoint that was committed.
    newest = node.state.own.newest
    notes.write(repr(newest.note) + "\\n")

node.writer.listen(tell)
node.start()
print("ready", flush=True)
number = 0
while True:
    futures = [node.record([node.draft("memo", {"text": f"{os.getpid()}.{number + i}"})]) for i in range(7)]
    for i, future in enumerate(futures):
        print(future.result()[0].seq, f"{os.getpid()}.{number + i}", flush=True)
    number += 7
"""


@pytest.mark.timeout(300)
def test_twenty_kills_lose_no_acknowledged_entry_and_sign_no_position_twice(
    home: Path, open_node: Callable[[], Any]
) -> None:
    root = str(Path(__file__).resolve().parents[2])
    acknowledged: dict[int, str] = {}
    for round_number in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(home.parent), root],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            try:
                assert child.stdout.readline() == "ready\n"
                for _ in range(10 + 3 * round_number):
                    seq, text = child.stdout.readline().split()
                    acknowledged[int(seq)] = text
            finally:
                child.send_signal(signal.SIGKILL)
            # What stood in the pipe was acknowledged as well; a torn last line was not.
            for line in child.stdout.read().split("\n")[:-1]:
                seq, text = line.split()
                acknowledged[int(seq)] = text
    node = open_node().node
    check_whole_log(node)
    found = {
        seq: parse_statement(payload, "entry").body.get("text")
        for seq, _, payload in node.reader.payloads(node.state.origin, 0, 100_000)
    }
    assert {seq: found[seq] for seq in acknowledged} == acknowledged
    check_signed_once(node, home.parent / "released")


def check_signed_once(node: Node, released: Path) -> None:
    """Every checkpoint that left the node is one of this log's own past, each size with one root."""
    vkey = node.state.roster.log_key(node.state.origin)
    roots: dict[int, bytes] = {}
    for line in released.read_text().splitlines():
        if not line.endswith("'"):
            continue  # torn by the kill
        note = line[1:-1].encode().decode("unicode_escape").encode("latin-1").decode()
        checkpoint = open_checkpoint(note, vkey)
        assert roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root
    assert roots
    for size, root in roots.items():
        assert node.reader.copy_at(node.state.origin, node.state.roster.network, size).root == root
