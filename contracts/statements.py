"""Checks on a statement before its author's node appends it: a node refuses a bad statement of its own.

Each `check_…` returns nothing or raises; the message says where, what was found, what was expected and
what to do. They are stricter than the fold, which only says what a statement that stands in a log means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.agreement import IN_FORCE, Agreement, FactView
from contracts.civil import MAX_MS
from contracts.evaluator import load_contract
from contracts.facts import parse_fact
from contracts.records import Signature
from contracts.replay import EXISTS, REFUSED, SURPLUS
from contracts.signing import check_member, check_replaces, check_timekeeper, signers
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, short
from ledger.log.kinds import check_body


def check_proposal(organization: str, body: Mapping[str, Any]) -> None:
    """Check an `agreement.propose`: a contract without errors, by one of its own.

    Raises:
        TallyError: no contract, an error of the checker, a replacement, or a stranger's proposal.
    """
    check_body("agreement.propose", body, "proposal")
    contract = load_contract(body["document"])
    check_member(organization, contract.document.organizations(), "proposal")
    check_replaces(body, "proposal")


def check_sign(
    agreement: Agreement, organization: str, body: Mapping[str, Any], signatures: Sequence[Signature]
) -> None:
    """Check an `agreement.sign`: the role is the organization's, and a person signs who has not yet.

    Raises:
        MissingError: the proposal is not known.
        ForbiddenError: another organization's role, or no person who may sign.
        ConflictError: these people have signed this proposal.
    """
    _check_names(agreement, "agreement.sign", body, "signature")
    proposal = next((p for p in agreement.proposals if p.leaf_hash == body["proposal"]), None)
    if proposal is None:
        raise MissingError(
            "signature",
            found=f"the proposal {short(body['proposal'])}",
            expected="a proposal of this agreement",
            action="see `tally agree show`",
        )
    people = signers(agreement.contract.document, organization, body["party"], signatures)
    if set(people) <= set(proposal.signed.get(body["party"], ())):
        raise ConflictError(
            "signature",
            found="a person who has signed this proposal",
            expected="each person once",
            action="nothing to do, or let somebody else sign",
        )


def check_fact(
    agreement: Agreement, organization: str, body: Mapping[str, Any], time_ms: int | None = None
) -> None:
    """Check a `fact`: the agreement is in force, and the fact fits what the contract says about it.

    Raises:
        ConflictError: the agreement is not in force, or as many as count exist already.
        TallyError: no such fact, not this organization's to state, or a field that does not fit.
    """
    _check_names(agreement, "fact", body, "fact")
    document = agreement.contract.document
    stated = parse_fact(document, organization, body, 0 if time_ms is None else time_ms)
    if agreement.status != IN_FORCE:
        raise ConflictError(
            f"fact {stated.name}",
            found=f"an agreement that is {agreement.status}",
            expected="one in force",
            action="wait until every party has signed and the timekeeper has counted it",
        )
    if sum(fact.name == stated.name for fact in agreement.existing) >= stated.rule.max:
        raise ConflictError(
            f"fact {stated.name}",
            found=f"{stated.rule.max} of them already",
            expected="one that can still count",
            action="nothing to do: a later one changes nothing",
        )


def check_confirm(
    agreement: Agreement, organization: str, body: Mapping[str, Any], signatures: Sequence[Signature]
) -> None:
    """Check a `confirm`: a known fact that this organization is asked to confirm, and has not yet.

    Raises:
        MissingError: the fact is not known.
        ForbiddenError: others confirm it, or no person of the organization signed.
        ConflictError: it exists already, does not count, or is confirmed by this organization.
    """
    _check_names(agreement, "confirm", body, "confirmation")
    fact = next((view for view in agreement.facts if view.leaf_hash == body["fact"]), None)
    if fact is None:
        raise MissingError(
            "confirmation",
            found=f"the fact {short(body['fact'])}",
            expected="a fact of this agreement that counts",
            action="see `tally agree show`",
        )
    where = f"confirmation of {fact.name}"
    _check_asked(agreement, organization, fact, where)
    if not any(signature.organization == organization for signature in signatures):
        raise ForbiddenError(
            where,
            found="no person's signature",
            expected=f"a person of {organization}",
            action="sign it with a person's key",
        )


def _check_asked(agreement: Agreement, organization: str, fact: FactView, where: str) -> None:
    document = agreement.contract.document
    asked = [document.parties[role] for role in document.facts[fact.name].confirm]
    if organization not in asked:
        raise ForbiddenError(
            where,
            found=f"by {organization}",
            expected=" and ".join(asked) or "nobody: it needs no confirmation",
            action="let them confirm it" if asked else "nothing to do",
        )
    if fact.status in (REFUSED, SURPLUS, EXISTS):
        raise ConflictError(
            where,
            found=f"a fact that {fact.status}" if fact.status != SURPLUS else f"a fact that is {fact.status}",
            expected="one that waits for confirmation",
            action=fact.reason or "nothing to do",
        )
    if any(confirmation.organization == organization for confirmation in fact.confirmations):
        raise ConflictError(
            where,
            found=f"confirmed by {organization} already",
            expected="one confirmation",
            action="nothing to do",
        )


def check_counted(agreement: Agreement, organization: str, body: Mapping[str, Any], time_ms: int) -> None:
    """Check a `counted`: by the timekeeper, of what can be counted, at a time that does not fall.

    `time_ms` is the time that the entry will have.

    Raises:
        ForbiddenError: another organization keeps the time.
        InvalidError: an entry that cannot be counted now, or a time before the last counted entry's.
    """
    _check_names(agreement, "counted", body, "counted")
    check_timekeeper(agreement.contract.document, organization, "counted")
    if not agreement.last_counted_ms <= time_ms <= MAX_MS:
        raise InvalidError(
            "counted",
            found=f"the time {time_ms}",
            expected=f"{agreement.last_counted_ms} or later",
            action="set the clock right",
        )
    entries = body["entries"]
    if not entries or len(set(entries)) != len(entries):
        raise InvalidError("counted entries", found="none, or one twice", expected="leaf hashes, each once")
    countable = set(agreement.countable)
    for leaf_hash in entries:
        if leaf_hash not in countable:
            raise InvalidError(
                "counted entries",
                found=short(leaf_hash),
                expected="what would have an effect now",
                action="count what `countable` lists",
            )


def _check_names(agreement: Agreement, kind: str, body: Mapping[str, Any], where: str) -> None:
    check_body(kind, body, where)
    if body["agreement"] != agreement.contract.agreement:
        raise InvalidError(
            f"{where} agreement",
            found=short(body["agreement"]),
            expected=short(agreement.contract.agreement),
            action="name the agreement by its hash",
        )
