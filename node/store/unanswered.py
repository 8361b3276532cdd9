"""What others left out of a timekeeper's log: entries that may decide something, and nobody can tell yet.

    unanswered   log, seq   a `counted` or `tick` entry that came from another holder than its author, without
                            its payload

Who it is for stands in the payload, so a holder that leaves it out says nothing by that: perhaps it may not
have it either. Its author may: what it gives, or leaves out of an answer of its own, takes the row away.
Until then nothing that follows in that log decides anything here. These rows are no derived data: who gave
an entry stands nowhere else, and so nothing binds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlite_utils import Database

from node.store.reader import Reader

SINCE_VERSION = 4
"""The schema that brought the table: in an older one everything counts as answered."""

KINDS = frozenset(("counted", "tick"))


def first_unanswered(reader: Reader, origin: str) -> int | None:
    """The lowest position of a log that its author has not answered for."""
    return next(iter(unanswered(reader, origin, 1)), None)


def unanswered(reader: Reader, origin: str, most: int) -> list[int]:
    """The lowest positions of a log that its author has not answered for."""
    connection = reader.database.conn
    if int(connection.execute("PRAGMA user_version").fetchone()[0]) < SINCE_VERSION:
        return []
    sql = "SELECT seq FROM unanswered WHERE log = ? ORDER BY seq LIMIT ?"
    return [int(row[0]) for row in connection.execute(sql, (reader.number(origin), most))]


def note_unanswered(database: Database, number: int, seqs: Iterable[int]) -> None:
    """Note entries that came without their payload from somebody who is not their author."""
    database.conn.executemany(
        "INSERT OR IGNORE INTO unanswered VALUES (?, ?)", [(number, seq) for seq in seqs]
    )


def note_answered(database: Database, number: int, seqs: Collection[int]) -> bool:
    """Note that these are here, or not for this home; whether that was open for any of them."""
    before = database.conn.total_changes
    database.conn.executemany(
        "DELETE FROM unanswered WHERE log = ? AND seq = ?", [(number, seq) for seq in seqs]
    )
    return database.conn.total_changes > before
