"""The rules of own statements: what is checked before a statement goes into the own log.

Form is checked where a draft is made, position and link where an entry passes the door. Here is what
depends on the network and on what was recorded before. A statement that could have no effect is refused
here, while its author can still put it right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from contracts.document import agreement_hash
from contracts.outside import network_outside
from contracts.records import Record
from contracts.signing import check_reach
from contracts.statements import check_proposal, check_statement, check_vote
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, short
from ledger.log.signature import check_public_key
from ledger.log.statement import Statement
from ledger.members.people import check_person_signatures, key_id
from ledger.members.rotation import check_rotation
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
    _check_not_ended(state, statement)
    if statement.audience is not None:
        _check_members(state, statement.audience, f"new {statement.kind} audience")
    if statement.signatures:
        check_person_signatures(
            state.roster.people_of(state.origin),
            origin=state.origin,
            seq=state.own.copy.size,
            statement=statement,
        )
    rule = _RULES.get(statement.kind)
    if rule is not None:
        rule(state, statement)
    if statement.kind in _ABOUT_AGREEMENTS:
        _check_agreement(state, reader, statement, book)
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
    for other, grants in state.roster.people_of(state.origin).items():
        if other != identity and grants[-1].revoked_at is None and grants[-1].name == name:
            raise ConflictError(
                "new person.grant name",
                found=f"{name}, who has another key",
                expected="a name that nobody acts under",
                action="revoke the earlier key first, or choose another name",
            )


def _check_revocation(state: State, statement: Statement) -> None:
    grants = state.roster.people_of(state.origin).get(statement.data("key"))
    if grants is None or grants[-1].revoked_at is not None:
        raise MissingError(
            "new person.revoke key",
            found=f"{short(statement.data('key'))}, which is nobody's here",
            expected="the key of a person who may act",
        )


def _check_opening(state: State, statement: Statement) -> None:
    raise ForbiddenError("new log.open", found="a log that is open", expected="entry 0, once")


def _check_not_ended(state: State, statement: Statement) -> None:
    end = state.roster.end_of(state.origin)
    if end is not None:
        raise ForbiddenError(
            f"new {statement.kind}",
            found=f"{state.origin}, which a later log ended at size {end.size}",
            expected=f"the home of {state.roster.origin(state.organization)}",
            action="go on in the home that opened the later log; nothing more of this one counts",
        )


def _check_new_timekeeper(state: State, statement: Statement) -> None:
    _check_members(state, (statement.text("timekeeper"),), f"new {statement.kind} timekeeper")


def _check_rotation(state: State, statement: Statement) -> None:
    check_rotation(state.origin, state.roster.log(state.origin).keys, statement)


# Agreements


def _check_agreement(state: State, reader: Reader, statement: Statement, book: AgreementBook) -> None:
    """A statement about an agreement whose document is here; a vote on a timekeeper also where it is not."""
    record, agreement = _record(state, statement), statement.data("agreement")
    try:
        with book.replay(reader, state, agreement) as replay:
            check_statement(replay, record)
    except MissingError:
        if statement.kind != "timekeeper.replace":
            raise
        known = book.statements(reader, state, agreement)
        check_vote(record, known, network_outside(state.roster))
    for leaf in statement.hashes("cites") if statement.kind == "fact" else ():
        _check_cited(reader, leaf)


def _check_proposal(state: State, reader: Reader, statement: Statement, book: AgreementBook) -> None:
    record = _record(state, statement)
    replaces = statement.body["replaces"]
    if isinstance(replaces, bytes):
        with book.replay(reader, state, replaces) as replaced:
            document = check_proposal(record, replaced).document
    else:
        document = check_proposal(record, None).document
    where = f"proposal of {document.name}"
    _check_members(state, document.organizations(), f"{where} parties")
    if document.successor is not None:
        _check_members(state, (document.successor,), f"{where} successor")
        check_reach(record, (document.successor,), where)
    try:
        standing = book.agreement(reader, state, agreement_hash(statement.data("document")))
    except MissingError:
        return
    own = [p for p in standing.proposals if p.organization == state.organization and not p.gone]
    if standing.start is not None or own:
        status = standing.status if standing.start else "proposed"
        raise ConflictError(
            where,
            found=f"the same document, {status}",
            expected="another document, or one whose offer is gone",
            action="sign the proposal that stands",
        )


def _record(state: State, statement: Statement) -> Record:
    """The statement as the record that it would become; its time and leaf hash are given by the writer."""
    return Record(
        origin=state.origin,
        organization=state.organization,
        seq=state.own.copy.size,
        leaf_hash=bytes(32),
        time_ms=max(state.own.time_ms, 0),
        kind=statement.kind,
        body=statement.body,
        audience=statement.audience,
        signatures=checked_signatures(state.organization, statement),
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
    "keys.rotate": _check_rotation,
    "log.open": _check_opening,
    "network.admit": _check_founder,
    "network.invite": _check_founder,
    "person.grant": _check_grant,
    "person.revoke": _check_revocation,
    "timekeeper.replace": _check_new_timekeeper,
}

_ABOUT_AGREEMENTS = frozenset(
    {"agreement.decline", "agreement.sign", "agreement.terminate", "agreement.withdraw", "confirm"}
    | {"correction", "counted", "decision", "fact", "timekeeper.replace"}
)
