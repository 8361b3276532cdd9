"""The one tree of expected failures; each says where, what was expected, what was found, what to do.

`TallyError` is the root. Its subclasses name the *sort* of failure, which decides the exit code of a
command and the status of an HTTP answer; the four texts say the rest:

- `where`: the place, as narrow as it is known (`acme/0123456789abcdef entry 41`, `events[3].eventTime`)
- `expected`, `found`: short phrases, never a whole object
- `action`: one thing the reader can do, or empty
"""

from __future__ import annotations


class TallyError(Exception):
    """An expected failure. `str()` is `where: found, expected …` on one line, without the action."""

    def __init__(self, where: str, *, found: str, expected: str = "", action: str = "") -> None:
        super().__init__(where, found, expected, action)
        self.where = where
        self.found = found
        self.expected = expected
        self.action = action

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}"
        return f"{text}, expected {self.expected}" if self.expected else text


class MalformedError(TallyError):
    """Bytes or text that do not have the form they must have."""


class InvalidError(TallyError):
    """Well-formed, but a check says no: a hash, a signature, a rule does not hold."""


class ForkError(InvalidError):
    """Two signed heads of one log that cannot both be true."""


class GapError(InvalidError):
    """Entries or hashes that should be there are not."""


class RollbackError(InvalidError):
    """A log or a home that is older than what was already known of it."""


class MissingError(TallyError):
    """What is needed for an answer is not at hand: unknown, erased, withheld or unreachable."""


class ConflictError(TallyError):
    """The request contradicts what is already recorded."""


class ForbiddenError(TallyError):
    """The one who asks may not do this."""


class UnavailableError(TallyError):
    """Cannot be done now, may be done later."""


class TooLargeError(MalformedError):
    """Over a limit on bytes, depth or count."""


class UsageError(TallyError):
    """The command or request was put wrongly."""


def short(value: object, limit_chars: int = 60) -> str:
    """A value as a short phrase for an error message: bytes as hex, long text cut in the middle."""
    text = bytes(value).hex() if isinstance(value, (bytes, bytearray, memoryview)) else repr(value)
    if len(text) <= limit_chars:
        return text
    half = (limit_chars - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
