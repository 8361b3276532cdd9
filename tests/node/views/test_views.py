"""What the read models promise beyond what the HTTP tests see of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, MissingError
from ledger.log.receipt import check_receipt
from node.views.entries import list_entries, show_entry
from node.views.receipts import make_receipt
from node.views.values import as_json, format_time, read_hash

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_every_value_of_a_statement_can_be_written_as_json(value: Any) -> None:
    json.dumps(as_json(value))


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_every_time_has_a_text(ms: int) -> None:
    assert format_time(ms)


def test_times_are_utc_to_the_millisecond() -> None:
    assert format_time(1_760_000_000_123) == "2025-10-09T08:53:20.123Z"


@given(st.binary(min_size=32, max_size=32))
def test_a_hash_is_read_as_it_is_written(data: bytes) -> None:
    assert read_hash(data.hex(), "hash") == data


@pytest.mark.parametrize("text", ["", "ab", "AB" * 32, "ab" * 33, "zz" * 32, " " + "ab" * 32])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        read_hash(text, "hash")


def record_memo(firm: Any, text: str, audience: tuple[str, ...] | None = None) -> bytes:
    draft = firm.node.draft("memo", {"text": text}, audience=audience)
    leaf: bytes = firm.node.record([draft]).result(20)[0].leaf
    return leaf


def test_a_receipt_prefers_the_newest_witnessed_note(network: Any) -> None:
    acme = network["acme"]
    first = record_memo(acme, "one")
    network.share()
    second = record_memo(acme, "two")
    roster = acme.node.state.roster
    keys = [roster.witness_key(name) for name in ("bolt", "port")]
    vkey = roster.log_key(roster.origin("acme"))
    old = check_receipt(make_receipt(acme.node.reader, acme.node.state, first), vkey, witnesses=keys, need=2)
    new = check_receipt(make_receipt(acme.node.reader, acme.node.state, second), vkey, witnesses=keys)
    assert len(old.cosigned) == 2
    assert new.cosigned == {}
    assert old.checkpoint.size < new.checkpoint.size


def test_a_receipt_of_a_partners_entry_is_as_good(network: Any) -> None:
    leaf = record_memo(network["acme"], "one")
    network.share()
    bolt = network["bolt"].node
    text = make_receipt(bolt.reader, bolt.state, leaf, with_payload=True)
    assert (
        check_receipt(text, bolt.state.roster.log_key(bolt.state.roster.origin("acme")), need=0).leaf == leaf
    )


def test_what_others_may_not_know_is_shown_without_its_statement(network: Any) -> None:
    leaf = record_memo(network["acme"], "between us", ("acme", "bolt"))
    network.share()
    shown = {}
    for name in ("acme", "bolt", "port"):
        node = network[name].node
        shown[name] = show_entry(node.reader, node.state, *node.reader.find(leaf))["statement"]
    assert shown["acme"] == shown["bolt"] is not None
    assert shown["port"] is None
    port = network["port"].node
    with pytest.raises(MissingError):
        make_receipt(port.reader, port.state, leaf, with_payload=True)
    assert make_receipt(port.reader, port.state, leaf)


def test_a_log_that_is_not_here_is_said_to_be_missing(network: Any) -> None:
    node = network["acme"].node
    with pytest.raises(MissingError):
        list_entries(node.reader, node.state, "nobody/0123456789abcdef")
