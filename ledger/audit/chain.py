"""One range of a log's entries: form, position, chain, and its part of the tree.

The fast way compares whole batches (`read_run`). Where something does not fit, the range is examined
entry by entry. Each entry's hash stands in the entry after it, so the chain itself says what a changed
entry's hash was, and the tree can be computed with that: if its root is the signed one, everything else is
as it was signed, and exactly the named entry was changed.

Which of two entries was changed, when the later does not name the earlier's hash:

1. whatever is remembered of their hashes (tiles, an index) decides
2. an entry that fits neither side had its own link changed
3. otherwise the earlier one was changed

Where the later one is the log's last, nothing tells the second case from the third but the signed root: a
second `Reading` of the range goes along, and the one that has the root counts. That of the last entry no
entry names: if everything else fits and the root does not, it is the last that was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from ledger.audit.finding import Finding, Findings, finding_of
from ledger.audit.source import BulkSource, LogSource, Range, Run
from ledger.errors import TallyError, short
from ledger.log.entry import HASH_BYTES, Entry, format_entry, leaf_hash, parse_entry, read_run
from ledger.log.intake import OPENING_KIND
from ledger.log.origin import parse_origin
from ledger.log.tree import Frontier

_RESTORE = "compare with a partner's copy of this log, and restore the home from a backup"
_OPENING = b"\xa8" + OPENING_KIND.encode()
_TIMED = (b"\xa7counted", b"\xa4tick")
_TIMED_KINDS = frozenset({"counted", "tick"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """First and last time of the entries in a range whose times must not fall."""

    first: int
    first_at: int
    last: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Another way to read a range: the tree as it would have been signed, and what is wrong instead."""

    frontier: Frontier
    finding: Finding


@dataclass(slots=True, kw_only=True)
class Chain:
    """What a range holds. `entries` are those that are whole and in their place, by position.

    `top` is the position after the last of them; `leaves` the hashes from the range's start to `top`, as
    they were signed as far as that is known, or None where one is unknown; `kinds` those that occur.
    """

    top: int
    entries: Mapping[int, bytes]
    kinds: Set[str]
    leaves: Sequence[bytes] | None
    levels: Sequence[Sequence[bytes]] = ()
    frontier: Frontier | None = None
    first_prev: bytes | None = None
    times: Times | None = None
    findings: Findings = field(default_factory=Findings)
    other: Reading | None = None


def read_chain(source: LogSource, span: Range, network: bytes | None) -> Chain:
    """Check the entries of a range. `network` is the id that entry 0 must name, where it is known.

    The link into the range and the one out of it are looked at here as well, so that ranges need not wait
    for each other.
    """
    chain = _read_whole(source, span, network)
    if chain is None:
        chain = _examine(source, span, network)
    if chain.leaves is not None:
        chain.frontier, chain.levels = Frontier().grow(chain.leaves)
    if span.start == 0 or OPENING_KIND in chain.kinds:
        _check_openings(source.origin, chain)
    if _TIMED_KINDS & chain.kinds:
        _check_times(source.origin, chain)
    return chain


def names_network(origin: str, network: bytes) -> bool:
    """Whether an id is of the network in a log's name."""
    return network[:8].hex() == parse_origin(origin).network


def locate_changed(source: LogSource, span: Range, chain: Chain) -> int | None:
    """The first entry of a range whose hash is not the remembered one."""
    remembered = source.remembered(span.start, chain.top)
    for seq, data in chain.entries.items():
        known = remembered.get(seq)
        if known is not None and not leaf_hash(data).startswith(known):
            return seq
    return None


def changed_entry(origin: str, seq: int, found: bytes, expected: bytes | None) -> Finding:
    """The finding of an entry that is not the one that was signed."""
    return Finding(
        code="chain-changed",
        log=origin,
        position=seq,
        found=f"an entry with hash {short(found)}",
        expected=f"hash {short(expected)}" if expected else "the entry that was signed",
        signer=origin,
        action=_RESTORE,
    )


def _read_run(source: LogSource, start: int, end: int) -> list[bytes] | None:
    """The entries from `start` on, or None where there is a gap in them."""
    if isinstance(source, BulkSource):
        run = source.entry_run(start, end)
        if run is not None:
            return run
    rows = source.entries(start, end)
    if [seq for seq, _ in rows] != list(range(start, start + len(rows))):
        return None
    return [entry for _, entry in rows]


