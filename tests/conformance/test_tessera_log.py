"""A whole small log that another implementation wrote, read with ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.errors import TallyError
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.note import VerifierKey, parse_vkey
from ledger.log.tile import Edge, TileReader, entries_path, parse_bundle, parse_tile_path, tile_path
from ledger.log.tree import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
)

SIZES = range(16)


@dataclass(frozen=True, slots=True)
class ForeignLog:
    folder: Path

    @property
    def vkey(self) -> VerifierKey:
        return parse_vkey((self.folder / "vkey").read_text().strip())

    def checkpoint(self, size: int) -> Checkpoint:
        return open_checkpoint((self.folder / f"checkpoint.{size}").read_bytes(), self.vkey)

    def read(self, path: str) -> bytes:
        return (self.folder / path.removeprefix("/")).read_bytes()

    def reader(self, size: int) -> TileReader:
        return TileReader(size, lambda level, index, width: self.read(tile_path(level, index, width)))

    def entries(self, size: int) -> list[bytes]:
        return parse_bundle(self.read(entries_path(0, size)), size)


@pytest.fixture
def log(conformance: Path) -> ForeignLog:
    return ForeignLog(conformance / "tessera-log")


def test_the_checkpoint_of_every_size_verifies(log: ForeignLog) -> None:
    assert [log.checkpoint(size).size for size in SIZES] == list(SIZES)


def test_the_newest_checkpoint_is_the_largest(log: ForeignLog) -> None:
    assert open_checkpoint((log.folder / "checkpoint").read_bytes(), log.vkey) == log.checkpoint(15)


def test_the_key_has_one_text(log: ForeignLog) -> None:
    assert log.vkey.text == (log.folder / "vkey").read_text().strip()


@pytest.mark.parametrize("size", SIZES[1:])
def test_entries_tiles_and_root_of_every_size_fit(log: ForeignLog, size: int) -> None:
    leaves = [leaf_hash(entry) for entry in log.entries(size)]
    edge, full = Edge().extended(leaves)
    assert full == []
    assert [(tile.path, tile.data) for tile in edge.partial_tiles()] == [
        (tile_path(0, 0, size), log.read(tile_path(0, 0, size)))
    ]
    assert edge.frontier.root() == log.checkpoint(size).root


def test_the_empty_log_has_the_empty_root(log: ForeignLog) -> None:
    assert log.checkpoint(0).root == Frontier().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_entry_is_proven_from_the_tiles(log: ForeignLog, size: int) -> None:
    root = log.checkpoint(size).root
    for index, entry in enumerate(log.entries(size)):
        proof = prove_inclusion(log.reader(size), index, size)
        check_inclusion(leaf=leaf_hash(entry), index=index, size=size, proof=proof, root=root)


def test_every_two_sizes_are_proven_consistent(log: ForeignLog) -> None:
    for new in SIZES[1:]:
        for old in range(1, new + 1):
            check_consistency(
                old_size=old,
                old_root=log.checkpoint(old).root,
                new_size=new,
                new_root=log.checkpoint(new).root,
                proof=prove_consistency(log.reader(new), old, new),
            )


def test_every_path_on_disk_is_one_that_we_write(log: ForeignLog) -> None:
    paths = [f"/{path.relative_to(log.folder)}" for path in log.folder.glob("tile/**/*") if path.is_file()]
    assert len(paths) == 30
    for path in paths:
        place = parse_tile_path(path)
        again = (
            entries_path(place.index, place.width)
            if place.level is None
            else tile_path(place.level, place.index, place.width)
        )
        assert again == path


def test_a_checkpoint_with_any_byte_changed_is_refused(log: ForeignLog) -> None:
    note = (log.folder / "checkpoint.9").read_bytes()
    for place in range(len(note)):
        changed = note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :]
        with pytest.raises(TallyError):
            open_checkpoint(changed, log.vkey)
