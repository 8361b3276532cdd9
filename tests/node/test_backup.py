"""Backups: whole or not at all, of one moment, and never taken for the home itself."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, InvalidError, MissingError, UnavailableError
from node import backup as backups
from node.backup import Copied, back_up, restore
from node.bond import Bond
from node.config import CONFIG_FILE, Settings
from node.home import DATABASE, open_reader, read_token
from node.node import Node
from node.place import Judgement
from node.state import load_state
from node.world import World

PASSPHRASE = b"correct horse"


def copy_of(home: Path, target: Path, *, with_keys: bool = True) -> Copied:
    return back_up(home, target, with_keys=with_keys, check=lambda folder: None)


def judge(home: Path, world: World, state: Path) -> Judgement:
    node = Node(home=home, settings=Settings(), passphrase=PASSPHRASE, world=world)
    node.start()
    bond = Bond(home, {"TALLY_STATE_DIR": str(state)})
    try:
        verdict = bond.judge(node)
        if verdict.may_append:
            bond.tie(node)
        return verdict.judgement
    finally:
        node.stop()
        bond.close()


def test_a_backup_holds_the_log_and_the_keys_and_nothing_of_the_running_node(
    home: Path, node: Node, tmp_path: Path
) -> None:
    (home / CONFIG_FILE).write_text('log_level = "error"\n')
    node.record([node.draft("memo", {"text": "kept"})]).result(20)
    copied = copy_of(home, tmp_path / "kept")
    files = sorted(
        str(f.relative_to(tmp_path / "kept")) for f in (tmp_path / "kept").rglob("*") if f.is_file()
    )
    keys = [f"keys/{name}.key" for name in ("log", "node", "recovery", "witness")]
    assert files == [CONFIG_FILE, *keys, "people/ana.key", DATABASE]
    assert copied == Copied(keys=(*keys, "people/ana.key"), lacking=())
    modes = {stat.S_IMODE((tmp_path / "kept" / name).stat().st_mode) for name in files}
    assert modes == {0o600}
    reader = open_reader(tmp_path / "kept")
    try:
        assert load_state(reader).own.copy == node.state.own.copy
    finally:
        reader.close()


def test_a_backup_without_keys_says_which_a_node_would_need(home: Path, tmp_path: Path) -> None:
    copied = copy_of(home, tmp_path / "kept", with_keys=False)
    assert not list((tmp_path / "kept").rglob("*.key"))
    assert len(copied.lacking) == 4


def test_a_backup_that_is_taken_while_the_node_writes_is_of_one_moment(
    home: Path, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "COPY_PAGES", 1)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            node.record([node.draft("memo", {"text": "x" * 3000})]).result(20)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(3):
            copy_of(home, tmp_path / f"kept-{i}")
    finally:
        done.set()
        writer.join()
    for i in range(3):
        reader = open_reader(tmp_path / f"kept-{i}")
        state = load_state(reader)
        assert state.own.newest is not None
        assert state.own.newest.size == state.own.copy.size
        reader.close()


def test_a_second_backup_to_one_place_is_refused(home: Path, tmp_path: Path) -> None:
    copy_of(home, tmp_path / "kept")
    before = (tmp_path / "kept" / DATABASE).read_bytes()
    with pytest.raises(ConflictError, match="something is there"):
        copy_of(home, tmp_path / "kept")
    assert (tmp_path / "kept" / DATABASE).read_bytes() == before


def test_an_empty_folder_takes_a_backup(home: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    assert copy_of(home, tmp_path / "kept").keys


@pytest.mark.parametrize("target", ["", "keys/kept", "kept"])
def test_a_backup_inside_of_the_home_is_refused(home: Path, target: str) -> None:
    with pytest.raises(ConflictError):
        copy_of(home, home / target)


def test_a_folder_without_a_home_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError):
        copy_of(tmp_path / "empty", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_does_not_pass_the_check_is_not_kept(home: Path, tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        assert (folder / DATABASE).is_file()
        raise InvalidError("check", found="damage", expected="none")

    with pytest.raises(InvalidError, match="damage"):
        back_up(home, tmp_path / "kept", with_keys=True, check=refuse)
    with pytest.raises(InvalidError, match="damage"):
        restore(home, tmp_path / "again", world=None, check=refuse)  # type: ignore[arg-type]  # never asked
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "state") == ["acme"]


@pytest.mark.parametrize("step", ["_copy_database", "copy_key", "sync_folder"])
def test_a_failure_of_the_disk_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, step, full)
    with pytest.raises(UnavailableError, match="No space left"):
        copy_of(home, tmp_path / "kept")
    assert not list(tmp_path.glob("*kept*"))


def test_a_database_that_is_damaged_is_not_backed_up(home: Path, tmp_path: Path) -> None:
    (home / DATABASE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(UnavailableError):
        copy_of(home, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_home_that_was_restored_hears_its_partners_first_even_with_a_mark_that_fits(
    home: Path, world: World, tmp_path: Path
) -> None:
    """After a power cut the mark may be of the very start and size that the backup has."""
    state = tmp_path / "state"
    assert judge(home, world, state) is Judgement.UNCHANGED
    copy_of(home, tmp_path / "kept")
    shutil.rmtree(home)
    restore(tmp_path / "kept", home, world=world, check=lambda folder: None)
    assert judge(home, world, state) is Judgement.RESTORED
    assert len(read_token(home)) == 64


def test_a_backup_of_a_home_that_was_never_opened_is_judged_restored(
    home: Path, world: World, tmp_path: Path
) -> None:
    copy_of(home, tmp_path / "kept")
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "kept", home)  # by hand
    assert judge(home, world, tmp_path / "state") is Judgement.RESTORED


def test_a_backup_is_read_where_nothing_can_be_written(home: Path, tmp_path: Path) -> None:
    copy_of(home, tmp_path / "kept")
    connection = sqlite3.connect(f"{(tmp_path / 'kept' / DATABASE).as_uri()}?immutable=1", uri=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_home_is_not_restored_over_another(
    home: Path, tmp_path: Path, world: World, open_node: Callable[[], Any]
) -> None:
    copy_of(home, tmp_path / "kept")
    with pytest.raises(ConflictError):
        restore(tmp_path / "kept", home, world=world, check=lambda folder: None)
    open_node()
