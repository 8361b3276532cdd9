"""The kinds of statements that this version knows, and the form of each body (docs/format.md, section 5).

Only the form: whether a fact may be stated, or a newcomer admitted, is decided where that is known
(`ledger.members`, `contracts`). A kind that is not in `KINDS` is kept and served, never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ledger.errors import MalformedError, short

NAME_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
MAX_TITLE_CHARS = 80
MAX_URL_CHARS = 300
MAX_CERTIFICATE_BYTES = 4096
MAX_NAMES = 256
MAX_HASHES = 8192
MAX_HEADS = 512
MAX_FIELDS = 64
MAX_FILES = 16


@dataclass(frozen=True, slots=True)
class Form:
    """What a field must look like: in words, and as a test."""

    words: str
    fits: Callable[[object], bool]


def is_name(value: object) -> bool:
    """Whether a value is an organization's, a person's or a role's name."""
    return type(value) is str and NAME_PATTERN.fullmatch(value) is not None


def is_names(value: object) -> bool:
    """Whether a value is a sorted list of different names."""
    return (
        type(value) is list
        and len(value) <= MAX_NAMES
        and all(map(is_name, value))
        and all(a < b for a, b in pairwise(value))
    )


def _bytes_of(length: int) -> Callable[[object], bool]:
    return lambda value: type(value) is bytes and len(value) == length


def _is_hashes(value: object) -> bool:
    return type(value) is list and len(value) <= MAX_HASHES and all(map(_is_hash, value))


def _is_keys(value: object) -> bool:
    return (
        type(value) is dict
        and list(value) == ["log", "node", "recovery", "witness"]
        and all(map(_is_hash, value.values()))
    )


def _is_texts(value: object) -> bool:
    return type(value) is list and len(value) <= MAX_HEADS and all(type(item) is str for item in value)


def _is_position(value: object) -> bool:
    return (
        type(value) is list
        and len(value) == 2
        and type(value[0]) is str
        and type(value[1]) is int
        and value[1] >= 0
    )


def _is_fields(value: object) -> bool:
    return (
        type(value) is dict and len(value) <= MAX_FIELDS and all(type(item) is str for item in value.values())
    )


def _or_nil(form: Form) -> Form:
    return Form(f"{form.words}, or nil", lambda value: value is None or form.fits(value))