def _read_whole(source: LogSource, span: Range, network: bytes | None) -> Chain | None:
    """The range if nothing is wrong with it, or None."""
    first = max(0, span.start - 1)
    data = _read_run(source, first, span.end + 1)
    if data is None:
        return None
    before = data[: span.start - first]
    inside = data[len(before) : span.end - first]
    after = data[span.end - first :]
    if not inside or len(before) != span.start - first:
        return None if data or span.start == 0 else Chain(top=span.start, entries={}, kinds=set(), leaves=[])
    try:
        first_prev = parse_entry(inside[0]).prev
        if span.start == 0:
            prev = first_prev if network is None else network
            if network is None and not names_network(source.origin, prev):
                return None
        else:
            prev = leaf_hash(before[0])
        run = read_run(source.origin, inside, start=span.start, prev=prev)
        if after and parse_entry(after[0]).prev != run.hashes[-1]:
            return None
    except TallyError:
        return None
    top = span.start + len(inside)
    return Chain(
        top=top,
        entries=Run(span.start, inside),
        kinds=run.kinds,
        leaves=run.hashes,
        first_prev=first_prev,
    )


@dataclass(slots=True)
class _Window:
    """A range and two entries on each side, taken apart one by one."""

    origin: str
    data: dict[int, bytes]
    remembered: dict[int, bytes]
    network: bytes | None
    parsed: dict[int, Entry] = field(default_factory=dict)
    errors: dict[int, Finding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for seq, data in self.data.items():
            where = f"{self.origin} entry {seq}"
            try:
                entry = parse_entry(data, where)
            except TallyError as error:
                self.errors[seq] = finding_of(
                    "chain-malformed",
                    error,
                    log=self.origin,
                    position=seq,
                    signer=self.origin,
                    action=_RESTORE,
                )
                continue
            if entry.seq == seq:
                self.parsed[seq] = entry
            else:
                self.errors[seq] = Finding(
                    code="chain-misplaced",
                    log=self.origin,
                    position=seq,
                    found=f"an entry for position {entry.seq}",
                    expected=f"position {seq}",
                    signer=self.origin,
                    action=_RESTORE,
                )

    def is_broken(self, seq: int) -> bool:
        """Whether entry `seq` + 1 names another hash than that of entry `seq`."""
        after = self.parsed.get(seq + 1)
        if after is None:
            return False
        if seq < 0:
            return not self._names_network(after.prev)
        return seq in self.parsed and after.prev != leaf_hash(self.data[seq])

    def is_changed(self, seq: int) -> bool:
        """Whether entry `seq`, well-formed and in its place, is to blame for a link that is broken."""
        return any(self.is_broken(link) and seq in self.blamed(link) for link in (seq - 1, seq))

    def blamed(self, seq: int) -> tuple[int, ...]:
        """Who is to blame for the broken link from entry `seq` to the next."""
        verdicts = {at: self._matches(at) for at in (seq, seq + 1)}
        wrong = tuple(at for at, matches in verdicts.items() if matches is False)
        if wrong:
            return wrong
        if verdicts[seq + 1] or verdicts[seq]:
            return (seq,) if verdicts[seq + 1] and seq >= 0 else (seq + 1,)
        if self.is_broken(seq + 1) or seq < 0:
            return (seq + 1,)
        return (seq,)

    def expected_leaf(self, seq: int) -> bytes | None:
        """The hash that an entry had when it was signed, as far as the entry after it tells."""
        known = self.remembered.get(seq, b"")
        if len(known) == HASH_BYTES:
            return known
        after = self.parsed.get(seq + 1)
        return after.prev if after is not None and not self.is_changed(seq + 1) else None

    def _matches(self, seq: int) -> bool | None:
        """Whether an entry's hash is the remembered one; None where none is remembered."""
        known = self.remembered.get(seq)
        if known is None or seq not in self.data:
            return None
        return leaf_hash(self.data[seq]).startswith(known)

    def _names_network(self, prev: bytes) -> bool:
        return names_network(self.origin, prev) if self.network is None else prev == self.network


def _examine(source: LogSource, span: Range, network: bytes | None) -> Chain:
    """The range, entry by entry."""
    low, high = max(0, span.start - 2), span.end + 2
    window = _Window(source.origin, dict(source.entries(low, high)), source.remembered(low, high), network)
    inside = [seq for seq in window.parsed if span.start <= seq < span.end]
    # Entries that only stand out of place do not make the log longer; a broken last one does.
    broken = [
        seq
        for seq, finding in window.errors.items()
        if span.start <= seq < span.end and finding.code == "chain-malformed"
    ]
    top = max([span.start - 1, *inside, *broken]) + 1
    if any(seq >= span.end for seq in window.parsed):
        top = span.end
    chain = Chain(
        top=top,
        entries={seq: window.data[seq] for seq in inside},
        kinds={window.parsed[seq].kind for seq in inside},
        leaves=None,
    )
    leaves: list[bytes | None] = []
    for seq in range(span.start, top):
        finding = _verdict(window, seq)
        if finding is not None:
            chain.findings.add(finding)
            leaves.append(window.expected_leaf(seq))
        elif seq in window.data:
            leaves.append(leaf_hash(window.data[seq]))
        else:
            leaves.append(window.expected_leaf(seq))
    for gap in _gaps(window, span.start, top):
        chain.findings.add(gap)
    chain.findings.extend(f for seq, f in sorted(window.errors.items()) if top <= seq < span.end)
    known = [leaf for leaf in leaves if leaf is not None]
    chain.leaves = known if len(known) == len(leaves) else None
    chain.other = _other_reading(window, chain, span)
    return chain


def _other_reading(window: _Window, chain: Chain, span: Range) -> Reading | None:
    """The range read as if not the entry before the last was changed, but the last one's link."""
    last = chain.top - 1
    before = window.data.get(last - 1)
    undecided = (
        chain.leaves is not None
        and span.start < last < span.end
        and before is not None
        and window.is_broken(last - 1)
        and window.blamed(last - 1) == (last - 1,)
        and last - 1 not in window.remembered
    )
    if not undecided or chain.leaves is None or before is None:
        return None
    mended = leaf_hash(format_entry(replace(window.parsed[last], prev=leaf_hash(before))))
    leaves = [*chain.leaves[:-2], leaf_hash(before), mended]
    finding = changed_entry(window.origin, last, leaf_hash(window.data[last]), mended)
    return Reading(Frontier().extended(leaves), finding)


def _verdict(window: _Window, seq: int) -> Finding | None:
    if seq in window.errors:
        return window.errors[seq]
    if seq in window.parsed and window.is_changed(seq):
        return changed_entry(window.origin, seq, leaf_hash(window.data[seq]), window.expected_leaf(seq))
    return None


def _gaps(window: _Window, start: int, top: int) -> Iterator[Finding]:
    """Runs of positions at which there is nothing."""
    first = None
    for seq in range(start, top + 1):
        absent = seq < top and seq not in window.data
        if absent and first is None:
            first = seq
        elif not absent and first is not None:
            yield missing_entries(window.origin, first, seq)
            first = None


def missing_entries(origin: str, start: int, end: int) -> Finding:
    """The finding of entries from `start` to before `end` that are not there."""
    return Finding(
        code="chain-missing",
        log=origin,
        position=start,
        found="no entry" if end - start == 1 else f"no entries {start} to {end - 1}",
        expected="every position up to the signed size",
        signer=origin,
        action="fetch the missing entries from a partner, or restore the home from a backup",
    )


def _check_openings(origin: str, chain: Chain) -> None:
    """Entry 0 opens the log, and no other does."""
    suspects = [seq for seq, data in chain.entries.items() if seq == 0 or _OPENING in data]
    for seq in suspects:
        kind = parse_entry(chain.entries[seq]).kind
        if (kind == OPENING_KIND) != (seq == 0):
            chain.findings.add(
                Finding(
                    code="chain-opening",
                    log=origin,
                    position=seq,
                    found=f"kind {kind}",
                    expected=f"{OPENING_KIND} at position 0 and nowhere else",
                    signer=origin,
                    action="do not rely on this log",
                )
            )


def _check_times(origin: str, chain: Chain) -> None:
    """The times of `counted` and `tick` entries never fall."""
    last = None
    for seq, data in chain.entries.items():
        if _TIMED[0] not in data and _TIMED[1] not in data:
            continue
        entry = parse_entry(data)
        if entry.kind not in _TIMED_KINDS:
            continue
        if last is None:
            last = Times(first=entry.time_ms, first_at=seq, last=entry.time_ms)
        else:
            if entry.time_ms < last.last:
                chain.findings.add(fallen_time(origin, seq, entry.time_ms, last.last))
            last = Times(first=last.first, first_at=last.first_at, last=max(last.last, entry.time_ms))
    chain.times = last


def fallen_time(origin: str, seq: int, time_ms: int, before_ms: int) -> Finding:
    """The finding of a counting time below one before it."""
    return Finding(
        code="counted-time",
        log=origin,
        position=seq,
        found=f"time {time_ms}",
        expected=f"at least {before_ms}, the time of an entry before it",
        signer=origin,
        action="do not rely on what this timekeeper counted from here on",
    )
