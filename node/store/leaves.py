"""Finding an entry by its leaf hash, without a tree that every append would have to reshuffle.

A B-tree on hashes takes each new hash somewhere else: a commit of a thousand entries would rewrite
hundreds of pages. So hashes are gathered as they come, in the level-0 tiles and the entries behind them,
and each complete `RUN` of 65,536 entries is sorted once into one row:

    leaf_<n>   run, records: RUN records of 8 bytes, big-endian, ascending:
               first 6 bytes of the leaf hash | position in the run in 2 bytes

A search looks through what is not in a run yet (at most 256 tiles) and makes some sixteen probes into
each run. What it gives are candidates: the caller compares the whole hash.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Callable, Iterator

from sqlite_utils import Database

from ledger.log.tile import TILE_HASHES

RUN = 65_536
_RECORD_BYTES = 8
_PREFIX_BYTES = 6
_HASH_BYTES = 32

ReadTile = Callable[[int, int], bytes]
"""The first `width` hashes of the level-0 tile at an index: (index, width)."""


def add_runs(database: Database, number: int, before: int, after: int, read_tile: ReadTile) -> None:
    """Sort the runs that a log completed by growing from one size to another."""
    for run in range(before // RUN, after // RUN):
        database.conn.execute(
            f"INSERT OR REPLACE INTO leaf_{number} VALUES (?, ?)", (run, _sorted_run(run, read_tile))
        )


def find_candidates(
    database: Database, number: int, size: int, leaf: bytes, read_tile: ReadTile
) -> Iterator[int]:
    """Positions in a log of this size whose leaf hash begins like this one, the newest run first."""
    prefix = leaf[:_PREFIX_BYTES]
    first = size // RUN * RUN
    for index in range(first // TILE_HASHES, -(-size // TILE_HASHES)):
        width = min(TILE_HASHES, size - index * TILE_HASHES)
        for place in _find_in_tile(read_tile(index, width), prefix):
            yield index * TILE_HASHES + place
    for run in reversed(range(first // RUN)):
        for place in _find_in_run(database.conn, number, run, prefix):
            yield run * RUN + place


def _sorted_run(run: int, read_tile: ReadTile) -> bytes:
    tiles = RUN // TILE_HASHES
    hashes = b"".join(read_tile(run * tiles + i, TILE_HASHES) for i in range(tiles))
    records = array(
        "Q",
        sorted(
            int.from_bytes(hashes[place * _HASH_BYTES : place * _HASH_BYTES + _PREFIX_BYTES], "big") << 16
            | place
            for place in range(RUN)
        ),
    )
    if sys.byteorder == "little":
        records.byteswap()
    return records.tobytes()


def _find_in_tile(hashes: bytes, prefix: bytes) -> Iterator[int]:
    at = hashes.find(prefix)
    while at >= 0:
        if at % _HASH_BYTES == 0:
            yield at // _HASH_BYTES
        at = hashes.find(prefix, at + 1)


def _find_in_run(connection: sqlite3.Connection, number: int, run: int, prefix: bytes) -> Iterator[int]:
    try:
        blob = connection.blobopen(f"leaf_{number}", "records", run, readonly=True)
    except sqlite3.OperationalError:
        # The row is missing: derived data is damaged, and `tally doctor --rebuild` makes it again.
        return
    with blob:
        low, high = 0, len(blob) // _RECORD_BYTES
        end = high
        while low < high:
            middle = (low + high) // 2
            if _record(blob, middle) < prefix:
                low = middle + 1
            else:
                high = middle
        while low < end and (record := _record(blob, low)).startswith(prefix):
            yield int.from_bytes(record[_PREFIX_BYTES:], "big")
            low += 1


def _record(blob: sqlite3.Blob, place: int) -> bytes:
    blob.seek(place * _RECORD_BYTES)
    return blob.read(_RECORD_BYTES)
