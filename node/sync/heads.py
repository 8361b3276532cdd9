"""Heads: the signed notes that two nodes tell each other, and what a node learns from a partner's.

For each note: one of a size and root that the copy has is kept for its cosignatures; one that contradicts
the copy is a fork; one of a larger size says what to pull. A larger note of the own log says that this
home lost entries, and a contradicting one that another home writes under the same key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger.errors import MissingError, TallyError
from node.logs import get_log
from node.node import Node
from node.sync.evidence import find_fork, hold_against_evidence, root_at, try_superseded
from node.sync.notes import OpenedNote, may_be_news, open_note
from node.sync.storing import try_note
from node.sync.wire import Heads

MAX_NOTES_PER_LOG = 4
"""Notes of one log that are looked at; an honest partner tells two."""

log = get_log(__name__)


@dataclass(slots=True)
class Learned:
    """What a partner's heads say: how far it holds each log, and what they mean for the own one."""

    sizes: dict[str, int] = field(default_factory=dict)
    behind: list[str] = field(default_factory=list)
    agrees: dict[str, bool] = field(default_factory=dict)
    own_size: int = 0
    own_contradicted: OpenedNote | None = None
    own_notes: list[str] = field(default_factory=list)


def own_heads(node: Node) -> Heads:
    """The newest and the newest witnessed note of every log here, and the clock."""
    heads = node.state.heads
    roster = node.state.roster
    notes = [
        kept.note
        for origin in sorted(heads)
        for kept in heads[origin].notes()
        if not roster.is_beyond(origin, kept.size - 1)
    ]
    return Heads(notes=notes, time_ms=node.world.now_ms())


def learn_heads(node: Node, notes: Iterable[str]) -> Learned:
    """Hold a partner's notes against the own copies; keep cosignatures, record forks, say what to pull.

    A note of an unknown log is passed over, one with a bad signature is logged: neither stops the others.
    """
    learned = Learned()
    told_of: Counter[str] = Counter()
    for note in notes:
        origin = note.partition("\n")[0]
        told_of[origin] += 1
        if told_of[origin] > MAX_NOTES_PER_LOG:
            continue
        known = _size_if_known(node, origin, note)
        if known is not None:
            learned.sizes[origin] = max(known, learned.sizes.get(origin, 0))
            learned.agrees.setdefault(origin, True)
            if origin == node.state.origin:
                learned.own_size = max(learned.own_size, known)
            continue
        try:
            told = open_note(node.state.roster, note)
        except TallyError as error:
            if may_be_news(node.state.roster, node.state.copy(origin).size, note):
                # What is pulled because of it is checked; the note itself counts for nothing.
                if origin not in learned.behind:
                    learned.behind.append(origin)
                continue
            if isinstance(error, MissingError):
                continue
            log.warning("a partner told a note that is none", error=error)
            try_superseded(node, note)
            continue
        if origin == node.state.origin:
            _learn_own(node, told, learned)
        elif origin in node.state.quarantined:
            hold_against_evidence(node, told)
        else:
            _learn_other(node, told, learned)
    return learned


def _size_if_known(node: Node, origin: str, note: str) -> int | None:
    head = node.state.heads.get(origin)
    for kept in head.notes() if head else ():
        if kept.note == note and kept.size <= (head.copy.size if head else 0):
            return kept.size
    return None


def _learn_own(node: Node, told: OpenedNote, learned: Learned) -> None:
    size = told.checkpoint.size
    head = node.state.own
    origin = told.checkpoint.origin
    learned.sizes[origin] = max(size, learned.sizes.get(origin, 0))
    learned.own_size = max(learned.own_size, size)
    if 0 < size <= head.copy.size:
        fits = root_at(node.reader, head, size) == told.checkpoint.root
        learned.agrees[origin] = fits and learned.agrees.get(origin, True)
        if not fits:
            learned.own_contradicted = told
            return
        learned.own_notes.append(told.note)
        try_note(node, told.note)


def _learn_other(node: Node, told: OpenedNote, learned: Learned) -> None:
    origin, size = told.checkpoint.origin, told.checkpoint.size
    learned.sizes[origin] = max(size, learned.sizes.get(origin, 0))
    head = node.state.heads.get(origin)
    if head is not None:
        fork = find_fork(node.state.roster, node.reader, head, told.note)
        learned.agrees[origin] = fork is None and learned.agrees.get(origin, True)
        try_note(node, told.note)  # records the fork, if it is one
    if size > node.state.copy(origin).size and origin not in learned.behind:
        learned.behind.append(origin)
