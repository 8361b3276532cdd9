"""Contracts evaluated again: whether the decisions that parties recorded are what their agreement gives.

An agreement's statements stand in several logs. `Holdings` finds them, one agreement at a time; the replay
takes them as the timekeeper counted them. Nobody's index and nobody's own evaluation is believed: the holder
of the statements decides anew, and holds every recorded decision against what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from contracts.agreement import Agreement, find_document, read_agreement
from contracts.contract import load_contract
from contracts.decision import check_decision, evaluate
from contracts.records import Outside, Position, Record
from contracts.replay import Replay
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.errors import TallyError, short


class Holdings(Protocol):
    """The statements that an auditor holds; records carry only signatures that were checked."""

    def records(self, agreement: bytes) -> Iterable[Record]:
        """The statements about an agreement, and about those that are proposed to replace it."""

    def tick(self, timekeeper: str, after: Position | None, due_ms: int) -> Record | None:
        """The first entry of a timekeeper, after this one, that closes what is due then."""

    def find(self, leaf_hash: bytes) -> Record | None:
        """The statement of the entry with this hash, if it is here."""

    def lacks_counting(self, timekeeper: str) -> bool:
        """Whether something by which this organization counts or closes may be missing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementAudit:
    """What an audit of one agreement found, and how many recorded decisions it looked at."""

    decisions: int = 0
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def audit_agreement(agreement: bytes, holdings: Holdings, outside: Outside) -> AgreementAudit:
    """Evaluate one agreement again, and hold the recorded decisions against it."""
    records = list(holdings.records(agreement))
    recorded = [
        record for record in records if record.kind == "decision" and record.body["agreement"] == agreement
    ]
    if not recorded:
        return AgreementAudit()
    name = f"agreement {short(agreement, 16)}"
    try:
        found = _replayed(agreement, records, holdings, outside)
    except TallyError as error:
        trouble = f"{len(recorded)} decisions of {name}: {error}"
        return AgreementAudit(decisions=len(recorded), unchecked=(Unchecked(what=trouble, harmless=True),))
    wrong = () if found.missing else tuple(_wrong(name, found, recorded))
    # A statement of the timekeeper that is not here may say what is: nobody is accused by its absence.
    if found.missing or (wrong and any(map(holdings.lacks_counting, _timekeepers(found)))):
        what = f"decisions of {name}: not everything that was counted is here"
        open_question = Unchecked(what=what, count=len(recorded), harmless=True)
        return AgreementAudit(
            decisions=len(recorded),
            findings=tuple(_disagreements(name, found)),
            unchecked=(open_question,),
        )
    return AgreementAudit(decisions=len(recorded), findings=wrong)


def read_again(agreement: bytes, holdings: Holdings, outside: Outside) -> Agreement:
    """One agreement as what is held makes it.

    Raises:
        TallyError: its document is not here, or is none.
    """
    return _replayed(agreement, list(holdings.records(agreement)), holdings, outside)


def _replayed(agreement: bytes, records: list[Record], holdings: Holdings, outside: Outside) -> Agreement:
    """The agreement as its records, its timekeeper's ticks and the events that were counted make it."""
    replay = Replay(load_contract(find_document(agreement, records)), outside=outside)
    replay.learn(*records)
    asked: set[bytes] = set()
    after: Position | None = None
    while True:
        wanted = [leaf_hash for leaf_hash in replay.missing if leaf_hash not in asked]
        asked.update(wanted)
        learnt = [record for record in map(holdings.find, wanted) if record is not None]
        if not learnt and replay.next_due is not None:
            tick = holdings.tick(replay.timekeeper, after, replay.next_due)
            if tick is not None:
                learnt, after = [tick], tick.position
        if not learnt:
            return read_agreement(replay)
        replay.learn(*learnt)


def _timekeepers(found: Agreement) -> set[str]:
    return {found.contract.document.timekeeper, *found.takeovers}


def _wrong(name: str, found: Agreement, recorded: Iterable[Record]) -> Iterator[Finding]:
    # Whether a firing is final for those who recorded it, heads that are not here would say.
    evaluation = evaluate(found, lambda origin, seq: True)
    for record in recorded:
        try:
            check_decision(found, evaluation, record.body)
        except TallyError as error:
            yield finding_of(
                "decision-differs",
                error,
                log=record.origin,
                position=record.seq,
                place=f"{name}, {error.where}",
                signer=record.origin,
                action="ask the party how it came to this decision, and do not pay by it",
            )


def _disagreements(name: str, found: Agreement) -> Iterator[Finding]:
    """Decisions of parties that differ from each other, where it cannot be told who is right."""
    for (rule, key), records in found.decisions.items():
        first = records[0]
        for record in records[1:]:
            if record.body["outcome"] == first.body["outcome"]:
                continue
            yield Finding(
                code="decision-parties",
                log=record.origin,
                position=record.seq,
                place=f"{name}, rule {rule}" + ("" if key is None else f" for {short(key)}"),
                found=f"outcome {short(record.body['outcome'])}",
                expected=f"{short(first.body['outcome'])}, as in {first.origin} entry {first.seq}",
                signer=record.origin,
                action="fetch what is missing from the timekeeper, and verify again",
            )
