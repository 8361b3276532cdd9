"""Times within their proven bounds: what an entry says of its own time, against what others signed.

An entry's time is its author's claim. Two things bound it, each by more than half of the witness set of its
log, so that at least one witness that tells the truth stands behind the bound:

- *Not after*: a signed head covers it, and the witnesses cosigned that head. The bound is the time at which
  the last of more than half of them had.
- *Not before*: an entry before it in its log (kind `seen`) holds cosignatures by these witnesses. Of each
  witness the newest counts; the bound is the time that more than half of them had reached.

Clocks differ: a claim counts as outside of its bounds only by more than `TOLERANCE_MS`.

Of a range only the earliest and latest time between two places at which a bound changes are kept, so that
what is remembered grows with the signed heads that are kept, not with the entries. Whose cosignatures count
may stand in logs that are read later: so claims are judged when all are read. Until then it is noted where
the log recorded cosignatures, and which claims lie before the newest time that any line there says, checked
or not: no others can be too early. Those few are held against the statements, read once more.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ledger.audit.finding import Finding
from ledger.audit.payloads import Kept, read_kept
from ledger.audit.source import KeptNote
from ledger.errors import TallyError
from ledger.log.bounds import Enough, newest_said, not_after, not_before, recorded_times
from ledger.log.entry import entry_times
from ledger.log.note import VerifierKey
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement
from ledger.members.roster import Roster
from ledger.members.witnessing import cosigners, witness_named

TOLERANCE_MS = 10 * 60 * 1000
"""How far clocks may differ: a node stops writing where its own is off by half of that."""

MAX_SUSPECTS = 65_536
"""Claims of one log that may be too early and are remembered; what comes after is said to be unchecked."""

MAX_CUTS = 512
"""Places of one range at which a bound may change; those after them wait for the end of the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The times that the entries from `start` to before `end` claim: the earliest, the latest, and where."""

    start: int
    end: int
    earliest_ms: int
    earliest_at: int
    latest_ms: int
    latest_at: int

    def joined(self, later: Claims) -> Claims:
        """Both runs as one."""
        first = self if self.earliest_ms <= later.earliest_ms else later
        last = self if self.latest_ms >= later.latest_ms else later
        return replace(
            self,
            end=later.end,
            earliest_ms=first.earliest_ms,
            earliest_at=first.earliest_at,
            latest_ms=last.latest_ms,
            latest_at=last.latest_at,
        )


def read_claims(entries: Mapping[int, bytes], start: int, end: int, cuts: Iterable[int]) -> list[Claims]:
    """What the entries of a range claim, cut where a bound may change."""
    inside = sorted({cut for cut in cuts if start < cut < end})[:MAX_CUTS]
    found = []
    for low, high in pairwise([start, *inside, end]):
        run = [(seq, entries[seq]) for seq in range(low, high) if seq in entries]
        if not run:
            continue
        times = entry_times([data for _, data in run])
        earliest, latest = min(times), max(times)
        found.append(
            Claims(
                start=low,
                end=high,
                earliest_ms=earliest,
                earliest_at=run[times.index(earliest)][0],
                latest_ms=latest,
                latest_at=run[times.index(latest)][0],
            )
        )
    return found


@dataclass(slots=True)
class Bounds:
    """The bounds of one log, as its ranges are joined in order."""

    origin: str
    sizes: Sequence[int]
    """Sizes of the signed heads that are kept, smallest first."""
    waiting: dict[int, Claims] = field(default_factory=dict)
    """By the number of kept heads that do not cover them: the claims that these heads bound."""
    recorded: array[int] = field(default_factory=lambda: array("Q"))
    """Positions of the statements that recorded cosignatures."""
    newest_s: int = 0
    """The newest time that a line in them says."""
    suspects: list[tuple[int, int, int]] = field(default_factory=list)
    """Start, earliest time and its position, of claims before that time."""
    unjudged: int | None = None
    """The position of the first claims that may be too early and are not remembered."""

    def take_claims(self, claims: Claims) -> None:
        """Keep claims for the heads that cover them, and where they may be earlier than they can be."""
        at = bisect_left(self.sizes, claims.end)
        if at < len(self.sizes):
            known = self.waiting.get(at)
            self.waiting[at] = claims if known is None else known.joined(claims)
        if claims.earliest_ms + TOLERANCE_MS >= self.newest_s * 1000:
            return
        if len(self.suspects) < MAX_SUSPECTS:
            self.suspects.append((claims.start, claims.earliest_ms, claims.earliest_at))
        elif self.unjudged is None:
            self.unjudged = claims.start

    def take_kept(self, kept: Kept) -> None:
        """Note a statement that was checked, if it recorded cosignatures."""
        if not may_be_seen(kept):
            return
        statement = read_kept(kept, self.origin)
        if statement.kind != _SEEN:
            return
        self.recorded.append(kept.seq)
        self.newest_s = max(self.newest_s, newest_said(statement.texts("heads")))

    def check_recorded(self, roster: Roster | None, read: Callable[[int], Statement]) -> list[Finding]:
        """Hold claims against what their log had recorded before them; `read` gives a statement again."""
        if roster is None:
            return []
        keys, enough = _witness_keys(roster, self.origin), _enough(roster, self.origin)
        seen_s: dict[str, int] = {}
        findings, at = [], 0
        for start, earliest_ms, earliest_at in self.suspects:
            while at < len(self.recorded) and self.recorded[at] < start:
                for key, time_s in recorded_times(read(self.recorded[at]).texts("heads"), keys).items():
                    name = witness_named(key.name)
                    seen_s[name] = max(time_s, seen_s.get(name, 0))
                at += 1
            bound_s = not_before(seen_s, enough)
            if bound_s is not None and earliest_ms + TOLERANCE_MS < bound_s * 1000:
                findings.append(_too_early(self.origin, earliest_ms, earliest_at, bound_s))
        return findings

    def check_heads(self, notes: Iterable[KeptNote], roster: Roster | None) -> list[Finding]:
        """Hold the claims against the cosignatures of the heads that cover them."""
        bound_s = {note.size: _witnessed_at(self.origin, note, roster) for note in notes}
        findings = []
        for at, claims in sorted(self.waiting.items()):
            known = [(bound_s.get(size), size) for size in self.sizes[at:]]
            found = min(((time_s, size) for time_s, size in known if time_s is not None), default=None)
            if found is None or claims.latest_ms <= found[0] * 1000 + TOLERANCE_MS:
                continue
            findings.append(
                Finding(
                    code="time-late",
                    log=self.origin,
                    position=claims.latest_at,
                    found=f"time {claims.latest_ms}",
                    expected=f"at most {found[0] * 1000}: by then the head of size {found[1]} was witnessed",
                    signer=self.origin,
                    action=_ASK,
                )
            )
        return findings


def _too_early(origin: str, time_ms: int, position: int, bound_s: int) -> Finding:
    return Finding(
        code="time-early",
        log=origin,
        position=position,
        found=f"time {time_ms}",
        expected=f"at least {bound_s * 1000}: cosignatures of that time are in an entry before it",
        signer=origin,
        action=_ASK,
    )


def _enough(roster: Roster, origin: str) -> Enough:
    """Whether organizations are more than half of a log's witness set."""
    writer = parse_origin(origin).organization
    witnesses, needed = set(roster.witnesses(writer)), roster.witnesses_needed(writer)
    return lambda names: len(witnesses.intersection(names)) >= needed


