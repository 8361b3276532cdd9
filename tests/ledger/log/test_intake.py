"""The one door by which entries come into a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ForkError, GapError, InvalidError, MalformedError, RollbackError, TallyError
from ledger.log.intake import Accepted, Copy, Run, accept_entries
from ledger.log.note import log_vkey
from ledger.log.tree import prove_consistency

Log = Any


@pytest.fixture
def empty(origin: str, network_id: bytes) -> Copy:
    return Copy(origin=origin, last=network_id)


def whole(log: Log, start: int = 0, end: int = 20) -> Run:
    return Run(start=start, entries=log.entries[start:end], note=log.note(end))


def accept(copy: Copy, run: Run, log: Log) -> Accepted:
    return accept_entries(copy, run, log.vkey)


def test_a_whole_log_passes(empty: Copy, log: Log) -> None:
    assert accept(empty, whole(log), log).grown.after.root == log.head(20).root


@given(st.lists(st.integers(1, 19), unique=True).map(sorted))
@settings(max_examples=30)
def test_any_pieces_end_in_the_same_copy(log: Log, origin: str, network_id: bytes, cuts: list[int]) -> None:
    copy = Copy(origin=origin, last=network_id)
    for start, end in zip([0, *cuts], [*cuts, 20], strict=True):
        copy = accept(copy, whole(log, start, end), log).grown.after
    assert (copy.root, copy.last) == (log.head(20).root, log.leaves[-1])


@pytest.mark.parametrize("size", range(1, 20))
def test_a_piece_passes_under_a_later_checkpoint_with_its_proof(empty: Copy, log: Log, size: int) -> None:
    run = Run(
        start=0, entries=log.entries[:size], note=log.note(20), proof=prove_consistency(log.reader, size, 20)
    )
    assert accept(empty, run, log).grown.after.size == size


@pytest.mark.parametrize("size", range(1, 20))
def test_a_piece_under_a_later_checkpoint_without_its_proof_is_refused(
    empty: Copy, log: Log, size: int
) -> None:
    with pytest.raises(InvalidError, match="not proven"):
        accept(empty, Run(start=0, entries=log.entries[:size], note=log.note(20)), log)


def test_entries_that_are_here_already_are_passed_over(empty: Copy, log: Log) -> None:
    copy = accept(empty, whole(log, 0, 12), log).grown.after
    assert len(accept(copy, whole(log), log).grown.entries) == 8


def test_the_same_run_twice_adds_nothing(empty: Copy, log: Log) -> None:
    copy = accept(empty, whole(log), log).grown.after
    assert accept(copy, whole(log), log).grown.after == copy


def test_a_gap_is_refused_with_the_position_that_is_wanted(empty: Copy, log: Log) -> None:
    with pytest.raises(GapError, match="position 0"):
        accept(empty, whole(log, 5), log)


def test_an_older_checkpoint_is_a_rollback(empty: Copy, log: Log) -> None:
    copy = accept(empty, whole(log), log).grown.after
    with pytest.raises(RollbackError, match="at least 20"):
        accept(copy, Run(start=20, entries=[], note=log.note(7)), log)


def test_another_root_at_the_same_size_is_a_fork(
    empty: Copy, log: Log, build_log: Callable[..., Log]
) -> None:
    other = build_log(20, history="other", fork_at=10)
    copy = accept(empty, whole(log), log).grown.after
    with pytest.raises(ForkError, match="root"):
        accept(copy, Run(start=20, entries=[], note=other.note(20)), log)


def test_entries_of_a_fork_do_not_follow(empty: Copy, log: Log, build_log: Callable[..., Log]) -> None:
    other = build_log(20, history="other", fork_at=10)
    copy = accept(empty, whole(log, 0, 12), log).grown.after
    with pytest.raises(InvalidError, match="previous hash"):
        accept(copy, whole(other, 12), log)


def test_a_strangers_checkpoint_is_refused(empty: Copy, log: Log, origin: str) -> None:
    with pytest.raises(InvalidError, match="no signature by this key"):
        accept_entries(empty, whole(log), log_vkey(origin, bytes(32)))


def test_a_log_of_another_network_is_refused(log: Log, origin: str) -> None:
    with pytest.raises(InvalidError, match="entry 0: previous hash"):
        accept(Copy(origin=origin, last=bytes(32)), whole(log), log)


def test_an_opening_that_was_not_admitted_is_a_fork(empty: Copy, log: Log) -> None:
    with pytest.raises(ForkError, match="the one that was admitted"):
        accept_entries(empty, whole(log), log.vkey, opening=bytes(32))


def test_the_opening_that_was_admitted_passes(empty: Copy, log: Log) -> None:
    accept_entries(empty, whole(log), log.vkey, opening=log.leaves[0])


@pytest.mark.parametrize("position", range(20))
def test_every_flipped_byte_of_an_entry_is_refused(empty: Copy, log: Log, position: int) -> None:
    entry = log.entries[position]
    for place in range(len(entry)):
        flipped = entry[:place] + bytes([entry[place] ^ 1]) + entry[place + 1 :]
        run = replace(whole(log), entries=[*log.entries[:position], flipped, *log.entries[position + 1 :]])
        with pytest.raises(TallyError):
            accept(empty, run, log)


def test_two_swapped_entries_are_refused_at_the_first(empty: Copy, log: Log) -> None:
    swapped = [*log.entries[:3], log.entries[4], log.entries[3], *log.entries[5:]]
    with pytest.raises(GapError, match="entry 3"):
        accept(empty, replace(whole(log), entries=swapped), log)


def test_a_log_opens_once(empty: Copy, log: Log, build_log: Callable[..., Log]) -> None:
    # An event whose kind reads log.open, linked and signed as it should be.
    reopened = build_log(20, opening_at=5)
    with pytest.raises(MalformedError, match=r"entry 5: kind log\.open"):
        accept(empty, whole(reopened), log)
