"""Entries, and the one room where a run of them is checked."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import GapError, InvalidError, MalformedError, TallyError, TooLargeError
from ledger.log import entry as module
from ledger.log.encoding import encode
from ledger.log.entry import (
    MAX_ENTRY_BYTES,
    MAX_NUMBER,
    MAX_PAYLOAD_BYTES,
    Entry,
    check_entries,
    check_payload,
    commit_to,
    format_entry,
    leaf_hash,
    parse_entry,
    seal_entries,
)

ROW: list[Any] = [1, 7, b"p" * 32, 1_700_000_000_000, "event", 300, b"c" * 32]
LARGEST = Entry(
    seq=MAX_NUMBER,
    prev=b"p" * 32,
    time_ms=MAX_NUMBER,
    kind="k" * 32,
    size=MAX_PAYLOAD_BYTES,
    commit=b"c" * 32,
)


def changed(field: int, value: Any) -> bytes:
    return encode([*ROW[:field], value, *ROW[field + 1 :]])


def verdict(entries: list[bytes], start: int, prev: bytes) -> object:
    """The slow path's answer, which is the definition of the fast path's."""
    try:
        return module._read_each("log", entries, start, prev).hashes
    except TallyError as error:
        return type(error), error.args


def run_of(found: module.CheckedRun | None) -> list[bytes] | None:
    return None if found is None else found.hashes


def full_verdict(entries: list[bytes], start: int, prev: bytes) -> object:
    try:
        return check_entries("log", entries, start=start, prev=prev)
    except TallyError as error:
        return type(error), error.args


entries_of_any_sort = st.builds(
    lambda seq, prev, time_ms, kind, size, commit: format_entry(
        Entry(seq=seq, prev=prev, time_ms=time_ms, kind=kind, size=size, commit=commit)
    ),
    st.integers(0, MAX_NUMBER),
    st.binary(min_size=32, max_size=32),
    st.integers(0, MAX_NUMBER),
    st.from_regex(r"\A[a-z][a-z0-9]{0,9}(\.[a-z0-9]{1,5}){0,3}\Z"),
    st.integers(0, MAX_PAYLOAD_BYTES),
    st.binary(min_size=32, max_size=32),
)


@given(entries_of_any_sort)
def test_an_entry_is_read_as_it_was_written(data: bytes) -> None:
    assert format_entry(parse_entry(data)) == data


def test_the_largest_entry_has_the_largest_size() -> None:
    assert len(format_entry(LARGEST)) == MAX_ENTRY_BYTES


def test_one_byte_more_is_too_large() -> None:
    with pytest.raises(TooLargeError):
        parse_entry(b"\xc4" * (MAX_ENTRY_BYTES + 1))


def test_an_ordinary_entry_takes_about_a_hundred_bytes() -> None:
    assert len(encode(ROW)) < 110


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 0),
        (0, 2),
        (0, True),
        (1, -1),
        (1, MAX_NUMBER + 1),
        (1, "7"),
        (1, True),
        (2, b"p" * 31),
        (2, b""),
        (2, "p" * 32),
        (3, -1),
        (3, MAX_NUMBER + 1),
        (3, None),
        (4, ""),
        (4, "Event"),
        (4, "1event"),
        (4, ".event"),
        (4, "event."),
        (4, "a..b"),
        (4, "a_b"),
        (4, "a\n"),
        (4, "event\n"),
        (4, "é"),
        (4, "a٣"),
        (4, "k" * 33),
        (4, b"event"),
        (5, -1),
        (5, MAX_PAYLOAD_BYTES + 1),
        (5, False),
        (6, b"c" * 33),
        (6, [b"c" * 32]),
    ],
)
def test_a_field_out_of_its_range_is_refused(field: int, value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_entry(changed(field, value))


@pytest.mark.parametrize("row", [ROW[:6], [*ROW, 1], [], {"seq": 1}, None, "text", 7])
def test_another_shape_is_refused(row: Any) -> None:
    with pytest.raises(MalformedError):
        parse_entry(encode(row))


def test_an_entry_that_cannot_be_read_is_not_written() -> None:
    with pytest.raises(MalformedError):
        format_entry(Entry(seq=0, prev=b"", time_ms=0, kind="event", size=0, commit=b"c" * 32))


def test_the_leaf_hash_is_that_of_rfc_6962() -> None:
    assert leaf_hash(b"entry") == sha256(b"\x00entry").digest()


def test_the_commitment_covers_salt_and_payload() -> None:
    assert commit_to(b"s" * 16, b"payload") == sha256(b"s" * 16 + b"payload").digest()


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedError):
        commit_to(b"s" * 15, b"payload")


def test_a_payload_over_the_limit_is_refused() -> None:
    commit_to(b"s" * 16, b"x" * MAX_PAYLOAD_BYTES)
    with pytest.raises(TooLargeError):
        commit_to(b"s" * 16, b"x" * (MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize(
    "salt_and_payload", [(b"s" * 16, b"other!!"), (b"t" * 16, b"payload"), (b"s" * 16, b"")]
)
def test_another_payload_is_refused(salt_and_payload: tuple[bytes, bytes]) -> None:
    commit = commit_to(b"s" * 16, b"payload")
    entry = Entry(seq=0, prev=b"p" * 32, time_ms=0, kind="event", size=7, commit=commit)
    check_payload(entry, b"s" * 16, b"payload", "here")
    with pytest.raises(InvalidError):
        check_payload(entry, *salt_and_payload, "here")


def test_a_whole_log_passes_and_gives_its_leaf_hashes(log: Any, network_id: bytes) -> None:
    assert check_entries("acme", log.entries, start=0, prev=network_id) == log.leaves


def test_a_run_in_the_middle_passes(log: Any) -> None:
    assert check_entries("acme", log.entries[5:], start=5, prev=log.leaves[4]) == log.leaves[5:]


def test_entries_sealed_in_a_row_are_those_written_one_by_one(log: Any, network_id: bytes) -> None:
    parsed = [parse_entry(entry) for entry in log.entries]
    rows = [(entry.kind, entry.size, entry.commit) for entry in parsed]
    sealed = seal_entries(network_id, 0, 1_700_000_000_000, rows)
    assert check_entries("acme", sealed, start=0, prev=network_id)[-1] == leaf_hash(sealed[-1])
    assert sealed[0] == log.entries[0]
    assert [parse_entry(entry).time_ms for entry in sealed] == [1_700_000_000_000] * 20


def test_no_entries_pass(network_id: bytes) -> None:
    assert check_entries("acme", [], start=0, prev=network_id) == []


def test_more_entries_than_one_batch_pass(build_log: Callable[[int], Any], network_id: bytes) -> None:
    log = build_log(5000)
    assert check_entries("acme", log.entries, start=0, prev=network_id) == log.leaves
    broken = [*log.entries[:4500], log.entries[4501], *log.entries[4501:]]
    with pytest.raises(GapError, match="acme entry 4500"):
        check_entries("acme", broken, start=0, prev=network_id)


def test_the_batch_path_is_the_one_that_good_entries_take(log: Any, network_id: bytes) -> None:
    assert run_of(module._read_batch(log.entries, 0, network_id)) == log.leaves


def test_an_entry_left_out_is_named(log: Any, network_id: bytes) -> None:
    with pytest.raises(GapError) as raised:
        check_entries("acme", [*log.entries[:8], *log.entries[9:]], start=0, prev=network_id)
    assert raised.value.where == "acme entry 8"
    assert (raised.value.found, raised.value.expected) == ("an entry for position 9", "position 8")


def test_a_broken_link_is_named_with_both_hashes(log: Any) -> None:
    with pytest.raises(InvalidError) as raised:
        check_entries("acme", log.entries[3:5], start=3, prev=log.leaves[1])
    assert raised.value.where == "acme entry 3"
    assert raised.value.found.endswith(log.leaves[2].hex()[-29:])
    assert raised.value.expected.startswith(log.leaves[1].hex()[:29])


def test_an_entry_of_another_network_does_not_open_the_log(log: Any) -> None:
    with pytest.raises(InvalidError, match="acme entry 0"):
        check_entries("acme", log.entries, start=0, prev=bytes(32))


def test_bytes_moved_over_the_border_of_two_entries_are_found(log: Any, network_id: bytes) -> None:
    first, second = log.entries[0] + log.entries[1][:1], log.entries[1][1:]
    with pytest.raises(MalformedError, match="acme entry 0"):
        check_entries("acme", [first, second], start=0, prev=network_id)


def test_two_entries_in_one_are_found(log: Any, network_id: bytes) -> None:
    with pytest.raises(MalformedError, match="acme entry 0"):
        check_entries("acme", [log.entries[0] + log.entries[1]], start=0, prev=network_id)


@given(st.data())
def test_fast_and_slow_path_agree_on_a_mutated_log(log: Any, network_id: bytes, data: Any) -> None:
    entries = list(log.entries[:6])
    for _ in range(data.draw(st.integers(0, 2))):
        seq = data.draw(st.integers(0, len(entries) - 1))
        place = data.draw(st.integers(0, len(entries[seq]) - 1))
        cut = data.draw(st.integers(0, 2))
        entries[seq] = entries[seq][:place] + data.draw(st.binary(max_size=2)) + entries[seq][place + cut :]
    assert full_verdict(entries, 0, network_id) == verdict(entries, 0, network_id)
    hashes = run_of(module._read_batch(entries, 0, network_id))
    assert hashes is None or hashes == verdict(entries, 0, network_id)


@given(
    st.integers(0, 6),
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.integers(-5, MAX_NUMBER + 5),
        st.binary(max_size=34),
        st.text(max_size=34),
        st.lists(st.integers()),
        st.sampled_from([2**63, 2**64 - 1, 1.0, 7.0, 300.0]),
    ),
)
def test_fast_and_slow_path_agree_on_every_type_in_every_field(field: int, value: Any) -> None:
    row = [*ROW[:field], value, *ROW[field + 1 :]]
    try:
        data: bytes = msgpack.packb(row)
    except (OverflowError, ValueError):
        return
    hashes = run_of(module._read_batch([data], 7, b"p" * 32))
    slow = verdict([data], 7, b"p" * 32)
    assert (hashes if hashes is not None else slow) == slow
    assert (hashes is not None) == isinstance(slow, list)


SIZES = [0, 127, 128, 255, 256, 65_535, 65_536, MAX_PAYLOAD_BYTES - 1, MAX_PAYLOAD_BYTES]
TIMES = [0, 2**32 - 1, 2**32, 2**40, 1_700_000_000_000, 2**53 - 1, 2**53]
STARTS = [0, 7, 120, 250, 65_530, 2**32 - 5, MAX_NUMBER - 40]


def sealed_log(start: int, rows: list[tuple[str, int, int]]) -> list[bytes]:
    """A run of entries of these kinds, sizes and times, which may lie outside what an entry may hold."""
    prev, entries = b"p" * 32, []
    for seq, (kind, size, time_ms) in enumerate(rows, start):
        entry: bytes = msgpack.packb([1, seq, prev, time_ms, kind, size, sha256(bytes([seq % 256])).digest()])
        prev = leaf_hash(entry)
        entries.append(entry)
    return entries


rows_of_groups = st.lists(
    st.tuples(st.sampled_from(["memo", "fact", "event", "k" * 31, "k" * 32]), st.sampled_from(SIZES)),
    min_size=1,
    max_size=40,
)


@given(st.sampled_from(STARTS), rows_of_groups, st.sampled_from(TIMES))
def test_columns_let_through_what_is_good(start: int, rows: list[Any], time_ms: int) -> None:
    entries = sealed_log(start, [(kind, size, time_ms) for kind, size in rows])
    run = module.read_run("log", entries, start=start, prev=b"p" * 32)
    assert run.hashes == verdict(entries, start, b"p" * 32) == [leaf_hash(entry) for entry in entries]
    assert run.kinds == {kind for kind, _ in rows}


@given(
    st.sampled_from(STARTS),
    st.sampled_from([*SIZES, MAX_PAYLOAD_BYTES + 1, 2**32]),
    st.sampled_from([*TIMES, 2**53 + 1, 2**63]),
    st.sampled_from(["memo", "Memo", "me mo", "1memo", "memo.", "k" * 33]),
    st.integers(0, 9),
)
def test_columns_let_nothing_through_that_the_slow_path_refuses(
    start: int, size: int, time_ms: int, kind: str, odd: int
) -> None:
    rows = [("memo", 300, 1_700_000_000_000)] * 10
    for every in ([(kind, size, time_ms)] * 10, [*rows[:odd], (kind, size, time_ms), *rows[odd + 1 :]]):
        entries = sealed_log(start, every)
        assert full_verdict(entries, start, b"p" * 32) == verdict(entries, start, b"p" * 32)


@given(st.integers(0, 9), st.integers(0, 110), st.integers(0, 255), st.booleans())
def test_columns_find_every_changed_byte(seq: int, place: int, byte: int, relinked: bool) -> None:
    """Also where the links after the changed entry were made to fit."""
    entries = sealed_log(300, [("memo", 300, 1_700_000_000_000 + i) for i in range(10)])
    changed_entry = entries[seq]
    changed_entry = changed_entry[:place] + bytes([byte]) + changed_entry[place + 1 :]
    entries[seq] = changed_entry
    if relinked:
        for after in range(seq + 1, 10):
            entries[after] = entries[after][:7] + leaf_hash(entries[after - 1]) + entries[after][39:]
    assert full_verdict(entries, 300, b"p" * 32) == verdict(entries, 300, b"p" * 32)


@given(st.lists(st.binary(max_size=140), max_size=5))
def test_any_bytes_are_refused_with_a_place(entries: list[bytes]) -> None:
    if entries:
        with pytest.raises(TallyError, match="log entry"):
            check_entries("log", entries, start=0, prev=bytes(32))
