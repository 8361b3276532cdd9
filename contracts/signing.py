"""Who may take part in an agreement: whom a statement reaches, and whose signatures count for a role."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.document import TIMEKEEPER, Document, SignRule
from contracts.records import Record, Signature
from ledger.errors import ForbiddenError, InvalidError, short


def check_reach(record: Record, organizations: tuple[str, ...], where: str) -> None:
    """Check that every party and the timekeeper may know a statement; otherwise it has no effect."""
    if not record.reaches(organizations):
        lacking = sorted(set(organizations) - {*(record.audience or ()), record.organization})
        raise InvalidError(
            f"{where} audience",
            found=f"without {', '.join(lacking)}",
            expected=", ".join(organizations),
            action="state it again for all parties and the timekeeper",
        )


def check_member(organization: str, organizations: tuple[str, ...], where: str) -> None:
    """Check that an organization is a party or the timekeeper."""
    if organization not in organizations:
        raise ForbiddenError(
            where,
            found=f"by {organization}",
            expected=f"a party or the timekeeper: {', '.join(organizations)}",
            action="only they take part in this agreement",
        )


def check_person(record: Record, where: str) -> None:
    """Check that a person of the statement's organization signed it."""
    if not record.signed_by_own():
        raise ForbiddenError(
            where,
            found="no person's signature",
            expected=f"a person of {record.organization}",
            action="sign it with a person's key",
        )


def signers(
    document: Document, organization: str, role: str, signatures: Sequence[Signature]
) -> tuple[str, ...]:
    """The people (key ids) whose signatures count for a role.

    Raises:
        ForbiddenError: the role is another organization's, or none of its people signed in a role that may.
    """
    where = f"signature for {short(role)}"
    rule = document.sign.get(role)
    holder = document.timekeeper if role == TIMEKEEPER else document.parties.get(role)
    if rule is None or holder is None:
        raise ForbiddenError(
            where,
            found="a role that does not sign",
            expected=f"one of {', '.join(document.sign)}",
            action="name your role in the contract",
        )
    if holder != organization:
        raise ForbiddenError(
            where, found=f"by {organization}", expected=holder, action=f"{holder} signs as {role}"
        )
    people = [
        signature.person
        for signature in signatures
        if signature.organization == organization and (not rule.of or signature.role in rule.of)
    ]
    if not people:
        raise ForbiddenError(
            where,
            found="no person who may sign",
            expected=f"a person of {organization}" + (f" as {' or '.join(rule.of)}" if rule.of else ""),
            action="sign with the key of such a person",
        )
    return tuple(dict.fromkeys(people))


def check_replaces(old: Document, new: Document, where: str) -> None:
    """Check that a new version binds everyone whom the earlier one binds, by as many people of theirs.

    Else one person could sign away what took two: for each role that signs the earlier one its organization
    must have a role in the new one that needs as many people, in no other roles.

    Raises:
        InvalidError: it lacks a party, or asks for less of one.
    """
    if not set(old.parties.values()) <= set(new.parties.values()):
        raise InvalidError(
            f"{where} replaces",
            found=f"parties {', '.join(new.parties.values())}",
            expected=f"at least {', '.join(old.parties.values())}",
            action="name everyone who is bound by the earlier one",
        )
    for role, holder in old.parties.items():
        before = old.sign[role]
        rules = [new.sign[other] for other, organization in new.parties.items() if organization == holder]
        if not any(_asks_as_much(rule, before) for rule in rules):
            raise InvalidError(
                f"{where} sign",
                found=f"less of {holder} than the earlier one asks",
                expected=f"{before.need} of {' or '.join(before.of) or 'its people'}",
                action="ask for as many, in the same roles; or end the earlier one together first",
            )


def _asks_as_much(rule: SignRule, before: SignRule) -> bool:
    roles = not before.of or (bool(rule.of) and set(rule.of) <= set(before.of))
    return roles and rule.need >= before.need
