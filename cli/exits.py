"""Exit codes, the same for every command.

| code | meaning |
| --- | --- |
| 0 | yes |
| 1 | no: invalid, tampered, a condition that does not hold |
| 2 | wrong usage |
| 3 | could not be checked: unreachable, missing or erased data |
| 4 | not allowed |
| 11, 12, 13 | fork, gap, rollback (`tally verify`) |
| 70 | a fault of our own |
| 130 | stopped by the one who called |
"""

from __future__ import annotations

from ledger.audit.finding import Sort
from ledger.errors import (
    ForbiddenError,
    ForkError,
    GapError,
    MissingError,
    RollbackError,
    TallyError,
    UnavailableError,
    UsageError,
)

YES = 0
NO = 1
USAGE = 2
UNCHECKED = 3
NOT_ALLOWED = 4
FORK = 11
GAP = 12
ROLLBACK = 13
FAULT = 70
INTERRUPTED = 130

_OF_SORT = {Sort.INVALID: NO, Sort.FORK: FORK, Sort.GAP: GAP, Sort.ROLLBACK: ROLLBACK}


def exit_code(error: TallyError) -> int:
    """How a command ends that failed in an expected way."""
    match error:
        case UsageError():
            return USAGE
        case MissingError() | UnavailableError():
            return UNCHECKED
        case ForbiddenError():
            return NOT_ALLOWED
        case ForkError():
            return FORK
        case GapError():
            return GAP
        case RollbackError():
            return ROLLBACK
    return NO


def exit_of_sort(sort: Sort | None) -> int:
    """How an audit ends whose findings come to this; None where there are none."""
    return YES if sort is None else _OF_SORT[sort]
