"""Checkpoints and cosignatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.checkpoint import (
    MAX_TIME_S,
    Checkpoint,
    check_cosignature,
    cosign,
    cosignatures,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    seal_checkpoint,
    witness_vkey,
)
from ledger.log.note import (
    NoteSignature,
    VerifierKey,
    add_signatures,
    format_base64,
    log_vkey,
    parse_note,
    sign_note,
)
from ledger.log.tree import EMPTY_ROOT

SEED = bytes(range(32))
HEAD = Checkpoint(origin="example.com/log", size=7, root=b"r" * 32)
NOTE = seal_checkpoint(HEAD, SEED)
VKEY = log_vkey("example.com/log", SEED)
WITNESS = witness_vkey("bolt/witness", SEED)
LINE = cosign(NOTE, "bolt/witness", SEED, 1_700_000_000)


def test_a_checkpoint_is_three_lines() -> None:
    assert format_checkpoint(HEAD) == f"example.com/log\n7\n{format_base64(b'r' * 32)}\n"


def test_what_is_sealed_opens() -> None:
    assert open_checkpoint(NOTE, VKEY) == HEAD


@given(st.text(max_size=20), st.integers(-1, 2**64), st.binary(min_size=31, max_size=33))
def test_a_checkpoint_is_refused_or_read_as_it_was_written(origin: str, size: int, root: bytes) -> None:
    head = Checkpoint(origin=origin, size=size, root=root)
    try:
        text = format_checkpoint(head)
    except MalformedError:
        return
    assert parse_checkpoint(text) == head


@pytest.mark.parametrize(
    "size", ["", "-1", "+1", "01", "00", "1 ", " 1", "1_0", "٣", "1e3", str(2**63), "9" * 5000]
)
def test_a_size_in_another_form_is_refused(size: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(f"log\n{size}\n{format_base64(b'r' * 32)}\n")


@pytest.mark.parametrize("root", ["", "AAAA", format_base64(b"r" * 31), format_base64(b"r" * 33), "r" * 44])
def test_a_root_in_another_form_is_refused(root: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(f"log\n7\n{root}\n")


def test_extension_lines_are_refused() -> None:
    with pytest.raises(MalformedError, match="4 lines"):
        open_checkpoint(sign_note(format_checkpoint(HEAD) + "more\n", HEAD.origin, SEED), VKEY)


@pytest.mark.parametrize("text", ["", "log\n", "log\n7\n", f"\n7\n{format_base64(b'r' * 32)}\n"])
def test_fewer_lines_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)


def test_the_empty_log_has_one_root() -> None:
    assert parse_checkpoint(f"log\n0\n{format_base64(EMPTY_ROOT)}\n").size == 0
    with pytest.raises(MalformedError):
        parse_checkpoint(f"log\n0\n{format_base64(b'r' * 32)}\n")


def test_a_checkpoint_of_another_log_is_refused_even_with_the_same_key() -> None:
    other = sign_note(format_checkpoint(HEAD), "example.com/other", SEED)
    with pytest.raises(InvalidError, match="origin"):
        open_checkpoint(other, log_vkey("example.com/other", SEED))


def test_a_cosignature_verifies_and_tells_its_time() -> None:
    assert check_cosignature(NOTE, LINE, WITNESS) == 1_700_000_000


def test_a_cosigned_checkpoint_still_opens() -> None:
    cosigned = add_signatures(NOTE, LINE)
    assert open_checkpoint(cosigned, VKEY) == HEAD
    assert cosignatures(cosigned, [WITNESS]) == {"bolt/witness": 1_700_000_000}


def test_a_cosignature_is_for_one_checkpoint() -> None:
    other = seal_checkpoint(Checkpoint(origin=HEAD.origin, size=8, root=HEAD.root), SEED)
    with pytest.raises(InvalidError):
        check_cosignature(other, LINE, WITNESS)


def test_a_cosignature_with_another_time_is_refused() -> None:
    (line,) = parse_note(f"text\n\n{LINE}").signatures
    moved = NoteSignature(name=line.name, key_id=line.key_id, signature=bytes(8) + line.signature[8:])
    with pytest.raises(InvalidError):
        check_cosignature(NOTE, moved, WITNESS)


def test_a_log_signature_is_no_cosignature() -> None:
    with pytest.raises(InvalidError):
        check_cosignature(NOTE, NOTE.rpartition("\n\n")[2], WITNESS)
    with pytest.raises(MalformedError):
        check_cosignature(NOTE, LINE, VKEY)


def test_a_known_witness_whose_line_does_not_verify_refuses_the_note() -> None:
    bad = NoteSignature(name="bolt/witness", key_id=WITNESS.key_id, signature=bytes(72))
    with pytest.raises(InvalidError):
        cosignatures(add_signatures(NOTE, bad.line), [WITNESS])


def test_a_known_witness_whose_line_is_too_short_refuses_the_note() -> None:
    bad = NoteSignature(name="bolt/witness", key_id=WITNESS.key_id, signature=bytes(64))
    with pytest.raises(MalformedError):
        cosignatures(add_signatures(NOTE, bad.line), [WITNESS])


def test_of_two_cosignatures_of_one_witness_the_earlier_counts() -> None:
    later = cosign(NOTE, "bolt/witness", SEED, 1_800_000_000)
    assert cosignatures(add_signatures(NOTE, later + LINE), [WITNESS]) == {"bolt/witness": 1_700_000_000}


@pytest.mark.parametrize("time_s", [-1, MAX_TIME_S + 1, 2**64])
def test_a_time_out_of_range_is_not_signed(time_s: int) -> None:
    with pytest.raises(MalformedError):
        cosign(NOTE, "bolt/witness", SEED, time_s)


def test_a_witness_signs_nothing_but_checkpoints() -> None:
    with pytest.raises(MalformedError):
        cosign(sign_note("any text\n", "example.com/log", SEED), "bolt/witness", SEED, 1)


def test_two_lines_are_not_one_cosignature() -> None:
    with pytest.raises(MalformedError, match="2 lines"):
        check_cosignature(NOTE, LINE + LINE, WITNESS)


def test_only_the_witnesses_asked_for_are_counted(log: Any, witness: Callable[[str], VerifierKey]) -> None:
    note = log.cosigned(5, "bolt/w", "dart/w")
    assert list(cosignatures(note, [witness("dart/w"), witness("port/w")])) == ["dart/w"]


@given(st.data())
def test_a_cosigned_note_with_any_byte_changed_counts_less_or_is_refused(data: Any) -> None:
    raw = add_signatures(NOTE, LINE).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[place]))
    changed = raw[:place] + bytes([byte]) + raw[place + 1 :]
    try:
        open_checkpoint(changed, VKEY)
        found = cosignatures(changed, [WITNESS])
    except TallyError:
        return
    assert found == {}
