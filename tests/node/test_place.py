"""A home and its place: what was done to it between two openings, and what the next opening makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConflictError, UnavailableError
from node.lock import lock_home
from node.place import (
    Here,
    Judgement,
    Mark,
    MarkFile,
    OwnLog,
    Place,
    Verdict,
    judge_place,
    look_here,
    machine_id,
    next_place,
    open_mark,
    read_mark,
    state_folder,
)

HOME_ID = bytes(range(16))
MACHINE = "m" * 32


def root_of(entries: list[str], size: int) -> bytes:
    return hashlib.sha256(json.dumps(entries[:size]).encode()).digest()


@dataclass
class Home:
    """A folder with a database (a JSON file), opened by the steps that the module describes."""

    path: Path
    state: Path
    machine: str = MACHINE

    @classmethod
    def make(cls, path: Path, state: Path) -> Home:
        path.mkdir()
        home = cls(path, state)
        home.save(Place(home=HOME_ID, machine=MACHINE, path=str(path.resolve()), starts=0), ["open"])
        return home

    @property
    def database(self) -> Path:
        return self.path / "ledger.db"

    def load(self) -> tuple[Place, list[str]]:
        data = json.loads(self.database.read_text())
        return Place(home=HOME_ID, **data["place"]), data["entries"]

    def save(self, place: Place, entries: list[str]) -> None:
        fields = {"machine": place.machine, "path": place.path, "starts": place.starts}
        self.database.write_text(json.dumps({"place": fields, "entries": entries}))

    def look(self) -> tuple[Place, Mark | None, Here, list[str]]:
        recorded, entries = self.load()
        here = look_here(self.path, recorded, self.machine, database="ledger.db")
        return recorded, read_mark(self.state, HOME_ID), here, entries

    def judge(self) -> Verdict:
        recorded, mark, here, entries = self.look()
        own = OwnLog(size=len(entries), root_at=lambda size: root_of(entries, size))
        return judge_place(recorded, mark, here, own)

    def open(self, *, die_after: str = "") -> MarkFile:
        recorded, mark, here, entries = self.look()
        place = next_place(recorded, mark, here)
        file = open_mark(self.state, place, size=len(entries), root=root_of(entries, len(entries)))
        if die_after == "mark":
            return file
        self.save(place, entries)
        if die_after == "database":
            return file
        file.confirm()
        return file

    def append(self, file: MarkFile, *new: str, mark: bool = True) -> None:
        place, entries = self.load()
        entries += new
        self.save(place, entries)
        if mark:
            file.raise_mark(len(entries), root_of(entries, len(entries)))

    def run(self, *new: str) -> None:
        file = self.open()
        self.append(file, *new)
        file.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.make(tmp_path / "home", tmp_path / "state")


def test_a_new_home_is_unchanged(home: Home) -> None:
    assert home.judge().judgement is Judgement.UNCHANGED


def test_an_unchanged_restart_may_append(home: Home) -> None:
    for _ in range(3):
        home.run("a", "b")
        assert home.judge().judgement is Judgement.UNCHANGED
        assert home.judge().may_append


@pytest.mark.parametrize("step", ["mark", "database"])
@pytest.mark.parametrize("runs", [0, 2])
@pytest.mark.parametrize("times", [1, 2])
def test_a_death_between_the_two_writes_is_no_restore(home: Home, step: str, runs: int, times: int) -> None:
    for _ in range(runs):
        home.run("a")
    for _ in range(times):
        home.open(die_after=step).close()
        assert home.judge().judgement is Judgement.UNCHANGED
    home.run("b")
    assert home.judge().judgement is Judgement.UNCHANGED


def test_a_death_between_commit_and_mark_is_no_fault(home: Home) -> None:
    file = home.open()
    home.append(file, "a")
    home.append(file, "b", mark=False)
    file.close()
    assert home.judge().judgement is Judgement.UNCHANGED


def test_a_copy_beside_its_original_is_a_copy(home: Home, tmp_path: Path) -> None:
    home.run("a")
    copy = Home(tmp_path / "copy", home.state)
    shutil.copytree(home.path, copy.path)
    verdict = copy.judge()
    assert verdict.judgement is Judgement.COPIED
    assert not verdict.may_append
    assert home.judge().judgement is Judgement.UNCHANGED


def test_the_original_hears_partners_after_its_copy_was_opened(home: Home, tmp_path: Path) -> None:
    home.run("a")
    copy = Home(tmp_path / "copy", home.state)
    shutil.copytree(home.path, copy.path)
    copy.run("b")
    assert home.judge().judgement is Judgement.RESTORED


def test_a_copy_on_another_machine_is_a_copy(home: Home, tmp_path: Path) -> None:
    home.run("a")
    there = Home(home.path, tmp_path / "state of the other machine", machine="n" * 32)
    assert there.judge().judgement is Judgement.COPIED
    whole_disk = Home(home.path, home.state, machine="n" * 32)
    assert whole_disk.judge().judgement is Judgement.COPIED


def test_a_home_that_came_back_from_another_machine_is_no_unchanged_one(home: Home, tmp_path: Path) -> None:
    home.run("a")
    Home(home.path, tmp_path / "elsewhere", machine="n" * 32).run("b")
    assert not home.judge().may_append


def test_an_older_database_is_a_restore(home: Home) -> None:
    home.run("a")
    backup = home.database.read_bytes()
    home.run("b")
    home.run("c")
    home.database.write_bytes(backup)
    assert home.judge().judgement is Judgement.RESTORED


def test_an_older_database_is_a_restore_even_if_nothing_was_appended_since(home: Home) -> None:
    home.run("a")
    backup = home.database.read_bytes()
    home.run()
    home.database.write_bytes(backup)
    assert home.judge().judgement is Judgement.RESTORED


def test_an_older_database_of_the_same_start_went_back(home: Home) -> None:
    file = home.open()
    home.append(file, "a")
    backup = home.database.read_bytes()
    home.append(file, "b")
    file.close()
    home.database.write_bytes(backup)
    verdict = home.judge()
    assert verdict.judgement is Judgement.WENT_BACK
    assert verdict.found == "its log has 2 entries and had 3"


def test_an_older_database_under_an_opening_that_died_went_back(home: Home) -> None:
    file = home.open()
    backup = home.database.read_bytes()
    home.append(file, "a")
    file.close()
    home.open(die_after="mark").close()
    home.database.write_bytes(backup)
    assert home.judge().judgement is Judgement.WENT_BACK


def test_another_history_of_the_same_length_went_back(home: Home) -> None:
    home.run("a")
    place, _ = home.load()
    home.save(place, ["open", "x", "y"])
    assert home.judge().judgement is Judgement.WENT_BACK


def test_a_renamed_home_moved(home: Home, tmp_path: Path) -> None:
    home.run("a")
    home.path.rename(tmp_path / "renamed")
    renamed = Home(tmp_path / "renamed", home.state)
    verdict = renamed.judge()
    assert verdict.judgement is Judgement.MOVED
    assert verdict.may_append
    renamed.run("b")
    assert renamed.judge().judgement is Judgement.UNCHANGED


def test_a_link_to_a_home_is_no_move(home: Home, tmp_path: Path) -> None:
    home.run("a")
    (tmp_path / "link").symlink_to(home.path)
    assert Home(tmp_path / "link", home.state).judge().judgement is Judgement.UNCHANGED


def test_an_older_backup_put_elsewhere_is_a_restore(home: Home, tmp_path: Path) -> None:
    home.run("a")
    shutil.copytree(home.path, tmp_path / "backup")
    home.run("b")
    shutil.rmtree(home.path)
    assert Home(tmp_path / "backup", home.state).judge().judgement is Judgement.RESTORED


def test_a_lost_mark_is_taken_for_a_restore(home: Home) -> None:
    home.run("a")
    shutil.rmtree(home.state)
    assert home.judge().judgement is Judgement.RESTORED


def test_an_older_mark_is_taken_for_a_restore(home: Home) -> None:
    home.run("a")
    mark = next(home.state.glob("*.mark"))
    older = mark.read_bytes()
    home.run("b")
    mark.write_bytes(older)
    assert home.judge().judgement is Judgement.RESTORED


def test_every_verdict_that_stops_says_what_to_do() -> None:
    place = Place(home=HOME_ID, machine=MACHINE, path="/a", starts=5)
    mark = Mark(place=place, opening=False, size=3, root=bytes(32))
    here = Here(machine=MACHINE, path="/a", original_stands=False)
    cases = [
        (mark, replace(here, machine="n")),
        (None, here),
        (replace(mark, size=9), here),
        (replace(mark, root=b"\1" * 32), here),
    ]
    for known, stands in cases:
        verdict = judge_place(place, known, stands, OwnLog(size=4, root_at=lambda size: bytes(32)))
        assert not verdict.may_append
        assert verdict.action


@given(
    starts=st.integers(0, 9),
    marked=st.integers(0, 9),
    opening=st.booleans(),
    size=st.integers(0, 9),
    marked_size=st.integers(0, 9),
    stands=st.booleans(),
    path=st.sampled_from(["/a", "/b"]),
    machine=st.sampled_from("mn"),
)
def test_nothing_that_is_behind_its_mark_may_append(
    starts: int,
    marked: int,
    opening: bool,
    size: int,
    marked_size: int,
    stands: bool,
    path: str,
    machine: str,
) -> None:
    recorded = Place(home=HOME_ID, machine="m", path="/a", starts=starts)
    mark = Mark(place=replace(recorded, starts=marked), opening=opening, size=marked_size, root=bytes(32))
    here = Here(machine=machine, path=path, original_stands=stands)
    verdict = judge_place(recorded, mark, here, OwnLog(size=size, root_at=lambda size: bytes(32)))
    behind = size < marked_size or starts < marked - opening
    moved = machine == "n" or (path == "/b" and stands)
    assert verdict.may_append == (not behind and not moved and starts <= marked)
    assert next_place(recorded, mark, here).starts > max(starts, marked - opening)


def test_a_mark_reads_back(tmp_path: Path) -> None:
    place = Place(home=HOME_ID, machine=MACHINE, path="/höme", starts=7)
    file = open_mark(tmp_path, place, size=1, root=bytes(32))
    assert read_mark(tmp_path, HOME_ID) == Mark(place=place, opening=True, size=1, root=bytes(32))
    file.confirm()
    assert read_mark(tmp_path, HOME_ID) == Mark(place=place, opening=False, size=1, root=bytes(32))
    for size in range(2, 9):
        file.raise_mark(size, bytes([size]) * 32)
        assert read_mark(tmp_path, HOME_ID) == Mark(
            place=place, opening=False, size=size, root=bytes([size]) * 32
        )
    file.close()


def test_no_damaged_byte_of_a_mark_says_something_new(tmp_path: Path) -> None:
    place = Place(home=HOME_ID, machine=MACHINE, path="/home", starts=7)
    file = open_mark(tmp_path, place, size=4, root=bytes(32))
    file.confirm()
    file.raise_mark(5, b"\5" * 32)
    file.close()
    path = next(tmp_path.glob("*.mark"))
    whole = path.read_bytes()
    allowed = (
        None,
        Mark(place=place, opening=False, size=5, root=b"\5" * 32),
        Mark(place=place, opening=False, size=4, root=bytes(32)),
    )
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        assert read_mark(tmp_path, HOME_ID) in allowed
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert read_mark(tmp_path, HOME_ID) is None


def test_a_mark_of_another_home_is_none_of_ours(tmp_path: Path) -> None:
    other = bytes(16)
    open_mark(
        tmp_path, Place(home=other, machine=MACHINE, path="/x", starts=1), size=0, root=bytes(32)
    ).close()
    (tmp_path / f"{other.hex()}.mark").rename(tmp_path / f"{HOME_ID.hex()}.mark")
    assert read_mark(tmp_path, HOME_ID) is None


def test_raising_the_mark_costs_microseconds(tmp_path: Path) -> None:
    place = Place(home=HOME_ID, machine=MACHINE, path="/home", starts=1)
    file = open_mark(tmp_path, place, size=0, root=bytes(32))
    root = bytes(32)

    def best(run: Callable[[], None]) -> float:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    def raise_often() -> None:
        for size in range(1000):
            file.raise_mark(size, root)

    assert best(raise_often) / 1000 < 100e-6  # about 10 µs; the rest is room for busy machines
    file.close()


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError) as caught:
        open_mark(
            tmp_path / "state",
            Place(home=HOME_ID, machine=MACHINE, path="/x", starts=1),
            size=0,
            root=bytes(32),
        )
    assert "TALLY_STATE_DIR" in caught.value.action


def test_the_state_folder_follows_the_environment() -> None:
    assert state_folder({"TALLY_STATE_DIR": "/t", "XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/t")
    assert state_folder({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/tallystick")
    assert state_folder({"XDG_STATE_HOME": "x", "HOME": "/h"}) == Path("/h/.local/state/tallystick")


def test_the_machine_is_named_by_its_id_but_does_not_give_it_away(tmp_path: Path) -> None:
    source = tmp_path / "machine-id"
    source.write_text("0123456789abcdef0123456789abcdef\n")
    name = machine_id(tmp_path / "state", random=os.urandom, source=source)
    assert name == machine_id(tmp_path / "other", random=os.urandom, source=source)
    assert name != "0123456789abcdef0123456789abcdef"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("content", [None, "", "uninitialized\n"])
def test_a_machine_without_an_id_gets_one(tmp_path: Path, content: str | None) -> None:
    source = tmp_path / "machine-id"
    if content is not None:
        source.write_text(content)
    name = machine_id(tmp_path / "state", random=os.urandom, source=source)
    assert name == machine_id(tmp_path / "state", random=os.urandom, source=source)
    assert name != machine_id(tmp_path / "other", random=os.urandom, source=source)


def test_a_second_opening_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with lock_home(tmp_path), pytest.raises(ConflictError, match=f"process {os.getpid()}"):
        lock_home(tmp_path)
    lock_home(tmp_path).release()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from node.lock import lock_home\n"
        "lock = lock_home(pathlib.Path(sys.argv[1]))\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(ConflictError, match=f"process {process.pid}"):
            lock_home(tmp_path)
        process.kill()
        process.wait()
    lock_home(tmp_path).release()
