"""Who keeps the time of an agreement: its timekeeper, and those who took over from a silent one.

Term 0 is the timekeeper of the document. For each further term organizations state who is to keep the time,
and a head of the log of the timekeeper before: up to there, at least, what it counted stands. A head speaks
if it is a note of that log, signed by it and witnessed. Of each organization only the first statement for a
term counts, in the order of its logs. Statements for one new timekeeper count together, whatever heads they
name. They are enough if every party made one; or, for the `successor` of the document, more than half of the
network's other members, a party among them. Two groups that are enough share an organization, or both name
the successor; so no statement that arrives later puts another timekeeper in place.

The term opens with the first `counted` entry of the new timekeeper that names statements that are enough:
from there on its entries count. The longest head that this entry names cuts the log of the timekeeper before:
what stands there past it is void. No entry opens a term whose time lies before that of the last entry which
stands. Who is a member, and what is witnessed, is asked of the network as it was at the opening's time, so
that members who join later change nothing.

All of it is a function of the logs, and a statement that no opening names changes nothing once there is one.
Until then the new timekeeper chooses what it names: see `namable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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

    `head` is the note that cuts. `opening` is the order of the entry from which its entries count, None
    while that is to come; then the cut is that of the longest head, and may come to be a shorter one's.
    """

    number: int
    before: str
    timekeeper: str
    head: str
    cut: Position | None
    statements: tuple[Record, ...]
    opening: LogOrder | None

    def is_cut(self, record: Record) -> bool:
        """Whether a record of the timekeeper before stands at or past the head of this term."""
        return self.cut is not None and log_order(record) >= cut_order(self.cut)


def find_terms(
    document: Document, statements: Iterable[Record], counted: Counted, outside: Outside
) -> tuple[Term, ...]:
    """The terms so far, in their order; the last may wait for its opening.

    `statements` are all of kind `timekeeper.replace`.
    """
    first = Term(
        number=0,
        before="",
        timekeeper=document.timekeeper,
        head="",
        cut=None,
        statements=(),
        opening=FIRST,
    )
    terms = [first]
    by_term = _by_term(statements)
    while terms[-1].opening is not None and (said := by_term.get(len(terms))) is not None:
        handover = _Handover(document=document, before=terms[-1], counted=counted, outside=outside)
        following = handover.next_term(list(said.values()))
        if following is None:
            break
        terms.append(following)
    return tuple(terms)


def namable(document: Document, term: Term, stop: LogOrder | None, outside: Outside) -> tuple[Record, ...]:
    """The statements by which the timekeeper of a term that waits may open it: none if they are not enough.

    Only those up to whose heads it holds the log and everything counted there; `stop` is the first entry
    that counted what is not here. So nobody can keep a new timekeeper from its work by naming a head that
    lies past what nobody can get, if there are enough others.
    """
    held = []
    for record in term.statements:
        cut = outside.head(record.body["head"], term.before, MAX_MS)
        reaches = stop is None or cut is None or cut_order(cut) <= stop
        if cut is not None and reaches and outside.lacks(record.body["head"]) is None:
            held.append(record)
    is_enough = _is_enough(document, term.before, term.timekeeper, held, MAX_MS, outside)
    return tuple(held) if is_enough else ()


def has_voice(document: Document, organization: str, timekeeper: str) -> bool:
    """Whether what an organization says of a new timekeeper can count: of the successor, all may speak."""
    return timekeeper == document.successor or organization in document.parties.values()


def cut_order(cut: Position) -> LogOrder:
    """Orders cuts among the entries of an organization: an entry is cut that is not before it."""
    return (len(cut[0]), *cut)


def _by_term(statements: Iterable[Record]) -> dict[int, dict[str, Record]]:
    """What counts of the statements: by term, the first of each organization."""
    by_term: dict[int, dict[str, Record]] = {}
    for record in sorted(statements, key=log_order):
        by_term.setdefault(record.body["term"], {}).setdefault(record.organization, record)
    return by_term


def _is_enough(
    document: Document,
    replaced: str,
    timekeeper: str,
    statements: Iterable[Record],
    time_ms: int,
    outside: Outside,
) -> bool:
    organizations = frozenset(record.organization for record in statements)
    parties = frozenset(document.parties.values())
    if organizations >= parties:
        return True
    if timekeeper != document.successor or organizations.isdisjoint(parties):
        return False
    return outside.enough(replaced, organizations, time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handover:
    """The way from one timekeeper to the next."""

    document: Document
    before: Term
    counted: Counted
    outside: Outside

    def next_term(self, said: Sequence[Record]) -> Term | None:
        """The term that has opened; or one that may open, where none has."""
        groups: dict[str, list[Record]] = {}
        for record in sorted(said, key=log_order):
            timekeeper = record.body["timekeeper"]
            has_voice_here = has_voice(self.document, record.organization, timekeeper)
            if timekeeper != self.before.timekeeper and has_voice_here:
                groups.setdefault(timekeeper, []).append(record)
        for timekeeper, records in sorted(groups.items()):
            for entry, named in self._naming(timekeeper, records):
                if found := self._term(timekeeper, named, entry):
                    return found
        for timekeeper, records in sorted(groups.items()):
            if found := self._term(timekeeper, records, None):
                return found
        return None

    def _naming(self, timekeeper: str, records: Sequence[Record]) -> Iterator[tuple[Record, list[Record]]]:
        """The entries of a timekeeper to be that name some of these statements, and which."""
        for entry in self.counted(timekeeper):
            entries = frozenset(entry.body["entries"])
            if named := [record for record in records if record.leaf_hash in entries]:
                yield entry, named

    def _term(self, timekeeper: str, records: Sequence[Record], opening: Record | None) -> Term | None:
        """The term that an entry opens by statements, or that these may open; None if they are not enough."""
        time_ms = MAX_MS if opening is None else opening.time_ms
        replaced = self.before.timekeeper
        cuts = {r.body["head"]: self.outside.head(r.body["head"], replaced, time_ms) for r in records}
        speaking = tuple(record for record in records if cuts[record.body["head"]] is not None)
        if not _is_enough(self.document, replaced, timekeeper, speaking, time_ms, self.outside):
            return None
        # Of heads of one size, which only a log with two faces has, the text decides.
        cut, head = max(
            ((cut, head) for head, cut in cuts.items() if cut), key=lambda c: (cut_order(c[0]), c[1])
        )
        found = Term(
            number=self.before.number + 1,
            before=replaced,
            timekeeper=timekeeper,
            head=head,
            cut=cut,
            statements=speaking,
            opening=None if opening is None else log_order(opening),
        )
        return found if opening is None or time_ms >= self._last_ms(found) else None

    def _last_ms(self, following: Term) -> int:
        """The latest time at which the timekeeper before counted what stands: nobody opens before it."""
        opening = self.before.opening or FIRST
        entries = self.counted(self.before.timekeeper)
        standing = (r for r in entries if log_order(r) >= opening and not following.is_cut(r))
        return max((r.time_ms for r in standing if r.time_ms <= MAX_MS), default=0)
