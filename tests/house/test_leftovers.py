"""Nothing in the house is there for nobody: what is defined is named a second time somewhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "contracts", "node", "cli")

CALLED_BY_LIBRARIES = {
    "_plain_url": "pydantic validates a field with it",
    "capture_signals": "uvicorn takes no signals of its own where this is overridden",
    "comparison": "lark calls the transformer's method for each rule of the grammar",
    "format_commands": "click lists the commands of a group with it",
    "resolve_public_key": "http-message-signatures asks its key resolver",
    "settings_customise_sources": "pydantic-settings asks where settings come from",
    "validate_created_and_expires": "http-message-signatures calls it on its verifier",
}


def words() -> Counter[str]:
    """How often each word stands in the code and in its tests."""
    found: Counter[str] = Counter()
    for package in (*PACKAGES, "tests"):
        for path in (ROOT / package).rglob("*.py"):
            # The names of the exceptions here must not count.
            if path != Path(__file__).resolve():
                found.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


def defined() -> Iterator[tuple[str, str]]:
    """Functions, methods, classes and constants, and where; without what a decorator registers."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    if not any(registers(decorator) for decorator in node.decorator_list):
                        yield node.name, f"{path.relative_to(ROOT)}:{node.lineno}"
                elif isinstance(node, ast.AnnAssign | ast.Assign):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    for target in targets:
                        if isinstance(target, ast.Name) and target.id.isupper():
                            yield target.id, f"{path.relative_to(ROOT)}:{node.lineno}"


def registers(decorator: ast.expr) -> bool:
    """Whether a decorator hands what it decorates to a library, as `@routes.get(…)` and `@app.command()`."""
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)


def test_what_is_defined_is_named_somewhere_else() -> None:
    every = list(defined())
    definitions = Counter(name for name, _ in every)
    count = words()
    lonely = {
        name: where
        for name, where in every
        if count[name] <= definitions[name]
        and name not in CALLED_BY_LIBRARIES
        and not (name.startswith("__") and name.endswith("__"))
    }
    assert lonely == {}


def test_the_exceptions_are_needed() -> None:
    assert CALLED_BY_LIBRARIES.keys() - {name for name, _ in defined()} == set()
