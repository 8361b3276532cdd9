"""A home is bound to its place, so that a copy or an older state does not go on writing the same log.

Two records say where a home was last opened and how often: one inside its database (`Place`), one outside
of the home, in the state folder of the machine (`Mark`). The mark also holds the high-water mark: size and
root of the own log at the last commit. Whoever restores or copies a home takes the first and not the
second. Nobody can exclude a copy on another machine, or a rollback of a whole machine; partners find those.

Opening a home takes these steps; each says what is there if we die after it:

1. lock the home (`node.lock`), read both records, `judge_place`. Nothing has changed.
2. Where the verdict says so, hear every partner's copy of the own log and fetch what is missing. Both
   records still are the old ones, so the next start judges the same and hears them again.
3. `open_mark`: the mark says `starts` + 1, `opening`, on disk. The database is one start behind an
   opening mark: that is this crash and no restore, since nothing is appended before step 5.
4. the same `Place` into the database, committed. Both agree, the mark still says opening: as good as open.
5. `MarkFile.confirm`: the mark says open, on disk. From here on a database one start behind is older.
6. after every commit `MarkFile.raise_mark`, without fsync. If the process dies between commit and mark, the
   database is ahead of the mark, which is no fault; if the machine dies, the mark may be behind as well.

A backup names no machine (`BACKED_UP`), so that whatever is made of it is judged restored, also where the
mark outside says nothing against it.

Mark file `<home id, hex>.mark`, integers big-endian, 512 bytes each for slots 0 and 1, then the head:

    slot   u64 number | u8 opening | u64 size | root (32 bytes) | check (16 bytes), zeros up to 512
    head   strict msgpack map {home, machine, number, path, starts} | check (16 bytes)
    check  the first 16 bytes of SHA-256 over `tallystick mark v1⏎ | home id | what stands before it`

`number` is that of the own log: sizes of one log say nothing of the next one (`tally recover`).
Slot `n % 2` holds number n; the valid one with the higher number counts, so a torn write costs one step.
"""

from __future__ import annotations

import enum
import hashlib
import os
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import TallyError, UnavailableError
from ledger.log.encoding import decode, encode
from node.disk import write_whole

HOME_ID_BYTES = 16
MAX_MARK_BYTES = 16 * 1024
BACKED_UP = ""
"""What a backup has in the place of a machine."""

_SLOT = struct.Struct(">QBQ32s")
_SLOT_BYTES = 512
_CHECK_BYTES = 16
_MACHINE_FILE = "machine-id"
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_ELSEWHERE = "set TALLY_STATE_DIR to a folder outside of the home that this user can write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a home was last opened, as its database says; `starts` is 0 until its first opening."""

    home: bytes
    machine: str
    path: str
    starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a home was last opened and how far its log had come, as the state folder says."""

    place: Place
    opening: bool
    size: int
    root: bytes
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where a home stands now; `original_stands` if its database also stands where it was last opened."""

    machine: str
    path: str
    original_stands: bool


