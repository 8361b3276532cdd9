"""Rotated keys, a later log, policies and decisions under a verifier that knows only the public formats."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="ascii"))


@pytest.fixture
def told(foreign: Any, lived: Any) -> Any:
    """The whole network, as its bundle tells it."""
    return foreign.verify_bundle(lived.bundles["network", None])


def statements(log: Any, kind: str) -> list[tuple[Any, dict[str, Any]]]:
    """The statements of a kind in a log, with their entries."""
    return [(entry, statement) for entry, statement in log.statements if entry.kind == kind]


def log_of(told: Any, name: str) -> Any:
    """The only or the last log of a firm."""
    return [log for origin, log in told.logs.items() if origin.split("/")[0] == name][-1]


def folded(foreign: Any, told: Any, until: tuple[str, int]) -> Any:
    """The members as the entries before this one make them."""
    network = foreign.Network(told.network.founding)
    for log in told.logs.values():
        for entry, statement in log.statements:
            if (log.origin, entry.seq) == until:
                return network
            network.fold(log.origin, entry, statement["body"])
    raise AssertionError("no such entry")


def changes(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The body with each byte string and number in it changed, one at a time."""
    found = []
    for name, value in body.items():
        if isinstance(value, dict):
            found += [{**body, name: inner} for inner in changes(value)]
        elif isinstance(value, bytes):
            found.append({**body, name: value[:-1] + bytes([value[-1] ^ 1])})
        elif isinstance(value, int):
            found.append({**body, name: value + 1})
    return found


# Rotation


def test_a_rotation_is_known_from_its_entry(foreign: Any, told: Any) -> None:
    log = log_of(told, "acme")
    ((entry, _),) = statements(log, "keys.rotate")
    first, second = told.network.eras["acme"]
    assert (first.end, second.start, first.end_time) == (entry.seq + 1, entry.seq + 1, entry.time)
    assert first.keys["node"] == second.keys["node"]
    assert first.keys["log"] != second.keys["log"]


def test_a_note_counts_under_the_key_of_its_size_and_no_other(foreign: Any, lived: Any, told: Any) -> None:
    first, second = told.network.eras["acme"]
    for note, right, wrong in zip(lived.notes, (first, second), (second, first), strict=True):
        head, names = told.network.verify_note(note)
        assert (head.origin, names) == (right.origin, {"port", "bolt"})
        assert told.network.is_witnessed(note)
        assert foreign.verify_checkpoint(note.encode(), right.log_key).size == head.size
        with pytest.raises(foreign.Refused):
            foreign.verify_checkpoint(note.encode(), wrong.log_key)


def test_every_part_of_a_rotation_counts(foreign: Any, told: Any) -> None:
    log = log_of(told, "acme")
    ((entry, statement),) = statements(log, "keys.rotate")
    network = folded(foreign, told, (log.origin, entry.seq))
    body = statement["body"]
    cases = [*changes(body), {**body, "new": body["old"], "old": body["new"]}]
    assert len(cases) == 7
    for changed in cases:
        with pytest.raises(foreign.Refused):
            network.fold(log.origin, entry, changed)
    with pytest.raises(foreign.Refused):
        network.fold(log_of(told, "port").origin, entry, body)
    network.fold(log.origin, entry, body)
    with pytest.raises(foreign.Refused):
        network.fold(log.origin, entry, body)


def test_a_cosignature_under_a_superseded_key_counts_until_it_was_superseded(foreign: Any, told: Any) -> None:
    note, _ = log_of(told, "port").notes[-1]
    network = foreign.Network(told.network.founding, eras={**told.network.eras})
    first, second = told.network.eras["acme"]
    head, names = told.network.verify_note(note)
    assert "acme" in names
    cosigned_ms = head.cosigned[first.witness_key.name] * 1000
    assert cosigned_ms < first.end_time
    for end_time, counts in ((cosigned_ms, True), (cosigned_ms - 1, False)):
        network.eras["acme"] = [replace(first, end_time=end_time), second]
        assert ("acme" in network.verify_note(note)[1]) is counts


# Later logs


def test_a_later_log_is_opened_under_the_recovery_key_that_was_named(foreign: Any, told: Any) -> None:
    first, second = told.network.eras["bolt"]
    assert second.origin == f"{first.origin}/2"
    opening = log_of(told, "bolt").statements[0][1]["body"]
    named = sha256(b"tallystick recovery v1\n" + opening["recovery"]["key"]).digest()
    assert named == first.keys["recovery"] != second.keys["recovery"]
    assert first.end == told.logs[first.origin].size
    assert not set(first.keys.values()) & set(second.keys.values())


