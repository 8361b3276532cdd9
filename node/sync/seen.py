"""`seen` entries: the own log records partners' newest heads, with the cosignatures that are known.

They are written at most once in an interval, and only if some partner's log has grown by anything but
`seen` since the last one. Two nodes that have nothing else to say therefore fall silent.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import TallyError
from ledger.log.entry import parse_entry
from node.drafts import Draft
from node.logs import get_log
from node.node import Node
from node.state import Head
from node.store.reader import Reader, StoredNote
from node.sync.notes import open_note

KIND = "seen"
CHUNK_ENTRIES = 256
MAX_LOOKED_BACK = 8192
"""Own entries that are searched at a start for what was recorded; beyond, heads are recorded once more."""

log = get_log(__name__)


class Seen:
    """What the own log has recorded of partners' logs. Used by one thread at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._recorded: dict[str, int] | None = None
        self._looked_at: dict[str, int] = {}
        self._grown = False

    def record_if_due(self) -> bool:
        """Record heads if a partner's log grew by something worth it; whether an entry was written."""
        if self._recorded is None:
            self._recorded = _recorded_sizes(self._node)
            self._looked_at = dict(self._recorded)
        if not self._has_grown():
            return False
        heads = dict(self._new_heads())
        try:
            self._node.record([self._draft(heads)]).result()
        except TallyError as error:
            log.info("heads were not recorded", error=error)
            return False
        self._recorded |= {origin: size for origin, (size, _) in heads.items()}
        self._grown = False
        return True

    def _has_grown(self) -> bool:
        """Whether a partner's log has entries of other kinds since the last look; each is looked at once."""
        state = self._node.state
        for origin, head in state.heads.items():
            start = self._looked_at.get(origin, 0)
            if origin == state.origin or start >= head.copy.size:
                continue
            self._grown = self._grown or _says_something(self._node.reader, origin, start, head.copy.size)
            self._looked_at[origin] = head.copy.size
        return self._grown

    def _new_heads(self) -> Iterator[tuple[str, tuple[int, str]]]:
        """Partners' heads that are not recorded yet, and the own newest that is witnessed."""
        state = self._node.state
        recorded = self._recorded or {}
        for origin in sorted(state.heads):
            note = state.own.witnessed if origin == state.origin else _whole(state.heads[origin])
            if note is not None and note.size > recorded.get(origin, 0):
                yield origin, (note.size, note.note)

    def _draft(self, heads: dict[str, tuple[int, str]]) -> Draft:
        return self._node.draft(KIND, {"heads": [note for _, note in heads.values()]})


def _recorded_sizes(node: Node) -> dict[str, int]:
    """How far the newest `seen` entries of the own log go, by origin."""
    sizes: dict[str, int] = {}
    state, reader = node.state, node.reader
    end = state.own.copy.size
    for start in range(max(0, end - MAX_LOOKED_BACK), end, CHUNK_ENTRIES):
        entries = reader.entries(state.origin, start, min(CHUNK_ENTRIES, end - start))
        for seq, data in enumerate(entries, start):
            if KIND.encode() not in data or parse_entry(data).kind != KIND:
                continue
            statement = reader.record(state.origin, seq).statement
            for note in statement.texts("heads") if statement else ():
                _take_size(node, note, sizes)
    return sizes


def _take_size(node: Node, note: str, sizes: dict[str, int]) -> None:
    try:
        checkpoint = open_note(node.state.roster, note).checkpoint
    except TallyError:
        return  # recorded by a version that knew other members
    sizes[checkpoint.origin] = max(checkpoint.size, sizes.get(checkpoint.origin, 0))


def _says_something(reader: Reader, origin: str, start: int, end: int) -> bool:
    for first in range(start, end, CHUNK_ENTRIES):
        entries = reader.entries(origin, first, min(CHUNK_ENTRIES, end - first))
        # Looking into the bytes first spares parsing: only a `seen` entry has to be recognised as such.
        if any(KIND.encode() not in data or parse_entry(data).kind != KIND for data in entries):
            return True
    return False


def _whole(head: Head) -> StoredNote | None:
    """The largest note of which the copy has every entry."""
    notes = [note for note in head.notes() if note.size <= head.copy.size]
    return notes[-1] if notes else None
