"""Simulation runs the machine that nodes run: the same facts and ticks come to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import ENDED
from contracts.contract import load_contract
from contracts.document import Document, format_document
from contracts.hashes import outcome_hash
from contracts.reading import parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import (
    CORRECTED,
    END,
    FACT,
    FAILED,
    FIRED,
    HANDED,
    NO_FACT,
    PASSED,
    SAID,
    START,
    Simulation,
    simulate,
)
from ledger.errors import InvalidError, MissingError

LATE = """
start: "2019-01-01T00:00:00Z"
until: "2019-04-01T00:00:00Z"
story: [{fact: delivered, at: "2019-01-19T03:24:00Z"}]
"""


def run(document: Document | Path, text: str) -> Simulation:
    if isinstance(document, Path):
        document = parse_contract_yaml(document.read_bytes(), document.name)
    signed = format_document(document)
    return simulate(load_contract(signed), signed, parse_scenario(text.encode(), document, "s"))


def sorts(simulation: Simulation) -> list[tuple[str, str]]:
    return [(step.sort, step.name) for step in simulation.steps]


def test_goods_eight_days_late_cost_84_dollars(documents: Path) -> None:
    simulation = run(documents / "late-delivery.yaml", LATE)
    assert sorts(simulation) == [
        (START, ""),
        (FACT, "delivered"),
        (PASSED, "window"),
        (PASSED, "claims"),
        (FIRED, "penalty"),
    ]
    (due,) = simulation.evaluation.dues
    assert (due.payer, due.payee, due.amount) == ("acme", "bolt", "84.00 USD")
    assert simulation.steps[-1].lines[0].startswith("acme (seller) owes bolt (buyer) 84.00 USD")


def test_it_decides_what_a_replay_of_the_same_records_decides(documents: Path, story: Any) -> None:
    simulation = run(documents / "late-delivery.yaml", LATE)
    told = story("late-delivery")
    start = 1_546_300_800_000
    told.now_ms = start
    proposal = told.propose("acme")
    signatures = [
        told.sign(proposal, role, f"{role}-{n}", acts_as=next(iter(rule.of), "director"))
        for role, rule in told.document.sign.items()
        for n in range(rule.need)
    ]
    told.count(*signatures, time_ms=start)
    fact = told.state("dart", "delivered", time_ms=start + 1_567_440_000)
    told.count(fact, time_ms=fact.time_ms)
    for step in simulation.steps:
        if step.sort == PASSED:
            told.tick(step.at.ms)
    (ours,), (theirs,) = simulation.evaluation.decisions, told.evaluate().decisions
    assert ours.outcome == theirs.outcome == outcome_hash(theirs.effects)
    assert ours.firing.moment.instant == theirs.firing.moment.instant


def test_without_until_only_told_ticks_close_deadlines(documents: Path) -> None:
    text = LATE.replace('until: "2019-04-01T00:00:00Z"\n', "")
    assert (PASSED, "window") not in sorts(run(documents / "late-delivery.yaml", text))
    ticked = text.replace("}]", '}, {tick: "2019-02-20T00:00:00Z"}]')
    simulation = run(documents / "late-delivery.yaml", ticked)
    assert [step.at.ms for step in simulation.steps if step.sort == PASSED] == [1_550_620_800_000] * 2


def test_what_is_counted_when_a_deadline_is_due_is_in_time_and_a_second_later_late(documents: Path) -> None:
    due = LATE.replace("at: ", 'counted: "2019-01-29T03:24:00Z", at: ')
    assert (FACT, "delivered") in sorts(run(documents / "late-delivery.yaml", due))
    late = due.replace("03:24:00Z", "03:24:01Z")
    simulation = run(documents / "late-delivery.yaml", late)
    assert (NO_FACT, "delivered") in sorts(simulation)
    assert ("rule", "quit") in sorts(simulation)


def test_facts_wait_for_their_confirmation(documents: Path) -> None:
    text = LATE.replace("}]", '}, {fact: force_majeure, at: "2019-01-20T00:00:00Z"}]')
    waiting = run(documents / "late-delivery.yaml", text)
    assert waiting.steps[2].lines == ("“force majeure”, acme: waits for confirmation",)
    assert waiting.evaluation.dues[0].amount == "84.00 USD"
    confirmed = text.replace(
        '"2019-01-20T00:00:00Z"}', '"2019-01-20T00:00:00Z", confirm: "2019-01-21T00:00:00Z"}'
    )
    assert run(documents / "late-delivery.yaml", confirmed).evaluation.dues == ()


def test_what_has_no_effect_says_why(documents: Path) -> None:
    text = """
