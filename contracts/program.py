"""A contract made ready to be computed: every expression becomes a function once, and is run many times.

`Program(document)` is made once for each contract that passed the checker; `Look(program, known, …)` then
computes its expressions. `compute_text` computes a text that stands in no document, checked as rules are.
"""

from __future__ import annotations

from contracts.aggregates import Run
from contracts.compiling import compile_expression
from contracts.contexts import Contexts
from contracts.document import Document
from contracts.grammar import parse_expression
from contracts.inference import infer_aggregates
from contracts.look import Look
from contracts.syntax import Expression, Place
from contracts.values import Value


class Program:
    """The functions of one document's expressions; each is made when it is first needed.

    Functions ask the look for the values of params. So documents that differ only in those, and have their
    expressions in common, share them: `like` is the program of such a document.
    """

    __slots__ = ("_contexts", "_like", "_ready", "document")

    def __init__(
        self, document: Document, contexts: Contexts | None = None, *, like: Program | None = None
    ) -> None:
        self.document = document
        self._contexts = contexts
        self._like = like
        self._ready: dict[int, tuple[Expression, Run]] = {} if like is None else like._ready

    @property
    def contexts(self) -> Contexts:
        """What the lets of the document mean."""
        if self._contexts is None:
            self._contexts = Contexts(self.document)
        return self._contexts

    def compute(self, expression: Expression, look: Look) -> Value:
        """The value of an expression of the document, in a look.

        Raises:
            InvalidError: a calculation without a result; with the place.
            MissingError: a field of a fact that does not exist, which the checker excludes for rules.
        """
        ready = self._ready.get(id(expression))
        if ready is None:
            # Kept with its expression, whose identity it is found by.
            ready = self._ready[id(expression)] = (expression, self._compile(expression, look, keep=True))
        return ready[1](look)

    def compute_text(self, text: str, look: Look) -> Value:
        """The value of a text, held against the document first.

        Raises:
            TallyError: no expression, types that do not fit, or a calculation without a result.
        """
        expression = parse_expression(text, Place(label="expression"))
        key, own = look.key[0] if look.key else None, look.own.name if look.own else None
        self.contexts.infer(expression, key, own=own, in_deadline=look.later)
        return self._compile(expression, look, keep=False)(look)

    def _compile(self, expression: Expression, look: Look, *, keep: bool) -> Run:
        key, own = look.key[0] if look.key else None, look.own.name if look.own else None
        # What an aggregate of a document is does not depend on values; any of those that share it may tell.
        contexts = self._like.contexts if self._like is not None and keep else self.contexts
        aggregates = infer_aggregates(expression, contexts.scope(key, own=own, in_deadline=look.later))
        return compile_expression(self.document, expression, aggregates, keep=keep)
