"""What a node knows at one moment: the heads of all logs, the roster, and which logs are quarantined.

Values here never change; the writer puts a new `State` in place after each commit, so whoever took one
sees a consistent picture that is on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ledger.errors import ConflictError, MissingError
from ledger.log.entry import parse_entry
from ledger.log.intake import Copy
from ledger.log.note import add_signatures, parse_note
from ledger.log.origin import parse_origin
from ledger.log.statement import parse_statement
from ledger.members.folding import ROSTER_KINDS, Folding, fold_order, fold_roster
from ledger.members.roster import Roster, found_roster, unfolded
from ledger.members.witnessing import is_witnessed
from node.store.reader import Reader, StoredNote

_EVIDENCE_KINDS = {"evidence": "origin", "evidence.files": "accused"}
"""Kinds that accuse somebody, and the field that says whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A log as it stands here: its copy, the newest signed note, and the newest that is witnessed.

    `time_ms` is the time of its last entry. The newest note may be of more entries than the copy has, with
    the proof that leads there from the copy's end; the witnessed one never is, since only the entries
    that a note was held against are witnessed by it.
    """

    number: int
    copy: Copy
    time_ms: int = 0
    newest: StoredNote | None = None
    witnessed: StoredNote | None = None

    @property
    def witnessed_size(self) -> int:
        """Entries below this position are witnessed."""
        return self.witnessed.size if self.witnessed else 0

    def notes(self) -> list[StoredNote]:
        """The notes that are kept, each size once, smallest first."""
        kept = {note.size: note for note in (self.witnessed, self.newest) if note}
        return [kept[size] for size in sorted(kept)]

    def with_run(self, copy: Copy, time_ms: int, note: StoredNote, roster: Roster) -> Head:
        """The head after entries that passed the door under a note.

        Whatever note was the newest was proven from where the copy ended before, so this one takes its
        place.
        """
        if self.newest is not None and _same_text(self.newest.note, note.note):
            note = replace(note, note=_merged(self.newest.note, note.note))
        return replace(self, copy=copy, time_ms=time_ms, newest=None).with_note(note, roster)

    def with_note(self, note: StoredNote, roster: Roster) -> Head:
        """The head with a note of this log, whose signature and root were checked, taken into account."""
        newest = self.newest
        if newest is None or note.size > newest.size:
            newest = note
        elif note.size == newest.size:
            newest = note = replace(newest, note=_merged(newest.note, note.note))
        witnessed = self.witnessed
        if self.witnessed_size <= note.size <= self.copy.size and is_witnessed(roster, note.note):
            witnessed = note
        return replace(self, newest=newest, witnessed=witnessed)

    def reweighed(self, roster: Roster) -> Head:
        """The head under another witness set: of the notes that are kept, those count that it witnessed."""
        within = [note for note in self.notes() if note.size <= self.copy.size]
        witnessed = [note for note in within if is_witnessed(roster, note.note)]
        return replace(self, witnessed=witnessed[-1] if witnessed else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One consistent picture. `accused` names the logs and the witnesses that the own log has evidence
    against."""

    origin: str
    roster: Roster
    heads: Mapping[str, Head]
    accused: frozenset[str] = field(default_factory=frozenset)

    @property
    def quarantined(self) -> frozenset[str]:
        """Whoever is accused, but for logs that a later one ended: which history stands is said there."""
        return self.accused - self.roster.ends.keys()

    @property
    def organization(self) -> str:
        """Whose node this is."""
        return self.origin.partition("/")[0]

    @property
    def own(self) -> Head:
        """The head of the own log."""
        return self.heads[self.origin]

    def head(self, origin: str) -> Head:
        """The head of a log.

        Raises:
            MissingError: this home holds no copy of it.
        """
        try:
            return self.heads[origin]
        except KeyError:
            raise MissingError(f"log {origin}", found="no copy here", expected="a member's log") from None

    def copy(self, origin: str) -> Copy:
        """The copy of a log, which may not have an entry yet."""
        head = self.heads.get(origin)
        return head.copy if head else Copy(origin=origin, last=self.roster.network)

    def is_witnessed(self, origin: str, seq: int) -> bool:
        """Whether more than half of the witnesses cosigned a checkpoint that covers an entry."""
        head = self.heads.get(origin)
        return head is not None and seq < head.witnessed_size

    def with_heads(self, heads: Mapping[str, Head], before: Roster) -> State:
        """The state with other heads; where a witness was discredited since, all are weighed anew."""
        if self.roster.discredited != before.discredited:
            heads = {origin: head.reweighed(self.roster) for origin, head in heads.items()}
        return replace(self, heads=heads)

    def partners(self) -> list[str]:
        """The other members, by name."""
        return sorted(name for name in self.roster.members if name != self.organization)


