"""Records: what a holder knows of an agreement, one for each entry whose statement it holds.

The caller has checked the chain, the commitment, the form of the statement and the people's signatures;
what a record *means* for its agreement is decided by `contracts.agreement` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Position: TypeAlias = "tuple[str, int]"
"""Origin of a log and position in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A person's signature that was checked: their organization, key id in hex, and role."""

    organization: str
    person: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entry with its statement. `audience` is None for all members of the network."""

    origin: str
    organization: str
    seq: int
    leaf_hash: bytes
    time_ms: int
    kind: str
    body: Mapping[str, Any]
    audience: tuple[str, ...] | None = None
    signatures: tuple[Signature, ...] = ()

    def signed_by_own(self) -> bool:
        """Whether a person of the statement's organization signed it."""
        return any(signature.organization == self.organization for signature in self.signatures)

    @property
    def position(self) -> Position:
        """Where the entry stands."""
        return self.origin, self.seq

    def reaches(self, organizations: tuple[str, ...]) -> bool:
        """Whether all these organizations may know the statement; its author always does."""
        if self.audience is None:
            return True
        return set(organizations) <= {*self.audience, self.organization}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a replay asks about the network, which its records do not tell.

    Two ask of the network as it was at a time in milliseconds. `head` reads a signed note of an
    organization's log: the log's origin and the note's size, or None where it is not signed by that log or
    not witnessed. `enough` says whether organizations are more than half of the network's members other
    than the first one named.

    `lacks` asks of the copies that the holder has: None where the log is here up to a note, else the root
    that the note tells. What it says never decides who keeps the time, only whether it can be checked here.
    """

    head: Callable[[str, str, int], Position | None]
    enough: Callable[[str, frozenset[str], int], bool]
    lacks: Callable[[str], bytes | None] = lambda note: None


def _no_head(note: str, organization: str, time_ms: int) -> Position | None:
    return None


def _never_enough(replaced: str, organizations: frozenset[str], time_ms: int) -> bool:
    return False


NOTHING_OUTSIDE = Outside(head=_no_head, enough=_never_enough)
"""For those who know no network: no timekeeper is ever replaced."""


def log_order(record: Record) -> tuple[int, str, int]:
    """Orders the entries of one organization: its logs by their number, then by position."""
    return len(record.origin), record.origin, record.seq
