"""The grammar of expressions, and the parser that lark makes from it.

The grammar is LALR(1) and read without recursion; the tree is built bottom-up and its depth is counted
while it grows. Length, parentheses and characters are checked before lark sees the text, so that no
text costs more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lark import Lark, Token, Transformer
from lark.exceptions import LarkError, UnexpectedInput

from contracts.limits import DIGITS, MAX_EXPRESSION_CHARS, MAX_EXPRESSION_DEPTH, MAX_NAME_CHARS
from contracts.syntax import (
    Aggregate,
    Arithmetic,
    Call,
    Compare,
    Currency,
    Exists,
    Expression,
    Field,
    Literal,
    Logic,
    Name,
    Negate,
    Node,
    Not,
    Place,
    Span,
)
from contracts.values import parse_value
from ledger.errors import MalformedError, TooLargeError, short

GRAMMAR = r"""
?start      : either
?either     : both | either "or" both               -> logic
?both       : negation | both "and" negation        -> logic
?negation   : comparison | "not" negation           -> opposite
?comparison : sum | sum COMPARISON sum              -> comparison
?sum        : product | sum ("+" | "-") product     -> arithmetic
?product    : factor | product ("*" | "/") factor   -> arithmetic
?factor     : primary | "-" factor                  -> negative
?primary    : INTEGER                               -> integer
            | DECIMAL                               -> decimal
            | TEXT                                  -> text
            | ("true" | "false")                    -> boolean
            | CURRENCY                              -> currency
            | NAME                                  -> name
            | NAME "." NAME                         -> field
            | FUNCTION "(" argument ("," argument)* ["where" either] ")" -> call
            | "(" either ")"                        -> group
?argument   : either | "all" NAME                   -> everywhere

