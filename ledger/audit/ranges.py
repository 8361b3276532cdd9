"""The work of one range of a log, which knows nothing of the others and can be done in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.audit.chain import Chain, Reading, Times, read_chain
from ledger.audit.finding import Finding, Findings
from ledger.audit.payloads import PayloadCounts, Rule, check_payloads, note_lacking
from ledger.audit.source import BATCH_ENTRIES, LogSource, Range
from ledger.errors import short
from ledger.log.entry import leaf_hash
from ledger.log.tile import TILE_HASHES, TILE_LEVELS
from ledger.log.tree import HASH_BYTES, Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What is looked at in a range: sizes at which the tree's frontier is wanted, and payloads by whose
    rules, or None for entries and tree alone."""

    network: bytes | None
    sizes: tuple[int, ...] = ()
    rules: Mapping[str, Rule] | None = None


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
    times: Times | None
    payloads: PayloadCounts
    findings: Findings


def check_range(source: LogSource, depth: Depth, span: Range) -> RangeResult:
    """Check one range by itself."""
    chain = read_chain(source, span, depth.network)
    payloads = PayloadCounts()
    if depth.rules is not None:
        for start in range(span.start, chain.top, BATCH_ENTRIES):
            end = min(start + BATCH_ENTRIES, span.end)
            rows = source.payloads(start, end)
            check_payloads(source.origin, chain.entries, rows, depth.rules, payloads)
            if len(rows) < end - start:
                batch = {seq: chain.entries[seq] for seq in range(start, end) if seq in chain.entries}
                note_lacking(source.origin, batch, {row[0] for row in rows}, payloads)
    _check_tiles(source, span, chain)
    inside = [size for size in depth.sizes if span.start < size <= chain.top]
    leaves = chain.leaves
    return RangeResult(
        span=span,
        top=chain.top,
        present=len(chain.entries),
        frontier=chain.frontier,
        frontiers={} if leaves is None else _frontiers(leaves, span.start, inside),
        other=chain.other,
        first_prev=chain.first_prev,
        leaves={kept.seq: leaf_hash(chain.entries[kept.seq]) for kept in payloads.kept},
        times=chain.times,
        payloads=payloads,
        findings=chain.findings,
    )


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
