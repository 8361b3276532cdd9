"""Rotation: an organization gives its log, and its cosignatures, new keys (docs/format.md, section 5).

    message = "tallystick rotation v1\\n" | strict msgpack [origin, keys before, keys after]
    body    = {keys: keys after, new: signature by the new log key, old: signature by the old log key}

`node` stays as it was: partners know the node by it, and it changes with a later log alone (`reopening`).
"""

from __future__ import annotations

from ledger.errors import InvalidError, short
from ledger.log.encoding import Value, encode
from ledger.log.signature import check_signature, sign
from ledger.log.statement import Statement
from ledger.members.network import MemberKeys, check_keys, parse_keys

KIND = "keys.rotate"


def seal_rotation(
    origin: str, *, before: MemberKeys, after: MemberKeys, old_seed: bytes, new_seed: bytes
) -> dict[str, Value]:
    """The body of a `keys.rotate`, signed by the old and the new log key (32-byte seeds).

    Raises:
        InvalidError: the new keys may not be enrolled, or change what a rotation leaves.
    """
    message = rotation_message(origin, before, after)
    body: dict[str, Value] = {
        "keys": after.as_map(),
        "new": sign(new_seed, message),
        "old": sign(old_seed, message),
    }
    check_rotation(origin, before, Statement(kind=KIND, audience=None, body=body, nonce=bytes(16)))
    return body


def check_rotation(origin: str, before: MemberKeys, statement: Statement) -> None:
    """Check that a `keys.rotate` takes effect in a log whose keys are `before`.

    Raises:
        InvalidError: a signature is not good, a key may not be enrolled, or `node` is another.
    """
    where = f"{origin} rotation"
    after = parse_keys(statement.body["keys"], f"{where}, keys")
    if after.node != before.node:
        raise InvalidError(
            f"{where}, node key",
            found=short(after.node),
            expected=f"{short(before.node)}, as before",
            action="leave the node key; it changes with a later log alone",
        )
    check_keys(after, where)
    message = rotation_message(origin, before, after)
    check_signature(before.log, message, statement.data("old"), f"{where}, signature by the old key")
    check_signature(after.log, message, statement.data("new"), f"{where}, signature by the new key")


def rotation_message(origin: str, before: MemberKeys, after: MemberKeys) -> bytes:
    """What the old and the new log key sign."""
    return b"tallystick rotation v1\n" + encode([origin, before.as_map(), after.as_map()])
