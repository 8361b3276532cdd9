"""Aggregates: kept running as facts come, they give what they give from scratch, and what Python gives."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.facts_known import ExistingFact, Known, Moment
from contracts.grammar import parse_expression
from contracts.limits import LANGUAGE_VECTORS
from contracts.look import Key, Look
from contracts.program import Program
from contracts.reading import parse_document
from contracts.syntax import Place
from contracts.values import Instant, Money, Value, format_value
from ledger.errors import TallyError
from ledger.log.encoding import encode

TEXTS = [
    "count(paid)",
    "sum(paid, paid.amount)",
    "sum(paid, paid.amount * rate where paid.late)",
    "min_of(paid, paid.at)",
    "max_of(paid, paid.amount where not paid.late)",
    "running(paid, owed, balance - paid.amount)",
    "running(paid, owed, balance + balance * rate * days(last, paid.at) - paid.amount, start)",
    "sum(paid, 10 / paid.number)",
    "count(paid where exists(closed))",
    "sum(paid, count(paid where paid.late))",
    "total + total",
]
DOCUMENT = parse_document(
    encode(
        {
            "contract": "1",
            "language": LANGUAGE_VECTORS,
            "name": "sums",
            "parties": {"seller": "acme", "buyer": "bolt"},
            "timekeeper": "port",
            "params": {
                "owed": {"money": "1000.00 EUR"},
                "rate": {"decimal": "0.01"},
                "start": {"instant": "1970-01-01T00:00:00Z"},
            },
            "facts": {
                "paid": {
                    "by": ["buyer"],
                    "per": "lot",
                    "max": "1000",
                    "fields": {"amount": "money", "late": "boolean", "number": "integer", "lot": "string"},
                },
                "closed": {"by": ["buyer"]},
            },
            "lets": {"total": "sum(paid, paid.amount where paid.late)"},
            "rules": [],
        }
    )
)


def fact(name: str, at: int, **fields: Value) -> ExistingFact:
    moment = Moment(instant=Instant(at), position=("port/0", at))
    return ExistingFact(
        name=name,
        fields=fields,
        at=Instant(at),
        counted=Instant(at),
        confirmed=None,
        entries=(f"{name} {at}".encode(),),
        since=moment,
    )


payments = st.builds(
    lambda cents, currency, late, number, lot, at: fact(
        "paid",
        at,
        amount=Money(Decimal(cents) / 100, currency),
        late=late,
        number=number,
        lot=lot,
    ),
    st.integers(0, 10**6),
    st.sampled_from(["EUR", "EUR", "EUR", "EUR", "EUR", "USD"]),
    st.booleans(),
    st.sampled_from([1, 2, 3, 4, 8, 0]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 10**11),
)


def in_euros(paid: ExistingFact) -> bool:
    amount = paid.fields["amount"]
    return isinstance(amount, Money) and amount.currency == "EUR"


facts = st.lists(st.one_of(payments, st.builds(fact, st.just("closed"), st.just(5))), max_size=8)
keys = st.sampled_from([None, ("lot", "a"), ("lot", "b")])


def told(program: Program, known: Known, key: Key | None) -> list[str]:
    """Every value, or error, at this moment."""
    out = []
    for text in TEXTS:
        look = Look(program, known, key)
        try:
            out.append(format_value(look.value(PARSED[text])))
        except TallyError as error:
            out.append(str(error))
    return out


PARSED = {text: parse_expression(text, Place(label=text, path=("rules",))) for text in TEXTS}


@given(facts, keys)
def test_kept_running_is_the_same_as_from_scratch(come: Sequence[ExistingFact], key: Key | None) -> None:
    program, known = Program(DOCUMENT), Known()
    for number, each in enumerate(come):
        known.add(each)
        scratch = Known()
        for before in come[: number + 1]:
            scratch.add(before)
        assert told(program, known, key) == told(Program(DOCUMENT), scratch, key)


@given(st.lists(payments.filter(in_euros), max_size=10), keys)
def test_the_values_are_those_of_a_plain_loop(come: Sequence[ExistingFact], key: Key | None) -> None:
    known = Known()
    for each in come:
        known.add(each)
    mine: list[dict[str, Any]] = [dict(f.fields) for f in come if key is None or f.fields["lot"] == key[1]]
    values = dict(zip(TEXTS, told(Program(DOCUMENT), known, key), strict=True))
    assert values["count(paid)"] == str(len(mine))
    balance = Decimal(1000) - sum(paid["amount"].amount for paid in mine)
    assert values["running(paid, owed, balance - paid.amount)"] == f"{balance:.2f} EUR"
    if mine:
        assert values["sum(paid, paid.amount)"] == f"{sum(paid['amount'].amount for paid in mine):.2f} EUR"
        if any(paid["number"] == 0 for paid in mine):
            assert "division by zero" in values["sum(paid, 10 / paid.number)"]


def test_a_fact_is_looked_at_once_while_it_is_kept_running(monkeypatch: pytest.MonkeyPatch) -> None:
    program, known = Program(DOCUMENT), Known()
    looked: list[str] = []
    plain = ExistingFact.value

    def value(self: ExistingFact, name: str) -> Value:
        looked.append(name)
        return plain(self, name)

    monkeypatch.setattr(ExistingFact, "value", value)
    for number in range(50):
        known.add(fact("paid", number, amount=Money(Decimal(1), "EUR"), late=False, number=1, lot="a"))
        Look(program, known).value(PARSED["sum(paid, paid.amount)"])
    assert len(looked) == 50


def test_all_facts_that_an_aggregate_ran_over_are_read() -> None:
    program, known = Program(DOCUMENT), Known()
    for number, lot in enumerate("aba"):
        known.add(fact("paid", number, amount=Money(Decimal(1), "EUR"), late=False, number=1, lot=lot))
    look = Look(program, known, ("lot", "a"))
    look.value(PARSED["count(paid)"])
    assert look.entries() == (b"paid 0", b"paid 2")
    look = Look(program, known, ("lot", "a"))
    program.compute_text("count(all paid where paid.late)", look)
    assert look.entries() == (b"paid 0", b"paid 1", b"paid 2")
