"""The contract document: its parts, read from YAML text or from its signed form, and its hash.

The signed form is strict msgpack of the document's tree, as YAML gave it: maps with text keys, lists, and
every scalar as text (also `contract: "1"`). Order of keys, comments and layout of the YAML do not reach
it; everything else does, to the letter. So one document has one signed form, and

    agreement hash = SHA-256("tallystick agreement v1\\n" | signed form)

names it. `parse_document` refuses what has not the form of a contract; what it lets pass is held against
the rest (types, names, roles, cost) by `contracts.checker`, which reports all it finds at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from contracts.grammar import parse_expression
from contracts.limits import (
    FUNCTIONS_NOT_YET,
    LANGUAGE,
    MAX_DOCUMENT_BYTES,
    MAX_EFFECTS,
    MAX_EXPRESSION_CHARS,
    MAX_FACTS,
    MAX_FACTS_OF_A_KIND,
    MAX_FIELDS,
    MAX_LETS,
    MAX_MEMBERS,
    MAX_PARAMS,
    MAX_PARTIES,
    MAX_RULES,
    MAX_RULES_CHARS,
    MAX_SIGNATURES,
    MAX_TEXT_CHARS,
    MAX_VALUE_CHARS,
    ROLE,
    TITLE,
)
from contracts.syntax import Call, Expression, Mark, Path, Place, walk
from contracts.tree import Reader, check_name, not_yet
from contracts.types import KINDS, Type, parse_typed
from contracts.values import Value
from contracts.yaml_text import Tree, parse_yaml
from ledger.errors import MalformedError, TooLargeError, short
from ledger.log.encoding import decode, encode
from ledger.log.kinds import NAME_PATTERN

TIMEKEEPER = "timekeeper"
BUILT_IN_FIELDS = ("at", "counted", "confirmed")
"""Fields that every fact has: when it says it happened, when it was counted, when it was confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRule:
    """How many people of a party sign, and (unless empty) in which roles."""

    need: int
    of: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A typed value that the text tells and the rules use."""

    type: Type
    value: Value
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """A field of a fact: its type, and a least and a greatest value (a text or the name of a param)."""

    type: Type
    least: str | None
    most: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """A kind of fact: any one of `by` states it, every one of `confirm` confirms it, at most `max` count."""

    by: tuple[str, ...]
    confirm: tuple[str, ...]
    max: int
    fields: Mapping[str, FieldRule]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`{due: {from, to, amount, within}}`: an amount owed by one role to another."""

    payer: str
    payee: str
    amount: Expression
    within: Expression | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`{state: name}`: what the agreement has come to, for people to read."""

    state: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """`{notify: [role, …]}`: who is told."""

    roles: tuple[str, ...]
    place: Place


Effect: TypeAlias = "Due | State | Notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When its condition holds, its effects happen, once."""

    name: str
    when: Expression
    then: tuple[Effect, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A contract. `language` is the version of the language that it is written in, 1."""

    name: str
    language: int
    parties: Mapping[str, str]
    timekeeper: str
    sign: Mapping[str, SignRule]
    params: Mapping[str, Param]
    text: str
    facts: Mapping[str, FactRule]
    lets: Mapping[str, Expression]
    rules: tuple[Rule, ...]
    tree: Tree
    label: str
    """What its places begin with: a file name, or `contract`."""
    marks: Mapping[Path, Mark]

    def place(self, *path: str | int) -> Place:
        """Where a part of the document stands."""
        return Place(label=self.label, path=path, mark=self.marks.get(path))

    @property
    def party_keeps_time(self) -> bool:
        """Whether a party is its own timekeeper, which every page about the agreement says."""
        return self.timekeeper in self.parties.values()

    def organizations(self) -> tuple[str, ...]:
        """Every party and the timekeeper, sorted: whom every statement of the agreement must reach."""
        return tuple(sorted({*self.parties.values(), self.timekeeper}))


def agreement_hash(document: bytes) -> bytes:
    """The hash that names a version of an agreement; `document` is the signed form."""
    return sha256(b"tallystick agreement v1\n" + document).digest()


def parse_contract_yaml(text: bytes, label: str = "contract") -> Document:
    """Read a contract that a person wrote as YAML; `label` (a file name) begins every message."""
    tree, marks = parse_yaml(text, label)
    return _document(Reader(tree=tree, label=label, marks=marks))


def parse_document(signed: bytes, label: str = "contract") -> Document:
    """Read the signed form of a contract."""
    _check_size(signed, label)
    tree = decode(signed, label)
    return _document(Reader(tree=_texts_only(tree, label), label=label, marks={}))


def format_document(document: Document) -> bytes:
    """The signed form, whose hash names the agreement."""
    signed = encode(document.tree, document.name)
    _check_size(signed, document.name)
    return signed


def _check_size(signed: bytes, label: str) -> None:
    if len(signed) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(
            label,
            found=f"{len(signed)} bytes",
            expected=f"at most {MAX_DOCUMENT_BYTES}",
            action="move long prose into an attachment",
        )


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
    parts = root.keys(
        ("contract", "name", "parties", "timekeeper", "rules"),
        ("sign", "params", "text", "facts", "lets"),
        "a contract",
    )
    parts["contract"].integer(LANGUAGE, LANGUAGE, "a version of the language that this one knows")
    _check_rules_size(parts)
    parties = _parties(parts["parties"])
    timekeeper = parts["timekeeper"].name("an organization", NAME_PATTERN)
    return Document(
        name=parts["name"].name("a contract's name", TITLE),
        language=LANGUAGE,
        parties=parties,
        timekeeper=timekeeper,
        sign=_sign(parts.get("sign"), parties, timekeeper, root.place),
        params={name: _param(entry) for name, entry in _named(parts, "params", MAX_PARAMS).items()},
        text=parts["text"].text(MAX_TEXT_CHARS, "prose") if "text" in parts else "",
        facts={name: _fact(entry) for name, entry in _named(parts, "facts", MAX_FACTS).items()},
        lets={name: _expression(entry) for name, entry in _named(parts, "lets", MAX_LETS).items()},
        rules=tuple(_rule(item) for item in parts["rules"].items(MAX_RULES, "rules")),
        tree=root.tree,
        label=root.label,
        marks=root.marks,
    )


def _check_rules_size(parts: Mapping[str, Reader]) -> None:
    """Limit what the parser of expressions will have to read, before it reads any of it."""
    total = sum(parts[key].count_chars() for key in ("lets", "rules") if key in parts)
    if total > MAX_RULES_CHARS:
        raise TooLargeError(
            str(parts["rules"].place),
            found=f"{total} characters in rules and lets",
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


def _fact(reader: Reader) -> FactRule:
    parts = reader.keys(("by",), ("confirm", "max", "fields"), "a fact")
    fields = parts["fields"].entries(MAX_FIELDS, "fields") if "fields" in parts else {}
    for name, entry in fields.items():
        check_name(name, entry.place, "a field")
        if name in BUILT_IN_FIELDS:
            raise entry.refuse(f"the field {name}", "another name: every fact has it", f"leave {name} out")
    return FactRule(
        by=parts["by"].names(MAX_PARTIES, "a role", ROLE),
        confirm=parts["confirm"].names(MAX_PARTIES, "a role", ROLE) if "confirm" in parts else (),
        max=parts["max"].integer(1, MAX_FACTS_OF_A_KIND, "how many count") if "max" in parts else 1,
        fields={name: _field(entry) for name, entry in fields.items()},
        place=reader.place,
    )


def _field(reader: Reader) -> FieldRule:
    """`decimal`, `{money: EUR}`, `{enum: [good, fair]}`, `{decimal: {least: "1", most: limit}}`."""
    if isinstance(reader.tree, str):
        if reader.tree not in KINDS or reader.tree == "enum":
            raise reader.refuse(
                short(reader.tree), f"a type: {', '.join(KINDS)}", "an enum lists its members"
            )
        return FieldRule(type=Type(reader.tree), least=None, most=None, place=reader.place)
    entries = reader.entries(1, "a type such as decimal, {money: EUR} or {enum: [good, fair]}")
    kind, detail = next(iter(entries.items()), ("", reader))
    if kind == "enum":
        members = detail.names(MAX_MEMBERS, "a member")
        return FieldRule(type=Type("enum", members=members), least=None, most=None, place=reader.place)
    if kind == "money" and isinstance(detail.tree, str):
        if not (len(detail.tree) == 3 and all("A" <= letter <= "Z" for letter in detail.tree)):
            raise detail.refuse(short(detail.tree), "a currency such as EUR")
        return FieldRule(type=Type("money", detail.tree), least=None, most=None, place=reader.place)
    if kind not in KINDS:
        raise reader.refuse(short(kind), f"a type: {', '.join(KINDS)}")
    bounds = detail.keys((), ("least", "most"), "bounds")
    least, most = (bounds[key].text(MAX_VALUE_CHARS, "a value or a param") if key in bounds else None
                   for key in ("least", "most"))  # fmt: skip
    return FieldRule(type=Type(kind), least=least, most=most, place=reader.place)


def _expression(reader: Reader) -> Expression:
    expression = parse_expression(reader.text(MAX_EXPRESSION_CHARS, "an expression"), reader.place)
    for node in walk(expression.node):
        if isinstance(node, Call) and node.function in FUNCTIONS_NOT_YET:
            raise not_yet(f"the function {node.function}", f"`{node.function}`", expression.at(node))
    return expression


def _rule(reader: Reader) -> Rule:
    parts = reader.keys(("name", "when", "then"), (), "a rule")
    effects = parts["then"].items(MAX_EFFECTS, "effects")
    if not effects:
        raise parts["then"].refuse("no effect", "at least one effect")
    return Rule(
        name=parts["name"].name("a rule's name"),
        when=_expression(parts["when"]),
        then=tuple(_effect(item) for item in effects),
        place=reader.place,
    )


def _effect(reader: Reader) -> Effect:
    parts = reader.keys((), ("due", "state", "notify"), "an effect")
    if len(parts) != 1:
        raise reader.refuse(f"{len(parts)} keys", "one effect: due, state or notify", "one item for each")
    if "state" in parts:
        return State(state=parts["state"].name("a state"), place=reader.place)
    if "notify" in parts:
        return Notify(roles=parts["notify"].names(MAX_PARTIES, "a role", ROLE), place=reader.place)
    due = parts["due"].keys(("from", "to", "amount"), ("within",), "an amount due")
    return Due(
        payer=due["from"].name("a role", ROLE),
        payee=due["to"].name("a role", ROLE),
        amount=_expression(due["amount"]),
        within=_expression(due["within"]) if "within" in due else None,
        place=reader.place,
    )
