"""The members of a network: their logs, keys, addresses and people."""

from __future__ import annotations

from ledger.members.network import network_words
from ledger.members.people import Person, key_id
from node.state import State
from node.views.evidence import quarantined_of
from node.views.values import Json, format_time


def show_network(state: State) -> Json:
    """The network and its members, by name."""
    founding = state.roster.founding
    return {
        "name": founding.name,
        "network": state.roster.network.hex(),
        "words": network_words(state.roster.network),
        "founder": founding.founder,
        "created": format_time(founding.created_ms),
        "policy": {
            "tiles": founding.policy.tiles,
            "witnesses": None if founding.policy.witnesses is None else list(founding.policy.witnesses),
        },
        "members": [show_member(state, name) for name in sorted(state.roster.members)],
        "invited": sorted(
            {
                invitation.organization
                for invitation in state.roster.invitations.values()
                if invitation.organization not in state.roster.members
            }
        ),
    }


def show_member(state: State, organization: str) -> Json:
    """One member.

    Raises:
        MissingError: no such member.
    """
    roster = state.roster
    member = roster.member(organization)
    origin = roster.origin(organization)
    address = roster.addresses.get(organization)
    head = state.heads.get(origin)
    return {
        "organization": organization,
        "title": member.title,
        "origin": origin,
        "vkey": roster.log_key(origin).text,
        "witness_vkey": roster.witness_key(organization).text,
        "witnesses": list(roster.witnesses(organization)),
        "node_key": member.keys.node.hex(),
        "url": address.url if address else None,
        "has_certificate": bool(address and address.certificate),
        "entries_here": head.copy.size if head else 0,
        "quarantined": bool(quarantined_of(state, [organization])),
        "discredited": roster.is_discredited(organization),
        "people": [_person(person) for grants in roster.people_of(origin).values() for person in grants[-1:]],
    }


def _person(person: Person) -> Json:
    return {
        "name": person.name,
        "key": key_id(person.key).hex(),
        "public": person.key.hex(),
        "roles": list(person.roles),
        "granted_at": person.granted_at,
        "revoked_at": person.revoked_at,
    }
