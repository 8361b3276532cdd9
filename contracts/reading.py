"""Reading a contract document, from YAML text or from its signed form.

`parse_document` refuses what has not the form of a contract, at the first fault; `draft_contract_yaml`
collects the faults, and gives what could be read. The rest (types, names, roles, absence, cost) is looked at
by `contracts.checker`, which reports all it finds at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from contracts.document import TIMEKEEPER, Document, Param, Rule, SignRule, check_size
from contracts.faults import MAX_FAULTS, Broken, Faults
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
from contracts.tree import Reader, check_name, optional
from contracts.types import KINDS, Type, parse_typed
from contracts.yaml_text import Tree, parse_yaml
from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError, short
from ledger.log.encoding import decode
from ledger.log.kinds import NAME_PATTERN

_Part = TypeVar("_Part")

_OPTIONAL = ("successor", "sign", "params", "calendars", "bands", "text", "facts", "deadlines", "lets")


def parse_contract_yaml(text: bytes, label: str = "contract") -> Document:
    """Read a contract that a person wrote as YAML; `label` (a file name) begins every message."""
    tree, marks = parse_yaml(text, label)
    if isinstance(tree, dict):
        tree = {"language": LANGUAGE_VECTORS} | tree
    return _document(Reader(tree=tree, label=label, marks=marks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be read of a contract that somebody writes.

    `document` is None where its parts cannot be told apart; with faults it lacks what has them, and
    `broken` names that: params, facts, deadlines, lets, calendars and tables.
    """

    document: Document | None
    faults: tuple[TallyError, ...]
    broken: frozenset[str]


def draft_contract_yaml(text: bytes, label: str = "contract") -> Draft:
    """Read a contract that a person is writing, and collect the faults of its form instead of refusing it."""
    faults, broken = Faults(MAX_FAULTS), set[str]()
    try:
        tree, marks = parse_yaml(text, label, faults)
        if isinstance(tree, dict):
            tree = {"language": LANGUAGE_VECTORS} | tree
        document = _document(Reader(tree=tree, label=label, marks=marks, faults=faults), broken)
    except Broken:
        document = None
    except TallyError as error:
        document = None
        if error not in faults.found:
            faults.found.append(error)
    return Draft(document=document, faults=tuple(faults.found), broken=frozenset(broken))


def parse_document(signed: bytes, label: str = "contract") -> Document:
    """Read the signed form of a contract."""
    return parse_tree(decode_tree(signed, label), label)


def decode_tree(signed: bytes, label: str = "contract") -> Tree:
    """The tree of a signed form."""
    check_size(signed, label)
    return _texts_only(decode(signed, label), label)


def parse_tree(tree: Tree, label: str) -> Document:
    """Read the tree of a signed form."""
    return _document(Reader(tree=tree, label=label, marks={}))


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


def _document(root: Reader, broken: set[str] | None = None) -> Document:
    """The document; raises Broken where faults are collected and hit what everything else rests on.

    Names of parts with faults are put into `broken`.
    """
    needed = ("contract", "language", "name", "parties", "timekeeper", "rules")
    parts = root.keys(needed, _OPTIONAL, "a contract")
    parts["contract"].integer(LANGUAGE, LANGUAGE, "a version of the language that this one knows")
    _check_language(parts["language"])
    _check_rules_size(parts)
    name = parts["name"].attempt(lambda part: part.name("a contract's name", TITLE)) or ""
    parties = parts["parties"].attempt(_parties)
    timekeeper = parts["timekeeper"].attempt(_organization)
    named = _Named(parts, set() if broken is None else broken)
    document = Document(
        name=name,
        language=LANGUAGE,
        parties=parties or {},
        timekeeper=timekeeper or "",
        successor=optional(parts, "successor", _organization),
        sign=_sign(parts.get("sign"), parties, timekeeper, root.place) if parties and timekeeper else {},
        params=named.read("params", MAX_PARAMS, read_param),
        calendars=named.read("calendars", MAX_CALENDARS, read_calendar),
        bands=named.read("bands", MAX_BANDS, read_bands),
        text=optional(parts, "text", lambda part: part.text(MAX_TEXT_CHARS, "prose")) or "",
        facts=named.read("facts", MAX_FACTS, read_fact),
        deadlines=named.read("deadlines", MAX_DEADLINES, read_deadline),
        lets=named.read("lets", MAX_LETS, Reader.expression),
        rules=parts["rules"].attempt(_rules) or (),
        tree=root.tree,
        label=root.label,
        marks=root.marks,
    )
    # Without them, or a section (one with a key of its own), what uses their names would all seem wrong.
    if parties is None or timekeeper is None or named.lost or len(parts) < len(root.tree):
        raise Broken
    return document


class _Named:
    """Reads the sections of a document in which everything has a name."""

    def __init__(self, parts: Mapping[str, Reader], broken: set[str]) -> None:
        self.parts = parts
        self.broken = broken
        self.lost = False
        """Whether a whole section could not be read."""

    def read(self, key: str, limit: int, read: Callable[[Reader], _Part]) -> dict[str, _Part]:
        """What `read` makes of each entry of a section; those with faults count as broken."""
        if key not in self.parts:
            return {}
        entries = self.parts[key].attempt(lambda part: part.entries(limit, key))
        self.lost |= entries is None
        found: dict[str, _Part] = {}
        for name, entry in (entries or {}).items():
            before = len(entry.faults.found)
            entry.attempt(partial(_check_named, name, key))
            # What has no name may be the rest of an expression that YAML cut at a comma.
            part = entry.attempt(read) if len(entry.faults.found) == before else None
            if part is not None and len(entry.faults.found) == before:
                found[name] = part
            else:
                self.broken.add(name)
        return found


def _check_named(name: str, key: str, reader: Reader) -> None:
    check_name(name, reader.place, f"a name under {key}")


def _organization(reader: Reader) -> str:
    return reader.name("an organization", NAME_PATTERN)


def _rules(reader: Reader) -> tuple[Rule, ...]:
    read = [item.attempt(read_rule) for item in reader.items(MAX_RULES, "rules")]
    return tuple(rule for rule in read if rule is not None)


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
    entries = reader.attempt(lambda part: part.entries(MAX_PARTIES + 1, "sign")) if reader else None
    for role, entry in (entries or {}).items():
        if role not in roles:
            expected = f"one of {', '.join(sorted(roles))}"
            fault = entry.refuse(f"the role {short(role)}", expected, "remove it, or name its party")
            entry.faults.add(fault)
        elif (rule := entry.attempt(_sign_rule)) is not None:
            rules[role] = rule
    return rules


def _sign_rule(reader: Reader) -> SignRule:
    if isinstance(reader.tree, str):
        need = reader.integer(1, MAX_SIGNATURES, "how many people sign")
        return SignRule(need=need, of=(), place=reader.place)
    parts = reader.keys(("need",), ("of",), "a number of people, or a map")
    need = parts["need"].integer(1, MAX_SIGNATURES, "how many people sign")
    of = parts["of"].names(MAX_MEMBERS, "a role of people", NAME_PATTERN) if "of" in parts else ()
    return SignRule(need=need, of=of, place=reader.place)


def read_param(reader: Reader) -> Param:
    """`{kind: value}`: a typed value."""
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
