"""The roster: who is a member, with which keys, logs, addresses and people.

It is a value; `ledger.members.folding` makes it out of entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ledger.errors import MissingError
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import COSIGNATURE, VerifierKey
from ledger.log.origin import format_origin, format_witness_name, parse_origin
from ledger.log.statement import Statement
from ledger.members.eras import KeyEra, MemberLog, WitnessEra, member_vkey, open_member_log
from ledger.members.growing import GrowingMap, Row
from ledger.members.network import Founding, MemberKeys, network_id, parse_founding, parse_keys
from ledger.members.people import Grants, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An organization in the network, with the keys that it has now.

    `opening` is the leaf hash of entry 0 of its first log, None for the founder. `admitted_ms` is the time
    of the entry that admitted it, 0 for the founder.
    """

    organization: str
    title: str
    keys: MemberKeys
    opening: bytes | None = None
    admitted_ms: int = 0

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
    """Everything that is known about the members of one network.

    `members_logs`: by organization, oldest first. `cosigning`: by organization, the eras of its witness key
    by key id. `people`: by origin, since a grant in one log does not count in the next. `ends`: where a
    later log ended a log. `discredited`: public keys of witnesses that cosigned two histories of one log.
    """

    founding: Founding
    network: bytes
    members: Mapping[str, Member]
    members_logs: Mapping[str, tuple[MemberLog, ...]] = field(default_factory=dict)
    cosigning: Mapping[str, GrowingMap[bytes, WitnessEra]] = field(default_factory=dict)
    addresses: Mapping[str, Address] = field(default_factory=dict)
    people: Mapping[str, Grants] = field(default_factory=dict)
    invitations: GrowingMap[bytes, Invitation] = field(default_factory=GrowingMap)
    ends: Mapping[str, Checkpoint] = field(default_factory=dict)
    discredited: frozenset[bytes] = frozenset()

    def origin(self, organization: str) -> str:
        """The name of an organization's current log; of one that is no member, of its first."""
        logs = self.members_logs.get(organization)
        return logs[-1].origin if logs else format_origin(organization, self.network)

    def logs(self, organization: str) -> tuple[str, ...]:
        """All logs of a member, oldest first."""
        return tuple(log.origin for log in self.members_logs.get(organization, ()))

    def next_origin(self, organization: str) -> str:
        """The name of the log that a member would open next."""
        return format_origin(organization, self.network, len(self.logs(organization)) + 1)

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
        """The member one of whose logs has this name.

        Raises:
            MissingError: no member's log is called that.
        """
        return self.member(parse_origin(self.log(origin).origin).organization)

    def log(self, origin: str) -> MemberLog:
        """A member's log by name.

        Raises:
            MissingError: no member's log is called that.
        """
        organization = parse_origin(origin).organization
        logs = self.members_logs.get(organization, ())
        found = next((log for log in logs if log.origin == origin), None)
        if found is not None:
            return found
        first = format_origin(organization, self.network)
        if origin == first or (logs and origin.startswith(f"{first}/")):
            self.member(organization)
            raise MissingError(
                f"log {origin}", found="a log that nobody opened", expected=self.origin(organization)
            )
        raise MissingError(
            f"log {origin}", found="a log of another network", expected=self.origin(organization)
        )

    def log_key(self, origin: str, size: int | None = None) -> VerifierKey:
        """The key that signs notes of a log of this size; without a size, the newest."""
        log = self.log(origin)
        return log.eras[-1].key if size is None else log.era_of(size).key

    def log_keys(self, origin: str) -> tuple[KeyEra, ...]:
        """All keys that signed notes of a log, oldest first."""
        return tuple(self.log(origin).eras)

    def turn_after(self, origin: str, size: int) -> int | None:
        """Where the era ends whose key signs notes of the sizes above `size`; None where it has no end."""
        logs = self.members_logs.get(parse_origin(origin).organization, ())
        log = next((log for log in logs if log.origin == origin), None)
        return log.era_of(size + 1).end if log else None

    def end_of(self, origin: str) -> Checkpoint | None:
        """The pin, where a later log ended this one."""
        return self.ends.get(origin)

    def is_beyond(self, origin: str, seq: int) -> bool:
        """Whether an entry lies beyond the pin of its log, where it counts for nothing."""
        end = self.ends.get(origin)
        return end is not None and seq >= end.size

    def witness_key(self, organization: str) -> VerifierKey:
        """The key by which an organization cosigns others' checkpoints."""
        return _witness_vkey(organization, self.network, self.member(organization).keys.witness)

    def witness_keys(self, organization: str) -> tuple[WitnessEra, ...]:
        """All keys by which an organization cosigned, oldest first."""
        return tuple(self.cosigning.get(organization, {}).values())

    def witness_era(self, organization: str, key: bytes) -> WitnessEra | None:
        """The witness key of an organization with this key id of four bytes."""
        eras = self.cosigning.get(organization)
        return eras.get(key) if eras else None

    def witnesses(self, writer: str) -> tuple[str, ...]:
        """The witness set for a writer's log: the policy's organizations without the writer, and without
        those whose witness key is discredited."""
        named = self.founding.policy.witnesses
        names = self.members if named is None else [name for name in named if name in self.members]
        return tuple(sorted(name for name in names if name != writer and not self.is_discredited(name)))

    def is_discredited(self, organization: str) -> bool:
        """Whether a member's witness key, as it is now, is proven to have cosigned two histories."""
        return bool(self.discredited) and self.members[organization].keys.witness in self.discredited

    def witnesses_needed(self, writer: str) -> int:
        """How many cosignatures make an entry of this writer witnessed: more than half of the set."""
        return len(self.witnesses(writer)) // 2 + 1

    def as_of(self, time_ms: int) -> Roster:
        """The roster with those alone who were members at a time, none of them discredited.

        For questions whose answer must not change with what happens later.
        """
        members = {name: member for name, member in self.members.items() if member.admitted_ms <= time_ms}
        return replace(self, members=members, discredited=frozenset())

    def people_of(self, origin: str) -> Mapping[bytes, Row[Person]]:
        """The people whom a log granted roles, by key id, with every grant that they ever had there."""
        return self.people.get(origin, {})


