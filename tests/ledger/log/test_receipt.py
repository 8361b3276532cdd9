"""Receipts: one file that proves offline that an entry is in a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError
from ledger.log.checkpoint import cosign, witness_vkey
from ledger.log.encoding import encode
from ledger.log.entry import (
    MAX_PAYLOAD_BYTES,
    Entry,
    commit_to,
    format_entry,
    leaf_hash,
    parse_entry,
)
from ledger.log.note import VerifierKey, add_signatures, log_vkey
from ledger.log.receipt import (
    MAX_RECEIPT_BYTES,
    Shown,
    check_receipt,
    format_receipt,
    parse_receipt,
    prove_receipt,
)
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import prove_inclusion

WITNESSES = ("bolt/w", "dart/w", "port/w")


@pytest.fixture(scope="module")
def bare(log: Any) -> str:
    return prove_receipt(log.reader, entry=log.entries[7], checkpoint=log.note(13))


@pytest.fixture(scope="module")
def full(log: Any) -> str:
    return prove_receipt(
        log.reader,
        entry=log.entries[7],
        checkpoint=log.cosigned(13, *WITNESSES),
        salt=log.salts[7],
        payload=log.payloads[7],
    )


def test_every_entry_has_a_receipt_under_every_checkpoint_that_covers_it(log: Any) -> None:
    for size in range(1, 21):
        note = log.note(size)
        for seq in range(size):
            checked = check_receipt(
                prove_receipt(log.reader, entry=log.entries[seq], checkpoint=note), log.vkey
            )
            assert (checked.leaf, checked.entry.seq, checked.checkpoint.size) == (log.leaves[seq], seq, size)


def test_a_receipt_shows_the_payload_where_the_holder_chose_to(log: Any, bare: str, full: str) -> None:
    assert check_receipt(bare, log.vkey).payload is None
    assert check_receipt(full, log.vkey).payload == log.payloads[7]


def test_one_witness_under_two_names_counts_once(log: Any) -> None:
    seed, names = b"w" * 32, ("bolt/w", "evil/w")
    note = log.note(13)
    for name in names:
        note = add_signatures(note, cosign(note, name, seed, 1))
    receipt = prove_receipt(log.reader, entry=log.entries[7], checkpoint=note)
    witnesses = [witness_vkey(name, seed) for name in names]
    assert check_receipt(receipt, log.vkey, witnesses=witnesses, need=1)
    with pytest.raises(InvalidError, match="of 1 witnesses"):
        check_receipt(receipt, log.vkey, witnesses=witnesses, need=2)


def test_a_receipt_is_read_as_it_was_written(full: str) -> None:
    assert format_receipt(parse_receipt(full)) == full
    assert parse_receipt(full.encode()) == parse_receipt(full)


def test_its_lines_are_those_of_the_standard(bare: str) -> None:
    lines = bare.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert [line.split(" ")[0] for line in lines[1:3]] == ["extra", "index"]
    assert all(len(line) == 44 for line in lines[3 : lines.index("")])


def test_cosignatures_are_told_with_their_times(
    log: Any, full: str, witness: Callable[[str], VerifierKey]
) -> None:
    checked = check_receipt(full, log.vkey, witnesses=[witness(name) for name in WITNESSES], need=3)
    assert checked.cosigned == {name: 1_700_000_000 + place for place, name in enumerate(WITNESSES)}


def test_too_few_cosignatures_are_refused(log: Any, full: str, witness: Callable[[str], VerifierKey]) -> None:
    known = [witness("bolt/w"), witness("other/w")]
    check_receipt(full, log.vkey, witnesses=known, need=1)
    with pytest.raises(InvalidError, match="cosignatures of 1 witnesses"):
        check_receipt(full, log.vkey, witnesses=known, need=2)


def test_one_witness_given_twice_counts_once(
    log: Any, full: str, witness: Callable[[str], VerifierKey]
) -> None:
    with pytest.raises(InvalidError):
        check_receipt(full, log.vkey, witnesses=[witness("bolt/w")] * 2, need=2)


def test_a_receipt_with_any_byte_changed_is_refused(log: Any, bare: str) -> None:
    raw = bare.encode()
    for place in range(len(raw)):
        for flip in (0x01, 0x20, 0x80):
            with pytest.raises(TallyError):
                check_receipt(raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :], log.vkey)


@given(st.data())
def test_a_cosigned_receipt_with_any_byte_changed_is_refused_or_counts_a_witness_less(
    log: Any, full: str, witness: Callable[[str], VerifierKey], data: Any
) -> None:
    known = [witness(name) for name in WITNESSES]
    raw = full.encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[place]))
    changed = raw[:place] + bytes([byte]) + raw[place + 1 :]
    with pytest.raises(TallyError):
        check_receipt(changed, log.vkey, witnesses=known, need=3)
    try:
        checked = check_receipt(changed, log.vkey, witnesses=known)
    except TallyError:
        return
    assert len(checked.cosigned) == 2
    assert (checked.leaf, checked.payload) == (log.leaves[7], log.payloads[7])


def seen_log(log: Any, *, seq: int = 3, kind: str = "seen") -> tuple[Any, Shown]:
    """The log with one entry made into one that records a head, and that entry."""
    body: dict[str, Any] = {"heads": [log.cosigned(2, "bolt/w")]} if kind == "seen" else {"text": "x"}
    payload = format_statement(Statement(kind=kind, audience=None, body=body, nonce=bytes(16)))
    entries, prev = [], parse_entry(log.entries[0]).prev
    for place, data in enumerate(log.entries):
        entry = replace(parse_entry(data), prev=prev)
        if place == seq:
            entry = replace(entry, kind=kind, size=len(payload), commit=commit_to(bytes(16), payload))
        entries.append(format_entry(entry))
        prev = leaf_hash(entries[-1])
    made = replace(log, entries=entries)
    return made, Shown(entry=entries[seq], salt=bytes(16), payload=payload)


def test_a_receipt_may_carry_what_its_log_had_seen_before(log: Any) -> None:
    made, seen = seen_log(log)
    shown = {"salt": log.salts[7], "payload": log.payloads[7]}
    for more in ({}, shown):
        receipt = prove_receipt(
            made.reader, entry=made.entries[7], checkpoint=made.note(13), seen=seen, **more
        )
        checked = check_receipt(receipt, log.vkey)
        assert checked.payload == more.get("payload")
        assert checked.seen is not None
        assert (checked.seen.entry.seq, checked.seen.heads) == (3, (log.cosigned(2, "bolt/w"),))


def test_what_was_seen_later_or_is_no_seen_entry_is_refused(log: Any) -> None:
    for seq, kind in ((7, "seen"), (9, "seen"), (3, "memo")):
        made, seen = seen_log(log, seq=seq, kind=kind)
        with pytest.raises(InvalidError):
            prove_receipt(made.reader, entry=made.entries[7], checkpoint=made.note(13), seen=seen)
        path = prove_inclusion(made.reader, seq, 13)
        extra = encode([made.entries[7], [seen.entry, seen.salt, seen.payload, path]])
        bare = prove_receipt(made.reader, entry=made.entries[7], checkpoint=made.note(13))
        with pytest.raises(InvalidError):
            check_receipt(format_receipt(replace(parse_receipt(bare), extra=extra)), log.vkey)


def test_a_seen_entry_of_another_history_is_refused(log: Any) -> None:
    made, seen = seen_log(log)
    bare = parse_receipt(prove_receipt(log.reader, entry=log.entries[7], checkpoint=log.note(13)))
    path = prove_inclusion(made.reader, 3, 13)
    extra = encode([log.entries[7], [seen.entry, seen.salt, seen.payload, path]])
    with pytest.raises(InvalidError):
        check_receipt(format_receipt(replace(bare, extra=extra)), log.vkey)


def test_a_receipt_with_a_seen_entry_and_any_byte_changed_is_refused(log: Any) -> None:
    made, seen = seen_log(log)
    raw = prove_receipt(made.reader, entry=made.entries[7], checkpoint=made.note(13), seen=seen).encode()
    check_receipt(raw, log.vkey)
    for place in range(len(raw)):
        with pytest.raises(TallyError):
            check_receipt(raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :], log.vkey)


def test_a_receipt_cut_anywhere_is_refused(log: Any, bare: str) -> None:
    for length in range(len(bare)):
        with pytest.raises(TallyError):
            check_receipt(bare[:length], log.vkey)


def test_another_log_s_key_is_refused(log: Any, bare: str) -> None:
    with pytest.raises(InvalidError):
        check_receipt(bare, log_vkey("bolt/0123456789abcdef", log.seed))


def test_an_entry_of_another_position_is_refused(log: Any, bare: str) -> None:
    receipt = parse_receipt(bare)
    for index in (6, 8):
        with pytest.raises(InvalidError):
            check_receipt(format_receipt(replace(receipt, index=index)), log.vkey)


def test_another_entry_of_the_same_position_is_refused(log: Any, bare: str, build_log: Any) -> None:
    other = build_log(20, history="false", fork_at=7).entries[7]
    with pytest.raises(InvalidError):
        check_receipt(format_receipt(replace(parse_receipt(bare), extra=encode([other]))), log.vkey)


def test_another_payload_is_refused(log: Any, full: str) -> None:
    for salt, payload in ((log.salts[6], log.payloads[7]), (log.salts[7], log.payloads[6])):
        extra = encode([log.entries[7], salt, payload])
        with pytest.raises(InvalidError):
            check_receipt(format_receipt(replace(parse_receipt(full), extra=extra)), log.vkey)


@pytest.mark.parametrize(
    "extra",
    [
        *([], ["text"], [b"a", b"b"], [b"a", b"b", b"c", b"d"], {"entry": b"a"}, b"a"),
        *([b"a", []], [b"a", [b"b", b"c", b"d", ["text"]]], [b"a", [b"b", b"c", b"d", b"e"]]),
        *([[b"b", b"c", b"d", []]], [b"a", b"b", [b"b", b"c", b"d", []]]),
    ],
)
def test_an_extra_of_another_shape_is_refused(log: Any, bare: str, extra: Any) -> None:
    with pytest.raises(MalformedError):
        check_receipt(format_receipt(replace(parse_receipt(bare), extra=encode(extra))), log.vkey)


def test_a_receipt_without_extra_proves_nothing_here(bare: str) -> None:
    lines = bare.split("\n")
    with pytest.raises(MalformedError):
        parse_receipt("\n".join([lines[0], *lines[2:]]))


def test_the_largest_payload_fits(log: Any, reader_of: Any, root_of: Any) -> None:
    payload, salt = bytes(MAX_PAYLOAD_BYTES), bytes(16)
    entry = format_entry(
        Entry(
            seq=0,
            prev=bytes(32),
            time_ms=0,
            kind="event",
            size=len(payload),
            commit=commit_to(salt, payload),
        )
    )
    leaf = leaf_hash(entry)
    alone = replace(log, entries=[entry])
    receipt = prove_receipt(
        reader_of([leaf]), entry=entry, checkpoint=alone.note(1), salt=salt, payload=payload
    )
    assert check_receipt(receipt, log.vkey).payload == payload


def test_a_receipt_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse_receipt(b"c" * (MAX_RECEIPT_BYTES + 1))


def test_no_receipt_is_made_for_an_entry_that_is_not_in_the_log(log: Any, build_log: Any) -> None:
    other = build_log(20, history="false", fork_at=7).entries[7]
    with pytest.raises(InvalidError):
        prove_receipt(log.reader, entry=other, checkpoint=log.note(13))
    with pytest.raises(MalformedError):
        prove_receipt(log.reader, entry=log.entries[13], checkpoint=log.note(13))


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda b: b"c2sp.org/tlog-proof@v1\nextra " + b))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_receipt(data)
