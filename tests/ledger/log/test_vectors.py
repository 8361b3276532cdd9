"""Frozen vectors: bytes that were written once and may not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MalformedError
from ledger.log.bounds import recorded_times
from ledger.log.checkpoint import check_cosignature, open_checkpoint
from ledger.log.encoding import decode, encode
from ledger.log.entry import check_entries
from ledger.log.evidence import check_fork
from ledger.log.evidence_files import format_evidence, parse_evidence
from ledger.log.note import parse_vkey
from ledger.log.policy import check_policy, format_policy, is_quorum, parse_policy
from ledger.log.receipt import check_receipt
from ledger.log.witness import parse_add_checkpoint
from ledger.members.evidence import check_evidence
from tests.vectors.log import make

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "log"
NAMES = [
    "encoding.json",
    "entries.json",
    "evidence.json",
    "notes.json",
    "policies.json",
    "tiles.json",
    "tree.json",
]


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="ascii"))


@pytest.mark.parametrize("name", NAMES)
def test_today_s_code_writes_the_frozen_bytes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == make.text_of(name)


def test_every_file_is_compared() -> None:
    assert sorted(make.FILES) == NAMES == sorted(path.name for path in FOLDER.glob("*.json"))


def test_every_accepted_encoding_is_read() -> None:
    for case in read("encoding.json")["accept"]:
        data = bytes.fromhex(case["hex"])
        assert encode(decode(data)) == data
        assert "json" not in case or decode(data) == case["json"]


@pytest.mark.parametrize("why", read("encoding.json")["refuse"])
def test_every_refused_encoding_is_refused(why: str) -> None:
    with pytest.raises(MalformedError):
        decode(bytes.fromhex(read("encoding.json")["refuse"][why]))


def test_the_frozen_entries_are_a_log() -> None:
    vectors = read("entries.json")
    entries = [bytes.fromhex(row["entry"]) for row in vectors["entries"]]
    hashes = check_entries(vectors["origin"], entries, start=0, prev=bytes.fromhex(vectors["network_id"]))
    assert [item.hex() for item in hashes] == [row["leaf"] for row in vectors["entries"]]


def test_the_frozen_notes_verify() -> None:
    vectors = read("notes.json")
    vkey, witness = parse_vkey(vectors["log_vkey"]), parse_vkey(vectors["witness_vkey"])
    for size, note in vectors["checkpoints"].items():
        assert open_checkpoint(note, vkey).size == int(size)
    assert check_cosignature(vectors["checkpoints"]["13"], vectors["cosignature"], witness) == 1_700_000_000
    assert check_receipt(vectors["receipt"], vkey).payload is None
    checked = check_receipt(vectors["receipt_with_payload"], vkey, witnesses=[witness], need=1)
    assert checked.payload is not None
    assert check_fork(vectors["checkpoints"]["13"], vectors["fork_of_13"], vkey).place == 13
    assert parse_add_checkpoint(vectors["add_checkpoint"]).head.size == 20


@pytest.mark.parametrize("name", read("evidence.json"))
def test_the_frozen_evidence_proves_what_it_says(name: str) -> None:
    files = {file: text.encode() for file, text in read("evidence.json")[name].items()}
    evidence = parse_evidence(files)
    assert format_evidence(evidence) == files
    assert check_evidence(evidence).kind == json.loads(files["evidence.json"])["kind"]


def test_the_frozen_policies_are_read_and_reached() -> None:
    vectors = read("policies.json")
    for case in vectors["accept"].values():
        policy = parse_policy(case["policy"])
        assert format_policy(policy) == case["form"]
        if policy.logs:
            check_policy(policy, vectors["note"])
        for enough in case["enough"]:
            assert is_quorum(policy, enough)
            assert not enough or not is_quorum(policy, enough[:-1]) or policy.quorum == "none"


@pytest.mark.parametrize("why", read("policies.json")["refuse"])
def test_every_refused_policy_is_refused(why: str) -> None:
    with pytest.raises(MalformedError):
        parse_policy(read("policies.json")["refuse"][why])


def test_the_frozen_receipt_tells_what_was_seen_before() -> None:
    vectors, notes = read("policies.json"), read("notes.json")
    checked = check_receipt(vectors["receipt_with_seen"], parse_vkey(notes["log_vkey"]))
    witness = parse_vkey(notes["witness_vkey"])
    assert checked.seen is not None
    assert recorded_times(checked.seen.heads, {witness: None}) == {witness: 1_700_000_000}


def test_making_vectors_again_overwrites_nothing() -> None:
    before = {name: (FOLDER / name).stat().st_mtime_ns for name in NAMES}
    make.main()
    assert {name: (FOLDER / name).stat().st_mtime_ns for name in NAMES} == before
