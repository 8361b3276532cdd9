"""How entries make the roster: a fold over the statements that say who stands how in the network.

Fold every statement of the kinds in `ROSTER_KINDS`: those of the founder's logs before those of others'
later logs and rotations, the logs of one organization by their numbers, each log's in the order of its
positions. The founder's logs admit (votes come with a later version of the policy).

Whoever writes a log may write anything into it, so what may not be changes nothing, for every reader alike:
a grant of a key that may not be enrolled; an admission with such a key, or with the witness key of another
member (a cosignature names no witness, and two members with one witness key would count twice); a rotation
or a later log that does not pass `check_rotation` or `check_later_opening`; what stands in a log from the
pin on, at which a later one ended it. A pin that comes after such statements were folded asks for a second
fold, from `unfolded`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger.errors import ForbiddenError, InvalidError, TallyError
from ledger.log.evidence import check_fork_by_witness
from ledger.log.evidence_files import Kind as EvidenceForm
from ledger.log.evidence_files import parse_body
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement
from ledger.members.eras import open_member_log
from ledger.members.network import MemberKeys, check_keys, parse_keys
from ledger.members.people import with_grant, with_revocation
from ledger.members.reopening import Reopening, check_later_opening
from ledger.members.roster import Address, Invitation, Member, Roster, enrolled, with_witness_key
from ledger.members.rotation import check_rotation

ROSTER_KINDS = frozenset(
    {
        "evidence.files",
        "keys.rotate",
        "log.open",
        "network.admit",
        "network.invite",
        "node.address",
        "person.grant",
        "person.revoke",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """A statement in its place: in which log, at which position, with its entry's leaf hash and time."""

    origin: str
    seq: int
    leaf: bytes
    time_ms: int
    statement: Statement


def fold_order(roster: Roster, origin: str) -> tuple[bool, str, int]:
    """By what logs are sorted to be folded."""
    parsed = parse_origin(origin)
    return parsed.organization != roster.founding.founder, parsed.organization, parsed.number


def fold_roster(roster: Roster, folding: Folding) -> Roster:
    """The roster after one more statement; statements that change nothing give the same roster."""
    origin, statement = folding.origin, folding.statement
    parsed = parse_origin(origin)
    organization = parsed.organization
    if statement.kind == "log.open":
        return _fold_opening(roster, folding) if parsed.number > 1 else roster
    # Before a newcomer is admitted its home folds its own first log.
    if roster.is_beyond(origin, folding.seq) or (
        parsed.number > 1 and origin not in roster.logs(organization)
    ):
        return roster
    match statement.kind:
        case "keys.rotate":
            return _fold_rotation(roster, folding)
        case "node.address":
            address = _address(statement)
            return replace(roster, addresses={**roster.addresses, organization: address})
        case "person.grant":
            granted = with_grant(roster.people.get(origin), folding.seq, statement)
            return replace(roster, people={**roster.people, origin: granted})
        case "person.revoke":
            left = with_revocation(roster.people.get(origin), folding.seq, statement)
            return replace(roster, people={**roster.people, origin: left})
        case "evidence.files":
            return _fold_evidence(roster, statement)
        case "network.invite" if organization == roster.founding.founder:
            invitation = Invitation(
                organization=statement.text("organization"), secret=statement.data("secret")
            )
            return replace(roster, invitations=roster.invitations.with_item(folding.leaf, invitation))
        case "network.admit" if organization == roster.founding.founder:
            return _fold_admission(roster, folding)
        case _:
            return roster


def check_admission(roster: Roster, invite: bytes, organization: str, keys: MemberKeys | None = None) -> None:
    """Check that an invitation (its leaf hash) still admits an organization, with these keys if given.

    Raises:
        ForbiddenError: no such invitation, for somebody else, or already used.
        InvalidError: a key may not be enrolled, or is the witness key of another member.
    """
    invitation = roster.invitations.get(invite)
    where = f"admission of {organization}"
    if invitation is None or invitation.organization != organization:
        raise ForbiddenError(
            where,
            found="no invitation in that name",
            expected="an invitation that the founder recorded",
            action="ask a member for an invitation file",
        )
    if organization in roster.members:
        raise ForbiddenError(
            where,
            found="a member of that name already",
            expected="a new name",
            action="ask for an invitation in another name",
        )
    if keys is not None:
        _check_new_keys(roster, keys, where)


