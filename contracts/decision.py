"""Decisions: the firings of an agreement with their hashes, provisional or final.

    inputs hash   = SHA-256("tallystick inputs v1\\n" | msgpack [leaf hash, …])
    outcome hash  = SHA-256("tallystick outcome v1\\n" | msgpack [effect, …])
    decision hash = SHA-256("tallystick decision v1\\n" | msgpack [agreement, rule, inputs, outcome])

Inputs are the leaf hashes of the facts and confirmations that the firing rests on, in counting order.
Effects are maps in the order of the rule; every value is text (roles of `notify`: a list of texts):

- `{"kind": "due", "from": role, "to": role, "amount": "11.98 USD", "by": "2019-01-11T03:24:00Z"}`
- `{"kind": "state", "state": name}`
- `{"kind": "notify", "roles": [role, …]}`

A firing is final when everything it rests on is witnessed: proposal, signatures, facts, confirmations,
and the `counted` entries that name them. Until then it is provisional and moves no money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeAlias

from contracts.agreement import Agreement
from contracts.evaluator import EffectMap, Failure, Firing, decide
from contracts.records import Position
from ledger.errors import InvalidError, short
from ledger.log.encoding import encode

Witnessed: TypeAlias = Callable[[str, int], bool]
"""Whether the entry of a log (origin) at a position is witnessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A firing with its hashes. `agreed_by` and `disputed_by` are organizations that recorded theirs."""

    firing: Firing
    final: bool
    inputs: bytes
    outcome: bytes
    hash: bytes
    agreed_by: tuple[str, ...]
    disputed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountDue:
    """What one organization owes another by a decision; times are canonical texts."""

    rule: str
    payer: str
    payee: str
    amount: str
    by: str
    final: bool
    decision: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What follows from an agreement now."""

    decisions: tuple[Decision, ...]
    failures: tuple[Failure, ...]
    state: str | None
    """The state that the last firing set, or None."""
    dues: tuple[AmountDue, ...]


def evaluate(agreement: Agreement, witnessed: Witnessed) -> Evaluation:
    """The firings of an agreement, each final if all that it rests on is witnessed."""
    if agreement.start is None:
        return Evaluation(decisions=(), failures=(), state=None, dues=())
    firings, failures = decide(agreement.contract, agreement.start, agreement.existing)
    ranks = {leaf_hash: rank for rank, leaf_hash in enumerate(agreement.positions)}
    firings = tuple(
        replace(firing, rests_on=tuple(sorted(firing.rests_on, key=ranks.__getitem__))) for firing in firings
    )
    decisions = tuple(_decision(agreement, firing, witnessed) for firing in firings)
    states = [effect["state"] for firing in firings for effect in firing.effects if effect["kind"] == "state"]
    return Evaluation(
        decisions=decisions,
        failures=failures,
        state=str(states[-1]) if states else None,
        dues=tuple(due for decision in decisions for due in _dues(agreement, decision)),
    )


def _decision(agreement: Agreement, firing: Firing, witnessed: Witnessed) -> Decision:
    inputs, outcome = inputs_hash(firing.rests_on), outcome_hash(firing.effects)
    name = decision_hash(agreement.contract.agreement, firing.rule, inputs, outcome)
    recorded = [record for record in agreement.decisions if record.body["rule"] == firing.rule]
    same = {r.organization for r in recorded if (r.body["inputs"], r.body["outcome"]) == (inputs, outcome)}
    return Decision(
        firing=firing,
        final=all(witnessed(origin, seq) for origin, seq in rests_on_positions(agreement, firing)),
        inputs=inputs,
        outcome=outcome,
        hash=name,
        agreed_by=tuple(sorted(same)),
        disputed_by=tuple(sorted({record.organization for record in recorded} - same)),
    )


def rests_on_positions(agreement: Agreement, firing: Firing) -> tuple[Position, ...]:
    """Every entry that must be witnessed before a firing is final, each once."""
    positions = [*agreement.basis, firing.moment.position]
    for leaf_hash in firing.rests_on:
        positions += agreement.positions[leaf_hash]
    return tuple(dict.fromkeys(positions))


def _dues(agreement: Agreement, decision: Decision) -> list[AmountDue]:
    parties = agreement.contract.document.parties
    return [
        AmountDue(
            rule=decision.firing.rule,
            payer=parties[str(effect["from"])],
            payee=parties[str(effect["to"])],
            amount=str(effect["amount"]),
            by=str(effect["by"]),
            final=decision.final,
            decision=decision.hash,
        )
        for effect in decision.firing.effects
        if effect["kind"] == "due"
    ]


def inputs_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """The hash of what a firing rests on."""
    return sha256(b"tallystick inputs v1\n" + encode(list(leaf_hashes))).digest()


def outcome_hash(effects: Sequence[EffectMap]) -> bytes:
    """The hash of a firing's effects."""
    return sha256(b"tallystick outcome v1\n" + encode(list(effects))).digest()


def decision_hash(agreement: bytes, rule: str, inputs: bytes, outcome: bytes) -> bytes:
    """The hash that names a decision; parties that decide the same have the same."""
    return sha256(b"tallystick decision v1\n" + encode([agreement, rule, inputs, outcome])).digest()


def decision_body(agreement: Agreement, decision: Decision) -> dict[str, Any]:
    """The body of the `decision` statement by which a party's node records a final firing."""
    origin, seq = decision.firing.moment.position
    return {
        "agreement": agreement.contract.agreement,
        "effects": list(decision.firing.effects),
        "inputs": decision.inputs,
        "outcome": decision.outcome,
        "rule": decision.firing.rule,
        "timekeeper": [origin, seq],
    }


def check_decision(agreement: Agreement, evaluation: Evaluation, body: Mapping[str, Any]) -> None:
    """Check that a recorded decision is what these entries give and that it is final.

    Raises:
        InvalidError: the rule has not fired, is provisional here, or came out differently.
    """
    where = f"decision {short(body['rule'])}"
    found = next((d for d in evaluation.decisions if d.firing.rule == body["rule"]), None)
    if found is None:
        raise InvalidError(where, found="a rule that has not fired", expected="a rule that has fired")
    if not found.final:
        raise InvalidError(
            where,
            found="a provisional firing",
            expected="a final one",
            action="wait until the entries that it rests on are witnessed",
        )
    if dict(body) != decision_body(agreement, found):
        raise InvalidError(
            where,
            found=f"outcome {short(body['outcome'])}",
            expected=short(found.outcome),
            action="compare the entries that both sides hold: `tally agree show`",
        )
