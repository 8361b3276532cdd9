"""Agreements for people: what was signed, what happened, what follows, what is due from whom and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.agreement import Agreement, FactView
from contracts.decision import AmountDue, Decision, Evaluation, evaluate
from contracts.document import TIMEKEEPER, Document
from contracts.evaluator import Moment
from contracts.explain import explain
from contracts.render import render_text
from contracts.replay import EXISTS, WAITING
from contracts.values import Instant
from ledger.errors import TallyError
from node.state import State
from node.store.reader import Reader
from node.views.records import AgreementBook
from node.views.values import Json, as_json, format_time


def list_agreements(reader: Reader, state: State, book: AgreementBook) -> list[Json]:
    """Every agreement whose document is here and is a contract, in short, by name."""
    shown = [
        _brief(state, agreement, evaluate(agreement, state.is_witnessed))
        for agreement in readable_agreements(reader, state, book)
    ]
    return sorted(shown, key=lambda item: (item["name"], item["agreement"]))


def show_agreement(reader: Reader, state: State, book: AgreementBook, agreement: bytes) -> Json:
    """All that is known of one agreement.

    Raises:
        MissingError: this home does not hold its document.
    """
    found = book.agreement(reader, state, agreement)
    document = found.contract.document
    evaluation = evaluate(found, state.is_witnessed)
    return _brief(state, found, evaluation) | {
        "text": render_text(document),
        "sign": {role: {"need": rule.need, "of": list(rule.of)} for role, rule in document.sign.items()},
        "since": _moment(found.start),
        "proposals": [
            {
                "leaf": proposal.leaf_hash.hex(),
                "organization": proposal.organization,
                "until": None if proposal.until is None else format_time(proposal.until),
                "signed": {role: _people(state, document, role, p) for role, p in proposal.signed.items()},
                "lacking": dict(proposal.lacking),
            }
            for proposal in found.proposals
        ],
        "facts": [_fact(fact) for fact in found.facts],
        "not_counted": as_json(found.countable),
        "missing": as_json(found.missing),
        "firings": [_firing(decision) for decision in evaluation.decisions],
        "failures": [
            {"rule": failure.rule, "at": _moment(failure.moment), "trouble": str(failure.error)}
            for failure in evaluation.failures
        ],
        "due": [_due(found, amount) for amount in evaluation.dues],
        "warnings": [str(problem) for problem in found.contract.report.warnings],
        "remarks": [
            {"leaf": remark.leaf_hash.hex(), "organization": remark.organization, "text": remark.text}
            for remark in found.remarks
        ],
    }


def explain_agreement(reader: Reader, state: State, book: AgreementBook, agreement: bytes) -> Json:
    """For every rule: which conditions hold, from which entries, and what is missing.

    Raises:
        MissingError: this home does not hold its document.
    """
    found = book.agreement(reader, state, agreement)
    fired = {d.firing.rule: d for d in evaluate(found, state.is_witnessed).decisions}
    rules = []
    for rule in found.contract.document.rules:
        explanation = explain(found, rule.name)
        decision = fired.get(rule.name)
        rules.append(
            {
                "rule": rule.name,
                "when": " ".join(rule.when.text.split()),
                "fired": None if decision is None else _firing(decision),
                "conditions": [
                    {
                        "text": condition.text,
                        "holds": condition.holds,
                        "entries": as_json(condition.entries),
                        "trouble": condition.trouble,
                    }
                    for condition in explanation.conditions
                ],
                "missing": [] if decision else list(explanation.missing),
            }
        )
    return {"agreement": agreement.hex(), "name": found.contract.document.name, "rules": rules}


def list_due(reader: Reader, state: State, book: AgreementBook) -> list[Json]:
    """Every amount due that is known here, the earliest first."""
    dues = [
        _due(agreement, amount)
        for agreement in readable_agreements(reader, state, book)
        for amount in evaluate(agreement, state.is_witnessed).dues
    ]
    return sorted(dues, key=lambda due: (due["by"], due["agreement"], due["rule"]))


def waiting_for(reader: Reader, state: State, book: AgreementBook) -> Json:
    """What waits: for this organization's signature or confirmation, and facts of its own not counted yet."""
    waiting: Json = {"signatures": [], "confirmations": [], "not_counted": []}
    for agreement in readable_agreements(reader, state, book):
        about = {
            "agreement": agreement.contract.agreement.hex(),
            "name": agreement.contract.document.name,
        }
        roles = _own_roles(state, agreement.contract.document)
        waiting["signatures"] += [about | item for item in _unsigned(agreement, roles)]
        for fact in agreement.facts:
            named = about | {"fact": fact.leaf_hash.hex(), "fact_name": fact.name}
            role = next((role for role in fact.awaiting if role in roles), None)
            if role is not None and (fact.counted is None or fact.status == WAITING) and not fact.reason:
                waiting["confirmations"].append(named | {"role": role, "organization": fact.organization})
            if fact.organization == state.organization and fact.counted is None and not fact.reason:
                waiting["not_counted"].append(named | {"timekeeper": agreement.contract.document.timekeeper})
    return waiting


