"""A network: its founding, its id, and the words by which two people compare it.

    founding   = strict msgpack {created, founder: {keys, organization, title}, name, nonce, policy, v}
    network id = SHA-256("tallystick founding v1\\n" | founding)
    words      = first 8 bytes of the id as four proquints

docs/format.md, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from ledger.errors import MalformedError, short
from ledger.log.encoding import Value, decode, encode
from ledger.log.kinds import KEYS, NAME, NAMES, TIME, TITLE, Form
from ledger.log.signature import check_public_key

MAX_FOUNDING_BYTES = 64 * 1024
ALL_MEMBERS = "members"

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKeys:
    """The public keys of an organization in one network, 32 bytes each; `recovery` is a hash of one."""

    log: bytes
    node: bytes
    recovery: bytes
    witness: bytes

    def as_map(self) -> dict[str, Value]:
        """The map that stands in `log.open`, `network.admit` and the founding."""
        return {"log": self.log, "node": self.node, "recovery": self.recovery, "witness": self.witness}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the members agreed on: who reads tiles without asking, and whose cosignatures count."""

    tiles: Literal["open", "members"] = "open"
    witnesses: tuple[str, ...] | None = None
    """None: every member is a witness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """The first document of a network. `created_ms` is the founder's claim."""

    name: str
    founder: str
    title: str
    keys: MemberKeys
    policy: Policy
    created_ms: int
    nonce: bytes


def format_founding(founding: Founding) -> bytes:
    """The founding as bytes, whose hash is the network's id."""
    witnesses = founding.policy.witnesses
    data = encode(
        {
            "created": founding.created_ms,
            "founder": {
                "keys": founding.keys.as_map(),
                "organization": founding.founder,
                "title": founding.title,
            },
            "name": founding.name,
            "nonce": founding.nonce,
            "policy": {
                "tiles": founding.policy.tiles,
                "witnesses": ALL_MEMBERS if witnesses is None else list(witnesses),
            },
            "v": 1,
        }
    )
    parse_founding(data)
    return data


def parse_founding(data: bytes, where: str = "founding") -> Founding:
    """Read a founding.

    Raises:
        MalformedError: not strict msgpack, or a field is missing, unknown or of the wrong form.
        InvalidError: a key of the founder may not be enrolled.
    """
    if len(data) > MAX_FOUNDING_BYTES:
        raise MalformedError(where, found=f"{len(data)} bytes", expected=f"at most {MAX_FOUNDING_BYTES}")
    top = _map(decode(data, where), ("created", "founder", "name", "nonce", "policy", "v"), where)
    if top["v"] != 1 or top["v"] is True:
        raise MalformedError(
            f"{where} v", found=short(top["v"]), expected="1", action="install a newer version of tally"
        )
    founder = _map(top["founder"], ("keys", "organization", "title"), f"{where} founder")
    policy = _map(top["policy"], ("tiles", "witnesses"), f"{where} policy")
    nonce = top["nonce"]
    if type(nonce) is not bytes or len(nonce) != 16:
        raise MalformedError(f"{where} nonce", found=short(nonce), expected="16 bytes")
    keys = parse_keys(founder["keys"], f"{where} founder keys")
    check_keys(keys, f"{where} founder keys")
    return Founding(
        name=str(_fit(top["name"], TITLE, f"{where} name")),
        founder=str(_fit(founder["organization"], NAME, f"{where} founder organization")),
        title=str(_fit(founder["title"], TITLE, f"{where} founder title")),
        keys=keys,
        policy=_parse_policy(policy, f"{where} policy"),
        created_ms=int(_fit(top["created"], TIME, f"{where} created")),  # type: ignore[call-overload]  # TIME
        nonce=nonce,
    )


def parse_keys(value: object, where: str) -> MemberKeys:
    """Read a map of public keys; that they may be enrolled is checked by `check_keys`."""
    fit = _fit(value, KEYS, where)
    return MemberKeys(**fit)  # type: ignore[arg-type]  # KEYS: exactly these four, bytes


def check_keys(keys: MemberKeys, where: str) -> None:
    """Check that keys may be enrolled. Raises InvalidError where one is no point of prime order."""
    for name, key in (("log", keys.log), ("node", keys.node), ("witness", keys.witness)):
        check_public_key(key, f"{where}, {name} key")


def network_id(founding: bytes) -> bytes:
    """The 32 bytes that name a network: the hash of its founding."""
    return sha256(b"tallystick founding v1\n" + founding).digest()


def recovery_hash(public_key: bytes) -> bytes:
    """The hash of a recovery key that stands in `log.open`."""
    return sha256(b"tallystick recovery v1\n" + public_key).digest()


def network_words(identity: bytes) -> str:
    """The words that a newcomer and a member compare, such as `lusab-babad-gutih-tugad`."""
    return "-".join(_proquint(int.from_bytes(identity[i : i + 2], "big")) for i in range(0, 8, 2))


def _proquint(number: int) -> str:
    return "".join(
        (
            _CONSONANTS[number >> 12],
            _VOWELS[number >> 10 & 3],
            _CONSONANTS[number >> 6 & 15],
            _VOWELS[number >> 4 & 3],
            _CONSONANTS[number & 15],
        )
    )


def _parse_policy(policy: dict[str, Value], where: str) -> Policy:
    readers: dict[str, Literal["open", "members"]] = {"open": "open", "members": "members"}
    tiles = readers.get(policy["tiles"]) if isinstance(policy["tiles"], str) else None
    if tiles is None:
        raise MalformedError(f"{where} tiles", found=short(policy["tiles"]), expected='"open" or "members"')
    witnesses = policy["witnesses"]
    if witnesses == ALL_MEMBERS:
        return Policy(tiles=tiles)
    names = _fit(witnesses, NAMES, f"{where} witnesses")
    return Policy(tiles=tiles, witnesses=tuple(names))  # type: ignore[arg-type]  # NAMES: a list of text


def _map(value: Value, keys: Sequence[str], where: str) -> dict[str, Value]:
    if type(value) is not dict or list(value) != list(keys):
        raise MalformedError(where, found=short(value), expected=f"a map of {', '.join(keys)}")
    return value


def _fit(value: object, form: Form, where: str) -> object:
    if not form.fits(value):
        raise MalformedError(where, found=short(value), expected=form.words)
    return value