def found_roster(founding: bytes) -> Roster:
    """The roster of a network in which nothing has happened but its founding."""
    parsed = parse_founding(founding)
    founder = Member(organization=parsed.founder, title=parsed.title, keys=parsed.keys)
    empty = Roster(founding=parsed, network=network_id(founding), members={})
    return enrolled(empty, founder)


def unfolded(roster: Roster) -> Roster:
    """The roster before anything was folded, but for what is known of the ends of logs."""
    founding = roster.founding
    founder = Member(organization=founding.founder, title=founding.title, keys=founding.keys)
    empty = Roster(founding=founding, network=roster.network, members={}, ends=roster.ends)
    return enrolled(empty, founder)


def enrolled(roster: Roster, member: Member) -> Roster:
    """The roster with one more member, whose keys may be enrolled, and its first log."""
    name = member.organization
    origin = format_origin(name, roster.network)
    log = open_member_log(origin, member.keys, member.opening)
    enrolled = replace(
        roster,
        members={**roster.members, name: member},
        members_logs={**roster.members_logs, name: (log,)},
    )
    return with_witness_key(enrolled, name, None, 0)


def with_witness_key(roster: Roster, organization: str, before: bytes | None, time_ms: int) -> Roster:
    """The roster with a member's newest witness key, after another one or as its first."""
    vkey = roster.witness_key(organization)
    if before == vkey.public_key:
        return roster
    eras = roster.cosigning.get(organization) or GrowingMap()
    if before is not None:
        old = _witness_vkey(organization, roster.network, before)
        eras = eras.with_item(old.key_id, WitnessEra(key=old, superseded_ms=time_ms))
    eras = eras.with_item(vkey.key_id, WitnessEra(key=vkey))
    return replace(roster, cosigning={**roster.cosigning, organization: eras})


def _witness_vkey(organization: str, network: bytes, public: bytes) -> VerifierKey:
    return member_vkey(format_witness_name(organization, network), COSIGNATURE, public)
