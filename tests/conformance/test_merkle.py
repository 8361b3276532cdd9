"""RFC 6962 proofs, good and mutated, that other people made."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MalformedError, TallyError
from ledger.log.tree import check_consistency, check_inclusion

CASES = 196


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        yield str(path.relative_to(folder)), json.loads(path.read_text())


def hashes(case: dict[str, Any]) -> list[bytes]:
    return [b64decode(item) for item in case["proof"] or []]


def inclusion(case: dict[str, Any]) -> None:
    check_inclusion(
        leaf=b64decode(case["leafHash"]),
        index=case["leafIdx"],
        size=case["treeSize"],
        proof=hashes(case),
        root=b64decode(case["root"]),
    )


def consistency(case: dict[str, Any]) -> None:
    check_consistency(
        old_size=case["size1"],
        old_root=b64decode(case["root1"] or ""),
        new_size=case["size2"],
        new_root=b64decode(case["root2"] or ""),
        proof=hashes(case),
    )


def refused(case: dict[str, Any]) -> bool:
    """The published verdict, but that a root of another length and a start from nothing are refused."""
    roots = [b64decode(case[name] or "") for name in ("root", "root1", "root2") if name in case]
    return bool(case["wantErr"] or case.get("size1") == 0 or any(len(root) != 32 for root in roots))


def check(case: dict[str, Any]) -> None:
    (inclusion if "leafIdx" in case else consistency)(case)


def test_every_proof_gets_its_verdict(conformance: Path) -> None:
    folder = conformance / "merkle"
    wrong = []
    count = 0
    for name, case in cases(folder):
        count += 1
        try:
            check(case)
            accepted = True
        except TallyError:
            accepted = False
        if accepted == refused(case):
            wrong.append(name)
    assert not wrong
    assert count == CASES


def test_a_root_of_another_length_is_malformed(conformance: Path) -> None:
    short_roots = [
        case
        for _, case in cases(conformance / "merkle")
        if any(len(b64decode(case[name] or "")) != 32 for name in ("root", "root1", "root2") if name in case)
    ]
    assert short_roots
    for case in short_roots:
        with pytest.raises(MalformedError):
            check(case)
