"""Times within their proven bounds, and what an audit remembers of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit.payloads import Kept
from ledger.audit.source import KeptNote
from ledger.audit.times import TOLERANCE_MS, Bounds, Claims, is_bounded, read_claims
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, entry_times, format_entry
from ledger.log.note import add_signatures
from ledger.log.origin import format_witness_name
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement, parse_statement
from ledger.members.network import Founding, MemberKeys, Policy, format_founding, recovery_hash
from ledger.members.roster import Member, Roster, enrolled, found_roster

NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1000
"""When everything happens that happens at the right time."""


def seed(name: str) -> bytes:
    return name.encode().ljust(32, b".")


def keys(organization: str) -> MemberKeys:
    return MemberKeys(
        log=public_key(seed(f"{organization} log")),
        node=public_key(seed(f"{organization} node")),
        recovery=recovery_hash(public_key(seed(f"{organization} recovery"))),
        witness=public_key(seed(f"{organization} witness")),
    )


@pytest.fixture(scope="module")
def roster() -> Roster:
    """Four members: three of them witness the log of the first, and two are more than half."""
    founding = Founding(
        name="times",
        created_ms=0,
        founder="acme",
        title="Acme",
        keys=keys("acme"),
        nonce=b"n" * 16,
        policy=Policy(),
    )
    members = found_roster(format_founding(founding))
    for name in ("bolt", "dart", "port"):
        members = enrolled(members, Member(organization=name, title=name, keys=keys(name)))
    return members


def head(roster: Roster, writer: str, size: int, seen: dict[str, int]) -> str:
    """A signed head, cosigned by these members at these seconds."""
    origin = roster.origin(writer)
    note = seal_checkpoint(
        Checkpoint(origin=origin, size=size, root=bytes([size]) * 32), seed(f"{writer} log")
    )
    for name, time_s in seen.items():
        witness = format_witness_name(name, roster.network)
        note = add_signatures(note, cosign(note, witness, seed(f"{name} witness"), time_s))
    return note


def claims(start: int, end: int, earliest_ms: int, latest_ms: int) -> Claims:
    return Claims(
        start=start,
        end=end,
        earliest_ms=earliest_ms,
        earliest_at=start,
        latest_ms=latest_ms,
        latest_at=end - 1,
    )


def codes_of(
    roster: Roster, latest_ms: int, seen: dict[str, int], size: int = 10
) -> list[tuple[str, int | None]]:
    """What comes of claims up to a time in the first ten entries, under one head."""
    bounds = Bounds(roster.origin("acme"), [size])
    bounds.take_claims(claims(0, 10, NOW_MS, latest_ms))
    note = KeptNote(size=size, note=head(roster, "acme", size, seen).encode())
    return [(finding.code, finding.position) for finding in bounds.check_heads([note], roster)]


def test_a_claim_after_more_than_half_had_cosigned_it_is_a_finding(roster: Roster) -> None:
    seen = {"bolt": NOW_S, "dart": NOW_S}
    assert codes_of(roster, NOW_MS + TOLERANCE_MS + 1, seen) == [("time-late", 9)]


def test_clocks_may_differ_by_minutes(roster: Roster) -> None:
    assert codes_of(roster, NOW_MS + TOLERANCE_MS, {"bolt": NOW_S, "dart": NOW_S}) == []


def test_one_witness_alone_bounds_nothing(roster: Roster) -> None:
    assert codes_of(roster, NOW_MS * 2, {"bolt": NOW_S}) == []


def test_a_single_witness_with_a_wrong_clock_moves_no_bound(roster: Roster) -> None:
    assert codes_of(roster, NOW_MS, {"bolt": 5, "dart": NOW_S, "port": NOW_S}) == []
    late = NOW_MS + TOLERANCE_MS + 1
    assert codes_of(roster, late, {"bolt": 2 * NOW_S, "dart": NOW_S, "port": NOW_S}) == [("time-late", 9)]


def test_a_head_bounds_only_what_it_covers(roster: Roster) -> None:
    assert codes_of(roster, NOW_MS * 2, {"bolt": NOW_S, "dart": NOW_S}, size=9) == []


def test_a_cosignature_that_does_not_verify_bounds_nothing(roster: Roster) -> None:
    bounds = Bounds(roster.origin("acme"), [10])
    bounds.take_claims(claims(0, 10, NOW_MS, NOW_MS * 2))
    good = head(roster, "acme", 10, {"bolt": NOW_S, "dart": NOW_S}).splitlines(keepends=True)
    other = head(roster, "acme", 9, {"dart": NOW_S}).splitlines(keepends=True)
    forged = KeptNote(size=10, note="".join([*good[:-1], other[-1]]).encode())
    assert bounds.check_heads([forged], roster) == []


def seen_entry(seq: int, heads: list[Value]) -> Kept:
    statement = Statement(kind="seen", audience=None, body={"heads": heads}, nonce=b"n" * 16)
    return Kept(seq, format_statement(statement))


def after_seen(roster: Roster, earliest_ms: int, heads: list[Value]) -> str | None:
    """What comes of a claim after an entry that recorded these heads."""
    bounds = Bounds(roster.origin("acme"), [])
    bounds.take_kept(seen_entry(4, heads))
    bounds.take_claims(claims(5, 9, earliest_ms, NOW_MS))
    read = {4: parse_statement(seen_entry(4, heads).payload, "seen")}
    found = bounds.check_recorded(roster, read.__getitem__)
    return found[0].code if found else None


def test_a_claim_before_what_its_log_had_recorded_is_a_finding(roster: Roster) -> None:
    heads: list[Value] = [head(roster, "port", 3, {"bolt": NOW_S, "dart": NOW_S})]
    assert after_seen(roster, NOW_MS - TOLERANCE_MS - 1, heads) == "time-early"
    assert after_seen(roster, NOW_MS - TOLERANCE_MS, heads) is None


def test_what_one_witness_says_of_its_time_moves_no_lower_bound(roster: Roster) -> None:
    heads: list[Value] = [head(roster, "port", 3, {"bolt": 2 * NOW_S, "dart": NOW_S})]
    assert after_seen(roster, NOW_MS, heads) is None
    assert after_seen(roster, NOW_MS - TOLERANCE_MS - 1, [head(roster, "port", 3, {"bolt": NOW_S})]) is None


def test_claims_are_bounded_where_others_may_have_signed(roster: Roster) -> None:
    alone = found_roster(format_founding(roster.founding))
    assert is_bounded([], roster)
    assert not is_bounded([KeptNote(size=1, note=head(roster, "acme", 1, {}).encode())], alone)
    assert is_bounded([KeptNote(size=1, note=head(roster, "acme", 1, {"bolt": 1}).encode())], alone)


entries_with_times = st.lists(st.integers(0, 2**53), min_size=1, max_size=30)


@given(st.sampled_from([0, 100, 250, 65_530, 2**32 - 3, 2**52]), entries_with_times)
def test_times_are_read_from_every_form_of_entry(start: int, times: list[int]) -> None:
    entries = [
        format_entry(
            Entry(seq=start + i, prev=bytes(32), time_ms=time_ms, kind="memo", size=1, commit=bytes(32))
        )
        for i, time_ms in enumerate(times)
    ]
    assert entry_times(entries) == times


@given(entries_with_times, st.lists(st.integers(0, 40), max_size=5))
def test_claims_name_earliest_and_latest_between_cuts(times: list[int], cuts: list[int]) -> None:
    entries = {
        seq: format_entry(
            Entry(seq=seq, prev=bytes(32), time_ms=time_ms, kind="memo", size=1, commit=bytes(32))
        )
        for seq, time_ms in enumerate(times)
    }
    found = read_claims(entries, 0, len(times), cuts)
    assert [claim.start for claim in found] == [0, *sorted({cut for cut in cuts if 0 < cut < len(times)})]
    for claim in found:
        part = times[claim.start : claim.end]
        assert (claim.earliest_ms, claim.latest_ms) == (min(part), max(part))
        assert (times[claim.earliest_at], times[claim.latest_at]) == (min(part), max(part))