class Judgement(enum.StrEnum):
    """What became of a home since it was last open."""

    UNCHANGED = "unchanged"
    MOVED = "moved"
    COPIED = "copied"
    RESTORED = "restored"
    WENT_BACK = "went back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement in words for the operator."""

    judgement: Judgement
    found: str
    action: str = ""

    @property
    def may_append(self) -> bool:
        """Whether the home may append at once; otherwise its partners are heard first."""
        return self.judgement in (Judgement.UNCHANGED, Judgement.MOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLog:
    """The own log as the database has it: its number, its size, and its root at its size or a smaller one."""

    number: int = 1
    size: int
    root_at: Callable[[int], bytes]


def judge_place(recorded: Place, mark: Mark | None, here: Here, own: OwnLog) -> Verdict:
    """What became of a home.

    In doubt it is a restored home: hearing partners needlessly costs a moment, a fork costs the log.
    """
    if recorded.machine == BACKED_UP:
        return _verdict(Judgement.RESTORED, "it was made from a backup")
    if here.machine != recorded.machine:
        return _verdict(Judgement.COPIED, "it was last opened on another machine")
    if here.path != recorded.path and here.original_stands:
        return _verdict(Judgement.COPIED, f"the one it was copied from still stands at {recorded.path}")
    if mark is None:
        if recorded.starts == 0 and here.path == recorded.path:
            return _verdict(Judgement.UNCHANGED, "it is opened for the first time")
        return _verdict(Judgement.RESTORED, "its mark outside is missing or damaged")
    if mark.place.machine != here.machine:
        return _verdict(Judgement.RESTORED, "its mark outside comes from another machine")
    if recorded.starts < _known_starts(mark):
        times = _known_starts(mark) - recorded.starts
        return _verdict(
            Judgement.RESTORED,
            f"it was opened {times} more times than it knows; its log has {own.size} entries",
        )
    if recorded.starts > mark.place.starts:
        return _verdict(Judgement.RESTORED, "it was opened elsewhere since; its mark outside is older")
    if mark.number > own.number:
        return _verdict(Judgement.RESTORED, f"it knows log {own.number}, and log {mark.number} was begun")
    lost = find_lost(mark, own)
    if lost:
        return _verdict(Judgement.WENT_BACK, lost)
    if here.path != recorded.path:
        return _verdict(Judgement.MOVED, f"it moved here from {recorded.path}")
    return _verdict(Judgement.UNCHANGED, "it is as it was left")


def find_lost(mark: Mark | None, own: OwnLog) -> str:
    """What this machine remembers of the own log and the log does not have, in words; empty for nothing.

    A log that lacks remembered entries must not grow: it would sign a position for the second time.
    """
    if mark is None or mark.number != own.number:
        return ""
    if mark.size > own.size:
        return f"its log has {own.size} entries and had {mark.size}"
    if mark.size and own.root_at(mark.size) != mark.root:
        return f"its first {mark.size} entries are others than they were"
    return ""


def next_place(recorded: Place, mark: Mark | None, here: Here) -> Place:
    """The place of the opening that begins now; its start is counted past everything known.

    An opening that died before the database knew of it is begun again under its number, so that any
    number of such deaths leaves the database one start behind.
    """
    starts = max(recorded.starts, _known_starts(mark) if mark else 0) + 1
    return Place(home=recorded.home, machine=here.machine, path=here.path, starts=starts)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where marks are kept: TALLY_STATE_DIR, else `tallystick` in the user's state folder."""
    if environ.get("TALLY_STATE_DIR"):
        return Path(environ["TALLY_STATE_DIR"])
    # The standard says to ignore relative paths here.
    if os.path.isabs(environ.get("XDG_STATE_HOME", "")):
        return Path(environ["XDG_STATE_HOME"]) / "tallystick"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "tallystick"


def machine_id(state: Path, *, random: Callable[[int], bytes], source: Path = Path("/etc/machine-id")) -> str:
    """A name for this machine: a hash of its machine id, or of one made up and kept in the state folder.

    Hashed, since machine ids are not to leave the machine and homes do.
    """
    for path in (source, state / _MACHINE_FILE):
        found = _read_machine_id(path)
        if found:
            return _machine_name(found)
    made_up = random(16).hex()
    write_whole(state / _MACHINE_FILE, made_up.encode() + b"\n", action=_ELSEWHERE)
    return _machine_name(made_up)


def look_here(home: Path, recorded: Place, machine: str, *, database: str) -> Here:
    """Where this home stands; links are followed, so another name for the same folder is no move."""
    mine = home.resolve()
    before = Path(recorded.path) / database
    try:
        original_stands = before.exists() and not before.samefile(mine / database)
    except OSError:  # what cannot be looked at cannot be opened by a second node of this user either
        original_stands = False
    return Here(machine=machine, path=str(mine), original_stands=original_stands)


def read_mark(state: Path, home: bytes) -> Mark | None:
    """The mark of a home; None where there is none or it is damaged, which mean the same."""
    try:
        with _mark_path(state, home).open("rb") as file:
            data = file.read(MAX_MARK_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(str(state), found=error.strerror or "cannot be read") from error
    head = data[2 * _SLOT_BYTES : -_CHECK_BYTES]
    if not head or data[-_CHECK_BYTES:] != _check(home, head):
        return None
    slots = [slot for slot in (_read_slot(data, index, home) for index in (0, 1)) if slot]
    found = _read_head(head, home)
    if not slots or found is None:
        return None
    place, number = found
    _, opening, size, root = max(slots)
    return Mark(place=place, opening=bool(opening), size=size, root=root, number=number)


def open_mark(state: Path, place: Place, *, size: int, root: bytes, number: int = 1) -> MarkFile:
    """Replaces the mark of a home by that of an opening that begins, on disk when this returns."""
    head = encode(
        {
            "home": place.home,
            "machine": place.machine,
            "number": number,
            "path": place.path,
            "starts": place.starts,
        }
    )
    slot = _slot_bytes(place.home, 0, True, size, root)
    content = slot.ljust(2 * _SLOT_BYTES, b"\0") + head + _check(place.home, head)
    path = _mark_path(state, place.home)
    write_whole(path, content, action=_ELSEWHERE)
    return MarkFile(path, place.home, size, root)


class MarkFile:
    """The mark of an open home, held open so that raising it costs microseconds."""

    def __init__(self, path: Path, home: bytes, size: int, root: bytes) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY)
        except OSError as error:
            raise UnavailableError(str(path), found=error.strerror or "cannot be opened") from error
        self._where = str(path)
        self._home = home
        self._number = 0
        self._size = size
        self._root = root

    def confirm(self) -> None:
        """Says that the database knows of this opening; on disk when this returns."""
        self.raise_mark(self._size, self._root)
        os.fsync(self._descriptor)

    def raise_mark(self, size: int, root: bytes) -> None:
        """Says how far the own log has come; not synced, since a mark that is behind is no fault."""
        self._number += 1
        slot = _slot_bytes(self._home, self._number, False, size, root)
        try:
            os.pwrite(self._descriptor, slot, self._number % 2 * _SLOT_BYTES)
        except OSError as error:
            raise UnavailableError(self._where, found=error.strerror or "cannot be written") from error

    def close(self) -> None:
        """Lets go of the file; the mark stays."""
        os.close(self._descriptor)


_ACTIONS = {
    Judgement.UNCHANGED: "",
    Judgement.MOVED: "",
    Judgement.COPIED: "Never run both: stop and remove the other. This one asks partners before it writes.",
    Judgement.RESTORED: "Let it reach its partners: it asks for their copies of its log before it writes.",
    Judgement.WENT_BACK: "Let it reach its partners: it asks for what is missing. Then check the disk.",
}


def _known_starts(mark: Mark) -> int:
    """How many openings the database must know of; of one that only began it need not."""
    return mark.place.starts - (1 if mark.opening else 0)


def _verdict(judgement: Judgement, found: str) -> Verdict:
    return Verdict(judgement=judgement, found=found, action=_ACTIONS[judgement])


def _mark_path(state: Path, home: bytes) -> Path:
    return state / f"{home.hex()}.mark"


def _check(home: bytes, data: bytes) -> bytes:
    return hashlib.sha256(b"tallystick mark v1\n" + home + data).digest()[:_CHECK_BYTES]


def _slot_bytes(home: bytes, number: int, opening: bool, size: int, root: bytes) -> bytes:
    data = _SLOT.pack(number, opening, size, root)
    return data + _check(home, data)


def _read_slot(data: bytes, index: int, home: bytes) -> tuple[int, int, int, bytes] | None:
    start = index * _SLOT_BYTES
    slot = data[start : start + _SLOT.size]
    check = data[start + _SLOT.size : start + _SLOT.size + _CHECK_BYTES]
    if len(slot) < _SLOT.size or check != _check(home, slot):
        return None
    number, opening, size, root = _SLOT.unpack(slot)
    return number, opening, size, root


def _read_head(head: bytes, home: bytes) -> tuple[Place, int] | None:
    try:
        value = decode(head, "mark")
    except TallyError:
        return None
    match value:
        case {
            "home": bytes(found),
            "machine": str(machine),
            "number": int(number),
            "path": str(path),
            "starts": int(starts),
        } if found == home:
            return Place(home=found, machine=machine, path=path, starts=starts), number
    return None


def _read_machine_id(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            text = file.read(64).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if _MACHINE_ID.fullmatch(text) else None


def _machine_name(identity: str) -> str:
    return hashlib.sha256(b"tallystick machine v1\n" + identity.encode()).hexdigest()[:32]
