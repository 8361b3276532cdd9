"""Every limit of the contract language, with its unit in its name, and the words that it reserves.

The limits are part of version 1: a document that one node accepts, every node accepts.
"""

from __future__ import annotations

import re

LANGUAGE = 1
"""The version of the language; a document names it under `contract`."""

MAX_DOCUMENT_BYTES = 128 * 1024
MAX_DOCUMENT_DEPTH = 12
MAX_DOCUMENT_NODES = 20_000
MAX_TEXT_CHARS = 65_536
MAX_VALUE_CHARS = 500
MAX_NAME_CHARS = 40
MAX_EXPRESSION_CHARS = 4096
MAX_RULES_CHARS = 16_384
"""All texts under `lets` and `rules` together: reading them takes well under a second."""
MAX_EXPRESSION_DEPTH = 48
MAX_LET_DEPTH = 96
MAX_COST = 200_000
MAX_PARTIES = 32
MAX_PARAMS = 256
MAX_FACTS = 128
MAX_FIELDS = 62
MAX_LETS = 256
MAX_RULES = 256
MAX_EFFECTS = 16
MAX_MEMBERS = 64
MAX_FACTS_OF_A_KIND = 10_000
MAX_SIGNATURES = 16
DIGITS = 34
MAX_PLACES = 33

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""Names of params, facts, fields, lets, rules, states and enum members."""

ROLE = re.compile(r"[a-z][a-z0-9]{0,31}")
"""Roles of a document: they are names of the ledger too, so without `_`."""

TITLE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""The name of a document."""

RESERVED = frozenset(
    (
        *("and", "or", "not", "true", "false", "if", "exists", "min", "max", "round", "money"),
        *("days", "ceil_days", "count", "sum", "min_of", "max_of", "running", "business_days"),
        *("end_of_day", "band", "where", "per", "timekeeper", "nan", "inf", "infinity"),
        *("half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"),
    )
)
"""Words of the language, now or later: not to be used as names."""

NOT_YET = {
    "deadlines": "deadlines",
    "calendars": "calendars",
    "bands": "band tables",
    "events": "facts from events",
    "before": "deadlines",
    "attachments": "required attachments",
    "event": "facts from events",
    "per": "rules per key",
    "obligation": "obligations",
    "discharge": "obligations",
    "confirm": "requests for confirmation",
    "successor": "successors of the timekeeper",
}
"""Keys of the language that this version does not know, and what they are for."""

FUNCTIONS_NOT_YET = frozenset(
    ("count", "sum", "min_of", "max_of", "running", "business_days", "end_of_day", "band")
)
"""Functions of the language that this version does not know."""
