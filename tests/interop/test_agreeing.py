"""Our reader and the one written from the public formats alone take and refuse the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.errors import TallyError
from ledger.log.encoding import decode
from ledger.log.entry import check_entries, leaf_hash, parse_entry
from ledger.log.signature import check_public_key, check_signature

NETWORK = bytes(range(32))
EDGES = [0, 1, 23, 24, 31, 127, 128, 255, 256, 65_535, 65_536, 2**20, 2**20 + 1, 2**31, 2**32 - 1, 2**32]
EDGES += [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -1, -32, -33]
NUMBERS = st.sampled_from(EDGES) | st.integers(-5, 2**54)
KINDS = ["a", "log.open", "x" * 31, "x" * 32, "x" * 33, "", "A", "a.", ".a", "a..b", "1a", "a.1", "ä", "a\n"]


@st.composite
def rows(draw: st.DrawFn) -> list[Any]:
    """The fields of an entry, most of them such as may stand there."""
    row: list[Any] = [
        draw(st.sampled_from([1, 1, 1, 1, 0, 2, True])),
        draw(NUMBERS),
        draw(st.sampled_from([NETWORK, NETWORK, NETWORK[:31], NETWORK + b"x", "x" * 32])),
        draw(NUMBERS),
        draw(st.sampled_from(KINDS) | st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z0-9]{1,9})?\n?")),
        draw(st.sampled_from(EDGES[:16]) | st.booleans()),
        draw(st.sampled_from([NETWORK, NETWORK, bytes(31), None])),
    ]
    return row if draw(st.integers(0, 9)) else row[:-1]


@st.composite
def near_entries(draw: st.DrawFn) -> bytes:
    """Bytes that are an entry or nearly one."""
    data: bytes = msgpack.packb(draw(rows()))
    match draw(st.integers(0, 5)):
        case 0:
            at = draw(st.integers(0, len(data) - 1))
            return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        case 1:
            at = draw(st.integers(0, len(data)))
            return data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at:]
        case 2:
            at = draw(st.integers(0, len(data) - 1))
            return data[:at] + data[at + draw(st.integers(1, 3)) :]
        case _:
            return data


def takes(read: Callable[[], object], refusal: type[Exception]) -> bool:
    """Whether it reads without a refusal; any other error is a failure of the test."""
    try:
        read()
    except refusal:
        return False
    return True


@settings(max_examples=500)
@given(data=near_entries())
@example(data=b"")
@example(data=b"\x97")
def test_both_take_the_same_entries(foreign: Any, data: bytes) -> None:
    assert takes(lambda: parse_entry(data), TallyError) == takes(
        lambda: foreign.read_entry(data), foreign.Refused
    )


@settings(max_examples=500)
@given(data=near_entries())
def test_a_run_of_entries_is_taken_if_each_is(foreign: Any, data: bytes) -> None:
    """The fast way over whole batches: the same verdict, whatever stands beside an entry."""
    if takes(lambda: foreign.read_entry(data), foreign.Refused):
        entry = foreign.read_entry(data)
        follower = msgpack.packb([1, entry.seq + 1, leaf_hash(data), 5, "memo", 3, NETWORK])
        run, start, prev = [data, follower], entry.seq, entry.prev
        good = entry.seq < 2**53
    else:
        run, start, prev, good = [data], 0, NETWORK, False
    assert takes(lambda: check_entries("acme/0", run, start=start, prev=prev), TallyError) == good


@settings(max_examples=300)
@given(data=near_entries(), cut=st.integers(0, 200))
def test_bytes_are_not_taken_across_the_edge_of_two_entries(foreign: Any, data: bytes, cut: int) -> None:
    first = msgpack.packb([1, 7, NETWORK, 5, "memo", 3, NETWORK])
    second = msgpack.packb([1, 8, leaf_hash(first), 5, "memo", 3, NETWORK])
    joined = first + second
    at = cut % len(joined)
    moved = [joined[:at], joined[at:]]
    assert takes(lambda: check_entries("acme/0", moved, start=7, prev=NETWORK), TallyError) == (
        at == len(first)
    )


@settings(max_examples=300)
@given(data=st.binary(max_size=40))
def test_both_take_the_same_msgpack(foreign: Any, data: bytes) -> None:
    assert takes(lambda: decode(data), TallyError) == takes(
        lambda: foreign.read_msgpack(data), foreign.Refused
    )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=20,
)


@settings(max_examples=300)
@given(value=VALUES, at=st.integers(0, 10_000), bit=st.integers(0, 8))
def test_both_take_the_same_values(foreign: Any, value: Any, at: int, bit: int) -> None:
    data: bytes = msgpack.packb(value)
    if bit < 8:
        at %= len(data)
        data = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    assert takes(lambda: decode(data), TallyError) == takes(
        lambda: foreign.read_msgpack(data), foreign.Refused
    )


def test_both_take_the_same_signatures(foreign: Any, conformance: Path) -> None:
    """Every edge case of the CCTV vectors, with the rule of which keys may be enrolled."""

    def ours(key: bytes, message: bytes, signature: bytes) -> None:
        check_public_key(key, "key")
        check_signature(key, message, signature, "signature")

    cases = json.loads((conformance / "ed25519" / "cctv_ed25519.json").read_text())
    assert cases
    for case in cases:
        key, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
        message = case["msg"].encode()
        assert takes(functools.partial(ours, key, message, signature), TallyError) == takes(
            functools.partial(foreign.check_signature, key, message, signature), foreign.Refused
        ), case
