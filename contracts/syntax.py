"""The syntax tree of an expression: small frozen nodes, each with its place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

from contracts.values import Value

Path: TypeAlias = "tuple[str | int, ...]"
"""Where something stands in a document: `("rules", 0, "when")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a node of YAML text begins, from 1; `shift` to its first character, None over several lines."""

    line: int
    column: int
    shift: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands in a document: by line and column if it came as YAML, and by its path."""

    label: str
    path: Path = ()
    mark: Mark | None = None

    def __str__(self) -> str:
        if self.mark is None:
            return " ".join(part for part in (self.label, format_path(self.path)) if part)
        return self._marked(self.mark.line, self.mark.column)

    def at(self, line: int, column: int) -> str:
        """The place of a character of the text that stands here, counted from 1."""
        if self.mark is not None and self.mark.shift is not None and line == 1:
            return self._marked(self.mark.line, self.mark.column + self.mark.shift + column - 1)
        return f"{self} column {column}" if line == 1 else f"{self} line {line} column {column} of the text"

    def _marked(self, line: int, column: int) -> str:
        path = f" ({format_path(self.path)})" if self.path else ""
        return f"{self.label} line {line} column {column}{path}"


def format_path(path: Path) -> str:
    """A path for people: `rules[0].when`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a node stands in its expression's text, and how deep it nests."""

    start: int
    end: int
    line: int
    column: int
    depth: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, `true` or `false`."""

    span: Span
    value: Value


@dataclass(frozen=True, slots=True)
class Currency:
    """Three capital letters, as in `money(1, EUR)`."""

    span: Span
    code: str


@dataclass(frozen=True, slots=True)
class Name:
    """A param, a let, or a word that a function knows (`half_up`)."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a fact or a deadline: `delivered.at`, `window.passed`."""

    span: Span
    fact: str
    field: str


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether a fact exists, or a deadline is fixed."""

    span: Span
    fact: str


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`."""

    span: Span
    operand: Node


@dataclass(frozen=True, slots=True)
class Negate:
    """`-a`."""

    span: Span
    operand: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b`, `a or b`; the right side is read only where the left does not decide."""

    span: Span
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """`a == b` and its kin."""

    span: Span
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`a + b`, `a - b`, `a * b`, `a / b`."""

    span: Span
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language."""

    span: Span
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count(f where c)`, `sum(all f, f.x)`, `running(f, start, step)`: over facts of one kind.

    `everywhere` (written `all f`) leaves the key of the rule aside.
    """

    span: Span
    function: str
    fact: str
    everywhere: bool
    arguments: tuple[Node, ...]
    where: Node | None


Node: TypeAlias = (
    "Literal | Currency | Name | Field | Exists | Not | Negate | Logic | Compare | Arithmetic | Call"
    " | Aggregate"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """An expression of a document: its text, its tree, and where it stands."""

    text: str
    node: Node
    place: Place

    def at(self, node: Node) -> str:
        """The place of one node, for a message."""
        return self.place.at(node.span.line, node.span.column)

    def part(self, node: Node) -> str:
        """The text of one node, in one line."""
        return " ".join(self.text[node.span.start : node.span.end].split())


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below a node."""
    match node:
        case Not() | Negate():
            return (node.operand,)
        case Logic() | Compare() | Arithmetic():
            return (node.left, node.right)
        case Call():
            return node.arguments
        case Aggregate():
            return node.arguments if node.where is None else (*node.arguments, node.where)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


_BELOW = frozenset(("span", "operand", "left", "right", "arguments", "where"))
"""What of a node is another node, or says where it stands."""


def is_same(a: Node, b: Node) -> bool:
    """Whether two nodes say the same, wherever they stand."""
    if type(a) is not type(b):
        return False
    said = [part.name for part in fields(a) if part.name not in _BELOW]
    below_a, below_b = children(a), children(b)
    if isinstance(a, Aggregate) and isinstance(b, Aggregate) and (a.where is None) is not (b.where is None):
        return False
    return (
        all(getattr(a, name) == getattr(b, name) for name in said)
        and len(below_a) == len(below_b)
        and all(map(is_same, below_a, below_b))
    )


def outermost(node: Node) -> Iterator[Node]:
    """The parts of a condition between its outermost `and`s."""
    if isinstance(node, Logic) and node.operator == "and":
        yield from outermost(node.left)
        yield from outermost(node.right)
    else:
        yield node
