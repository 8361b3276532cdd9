"""Scenarios: made-up facts and ticks for one contract, written as YAML and read like a contract.

    start: "2019-01-01T00:00:00Z"
    until: "2019-03-01T00:00:00Z"
    story:
      - {fact: delivered, at: "2019-01-19T03:24:00Z", by: carrier, counted: "2019-01-20T00:00:00Z"}
      - {fact: force_majeure, at: "2019-01-15T00:00:00Z", confirm: "2019-01-16T00:00:00Z"}
      - {tick: "2019-02-14T00:00:00Z"}

- `start`: when the agreement comes into force; the first time in the story where it is left out
- `until`: until then the timekeeper ticks by itself whenever a deadline is due; without it only as told
- `fact`: `at` says when it happened, `counted` when the timekeeper counts it (at `at`, where it does not
  say); `by` the role that states it, needed where several may; `fields`; `attachments`, how many;
  `confirm`: when the confirmations are counted, one time for all, or a map of role to time
- `event`: the JSON text of an EPCIS event, `by` a role, `counted`
- `terminate`: a role whose people terminate the agreement, `counted`
- `tick`: the time of a tick
- `correct`: a rule that has fired (and its `key`), `counted`; what is to stand is `amount`, in place of the
  one amount due, or `effects`, as `contracts.effects` writes them; `by` the roles that sign it, those whom it
  disfavours where it does not say; `text`, why
- `handover`: the organization that keeps the time from `counted` on; with `cut`, what the one before counted
  or ticked from then on is void
- `replaced`: when an agreement that replaces this one comes into force

What is counted at one time is counted in the order of the story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.document import Document
from contracts.effects import EffectMap
from contracts.limits import (
    MAX_ATTACHMENTS,
    MAX_DOCUMENT_BYTES,
    MAX_EFFECTS,
    MAX_FIELDS,
    MAX_PARTIES,
    MAX_VALUE_CHARS,
    ROLE,
)
from contracts.syntax import Place
from contracts.tree import Reader
from contracts.values import Instant, format_value, parse_value
from contracts.yaml_text import parse_yaml
from ledger.errors import short
from ledger.log.kinds import NAME_PATTERN

MAX_STORY_ITEMS = 5000
_EXAMPLE = '{fact: delivered, at: "2019-01-19T03:24:00Z"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A fact (by its name) or an event (by its JSON text) that somebody states, and when it is counted."""

    role: str
    fact: str = ""
    event: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The texts of its fields, with `at`."""
    at: Instant
    counted: Instant
    attachments: int = 0
    confirmed: Mapping[str, Instant] = field(default_factory=dict)
    """When the confirmation of each role is counted."""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """A tick of the timekeeper."""

    counted: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """The people of a role terminate the agreement."""

    role: str
    counted: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """People correct what a rule decided: another `amount`, or other `effects`, as a correction has them."""

    rule: str
    key: str | None
    amount: str | None
    effects: tuple[EffectMap, ...]
    roles: tuple[str, ...]
    """Who signs; empty for those whom it disfavours."""
    text: str
    counted: Instant
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """All parties put another timekeeper in place; what the one before said from `cut` on is void."""

    timekeeper: str
    cut: Instant
    counted: Instant
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """Everybody has signed an agreement that replaces this one."""

    counted: Instant


Happening: TypeAlias = "Told | Ticked | Terminated | Corrected | HandedOver | Replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens, in the order in which it is told."""

    start: Instant
    until: Instant | None
    story: tuple[Happening, ...]


def parse_scenario(text: bytes, document: Document, label: str = "scenario") -> Scenario:
    """Read a scenario for a contract; `label` (a file name) begins every message.

    Raises:
        MalformedError: no scenario, or a fact, role or time that the contract does not have.
    """
    tree, marks = parse_yaml(text, label)
    parts = Reader(tree=tree, label=label, marks=marks).keys(("story",), ("start", "until"), "a scenario")
    items = parts["story"].items(MAX_STORY_ITEMS, "a story")
    story = tuple(_read_item(item, document) for item in items)
    until = _instant(parts["until"]) if "until" in parts else None
    if "start" in parts:
        start = _instant(parts["start"])
    elif story:
        start = min(item.counted for item in story)
    else:
        raise parts["story"].refuse("nothing that happens, and no start", "one of them", "say start: a time")
    for reader, item in zip(items, story, strict=True):
        if item.counted < start:
            raise reader.refuse(
                "a time before the start", "times from the start on", "move the start or say `counted`"
            )
    return Scenario(start=start, until=until, story=story)


def _read_item(reader: Reader, document: Document) -> Happening:
    tree = reader.tree
    for word, read in _ITEMS.items() if isinstance(tree, dict) else ():
        if word in tree:
            return read(reader, document)
    raise reader.refuse(f"none of {', '.join(_ITEMS)}", f"one of them, such as {_EXAMPLE}")


def _read_tick(reader: Reader, document: Document) -> Ticked:
    return Ticked(counted=_instant(reader.keys(("tick",), (), "a tick")["tick"]))


def _read_termination(reader: Reader, document: Document) -> Terminated:
    parts = reader.keys(("terminate", "counted"), (), "a termination")
    role = parts["terminate"].word(tuple(document.parties), "a role")
    return Terminated(role=role, counted=_instant(parts["counted"]))


