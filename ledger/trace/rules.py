"""What each field of an EPCIS 2.0 event must be, as tables; `ledger.trace.check` walks them.

A rule is a function of one value that returns nothing or raises `Problem`. The tables agree with GS1's
JSON Schema, formats asserted, except where `docs/decisions` or a comment here says otherwise:

- identifiers of things, places, parties and transactions may be firm-local names (no scheme)
- a field whose name starts with `_` is taken as a comment
- standard fields of extension events must have their standard form
- an instant must exist (no 30th of February, no leap second)
- sensor reports may name measurements that a later vocabulary added, and need no measurement where they
  tell an exception; persistentDisposition may stand in
  every event type, as in version 2.0.1 of the standard
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from ledger.errors import MalformedError, short
from ledger.trace import vocabulary
from ledger.trace.instants import EXPECTED, parse_instant
from ledger.trace.json_text import JsonValue

Rule = Callable[[JsonValue], None]

MAX_IDENTIFIER_CHARS: Final = 2048

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|\\^`\x7f]+")
_NAME: Final = re.compile(r"[^\x00-\x20<>\"{}|\\^`\x7f]+")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_RESERVED: Final = re.compile(r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/")
_GS1_VOC: Final = re.compile(r"https?://(?:www\.)?gs1\.org/voc/")


class Problem(Exception):
    """A value that breaks a rule. Every level it passes on its way out appends its step to the path."""

    def __init__(self, found: str, expected: str, action: str = "") -> None:
        super().__init__(found, expected, action)
        self.found = found
        self.expected = expected
        self.action = action
        self.steps: list[str | int] = []

    def path(self) -> str:
        """The place of the value, as `readPoint.id` or `epcList[3]`."""
        text = ""
        for step in reversed(self.steps):
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text


def kind_of(value: JsonValue) -> str:
    """What a value is, for people: its form, and the value itself where it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"the number {value}"
    if isinstance(value, str):
        return short(value) if value else "an empty string"
    return "an object" if isinstance(value, dict) else "an array"


# Leaves


def text(value: JsonValue) -> None:
    if not isinstance(value, str):
        raise Problem(kind_of(value), "a string")


def number(value: JsonValue) -> None:
    if not isinstance(value, Decimal):
        raise Problem(kind_of(value), "a number", "write it without quotes")


def boolean(value: JsonValue) -> None:
    if not isinstance(value, bool):
        raise Problem(kind_of(value), "true or false")


def anything(value: JsonValue) -> None:
    """Any value will do."""


def any_object(value: JsonValue) -> None:
    if not isinstance(value, dict):
        raise Problem(kind_of(value), "an object")


def uri(value: JsonValue) -> None:
    if not isinstance(value, str) or not _URI.fullmatch(value) or len(value) > MAX_IDENTIFIER_CHARS:
        raise Problem(kind_of(value), "a URI, as https://example.com/42 or urn:uuid:…")


