"""The audit of one log: one wrong entry is one finding, at its place, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.finding import Sort, worst
from ledger.audit.log import LogAudit, audit_log, judged
from ledger.audit.members import Known
from ledger.audit.source import RANGE_ENTRIES, KeptNote
from ledger.log.entry import format_entry, leaf_hash, parse_entry

BORDER = RANGE_ENTRIES


def audit(log: Any, known: Known, **options: Any) -> LogAudit:
    read = audit_log(log, known, **options)
    return judged(read, log, read.roster)


def places(audit: LogAudit) -> set[int | None]:
    return {finding.position for finding in audit.findings}


def codes(audit: LogAudit) -> set[str]:
    return {finding.code for finding in audit.findings}


def rewritten(data: bytes, **fields: Any) -> bytes:
    return format_entry(replace(parse_entry(data), **fields))


def test_a_sound_log_has_no_findings_and_its_root(small_log: Any, known: Known) -> None:
    found = audit(small_log, known)
    assert list(found.findings) == []
    assert (found.size, found.root) == (12, small_log.root())
    assert found.counts.payloads == 11


def test_ranges_join_to_the_root_of_the_whole(long_log: Any, known: Known) -> None:
    found = audit(long_log, known)
    assert list(found.findings) == []
    assert found.root == long_log.root()


@pytest.mark.parametrize("seq", [1, BORDER - 2, BORDER - 1, BORDER, BORDER + 1, 2 * BORDER - 1, 2 * BORDER])
@pytest.mark.parametrize("field", ["time_ms", "prev", "commit"])
def test_a_changed_entry_is_named_across_ranges(long_log: Any, known: Known, seq: int, field: str) -> None:
    log = long_log.copy()
    log.rows[seq] = rewritten(log.rows[seq], **{field: 7 if field == "time_ms" else bytes(32)})
    found = audit(log, known, rules=None)
    assert [(f.code, f.position) for f in found.findings] == [("chain-changed", seq)]


@settings(deadline=None, max_examples=300)
@given(seq=st.integers(0, 11), at=st.integers(0, 200), bit=st.integers(0, 7))
def test_any_flipped_bit_of_any_entry_is_found_there(
    small_log: Any, session_known: Known, seq: int, at: int, bit: int
) -> None:
    log = small_log.copy()
    data = log.rows[seq]
    at %= len(data)
    log.rows[seq] = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    found = audit(log, session_known)
    assert places(found) == {seq}


def test_everything_after_a_changed_entry_is_still_checked(small_log: Any, known: Known) -> None:
    log = small_log.copy()
    log.rows[3] = rewritten(log.rows[3], time_ms=7)
    salt, payload = log.contents[9]
    log.contents[9] = (salt, payload + b"\0")
    assert {(f.code, f.position) for f in audit(log, known).findings} == {
        ("chain-changed", 3),
        ("payload-changed", 9),
    }


@pytest.mark.parametrize("seq", [0, 5, 10])
def test_a_missing_entry_is_a_gap(small_log: Any, known: Known, seq: int) -> None:
    log = small_log.copy()
    del log.rows[seq]
    found = audit(log, known)
    assert [(f.code, f.position, f.sort) for f in found.findings] == [("chain-missing", seq, Sort.GAP)]


def test_a_missing_last_entry_is_a_gap(small_log: Any, known: Known) -> None:
    log = small_log.copy()
    del log.rows[11]
    del log.contents[11]
    found = audit(log, replace(known, own=True))
    assert ("chain-missing", 11) in {(f.code, f.position) for f in found.findings}
    assert worst(f.sort for f in found.findings) is Sort.GAP


def test_a_chain_rewritten_from_one_entry_on_does_not_have_the_signed_root(
    small_log: Any, known: Known
) -> None:
    log = small_log.copy()
    log.rows[6] = rewritten(log.rows[6], time_ms=7)
    for seq in range(7, 12):
        log.rows[seq] = rewritten(log.rows[seq], prev=leaf_hash(log.rows[seq - 1]))
    assert codes(audit(log, known)) == {"note-root"}


def test_what_is_remembered_places_a_rewritten_chain(small_log: Any, known: Known) -> None:
    log = small_log.copy()
    log.memory = {seq: leaf_hash(data) for seq, data in log.rows.items()}
    log.rows[6] = rewritten(log.rows[6], time_ms=7)
    for seq in range(7, 12):
        log.rows[seq] = rewritten(log.rows[seq], prev=leaf_hash(log.rows[seq - 1]))
    assert [(f.code, f.position) for f in audit(log, known).findings] == [("chain-changed", 6)]


def test_two_signed_heads_that_do_not_fit_are_a_fork(
    small_log: Any, known: Known, make_log: Callable[..., Any]
) -> None:
    log = small_log.copy()
    other = make_log(8, times=lambda seq: 5)
    log.kept = [*other.kept, *log.kept]
    found = audit(log, known)
    assert [(f.code, f.sort) for f in found.findings] == [("note-fork", Sort.FORK)]


def test_entries_under_no_signed_head_are_found(
    small_log: Any, known: Known, make_log: Callable[..., Any]
) -> None:
    log = small_log.copy()
    log.kept = make_log(8).kept
    assert [(f.code, f.position) for f in audit(log, known).findings] == [("note-missing", 8)]


def test_a_head_by_another_key_is_found(small_log: Any, known: Known) -> None:
    log = small_log.copy()
    note = log.kept[0].note
    log.kept = [KeptNote(size=12, note=note.replace(b"\n12\n", b"\n12\n", 1)[:-8] + b"AAAAAA=\n")]
    assert codes(audit(log, known)) <= {"note-signature", "note-malformed"}
    assert len(audit(log, known).findings) == 1


def test_counting_times_that_fall_are_found(make_log: Callable[..., Any], known: Known) -> None:
    log = make_log(6, times=lambda seq: 5 if seq == 4 else 10 + seq, kind="tick")
    assert [(f.code, f.position) for f in audit(log, known).findings] == [("counted-time", 4)]


def test_a_second_opening_is_found(make_log: Callable[..., Any], known: Known) -> None:
    log = make_log(6, kind="log.opens")
    assert codes(audit(log, known, rules=None)) == set()
    assert codes(audit(_reopened(log), known, rules=None)) >= {"chain-opening"}


def test_without_payload_rules_payloads_are_said_to_be_unchecked(small_log: Any, known: Known) -> None:
    found = audit(small_log, known, rules=None)
    assert [item.what for item in found.unchecked] == ["payloads"]


def test_statements_of_unknown_kinds_are_said_to_be_unchecked(
    make_log: Callable[..., Any], known: Known
) -> None:
    found = audit(make_log(6, kind="future.kind"), known)
    assert not found.findings
    text = "statements of kinds that this version does not know, kept and never interpreted"
    assert [(item.count, item.harmless) for item in found.unchecked if item.what == text] == [(5, True)]


def test_findings_beyond_the_limit_are_counted(make_log: Callable[..., Any], known: Known) -> None:
    log = make_log(1300)
    for seq in range(1, 1300):
        salt, payload = log.contents[seq]
        log.contents[seq] = (salt, payload[:-1])
    found = audit(log, known)
    assert (len(found.findings.listed), found.findings.more) == (1000, 299)


def _reopened(log: Any) -> Any:
    log.rows[3] = rewritten(log.rows[3], kind="log.open")
    return log