story:
  - {fact: demand, at: "2026-01-01T00:00:00Z"}
  - {fact: demand, at: "2026-01-02T00:00:00Z"}
  - {fact: demand, at: "2026-01-03T00:00:00Z", fields: {loud: very}}
  - {fact: demand, at: "2026-01-04T00:00:00Z", by: buyer}
"""
    simulation = run(documents / "payment-upon-demand.yaml", text)
    told = [step.lines[0] for step in simulation.steps if step.sort == NO_FACT]
    assert "one too many" in told[0]
    assert "a field that it does not have" in told[1]
    assert "stated by bolt" in told[2]


def test_a_calculation_without_a_result_is_a_step() -> None:
    document = parse_contract_yaml(
        b"contract: 1\nname: f\nparties: {a: acme, b: bolt}\ntimekeeper: port\n"
        b"facts: {f: {by: [a], fields: {n: integer}}}\n"
        b"rules: [{name: r, when: exists(f) and 1 / f.n > 0, then: [{state: done}]}]\n"
    )
    simulation = run(document, "story: [{fact: f, at: 2026-01-01T00:00:00Z, fields: {n: 0}}]")
    assert simulation.steps[-1].sort == FAILED
    assert "division by zero" in simulation.steps[-1].lines[0]


def test_the_people_of_every_role_together_end_it(documents: Path) -> None:
    text = """
story:
  - {fact: delivered, at: "2019-01-19T03:24:00Z"}
  - {terminate: seller, counted: "2019-01-20T00:00:00Z"}
  - {terminate: carrier, counted: "2019-01-20T00:00:00Z"}
  - {terminate: buyer, counted: "2019-01-21T00:00:00Z"}
"""
    simulation = run(documents / "late-delivery.yaml", text)
    assert (simulation.agreement.status, simulation.agreement.reason) == (ENDED, "terminated")
    assert simulation.steps[-1].sort == END


def test_the_story_may_be_told_in_any_order(documents: Path) -> None:
    text = """
start: "2019-01-01T00:00:00Z"
story:
  - {tick: "2019-02-20T00:00:00Z"}
  - {tick: "2019-01-05T00:00:00Z"}
  - {fact: delivered, at: "2019-01-19T03:24:00Z"}
