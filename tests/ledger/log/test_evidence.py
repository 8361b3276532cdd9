"""Evidence: what proves that a log told two histories, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.errors import InvalidError, MalformedError
from ledger.log.evidence import check_fork, check_fork_of_entries, prove_fork_path
from ledger.log.note import log_vkey
from ledger.log.receipt import prove_receipt
from ledger.log.tree import prove_consistency


@pytest.fixture(scope="module")
def fork(build_log: Any) -> Any:
    return build_log(20, history="false", fork_at=7)


def test_two_roots_of_one_size_are_a_fork(log: Any, fork: Any) -> None:
    found = check_fork(log.note(9), fork.note(9), log.vkey)
    assert (found.form, found.place) == ("roots", 9)
    assert (found.first, found.second) == (log.head(9).root, fork.head(9).root)


def test_the_same_note_twice_is_none(log: Any) -> None:
    with pytest.raises(InvalidError, match="told twice"):
        check_fork(log.note(9), log.note(9), log.vkey)


def test_two_notes_below_the_fork_are_none(log: Any, fork: Any) -> None:
    with pytest.raises(InvalidError):
        check_fork(log.note(7), fork.note(7), log.vkey)


def test_two_sizes_alone_are_none(log: Any, fork: Any) -> None:
    with pytest.raises(InvalidError, match="sizes 9 and 10"):
        check_fork(log.note(9), fork.note(10), log.vkey)


@pytest.mark.parametrize(("old", "new"), [(8, 9), (9, 20), (16, 17), (16, 20), (13, 16)])
def test_a_path_from_another_old_root_is_a_fork(log: Any, fork: Any, old: int, new: int) -> None:
    found = check_fork(log.note(old), fork.note(new), log.vkey, prove_fork_path(fork.reader, old, new))
    assert (found.form, found.place) == ("path", old)
    assert (found.first, found.second) == (log.head(old).root, fork.head(old).root)


@pytest.mark.parametrize("old", range(1, 20))
def test_a_path_that_fits_is_none(log: Any, old: int) -> None:
    with pytest.raises(InvalidError, match="told twice"):
        check_fork(log.note(old), log.note(20), log.vkey, prove_fork_path(log.reader, old, 20))


@pytest.mark.parametrize("old", [8, 9])
def test_a_path_that_leads_nowhere_is_none(log: Any, fork: Any, old: int) -> None:
    for path in (prove_fork_path(log.reader, old, 20), [bytes(32)] * 5, [bytes(32)], [bytes(32)] * 64):
        with pytest.raises(InvalidError):
            check_fork(log.note(old), fork.note(20), log.vkey, path)


def test_a_path_with_a_made_up_start_is_none(log: Any) -> None:
    for old in range(1, 20):
        path = prove_fork_path(log.reader, old, 20)
        with pytest.raises(InvalidError, match="misses the root"):
            check_fork(log.note(old), log.note(20), log.vkey, [b"x" * 32, *path[1:]])


def test_a_proof_without_the_other_root_is_none(log: Any, fork: Any) -> None:
    with pytest.raises(InvalidError):
        check_fork(log.note(8), fork.note(20), log.vkey, prove_consistency(fork.reader, 8, 20))


def test_a_path_between_equal_or_falling_sizes_is_none(log: Any, fork: Any) -> None:
    for old, new in ((9, 9), (10, 9), (0, 9)):
        with pytest.raises(InvalidError):
            check_fork(log.note(old), fork.note(new), log.vkey, [bytes(32)])


@pytest.mark.parametrize("path", [[bytes(31)], [bytes(32)] * 66])
def test_a_path_of_another_shape_is_refused(log: Any, fork: Any, path: Sequence[bytes]) -> None:
    with pytest.raises(MalformedError):
        check_fork(log.note(9), fork.note(20), log.vkey, path)


def test_notes_of_a_stranger_are_none(log: Any, fork: Any) -> None:
    with pytest.raises(InvalidError):
        check_fork(log.note(9), fork.note(9), log_vkey(log.vkey.name, bytes(32)))


def test_a_note_that_a_stranger_altered_is_none(log: Any, fork: Any) -> None:
    forged = log.note(9).replace("\n9\n", "\n10\n")
    with pytest.raises(InvalidError):
        check_fork(forged, fork.note(10), log.vkey)


def receipts(log: Any, fork: Any, first: int, second: int) -> tuple[str, str]:
    return (
        prove_receipt(log.reader, entry=log.entries[first], checkpoint=log.note(12)),
        prove_receipt(fork.reader, entry=fork.entries[second], checkpoint=fork.note(20)),
    )


def test_two_entries_at_one_position_are_a_fork(log: Any, fork: Any) -> None:
    found = check_fork_of_entries(*receipts(log, fork, 8, 8), log.vkey)
    assert (found.form, found.place) == ("entries", 8)
    assert (found.first, found.second) == (log.leaves[8], fork.leaves[8])


@pytest.mark.parametrize(("first", "second"), [(6, 6), (8, 9)])
def test_one_entry_twice_and_two_positions_are_none(log: Any, fork: Any, first: int, second: int) -> None:
    with pytest.raises(InvalidError):
        check_fork_of_entries(*receipts(log, fork, first, second), log.vkey)
