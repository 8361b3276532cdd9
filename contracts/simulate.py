"""Simulation: a scenario told to the machine that nodes run, and what happens in it step by step.

What everybody says is made up (`contracts.simulated_logs`) and learnt by `contracts.replay.Replay`, one after
the other. So nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from contracts.agreement import Agreement, read_agreement
from contracts.contract import Contract
from contracts.corrections import check_effects, must_sign
from contracts.course import EXISTS, WAITING, Claim, Course
from contracts.decision import Evaluation, evaluate
from contracts.effects import EffectMap
from contracts.hashes import hash_of_firing, key_text
from contracts.phrases import listed, quoted
from contracts.records import Record
from contracts.render import prose_value
from contracts.replay import Replay
from contracts.scenario import Corrected, HandedOver, Happening, Replaced, Scenario, Terminated, Told
from contracts.simulated_logs import OUTSIDE, Logs
from contracts.values import Instant, Value, format_value
from contracts.words import Words
from ledger.errors import InvalidError, MissingError

START, FACT, SAID, NO_FACT, PASSED, FIRED, FAILED, CORRECTED, HANDED, END = (
    "in force",
    "fact",
    "said",
    "no effect",
    "deadline",
    "rule",
    "failed",
    "corrected",
    "handover",
    "end",
)
"""Sorts of steps."""


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
    for at, happening in run.happenings(scenario):
        run.tick_until(at if scenario.until is not None else None)
        run.act(at, happening)
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
    closed: set[tuple[str, Value | None]] = field(default_factory=set)
    firings: int = 0
    failures: dict[object, str] = field(default_factory=dict)
    ended: bool = False


class _Run:
    """The machine, and what has been told of it."""

    def __init__(self, contract: Contract, signed: bytes, words: Words) -> None:
        self.contract = contract
        self.words = words
        self.logs = Logs(contract, signed)
        self.replay = Replay(contract, outside=OUTSIDE)
        self.steps: list[Step] = []
        self._course = self.replay.course
        self._seen = _Seen()

    def begin(self, at: Instant) -> None:
        """The agreement is proposed, signed by all and counted."""
        offer, signatures = self.logs.offer(at)
        self.replay.learn(offer, *signatures, self._count(signatures, at))
        self._add(at, START, "", None, "everybody has signed: in force")
        self._tell(at)

    def happenings(self, scenario: Scenario) -> Iterator[tuple[Instant, list[Record] | Happening]]:
        """What is learnt and when, in the order of counting; what rests on the course is made in its time."""
        found: list[tuple[Instant, list[Record] | Happening]] = []
        for item in scenario.story:
            found += self._happening(item)
        yield from sorted(found, key=lambda happening: happening[0])

    def _happening(self, item: Happening) -> Iterator[tuple[Instant, list[Record] | Happening]]:
        match item:
            case Terminated(role=role, counted=at):
                yield at, [self.logs.termination(role, at)]
            case Told():
                fact = self._statement(item)
                yield item.counted, [fact]
                for role, at in item.confirmed.items():
                    yield at, [self.logs.confirmation(role, fact, at)]
            case _:
                yield item.counted, item

    def _statement(self, told: Told) -> Record:
        record = self.logs.statement(told)
        if not told.event:
            return record
        self.replay.learn(record)
        if record.leaf_hash not in self.replay.held.stated:
            raise MissingError(
                str(told.place),
                found="an event that states no fact of this contract",
                expected="one that fits what a fact says under `event`",
                action="compare its type, step, parties and the values of every field",
            )
        return record

    # What happens

    def act(self, at: Instant, happening: list[Record] | Happening) -> None:
        """Let something happen, and tell what comes of it."""
        match happening:
            case Corrected():
                self._correct(at, happening)
            case HandedOver():
                self._hand_over(at, happening)
            case Replaced():
                offer, signatures, entry = self.logs.next_offer(self.replay.timekeeper, at)
                self.replay.learn(offer, *signatures, entry)
                self._tell(at)
            case list():
                self.learn(at, happening)
            case _:
                self.learn(at, [])

    def _correct(self, at: Instant, item: Corrected) -> None:
        course, parties = self.replay.course, self.contract.document.parties
        named = f"{item.rule} for {item.key}" if item.key else item.rule
        firing = next(
            (f for f in course.evaluator.firings if (f.rule, key_text(f)) == (item.rule, item.key)), None
        )
        if firing is None:
            raise MissingError(
                str(item.place),
                found=f"the rule {named}, which has not fired by then",
                expected="a rule that has fired",
                action="correct the rule, its key or the time",
            )
        decision = hash_of_firing(self.contract.agreement, firing)
        standing = course.corrections.effects_of(decision, firing)
        effects = item.effects if item.amount is None else _with_amount(standing, item.amount, item)
        needed = must_sign(self.contract, standing, check_effects(self.contract, effects))
        signing = {parties[role] for role in item.roles} or needed
        said = [self.logs.correction(name, decision, effects, item.text, at) for name in sorted(signing)]
        self.replay.learn(*said, self._count(said, at))
        why = f": “{item.text}”" if item.text else ""
        lines = [f"{listed(sorted(signing))} correct{'s' if len(signing) == 1 else ''} it{why}"]
        if (found := course.corrections.standing.get(decision)) and found.moment.instant == at:
            lines += [self.words.outcome(effect) for effect in effects] or ["nothing stands"]
        else:
            lacking = sorted(needed - signing) or sorted(needed)
            lines.append(
                f"it stands once {listed(lacking)} {'has' if len(lacking) == 1 else 'have'} said so too"
            )
        self._add(at, CORRECTED, item.rule, item.key, *lines, effects=effects)
        self._tell(at, said)

    def _hand_over(self, at: Instant, item: HandedOver) -> None:
        before, course = self.replay.timekeeper, self.replay.course
        if item.timekeeper == before:
            raise InvalidError(
                str(item.place),
                found=f"{before}, who keeps the time already",
                expected="another organization",
            )
        term = self.replay.terms[-1].number + 1
        said = self.logs.handover(before, item.timekeeper, term, item.cut, at)
        opening = self.logs.counted(item.timekeeper, [record.leaf_hash for record in said], at)
        self.replay.learn(*said, opening)
        lines = [f"{item.timekeeper} keeps the time in the place of {before}"]
        if self.replay.course is not course:
            lines += self._void(course, before, item.cut)
        self._add(at, HANDED, item.timekeeper, None, *lines)
        self._tell(at)
        if waiting := list(self.replay.countable()):
            self.replay.learn(self.logs.counted(item.timekeeper, waiting, at))
            self._tell(at, [self.replay.held.records[leaf_hash] for leaf_hash in waiting])

    def _void(self, before: Course, keeper: str, cut: Instant) -> Iterator[str]:
        """What was told and no longer counts; from here on the new course is told."""
        course, seen = self.replay.course, self._seen
        yield f"what {keeper} counted or ticked from {prose_value(cut)} on is void"
        claims = list(before.claims.values())[len(course.claims) :]
        yield from (f"void: {quoted(claim.stated.name)}, {claim.record.organization}" for claim in claims)
        kept = {(name, key) for name, key, closing in course.evaluator.known.deadlines() if closing.passed}
        lost = [(name, key) for name, key in seen.closed if (name, key) not in kept]
        yield from (f"void: the deadline {quoted(name)} has passed" for name, _ in sorted(lost, key=str))
        firings = before.evaluator.firings[len(course.evaluator.firings) :]
        yield from (f"void: rule {firing.rule.replace('_', ' ')}" for firing in firings)
        if before.end is not None and course.end is None:
            yield "void: the end of the agreement"
        self._seen = _Seen(
            claims=len(course.claims),
            waiting=[claim for claim in course.claims.values() if claim.status == WAITING],
            closed=kept,
            firings=len(course.evaluator.firings),
            failures={of: str(failure.error) for of, failure in course.evaluator.failures.items()},
            ended=course.end is not None,
        )

    def _count(self, records: Sequence[Record], at: Instant) -> Record:
        return self.logs.counted(self.replay.timekeeper, [record.leaf_hash for record in records], at)

    # What comes of it

    def tick_until(self, at: Instant | None) -> None:
        """Tick at each time before `at` at which a deadline is due."""
        while at is not None and (due := self.replay.next_due) is not None and due < at.ms:
            self.learn(Instant(max(due, self.replay.course.last_ms)), [])

    def learn(self, at: Instant, records: list[Record]) -> None:
        """Learn records and have the timekeeper count them, or tick; then tell what came of it."""
        entry = self._count(records, at) if records else self.logs.tick(self.replay.timekeeper, at)
        self.replay.learn(*records, entry)
        self._tell(at, records)

    def _tell(self, at: Instant, records: Sequence[Record] = ()) -> None:
        """Add what has changed in the course since it was last looked at."""
        course, seen = self.replay.course, self._seen
        for record in records:
            self._tell_remark(at, record)
            self._tell_said(at, record)
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

    def _tell_said(self, at: Instant, record: Record) -> None:
        """What people sign, which may take effect only once others have said the same."""
        held, course = self.replay.held, self.replay.course
        if record.leaf_hash in held.invalid or record.leaf_hash in course.remarks:
            return
        if record.kind == "agreement.terminate":
            who = self.words.role(record.body["party"])
            self._add(at, SAID, record.kind, None, f"{who} terminates the agreement")
        elif record.kind == "confirm":
            for name in held.stated.get(record.body["fact"], {}):
                self._add(at, SAID, name, None, f"{record.organization} confirms {quoted(name)}")

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


def _with_amount(standing: Sequence[EffectMap], amount: str, item: Corrected) -> tuple[EffectMap, ...]:
    """The effects that stand, with another amount in the one due among them."""
    dues = [effect for effect in standing if effect["kind"] == "due"]
    if len(dues) != 1:
        raise InvalidError(
            str(item.place),
            found=f"{len(dues)} amounts due by the rule {item.rule}",
            expected="one, whose amount is corrected",
            action="say all effects that are to stand, under effects",
        )
    return tuple({**effect, "amount": amount} if effect is dues[0] else effect for effect in standing)
