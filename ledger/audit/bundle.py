"""The audit of a bundle: logs that are given whole like those of a home, single entries by their proofs.

The logs come in the bundle's order, the founder's first, since it says who the members are. Of a log that
is given sparsely it checks

1. each entry: its form, and that its inclusion proof leads to the root that the bundle names
2. that neighbours are linked, that entry 0 opens the log, that counting times do not fall
3. each payload: commitment, form and rules of its kind; people's signatures under the grants that are given
4. each signed note: its signatures, and that its proof leads from the named root to the note's or back
5. the time that each entry claims: after what the log is seen to have recorded before it, and before the
   cosignatures on the notes that cover it

What nobody gave cannot be missed in a sparse log: an entry in between may have ended a person's role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ledger.audit.bundle_order import BundleContents, BundlePart
from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.home import check_heads
from ledger.audit.keys import find_ends, judge_pins
from ledger.audit.later import Later
from ledger.audit.log import Counts, LogAudit, Run, audit_log, judged
from ledger.audit.members import Heads, Known, Standing, take_statement
from ledger.audit.notes import check_signatures
from ledger.audit.payloads import PayloadCounts, Rule, check_payloads, note_lacking
from ledger.audit.rules import RULES
from ledger.audit.source import KeptNote, LogSource
from ledger.audit.times import Bounds, read_claims
from ledger.errors import InvalidError, TallyError, short
from ledger.log.bundle import BundleEntry, BundleLog
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import Entry, leaf_hash, parse_entry
from ledger.log.intake import OPENING_KIND
from ledger.log.origin import parse_origin
from ledger.log.tree import HASH_BYTES, check_consistency, check_inclusion
from ledger.members.roster import Roster, found_roster

_AGAIN = "rely on nothing of this bundle, and ask for another"
_TIMED = ("counted", "tick")


class SparseSource(LogSource, Protocol):
    """A log of which single entries are given. Its notes have proofs, larger or smaller than what is told."""

    @property
    def part(self) -> BundlePart:
        """What the bundle says of the log."""

    def items(self) -> Iterator[BundleEntry]:
        """The entries with their proofs and payloads, by position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAudit:
    """What an audit of a bundle found: of each log, and of all together. `roster`: the members it shows."""

    logs: tuple[LogAudit, ...]
    findings: tuple[Finding, ...]
    roster: Roster


def audit_bundle(
    contents: BundleContents,
    open_whole: Callable[[BundlePart], LogSource],
    open_sparse: Callable[[BundlePart], SparseSource],
    *,
    run: Run = map,
    rules: Mapping[str, Rule] = RULES,
    progress: Callable[[int], None] = lambda entries: None,
) -> BundleAudit:
    """Audit every log of a bundle whose form and order hold (`BundleOrder`).

    Raises:
        MalformedError, InvalidError: its founding founds no network.
    """
    sources: list[LogSource] = []
    sparse: dict[str, SparseSource] = {}
    for part in contents.parts:
        if part.log.is_whole:
            sources.append(open_whole(part))
        else:
            sparse[part.log.origin] = open_sparse(part)
            sources.append(sparse[part.log.origin])
    roster = replace(found_roster(contents.head.founding), ends=find_ends(sources))
    unsure = all(_organization(part) != contents.founder for part in contents.parts)
    audits: list[LogAudit] = []
    heads = Heads()
    for part, source in zip(contents.parts, sources, strict=True):
        known = Known(roster=roster, unsure=unsure)
        if part.log.is_whole:
            audit = audit_log(source, known, run=run, rules=rules, progress=progress)
            _check_root(audit, part.log)
        else:
            audit = audit_sparse(sparse[part.log.origin], known, rules=rules)
            progress(part.entries)
        roster = audit.roster or roster
        unsure = unsure or bool(_organization(part) == contents.founder and audit.findings)
        audits.append(audit)
        for seen in audit.heads.listed.values():
            heads.add(seen)
        heads.unknown += audit.heads.unknown
    shown = [None if source.origin in sparse else source for source in sources]
    wrong = [*judge_pins(sources, roster), *check_heads(shown, audits, heads)]
    logs = [judged(audit, source, roster) for source, audit in zip(sources, audits, strict=True)]
    return BundleAudit(logs=tuple(logs), findings=tuple(wrong), roster=roster)


