"""The civil calendar in whole numbers: days since 1970-01-01, proleptic Gregorian, years 1 to 9999.

Written out rather than imported: what an agreement decides must not change with a Python version.
"""

from __future__ import annotations

DAY_MS = 86_400_000
MIN_DAY = -719_162
"""0001-01-01."""
MAX_DAY = 2_932_896
"""9999-12-31."""
MIN_MS = MIN_DAY * DAY_MS
MAX_MS = MAX_DAY * DAY_MS + DAY_MS - 1

_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def month_days(year: int, month: int) -> int:
    """How many days a month has."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _MONTH_DAYS[month - 1]


def day_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date (H. Hinnant, days_from_civil)."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def date_of(day: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01 (H. Hinnant, civil_from_days)."""
    era, of_era = divmod(day + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1
