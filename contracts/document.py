"""The contract document: its parts, its signed form, and the hash that names it.

The signed form is strict msgpack of the document's tree, as YAML gave it: maps with text keys, lists, and
every scalar as text (also `contract: "1"`), and under `language` the hash of the vectors that fix what
version 1 means. Order of keys, comments and layout of the YAML do not reach it; everything else does, to
the letter. So one document has one signed form, and

    agreement hash = SHA-256("tallystick agreement v1\\n" | signed form)

names it. Documents are read by `contracts.reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from contracts.bands import BandTable
from contracts.calendars import Calendar
from contracts.limits import MAX_DOCUMENT_BYTES
from contracts.syntax import Expression, Mark, Path, Place
from contracts.types import Type
from contracts.values import Value
from contracts.yaml_text import Tree
from ledger.errors import TooLargeError
from ledger.log.encoding import encode

TIMEKEEPER = "timekeeper"
BUILT_IN_FIELDS = ("at", "counted", "confirmed")
"""Fields that every fact has: when it says it happened, when it was counted, when it was confirmed."""
DEADLINE_FIELDS = ("at", "passed")
"""What can be read of a deadline: its instant, and whether it has closed."""
ENDING_STATES = ("fulfilled", "expired", "terminated")
"""States that end the agreement, with that reason."""
DUTY, PERMISSION, PROHIBITION = "duty", "permission", "prohibition"
TERMINATE = "terminate"
"""The act of a permission whose holder may end the agreement alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRule:
    """How many people of a party sign, and (unless empty) in which roles."""

    need: int
    of: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A typed value that the text tells and the rules use."""

    type: Type
    value: Value
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class EventValue:
    """Where a field's value stands in an event.

    `source` is what part of the event (`quantity`, `transaction`, …), `type` and `unit` choose among
    several. Of readings `take` says what they come to: `sum`, `min`, `max`, or `count`, how many there are;
    then `above` and `below` (a number, or the name of a param that is one) leave out the others.
    """

    source: str
    type: str | None
    unit: str | None
    take: str | None
    above: str | None
    below: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class EventParty:
    """A source or destination that an event must name: `{destination: {owning_party: id}}`."""

    side: str
    type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """Which events state a fact; what is None, or empty, may be anything. An id may be a string param's."""

    type: str
    action: str | None
    step: str | None
    disposition: str | None
    location: str | None
    read_point: str | None
    identifier: str | None
    parties: tuple[EventParty, ...]
    transactions: tuple[tuple[str, str], ...]
    """Type and id of each business transaction that the event must name."""
    sensor: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """A field of a fact: its type, and a least and a greatest value (a text or the name of a param)."""

    type: Type
    least: str | None
    most: str | None
    event: EventValue | None = None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """A kind of fact: any one of `by` states it, every one of `confirm` confirms it.

    At most `max` count, for each value of the field `per` where there is one, and `total` in all. With
    `before` it exists only if all of it was counted before that deadline closed, with `state_before` the
    statement itself before that one. `attachments` hashes at least stand in the statement, and `when`
    holds at the moment at which it is counted, and again at the one at which it comes to exist.
    """

    by: tuple[str, ...]
    confirm: tuple[str, ...]
    before: str | None
    state_before: str | None
    max: int
    per: str | None
    total: int
    fields: Mapping[str, FieldRule]
    attachments: int
    when: Expression | None
    event: EventRule | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRule:
    """An instant after which a `tick` of the timekeeper closes it, once `grace` is over too."""

    at: Expression
    grace: Expression | None
    per: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`{due: {from, to, amount, within | on, as}}`: an amount owed by one role to another."""

    payer: str
    payee: str
    amount: Expression
    within: Expression | None
    on: Expression | None
    name: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """`{obligation: {kind, of, to, act, amount, by, survives}}`: what a role must, may or must not do."""

    duty: str
    of: str
    to: str | None
    act: str
    amount: Expression | None
    by: Expression | None
    survives: bool
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharge:
    """`{discharge: name}`: an obligation is met, or an amount due is paid."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`{state: name}`: what the agreement has come to; some states end it."""

    state: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestConfirmation:
    """`{confirm: {of: role, fact: name}}`: a role is asked to confirm a fact."""

    of: str
    fact: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """`{notify: [role, …]}`: who is told."""

    roles: tuple[str, ...]
    place: Place


Effect: TypeAlias = "Due | Obligation | Discharge | State | RequestConfirmation | Notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When its condition holds, its effects happen, once; with `per`, once for each value of that field."""

    name: str
    when: Expression
    then: tuple[Effect, ...]
    per: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A contract. `language` is the version of the language that it is written in, 1."""

    name: str
    language: int
    parties: Mapping[str, str]
    timekeeper: str
    successor: str | None
    sign: Mapping[str, SignRule]
    params: Mapping[str, Param]
    calendars: Mapping[str, Calendar]
    bands: Mapping[str, BandTable]
    text: str
    facts: Mapping[str, FactRule]
    deadlines: Mapping[str, DeadlineRule]
    lets: Mapping[str, Expression]
    rules: tuple[Rule, ...]
    tree: Tree
    label: str
    """What its places begin with: a file name, or `contract`."""
    marks: Mapping[Path, Mark]

    def place(self, *path: str | int) -> Place:
        """Where a part of the document stands."""
        return Place(label=self.label, path=path, mark=self.marks.get(path))

    @property
    def party_keeps_time(self) -> bool:
        """Whether a party is its own timekeeper, which every page about the agreement says."""
        return self.timekeeper in self.parties.values()

    def organizations(self) -> tuple[str, ...]:
        """Every party and the timekeeper, sorted: whom every statement of the agreement must reach."""
        return tuple(sorted({*self.parties.values(), self.timekeeper}))

    def audience(self) -> tuple[str, ...]:
        """Whom a node tells: those, and the successor, who may have to go on from what the others counted."""
        return tuple(sorted({*self.organizations(), self.successor or self.timekeeper}))


def agreement_hash(document: bytes) -> bytes:
    """The hash that names a version of an agreement; `document` is the signed form."""
    return sha256(b"tallystick agreement v1\n" + document).digest()


def format_document(document: Document) -> bytes:
    """The signed form, whose hash names the agreement."""
    signed = encode(document.tree, document.name)
    check_size(signed, document.name)
    return signed


def check_size(signed: bytes, label: str) -> None:
    """Check that a signed form is not over the limit.

    Raises:
        TooLargeError: it is.
    """
    if len(signed) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(
            label,
            found=f"{len(signed)} bytes",
            expected=f"at most {MAX_DOCUMENT_BYTES}",
            action="move long prose into an attachment",
        )
