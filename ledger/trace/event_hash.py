"""The event hash of the Core Business Vocabulary 2.0 (section 8.9): one hash for one event, however written.

The string that is hashed joins, without any separator:

- `eventType=` and the type, then the standard's fields in the standard's order, each `name=value` or
  `name` followed by its parts; elements of a list are sorted
- then, sorted among each other, bizTransactionList, destinationList, ilmd, sourceList and extensions;
  so the reference implementation writes them, and its published strings are what others compare with
- extensions inside a standard object follow its own fields

Names with a prefix become `{namespace}name`, values with a prefix the address. Times become UTC with
milliseconds, numbers lose padding zeros, identifiers take their canonical form, standard words their web
address. Left out are recordTime, eventID, errorDeclaration, comments, `@context`, and what the document's
`ignoreFields` names.

Unlike the reference: numbers with more than 15 digits keep every digit (it rounds them as floats), true
and false are in small letters as in XML, bizRules of a sensor report stand in the order of the metadata,
and an extension belongs to its object whatever its namespace ends with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError
from ledger.trace.identifiers import canonical
from ledger.trace.instants import format_instant, parse_instant
from ledger.trace.json_text import JsonValue
from ledger.trace.namespaces import Namespaces, read_namespaces
from ledger.trace.vocabulary import (
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    GS1,
    PARTY_TYPE,
    TRANSACTION_TYPE,
    expand,
    modern,
)

_COMMENTS: Final = frozenset({"comment", "{http://www.w3.org/2000/01/rdf-schema#}comment"})
_LEFT_OUT: Final = frozenset({"@context", "type", "recordTime", "eventID", "errorDeclaration"})
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_FLOAT_DIGITS: Final = 15
# Longer text is neither number nor identifier, and must not fill the cache.
_MAX_CACHED_CHARS: Final = 512
_NI_PREFIX: Final = "ni:///sha-256;"
_NI_SUFFIX: Final = "?ver=CBV2.0"

Writer = Callable[[str, JsonValue, Namespaces], str]


def event_hash(event: Mapping[str, JsonValue], context: str, ignored: Iterable[str] = ()) -> bytes:
    """The event's hash, 32 bytes. `context` is the JSON text of the document's `@context`, or empty."""
    return hashlib.sha256(pre_hash(event, context, ignored).encode()).digest()


def format_ni(digest: bytes) -> str:
    """The hash as the URI that CBV 2.0 uses in eventID."""
    return f"{_NI_PREFIX}{digest.hex()}{_NI_SUFFIX}"


def pre_hash(event: Mapping[str, JsonValue], context: str, ignored: Iterable[str] = ()) -> str:
    """The string that is hashed."""
    names = read_namespaces(context)
    own = event.get("@context")
    if own is not None:
        names = names.extended(own)
    skipped = {names.key(name) for name in ignored}
    ordered: list[tuple[int, str]] = []
    rest: list[str] = []
    for key, value in event.items():
        known = _ORDER.get(key)
        if known is not None:
            ordered.append((known[0], known[1](key, value, names)))
        elif key not in _LEFT_OUT:
            name = names.key(key)
            if name not in skipped and name not in _COMMENTS:
                writer = _UNORDERED.get(key)
                rest.append(writer(key, value, names) if writer else _free(name, value, names))
    ordered.sort()
    rest.sort()
    kind = event.get("type")
    head = names.key(kind) if isinstance(kind, str) else ""
    return f"eventType={head}{''.join([text for _, text in ordered])}{''.join(rest)}"


# Values


def _canonical_text(text: str) -> str:
    return _canonical_short_text(text) if len(text) <= _MAX_CACHED_CHARS else text.strip()


@lru_cache(maxsize=32_768)
def _canonical_short_text(text: str) -> str:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return _canonical_number(text)
    return canonical(modern(text))


def _canonical_number(text: str) -> str:
    exact = Decimal(text)
    digits = len(exact.as_tuple().digits)
    if digits <= _FLOAT_DIGITS and -300 < exact.adjusted() < 300:
        number = float(text)
        return str(int(number)) if number == int(number) else str(number)
    if exact == exact.to_integral_value() and exact.adjusted() < 400:
        return format(exact, "f").partition(".")[0]
    return str(exact.normalize())


def _scalar(value: JsonValue, names: Namespaces) -> str:
    """A value without parts."""
    if isinstance(value, str):
        return _canonical_text(names.value(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else _canonical_text(str(value))


# Fields


def _plain(key: str, value: JsonValue, names: Namespaces) -> str:
    if isinstance(value, dict | list):
        return _free(key, value, names)
    text = _scalar(value, names)
    return f"{key}={text}" if text else ""


def _time(key: str, value: JsonValue, names: Namespaces) -> str:
    try:
        return f"{key}={format_instant(parse_instant(value.strip()))}" if isinstance(value, str) else ""
    except MalformedError:
        return _plain(key, value, names)


def _free(name: str, value: JsonValue, names: Namespaces) -> str:
    """A field that the standard does not order: parts sorted, list elements each under the list's name."""
    if isinstance(value, dict):
        return name + _parts(value, names)
    if isinstance(value, list):
        return "".join(sorted(_free(name, item, names) for item in value))
    text = _scalar(value, names)
    return f"{name}={text}" if text else name


def _parts(value: Mapping[str, JsonValue], names: Namespaces) -> str:
    texts = []
    for key, item in value.items():
        name = names.key(key)
        if name not in _COMMENTS:
            texts.append(_free(name, item, names))
    texts.sort()
    return "".join(texts)


def _listed(element: str) -> Writer:
    """A list whose elements go under a name of their own: `epcListepc=…epc=…`."""

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        if not isinstance(value, list) or not value:
            return ""
        texts = [_plain(element, item, names) for item in value]
        texts.sort()
        return key + "".join(texts)

    return write


