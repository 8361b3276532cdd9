"""A look at what is known: what it reads, the statement at hand, and instants that cannot be backdated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from contracts.document import Due
from contracts.facts_known import Closing, ExistingFact, Known, Moment
from contracts.grammar import parse_expression
from contracts.limits import LANGUAGE_VECTORS
from contracts.look import Look
from contracts.program import Program
from contracts.reading import parse_contract_yaml, parse_document
from contracts.syntax import Place
from contracts.values import Instant
from ledger.errors import InvalidError, MissingError
from ledger.log.encoding import encode

TREE: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "looks",
    "parties": {"seller": "acme", "buyer": "bolt"},
    "timekeeper": "port",
    "facts": {
        "order": {"by": ["buyer"], "per": "lot", "fields": {"lot": "string", "due": "instant"}},
        "closed": {"by": ["buyer"]},
    },
    "deadlines": {
        "soon": {"at": "order.at + days(3)", "per": "lot"},
        "window": {"at": "closed.at + days(1)"},
    },
    "lets": {"again": "closed.at"},
    "rules": [],
}
PROGRAM = Program(parse_document(encode(TREE)))


def moment(ms: int) -> Moment:
    return Moment(instant=Instant(ms), position=("port/0", ms))


def fact(name: str, at: int, since: int, **fields: Any) -> ExistingFact:
    return ExistingFact(
        name=name,
        fields=fields,
        at=Instant(at),
        counted=Instant(since),
        confirmed=None,
        entries=(f"{name} {at}".encode(),),
        since=moment(since),
    )


@pytest.fixture
def known() -> Known:
    known = Known()
    known.add(fact("order", 10, 20, lot="a", due=Instant(5)))
    known.add(fact("order", 11, 21, lot="b", due=Instant(99)))
    known.add(fact("closed", 12, 22))
    known.fix("soon", "a", Closing(at=Instant(30), due_ms=30, passed=False, entries=(b"order 10",)))
    return known


def test_exists_reads_only_what_exists(known: Known) -> None:
    look = Look(PROGRAM, known, ("lot", "c"))
    assert PROGRAM.compute_text("exists(order)", look) is False
    assert look.entries() == ()
    look = Look(PROGRAM, known, ("lot", "b"))
    assert PROGRAM.compute_text("exists(order)", look) is True
    assert look.entries() == (b"order 11",)


def test_what_is_not_computed_is_not_read(known: Known) -> None:
    look = Look(PROGRAM, known, ("lot", "a"))
    PROGRAM.compute_text("exists(order) or exists(closed)", look)
    assert look.entries() == (b"order 10",)


def test_a_deadline_is_read_with_what_fixed_and_closed_it(known: Known) -> None:
    look = Look(PROGRAM, known, ("lot", "a"))
    assert PROGRAM.compute_text("soon.passed", look) is False
    known.close("soon", "a", b"tick", moment(31))
    later = Look(PROGRAM, known, ("lot", "a"))
    assert PROGRAM.compute_text("soon.passed", later) is True
    assert later.entries() == (b"order 10", b"tick")


def test_a_deadline_of_another_key_is_not_this_one(known: Known) -> None:
    known.close("soon", "a", b"tick", moment(31))
    assert PROGRAM.compute_text("soon.passed", Look(PROGRAM, known, ("lot", "b"))) is False


@pytest.mark.parametrize(("text", "ms"), [("order.at", 20), ("order.due", 20), ("order.counted", 20)])
def test_a_deadline_reads_no_instant_before_its_fact_came_to_exist(known: Known, text: str, ms: int) -> None:
    key = ("lot", "a")
    assert PROGRAM.compute_text(text, Look(PROGRAM, known, key, later=True)) == Instant(ms)


def test_an_instant_that_lies_ahead_stays(known: Known) -> None:
    look = Look(PROGRAM, known, ("lot", "b"), later=True)
    assert PROGRAM.compute_text("order.due", look) == Instant(99)


def test_a_let_reads_what_counted_even_beside_the_statement_at_hand(known: Known) -> None:
    own = fact("closed", 50, 60)
    look = Look(PROGRAM, known, own=own)
    assert PROGRAM.compute_text("closed.at", look) == Instant(50)
    assert PROGRAM.compute_text("again", look) == Instant(12)


def test_a_deadline_that_is_not_fixed_has_no_instant(known: Known) -> None:
    with pytest.raises(MissingError, match="window is not fixed"):
        PROGRAM.compute_text("window.at", Look(PROGRAM, known))


def test_a_deadline_is_fixed_once(known: Known) -> None:
    with pytest.raises(InvalidError, match="fixed twice"):
        known.fix("soon", "a", Closing(at=Instant(1), due_ms=1, passed=False, entries=()))


def test_facts_with_a_value_are_found_also_when_they_come_later(known: Known) -> None:
    assert len(known.facts_with("order", "lot", "a")) == 1
    known.add(fact("order", 13, 23, lot="a", due=Instant(1)))
    assert [each.at.ms for each in known.facts_with("order", "lot", "a")] == [10, 13]
    assert known.facts_with("order", "lot", "zzz") == ()


def test_an_expression_of_the_document_is_made_ready_once(known: Known) -> None:
    expression = parse_expression("1 + 2", Place(label="x"))
    look = Look(PROGRAM, known)
    assert look.value(expression) == look.value(expression) == 3


def test_one_evaluation_of_the_example_costs_under_200_microseconds() -> None:
    text = (Path(__file__).parent / "documents" / "late-delivery.yaml").read_bytes()
    program, known = Program(parse_contract_yaml(text)), Known()
    known.add(fact("delivered", 1_547_674_440_000, 1_547_700_000_000))
    for name in ("window", "claims"):
        known.fix(name, None, Closing(at=Instant(1), due_ms=1, passed=True, entries=(name.encode(),)))

    def evaluate() -> list[object]:
        found: list[object] = []
        for rule in program.document.rules:
            look = Look(program, known)
            found.append(look.value(rule.when))
            found += [look.value(effect.amount) for effect in rule.then if isinstance(effect, Due)]
        return found

    best = 1.0
    for _ in range(20):
        begun = time.process_time()
        for _ in range(50):
            evaluate()
        best = min(best, (time.process_time() - begun) / 50)
    assert True in evaluate()
    assert best < 200e-6
