"""Findings: what an audit reports. Each sort has a stable code, explained in docs/findings.md.

A finding says where it is, what was expected and found, whose signature stands for it, and one thing to
do. What could not be checked is no finding: it is an `Unchecked`, with its reason and how often it occurs.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ledger.errors import TallyError

MAX_FINDINGS = 1000
"""Of one log are listed; the others are counted. A log that is wrong everywhere must not fill memory."""


class Sort(enum.StrEnum):
    """What a finding comes to; the exit code of `tally verify` follows the worst."""

    INVALID = "invalid"
    FORK = "fork"
    GAP = "gap"
    ROLLBACK = "rollback"


CODES: dict[str, Sort] = {
    "bundle-form": Sort.INVALID,
    "bundle-link": Sort.INVALID,
    "bundle-network": Sort.INVALID,
    "bundle-proof": Sort.INVALID,
    "chain-changed": Sort.INVALID,
    "chain-malformed": Sort.INVALID,
    "chain-misplaced": Sort.INVALID,
    "chain-missing": Sort.GAP,
    "chain-opening": Sort.INVALID,
    "copy-fork": Sort.FORK,
    "counted-time": Sort.INVALID,
    "database-damaged": Sort.INVALID,
    "database-log": Sort.INVALID,
    "database-table": Sort.INVALID,
    "database-witness": Sort.INVALID,
    "decision-differs": Sort.INVALID,
    "decision-parties": Sort.INVALID,
    "document-form": Sort.INVALID,
    "event-form": Sort.INVALID,
    "event-hash": Sort.INVALID,
    "evidence-fork": Sort.FORK,
    "evidence-unproven": Sort.INVALID,
    "evidence-witness": Sort.FORK,
    "head-fork": Sort.FORK,
    "head-older": Sort.ROLLBACK,
    "head-signature": Sort.INVALID,
    "member-opening": Sort.INVALID,
    "member-other-log": Sort.FORK,
    "member-stranger": Sort.INVALID,
    "note-cosignature": Sort.INVALID,
    "note-fork": Sort.FORK,
    "note-malformed": Sort.INVALID,
    "note-missing": Sort.INVALID,
    "note-place": Sort.INVALID,
    "note-proof": Sort.INVALID,
    "note-quorum": Sort.INVALID,
    "note-root": Sort.INVALID,
    "note-signature": Sort.INVALID,
    "note-stranger": Sort.INVALID,
    "note-superseded": Sort.INVALID,
    "opening-pin": Sort.INVALID,
    "opening-recovery": Sort.INVALID,
    "payload-changed": Sort.INVALID,
    "payload-form": Sort.INVALID,
    "payload-lost": Sort.INVALID,
    "payload-stray": Sort.INVALID,
    "person-signature": Sort.INVALID,
    "place-changed": Sort.INVALID,
    "place-older": Sort.ROLLBACK,
    "receipt": Sort.INVALID,
    "rotation": Sort.INVALID,
    "range-root": Sort.INVALID,
    "tile-differs": Sort.INVALID,
    "time-early": Sort.INVALID,
    "time-late": Sort.INVALID,
}
"""Every code, with what it comes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold. `position` is None where it concerns a whole log (or, without `log`, a
    whole home or file); `place` names it more closely; `signer` is the key that stands for it, or empty."""

    code: str
    log: str = ""
    position: int | None = None
    place: str = ""
    found: str
    expected: str = ""
    signer: str = ""
    action: str = ""

    @property
    def sort(self) -> Sort:
        """What it comes to."""
        return CODES[self.code]

    @property
    def where(self) -> str:
        """The place in words, as errors say it."""
        entry = "" if self.position is None else f"entry {self.position}"
        return " ".join(part for part in (self.log, entry, self.place) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """Something that could not be checked: of which log, why, how often, and at which position first.

    `harmless` where this is how things are meant to be, such as payloads for other eyes.
    """

    what: str
    log: str = ""
    count: int = 1
    first: int | None = None
    harmless: bool = False


@dataclass(slots=True)
class Findings:
    """A list that stops growing: the first `MAX_FINDINGS`, and how many came after.

    What comes later and is graver takes the place of what is merely invalid: many small faults hide no fork.
    """

    listed: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, finding: Finding) -> None:
        """Take one more."""
        if len(self.listed) >= MAX_FINDINGS:
            self.more += 1
            mild = None if finding.sort is Sort.INVALID else self._last_mild()
            if mild is None:
                return
            self.listed.pop(mild)
        self.listed.append(finding)

    def _last_mild(self) -> int | None:
        places = range(len(self.listed) - 1, -1, -1)
        return next((place for place in places if self.listed[place].sort is Sort.INVALID), None)

    def replace(self, finding: Finding) -> None:
        """Take one more in the place of that at the position before it."""
        before = (finding.code, finding.log, (finding.position or 0) - 1)
        kept = [item for item in self.listed if (item.code, item.log, item.position) != before]
        self.listed = [*kept, finding]

    def extend(self, findings: Iterable[Finding], more: int = 0) -> None:
        """Take several, and the number of those that another list left out."""
        for finding in findings:
            self.add(finding)
        self.more += more

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed) + self.more


def finding_of(
    code: str,
    error: TallyError,
    *,
    log: str = "",
    position: int | None = None,
    place: str = "",
    signer: str = "",
    action: str = "",
) -> Finding:
    """A failed check as a finding. What the error says beyond log and position goes into the place."""
    if not place:
        known = f"{log} entry {position}" if position is not None else log
        place = error.where.removeprefix(known).strip(" ,") if known else error.where
    return Finding(
        code=code,
        log=log,
        position=position,
        place=place,
        found=error.found,
        expected=error.expected,
        signer=signer,
        action=error.action or action,
    )


def worst(sorts: Iterable[Sort]) -> Sort | None:
    """The gravest: a fork before a rollback, a gap, and anything else that is invalid; None of nothing."""
    found = set(sorts)
    return next((sort for sort in (Sort.FORK, Sort.ROLLBACK, Sort.GAP, Sort.INVALID) if sort in found), None)
