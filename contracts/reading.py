"""Reading a contract document, from YAML text or from its signed form.

`parse_document` refuses what has not the form of a contract; what it lets pass is held against the rest
(types, names, roles, absence, cost) by `contracts.checker`, which reports all it finds at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from contracts.document import TIMEKEEPER, Document, Param, SignRule, check_size
from contracts.limits import (
    LANGUAGE,
    LANGUAGE_VECTORS,
    MAX_BANDS,
    MAX_CALENDARS,
    MAX_DEADLINES,
    MAX_FACTS,
    MAX_LETS,
    MAX_MEMBERS,
    MAX_PARAMS,
    MAX_PARTIES,
    MAX_RULES,
    MAX_RULES_CHARS,
    MAX_SIGNATURES,
    MAX_TEXT_CHARS,
    ROLE,
    TITLE,
)
from contracts.reading_facts import read_deadline, read_fact
from contracts.reading_rules import read_rule
from contracts.reading_tables import read_bands, read_calendar
from contracts.syntax import Place
from contracts.tree import Reader, check_name
from contracts.types import KINDS, Type, parse_typed
from contracts.yaml_text import Tree, parse_yaml
from ledger.errors import InvalidError, MalformedError, TooLargeError, short
from ledger.log.encoding import decode
from ledger.log.kinds import NAME_PATTERN

_OPTIONAL = ("successor", "sign", "params", "calendars", "bands", "text", "facts", "deadlines", "lets")


def parse_contract_yaml(text: bytes, label: str = "contract") -> Document:
    """Read a contract that a person wrote as YAML; `label` (a file name) begins every message."""
    tree, marks = parse_yaml(text, label)
    if isinstance(tree, dict):
        tree = {"language": LANGUAGE_VECTORS} | tree
    return _document(Reader(tree=tree, label=label, marks=marks))


def parse_document(signed: bytes, label: str = "contract") -> Document:
    """Read the signed form of a contract."""
    check_size(signed, label)
    tree = decode(signed, label)
    return _document(Reader(tree=_texts_only(tree, label), label=label, marks={}))


def is_other_language(signed: bytes) -> bool:
    """Whether a signed form says that it is of another version of the language: not to be judged by this."""
    try:
        tree = decode(signed, "contract")
    except MalformedError:
        return False
    if not isinstance(tree, dict):
        return False
    version, vectors = tree.get("contract"), tree.get("language")
    if isinstance(version, str) and re.fullmatch(r"[1-9][0-9]{0,8}", version) and version != str(LANGUAGE):
        return True
    is_hash = isinstance(vectors, str) and re.fullmatch(r"[0-9a-f]{64}", vectors) is not None
    return is_hash and vectors != LANGUAGE_VECTORS


def _texts_only(value: object, label: str) -> Tree:
    """A decoded tree, whose leaves must all be texts; msgpack has limited its depth."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_texts_only(item, label) for item in value]
    if isinstance(value, dict):
        return {key: _texts_only(item, label) for key, item in value.items()}
    raise MalformedError(label, found=short(value), expected="texts, lists and maps only")


def _document(root: Reader) -> Document:
    needed = ("contract", "language", "name", "parties", "timekeeper", "rules")
    parts = root.keys(needed, _OPTIONAL, "a contract")
    parts["contract"].integer(LANGUAGE, LANGUAGE, "a version of the language that this one knows")
    _check_language(parts["language"])
    _check_rules_size(parts)
    parties = _parties(parts["parties"])
    timekeeper = parts["timekeeper"].name("an organization", NAME_PATTERN)
    calendars = _named(parts, "calendars", MAX_CALENDARS)
    bands = _named(parts, "bands", MAX_BANDS)
    facts = _named(parts, "facts", MAX_FACTS)
    deadlines = _named(parts, "deadlines", MAX_DEADLINES)
    successor = parts.get("successor")
    return Document(
        name=parts["name"].name("a contract's name", TITLE),
        language=LANGUAGE,
        parties=parties,
        timekeeper=timekeeper,
        successor=successor.name("an organization", NAME_PATTERN) if successor else None,
        sign=_sign(parts.get("sign"), parties, timekeeper, root.place),
        params={name: _param(entry) for name, entry in _named(parts, "params", MAX_PARAMS).items()},
        calendars={name: read_calendar(entry) for name, entry in calendars.items()},
        bands={name: read_bands(entry) for name, entry in bands.items()},
        text=parts["text"].text(MAX_TEXT_CHARS, "prose") if "text" in parts else "",
        facts={name: read_fact(entry) for name, entry in facts.items()},
        deadlines={name: read_deadline(entry) for name, entry in deadlines.items()},
        lets={name: entry.expression() for name, entry in _named(parts, "lets", MAX_LETS).items()},
        rules=tuple(read_rule(item) for item in parts["rules"].items(MAX_RULES, "rules")),
        tree=root.tree,
        label=root.label,
        marks=root.marks,
    )


