"""Notes of how agreements stand: what makes them stale, and what is not taken any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from node.store import schema
from node.store.indexing import TICKS
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.store.standing import (
    EVENT,
    LATE,
    ROSTER,
    TICK,
    Item,
    Standing,
    agreements_like,
    count_listed,
    keep,
    listed,
    next_due,
    one_moment,
    proven,
    relate,
    stale_agreements,
    touch,
    touch_due,
    touch_leaning,
    touch_logs,
    touch_watching,
    waiting_agreements,
)

A, B, C = (bytes([byte]) * 32 for byte in (0xAA, 0xBB, 0xCC))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = connect(tmp_path / "tally.db", write=True)
    migrate(made)
    made.execute("INSERT INTO log VALUES (1, 'acme/x'), (2, 'port/x')")
    yield made
    made.close()


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database)


def about(database: Database, agreement: bytes, log: int, seq: int) -> set[bytes]:
    """One more entry about an agreement."""
    database.execute("INSERT INTO agreement VALUES (?, ?, ?)", [agreement, log, seq])
    return touch(database, {agreement})


def standing(agreement: bytes, **fields: Any) -> Standing:
    values: dict[str, Any] = {"entries": 1, "tides": {}, "sound": True, "timekeeper": "port"}
    return Standing(agreement=agreement, **values | fields)


def rest(database: Database, *agreements: bytes, **fields: Any) -> None:
    """Agreements with one entry of acme about each, and noted."""
    for seq, agreement in enumerate(agreements):
        about(database, agreement, 1, seq)
    assert keep(database, [standing(agreement, **fields) for agreement in agreements], {}) == []


def test_an_agreement_that_nobody_noted_is_stale(database: Database, reader: Reader) -> None:
    about(database, A, 1, 0)
    assert (stale_agreements(reader), proven(reader, A).sound) == ([A], False)
    rest(database, B)
    assert (stale_agreements(reader), proven(reader, B).sound) == ([A], True)


def test_an_entry_about_an_agreement_makes_it_stale_and_no_other(database: Database, reader: Reader) -> None:
    rest(database, A, B)
    assert about(database, A, 2, 0) == {A}
    assert (stale_agreements(reader), proven(reader, A).sound) == ([A], True)


def test_what_is_about_one_version_concerns_those_that_it_replaces(
    database: Database, reader: Reader
) -> None:
    rest(database, A, B, C)
    relate(database, A, B)
    assert about(database, A, 2, 0) == {A, B}
    assert about(database, B, 2, 1) == {A, B}
    assert sorted(stale_agreements(reader)) == [A, B]


@pytest.mark.parametrize(("time_ms", "stale"), [(99, []), (100, [A]), (101, [A])])
def test_a_tick_makes_stale_what_it_closes(
    database: Database, reader: Reader, time_ms: int, stale: list[bytes]
) -> None:
    rest(database, A, due=100)
    assert touch_due(database, "acme", time_ms) == set()
    assert touch_due(database, "port", time_ms) == set(stale)
    assert stale_agreements(reader) == stale


def test_an_event_touches_only_agreements_in_which_its_organization_states_facts_by_them(
    database: Database,
) -> None:
    rest(database, A, watching=("dart",))
    rest_b = standing(B, watching=("finca",))
    about(database, B, 1, 9)
    keep(database, [rest_b], {})
    assert touch_watching(database, "dart") == {A}
    assert touch_watching(database, "nobody") == set()


def test_what_depends_on_who_is_known_is_touched_by_what_makes_the_roster(database: Database) -> None:
    rest(database, A, leaning=True)
    about(database, B, 1, 9)
    keep(database, [standing(B)], {})
    assert touch_leaning(database) == {A}


def test_what_came_behind_touches_agreements_of_that_log_and_of_that_timekeeper(database: Database) -> None:
    rest(database, A, B)
    about(database, A, 2, 0)
    keep(database, [standing(A, entries=2, timekeeper="dart")], {})
    assert touch_logs(database, "port", [2]) == {A, B}


def test_signatures_that_were_found_good_are_remembered_until_something_comes_behind(
    database: Database, reader: Reader
) -> None:
    rest(database, A, B, signed=(B, C))
    about(database, A, 2, 0)
    assert [proven(reader, each).signed for each in (A, B, C)] == [{B, C}, {B, C}, frozenset()]
    touch_logs(database, "dart", [2])
    assert [proven(reader, each).signed for each in (A, B)] == [frozenset(), {B, C}]


@pytest.mark.parametrize(
    ("kind", "organization", "fields"),
    [
        (TICK, "port", {"due": 100}),
        (EVENT, "dart", {"watching": ("dart",)}),
        (ROSTER, "", {"leaning": True}),
        (LATE, "acme", {"parties": ("acme", "bolt")}),
        (LATE, "port", {}),
    ],
)
def test_a_note_that_something_has_overtaken_is_not_taken(
    database: Database, reader: Reader, kind: str, organization: str, fields: dict[str, Any]
) -> None:
    about(database, A, 1, 0)
    now = {(kind, organization): 1}
    assert keep(database, [standing(A, **fields)], now) == [A]
    assert stale_agreements(reader) == [A]
    assert keep(database, [standing(A, tides=now, **fields)], now) == []
    assert stale_agreements(reader) == []


@pytest.mark.parametrize(
    ("kind", "organization", "fields"),
    [
        (TICK, "port", {}),
        (TICK, "dart", {"due": 100}),
        (EVENT, "finca", {"watching": ("dart",)}),
        (ROSTER, "", {}),
        (LATE, "finca", {"parties": ("acme", "bolt")}),
    ],
)
def test_a_note_is_taken_where_what_came_does_not_concern_it(
    database: Database, reader: Reader, kind: str, organization: str, fields: dict[str, Any]
) -> None:
    about(database, A, 1, 0)
    assert keep(database, [standing(A, **fields)], {(kind, organization): 1}) == []
    assert stale_agreements(reader) == []


def test_a_note_is_not_taken_where_an_entry_came_since(database: Database, reader: Reader) -> None:
    about(database, A, 1, 0)
    about(database, A, 1, 1)
    assert keep(database, [standing(A, entries=1)], {}) == [A]
    assert stale_agreements(reader) == [A]


def test_a_note_is_not_taken_where_an_entry_came_about_what_may_replace_it(
    database: Database, reader: Reader
) -> None:
    about(database, A, 1, 0)
    about(database, B, 1, 1)
    assert keep(database, [standing(A, entries=2, successors=(B,))], {}) == []
    about(database, B, 1, 2)
    assert keep(database, [standing(A, entries=2, successors=(B,))], {}) == [A]


def test_items_are_listed_in_their_order_until_their_agreement_is_stale(
    database: Database, reader: Reader
) -> None:
    items = (
        Item(list="due", sort="2", text="second", one="acme", other="bolt"),
        Item(list="due", sort="1", text="first", one="acme", other="dart"),
        Item(list="waiting", sort="1", text="elsewhere"),
    )
    rest(database, A, items=items)
    assert [row.text for row in listed(reader, "due")] == ["first", "second"]
    assert [row.text for row in listed(reader, "due", between="bolt")] == ["second"]
    assert [row.text for row in listed(reader, "due", most=1)] == ["first"]
    assert (count_listed(reader, "due"), count_listed(reader, "due", "acme")) == (2, 2)
    about(database, A, 1, 7)
    assert (list(listed(reader, "due")), count_listed(reader, "due")) == ([], 0)


def test_a_newer_note_takes_the_place_of_the_one_before(database: Database, reader: Reader) -> None:
    rest(database, A, items=(Item(list="due", sort="1", text="old"),), due=5)
    keep(database, [standing(A, items=(Item(list="due", sort="3", text="new"),), due=9)], {})
    assert [row.text for row in listed(reader, "due")] == ["new"]
    assert next_due(reader, "port") == 9


def test_the_next_deadline_is_that_of_what_is_not_stale(database: Database, reader: Reader) -> None:
    rest(database, A, due=5)
    about(database, B, 1, 9)
    keep(database, [standing(B, due=7, waits=(("port/x", 5), ("acme/x", 6)))], {})
    assert (next_due(reader, "port"), next_due(reader, "acme")) == (5, None)
    about(database, A, 1, 10)
    assert next_due(reader, "port") == 7
    assert waiting_agreements(reader) == [(B, [("port/x", 5), ("acme/x", 6)])]


@pytest.mark.parametrize(
    ("digits", "found"), [("aaaaaa", [A]), ("aaaaaaa", [A]), ("aa" * 32, [A]), ("ab", []), ("00", [])]
)
def test_agreements_are_found_by_the_first_digits(
    database: Database, reader: Reader, digits: str, found: list[bytes]
) -> None:
    rest(database, A, B)
    database.execute("INSERT INTO agreement VALUES (?, 1, 50)", [TICKS])
    assert agreements_like(reader, digits, 9) == found


def test_a_home_of_an_older_version_counts_as_stale_and_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = connect(tmp_path / "old.db", write=True)
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSION", 2)
        migrate(database)
    database.execute("INSERT INTO log VALUES (1, 'acme/x')")
    rows = [(A, 1, 0), (B, 1, 1), (B, 1, 0), (C, 1, 2), (TICKS, 1, 3)]
    database.conn.executemany("INSERT INTO agreement VALUES (?, ?, ?)", rows)
    reader = Reader(database)
    assert (stale_agreements(reader), list(listed(reader, "due"))) == ([A, B, C], [])
    migrate(database)
    assert sorted(stale_agreements(reader)) == [A, B, C]
    assert about(database, A, 1, 4) == {A, B}
    assert about(database, C, 1, 5) == {C}
    database.close()


def test_what_is_read_in_one_moment_does_not_change_meanwhile(database: Database, tmp_path: Path) -> None:
    rest(database, A)
    reader = Reader.open(tmp_path / "tally.db")
    with one_moment(reader):
        assert stale_agreements(reader) == []
        about(database, A, 1, 5)
        assert stale_agreements(reader) == []
    assert stale_agreements(reader) == [A]
    reader.close()
