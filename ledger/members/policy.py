"""A log's witness set as a policy file (`ledger.log.policy`), for those without a home of its network."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.log.note import VerifierKey
from ledger.log.origin import parse_origin
from ledger.log.policy import NONE, Policy, PolicyGroup, PolicyLog, PolicyWitness, witness_of
from ledger.members.network import network_words
from ledger.members.roster import Roster

MAJORITY = "more-than-half"
"""The group that makes a checkpoint witnessed; names of keys have a slash, so it is none of them."""


def network_policy(roster: Roster, origin: str, *, superseded: bool = False) -> Policy:
    """The keys of a log and of its witness set, of which more than half make a checkpoint count.

    Keys that were superseded are left out unless they are asked for: a policy cannot say up to which size
    or time a key counts. A log that nobody witnesses has the quorum `none`.

    Raises:
        MissingError: it is no member's log.
    """
    eras = roster.log_keys(origin)
    writer = parse_origin(origin).organization
    logs = {era.key.public_key: PolicyLog(era.key) for era in (eras if superseded else eras[-1:])}
    witnesses: list[PolicyWitness] = []
    groups: list[PolicyGroup] = []
    members: list[str] = []
    for organization in roster.witnesses(writer):
        newest, *older = _keys(roster, organization, superseded)
        own = [witness_of(newest.name, newest)]
        own += [witness_of(f"{key.name}/{key.key_id.hex()}", key) for key in older]
        witnesses += own
        if older:
            names = tuple(each.name for each in own)
            groups.append(PolicyGroup(name=f"{newest.name}/any", threshold=1, members=names))
            members.append(groups[-1].name)
        else:
            members.append(newest.name)
    if members:
        needed = roster.witnesses_needed(writer)
        groups.append(PolicyGroup(name=MAJORITY, threshold=needed, members=tuple(members)))
    return Policy(
        logs=tuple(logs.values()),
        witnesses=tuple(witnesses),
        groups=tuple(groups),
        quorum=MAJORITY if members else NONE,
    )


def policy_comments(roster: Roster, origin: str, *, superseded: bool = False) -> Iterator[str]:
    """What stands above the policy, for people."""
    yield f"The witnesses of the log {origin}"
    yield f"in the network {roster.network.hex()} ({network_words(roster.network)})."
    names = roster.witnesses(parse_origin(origin).organization)
    if names:
        yield f"Witnessed: cosigned by {len(names) // 2 + 1} of {len(names)}, the writer's own not counted."
    else:
        yield "Nobody witnesses this log yet: any checkpoint that its key signed counts."
    if superseded:
        for era in roster.log_keys(origin)[:-1]:
            yield f"Superseded: key {era.key.key_id.hex()} signed sizes up to {era.end}."


def _keys(roster: Roster, organization: str, superseded: bool) -> list[VerifierKey]:
    """The witness keys of a member that count, the newest first."""
    newest = roster.witness_key(organization)
    older = [era.key for era in roster.witness_keys(organization) if era.key != newest] if superseded else []
    return [newest, *reversed(older)]
