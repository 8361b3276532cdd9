"""Simulation: a scenario told to the machine that nodes run, and what happens in it step by step.

Records are made up for a proposal, everybody's signatures, each fact, confirmation and tick, and learnt by
`contracts.replay.Replay` one after the other. So nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any

from contracts.agreement import Agreement, read_agreement
from contracts.contract import Contract
from contracts.course import EXISTS, WAITING, Claim
from contracts.decision import Evaluation, evaluate
from contracts.document import TIMEKEEPER
from contracts.effects import EffectMap
from contracts.hashes import key_text
from contracts.phrases import quoted
from contracts.records import Record, Signature
from contracts.replay import Replay
from contracts.scenario import Scenario, Terminated, Ticked, Told
from contracts.values import Instant, Value, format_value
from contracts.words import Words
from ledger.errors import MissingError

START, FACT, NO_FACT, PASSED, FIRED, FAILED, END = (
    "in force",
    "fact",
    "no effect",
    "deadline",
    "rule",
    "failed",
    "end",
)
"""Sorts of steps."""

_NETWORK = "simulated"
_NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens; `lines` tell it in words, the first one what it is."""

    at: Instant
    sort: str
    name: str
    key: str | None
    lines: tuple[str, ...]
    effects: tuple[EffectMap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What came of a scenario."""

    scenario: Scenario
    steps: tuple[Step, ...]
    agreement: Agreement
    evaluation: Evaluation
    """Everything counts as witnessed."""


def simulate(contract: Contract, signed: bytes, scenario: Scenario, words: Words | None = None) -> Simulation:
    """Run a scenario; `signed` is the signed form of the contract's document, `words` those at hand.

    Raises:
        TallyError: an event that cannot be read. Facts that do not count are steps.
    """
    run = _Run(contract, signed, words or Words(contract.document))
    run.begin(scenario.start)
    for at, records in run.happenings(scenario):
        run.tick_until(at if scenario.until is not None else None)
        run.learn(at, records)
    if scenario.until is not None:
        run.tick_until(Instant(scenario.until.ms + 1))
    agreement = read_agreement(run.replay)
    return Simulation(
        scenario=scenario,
        steps=tuple(run.steps),
        agreement=agreement,
        evaluation=evaluate(agreement, lambda origin, seq: True),
    )


@dataclass(slots=True)
class _Seen:
    """What has been told of the course already."""

    claims: int = 0
    waiting: list[Claim] = field(default_factory=list)
    """Facts that were counted and may still come to exist."""
    closed: set[tuple[str, object]] = field(default_factory=set)
    firings: int = 0
    failures: dict[object, str] = field(default_factory=dict)
    ended: bool = False


class _Run:
    """The machine, and the logs that are made up for it."""

    def __init__(self, contract: Contract, signed: bytes, words: Words) -> None:
        self.contract = contract
        self.document = contract.document
        self.words = words
        self.signed = signed
        self.replay = Replay(contract)
        self.steps: list[Step] = []
        self._lengths: dict[str, int] = {}
        self._seen = _Seen()

    # What is made up

    def record(
        self, organization: str, kind: str, body: dict[str, Any], at: Instant, people: tuple[str, ...] = ()
    ) -> Record:
        """The next record of an organization."""
        origin = f"{organization}/{_NETWORK}"
        seq = self._lengths[origin] = self._lengths.get(origin, -1) + 1
        return Record(
            origin=origin,
            organization=organization,
            seq=seq,
            leaf_hash=sha256(f"{origin} {seq}".encode()).digest(),
            time_ms=at.ms,
            kind=kind,
            body=body,
            signatures=tuple(
                Signature(organization=organization, person=f"{organization} {number}", role=role)
                for number, role in enumerate(people)
            ),
        )

    def begin(self, at: Instant) -> None:
        """The agreement is proposed, signed by all and counted."""
        first = next(iter(self.document.parties.values()))
        body = {"document": self.signed, "replaces": None, "until": None}
        offer = self.record(first, "agreement.propose", body, at)
        signatures = [self._signature(role, offer, at) for role in self.document.sign]
        self.replay.learn(offer, *signatures, self._count(signatures, at))
        self.steps.append(
            Step(at=at, sort=START, name="", key=None, lines=("everybody has signed: in force",))
        )
        self._tell(at)

    def _people(self, role: str) -> tuple[str, ...]:
        rule = self.document.sign[role]
        return (next(iter(rule.of), "director"),) * rule.need

    def _signature(self, role: str, offer: Record, at: Instant) -> Record:
        holder = self.document.timekeeper if role == TIMEKEEPER else self.document.parties[role]
        body = {"agreement": self.contract.agreement, "party": role, "proposal": offer.leaf_hash}
        return self.record(holder, "agreement.sign", body, at, self._people(role))

    def _count(self, records: list[Record], at: Instant) -> Record:
        body = {
            "agreement": self.contract.agreement,
            "entries": [record.leaf_hash for record in records],
        }
        return self.record(self.document.timekeeper, "counted", body, at)

    def happenings(self, scenario: Scenario) -> Iterator[tuple[Instant, list[Record]]]:
        """What is learnt and when, in the order of counting; a tick is made once its time has come."""
        found: list[tuple[Instant, list[Record]]] = []
        for item in scenario.story:
            found += self._happening(item)
        yield from sorted(found, key=lambda happening: happening[0])

    def _happening(self, item: Told | Ticked | Terminated) -> Iterator[tuple[Instant, list[Record]]]:
        match item:
            case Ticked(counted=at):
                yield at, []
            case Terminated(role=role, counted=at):
                body = {"agreement": self.contract.agreement, "party": role, "text": ""}
                holder = self.document.parties[role]
                yield at, [self.record(holder, "agreement.terminate", body, at, self._people(role))]
            case Told():
                fact = self._statement(item)
                yield item.counted, [fact]
                for role, at in item.confirmed.items():
                    body = {"agreement": self.contract.agreement, "fact": fact.leaf_hash}
                    holder = self.document.parties[role]
                    yield at, [self.record(holder, "confirm", body, at, ("director",))]

    def _statement(self, told: Told) -> Record:
        holder = self.document.parties[told.role]
        if told.event:
            body: dict[str, Any] = {
                "capture": _NO_HASH,
                "context": "",
                "event": told.event,
                "hash": sha256(told.event.encode()).digest(),
            }
            record = self.record(holder, "event", body, told.at)
            self.replay.learn(record)
            if record.leaf_hash not in self.replay.held.stated:
                raise MissingError(
                    str(told.place),
                    found="an event that states no fact of this contract",
                    expected="one that fits what a fact says under `event`",
                    action="compare its type, step, parties and the values of every field",
                )
            return record
        body = {
            "agreement": self.contract.agreement,
            "attachments": [sha256(bytes([n])).digest() for n in range(told.attachments)],
            "cites": [],
            "fields": {**told.texts, "at": format_value(told.at)},
            "name": told.fact,
        }
        return self.record(holder, "fact", dict(sorted(body.items())), told.at)

    # What comes of it

    def tick_until(self, at: Instant | None) -> None:
        """Tick at each time before `at` at which a deadline is due."""
        while at is not None and (due := self.replay.next_due) is not None and due < at.ms:
            self.learn(Instant(max(due, self.replay.course.last_ms)), [])

    def learn(self, at: Instant, records: list[Record]) -> None:
        """Learn records and have the timekeeper count them, or tick; then tell what came of it."""
        keeper = self.document.timekeeper
        entry = self._count(records, at) if records else self.record(keeper, "tick", {}, at)
        self.replay.learn(*records, entry)
        self._tell(at, records)

    def _tell(self, at: Instant, records: Sequence[Record] = ()) -> None:
        """Add what has changed in the course since it was last looked at."""
        course, seen = self.replay.course, self._seen
        for record in records:
            self._tell_remark(at, record)
        fresh = list(islice(course.claims.values(), seen.claims, None))
        changed = [claim for claim in seen.waiting if claim.status != WAITING]
        for claim in (*changed, *fresh):
            self._add(at, FACT if claim.status in (EXISTS, WAITING) else NO_FACT, *self._claim(claim))
        seen.claims = len(course.claims)
        seen.waiting = [claim for claim in (*seen.waiting, *fresh) if claim.status == WAITING]
        # Only ticks close deadlines.
        for name, key, closing in () if records else course.evaluator.known.deadlines():
            if closing.passed and (name, key) not in seen.closed:
                seen.closed.add((name, key))
                self._add(at, PASSED, name, _text(key), f"the deadline {quoted(name)} has passed")
        for firing in course.evaluator.firings[seen.firings :]:
            lines = tuple(self.words.outcome(effect) for effect in firing.effects)
            self._add(at, FIRED, firing.rule, key_text(firing), *lines, effects=firing.effects)
        seen.firings = len(course.evaluator.firings)
        for of, failure in course.evaluator.failures.items():
            if seen.failures.get(of) != str(failure.error):
                seen.failures[of] = str(failure.error)
                self._add(at, FAILED, failure.rule, _text(of[1]), str(failure.error))
        if course.end is not None and not seen.ended:
            seen.ended = True
            self._add(at, END, course.end[1], None, f"the agreement has ended: {course.end[1]}")

    def _tell_remark(self, at: Instant, record: Record) -> None:
        held = self.replay.held
        text = held.invalid.get(record.leaf_hash) or self.replay.course.remarks.get(record.leaf_hash)
        if text:
            self._add(at, NO_FACT, str(record.body.get("name", record.kind)), None, text)

    def _claim(self, claim: Claim) -> tuple[str, str | None, str]:
        stated = claim.stated
        key = None if stated.rule.per is None else format_value(stated.fields[stated.rule.per])
        told = [f"{name.replace('_', ' ')} {text}" for name, text in stated.texts.items() if name != "at"]
        said = f": {', '.join(told)}" if told else ""
        reason = f" ({claim.reason})" if claim.reason else ""
        how = "counted" if claim.status == EXISTS else claim.status
        return stated.name, key, f"{quoted(stated.name)}, {claim.record.organization}{said}: {how}{reason}"

    def _add(
        self, at: Instant, sort: str, name: str, key: str | None, *lines: str,
        effects: tuple[EffectMap, ...] = (),
    ) -> None:  # fmt: skip
        self.steps.append(Step(at=at, sort=sort, name=name, key=key, lines=lines, effects=effects))


def _text(key: Value | None) -> str | None:
    return None if key is None else format_value(key)
