"""The records of a bundle: one form each, bounded, and nothing else is read."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, TallyError, TooLargeError
from ledger.log.bundle import (
    LENGTH_BYTES,
    MAX_RECORD_BYTES,
    RUN_ENTRIES,
    BundleClose,
    BundleEnd,
    BundleEntry,
    BundleHead,
    BundleLog,
    BundleNote,
    BundlePayloads,
    BundleRecord,
    BundleRun,
    check_length,
    format_record,
    parse_record,
)

ORIGIN = "acme/0123456789abcdef"
HASH = bytes(range(32))
SALT = bytes(16)

hashes = st.binary(min_size=32, max_size=32)
proofs = st.lists(hashes, max_size=64).map(tuple)
counts = st.integers(0, 2**53)
entries = st.binary(max_size=127)
salts = st.binary(min_size=16, max_size=16)


@st.composite
def payload_rows(draw: st.DrawFn) -> BundlePayloads:
    positions = draw(st.lists(counts, min_size=1, max_size=5, unique=True).map(sorted))
    return BundlePayloads(tuple((seq, draw(salts), draw(st.binary(max_size=50))) for seq in positions))


records = st.one_of(
    st.builds(
        BundleHead,
        what=st.sampled_from(["log", "agreement", "lot", "network"]),
        subject=st.text(min_size=1, max_size=50),
        exporter=st.just("acme"),
        reader=st.sampled_from([None, "bolt"]),
        founding=st.binary(max_size=100),
    ),
    st.builds(
        BundleLog,
        origin=st.just(ORIGIN),
        form=st.sampled_from(["whole", "sparse"]),
        size=st.integers(1, 2**53),
        root=hashes,
    ),
    st.builds(BundleNote, st.text(max_size=80), proofs),
    st.builds(
        BundleRun,
        st.integers(0, 2**40).map(lambda run: run * RUN_ENTRIES),
        st.lists(entries, min_size=1, max_size=5).map(tuple),
    ),
    payload_rows(),
    st.builds(BundleEntry, entry=entries, proof=proofs),
    st.builds(BundleEntry, entry=entries, proof=proofs, salt=salts, payload=st.binary(max_size=50)),
    st.builds(BundleClose, given=counts, withheld=counts, absent=counts),
    st.builds(BundleEnd, hashes),
)


@given(records)
def test_a_record_comes_back_as_it_was_written(record: BundleRecord) -> None:
    data = format_record(record)
    assert int.from_bytes(data[:LENGTH_BYTES], "big") == len(data) - LENGTH_BYTES
    assert parse_record(data[LENGTH_BYTES:], "record") == record


@given(records, st.data())
def test_a_record_with_a_changed_byte_is_refused_or_another_record(
    record: BundleRecord, data: st.DataObject
) -> None:
    written = bytearray(format_record(record)[LENGTH_BYTES:])
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = parse_record(bytes(written), "record")
    except TallyError:
        return
    assert other != record
    assert format_record(other)[LENGTH_BYTES:] == bytes(written)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_an_expected_way(data: bytes) -> None:
    try:
        parse_record(data, "record")
    except TallyError:
        return
    assert data


REFUSED: dict[str, list[object]] = {
    "no array": [],
    "an unknown type": ["more", 1],
    "a type that is no text": [b"end", HASH],
    "a field too many": ["end", HASH, 1],
    "a field too few": ["log", ORIGIN, "whole", 1],
    "a head of something else": ["head", "diary", "x", "acme", None, b""],
    "a head without a subject": ["head", "log", "", "acme", None, b""],
    "a head of nobody": ["head", "log", "x", "Acme!", None, b""],
    "a head for nobody": ["head", "log", "x", "acme", "", b""],
    "a head for a number": ["head", "log", "x", "acme", 7, b""],
    "a founding that is too large": ["head", "log", "x", "acme", None, bytes(64 * 1024 + 1)],
    "a log of no name": ["log", "acme", "whole", 1, HASH],
    "a log of another form": ["log", ORIGIN, "some", 1, HASH],
    "a log of no entries": ["log", ORIGIN, "whole", 0, HASH],
    "a size that is true": ["log", ORIGIN, "whole", True, HASH],
    "a root of 31 bytes": ["log", ORIGIN, "whole", 1, HASH[:31]],
    "a note that is too long": ["note", "x" * (128 * 1024 + 1), []],
    "a proof of 65 hashes": ["note", "x", [HASH] * 65],
    "a proof of short hashes": ["note", "x", [b"short"]],
    "an empty run": ["run", 0, []],
    "a run from within a run": ["run", 1, [b"entry"]],
    "a run from below": ["run", -RUN_ENTRIES, [b"entry"]],
    "a run of too many": ["run", 0, [b"e"] * (RUN_ENTRIES + 1)],
    "a run of text": ["run", 0, ["entry"]],
    "an entry of 128 bytes in a run": ["run", 0, [bytes(128)]],
    "no payloads": ["payloads", []],
    "payloads out of order": ["payloads", [[2, SALT, b""], [1, SALT, b""]]],
    "a payload twice": ["payloads", [[1, SALT, b""], [1, SALT, b""]]],
    "a payload with a short salt": ["payloads", [[1, b"", b""]]],
    "a payload at true": ["payloads", [[True, SALT, b""]]],
    "half a payload in a row": ["payloads", [[1, SALT]]],
    "an entry of 128 bytes": ["entry", bytes(128), [], None, None],
    "a salt without its payload": ["entry", b"e", [], SALT, None],
    "a payload without its salt": ["entry", b"e", [], None, b""],
    "a negative count": ["close", 0, -1, 0],
    "a count that is true": ["close", True, 0, 0],
    "a hash of 33 bytes": ["end", bytes(33)],
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_record_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        parse_record(msgpack.packb(REFUSED[name]), "record")


def test_a_run_in_a_longer_form_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_record(b"\x93\xa3run\xcc\x00\x91\xc4\x01e", "record")


def test_a_payload_of_more_than_a_mebibyte_is_refused() -> None:
    data = msgpack.packb(["entry", b"e", [], SALT, bytes(1024 * 1024 + 1)])
    with pytest.raises(MalformedError):
        parse_record(data, "record")


def test_the_largest_record_that_is_written_is_within_the_limit() -> None:
    entry = BundleEntry(entry=bytes(127), proof=(HASH,) * 64, salt=SALT, payload=bytes(1024 * 1024))
    run = BundleRun(0, (bytes(127),) * RUN_ENTRIES)
    for record in (entry, run):
        check_length(len(format_record(record)) - LENGTH_BYTES, "record")


def test_a_huge_length_is_refused_before_anything_is_read() -> None:
    with pytest.raises(TooLargeError):
        check_length(MAX_RECORD_BYTES + 1, "record")


def test_a_record_of_one_byte_is_refused() -> None:
    with pytest.raises(MalformedError):
        check_length(1, "record")
