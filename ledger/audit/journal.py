"""Results of ranges as bytes, so that an audit that was stopped can go on where it was.

A result is strict msgpack: an array of span, counts, hashes of the tree, and what the joining needs of single
entries. Only ranges that are whole and right are written: anything else is looked at again.

| place | value |
| --- | --- |
| 0, 1 | start and end of the range |
| 2 | peaks of its tree, largest first |
| 3 | array of [size of the log, peaks of the range up to there] |
| 4 | previous hash of its first entry |
| 5 | array of [position, leaf hash] of the entries that are kept |
| 6 | first time, its position and last time of counting, or nil |
| 7 | array of [start, end, earliest, where, latest, where]: claimed times |
| 8 | payloads: checked, bytes, events, unknown kinds |
| 9 | array of [position, payload] of the statements that are kept |
| 10 | positions of statements about members that are not there |
| 11 | array of [agreement, position]: statements about agreements |
| 12 | array of [position, time]: entries that close deadlines |
"""

from __future__ import annotations

from typing import Any

from ledger.audit.chain import Times
from ledger.audit.finding import Findings
from ledger.audit.payloads import Kept, PayloadCounts
from ledger.audit.ranges import RangeResult
from ledger.audit.source import Range
from ledger.audit.times import Claims
from ledger.errors import MalformedError
from ledger.log.encoding import Encodable, decode, encode
from ledger.log.tree import Frontier

VERSION = 1
"""Of this form, and of what a range's result means: whoever checks more must not take what checked less."""

_PLACES = 13


def format_result(result: RangeResult) -> bytes:
    """The bytes of a result that is whole."""
    if not result.is_whole or result.frontier is None or result.first_prev is None:
        raise ValueError(f"range {result.span.start} to {result.span.end} is not whole")
    times, counts = result.times, result.payloads
    row: list[Encodable] = [
        result.span.start,
        result.span.end,
        result.frontier.peaks,
        [[size, frontier.peaks] for size, frontier in result.frontiers.items()],
        result.first_prev,
        [[seq, leaf, result.stated_ms[seq]] for seq, leaf in result.leaves.items()],
        None if times is None else [times.first, times.first_at, times.last],
        [[c.start, c.end, c.earliest_ms, c.earliest_at, c.latest_ms, c.latest_at] for c in result.claims],
        [counts.checked, counts.bytes, counts.events, counts.unknown_kinds],
        [[kept.seq, kept.payload] for kept in counts.kept],
        counts.lacking,
        counts.about,
        counts.ticks,
    ]
    return encode(row)


def parse_result(data: bytes, where: str) -> RangeResult:
    """The result in bytes that `format_result` gave, whose origin the caller has made sure of.

    Raises:
        MalformedError: they are of another form.
    """
    row: Any = decode(data, where)
    if type(row) is not list or len(row) != _PLACES:
        raise MalformedError(where, found="another shape", expected=f"an array of {_PLACES}")
    try:
        return _result_of(row)
    except (TypeError, ValueError) as error:
        raise MalformedError(
            where, found="values of other types", expected="the result of a range"
        ) from error


def _result_of(row: list[Any]) -> RangeResult:
    start, end, peaks, frontiers, first_prev, leaves, times, claims, counts, kept, lacking, about, ticks = row
    checked, payload_bytes, events, unknown_kinds = counts
    return RangeResult(
        span=Range(start, end),
        top=end,
        present=end - start,
        frontier=Frontier(end - start, tuple(peaks)),
        frontiers={size: Frontier(size - start, tuple(found)) for size, found in frontiers},
        other=None,
        first_prev=first_prev,
        leaves={seq: leaf for seq, leaf, _ in leaves},
        stated_ms={seq: time_ms for seq, _, time_ms in leaves},
        times=None if times is None else Times(first=times[0], first_at=times[1], last=times[2]),
        claims=tuple(
            Claims(start=a, end=b, earliest_ms=c, earliest_at=d, latest_ms=e, latest_at=f)
            for a, b, c, d, e, f in claims
        ),
        payloads=PayloadCounts(
            checked=checked,
            bytes=payload_bytes,
            events=events,
            unknown_kinds=unknown_kinds,
            kept=[Kept(seq, payload) for seq, payload in kept],
            about=[(name, seq) for name, seq in about],
            ticks=[(seq, time_ms) for seq, time_ms in ticks],
            lacking=list(lacking),
        ),
        findings=Findings(),
    )
