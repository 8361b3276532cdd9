"""What happens when a home is opened beside the one that it was copied from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import ConflictError
from node.bond import Bond
from node.config import load_settings
from node.home import NewHome, found_home
from node.keyfiles import MIN_COST
from node.lock import lock_home
from node.node import Node
from node.place import Judgement
from node.world import real_world

PASSPHRASE = b"of a test"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TALLY_STATE_DIR": str(tmp_path / "state")}


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """A home, and a copy of it elsewhere."""
    home = tmp_path / "home"
    new = NewHome(
        organization="acme",
        title="Acme",
        person="ana",
        passphrase=PASSPHRASE,
        world=real_world(),
        state_folder=tmp_path / "state",
        cost=MIN_COST,
    )
    found_home(home, new, network="test")
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    return home, copy


@pytest.fixture
def copied(homes: tuple[Path, Path]) -> Iterator[Node]:
    _, copy = homes
    node = Node(home=copy, settings=load_settings(copy), passphrase=PASSPHRASE, world=real_world())
    node.start()
    yield node
    node.stop()


def test_a_copy_does_not_start_while_its_original_runs(
    homes: tuple[Path, Path], copied: Node, environ: dict[str, str]
) -> None:
    home, copy = homes
    with lock_home(home), pytest.raises(ConflictError, match="a copy of"):
        Bond(copy, environ).judge(copied)


def test_a_copy_whose_original_rests_is_judged_a_copy(
    homes: tuple[Path, Path], copied: Node, environ: dict[str, str]
) -> None:
    _, copy = homes
    assert Bond(copy, environ).judge(copied).judgement is Judgement.COPIED
