"""Agreements as this home knows them: its entries made into records, and the fold over them remembered.

A record holds only signatures that were checked, under the people whom the organization had granted roles
at that position; a statement with one that is not good counts as unsigned.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.agreement import Agreement, fold_agreement
from contracts.records import Record, Signature
from ledger.errors import TallyError
from ledger.log.statement import Statement
from ledger.members.people import Person, check_person_signatures
from node.state import State
from node.store.reader import Reader
from node.store.reader import Record as StoredRecord

MAX_FOLDS = 256
MAX_CHECKED = 65_536

People = Mapping[str, Mapping[bytes, tuple[Person, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """What a fold was made from, as far as that can change, and what came out."""

    entries: int
    people: People
    agreement: Agreement


class AgreementBook:
    """Folds agreements, and folds again only what has changed. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folds: OrderedDict[bytes, _Fold] = OrderedDict()
        self._checked: OrderedDict[bytes, tuple[Signature, ...]] = OrderedDict()

    def agreement(self, reader: Reader, state: State, agreement: bytes) -> Agreement:
        """The agreement with this hash.

        Raises:
            MissingError: this home does not hold its document.
            TallyError: its document is no contract.
        """
        # Entries about an agreement are only ever added, so their number tells whether a fold is the newest.
        entries = reader.agreement_size(agreement)
        people = state.roster.people
        with self._lock:
            known = self._folds.get(agreement)
        if known is not None and known.entries == entries and known.people is people:
            return known.agreement
        stored = reader.agreement_records(agreement)
        folded = fold_agreement(
            agreement, [self.record(state, found) for found in stored if found.statement is not None]
        )
        with self._lock:
            self._folds[agreement] = _Fold(entries=len(stored), people=people, agreement=folded)
            self._folds.move_to_end(agreement)
            while len(self._folds) > MAX_FOLDS:
                self._folds.popitem(last=False)
        return folded

    def record(self, state: State, found: StoredRecord) -> Record:
        """An entry whose statement is here, as a record of the contract language."""
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
            signatures=self._signatures(state, found.origin, found.seq, found.leaf, statement),
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
                state.roster.people_of(organization), origin=origin, seq=seq, statement=statement
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
