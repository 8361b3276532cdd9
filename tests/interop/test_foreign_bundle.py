"""Bundles of real nodes under a verifier that knows only the public formats."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cli.bundle_check import check_bundle
from cli.means import Means

SMALL = Path(__file__).resolve().parents[1] / "vectors" / "bundle" / "small.bundle"
MAGIC = b"tallystick bundle v1\n"
SUBJECTS = ["network", "agreement", "lot", "port", "acme", "bolt"]
SAID = {"what", "subject", "by", "for", "withheld", "absent"}
"""What the maker alone says, so that another value of it is accepted."""


def records_of(foreign: Any, data: bytes) -> list[list[Any]]:
    """The records of a bundle but the end."""
    found, at = [], len(MAGIC)
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(foreign.read_msgpack(data[at + 4 : end]))
        at = end
    assert found.pop()[0] == "end"
    return found


def bundle_of(foreign: Any, records: list[list[Any]]) -> bytes:
    """The bundle with these records and the right hash at its end."""
    parts = [foreign.write_msgpack(record) for record in records]
    data = MAGIC + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    end: bytes = foreign.write_msgpack(["end", sha256(data).digest()])
    return data + bytes([0, 0, 0, len(end)]) + end


def is_refused(foreign: Any, records: list[list[Any]]) -> bool:
    """Whether a bundle of these records does not hold."""
    try:
        foreign.verify_bundle(bundle_of(foreign, records))
    except foreign.Refused:
        return True
    return False


# What is accepted


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("reader", [None, "bolt"])
def test_a_bundle_is_verified(foreign: Any, lived: Any, subject: str, reader: str | None) -> None:
    found = foreign.verify_bundle(lived.bundles[subject, reader])
    assert found.what == ("log" if subject in ("port", "acme", "bolt") else subject)
    assert (found.maker, found.reader) == ("port", reader)
    assert [name.split("/")[0] for name in found.logs] == ["port", "acme", "bolt", "bolt"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_our_own_check_accuses_nobody_of_what_is_left_out(lived: Any, tmp_path: Path, subject: str) -> None:
    """In the bundle of a log decisions stand, and what the timekeeper said of their agreement does not."""
    path = tmp_path / "one.bundle"
    path.write_bytes(lived.bundles[subject, None])
    report = check_bundle(path, Means()).report
    assert report.findings == ()
    assert report.is_whole
    open_question = any("not everything that was counted is here" in each.what for each in report.unchecked)
    assert open_question == (subject == "acme")


def test_a_bundle_of_a_log_has_it_whole_and_those_before_it_and_the_founders(
    foreign: Any, lived: Any
) -> None:
    logs = foreign.verify_bundle(lived.bundles["bolt", None]).logs.values()
    assert [log.is_whole for log in logs] == [True, False, True, True]
    agreement = foreign.verify_bundle(lived.bundles["agreement", None]).logs.values()
    assert [log.is_whole for log in agreement] == [True, False, False, False]
    assert {entry.kind for log in agreement for entry in log.entries} >= {"counted", "decision", "confirm"}


def test_the_frozen_bundle_is_verified(foreign: Any) -> None:
    found = foreign.verify_bundle(SMALL.read_bytes())
    assert [(log.size, len(log.entries)) for log in found.logs.values()] == [(4, 4), (3, 2)]


# What is refused


def test_every_byte_of_a_bundle_counts(foreign: Any) -> None:
    data = SMALL.read_bytes()
    for at in range(len(data)):
        with pytest.raises(foreign.Refused):
            foreign.verify_bundle(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


@pytest.mark.parametrize("subject", ["lot", "bolt"])
def test_a_bundle_without_one_of_its_records_or_with_one_twice_is_refused(
    foreign: Any, lived: Any, subject: str
) -> None:
    records = records_of(foreign, lived.bundles[subject, None])
    for at, (kind, *_) in enumerate(records):
        spare = kind == "note" and "note" in (records[at - 1][0], records[at + 1][0])
        assert is_refused(foreign, records[:at] + records[at + 1 :]) or spare, (at, kind)
        assert is_refused(foreign, records[: at + 1] + records[at:]), (at, kind)


def test_two_records_that_change_places_are_refused(foreign: Any, lived: Any) -> None:
    records = records_of(foreign, lived.bundles["lot", None])
    for at in range(len(records) - 1):
        swapped = [*records[:at], records[at + 1], records[at], *records[at + 2 :]]
        assert is_refused(foreign, swapped), at


def fields_of(records: list[list[Any]]) -> Iterator[tuple[int, int, str]]:
    """Every field: its record, its place in it, its name."""
    names = {
        "head": ["what", "subject", "by", "for", "founding"],
        "log": ["origin", "form", "size", "root"],
        "note": ["note", "proof"],
        "run": ["start", "entries"],
        "payloads": ["rows"],
        "entry": ["entry", "proof", "salt", "payload"],
        "close": ["given", "withheld", "absent"],
    }
    for at, (kind, *_) in enumerate(records):
        for place, name in enumerate(names[kind], 1):
            yield at, place, name


def other(value: Any) -> Any:
    """Something nearly the same."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    if isinstance(value, int):
        return value + 1
    return [*value[:-1], other(value[-1])] if value else [bytes(32)]


def test_every_field_of_every_record_counts(foreign: Any, lived: Any) -> None:
    small = records_of(foreign, SMALL.read_bytes())  # with a log that is whole
    check_fields(foreign, records_of(foreign, lived.bundles["lot", None]))
    check_fields(foreign, small)


def check_fields(foreign: Any, records: list[list[Any]]) -> None:
    """Another value in any field is refused, but for what the maker alone says."""
    for at, place, name in fields_of(records):
        value = records[at][place]
        if value is None or name in SAID:
            continue
        changed = [*records[at][:place], other(value), *records[at][place + 1 :]]
        assert is_refused(foreign, [*records[:at], changed, *records[at + 1 :]]), (at, name)


def test_what_the_maker_counts_as_left_out_adds_up(foreign: Any, lived: Any) -> None:
    records = records_of(foreign, lived.bundles["lot", None])
    at = next(at for at, record in enumerate(records) if record[0] == "close")
    _, given, withheld, absent = records[at]
    for close in ([given, withheld + 1, absent], [given - 1, withheld + 1, absent], [given, withheld, False]):
        assert is_refused(foreign, [*records[:at], ["close", *close], *records[at + 1 :]])


@pytest.mark.parametrize(
    "head",
    [
        {1: "memo"},
        {2: ""},
        {2: "x" * 2049},
        {3: "No organization"},
        {4: "No organization"},
        {5: b""},
    ],
)
def test_a_head_of_another_form_is_refused(foreign: Any, head: dict[int, Any]) -> None:
    records = records_of(foreign, SMALL.read_bytes())
    assert not is_refused(foreign, records)
    records[0] = [head.get(place, value) for place, value in enumerate(records[0])]
    assert is_refused(foreign, records)


def test_a_record_over_the_limit_and_bytes_after_the_end_are_refused(foreign: Any) -> None:
    data = SMALL.read_bytes()
    for wrong in (
        data + b"\x00",
        MAGIC + (2**21 + 1).to_bytes(4, "big") + bytes(2**21 + 1),
        data[:-1],
        MAGIC,
    ):
        with pytest.raises(foreign.Refused):
            foreign.verify_bundle(wrong)