def _check_new_keys(roster: Roster, keys: MemberKeys, where: str) -> None:
    check_keys(keys, where)
    owner = next((m.organization for m in roster.members.values() if m.keys.witness == keys.witness), None)
    if owner is not None:
        raise InvalidError(
            f"{where}, witness key",
            found=f"the witness key of {owner}",
            expected="a key of its own",
            action="make a new home, which makes new keys",
        )


def _address(statement: Statement) -> Address:
    url, certificate = statement.body["url"], statement.body["certificate"]
    return Address(
        url=None if url is None else statement.text("url"),
        certificate=None if certificate is None else statement.data("certificate"),
    )


def _fold_admission(roster: Roster, folding: Folding) -> Roster:
    statement = folding.statement
    organization = statement.text("organization")
    keys = parse_keys(statement.body["keys"], f"admission of {organization}")
    try:
        check_admission(roster, statement.data("invite"), organization, keys)
    except TallyError:
        return roster
    member = Member(
        organization=organization,
        title=statement.text("title"),
        keys=keys,
        opening=statement.data("open"),
        admitted_ms=folding.time_ms,
    )
    return enrolled(roster, member)


def _fold_rotation(roster: Roster, folding: Folding) -> Roster:
    origin = folding.origin
    organization = parse_origin(origin).organization
    logs = roster.members_logs.get(organization, ())
    if origin not in roster.logs(organization):
        return roster
    log = roster.log(origin)
    try:
        check_rotation(origin, log.keys, folding.statement)
    except TallyError:
        return roster
    keys = parse_keys(folding.statement.body["keys"], f"{origin} rotation")
    rotated = log.rotated(folding.seq, folding.time_ms, keys)
    known = tuple(rotated if other.origin == origin else other for other in logs)
    changed = replace(roster, members_logs={**roster.members_logs, organization: known})
    if known[-1] is not rotated:
        return changed
    member = replace(roster.member(organization), keys=keys)
    changed = replace(changed, members={**roster.members, organization: member})
    return with_witness_key(changed, organization, log.keys.witness, folding.time_ms)


def _fold_opening(roster: Roster, folding: Folding) -> Roster:
    """A later log, if it is the next one of a member; of two openings of one number the first stays."""
    origin, statement = folding.origin, folding.statement
    organization = parse_origin(origin).organization
    logs = roster.members_logs.get(organization, ())
    if not logs or folding.seq or origin != roster.next_origin(organization):
        return roster
    before = logs[-1]
    try:
        check_later_opening(statement, origin=origin, network=roster.network, before=before)
    except TallyError:
        return roster
    reopening = Reopening.of_opening(statement)
    member = replace(roster.member(organization), keys=reopening.keys, title=reopening.title)
    log = open_member_log(origin, reopening.keys, folding.leaf)
    opened = replace(
        roster,
        members={**roster.members, organization: member},
        members_logs={
            **roster.members_logs,
            organization: (*logs[:-1], before.superseded(folding.time_ms), log),
        },
        # Whoever has the lost keys may answer at the address that stood under them.
        addresses={name: at for name, at in roster.addresses.items() if name != organization},
        ends={**roster.ends, before.origin: reopening.pinned},
    )
    return with_witness_key(opened, organization, before.keys.witness, folding.time_ms)


def _fold_evidence(roster: Roster, statement: Statement) -> Roster:
    """Whoever records it: evidence against a witness speaks for itself, and nobody can make it up."""
    if statement.text("form") != EvidenceForm.WITNESS:
        return roster
    try:
        evidence = parse_body(statement.body)
        vkey = evidence.vkeys[0]
        check_fork_by_witness(evidence.first, evidence.second, vkey, evidence.path)
    except TallyError:
        return roster
    return replace(roster, discredited=roster.discredited | {vkey.public_key})
