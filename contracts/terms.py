"""Who keeps the time of an agreement: its timekeeper, and those who took over from a silent one.

Term 0 is the timekeeper of the document. For each further term organizations state a head of the log of the
timekeeper before, and who is to keep the time; of each organization only the first statement for a term
counts, in the order of its log. Those that say the same are enough if they are every party; or, where they
name the `successor` of the document, more than half of the network's other members, a party among them.
Two groups that are enough then share an organization, or both name the successor; so that no statement that
arrives later puts another timekeeper in place.

The term opens with the first `counted` entry of the new timekeeper that, with those before it, names
statements that are enough: from there on its entries count. Whether they are enough and whether the head is
witnessed is asked of the network as it was at that entry's time, so that members who join later change
nothing. What the timekeeper before counted or ticked at positions at or past the size of the head is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contracts.civil import MAX_MS
from contracts.document import Document
from contracts.records import Outside, Position, Record, log_order

LogOrder: TypeAlias = "tuple[int, str, int]"
FIRST: LogOrder = (0, "", 0)
Counted: TypeAlias = "Callable[[str], Iterable[Record]]"
"""The `counted` entries for the agreement of an organization, in the order of its logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One timekeeper: where the log of the one before is cut, and which statements put it in place.

    `opening` is the order of the entry from which its entries count, None while that is to come.
    """

    number: int
    before: str
    timekeeper: str
    cut: Position | None
    statements: tuple[Record, ...]
    opening: LogOrder | None

    def is_cut(self, record: Record) -> bool:
        """Whether a record of the timekeeper before stands at or past the head of this term."""
        if self.cut is None:
            return False
        origin, size = self.cut
        return log_order(record) >= (len(origin), origin, size)


def find_terms(
    document: Document, statements: Iterable[Record], counted: Counted, outside: Outside
) -> tuple[Term, ...]:
    """The terms so far, in their order; the last may wait for its opening.

    `statements` are all of kind `timekeeper.replace`.
    """
    terms = [
        Term(number=0, before="", timekeeper=document.timekeeper, cut=None, statements=(), opening=FIRST)
    ]
    by_term = _by_term(statements)
    while terms[-1].opening is not None and (said := by_term.get(len(terms))) is not None:
        following = _next_term(document, terms[-1], list(said.values()), counted, outside)
        if following is None:
            break
        terms.append(following)
    return tuple(terms)


def find_stated(
    document: Document, before: Term, statements: Iterable[Record], timekeeper: str, outside: Outside
) -> tuple[Record, Position | None] | None:
    """What a party said to put a timekeeper in the place of another, for those who are to say the same.

    With it goes the place where its head cuts the log, None where the head cannot be checked here. Of several
    heads, one that can be checked goes first, then that of most parties, then the longest.
    """
    parties = frozenset(document.parties.values())
    heads: dict[str, list[Record]] = {}
    for record in _by_term(statements).get(before.number + 1, {}).values():
        if record.organization in parties and record.body["timekeeper"] == timekeeper:
            heads.setdefault(record.body["head"], []).append(record)
    found = [(outside.head(head, before.timekeeper, MAX_MS), heads[head]) for head in sorted(heads)]
    if not found:
        return None
    cut, records = max(found, key=lambda item: (item[0] is not None, len(item[1]), _length(item[0])))
    return records[0], cut


def _length(cut: Position | None) -> LogOrder:
    return FIRST if cut is None else (len(cut[0]), *cut)


def _by_term(statements: Iterable[Record]) -> dict[int, dict[str, Record]]:
    """What counts of the statements: by term, the first of each organization."""
    by_term: dict[int, dict[str, Record]] = {}
    for record in sorted(statements, key=log_order):
        by_term.setdefault(record.body["term"], {}).setdefault(record.organization, record)
    return by_term


def _next_term(
    document: Document, before: Term, said: Sequence[Record], counted: Counted, outside: Outside
) -> Term | None:
    """The term that opens first in its timekeeper's log; or one that may open, where none has."""
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in sorted(said, key=log_order):
        if record.body["timekeeper"] != before.timekeeper:
            heads = groups.setdefault(record.body["timekeeper"], {})
            heads.setdefault(record.body["head"], []).append(record)
    question = _Question(document=document, before=before, counted=counted, outside=outside)
    for timekeeper, heads in sorted(groups.items()):
        named: set[bytes] = set()
        for entry in counted(timekeeper):
            named.update(entry.body["entries"])
            stated = {head: [r for r in records if r.leaf_hash in named] for head, records in heads.items()}
            if found := question.answer(timekeeper, stated, entry):
                return found
    for timekeeper, heads in sorted(groups.items()):
        if found := question.answer(timekeeper, heads, None):
            return found
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """Whether statements put a timekeeper in the place of another."""

    document: Document
    before: Term
    counted: Counted
    outside: Outside

    def answer(
        self, timekeeper: str, heads: Mapping[str, Sequence[Record]], opening: Record | None
    ) -> Term | None:
        """The term that an entry opens, by the statements for each head; None if none are enough."""
        time_ms = MAX_MS if opening is None else opening.time_ms
        for head, records in sorted(heads.items()):
            organizations = frozenset(record.organization for record in records)
            if not self._enough(timekeeper, organizations, time_ms):
                continue
            cut = self.outside.head(head, self.before.timekeeper, time_ms)
            if cut is None:
                continue
            found = Term(
                number=self.before.number + 1,
                before=self.before.timekeeper,
                timekeeper=timekeeper,
                cut=cut,
                statements=tuple(records),
                opening=None if opening is None else log_order(opening),
            )
            if opening is None or time_ms >= self._last_ms(found):
                return found
        return None

    def _last_ms(self, following: Term) -> int:
        """The latest time at which the timekeeper before counted what stands: nobody opens before it."""
        opening = self.before.opening or FIRST
        entries = self.counted(self.before.timekeeper)
        standing = (r for r in entries if log_order(r) >= opening and not following.is_cut(r))
        return max((r.time_ms for r in standing if r.time_ms <= MAX_MS), default=0)

    def _enough(self, timekeeper: str, organizations: frozenset[str], time_ms: int) -> bool:
        parties = frozenset(self.document.parties.values())
        if organizations >= parties:
            return True
        if timekeeper != self.document.successor or organizations.isdisjoint(parties):
            return False
        return self.outside.enough(self.before.timekeeper, organizations, time_ms)
