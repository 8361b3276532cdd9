"""The audit of one log: ranges are checked independently of each other, then joined.

    audit = audit_log(source, Known(...), run=map)
    whole = judged(audit, source, audit.roster)

`check_range` does the work of one range and knows nothing of the others, so `run` may be `map`, or the map
of a pool of processes: it is one code path. What the joining adds: gaps between ranges, the root over all,
signed notes, and what statements say about members, in order of position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from ledger.audit.chain import (
    Reading,
    changed_entry,
    fallen_time,
    locate_changed,
    missing_entries,
    read_chain,
)
from ledger.audit.finding import Finding, Findings, Unchecked
from ledger.audit.later import Later, judge_later
from ledger.audit.members import Heads, Known, Standing, take_statement
from ledger.audit.notes import NotesAudit, Stranger, check_roots, check_signatures, other_root
from ledger.audit.payloads import Rule
from ledger.audit.ranges import Depth, RangeResult, RangeWork
from ledger.audit.rules import RULES
from ledger.audit.source import RANGE_ENTRIES, KeptNote, LogSource, Range, plan_ranges, read_statement
from ledger.audit.times import Bounds, is_bounded
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.tree import Frontier
from ledger.members.roster import Roster


class Run(Protocol):
    """How ranges are worked through: `map`, or something that gives the same in the same order."""

    def __call__(self, work: RangeWork, ranges: Iterable[Range], /) -> Iterable[RangeResult]:
        """The results, in the order of the ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much was checked and held or did not."""

    entries: int = 0
    payloads: int = 0
    payload_bytes: int = 0
    events: int = 0
    notes: int = 0
    signatures: int = 0
    cosignatures: int = 0
    person_signatures: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


def counts_of(result: RangeResult) -> Counts:
    """How much was checked in a range."""
    return Counts(
        entries=result.present,
        payloads=result.payloads.checked,
        payload_bytes=result.payloads.bytes,
        events=result.payloads.events,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAudit:
    """What an audit of a log found. `root` is of the tree over its entries, None where it is unknown."""

    origin: str
    size: int
    root: bytes | None
    counts: Counts
    findings: Findings
    unchecked: tuple[Unchecked, ...]
    roster: Roster | None = None
    heads: Heads = field(default_factory=Heads)
    strangers: tuple[Stranger, ...] = ()
    roots: Mapping[int, bytes] = field(default_factory=dict)
    """Roots at the sizes of signed notes, and at those that were asked for."""
    later: Later | None = None
    """What is to be judged when every log was read; None where it is done."""


def judged(audit: LogAudit, source: LogSource, roster: Roster | None) -> LogAudit:
    """An audit of a log with what is judged last, by these members."""
    if audit.later is None:
        return audit
    findings, unchecked = judge_later(audit.later, roster, partial(read_statement, source))
    audit.findings.extend(findings)
    return replace(audit, unchecked=(*audit.unchecked, *unchecked), later=None)


def audit_log(
    source: LogSource,
    known: Known,
    *,
    run: Run = map,
    rules: Mapping[str, Rule] | None = RULES,
    sizes: Iterable[int] = (),
    progress: Callable[[int], None] = lambda entries: None,
) -> LogAudit:
    """Check everything of one log but what is judged last, by `judged`: that may need other logs.

    `rules` are those of statements by kind; None leaves payloads out. `sizes` are those of heads whose roots
    are wanted. `progress` hears of entries done.
    """
    joining = _Joining(source, known, rules)
    ranges = plan_ranges(source.count())
    depth = Depth(
        network=known.network,
        sizes=tuple(sorted({*sizes, *(note.size for note in source.notes())})),
        rules=rules if source.holds_payloads else None,
        timed=is_bounded(source.notes(), known.roster),
    )
    for result in run(RangeWork(source, depth), ranges):
        joining.take(result)
        progress(result.present)
    return joining.finish(ranges, depth)


class _Joining:
    """Results in the order of their ranges, and what follows from them together."""

    def __init__(self, source: LogSource, known: Known, rules: Mapping[str, Rule] | None) -> None:
        self._source = source
        self._known = known
        self._with_payloads = rules is not None and source.holds_payloads
        self._standing = Standing(known=known, origin=source.origin)
        self._bounds = Bounds(source.origin, sorted({note.size for note in source.notes()}))
        self._findings = Findings()
        self._counts = Counts()
        self._tops: Frontier | None = Frontier()
        self._last: Frontier | None = Frontier()
        self._frontiers: dict[int, Frontier] = {0: Frontier()}
        self._other: Reading | None = None
        self._size = 0
        self._time: int | None = None
        self._missing_payloads = 0
        self._unknown_kinds = 0

    def take(self, result: RangeResult) -> None:
        """Join the next range."""
        self._join_tree(result)
        self._findings.extend(result.findings, result.findings.more)
        self._findings.extend(result.payloads.findings, result.payloads.findings.more)
        self._standing.damaged |= {f.position for f in self._findings if f.position is not None}
        self._standing.take_lacking(result.payloads.lacking)
        if result.times is not None:
            if self._time is not None and result.times.first < self._time:
                at = result.times.first_at
                self._findings.add(fallen_time(self._source.origin, at, result.times.first, self._time))
            self._time = max(result.times.last, self._time or 0)
        claims = list(result.claims)
        for kept in result.payloads.kept:
            # What an entry recorded bounds the times of those after it.
            while claims and claims[0].start <= kept.seq:
                self._bounds.take_claims(claims.pop(0))
            take_statement(
                self._standing,
                kept,
                leaf=result.leaves[kept.seq],
                time_ms=result.stated_ms[kept.seq],
                network=result.first_prev,
            )
            self._bounds.take_kept(kept)
        for left in claims:
            self._bounds.take_claims(left)
        self._missing_payloads += result.present - result.payloads.checked
        self._unknown_kinds += result.payloads.unknown_kinds
        self._counts = self._counts.plus(counts_of(result))

    def _join_tree(self, result: RangeResult) -> None:
        start = result.span.start
        if result.top == start:
            return
        if self._size < start:
            self._findings.add(missing_entries(self._source.origin, self._size, start))
            self._tops = None
        elif self._last is not None and self._tops is not None and self._size:
            self._tops = self._tops.extended([self._last.root()])
        elif self._size:
            self._tops = None
        self._last = result.frontier
        self._size = result.top
        self._other = result.other
        for size, frontier in result.frontiers.items():
            joined = self._joined(size, frontier)
            if joined is not None:
                self._frontiers[size] = joined

    def _joined(self, size: int, last: Frontier | None) -> Frontier | None:
        """The frontier of the whole log up to `size`, which lies in the range that was taken last."""
        if self._tops is None or last is None:
            return None
        if last.size == RANGE_ENTRIES:
            return Frontier(size, self._tops.extended([last.root()]).peaks)
        return Frontier(size, (*self._tops.peaks, *last.peaks))

    def finish(self, ranges: Sequence[Range], depth: Depth) -> LogAudit:
        """What is left when all ranges are joined."""
        source = self._source
        self._check_strays()
        tree = self._joined(self._size, self._last)
        kept = source.notes()
        notes = check_signatures(source.origin, kept, self._standing.note_keys())
        unchecked = list(notes.unchecked)
        if tree is None:
            unchecked.append(
                Unchecked(
                    what="the tree over the entries, since some are missing or broken", log=source.origin
                )
            )
        else:
            self._check_roots(kept, notes, tree, ranges, depth)
        self._findings.extend(notes.findings, notes.findings.more)
        self._note_beyond()
        self._standing.finish()
        self._findings.extend(self._standing.findings, self._standing.findings.more)
        return LogAudit(
            origin=source.origin,
            size=self._size,
            root=None if tree is None else tree.root(),
            counts=self._counts.plus(
                Counts(
                    notes=len(kept),
                    signatures=notes.signatures,
                    cosignatures=notes.cosignatures,
                    person_signatures=self._standing.person_signatures,
                )
            ),
            findings=self._findings,
            unchecked=(*unchecked, *self._standing.unchecked, *self._payloads_unchecked()),
            roster=self._standing.roster,
            heads=self._standing.heads,
            strangers=tuple(notes.strangers),
            roots={size: frontier.root() for size, frontier in self._frontiers.items()},
            later=Later(
                bounds=self._bounds,
                notes=kept,
                evidence=self._standing.evidence,
                more_evidence=self._standing.more_evidence,
                cosigned=notes.cosigned,
            ),
        )

    def _note_beyond(self) -> None:
        """Say what lies beyond the pin at which a later log ended this one."""
        roster, origin = self._standing.roster, self._source.origin
        end = roster.end_of(origin) if roster else None
        if end is not None and self._size > end.size:
            text = "entries beyond the end of the log, which a later one pinned: they count for nothing"
            self._standing.unchecked.append(
                Unchecked(what=text, log=origin, count=self._size - end.size, first=end.size, harmless=True)
            )

    def _payloads_unchecked(self) -> list[Unchecked]:
        origin = self._source.origin
        if not self._with_payloads:
            text = "payloads, of which tiles hold none" if not self._source.holds_payloads else "payloads"
            return [Unchecked(what=text, log=origin, count=self._counts.entries, harmless=True)]
        unchecked: list[Unchecked] = []
        if self._missing_payloads:
            text = (
                "payloads that are erased or lost"
                if self._known.own
                else "payloads that are not here: for other eyes, erased, or not fetched yet"
            )
            unchecked.append(Unchecked(what=text, log=origin, count=self._missing_payloads, harmless=True))
        if self._unknown_kinds:
            text = "statements of kinds that this version does not know, kept and never interpreted"
            unchecked.append(Unchecked(what=text, log=origin, count=self._unknown_kinds, harmless=True))
        return unchecked

    def _check_strays(self) -> None:
        entries, payloads = self._source.strays()
        for seq in entries:
            self._findings.add(
                Finding(
                    code="chain-misplaced",
                    log=self._source.origin,
                    position=seq,
                    found="an entry",
                    expected=f"none outside of positions 0 to {self._size - 1}",
                    signer=self._source.origin,
                    action="restore the home from a backup",
                )
            )
        for seq in payloads:
            self._findings.add(
                Finding(
                    code="payload-stray",
                    log=self._source.origin,
                    position=seq,
                    found="a payload",
                    expected="payloads of entries that are here",
                    signer=self._source.origin,
                    action="restore the home from a backup",
                )
            )

    def _check_roots(
        self,
        kept: Sequence[KeptNote],
        notes: NotesAudit,
        tree: Frontier,
        ranges: Sequence[Range],
        depth: Depth,
    ) -> None:
        origin = self._source.origin
        different = check_roots(origin, kept, notes, tree, self._frontiers.get, own=self._known.own)
        if not different:
            return
        if self._reread(different, tree.size):
            return
        changed = None if self._blames_an_entry() else self._locate(ranges, depth)
        if changed is not None:
            self._findings.add(changed)
            return
        fitting = max(
            (head.size for head in notes.sound if head.size <= tree.size and head not in different),
            default=-1,
        )
        for head in different:
            found = self._frontiers[head.size].root()
            finding = other_root(origin, head, found, forked=fitting >= head.size)
            if finding.code == "note-fork" or not self._blames_an_entry():
                self._findings.add(finding)

    def _reread(self, different: Sequence[Checkpoint], size: int) -> bool:
        """Whether the other reading of the last range has the signed root; if so it takes its place."""
        other = self._other
        tree = self._joined(size, other.frontier) if other else None
        if other is None or tree is None:
            return False
        if not any(head.size == size and head.root == tree.root() for head in different):
            return False
        self._findings.replace(other.finding)
        return True

    def _blames_an_entry(self) -> bool:
        return any(finding.code.startswith("chain-") for finding in self._findings)

    def _locate(self, ranges: Sequence[Range], depth: Depth) -> Finding | None:
        """The first entry that is not as remembered: links fit, but the root is not the signed one."""
        for span in ranges:
            chain = read_chain(self._source, span, depth.network)
            seq = locate_changed(self._source, span, chain)
            if seq is not None:
                known = self._source.remembered(seq, seq + 1).get(seq)
                return changed_entry(self._source.origin, seq, leaf_hash(chain.entries[seq]), known)
        return None


def roots_at(source: LogSource, sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of a log's tree at these sizes, from the entries themselves, as far as they are there."""
    frontier = Frontier()
    roots: dict[int, bytes] = {}
    for size in sorted(set(sizes)):
        while frontier.size < size:
            end = min(size, frontier.size + RANGE_ENTRIES)
            rows = source.entries(frontier.size, end)
            if [seq for seq, _ in rows] != list(range(frontier.size, end)):
                return roots
            frontier = frontier.extended([leaf_hash(data) for _, data in rows])
        roots[size] = frontier.root()
    return roots
