"""Agreements for people: what was signed, what happened, what follows, what is due from whom and why."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.agreement import Agreement, DeadlineView, FactView, Proposal
from contracts.course import EXISTS
from contracts.decision import AmountDue, Decision, Evaluation, Obliged, Witnessed, evaluate
from contracts.document import TIMEKEEPER, Document
from contracts.explain import Explainer, Explanation
from contracts.facts_known import Moment
from contracts.render import render_text
from contracts.values import Instant, format_value
from node.state import State
from node.store.reader import Reader
from node.views.evidence import quarantined_of
from node.views.records import AgreementBook
from node.views.values import Json, as_json, format_time
from node.views.wishes import disputed, shown_next_term, shown_term, shown_wish


def show_agreement(reader: Reader, state: State, book: AgreementBook, agreement: bytes) -> Json:
    """All that is known of one agreement.

    Raises:
        MissingError: this home does not hold its document.
    """
    found = book.agreement(reader, state, agreement)
    document = found.contract.document
    evaluation = evaluate(found, state.is_witnessed)
    return show_brief(state, found, evaluation) | {
        "text": render_text(document),
        "sign": {role: {"need": rule.need, "of": list(rule.of)} for role, rule in document.sign.items()},
        "since": _moment(found.start),
        "term": found.term,
        "terms": [shown_term(term, reader) for term in found.terms],
        "next_term": shown_next_term(found, state),
        "ended": _moment(found.end),
        "deadlines": [_deadline(deadline) for deadline in found.deadlines],
        "proposals": [_proposal(state, document, proposal) for proposal in found.proposals],
        "facts": [shown_fact(fact) | _standing(reader, state, fact.leaf_hash) for fact in found.facts],
        "not_counted": as_json(found.countable),
        "wishes": [shown_wish(wish) for wish in found.wishes],
        "disputed": list(disputed(state, found, evaluation.decisions)),
        "missing": as_json(found.missing),
        "firings": [_firing(decision) for decision in evaluation.decisions],
        "failures": [
            {
                "rule": failure.rule,
                "key": None if failure.key is None else format_value(failure.key[1]),
                "at": _moment(failure.moment),
                "trouble": str(failure.error),
            }
            for failure in evaluation.failures
        ],
        "due": [shown_due(found, amount) for amount in evaluation.dues],
        "obligations": [shown_obligation(found, obliged) for obliged in evaluation.obligations],
        "warnings": [problem.advice for problem in found.contract.report.warnings],
        "remarks": [
            {"leaf": remark.leaf_hash.hex(), "organization": remark.organization, "text": remark.text}
            for remark in found.remarks
        ],
    }


def _proposal(state: State, document: Document, proposal: Proposal) -> Json:
    return {
        "leaf": proposal.leaf_hash.hex(),
        "organization": proposal.organization,
        "until": None if proposal.until is None else format_time(proposal.until),
        "signed": {role: _people(state, document, role, keys) for role, keys in proposal.signed.items()},
        "lacking": dict(proposal.lacking),
        "replaces": None if proposal.replaces is None else proposal.replaces.hex(),
        "gone": proposal.gone,
    }


def explain_agreement(
    reader: Reader,
    state: State,
    book: AgreementBook,
    agreement: bytes,
    rule: str | None = None,
    key: str | None = None,
) -> Json:
    """For every rule, or for one: which conditions hold, from which entries, and what is missing.

    Raises:
        MissingError: this home does not hold its document, or it has no such rule.
        InvalidError: a key that is none of the rule.
    """
    found = book.agreement(reader, state, agreement)
    with book.replay(reader, state, agreement):  # what the rules see does not grow meanwhile
        rules = explained_rules(found, state.is_witnessed, rule, key)
    return {"agreement": agreement.hex(), "name": found.contract.document.name, "rules": rules}


def explained_rules(
    agreement: Agreement, witnessed: Witnessed, rule: str | None = None, key: str | None = None
) -> list[Json]:
    """The rules of an agreement, each for every value of its key, or only for one.

    Raises:
        MissingError: the contract has no such rule.
        InvalidError: a key that is none of the rule.
    """
    explainer = Explainer(agreement)
    fired = {(d.firing.rule, d.key): d for d in evaluate(agreement, witnessed).decisions}
    rules = agreement.contract.document.rules if rule is None else (explainer.rule(rule),)
    found = []
    for each in rules:
        if key is not None and rule is None and each.per is None:
            continue
        for value in explainer.keys_of(each) if key is None else (key,):
            explanation = explainer.explain(each, value)
            found.append(_explained(explanation, each.per, each.when.text, fired.get((each.name, value))))
    return found


def _explained(explanation: Explanation, per: str | None, when: str, decision: Decision | None) -> Json:
    return {
        "rule": explanation.rule,
        "per": per,
        "key": explanation.key,
        "when": " ".join(when.split()),
        "fired": None if decision is None else _firing(decision),
        "conditions": [
            {
                "text": condition.text,
                "words": condition.words,
                "holds": condition.holds,
                "entries": as_json(condition.entries),
                "basis": list(condition.basis),
                "trouble": condition.trouble,
            }
            for condition in explanation.conditions
        ],
        "outcome": list(explanation.outcome),
        "stands": list(explanation.stands),
        "missing": list(explanation.missing),
        "never": explanation.never,
        "trouble": explanation.trouble,
    }


def show_brief(state: State, agreement: Agreement, evaluation: Evaluation) -> Json:
    """An agreement in short."""
    document = agreement.contract.document
    return {
        "agreement": agreement.contract.agreement.hex(),
        "name": document.name,
        "status": agreement.status,
        "reason": agreement.reason,
        "state": evaluation.state,
        "parties": dict(document.parties),
        "timekeeper": agreement.timekeeper,
        "timekeeper_is_party": agreement.timekeeper in document.parties.values(),
        "quarantined": _quarantined(state, document),
        "roles": own_roles(state, document),
    }


def _quarantined(state: State, document: Document) -> list[str]:
    """Quarantined logs of the parties and of the timekeeper: what rests on them may have another history."""
    return quarantined_of(state, [*document.parties.values(), document.timekeeper])


def own_roles(state: State, document: Document) -> list[str]:
    """The roles that this organization signs for."""
    holders = {**document.parties}
    if TIMEKEEPER in document.sign:
        holders[TIMEKEEPER] = document.timekeeper
    return [role for role, holder in holders.items() if holder == state.organization]


def _people(state: State, document: Document, role: str, keys: Iterable[str]) -> list[Json]:
    holder = document.timekeeper if role == TIMEKEEPER else document.parties[role]
    grants = state.roster.people_of(state.roster.origin(holder))
    return [
        {"key": key, "name": known[-1].name if (known := grants.get(bytes.fromhex(key))) else None}
        for key in keys
    ]


def shown_fact(fact: FactView) -> Json:
    """A fact that somebody stated, and what became of it."""
    return {
        "leaf": fact.leaf_hash.hex(),
        "name": fact.name,
        "organization": fact.organization,
        "fields": dict(fact.fields),
        "by_event": fact.by_event,
        "attachments": as_json(fact.attachments),
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


def _standing(reader: Reader, state: State, leaf: bytes) -> Json:
    """Whether an entry is witnessed; else it is recorded."""
    return {"witnessed": state.is_witnessed(*reader.find(leaf))}


def _firing(decision: Decision) -> Json:
    firing = decision.firing
    return {
        "rule": firing.rule,
        "key": decision.key,
        "final": decision.final,
        "at": _moment(firing.moment),
        "effects": as_json(decision.effects),
        "corrected": _corrected(decision),
        "rests_on": as_json(firing.rests_on),
        "decision": decision.hash.hex(),
        "inputs": decision.inputs.hex(),
        "outcome": decision.outcome.hex(),
        "agreed_by": list(decision.agreed_by),
        "disputed_by": list(decision.disputed_by),
    }


def _corrected(decision: Decision) -> Json | None:
    """What stood before it was corrected, by whom and why."""
    correction = decision.correction
    if correction is None:
        return None
    return {
        "effects": as_json(decision.firing.effects),
        "by": list(correction.organizations),
        "text": correction.text,
        "at": _moment(correction.moment),
    }


def _deadline(deadline: DeadlineView) -> Json:
    return {
        "name": deadline.name,
        "key": None if deadline.key is None else format_value(deadline.key),
        "at": format_value(deadline.at),
        "closes_from": format_time(deadline.due_ms),
        "closed": _moment(deadline.closed),
    }


def shown_obligation(agreement: Agreement, obliged: Obliged) -> Json:
    """A duty, permission or prohibition."""
    return {
        "agreement": agreement.contract.agreement.hex(),
        "name": agreement.contract.document.name,
        "rule": obliged.rule,
        "key": obliged.key,
        "kind": obliged.duty,
        "of": obliged.of,
        "to": obliged.to,
        "act": obliged.act,
        "amount": obliged.amount,
        "by": obliged.by,
        "survives": obliged.survives,
        "standing": obliged.standing,
        "final": obliged.final,
        "decision": obliged.decision.hex(),
    }


def shown_due(agreement: Agreement, due: AmountDue) -> Json:
    """An amount due."""
    return {
        "agreement": agreement.contract.agreement.hex(),
        "name": agreement.contract.document.name,
        "rule": due.rule,
        "key": due.key,
        "kind": "due",
        "as": due.name,
        "standing": due.standing,
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
