"""The confirmations of facts that were counted: of each organization the first for each fact."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.records import Record
from ledger.errors import InvalidError


class Confirmations:
    """Which confirmation of an organization counts, by the leaf hash of what it confirms."""

    def __init__(self) -> None:
        self._first: dict[bytes, dict[str, bytes]] = {}

    def would_count(self, record: Record) -> bool:
        """Whether a confirmation is its organization's first for that fact; later ones change nothing."""
        return record.organization not in self._first.get(record.body["fact"], {})

    def count(self, record: Record) -> None:
        """Count a confirmation.

        Raises:
            InvalidError: its organization confirmed before.
        """
        if not self.would_count(record):
            raise InvalidError("confirmation", found=f"one of {record.organization} was counted before")
        self._first.setdefault(record.body["fact"], {})[record.organization] = record.leaf_hash

    def of(self, fact: bytes, organizations: Iterable[str]) -> list[bytes] | None:
        """The confirmations of a fact by these organizations, or None if one lacks."""
        found = self._first.get(fact, {})
        needed = sorted(set(organizations))
        return [found[name] for name in needed] if found.keys() >= set(needed) else None
