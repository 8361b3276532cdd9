"""Reading a home, whether or not its node runs: one consistent picture, opened read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from contracts.agreement import ENDED
from ledger.errors import ConflictError, MalformedError, MissingError, TallyError, UsageError, short
from ledger.log.kinds import NAME_PATTERN
from ledger.trace.instants import parse_instant
from node.home import open_reader
from node.state import State, load_state
from node.store.reader import Reader
from node.store.standing import agreements_like
from node.views.events import find_events
from node.views.listing import CONFIRMATIONS, named_agreements, shown_of, waiting_confirmations
from node.views.records import AgreementBook

T = TypeVar("T")

MIN_HASH_DIGITS = 6
MAX_FITTING = 100
"""How many agreements are looked for that fit what a person said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHome:
    """A home's database at one moment, with what follows from it."""

    path: Path
    reader: Reader
    state: State
    book: AgreementBook


@contextmanager
def open_home(path: Path) -> Iterator[OpenHome]:
    """The home at a path as it stands now; what the node commits meanwhile does not show.

    Raises:
        MissingError: there is no home.
    """
    reader = open_reader(path)
    try:
        reader.database.conn.execute("BEGIN")
        yield OpenHome(path=path, reader=reader, state=load_state(reader), book=AgreementBook())
    finally:
        reader.close()


def find_log(state: State, name: str) -> str:
    """The log that a person means by an organization's name or by an origin; the own one by nothing.

    Raises:
        MissingError: this home holds no such log.
    """
    if not name:
        return state.origin
    origin = state.roster.origin(name) if NAME_PATTERN.fullmatch(name) else name
    state.head(origin)
    return origin


def find_agreement(home: OpenHome, text: str) -> bytes:
    """The agreement that a person means by its hash, by the first digits of it, or by its contract's name.

    Raises:
        MissingError: this home knows no such agreement.
        ConflictError: several fit.
    """
    digits = text.lower()
    found: list[bytes] = []
    if MIN_HASH_DIGITS <= len(digits) <= 64 and _is_hex(digits):
        found = agreements_like(home.reader, digits, MAX_FITTING)
    if not found:
        found = _of_name(home, text)
    return _only(
        found,
        f"agreement {short(text)}",
        "the hash or the name of one",
        "see `tally agree show`; what a partner proposed just now may still be on its way",
    )


def _of_name(home: OpenHome, name: str) -> list[bytes]:
    """The agreements of a name: where only one of them has not ended, as after a new version, that one.

    Raises:
        ConflictError: several have not ended.
    """
    found = named_agreements(home.reader, home.state, home.book, name, MAX_FITTING)
    if len(found) < 2:
        return found
    shown = {each: home.book.agreement(home.reader, home.state, each) for each in found}
    going = [each for each in found if shown[each].status != ENDED] or found
    if len(going) > 1:
        raise ConflictError(
            f"agreement {short(name)}",
            found=", ".join(f"{each.hex()[:16]} ({shown[each].status})" for each in going[:8]),
            expected="one of them",
            action="say the first digits of its hash",
        )
    return going


def find_fact(home: OpenHome, text: str) -> tuple[bytes, bytes]:
    """The fact that a person means, after its agreement's hash: by its leaf hash, by the first digits of it,
    or by `<agreement>:<name>`: the one that waits for this organization, else the last that was stated.

    Raises:
        MissingError: this home knows no such fact.
        ConflictError: several fit.
    """
    agreement, colon, name = text.rpartition(":")
    if colon:
        about = find_agreement(home, agreement)
        seen = home.book.agreement(home.reader, home.state, about)
        found = [
            (about, bytes.fromhex(item["fact"]))
            for item in shown_of(home.state, seen, CONFIRMATIONS)
            if item["fact_name"] == name
        ]
        found = found or [(about, fact.leaf_hash) for fact in seen.facts if fact.name == name][-1:]
        return _only(
            found, f"fact {short(text)}", "a fact that somebody has stated", "see `tally agree show`"
        )
    waiting = waiting_confirmations(home.reader, home.state, home.book)
    found = [(about, fact) for about, fact in waiting if _begins(fact, text)]
    # What waits is noted; any other fact is looked for in every agreement.
    for identity in home.reader.agreement_hashes() if not found else ():
        with suppress(TallyError):  # one that is no contract has no facts
            facts = home.book.agreement(home.reader, home.state, identity).facts
            found += [(identity, fact.leaf_hash) for fact in facts if _begins(fact.leaf_hash, text)]
    return _only(
        found, f"fact {short(text)}", "the hash of one", "see `tally status`, or `tally agree show AGREEMENT`"
    )


def find_entry(home: OpenHome, text: str) -> tuple[str, int]:
    """The entry that a person means: by its leaf hash, by `<log>:<position>`, or by an event's eventID.

    Raises:
        MissingError: this home holds no such entry.
    """
    log, colon, position = text.rpartition(":")
    if colon and position.isascii() and position.isdecimal() and len(position) <= 16:
        try:
            origin = find_log(home.state, log)
        except MissingError:
            origin = ""  # an identifier of an event may end like this, too
        if origin:
            home.reader.entry(origin, int(position))
            return origin, int(position)
    if len(text) == 64 and _is_hex(text):
        return home.reader.find(bytes.fromhex(text))
    with suppress(MissingError):
        event = find_events(home.reader, text)[0]
        return event.origin, event.seq
    raise MissingError(
        f"entry {short(text)}",
        found="not here",
        expected="a leaf hash, <organization>:<position>, or the eventID of an event",
        action="see `tally log show`",
    )


def _begins(name: bytes, text: str) -> bool:
    return len(text) >= MIN_HASH_DIGITS and name.hex().startswith(text.lower())


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def _only(found: list[T], where: str, expected: str, action: str) -> T:
    if not found:
        raise MissingError(where, found="not here", expected=expected, action=action)
    if len(found) > 1:
        raise ConflictError(
            where, found=f"{len(found)} that fit", expected="one", action="give more digits of the hash"
        )
    return found[0]


def read_time(text: str, option: str) -> int:
    """A time that was said as an option, in milliseconds; UsageError where it is none."""
    try:
        return parse_instant(text)
    except MalformedError as error:
        raise UsageError(option, found=error.found, expected=error.expected) from error


def read_text(path: Path, what: str, limit_bytes: int) -> bytes:
    """A file's bytes.

    Raises:
        UsageError: it cannot be read, or is too large to be what it should.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise UsageError(str(path), found=error.strerror or "cannot be read", expected=what) from error
    if len(data) > limit_bytes:
        raise UsageError(str(path), found="a larger file", expected=f"{what} of at most {limit_bytes} bytes")
    return data
