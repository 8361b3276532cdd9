"""Plays a scene of the conformance cases in the evaluator alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.reading import parse_contract_yaml
from contracts.statements import check_statement
from ledger.errors import TallyError
from tests.conformance.contract_cases import Said, Scene, ms
from tests.contracts.conftest import Story


def play(scene: Scene) -> Story:
    """Sign, state, count and tick as the scene has it, in the evaluator alone."""
    told = Story(parse_contract_yaml(scene.text), now_ms=ms(scene.begin))
    told.sign_all()
    for said in scene.said:
        tick(told, ms(said.at))
        told.now_ms = max(told.now_ms, ms(said.at) - 1000)
        if said.refusal:
            with pytest.raises(TallyError, match=said.refusal):
                check(told, said)
        else:
            check(told, said)
            fact = told.state(said.by, said.name, dict(said.fields))
            told.count(fact, *(told.confirm(other, fact) for other in said.confirmed_by))
    tick(told, ms(scene.end))
    return told


def tick(told: Story, until: int) -> None:
    """One tick for each moment at which something is due."""
    while (due := told.replay().next_due) is not None and due <= until:
        told.tick(max(due, told.now_ms))
        told.now_ms = max(due, told.now_ms)


def check(told: Story, said: Said) -> None:
    """What the author's node checks before it records the statement."""
    draft = told.state(said.by, said.name, dict(said.fields))
    told.records.pop()
    told.lengths[draft.origin] -= 1
    told.now_ms -= 1000
    check_statement(told.replay(), replace(draft, leaf_hash=bytes(32)))
