"""Entries and receipts over HTTP."""

from __future__ import annotations

from typing import Any

from ledger.log.receipt import check_receipt
from ledger.log.statement import parse_statement


def fill(api: Any, count: int) -> list[str]:
    return [api.post("/memos", json={"text": str(number)}).json()["leaf"] for number in range(count)]


def test_a_log_is_read_page_by_page(api: Any) -> None:
    fill(api, 5)
    first = api.get("/entries?limit=3").json()
    assert ([entry["seq"] for entry in first["entries"]], first["next"]) == ([0, 1, 2], 3)
    last = api.get(f"/entries?limit=10&from={first['next']}").json()
    assert ([entry["seq"] for entry in last["entries"]], last["next"]) == ([3, 4, 5, 6], None)
    assert api.get("/entries?from=100").json()["entries"] == []


def test_a_receipt_proves_its_entry_offline(api: Any) -> None:
    leaves = fill(api, 5)
    vkey = api.node.state.roster.log_key(api.node.state.roster.origin("acme"))
    for leaf in leaves:
        answer = api.get(f"/receipts/{leaf}")
        assert answer.headers["content-type"].startswith("text/plain")
        checked = check_receipt(answer.content, vkey)
        assert (checked.leaf.hex(), checked.payload) == (leaf, None)


def test_a_receipt_shows_the_statement_where_it_is_asked_to(api: Any) -> None:
    leaf = fill(api, 3)[1]
    checked = check_receipt(
        api.get(f"/receipts/{leaf}?payload=true").content,
        api.node.state.roster.log_key(api.node.state.roster.origin("acme")),
    )
    assert checked.payload is not None
    assert parse_statement(checked.payload, "receipt").body == {"text": "1"}
