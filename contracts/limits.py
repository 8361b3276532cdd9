"""Every limit of the contract language, with its unit in its name, and the words that it reserves.

The limits are part of version 1: a document that one node accepts, every node accepts.
"""

from __future__ import annotations

import re

LANGUAGE = 1
"""The version of the language; a document names it under `contract`."""

LANGUAGE_VECTORS = "0d79c78f3979bf2afa4f93aad6b4e50ab26dc8344cf1f9ba88716a5a21c85220"
"""SHA-256 of tests/vectors/contracts/language-1.json, which fixes what version 1 means; every signed
document names it under `language`."""

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
MAX_LOOK_COST = 200_000
"""Steps of one look at one rule."""
MAX_LIFE_COST = 20_000_000
"""Steps of all looks in the life of an agreement, for each value of a key."""
MAX_WHOLE_COST = 500_000_000
"""Steps of the whole life of an agreement, for all values of its keys."""
MAX_PARTIES = 32
MAX_PARAMS = 256
MAX_FACTS = 128
MAX_FIELDS = 62
MAX_LETS = 256
MAX_RULES = 256
MAX_EFFECTS = 16
MAX_MEMBERS = 64
MAX_FACTS_OF_A_KIND = 10_000
MAX_KEYS = 10_000
"""Values of a key for which rules, facts and deadlines exist."""
MAX_KEY_FIELDS = 4
"""Fields of one document that rules, facts and deadlines are `per`."""
MAX_KEY_CHARS = 64
MAX_DEADLINES = 128
MAX_CALENDARS = 16
MAX_HOLIDAYS = 2000
MAX_OFFSETS = 500
MAX_BANDS = 64
MAX_BAND_ROWS = 256
MAX_ATTACHMENTS = 64
MAX_SIGNATURES = 16
DIGITS = 34
MAX_PLACES = 33

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that no text has: controls, what does not show, what turns the direction of what follows, halves
of a pair. Joiners are not among them: some scripts cannot be written without."""

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
        *("add_business_days", "is_business_day", "start_of_day", "end_of_day", "end_of_business_day"),
        *("add_months", "day_of_month", "band", "where", "per", "all", "balance", "last"),
        *("timekeeper", "nan", "inf", "infinity"),
        *("half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"),
    )
)
"""Words of the language: not to be used as names. (`date`, `year`, `month`, `weekday`, `hours` and
`minutes` are names as well: a function is told by its parenthesis.)"""
