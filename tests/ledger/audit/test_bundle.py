"""A bundle's order and audit: the frozen one holds, every flipped byte and every lie about it is found."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledger.audit.bundle import BundleAudit, audit_bundle
from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.bundle import BundleClose, BundleEntry, BundleLog, BundleNote, BundleRecord, BundleRun
from ledger.log.note import parse_note
from node.bundle_file import SparseLog, WholeLog, read_bundle

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "bundle"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_bundle_vectors", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frozen() -> bytes:
    return (FOLDER / "small.bundle").read_bytes()


@pytest.fixture
def audited(tmp_path: Path) -> Callable[[bytes], BundleAudit]:
    """Reads and audits a bundle."""

    def audit(data: bytes) -> BundleAudit:
        path = tmp_path / "test.bundle"
        path.write_bytes(data)
        return audit_bundle(read_bundle(path), partial(WholeLog, path), partial(SparseLog, path))

    return audit


def codes(audit: BundleAudit) -> list[str]:
    return [finding.code for log in audit.logs for finding in log.findings]


def test_today_s_code_writes_the_frozen_bundle(make: ModuleType, frozen: bytes) -> None:
    assert make.file_of(make.small_records()) == frozen


def test_the_frozen_bundle_holds(audited: Callable[[bytes], BundleAudit], frozen: bytes) -> None:
    audit = audited(frozen)
    acme, bolt = audit.logs
    assert codes(audit) == []
    assert (acme.size, acme.counts.entries, acme.counts.payloads) == (4, 4, 4)
    assert (bolt.size, bolt.counts.entries, bolt.counts.payloads) == (3, 2, 2)
    assert (bolt.counts.signatures, bolt.counts.cosignatures) == (2, 1)
    assert sorted(audit.roster.members) == ["acme", "bolt"]


def test_what_a_sparse_log_leaves_out_is_said(audited: Callable[[bytes], BundleAudit], frozen: bytes) -> None:
    said = [(item.count, item.what) for item in audited(frozen).logs[1].unchecked]
    assert (1, "entries that the bundle leaves out, one of which may have ended a role or a key") in said


def test_every_flipped_byte_of_a_bundle_is_refused(tmp_path: Path, frozen: bytes) -> None:
    path = tmp_path / "flipped.bundle"
    accepted = []
    for at in range(len(frozen)):
        path.write_bytes(frozen[:at] + bytes([frozen[at] ^ 1 << at % 8]) + frozen[at + 1 :])
        try:
            read_bundle(path)
        except (MalformedError, InvalidError):
            continue
        accepted.append(at)
    assert accepted == []


def test_every_truncation_of_a_bundle_is_refused(tmp_path: Path, frozen: bytes) -> None:
    path = tmp_path / "short.bundle"
    accepted = []
    for length in range(len(frozen)):
        path.write_bytes(frozen[:length])
        try:
            read_bundle(path)
        except MalformedError:
            continue
        accepted.append(length)
    assert accepted == []


@pytest.mark.timeout(300)
def test_a_flipped_byte_whose_hash_was_made_again_is_found_or_only_what_the_maker_says(
    make: ModuleType, audited: Callable[[bytes], BundleAudit]
) -> None:
    """Each byte of each record, one at a time, with a new hash at the end."""
    records = make.small_records()
    written = [make.format_record(record) for record in records]
    unnoticed = set()
    for index, data in enumerate(written):
        for at in range(4, len(data)):
            changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            try:
                audit = audited(sealed(make, [*written[:index], changed, *written[index + 1 :]]))
            except TallyError:
                continue
            if not codes(audit):
                unnoticed.add(type(records[index]).__name__)
    # What nobody signed: subject and maker in the head; signature lines of keys that became unknown.
    assert unnoticed <= {"BundleHead", "BundleNote"}


def sealed(make: ModuleType, written: Sequence[bytes]) -> bytes:
    data: bytes = make.MAGIC + b"".join(written)
    end: bytes = make.format_record(make.BundleEnd(make.sha256(data).digest()))
    return data + end


def test_a_changed_signature_line_of_the_log_itself_is_found(
    make: ModuleType, audited: Callable[[bytes], BundleAudit]
) -> None:
    records = make.small_records()
    at = next(i for i, record in enumerate(records) if isinstance(record, BundleNote))
    note = records[at].note
    line = parse_note(note).signatures[0].line
    changed = note.replace(line, line[:-6] + ("AAA=\n" if line[-6:-2] != "AAA" else "BBB=\n"))
    records[at] = BundleNote(changed, records[at].proof)
    try:
        assert codes(audited(make.file_of(records))) != []
    except TallyError:
        return


Change = Callable[[list[Any]], list[Any]]


def kinds(records: Sequence[BundleRecord], kind: type) -> list[int]:
    return [i for i, record in enumerate(records) if isinstance(record, kind)]


def swapped(records: list[Any], one: int, other: int) -> list[Any]:
    records[one], records[other] = records[other], records[one]
    return records


OUT_OF_ORDER: dict[str, Change] = {
    "no head": lambda r: r[1:],
    "the head twice": lambda r: [r[0], *r],
    "nothing but a head and half a log": lambda r: r[:3],
    "a log twice": lambda r: [*r, *r[1 : kinds(r, BundleClose)[0] + 1]],
    "the logs in another order": lambda r: [
        r[0],
        *r[kinds(r, BundleLog)[1] :],
        *r[1 : kinds(r, BundleLog)[1]],
    ],
    "a log within a log": lambda r: [*r[:2], r[1], *r[2:]],
    "a close twice": lambda r: [*r, r[-1]],
    "a log that is not closed": lambda r: r[:-1],
    "a log without its note": lambda r: [x for i, x in enumerate(r) if i != kinds(r, BundleNote)[0]],
    "a note after the entries": lambda r: swapped(r, kinds(r, BundleNote)[0], kinds(r, BundleRun)[0]),
    "the notes in another order": lambda r: swapped(r, *kinds(r, BundleNote)[1:3]),
    "a note of another log": lambda r: [*r[:2], r[kinds(r, BundleNote)[1]], *r[3:]],
    "a run twice": lambda r: [
        *r[: kinds(r, BundleRun)[0]],
        r[kinds(r, BundleRun)[0]],
        *r[kinds(r, BundleRun)[0] :],
    ],
    "a run that is short": lambda r: [
        replace(x, entries=x.entries[:-1]) if isinstance(x, BundleRun) else x for x in r
    ],
    "no run": lambda r: [x for x in r if not isinstance(x, BundleRun)],
    "an entry twice": lambda r: [
        *r[: kinds(r, BundleEntry)[0]],
        r[kinds(r, BundleEntry)[0]],
        *r[kinds(r, BundleEntry)[0] :],
    ],
    "entries in another order": lambda r: swapped(r, *kinds(r, BundleEntry)[:2]),
    "a single entry in a whole log": lambda r: [*r[:3], r[kinds(r, BundleEntry)[0]], *r[3:]],
    "a run in a sparse log": lambda r: [*r[:-1], r[kinds(r, BundleRun)[0]], r[-1]],
    "one payload less than said": lambda r: [
        *r[:-1],
        BundleClose(given=r[-1].given + 1, withheld=0, absent=0),
    ],
    "more payloads than entries": lambda r: [*r[:-1], replace(r[-1], withheld=9)],
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_records_repeated_missing_or_out_of_order_are_refused(
    make: ModuleType, audited: Callable[[bytes], BundleAudit], name: str
) -> None:
    records = OUT_OF_ORDER[name](make.small_records())
    with pytest.raises(MalformedError):
        audited(make.file_of(records))


def test_bytes_after_the_end_are_refused(audited: Callable[[bytes], BundleAudit], frozen: bytes) -> None:
    with pytest.raises(MalformedError):
        audited(frozen + frozen[-40:])


def test_a_log_of_many_runs_is_read_by_ranges(
    make: ModuleType, audited: Callable[[bytes], BundleAudit], tmp_path: Path
) -> None:
    acme = make.MadeLog("acme", make.founding_of())
    acme.open()
    grow(make, acme, 2 * make.RUN_ENTRIES + 5)
    data = make.file_of([make.head_of(acme.founding), *acme.whole([0, 2047, 2048, 4100])])
    audit = audited(data)
    assert codes(audit) == []
    assert (audit.logs[0].counts.entries, audit.logs[0].counts.payloads) == (4101, 4)
    path = tmp_path / "runs.bundle"
    path.write_bytes(data)
    log = WholeLog(path, read_bundle(path).parts[0])
    assert log.entries(2040, 2060) == list(enumerate(acme.entries[2040:2060], 2040))
    assert [seq for seq, _, _ in log.payloads(1, 4101)] == [2047, 2048, 4100]
    assert log.entries(4100, 5000) == [(4100, acme.entries[4100])]


def grow(make: ModuleType, log: Any, size: int) -> None:
    """Entries faster than one by one."""
    salt, payload = (
        bytes(16),
        make.format_statement(
            make.Statement(kind="memo", audience=None, body={"text": "x"}, nonce=bytes(16))
        ),
    )
    prev = log.leaves[-1]
    while len(log.entries) < size:
        entry = make.format_entry(
            make.Entry(
                seq=len(log.entries),
                prev=prev,
                time_ms=make.TIME_MS,
                kind="memo",
                size=len(payload),
                commit=make.commit_to(salt, payload),
            )
        )
        prev = make.leaf_hash(entry)
        log.entries.append(entry)
        log.payloads.append((salt, payload))
