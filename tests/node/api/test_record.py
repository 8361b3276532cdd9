"""Remarks, and what every write shares: keys, audiences, answers."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import UnavailableError


def test_a_memo_is_recorded_and_found(api: Any) -> None:
    answer = api.post("/memos", json={"text": "hello ☕"})
    assert answer.status_code == 201
    said = answer.json()
    assert said["new"] is True
    entry = api.get(f"/entries/{said['leaf']}").json()
    assert (entry["seq"], entry["kind"], entry["statement"]["body"]) == (
        said["seq"],
        "memo",
        {"text": "hello ☕"},
    )


def test_the_same_key_and_content_is_recorded_once(api: Any) -> None:
    headers = {"idempotency-key": "k-1"}
    first = api.post("/memos", json={"text": "x"}, headers=headers)
    second = api.post("/memos", json={"text": "x"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json() | {"new": False}
    assert api.size() == 3


@pytest.mark.parametrize("other", [{"text": "y"}, {"text": "x", "audience": ["acme"]}])
def test_the_same_key_with_other_content_is_a_conflict(api: Any, other: dict[str, object]) -> None:
    headers = {"idempotency-key": "k-1"}
    api.post("/memos", json={"text": "x"}, headers=headers)
    error = api.refusal(api.post("/memos", json=other, headers=headers), 409)
    assert error["code"] == "conflict"
    assert error["where"] == "Idempotency-Key"
    assert api.size() == 3


@pytest.mark.parametrize("key", ["", "has space", "ü", "x" * 201])
def test_a_key_of_another_form_is_refused(api: Any, key: str) -> None:
    headers = {"idempotency-key": key.encode("latin-1")}
    answer = api.post("/memos", json={"text": "x"}, headers=headers)
    assert api.refusal(answer, 400)["where"] == "Idempotency-Key"


def test_an_audience_is_sorted_and_each_named_once(api: Any) -> None:
    leaf = api.post("/memos", json={"text": "x", "audience": ["acme", "acme"]}).json()["leaf"]
    assert api.get(f"/entries/{leaf}").json()["statement"]["audience"] == ["acme"]


def test_an_audience_of_strangers_is_refused(api: Any) -> None:
    error = api.refusal(api.post("/memos", json={"text": "x", "audience": ["bolt"]}), 422)
    assert "bolt" in error["found"]
    assert api.size() == 2


def test_a_node_that_must_not_write_says_why(api: Any) -> None:
    api.node.block(
        "place", UnavailableError("home", found="an older copy", expected="the newest", action="wait")
    )
    error = api.refusal(api.post("/memos", json={"text": "x"}), 503)
    assert (error["where"], error["action"]) == ("home", "wait")
    assert api.size() == 2


def test_a_memo_over_a_mebibyte_is_refused(api: Any) -> None:
    error = api.refusal(api.post("/memos", json={"text": "x" * (1024 * 1024)}), 413)
    assert error["code"] == "too_large"
    assert api.size() == 2
