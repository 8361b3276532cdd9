"""Bundles made from a home: which logs and entries belong to a subject, and how they are written.

A *selection* says of each log whether it is given whole, and whose payloads. With every subject go the
openings and rotations of all logs and the founder's admissions, so that each signed note can be checked,
and of the logs that the subject touches also who was granted which role.

Whoever is to read the bundle may be named: payloads that are for others are then left out, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger.audit.payloads import KEPT_KINDS
from ledger.errors import MissingError, TallyError, short
from ledger.log.bundle import (
    PAYLOADS_BYTES,
    RUN_ENTRIES,
    BundleClose,
    BundleEntry,
    BundleHead,
    BundleLog,
    BundleNote,
    BundlePayloads,
    BundleRun,
    Form,
    Payload,
    What,
)
from ledger.log.entry import parse_entry
from ledger.log.origin import parse_origin
from ledger.log.statement import may_have, parse_statement
from ledger.log.tree import prove_consistency, prove_inclusion
from ledger.members.network import format_founding
from ledger.trace.answers import Trace
from ledger.trace.questions import trace_back, trace_forward
from ledger.trace.recorded import Ref
from node.bundle_file import BundleWriter, new_bundle
from node.state import State
from node.store.indexing import STANDING_KINDS
from node.store.reader import Reader, Record
from node.views.events import StoreEvents
from node.views.records import AgreementBook

KEY_KINDS = frozenset({"log.open", "keys.rotate", "evidence", "evidence.files"})
"""Kinds that say by which keys a log and its witnesses sign, and what is proven against them: given of
every log."""

AUDITED_KINDS = KEPT_KINDS | KEY_KINDS
"""Kinds that an audit of a whole log needs, all of them for all members: given of every log that is whole."""

ADMISSION_KINDS = KEY_KINDS | {"network.invite", "network.admit"}
"""Kinds that say who is a member: given of the founder's log, where that is sparse."""

PEOPLE_KINDS = (KEY_KINDS | STANDING_KINDS) - {"node.address"}
"""Kinds that say who may sign for an organization: given of every log that the subject touches."""

MAX_AUDIENCES = 50
_PAGE_ENTRIES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is given of one log. Whole: every entry; sparse: those at `positions` and of `kinds`.

    Of a whole log `positions` and `kinds` say whose payloads are given; None: all of them.
    """

    origin: str
    form: Form
    positions: frozenset[int] | None = frozenset()
    kinds: frozenset[str] = frozenset()

    def has(self, seq: int, entry: bytes) -> bool:
        """Whether the payload of an entry belongs to it."""
        if self.positions is None or seq in self.positions:
            return True
        return bool(self.kinds) and parse_entry(entry).kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The logs and entries that belong to a subject, in the order in which a bundle has them."""

    what: What
    subject: str
    parts: tuple[Part, ...]
    complete: bool = True
    """False where the trace of a lot hit a limit."""


