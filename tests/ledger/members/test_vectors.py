"""Frozen vectors of networks, statements and invitations: bytes that were written once and may not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import TallyError
from ledger.log.entry import check_entries, parse_entry
from ledger.log.kinds import KINDS
from ledger.log.signature import check_signature
from ledger.log.statement import Statement, format_statement, open_payload, parse_statement
from ledger.members.eras import open_member_log
from ledger.members.invitation import open_invitation, secret_hash
from ledger.members.network import MemberKeys, format_founding, network_id, network_words, parse_founding
from ledger.members.reopening import Reopening, check_later_opening, opening_message
from ledger.members.rotation import check_rotation, rotation_message
from tests.vectors.members import make

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "members"
NAMES = ["invitations.json", "later.json", "networks.json", "statements.json"]


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="ascii"))


@pytest.mark.parametrize("name", NAMES)
def test_today_s_code_writes_the_frozen_bytes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == make.text_of(name)


def test_every_file_is_compared() -> None:
    assert sorted(make.FILES) == NAMES == sorted(path.name for path in FOLDER.glob("*.json"))


def test_the_frozen_foundings_are_read_and_written_again() -> None:
    for network in read("networks.json")["networks"].values():
        data = bytes.fromhex(network["founding"])
        assert format_founding(parse_founding(data)) == data
        assert network_id(data).hex() == network["network_id"]
        assert network_words(network_id(data)) == network["words"]


def test_there_is_a_statement_of_every_kind() -> None:
    assert {row["kind"] for row in statements()} == {*KINDS, "not.known"}


def statements() -> list[Any]:
    return [row for name in ("statements.json", "later.json") for row in read(name)["statements"]]


def test_the_frozen_statements_open_against_their_entries() -> None:
    for row in statements():
        entry, salt, payload = (bytes.fromhex(row[name]) for name in ("entry", "salt", "payload"))
        statement = open_payload(parse_entry(entry), salt, payload, row["kind"])
        assert statement.kind == row["kind"]
        assert format_statement(statement) == payload


def test_the_frozen_entries_are_a_log() -> None:
    vectors = read("statements.json")
    networks = read("networks.json")["networks"]
    entries = [bytes.fromhex(row["entry"]) for row in vectors["statements"]]
    prev = bytes.fromhex(networks["all members witness"]["network_id"])
    assert len(check_entries(vectors["origin"], entries, start=0, prev=prev)) == len(entries)


def test_a_frozen_statement_with_a_byte_less_or_more_is_none() -> None:
    for row in read("statements.json")["statements"]:
        payload = bytes.fromhex(row["payload"])
        for wrong in (payload[:-1], payload + b"\xc0"):
            with pytest.raises(TallyError):
                parse_statement(wrong, "test")


def body_of(kind: str) -> Statement:
    row = next(row for row in read("later.json")["statements"] if row["kind"] == kind)
    return parse_statement(bytes.fromhex(row["payload"]), kind)


def keys_in(value: dict[str, str]) -> MemberKeys:
    return MemberKeys(**{name: bytes.fromhex(key) for name, key in value.items()})


def test_the_frozen_rotation_takes_effect() -> None:
    frozen, statement = read("later.json")["rotation"], body_of("keys.rotate")
    before, after = keys_in(frozen["keys_before"]), keys_in(frozen["keys_after"])
    check_rotation(frozen["origin"], before, statement)
    assert statement.body["keys"] == after.as_map()
    message = bytes.fromhex(frozen["message"])
    assert message == rotation_message(frozen["origin"], before, after)
    check_signature(before.log, message, statement.data("old"), "old")
    check_signature(after.log, message, statement.data("new"), "new")


def test_the_frozen_later_log_follows_the_first() -> None:
    frozen, statement = read("later.json")["opening"], body_of("log.open")
    networks = read("networks.json")["networks"]
    founding = bytes.fromhex(networks["all members witness"]["founding"])
    first = open_member_log(frozen["origin"].removesuffix("/2"), parse_founding(founding).keys, None)
    network = network_id(founding)
    check_later_opening(statement, origin=frozen["origin"], network=network, before=first)
    reopening = Reopening.of_opening(statement)
    assert (reopening.pin, reopening.keys) == (frozen["pin"], keys_in(frozen["keys"]))
    message = opening_message(frozen["origin"], network, reopening.keys, reopening.pin)
    assert message.hex() == frozen["message"]


def test_the_frozen_invitations_open() -> None:
    vectors = read("invitations.json")
    for text in vectors["files"]:
        invitation = open_invitation(text)
        assert (invitation.inviter, invitation.organization) == ("acme", "bolt")
        assert secret_hash(invitation.secret).hex() == vectors["secret_hash"]