COMPARISON  : "==" | "!=" | "<=" | ">=" | "<" | ">"
DECIMAL.2   : /(0|[1-9][0-9]*)\.[0-9]+/
INTEGER     : /0|[1-9][0-9]*/
TEXT        : /"[^"\\\x00-\x1f\x7f-\x9f]*"/ | /'[^'\\\x00-\x1f\x7f-\x9f]*'/
CURRENCY    : /[A-Z]{3}(?![A-Za-z0-9_])/
NAME        : /[a-z][a-z0-9_]*/
FUNCTION.3  : /[a-z][a-z0-9_]*(?=[ \t\r\n]*\()(?<!\band)(?<!\bor)(?<!\bnot)(?<!\bwhere)/
%ignore /[ \t\r\n]+/
"""

AGGREGATES: Mapping[str, tuple[int, int, str]] = {
    "count": (0, 0, "count(fact where condition)"),
    "sum": (1, 1, "sum(fact, x where condition)"),
    "min_of": (1, 1, "min_of(fact, x where condition)"),
    "max_of": (1, 1, "max_of(fact, x where condition)"),
    "running": (2, 3, "running(fact, start, step where condition)"),
}
"""Functions over the facts of one name: how many expressions follow the fact, and the form."""

_EXPONENT = re.compile(r"(?<![A-Za-z0-9_])[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]")
_LONG_NUMBER = re.compile(rf"[0-9][0-9.]{{{DIGITS + 1}}}")
_NOT_A_NUMBER = re.compile(r"(?<![A-Za-z0-9_])(?:NaN|[Nn]an|Inf(?:inity)?|inf(?:inity)?)(?![A-Za-z0-9_])")
_BRACKETS = re.compile(r"([()])")
_TEXTS = re.compile(r"\"[^\"]*\"|'[^']*'")


class _Builder(Transformer[Token, Node]):
    """Makes nodes while lark reads, bottom-up; each method takes the children of its alternative."""

    def _span(self, children: Sequence[Token | Node | _Everywhere]) -> Span:
        first, last = children[0], children[-1]
        if isinstance(first, Token):
            start, line, column = first.start_pos or 0, first.line or 1, first.column or 1
        else:
            start, line, column = first.span.start, first.span.line, first.span.column
        end = (last.end_pos or 0) if isinstance(last, Token) else last.span.end
        depth = 1 + max((child.span.depth for child in children if not isinstance(child, Token)), default=0)
        if depth > MAX_EXPRESSION_DEPTH:
            raise _TooDeep
        return Span(start=start, end=end, line=line, column=column, depth=depth)

    def integer(self, children: list[Token]) -> Node:
        return Literal(self._span(children), parse_value("integer", str(children[0]), _column(children[0])))

    def decimal(self, children: list[Token]) -> Node:
        return Literal(self._span(children), parse_value("decimal", str(children[0]), _column(children[0])))

    def text(self, children: list[Token]) -> Node:
        text = str(children[0])[1:-1]
        return Literal(self._span(children), parse_value("string", text, _column(children[0])))

    def boolean(self, children: list[Token]) -> Node:
        return Literal(self._span(children), str(children[0]) == "true")

    def currency(self, children: list[Token]) -> Node:
        return Currency(self._span(children), str(children[0]))

    def name(self, children: list[Token]) -> Node:
        return Name(self._span(children), str(children[0]))

    def field(self, children: list[Token]) -> Node:
        return Field(self._span(children), str(children[0]), str(children[2]))

    def everywhere(self, children: list[Token]) -> _Everywhere:
        return _Everywhere(self._span(children), str(children[1]))

    def call(self, children: list[Token | Node | _Everywhere | None]) -> Node:
        parts = [child for child in children if child is not None]
        span, function = self._span(parts), str(parts[0])
        arguments = [child for child in parts if not isinstance(child, Token)]
        where = arguments.pop() if any(str(child) == "where" for child in parts[1:]) else None
        if function in AGGREGATES:
            return _aggregate(span, function, arguments, where)
        stray = next((child for child in arguments if isinstance(child, _Everywhere)), None)
        if stray is not None or where is not None:
            word = "where" if stray is None else "all"
            raise _Misplaced(span, f"`{word}` in {function}", f"one of {', '.join(AGGREGATES)}")
        if function == "exists" and len(arguments) == 1 and isinstance(arguments[0], Name):
            return Exists(span, arguments[0].name)
        return Call(span, function, tuple(map(_node, arguments)))

    def group(self, children: list[Token | Node]) -> Node:
        _, inner, _ = children
        if isinstance(inner, Token):
            raise TypeError("a group holds an expression")
        return replace(inner, span=self._span(children))

    def opposite(self, children: list[Token | Node]) -> Node:
        return Not(self._span(children), _node(children[1]))

    def negative(self, children: list[Token | Node]) -> Node:
        return Negate(self._span(children), _node(children[1]))

    def logic(self, children: list[Token | Node]) -> Node:
        return Logic(self._span(children), str(children[1]), _node(children[0]), _node(children[2]))

    def comparison(self, children: list[Token | Node]) -> Node:
        return Compare(self._span(children), str(children[1]), _node(children[0]), _node(children[2]))

    def arithmetic(self, children: list[Token | Node]) -> Node:
        return Arithmetic(self._span(children), str(children[1]), _node(children[0]), _node(children[2]))


@dataclass(frozen=True, slots=True)
class _Everywhere:
    """`all f`, the first argument of an aggregate; never leaves this module."""

    span: Span
    fact: str


class _TooDeep(Exception):
    """Stops the reading of an expression that nests too deep; never leaves this module."""


class _Misplaced(Exception):
    """Stops the reading where a form is not that of its function; never leaves this module."""

    def __init__(self, span: Span, found: str, expected: str) -> None:
        super().__init__(span, found, expected)
        self.span = span
        self.found = found
        self.expected = expected


def _aggregate(
    span: Span, function: str, arguments: Sequence[Node | _Everywhere], where: Node | _Everywhere | None
) -> Node:
    """`count(f where c)`: the fact as a plain name, then as many expressions as the function takes."""
    low, high, form = AGGREGATES[function]
    over, rest = arguments[0], arguments[1:]
    if not isinstance(over, (Name, _Everywhere)):
        raise _Misplaced(over.span, "an expression", f"the name of a fact: {form}")
    if not low <= len(rest) <= high:
        raise _Misplaced(span, f"{len(arguments)} arguments", form)
    inner = [node for node in (*rest, where) if node is not None]
    stray = next((node for node in inner if isinstance(node, _Everywhere)), None)
    if stray is not None:
        raise _Misplaced(stray.span, "`all` in a later argument", form)
    everywhere = isinstance(over, _Everywhere)
    return Aggregate(
        span=span,
        function=function,
        fact=over.fact if isinstance(over, _Everywhere) else over.name,
        everywhere=everywhere,
        arguments=tuple(node for node in rest if not isinstance(node, _Everywhere)),
        where=None if isinstance(where, _Everywhere) else where,
    )


def _column(token: Token) -> str:
    return f"line {token.line} column {token.column}"


def _node(child: Token | Node | _Everywhere) -> Node:
    if isinstance(child, (Token, _Everywhere)):
        raise TypeError("a node was expected where the grammar gave a token")
    return child


@lru_cache(maxsize=1)
def _parser() -> Lark:
    """Made at its first use: it takes as long as starting Python, and most commands read no expression."""
    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="contextual",
        keep_all_tokens=True,
        transformer=_Builder(),
        start="start",
    )


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Node:
    """The tree of a text; contracts out of one template have the same texts, which are read once."""
    return _parser().parse(text)  # type: ignore[return-value]  # the builder gives nodes


def parse_expression(text: str, place: Place) -> Expression:
    """Read an expression that stands at a place of a document.

    Raises:
        TooLargeError: longer or deeper than the language allows.
        MalformedError: not an expression; the message has line and column.
    """
    _check_before_parsing(text, place)
    try:
        node = _parse_text(text)
    except _TooDeep as error:
        raise _too_deep(place) from error
    except _Misplaced as error:
        where = place.at(error.span.line, error.span.column)
        raise MalformedError(where, found=error.found, expected=error.expected) from error
    except UnexpectedInput as error:
        raise _unexpected(error, text, place) from error
    except LarkError as error:
        raise MalformedError(str(place), found=short(text), expected="an expression") from error
    except MalformedError as error:
        raise MalformedError(
            f"{place}, {error.where} of the text",
            found=error.found,
            expected=error.expected,
            action=error.action,
        ) from error
    return Expression(text=text, node=node, place=place)


def _check_before_parsing(text: str, place: Place) -> None:
    if len(text) > MAX_EXPRESSION_CHARS:
        raise TooLargeError(
            str(place),
            found=f"an expression of {len(text)} characters",
            expected=f"at most {MAX_EXPRESSION_CHARS}",
            action="split it into lets",
        )
    bare = _TEXTS.sub(lambda found: '"' * len(found[0]), text)
    if not bare.strip(" \t\r\n"):
        raise MalformedError(str(place), found="an empty text", expected="an expression")
    depth = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        if depth > MAX_EXPRESSION_DEPTH:
            raise _too_deep(place)
    for pattern, found, action in (
        (_EXPONENT, "a number with an exponent", "write all digits, without e or E"),
        (_NOT_A_NUMBER, "a value that is no number", "write a number with digits"),
        (_LONG_NUMBER, f"a number of more than {DIGITS} digits", f"use at most {DIGITS} digits"),
    ):
        match = pattern.search(bare)
        if match:
            where = place.at(*_position(text, match.start()))
            raise MalformedError(where, found=found, expected="decimal digits", action=action)


def _position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _too_deep(place: Place) -> TooLargeError:
    return TooLargeError(
        str(place),
        found="deeper nesting",
        expected=f"at most {MAX_EXPRESSION_DEPTH} levels",
        action="split the expression into lets",
    )


def _unexpected(error: UnexpectedInput, text: str, place: Place) -> MalformedError:
    token = getattr(error, "token", None)
    if isinstance(token, Token) and token.type == "$END":
        position, found = len(text), "the end of the expression"
    else:
        position = error.pos_in_stream if error.pos_in_stream is not None else len(text)
        rest = text[position : position + MAX_NAME_CHARS].split()
        found = short(rest[0] if rest else "white space")
    expected = "an operator, a value or a closing bracket"
    action = "see docs/contract-language.md, `Expressions`"
    if text[position : position + 1] == "," and _is_after_where(text[:position]):
        expected, action = "`where` at the end", "write it like sum(fact, x where condition)"
    return MalformedError(place.at(*_position(text, position)), found=found, expected=expected, action=action)


def _is_after_where(before: str) -> bool:
    """Whether a `where` stands between the last bracket that is open and the end of a text."""
    levels = [""]
    for part in _BRACKETS.split(_TEXTS.sub("", before)):
        if part == "(":
            levels.append("")
        elif part == ")" and len(levels) > 1:
            levels.pop()
        else:
            levels[-1] += f"{part} "
    return "where" in levels[-1].split()
