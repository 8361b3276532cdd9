"""The frozen vectors under the verifier that knows only the public formats."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="ascii"))


def test_a_network_s_id_words_and_keys_follow_from_its_founding(foreign: Any) -> None:
    vectors = read("members/networks.json")
    for network in vectors["networks"].values():
        founding = bytes.fromhex(network["founding"])
        identity = foreign.network_id(founding)
        assert (identity.hex(), foreign.words(identity)) == (network["network_id"], network["words"])
        keys = foreign.read_msgpack(founding)["founder"]["keys"]
        assert foreign.make_vkey(network["origin"], 1, keys["log"]) == foreign.read_vkey(network["log_vkey"])
        name = f"acme/{identity[:8].hex()}/witness"
        assert foreign.make_vkey(name, 4, keys["witness"]) == foreign.read_vkey(network["witness_vkey"])
        recovery = bytes.fromhex(vectors["recovery_public_key"])
        assert hashlib.sha256(b"tallystick recovery v1\n" + recovery).digest() == keys["recovery"]


def test_every_statement_is_what_its_entry_commits_to(foreign: Any) -> None:
    vectors = read("members/statements.json")
    key = bytes.fromhex(vectors["person_public_key"])
    assert foreign.key_id(key).hex() == vectors["person_key_id"]
    people = {foreign.key_id(key): (key, {"director"})}
    for row in vectors["statements"]:
        entry = foreign.read_entry(bytes.fromhex(row["entry"]))
        payload = bytes.fromhex(row["payload"])
        foreign.check_payload(entry, bytes.fromhex(row["salt"]), payload)
        statement = foreign.verify_statement(payload, entry.kind)
        assert foreign.write_msgpack(statement) == payload
        foreign.check_people(statement, vectors["origin"], people)


def test_agreements_and_nonces_of_writes_have_the_frozen_hashes(foreign: Any) -> None:
    vectors = read("members/statements.json")
    document = bytes.fromhex(vectors["document"])
    assert foreign.agreement_hash(document).hex() == vectors["agreement_hash"]
    for row in vectors["write_nonces"]:
        assert foreign.write_nonce(row["key"], row["index"]).hex() == row["nonce"]


def test_an_invitation_is_signed_by_the_inviter_s_node_key(foreign: Any) -> None:
    for text in read("members/invitations.json")["files"]:
        first, *lines = text.split("\n")
        assert first == "tallystick invitation v1"
        assert lines[-1] == ""
        assert all(0 < len(line) <= 76 for line in lines[:-1])
        outer = foreign.read_map(foreign.read_base64("".join(lines)), "invitation", "signature")
        body = foreign.read_map(
            outer["invitation"], "address", "founding", "inviter", "organization", "secret"
        )
        founder = foreign.read_msgpack(body["founding"])["founder"]
        assert founder["organization"] == body["inviter"]
        message = first.encode() + b"\n" + outer["invitation"]
        foreign.check_signature(founder["keys"]["node"], message, outer["signature"])


def test_key_files_open_as_the_page_says() -> None:
    vectors = read("node/keys.json")
    for row in vectors["keys"]:
        file = json.loads(row["file"])
        salt, box = bytes.fromhex(file["kdf"]["salt"]), bytes.fromhex(file["box"])
        nonce = hashlib.sha256(b"tallystick key file v1\n" + file["name"].encode() + b"\n" + salt).digest()
        assert box[:24] == nonce[:24]
        key = argon2id.kdf(
            32, vectors["passphrase"].encode(), salt, file["kdf"]["ops"], file["kdf"]["memory_bytes"]
        )
        assert SecretBox(key).decrypt(box).hex() == row["seed"]
        assert file["public"] == row["public"]


def test_messages_are_strict_msgpack(foreign: Any) -> None:
    messages = {name: bytes.fromhex(data) for name, data in read("node/messages.json").items()}
    for data in messages.values():
        assert foreign.write_msgpack(foreign.read_msgpack(data)) == data
    assert foreign.read_map(messages["push_answer"], "cosignature", "size")["size"] == 5
    batch = foreign.read_map(
        messages["batch"], "checkpoint", "entries", "from", "origin", "payloads", "proof", "witnessed"
    )
    assert (batch["from"], batch["payloads"][0][0]) == (3, 3)


def test_requests_are_signed_over_the_base_of_the_standard(foreign: Any) -> None:
    vectors = read("node/requests.json")
    for row in vectors["requests"]:
        headers = row["headers"]
        digest = base64.b64encode(hashlib.sha256(bytes.fromhex(row["body"])).digest()).decode()
        assert headers["content-digest"] == f"sha-256=:{digest}:"
        parameters = headers["signature-input"].removeprefix("tallystick=")
        base = "\n".join(
            [
                f'"@method": {row["method"]}',
                f'"@path": {row["path"]}',
                f'"@query": ?{row["query"]}',
                f'"content-digest": {headers["content-digest"]}',
                f'"tallystick-recipient": {headers["tallystick-recipient"]}',
                f'"@signature-params": {parameters}',
            ]
        )
        signature = foreign.read_base64(headers["signature"].removeprefix("tallystick=:").removesuffix(":"))
        foreign.check_signature(bytes.fromhex(vectors["public"]), base.encode(), signature)


def test_an_event_is_recognised_by_hash_id_and_error_declaration(foreign: Any) -> None:
    vectors = read("node/identities.json")
    for row in vectors["identities"]:
        fields = foreign.write_msgpack([bytes.fromhex(vectors["hash"]), row["event_id"], row["declaration"]])
        found = hashlib.sha256(b"tallystick event identity v1\n" + fields).hexdigest()
        assert found == row["identity"]


@pytest.mark.parametrize("why", read("log/encoding.json")["refuse"])
def test_every_refused_encoding_is_refused(foreign: Any, why: str) -> None:
    with pytest.raises(foreign.Refused):
        foreign.read_msgpack(bytes.fromhex(read("log/encoding.json")["refuse"][why]))


def test_every_accepted_encoding_is_read(foreign: Any) -> None:
    for case in read("log/encoding.json")["accept"]:
        data = bytes.fromhex(case["hex"])
        assert foreign.write_msgpack(foreign.read_msgpack(data)) == data


def test_the_frozen_receipts_and_the_frozen_fork_are_verified(foreign: Any) -> None:
    vectors = read("log/notes.json")
    log, witness = foreign.read_vkey(vectors["log_vkey"]), foreign.read_vkey(vectors["witness_vkey"])
    assert foreign.verify_receipt(vectors["receipt"].encode(), log).payload is None
    assert foreign.verify_receipt(vectors["receipt_with_payload"].encode(), log, [witness]).payload
    notes = vectors["checkpoints"]["13"].encode(), vectors["fork_of_13"].encode()
    foreign.verify_fork(*notes, [], log)
