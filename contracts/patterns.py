"""Contracts out of one template: what does not depend on its name and the values of params is made once.

A firm has many agreements and few templates. Two signed forms have one pattern if they differ in nothing but
the document's name and the values of params, whose types are the same. Of the first everything is read and
prepared; of the others only name and params are read, and the rest is shared. Each gives what it would give
if it were read alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Generic, TypeVar

from contracts.document import Document
from contracts.limits import TITLE
from contracts.program import Program
from contracts.reading import parse_tree, read_param
from contracts.tree import Reader
from contracts.types import KINDS
from contracts.yaml_text import Tree
from ledger.log.encoding import encode

MAX_PATTERNS = 256

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterned(Generic[Prepared]):
    """A document, its program, and what was prepared of the first document of its pattern."""

    document: Document
    program: Program
    prepared: Prepared


class Patterns(Generic[Prepared]):
    """The patterns that were met lately. May be used by several threads: each step on what is known is one
    operation of a dict, and a pattern that two of them learn at once is the same.
    """

    def __init__(self, prepare: Callable[[Document, Program], Prepared]) -> None:
        self._prepare = prepare
        self._known: dict[bytes, Patterned[Prepared]] = {}

    def read(self, tree: Tree, label: str) -> Patterned[Prepared]:
        """The document of a decoded signed form.

        Raises:
            TallyError: no contract.
        """
        key = _key(tree)
        known = None if key is None else self._known.get(key)
        if known is None:
            return self._learn(key, parse_tree(tree, label))
        first = known.document
        document = _like(first, tree, label)
        if any(document.params[name].type != param.type for name, param in first.params.items()):
            # Money in another currency: of the same form, and of another type.
            return self._learn(key, parse_tree(tree, label))
        program = Program(document, like=known.program)
        return Patterned(document=document, program=program, prepared=known.prepared)

    def _learn(self, key: bytes | None, document: Document) -> Patterned[Prepared]:
        program = Program(document)
        made = Patterned(document=document, program=program, prepared=self._prepare(document, program))
        if key is not None:
            if len(self._known) >= MAX_PATTERNS:
                self._known.clear()
            self._known[key] = made
        return made


def _key(tree: Tree) -> bytes | None:
    """What two signed forms of one pattern have in common; None where this is no contract."""
    if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
        return None
    params = tree.get("params", {})
    if not isinstance(params, dict):
        return None
    blank: dict[str, Tree] = {}
    for name, entry in params.items():
        if not isinstance(entry, dict):
            return None
        blank[name] = {
            key: "" if key in KINDS and isinstance(value, str) else value for key, value in entry.items()
        }
    return sha256(encode({**tree, "name": "", "params": blank})).digest()


def _like(first: Document, tree: Tree, label: str) -> Document:
    """The document of a tree that has the pattern of another document."""
    parts = tree if isinstance(tree, dict) else {}
    name = Reader(tree=parts["name"], label=label, path=("name",), marks={})
    section = Reader(tree=parts.get("params", {}), label=label, path=("params",), marks={})
    params = section.entries(len(first.params), "params")
    return replace(
        first,
        name=name.name("a contract's name", TITLE),
        params={key: read_param(entry) for key, entry in params.items()},
        tree=tree,
    )
