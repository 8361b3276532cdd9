"""The request for a cosignature, and when a head may follow another."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ForkError, InvalidError, MalformedError, RollbackError, TooLargeError
from ledger.log.checkpoint import Checkpoint, parse_any_checkpoint
from ledger.log.note import sign_note
from ledger.log.tree import prove_consistency
from ledger.log.witness import (
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    OtherSizeError,
    check_add_checkpoint,
    check_growth,
    format_add_checkpoint,
    parse_add_checkpoint,
)


@pytest.fixture(scope="module")
def request_body(log: Any) -> str:
    proof = tuple(prove_consistency(log.reader, 9, 20))
    return format_add_checkpoint(AddCheckpoint(old_size=9, proof=proof, checkpoint=log.note(20)))


def test_a_request_is_read_as_it_was_written(log: Any, request_body: str) -> None:
    request = parse_add_checkpoint(request_body.encode())
    assert format_add_checkpoint(request) == request_body
    assert (request.old_size, request.head) == (9, log.head(20))


def test_its_lines_are_those_of_the_standard(request_body: str) -> None:
    lines = request_body.split("\n")
    assert lines[0] == "old 9"
    assert all(len(line) == 44 for line in lines[1 : lines.index("")])


def test_a_first_request_has_no_hashes(log: Any) -> None:
    body = format_add_checkpoint(AddCheckpoint(old_size=0, proof=(), checkpoint=log.note(20)))
    assert body == f"old 0\n\n{log.note(20)}"


def test_sixty_three_hashes_are_read_and_one_more_refused(log: Any) -> None:
    most = AddCheckpoint(old_size=9, proof=(bytes(32),) * 63, checkpoint=log.note(20))
    assert parse_add_checkpoint(format_add_checkpoint(most)) == most
    with pytest.raises(TooLargeError):
        format_add_checkpoint(replace(most, proof=(bytes(32),) * 64))


def asked(log: Any, old: int, size: int, proof: Any = None) -> AddCheckpoint:
    path = prove_consistency(log.reader, old, size) if proof is None and 0 < old <= size else proof or ()
    return AddCheckpoint(old_size=old, proof=tuple(path), checkpoint=log.note(size))


def test_an_old_size_above_the_checkpoint_is_refused(log: Any) -> None:
    request = parse_add_checkpoint(f"old 21\n\n{log.note(20)}")
    for held in (None, log.head(9), log.head(20)):
        with pytest.raises(MalformedError, match="old size 21"):
            check_add_checkpoint(request, held)


def test_what_follows_the_checkpoint_held_may_be_cosigned(log: Any) -> None:
    check_add_checkpoint(asked(log, 0, 20), None)
    check_add_checkpoint(asked(log, 0, 0), None)
    check_add_checkpoint(asked(log, 0, 20), log.head(0))
    check_add_checkpoint(asked(log, 9, 20), log.head(9))
    check_add_checkpoint(asked(log, 20, 20), log.head(20))


@pytest.mark.parametrize(("old", "held"), [(9, None), (0, 9), (9, 10), (9, 8)])
def test_another_old_size_is_told_the_one_held(log: Any, old: int, held: int | None) -> None:
    with pytest.raises(OtherSizeError) as raised:
        check_add_checkpoint(asked(log, old, 20), None if held is None else log.head(held))
    assert raised.value.size == (held or 0)


def test_another_root_of_the_size_held_is_a_conflict(log: Any, build_log: Any) -> None:
    with pytest.raises(OtherSizeError, match="another root") as raised:
        check_add_checkpoint(asked(log, 9, 9), build_log(20, history="false", fork_at=7).head(9))
    assert raised.value.size == 9


@pytest.mark.parametrize("held", [None, 0])
def test_an_empty_log_with_another_root_is_a_conflict(log: Any, held: int | None) -> None:
    note = sign_note(f"{log.vkey.name}\n0\n{b64encode(bytes(32)).decode()}\n", log.vkey.name, log.seed)
    with pytest.raises(OtherSizeError):
        check_add_checkpoint(
            parse_add_checkpoint(f"old 0\n\n{note}"), None if held is None else log.head(held)
        )


def test_a_proof_that_does_not_fit_is_refused(log: Any) -> None:
    proof = prove_consistency(log.reader, 9, 20)
    for path in (proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]], []):
        with pytest.raises(InvalidError):
            check_add_checkpoint(asked(log, 9, 20, path or [bytes(32)]), log.head(9))
    with pytest.raises(InvalidError):
        check_add_checkpoint(asked(log, 0, 20, [bytes(32)]), None)
    with pytest.raises(InvalidError):
        check_add_checkpoint(asked(log, 20, 20, [bytes(32)]), log.head(20))


def test_checkpoints_of_others_may_have_lines_after_the_root(log: Any) -> None:
    text = log.note(9).split("\n\n")[0] + "\n"
    assert parse_any_checkpoint(text) == parse_any_checkpoint(f"{text}more\nlines\n") == log.head(9)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a\n", "a\n1\n", "a\n1\n\n", "\n1\nROOT\n", "a\n01\nROOT\n", "a\n1\nROOT"),
        *("a\n1\nROOT\n\nmore\n", "a\n-1\nROOT\n", "a\n1\nROO=\n", "a\n1 \nROOT\n"),
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_any_checkpoint(text.replace("ROOT", b64encode(bytes(32)).decode()))


@pytest.mark.parametrize(
    "head", ["", "old\n", "old 01\n", "old -1\n", "new 9\n", "old 9 \n", "old 9\nAAAA\n"]
)
def test_a_head_in_another_form_is_refused(log: Any, head: str) -> None:
    with pytest.raises(MalformedError):
        parse_add_checkpoint(f"{head}\n{log.note(20)}")


def test_a_request_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse_add_checkpoint(b"o" * (MAX_REQUEST_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_add_checkpoint(data)


def test_a_log_grows_from_nothing_to_any_size(log: Any) -> None:
    check_growth(None, log.head(0), [])
    check_growth(None, log.head(20), [])
    check_growth(log.head(0), log.head(20), [])


def test_every_two_sizes_of_one_log_follow_each_other(log: Any) -> None:
    for new in range(1, 21):
        for old in range(1, new + 1):
            check_growth(log.head(old), log.head(new), prove_consistency(log.reader, old, new))


def test_a_smaller_head_is_a_rollback(log: Any) -> None:
    with pytest.raises(RollbackError):
        check_growth(log.head(9), log.head(8), [])


def test_another_root_of_the_held_size_is_a_fork(log: Any, build_log: Any) -> None:
    other = build_log(20, history="false", fork_at=7)
    with pytest.raises(ForkError):
        check_growth(log.head(9), other.head(9), [])


def test_a_proof_of_another_history_is_refused(log: Any, build_log: Any) -> None:
    other = build_log(20, history="false", fork_at=7)
    with pytest.raises(InvalidError) as raised:
        check_growth(log.head(9), other.head(20), prove_consistency(other.reader, 9, 20))
    assert not isinstance(raised.value, ForkError)


def test_a_chain_segment_is_no_proof(log: Any) -> None:
    with pytest.raises(InvalidError):
        check_growth(log.head(9), log.head(20), log.leaves[9:20])


def test_hashes_where_nothing_is_to_prove_are_refused(log: Any) -> None:
    for held in (None, log.head(20)):
        with pytest.raises(InvalidError):
            check_growth(held, log.head(20), [bytes(32)])


def test_another_log_is_refused(log: Any) -> None:
    other = Checkpoint(origin="bolt/0123456789abcdef", size=9, root=log.head(9).root)
    with pytest.raises(InvalidError, match="another log"):
        check_growth(log.head(9), other, [])
