"""Running a node: what stands before the first answer, and what ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import ForkError, UnavailableError
from node.bond import Bond
from node.config import Settings
from node.home import open_reader
from node.node import Node
from node.place import MarkFile, read_mark
from node.serve import run_node
from node.store.place_record import read_place
from node.world import World

PASSPHRASE = b"correct horse"
SETTINGS = Settings(port=0)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def home_id(home: Path) -> bytes:
    reader = open_reader(home)
    try:
        return read_place(reader.database).home
    finally:
        reader.close()


def end(url: str) -> None:
    """A fault while the node settles: it must not go on as if it ran."""
    raise ForkError("test", found=url, expected="an end")


def test_a_node_that_cannot_settle_ends_and_says_why(home: Path, state: Path) -> None:
    with pytest.raises(ForkError, match="an end"):
        run_node(home, SETTINGS, PASSPHRASE, on_started=end)


def test_a_home_is_bound_before_the_first_request_can_be_answered(home: Path, state: Path) -> None:
    opening = []

    def look(url: str) -> None:
        mark = read_mark(state, home_id(home))
        opening.append(mark is None or mark.opening)
        end(url)

    with pytest.raises(ForkError):
        run_node(home, SETTINGS, PASSPHRASE, on_started=look)
    assert opening == [False]


def test_without_a_place_for_the_mark_no_node_starts(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "file" / "state"))
    with pytest.raises(UnavailableError):
        run_node(home, SETTINGS, PASSPHRASE, on_started=end)


def test_a_mark_that_cannot_be_raised_costs_no_answer(
    home: Path, state: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bond = Bond(home, {"TALLY_STATE_DIR": str(state)})
    node = Node(home=home, settings=SETTINGS, passphrase=PASSPHRASE, world=world, raise_mark=bond.raise_mark)
    node.start()
    try:
        bond.judge(node)
        bond.tie(node)

        def full(*_: object) -> None:
            raise UnavailableError("mark", found="no space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(MarkFile, "raise_mark", full)
            assert node.record([node.draft("memo", {"text": "x"})]).result(20)[0].seq == 2
        assert node.record([node.draft("memo", {"text": "y"})]).result(20)[0].seq == 3
        mark = read_mark(state, home_id(home))
        assert mark is not None
        assert mark.size == 4
    finally:
        node.stop()
        bond.close()
