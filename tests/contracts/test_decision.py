"""Decisions: frozen hashes, provisional until everything below is witnessed, recorded and compared."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from contracts.decision import Witnessed, check_decision, decision_body, evaluate, rests_on_positions
from contracts.document import agreement_hash, format_document
from contracts.hashes import decision_hash, inputs_hash, outcome_hash
from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import parse_contract_yaml
from contracts.records import Position
from ledger.errors import InvalidError
from ledger.log.encoding import decode, encode
from ledger.log.kinds import check_body

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "contracts" / "decisions.json").read_bytes()
)


@pytest.mark.parametrize("vector", VECTORS["agreements"], ids=lambda vector: vector["document"])
def test_frozen_agreement_hashes(documents: Path, vector: dict[str, Any]) -> None:
    document = parse_contract_yaml((documents / vector["document"]).read_bytes())
    frozen = decode(bytes.fromhex(vector["signed"]))
    assert isinstance(frozen, dict)
    assert format_document(document) == encode({**frozen, "language": LANGUAGE_VECTORS})
    assert agreement_hash(bytes.fromhex(vector["signed"])).hex() == vector["agreement"]


@pytest.mark.parametrize("vector", VECTORS["decisions"], ids=lambda vector: vector["rule"])
def test_frozen_decision_hashes(vector: dict[str, Any]) -> None:
    inputs = inputs_hash([bytes.fromhex(text) for text in vector["rests_on"]])
    outcome = outcome_hash(vector["effects"])
    assert inputs.hex() == vector["inputs"]
    assert outcome.hex() == vector["outcome"]
    agreement = bytes.fromhex(vector["agreement"])
    assert decision_hash(agreement, vector["rule"], inputs, outcome).hex() == vector["decision"]


def delivered(story: Any) -> Any:
    told = story("coffee-delivery")
    told.sign_all()
    fact = told.state("wheels", "delivered", {"kilograms": "60.5"})
    told.count(fact, told.confirm("corner", fact))
    return told


def test_a_firing_is_provisional_until_everything_it_rests_on_is_witnessed(story: Any) -> None:
    agreement = delivered(story).fold()
    (decision,) = evaluate(agreement, lambda origin, seq: True).decisions
    needed = rests_on_positions(agreement, decision.firing)
    assert decision.final
    for lacking in needed:
        (again,) = evaluate(agreement, all_but(lacking)).decisions
        assert not again.final
        assert again.hash == decision.hash


def all_but(lacking: Position) -> Witnessed:
    return lambda origin, seq: (origin, seq) != lacking


def test_no_hash_depends_on_our_own_encoder() -> None:
    assert inputs_hash([]) == sha256(b"tallystick inputs v1\n\x90").digest()
    assert inputs_hash([bytes(32)]) == sha256(b"tallystick inputs v1\n\x91\xc4\x20" + bytes(32)).digest()
    outcome = b"\x91\x82\xa4kind\xa5state\xa5state\xa5going"
    assert (
        outcome_hash([{"kind": "state", "state": "going"}])
        == sha256(b"tallystick outcome v1\n" + outcome).digest()
    )
    joined = b"\x94" + b"".join([b"\xc4\x20" + b"\x01" * 32, b"\xa2go", *[b"\xc4\x20" + bytes(32)] * 2])
    expected = sha256(b"tallystick decision v1\n" + joined).digest()
    assert decision_hash(b"\x01" * 32, "go", bytes(32), bytes(32)) == expected


def test_it_rests_on_every_record_of_the_story(story: Any) -> None:
    told = delivered(story)
    agreement = told.fold()
    (decision,) = evaluate(agreement, lambda origin, seq: True).decisions
    assert set(rests_on_positions(agreement, decision.firing)) == {record.position for record in told.records}


def test_a_recorded_decision_has_the_form_of_its_kind(story: Any) -> None:
    agreement = delivered(story).fold()
    evaluation = evaluate(agreement, lambda origin, seq: True)
    body = decision_body(agreement, evaluation.decisions[0])
    check_body("decision", body, "here")
    check_decision(agreement, evaluation, body)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"rule": "other"}, "a rule that has not fired"),
        ({"outcome": bytes(32)}, "outcome"),
        ({"timekeeper": ["port/0123456789abcdef", 99]}, "outcome"),
    ],
)
def test_a_decision_that_these_entries_do_not_give_is_refused(
    story: Any, change: dict[str, Any], found: str
) -> None:
    agreement = delivered(story).fold()
    evaluation = evaluate(agreement, lambda origin, seq: True)
    body = {**decision_body(agreement, evaluation.decisions[0]), **change}
    with pytest.raises(InvalidError) as caught:
        check_decision(agreement, evaluation, body)
    assert caught.value.found.startswith(found)


def test_a_provisional_decision_is_not_recorded(story: Any) -> None:
    agreement = delivered(story).fold()
    evaluation = evaluate(agreement, lambda origin, seq: False)
    with pytest.raises(InvalidError, match="provisional"):
        check_decision(agreement, evaluation, decision_body(agreement, evaluation.decisions[0]))


def test_parties_that_decide_differently_show(story: Any) -> None:
    told = delivered(story)
    agreement = told.fold()
    body = decision_body(agreement, told.evaluate().decisions[0])
    told.add("corner", "decision", body)
    told.add("roast", "decision", {**body, "outcome": bytes(32)})
    (decision,) = told.evaluate().decisions
    assert (decision.agreed_by, decision.disputed_by) == (("corner",), ("roast",))
