"""The rules of own statements: what is checked before a statement goes into the own log.

Form is checked where a draft is made, position and link where an entry passes the door. Here is what
depends on the network and on what was recorded before. A statement that could have no effect is refused
here, while its author can still put it right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from contracts.agreement import IN_FORCE, LAPSED, Agreement
from contracts.document import agreement_hash
from contracts.evaluator import load_contract
from contracts.facts import parse_fact
from contracts.replay import EXISTS
from contracts.signing import check_member, check_replaces, signers
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, short
from ledger.log.signature import check_public_key
from ledger.log.statement import Statement
from ledger.members.people import check_person_signatures, key_id
from node.state import State
from node.store.reader import Reader
from node.views.records import AgreementBook, checked_signatures


def check_own_statement(state: State, reader: Reader, statement: Statement, *, book: AgreementBook) -> None:
    """Check a statement that is to be appended to the own log.

    Raises:
        InvalidError: its audience names somebody who is no member, or it would have no effect.
        ForbiddenError: a signature by a person who may not act, or a kind that only others may record.
        ConflictError: it says again, or contradicts, what was recorded before.
        MissingError: what it is about is not here.
    """
    if statement.audience is not None:
        _check_members(state, statement.audience, f"new {statement.kind} audience")
    if statement.signatures:
        check_person_signatures(
            state.roster.people_of(state.organization),
            origin=state.origin,
            seq=state.own.copy.size,
            statement=statement,
        )
    rule = _RULES.get(statement.kind)
    if rule is not None:
        rule(state, statement)
    about = _AGREEMENT_RULES.get(statement.kind)
    if about is not None:
        agreement = _agreement(state, reader, statement, book)
        about(state, statement, agreement)
        for leaf in statement.hashes("cites") if statement.kind == "fact" else ():
            _check_cited(reader, leaf)
    if statement.kind == "agreement.propose":
        _check_proposal(state, reader, statement, book)


# Network and people


def _check_founder(state: State, statement: Statement) -> None:
    where = f"new {statement.kind}"
    founder = state.roster.founding.founder
    if state.organization != founder:
        raise ForbiddenError(
            where,
            found=f"{state.organization}, a member",
            expected=f"{founder}, the founder",
            action=f"ask {founder} to invite",
        )
    organization = statement.text("organization")
    if statement.kind == "network.invite" and organization in state.roster.members:
        raise ConflictError(
            where, found=f"{organization}, a member already", expected="an organization that is no member"
        )


def _check_grant(state: State, statement: Statement) -> None:
    check_public_key(statement.data("key"), "new person.grant key")
    name, identity = statement.text("name"), key_id(statement.data("key"))
    for other, grants in state.roster.people_of(state.organization).items():
        if other != identity and grants[-1].revoked_at is None and grants[-1].name == name:
            raise ConflictError(
                "new person.grant name",
                found=f"{name}, who has another key",
                expected="a name that nobody acts under",
                action="revoke the earlier key first, or choose another name",
            )


def _check_revocation(state: State, statement: Statement) -> None:
    grants = state.roster.people_of(state.organization).get(statement.data("key"))
    if grants is None or grants[-1].revoked_at is not None:
        raise MissingError(
            "new person.revoke key",
            found=f"{short(statement.data('key'))}, which is nobody's here",
            expected="the key of a person who may act",
        )


def _check_opening(state: State, statement: Statement) -> None:
    raise ForbiddenError("new log.open", found="a log that is open", expected="entry 0, once")


# Agreements


def _check_proposal(state: State, reader: Reader, statement: Statement, book: AgreementBook) -> None:
    signed = statement.data("document")
    document = load_contract(signed).document
    organizations = document.organizations()
    where = f"proposal of {document.name}"
    check_replaces(statement.body, where)
    _check_members(state, organizations, f"{where} parties")
    check_member(state.organization, organizations, where)
    _check_reach(state, statement, organizations, where)
    try:
        standing = book.agreement(reader, state, agreement_hash(signed))
    except MissingError:
        return
    if standing.status != LAPSED and any(p.organization == state.organization for p in standing.proposals):
        raise ConflictError(
            where,
            found=f"the same document, {standing.status}",
            expected="another document, or one whose offer has lapsed",
            action="sign the proposal that stands",
        )


def _check_signing(state: State, statement: Statement, agreement: Agreement) -> None:
    document = agreement.contract.document
    role = statement.text("party")
    where = f"signature on {document.name}"
    if agreement.status == IN_FORCE:
        raise ConflictError(where, found="an agreement in force", expected="a proposal")
    proposal = next((p for p in agreement.proposals if p.leaf_hash == statement.data("proposal")), None)
    if proposal is None:
        raise MissingError(
            f"{where} proposal",
            found=f"{short(statement.data('proposal'))}, which proposes something else or is not here",
            expected=", ".join(short(p.leaf_hash) for p in agreement.proposals) or "a proposal",
        )
    people = signers(document, state.organization, role, checked_signatures(state.organization, statement))
    counted = set(proposal.signed.get(role, ()))
    if counted.issuperset(people):
        raise ConflictError(where, found="signed before", expected="one signature of a person for a role")


def _check_fact(state: State, statement: Statement, agreement: Agreement) -> None:
    document = agreement.contract.document
    _check_in_force(agreement, f"fact of {document.name}")
    # An entry's time is given by the writer; a fact that says no other time always has a good one.
    fact = parse_fact(document, state.organization, statement.body, 0)
    existing = sum(1 for other in agreement.facts if (other.name, other.status) == (fact.name, EXISTS))
    if existing >= fact.rule.max:
        raise ConflictError(
            f"fact {fact.name}",
            found=f"{existing} that count",
            expected=f"at most {fact.rule.max}",
            action="see what was recorded: `tally agree show`",
        )


def _check_confirmation(state: State, statement: Statement, agreement: Agreement) -> None:
    document = agreement.contract.document
    where = f"confirmation for {document.name}"
    _check_in_force(agreement, where)
    fact = next((f for f in agreement.facts if f.leaf_hash == statement.data("fact")), None)
    if fact is None:
        raise MissingError(
            f"{where} fact",
            found=f"{short(statement.data('fact'))}, which is no fact of it or is not here",
            expected="the leaf hash of a fact of this agreement",
            action="wait until its log has been synced, or check the hash",
        )
    confirm = document.facts[fact.name].confirm
    if state.organization not in {document.parties[role] for role in confirm}:
        raise ForbiddenError(
            where,
            found=f"by {state.organization}",
            expected=" and ".join(f"{document.parties[role]} ({role})" for role in confirm) or "nobody",
            action="let them confirm it",
        )
    if any(given.organization == state.organization for given in fact.confirmations):
        raise ConflictError(where, found="confirmed before", expected="one confirmation of an organization")


def _check_counting(state: State, statement: Statement, agreement: Agreement) -> None:
    timekeeper = agreement.contract.document.timekeeper
    if state.organization != timekeeper:
        raise ForbiddenError(
            "new counted", found=f"by {state.organization}", expected=f"{timekeeper}, the timekeeper"
        )


def _check_deciding(state: State, statement: Statement, agreement: Agreement) -> None:
    document = agreement.contract.document
    check_member(state.organization, document.organizations(), "new decision")


def _agreement(state: State, reader: Reader, statement: Statement, book: AgreementBook) -> Agreement:
    agreement = book.agreement(reader, state, statement.data("agreement"))
    document = agreement.contract.document
    _check_reach(state, statement, document.organizations(), f"{statement.kind} of {document.name}")
    return agreement


def _check_in_force(agreement: Agreement, where: str) -> None:
    if agreement.status != IN_FORCE:
        raise InvalidError(
            where,
            found=f"an agreement that is {agreement.status}",
            expected="one in force",
            action="wait until all signatures are counted: `tally agree show`",
        )


def _check_reach(state: State, statement: Statement, organizations: Sequence[str], where: str) -> None:
    if statement.audience is None:
        return
    lacking = sorted(set(organizations) - {*statement.audience, state.organization})
    if lacking:
        raise InvalidError(
            f"{where} audience",
            found=f"without {', '.join(lacking)}",
            expected=", ".join(organizations),
            action="name all parties and the timekeeper, or leave the audience out",
        )


def _check_cited(reader: Reader, leaf: bytes) -> None:
    try:
        reader.find(leaf)
    except MissingError as error:
        raise InvalidError(
            "new fact cites", found=f"{short(leaf)}, not here", expected=error.expected, action=error.action
        ) from error


def _check_members(state: State, organizations: Sequence[str], where: str) -> None:
    strangers = [name for name in organizations if name not in state.roster.members]
    if strangers:
        raise InvalidError(
            where,
            found=f"{', '.join(strangers)}, not in the network",
            expected=f"some of {', '.join(sorted(state.roster.members))}",
            action="check the names, or invite them first",
        )


_RULES: Mapping[str, Callable[[State, Statement], None]] = {
    "log.open": _check_opening,
    "network.admit": _check_founder,
    "network.invite": _check_founder,
    "person.grant": _check_grant,
    "person.revoke": _check_revocation,
}

_AGREEMENT_RULES: Mapping[str, Callable[[State, Statement, Agreement], None]] = {
    "agreement.sign": _check_signing,
    "confirm": _check_confirmation,
    "counted": _check_counting,
    "decision": _check_deciding,
    "fact": _check_fact,
}
