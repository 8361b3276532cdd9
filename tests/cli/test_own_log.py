"""Own-log safety with real nodes: backup, restore, copies, rotation, and the next log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.homekeys import KEYS

FIRMS = ("acme", "bolt", "cord")
PATIENCE_S = 120
pytestmark = pytest.mark.timeout(400)
"""A busy machine is no failure."""


class Firms:
    """Three firms of one network, with their nodes running."""

    def __init__(self, tally: Any) -> None:
        self.tally = tally
        tally.found("acme")
        tally.start("acme")
        for name in ("bolt", "cord"):
            self.do("acme", "network", "invite", name)
            self.do(name, "network", "join", f"{name}.invitation", "--yes")
            tally.start(name)
        self.until(lambda: all(len(self.show(name)["copies"]) == 2 for name in FIRMS))

    def until(self, holds: Callable[[], object]) -> None:
        self.tally.until(holds, PATIENCE_S)

    def do(self, name: str, *arguments: str, code: int = 0) -> Any:
        done = self.tally("--home", name, "--json", *arguments)
        assert done.code == code, (arguments, done)
        return done.value

    def show(self, name: str) -> Any:
        return self.do(name, "status")

    def size(self, name: str) -> int:
        size: int = self.show(name)["own"]["size"]
        return size

    def held(self, holder: str, name: str) -> int:
        return sum(log["size"] for log in self.show(holder)["copies"] if log["organization"] == name)

    def memo(self, name: str, text: str) -> int:
        seq: int = self.do(name, "log", "add", text)["seq"]
        return seq

    def spread(self, name: str) -> None:
        """Wait until every running partner holds the log whole."""
        size = self.size(name)
        others = [other for other in self.tally.nodes if other != name]
        self.until(lambda: all(self.held(other, name) >= size for other in others))

    def lose(self, name: str) -> Path:
        """The home is gone; what machine and partners remember stays."""
        home: Path = self.tally.folder / name
        shutil.rmtree(home)
        return home


@pytest.fixture(scope="module")
def firms(shared_tally: Any) -> Firms:
    tally = shared_tally
    tally.environ = {**tally.environ, "TALLY_SYNC_INTERVAL_S": "0.5", "TALLY_SEEN_INTERVAL_S": "3600"}
    return Firms(tally)


def test_a_home_is_restored_from_a_backup_that_was_taken_while_its_node_ran(firms: Firms) -> None:
    tally = firms.tally
    firms.memo("bolt", "before the backup")
    backup = firms.do("bolt", "backup", "kept")
    assert backup["logs"][firms.show("bolt")["origin"]] == firms.size("bolt")
    assert tally("verify", "kept").code == 0
    assert firms.tally("--home", "bolt", "backup", "kept").code == 1
    lost = [firms.memo("bolt", f"after the backup {i}") for i in range(3)]
    firms.spread("bolt")
    size = firms.size("bolt")
    tally.stop("bolt")
    tally.stop("cord")
    firms.lose("bolt")
    done = tally("--home", "bolt", "restore", "kept")
    assert done.code == 0
    assert "asks every partner" in done.err
    tally.start("bolt")
    firms.until(lambda: firms.size("bolt") == size)  # what acme holds is fetched back
    status = firms.show("bolt")
    assert "cord not heard yet" in status["blocks"]["hearing"]
    assert any("tally recover" in line for line in status["wrong"])
    assert firms.tally("--home", "bolt", "log", "add", "too early").code == 3
    tally.start("cord")
    firms.until(lambda: not firms.show("bolt")["blocks"])
    assert firms.memo("bolt", "now") >= size > max(lost)
    firms.spread("bolt")
    assert not any(log["quarantined"] for name in FIRMS for log in firms.show(name)["copies"])


def test_keys_are_rotated_and_lost_ones_are_replaced_by_the_next_log(firms: Firms) -> None:
    tally = firms.tally
    firms.memo("cord", "under the first key")
    firms.spread("cord")
    shutil.copytree(tally.folder / "cord", tally.folder / "twin", ignore=shutil.ignore_patterns("running"))
    done = tally("--home", "twin", "serve")
    assert done.code == 1, "a copy does not start beside its original"
    assert "a copy of" in done.err
    assert tally("--home", "cord", "keys", "rotate").code == 1  # its node runs
    before = {row["name"]: row["public"] for row in firms.do("cord", "keys", "list")}
    tally.stop("cord")
    seq = firms.do("cord", "keys", "rotate")["seq"]
    keys = firms.do("cord", "keys", "list")
    used = {row["name"]: row["public"] for row in keys if row["standing"] == "in use"}
    old = {row["name"]: row["public"] for row in keys if row["standing"] == "superseded"}
    assert used["node"] == before["node"]
    assert old == {"log": before["log"], "witness": before["witness"]}
    assert used["log"] != before["log"]
    tally.start("cord")
    assert firms.memo("cord", "under the second key") > seq
    firms.memo("acme", "cosigned by the second key")
    firms.spread("cord")
    firms.spread("acme")
    firms.until(lambda: firms.show("cord")["own"]["witnessed_size"] == firms.size("cord"))
    firms.until(lambda: firms.show("acme")["own"]["witnessed_size"] == firms.size("acme"))
    tally.stop("cord")
    folder = tally.folder / "cord" / KEYS
    shutil.move(folder / "recovery.key", tally.folder / "recovery.key")
    for name in ("log", "witness", "node"):
        (folder / f"{name}.key").unlink()
    assert tally("--home", "cord", "serve").code == 3
    assert tally("--home", "cord", "recover", "--yes").code == 3  # no recovery key here
    wrong = tally.folder / "acme" / KEYS / "recovery.key"
    assert tally("--home", "cord", "recover", "--yes", "--recovery-key", str(wrong)).code == 1
    plan = firms.do("cord", "recover", "--yes", "--keep-people", "--recovery-key", "recovery.key")
    assert [person["name"] for person in plan["people"]] == ["director"]
    tally.start("cord")
    firms.memo("cord", "under new keys")
    firms.spread("cord")
    assert [person["revoked_at"] for person in firms.do("cord", "people", "list")] == [None]
    again = tally("--home", "cord", "recover", "--yes", "--recovery-key", "recovery.key")
    assert again.code == 1  # its node runs, and the key was used up


def test_a_home_whose_newest_entries_nobody_holds_opens_the_next_log(firms: Firms) -> None:
    tally = firms.tally
    firms.memo("bolt", "kept")
    firms.spread("bolt")
    firms.do("bolt", "backup", "kept-again")
    pinned = firms.size("bolt")
    tally.stop("bolt")
    firms.do("bolt", "keys", "rotate")  # an entry that no partner has
    firms.lose("bolt")
    firms.do("bolt", "restore", "kept-again")
    tally.start("bolt")
    firms.until(lambda: "lost" in firms.show("bolt")["blocks"])
    assert firms.tally("--home", "bolt", "log", "add", "again").code == 3
    assert tally("--home", "bolt", "recover", "--yes").code == 1  # its node runs
    tally.stop("bolt")
    assert tally("--home", "bolt", "recover").code == 2  # nobody to ask
    plan = firms.do("bolt", "recover", "--yes")
    assert plan["pin"]["size"] == pinned
    assert sorted(plan["heard"]) == ["acme", "cord"]
    assert plan["origin"] == f"{plan['before']}/2"
    tally.start("bolt")
    firms.do("bolt", "people", "add", "director", "--role", "director")
    assert firms.show("bolt")["origin"] == plan["origin"]
    firms.memo("bolt", "in the next log")
    firms.until(lambda: firms.show("bolt")["own"]["witnessed_size"] == firms.size("bolt"))
    for name in FIRMS:
        assert tally("verify", name).code == 0


def test_a_founder_that_lost_its_keys_opens_the_next_log_and_admits_there(firms: Firms) -> None:
    tally = firms.tally
    firms.spread("acme")
    tally.stop("acme")
    for name in ("log", "witness", "node"):
        (tally.folder / "acme" / KEYS / f"{name}.key").unlink()
    plan = firms.do("acme", "recover", "--yes", "--keep-people")
    tally.start("acme")
    firms.memo("acme", "in the next log")
    firms.spread("acme")
    firms.do("acme", "network", "invite", "dora")
    firms.do("dora", "network", "join", "dora.invitation", "--yes")
    tally.start("dora")
    firms.until(lambda: len(firms.do("bolt", "network", "show")["members"]) == 4)
    firms.memo("dora", "hello")
    firms.spread("dora")
    firms.until(lambda: firms.show("dora")["own"]["witnessed_size"] == firms.size("dora"))
    held = {log["origin"] for log in firms.show("dora")["copies"]}
    assert {plan["before"], plan["origin"]} <= held
    for name in (*FIRMS, "dora"):
        assert not firms.show(name)["wrong"]
        assert tally("verify", name).code == 0
