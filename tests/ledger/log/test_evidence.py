"""Evidence: what proves that a log told two histories, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.evidence import (
    Evidence,
    check_evidence,
    check_fork,
    check_fork_of_entries,
    format_evidence,
    parse_evidence,
)
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


@pytest.mark.parametrize(("old", "new"), [(8, 9), (9, 20), (16, 17), (13, 16)])
def test_a_path_from_another_old_root_is_a_fork(log: Any, fork: Any, old: int, new: int) -> None:
    found = check_fork(
        log.note(old),
        fork.note(new),
        log.vkey,
        other_root=fork.head(old).root,
        proof=prove_consistency(fork.reader, old, new),
    )
    assert (found.form, found.place, found.second) == ("path", old, fork.head(old).root)


def test_a_path_that_fits_is_none(log: Any) -> None:
    with pytest.raises(InvalidError, match="told twice"):
        check_fork(
            log.note(9),
            log.note(20),
            log.vkey,
            other_root=log.head(9).root,
            proof=prove_consistency(log.reader, 9, 20),
        )


def test_a_path_that_leads_nowhere_is_none(log: Any, fork: Any) -> None:
    with pytest.raises(InvalidError):
        check_fork(
            log.note(9),
            fork.note(20),
            log.vkey,
            other_root=fork.head(9).root,
            proof=prove_consistency(log.reader, 9, 20),
        )


def test_a_made_up_old_root_is_none(log: Any) -> None:
    for old in (8, 9):
        with pytest.raises(InvalidError):
            check_fork(
                log.note(old),
                log.note(20),
                log.vkey,
                other_root=b"x" * 32,
                proof=prove_consistency(log.reader, old, 20),
            )


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


@pytest.fixture(scope="module")
def files(log: Any, fork: Any) -> list[Evidence]:
    first, second = receipts(log, fork, 8, 8)
    return [
        Evidence(form="roots", first=log.note(9), second=fork.note(9)),
        Evidence(
            form="path",
            first=log.note(9),
            second=fork.note(20),
            other_root=fork.head(9).root,
            proof=tuple(prove_consistency(fork.reader, 9, 20)),
        ),
        Evidence(form="entries", first=first, second=second),
    ]


def test_every_form_is_read_as_it_was_written_and_proves(log: Any, files: list[Evidence]) -> None:
    for evidence in files:
        again = parse_evidence(format_evidence(evidence))
        assert again == evidence
        assert check_evidence(again, log.vkey).form == evidence.form


@given(st.data())
def test_evidence_with_any_byte_changed_proves_nothing_or_the_same(
    log: Any, files: list[Evidence], data: Any
) -> None:
    evidence = data.draw(st.sampled_from(files))
    raw = format_evidence(evidence)
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + bytes([data.draw(st.integers(0, 255))]) + raw[place + 1 :]
    try:
        found = check_evidence(parse_evidence(changed), log.vkey)
    except TallyError:
        return
    assert found == check_evidence(evidence, log.vkey)


def test_another_form_is_refused(files: list[Evidence]) -> None:
    for wrong in (replace(files[0], form="rumour"), replace(files[0], proof=(bytes(32),))):
        with pytest.raises(MalformedError):
            format_evidence(wrong)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_evidence(data)
