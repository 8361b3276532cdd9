"""The state file of `tally verify --state`: results of ranges that were checked, to go on from.

    tally verify state v1⏎
    then records: length of the body in four bytes, big-endian | seal (32 bytes) | body

The body of the first record is strict msgpack `[version, target]`, that of the others `[copy, result]`
(`ledger/audit/journal.py`); `copy` is the origin of the log, after it ` at <holder>` where it is not the
target's own copy: what one holder shows says nothing of what another does. A seal is HMAC-SHA256 under a
key of this machine and user over the seal before it and the body: records that were changed, moved, left out
in the middle or brought from elsewhere are refused. A file that was cut, or whose last record was not written
whole, only saves less work.

What stands in the file is believed as far as whoever can read the key may be believed, that is this user
of this machine. It saves reading entries and payloads again, nothing else: the tree is put together from
what the file says and what is read, and must have the signed root. What was changed *since*, in entries that
are not read again, a resumed audit does not see, and its report says so.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ledger.audit.finding import Unchecked
from ledger.audit.journal import VERSION, format_result, parse_result
from ledger.audit.log import Run
from ledger.audit.ranges import RangeResult, RangeWork
from ledger.audit.source import Range
from ledger.errors import InvalidError, TallyError, UnavailableError, UsageError
from ledger.log.encoding import decode, encode

FIRST_LINE = b"tally verify state v1\n"
SEAL_BYTES = 32
KEY_BYTES = 32
KEY_FILE = "verify.key"
MAX_BODY_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class StateFile:
    """An open state file: what it holds, by log and range, and where the next record goes."""

    path: Path
    file: BinaryIO
    key: bytes
    seal: bytes = b""
    places: dict[tuple[str, int], int] = field(default_factory=dict)
    """Where the newest result of a range, by copy and start, stands in the file."""
    taken: dict[str, int] = field(default_factory=dict)
    """By copy, how many entries were not read again."""

    def wrap(self, run: Run, holder: str = "") -> Run:
        """A way to work through ranges that leaves out those that are done, and keeps the others.

        `holder`: whose copy of the logs it is, if not the target's own.
        """

        def resumed(work: RangeWork, ranges: Iterable[Range], /) -> Iterator[RangeResult]:
            planned = list(ranges)
            copy = f"{work.source.origin} at {holder}" if holder else work.source.origin
            done = self._usable(copy, work, planned)
            fresh = iter(run(work, [span for span in planned if span not in done]))
            for span in planned:
                if span in done:
                    self.taken[copy] = self.taken.get(copy, 0) + span.end - span.start
                    yield self._read(copy, span)
                    continue
                result = next(fresh)
                if result.is_whole:
                    self._write(copy, result)
                yield result

        return resumed

    def told(self) -> list[Unchecked]:
        """What a report says of entries that were not read again."""
        what = "whether entries or payloads were changed since an earlier run that checked them (--state)"
        return [
            Unchecked(what=what, log=copy, count=count, first=0, harmless=True)
            for copy, count in sorted(self.taken.items())
        ]

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _usable(self, copy: str, work: RangeWork, ranges: Sequence[Range]) -> set[Range]:
        """The ranges whose result is here and says all that is asked for.

        The newest of them is read again: where it differs, none is taken.
        """
        held = [span for span in ranges if self._holds(copy, work, span)]
        if not held:
            return set()
        newest = held.pop()
        again = work(newest)
        if not again.is_whole or format_result(again) != format_result(self._read(copy, newest)):
            return set()
        return set(held)

    def _holds(self, copy: str, work: RangeWork, span: Range) -> bool:
        if (copy, span.start) not in self.places:
            return False
        result = self._read(copy, span)
        depth = work.depth
        inside = {size for size in depth.sizes if span.start < size <= span.end}
        opened = span.start > 0 or depth.network in (None, result.first_prev)
        timed = not depth.timed or len(result.claims) > 0
        return result.span == span and inside <= result.frontiers.keys() and opened and timed

    def _read(self, copy: str, span: Range) -> RangeResult:
        self.file.seek(self.places[copy, span.start])
        length = int.from_bytes(self.file.read(4))
        self.file.seek(SEAL_BYTES, os.SEEK_CUR)
        row: Any = decode(self.file.read(length), str(self.path))
        return parse_result(row[1], str(self.path))

    def _write(self, copy: str, result: RangeResult) -> None:
        self.file.seek(0, os.SEEK_END)
        self.places[copy, result.span.start] = self.file.tell()
        append_record(self, encode([copy, format_result(result)]))


def open_state(path: Path, state_folder: Path, *, target: str) -> StateFile:
    """The state file at a path, read and made sure of, or a new one.

    Raises:
        InvalidError: a record in it was not written here, or not in this order.
        UsageError: it is about something else, or no state file.
        UnavailableError: it cannot be read or written.
    """
    key = _key(state_folder)
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        raise UnavailableError(str(path), found=error.strerror or "", expected="a file to write") from error
    state = StateFile(path, file, key)
    header = encode([VERSION, target])
    try:
        _load(state, header)
    except TallyError:
        file.close()
        raise
    if not state.seal:
        file.truncate(0)
        file.seek(0)
        file.write(FIRST_LINE)
        append_record(state, header)
    return state


def append_record(state: StateFile, body: bytes) -> None:
    """Write a record at the end. A process that dies in between leaves one that is not whole."""
    state.seal = seal_record(state.key, state.seal, body)
    state.file.write(len(body).to_bytes(4) + state.seal + body)
    state.file.flush()


def seal_record(key: bytes, before: bytes, body: bytes) -> bytes:
    """The seal of a record after another one."""
    return hmac.digest(key, before + body, "sha256")


def _load(state: StateFile, header: bytes) -> None:
    """Read every record, and stop before one that was not written whole."""
    first = state.file.read(len(FIRST_LINE))
    if not first or (len(first) < len(FIRST_LINE) and FIRST_LINE.startswith(first)):
        return
    if first != FIRST_LINE:
        raise UsageError(
            str(state.path),
            found="another file",
            expected="a state file of tally verify, or a new name",
            action="name another file; this one is left as it is",
        )
    for at, body, seal in _records(state.file):
        if not hmac.compare_digest(seal, seal_record(state.key, state.seal, body)):
            raise InvalidError(
                f"{state.path}, byte {at}",
                found="a record that was changed, or that another machine or user wrote",
                expected="records as this user wrote them here, in their order",
                action="remove the file, and verify from the start",
            )
        if not state.seal and body != header:
            raise UsageError(
                str(state.path),
                found="the state of another target, or of another version of tally",
                expected="that of this one",
                action="name another file for each target",
            )
        if state.seal:
            row: Any = decode(body, str(state.path))
            result = parse_result(row[1], str(state.path))
            state.places[row[0], result.span.start] = at
        state.seal = seal
        end = at + 4 + SEAL_BYTES + len(body)
        state.file.seek(end)
    if state.seal:
        state.file.truncate(end)
        state.file.seek(end)


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Position, body and seal of each record that is there whole."""
    while True:
        at = file.tell()
        head = file.read(4 + SEAL_BYTES)
        length = int.from_bytes(head[:4])
        if len(head) < 4 + SEAL_BYTES or length > MAX_BODY_BYTES:
            return
        body = file.read(length)
        if len(body) < length:
            return
        yield at, body, head[4:]


def _key(folder: Path) -> bytes:
    """The key of this user on this machine, made at the first use."""
    path = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with open(path, "xb", opener=_private) as file:
                file.write(os.urandom(KEY_BYTES))
        except FileExistsError:
            pass
        key = path.read_bytes()
    except OSError as error:
        raise UnavailableError(
            str(path), found=error.strerror or "", expected="a file of one's own"
        ) from error
    if len(key) != KEY_BYTES:
        raise UsageError(
            str(path), found=f"{len(key)} bytes", expected=f"{KEY_BYTES}", action="remove it, and verify anew"
        )
    return key


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
