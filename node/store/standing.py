"""How each agreement stands, noted by the clerk, so that what rests is shown and found without a replay.

    standing   hash      the agreement; every one that an entry here is about has a row
               stale     1: something happened that it may depend on, and the clerk has not noted it since
               sound     1: its document passed the checker (what passed once passes always)
               signed    leaf hashes of statements about it whose people's signatures were found good
               timekeeper, due   who keeps its time, and from which time a tick of theirs closes something
               waits     for which entries to be witnessed its firings wait before we decide on
                         them, as JSON: of each firing the first, [origin, position]
               leaning   1: it depends on who is known: a statement signed by nobody known, a handover
    watching   organization, hash: whose events may state facts of the agreement
    listed     list, sort, hash, place: what the agreement puts into a list, in the order of that list
               one, other: the two organizations that it is between, or empty; item: what is shown, as JSON

Whatever could change what a row says makes it stale in the same transaction (`touch…`), and `keep` takes only
notes that nothing has overtaken. So at every commit a row that is not stale says what a replay from the start
would say, and what is stale has to be replayed by whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlite_utils import Database

from node.store.reader import Reader

SINCE_VERSION = 3
"""The schema that brought these tables: in an older one everything counts as stale."""

TICK, EVENT, ROSTER, LATE = "tick", "event", "roster", "late"
"""What else than entries about it an agreement may depend on; of a timekeeper or stating organization."""

Tides: TypeAlias = "Mapping[tuple[str, str], int]"
"""How often each of these happened since the node was started, by kind and organization."""

MAX_SIGNED = 64
"""How many statements of an agreement are remembered as signed."""

_HASH_BYTES = 32
_TOLD = "hash NOT IN (SELECT hash FROM standing WHERE stale)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What an agreement puts into a list: its place in the order of the list, and what is shown of it."""

    list: str
    sort: str
    text: str
    one: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one agreement stands.

    `entries`: how many were about it and its `successors`, that may replace it, when it was looked at;
    `tides` are those of then. `sound` is false where it cannot be read: no document here, or no contract.
    """

    agreement: bytes
    entries: int
    successors: tuple[bytes, ...] = ()
    tides: Tides = field(compare=False)
    sound: bool = False
    timekeeper: str = ""
    due: int | None = None
    waits: tuple[tuple[str, int], ...] = ()
    leaning: bool = False
    signed: tuple[bytes, ...] = ()
    parties: tuple[str, ...] = ()
    watching: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()

    def leans_on(self) -> Iterator[tuple[str, str]]:
        """What else than its entries may change it."""
        if self.due is not None:
            yield TICK, self.timekeeper
        if self.leaning:
            yield ROSTER, ""
        for organization in self.watching:
            yield EVENT, organization
        for organization in {*self.parties, self.timekeeper}:
            yield LATE, organization

    def is_overtaken(self, tides: Tides) -> bool:
        """Whether something happened since that it may depend on, apart from entries about it."""
        return self.tides is not tides and any(
            self.tides.get(leaning, 0) != tides.get(leaning, 0) for leaning in self.leans_on()
        )


@dataclass(frozen=True, slots=True)
class Proven:
    """Whether an agreement's document passed the checker, and which statements bear good signatures."""

    sound: bool
    signed: frozenset[bytes]