_is_hash = _bytes_of(32)
HASH = Form("32 bytes", _is_hash)
HASHES = Form(f"a list of at most {MAX_HASHES} hashes of 32 bytes", _is_hashes)
BYTES = Form("bytes", lambda value: type(value) is bytes)
TEXT = Form("text", lambda value: type(value) is str)
TITLE = Form(
    f"a text of 1 to {MAX_TITLE_CHARS} characters",
    lambda value: type(value) is str and 0 < len(value) <= MAX_TITLE_CHARS,
)
NAME = Form("a name of 1 to 32 characters out of a-z, 0-9 and -", is_name)
NAMES = Form("a sorted list of different names", is_names)
WORD = Form("a text of 1 to 64 characters", lambda value: type(value) is str and 0 < len(value) <= 64)
TIME = Form("a time in milliseconds", lambda value: type(value) is int and 0 <= value <= 2**53)
KEYS = Form("a map of log, node, recovery and witness, each of 32 bytes", _is_keys)
TEXTS = Form(f"a list of at most {MAX_HEADS} texts", _is_texts)
URL = Form(
    "an address such as https://host:port",
    lambda value: (
        type(value) is str and value.startswith(("https://", "http://")) and len(value) <= MAX_URL_CHARS
    ),
)
CERTIFICATE = Form(
    "a certificate in DER", lambda value: type(value) is bytes and 0 < len(value) <= MAX_CERTIFICATE_BYTES
)
FIELDS = Form(f"a map of at most {MAX_FIELDS} texts", _is_fields)
EFFECTS = Form(
    "a list of maps", lambda value: type(value) is list and all(type(item) is dict for item in value)
)
POSITION = Form("a log's origin and a position", _is_position)
ONE = Form("1", lambda value: type(value) is int and value == 1)
LATER_NUMBER = Form("2 to 9999", lambda value: type(value) is int and 2 <= value <= 9999)
TERM = Form("a number from 1", lambda value: type(value) is int and 1 <= value <= 2**31)
SIGNATURE = Form("a signature of 64 bytes", _bytes_of(64))
RECOVERY = Form(
    "a map of key (32 bytes) and signature (64 bytes)",
    lambda value: (
        type(value) is dict
        and list(value) == ["key", "signature"]
        and _is_hash(value["key"])
        and SIGNATURE.fits(value["signature"])
    ),
)
FILES = Form(
    f"a map of 1 to {MAX_FILES} texts",
    lambda value: (
        type(value) is dict
        and 0 < len(value) <= MAX_FILES
        and all(type(item) is str for item in value.values())
    ),
)
TWO_NOTES = Form("two signed notes", lambda value: _is_texts(value) and len(value) == 2)  # type: ignore[arg-type]  # a list by then


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: the fields of its body, whether a person must sign it, and whether all members know it.

    A body may also have the fields of `more`, all of them or none; where both name one, `more` says its form.
    What makes members, people and time is `public`: were it told to some alone, others would decide
    differently from the same entries.
    """

    fields: Mapping[str, Form]
    signed: bool = False
    public: bool = False
    more: Mapping[str, Form] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    "log.open": Kind(
        {"founding": BYTES, "keys": KEYS, "number": ONE, "organization": NAME, "title": TITLE},
        public=True,
        more={"number": LATER_NUMBER, "pin": TEXT, "recovery": RECOVERY},
    ),
    "keys.rotate": Kind({"keys": KEYS, "new": SIGNATURE, "old": SIGNATURE}, public=True),
    "person.grant": Kind({"key": HASH, "name": NAME, "roles": NAMES}, public=True),
    "person.revoke": Kind({"key": HASH}, public=True),
    "node.address": Kind({"certificate": _or_nil(CERTIFICATE), "url": _or_nil(URL)}, public=True),
    "network.invite": Kind({"organization": NAME, "secret": HASH}, public=True),
    "network.admit": Kind(
        {"invite": HASH, "keys": KEYS, "open": HASH, "organization": NAME, "title": TITLE}, public=True
    ),
    "seen": Kind({"heads": TEXTS}, public=True),
    "evidence": Kind({"notes": TWO_NOTES, "origin": TEXT, "proof": HASHES}, public=True),
    "evidence.files": Kind({"accused": TEXT, "files": FILES, "form": WORD}, public=True),
    "memo": Kind({"text": TEXT}),
    "event": Kind({"capture": HASH, "context": TEXT, "event": TEXT, "hash": HASH}),
    "agreement.propose": Kind({"document": BYTES, "replaces": _or_nil(HASH), "until": _or_nil(TIME)}),
    "agreement.sign": Kind({"agreement": HASH, "party": NAME, "proposal": HASH}, signed=True),
    "agreement.withdraw": Kind({"agreement": HASH, "proposal": HASH}),
    "agreement.decline": Kind({"agreement": HASH, "proposal": HASH}, signed=True),
    "agreement.terminate": Kind({"agreement": HASH, "party": NAME, "text": TEXT}, signed=True),
    "timekeeper.replace": Kind(
        {"agreement": HASH, "head": TEXT, "term": TERM, "timekeeper": NAME}, signed=True, public=True
    ),
    "fact": Kind({"agreement": HASH, "attachments": HASHES, "cites": HASHES, "fields": FIELDS, "name": WORD}),
    "confirm": Kind({"agreement": HASH, "fact": HASH}, signed=True),
    "counted": Kind({"agreement": HASH, "entries": HASHES}),
    "tick": Kind({}, public=True),
    "decision": Kind(
        {
            "agreement": HASH,
            "effects": EFFECTS,
            "inputs": HASH,
            "outcome": HASH,
            "rule": WORD,
            "timekeeper": POSITION,
        },
        more={"key": WORD},
    ),
    "correction": Kind({"agreement": HASH, "decision": HASH, "effects": EFFECTS, "text": TEXT}, signed=True),
}


def check_body(kind: str, body: Mapping[str, object], where: str) -> None:
    """Check a body against the form of its kind; a kind that is not known passes.

    Raises:
        MalformedError: naming the field, the form it must have and what was found.
    """
    known = KINDS.get(kind)
    if known is None:
        return
    fields = (
        {**known.fields, **known.more}
        if body.keys() & known.more.keys() - known.fields.keys()
        else known.fields
    )
    if body.keys() != fields.keys():
        raise MalformedError(
            f"{where} body of kind {kind}",
            found=f"fields {', '.join(sorted(body)) or 'none'}",
            expected=f"exactly {', '.join(sorted(fields)) or 'none'}",
        )
    for name, form in fields.items():
        if not form.fits(body[name]):
            raise MalformedError(
                f"{where} body of kind {kind}, field {name}", found=short(body[name]), expected=form.words
            )
