"""Agreements as this home knows them: its entries made into records, and the replay of each kept and fed.

A record holds only signatures that were checked, under the people whom the organization had granted roles
at that position; a statement with one that is not good counts as unsigned.

A replay learns what is new since it was last asked for. It is made anew where something arrived behind what
it had taken (a late payload in the timekeeper's log), and where a person who signed is known only now. What
stands behind an entry that its author has not answered for is held back (see node.store.unanswered).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from contracts.agreement import Agreement, find_document, read_agreement
from contracts.contract import load_contract
from contracts.held import STREAM_KINDS
from contracts.records import Position, Record, Signature, log_order
from contracts.replay import Replay
from contracts.terms import LogOrder
from ledger.errors import MissingError, TallyError
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement
from ledger.members.people import Grants, check_person_signatures
from node.state import State
from node.store.reader import Reader
from node.store.reader import Record as StoredRecord
from node.store.standing import UNPROVEN, proven
from node.views.ticks import TickIndex
from node.views.timekeeping import barrier_of, keepers_of, order_of, outside_of

MAX_REPLAYS = 1024
MAX_CHECKED = 65_536
EVENTS_AT_ONCE = 1024
BEFORE_ALL: LogOrder = (0, "", -1)

People = Mapping[str, Grants]


@dataclass(slots=True)
class _Kept:
    """A replay, and what it was fed."""

    replay: Replay
    people: People
    members: object
    """Who was in the network, as it was then."""
    pins: object
    """Where later logs ended earlier ones, as it was then."""
    keeper: str = ""
    """Whose entries it is fed in their order."""
    barrier: Position | None = None
    """The first of them that its author has not answered for; nothing at or past it is fed."""
    after: LogOrder = BEFORE_ALL
    """Past which entry of the timekeeper it goes on."""
    entries: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    unsure: bool = False
    """Whether a statement counts as unsigned that may turn out signed when more people are known."""
    shown: tuple[int, Agreement] | None = None

    def took(self, found: Iterable[StoredRecord], records: Iterable[Record]) -> None:
        """Note what is to be learnt, and up to where that is everything."""
        signed = {record.leaf_hash for record in records if record.signatures}
        for stored in found:
            self.entries += 1
            self.ends[stored.origin] = max(self.ends.get(stored.origin, 0), stored.seq + 1)
            self.unsure |= bool(
                stored.statement is not None and stored.statement.signatures and stored.leaf not in signed
            )

    def is_open(self, place: LogOrder) -> bool:
        """Whether an entry of the timekeeper stands before the barrier."""
        return self.barrier is None or place < order_of(self.barrier)

    def is_counted(self, record: Record) -> bool:
        """Whether it is an entry in which the timekeeper counts."""
        return record.kind == "counted" and record.organization == self.keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What a replay was made from: how many entries about it and those that may replace it; `unsure`: a
    statement counts as unsigned that may turn out signed when more people are known."""

    entries: int
    unsure: bool


