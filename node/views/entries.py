"""Entries with their statements, one by one and page by page."""

from __future__ import annotations

from ledger.errors import MalformedError, UsageError
from ledger.log.entry import leaf_hash, parse_entry
from ledger.log.statement import Statement, parse_statement
from node.state import State
from node.store.reader import Reader
from node.views.values import Json, as_json, format_time

MAX_PAGE_ENTRIES = 1000
DEFAULT_PAGE_ENTRIES = 100


def show_entry(reader: Reader, state: State, origin: str, seq: int) -> Json:
    """One entry with its statement, where this home has the payload.

    Raises:
        MissingError: this home does not hold the entry.
    """
    found = reader.payload(origin, seq)
    return _show(state, origin, reader.entry(origin, seq), None if found is None else found[1])


def find_entry(reader: Reader, state: State, leaf: bytes) -> Json:
    """The entry with this leaf hash; MissingError where this home holds none."""
    return show_entry(reader, state, *reader.find(leaf))


def list_entries(
    reader: Reader, state: State, origin: str, *, start: int = 0, limit: int = DEFAULT_PAGE_ENTRIES
) -> Json:
    """A page of a log: up to `limit` entries from position `start`, and where the next page begins.

    Raises:
        MissingError: this home has no copy of that log.
        UsageError: a page of that size or place cannot be had.
    """
    if not (0 <= start <= 2**53 and 1 <= limit <= MAX_PAGE_ENTRIES):
        raise UsageError(
            f"page of {origin}",
            found=f"from {start}, {limit} entries",
            expected=f"a position, and 1 to {MAX_PAGE_ENTRIES} entries",
        )
    size = state.head(origin).copy.size
    entries = reader.entries(origin, start, min(limit, max(0, size - start)))
    payloads = {seq: payload for seq, _, payload in reader.payloads(origin, start, len(entries))}
    end = start + len(entries)
    return {
        "origin": origin,
        "size": size,
        "quarantined": origin in state.quarantined,
        "from": start,
        "next": end if entries and end < size else None,
        "entries": [_show(state, origin, data, payloads.get(start + i)) for i, data in enumerate(entries)],
    }


def show_statement(statement: Statement) -> Json:
    """A statement; `audience` is null for all members."""
    return {
        "kind": statement.kind,
        "audience": None if statement.audience is None else list(statement.audience),
        "body": as_json(statement.body),
        "nonce": statement.nonce.hex(),
        "signatures": [
            {"key": s.key.hex(), "role": s.role, "signature": s.signature.hex()} for s in statement.signatures
        ],
    }


def _show(state: State, origin: str, data: bytes, payload: bytes | None) -> Json:
    entry = parse_entry(data)
    shown = {
        "origin": origin,
        "organization": origin.partition("/")[0],
        "seq": entry.seq,
        "leaf": leaf_hash(data).hex(),
        "prev": entry.prev.hex(),
        "time_ms": entry.time_ms,
        "time": format_time(entry.time_ms),
        "kind": entry.kind,
        "size": entry.size,
        "commit": entry.commit.hex(),
        "witnessed": state.is_witnessed(origin, entry.seq),
        "quarantined": origin in state.quarantined,
        "statement": None,
    }
    if payload is not None:
        try:
            shown["statement"] = show_statement(parse_statement(payload, f"{origin} entry {entry.seq}"))
        except MalformedError as error:
            shown["trouble"] = str(error)
    return shown
