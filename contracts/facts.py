"""Facts as they are stated: a statement's texts, held against what the contract says about that fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.civil import MAX_MS
from contracts.document import Document, FactRule, FieldRule
from contracts.field_bounds import field_bounds
from contracts.operations import ArithmeticFault, compare
from contracts.types import parse_typed
from contracts.values import Instant, Value, format_value, parse_value
from ledger.errors import ForbiddenError, InvalidError, MalformedError, short
from ledger.trace.event import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFact:
    """A fact as its author states it; `at` is when it says that it happened."""

    name: str
    rule: FactRule
    texts: Mapping[str, str]
    """What it says, as text."""
    fields: Mapping[str, Value]
    at: Instant
    event: Identity | None = None
    """What the event that states it is recognised by; None where a statement does."""


def parse_fact(document: Document, organization: str, body: Mapping[str, Any], time_ms: int) -> StatedFact:
    """Read the body of a `fact` statement; `time_ms` is its entry's time, for facts that say no other.

    Raises:
        InvalidError: the contract has no such fact, or a field does not fit.
        ForbiddenError: somebody else may state it.
        MalformedError: a field is missing, unknown, or has not the form of its type.
    """
    name = body["name"]
    rule = document.facts.get(name)
    if rule is None:
        raise InvalidError(
            f"contract {document.name}",
            found=f"the fact {short(name)}",
            expected=f"one of {', '.join(document.facts) or 'no fact at all'}",
            action="see the facts of the contract",
        )
    where = f"fact {name}"
    may = [document.parties[role] for role in rule.by]
    if organization not in may:
        raise ForbiddenError(
            where,
            found=f"stated by {organization}",
            expected=" or ".join(f"{document.parties[role]} ({role})" for role in rule.by),
            action="let them state it",
        )
    _check_attachments(rule, body["attachments"], where)
    return read_stated(document, name, dict(body["fields"]), time_ms)


def read_stated(document: Document, name: str, texts: dict[str, str], time_ms: int) -> StatedFact:
    """A fact of a known name from the texts of its fields, whoever states it.

    Raises:
        TallyError: a field is missing, unknown, or does not fit.
    """
    rule, where, said = document.facts[name], f"fact {name}", dict(texts)
    at = _stated_time(texts.pop("at", None), time_ms, where)
    _check_names(texts, rule, where)
    fields = {
        key: _parse_field(document, rule.fields[key], texts[key], f"{where} field {key}") for key in texts
    }
    return StatedFact(name=name, rule=rule, texts=said, fields=fields, at=at)


def _check_attachments(rule: FactRule, attachments: Sequence[bytes], where: str) -> None:
    if len(set(attachments)) < rule.attachments:
        raise InvalidError(
            f"{where} attachments",
            found=f"{len(set(attachments))}",
            expected=f"at least {rule.attachments}",
            action="name the SHA-256 of each document that proves it",
        )


def _stated_time(text: str | None, time_ms: int, where: str) -> Instant:
    if text is None:
        if not 0 <= time_ms <= MAX_MS:
            raise InvalidError(where, found=f"the time {time_ms}", expected="a time before the year 10000")
        return Instant(time_ms)
    value = parse_value("instant", text, f"{where} field at")
    if not isinstance(value, Instant):
        raise MalformedError(f"{where} field at", found=short(text), expected="an instant")
    return value


def _check_names(texts: Mapping[str, str], rule: FactRule, where: str) -> None:
    known = ", ".join(rule.fields) or "no fields"
    for key in sorted(texts):
        if key not in rule.fields:
            raise MalformedError(
                f"{where} field {short(key)}",
                found="a field that it does not have",
                expected=known,
                action="drop it",
            )
    for key in rule.fields:
        if key not in texts:
            kind = rule.fields[key].type
            raise MalformedError(
                f"{where} field {key}", found="nothing", expected=str(kind), action=f"state {key}"
            )


def _parse_field(document: Document, rule: FieldRule, text: str, where: str) -> Value:
    value = parse_typed(rule.type, text, where)
    low, high = field_bounds(document, rule)
    for operator, bound, words in (("<", low, "at least"), (">", high, "at most")):
        if bound is None:
            continue
        try:
            outside = compare(operator, value, bound)
        except ArithmeticFault as fault:
            raise InvalidError(
                where, found=short(text), expected=f"{words} {format_value(bound)}", action="use its currency"
            ) from fault
        if outside:
            raise InvalidError(
                where, found=short(text), expected=f"{words} {format_value(bound)}", action="check the value"
            )
    return value
