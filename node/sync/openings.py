"""Two openings of one log number: what a recovery key must never sign, as evidence.

Of the two the first that came is kept. The second is proven by its entry 0, with its payload, under a signed
note of the log that it opened. A proof from the tree of one entry is the path of that entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import MissingError, TallyError
from ledger.log.encoding import encode
from ledger.log.entry import leaf_hash
from ledger.log.evidence_files import openings_evidence
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.receipt import Receipt, format_receipt, prove_receipt
from ledger.log.tree import Frontier, prove_inclusion
from ledger.log.tree import Node as TreeNode
from node.logs import get_log
from node.node import Node
from node.sync.evidence import record_evidence
from node.sync.wire import Batch

log = get_log(__name__)


def try_two_openings(node: Node, batch: Batch) -> None:
    """Record evidence, if the batch begins with another entry 0 of a later log than the one that is here."""
    try:
        _record_two_openings(node, batch)
    except TallyError as error:
        log.info("two openings were not proven", origin=batch.origin, error=error)


def _record_two_openings(node: Node, batch: Batch) -> None:
    roster = node.state.roster
    log_here = roster.log(batch.origin)
    parsed = parse_origin(batch.origin)
    if (
        parsed.number == 1
        or batch.start
        or not batch.entries
        or leaf_hash(batch.entries[0]) == log_here.opening
    ):
        return
    before = roster.logs(parsed.organization)[parsed.number - 2]
    recovery = roster.log(before).keys.recovery
    record_evidence(node, openings_evidence(_own_receipt(node, batch.origin), _told_receipt(batch), recovery))


def _own_receipt(node: Node, origin: str) -> str:
    """The receipt of the opening that is here, under a note by the key that it names."""
    reader, head = node.reader, node.state.head(origin)
    first = node.state.roster.log_keys(origin)[0].key
    payload = reader.payload(origin, 0)
    for note in reader.notes(origin):
        if note.size <= head.copy.size and any(
            line.is_by(first) for line in parse_note(note.note).signatures
        ):
            hashes = reader.hashes(origin, note.size)
            salt, shown = payload or (None, None)
            return prove_receipt(
                hashes, entry=reader.entry(origin, 0), checkpoint=note.note, salt=salt, payload=shown
            )
    raise MissingError(f"{origin} entry 0", found="no note under its first key here", expected="one")


def _told_receipt(batch: Batch) -> str:
    """The receipt of the entry 0 that a batch begins with."""
    _, salt, payload = next((each for each in batch.payloads if each[0] == 0), (0, b"", b""))
    proof = list(batch.proof)
    if len(batch.entries) > 1:
        leaves = _Leaves([leaf_hash(entry) for entry in batch.entries])
        proof = prove_inclusion(leaves, 0, len(batch.entries))
    return format_receipt(
        Receipt(
            index=0,
            proof=tuple(proof),
            checkpoint=batch.checkpoint,
            extra=encode([batch.entries[0], salt, payload]),
        )
    )


class _Leaves:
    """The nodes of the tree over a few leaves."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._levels = Frontier().grow(leaves)[1]

    def read_hashes(self, nodes: Sequence[TreeNode]) -> list[bytes]:
        """As `HashReader`."""
        return [self._levels[level][index] for level, index in nodes]