def readable_agreements(reader: Reader, state: State, book: AgreementBook) -> Iterator[Agreement]:
    """The agreements that can be shown: others lack their document, or it is no contract."""
    for identity in reader.agreement_hashes():
        try:
            yield book.agreement(reader, state, identity)
        except TallyError:
            continue


def _brief(state: State, agreement: Agreement, evaluation: Evaluation) -> Json:
    document = agreement.contract.document
    return {
        "agreement": agreement.contract.agreement.hex(),
        "name": document.name,
        "status": agreement.status,
        "state": evaluation.state,
        "parties": dict(document.parties),
        "timekeeper": document.timekeeper,
        "timekeeper_is_party": document.timekeeper in document.parties.values(),
        "roles": _own_roles(state, document),
    }


def _own_roles(state: State, document: Document) -> list[str]:
    """The roles that this organization signs for."""
    holders = {**document.parties}
    if TIMEKEEPER in document.sign:
        holders[TIMEKEEPER] = document.timekeeper
    return [role for role, holder in holders.items() if holder == state.organization]


def _unsigned(agreement: Agreement, roles: Iterable[str]) -> Iterator[Json]:
    """Proposals that lack a signature of ours, unless the agreement is settled."""
    if agreement.status != "proposed":
        return
    for proposal in agreement.proposals:
        for role in roles:
            if role in proposal.lacking:
                yield {
                    "proposal": proposal.leaf_hash.hex(),
                    "role": role,
                    "lacking": proposal.lacking[role],
                    "organization": proposal.organization,
                }


def _people(state: State, document: Document, role: str, keys: Iterable[str]) -> list[Json]:
    holder = document.timekeeper if role == TIMEKEEPER else document.parties[role]
    grants = state.roster.people_of(holder)
    return [
        {"key": key, "name": known[-1].name if (known := grants.get(bytes.fromhex(key))) else None}
        for key in keys
    ]


def _fact(fact: FactView) -> Json:
    return {
        "leaf": fact.leaf_hash.hex(),
        "name": fact.name,
        "organization": fact.organization,
        "fields": dict(fact.fields),
        "status": fact.status,
        "exists": fact.status == EXISTS,
        "reason": fact.reason,
        "counted": _instant(fact.counted),
        "confirmations": [
            {
                "leaf": confirmation.leaf_hash.hex(),
                "organization": confirmation.organization,
                "counted": _instant(confirmation.counted),
            }
            for confirmation in fact.confirmations
        ],
        "awaiting": list(fact.awaiting),
    }


def _firing(decision: Decision) -> Json:
    firing = decision.firing
    return {
        "rule": firing.rule,
        "final": decision.final,
        "at": _moment(firing.moment),
        "effects": as_json(firing.effects),
        "rests_on": as_json(firing.rests_on),
        "decision": decision.hash.hex(),
        "inputs": decision.inputs.hex(),
        "outcome": decision.outcome.hex(),
        "agreed_by": list(decision.agreed_by),
        "disputed_by": list(decision.disputed_by),
    }


def _due(agreement: Agreement, due: AmountDue) -> Json:
    return {
        "agreement": agreement.contract.agreement.hex(),
        "name": agreement.contract.document.name,
        "rule": due.rule,
        "from": due.payer,
        "to": due.payee,
        "amount": due.amount,
        "by": due.by,
        "final": due.final,
        "decision": due.decision.hex(),
    }


def _moment(moment: Moment | None) -> Json | None:
    if moment is None:
        return None
    origin, seq = moment.position
    return {"time": format_time(moment.instant.ms), "origin": origin, "seq": seq}


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_time(instant.ms)
