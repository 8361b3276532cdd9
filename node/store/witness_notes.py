"""Notes of witnesses in a home's database: what this node cosigned for others, and others for it.

A home that was not opened for writing since an older version made it has none of these tables yet.
"""

from __future__ import annotations

from sqlite_utils import Database


def read_cosigned(database: Database, origin: str) -> str | None:
    """The note of a log outside the network that was cosigned last."""
    row = database.conn.execute("SELECT note FROM cosigned WHERE origin = ?", [origin]).fetchone()
    return None if row is None else str(row[0])


def write_cosigned(database: Database, origin: str, note: str) -> None:
    """Remember what is cosigned of a log, in the place of what was before."""
    database.conn.execute(
        "INSERT INTO cosigned VALUES (?, ?) ON CONFLICT DO UPDATE SET note = excluded.note", [origin, note]
    )


def is_forgetful(database: Database, witness: str) -> bool:
    """Whether more may have been cosigned under a witness key, given as a vkey, than is known here."""
    return bool(database.conn.execute("SELECT 1 FROM forgetful WHERE witness = ?", [witness]).fetchall())


def add_forgetful(database: Database, witness: str) -> None:
    """Say so of a witness key."""
    database.conn.execute("INSERT OR IGNORE INTO forgetful VALUES (?)", [witness])


def read_outside(database: Database) -> dict[str, str]:
    """The own log's notes that outside witnesses cosigned last, by their vkeys."""
    there = database.conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'outside'").fetchone()
    if there is None:
        return {}
    rows = database.conn.execute("SELECT witness, note FROM outside ORDER BY witness").fetchall()
    return {str(witness): str(note) for witness, note in rows}


def write_outside(database: Database, witness: str, note: str) -> None:
    """Keep a note that an outside witness cosigned, in the place of the one before."""
    database.conn.execute(
        "INSERT INTO outside VALUES (?, ?) ON CONFLICT DO UPDATE SET note = excluded.note", [witness, note]
    )
