"""The roster: who is a member, with which keys, addresses and people, as a fold over entries.

Fold every statement of the kinds in `ROSTER_KINDS`, each log's in the order of its positions; logs may
come in any order. The founder's log admits (votes come with a later version of the policy).

Whoever writes a log may write anything into it, so what may not be changes nothing, for every reader alike:
a grant of a key that may not be enrolled; an admission with such a key, or with the witness key of another
member. (A cosignature names no witness. Two members with one witness key would count twice.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ledger.errors import ForbiddenError, InvalidError, MissingError, TallyError
from ledger.log.note import COSIGNATURE, ED25519, VerifierKey
from ledger.log.origin import format_origin, format_witness_name, parse_origin
from ledger.log.signature import check_public_key
from ledger.log.statement import Statement
from ledger.members.network import Founding, MemberKeys, check_keys, network_id, parse_founding, parse_keys
from ledger.members.people import Person, key_id

ROSTER_KINDS = frozenset({"network.invite", "network.admit", "node.address", "person.grant", "person.revoke"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An organization in the network. `opening` is its entry 0's leaf hash, None for the founder."""

    organization: str
    title: str
    keys: MemberKeys
    opening: bytes | None = None

    @classmethod
    def of_opening(cls, statement: Statement, leaf: bytes | None = None) -> Member:
        """Who a `log.open` statement says its author is."""
        return cls(
            organization=statement.text("organization"),
            title=statement.text("title"),
            keys=parse_keys(statement.body["keys"], "keys of log.open"),
            opening=leaf,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a member's node is called; both None where nobody can call it."""

    url: str | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation as the founder's log records it: for whom, and the hash of its secret."""

    organization: str
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everything that is known about the members of one network."""

    founding: Founding
    network: bytes
    members: Mapping[str, Member]
    addresses: Mapping[str, Address] = field(default_factory=dict)
    people: Mapping[str, Mapping[bytes, tuple[Person, ...]]] = field(default_factory=dict)
    invitations: Mapping[bytes, Invitation] = field(default_factory=dict)

    def origin(self, organization: str) -> str:
        """The name of an organization's log."""
        return format_origin(organization, self.network)

    def member(self, organization: str) -> Member:
        """A member by name.

        Raises:
            MissingError: no such member.
        """
        try:
            return self.members[organization]
        except KeyError:
            raise MissingError(
                f"network {self.founding.name}",
                found=f"no member {organization}",
                expected=f"one of {', '.join(sorted(self.members))}",
            ) from None

    def member_of(self, origin: str) -> Member:
        """The member whose log has this name.

        Raises:
            MissingError: no member's log is called that.
        """
        organization = parse_origin(origin).organization
        if origin != self.origin(organization):
            raise MissingError(
                f"log {origin}", found="a log of another network", expected=self.origin(organization)
            )
        return self.member(organization)

    def log_key(self, organization: str) -> VerifierKey:
        """The key that signs the checkpoints of an organization's log."""
        return _vkey(self.origin(organization), ED25519, self.member(organization).keys.log)

    def witness_key(self, organization: str) -> VerifierKey:
        """The key by which an organization cosigns others' checkpoints."""
        name = format_witness_name(organization, self.network)
        return _vkey(name, COSIGNATURE, self.member(organization).keys.witness)

    def witnesses(self, writer: str) -> tuple[str, ...]:
        """The witness set for a writer's log: the policy's organizations without the writer."""
        named = self.founding.policy.witnesses
        names = self.members if named is None else [name for name in named if name in self.members]
        return tuple(sorted(name for name in names if name != writer))

    def witnesses_needed(self, writer: str) -> int:
        """How many cosignatures make an entry of this writer witnessed: more than half of the set."""
        return len(self.witnesses(writer)) // 2 + 1

    def people_of(self, organization: str) -> Mapping[bytes, tuple[Person, ...]]:
        """The people of an organization by key id, with every grant that they ever had."""
        return self.people.get(organization, {})


def found_roster(founding: bytes) -> Roster:
    """The roster of a network in which nothing has happened but its founding."""
    parsed = parse_founding(founding)
    founder = Member(organization=parsed.founder, title=parsed.title, keys=parsed.keys)
    return Roster(founding=parsed, network=network_id(founding), members={parsed.founder: founder})


def fold_roster(roster: Roster, *, origin: str, seq: int, leaf: bytes, statement: Statement) -> Roster:
    """The roster after one more statement; statements that change nothing give the same roster."""
    organization = parse_origin(origin).organization
    match statement.kind:
        case "node.address":
            address = _address(statement)
            return replace(roster, addresses={**roster.addresses, organization: address})
        case "person.grant":
            return _fold_grant(roster, organization, seq, statement)
        case "person.revoke":
            return _fold_revoke(roster, organization, seq, statement)
        case "network.invite" if organization == roster.founding.founder:
            invitation = Invitation(
                organization=statement.text("organization"), secret=statement.data("secret")
            )
            return replace(roster, invitations={**roster.invitations, leaf: invitation})
        case "network.admit" if organization == roster.founding.founder:
            return _fold_admission(roster, statement)
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


@lru_cache(maxsize=4096)
def _vkey(name: str, key_type: int, public: bytes) -> VerifierKey:
    # Cached because a key is held against the curve each time that a value of it is made.
    return VerifierKey(name=name, key_type=key_type, public_key=public)


def _address(statement: Statement) -> Address:
    url, certificate = statement.body["url"], statement.body["certificate"]
    return Address(
        url=None if url is None else statement.text("url"),
        certificate=None if certificate is None else statement.data("certificate"),
    )


def _fold_admission(roster: Roster, statement: Statement) -> Roster:
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
    )
    return replace(roster, members={**roster.members, organization: member})


def _fold_grant(roster: Roster, organization: str, seq: int, statement: Statement) -> Roster:
    public = statement.data("key")
    try:
        check_public_key(public, "person.grant key")
    except InvalidError:
        return roster
    person = Person(
        name=statement.text("name"),
        key=public,
        roles=statement.texts("roles"),
        granted_at=seq,
    )
    people = dict(roster.people_of(organization))
    identity = key_id(public)
    earlier = tuple(
        replace(p, revoked_at=seq) if p.revoked_at is None else p for p in people.get(identity, ())
    )
    people[identity] = (*earlier, person)
    return replace(roster, people={**roster.people, organization: people})


def _fold_revoke(roster: Roster, organization: str, seq: int, statement: Statement) -> Roster:
    identity = statement.data("key")
    people = dict(roster.people_of(organization))
    if identity not in people:
        return roster
    people[identity] = _ended(people[identity], seq)
    return replace(roster, people={**roster.people, organization: people})


def _ended(grants: tuple[Person, ...], seq: int) -> tuple[Person, ...]:
    return tuple(replace(grant, revoked_at=seq) if grant.revoked_at is None else grant for grant in grants)