class AgreementBook:
    """Keeps the replays of agreements, and feeds each only what is new. May be used by several threads."""

    def __init__(self, *, believing: bool = True) -> None:
        """`believing`: what was noted as checked (node.store.standing) is not checked again."""
        self._believing = believing
        self._lock = threading.RLock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._checked: OrderedDict[bytes, tuple[Signature, ...]] = OrderedDict()
        self._ticks = TickIndex()
        self._stuck: set[bytes] = set()
        """Agreements that stand still, because something that was counted is not here."""

    def agreement(self, reader: Reader, state: State, agreement: bytes) -> Agreement:
        """The agreement with this hash, as values that stay.

        Raises:
            MissingError: this home does not hold its document.
            TallyError: its document is no contract.
        """
        with self.replay(reader, state, agreement) as replay:
            kept = self._kept[agreement]
            if kept.shown is None or kept.shown[0] != replay.version:
                kept.shown = replay.version, read_agreement(replay)
            return kept.shown[1]

    @contextmanager
    def replay(self, reader: Reader, state: State, agreement: bytes) -> Iterator[Replay]:
        """The replay of an agreement, fed with all that is here; nobody else touches it meanwhile.

        Raises:
            MissingError: this home does not hold its document.
            TallyError: its document is no contract.
        """
        with self._lock:
            kept = self._kept.get(agreement)
            if kept is None or not self._feed(reader, state, agreement, kept):
                kept = self._read(reader, state, agreement)
            self._kept[agreement] = kept
            self._kept.move_to_end(agreement)
            while len(self._kept) > MAX_REPLAYS:
                self._kept.popitem(last=False)
            stuck = kept.replay.missing or kept.replay.awaits is not None
            (self._stuck.add if stuck else self._stuck.discard)(agreement)
            yield kept.replay

    def fed(self, agreement: bytes) -> Fed:
        """What the replay of an agreement was made from; only while it is held."""
        kept = self._kept[agreement]
        return Fed(entries=kept.entries, unsure=kept.unsure)

    def forget(self) -> None:
        """Make every replay anew when it is next asked for: something came behind what they had taken."""
        with self._lock:
            self._kept.clear()
            self._checked.clear()
            self._ticks = TickIndex()

    def lacking(self, reader: Reader, state: State) -> set[bytes]:
        """What timekeepers counted and is not here, so that agreements stand still: leaf hashes."""
        with self._lock:
            stuck = tuple(self._stuck)
        found: set[bytes] = set()
        for agreement in stuck:
            with self.replay(reader, state, agreement) as replay:
                found.update(replay.missing)
                found.update(() if replay.awaits is None else (replay.awaits,))
        return found

    # Feeding

    def _read(self, reader: Reader, state: State, agreement: bytes) -> _Kept:
        """A replay from the start."""
        found = reader.agreement_records(agreement)
        known = proven(reader, agreement) if self._believing else UNPROVEN
        records = self._records(state, found, known.signed)
        contract = load_contract(find_document(agreement, records), sound=known.sound)
        outside = outside_of(reader, state.roster)
        kept = _Kept(
            Replay(contract, outside=outside), state.roster.people, state.roster.members, state.roster.ends
        )
        kept.took(found, records)
        kept.keeper, earlier = keepers_of(contract, outside, records)
        kept.barrier = barrier_of(reader, state, kept.keeper)
        records = self._before_barrier(reader, kept, records)
        counted = [record for record in records if kept.is_counted(record)]
        kept.replay.learn(*(record for record in records if not kept.is_counted(record)))
        for successor in kept.replay.successors:
            others = reader.agreement_records(successor)
            kept.replay.learn(*self._before_barrier(reader, kept, self._records(state, others)))
            kept.entries += len(others)
        self._learn_events(reader, state, kept)
        for keeper in earlier:
            for place in self._ticks.all(reader, state, keeper):
                self._learn_tick(reader, state, kept, place)
        self._go_on(reader, state, kept, counted)
        return kept

    def _feed(self, reader: Reader, state: State, agreement: bytes, kept: _Kept) -> bool:
        """Feed a replay what is new; False where it has to be made anew."""
        roster = state.roster
        if kept.pins is not roster.ends or (kept.unsure and kept.people is not roster.people):
            return False
        if kept.replay.held.replacements and kept.members is not roster.members:
            return False
        barrier = barrier_of(reader, state, kept.keeper)
        if barrier != kept.barrier and kept.replay.awaits is not None:
            return False
        kept.barrier = barrier
        kept.people, kept.members, kept.replay.outside = (
            roster.people,
            roster.members,
            outside_of(reader, roster),
        )
        stuck = bool(kept.replay.missing)
        if stuck:
            kept.replay.learn()  # a log may have come to where a term cuts it
        counted: list[Record] = []
        entries = reader.agreement_size(agreement)
        entries += sum(map(reader.agreement_size, kept.replay.successors))
        if entries != kept.entries:
            found = reader.agreement_records_after(agreement, kept.ends)
            records = self._records(state, found)
            kept.took(found, records)
            records = self._before_barrier(reader, kept, records)
            counted = [record for record in records if kept.is_counted(record)]
            if entries != kept.entries or any(log_order(record) < kept.after for record in counted):
                return False
            kept.replay.learn(*(record for record in records if not kept.is_counted(record)))
        self._learn_events(reader, state, kept)
        self._fetch_named(reader, state, kept)
        # Ticks that were let go by while the replay stood still may close something now.
        if stuck and not kept.replay.missing:
            return False
        self._go_on(reader, state, kept, counted)
        return kept.replay.timekeeper == kept.keeper

    def _go_on(self, reader: Reader, state: State, kept: _Kept, counted: Iterable[Record]) -> None:
        """Have a replay learn what its timekeeper counted, in order, and between that what closes."""
        for record in sorted(counted, key=log_order):
            self._close(reader, state, kept, log_order(record))
            kept.replay.learn(record)
            kept.after = log_order(record)
            self._fetch_named(reader, state, kept)
        self._close(reader, state, kept, None)

    def _close(self, reader: Reader, state: State, kept: _Kept, before: LogOrder | None) -> None:
        """Have a replay learn the ticks that close something of it, up to an entry or to the last."""
        replay = kept.replay
        while replay.next_due is not None and not replay.missing and replay.opened:
            place = self._ticks.first(reader, state, kept.keeper, kept.after, replay.next_due)
            if place is None or (before is not None and order_of(place) > before):
                return
            if not kept.is_open(order_of(place)):
                self._hold_back(reader, kept)
                return
            kept.after = order_of(place)
            self._learn_tick(reader, state, kept, place)

    def _before_barrier(self, reader: Reader, kept: _Kept, records: list[Record]) -> list[Record]:
        """The records but for those of the timekeeper's past the barrier: they are taken once it falls."""
        open_ = [
            record
            for record in records
            if record.kind not in STREAM_KINDS
            or record.organization != kept.keeper
            or kept.is_open(log_order(record))
        ]
        if len(open_) < len(records):
            self._hold_back(reader, kept)
        return open_

    def _hold_back(self, reader: Reader, kept: _Kept) -> None:
        if kept.barrier is not None:
            kept.replay.wait_for(leaf_hash(reader.entry(*kept.barrier)))

    def _learn_tick(self, reader: Reader, state: State, kept: _Kept, place: Position) -> None:
        stored = reader.record(*place)
        if stored.statement is not None:
            kept.replay.learn(self.record(state, stored))

    def _learn_events(self, reader: Reader, state: State, kept: _Kept) -> None:
        """Events of those who may state facts by them, recorded since the agreement was offered."""
        document = kept.replay.contract.document
        stating = {
            document.parties[role]
            for rule in document.facts.values()
            if rule.event is not None
            for role in rule.by
        }
        if not stating or not kept.replay.held.offers:
            return
        since = min(offer.time_ms for offer in kept.replay.held.offers.values())
        for origin in [log for log in state.heads if parse_origin(log).organization in stating]:
            for stored in self._events(reader, state, origin, kept.events, since):
                kept.replay.learn(self.record(state, stored))

    def _events(
        self, reader: Reader, state: State, origin: str, ends: dict[str, int], since: int
    ) -> Iterator[StoredRecord]:
        """Events of a log past what was read of it, none before a time; backwards, page by page."""
        size, start = state.copy(origin).size, ends.get(origin, 0)
        ends[origin] = size
        for high in range(size, start, -EVENTS_AT_ONCE):
            low = max(start, high - EVENTS_AT_ONCE)
            entries = [parse_entry(data) for data in reader.entries(origin, low, high - low)]
            for entry in reversed(entries):
                if entry.kind == "event" and entry.time_ms >= since:
                    stored = reader.record(origin, entry.seq)
                    if stored.statement is not None and not state.roster.is_beyond(origin, entry.seq):
                        yield stored
            if entries and entries[0].time_ms < since:
                return

    def _fetch_named(self, reader: Reader, state: State, kept: _Kept) -> None:
        """What the timekeeper counted and no index names: an event, or what another agreement brought."""
        asked: set[bytes] = set()
        while kept.replay.missing and kept.replay.missing[0] not in asked:
            asked.update(kept.replay.missing)
            with suppress(MissingError):
                stored = reader.record(*reader.find(kept.replay.missing[0]))
                if stored.statement is not None:
                    kept.replay.learn(self.record(state, stored))

    # Records

    def statements(self, reader: Reader, state: State, agreement: bytes) -> list[Record]:
        """The statements about an agreement that are here, whether or not its document is."""
        return self._records(state, reader.agreement_records(agreement))

    def _records(
        self, state: State, found: Iterable[StoredRecord], signed: Collection[bytes] = ()
    ) -> list[Record]:
        return [
            self.record(state, stored, signed)
            for stored in found
            if stored.statement is not None and not state.roster.is_beyond(stored.origin, stored.seq)
        ]

    def record(self, state: State, found: StoredRecord, signed: Collection[bytes] = ()) -> Record:
        """An entry whose statement is here, as a record of the contract language.

        Of those that `signed` names the signatures are known to be good.
        """
        statement = found.statement
        if statement is None:
            raise ValueError(f"{found.origin} entry {found.seq} has no statement here")
        return Record(
            origin=found.origin,
            organization=found.origin.partition("/")[0],
            seq=found.seq,
            leaf_hash=found.leaf,
            time_ms=found.entry.time_ms,
            kind=statement.kind,
            body=statement.body,
            audience=statement.audience,
            signatures=(
                checked_signatures(found.origin.partition("/")[0], statement)
                if found.leaf in signed
                else self._signatures(state, found.origin, found.seq, found.leaf, statement)
            ),
        )

    def _signatures(
        self, state: State, origin: str, seq: int, leaf: bytes, statement: Statement
    ) -> tuple[Signature, ...]:
        """Those of a statement whose signatures all are good. Only what is good is remembered for ever."""
        if not statement.signatures:
            return ()
        with self._lock:
            known = self._checked.get(leaf)
        if known is not None:
            return known
        organization = origin.partition("/")[0]
        try:
            check_person_signatures(
                state.roster.people_of(origin), origin=origin, seq=seq, statement=statement
            )
        except TallyError:
            return ()
        checked = checked_signatures(organization, statement)
        with self._lock:
            self._checked[leaf] = checked
            while len(self._checked) > MAX_CHECKED:
                self._checked.popitem(last=False)
        return checked


def checked_signatures(organization: str, statement: Statement) -> tuple[Signature, ...]:
    """Signatures that were checked, as the contract language sees them."""
    return tuple(
        Signature(organization=organization, person=signature.key.hex(), role=signature.role)
        for signature in statement.signatures
    )
