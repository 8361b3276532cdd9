"""A report of `tally verify` as JSON and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cli.call import one_line, plural
from ledger.audit.finding import Finding, Unchecked
from ledger.audit.report import NO_LEDGER_CAN_TELL, Report
from ledger.errors import short

VERDICTS = {
    None: "Everything that could be checked holds.",
    "invalid": "Not everything holds.",
    "fork": "Two histories were signed: a fork.",
    "gap": "Entries are missing: a gap.",
    "rollback": "It is older than it was: a rollback.",
}

PARTLY = "Nothing wrong was found, but not everything that should be there could be checked."


def report_value(report: Report, code: int) -> dict[str, Any]:
    """A report as JSON."""
    counts = report.counts
    return {
        "target": report.target,
        "holds": not report.findings,
        "verdict": report.sort or ("whole" if report.is_whole else "partly checked"),
        "exit": code,
        "checked": list(report.checked),
        "counts": {name: getattr(counts, name) for name in counts.__slots__},
        "logs": [
            {"origin": log.origin, "size": log.size, "root": log.root.hex() if log.root else None}
            for log in report.logs
        ],
        "findings": [_finding_value(finding) for finding in report.findings],
        "findings_not_listed": report.more,
        "could_not_be_checked": [
            {"what": item.what, "log": item.log, "count": item.count, "first": item.first}
            for item in report.unchecked
        ],
        "no_ledger_can_tell": list(NO_LEDGER_CAN_TELL),
    }


def report_lines(report: Report) -> Iterator[str]:
    """A report as text: what was checked, what was found, what could not be checked."""
    yield f"Checked {one_line(report.target)}:"
    for text in report.checked:
        yield f"  {one_line(text)}"
    for log in report.logs:
        root = f"root {short(log.root, 16)}" if log.root else "root unknown"
        yield f"  log {log.origin}: {plural(log.size, 'entry', 'entries')}, {root}"
    yield f"  {counted(report)}"
    for finding in report.findings:
        yield from _finding_lines(finding)
    if report.more:
        yield f"… and {plural(report.more, 'finding')} more."
    if report.unchecked:
        yield "Could not be checked:"
        for item in report.unchecked:
            yield f"  {_unchecked_line(item)}"
    yield "No ledger can tell:"
    for text in NO_LEDGER_CAN_TELL:
        yield f"  {text}"
    yield VERDICTS[report.sort] if report.findings or report.is_whole else PARTLY


def counted(report: Report) -> str:
    """How much was checked."""
    counts = report.counts
    parts = [
        plural(counts.entries, "entry", "entries"),
        plural(counts.payloads, "payload"),
        plural(counts.signatures, "signed head"),
        plural(counts.cosignatures, "cosignature"),
        plural(counts.person_signatures, "person's signature", "people's signatures"),
    ]
    return ", ".join(parts)


def _finding_value(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "sort": finding.sort,
        "where": finding.where,
        "log": finding.log,
        "position": finding.position,
        "found": finding.found,
        "expected": finding.expected,
        "signer": finding.signer,
        "action": finding.action,
    }


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield f"✗ {one_line(finding.where or 'home')}: {one_line(finding.found)}"
    for word, text in (
        ("expected", finding.expected),
        ("signed by", finding.signer),
        ("to do", finding.action),
        ("code", finding.code),
    ):
        if text:
            yield f"    {word + ':':<10} {one_line(text)}"


def _unchecked_line(item: Unchecked) -> str:
    place = f" ({item.log}{'' if item.first is None else f' entry {item.first}'})" if item.log else ""
    return one_line(f"{item.what}{f': {item.count}' if item.count > 1 else ''}{place}")
