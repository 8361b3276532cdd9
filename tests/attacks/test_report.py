"""Attacks on the reader of a report: what it hides, what it passes over, what it lets others say in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.exits import FORK
from cli.means import Means
from cli.targets import exit_of_report, verify_target
from cli.verify_range import verify_range
from ledger.audit.finding import MAX_FINDINGS, Finding, Findings, Sort
from ledger.audit.members import MAX_HEADS, Heads, SeenHead
from ledger.audit.report import make_report
from ledger.audit.source import Range
from ledger.errors import UsageError
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import log_vkey
from ledger.log.policy import Policy

KEY = log_vkey("acme/0123456789abcdef", bytes(32))
ANY = Policy(logs=(), witnesses=(), groups=(), quorum="none")


def fault(position: int) -> Finding:
    return Finding(code="payload-changed", log="acme", position=position, found="another")


def fork(position: int) -> Finding:
    return Finding(code="note-fork", log="bolt", position=position, found="two")


def test_a_fork_behind_more_faults_than_are_listed() -> None:
    faults = [fault(position) for position in range(MAX_FINDINGS + 500)]
    report = make_report("home", checked=(), findings=[*faults, fork(7), fork(8)])
    assert [finding.position for finding in report.findings[:2]] == [7, 8]
    assert (len(report.findings), report.more) == (MAX_FINDINGS, 502)
    assert exit_of_report(report) == FORK


def test_more_forks_than_are_listed_are_counted() -> None:
    findings = Findings()
    findings.extend(fork(position) for position in range(MAX_FINDINGS + 3))
    findings.add(fault(0))
    assert (len(findings.listed), len(findings)) == (MAX_FINDINGS, MAX_FINDINGS + 4)
    assert {finding.sort for finding in findings} == {Sort.FORK}


def head(log: str, origin: str, size: int) -> SeenHead:
    return SeenHead(log=log, position=size, head=Checkpoint(origin=origin, size=size, root=bytes(32)))


def test_a_record_of_a_fork_behind_more_heads_than_are_compared() -> None:
    """A member fills its log with heads, of another log and of its own, so that no audit sees the one."""
    heads = Heads()
    told = head("acme", "bolt", 7)
    heads.add(told)
    for size in range(MAX_HEADS + 10):
        heads.add(head("bolt", "cord", size))
        heads.add(head("bolt", "bolt", size + 100))
    assert told in heads.listed.values()
    assert (len(heads.listed), heads.left_out) == (MAX_HEADS + 1, 10)


@pytest.mark.parametrize(
    "means", [Means(policy=ANY), Means(vkey=KEY), Means(network="kipol-bugam-pupov-kipon")]
)
def test_a_policy_or_key_that_would_be_passed_over_in_silence(tmp_path: Path, means: Means) -> None:
    """A home is checked by its own members: what is said besides must not seem to have been held."""
    with pytest.raises(UsageError, match="a home"):
        verify_target(str(tmp_path), means)


@pytest.mark.parametrize(
    "make", [lambda means: replace(means, policy=ANY), lambda means: replace(means, network="x")]
)
def test_a_policy_beside_a_range(tmp_path: Path, make: Callable[[Means], Means]) -> None:
    with pytest.raises(UsageError):
        verify_range(str(tmp_path), Range(0, 1), "", make(Means()))
