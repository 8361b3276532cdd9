"""The roster as a fold over statements."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import ForbiddenError, InvalidError, MissingError
from ledger.log.signature import public_key
from ledger.members.folding import check_admission
from ledger.members.people import key_id
from ledger.members.roster import Address

PERSON = public_key(b"p" * 32)


def test_the_founder_is_a_member_from_the_start(network: Any) -> None:
    assert list(network.roster.members) == ["acme"]


def test_an_admission_makes_a_member(network: Any) -> None:
    network.admit("bolt")
    assert set(network.roster.members) == {"acme", "bolt"}


def test_an_admission_by_somebody_else_makes_no_member(network: Any) -> None:
    network.admit("bolt")
    invite = network.fold("bolt", "network.invite", {"organization": "dart", "secret": bytes(32)})
    with pytest.raises(ForbiddenError, match="no invitation"):
        check_admission(network.roster, invite, "dart")


def test_an_invitation_admits_only_whom_it_names(network: Any) -> None:
    invite = network.fold("acme", "network.invite", {"organization": "bolt", "secret": bytes(32)})
    with pytest.raises(ForbiddenError, match="no invitation in that name"):
        check_admission(network.roster, invite, "dart")


def test_an_invitation_that_was_not_used_admits(network: Any) -> None:
    invite = network.fold("acme", "network.invite", {"organization": "bolt", "secret": bytes(32)})
    check_admission(network.roster, invite, "bolt")


def test_a_second_admission_in_a_name_changes_no_keys(network: Any) -> None:
    network.admit("bolt")
    before = network.roster.member("bolt")
    network.admit("bolt")
    assert network.roster.member("bolt") == before


def low_order() -> bytes:
    """A point that signs anything for anybody."""
    return b"\x01" + bytes(31)


@pytest.mark.parametrize("name", ["log", "node", "witness"])
def test_an_admission_with_a_key_that_may_not_be_enrolled_makes_no_member(network: Any, name: str) -> None:
    admit_with(network, "bolt", {name: low_order()})
    assert list(network.roster.members) == ["acme"]


def test_an_admission_with_the_witness_key_of_another_makes_no_member(network: Any) -> None:
    network.admit("bolt")
    admit_with(network, "evil", {"witness": network.roster.member("bolt").keys.witness})
    assert set(network.roster.members) == {"acme", "bolt"}


def test_the_witness_key_of_another_is_refused_before_it_is_recorded(network: Any) -> None:
    invite = network.fold("acme", "network.invite", {"organization": "evil", "secret": bytes(32)})
    keys = network.roster.founding.keys
    with pytest.raises(InvalidError, match="the witness key of acme"):
        check_admission(network.roster, invite, "evil", keys)


def test_a_grant_of_a_key_that_may_not_be_enrolled_changes_nothing(network: Any) -> None:
    network.fold("acme", "person.grant", {"key": low_order(), "name": "eve", "roles": ["director"]})
    assert network.roster.people_of(network.roster.origin("acme")) == {}


def admit_with(network: Any, organization: str, changed: dict[str, bytes]) -> None:
    """Invite and admit an organization under keys of which some are changed."""
    invite = network.fold("acme", "network.invite", {"organization": organization, "secret": bytes(32)})
    names = ("log", "node", "recovery", "witness")
    keys = {name: public_key(f"{organization} {name}".encode().ljust(32, b".")) for name in names} | changed
    network.fold(
        "acme",
        "network.admit",
        {"invite": invite, "keys": keys, "open": bytes(32), "organization": organization, "title": "T"},
    )


def test_the_last_address_counts(network: Any) -> None:
    for port in (1, 2):
        network.fold("acme", "node.address", {"certificate": None, "url": f"http://127.0.0.1:{port}"})
    assert network.roster.addresses["acme"] == Address(url="http://127.0.0.1:2")


def test_a_person_acts_from_the_entry_after_the_grant(network: Any) -> None:
    network.fold("acme", "person.grant", {"key": PERSON, "name": "ada", "roles": ["director"]})
    (person,) = network.roster.people_of(network.roster.origin("acme"))[key_id(PERSON)]
    assert [person.acts_at(seq) for seq in (1, 2)] == [False, True]


def test_a_person_does_not_act_after_the_revocation(network: Any) -> None:
    network.fold("acme", "person.grant", {"key": PERSON, "name": "ada", "roles": ["director"]})
    network.fold("acme", "person.revoke", {"key": key_id(PERSON)})
    (person,) = network.roster.people_of(network.roster.origin("acme"))[key_id(PERSON)]
    assert [person.acts_at(seq) for seq in (2, 3)] == [True, False]


def test_a_second_grant_ends_the_first(network: Any) -> None:
    for role in ("clerk", "director"):
        network.fold("acme", "person.grant", {"key": PERSON, "name": "ada", "roles": [role]})
    grants = network.roster.people_of(network.roster.origin("acme"))[key_id(PERSON)]
    assert [grant.roles for grant in grants if grant.acts_at(3)] == [("director",)]


def test_witnesses_are_all_members_but_the_writer(network: Any) -> None:
    for name in ("bolt", "dart", "port"):
        network.admit(name)
    assert network.roster.witnesses("bolt") == ("acme", "dart", "port")


@pytest.mark.parametrize(("others", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_more_than_half_of_the_witnesses_are_needed(network: Any, others: int, needed: int) -> None:
    for i in range(others):
        network.admit(f"firm{i}")
    assert network.roster.witnesses_needed("acme") == needed


def test_a_log_of_another_network_is_nobodys(network: Any) -> None:
    with pytest.raises(MissingError, match="another network"):
        network.roster.member_of("acme/0000000000000000")


def test_an_unknown_member_is_told_with_those_that_exist(network: Any) -> None:
    with pytest.raises(MissingError, match="acme"):
        network.roster.member("zorn")
