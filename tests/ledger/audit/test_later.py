"""The verdict on times and evidence does not depend on the order in which logs are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest

import ledger.audit.times as times
from ledger.audit.home import audit_logs
from ledger.audit.later import Later, judge_later
from ledger.audit.members import MAX_EVIDENCE, Known, Standing
from ledger.audit.times import TOLERANCE_MS, Bounds, Claims
from ledger.log.encoding import Value
from ledger.log.evidence_files import fork_evidence
from ledger.log.note import log_vkey
from ledger.log.statement import Statement
from ledger.members.rotation import seal_rotation
from tests.attacks import pieces as made
from tests.ledger.audit import small_logs

NOW_S, NOW_MS = small_logs.NOW_S, small_logs.NOW_MS
make_log_of, founder_log = small_logs.make_log_of, small_logs.founder_log


def verdicts(monkeypatch: pytest.MonkeyPatch, logs: Sequence[Any]) -> list[list[Any]]:
    """What is found, with the logs of those who did not found the network read in every order."""
    found: list[list[Any]] = []
    for order in permutations(log.origin for log in logs[1:]):
        rank = {logs[0].origin: 0, **{origin: at for at, origin in enumerate(order, 1)}}
        monkeypatch.setattr(
            "ledger.audit.home._order", lambda origin, *_, rank=rank: (False, False, "", rank[origin])
        )
        audits, wrong = audit_logs(logs, own=logs[0].origin)
        findings = [*wrong, *(finding for audit in audits for finding in audit.findings)]
        open_questions = {item.what for audit in audits for item in audit.unchecked}
        found.append([*sorted((f.code, f.log, f.position or 0) for f in findings), *sorted(open_questions)])
    return found


def rotation(name: str) -> Mapping[str, Value]:
    body: Mapping[str, Value] = seal_rotation(
        made.ORIGIN.replace("acme", name),
        before=made.member_keys(name),
        after=made.member_keys(name, " new"),
        old_seed=made.seed(f"{name} log"),
        new_seed=made.seed(f"{name} log new"),
    )
    return body


@pytest.mark.parametrize("accuser", ["bolt", "cord"])
def test_evidence_under_a_superseded_key_is_judged_alike_whoever_is_read_first(
    make_log: Any, monkeypatch: pytest.MonkeyPatch, accuser: str
) -> None:
    """The accused gives up its key; whoever has it makes two heads, and somebody records them."""
    accused = "cord" if accuser == "bolt" else "bolt"
    origin = made.ORIGIN.replace("acme", accused)
    old = made.seed(f"{accused} log")
    key = log_vkey(origin, old)
    heads = [made.history(told, 9, origin=origin, log_seed=old).note(9) for told in ("one", "two")]
    piece = fork_evidence(heads[0], heads[1], (), key, key)
    body: Mapping[str, Value] = {"notes": [piece.first, piece.second], "origin": origin, "proof": []}
    logs = [
        make_log_of(make_log, made, accused, [("keys.rotate", rotation(accused), NOW_MS)]),
        make_log_of(make_log, made, accuser, [("evidence", body, NOW_MS + 1)]),
    ]
    found = verdicts(monkeypatch, [founder_log(make_log, made, logs), *logs])
    assert found[0] == found[1]
    assert ("evidence-unproven", made.ORIGIN.replace("acme", accuser), 1) in found[0]


def test_times_are_judged_alike_whoever_is_read_first(make_log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two witnesses cosigned with a key that one of them had given up before, as its own log says."""
    late = NOW_MS + TOLERANCE_MS + 15_000
    seen = {"acme": NOW_S + 10, "cord": NOW_S + 10}
    bolt = make_log_of(make_log, made, "bolt", [("memo", {"text": "late"}, late)], witnesses=seen)
    kept = make_log_of(make_log, made, "cord", [])
    assert ("time-late", bolt.origin, 1) in (
        verdicts(monkeypatch, [founder_log(make_log, made, [bolt, kept]), bolt, kept])[0]
    )
    gone = make_log_of(make_log, made, "cord", [("keys.rotate", rotation("cord"), NOW_MS)])
    found = verdicts(monkeypatch, [founder_log(make_log, made, [bolt, gone]), bolt, gone])
    assert found[0] == found[1]
    assert not any(row[0] == "time-late" for row in found[0])


def test_more_than_is_judged_is_said() -> None:
    standing = Standing(known=Known(), origin="acme/0123456789abcdef")
    for seq in range(MAX_EVIDENCE + 3):
        standing.take_evidence(seq, 0)
    later = Later(
        bounds=Bounds(standing.origin, []), notes=[], evidence={}, more_evidence=standing.more_evidence
    )
    _, unchecked = judge_later(later, None, dict[int, Statement]().__getitem__)
    assert [item.count for item in unchecked] == [3]


def test_more_suspicious_times_than_are_remembered_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "MAX_SUSPECTS", 2)
    bounds = Bounds("acme/0123456789abcdef", [], newest_s=NOW_S)
    for seq in range(4):
        bounds.take_claims(
            Claims(start=seq, end=seq + 1, earliest_ms=0, earliest_at=seq, latest_ms=0, latest_at=seq)
        )
    _, unchecked = judge_later(Later(bounds=bounds, notes=[]), None, dict[int, Statement]().__getitem__)
    assert [item.first for item in unchecked] == [2]
