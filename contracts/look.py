"""One look at what is known: computes expressions in one context, and notes what it read.

A look has at most one key: with `("order", "A7")` every kind of fact with a field `order` means only those
with that value, and deadlines `per: order` mean the one of that value. With `own`, fields of that fact are
those of the statement at hand (a fact's `when`). With `later`, every instant of a fact is at least the
moment at which it came to exist (deadlines: nobody backdates another's window away).

A look lasts for one moment: each let and each aggregate is computed at most once in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from contracts.document import Document
from contracts.facts_known import Closing, ExistingFact, Known
from contracts.syntax import Expression, Field
from contracts.values import Instant, Value
from ledger.errors import MissingError

Key: TypeAlias = "tuple[str, Value]"
"""The field that a rule is `per`, and the value for which it is looked at."""


class Computes(Protocol):
    """What a look needs of a program (`contracts.program.Program`)."""

    @property
    def document(self) -> Document:
        """The contract."""
        ...

    def compute(self, expression: Expression, look: Look) -> Value:
        """The value of an expression in a look."""
        ...


class Look:
    """Computes expressions of one contract at one moment; `read` says what they read.

    `read` holds names of facts and deadlines, each with the key under which it was read (None: without).
    All facts that an aggregate ran over are read.
    """

    __slots__ = ("aggregates", "balance", "document", "items", "key", "known", "last", "later", "lets",
                 "own", "program", "read")  # fmt: skip

    def __init__(
        self,
        program: Computes,
        known: Known,
        key: Key | None = None,
        *,
        own: ExistingFact | None = None,
        later: bool = False,
    ) -> None:
        self.program = program
        self.document = program.document
        self.known = known
        self.key = key
        self.own = own
        self.later = later
        self.read: set[tuple[str, Key | None]] = set()
        self.lets: dict[str, Value] = {}
        self.aggregates: dict[object, Value] = {}
        self.items: dict[str, ExistingFact] = {}
        """The fact that an aggregate is looking at, by its name."""
        self.balance: Value = 0
        self.last: Value = 0

    def value(self, expression: Expression) -> Value:
        """The value of an expression.

        Raises:
            InvalidError: a calculation without a result; with the place.
            MissingError: a field of a fact that does not exist, or a deadline that is not fixed.
        """
        return self.program.compute(expression, self)

    def facts(self, name: str, *, everywhere: bool = False) -> Sequence[ExistingFact]:
        """The facts of a name in this context, or `everywhere`, in counting order; they count as read."""
        key = None if everywhere else self.key_of_fact(name)
        self.read.add((name, key))
        return self.known.facts(name) if key is None else self.known.facts_with(name, *key)

    def exists(self, name: str) -> bool:
        """Whether a fact exists; one that does not leaves nothing that was read."""
        key = self.key_of_fact(name)
        if not (self.known.facts(name) if key is None else self.known.facts_with(name, *key)):
            return False
        self.read.add((name, key))
        return True

    def field(self, name: str, field: str, expression: Expression, node: Field) -> Value:
        """A field of the one fact of a name, or of the statement at hand."""
        if self.own is not None and self.own.name == name:
            return self.own.value(field)
        facts = self.facts(name)
        if not facts:
            raise MissingError(expression.at(node), found=f"no {name}", expected="a fact that exists")
        value = facts[0].value(field)
        if self.later and isinstance(value, Instant):
            return max(value, facts[0].since.instant)
        return value

    def key_value(self, name: str) -> Value:
        """The value of the key, read by its name."""
        if self.key is None or self.key[0] != name:
            raise MissingError(name, found=f"no value of {name} here", expected="a rule per that key")
        return self.key[1]

    def closing(self, name: str) -> Closing | None:
        """A deadline in this context, None until it is fixed; it counts as read."""
        key = self.key if self.document.deadlines[name].per is not None else None
        self.read.add((name, key))
        return self.known.deadline(name, None if key is None else key[1])

    def key_of_fact(self, name: str) -> Key | None:
        """The key of this look if facts of a name have such a field."""
        key = self.key
        return key if key is not None and key[0] in self.document.facts[name].fields else None

    def entries(self) -> tuple[bytes, ...]:
        """The leaf hashes of all that was read: facts and confirmations, and what fixed and closed deadlines.

        Each once, name by name; the replay knows the order in which they were counted.
        """
        found: dict[bytes, None] = {}
        for name, key in sorted(self.read, key=lambda read: read[0]):
            if name in self.document.facts:
                facts = self.known.facts(name) if key is None else self.known.facts_with(name, *key)
                found.update((entry, None) for fact in facts for entry in fact.entries)
            elif closing := self.known.deadline(name, None if key is None else key[1]):
                found.update((entry, None) for entry in closing.entries)
        return tuple(found)
