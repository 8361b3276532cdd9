"""What the checker reports: problems, each with its place and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from contracts.contexts import Contexts
from contracts.document import Document
from contracts.faults import likely
from contracts.meaning import Meaning, Unknowable
from contracts.syntax import Expression, Place, outermost
from ledger.errors import TallyError, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that the checker found; `error` refuses the document, a warning is shown.

    A warning is a sentence in `found` and a sentence in `action`, for people who see neither place nor code.
    """

    error: bool
    where: str
    found: str
    expected: str
    action: str

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}"
        return f"{text}, expected {self.expected}" if self.expected else text

    @property
    def advice(self) -> str:
        """A warning as signers read it."""
        return f"{self.found} {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All problems of a document, and what is known of its rules."""

    problems: tuple[Problem, ...]
    contexts: Contexts
    conditions: Mapping[str, Meaning]
    """The meaning of each rule's `when`, by rule."""
    cost: int
    """Steps at most over the whole life of the agreement, for each value of a key."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What refuses the document."""
        return tuple(problem for problem in self.problems if problem.error)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What its signers should know."""
        return tuple(problem for problem in self.problems if not problem.error)


class Problems:
    """Collects problems while a document is checked, and what its expressions use.

    Of a document that could not be read whole, `broken` are the names that lack, and nothing is said of what
    may rest on what lacks: no warnings, and of rules only what each says by itself.
    """

    def __init__(
        self, document: Document, *, broken: frozenset[str] = frozenset(), whole: bool = True
    ) -> None:
        self.document = document
        self.broken = broken
        self.whole = whole
        self.contexts = Contexts(document, broken=broken, whole=whole)
        self._found: dict[Problem, None] = {}
        self.used: set[str] = set()
        """Params, facts, deadlines, lets, calendars and tables that something uses."""
        self.read: set[tuple[str, str]] = set()
        """Fields of facts that something reads."""

    @property
    def found(self) -> tuple[Problem, ...]:
        """All of them in the order in which they were found, each once."""
        return tuple(self._found)

    def error(self, where: Place | str, found: str, expected: str, action: str = "") -> None:
        """Something that refuses the document."""
        self._add(True, where, found, expected, action)

    def warn(self, where: Place | str, found: str, action: str) -> None:
        """Something that its signers should know: two sentences, what is so and what could be done."""
        if self.whole:
            self._add(False, where, found, "", action)

    def _add(self, error: bool, where: Place | str, found: str, expected: str, action: str) -> None:
        problem = Problem(error=error, where=str(where), found=found, expected=expected, action=action)
        self._found.setdefault(problem)

    def caught(self, error: TallyError) -> None:
        """An error that something else raised."""
        self.error(error.where, error.found, error.expected, error.action)

    def roles(self, place: Place, roles: Iterable[str]) -> None:
        """Check that roles are parties."""
        for role in roles:
            if role not in self.document.parties:
                twin = likely(role, self.document.parties)
                self.error(
                    place,
                    f"the role {short(role)}",
                    f"one of {', '.join(self.document.parties)}",
                    f"write {twin}" if twin else "add it under parties or correct it",
                )

    def meaning(
        self,
        expression: Expression,
        key: str | None = None,
        *,
        own: str | None = None,
        in_deadline: bool = False,
    ) -> Meaning | None:
        """What an expression means, and that it uses what it names; None where it means nothing."""
        try:
            meaning = self.contexts.infer(expression, key, own=own, in_deadline=in_deadline)
        except (Unknowable, TallyError) as error:
            if isinstance(error, TallyError):
                self.caught(error)
            self._catch_others(expression, key, own=own, in_deadline=in_deadline)
            return None
        self.used |= meaning.names
        self.read |= meaning.fields
        return meaning

    def _catch_others(
        self, expression: Expression, key: str | None, *, own: str | None, in_deadline: bool
    ) -> None:
        """Inference stops at the first error of an expression; each part of a condition may have its own."""
        for node in outermost(expression.node):
            part = replace(expression, node=node)
            try:
                meaning = self.contexts.infer(part, key, own=own, in_deadline=in_deadline)
            except Unknowable:
                continue
            except TallyError as error:
                self.caught(error)
            else:
                self.used |= meaning.names
                self.read |= meaning.fields
