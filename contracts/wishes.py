"""Wishes: what some parties have said of an agreement and others have not yet, to end it or to correct it.

Both take effect only once others have said the same. Until then nothing follows from them, and those who are
still to say so have to be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from contracts.corrections import check_effects, must_sign
from contracts.course import Course
from contracts.effects import EffectMap
from contracts.hashes import outcome_hash
from contracts.records import Record
from contracts.replay import Replay
from contracts.signing import signers
from ledger.errors import TallyError

END, CORRECT = "end", "correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What parties have said alike. `lacking` are the organizations that are still to say so.

    `leaf_hash` and `text` are those of the first who said it; `decision` and `effects` are there where a
    decision is to be corrected.
    """

    sort: str
    leaf_hash: bytes
    by: tuple[str, ...]
    lacking: tuple[str, ...]
    text: str
    decision: bytes | None = None
    effects: tuple[EffectMap, ...] = ()


def open_wishes(replay: Replay) -> tuple[Wish, ...]:
    """Every wish that has not come true."""
    course = replay.course
    if course.start is None:
        return ()
    ending = _said(replay, "agreement.terminate")
    ends = [_ending(replay, ending)] if ending and course.end is None else []
    return (*ends, *_corrections(course, _said(replay, "correction")))


def has_corrected(wish: Wish, organization: str, decision: bytes, effects: Sequence[EffectMap]) -> bool:
    """Whether an organization has said this correction of a decision."""
    return (
        wish.decision == decision
        and organization in wish.by
        and outcome_hash(wish.effects) == outcome_hash(effects)
    )


def who_ends(replay: Replay) -> dict[str, set[str]]:
    """The people (key ids) of each role who have said that the agreement is to end, counted or not."""
    people: dict[str, set[str]] = {}
    for record in _said(replay, "agreement.terminate"):
        role = record.body["party"]
        with suppress(TallyError):  # nobody who may sign for the role
            signed = signers(replay.contract.document, record.organization, role, record.signatures)
            people.setdefault(role, set()).update(signed)
    return people


def _said(replay: Replay, kind: str) -> list[Record]:
    """The statements of a kind that have an effect or may have, in the order in which they were counted."""
    ranks, remarks = replay.course.ranks, replay.course.remarks
    found = [
        record
        for record in replay.held.records.values()
        if record.kind == kind
        and record.leaf_hash not in remarks
        and record.leaf_hash not in replay.held.invalid
    ]
    return sorted(found, key=lambda record: (ranks.get(record.leaf_hash, len(ranks)), record.leaf_hash))


def _ending(replay: Replay, said: Sequence[Record]) -> Wish:
    document, people = replay.contract.document, who_ends(replay)
    lacking = {
        organization
        for role, organization in document.parties.items()
        if len(people.get(role, ())) < document.sign[role].need
    }
    return Wish(
        sort=END,
        leaf_hash=said[0].leaf_hash,
        by=tuple(sorted({record.organization for record in said})),
        lacking=tuple(sorted(lacking)),
        text=said[0].body["text"],
    )


def _corrections(course: Course, said: Sequence[Record]) -> Iterator[Wish]:
    alike: dict[tuple[bytes, bytes], list[tuple[Record, tuple[EffectMap, ...]]]] = {}
    for record in said:
        try:
            effects = check_effects(course.contract, record.body["effects"])
        except TallyError:
            continue
        if record.leaf_hash not in course.counted or course.corrections.waits(record):
            alike.setdefault((record.body["decision"], outcome_hash(effects)), []).append((record, effects))
    for (decision, _), records in alike.items():
        (first, effects), by = records[0], {record.organization for record, _ in records}
        try:
            firing = course.corrections.find(decision, course.evaluator.firings)
        except TallyError:
            continue
        standing = course.corrections.effects_of(decision, firing)
        lacking = must_sign(course.contract, standing, effects) - by
        if lacking:
            yield Wish(
                sort=CORRECT,
                leaf_hash=first.leaf_hash,
                by=tuple(sorted(by)),
                lacking=tuple(sorted(lacking)),
                text=first.body["text"],
                decision=decision,
                effects=effects,
            )