def _repeated(key: str, value: JsonValue, names: Namespaces) -> str:
    """A field that may be given once or as a list: `certificationInfo=…certificationInfo=…`."""
    items = value if isinstance(value, list) else [value]
    return "".join(sorted(_plain(key, item, names) for item in items))


def _word(base: str) -> Writer:
    """A standard word, as its web address."""

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        if not isinstance(value, str):
            return _plain(key, value, names)
        return f"{key}={_canonical_text(expand(names.value(value.strip()), base))}"

    return write


def _words(base: str) -> Writer:
    word = _word(base)

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        items = value if isinstance(value, list) else [value]
        return "".join(sorted(word(key, item, names) for item in items))

    return write


def _object(order: dict[str, tuple[int, Writer]], prefix: str = "") -> Writer:
    """An object with fields in the standard's order, its extensions behind them."""

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        if not isinstance(value, dict):
            return _plain(key, value, names)
        ordered: list[tuple[int, str]] = []
        extensions: dict[str, JsonValue] = {}
        for name, item in value.items():
            known = order.get(name)
            if known is None:
                extensions[name] = item
            else:
                ordered.append((known[0], known[1](name, item, names)))
        ordered.sort()
        text = "".join([text for _, text in ordered])
        if extensions:
            text += _parts(extensions, names)
        return f"{prefix or key}{text}" if text else ""

    return write


def _object_list(item: Writer, element: str) -> Writer:
    """A list of objects: `quantityList` and then each one's text, sorted."""

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        if not isinstance(value, list) or not value:
            return ""
        texts = [item(element, part, names) for part in value]
        texts.sort()
        return key + "".join(texts)

    return write


def _pair_list(element: str, base: str) -> Writer:
    """Typed references: `sourceListtype=…source=…`, sorted, their type in front."""
    word = _word(base)

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        if not isinstance(value, list) or not value:
            return ""
        texts = []
        for part in value:
            if isinstance(part, dict):
                kind = word("type", part["type"], names) if "type" in part else ""
                texts.append(kind + _plain(element, part.get(element), names))
        texts.sort()
        return key + "".join(texts)

    return write


def _repeated_objects(item: Writer) -> Writer:
    """A list of objects, each under the list's own name: `sensorReporttype=…sensorReporttype=…`."""

    def write(key: str, value: JsonValue, names: Namespaces) -> str:
        items = value if isinstance(value, list) else [value]
        return "".join(sorted(item(key, part, names) for part in items))

    return write


def _in_order(fields: Iterable[tuple[str, Writer]]) -> dict[str, tuple[int, Writer]]:
    return {name: (at, writer) for at, (name, writer) in enumerate(fields)}


_QUANTITIES: Final = _object_list(
    _object(_in_order([("epcClass", _plain), ("quantity", _plain), ("uom", _plain)])), "quantityElement"
)
_EPCS: Final = _listed("epc")
_PLACE: Final = _object(_in_order([("id", _plain)]))
_DEVICE: Final[list[tuple[str, Writer]]] = [
    ("deviceID", _plain),
    ("deviceMetadata", _plain),
    ("rawData", _plain),
    ("dataProcessingMethod", _plain),
    ("bizRules", _plain),
]
_SENSOR_METADATA: Final = _object(
    _in_order([("time", _time), ("startTime", _time), ("endTime", _time), *_DEVICE])
)
_SENSOR_REPORT: Final = _object(
    _in_order(
        [
            ("type", _word(GS1)),
            ("exception", _word(GS1)),
            *_DEVICE,
            ("time", _time),
            ("microorganism", _plain),
            ("chemicalSubstance", _plain),
            ("value", _plain),
            ("component", _word(COMPONENT)),
            ("stringValue", _plain),
            ("booleanValue", _plain),
            ("hexBinaryValue", _plain),
            ("uriValue", _plain),
            ("minValue", _plain),
            ("maxValue", _plain),
            ("meanValue", _plain),
            ("sDev", _plain),
            ("percRank", _plain),
            ("percValue", _plain),
            ("uom", _plain),
            ("coordinateReferenceSystem", _plain),
        ]
    )
)
_SENSOR_ELEMENT: Final = _object(
    _in_order([("sensorMetadata", _SENSOR_METADATA), ("sensorReport", _repeated_objects(_SENSOR_REPORT))])
)
_ORDER: Final = _in_order(
    [
        ("eventTime", _time),
        ("eventTimeZoneOffset", _plain),
        ("certificationInfo", _repeated),
        ("parentID", _plain),
        ("epcList", _EPCS),
        ("inputEPCList", _EPCS),
        ("childEPCs", _EPCS),
        ("quantityList", _QUANTITIES),
        ("childQuantityList", _QUANTITIES),
        ("inputQuantityList", _QUANTITIES),
        ("outputEPCList", _EPCS),
        ("outputQuantityList", _QUANTITIES),
        ("action", _plain),
        ("transformationID", _plain),
        ("bizStep", _word(BIZ_STEP)),
        ("disposition", _word(DISPOSITION)),
        (
            "persistentDisposition",
            _object(_in_order([("set", _words(DISPOSITION)), ("unset", _words(DISPOSITION))])),
        ),
        ("readPoint", _PLACE),
        ("bizLocation", _PLACE),
        ("sensorElementList", _object_list(_SENSOR_ELEMENT, "sensorElement")),
    ]
)
_UNORDERED: Final[dict[str, Writer]] = {
    "bizTransactionList": _pair_list("bizTransaction", TRANSACTION_TYPE),
    "sourceList": _pair_list("source", PARTY_TYPE),
    "destinationList": _pair_list("destination", PARTY_TYPE),
}
