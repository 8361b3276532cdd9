"""Keys over time: which key signs the notes of a log at which size, and cosigns for a member until when.

A `keys.rotate` at position `p` ends an era: notes of sizes up to `p + 1` are signed by the key before it,
larger ones by the key after it. A later log ends the last era of the log before it, at no size: what that
key signed beyond the pin is kept, and counts for nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import lru_cache

from ledger.log.note import ED25519, VerifierKey
from ledger.members.growing import Row
from ledger.members.network import MemberKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEra:
    """A key that signs the notes of a log of sizes above `start` up to `end`; None: there is no end yet.

    `recovery`: hash of the recovery key that was named with it. `superseded_ms`: the time
    of the entry that put another key in its place, None while it stands.
    """

    key: VerifierKey
    recovery: bytes
    start: int = 0
    end: int | None = None
    superseded_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessEra:
    """A key by which an organization cosigns, and the time of the entry that superseded it, if one did."""

    key: VerifierKey
    superseded_ms: int | None = None

    def counts_at(self, time_s: int) -> bool:
        """Whether a cosignature of this time counts."""
        return self.superseded_ms is None or time_s * 1000 <= self.superseded_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLog:
    """One log of a member: the keys it was opened with, its newest, its eras, and the leaf hash of its
    entry 0 where it is known."""

    origin: str
    first: MemberKeys
    keys: MemberKeys
    opening: bytes | None
    eras: Row[KeyEra]

    def era_of(self, size: int) -> KeyEra:
        """The era whose key signs notes of this size."""
        eras = self.eras
        return eras[bisect_left(range(len(eras) - 1), size, key=lambda i: eras[i].end or 0)]

    def rotated(self, seq: int, time_ms: int, keys: MemberKeys) -> MemberLog:
        """The log after a rotation at a position, which was checked."""
        era = KeyEra(key=note_key(self.origin, keys.log), recovery=keys.recovery, start=seq + 1)
        ended = replace(self.eras[-1], end=seq + 1, superseded_ms=time_ms)
        return replace(self, keys=keys, eras=self.eras.ended(ended).added(era))

    def superseded(self, time_ms: int) -> MemberLog:
        """The log after a later one was opened."""
        return replace(self, eras=self.eras.ended(replace(self.eras[-1], superseded_ms=time_ms)))


def open_member_log(origin: str, keys: MemberKeys, opening: bytes | None) -> MemberLog:
    """A log that was opened with these keys, which may be enrolled."""
    first = KeyEra(key=note_key(origin, keys.log), recovery=keys.recovery)
    return MemberLog(origin=origin, first=keys, keys=keys, opening=opening, eras=Row[KeyEra]().added(first))


def note_key(origin: str, public: bytes) -> VerifierKey:
    """The key of a log's notes."""
    return member_vkey(origin, ED25519, public)


@lru_cache(maxsize=4096)
def member_vkey(name: str, key_type: int, public: bytes) -> VerifierKey:
    """A member's key. Cached because a key is held against the curve each time that a value of it is made."""
    return VerifierKey(name=name, key_type=key_type, public_key=public)
