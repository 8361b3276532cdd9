"""Reopening: an organization that lost its keys or its newest entries opens the next log.

    message = "tallystick opening v1\\n" | strict msgpack [origin of the new log, network id, keys,
              SHA-256 of the pin]
    body of its `log.open` = {founding, keys, number, organization, pin, recovery: {key, signature}, title}

The recovery key is the one whose hash the log before it named last, below the pin; `keys` names the hash of
the next. The pin is the highest head of the log before it that the organization knows, a signed note with its
cosignatures: there that log ends. docs/format.md, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import InvalidError, MalformedError, short
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.encoding import Value, encode
from ledger.log.note import encode_text, parse_note
from ledger.log.origin import format_origin, parse_origin
from ledger.log.signature import check_public_key, check_signature, public_key, sign
from ledger.log.statement import Statement
from ledger.members.eras import MemberLog
from ledger.members.network import MemberKeys, check_keys, network_id, parse_keys, recovery_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopening:
    """What a later log says when it is opened: whose, which, under which keys, and the pin."""

    founding: bytes
    organization: str
    title: str
    number: int
    keys: MemberKeys
    pin: str

    @classmethod
    def of_opening(cls, statement: Statement) -> Reopening:
        """What a `log.open` of a later log says; check it with `check_later_opening`.

        Raises:
            MalformedError: it is the opening of a first log.
        """
        number = statement.body["number"]
        if "pin" not in statement.body or type(number) is not int:
            raise MalformedError("log.open", found="a first log", expected="a later one, with a pin")
        return cls(
            founding=statement.data("founding"),
            organization=statement.text("organization"),
            title=statement.text("title"),
            number=number,
            keys=parse_keys(statement.body["keys"], "keys of log.open"),
            pin=statement.text("pin"),
        )

    @property
    def origin(self) -> str:
        """The log's name."""
        return format_origin(self.organization, network_id(self.founding), self.number)

    @property
    def pinned(self) -> Checkpoint:
        """Where the log before ends; believe it after `check_later_opening` alone.

        Raises:
            MalformedError: the pin is no checkpoint.
        """
        where = f"{self.origin} pin"
        return parse_checkpoint(parse_note(self.pin, where).text, where)


def seal_opening(reopening: Reopening, recovery_seed: bytes) -> dict[str, Value]:
    """The body of the later log's `log.open`, signed by the recovery key (32-byte seed)."""
    message = _message(reopening)
    return {
        "founding": reopening.founding,
        "keys": reopening.keys.as_map(),
        "number": reopening.number,
        "organization": reopening.organization,
        "pin": reopening.pin,
        "recovery": {"key": public_key(recovery_seed), "signature": sign(recovery_seed, message)},
        "title": reopening.title,
    }


def check_later_opening(statement: Statement, *, origin: str, network: bytes, before: MemberLog) -> None:
    """Check that entry 0 of `origin` opens the log that follows `before`, with effect.

    Raises:
        InvalidError: another network, name or number; not under the recovery key; a pin that `before` did
            not sign; keys that may not be enrolled.
        MalformedError: it opens a first log, or the pin is no note.
    """
    where = f"{origin} entry 0"
    reopening = Reopening.of_opening(statement)
    first = parse_origin(before.origin)
    founded = network_id(reopening.founding)
    if founded != network or reopening.origin != origin or reopening.number != first.number + 1:
        raise InvalidError(
            where, found=f"the opening of {reopening.origin}", expected=f"{origin}, next after {first.text}"
        )
    pinned = reopening.pinned
    # A rotation in the last entry below the pin signs from the next size on, and names the recovery key.
    check_recovery(statement, before.era_of(pinned.size + 1).recovery, where)
    check_keys(reopening.keys, where)
    if pinned.origin != before.origin or not pinned.size:
        raise InvalidError(
            f"{where} pin",
            found=f"a head of {short(pinned.origin)}, size {pinned.size}",
            expected=f"one of {before.origin}, which has an entry",
        )
    open_checkpoint(reopening.pin, before.era_of(pinned.size).key, f"{where} pin")


def check_recovery(statement: Statement, recovery: bytes, where: str) -> None:
    """Check that a later log is opened under the recovery key with this hash.

    Raises:
        InvalidError: it is another key, or its signature is not good.
    """
    said = statement.body["recovery"]
    key, signature = said.values() if isinstance(said, dict) else (b"", b"")
    if not isinstance(key, bytes) or not isinstance(signature, bytes) or recovery_hash(key) != recovery:
        raise InvalidError(
            f"{where} recovery key",
            found=short(key),
            expected=f"the key whose hash is {short(recovery)}",
            action="open the log with the recovery key that the log before it named",
        )
    check_public_key(key, f"{where} recovery key")
    message = _message(Reopening.of_opening(statement))
    check_signature(key, message, signature, f"{where} signature by the recovery key")


def opening_message(origin: str, network: bytes, keys: MemberKeys, pin: str) -> bytes:
    """What the recovery key signs."""
    hashed = sha256(encode_text(pin, f"{origin} pin")).digest()
    return b"tallystick opening v1\n" + encode([origin, network, keys.as_map(), hashed])


def _message(reopening: Reopening) -> bytes:
    network = network_id(reopening.founding)
    return opening_message(reopening.origin, network, reopening.keys, reopening.pin)
