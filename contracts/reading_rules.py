"""Reading the rules of a contract document and their effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from contracts.document import (
    DUTY,
    PERMISSION,
    PROHIBITION,
    Discharge,
    Due,
    Effect,
    Notify,
    Obligation,
    RequestConfirmation,
    Rule,
    State,
)
from contracts.faults import Broken
from contracts.limits import MAX_EFFECTS, MAX_PARTIES, ROLE
from contracts.tree import Reader, optional


def read_rule(reader: Reader) -> Rule:
    """`{name, when, then, per}`."""
    parts = reader.keys(("name", "when", "then"), ("per",), "a rule")
    name = parts["name"].attempt(lambda part: part.name("a rule's name"))
    when = parts["when"].attempt(Reader.expression)
    effects = parts["then"].attempt(_effects)
    per = optional(parts, "per", lambda part: part.name("a field's name"))
    if name is None or when is None or effects is None:
        raise Broken
    return Rule(name=name, when=when, then=effects, per=per, place=reader.place)


def _effects(reader: Reader) -> tuple[Effect, ...]:
    items = reader.items(MAX_EFFECTS, "effects")
    if not items:
        raise reader.refuse("no effect", "at least one effect")
    read = [item.attempt(_effect) for item in items]
    return tuple(effect for effect in read if effect is not None)


def _effect(reader: Reader) -> Effect:
    parts = reader.keys((), tuple(_EFFECTS), "an effect")
    if not parts and reader.tree:
        raise Broken
    if len(parts) != 1:
        raise reader.refuse(
            f"{len(parts)} keys", f"one effect: {', '.join(_EFFECTS)}", "write one item for each effect"
        )
    kind, part = next(iter(parts.items()))
    return replace(_EFFECTS[kind](part), place=reader.place)


def _due(reader: Reader) -> Due:
    parts = reader.keys(("from", "to", "amount"), ("within", "on", "as"), "an amount due")
    if "within" in parts and "on" in parts:
        raise reader.refuse("both within and on", "one of them", "remove one")
    amount = parts["amount"].attempt(Reader.expression)
    within = optional(parts, "within", Reader.expression)
    on = optional(parts, "on", Reader.expression)
    if amount is None:
        raise Broken
    return Due(
        payer=parts["from"].name("a role", ROLE),
        payee=parts["to"].name("a role", ROLE),
        amount=amount,
        within=within,
        on=on,
        name=parts["as"].name("the name of an amount due") if "as" in parts else None,
        place=reader.place,
    )


def _obligation(reader: Reader) -> Obligation:
    parts = reader.keys(("kind", "of", "act"), ("to", "amount", "by", "survives"), "an obligation")
    survives = parts["survives"].word(("true", "false"), "whether it survives") if "survives" in parts else ""
    return Obligation(
        duty=parts["kind"].word((DUTY, PERMISSION, PROHIBITION), "a kind of obligation"),
        of=parts["of"].name("a role", ROLE),
        to=parts["to"].name("a role", ROLE) if "to" in parts else None,
        act=parts["act"].name("what is to be done"),
        amount=optional(parts, "amount", Reader.expression),
        by=optional(parts, "by", Reader.expression),
        survives=survives == "true",
        place=reader.place,
    )


def _request(reader: Reader) -> RequestConfirmation:
    parts = reader.keys(("of", "fact"), (), "a request for confirmation")
    of, fact = parts["of"].name("a role", ROLE), parts["fact"].name("a fact")
    return RequestConfirmation(of=of, fact=fact, place=reader.place)


def _discharge(reader: Reader) -> Discharge:
    return Discharge(name=reader.name("an act, or the name of an amount due"), place=reader.place)


def _state(reader: Reader) -> State:
    return State(state=reader.name("a state"), place=reader.place)


def _notify(reader: Reader) -> Notify:
    return Notify(roles=reader.names(MAX_PARTIES, "a role", ROLE), place=reader.place)


_EFFECTS: Mapping[str, Callable[[Reader], Effect]] = {
    "due": _due,
    "obligation": _obligation,
    "discharge": _discharge,
    "state": _state,
    "confirm": _request,
    "notify": _notify,
}
