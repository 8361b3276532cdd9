"""`tally doctor`: what it notices, and what it makes good."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from cli.reading import OpenHome, open_home
from node.lock import lock_home
from node.place import Here, Mark, Place
from node.store.place_record import read_place
from node.store.schema import connect
from tests.attacks import small_home

HELPERS = Path(__file__).resolve().parents[1] / "attacks" / "small_home.py"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with everything in it."""
    return Path(small_home.make_small_home(tmp_path_factory.mktemp("pristine")))


@pytest.fixture
def home(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    shutil.copytree(pristine, tmp_path / "home")
    return tmp_path / "home"


def visit(capsys: pytest.CaptureFixture[str], home: Path, *args: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and the checks by name."""
    capsys.readouterr()
    code = main(["doctor", "--home", str(home), "--json", *args])
    answer = json.loads(capsys.readouterr().out)
    return code, {check["name"]: check for check in answer["checks"]}


def execute(home: Path, sql: str) -> None:
    database = sqlite3.connect(home / "tally.db")
    database.execute(sql)
    database.commit()
    database.close()


def test_evidence_that_is_recorded_is_said_and_is_no_fault_of_the_home(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, checks = visit(capsys, home)
    assert checks["evidence"]["found"] == "none is recorded here"

    @contextmanager
    def forked(path: Path) -> Iterator[OpenHome]:
        with open_home(path) as opened:
            yield replace(opened, state=replace(opened.state, accused=frozenset({"bolt/0123456789abcdef"})))

    monkeypatch.setattr("cli.doctor.open_home", forked)
    again, checks = visit(capsys, home)
    assert again == code
    assert "bolt/0123456789abcdef" in checks["evidence"]["found"]
    assert "tally evidence list" in checks["evidence"]["action"]


def test_a_home_that_was_put_back_is_said_to_be_older(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(state: Path, identity: bytes) -> Mark:
        place = read_home_place(home)
        return Mark(place=replace(place, starts=place.starts + 1), opening=False, size=0, root=b"")

    here = Here(machine=read_home_place(home).machine, path=str(home), original_stands=False)
    monkeypatch.setattr("cli.doctor.look_here", lambda *args, **kwargs: here)
    monkeypatch.setattr("cli.doctor.read_mark", newer)
    checks = visit(capsys, home)[1]
    assert "1 more times than it knows" in checks["place"]["found"]
    assert checks["place"]["action"]


def read_home_place(home: Path) -> Place:
    database = connect(home / "tally.db", write=False)
    try:
        return read_place(database)
    finally:
        database.close()


def test_a_sound_home_is_fine(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = visit(capsys, home)
    assert code == 0
    assert {check["verdict"] for check in checks.values()} == {"fine"}


def test_there_must_be_a_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--home", str(tmp_path / "none")]) == 3


def test_keys_that_others_can_read_are_noticed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "keys" / "log.key").chmod(0o644)
    code, checks = visit(capsys, home)
    assert (code, checks["keys/log.key"]["verdict"]) == (1, "wrong")


def test_a_home_that_others_can_read_is_noticed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.chmod(0o755)
    code, checks = visit(capsys, home)
    assert (code, checks["permissions"]["verdict"]) == (1, "wrong")


def test_a_recovery_key_that_is_kept_elsewhere_is_fine(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "keys" / "recovery.key").unlink()
    assert visit(capsys, home)[0] == 0


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tile_1",
        "DROP TABLE tile_1",
        "DELETE FROM roster WHERE seq = 1",
        "UPDATE event SET hash = 7",
        "INSERT INTO thing (name) VALUES ('nothing')",
        "DROP TABLE agreement",
    ],
)
def test_damaged_derived_tables_are_noticed_and_made_again(
    home: Path, sql: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(home, sql)
    code, checks = visit(capsys, home)
    assert (code, checks["derived tables"]["verdict"]) == (1, "wrong")
    assert visit(capsys, home, "--rebuild")[0] == 0
    assert visit(capsys, home)[0] == 0


def test_nothing_is_made_again_from_truth_that_does_not_hold(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(home, "UPDATE payload_1 SET payload = x'00' WHERE seq = 9")
    execute(home, "DELETE FROM roster")
    code, checks = visit(capsys, home, "--rebuild")
    assert code == 1
    assert "entry 9" in checks["derived tables"]["found"]


def test_nothing_is_made_again_while_a_node_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock_home(home):
        code, checks = visit(capsys, home, "--rebuild")
    assert (code, checks["derived tables"]["verdict"]) == (1, "wrong")


def test_while_a_node_runs_derived_tables_are_not_checked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_home(home):
        code, checks = visit(capsys, home)
    assert (code, checks["derived tables"]["verdict"]) == (3, "not checked")


def test_a_changed_place_is_noticed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(home, "UPDATE place SET starts = starts + 1")
    code, checks = visit(capsys, home)
    assert (code, checks["place"]["verdict"]) == (1, "wrong")
