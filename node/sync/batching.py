"""Making batches: a run of a log out of the store, with the payloads that one reader may have.

The sizes of payloads stand in their entries, so the run is cut to the limit before a payload is read.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import msgpack

from ledger.errors import GapError, MissingError
from ledger.log.statement import may_have
from ledger.log.tree import prove_consistency
from node.node import Node
from node.state import Head
from node.store.reader import Reader, StoredNote
from node.sync.later import turn_note
from node.sync.wire import Batch, Payload

CHUNK_ENTRIES = 1024
FRAME_BYTES = 32
"""What msgpack and the salt add to an entry and its payload, about."""


def make_batch(
    node: Node, origin: str, start: int, limit_bytes: int, reader_name: str, note: StoredNote | None = None
) -> Batch:
    """A run of a log for an organization, from `start`, of about `limit_bytes`, or without entries for 0.

    It is sent under `note`, or under the newest that can be proven from what is here. It never reaches beyond
    a rotation of the log's key, or the log's end: up to there it goes under the note of that size.

    Raises:
        GapError: the copy is not that long.
        MissingError: this node is itself catching up and has no note for this piece.
    """
    head = node.state.head(origin)
    size = head.copy.size
    end = node.state.roster.end_of(origin)
    size = min(size, end.size) if end else size
    if start > size:
        raise GapError(
            f"{origin} entry {start}", found=f"{size} entries here", expected=f"a start up to {size}"
        )
    reader = node.reader
    turn = turn_note(reader, node.state.roster, head.copy, start)
    if turn is not None and (note is None or turn.size < note.size):
        note = turn
    last = min(size, note.size) if note else size
    entries = _entries_within(reader, origin, start, last, limit_bytes)
    under = note or _note_over(head, start, start + len(entries))
    del entries[max(0, under.size - start) :]
    return Batch(
        origin=origin,
        start=start,
        entries=entries,
        payloads=payloads_for(reader, origin, start, len(entries), reader_name),
        checkpoint=under.note,
        proof=_proof(reader, head, start + len(entries), under),
        # A witnessed note from beyond a rotation is signed by a key that the reader need not know yet.
        witnessed=head.witnessed.note
        if head.witnessed and (turn is None or head.witnessed.size <= turn.size)
        else None,
    )


def payloads_for(reader: Reader, origin: str, start: int, count: int, reader_name: str) -> list[Payload]:
    """Those of a run's payloads that are here and that an organization may have."""
    if not count:
        return []
    author = origin.partition("/")[0]
    return [
        payload
        for payload in reader.payloads(origin, start, count)
        if may_have(payload[2], author, reader_name)
    ]


def _entries_within(reader: Reader, origin: str, start: int, end: int, limit_bytes: int) -> list[bytes]:
    """The entries from `start` that fit the limit with their payloads: at least one, unless it is 0."""
    found: list[bytes] = []
    left = limit_bytes
    while left > 0 and start + len(found) < end:
        first = start + len(found)
        entries = reader.entries(origin, first, min(CHUNK_ENTRIES, end - first))
        if not entries:
            break
        sums = list(accumulate(map(_weight, entries, _payload_sizes(entries))))
        fitting = bisect_right(sums, left)
        if fitting < len(entries):
            return found + entries[: max(fitting, 0 if found else 1)]
        found += entries
        left -= sums[-1]
    return found


def _weight(entry: bytes, payload_bytes: int) -> int:
    return len(entry) + payload_bytes + FRAME_BYTES


def _payload_sizes(entries: list[bytes]) -> list[int]:
    """What stored entries tell of their payloads; they were checked when they came in."""
    joined = b"\xdd" + len(entries).to_bytes(4, "big") + b"".join(entries)
    rows = msgpack.unpackb(joined, use_list=False, max_array_len=len(joined))
    return [row[5] for row in rows]


def _note_over(head: Head, start: int, end: int) -> StoredNote:
    """The largest note of which a proof can be given: within the copy, or from the copy's very end."""
    notes = [kept for kept in head.notes() if kept.size <= head.copy.size or end == head.copy.size]
    if not notes or notes[-1].size < start:
        raise MissingError(
            f"log {head.copy.origin}",
            found="a copy that is still catching up",
            expected="a whole copy",
            action="ask another member, or ask again later",
        )
    return notes[-1]


def _proof(reader: Reader, head: Head, end: int, note: StoredNote) -> tuple[bytes, ...]:
    if end == 0 or end == note.size:
        return ()
    if note.size > head.copy.size:
        return note.proof
    return tuple(prove_consistency(reader.hashes(head.copy.origin, head.copy.size), end, note.size))