UNPROVEN = Proven(sound=False, signed=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row of a list."""

    sort: str
    agreement: bytes
    place: int
    text: str


# Reading


@contextmanager
def one_moment(reader: Reader) -> Iterator[None]:
    """Everything that is read meanwhile is of one commit."""
    connection = reader.database.conn
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def is_kept(reader: Reader) -> bool:
    """Whether a database has these tables yet."""
    return int(reader.database.conn.execute("PRAGMA user_version").fetchone()[0]) >= SINCE_VERSION


def stale_agreements(reader: Reader) -> list[bytes]:
    """The agreements that have to be replayed to know how they stand."""
    if not is_kept(reader):
        return reader.agreement_hashes()
    return [bytes(row[0]) for row in _rows(reader.database, "SELECT hash FROM standing WHERE stale")]


def waiting_agreements(reader: Reader) -> list[tuple[bytes, list[tuple[str, int]]]]:
    """Those of the others that have firings to decide on, and for which entries to be witnessed they wait."""
    sql = "SELECT hash, waits FROM standing WHERE waits IS NOT NULL AND NOT stale"
    rows = _rows(reader.database, sql) if is_kept(reader) else []
    return [(bytes(row[0]), [(origin, seq) for origin, seq in json.loads(row[1])]) for row in rows]


def next_due(reader: Reader, timekeeper: str) -> int | None:
    """When the next deadline of a timekeeper's agreements is due, of those that are not stale."""
    sql = (
        "SELECT due FROM standing WHERE timekeeper = ? AND due IS NOT NULL AND NOT stale ORDER BY due LIMIT 1"
    )
    return next((int(row[0]) for row in _rows(reader.database, sql, timekeeper)), None)


def proven(reader: Reader, agreement: bytes) -> Proven:
    """What was checked of an agreement once, and need not be again."""
    sql = "SELECT sound, signed FROM standing WHERE hash = ?"
    rows = _rows(reader.database, sql, agreement) if is_kept(reader) else []
    sound, signed = rows[0] if rows else (0, b"")
    leaves = frozenset(signed[at : at + _HASH_BYTES] for at in range(0, len(signed), _HASH_BYTES))
    return Proven(sound=bool(sound), signed=leaves)


def listed(reader: Reader, name: str, *, between: str | None = None, most: int = -1) -> Iterator[Stored]:
    """The rows of a list in its order, but those of stale agreements; only an organization's, or all."""
    if not is_kept(reader):
        return
    sql = f"SELECT sort, hash, place, item FROM listed WHERE list = ? AND {_TOLD}"
    values: list[str | int] = [name]
    if between is not None:
        sql, values = f"{sql} AND ? IN (one, other)", [name, between]
    cursor = reader.database.conn.execute(f"{sql} ORDER BY sort, hash, place LIMIT ?", [*values, most])
    for sort, agreement, place, text in cursor:
        yield Stored(sort=sort, agreement=bytes(agreement), place=place, text=text)


def count_listed(reader: Reader, name: str, between: str | None = None) -> int:
    """How many rows `listed` gives."""
    if not is_kept(reader):
        return 0
    sql = f"SELECT count(*) FROM listed WHERE list = ? AND {_TOLD}"
    if between is None:
        return int(_rows(reader.database, sql, name)[0][0])
    return int(_rows(reader.database, f"{sql} AND ? IN (one, other)", name, between)[0][0])


def listed_as(reader: Reader, name: str, sort: str, most: int) -> list[bytes]:
    """Agreements that stand at one place of the order of a list, but stale ones."""
    if not is_kept(reader):
        return []
    sql = f"SELECT hash FROM listed WHERE list = ? AND sort = ? AND {_TOLD} LIMIT ?"
    return [bytes(row[0]) for row in _rows(reader.database, sql, name, sort, most)]


def agreements_like(reader: Reader, digits: str, most: int) -> list[bytes]:
    """Agreements whose hash begins with these digits of lowercase hex."""
    low = bytes.fromhex(digits.ljust(64, "0"))
    high = bytes.fromhex(digits.ljust(64, "f"))
    sql = "SELECT DISTINCT hash FROM agreement WHERE hash BETWEEN ? AND ? AND hash <> zeroblob(32) LIMIT ?"
    return [bytes(row[0]) for row in _rows(reader.database, sql, low, high, most)]


def all_noted(reader: Reader) -> Iterator[tuple[bool, Standing]]:
    """Everything that is noted, as it was kept, and whether it is stale; without what it was made from."""
    if not is_kept(reader):
        return
    database = reader.database
    sql = "SELECT hash, stale, sound, signed, timekeeper, due, leaning FROM standing"
    for agreement, stale, sound, signed, timekeeper, due, leaning in _rows(database, sql):
        items = "SELECT list, sort, item, one, other FROM listed WHERE hash = ? ORDER BY place"
        watching = "SELECT organization FROM watching WHERE hash = ?"
        yield (
            bool(stale),
            Standing(
                agreement=bytes(agreement),
                entries=0,
                tides={},
                sound=bool(sound),
                signed=tuple(signed[at : at + _HASH_BYTES] for at in range(0, len(signed), _HASH_BYTES)),
                timekeeper=timekeeper or "",
                due=due,
                leaning=bool(leaning),
                watching=tuple(row[0] for row in _rows(database, watching, agreement)),
                items=tuple(
                    Item(list=name, sort=sort, text=text, one=one, other=other)
                    for name, sort, text, one, other in _rows(database, items, agreement)
                ),
            ),
        )


def count_strange(reader: Reader) -> int:
    """How many rows of lists are of no agreement, or out of their place."""
    sql = (
        "SELECT count(*) FROM listed AS row WHERE hash NOT IN (SELECT hash FROM standing) OR place <> "
        "(SELECT count(*) FROM listed AS other WHERE other.hash = row.hash AND other.place < row.place)"
    )
    return int(_rows(reader.database, sql)[0][0]) if is_kept(reader) else 0


# Writing, inside the writer's transaction


def relate(database: Database, one: bytes, other: bytes) -> None:
    """Note that one proposal is about both of two agreements: what is about one concerns the other."""
    if one != other:
        database.conn.executemany("INSERT OR IGNORE INTO related VALUES (?, ?)", [(one, other), (other, one)])


def touch(database: Database, agreements: Collection[bytes]) -> set[bytes]:
    """Agreements that an entry is about, and those related to them, are stale; gives all of them."""
    touched = set(agreements)
    for agreement in agreements:
        touched.update(
            bytes(row[0]) for row in _rows(database, "SELECT other FROM related WHERE hash = ?", agreement)
        )
    database.conn.executemany(
        "INSERT INTO standing (hash) VALUES (?) ON CONFLICT DO UPDATE SET stale = 1 WHERE NOT stale",
        [(agreement,) for agreement in touched],
    )
    return touched


def touch_due(database: Database, timekeeper: str, time_ms: int) -> set[bytes]:
    """Agreements are stale of which a tick of their timekeeper at this time closes something."""
    return _touch(database, "timekeeper = ? AND due IS NOT NULL AND due <= ?", timekeeper, time_ms)


def touch_watching(database: Database, organization: str) -> set[bytes]:
    """Agreements are stale of which an event of this organization may state a fact."""
    return _touch(database, "hash IN (SELECT hash FROM watching WHERE organization = ?)", organization)


def touch_leaning(database: Database) -> set[bytes]:
    """Agreements are stale that depend on who is known."""
    return _touch(database, "leaning")


def touch_logs(database: Database, organization: str, numbers: Sequence[int]) -> set[bytes]:
    """Agreements are stale whose time an organization keeps, or that an entry of these logs is about."""
    marks = ",".join("?" * len(numbers))
    which = f"(timekeeper = ? OR hash IN (SELECT hash FROM agreement WHERE log IN ({marks})))"
    values: tuple[str | int, ...] = (organization, *numbers)
    # What came may be that somebody might not sign.
    database.conn.execute(f"UPDATE standing SET signed = x'' WHERE signed <> x'' AND {which}", values)
    return _touch(database, which, *values)


def keep(database: Database, standings: Sequence[Standing], tides: Tides) -> list[bytes]:
    """Note how agreements stand; gives those that something has overtaken since: they stay stale."""
    held = [each for each in standings if not each.is_overtaken(tides) and _is_whole(database, each)]
    named = [(each.agreement,) for each in held]
    database.conn.executemany("DELETE FROM listed WHERE hash = ?", named)
    database.conn.executemany(
        "INSERT INTO listed (list, sort, hash, place, one, other, item) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (item.list, item.sort, each.agreement, place, item.one, item.other, item.text)
            for each in held
            for place, item in enumerate(each.items)
        ],
    )
    database.conn.executemany(
        "INSERT OR IGNORE INTO watching VALUES (?, ?)",
        [(organization, each.agreement) for each in held for organization in each.watching],
    )
    database.conn.executemany(
        "UPDATE standing SET stale = 0, sound = ?, signed = ?, timekeeper = ?, due = ?, waits = ?, "
        "leaning = ? WHERE hash = ?",
        [
            (
                *(each.sound, b"".join(each.signed[:MAX_SIGNED]), each.timekeeper, each.due),
                *(json.dumps(each.waits) if each.waits else None, each.leaning, each.agreement),
            )
            for each in held
        ],
    )
    kept = {each.agreement for each in held}
    return [each.agreement for each in standings if each.agreement not in kept]


def _is_whole(database: Database, standing: Standing) -> bool:
    """Whether no entry about it came since it was looked at."""
    sql = "SELECT count(*) FROM agreement WHERE hash = ?"
    about = (standing.agreement, *standing.successors)
    return sum(int(_rows(database, sql, each)[0][0]) for each in about) == standing.entries


def _touch(database: Database, which: str, *values: str | int) -> set[bytes]:
    rows = database.conn.execute(
        f"UPDATE standing SET stale = 1 WHERE NOT stale AND {which} RETURNING hash", values
    ).fetchall()
    return {bytes(row[0]) for row in rows}


def _rows(database: Database, sql: str, *values: str | int | bytes) -> list[tuple[Any, ...]]:
    return database.conn.execute(sql, values).fetchall()
