"""The hashes of a firing.

    inputs hash   = SHA-256("tallystick inputs v1\\n" | msgpack [leaf hash, …])
    outcome hash  = SHA-256("tallystick outcome v1\\n" | msgpack [effect, …])
    decision hash = SHA-256("tallystick decision v1\\n" | msgpack [agreement, rule, inputs, outcome])

For a rule `per` a field the decision hash covers `[agreement, rule, key, inputs, outcome]`, the key's value
as text. Inputs are the leaf hashes of the facts, confirmations and ticks that the firing rests on, in
counting order; effects are the maps of `contracts.effects`, in the order of the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from contracts.effects import EffectMap
from contracts.evaluator import Firing
from contracts.values import format_value
from ledger.log.encoding import Value, encode


def inputs_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """The hash of what a firing rests on."""
    return sha256(b"tallystick inputs v1\n" + encode(list(leaf_hashes))).digest()


def outcome_hash(effects: Sequence[EffectMap]) -> bytes:
    """The hash of a firing's effects."""
    return sha256(b"tallystick outcome v1\n" + encode(list(effects))).digest()


def decision_hash(
    agreement: bytes, rule: str, inputs: bytes, outcome: bytes, key: str | None = None
) -> bytes:
    """The hash that names a decision; parties that decide the same have the same."""
    named: list[Value] = [agreement, rule] if key is None else [agreement, rule, key]
    return sha256(b"tallystick decision v1\n" + encode([*named, inputs, outcome])).digest()


def hash_of_firing(agreement: bytes, firing: Firing) -> bytes:
    """The hash of the decision that a firing is."""
    inputs, outcome = inputs_hash(firing.rests_on), outcome_hash(firing.effects)
    return decision_hash(agreement, firing.rule, inputs, outcome, key_text(firing))


def key_text(firing: Firing) -> str | None:
    """The value of a firing's key as text, None where its rule is not `per` a field."""
    return None if firing.key is None else format_value(firing.key[1])
