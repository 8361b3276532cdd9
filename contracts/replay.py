"""The replay of one agreement: records learnt in any order, taken in the order of the timekeeper's log.

`Replay.learn` keeps what it is given and then takes as many of the timekeeper's entries as it can, each once.
What arrives behind what was taken (a late payload, another timekeeper put in place) makes it begin again;
so after any order of arrival it stands where a replay of everything from the start stands.

Ticks that close nothing may be left out; `next_due` says from which time on one will close something.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from itertools import takewhile, zip_longest

from contracts.contract import Contract, load_contract
from contracts.course import Course, Missing
from contracts.document import agreement_hash
from contracts.held import LATER_KINDS, SIGNING_KINDS, STREAM_KINDS, Held
from contracts.records import NOTHING_OUTSIDE, Outside, Position, Record, log_order
from contracts.signing import check_replaces
from contracts.terms import FIRST, LogOrder, Term, cut_order, find_terms, namable
from ledger.errors import TallyError


class Replay:
    """Everything learnt about one agreement, and what has come of it so far."""

    def __init__(
        self, contract: Contract, *, outside: Outside = NOTHING_OUTSIDE, follows: bool = True
    ) -> None:
        self.contract = contract
        self.outside = outside
        self.held = Held(contract)
        self.course = Course(self.held)
        self.missing: tuple[bytes, ...] = ()
        self.awaits: bytes | None = None
        """An entry of the timekeeper that may be about this agreement: nobody can tell yet."""
        self.version = 0
        """Grows with everything that is learnt."""
        self.successors: dict[bytes, Replay] = {}
        """The agreements that are proposed to replace this one, by hash; empty if it does not follow them."""
        self._follows = follows
        self._strangers: dict[bytes, list[Record]] = {}
        self._streams: dict[str, list[Record]] = {}
        self._line: list[tuple[Record, Term]] = []
        """The timekeepers' entries, each with the term in which it was made."""
        self._taken = 0
        self._lacks: bytes | None = None
        """The root of a log that is not here up to where a term cuts it: the line ends there."""
        self._starts: dict[bytes, bytes] = {}
        self.terms: tuple[Term, ...] = find_terms(contract.document, (), self._counted, outside)

    @property
    def timekeeper(self) -> str:
        """Who keeps the time at present."""
        return self.terms[-1].timekeeper

    @property
    def opened(self) -> bool:
        """Whether the present timekeeper's entries count yet: it has named the statements of its term."""
        return self.terms[-1].opening is not None

    @property
    def open_term(self) -> Term:
        """The last term that has opened; what is stated of a next timekeeper is stated for the term after."""
        return self.terms[-1] if self.opened else self.terms[-2]

    @property
    def next_due(self) -> int | None:
        """The time from which a tick closes something, in milliseconds."""
        return self.course.next_due

    def learn(self, *records: Record) -> None:
        """Learn records, in any order, and take what can be taken; what is known already changes nothing."""
        stale = False
        for record in records:
            stale |= self._keep(record)
        self.version += 1
        if stale or self._lacks is not None:
            self._lay()
        self._advance()

    def wait_for(self, leaf_hash: bytes | None) -> None:
        """Note that what follows an entry of the timekeeper is held back, or that nothing is."""
        if leaf_hash != self.awaits:
            self.awaits = leaf_hash
            self.version += 1

    def countable(self) -> Iterator[bytes]:
        """What its timekeeper should count now: it would have an effect, or show as late.

        By the authors' times; confirmations after what they confirm. A timekeeper may as well use the order
        in which it received them.
        """
        if not self.opened:
            yield from (record.leaf_hash for record in self._namable())
            return
        waiting = sorted(self.course.waiting.values(), key=lambda record: (record.time_ms, record.leaf_hash))
        ready = [record for record in waiting if self._is_countable(record)]
        yield from (record.leaf_hash for record in ready if record.kind != "confirm")
        yield from (record.leaf_hash for record in ready if record.kind == "confirm")

    @property
    def tried_ms(self) -> int:
        """When a timekeeper last named statements that have not opened its term, in milliseconds; else 0."""
        if self.opened:
            return 0
        stated = {record.leaf_hash for record in self.terms[-1].statements}
        tried = (r for r in self._counted(self.timekeeper) if not stated.isdisjoint(r.body["entries"]))
        return max((record.time_ms for record in tried), default=0)

    def counted_past(self, cut: Position) -> int:
        """How many entries past a head of its log the timekeeper of the open term has counted with."""
        term = self.open_term
        begins = max(term.opening or FIRST, cut_order(cut))
        return sum(log_order(record) >= begins for record in self._counted(term.timekeeper))

    def idle(self) -> Iterator[tuple[Record, str]]:
        """The `counted` entries that count nothing, since another kept the time, and what to say of them."""
        for _, stream in sorted(self._streams.items()):
            for record in stream:
                if record.kind == "counted" and (text := self._why_idle(record)):
                    yield record, text

    def _why_idle(self, record: Record) -> str:
        text = f"counted by {record.organization}, expected {self.timekeeper}, the timekeeper"
        for term, following in zip_longest(self.terms, self.terms[1:]):
            has_begun = term.opening is not None and log_order(record) >= term.opening
            if term.timekeeper != record.organization or not has_begun:
                continue
            if following is None or not following.is_cut(record):
                return ""
            text = f"counted past the head at which {following.timekeeper} takes over"
        return text

    def _namable(self) -> tuple[Record, ...]:
        """The statements by which the term that waits may be opened: those up to whose heads all is here."""
        stop = None
        if self.missing:
            stopped = self._line[self._taken : self._taken + 1]
            if not stopped or stopped[0][1] is not self.open_term:
                return ()
            stop = log_order(stopped[0][0])
        return namable(self.contract.document, self.terms[-1], stop, self.outside)

    def _is_countable(self, record: Record) -> bool:
        course, held = self.course, self.held
        if not record.reaches((self.timekeeper,)):
            return False
        if course.start is None:
            return record.kind in SIGNING_KINDS and course.would_count(record)
        if record.kind == "confirm":
            return self._is_asked(record)
        if record.kind in ("fact", "event") and course.end is not None:
            return not held.stated[record.leaf_hash].keys().isdisjoint(self.contract.after_end)
        if record.kind == "event":
            # What was recorded before anybody offered this agreement was not meant for it.
            return course.offer is not None and record.time_ms >= course.offer.record.time_ms
        if record.kind == "agreement.terminate":
            return course.end is None
        return record.kind in LATER_KINDS

    def _is_asked(self, record: Record) -> bool:
        """Whether a confirmation may still make a fact exist: the fact is counted or will be."""
        fact = record.body["fact"]
        asked = record.organization in self.held.asked(fact)
        if not asked or not self.course.confirmations.would_count(record):
            return False
        if fact in self.course.waiting:
            return self._is_countable(self.course.waiting[fact])
        return any(leaf_hash == fact for leaf_hash, _ in self._claims_of(fact))

    def _claims_of(self, fact: bytes) -> Iterator[tuple[bytes, str]]:
        names = self.held.stated.get(fact, {})
        return ((fact, name) for name in names if (fact, name) in self.course.claims)

    # What is learnt

    def _keep(self, record: Record) -> bool:
        """Keep a record; True where the line of the timekeepers' entries must be laid anew."""
        if record.leaf_hash in self.held.records:
            return False
        stale = self._follow(record) if self._follows else False
        self.held.add(record)
        if record.leaf_hash in self.held.candidates:
            if record.leaf_hash not in self.course.counted:
                self.course.waiting[record.leaf_hash] = record
        elif record.leaf_hash in self.held.invalid:
            return stale
        elif record.kind in STREAM_KINDS:
            return self._join(record) or stale
        elif record.kind == "timekeeper.replace":
            return True
        return stale

    def _join(self, record: Record) -> bool:
        """Put a timekeeper's entry into its stream, and right into the line where it only goes on."""
        stream = self._streams.setdefault(record.organization, [])
        insort(stream, record, key=log_order)
        if record.organization != self.timekeeper:
            # With statements about another timekeeper, an entry of anybody may be what opens a term.
            return bool(self.held.replacements) or record.organization in self._keepers()
        if not self.opened or (self._line and log_order(record) < log_order(self._line[-1][0])):
            return True
        if self._lacks is None:
            self._line.append((record, self.terms[-1]))
        return False

    def _keepers(self) -> set[str]:
        return {term.timekeeper for term in self.terms}

    def _follow(self, record: Record) -> bool:
        """Follow the agreements that are to replace this one, to know when one of them comes into force."""
        document = record.body.get("document") if record.kind == "agreement.propose" else None
        if isinstance(document, bytes):
            about = agreement_hash(document)
        elif isinstance(record.body.get("agreement"), bytes):
            about = record.body["agreement"]
        else:
            return False
        if about == self.contract.agreement:
            return False
        if about not in self.successors:
            self._strangers.setdefault(about, []).append(record)
            if document is None or record.body.get("replaces") != self.contract.agreement:
                return False
            try:
                successor = Replay(load_contract(document), outside=self.outside, follows=False)
            except TallyError:
                return False
            self.successors[about] = successor
            successor.learn(*self._strangers.pop(about))
        else:
            self.successors[about].outside = self.outside
            self.successors[about].learn(record)
        return self._note_start(about)

    def _note_start(self, about: bytes) -> bool:
        """Note which entry brought a replacing agreement into force; True where that has changed."""
        successor = self.successors[about]
        start = successor.course.start
        offer = successor.course.offer
        if start is None or offer is None or offer.record.body["replaces"] != self.contract.agreement:
            return False
        try:
            check_replaces(self.contract.document, successor.contract.document, "new version")
        except TallyError:
            return False
        known = self._starts.get(about)
        if known is not None and successor.held.records[known].position == start.position:
            return False
        leaf = next(
            r.leaf_hash
            for stream in successor._streams.values()
            for r in stream
            if r.position == start.position
        )
        self._starts[about] = leaf
        return True

    # What is taken

    def _lay(self) -> None:
        """Lay the line of the timekeepers' entries anew, and begin again if it differs where it was taken."""
        self.terms = find_terms(self.contract.document, self.held.replacements, self._counted, self.outside)
        line: list[tuple[Record, Term]] = []
        self._lacks = None
        for number, term in enumerate(self.terms):
            if term.opening is None:
                break
            self._lacks = self.outside.lacks(term.head) if term.number else None
            if self._lacks is not None:
                break
            stream = sorted(self._entries(term.timekeeper), key=log_order)
            line += [
                (record, term)
                for record in self._stretch(stream, term.opening, self.terms[number + 1 : number + 2])
            ]
        before = [record.leaf_hash for record, _ in self._line[: self._taken + bool(self.missing)]]
        self._line = line
        if [record.leaf_hash for record, _ in line[: len(before)]] != before:
            self.course, self._taken = Course(self.held), 0

    def _counted(self, organization: str) -> Iterator[Record]:
        """The `counted` entries of an organization for this agreement, in the order of its logs."""
        return (record for record in self._streams.get(organization, ()) if record.kind == "counted")

    @staticmethod
    def _stretch(stream: list[Record], opening: LogOrder, following: tuple[Term, ...]) -> Iterable[Record]:
        """The entries of one term: from its opening to where the next one cuts them off."""
        own = (record for record in stream if log_order(record) >= opening)
        return takewhile(lambda record: not any(term.is_cut(record) for term in following), own)

    def _entries(self, timekeeper: str) -> list[Record]:
        """A timekeeper's entries, with those that bring a replacing agreement into force."""
        starts = [
            record
            for about, leaf in sorted(self._starts.items())
            if (record := self.successors[about].held.records[leaf]).organization == timekeeper
        ]
        return [*self._streams.get(timekeeper, ()), *starts]

    def _advance(self) -> None:
        self.missing = ()
        try:
            while self._taken < len(self._line):
                record, term = self._line[self._taken]
                self.course.take(record, term.timekeeper)
                self._taken += 1
        except Missing as stop:
            self.missing = (stop.leaf_hash,)
        if not self.missing and self._lacks is not None:
            self.missing = (self._lacks,)
