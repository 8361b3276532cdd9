"""Binding a home to its place when it is opened: the steps of `node.place` in their order.

`Bond.judge` reads both records and says what became of the home; `Bond.tie` makes this opening the
newest one. Between the two, a home that was restored or copied hears its partners.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ledger.errors import ConflictError, RollbackError, UnavailableError
from ledger.log.origin import parse_origin
from ledger.log.tree import read_frontier
from node.home import DATABASE
from node.lock import lock_home
from node.logs import get_log
from node.node import Node
from node.place import (
    Here,
    Mark,
    MarkFile,
    OwnLog,
    Place,
    Verdict,
    find_lost,
    judge_place,
    look_here,
    machine_id,
    next_place,
    open_mark,
    read_mark,
    state_folder,
)
from node.store.place_record import read_place
from node.store.reader import Reader

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
        here = self._look(node, self._recorded)
        verdict = judge_place(self._recorded, self._mark, here, own_log(node.reader, node.state.origin))
        if not verdict.may_append and here.original_stands:
            _check_original_rests(Path(self._recorded.path))
        return verdict

    def check_whole(self, node: Node) -> None:
        """Check that the own log has everything that this machine remembers of it, once partners were heard.

        Raises:
            RollbackError: it lacks entries that were signed here and that nobody who was heard holds.
        """
        lost = find_lost(self._mark, own_log(node.reader, node.state.origin))
        if lost:
            raise RollbackError(
                f"log {node.state.origin}",
                found=f"{lost}, as this machine remembers",
                expected="every entry that was ever signed, here or at a partner",
                action="restore a newer backup, or open the next log under the recovery key: `tally recover`",
            )

    def tie(self, node: Node) -> None:
        """Make this opening the newest: mark, database, mark again. The writer must run."""
        place = self.next_place(node)
        own = node.state.own.copy
        number = parse_origin(node.state.origin).number
        file = open_mark(self._state, place, size=own.size, root=own.root, number=number)
        node.writer.store_place(place).result()
        file.confirm()
        self._file = file

    def next_place(self, node: Node) -> Place:
        """The place of the opening that begins now."""
        recorded = self._recorded or read_place(node.reader.database)
        return next_place(recorded, self._mark, self._look(node, recorded))

    def _look(self, node: Node, recorded: Place) -> Here:
        machine = machine_id(self._state, random=node.world.random)
        return look_here(self._home, recorded, machine, database=DATABASE)

    def close(self) -> None:
        """Let go of the mark; it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def own_log(reader: Reader, origin: str) -> OwnLog:
    """The own log as its place is judged by."""

    def root_at(size: int) -> bytes:
        return read_frontier(reader.hashes(origin, size), size).root()

    return OwnLog(number=parse_origin(origin).number, size=reader.size(origin), root_at=root_at)


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