def fold_standing(state: State, folding: Folding) -> State:
    """The state after a statement that changes who stands how in the network."""
    kind = folding.statement.kind
    if kind in _EVIDENCE_KINDS and folding.origin.partition("/")[0] == state.organization:
        accused = folding.statement.text(_EVIDENCE_KINDS[kind])
        state = replace(state, accused=state.accused | {accused})
    if kind in ROSTER_KINDS:
        return replace(state, roster=fold_roster(state.roster, folding))
    return state


def fold_run(reader: Reader, state: State, foldings: Iterable[Folding]) -> State:
    """The state after the statements of a run that stands in the database already.

    A later log ends the one before it at its pin, so that what was folded from there on counts no more;
    and what comes late into a log that has a later one comes before that. Then all is folded anew.
    """
    folded = state
    is_late = False
    for folding in foldings:
        organization = parse_origin(folding.origin).organization
        is_late = is_late or folding.origin != folded.roster.origin(organization)
        folded = fold_standing(folded, folding)
    if is_late or folded.roster.ends != state.roster.ends:
        return load_standing(reader, folded)
    return folded


def load_state(reader: Reader) -> State:
    """The state of a home as its database has it.

    Raises:
        MissingError: there is no entry 0 of the own log, or no payload for it.
    """
    origin = reader.own_origin()
    opening = reader.payload(origin, 0)
    if opening is None:
        raise MissingError(f"{origin} entry 0", found="no payload", expected="the opening of the log")
    statement = parse_statement(opening[1], f"{origin} entry 0")
    state = State(origin=origin, roster=found_roster(statement.data("founding")), heads={})
    state = load_standing(reader, state)
    heads = {name: _load_head(reader, name, state.roster) for name in reader.origins()}
    return replace(state, heads=heads)


def load_standing(reader: Reader, state: State) -> State:
    """The state with roster and quarantine folded anew from every entry that makes them.

    At a start, and where the payload of such an entry came after later ones: the order is that of the fold.
    """
    folded = _folded(reader, state)
    if folded.roster.ends == state.roster.ends:
        return folded
    # Where a later log ended one is known by now; what stands beyond was folded before it was.
    return _folded(reader, folded)


def _folded(reader: Reader, state: State) -> State:
    state = replace(state, roster=unfolded(state.roster), accused=frozenset())
    roster = state.roster
    places = [(reader.origin_of(number), seq) for number, seq in reader.roster_positions()]
    for origin, seq in sorted(places, key=lambda place: (*fold_order(roster, place[0]), place[1])):
        record = reader.record(origin, seq)
        if record.statement is not None:
            folding = Folding(
                origin=origin,
                seq=seq,
                leaf=record.leaf,
                time_ms=record.entry.time_ms,
                statement=record.statement,
            )
            state = fold_standing(state, folding)
    return state


def _load_head(reader: Reader, origin: str, roster: Roster) -> Head:
    copy = reader.copy(origin, roster.network)
    time_ms = parse_entry(reader.entry(origin, copy.size - 1)).time_ms if copy.size else 0
    head = Head(number=reader.number(origin), copy=copy, time_ms=time_ms)
    for note in reader.notes(origin):
        head = head.with_note(note, roster)
    return head


def _same_text(note: str, other: str) -> bool:
    """Whether signatures of one note count for the other."""
    return note.rpartition("\n\n")[0] == other.rpartition("\n\n")[0]


def _merged(note: str, more: str) -> str:
    if not _same_text(note, more):
        raise ConflictError(
            f"log {note.partition(chr(10))[0]}",
            found="another note of one size",
            expected="one history",
            action="compare heads: two signed notes of one size and different roots are a fork",
        )
    return add_signatures(note, "".join(line.line for line in parse_note(more).signatures))