@dataclass(slots=True)
class Given:
    """What a bundle gives away: payloads for all members, payloads for some only, and what it does not."""

    logs: int = 0
    entries: int = 0
    for_all: int = 0
    for_some: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By audience, the author among it; beyond `MAX_AUDIENCES` different ones under no name."""
    withheld: int = 0
    absent: int = 0


def select_network(state: State) -> Selection:
    """Every log that this home holds, with all that it holds of them."""
    parts = [Part(origin=origin, form="whole", positions=None) for origin in _logs(state)]
    return Selection(what="network", subject=state.roster.network.hex(), parts=tuple(parts))


def select_log(state: State, origin: str) -> Selection:
    """One log whole, with the logs of its organization before it, and the founder's entries.

    The founder's log is whole as well, though without what else it says: so nobody can leave out an
    admission, and the bundle can be imported.

    Raises:
        MissingError: this home holds no such log.
    """
    state.head(origin)
    subject = parse_origin(origin)
    parts = []
    for name in _logs(state):
        log = parse_origin(name)
        if log.organization == subject.organization and log.number <= subject.number:
            parts.append(Part(origin=name, form="whole", positions=None))
        elif log.organization == state.roster.founding.founder:
            parts.append(Part(origin=name, form="whole", kinds=AUDITED_KINDS))
        else:
            parts.append(Part(origin=name, form="sparse", kinds=KEY_KINDS))
    return Selection(what="log", subject=origin, parts=tuple(parts))


def select_agreement(reader: Reader, state: State, book: AgreementBook, agreement: bytes) -> Selection:
    """An agreement's statements wherever they stand, and the entries of whoever keeps or kept its time.

    Raises:
        MissingError: this home does not hold its document.
        TallyError: its document is no contract.
    """
    document = book.agreement(reader, state, agreement).contract.document
    records = reader.agreement_records(agreement)
    positions: dict[str, set[int]] = {}
    for record in records:
        positions.setdefault(record.origin, set()).add(record.seq)
    for leaf in {leaf for record in records for leaf in _named(record)}:
        with suppress(MissingError):  # it is not here, and so it cannot be given
            origin, seq = reader.find(leaf)
            positions.setdefault(origin, set()).add(seq)
    keepers = {document.timekeeper, *_timekeepers(records)}
    parts = []
    for origin in _logs(state):
        found = frozenset(positions.get(origin, ()))
        organization = parse_origin(origin).organization
        if organization in keepers:
            parts.append(Part(origin=origin, form="whole", positions=found, kinds=AUDITED_KINDS | {"tick"}))
        else:
            parts.append(_sparse(state, origin, found))
    return Selection(what="agreement", subject=agreement.hex(), parts=tuple(parts))


def select_lot(reader: Reader, state: State, thing: str) -> Selection:
    """The events by which `tally trace` follows a thing, back and forward.

    Raises:
        MissingError: no event here names it.
    """
    events = StoreEvents(reader)
    answers = [trace_back(events, thing), trace_forward(events, thing)]
    positions: dict[str, set[int]] = {}
    for ref in (ref for answer in answers for ref in _refs(answer)):
        positions.setdefault(ref.origin, set()).add(ref.seq)
    if not positions:
        raise MissingError(
            f"trace of {short(thing)}",
            found="no event here that names it",
            expected="the identifier of an item, lot or pallet that some event names",
            action="check the identifier, or wait until its log has been synced (tally status)",
        )
    parts = tuple(_sparse(state, origin, frozenset(positions.get(origin, ()))) for origin in _logs(state))
    complete = all(answer.complete for answer in answers)
    return Selection(what="lot", subject=answers[0].target, parts=parts, complete=complete)


def export_bundle(
    path: Path, reader: Reader, state: State, selection: Selection, *, audience: str | None
) -> Given:
    """Write a bundle of what was selected, as much of it as `audience` (an organization) may have.

    Raises:
        MissingError: `audience` is no member; or a log has no signed note here.
        ConflictError: there is something at that path.
        UnavailableError: it cannot be written.
    """
    if audience is not None:
        state.roster.member(audience)
    given = Given()
    with new_bundle(path) as writer:
        writer.put(
            BundleHead(
                what=selection.what,
                subject=selection.subject,
                exporter=state.organization,
                reader=audience,
                founding=format_founding(state.roster.founding),
            )
        )
        for part in selection.parts:
            _Export(writer, reader, state, part, audience, given).write()
    return given


@dataclass(slots=True)
class _Export:
    """One log on its way into a bundle."""

    writer: BundleWriter
    reader: Reader
    state: State
    part: Part
    audience: str | None
    given: Given
    payloads: int = 0
    withheld: int = 0

    def write(self) -> None:
        """Write the log from its beginning to its close."""
        copy = self.state.head(self.part.origin).copy
        origin, form = self.part.origin, self.part.form
        self.writer.put(BundleLog(origin=origin, form=form, size=copy.size, root=copy.root))
        self._write_notes(copy.size)
        entries = self._write_whole(copy.size) if form == "whole" else self._write_sparse(copy.size)
        absent = entries - self.payloads - self.withheld
        self.writer.put(BundleClose(given=self.payloads, withheld=self.withheld, absent=absent))
        self.given.logs += 1
        self.given.entries += entries
        self.given.withheld += self.withheld
        self.given.absent += absent

    def _write_notes(self, size: int) -> None:
        origin = self.part.origin
        notes = [note for note in self.reader.notes(origin) if note.size > 0]
        if not notes or notes[-1].size < size:
            raise MissingError(
                f"log {origin}", found="no signed note over all its entries here", expected="one"
            )
        for note in notes:
            proof: Sequence[bytes] = note.proof if note.size > size else ()
            if note.size < size and self.part.form == "sparse":
                proof = prove_consistency(self.reader.hashes(origin, size), note.size, size)
            self.writer.put(BundleNote(note.note, tuple(proof)))

    def _write_whole(self, size: int) -> int:
        origin = self.part.origin
        for start in range(0, size, RUN_ENTRIES):
            entries = self.reader.entries(origin, start, min(RUN_ENTRIES, size - start))
            self.writer.put(BundleRun(start, tuple(entries)))
            rows: list[Payload] = []
            room = PAYLOADS_BYTES
            for row in self._permitted(start, entries):
                if rows and len(row[2]) > room:
                    self.writer.put(BundlePayloads(tuple(rows)))
                    rows, room = [], PAYLOADS_BYTES
                rows.append(row)
                room -= len(row[2])
            if rows:
                self.writer.put(BundlePayloads(tuple(rows)))
        return size

    def _permitted(self, start: int, entries: Sequence[bytes]) -> Iterator[Payload]:
        """Those payloads of a run that are given."""
        for first in range(start, start + len(entries), _PAGE_ENTRIES):
            count = min(_PAGE_ENTRIES, start + len(entries) - first)
            for seq, salt, payload in self.reader.payloads(self.part.origin, first, count):
                if self.part.has(seq, entries[seq - start]) and self._may(payload):
                    yield seq, salt, payload
                else:
                    self.withheld += 1

    def _write_sparse(self, size: int) -> int:
        origin = self.part.origin
        tree = self.reader.hashes(origin, size)
        positions = sorted(self._positions())
        for seq in positions:
            found = self.reader.payload(origin, seq)
            salt, payload = found or (None, None)
            if payload is not None and not self._may(payload):
                self.withheld += 1
                salt = payload = None
            proof = tuple(prove_inclusion(tree, seq, size))
            entry = self.reader.entry(origin, seq)
            self.writer.put(BundleEntry(entry=entry, proof=proof, salt=salt, payload=payload))
        return len(positions)

    def _positions(self) -> set[int]:
        origin = self.part.origin
        number = self.reader.number(origin)
        about_members = {seq for log, seq in self.reader.roster_positions() if log == number}
        kinds = self.part.kinds
        found = {seq for seq in about_members if parse_entry(self.reader.entry(origin, seq)).kind in kinds}
        return {0} | found | (self.part.positions or set())

    def _may(self, payload: bytes) -> bool:
        """Whether a payload is given; what is, is counted by its audience."""
        author = parse_origin(self.part.origin).organization
        if self.audience is not None and not may_have(payload, author, self.audience):
            return False
        self.payloads += 1
        names = _audience_of(payload, author)
        if names is None:
            self.given.for_all += 1
        else:
            known = names in self.given.for_some or len(self.given.for_some) < MAX_AUDIENCES
            self.given.for_some[names if known else ()] += 1
        return True


def _logs(state: State) -> list[str]:
    """The logs that have entries here, in the order of a bundle: the founder's first."""
    founder = state.roster.founding.founder

    def rank(name: str) -> tuple[bool, str, int]:
        origin = parse_origin(name)
        return origin.organization != founder, origin.organization, origin.number

    return sorted((name for name, head in state.heads.items() if head.copy.size), key=rank)


