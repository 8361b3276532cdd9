"""The project as one finds it: what makes it, what it is called, and what greets who opens it."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["demo", "test", "lint", "types", "bench"])
def test_every_target_of_the_makefile_makes_its_own_environment(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}: \$\(READY\)", makefile, re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/format.md",
        "docs/operating.md",
        "docs/decisions/README.md",
    ],
)
def test_what_a_reader_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200


def test_what_must_hold_is_run_by_one_command() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_four_packages_are_what_is_installed(project: Any) -> None:
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "ledger",
        "contracts",
        "node",
        "cli",
    ]


def test_it_runs_on_python_3_11_and_newer_under_apache_2_0(project: Any) -> None:
    assert project["project"]["requires-python"] == ">=3.11"
    assert "Apache-2.0" in str(project["project"]["license"])


def test_warnings_are_errors_and_types_are_strict(project: Any) -> None:
    assert "error" in project["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert project["tool"]["mypy"]["strict"] is True


def test_the_readme_gives_a_command_within_twenty_lines_and_its_output_below() -> None:
    lines = README.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("    make "))
    assert first < 20
    assert "```text" in README.partition(lines[first])[2]


def test_no_module_is_longer_than_one_sitting() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for package in ("ledger", "contracts", "node", "cli")
        for path in (ROOT / package).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    assert long == []


def test_every_silenced_check_has_its_reason_beside_it() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("ledger", "contracts", "node", "cli")
        for path in (ROOT / package).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# (?:type: ignore|noqa)", line)
        and not re.search(r"# (?:type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+)  # \S", line)
    ]
    assert bare == []