def test_every_part_of_a_later_opening_counts(foreign: Any, told: Any) -> None:
    log = log_of(told, "bolt")
    entry, statement = log.statements[0]
    body = statement["body"]
    lines = body["pin"].split("\n")
    root = base64.b64encode(bytes(32)).decode()
    pins = [[lines[0], "0", *lines[2:]], [*lines[:2], root, *lines[3:]], [f"{lines[0]}/3", *lines[1:]]]
    cases = [*changes(body), *({**body, "pin": "\n".join(pin)} for pin in pins)]
    cases += [{**body, "organization": "acme"}, {**body, "recovery": {**body["recovery"], "more": b""}}]
    for changed in cases:
        network = folded(foreign, told, (log.origin, 0))
        with pytest.raises(foreign.Refused):
            network.fold(log.origin, entry, changed)
    for origin in (f"{log.origin[:-1]}3", log_of(told, "acme").origin + "/2"):
        with pytest.raises(foreign.Refused):
            folded(foreign, told, (log.origin, 0)).fold(origin, entry, body)


def test_an_admission_needs_its_invitation_and_counts_once(foreign: Any, told: Any) -> None:
    log = log_of(told, "port")
    entry, statement = statements(log, "network.admit")[0]
    body = statement["body"]
    network = folded(foreign, told, (log.origin, entry.seq))
    founder = network.eras["port"][0].keys
    for changed in (
        {**body, "invite": bytes(32)},
        {**body, "organization": "cord"},
        {**body, "keys": {**body["keys"], "log": bytes(32)}},
        {**body, "keys": {**body["keys"], "witness": founder["witness"]}},
    ):
        with pytest.raises(foreign.Refused):
            network.fold(log.origin, entry, changed)
    network.fold(log.origin, entry, body)
    with pytest.raises(foreign.Refused):
        network.fold(log.origin, entry, body)


def test_the_frozen_rotation_and_opening_have_the_bytes_of_the_page(foreign: Any) -> None:
    vectors = read("members/later.json")
    rotation, opening = vectors["rotation"], vectors["opening"]
    before, after, keys = (
        {name: bytes.fromhex(key) for name, key in each.items()}
        for each in (rotation["keys_before"], rotation["keys_after"], opening["keys"])
    )
    message = b"tallystick rotation v1\n" + foreign.write_msgpack([rotation["origin"], before, after])
    assert message.hex() == rotation["message"]
    rows = {row["kind"]: row for row in vectors["statements"]}
    body = foreign.verify_statement(bytes.fromhex(rows["keys.rotate"]["payload"]), "keys.rotate")["body"]
    foreign.check_signature(before["log"], message, body["old"])
    foreign.check_signature(after["log"], message, body["new"])
    opened = foreign.verify_statement(bytes.fromhex(rows["log.open"]["payload"]), "log.open")["body"]
    identity = foreign.network_id(opened["founding"])
    foreign.check_opening(opened, opening["origin"], identity)
    pin = sha256(opening["pin"].encode()).digest()
    said = foreign.write_msgpack([opening["origin"], identity, keys, pin])
    assert (b"tallystick opening v1\n" + said).hex() == opening["message"]
    assert opened["keys"] == keys


# Policies


def test_a_receipt_holds_under_the_policy_of_its_log(foreign: Any, lived: Any) -> None:
    older, newer = lived.receipts
    newest, all_keys = (foreign.read_policy(lived.policies[old]) for old in (False, True))
    assert foreign.verify_receipt_by_policy(newer, newest).entry.seq == 1
    assert foreign.verify_receipt_by_policy(newer, all_keys).payload
    assert foreign.verify_receipt_by_policy(older, all_keys).entry.seq == 1
    with pytest.raises(foreign.Refused):
        foreign.verify_receipt_by_policy(older, newest)


def test_a_receipt_that_too_few_cosigned_is_refused(foreign: Any, lived: Any) -> None:
    policy = foreign.read_policy(lived.policies[False])
    proof, _, note = lived.receipts[1].decode().partition("\n\n")
    text, _, lines = note.partition("\n\n")
    signatures = lines.splitlines(keepends=True)
    assert len(signatures) == 3
    for kept in (signatures[:1], signatures[:2], signatures[1:]):
        with pytest.raises(foreign.Refused):
            foreign.verify_receipt_by_policy(f"{proof}\n\n{text}\n\n{''.join(kept)}".encode(), policy)


@pytest.mark.parametrize("name", read("log/policies.json")["accept"])
def test_a_frozen_policy_asks_for_what_it_says(foreign: Any, name: str) -> None:
    vectors = read("log/policies.json")
    row = vectors["accept"][name]
    head, _, lines = vectors["note"].partition("\n\n")
    log, *witnesses = lines.splitlines(keepends=True)
    policy = foreign.read_policy(row["policy"].encode())
    form = foreign.read_policy(row["form"].encode())
    assert (policy.groups, policy.quorum) == (form.groups, form.quorum)
    for enough in row["enough"]:
        for without in ("", *enough):
            kept = [line for line in witnesses if line.split(" ")[1] in {*enough} - {without}]
            note = f"{head}\n\n{log}{''.join(kept)}".encode()
            if policy.logs and not without:
                assert foreign.verify_by_policy(note, policy).size == 20
                continue
            with pytest.raises(foreign.Refused):
                foreign.verify_by_policy(note, policy)


