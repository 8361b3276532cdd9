"""Decisions: the firings of an agreement with their hashes (`contracts.hashes`), provisional or final.

A firing is final when everything it rests on is witnessed: proposal, signatures, facts, confirmations,
ticks, the entries that count them, and what put a later timekeeper in its place. Until then it is
provisional and moves no money. What stands of its effects may be corrected later (`contracts.corrections`);
the decision itself stays.

`Standing` says what follows from all effects together: amounts due and whether they are paid, obligations
and whether they are open. A discharge meets what has its name, under the same key. When the agreement
ends, obligations end with it, unless they survive; dues stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from contracts.agreement import ENDED, Agreement
from contracts.corrections import Correction
from contracts.effects import EffectMap
from contracts.evaluator import Failure, Firing
from contracts.hashes import decision_hash, inputs_hash, key_text, outcome_hash
from contracts.records import Position, Record
from ledger.errors import InvalidError, short

Witnessed: TypeAlias = Callable[[str, int], bool]
"""Whether the entry of a log (origin) at a position is witnessed."""

OPEN, MET, OVER = "open", "met", "over"
"""Of an obligation or amount due: it stands, it was discharged, it ended with the agreement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A firing with its hashes. `agreed_by` and `disputed_by` are organizations that recorded theirs."""

    firing: Firing
    key: str | None
    final: bool
    inputs: bytes
    outcome: bytes
    hash: bytes
    agreed_by: tuple[str, ...]
    disputed_by: tuple[str, ...]
    correction: Correction | None
    settled: bool
    """Whether the effects that stand are final: a correction rests on entries of its own, too."""

    @property
    def effects(self) -> tuple[EffectMap, ...]:
        """The effects that stand: its own, or those that it was corrected to."""
        return self.firing.effects if self.correction is None else self.correction.effects


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountDue:
    """What one organization owes another by a decision; times are canonical texts."""

    rule: str
    key: str | None
    payer: str
    payee: str
    amount: str
    by: str
    name: str | None
    standing: str
    final: bool
    decision: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Obliged:
    """A duty, permission or prohibition of an organization, perhaps towards another."""

    rule: str
    key: str | None
    duty: str
    of: str
    to: str | None
    act: str
    amount: str | None
    by: str | None
    survives: bool
    standing: str
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
    obligations: tuple[Obliged, ...]


def evaluate(agreement: Agreement, witnessed: Witnessed) -> Evaluation:
    """The firings of an agreement, each final if all that it rests on is witnessed."""
    decisions = tuple(decide(agreement, firing, witnessed) for firing in agreement.firings)
    states = [effect["state"] for d in decisions for effect in d.effects if effect["kind"] == "state"]
    dues, obligations = _standing(agreement, decisions)
    return Evaluation(
        decisions=decisions,
        failures=agreement.failures,
        state=str(states[-1]) if states else None,
        dues=dues,
        obligations=obligations,
    )


def decide(agreement: Agreement, firing: Firing, witnessed: Witnessed) -> Decision:
    """One firing as a decision."""
    key = key_text(firing)
    inputs, outcome = inputs_hash(firing.rests_on), outcome_hash(firing.effects)
    name = decision_hash(agreement.contract.agreement, firing.rule, inputs, outcome, key)
    recorded = agreement.decisions.get((firing.rule, key), ())
    same = {r.organization for r in recorded if (r.body["inputs"], r.body["outcome"]) == (inputs, outcome)}
    final = all(witnessed(origin, seq) for origin, seq in rests_on_positions(agreement, firing))
    correction = agreement.corrections.get(name)
    corrected = () if correction is None else correction.positions
    return Decision(
        firing=firing,
        key=key,
        final=final,
        inputs=inputs,
        outcome=outcome,
        hash=name,
        agreed_by=tuple(sorted(same)),
        disputed_by=tuple(sorted({record.organization for record in recorded} - same)),
        correction=correction,
        settled=final and all(witnessed(origin, seq) for origin, seq in corrected),
    )


def unfounded(agreement: Agreement, held: Callable[[str], int]) -> Iterator[Record]:
    """Recorded decisions of rules that have not fired here, though everything they rest on should be here.

    `held` says how many entries of a log are here. Such a party was shown another history, or not all of one.
    """
    if agreement.missing:
        return
    fired = {(firing.rule, key_text(firing)) for firing in agreement.firings}
    for name, records in agreement.decisions.items():
        for record in records if name not in fired else ():
            origin, seq = record.body["timekeeper"]
            if seq < held(origin):
                yield record


def rests_on_positions(agreement: Agreement, firing: Firing) -> tuple[Position, ...]:
    """Every entry that must be witnessed before a firing is final, each once."""
    origin = firing.moment.position[0]
    positions = [*agreement.basis, firing.moment.position]
    positions += agreement.takeovers.get(origin.partition("/")[0], ())
    for leaf_hash in firing.rests_on:
        positions += agreement.positions[leaf_hash]
    return tuple(dict.fromkeys(positions))


def _standing(
    agreement: Agreement, decisions: Iterable[Decision]
) -> tuple[tuple[AmountDue, ...], tuple[Obliged, ...]]:
    """Amounts due and obligations in the order in which they came to be, with what became of them."""
    dues: list[AmountDue] = []
    obligations: list[Obliged] = []
    for decision in decisions:
        for effect in decision.effects:
            match effect["kind"]:
                case "due":
                    dues.append(_due(agreement, decision, effect))
                case "obligation":
                    obligations.append(_obliged(agreement, decision, effect))
                case "discharge":
                    named = str(effect["name"]), decision.key
                    dues = [replace(d, standing=MET) if (d.name, d.key) == named else d for d in dues]
                    obligations = [
                        replace(o, standing=MET) if (o.act, o.key) == named else o for o in obligations
                    ]
    if agreement.status == ENDED:
        obligations = [
            replace(o, standing=OVER) if o.standing == OPEN and not o.survives else o for o in obligations
        ]
    return tuple(dues), tuple(obligations)


def _due(agreement: Agreement, decision: Decision, effect: EffectMap) -> AmountDue:
    parties = agreement.contract.document.parties
    return AmountDue(
        rule=decision.firing.rule,
        key=decision.key,
        payer=parties[str(effect["from"])],
        payee=parties[str(effect["to"])],
        amount=str(effect["amount"]),
        by=str(effect["by"]),
        name=_text(effect, "as"),
        standing=OPEN,
        final=decision.settled,
        decision=decision.hash,
    )


def _obliged(agreement: Agreement, decision: Decision, effect: EffectMap) -> Obliged:
    parties = agreement.contract.document.parties
    to = _text(effect, "to")
    return Obliged(
        rule=decision.firing.rule,
        key=decision.key,
        duty=str(effect["duty"]),
        of=parties[str(effect["of"])],
        to=None if to is None else parties[to],
        act=str(effect["act"]),
        amount=_text(effect, "amount"),
        by=_text(effect, "by"),
        survives="survives" in effect,
        standing=OPEN,
        final=decision.settled,
        decision=decision.hash,
    )


def _text(effect: EffectMap, key: str) -> str | None:
    return str(effect[key]) if key in effect else None


def decision_body(agreement: Agreement, decision: Decision) -> dict[str, Any]:
    """The body of the `decision` statement by which a party's node records a final firing."""
    origin, seq = decision.firing.moment.position
    body = {
        "agreement": agreement.contract.agreement,
        "effects": list(decision.firing.effects),
        "inputs": decision.inputs,
        "outcome": decision.outcome,
        "rule": decision.firing.rule,
        "timekeeper": [origin, seq],
    }
    return body if decision.key is None else {"key": decision.key, **body}


def check_decision(agreement: Agreement, evaluation: Evaluation, body: Mapping[str, Any]) -> None:
    """Check that a recorded decision is what these entries give and that it is final.

    Raises:
        InvalidError: the rule has not fired, is provisional here, or came out differently.
    """
    key = body.get("key")
    where = f"decision {short(body['rule'])}" + (f" for {short(key)}" if key is not None else "")
    found = next((d for d in evaluation.decisions if (d.firing.rule, d.key) == (body["rule"], key)), None)
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
