"""Messages between nodes: what is formatted is read back, anything else is refused."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.log.encoding import decode, encode
from node.sync import wire

hashes = st.binary(min_size=32, max_size=32)
positions = st.integers(0, 2**53)
payloads = st.tuples(positions, st.binary(min_size=16, max_size=16), st.binary(max_size=40))
payload_lists = st.lists(payloads, max_size=5, unique_by=lambda payload: payload[0]).map(sorted)
batches = st.builds(
    wire.Batch,
    origin=st.text(max_size=40),
    start=positions,
    entries=st.lists(st.binary(max_size=40), max_size=5),
    payloads=payload_lists,
    checkpoint=st.text(max_size=40),
    proof=st.lists(hashes, max_size=5),
    witnessed=st.none() | st.text(max_size=40),
)

PAIRS: list[tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = [
    (batches, wire.format_batch, wire.parse_batch),
    (
        st.builds(wire.PushAnswer, size=positions, cosignature=st.none() | st.text(max_size=20)),
        wire.format_push_answer,
        wire.parse_push_answer,
    ),
    (
        st.builds(wire.Heads, notes=st.lists(st.text(max_size=20), max_size=5), time_ms=positions),
        wire.format_heads,
        wire.parse_heads,
    ),
    (
        st.builds(wire.PullRequest, origin=st.text(max_size=20), start=positions, limit_bytes=positions),
        wire.format_pull_request,
        wire.parse_pull_request,
    ),
    (
        st.builds(wire.PayloadsRequest, origin=st.text(max_size=20), seqs=st.lists(positions, max_size=5)),
        wire.format_payloads_request,
        wire.parse_payloads_request,
    ),
    (payload_lists, wire.format_payloads, wire.parse_payloads),
    (
        st.builds(wire.JoinRequest, batch=batches, secret=st.binary(max_size=32)),
        wire.format_join_request,
        wire.parse_join_request,
    ),
    (
        st.builds(wire.JoinAnswer, admitted=hashes, batches=st.lists(batches, max_size=2)),
        wire.format_join_answer,
        wire.parse_join_answer,
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[1].__name__)
@given(data=st.data())
def test_every_message_is_read_back(pair: tuple[Any, Any, Any], data: st.DataObject) -> None:
    values, format_message, parse_message = pair
    message = data.draw(values)
    assert parse_message(format_message(message)) == message


@given(batches)
def test_a_batch_is_packed_as_the_strict_encoding_has_it(batch: wire.Batch) -> None:
    packed = wire.format_batch(batch)
    assert encode(decode(packed)) == packed


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[1].__name__)
@given(data=st.data())
def test_a_message_with_one_byte_changed_is_read_or_refused(
    pair: tuple[Any, Any, Any], data: st.DataObject
) -> None:
    values, format_message, parse_message = pair
    packed = bytearray(format_message(data.draw(values)))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(MalformedError):
        parse_message(bytes(packed))


@pytest.mark.parametrize(
    "payload", [[0, bytes(15), b""], [0, bytes(16)], [-1, bytes(16), b""], [True, bytes(16), b""], "x"]
)
def test_a_payload_of_another_form_is_refused_by_place(payload: object) -> None:
    batch = wire.Batch(origin="o", start=0, entries=[], payloads=[], checkpoint="")
    value: Any = decode(wire.format_batch(batch))
    value["payloads"] = [payload]
    with pytest.raises(MalformedError, match="payloads"):
        wire.parse_batch(encode(value))


def test_an_endless_name_of_a_log_is_refused() -> None:
    request = wire.PullRequest(origin="x" * 1000, start=0, limit_bytes=0)
    with pytest.raises(MalformedError, match="1000 characters"):
        wire.parse_pull_request(wire.format_pull_request(request))


@pytest.mark.parametrize("seqs", [(1, 1), (2, 1)])
def test_payloads_that_do_not_rise_are_refused(seqs: tuple[int, int]) -> None:
    given_twice = [(seq, bytes(16), b"x") for seq in seqs]
    with pytest.raises(MalformedError, match="rising positions"):
        wire.parse_payloads(wire.format_payloads(given_twice))
    batch = wire.Batch(origin="acme/0", start=1, entries=[], payloads=given_twice, checkpoint="")
    with pytest.raises(MalformedError, match="rising positions"):
        wire.parse_batch(wire.format_batch(batch))


MANY = 8 * 1024 * 1024 - 16
"""Values of one byte that fit a body of the largest size."""


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd" + MANY.to_bytes(4, "big") + b"\x01" * MANY,
        b"\xdd" + MANY.to_bytes(4, "big") + b"\x90" * MANY,
        b"\xdd" + (MANY // 2001).to_bytes(4, "big") + (b"\xdc\x07\xd0" + b"\x90" * 2000) * (MANY // 2003),
        b"\xdc\x07\xd0" + (b"\xdc\x0f\xff" + b"\x90" * 4095) * 2000,
        b"\x9f" + (b"\x81\xa1a" * 900_000),
        b"\xdc\x0f\xa0" + (b"\x8f" + b"\xa1a\xc0" * 15) * 4000,
    ],
)
def test_a_message_of_millions_of_values_is_refused_before_they_are_made(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            wire.parse_batch(body)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_whole_body_of_small_entries_with_their_payloads_is_read() -> None:
    count = 30_000
    batch = wire.Batch(
        origin="acme/0",
        start=0,
        entries=[bytes(95)] * count,
        payloads=[(seq, bytes(16), bytes(80)) for seq in range(count)],
        checkpoint="",
    )
    read = wire.parse_batch(wire.format_batch(batch))
    assert (read.entries, read.payloads) == (batch.entries, batch.payloads)