def audit_sparse(source: SparseSource, known: Known, *, rules: Mapping[str, Rule] = RULES) -> LogAudit:
    """Check single entries of one log, and the signed notes that they are proven under."""
    part, notes = source.part, source.notes()
    sparse = _Sparse(part.log, known, rules, Bounds(part.log.origin, [note.size for note in notes]))
    for item in source.items():
        sparse.take(item)
    return sparse.finish(part, notes)


def _organization(part: BundlePart) -> str:
    return parse_origin(part.log.origin).organization


def _check_root(audit: LogAudit, log: BundleLog) -> None:
    """Add what is wrong if the entries have another root than the bundle names; their notes were checked."""
    if audit.root is not None and audit.root != log.root:
        audit.findings.add(
            Finding(
                code="bundle-proof",
                log=log.origin,
                place=f"root of the first {log.size} entries",
                found=f"root {short(log.root)}",
                expected=f"{short(audit.root)}, which the entries have",
                action=_AGAIN,
            )
        )


@dataclass(slots=True)
class _Sparse:
    """Entries as they come by, and what was found."""

    log: BundleLog
    known: Known
    rules: Mapping[str, Rule]
    bounds: Bounds
    standing: Standing = field(init=False)
    findings: Findings = field(default_factory=Findings)
    payloads: PayloadCounts = field(default_factory=PayloadCounts)
    before: tuple[int, bytes] | None = None
    time_ms: int = 0

    def __post_init__(self) -> None:
        self.standing = Standing(known=self.known, origin=self.log.origin)

    def take(self, item: BundleEntry) -> None:
        """Check the next entry."""
        origin = self.log.origin
        entry = parse_entry(item.entry, origin)
        leaf = leaf_hash(item.entry)
        try:
            check_inclusion(
                leaf=leaf, index=entry.seq, size=self.log.size, proof=item.proof, root=self.log.root
            )
        except TallyError as error:
            self._blame("bundle-proof", entry.seq, error)
        for code, wrong in self._wrong(entry):
            self._blame(code, entry.seq, wrong)
        self.before = entry.seq, leaf
        for claims in read_claims({entry.seq: item.entry}, entry.seq, entry.seq + 1, ()):
            self.bounds.take_claims(claims)
        self._take_payload(entry, item, leaf)

    def _wrong(self, entry: Entry) -> Iterator[tuple[str, TallyError]]:
        """What is wrong with an entry in its place."""
        where = f"{self.log.origin} entry {entry.seq}"
        expected = self.known.network if entry.seq == 0 else None
        if self.before is not None and self.before[0] == entry.seq - 1:
            expected = self.before[1]
        if expected is not None and entry.prev != expected:
            found = f"previous hash {short(entry.prev)}"
            yield "bundle-link", InvalidError(where, found=found, expected=short(expected))
        if (entry.kind == OPENING_KIND) != (entry.seq == 0):
            yield (
                "chain-opening",
                InvalidError(
                    where,
                    found=f"kind {entry.kind}",
                    expected=f"{OPENING_KIND} at position 0 and nowhere else",
                    action="do not rely on this log",
                ),
            )
        if entry.kind in _TIMED:
            if entry.time_ms < self.time_ms:
                found = f"time {entry.time_ms}"
                yield (
                    "counted-time",
                    InvalidError(where, found=found, expected=f"at least {self.time_ms}, as before it"),
                )
            self.time_ms = max(self.time_ms, entry.time_ms)

    def _blame(self, code: str, seq: int, error: TallyError) -> None:
        origin = self.log.origin
        self.findings.add(finding_of(code, error, log=origin, position=seq, signer=origin, action=_AGAIN))

    def _take_payload(self, entry: Entry, item: BundleEntry, leaf: bytes) -> None:
        origin, counts = self.log.origin, self.payloads
        entries = {entry.seq: item.entry}
        wrong = len(counts.findings)
        if item.salt is None or item.payload is None:
            note_lacking(origin, entries, (), counts)
        else:
            check_payloads(origin, entries, [(entry.seq, item.salt, item.payload)], self.rules, counts)
        if len(counts.findings) > wrong:
            self.standing.damaged.add(entry.seq)
        self.standing.take_lacking(counts.lacking)
        for kept in counts.kept:
            take_statement(
                self.standing,
                kept,
                leaf=leaf,
                time_ms=entry.time_ms,
                network=entry.prev if entry.seq == 0 else None,
            )
            self.bounds.take_kept(kept)
        counts.kept.clear()
        counts.lacking.clear()

    def finish(self, part: BundlePart, kept: Sequence[KeptNote]) -> LogAudit:
        """What is left when all entries were taken."""
        log, counts = self.log, self.payloads
        signed = check_signatures(log.origin, kept, self.standing.note_keys())
        proofs = {note.size: note.proof for note in kept}
        for head in signed.sound:
            self._check_head(head, proofs[head.size])
        self.findings.extend(counts.findings, counts.findings.more)
        self.findings.extend(signed.findings, signed.findings.more)
        if not signed.findings and not any(head.size >= log.size for head in signed.sound):
            self.findings.add(self._uncovered())
        self.standing.finish()
        self.findings.extend(self.standing.findings, self.standing.findings.more)
        unchecked = (*signed.unchecked, *self.standing.unchecked, *_not_given(part, counts))
        return LogAudit(
            origin=log.origin,
            size=log.size,
            root=log.root,
            counts=Counts(
                entries=part.entries,
                payloads=counts.checked,
                payload_bytes=counts.bytes,
                events=counts.events,
                notes=len(kept),
                signatures=signed.signatures,
                cosignatures=signed.cosignatures,
                person_signatures=self.standing.person_signatures,
            ),
            findings=self.findings,
            unchecked=unchecked,
            roster=self.standing.roster,
            heads=self.standing.heads,
            roots={log.size: log.root, **{head.size: head.root for head in signed.sound}},
            later=Later(
                bounds=self.bounds,
                notes=kept,
                evidence=self.standing.evidence,
                more_evidence=self.standing.more_evidence,
                cosigned=signed.cosigned,
            ),
        )

    def _check_head(self, head: Checkpoint, joined: bytes) -> None:
        """Hold a note against the root that the entries are proven under."""
        log = self.log
        proof = [joined[i : i + HASH_BYTES] for i in range(0, len(joined), HASH_BYTES)]
        here = (log.size, log.root)
        (old_size, old_root), (new_size, new_root) = sorted((here, (head.size, head.root)))
        place = f"note of size {head.size}"
        try:
            check_consistency(
                old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root, proof=proof
            )
        except TallyError as error:
            self.findings.add(
                finding_of(
                    "bundle-proof", error, log=log.origin, place=place, signer=log.origin, action=_AGAIN
                )
            )

    def _uncovered(self) -> Finding:
        return Finding(
            code="note-missing",
            log=self.log.origin,
            found="no good signature over the entries that are given",
            expected=f"a note of at least size {self.log.size} signed by {self.log.origin}",
            action=_AGAIN,
        )


def _not_given(part: BundlePart, counts: PayloadCounts) -> Iterable[Unchecked]:
    origin = part.log.origin
    left = part.log.size - part.entries
    if left:
        what = "entries that the bundle leaves out, one of which may have ended a role or a key"
        yield Unchecked(what=what, log=origin, count=left, harmless=True)
    if part.entries > counts.checked:
        what = "payloads that the bundle does not give"
        yield Unchecked(what=what, log=origin, count=part.entries - counts.checked, harmless=True)
    if counts.unknown_kinds:
        what = "statements of kinds that this version does not know, kept and never interpreted"
        yield Unchecked(what=what, log=origin, count=counts.unknown_kinds, harmless=True)
