"""Expressions: how they are read, and that no text costs more than its length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.grammar import parse_expression
from contracts.syntax import (
    Aggregate,
    Arithmetic,
    Compare,
    Exists,
    Field,
    Logic,
    Name,
    Negate,
    Not,
    Place,
    walk,
)
from ledger.errors import MalformedError, TallyError, TooLargeError

HERE = Place(label="here")


@pytest.mark.parametrize(
    ("text", "outer", "left", "right"),
    [
        ("a or b and c", Logic, "a", "b and c"),
        ("a and b or c", Logic, "a and b", "c"),
        ("a - b - c", Arithmetic, "a - b", "c"),
        ("a / b * c", Arithmetic, "a / b", "c"),
        ("a + b * c", Arithmetic, "a", "b * c"),
        ("(a + b) * c", Arithmetic, "(a + b)", "c"),
        ("a - -b", Arithmetic, "a", "-b"),
        ("not a == b and c", Logic, "not a == b", "c"),
        ("a+1 <= b*2", Compare, "a+1", "b*2"),
    ],
)
def test_precedence(text: str, outer: type, left: str, right: str) -> None:
    expression = parse_expression(text, HERE)
    node = expression.node
    assert isinstance(node, outer)
    assert isinstance(node, Logic | Arithmetic | Compare)
    assert (expression.part(node.left), expression.part(node.right)) == (left, right)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("android", Name),
        ("nothing", Name),
        ("order", Name),
        ("not order", Not),
        ("not(order)", Not),
        ("-order", Negate),
        ("exists(order)", Exists),
        ("exists ( order )", Exists),
        ("order.at", Field),
        ("allowed", Name),
        ("whereas", Name),
        ("count(allowed)", Aggregate),
        ("count(whereas where(a > 1))", Aggregate),
        ("sum(all orders, orders.at)", Aggregate),
    ],
)
def test_words_and_names(text: str, kind: type) -> None:
    assert isinstance(parse_expression(text, HERE).node, kind)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "a b",
            "a = b",
            "a < b < c",
            "1 2",
            "007",
            "1.",
            ".5",
            "1..2",
            "a.b.c",
            "a.",
            "()",
            "f()",
            "f(a,)",
        ),
        *(
            "a +",
            "* a",
            "+a",
            "not",
            "and a",
            "a and",
            "(a",
            "a)",
            "$",
            "a;b",
            "a[0]",
            "a ? b : c",
            "a == 'x",
            "count()",
            "count(1)",
            "count(a, b)",
            "count(a where)",
            "count(a where b where c)",
            "count(all)",
            "count(all a.b)",
            "sum(a)",
            "sum(a, b, c)",
            "sum(a, all b)",
            "running(a, b)",
            "min(a, b where c)",
            "min(all a, b)",
            "a where b",
            "all a",
            "'a\nb'",
        ),
        *(
            "1e5",
            "1E5",
            "1.5e-3",
            "NaN",
            "nan",
            "Infinity",
            "é",
            "а",
            "EUR0",
            "a\x00",
            "a != = b",
            "\\",
            '"a\\"b"',
        ),
    ],
)
def test_no_expression(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_expression(text, HERE)
    assert caught.value.where.startswith("here")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(" * 49,
        "(" * 40 + "1" + ")" * 40 + "+1" * 40,
        "1+" * 2000 + "1",
        "not " * 1000 + "a",
        "-" * 4000 + "1",
        "min(1," * 600,
        "1e1000000000",
        "1" * 4000,
        "9" * 10_000_000,
        "a." * 2000,
        '"' * 4001,
        "a and " * 600 + "a",
        " " * 4096,
        "count(" * 600,
        "count(a where " * 250,
        "sum(a, " * 500 + "1" + ")" * 500,
    ],
    ids=range(17),
)
def test_hostile_expressions_are_refused_fast(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(TallyError):
        parse_expression(text, HERE)
    assert time.process_time() - begun < 0.5


def test_depth_up_to_the_limit_is_read() -> None:
    assert parse_expression("(" * 47 + "1" + ")" * 47, HERE).node.span.depth == 48
    with pytest.raises(TooLargeError):
        parse_expression("(" * 48 + "1" + ")" * 48, HERE)


def test_a_message_has_line_and_column() -> None:
    with pytest.raises(MalformedError, match="here line 2 column 5"):
        parse_expression("a +\n  b c", HERE)


@pytest.mark.parametrize(
    "text", ["sum(f where f.a > 1, f.b)", "sum(f where f.a == 'where (' and max(1, 2) > f.a, f.b)"]
)
def test_a_where_before_other_arguments_is_told_its_place(text: str) -> None:
    with pytest.raises(MalformedError, match="expected `where` at the end"):
        parse_expression(text, HERE)


@pytest.mark.parametrize("text", ["1, 2", "sum(f, 'where',, 2)", "max(count(f where f.a > 1), , 2)"])
def test_a_comma_elsewhere_is_not_told_of_where(text: str) -> None:
    with pytest.raises(MalformedError, match="expected an operator, a value or a closing bracket"):
        parse_expression(text, HERE)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse_expression(text, HERE)
    except TallyError:
        return


words = [
    "a",
    "b.c",
    "1",
    "2.5",
    "'t'",
    "true",
    "and",
    "or",
    "not",
    "==",
    "<",
    "+",
    "-",
    "*",
    "/",
    "(",
    ")",
    ",",
]


@given(
    st.lists(st.sampled_from([*words, "exists(", "min(", "sum(", "all", "where", "EUR", "if("]), max_size=25)
)
def test_every_tree_covers_its_text(parts: list[str]) -> None:
    text = " ".join(parts)
    try:
        expression = parse_expression(text, HERE)
    except TallyError:
        return
    assert expression.part(expression.node) == text
    for node in walk(expression.node):
        assert 0 <= node.span.start < node.span.end <= len(text)
