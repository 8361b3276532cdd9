"""The words of the language's operators and functions, and of the ways to round."""

from __future__ import annotations

from collections.abc import Mapping

COMPARED = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
COMPARED_TIMES = COMPARED | {
    "<": "is before",
    "<=": "is not after",
    ">": "is after",
    ">=": "is not before",
}
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
ROUNDED = {
    "half_up": ("half a cent counting as a full cent", "a half counting as a full one"),
    "half_even": ("half a cent going to the even cent", "a half going to the even one"),
    "half_down": ("half a cent counting as nothing", "a half counting as nothing"),
    "up": ("a part of a cent counting as a full cent", "a part counting as a full one"),
    "down": ("a part of a cent counting as nothing", "a part counting as nothing"),
    "ceiling": ("always to the higher cent", "always upwards"),
    "floor": ("always to the lower cent", "always downwards"),
}
"""How something is rounded: where it is rounded to cents, and otherwise."""

CALLS: Mapping[tuple[str, int], str] = {
    ("money", 2): "{0} {1}",
    ("days", 1): "{0} days",
    ("hours", 1): "{0} hours",
    ("minutes", 1): "{0} minutes",
    ("days", 2): "the number of whole days from {0} to {1}",
    ("ceil_days", 2): "the number of days from {0} to {1}, a part of a day counting as a full day",
    ("add_months", 2): "the day {1} months after {0}",
    ("year", 1): "the year of {0}",
    ("month", 1): "the month of {0}",
    ("day_of_month", 1): "the day of the month of {0}",
    ("weekday", 1): "the weekday (1 is Monday) of {0}",
    ("band", 2): "what the table {0} gives for {1}",
    ("business_days", 3): "the number of business days (of the calendar {2}) after {0} up to {1}",
    ("add_business_days", 3): "{1} business days (of the calendar {2}) after {0}",
    ("is_business_day", 2): "{0} is a business day (of the calendar {1})",
    ("date", 2): "the day of {0} (in the calendar {1})",
    ("start_of_day", 2): "the beginning of the day {0} (in the calendar {1})",
    ("end_of_day", 2): "the end of the day of {0} (in the calendar {1})",
    ("end_of_business_day", 2): "the end of the business day of {0} or the next one (in the calendar {1})",
}
"""The words of each function, by its name and how many arguments it is given."""
