"""`tally verify --network`: every log from every member that can be reached, each audited, then compared.

A copy that differs from another is named with its holder: at the largest size that both have, two copies of
one log must have the same root. Where they do not, and each fits its own signed head, the log's key signed
two histories, and the first entry that differs is named. Copies of different sizes are no fault by
themselves; that a log's own writer shows less than others hold of it, is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.homes import find_database, open_home_file
from cli.means import Means
from cli.reading import open_home
from cli.remote import read_logs
from cli.sources import TileLog, open_tiles
from cli.targets import audit_tiles, check_fits, verify_home
from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.log import LogAudit, roots_at
from ledger.audit.report import Report, make_report
from ledger.audit.source import RANGE_ENTRIES, LogSource
from ledger.errors import MalformedError, TallyError, UsageError, short
from ledger.log.origin import parse_origin
from ledger.members.roster import Roster


@dataclass(slots=True, kw_only=True)
class Copy:
    """One log at one holder; `roots` are those of its entries, at sizes that are compared."""

    holder: str
    source: LogSource
    size: int
    roots: dict[int, bytes] = field(default_factory=dict)
    whole: bool = False
    """Whether its entries fit its own signed head."""


def verify_network(home: Path, means: Means) -> Report:
    """Check a home, and beside it what every other member serves.

    Raises:
        MissingError: there is no home.
    """
    check_fits("a home", means)
    with open_home(home) as opened:
        roster, own = opened.state.roster, opened.state.organization
    report = verify_home(home, means)
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    audits = list(report.logs)
    with ExitStack() as stack:
        file = open_home_file(find_database(home))
        stack.callback(file.close)
        held = {audit.origin: audit for audit in audits}
        copies = [
            Copy(
                holder=own,
                source=log,
                size=held[log.origin].size,
                whole=not len(held[log.origin].findings),
            )
            for log in file.logs
            if log.origin in held
        ]
        means = replace(means, roster=means.roster or roster, home=home)
        for holder in sorted(set(roster.members) - {own}):
            copies += _open_copies(holder, roster, means, stack, findings, unchecked)
        audits += _audit_copies(copies, means, findings, unchecked)
        findings += _compare(copies)
        checked = [*report.checked, *_told(copies)]
    return make_report(
        f"the network of {report.target}",
        checked=checked,
        logs=audits,
        findings=[*_besides(report), *findings],
        unchecked=[*_unchecked_besides(report), *unchecked],
    )


def _besides(report: Report) -> list[Finding]:
    """What was found of a home that is no finding of one of its logs."""
    of_logs = {id(finding) for audit in report.logs for finding in audit.findings}
    return [finding for finding in report.findings if id(finding) not in of_logs]


def _unchecked_besides(report: Report) -> list[Unchecked]:
    of_logs = {id(item) for audit in report.logs for item in audit.unchecked}
    return [item for item in report.unchecked if id(item) not in of_logs]


def _open_copies(
    holder: str,
    roster: Roster,
    means: Means,
    stack: ExitStack,
    findings: list[Finding],
    unchecked: list[Unchecked],
) -> Iterator[Copy]:
    """The logs that a member serves, none of them read yet."""
    address = roster.addresses.get(holder)
    if address is None or address.url is None:
        what = f"the copies that {holder} holds: nobody can call its node"
        unchecked.append(Unchecked(what=what, harmless=True))
        return
    try:
        fetch = means.fetch(address.url.rstrip("/"))
        stack.callback(fetch.close)
        listed = read_logs(fetch)
    except UsageError:  # the passphrase, which whoever called can say
        raise
    except TallyError as error:
        unchecked.append(Unchecked(what=f"the copies that {holder} holds: {error}"))
        return
    if roster.origin(holder) not in {log.origin for log in listed}:
        what = f"the log of {holder} at {holder}: its own node does not serve it"
        unchecked.append(Unchecked(what=what, log=roster.origin(holder)))
    for log in listed:
        where = f"{address.url}{log.path}/checkpoint"
        try:
            source = open_tiles(fetch.below(log.path), where)
        except MalformedError as error:
            findings.append(finding_of("note-malformed", error, log=log.origin, place=f"at {holder}"))
        except TallyError as error:
            unchecked.append(Unchecked(what=f"the copy that {holder} holds: {error}", log=log.origin))
        else:
            yield Copy(holder=holder, source=source, size=source.size)


def _audit_copies(
    copies: list[Copy],
    means: Means,
    findings: list[Finding],
    unchecked: list[Unchecked],
) -> list[LogAudit]:
    """Audit what others serve, and compute the roots that are compared; gives the audits of logs that are not
    in the home."""
    audits = []
    held = {copy.source.origin for copy in copies if not isinstance(copy.source, TileLog)}
    for copy in copies:
        origin = copy.source.origin
        sizes = sorted(
            {other.size for other in copies if other.source.origin == origin and other.size <= copy.size}
        )
        if not isinstance(copy.source, TileLog):
            copy.roots = roots_at(copy.source, sizes)
            continue
        if means.roster_of(origin) is None:
            unchecked.append(
                Unchecked(what=f"a log that {copy.holder} serves, of nobody in this network", log=origin)
            )
            continue
        try:
            key = means.key_for(origin)
            audit, wrong = audit_tiles(copy.source, replace(means, holder=copy.holder), key, sizes)
        except TallyError as error:
            unchecked.append(Unchecked(what=f"the copy that {copy.holder} holds: {error}", log=origin))
            continue
        found = [*audit.findings, *wrong]
        findings += [_at(copy.holder, finding) for finding in found]
        copy.roots, copy.whole = dict(audit.roots), not found
        if audit.root is not None:
            copy.roots[audit.size] = audit.root
        if origin not in held:
            audits.append(replace(audit, findings=Findings()))
            held.add(origin)
    return audits


def _compare(copies: list[Copy]) -> Iterator[Finding]:
    """Hold each copy against the largest one that fits its own signed head."""
    for origin in sorted({copy.source.origin for copy in copies}):
        same = [copy for copy in copies if copy.source.origin == origin]
        writer = parse_origin(origin).organization
        newest = max(same, key=lambda copy: copy.size)
        for copy in same:
            if copy.holder == writer and copy.size < newest.size and newest.whole:
                yield _shorter(origin, copy, newest)
        sound = [copy for copy in same if copy.whole]
        if not sound:
            continue
        first = max(sound, key=lambda copy: copy.size)
        for copy in sound:
            size = min(first.size, copy.size)
            one, other = first.roots.get(size), copy.roots.get(size)
            if one is not None and other is not None and one != other:
                yield _differs(origin, first, copy, size)


def _differs(origin: str, first: Copy, second: Copy, size: int) -> Finding:
    return Finding(
        code="copy-fork",
        log=origin,
        position=_first_difference(first.source, second.source, size),
        place=f"at {first.holder} and at {second.holder}",
        found=f"root {short(second.roots[size])} of the first {size} entries at {second.holder}",
        expected=f"root {short(first.roots[size])}, as at {first.holder}",
        signer=origin,
        action="keep both copies, and rely on nothing that only one of them shows",
    )


def _first_difference(first: LogSource, second: LogSource, size: int) -> int | None:
    for start in range(0, size, RANGE_ENTRIES):
        end = min(size, start + RANGE_ENTRIES)
        rows, others = first.entries(start, end), second.entries(start, end)
        if rows != others:
            return next((a[0] for a, b in zip(rows, others, strict=False) if a != b), start)
    return None


def _shorter(origin: str, copy: Copy, newest: Copy) -> Finding:
    return Finding(
        code="head-older",
        log=origin,
        position=copy.size,
        place=f"at {copy.holder}",
        found=f"a head of size {copy.size}",
        expected=f"at least size {newest.size}, which {newest.holder} holds, signed by the same log",
        signer=origin,
        action="ask again later; if it stays, ask the writer what became of its newest entries",
    )


def _at(holder: str, finding: Finding) -> Finding:
    """A finding with the holder at which it was made."""
    return replace(finding, place=f"{finding.place} at {holder}".strip())


def _told(copies: list[Copy]) -> Iterator[str]:
    for origin in sorted({copy.source.origin for copy in copies}):
        held = [f"{copy.holder} {copy.size}" for copy in copies if copy.source.origin == origin]
        yield f"copies of {origin}, compared: entries at {', at '.join(held)}"