def _witness_keys(roster: Roster, origin: str) -> dict[VerifierKey, int | None]:
    """The keys of a log's witnesses, each with the second from which on it counts no more."""
    return {
        era.key: None if era.superseded_ms is None else era.superseded_ms // 1000
        for name in roster.witnesses(parse_origin(origin).organization)
        for era in roster.witness_keys(name)
    }


_SEEN = "seen"
_SEEN_FIELD = b"\xa4kind\xa4seen"
_ASK = "do not rely on this time; ask whose clock was wrong, the log's or that of its witnesses"


def may_be_seen(kept: Kept) -> bool:
    """Whether a statement may be of kind `seen`; spares reading those that are not."""
    return _SEEN_FIELD in kept.payload


def is_bounded(notes: Iterable[KeptNote], roster: Roster | None) -> bool:
    """Whether anybody else may have signed a time for this log."""
    return (roster is not None and len(roster.members) > 1) or any(
        note.note.count("\n— ".encode()) > 1 for note in notes
    )


def _witnessed_at(origin: str, note: KeptNote, roster: Roster | None) -> int | None:
    """The second by which more than half of the witness set had cosigned a head, if they have."""
    if roster is None:
        return None
    try:
        times = cosigners(roster, note.note.decode())
    except (TallyError, UnicodeDecodeError):  # said elsewhere: `note-malformed`
        return None
    return not_after(times, _enough(roster, origin))
