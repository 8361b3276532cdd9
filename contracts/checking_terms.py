"""The part of the checker that finds terms compared with themselves: that always or never holds."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.mentions import document_expressions
from contracts.problems import Problems
from contracts.syntax import Aggregate, Compare, Expression, Field, Literal, Node, children, is_same, walk


def check_terms(problems: Problems) -> None:
    """Every comparison of a document."""
    for expression in document_expressions(problems.document):
        for node, item in _comparisons(expression.node, ""):
            if not isinstance(node.left, Literal) and is_same(node.left, node.right):
                problems.error(
                    expression.at(node),
                    f"{expression.part(node.left)} compared with itself",
                    "two different terms",
                    _instead(expression, node, item),
                )


def _comparisons(node: Node, item: str) -> Iterator[tuple[Compare, str]]:
    """The comparisons below a node, each with the fact that the aggregate around it looks at, if any."""
    if isinstance(node, Compare):
        yield node, item
    for below in children(node):
        yield from _comparisons(below, node.fact if isinstance(node, Aggregate) else item)


def _instead(expression: Expression, node: Compare, item: str) -> str:
    if any(isinstance(below, Field) and below.fact == item for below in walk(node.left)):
        term = expression.part(node.left)
        return (
            f"inside the aggregate both mean the {item} that it looks at: for {term} of another one write a "
            f"param, the key of a rule per it, or a field that each {item} states itself"
        )
    return "compare it with something else, or leave the comparison out"
