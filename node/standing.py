"""What the clerk has noted of agreements and not yet put beside the truth (`node.store.standing`).

It is put there some hundred at a time, or when the clerk rests, so that a fact costs no commit of its own for
it. Until then, and for ever if the process dies before, these agreements are stale there, and whoever asks
replays them.
"""

from __future__ import annotations

from collections.abc import Iterable

from contracts.document import Document
from contracts.records import Position
from contracts.replay import Replay
from ledger.errors import TallyError
from node.node import Node
from node.state import State
from node.store.reader import Reader
from node.store.standing import Item, Standing, Tides, all_noted, next_due
from node.views.listing import items_of
from node.views.records import AgreementBook

KEEP_AT_ONCE = 256
KEEP_AFTER_S = 1.0


class Notes:
    """How agreements stand that were looked at since the last `keep`. For one thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._noted: dict[bytes, Standing] = {}
        self._tides: Tides = node.writer.tides

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, standing: Standing) -> None:
        """Note how an agreement stands now; what is shown of it is found out when it is kept."""
        self._noted[standing.agreement] = standing

    def drop(self, agreement: bytes) -> None:
        """Nothing can be said of an agreement at present: it stays stale."""
        self._noted.pop(agreement, None)

    def next_due(self, timekeeper: str) -> int | None:
        """When the next deadline of a timekeeper's agreements is due, in milliseconds."""
        due = [note.due for note in self._noted.values() if note.timekeeper == timekeeper]
        due.append(next_due(self._node.reader, timekeeper))
        return min((each for each in due if each is not None), default=None)

    def overtaken(self) -> list[bytes]:
        """Agreements of which something has come, other than entries about them, since they were noted."""
        tides, self._tides = self._tides, self._node.writer.tides
        if tides is self._tides:
            return []
        return [note.agreement for note in self._noted.values() if note.is_overtaken(self._tides)]

    def keep(self) -> list[bytes]:
        """Put all notes beside the truth; gives those that something has overtaken, to be looked at again."""
        standings = [self._whole(note) for note in self._noted.values()]
        self._noted.clear()
        refused: list[bytes] = []
        if standings:
            self._node.writer.keep_standings(standings, refused).result()
        return refused

    def _whole(self, note: Standing) -> Standing:
        """A note with all that lists show of its agreement, as of now."""
        node = self._node
        tides = node.writer.tides
        entries = node.reader.agreement_size(note.agreement)
        try:
            with node.book.replay(node.reader, node.state, note.agreement) as replay:
                agreement = node.book.agreement(node.reader, node.state, note.agreement)
                items = items_of(node.state, agreement)
                return standing_of(node.book, replay, tides, waits=note.waits, items=items)
        except TallyError:
            # No document here, or no contract.
            return Standing(agreement=note.agreement, entries=entries, tides=tides)


def wrong_notes(reader: Reader, state: State) -> list[bytes]:
    """Agreements of which something is noted that a replay of everything, checked anew, does not say.

    What firings wait for is not looked at: it moves with the heads, and says when to look, not what is so.
    """
    book = AgreementBook(believing=False)
    noted = all_noted(reader)
    return [note.agreement for stale, note in noted if not _is_true(reader, state, book, stale, note)]


def _is_true(reader: Reader, state: State, book: AgreementBook, stale: bool, note: Standing) -> bool:
    try:
        with book.replay(reader, state, note.agreement) as replay:
            items = items_of(state, book.agreement(reader, state, note.agreement))
            found = standing_of(book, replay, {}, waits=(), items=items)
    except TallyError:
        found = Standing(agreement=note.agreement, entries=0, tides={})
    if note.sound > found.sound or not set(note.signed) <= set(found.signed):
        return False
    told = (note.sound, note.timekeeper, note.due, note.leaning, note.items)
    # An organization that once watched does no harm.
    return stale or (
        told == (found.sound, found.timekeeper, found.due, found.leaning, found.items)
        and set(found.watching) <= set(note.watching)
    )


def standing_of(
    book: AgreementBook,
    replay: Replay,
    tides: Tides,
    *,
    waits: Iterable[Position],
    items: Iterable[Item] = (),
) -> Standing:
    """How an agreement stands whose replay is held at present."""
    document, agreement = replay.contract.document, replay.contract.agreement
    fed = book.fed(agreement)
    return Standing(
        agreement=agreement,
        entries=fed.entries,
        successors=tuple(replay.successors),
        tides=tides,
        sound=True,
        timekeeper=replay.timekeeper,
        due=replay.next_due,
        waits=tuple(waits),
        signed=tuple(leaf for leaf, record in replay.held.records.items() if record.signatures),
        leaning=fed.unsure or bool(replay.held.replacements),
        parties=document.organizations(),
        watching=stating(document),
        items=tuple(items),
    )


def stating(document: Document) -> tuple[str, ...]:
    """The organizations that may state facts of an agreement by events."""
    rules = (rule for rule in document.facts.values() if rule.event is not None)
    return tuple(sorted({document.parties[role] for rule in rules for role in rule.by}))