def _read_correction(reader: Reader, document: Document) -> Corrected:
    parts = reader.keys(("correct", "counted"), ("key", "amount", "effects", "by", "text"), "a correction")
    if ("amount" in parts) is ("effects" in parts):
        raise reader.refuse("amount and effects, or neither", "one of them", "say what is to stand")
    effects = parts["effects"].items(MAX_EFFECTS, "effects") if "effects" in parts else []
    roles = parts["by"].names(len(document.parties), "a role", ROLE) if "by" in parts else ()
    for role in roles:
        if role not in document.parties:
            raise parts["by"].refuse(f"the role {short(role)}", f"one of {', '.join(document.parties)}")
    return Corrected(
        rule=parts["correct"].word([rule.name for rule in document.rules], "a rule"),
        key=parts["key"].text(MAX_VALUE_CHARS, "a value of the key") if "key" in parts else None,
        amount=_amount(parts["amount"]) if "amount" in parts else None,
        effects=tuple(_effect(item) for item in effects),
        roles=roles,
        text=parts["text"].text(MAX_VALUE_CHARS, "why") if "text" in parts else "",
        counted=_instant(parts["counted"]),
        place=reader.place,
    )


def _amount(reader: Reader) -> str:
    return format_value(parse_value("money", reader.text(64, "an amount"), str(reader.place)))


def _effect(reader: Reader) -> EffectMap:
    """One effect as a correction states it: a map of texts, `roles` a list of them."""
    return {
        key: list(entry.names(MAX_PARTIES, "a role", ROLE))
        if isinstance(entry.tree, list)
        else entry.text(MAX_VALUE_CHARS, "a text")
        for key, entry in reader.entries(MAX_FIELDS, "an effect").items()
    }


def _read_handover(reader: Reader, document: Document) -> HandedOver:
    parts = reader.keys(("handover", "counted"), ("cut",), "a handover")
    counted = _instant(parts["counted"])
    cut = _instant(parts["cut"]) if "cut" in parts else counted
    if cut > counted:
        raise parts["cut"].refuse("a cut after the handover", "a time up to `counted`", "leave it out")
    keeper = parts["handover"].name("an organization", NAME_PATTERN)
    return HandedOver(timekeeper=keeper, cut=cut, counted=counted, place=reader.place)


def _read_replaced(reader: Reader, document: Document) -> Replaced:
    return Replaced(counted=_instant(reader.keys(("replaced",), (), "a replacement")["replaced"]))


def _read_event(reader: Reader, document: Document) -> Told:
    parts = reader.keys(("event", "by", "counted"), ("confirm",), "an event")
    counted = _instant(parts["counted"])
    return Told(
        role=parts["by"].word(tuple(document.parties), "a role"),
        event=parts["event"].text(MAX_DOCUMENT_BYTES, "the JSON text of an event"),
        at=counted,
        counted=counted,
        confirmed=_confirmed(parts, tuple(document.parties)),
        place=reader.place,
    )


def _read_fact(reader: Reader, document: Document) -> Told:
    optional = ("at", "by", "counted", "fields", "attachments", "confirm")
    parts = reader.keys(("fact",), optional, "a fact")
    name = parts["fact"].word(tuple(document.facts), "a fact of the contract")
    rule = document.facts[name]
    if "at" not in parts and "counted" not in parts:
        raise reader.refuse("no time", "at, or counted", f"write it like {_EXAMPLE}")
    if "by" not in parts and len(rule.by) > 1:
        raise reader.refuse(f"no by, where {', '.join(rule.by)} may state it", "the role that states it")
    at = _instant(parts["at"] if "at" in parts else parts["counted"])
    fields = parts["fields"].entries(MAX_FIELDS, "fields") if "fields" in parts else {}
    texts = {key: _field_text(entry) for key, entry in fields.items()}
    if "at" in texts:
        raise fields["at"].refuse("at among the fields", "at beside them")
    attached = parts.get("attachments")
    return Told(
        role=parts["by"].word(tuple(document.parties), "a role") if "by" in parts else rule.by[0],
        fact=name,
        texts=texts,
        at=at,
        counted=_instant(parts["counted"]) if "counted" in parts else at,
        attachments=attached.integer(0, MAX_ATTACHMENTS, "how many") if attached else rule.attachments,
        confirmed=_confirmed(parts, rule.confirm),
        place=reader.place,
    )


def _field_text(reader: Reader) -> str:
    return reader.text(MAX_VALUE_CHARS, "a value") if reader.tree != "" else ""


def _confirmed(parts: Mapping[str, Reader], roles: tuple[str, ...]) -> dict[str, Instant]:
    reader = parts.get("confirm")
    if reader is None:
        return {}
    if isinstance(reader.tree, dict):
        entries = reader.entries(len(roles), "confirmations")
        for role, entry in entries.items():
            if role not in roles:
                raise entry.refuse(
                    f"a confirmation by {short(role)}", ", ".join(roles) or "nobody: it needs none"
                )
        return {role: _instant(entry) for role, entry in entries.items()}
    if not roles:
        raise reader.refuse("a confirmation", "none: nobody is asked to confirm it", "remove it")
    return dict.fromkeys(roles, _instant(reader))


def _instant(reader: Reader) -> Instant:
    value = parse_value("instant", reader.text(64, "an instant"), str(reader.place))
    if not isinstance(value, Instant) or value.ms < 0:
        raise reader.refuse(short(reader.tree), "an instant from 1970 on")
    return value


_ITEMS: Mapping[str, Callable[[Reader, Document], Happening]] = {
    "fact": _read_fact,
    "event": _read_event,
    "tick": _read_tick,
    "terminate": _read_termination,
    "correct": _read_correction,
    "handover": _read_handover,
    "replaced": _read_replaced,
}
