"""The work of one range of a log, which knows nothing of the others and can be done in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.audit.chain import Chain, Reading, Times, read_chain
from ledger.audit.finding import Finding, Findings
from ledger.audit.payloads import PayloadCounts, Rule, check_payload_run, check_payloads, note_lacking
from ledger.audit.source import BATCH_ENTRIES, BulkSource, LogSource, Range, Run
from ledger.audit.times import Claims, may_be_seen, read_claims
from ledger.errors import short
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.tile import TILE_HASHES, TILE_LEVELS
from ledger.log.tree import HASH_BYTES, Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What is looked at in a range: sizes at which the tree's frontier is wanted, and payloads by whose
    rules, or None for entries and tree alone; `timed`: the times that entries claim."""

    network: bytes | None
    sizes: tuple[int, ...] = ()
    rules: Mapping[str, Rule] | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeResult:
    """What became of one range; small, whatever the range holds."""

    span: Range
    top: int
    present: int
    frontier: Frontier | None
    frontiers: Mapping[int, Frontier]
    other: Reading | None
    first_prev: bytes | None
    leaves: Mapping[int, bytes]
    stated_ms: Mapping[int, int]
    """The times of the entries whose statements are kept."""
    times: Times | None
    claims: tuple[Claims, ...]
    payloads: PayloadCounts
    findings: Findings

    @property
    def is_whole(self) -> bool:
        """Whether every entry of the range is here and nothing is wrong with it."""
        count = self.span.end - self.span.start
        return (
            self.present == count == self.top - self.span.start
            and self.other is None
            and not (len(self.findings) or len(self.payloads.findings))
        )


@dataclass(frozen=True, slots=True)
class RangeWork:
    """What is to be done with each range of a log. It can be handed to another process."""

    source: LogSource
    depth: Depth

    def __call__(self, span: Range) -> RangeResult:
        """Check one range by itself."""
        return check_range(self.source, self.depth, span)


def check_range(source: LogSource, depth: Depth, span: Range) -> RangeResult:
    """Check one range by itself."""
    chain = read_chain(source, span, depth.network)
    payloads = PayloadCounts()
    if depth.rules is not None:
        for start in range(span.start, chain.top, BATCH_ENTRIES):
            _check_batch(
                source, chain, Range(start, min(start + BATCH_ENTRIES, chain.top)), depth.rules, payloads
            )
    _check_tiles(source, span, chain)
    inside = [size for size in depth.sizes if span.start < size <= chain.top]
    leaves = chain.leaves
    # What a log recorded of its partners bounds the times of what comes after it.
    cuts = [*depth.sizes, *(kept.seq + 1 for kept in payloads.kept if may_be_seen(kept))]
    claims = read_claims(chain.entries, span.start, chain.top, cuts) if depth.timed else []
    return RangeResult(
        span=span,
        top=chain.top,
        present=len(chain.entries),
        frontier=chain.frontier,
        frontiers={} if leaves is None else _frontiers(leaves, span.start, inside),
        other=chain.other,
        first_prev=chain.first_prev,
        leaves={kept.seq: leaf_hash(chain.entries[kept.seq]) for kept in payloads.kept},
        stated_ms={kept.seq: parse_entry(chain.entries[kept.seq]).time_ms for kept in payloads.kept},
        times=chain.times,
        claims=tuple(claims),
        payloads=payloads,
        findings=chain.findings,
    )


def _check_batch(
    source: LogSource, chain: Chain, batch: Range, rules: Mapping[str, Rule], counts: PayloadCounts
) -> None:
    """Check the payloads of a part of the range that fits into memory with them."""
    entries = chain.entries
    if isinstance(entries, Run) and isinstance(source, BulkSource):
        sealed = source.payload_run(batch.start, batch.end)
        if sealed is not None:
            run = entries.entries[batch.start - entries.start : batch.end - entries.start]
            check_payload_run(source.origin, batch.start, run, sealed, rules, counts)
            return
    rows = source.payloads(batch.start, batch.end)
    check_payloads(source.origin, entries, rows, rules, counts)
    if len(rows) < batch.end - batch.start:
        present = {seq: entries[seq] for seq in range(batch.start, batch.end) if seq in entries}
        note_lacking(source.origin, present, {row[0] for row in rows}, counts)


def _frontiers(leaves: Sequence[bytes], start: int, sizes: Sequence[int]) -> dict[int, Frontier]:
    """The frontiers of a range at these sizes of the log, smallest first."""
    frontier = Frontier()
    found = {}
    for size in sizes:
        frontier = frontier.extended(leaves[frontier.size : size - start])
        found[size] = frontier
    return found


def _check_tiles(source: LogSource, span: Range, chain: Chain) -> None:
    """Hold tiles that are shown to others against the hashes of the entries."""
    for level in (0, TILE_LEVELS):
        if level >= len(chain.levels):
            return
        hashes = chain.levels[level]
        start = span.start >> level
        shown = source.tile_hashes(level // TILE_LEVELS, start, len(hashes))
        if shown is None or shown == b"".join(hashes):
            continue
        for index, expected in enumerate(hashes):
            found = shown[index * HASH_BYTES : (index + 1) * HASH_BYTES]
            if found != expected:
                tile, at = divmod(start + index, TILE_HASHES)
                chain.findings.add(
                    Finding(
                        code="tile-differs",
                        log=source.origin,
                        position=(start + index) << level,
                        place=f"tile {level // TILE_LEVELS}/{tile}, hash {at}",
                        found=short(found),
                        expected=f"{short(expected)}, the hash of what the entries hold",
                        action="do not rely on proofs that this place serves",
                    )
                )
                break
