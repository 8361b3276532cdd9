"""One canonical form for the names of things, places, parties and documents.

An EPC URN and a GS1 Digital Link of the same thing become the same text, the GS1 Digital Link under
`https://id.gs1.org` with its identifiers only (CBV 2.0, section 8.9):

    urn:epc:id:sgtin:4012345.011111.9876        https://id.gs1.org/01/04012345111118/21/9876
    https://example.com/gtin/04012345111118/ser/9876?17=260501    the same

- the check digit is computed where the URN has none, and never judged where the link has one
- of several qualifiers the finest stays (a serial before a lot); product variants and queries fall away
- GTINs of 8, 12 or 13 digits are filled up to 14
- reserved characters of serials and lots are percent-encoded, with capital hexadecimal digits
- a URN pattern (`urn:epc:idpat:…*`) becomes the class it stands for

Whatever is none of these, or does not have their form, stays as it is: plain URIs, firm-local names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

ROOT: Final = "https://id.gs1.org/"

_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._';=")
# What GS1 application identifiers may hold (GS1 General Specifications, character set 82), and # for parts.
_CHARACTERS: Final = _SAFE | frozenset(b'!"#%&()*+,/:<>?')
_PLAIN: Final = re.compile(r"[A-Za-z0-9._';=\-]+")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_PREFIX_DIGITS: Final = range(6, 13)

# The primary key's application identifier, what its value must look like, and the qualifiers that may
# follow, finest first; None marks those that fall away.
_KEYS: Final[dict[str, tuple[re.Pattern[str], tuple[str, ...]]]] = {
    "00": (re.compile(r"\d{18}", re.ASCII), ()),
    "01": (re.compile(r"\d{14}", re.ASCII), ("21", "235", "10")),
    "253": (re.compile(r"\d{13}.{0,51}", re.ASCII), ()),
    "255": (re.compile(r"\d{13}\d{0,12}", re.ASCII), ()),
    "401": (re.compile(r"\d{4}.{0,78}", re.ASCII), ()),
    "402": (re.compile(r"\d{17}", re.ASCII), ()),
    "414": (re.compile(r"\d{13}", re.ASCII), ("254",)),
    "417": (re.compile(r"\d{13}", re.ASCII), ()),
    "8003": (re.compile(r"\d{14}.{0,48}", re.ASCII), ()),
    "8004": (re.compile(r"\d{4}.{0,78}", re.ASCII), ()),
    "8006": (re.compile(r"\d{18}", re.ASCII), ("21", "10")),
    "8010": (re.compile(r"\d{4}.{0,78}", re.ASCII), ("8011",)),
    "8017": (re.compile(r"\d{18}", re.ASCII), ()),
    "8018": (re.compile(r"\d{18}", re.ASCII), ()),
}
_SHORT_NAMES: Final = {
    "sscc": "00",
    "gtin": "01",
    "gdti": "253",
    "gcn": "255",
    "ginc": "401",
    "gsin": "402",
    "gln": "414",
    "party": "417",
    "grai": "8003",
    "giai": "8004",
    "itip": "8006",
    "cpid": "8010",
    "gsrnp": "8017",
    "gsrn": "8018",
    "cpv": "22",
    "lot": "10",
    "ser": "21",
}
_VARIANT: Final = "22"
_MAX_CHARS: Final = 512
_LINK: Final = re.compile(r"https?://[^/?#]+(/[^?#]*)", re.IGNORECASE)
_GTIN_LENGTHS: Final = frozenset({8, 12, 13})


class _NoIdentifierError(ValueError):
    """The text does not have the form of a GS1 identifier."""


def canonical(name: str) -> str:
    """The one form of a name; text that is no GS1 identifier is its own."""
    # Longer text is no identifier, and must not fill the cache.
    return _canonical(name) if len(name) <= _MAX_CHARS else name


@lru_cache(maxsize=32_768)
def _canonical(name: str) -> str:
    try:
        if name.startswith("urn:epc:"):
            return ROOT + _from_urn(name)
        if name[:4].lower() == "http":
            return ROOT + "/".join(_from_link(name))
    except _NoIdentifierError:
        return name
    return name


def lot_of(name: str) -> str:
    """The lot that a Digital Link of an item names beside its serial number, or nothing."""
    if name[:4].lower() != "http" or len(name) > _MAX_CHARS:
        return ""
    try:
        parts = _from_link(name, finest="10")
    except _NoIdentifierError:
        return ""
    return ROOT + "/".join(parts) if len(parts) == 4 and parts[2] == "10" else ""


def lot_of_product(item: str, lot: str) -> str:
    """The canonical name of lot `lot` of the product that the canonical item belongs to, or nothing."""
    parts = item.removeprefix(ROOT).split("/") if item.startswith(ROOT) else []
    if len(parts) < 2 or parts[0] != "01" or not lot:
        return ""
    try:
        return f"{ROOT}01/{parts[1]}/10/{_encode(lot.encode())}"
    except _NoIdentifierError:
        return ""


def is_only_product(name: str) -> bool:
    """Whether a canonical name stands for a kind of thing (a GTIN without lot or serial), not for things."""
    if not name.startswith(ROOT):
        return False
    parts = name[len(ROOT) :].split("/")
    bare_key = len(parts) == 2
    return bare_key and (
        parts[0] in ("01", "8006", "8010")
        or (parts[0] == "8003" and len(parts[1]) == 14)
        or (parts[0] in ("253", "255") and len(parts[1]) == 13)
    )


def check_digit(digits: str) -> str:
    """The GS1 check digit: weights 3 and 1 in turn from the right."""
    total = 3 * sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2]))
    return str(-total % 10)


def _from_urn(name: str) -> str:
    parts = name.split(":", 4)
    reader = _URNS.get((parts[2], parts[3])) if len(parts) == 5 else None
    if reader is None:
        raise _NoIdentifierError
    return reader(parts[4])


def _digits(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise _NoIdentifierError
    return text


def _split(rest: str, count: int) -> list[str]:
    parts = rest.split(".", count - 1)
    if len(parts) != count or len(_digits(parts[0])) not in _PREFIX_DIGITS:
        raise _NoIdentifierError
    return parts


def _key(prefix: str, reference: str, length: int, *, indicator: bool) -> str:
    """Company prefix and reference with the check digit; an indicator digit moves to the front."""
    if len(prefix) + len(reference) != length or (reference and not _digits(reference)):
        raise _NoIdentifierError
    digits = reference[0] + prefix + reference[1:] if indicator else prefix + reference
    return digits + check_digit(digits)


def _component(text: str) -> str:
    """A serial or lot of a URN or a link, percent-encoded in the one way."""
    if _PLAIN.fullmatch(text):
        return text
    return _encode(
        _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode("utf-8", "replace"))
    )


def _encode(data: bytes) -> str:
    if not data or not _CHARACTERS.issuperset(data):
        raise _NoIdentifierError
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in data)


def _keyed(ai: str, length: int, *, indicator: bool = False) -> Callable[[str], str]:
    """A key without serial."""

    def read(rest: str) -> str:
        prefix, reference = _split(rest, 2)
        return f"{ai}/{_key(prefix, reference, length, indicator=indicator)}"

    return read


def _free(ai: str) -> Callable[[str], str]:
    """A company prefix followed by anything."""

    def read(rest: str) -> str:
        prefix, reference = _split(rest, 2)
        return f"{ai}/{prefix}{_component(reference)}"

    return read


def _gtin(qualifier: str) -> Callable[[str], str]:
    def read(rest: str) -> str:
        prefix, reference, serial = _split(rest, 3)
        return f"01/{_key(prefix, reference, 13, indicator=True)}/{qualifier}/{_component(serial)}"

    return read


def _appended(ai: str, filler: str = "") -> Callable[[str], str]:
    """A key whose serial follows it without a slash."""

    def read(rest: str) -> str:
        prefix, reference, serial = _split(rest, 3)
        return f"{ai}/{filler}{_key(prefix, reference, 12, indicator=False)}{_component(serial)}"

    return read


def _sgln(rest: str) -> str:
    prefix, reference, extension = _split(rest, 3)
    key = f"414/{_key(prefix, reference, 12, indicator=False)}"
    return key if extension == "0" else f"{key}/254/{_component(extension)}"


def _cpi(rest: str) -> str:
    prefix, reference = _split(rest, 2)
    part, dot, serial = reference.rpartition(".")
    if not dot:
        raise _NoIdentifierError
    return f"8010/{prefix}{_component(part)}/8011/{_digits(serial)}"


def _itip(rest: str) -> str:
    prefix, reference, piece, total, serial = _split(rest, 5)
    return f"{_pieces(prefix, reference, piece, total)}/21/{_component(serial)}"


def _pieces(prefix: str, reference: str, piece: str, total: str) -> str:
    if len(_digits(piece)) != 2 or len(_digits(total)) != 2:
        raise _NoIdentifierError
    return f"8006/{_key(prefix, reference, 13, indicator=True)}{piece}{total}"


def _sgcn(rest: str) -> str:
    prefix, reference, serial = _split(rest, 3)
    return f"255/{_key(prefix, reference, 12, indicator=False)}{_digits(serial)}"


def _pattern(ai: str, length: int, *, indicator: bool = False, filler: str = "") -> Callable[[str], str]:
    """Every serial of a key: the key alone."""

    def read(rest: str) -> str:
        prefix, reference, star = _split(rest, 3)
        if star != "*":
            raise _NoIdentifierError
        return f"{ai}/{filler}{_key(prefix, reference, length, indicator=indicator)}"

    return read


def _cpi_pattern(rest: str) -> str:
    prefix, reference = _split(rest, 2)
    if not reference.endswith(".*"):
        raise _NoIdentifierError
    return f"8010/{prefix}{_component(reference[:-2])}"


def _itip_pattern(rest: str) -> str:
    prefix, reference, piece, total, star = _split(rest, 5)
    if star != "*":
        raise _NoIdentifierError
    return _pieces(prefix, reference, piece, total)


_URNS: Final[dict[tuple[str, str], Callable[[str], str]]] = {
    ("id", "sgtin"): _gtin("21"),
    ("id", "upui"): _gtin("235"),
    ("class", "lgtin"): _gtin("10"),
    ("id", "sscc"): _keyed("00", 17, indicator=True),
    ("id", "sgln"): _sgln,
    ("id", "pgln"): _keyed("417", 12),
    ("id", "grai"): _appended("8003", "0"),
    ("id", "giai"): _free("8004"),
    ("id", "gsrn"): _keyed("8018", 17),
    ("id", "gsrnp"): _keyed("8017", 17),
    ("id", "gdti"): _appended("253"),
    ("id", "cpi"): _cpi,
    ("id", "sgcn"): _sgcn,
    ("id", "ginc"): _free("401"),
    ("id", "gsin"): _keyed("402", 16),
    ("id", "itip"): _itip,
    ("idpat", "sgtin"): _pattern("01", 13, indicator=True),
    ("idpat", "upui"): _pattern("01", 13, indicator=True),
    ("idpat", "grai"): _pattern("8003", 12, filler="0"),
    ("idpat", "gdti"): _pattern("253", 12),
    ("idpat", "sgcn"): _pattern("255", 12),
    ("idpat", "cpi"): _cpi_pattern,
    ("idpat", "itip"): _itip_pattern,
}


def _from_link(name: str, finest: str = "") -> list[str]:
    """Key, its value and the finest qualifier (or the one asked for) of a Digital Link."""
    found = _LINK.fullmatch(name.partition("?")[0].partition("#")[0])
    if found is None:
        raise _NoIdentifierError
    steps = found.group(1).rstrip("/").split("/")[1:]
    for at in range(len(steps) - 1):
        ai = _SHORT_NAMES.get(steps[at], steps[at])
        if ai in _KEYS:
            value = steps[at + 1]
            if ai == "01" and len(value) in _GTIN_LENGTHS:
                value = value.zfill(14)
            form, qualifiers = _KEYS[ai]
            if form.fullmatch(value):
                return [ai, _component(value), *_qualifier(steps[at + 2 :], qualifiers, finest)]
    raise _NoIdentifierError


def _qualifier(steps: list[str], known: tuple[str, ...], finest: str) -> list[str]:
    if len(steps) % 2:
        raise _NoIdentifierError
    given = {_SHORT_NAMES.get(ai, ai): value for ai, value in zip(steps[::2], steps[1::2], strict=True)}
    given.pop(_VARIANT, None)
    if not given.keys() <= set(known):
        raise _NoIdentifierError
    for ai in known:
        if ai in given and (not finest or ai == finest):
            return [ai, _component(given[ai])]
    return []
