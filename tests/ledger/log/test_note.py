"""Signed notes and the keys that verify them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError
from ledger.log.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    VerifierKey,
    add_signatures,
    check_key_name,
    check_note,
    format_base64,
    format_note,
    log_vkey,
    parse_base64,
    parse_note,
    parse_vkey,
    sign_note,
)

# Made by golang.org/x/mod/sumdb/note for its own tests.
FOREIGN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FOREIGN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SEED = bytes(range(32))
TEXT = "Ognuno sta solo\n\nsul cuor della terra\n"
NOTE = sign_note(TEXT, "poet", SEED)
VKEY = log_vkey("poet", SEED)


def test_a_note_of_another_implementation_verifies() -> None:
    check_note(parse_note(FOREIGN_NOTE), parse_vkey(FOREIGN_VKEY))


def test_a_key_of_another_implementation_has_one_text() -> None:
    assert parse_vkey(FOREIGN_VKEY).text == FOREIGN_VKEY


def test_what_is_signed_verifies() -> None:
    assert parse_note(NOTE).text == TEXT
    check_note(parse_note(NOTE), VKEY)


def test_bytes_and_text_are_read_alike() -> None:
    assert parse_note(NOTE.encode()) == parse_note(NOTE)


@given(st.data())
def test_a_note_with_any_byte_changed_is_refused(data: Any) -> None:
    raw = NOTE.encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[place]))
    with pytest.raises(TallyError):
        check_note(parse_note(raw[:place] + bytes([byte]) + raw[place + 1 :]), VKEY)


@given(
    st.binary(max_size=200) | st.binary(max_size=50).map(lambda x: x + b"\n\n" + "— a AAAAAAA=\n".encode())
)
def test_any_bytes_are_refused_or_a_note_that_is_written_the_same(data: bytes) -> None:
    try:
        note = parse_note(data)
    except MalformedError:
        return
    assert format_note(note).encode() == data


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n— poet AAAAAAA=\n",
        "text\n\n— poet AAAAAAA=",
        "text\n\n- poet AAAAAAA=\n",
        "text\n\n—poet AAAAAAA=\n",
        "text\n\n— poet  AAAAAAA=\n",
        "text\n\n— poet AAAAAAA= \n",
        "text\n\n— poet\n",
        "text\n\n— AAAAAAA=\n",
        "text\n\n— poet AAAAAA==\n",  # a key id and no signature
        "text\n\n— poet AAAAAAA\n",
        "text\n\n— poet AAAAAAB=\n",  # bits after the end
        "text\n\n— poet AAAA_AA=\n",
        "text\n\n— po+et AAAAAAA=\n",
        "text\n\n— po\u00a0et AAAAAAA=\n",
        "te\rxt\n\n— poet AAAAAAA=\n",
        "te\txt\n\n— poet AAAAAAA=\n",
        "te\x00xt\n\n— poet AAAAAAA=\n",
        "te\ud800xt\n\n— poet AAAAAAA=\n",
        "text\n\n— poet AAAAAAA=\nmore\n",
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(MalformedError):
        parse_note(note)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(MalformedError):
        parse_note(b"te\xffxt\n\n\xe2\x80\x94 poet AAAAAAA=\n")


def test_a_signature_of_an_unknown_key_is_kept_and_ignored() -> None:
    noisy = add_signatures(NOTE, "— stranger AAAAAAA=\n— poet AAAAAAA=\n")
    check_note(parse_note(noisy), VKEY)
    assert len(parse_note(noisy).signatures) == 3


def test_a_line_that_is_there_is_not_added_again() -> None:
    line = NOTE.rpartition("\n\n")[2]
    assert add_signatures(NOTE, line + line) == NOTE


def test_one_bad_line_of_a_known_key_refuses_the_note() -> None:
    bad = NoteSignature(name="poet", key_id=VKEY.key_id, signature=bytes(64))
    with pytest.raises(InvalidError):
        check_note(parse_note(add_signatures(NOTE, bad.line)), VKEY)


def test_a_note_without_the_key_is_refused() -> None:
    with pytest.raises(InvalidError, match="no signature by this key"):
        check_note(parse_note(NOTE), log_vkey("other", SEED))


def test_a_witness_key_does_not_verify_a_note() -> None:
    witness = VerifierKey(name="poet", key_type=4, public_key=VKEY.public_key)
    with pytest.raises(MalformedError):
        check_note(parse_note(NOTE), witness)


def test_a_hundred_signatures_are_read_and_one_more_refused() -> None:
    lines = "".join(f"— w{number} AAAAAAA=\n" for number in range(MAX_SIGNATURES))
    assert len(parse_note(f"text\n\n{lines}").signatures) == MAX_SIGNATURES
    with pytest.raises(TooLargeError):
        parse_note(f"text\n\n{lines}— more AAAAAAA=\n")


def test_sixteen_signatures_of_five_thousand_bytes_are_read() -> None:
    lines = "".join(f"— w{number} {format_base64(bytes(5000))}\n" for number in range(16))
    assert len(parse_note(f"text\n\n{lines}").signatures) == 16


def test_a_note_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse_note("x" * MAX_NOTE_BYTES + NOTE)


@pytest.mark.parametrize("text", ["", "no line feed", "tab\t\n", "cr\r\n", "\ud800\n"])
def test_a_text_that_cannot_be_read_back_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedError):
        sign_note(text, "poet", SEED)


def test_a_note_without_signatures_is_not_written() -> None:
    with pytest.raises(MalformedError):
        format_note(Note(TEXT, ()))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x01b", "\ud800", "a" * 257])
def test_a_name_that_cannot_stand_in_a_line_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        check_key_name(name, "here")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "poet",
        "poet+00000000",
        VKEY.text.replace(VKEY.key_id.hex(), "00000000"),
        VKEY.text.replace(VKEY.key_id.hex(), VKEY.key_id.hex().upper()),
        VKEY.text + "A",
        VKEY.text.replace("poet", "poem"),
        f"poet+{VKEY.key_id.hex()}+",
        f"poet+{VKEY.key_id.hex()}+{format_base64(bytes([2]) + VKEY.public_key)}",
        f"poet+{VKEY.key_id.hex()}+{format_base64(bytes([1]) + bytes(32))}",
        f"poet+{VKEY.key_id.hex()}+{format_base64(bytes([1]) + VKEY.public_key[:31])}",
    ],
)
def test_a_vkey_that_does_not_fit_is_refused(text: str) -> None:
    assert parse_vkey(VKEY.text) == VKEY
    with pytest.raises(TallyError):
        parse_vkey(text)


@given(st.binary(max_size=20))
def test_base64_is_read_as_it_was_written(data: bytes) -> None:
    assert parse_base64(format_base64(data), "here") == data


@given(st.text("AQg=+/-_ \n\u0660", max_size=8))
def test_bytes_have_one_base64(text: str) -> None:
    try:
        data = parse_base64(text, "here")
    except MalformedError:
        return
    assert format_base64(data) == text
