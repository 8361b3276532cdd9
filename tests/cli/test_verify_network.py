"""`tally verify --network`: what every holder serves, each audited, then compared."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from cli.main import main
from ledger.errors import TallyError
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.tile import log_path
from ledger.members.network import Policy
from node.api.tiles import TileReads
from node.limits import status_of
from node.sync.door import Request
from node.sync.wire import format_batch

if TYPE_CHECKING:
    from tests.simulation.network import Network

SYNC = Path(__file__).resolve().parents[1] / "attacks" / "test_sync.py"
PASSPHRASE = "correct horse battery staple"


def load_sync() -> ModuleType:
    """The helpers that forge batches, since test folders are no packages."""
    found = sys.modules.get("attacks_test_sync")
    if found is None:
        spec = importlib.util.spec_from_file_location("attacks_test_sync", SYNC)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules["attacks_test_sync"] = found
        spec.loader.exec_module(found)
    return found


sync = load_sync()


class Holder:
    """The public side of one simulated node on a port of this machine; `lies` are answers in its place."""

    def __init__(self, network: Network, name: str) -> None:
        engine = network.machines[name].engine
        assert engine is not None
        self.door = engine.door
        self.reads = TileReads(network.machines[name].up, engine.door)
        self.lies: dict[str, bytes] = {}
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # the name is the library's; `self` is the holder
                status, body = self.answer(handler.path, list(handler.headers.items()))
                handler.send_response(status)
                handler.send_header("content-length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, format: str, *args: object) -> None:  # as above
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, headers: list[tuple[str, str]]) -> tuple[int, bytes]:
        self.asked += 1
        try:
            if not self.reads.open:
                self.door.check_sender(Request(method="GET", target=path, headers=headers))
            return 200, self.lies[path] if path in self.lies else self.truth(path)
        except TallyError as error:
            return status_of(error), b""

    def truth(self, path: str) -> bytes:
        if path == "/logs":
            return json.dumps({"logs": self.reads.logs()}).encode()
        _, _, name, rest = path.split("/", 3)
        return self.reads.checkpoint(name) if rest == "checkpoint" else self.reads.tile(name, f"/{rest}")

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Held:
    """A network of three with its holders at addresses that can be called."""

    def __init__(self, network: Network, holders: dict[str, Holder]) -> None:
        self.network, self.holders = network, holders

    def home(self, name: str) -> str:
        return str(self.network.machines[name].home)

    def origin(self, name: str) -> str:
        return self.network.machines[name].up.state.origin


@pytest.fixture
def make_held(
    make_network: Callable[[int], Network], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Held]]:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TALLY_PASSPHRASE", PASSPHRASE)
    holders: list[Holder] = []

    def make(policy: Policy | None = None) -> Held:
        network = make_network(1)
        network.found("acme", policy)
        network.join("bolt")
        network.join("cord")
        made = {name: Holder(network, name) for name in network.machines}
        holders.extend(made.values())
        for name, holder in made.items():
            network.record(name, "node.address", {"certificate": None, "url": holder.url})
        network.sleep(30)
        network.wait_until(network.agree)
        # Signatures on requests last a minute, by the clock of the simulation.
        monkeypatch.setattr("cli.remote.time.time", lambda: network.now_ms(network.machines["acme"]) / 1000)
        return Held(network, made)

    yield make
    for holder in holders:
        holder.close()


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["--json", "verify", *args])
    return code, json.loads(capsys.readouterr().out)


def open_questions(report: Any) -> list[str]:
    return [item["what"] for item in report["could_not_be_checked"]]


def test_copies_of_every_holder_are_compared(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    code, report = run(capsys, held.home("acme"), "--network")
    assert (code, report["findings"]) == (0, [])
    compared = [line for line in report["checked"] if line.startswith("copies of")]
    assert len(compared) == 3
    assert all(f"at {name} " in line for line in compared for name in ("bolt", "cord"))


def test_tiles_for_members_are_read_in_the_name_of_the_home(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = make_held(Policy(tiles="members"))
    assert run(capsys, held.home("cord"), "--network")[0] == 0
    assert held.holders["acme"].asked > 3
    bolt = held.holders["bolt"].url
    assert run(capsys, bolt, "--home", held.home("cord"))[0] == 0
    monkeypatch.setenv("TALLY_HOME", str(held.network.folder / "nowhere"))
    code = main(["verify", bolt])
    assert code == 3
    assert "lets outsiders read tiles" in capsys.readouterr().err


def test_without_the_passphrase_tiles_for_members_are_a_matter_of_usage(
    make_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = make_held(Policy(tiles="members"))
    monkeypatch.delenv("TALLY_PASSPHRASE")
    assert main(["verify", held.home("cord"), "--network"]) == 2


def test_two_holders_that_differ_are_a_fork_and_the_first_entry_is_named(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    network = held.network
    network.isolate("acme")
    network.isolate("bolt")
    network.isolate("cord")
    acme = network.machines["acme"].up
    size = acme.state.own.copy.size
    copy = sync.copy_at(acme, size)
    for name in ("bolt", "cord"):
        batch = sync.forged(acme, copy, [f"told {name}", "and more"])
        assert sync.ask(network, "acme", name, "push", format_batch(batch)).status == 200
    code, report = run(capsys, held.home("cord"), "--network")
    assert code == 11
    (fork,) = [finding for finding in report["findings"] if finding["code"] == "copy-fork"]
    assert (fork["log"], fork["position"], fork["signer"]) == (acme.state.origin, size, acme.state.origin)
    assert "at cord and at bolt" in fork["where"]


def test_a_writer_that_shows_less_than_others_hold_is_a_rollback(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    acme = held.network.machines["acme"].up
    path = log_path(acme.state.origin)
    older = held.holders["acme"].truth(f"{path}/checkpoint")
    held.network.memo("acme", "what the writer hides")
    held.network.sleep(30)
    held.network.wait_until(held.network.agree)
    held.holders["acme"].lies[f"{path}/checkpoint"] = older
    code, report = run(capsys, held.home("bolt"), "--network")
    assert code == 13
    assert {finding["code"] for finding in report["findings"]} == {"head-older"}
    assert all("at acme" in finding["where"] for finding in report["findings"])


def test_a_holder_that_nobody_reaches_could_not_be_checked(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    held.network.record("cord", "node.address", {"certificate": None, "url": "http://127.0.0.1:9"})
    held.network.sleep(30)
    held.network.wait_until(held.network.agree)
    code, report = run(capsys, held.home("acme"), "--network")
    assert (code, report["findings"]) == (3, [])
    assert any(what.startswith("the copies that cord holds: ") for what in open_questions(report))


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999"])
def test_an_address_that_is_none_could_not_be_checked(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str], url: str
) -> None:
    held = make_held()
    held.network.record("cord", "node.address", {"certificate": None, "url": url})
    held.network.sleep(30)
    held.network.wait_until(held.network.agree)
    code, report = run(capsys, held.home("acme"), "--network")
    assert (code, report["findings"]) == (3, [])


def test_a_holder_whose_list_is_garbage_could_not_be_checked(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    for garbage in (b"", b"\xff" * 900, b"[1, 2]", b'{"logs": [{"origin": 4}]}'):
        held.holders["bolt"].lies["/logs"] = garbage
        code, report = run(capsys, held.home("acme"), "--network")
        assert (code, report["findings"]) == (3, [])
        assert any(what.startswith("the copies that bolt holds: ") for what in open_questions(report))


@pytest.mark.parametrize("everything", [True, False])
def test_a_member_that_hides_its_own_log_could_not_be_checked(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str], everything: bool
) -> None:
    held = make_held()
    bolt = held.holders["bolt"]
    logs = [] if everything else [log for log in bolt.reads.logs() if log["origin"] != held.origin("bolt")]
    bolt.lies["/logs"] = json.dumps({"logs": logs}).encode()
    code, report = run(capsys, held.home("acme"), "--network")
    assert (code, report["findings"]) == (3, [])
    assert "the log of bolt at bolt: its own node does not serve it" in open_questions(report)


def test_a_node_that_says_it_serves_nothing_does_not_pass_for_whole(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    held.holders["bolt"].lies["/logs"] = b'{"logs": []}'
    code, report = run(capsys, held.holders["bolt"].url, "--home", held.home("acme"))
    assert (code, report["findings"]) == (3, [])


def test_a_holder_that_serves_garbage_is_named_and_the_others_hold(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    origin = held.origin("cord")
    size = held.network.machines["bolt"].up.state.copy(origin).size
    for file, code in (
        ("checkpoint", "note-malformed"),
        (f"tile/0/000.p/{size}", "tile-differs"),
        (f"tile/entries/000.p/{size}", "chain-missing"),
    ):
        held.holders["bolt"].lies = {f"{log_path(origin)}/{file}": b"garbage"}
        _, report = run(capsys, held.home("acme"), "--network")
        assert {finding["code"] for finding in report["findings"]} == {code}
        assert {finding["log"] for finding in report["findings"]} == {origin}
        assert all("at bolt" in finding["where"] for finding in report["findings"])


def test_a_size_that_nobody_signed_keeps_the_auditor_waiting_for_nothing(
    make_held: Callable[..., Held], capsys: pytest.CaptureFixture[str]
) -> None:
    held = make_held()
    origin = held.origin("cord")
    made_up = seal_checkpoint(Checkpoint(origin=origin, size=2**32, root=bytes(32)), b"x" * 32)
    held.holders["bolt"].lies[f"{log_path(origin)}/checkpoint"] = made_up.encode()
    code, report = run(capsys, held.home("acme"), "--network")
    assert code == 1
    assert {finding["code"] for finding in report["findings"]} == {"note-signature"}
    more = seal_checkpoint(Checkpoint(origin=origin, size=2**52, root=bytes(32)), b"x" * 32)
    held.holders["bolt"].lies[f"{log_path(origin)}/checkpoint"] = more.encode()
    assert run(capsys, held.home("acme"), "--network")[0] == 3
