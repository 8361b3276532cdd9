"""The cost that the checker tells is never less than what is computed, whatever the rules and the history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contracts import compiling
from contracts.aggregates import Run
from contracts.checker import inspect_document
from contracts.checking_rules import RuleCheck
from contracts.contract import make_contract
from contracts.document import Document
from contracts.limits import LANGUAGE_VECTORS
from contracts.look import Look
from contracts.problems import Problems
from contracts.reading import parse_document
from contracts.replay import Replay
from contracts.syntax import Node
from contracts.values import Value
from ledger.errors import TallyError
from ledger.log.encoding import encode
from tests.contracts.conftest import Story

COMPILE = compiling._Compiler.node


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Counts the nodes that are computed."""
    steps = [0]

    def node(self: compiling._Compiler, of: Node) -> Run:
        run = COMPILE(self, of)

        def counted(look: Look) -> Value:
            steps[0] += 1
            return run(look)

        return counted

    with mock.patch.object(compiling._Compiler, "node", node):
        yield steps


FACTS: dict[str, Any] = {
    "keyed": {"by": ["a"], "per": "k", "max": "2", "total": "8", "fields": {"k": "integer", "n": "integer"}},
    "once": {"by": ["a"], "per": "k", "total": "6", "fields": {"k": "integer", "n": "integer"}},
    "plain": {"by": ["a"], "max": "5", "fields": {"n": "integer"}},
    "single": {"by": ["a"], "fields": {"n": "integer"}},
    "ordered": {"by": ["a"], "per": "j", "total": "5", "fields": {"k": "integer", "j": "integer"}},
}
PARTS = (
    "count(keyed) > 1",
    "count(all keyed) > 3",
    "sum(all keyed, keyed.n + keyed.n * 2) > 5",
    "sum(plain, plain.n * 2 + 1) > 9",
    "count(all keyed where keyed.n > 1) > 2",
    "count(plain where plain.at < max_of(plain, plain.at)) > 1",
    "count(plain where plain.n > sum(all keyed, keyed.n)) > 1",
    "running(all keyed, 0, balance + keyed.n) > 4",
    "running(plain, 0, if(plain.n > 2, balance + 1, balance)) > 1",
    "exists(single) and sum(plain, if(plain.n > single.n, 1, 0)) > 1",
    "exists(single) and single.n > 3",
    "count(all ordered) > 1",
    "early.passed",
    "heavy > 4",
)
KEYS = {"": "early.passed", "k": "count(keyed) > 0", "j": "exists(ordered)"}
"""What each key is, and something that has it."""
conditions = st.recursive(
    st.sampled_from(PARTS),
    lambda inner: st.builds(lambda a, o, b: f"({a}) {o} ({b})", inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=4,
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Contracts of a few rules, with keys and without, and facts that ask something when they are counted."""
    facts = {name: {**fact, "before": "over"} for name, fact in FACTS.items()}
    for name in draw(st.lists(st.sampled_from(["keyed", "plain", "ordered"]), max_size=2)):
        facts[name]["when"] = f"count(plain) < 3 or {draw(conditions)}"
    rules = []
    for number in range(draw(st.integers(1, 4))):
        key, touched = draw(st.sampled_from(list(KEYS.items())))
        when = f"(({draw(conditions)}) or {touched}) and over.passed"
        per = {"per": key} if key else {}
        rules.append({"name": f"r{number}", "when": when, "then": [{"notify": ["a"]}], **per})
    deadlines: dict[str, Any] = {"early": {"at": "p"}, "over": {"at": "p + days(9)"}}
    if draw(st.booleans()):
        facts["once"].pop("before")
        deadlines["own"] = {"at": "max(once.at, single.at)", "per": "k"}
        rules.append({"name": "late", "per": "k", "when": "own.passed", "then": [{"notify": ["a"]}]})
    return {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
        "name": "costs",
        "parties": {"a": "acme", "b": "bolt"},
        "timekeeper": "port",
        "params": {"p": {"instant": "2023-11-14T22:14:00Z"}},
        "facts": facts,
        "deadlines": deadlines,
        "lets": {"heavy": "count(plain where plain.n > count(all keyed)) + count(all keyed) * 2"},
        "rules": rules,
    }


histories = st.lists(
    st.tuples(st.sampled_from([*FACTS, "tick"]), st.integers(0, 5), st.integers(0, 5)), max_size=60
)


def cost_of(document: Document) -> int:
    """What the checker says that the whole life takes."""
    check = RuleCheck(Problems(document))
    check.check()
    return check.costs.whole


def play(story: Story, history: list[tuple[str, int, int]]) -> None:
    story.sign_all()
    for name, key, number in history:
        if name == "tick":
            story.tick(story.now_ms + 30_000)
            continue
        given_fields = {"k": str(key), "j": str(key), "n": str(number)}
        fields = {field: given_fields[field] for field in FACTS[name]["fields"]}
        story.count(story.state("acme", name, fields))


@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(trees(), histories)
def test_no_history_takes_more_steps_than_the_checker_said(
    tree: dict[str, Any], history: list[tuple[str, int, int]]
) -> None:
    document = parse_document(encode(tree))
    story = Story(document)
    try:
        contract = make_contract(document, story.agreement)
    except TallyError:
        assume(False)
    play(story, history)
    refused = sum(len(FACTS[name]) for name, _, _ in history if name != "tick")
    with counted_steps() as steps:
        Replay(contract).learn(*story.records)
    # A statement that its own `when` refuses is not among those that count: each costs one look.
    looks = max((0, *(m.cost for m in _asked(document))))
    assert steps[0] <= cost_of(document) + looks * refused


def _asked(document: Document) -> Iterator[Any]:
    contexts = Problems(document).contexts
    for name, fact in document.facts.items():
        if fact.when is not None:
            meaning = contexts.infer(fact.when, fact.per, own=name)
            yield meaning
            yield from (m for let, m in contexts.scope(fact.per).lets.items() if let in meaning.names)


DEAR: dict[str, dict[str, Any]] = {
    "a statement that asks about all before it": {
        "facts": {
            "f": {
                "by": ["a"],
                "max": "10000",
                "when": "count(f) == 0 or count(f where f.at < max_of(f, f.at)) < 9999",
            },
        },
        "rules": [{"name": "r", "when": "count(f) > 3", "then": [{"notify": ["a"]}]}],
    },
    "facts of all keys, kept running for each": {
        "facts": {"f": {"by": ["a"], "per": "k", "total": "1800", "fields": {"k": "integer"}}},
        "rules": [
            {
                "name": "r",
                "per": "k",
                "when": f"sum(all f, {'+'.join(['f.k * f.k'] * 40)}) > 9",
                "then": [{"notify": ["a"]}],
            }
        ],
    },
    "a hundred deadlines for each key, all fixed by one fact": {
        "facts": {
            "f": {"by": ["a"], "per": "k", "total": "10000", "fields": {"k": "integer"}},
            "g": {"by": ["b"]},
        },
        "deadlines": {f"d{i}": {"at": "max(f.at, g.at)", "per": "k"} for i in range(100)},
        "rules": [{"name": "r", "per": "k", "when": "d0.passed", "then": [{"notify": ["a"]}]}],
    },
    "rules by the dozen for each of ten thousand keys": {
        "facts": {
            "f": {"by": ["a"], "per": "k", "total": "10000", "fields": {"k": "integer"}},
            "g": {"by": ["b"], "max": "500", "before": "d"},
        },
        "params": {"p": {"instant": "2030-01-01T00:00:00Z"}},
        "deadlines": {"d": {"at": "p"}},
        "rules": [
            {
                "name": f"r{i}",
                "per": "k",
                "when": "d.passed and exists(f) and sum(g, if(g.at < f.at, 1, 0)) > 3",
                "then": [{"notify": ["a"]}],
            }
            for i in range(12)
        ],
    },
}


@pytest.mark.parametrize("name", DEAR)
def test_what_would_keep_a_node_busy_for_minutes_is_refused(name: str) -> None:
    tree = {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
        "name": "dear",
        "parties": {"a": "acme", "b": "bolt"},
        "timekeeper": "port",
        **DEAR[name],
    }
    found = [str(problem) for problem in inspect_document(parse_document(encode(tree))).errors]
    assert any("steps" in problem for problem in found), found
