"""Binding a home to its place when it is opened: the steps of `node.place` in their order.

`Bond.judge` reads both records and says what became of the home; `Bond.tie` makes this opening the
newest one. Between the two, a home that was restored or copied hears its partners.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ledger.errors import ConflictError, UnavailableError
from ledger.log.tree import read_frontier
from node.home import DATABASE
from node.logs import get_log
from node.node import Node
from node.place import (
    Judgement,
    Mark,
    MarkFile,
    Place,
    Verdict,
    judge_place,
    lock_home,
    look_here,
    machine_id,
    next_place,
    open_mark,
    read_mark,
    state_folder,
)
from node.store.place_record import read_place

log = get_log(__name__)


class Bond:
    """The bond of one opened home. Until it is tied, no high-water mark is kept."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self._home = home
        self._state = state_folder(environ)
        self._recorded: Place | None = None
        self._mark: Mark | None = None
        self._file: MarkFile | None = None

    def raise_mark(self, size: int, root: bytes) -> None:
        """Say how far the own log has come; called after every commit.

        What was committed stays committed and is answered: a mark that is behind is no fault, and the
        next commit raises it again.
        """
        if self._file is None:
            return
        try:
            self._file.raise_mark(size, root)
        except UnavailableError as error:
            log.error("the high-water mark was not raised", error=error, action="check the state folder")

    def judge(self, node: Node) -> Verdict:
        """What became of the home since it was last open.

        Raises:
            InvalidError: the record in the database is damaged.
            ConflictError: it is a copy, and a node runs the home that it was copied from.
        """
        self._recorded = read_place(node.reader.database)
        self._mark = read_mark(self._state, self._recorded.home)
        machine = machine_id(self._state, random=node.world.random)
        here = look_here(self._home, self._recorded, machine, database=DATABASE)
        size = node.state.own.copy.size

        def root_at(earlier: int) -> bytes:
            return read_frontier(node.reader.hashes(node.state.origin, earlier), earlier).root()

        verdict = judge_place(self._recorded, self._mark, here, size, root_at)
        if verdict.judgement is Judgement.COPIED and here.original_stands:
            _check_original_rests(Path(self._recorded.path))
        return verdict

    def tie(self, node: Node) -> None:
        """Make this opening the newest: mark, database, mark again. The writer must run."""
        recorded = self._recorded or read_place(node.reader.database)
        machine = machine_id(self._state, random=node.world.random)
        here = look_here(self._home, recorded, machine, database=DATABASE)
        place = next_place(recorded, self._mark, here)
        own = node.state.own.copy
        file = open_mark(self._state, place, size=own.size, root=own.root)
        node.writer.store_place(place).result()
        file.confirm()
        self._file = file

    def close(self) -> None:
        """Let go of the mark; it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _check_original_rests(original: Path) -> None:
    """Two nodes on one log would sign two histories; on one machine that can be told in time."""
    try:
        lock_home(original).release()
    except ConflictError as error:
        raise ConflictError(
            str(original),
            found="a running node, on the home that this one is a copy of",
            expected="one home for one log",
            action="go on with that home and remove this copy",
        ) from error
