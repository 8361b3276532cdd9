"""Faults in the form of a document, collected so that all of them are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from contracts.limits import MAX_NAME_CHARS
from ledger.errors import TallyError

MAX_FAULTS = 100
"""Faults of form that are told of one document."""


class Broken(Exception):
    """A part that cannot be used, all of whose faults have been told; never leaves `contracts`."""


@dataclass(slots=True)
class Faults:
    """What is wrong with the form of a document: `most` faults are collected, the next one is raised."""

    most: int = 0
    found: list[TallyError] = field(default_factory=list)

    def add(self, error: TallyError) -> None:
        """Collect a fault.

        Raises:
            TallyError: this one, where there are enough.
        """
        if len(self.found) >= self.most:
            raise error
        self.found.append(error)


def likely(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None where none is like it."""
    if len(name) > MAX_NAME_CHARS:
        return None
    return next(iter(get_close_matches(name, list(known), 1)), None)
