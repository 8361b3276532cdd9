"""Evidence that logs record, as an audit judges it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.audit.evidence import judge_statement
from ledger.audit.finding import Finding, Sort, Unchecked
from ledger.log.evidence_files import Evidence, fork_evidence, format_body
from ledger.log.statement import Statement
from ledger.members.rotation import seal_rotation
from tests.attacks import pieces as made

HELPERS = Path(__file__).resolve().parents[2] / "attacks" / "pieces.py"


def recorded(evidence: Evidence) -> Statement:
    if evidence.kind == "fork":
        body: Any = {
            "notes": [evidence.first, evidence.second],
            "origin": evidence.origin,
            "proof": list(evidence.path),
        }
        return Statement(kind="evidence", audience=None, body=body, nonce=bytes(16))
    return Statement(kind="evidence.files", audience=None, body=format_body(evidence), nonce=bytes(16))


def judge(roster: Any, statement: Statement, time_ms: int = 0) -> Finding | Unchecked:
    return judge_statement(roster, statement, log="cord/0123456789abcdef", seq=7, time_ms=time_ms)


@pytest.mark.parametrize("name", ["equal", "longer", "entries", "openings"])
def test_evidence_against_a_log_is_a_fork_of_that_log(name: str) -> None:
    piece = made.every_piece()[name]
    found = judge(made.make_roster(), recorded(piece))
    assert isinstance(found, Finding)
    assert (found.code, found.sort, found.log) == ("evidence-fork", Sort.FORK, piece.origin)
    assert found.action


def test_evidence_against_a_witness_is_a_finding_about_the_witness() -> None:
    found = judge(made.make_roster(), recorded(made.every_piece()["witness"]))
    assert isinstance(found, Finding)
    assert (found.code, found.signer) == ("evidence-witness", made.witness_key("bolt").name)


def test_forged_evidence_is_a_finding_against_who_recorded_it() -> None:
    one, key = made.history("one", 9), made.log_key()
    told_twice = fork_evidence(one.note(9), one.note(9, "bolt"), (), key, key)
    for statement in (
        recorded(told_twice),
        Statement(
            kind="evidence.files",
            audience=None,
            body={"accused": made.ORIGIN, "files": {"a": "b"}, "form": "entries"},
            nonce=bytes(16),
        ),
    ):
        found = judge(made.make_roster(), statement)
        assert isinstance(found, Finding)
        assert (found.code, found.log, found.position) == ("evidence-unproven", "cord/0123456789abcdef", 7)


def test_evidence_from_before_a_rotation_is_held_against_nobody() -> None:
    """Neither against the accused, whose old key may be stolen, nor against who recorded it in time."""
    turned_ms = made.TIME_S * 1000
    body = seal_rotation(
        made.ORIGIN,
        before=made.member_keys("acme"),
        after=made.member_keys("acme", " new"),
        old_seed=made.seed("acme log"),
        new_seed=made.seed("acme log new"),
    )
    roster = made.fold(made.make_roster(), made.ORIGIN, 12, "keys.rotate", body, time_ms=turned_ms)
    key = made.log_key()
    piece = fork_evidence(made.history("one", 9).note(9), made.history("two", 9).note(9), (), key, key)
    early, late = (judge(roster, recorded(piece), turned_ms + later) for later in (0, 1))
    assert isinstance(early, Unchecked)
    assert "older than the rotation" in early.what
    assert isinstance(late, Finding)
    assert late.code == "evidence-unproven"
