"""Members, people and invitations over HTTP."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ledger.log.signature import public_key
from ledger.members.invitation import open_invitation
from ledger.members.people import key_id


@pytest.fixture
def called(node: Any) -> Any:
    """The node says where it is called."""
    draft = node.draft("node.address", {"certificate": None, "url": "http://127.0.0.1:8440"})
    node.record([draft]).result(20)
    return node


def test_the_roster_shows_members_keys_and_people(api: Any) -> None:
    shown = api.get("/members").json()
    member = shown["members"][0]
    assert (shown["name"], shown["founder"], member["organization"]) == ("coffee", "acme", "acme")
    assert member["vkey"].startswith(f"{member['origin']}+")
    assert [person["name"] for person in member["people"]] == ["ana"]


def test_an_invitation_is_a_file_that_opens(called: Any, api: Any) -> None:
    answer = api.post("/invitations", json={"organization": "bolt"})
    assert answer.status_code == 201
    said = answer.json()
    invitation = open_invitation(said["invitation"])
    assert (invitation.organization, invitation.address.url) == ("bolt", "http://127.0.0.1:8440")
    assert said["words"] == api.get("/members").json()["words"]
    assert api.get("/members").json()["invited"] == ["bolt"]


def test_the_secret_stands_nowhere_in_the_log(called: Any, api: Any) -> None:
    said = api.post("/invitations", json={"organization": "bolt"}).json()
    secret = open_invitation(said["invitation"]).secret
    payload = called.reader.payload(called.state.origin, said["seq"])[1]
    assert secret not in payload


def test_an_invitation_under_the_same_key_is_the_same_file(called: Any, api: Any) -> None:
    headers = {"idempotency-key": "k"}
    first = api.post("/invitations", json={"organization": "bolt"}, headers=headers)
    second = api.post("/invitations", json={"organization": "bolt"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["invitation"] == second.json()["invitation"]


def test_a_node_that_nobody_can_call_invites_nobody(api: Any) -> None:
    assert "TALLY_URL" in api.refusal(api.post("/invitations", json={"organization": "bolt"}), 503)["action"]
    assert api.size() == 2


def test_a_member_is_not_invited_again(called: Any, api: Any) -> None:
    api.refusal(api.post("/invitations", json={"organization": "acme"}), 409)


def test_people_are_granted_roles_and_lose_them(api: Any) -> None:
    public = public_key(os.urandom(32))
    granted = api.post("/people", json={"name": "bo", "key": public.hex(), "roles": ["procurement", "a"]})
    assert granted.status_code == 201
    people = {person["name"]: person for person in api.get("/members").json()["members"][0]["people"]}
    assert people["bo"]["roles"] == ["a", "procurement"]
    assert api.post(f"/people/{key_id(public).hex()}/revocation").status_code == 201
    people = {person["name"]: person for person in api.get("/members").json()["members"][0]["people"]}
    assert people["bo"]["revoked_at"] == 3


def test_a_name_that_somebody_has_is_refused(api: Any) -> None:
    form = {"name": "ana", "key": public_key(os.urandom(32)).hex(), "roles": []}
    api.refusal(api.post("/people", json=form), 409)


def test_of_two_who_ask_for_one_name_at_once_one_gets_it(api: Any) -> None:
    forms = [{"name": "bo", "key": public_key(os.urandom(32)).hex(), "roles": []} for _ in range(4)]
    answers = api.post_at_once("/people", forms)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert api.size() == 3


@pytest.mark.parametrize("key", ["00" * 32, "01" + "00" * 31, "ff" * 32])
def test_a_key_that_may_not_be_enrolled_is_refused(api: Any, key: str) -> None:
    answer = api.post("/people", json={"name": "bo", "key": key, "roles": []})
    assert answer.status_code in (400, 422)
    assert api.size() == 2


def test_a_key_that_is_nobodys_cannot_be_revoked(api: Any) -> None:
    api.refusal(api.post(f"/people/{'ab' * 32}/revocation"), 404)