def _check_language(reader: Reader) -> None:
    """A document says by which vectors it is to be computed; another version may compute otherwise."""
    if reader.tree != LANGUAGE_VECTORS:
        raise InvalidError(
            str(reader.place),
            found=f"the language {short(reader.tree)}",
            expected=LANGUAGE_VECTORS,
            action="use the version of Tallystick that it was written for, or leave `language` out",
        )


def _check_rules_size(parts: Mapping[str, Reader]) -> None:
    """Limit what the parser of expressions will have to read, before it reads any of it."""
    keys = ("facts", "deadlines", "lets", "rules")
    total = sum(parts[key].count_chars() for key in keys if key in parts)
    if total > MAX_RULES_CHARS:
        raise TooLargeError(
            str(parts["rules"].place),
            found=f"{total} characters in facts, deadlines, lets and rules",
            expected=f"at most {MAX_RULES_CHARS}",
            action="use fewer or shorter rules",
        )


def _named(parts: Mapping[str, Reader], key: str, limit: int) -> dict[str, Reader]:
    if key not in parts:
        return {}
    entries = parts[key].entries(limit, key)
    for name, entry in entries.items():
        check_name(name, entry.place, f"a name under {key}")
    return entries


def _parties(reader: Reader) -> dict[str, str]:
    # A role stands in signatures too, whose form knows names of the ledger: so without `_`.
    entries = reader.entries(MAX_PARTIES, "parties")
    if len(entries) < 2:
        raise reader.refuse(f"{len(entries)} parties", "at least two roles, each with its organization")
    for role, entry in entries.items():
        check_name(role, entry.place, "a role", ROLE)
    return {role: entry.name("an organization", NAME_PATTERN) for role, entry in entries.items()}


def _sign(
    reader: Reader | None, parties: Mapping[str, str], timekeeper: str, place: Place
) -> dict[str, SignRule]:
    """What each role needs to sign; one person where the document does not say."""
    roles = set(parties) if timekeeper in parties.values() else {*parties, TIMEKEEPER}
    rules = {role: SignRule(need=1, of=(), place=place) for role in sorted(roles)}
    for role, entry in (reader.entries(MAX_PARTIES + 1, "sign") if reader else {}).items():
        if role not in roles:
            raise entry.refuse(
                f"the role {short(role)}",
                f"one of {', '.join(sorted(roles))}",
                "remove it, or name its party",
            )
        rules[role] = _sign_rule(entry)
    return rules


def _sign_rule(reader: Reader) -> SignRule:
    if isinstance(reader.tree, str):
        need = reader.integer(1, MAX_SIGNATURES, "how many people sign")
        return SignRule(need=need, of=(), place=reader.place)
    parts = reader.keys(("need",), ("of",), "a number of people, or a map")
    need = parts["need"].integer(1, MAX_SIGNATURES, "how many people sign")
    of = parts["of"].names(MAX_MEMBERS, "a role of people", NAME_PATTERN) if "of" in parts else ()
    return SignRule(need=need, of=of, place=reader.place)


def _param(reader: Reader) -> Param:
    entries = reader.entries(2, "a param such as {decimal: 0.105}")
    kind = next((key for key in entries if key in KINDS), None)
    if kind is None or (len(entries) == 2 and not (kind == "enum" and "of" in entries)):
        raise reader.refuse(
            f"keys {', '.join(map(short, entries)) or 'none'}",
            f"one of {', '.join(KINDS)} with a value",
            "write it like {money: 200.00 USD}, an enum like {enum: good, of: [good, fair]}",
        )
    members: tuple[str, ...] = ()
    if kind == "enum":
        if "of" not in entries:
            raise reader.refuse("no list of members", "{enum: good, of: [good, fair]}", "add `of`")
        members = entries["of"].names(MAX_MEMBERS, "a member")
    text = entries[kind].tree
    if not isinstance(text, str):
        raise entries[kind].refuse("no text", "a value")
    value = parse_typed(Type(kind, members=members), text, str(entries[kind].place))
    currency = getattr(value, "currency", None)
    return Param(type=Type(kind, currency, members), value=value, place=reader.place)
