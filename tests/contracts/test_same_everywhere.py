"""The same hashes under other hash seeds, time zones, locales and optimization, each in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import json, sys
from hashlib import sha256
from pathlib import Path
from contracts.checker import inspect_document
from contracts.document import format_document, parse_contract_yaml, parse_document
from contracts.evaluator import compute, make_contract
from contracts.render import render_text
from contracts.values import format_value
from ledger.errors import TallyError
from ledger.log.encoding import encode

root, out = Path(sys.argv[1]), sha256()
for file in sorted((root / "contracts" / "documents").glob("*.yaml")):
    document = parse_contract_yaml(file.read_bytes())
    out.update(format_document(document) + render_text(document).encode())
    out.update(repr([str(problem) for problem in inspect_document(document).problems]).encode())
vectors = json.loads((root / "vectors" / "contracts" / "expressions.json").read_bytes())
tree = {"contract": "1", "name": "v", "parties": {"a": "acme", "b": "bolt"}, "timekeeper": "port",
        "rules": [], "params": vectors["params"]}
contract = make_contract(parse_document(encode(tree)), bytes(32))
for text, _ in vectors["values"] + vectors["errors"]:
    try:
        out.update(format_value(compute(contract, text)).encode())
    except TallyError as error:
        out.update(str(error).encode())
print(out.hexdigest())
"""


def digest(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "tests")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def plain() -> str:
    """What this machine gives as it is."""
    return digest(PYTHONHASHSEED="0")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONOPTIMIZE": "2"},
    ],
    ids=["seed", "east", "west"],
)
def test_the_environment_does_not_matter(plain: str, environment: dict[str, str]) -> None:
    assert digest(**environment) == plain
