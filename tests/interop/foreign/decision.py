"""Agreements' documents and decisions (section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from .encoding import check_map, need, read_msgpack, write_msgpack

EFFECTS = {
    "due": ("amount by from kind to", {"as"}),
    "obligation": ("act duty kind of", {"amount", "by", "to", "survives"}),
    "discharge": ("kind name", set()),
    "state": ("kind state", set()),
    "confirm": ("fact kind of", set()),
    "notify": ("kind roles", set()),
}
"""For each kind of effect the keys that it has, and those that it may have."""

NEEDED = {"contract", "language", "name", "parties", "rules", "timekeeper"}
MAY = {"sign", "params", "text", "calendars", "bands", "facts", "deadlines", "lets", "successor"}


def agreement_hash(document: bytes) -> bytes:
    """What names an agreement."""
    return sha256(b"tallystick agreement v1\n" + document).digest()


def check_document(document: bytes, language: str | None = None) -> dict[str, Any]:
    """The tree in a signed form: texts, lists and maps, under the frozen vectors with this hash."""
    tree = read_msgpack(document)
    need(isinstance(tree, dict) and set(tree) >= NEEDED, "a document without what it needs")
    need(set(tree) <= NEEDED | MAY and tree["contract"] == "1", "a document of another version")
    need(language in (None, tree["language"]), "a document under another language")
    _check_texts(tree)
    return dict(tree)


def _check_texts(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_texts(item)
    else:
        need(isinstance(value, str), "a document with something else than text")


def inputs_hash(leaves: Sequence[bytes]) -> bytes:
    """What a firing rests on: leaf hashes in counting order."""
    return sha256(b"tallystick inputs v1\n" + write_msgpack([*leaves])).digest()


def outcome_hash(effects: Sequence[Mapping[str, Any]]) -> bytes:
    """What follows."""
    return sha256(b"tallystick outcome v1\n" + write_msgpack([*effects])).digest()


def decision_hash(body: Mapping[str, Any]) -> bytes:
    """What names a decision, from the body of its statement."""
    key = [body["key"]] if "key" in body else []
    fields = [body["agreement"], body["rule"], *key, body["inputs"], body["outcome"]]
    return sha256(b"tallystick decision v1\n" + write_msgpack(fields)).digest()


def check_decision(body: Mapping[str, Any]) -> None:
    """Refuse unless the effects have their forms and the outcome is theirs."""
    for effect in body["effects"]:
        check_effect(effect)
    need(outcome_hash(body["effects"]) == body["outcome"], "an outcome of other effects")


def check_effect(effect: Any) -> None:
    """One effect in its form."""
    need(isinstance(effect, dict) and effect.get("kind") in EFFECTS, "no effect")
    needed, may = EFFECTS[effect["kind"]]
    check_map(effect, *needed.split(), *(set(effect) & may))
    for name, value in effect.items():
        texts = value if name == "roles" and isinstance(value, list) else [value]
        need(all(isinstance(text, str) for text in texts), "an effect with something else than text")
    need(effect.get("survives") in (None, "true"), "survives that is not true")
    need(effect.get("duty", "duty") in ("duty", "permission", "prohibition"), "no kind of obligation")
