"""Expressions give what the frozen vectors of version 1 say, on every machine."""

from __future__ import annotations

import importlib.util
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.grammar import parse_expression
from contracts.limits import LANGUAGE_VECTORS
from contracts.program import Program
from contracts.syntax import Place
from contracts.values import KIND_OF, Money, format_value
from ledger.errors import TallyError


def load(name: str) -> ModuleType:
    """A module that stands beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


told, independent = load("language_vectors"), load("independent")
VECTORS: dict[str, Any] = told.VECTORS
DOCUMENT = told.document_of(**VECTORS["document"])
PROGRAM = Program(DOCUMENT)
STATES = {name: told.known_of(DOCUMENT, state) for name, state in VECTORS["states"].items()}


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["expression"])[:60]


@pytest.mark.parametrize("vector", [v for v in VECTORS["vectors"] if "value" in v], ids=name_of)
def test_value(vector: dict[str, Any]) -> None:
    look = told.look_of(PROGRAM, STATES[vector.get("state", "none")], vector)
    assert format_value(PROGRAM.compute_text(vector["expression"], look)) == vector["value"]


@pytest.mark.parametrize("vector", [v for v in VECTORS["vectors"] if "error" in v], ids=name_of)
def test_error(vector: dict[str, Any]) -> None:
    look = told.look_of(PROGRAM, STATES[vector.get("state", "none")], vector)
    with pytest.raises(TallyError) as caught:
        PROGRAM.compute_text(vector["expression"], look)
    assert caught.value.found.startswith(vector["error"])


def test_the_document_of_the_vectors_is_without_errors() -> None:
    assert PROGRAM.contexts.errors == []


def test_there_are_at_least_five_hundred() -> None:
    assert len({str(vector) for vector in VECTORS["vectors"]}) >= 500


def test_what_python_computes_on_its_own_stands_in_the_file() -> None:
    frozen = {vector["expression"]: vector.get("value") for vector in VECTORS["vectors"]}
    assert {text: frozen.get(text) for text, _ in independent.all_vectors()} == dict(
        independent.all_vectors()
    )


def test_documents_name_the_vectors_by_their_hash() -> None:
    assert sha256(told.FILE.read_bytes()).hexdigest() == LANGUAGE_VECTORS


atoms = [
    *VECTORS["document"]["params"],
    *("1", "0", "2.5", "'good'", "days(3)", "money(1, EUR)", "true", "total", "window.at", "window.passed"),
    *(
        "exists(delivered)",
        "delivered.kg",
        "delivered.at",
        "delivered.price",
        "exists(inspect)",
        "inspect.at",
    ),
    *("reading.celsius", "paid.amount", "paid.at", "balance", "order.quantity", "number", "open_quantity"),
]
shapes = [
    *(
        "({0} {operator} {1})",
        "-{0}",
        "not {0}",
        "round({0}, 2, half_up)",
        "if({0}, {1}, {2})",
        "max({0}, {1})",
    ),
    *("count(paid where {0})", "sum(reading, {0})", "sum(paid, {0} where {1})", "min_of(paid, {0})"),
    *("max_of(all order, {0})", "running(paid, {0}, {1})", "running(reading, {0}, balance + {1})"),
    *("end_of_day({0}, berlin)", "add_business_days({0}, {1}, gulf)", "business_days({0}, {1}, berlin)"),
    *("band(discount, {0})", "band(tariff, {0})", "add_months({0}, {1})", "{0} / {1}", "days({0}, {1})"),
]
OPERATORS = ["+", "-", "*", "/", "==", "!=", "<", ">=", "and", "or"]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda shape, parts, operator: shape.format(*parts, operator=operator),
        st.sampled_from(shapes),
        st.tuples(inner, inner, inner),
        st.sampled_from(OPERATORS),
    )


@settings(max_examples=150)
@given(
    st.recursive(st.sampled_from(atoms), grown, max_leaves=8),
    st.sampled_from([*STATES]),
    st.sampled_from([{}, {"key": ["number", "A7"]}, {"later": True}]),
)
def test_what_the_checker_lets_pass_has_a_value_of_its_type(
    text: str, state: str, more: dict[str, Any]
) -> None:
    key = more["key"][0] if "key" in more else None
    try:
        expression = parse_expression(text, Place(label="expression"))
        meaning = PROGRAM.contexts.infer(expression, key, in_deadline="later" in more)
    except TallyError:
        return
    try:
        value = PROGRAM.compute_text(text, told.look_of(PROGRAM, STATES[state], more))
    except TallyError:
        return
    wanted, found = meaning.type, KIND_OF[type(value)]
    assert found == wanted.kind or (found, wanted.kind) in (("integer", "decimal"), ("string", "enum"))
    if isinstance(value, Money) and wanted.currency:
        assert value.currency == wanted.currency
    assert PROGRAM.compute_text(text, told.look_of(PROGRAM, STATES[state], more)) == value