def _sparse(state: State, origin: str, positions: frozenset[int]) -> Part:
    """A log of which single entries are given, with what it takes to check who signed them."""
    founds = parse_origin(origin).organization == state.roster.founding.founder
    kinds = PEOPLE_KINDS if positions else frozenset(KEY_KINDS)
    return Part(
        origin=origin, form="sparse", positions=positions, kinds=kinds | ADMISSION_KINDS if founds else kinds
    )


def _named(record: Record) -> Iterator[bytes]:
    """The entries that a statement about an agreement names."""
    body: Mapping[str, object] = record.statement.body if record.statement else {}
    for field_name in ("entries", "cites"):
        named = body.get(field_name)
        if isinstance(named, list):
            yield from (leaf for leaf in named if isinstance(leaf, bytes))


def _timekeepers(records: Iterable[Record]) -> Iterator[str]:
    """Who counted entries of an agreement, or was put in a timekeeper's place."""
    for record in records:
        if record.entry.kind == "counted":
            yield parse_origin(record.origin).organization
        elif record.entry.kind == "timekeeper.replace" and record.statement is not None:
            yield record.statement.text("timekeeper")


def _refs(answer: Trace) -> Iterator[Ref]:
    """Every entry behind an answer."""
    for edge in answer.edges:
        yield from edge.refs
    for step in answer.steps:
        yield step.ref
    for aside in answer.set_aside:
        yield aside.declaration
        yield from aside.corrections
        if aside.event is not None:
            yield aside.event


def _audience_of(payload: bytes, author: str) -> tuple[str, ...] | None:
    """For whom a payload is, its author among them; None for all members."""
    if may_have(payload, author, ""):  # nobody's name: only what is for all
        return None
    try:
        audience = parse_statement(payload, "payload").audience
    except TallyError:
        return (author,)
    return None if audience is None else tuple(sorted({author, *audience}))
