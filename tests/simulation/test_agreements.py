"""One agreement at several holders: whatever order entries arrive in, they decide the same, once."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from contracts.agreement import fold_agreement, read_agreement
from contracts.contract import load_contract
from contracts.decision import evaluate
from contracts.document import format_document
from contracts.reading import parse_contract_yaml
from contracts.records import Record
from contracts.replay import Replay
from tests.contracts.conftest import DOCUMENTS, Story

DAY_MS = 86_400_000
SEEDS = range(100)


def tell(seed: int, keeper: str) -> Story:
    """A day of orders, some answered, some late; every firm's clock is wrong by up to an hour."""
    random = Random(seed)
    text = (
        (DOCUMENTS / "orders.yaml")
        .read_bytes()
        .replace(b"timekeeper: port", f"timekeeper: {keeper}".encode())
    )
    told = Story(parse_contract_yaml(text))
    skew = {name: random.randrange(-3_600_000, 3_600_000) for name in ("acme", "bolt")}
    told.sign_all()
    waiting: list[Record] = []

    def state(name: str, fact: str, **fields: str) -> Record:
        record = told.state(name, fact, fields, time_ms=told.now_ms + skew[name])
        waiting.append(record)
        return record

    for number in range(8):
        order = f"order {number}"
        state("bolt", "ordered", order=order, pieces=str(random.randrange(1, 9)))
        if random.random() < 0.5:
            state("acme", "refused", order=order)
        if random.random() < 0.7:
            waiting.append(told.confirm("bolt", state("acme", "delivered", order=order)))
        if random.random() < 0.7:
            random.shuffle(waiting)
            told.count(*waiting)
            waiting.clear()
        if random.random() < 0.5:
            told.now_ms += random.randrange(2 * DAY_MS)
            told.tick(told.now_ms)
    told.count(*waiting)
    told.tick(told.now_ms + 3 * DAY_MS)
    return told


def decisions(told: Story, replay: Replay) -> set[bytes]:
    return {d.hash for d in evaluate(read_agreement(replay), lambda origin, seq: True).decisions}


@pytest.mark.parametrize("keeper", ["port", "bolt"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_holder_decides_the_same_in_every_order_of_arrival(seed: int, keeper: str) -> None:
    told = tell(seed, keeper)
    expected = fold_agreement(told.agreement, told.records)
    contract = load_contract(format_document(told.document))
    random = Random(-seed)
    for _ in range(3):
        arriving = [*told.records, *random.choices(told.records, k=5)]
        random.shuffle(arriving)
        replay = Replay(contract)
        while arriving:
            batch = random.randrange(1, 9)
            replay.learn(*arriving[:batch])
            del arriving[:batch]
        assert read_agreement(replay) == expected
        assert decisions(told, replay) == decisions(told, told.replay())


@pytest.mark.parametrize("seed", range(20))
def test_nothing_that_fired_is_undone_by_more_of_the_log(seed: int) -> None:
    """Each prefix of the timekeeper's log decides a prefix of what the whole decides."""
    told = tell(seed, "port")
    others = [record for record in told.records if record.organization != "port" or record.kind != "counted"]
    stream = [record for record in told.records if record.kind in ("counted", "tick")]
    replay = told.replay(*(record for record in others if record.kind != "tick"))
    fired: list[Any] = []
    for record in stream:
        replay.learn(record)
        firings = replay.course.evaluator.firings
        assert firings[: len(fired)] == fired
        fired = list(firings)
    assert fired


def test_withholding_a_fact_from_a_party_gains_nothing() -> None:
    """Shown to the timekeeper alone, it never counts, though the timekeeper names it."""
    told = Story(parse_contract_yaml((DOCUMENTS / "late-delivery.yaml").read_bytes()))
    told.now_ms = 1_547_090_000_000
    told.sign_all()
    second = told.sign(told.records[0], "buyer", "buyer-2", acts_as="finance")
    told.count(second)
    hidden = told.state("dart", "delivered", audience=("dart", "port"))
    told.count(hidden)
    told.tick(1_547_177_040_000 + 18 * DAY_MS)
    assert [d.firing.rule for d in told.evaluate().decisions] == ["quit"]


def test_backdating_a_fact_past_its_closing_gains_nothing() -> None:
    told = Story(parse_contract_yaml((DOCUMENTS / "late-delivery.yaml").read_bytes()))
    told.now_ms = 1_547_090_000_000
    told.sign_all()
    told.count(told.sign(told.records[0], "buyer", "buyer-2", acts_as="finance"))
    told.tick(1_547_177_040_000 + 18 * DAY_MS)
    told.count(told.state("dart", "delivered", {"at": "2019-01-11T03:24:00Z"}, time_ms=1_547_177_040_000))
    assert [d.firing.rule for d in told.evaluate().decisions] == ["quit"]


def test_a_timekeeper_with_two_faces_is_found_by_what_parties_decided() -> None:
    """It shows each party another log: their recorded decisions differ, and both logs are signed."""
    told = tell(3, "port")
    fork = [record for record in told.records if record.kind != "counted" or record.seq < 3]
    whole, half = told.replay(), told.replay(*fork)
    assert decisions(told, half) < decisions(told, whole)