@pytest.mark.parametrize("why", read("log/policies.json")["refuse"])
def test_a_frozen_policy_of_another_form_is_refused(foreign: Any, why: str) -> None:
    with pytest.raises(foreign.Refused):
        foreign.read_policy(read("log/policies.json")["refuse"][why].encode())


def test_a_receipt_shows_what_its_log_had_seen_before(foreign: Any) -> None:
    data = read("log/policies.json")["receipt_with_seen"].encode()
    log = foreign.read_policy(read("log/policies.json")["accept"]["nobody"]["policy"].encode()).logs[0]
    entry, payload = foreign.verify_receipt(data, log).seen
    (head,) = foreign.verify_statement(payload, entry.kind)["body"]["heads"]
    assert foreign.read_note(head.encode())
    first = data.index(b"extra ") + 6
    extra = foreign.read_msgpack(base64.b64decode(data[first : data.index(b"\n", first)]))
    for place, part in enumerate(extra[3]):
        last = part[-1] if place == 3 else part
        wrong = last[:-1] + bytes([last[-1] ^ 1])
        shown = [*extra[3][:place], [*part[:-1], wrong] if place == 3 else wrong, *extra[3][place + 1 :]]
        text = base64.b64encode(foreign.write_msgpack([*extra[:3], shown]))
        with pytest.raises(foreign.Refused):
            foreign.verify_receipt(data[:first] + text + data[data.index(b"\n", first) :], log)


# Agreements and decisions


def test_a_decision_rests_on_the_fact_and_its_confirmation_in_counting_order(
    foreign: Any, lived: Any, told: Any
) -> None:
    agreement = bytes.fromhex(lived.agreement)
    by_leaf = {
        foreign.leaf_hash(entry.data): entry.kind for log in told.logs.values() for entry in log.entries
    }
    counted = [
        leaf
        for _, statement in statements(log_of(told, "port"), "counted")
        for leaf in statement["body"]["entries"]
        if by_leaf[leaf] in ("fact", "confirm")
    ]
    assert [by_leaf[leaf] for leaf in counted] == ["fact", "confirm"]
    decisions = [
        statement["body"] for log in told.logs.values() for _, statement in statements(log, "decision")
    ]
    assert len(decisions) == 2
    for body in decisions:
        foreign.check_decision(body)
        assert (body["agreement"], body["inputs"]) == (agreement, foreign.inputs_hash(counted))
        assert [effect["kind"] for effect in body["effects"]] == ["due", "state"]
    assert len({foreign.decision_hash(body) for body in decisions}) == 1
    assert foreign.decision_hash(decisions[0]).hex() in json.dumps(lived.shown)


def test_a_decision_with_other_effects_than_its_outcome_is_refused(foreign: Any, told: Any) -> None:
    ((_, statement),) = statements(log_of(told, "acme"), "decision")
    body = statement["body"]
    due, state = body["effects"]
    for effects in (
        [due],
        [state, due],
        [{**due, "amount": "1.00 EUR"}, state],
        [{**due, "more": "x"}, state],
    ):
        with pytest.raises(foreign.Refused):
            foreign.check_decision({**body, "effects": effects})
    for effect in ({**due, "amount": 1}, {"kind": "other"}, {**state, "roles": []}, "due"):
        effects = [effect]
        with pytest.raises(foreign.Refused):
            foreign.check_decision({**body, "effects": effects, "outcome": foreign.outcome_hash(effects)})


def test_a_document_is_a_tree_of_texts_under_the_frozen_vectors(foreign: Any, told: Any) -> None:
    language = sha256((VECTORS / "contracts/language-1.json").read_bytes()).hexdigest()
    ((_, statement),) = statements(log_of(told, "acme"), "agreement.propose")
    document = statement["body"]["document"]
    tree = foreign.check_document(document, language)
    for changed in ({**tree, "contract": 1}, {**tree, "contract": "2"}, {**tree, "more": "x"}):
        with pytest.raises(foreign.Refused):
            foreign.check_document(foreign.write_msgpack(changed), language)
    with pytest.raises(foreign.Refused):
        foreign.check_document(document, "00" * 32)


def test_the_frozen_decisions_have_the_hashes_of_the_page(foreign: Any) -> None:
    vectors = read("contracts/decisions.json")
    for row in vectors["agreements"]:
        assert foreign.agreement_hash(bytes.fromhex(row["signed"])).hex() == row["agreement"]
        tree = foreign.read_msgpack(bytes.fromhex(row["signed"])) | {"language": "00" * 32}
        foreign.check_document(foreign.write_msgpack(tree))
    for row in vectors["decisions"]:
        body = {
            "agreement": bytes.fromhex(row["agreement"]),
            "rule": row["rule"],
            "inputs": foreign.inputs_hash([bytes.fromhex(leaf) for leaf in row["rests_on"]]),
            "outcome": foreign.outcome_hash(row["effects"]),
        } | ({"key": row["key"]} if row.get("key") is not None else {})
        assert (body["inputs"].hex(), body["outcome"].hex()) == (row["inputs"], row["outcome"])
        assert foreign.decision_hash(body).hex() == row["decision"]
