"""A report: everything that an audit of a home, a log, an address or a receipt came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.audit.finding import Finding, Findings, Sort, Unchecked, worst
from ledger.audit.log import Counts, LogAudit

NO_LEDGER_CAN_TELL = (
    "that statements are true: a signature says who stated something, not that it is so",
    "that an entry was made when it says: its time is its author's claim",
    "that nothing was left out: what nobody recorded leaves no trace",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was checked, what was found, what could not be checked. `more` findings are not listed."""

    target: str
    checked: tuple[str, ...]
    counts: Counts
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    logs: tuple[LogAudit, ...] = ()
    more: int = 0

    @property
    def sort(self) -> Sort | None:
        """What the findings come to; None where there are none."""
        return worst(finding.sort for finding in self.findings)

    @property
    def is_whole(self) -> bool:
        """Whether everything was checked but what nobody expects to be there."""
        return all(item.harmless for item in self.unchecked)


def make_report(
    target: str,
    *,
    checked: Sequence[str],
    logs: Sequence[LogAudit] = (),
    findings: Iterable[Finding] = (),
    unchecked: Iterable[Unchecked] = (),
) -> Report:
    """One report of several logs and of what was found besides, gravest findings first."""
    counts = Counts()
    every = Findings()
    every.extend(findings)
    for audit in logs:
        counts = counts.plus(audit.counts)
        every.extend(audit.findings, audit.findings.more)
    order = list(Sort)
    ranked = sorted(every, key=lambda finding: order.index(finding.sort) or len(order))
    return Report(
        target=target,
        checked=tuple(checked),
        counts=counts,
        findings=tuple(ranked),
        unchecked=(*unchecked, *(item for audit in logs for item in audit.unchecked)),
        logs=tuple(logs),
        more=every.more,
    )
