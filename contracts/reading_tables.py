"""Reading the tables of a contract document: its calendars and its bands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from contracts.bands import BandRow, BandTable, make_table
from contracts.calendars import WEEKDAYS, Calendar, make_calendar
from contracts.limits import MAX_BAND_ROWS, MAX_HOLIDAYS, MAX_MEMBERS, MAX_OFFSETS, MAX_VALUE_CHARS
from contracts.tree import Reader
from contracts.types import KINDS, Type, parse_typed
from contracts.values import Date, Duration, Instant, Value
from ledger.errors import MalformedError, short

_OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")


def read_calendar(reader: Reader) -> Calendar:
    """`{weekend, holidays, zone, from, until}`."""
    parts = reader.keys(("zone", "until"), ("weekend", "holidays", "from"), "a calendar")
    weekend = parts["weekend"].items(len(WEEKDAYS), "weekdays") if "weekend" in parts else []
    holidays = parts["holidays"].items(MAX_HOLIDAYS, "dates") if "holidays" in parts else []
    return make_calendar(
        weekend=[WEEKDAYS.index(item.word(WEEKDAYS, "a weekday")) + 1 for item in weekend],
        holidays=[_date(item).days for item in holidays],
        offsets=_offsets(parts["zone"]),
        first=_date(parts["from"]) if "from" in parts else None,
        last=_date(parts["until"]),
        place=reader.place,
    )


def read_bands(reader: Reader) -> BandTable:
    """`{of, gives, rows: [{from, to, value}, …]}`."""
    parts = reader.keys(("of", "gives", "rows"), (), "a band table")
    of, gives = _type(parts["of"]), _type(parts["gives"])
    rows = [_row(item, of, gives) for item in parts["rows"].items(MAX_BAND_ROWS, "rows")]
    return make_table(of=of, gives=gives, rows=tuple(rows), place=reader.place)


def _row(reader: Reader, of: Type, gives: Type) -> BandRow:
    parts = reader.keys(("value",), ("from", "to"), "a row")
    return BandRow(
        low=_value(parts["from"], of) if "from" in parts else None,
        high=_value(parts["to"], of) if "to" in parts else None,
        value=_value(parts["value"], gives),
        place=reader.place,
    )


def _value(reader: Reader, wanted: Type) -> Value:
    return parse_typed(wanted, reader.text(MAX_VALUE_CHARS, "a value"), str(reader.place))


def _type(reader: Reader) -> Type:
    """`decimal`, `{money: EUR}`, `{enum: [good, fair]}`."""
    if isinstance(reader.tree, str):
        return Type(reader.word([kind for kind in KINDS if kind not in ("enum", "money")], "a type"))
    parts: Mapping[str, Reader] = reader.keys((), ("money", "enum"), "a type")
    if "enum" in parts and len(parts) == 1:
        return Type("enum", members=parts["enum"].names(MAX_MEMBERS, "a member"))
    currency = parts["money"].text(3, "a currency such as EUR") if len(parts) == 1 else ""
    if not (len(currency) == 3 and all("A" <= letter <= "Z" for letter in currency)):
        raise reader.refuse(short(currency), "{money: EUR} or {enum: [good, fair]}")
    return Type("money", currency)


def _date(reader: Reader) -> Date:
    value = _value(reader, Type("date"))
    if not isinstance(value, Date):
        raise reader.refuse("no date", "a date such as 2019-01-21")
    return value


def _offsets(reader: Reader) -> list[tuple[Instant | None, Duration]]:
    """`"+01:00"`, or a list of offsets with the instants from which they hold."""
    if isinstance(reader.tree, str):
        return [(None, _offset(reader))]
    found: list[tuple[Instant | None, Duration]] = []
    for item in reader.items(MAX_OFFSETS, "offsets"):
        parts = item.keys(("offset",), ("from",), "an offset")
        since = _value(parts["from"], Type("instant")) if "from" in parts else None
        found.append((since if isinstance(since, Instant) else None, _offset(parts["offset"])))
    if not found:
        raise reader.refuse("no offset", 'an offset such as "+01:00"')
    return found


def _offset(reader: Reader) -> Duration:
    text = reader.text(MAX_VALUE_CHARS, "an offset such as +01:00")
    read = _OFFSET.fullmatch(text)
    if text == "Z":
        return Duration(0)
    if read is None:
        raise MalformedError(
            str(reader.place),
            found=short(text),
            expected='how far clocks are ahead of UTC: Z, or an offset such as "+01:00"',
            action='write "+01:00", or where clocks change a list: [{offset: "+01:00"}, '
            '{from: "2026-03-29T01:00:00Z", offset: "+02:00"}]',
        )
    minutes = int(read[2]) * 60 + int(read[3])
    return Duration((-minutes if read[1] == "-" else minutes) * 60_000)
