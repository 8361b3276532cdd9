"""Evidence out of two files that contradict each other: receipts or signed heads, as people hold them.

A receipt stands for its entry and for the head in it. These are tried, and the first that proves something
is taken:

- two receipts for one position with different entries; of entry 0 of a later log, two openings
- two heads of one size, or of two sizes where the own copy has the larger one
- either head alone against the heads that this home keeps of the log
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger.errors import InvalidError, MissingError, TallyError, short
from ledger.log.checkpoint import Checkpoint, parse_checkpoint
from ledger.log.evidence import prove_fork_path
from ledger.log.evidence_files import (
    Evidence,
    entries_evidence,
    leaf_of_receipt,
    openings_evidence,
)
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.receipt import FIRST_LINE, parse_receipt
from ledger.members.evidence import check_accused, check_evidence, signing_key
from node.state import State
from node.store.reader import Reader
from node.sync.evidence import find_fork, make_fork, root_at
from node.sync.notes import open_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A receipt or a note as it was handed over: its text, the note in it, and what that says; of a receipt
    also its entry's position and leaf hash."""

    text: str
    note: str
    head: Checkpoint
    seq: int | None = None
    leaf: bytes = b""


def parse_signed(text: str, where: str) -> Signed:
    """A receipt or a signed checkpoint, nothing of it checked but its form.

    Raises:
        MalformedError: it is neither.
    """
    if not text.startswith(FIRST_LINE):
        return Signed(text=text, note=text, head=parse_checkpoint(parse_note(text, where).text, where))
    receipt = parse_receipt(text, where)
    head = parse_checkpoint(parse_note(receipt.checkpoint, where).text, where)
    leaf = leaf_of_receipt(text)
    return Signed(text=text, note=receipt.checkpoint, head=head, seq=receipt.index, leaf=leaf)


def make_evidence(reader: Reader, state: State, first: Signed, second: Signed) -> Evidence:
    """The piece that two files prove, checked.

    Raises:
        InvalidError: they contradict neither each other nor what is known here, or a signature is not good.
        MissingError: they are of a log that nobody in the network has.
    """
    origin = first.head.origin
    if second.head.origin != origin:
        raise InvalidError(
            "evidence",
            found=f"heads of {short(origin)} and {short(second.head.origin)}",
            expected="two of one log",
        )
    state.roster.member(parse_origin(origin).organization)
    refused: TallyError | None = None
    ways: list[Callable[[], Evidence | None]] = [
        lambda: _of_entries(state, first, second),
        lambda: _of_heads(reader, state, first, second),
        lambda: _against_copy(reader, state, first),
        lambda: _against_copy(reader, state, second),
    ]
    for way in ways:
        try:
            piece = way()
            if piece is not None:
                check_evidence(piece)
                check_accused(state.roster, piece)
                return piece
        except TallyError as error:
            refused = refused or error
    raise refused or InvalidError(
        f"evidence against {origin}",
        found="two things that fit each other, as far as this home can tell",
        expected="two entries at one position, or two heads that cannot both be true",
        action="ask for the log's newest receipts or checkpoints; a home that holds the log can tell most",
    )


def _of_entries(state: State, first: Signed, second: Signed) -> Evidence | None:
    if first.seq is None or first.seq != second.seq or first.leaf == second.leaf:
        return None
    origin = parse_origin(first.head.origin)
    if origin.number > 1 and first.seq == 0:
        before = state.roster.log(replace(origin, number=origin.number - 1).text)
        return openings_evidence(first.text, second.text, before.keys.recovery)
    keys = (signing_key(state.roster, first.note), signing_key(state.roster, second.note))
    return entries_evidence(first.text, second.text, *keys)


def _of_heads(reader: Reader, state: State, first: Signed, second: Signed) -> Evidence | None:
    small, large = sorted((first, second), key=lambda signed: signed.head.size)
    if small.head == large.head or not small.head.size:
        return None
    if small.head.size == large.head.size:
        return make_fork(state.roster, small.note, large.note, ())
    held = state.heads.get(large.head.origin)
    if held is None or large.head.size > held.copy.size:
        return None
    if root_at(reader, held, large.head.size) != large.head.root:
        return None
    if root_at(reader, held, small.head.size) == small.head.root:
        return None
    path = prove_fork_path(reader.hashes(held.copy.origin, held.copy.size), small.head.size, large.head.size)
    return make_fork(state.roster, small.note, large.note, tuple(path))


def _against_copy(reader: Reader, state: State, signed: Signed) -> Evidence | None:
    held = state.heads.get(signed.head.origin)
    if held is None:
        raise MissingError(f"log {signed.head.origin}", found="no copy here", expected="a copy to compare")
    return find_fork(state.roster, reader, held, open_note(state.roster, signed.note).note)
