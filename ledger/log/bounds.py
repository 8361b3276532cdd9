"""Between which times an entry was made, as far as witnesses' cosignatures prove it.

An entry's own time is its writer's claim. What proves more are two sorts of cosignatures, each with the time
of its witness's clock:

- on a checkpoint that covers the entry: the entry was made before (`not_after`)
- on other notes, recorded in the same log before the entry: it was made after (`not_before`), since nobody
  can record a signature that has not been made yet

One witness may lie about its clock, for the writer's sake. So a bound is the time that enough of them agree
on, those asked for by a network or a policy: at least one of them is honest then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from ledger.errors import TallyError
from ledger.log.checkpoint import TIME_BYTES, check_cosignature
from ledger.log.note import NoteSignature, VerifierKey, parse_note
from ledger.log.signature import SIGNATURE_BYTES

MAX_TRIES_PER_WITNESS = 8
"""Cosignatures under one key that are verified to find its newest; an honest log records no bad one."""

Enough: TypeAlias = Callable[[Collection[str]], bool]
"""Whether these witnesses, by name, are as many as are asked for."""


def recorded_times(
    heads: Sequence[str], witnesses: Mapping[VerifierKey, int | None]
) -> dict[VerifierKey, int]:
    """The time in seconds of the newest good cosignature of each of these witnesses on notes that a log
    recorded, as far as there is one; of a key that was superseded, none after the time beside it.

    Whose notes these are does not matter: a signature cannot be recorded before it was made.
    """
    named = {(key.name, key.key_id): key for key in witnesses}
    claimed: dict[VerifierKey, list[tuple[int, str, NoteSignature]]] = {key: [] for key in witnesses}
    for head in heads:
        for line in _lines(head):
            key = named.get((line.name, line.key_id))
            time_s = int.from_bytes(line.signature[:TIME_BYTES], "big")
            latest_s = witnesses[key] if key else None
            if key is not None and (latest_s is None or time_s <= latest_s):
                claimed[key].append((time_s, head, line))
    return {key: time_s for key in witnesses for time_s in _newest_good(claimed[key], key)}


def newest_said(heads: Sequence[str]) -> int:
    """The newest time, in seconds, of a line on these notes that may be a witness's; 0 where there is none.

    Nothing is verified: what `recorded_times` gives is at most this.
    """
    times = (
        int.from_bytes(line.signature[:TIME_BYTES], "big")
        for head in heads
        for line in _lines(head)
        if len(line.signature) == TIME_BYTES + SIGNATURE_BYTES
    )
    return max(times, default=0)


def not_after(times: Mapping[str, int], enough: Enough) -> int | None:
    """The time by which enough witnesses had cosigned a checkpoint: what it covers was made before.

    At least one of them is honest, and says no earlier time than its own clock did. None if they never were
    enough, or where no witness is asked for.
    """
    return _until_enough(sorted(times, key=lambda name: times[name]), times, enough)


def not_before(times: Mapping[str, int], enough: Enough) -> int | None:
    """The time at or after which enough witnesses cosigned what an entry recorded: it was made after.

    `times` are the newest of each witness. None as with `not_after`.
    """
    return _until_enough(sorted(times, key=lambda name: -times[name]), times, enough)


def _lines(head: str) -> tuple[NoteSignature, ...]:
    """The signature lines of a note as a writer recorded it; of none, where it is no note."""
    try:
        return parse_note(head).signatures
    except TallyError:
        return ()


def _newest_good(claimed: list[tuple[int, str, NoteSignature]], vkey: VerifierKey) -> Iterator[int]:
    newest = sorted(claimed, key=lambda item: item[0], reverse=True)[:MAX_TRIES_PER_WITNESS]
    for time_s, head, line in newest:
        try:
            check_cosignature(head, line, vkey)
        except TallyError:
            continue
        yield time_s
        return


def _until_enough(order: Sequence[str], times: Mapping[str, int], enough: Enough) -> int | None:
    if enough(()):
        return None
    return next((times[name] for place, name in enumerate(order, 1) if enough(order[:place])), None)
