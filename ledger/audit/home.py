"""The audit of several logs together, as a home holds them: one network, its members, their heads.

The founding is found in the openings: it is whatever hashes to the id that entry 0 names. The founder's log
is audited first, since it says who the members are; then the others. At the end the heads that logs
recorded of each other are held against the entries that are here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ledger.audit.chain import names_network
from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.log import Counts, LogAudit, Run, audit_log, roots_at
from ledger.audit.members import Heads, Known, SeenHead
from ledger.audit.payloads import Rule
from ledger.audit.rules import RULES
from ledger.audit.source import LogSource
from ledger.errors import TallyError, short
from ledger.log.entry import parse_entry
from ledger.log.statement import open_payload
from ledger.members.network import network_id
from ledger.members.roster import Roster, found_roster


def find_roster(sources: Sequence[LogSource]) -> Roster | None:
    """The network that most of the logs say they were opened in; None where none says it soundly."""
    votes: Counter[bytes] = Counter()
    for source in sources:
        founding = _founding_of(source)
        if founding is not None:
            votes[founding] += 1
    for founding, _ in votes.most_common():
        try:
            return found_roster(founding)
        except TallyError:
            continue
    return None


def audit_logs(
    sources: Sequence[LogSource],
    *,
    own: str,
    run: Run = map,
    rules: Mapping[str, Rule] | None = RULES,
    progress: Callable[[int], None] = lambda entries: None,
) -> tuple[list[LogAudit], list[Finding]]:
    """Audit every log, and the heads that they recorded of each other. `own` is the home's own log."""
    roster = find_roster(sources)
    founder = roster.origin(roster.founding.founder) if roster else own
    held = {source.origin for source in sources}
    ordered = sorted(sources, key=lambda source: (source.origin != founder, source.origin != own))
    audits: list[LogAudit] = []
    heads = Heads()
    unsure = founder not in held
    for source in ordered:
        known = Known(roster=roster, own=source.origin == own, closed=True, unsure=unsure)
        sizes = [seen.head.size for seen in heads.listed.values() if seen.head.origin == source.origin]
        try:
            audit = audit_log(source, known, run=run, rules=rules, sizes=sizes, progress=progress)
        except TallyError as error:
            audit = _unreadable(source, roster, error)
        roster = audit.roster
        unsure = unsure or bool(source.origin == founder and audit.findings)
        for seen in audit.heads.listed.values():
            heads.add(seen)
        audits.append(audit)
    return audits, _check_heads(ordered, audits, heads)


def _unreadable(source: LogSource, roster: Roster | None, error: TallyError) -> LogAudit:
    """The audit of a log whose source fails; those of the other logs go on."""
    findings = Findings()
    findings.add(finding_of("database-damaged", error, log=source.origin, place=error.where))
    return LogAudit(
        origin=source.origin,
        size=0,
        root=None,
        counts=Counts(),
        findings=findings,
        unchecked=(Unchecked(what="the rest of the log", log=source.origin),),
        roster=roster,
    )


def _check_heads(sources: Sequence[LogSource], audits: Sequence[LogAudit], heads: Heads) -> list[Finding]:
    """Hold recorded heads against the entries, for logs whose entries fit their own signed notes."""
    findings = []
    for source, audit in zip(sources, audits, strict=True):
        if audit.root is None or audit.findings:
            continue
        recorded = [
            seen
            for seen in heads.listed.values()
            if seen.head.origin == source.origin and seen.head.size <= audit.size
        ]
        roots = dict(audit.roots)
        roots.update(roots_at(source, [s.head.size for s in recorded if s.head.size not in roots]))
        findings += [
            _fork(seen, roots[seen.head.size])
            for seen in recorded
            if roots.get(seen.head.size, seen.head.root) != seen.head.root
        ]
    return findings


def _fork(seen: SeenHead, root: bytes) -> Finding:
    return Finding(
        code="head-fork",
        log=seen.head.origin,
        place=f"size {seen.head.size}, as recorded in {seen.log} entry {seen.position}",
        found=f"entries with root {short(root)}",
        expected=f"root {short(seen.head.root)}, which {seen.head.origin} signed",
        signer=seen.head.origin,
        action="keep both, and rely on nothing that only one side shows",
    )


def _founding_of(source: LogSource) -> bytes | None:
    """The founding in a log's opening, if it is the one that entry 0 names."""
    where = f"{source.origin} entry 0"
    try:
        entries, payloads = source.entries(0, 1), source.payloads(0, 1)
        if not entries or not payloads:
            return None
        entry = parse_entry(entries[0][1], where)
        statement = open_payload(entry, payloads[0][1], payloads[0][2], where)
        founding = statement.data("founding") if statement.kind == "log.open" else b""
        identity = network_id(founding)
        return founding if identity == entry.prev and names_network(source.origin, identity) else None
    except TallyError:
        return None
