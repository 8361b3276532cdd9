"""The audit of several logs together, as a home holds them: one network, its members, their heads.

The founding is found in the openings: it is whatever hashes to the id that entry 0 names. The founder's log
is audited first, since it says who the members are; then the others. At the end the heads that logs
recorded of each other are held against the entries that are here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ledger.audit.chain import names_network
from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.keys import find_ends, judge_pins
from ledger.audit.log import Counts, LogAudit, Run, audit_log, judged, roots_at
from ledger.audit.members import Heads, Known, SeenHead
from ledger.audit.notes import judge_strangers
from ledger.audit.payloads import Rule
from ledger.audit.rules import RULES
from ledger.audit.source import LogSource, read_statement
from ledger.errors import TallyError, short
from ledger.log.entry import parse_entry
from ledger.log.note import check_note
from ledger.log.origin import parse_origin
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
    if roster is not None:
        roster = replace(roster, ends=find_ends(sources))
    founder = roster.origin(roster.founding.founder) if roster else own
    held = {source.origin for source in sources}
    ordered = sorted(sources, key=lambda source: _order(source.origin, founder, own))
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
        unsure = unsure or bool(_organization(source.origin) == _organization(founder) and audit.findings)
        for seen in audit.heads.listed.values():
            heads.add(seen)
        heads.unknown += audit.heads.unknown
        audits.append(audit)
    if audits and roster is not None and not unsure:
        # Who has a database in hand can take a whole log out of it, and nothing in the others would miss it.
        lacking = tuple(_not_here(roster, held))
        audits[0] = replace(audits[0], unchecked=(*audits[0].unchecked, *lacking))
    wrong = [] if roster is None else judge_pins(ordered, roster)
    if not unsure:
        wrong += judge_strangers([s for audit in audits for s in audit.strangers], roster)
    wrong += check_heads(ordered, audits, heads)
    pairs = zip(ordered, audits, strict=True)
    return [judged(audit, source, roster) for source, audit in pairs], wrong


def _not_here(roster: Roster, held: Collection[str]) -> Iterator[Unchecked]:
    """Members' newest logs that are not in a home."""
    for name in sorted(roster.members):
        origin = roster.origin(name)
        if origin not in held:
            yield Unchecked(what=f"the log of {name}, a member: it is not here", log=origin)


def _order(origin: str, founder: str, own: str) -> tuple[bool, bool, str, int]:
    """The founder's logs first, since they say who is a member; each organization's by their numbers."""
    organization, _, rest = origin.partition("/")
    try:
        number = parse_origin(origin).number
    except TallyError:
        return True, True, rest, 0
    return organization != _organization(founder), organization != _organization(own), organization, number


def _organization(origin: str) -> str:
    return origin.partition("/")[0]


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


def check_heads(
    sources: Sequence[LogSource | None], audits: Sequence[LogAudit], heads: Heads
) -> list[Finding]:
    """Hold recorded heads against the entries, for logs whose entries fit their own signed notes.

    Where only the roots are known that the audit says, and not the entries, the source is None.
    """
    findings = _judge_unknown(audits, heads)
    for source, audit in zip(sources, audits, strict=True):
        if audit.root is None or audit.findings:
            continue
        recorded = [seen for seen in heads.listed.values() if seen.head.origin == audit.origin]
        roots = dict(audit.roots)
        unknown = {seen.head.size for seen in recorded} - roots.keys()
        if source is not None:
            roots.update(roots_at(source, [size for size in unknown if size <= audit.size]))
        findings += [
            _fork(seen, roots[seen.head.size])
            for seen in recorded
            if roots.get(seen.head.size, seen.head.root) != seen.head.root
        ]
    return findings


def _judge_unknown(audits: Sequence[LogAudit], heads: Heads) -> list[Finding]:
    """Recorded heads under no key that was known, now that each log has said which keys it had."""
    roster = next((audit.roster for audit in reversed(audits) if audit.roster is not None), None)
    sizes = {audit.origin: audit.size for audit in audits}
    findings = []
    for seen, note in heads.unknown:
        if roster is None:
            break
        try:
            check_note(note, roster.log_key(seen.head.origin, seen.head.size), f"head of {seen.head.origin}")
        except TallyError as error:
            # A log that is not here so far may have rotated its key.
            if seen.head.size > sizes.get(seen.head.origin, 0):
                continue
            findings.append(
                finding_of(
                    "head-signature",
                    error,
                    log=seen.log,
                    position=seen.position,
                    signer=seen.log,
                    action="ask the organization to explain, and rely on nothing that rests on this",
                )
            )
        else:
            heads.add(seen)
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
    try:
        statement = read_statement(source, 0)
        entry = parse_entry(source.entries(0, 1)[0][1])
        founding = statement.data("founding") if statement.kind == "log.open" else b""
        identity = network_id(founding)
        return founding if identity == entry.prev and names_network(source.origin, identity) else None
    except TallyError:
        return None