"""
    assert run(documents / "late-delivery.yaml", text).evaluation.dues[0].amount == "84.00 USD"


def test_an_event_that_states_nothing_is_refused(documents: Path) -> None:
    text = 'story: [{event: \'{"type": "ObjectEvent"}\', by: carrier, counted: 2026-01-01T00:00:00Z}]'
    with pytest.raises(MissingError, match="an event that states no fact"):
        run(documents / "late-delivery.yaml", text)


def lines(simulation: Simulation, sort: str) -> list[str]:
    return [line for step in simulation.steps if step.sort == sort for line in step.lines]


def story_of(*items: str) -> str:
    return "\n".join(['start: "2019-01-01T00:00:00Z"', 'until: "2019-04-01T00:00:00Z"', "story:", *items])


DELIVERED = '  - {fact: delivered, at: "2019-01-19T03:24:00Z"}'


def test_a_correction_stands_once_whom_it_disfavours_signed_it(documents: Path) -> None:
    less = '  - {correct: penalty, amount: 63.00 USD, text: ours, counted: "2019-02-20T00:00:00Z"}'
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, less))
    assert lines(simulation, CORRECTED)[:2] == [
        "bolt corrects it: “ours”",
        "acme (seller) owes bolt (buyer) 63.00 USD, payable by 2019-03-15 03:24:00 UTC",
    ]
    assert simulation.evaluation.dues[0].amount == "63.00 USD"
    alone = less.replace("text:", "by: [seller], text:")
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, alone))
    assert lines(simulation, CORRECTED)[1] == "it stands once bolt has said so too"
    assert simulation.evaluation.dues[0].amount == "84.00 USD"


def test_a_correction_by_effects_reverses_a_decision_when_all_sign(documents: Path) -> None:
    none = '  - {correct: penalty, effects: [], counted: "2019-02-20T00:00:00Z"}'
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, none))
    assert lines(simulation, CORRECTED)[-1] == "nothing stands"
    assert simulation.evaluation.dues == ()


def test_what_has_not_fired_cannot_be_corrected(documents: Path) -> None:
    early = '  - {correct: penalty, amount: 63.00 USD, counted: "2019-02-01T00:00:00Z"}'
    with pytest.raises(MissingError, match="penalty, which has not fired by then"):
        run(documents / "late-delivery.yaml", story_of(DELIVERED, early))
    several = '  - {correct: closed, amount: 63.00 USD, counted: "2019-02-01T00:00:00Z"}'
    in_time = '  - {fact: delivered, at: "2019-01-05T03:24:00Z"}'
    with pytest.raises(InvalidError, match="0 amounts due"):
        run(documents / "late-delivery.yaml", story_of(in_time, several))


def test_what_was_ticked_past_the_cut_of_a_handover_is_void_and_done_again(documents: Path) -> None:
    cut = '  - {handover: harbor, cut: "2019-02-01T00:00:00Z", counted: "2019-02-25T00:00:00Z"}'
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, cut))
    assert lines(simulation, HANDED) == [
        "harbor keeps the time in the place of port",
        "what port counted or ticked from 2019-02-01 00:00:00 UTC on is void",
        "void: the deadline “claims” has passed",
        "void: rule penalty",
    ]
    assert [step.name for step in simulation.steps if step.sort == FIRED] == ["penalty", "penalty"]
    (due,) = simulation.evaluation.dues
    assert (due.by, simulation.agreement.timekeeper) == ("2019-03-27T00:00:00Z", "harbor")


def test_the_new_timekeeper_counts_what_the_cut_made_void(documents: Path) -> None:
    cut = '  - {handover: harbor, cut: "2019-01-10T00:00:00Z", counted: "2019-01-25T00:00:00Z"}'
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, cut))
    assert "void: “delivered”, dart" in lines(simulation, HANDED)
    assert [step.at.ms for step in simulation.steps if step.sort == FACT] == [1547868240000, 1548374400000]
    assert simulation.evaluation.dues[0].amount == "84.00 USD"


def test_a_handover_without_a_cut_changes_nothing_of_what_was(documents: Path) -> None:
    plain = '  - {handover: harbor, counted: "2019-02-25T00:00:00Z"}'
    simulation = run(documents / "late-delivery.yaml", story_of(DELIVERED, plain))
    assert lines(simulation, HANDED) == ["harbor keeps the time in the place of port"]
    assert simulation.evaluation.dues[0].by == "2019-03-15T03:24:00Z"
    with pytest.raises(InvalidError, match="port, who keeps the time already"):
        run(documents / "late-delivery.yaml", story_of(plain.replace("harbor", "port")))


def test_an_agreement_that_replaces_it_ends_it(documents: Path) -> None:
    simulation = run(
        documents / "late-delivery.yaml", story_of(DELIVERED, '  - {replaced: "2019-01-20T00:00:00Z"}')
    )
    assert (simulation.agreement.status, simulation.agreement.reason) == (ENDED, "replaced")
    assert lines(simulation, END) == ["the agreement has ended: replaced"]


def test_what_people_sign_is_told_also_where_others_are_to_follow(documents: Path) -> None:
    items = (
        '  - {fact: force_majeure, at: "2019-01-15T00:00:00Z", confirm: "2019-01-16T00:00:00Z"}',
        '  - {terminate: seller, counted: "2019-01-20T00:00:00Z"}',
    )
    simulation = run(documents / "late-delivery.yaml", story_of(*items))
    assert lines(simulation, SAID) == [
        "bolt confirms “force majeure”",
        "acme (seller) terminates the agreement",
    ]
    assert simulation.agreement.in_force