def name(value: JsonValue) -> None:
    """An identifier: a URI, or a name that only this firm knows."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > MAX_IDENTIFIER_CHARS:
        raise Problem(
            kind_of(value), "an identifier without spaces, as urn:epc:id:sgtin:… or https://id.gs1.org/01/…"
        )


def instant(value: JsonValue) -> None:
    if not isinstance(value, str):
        raise Problem(kind_of(value), EXPECTED)
    try:
        parse_instant(value)
    except MalformedError as error:
        raise Problem(error.found, error.expected) from None


def matching(pattern: str, expected: str) -> Rule:
    """A string that matches the whole pattern."""
    matches = re.compile(pattern, re.ASCII).fullmatch

    def rule(value: JsonValue) -> None:
        if not isinstance(value, str) or not matches(value):
            raise Problem(kind_of(value), expected)

    return rule


def one_of(words: frozenset[str]) -> Rule:
    """One word of a closed list."""
    listed = ", ".join(sorted(words))

    def rule(value: JsonValue) -> None:
        if not isinstance(value, str) or value not in words:
            raise Problem(kind_of(value), f"one of {listed}")

    return rule


def word(
    words: frozenset[str], what: str, *, taken: re.Pattern[str] = _RESERVED, growing: bool = False
) -> Rule:
    """A bare word of the standard's list, or a URI of one's own that does not pose as the standard's.

    A growing list is one that GS1 extends without a new version of the standard.
    """

    def rule(value: JsonValue) -> None:
        if isinstance(value, str):
            if value in words or (growing and _WORD.fullmatch(value)):
                return
            if taken.match(value):
                raise Problem(kind_of(value), f"the bare word for a standard {what}", "write the word alone")
            if _URI.fullmatch(value):
                return
        raise Problem(
            kind_of(value), f"a standard {what} such as {min(words)}, or a URI", "check the spelling"
        )

    return rule


# Containers


def items(rule: Rule, *, at_least: int = 0, unique: bool = False) -> Rule:
    """An array whose items all keep the rule."""

    def check(value: JsonValue) -> None:
        if not isinstance(value, list):
            raise Problem(kind_of(value), "an array")
        if len(value) < at_least:
            raise Problem("an empty array", "at least one item", "leave the field out")
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007  # the index is told when an item is refused
                rule(item)
        except Problem as problem:
            problem.steps.append(index)
            raise
        if unique and len(value) > 1 and len(set(map(repr, value))) != len(value):
            raise Problem("the same item twice", "each item once", "remove the repetition")

    return check


def fields(
    rules: Mapping[str, Rule],
    *,
    required: tuple[str, ...] = (),
    extensible: bool = True,
    any_name: bool = False,
) -> Rule:
    """An object whose fields keep their rules; names with a colon are extensions where these may stand."""

    def check(value: JsonValue) -> None:
        if not isinstance(value, dict):
            raise Problem(kind_of(value), "an object")
        key = ""
        try:
            for key, item in value.items():
                rule = rules.get(key)
                if rule is not None:
                    rule(item)
                elif not any_name:
                    _check_extension(key, extensible)
        except Problem as problem:
            problem.steps.append(key)
            raise
        for key in required:
            if key not in value:
                missing = Problem("no such field", "a value", f"add {key}")
                missing.steps.append(key)
                raise missing

    return check


def _check_extension(key: str, extensible: bool) -> None:
    if not extensible:
        raise Problem("an unknown field", "only the standard's fields here", "move it beside the object")
    if not _URI.fullmatch(key) and not key.startswith("_"):
        raise Problem(
            "an unknown field", "a field of the standard", "check the spelling, or give an own field a prefix"
        )


def either(*rules: tuple[type, Rule], expected: str) -> Rule:
    """The rule for the form the value has."""

    def check(value: JsonValue) -> None:
        for form, rule in rules:
            if isinstance(value, form):
                rule(value)
                return
        raise Problem(kind_of(value), expected)

    return check


# The standard's fields

context: Final = either(
    (str, uri),
    (dict, any_object),
    (
        list,
        items(either((str, uri), (dict, any_object), expected="a URI or an object"), unique=True),
    ),
    expected="a URI, an object or an array of them",
)
biz_step: Final = word(vocabulary.BIZ_STEPS, "business step")
disposition: Final = word(vocabulary.DISPOSITIONS, "disposition")
uom: Final = matching(r"[A-Z0-9]{2,3}", "a unit of two or three capital letters or digits, as KGM")
place: Final = fields({"id": name}, required=("id",), any_name=True)
quantity: Final = fields(
    {"epcClass": name, "quantity": number, "uom": uom}, required=("epcClass",), extensible=False
)
transaction: Final = fields(
    {"type": word(vocabulary.TRANSACTION_TYPES, "transaction type"), "bizTransaction": name},
    required=("bizTransaction",),
    extensible=False,
)
_party_type: Final = word(vocabulary.PARTY_TYPES, "party type")
source: Final = fields({"type": _party_type, "source": name}, required=("type", "source"), extensible=False)
destination: Final = fields(
    {"type": _party_type, "destination": name}, required=("type", "destination"), extensible=False
)
_disposition_set: Final = items(disposition, at_least=1, unique=True)
_persistent: Final = fields({"set": _disposition_set, "unset": _disposition_set}, extensible=False)


def persistent_disposition(value: JsonValue) -> None:
    _persistent(value)
    if not value:
        raise Problem("neither set nor unset", "one of them", "leave the field out")


error_declaration: Final = fields(
    {
        "declarationTime": instant,
        "reason": word(vocabulary.ERROR_REASONS, "error reason"),
        "correctiveEventIDs": items(uri),
    },
    required=("declarationTime",),
)
_sensor_common: Final[dict[str, Rule]] = {
    "time": instant,
    "deviceID": uri,
    "deviceMetadata": uri,
    "rawData": uri,
    "dataProcessingMethod": uri,
    "bizRules": uri,
}
sensor_metadata: Final = fields(_sensor_common | {"startTime": instant, "endTime": instant})
_sensor_report: Final = fields(
    _sensor_common
    | {
        "type": word(vocabulary.MEASUREMENTS, "measurement type", taken=_GS1_VOC, growing=True),
        "exception": word(vocabulary.ALARMS, "alarm", taken=_GS1_VOC),
        "microorganism": uri,
        "chemicalSubstance": uri,
        "coordinateReferenceSystem": uri,
        "component": word(vocabulary.COMPONENTS, "component"),
        "stringValue": text,
        "booleanValue": boolean,
        "hexBinaryValue": matching(r"[A-Fa-f0-9]+", "hexadecimal digits"),
        "uriValue": uri,
        "uom": text,
    }
    | dict.fromkeys(("value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"), number)
)


def sensor_report(value: JsonValue) -> None:
    _sensor_report(value)
    if isinstance(value, dict) and "type" not in value and "exception" not in value:
        raise Problem("neither type nor exception", "what was measured", "add type")


sensor_element: Final = fields(
    {"sensorMetadata": sensor_metadata, "sensorReport": items(sensor_report, at_least=1)},
    required=("sensorReport",),
)
epc_list: Final = items(name, unique=True)
names: Final = items(name)
quantity_list: Final = items(quantity)
ilmd: Final = fields({})
