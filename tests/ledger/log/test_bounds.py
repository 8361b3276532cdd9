"""Between which times an entry was made, as far as cosignatures prove it."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.log.bounds import not_after, not_before, recorded_times
from ledger.log.checkpoint import cosign, witness_vkey
from ledger.log.note import NoteSignature, VerifierKey, add_signatures

Times = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 100))


def two(names: Collection[str]) -> bool:
    return len(names) >= 2


def key(name: str) -> VerifierKey:
    return witness_vkey(name, sha256(name.encode()).digest())


def cosigned(note: str, name: str, time_s: int) -> str:
    return add_signatures(note, cosign(note, name, sha256(name.encode()).digest(), time_s))


def test_bounds_are_what_enough_witnesses_agree_on() -> None:
    times = {"a": 30, "b": 10, "c": 20}
    assert not_after(times, two) == 20
    assert not_before(times, two) == 20
    assert not_after({"a": 30}, two) is None
    assert not_before({"a": 30}, two) is None


def test_where_no_witness_is_asked_for_there_is_no_bound() -> None:
    assert not_after({"a": 1}, lambda names: True) is None
    assert not_before({"a": 1}, lambda names: True) is None


@given(Times, st.integers(1, 4), st.integers(0, 100))
def test_fewer_liars_than_are_asked_for_cannot_move_a_bound_past_every_honest_clock(
    times: dict[str, int], needed: int, lie: int
) -> None:
    honest = dict(sorted(times.items()))
    liars = {f"liar {number}": lie for number in range(needed - 1)}

    def enough(names: Collection[str]) -> bool:
        return len(names) >= needed

    after, before = not_after(honest | liars, enough), not_before(honest | liars, enough)
    if honest:
        assert after is not None
        assert before is not None
        assert after >= min(honest.values())
        assert before <= max(honest.values())
    else:
        assert after is before is None


def test_the_newest_cosignature_of_each_witness_counts(log: Any) -> None:
    heads = [cosigned(cosigned(log.note(3), "a", 7), "b", 9), cosigned(log.note(5), "a", 8)]
    assert recorded_times(heads, {key("a"): None, key("b"): None, key("c"): None}) == {
        key("a"): 8,
        key("b"): 9,
    }


def test_a_superseded_key_counts_up_to_its_end(log: Any) -> None:
    heads = [cosigned(log.note(3), "a", 7), cosigned(log.note(5), "a", 8)]
    assert recorded_times(heads, {key("a"): 7}) == {key("a"): 7}
    assert recorded_times(heads, {key("a"): 6}) == {}


def test_a_time_that_was_not_signed_does_not_count(log: Any) -> None:
    good = cosigned(log.note(3), "a", 7)
    line = cosign(log.note(5), "a", sha256(b"a").digest(), 7)
    moved = add_signatures(log.note(3), line)
    later = NoteSignature(name="a", key_id=key("a").key_id, signature=(99).to_bytes(8, "big") + bytes(64))
    short = NoteSignature(name="a", key_id=key("a").key_id, signature=b"\xff")
    lies = [moved, log.note(5) + later.line, log.note(5) + short.line, "no note", ""]
    assert recorded_times([*lies, good], {key("a"): None}) == {key("a"): 7}
    assert recorded_times(lies, {key("a"): None}) == {}
