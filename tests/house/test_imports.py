"""The house: imports go downwards, and the core asks the world for nothing."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDER = ["ledger", "contracts", "node", "cli"]

# What asks for the time, the disk, the network, randomness or the environment.
WORLD = {
    "asyncio", "fastapi", "fcntl", "glob", "http", "httpx", "importlib", "io", "locale",
    "multiprocessing", "os", "pathlib", "platform", "random", "secrets", "select", "shutil",
    "socket", "sqlite3", "sqlite_utils", "ssl", "starlette", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib.request", "uuid", "uvicorn", "zoneinfo",
}  # fmt: skip
BUILTINS = {"open", "input", "print", "exec", "eval", "__import__", "hash"}
CLOCKS = {"now", "today", "utcnow", "fromtimestamp", "localtime"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", ORDER)
def test_no_import_goes_upwards(package: str) -> None:
    above = ORDER[ORDER.index(package) + 1 :]
    upward = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] in above
    ]
    assert upward == []


@pytest.mark.parametrize("package", ["ledger", "contracts"])
def test_the_core_imports_nothing_of_the_world(package: str) -> None:
    reached = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name in WORLD or name.partition(".")[0] in WORLD
    ]
    assert reached == []


@pytest.mark.parametrize("package", ["ledger", "contracts"])
def test_the_core_calls_no_clock_and_no_file(package: str) -> None:
    called = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in BUILTINS)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS)
        )
    ]
    assert called == []


@pytest.mark.parametrize("package", ["ledger", "contracts"])
def test_the_core_uses_only_the_libraries_it_is_allowed(package: str) -> None:
    allowed = {*sys.stdlib_module_names, *ORDER, "msgpack", "nacl", "lark", "yaml", "jinja2"}
    foreign = {
        name.partition(".")[0]
        for path in modules(package)
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
    } - allowed
    assert foreign == set()


def test_no_import_stands_inside_a_function() -> None:
    inside = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for package in ORDER
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_every_module_begins_with_what_it_holds() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in ORDER
        for path in modules(package)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
