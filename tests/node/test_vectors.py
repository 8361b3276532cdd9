"""Frozen vectors of what nodes keep and send: bytes that were written once and may not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import TallyError
from node.keyfiles import open_key
from node.signing import check_request
from node.sync import wire
from tests.vectors.node import make

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "node"
NAMES = ["identities.json", "keys.json", "messages.json", "requests.json"]
READERS: dict[str, Any] = {
    "batch": wire.parse_batch,
    "batch_witnessed": wire.parse_batch,
    "heads": wire.parse_heads,
    "join": wire.parse_join_request,
    "join_answer": wire.parse_join_answer,
    "payloads": wire.parse_payloads_request,
    "payloads_answer": wire.parse_payloads,
    "pull": wire.parse_pull_request,
    "push_answer": wire.parse_push_answer,
    "push_answer_wanting": wire.parse_push_answer,
}


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="ascii"))


@pytest.mark.parametrize("name", NAMES)
def test_today_s_code_writes_the_frozen_bytes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == make.text_of(name)


def test_every_file_is_compared() -> None:
    assert sorted(make.FILES) == NAMES == sorted(path.name for path in FOLDER.glob("*.json"))


def test_the_frozen_key_files_open_with_their_passphrase_alone() -> None:
    vectors = read("keys.json")
    for row in vectors["keys"]:
        opened = open_key(row["file"], vectors["passphrase"].encode(), "vector")
        assert (opened.seed.hex(), opened.public.hex()) == (row["seed"], row["public"])
        with pytest.raises(TallyError):
            open_key(row["file"], b"another", "vector")


def test_the_frozen_messages_are_read() -> None:
    messages = read("messages.json")
    assert sorted(messages) == sorted(READERS)
    for name, data in messages.items():
        assert READERS[name](bytes.fromhex(data)) is not None


def test_the_frozen_requests_are_signed() -> None:
    vectors = read("requests.json")
    for row in vectors["requests"]:
        sender = check_request(
            headers=row["headers"].items(),
            method=row["method"],
            path=row["path"],
            query=row["query"],
            body=bytes.fromhex(row["body"]),
            recipient="bolt/0123456789abcdef",
            key_of=lambda origin: bytes.fromhex(vectors["public"]) if origin.startswith("acme/") else None,
            now_s=1_700_000_030,
            max_skew_s=10,
        )
        assert sender == "acme/0123456789abcdef"
