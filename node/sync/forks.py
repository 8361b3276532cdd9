"""Looking for proof where a partner's history of a log does not fit the own copy.

A chain that does not link proves nothing: anybody can make one up. Proof is a signed note of the other
history, together with the root that its tree has at the size of a note that is kept here. So the partner
is asked for the consistency path between the two sizes. Where the smaller one is a power of two, that
path does not say the root there; then the entries up to it are fetched, and only hashed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import InvalidError, TooLargeError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.tree import Frontier, path_roots
from node.node import Node
from node.store.reader import StoredNote
from node.sync.calls import Calls
from node.sync.evidence import check_note_fits, make_fork, record_evidence
from node.sync.notes import OpenedNote
from node.sync.openings import try_two_openings
from node.sync.wire import Batch, PullRequest, parse_batch
from node.sync.workers import Offload

MAX_LEAVES = 1 << 20
"""Longest history that is fetched only to be compared."""

FETCH_BYTES = 1_500_000


async def seek_fork(node: Node, offload: Offload, calls: Calls, origin: str) -> bool:
    """Compare a partner's history of a log with the own copy; records a fork if there is one.

    Raises:
        TallyError: the partner does not answer, or its answer proves nothing.
    """
    kept = _kept_note(node, origin)
    if kept is None:
        return False
    if parse_origin(origin).number > 1:
        first = await _ask(offload, calls, origin, 0, 1)
        await offload(lambda: try_two_openings(node, first))
    probe = await _ask(offload, calls, origin, kept.size, 0)
    told = await offload(lambda: check_note_fits(node, probe.checkpoint))
    if told.checkpoint.size <= kept.size:
        return False
    path = list(probe.proof)
    if not kept.size & (kept.size - 1):
        path.insert(0, (await _hash_history(offload, calls, origin, kept.size)).root())
    return await offload(lambda: _judge(node, kept, told, path))


def _kept_note(node: Node, origin: str) -> StoredNote | None:
    """The largest kept note within the own copy."""
    head = node.state.heads.get(origin)
    notes = [note for note in head.notes() if note.size <= head.copy.size] if head else []
    return notes[-1] if notes else None


async def _hash_history(offload: Offload, calls: Calls, origin: str, size: int) -> Frontier:
    if size > MAX_LEAVES:
        raise TooLargeError(
            f"log {origin}", found=f"{size} entries", expected=f"at most {MAX_LEAVES} to compare"
        )
    frontier = Frontier()
    while frontier.size < size:
        batch = await _ask(offload, calls, origin, frontier.size, FETCH_BYTES)
        leaves = [leaf_hash(entry) for entry in batch.entries[: size - frontier.size]]
        if not leaves:
            raise InvalidError(
                f"{calls.partner}: log {origin}", found=f"{frontier.size} entries", expected=f"{size}"
            )
        frontier = frontier.extended(leaves)
    return frontier


def _judge(node: Node, kept: StoredNote, told: OpenedNote, path: Sequence[bytes]) -> bool:
    root = parse_checkpoint(parse_note(kept.note).text).root
    other, _ = path_roots(path, kept.size, told.checkpoint.size)
    if other == root:
        return False
    record_evidence(node, make_fork(node.state.roster, kept.note, told.note, tuple(path)))
    return True


async def _ask(offload: Offload, calls: Calls, origin: str, start: int, limit_bytes: int) -> Batch:
    body = await calls.pull(PullRequest(origin=origin, start=start, limit_bytes=limit_bytes))
    batch = await offload(lambda: parse_batch(body, f"{calls.partner}: answer to pull"))
    if (batch.origin, batch.start) != (origin, start):
        raise InvalidError(
            f"{calls.partner}: answer to pull", found=batch.origin, expected=f"{origin} from {start}"
        )
    return batch
