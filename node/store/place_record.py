"""The row that says where a home was last opened (see node.place), with a checksum of its own.

check = SHA-256("tallystick place v1\\n" | strict msgpack [home, machine, path, starts])
"""

from __future__ import annotations

from hashlib import sha256

from sqlite_utils import Database

from ledger.errors import InvalidError
from ledger.log.encoding import encode
from node.place import Place


def write_place(database: Database, place: Place) -> None:
    """Put the place into the database, in the transaction that is open."""
    database.execute("DELETE FROM place")
    database.execute(
        "INSERT INTO place VALUES (1, ?, ?, ?, ?, ?)",
        [place.home, place.machine, place.path, place.starts, _check(place)],
    )


def read_place(database: Database) -> Place:
    """The place that the database holds.

    Raises:
        InvalidError: there is none, or it was changed by something else than a node.
    """
    rows = database.execute('SELECT home, machine, path, starts, "check" FROM place').fetchall()
    if len(rows) == 1:
        home, machine, path, starts, check = rows[0]
        place = Place(home=home, machine=machine, path=path, starts=starts)
        if check == _check(place):
            return place
    raise InvalidError(
        "table place",
        found="no record of where this home was opened, or a damaged one",
        expected="one row with its own checksum",
        action="restore the home from a backup, or let it ask its partners: see docs/operating.md",
    )


def _check(place: Place) -> bytes:
    data = encode([place.home, place.machine, place.path, place.starts])
    return sha256(b"tallystick place v1\n" + data).digest()
