"""The signed notes that are kept of a log: who signed them, and whether the entries have their root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.source import KeptNote
from ledger.errors import TallyError, short
from ledger.log.checkpoint import Checkpoint, check_cosignature, parse_checkpoint
from ledger.log.note import Note, NoteSignature, VerifierKey, check_note, parse_note
from ledger.log.tree import HASH_BYTES, MAX_PROOF_HASHES, Frontier, check_consistency
from ledger.members.eras import KeyEra, WitnessEra
from ledger.members.roster import Roster
from ledger.members.witnessing import witness_named

_COMPARE = "compare heads with a partner that holds this log"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKeys:
    """Whose signatures can be checked: the log's keys, each for the sizes that it signs, and the members'.

    Where the log's eras are not known, `log` signs every size. `end`: where a later log ended this one.
    `closed`: a line by anybody else is a finding, as in a home, which keeps only lines that it checked.
    """

    log: VerifierKey | None
    eras: tuple[KeyEra, ...] = ()
    roster: Roster | None = None
    end: int | None = None
    closed: bool = False

    def of_size(self, size: int) -> VerifierKey | None:
        """The key that signs notes of this size."""
        return next((era.key for era in self.eras if era.end is None or size <= era.end), self.log)

    def of_line(self, line: NoteSignature) -> VerifierKey | WitnessEra | None:
        """The key that a line names: one that the log had, or a witness's; None where nobody's is known."""
        known = (self.log, *(era.key for era in self.eras))
        own = next((key for key in known if key is not None and line.is_by(key)), None)
        return own or witness_era_of(self.roster, line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A signature line under a key that is not known: on which note of which log."""

    log: str
    place: str
    note: Note
    line: NoteSignature


@dataclass(slots=True)
class NotesAudit:
    """What became of the notes. `sound` are those signed by the log's key, smallest first.

    `strangers` are lines of keys that are not known yet, in a home that keeps only lines that it checked: a
    witness's log may name them, and be audited later.
    """

    sound: list[Checkpoint] = field(default_factory=list)
    signatures: int = 0
    cosignatures: int = 0
    cosigned: list[tuple[NoteSignature, int]] = field(default_factory=list)
    """Good cosignatures with their times; which of them count is judged when all keys are known."""
    findings: Findings = field(default_factory=Findings)
    unchecked: list[Unchecked] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)


def check_signatures(origin: str, notes: Sequence[KeptNote], keys: NoteKeys) -> NotesAudit:
    """Check form, place and every signature line of the notes; their roots are checked by `check_roots`."""
    audit = NotesAudit()
    beyond = [kept.size for kept in notes if keys.end is not None and kept.size > keys.end]
    for kept in notes:
        place = f"note of size {kept.size}"
        try:
            note = parse_note(kept.note, place)
            head = parse_checkpoint(note.text, place)
        except TallyError as error:
            audit.findings.add(finding_of("note-malformed", error, log=origin, place=place, action=_COMPARE))
            continue
        if head.origin != origin or head.size != kept.size:
            audit.findings.add(
                Finding(
                    code="note-place",
                    log=origin,
                    place=place,
                    found=f"a note of {short(head.origin)}, size {head.size}",
                    expected=f"one of {origin}, size {kept.size}",
                    signer=origin,
                    action=_COMPARE,
                )
            )
            continue
        if _check_lines(origin, place, note, head.size, keys, audit):
            audit.sound.append(head)
    if audit.strangers and not keys.closed:
        text = "cosignatures of witnesses whose keys are not known here"
        audit.unchecked.append(Unchecked(what=text, log=origin, count=len(audit.strangers), harmless=True))
        audit.strangers.clear()
    if beyond:
        text = "signed heads beyond the end of the log, which a later log pinned: they count for nothing"
        audit.unchecked.append(Unchecked(what=text, log=origin, count=len(beyond), harmless=True))
    return audit


def judge_strangers(strangers: Iterable[Stranger], roster: Roster | None) -> list[Finding]:
    """What is left of lines under unknown keys once every log has said which keys its owner took."""
    audit = NotesAudit()
    for stranger in strangers:
        era = witness_era_of(roster, stranger.line)
        if era is None:
            audit.findings.add(_stranger(stranger))
        else:
            _check_cosignature(stranger.log, stranger.place, stranger.note, stranger.line, era, audit)
    return list(audit.findings)


def witness_era_of(roster: Roster | None, line: NoteSignature) -> WitnessEra | None:
    """The era of a member's witness key that a line names."""
    era = roster.witness_era(witness_named(line.name), line.key_id) if roster else None
    return era if era is not None and line.is_by(era.key) else None


def check_roots(
    origin: str,
    kept: Sequence[KeptNote],
    audit: NotesAudit,
    tree: Frontier,
    frontier_at: Callable[[int], Frontier | None],
    *,
    own: bool,
) -> list[Checkpoint]:
    """Hold the signed notes against the tree over the entries; gives the notes whose root is another.

    A larger note than there are entries needs its proof; in the writer's own home it means that entries
    are lost.
    """
    proofs = {note.size: note.proof for note in kept}
    different = []
    for head in audit.sound:
        if head.size > tree.size:
            _check_ahead(origin, head, proofs[head.size], tree, own, audit.findings)
            continue
        if proofs[head.size]:
            audit.findings.add(
                _unfit_proof(origin, head, f"a proof of {len(proofs[head.size])} bytes", "none")
            )
        frontier = frontier_at(head.size)
        if frontier is not None and frontier.root() != head.root:
            different.append(head)
    if tree.size and not any(head.size >= tree.size for head in audit.sound) and not audit.findings:
        newest = max((head.size for head in audit.sound), default=0)
        audit.findings.add(
            Finding(
                code="note-missing",
                log=origin,
                position=newest,
                found=f"entries {newest} to {tree.size - 1} under no signed note",
                expected=f"a note of size {tree.size} signed by {origin}",
                action=_COMPARE,
            )
        )
    return different


def other_root(origin: str, head: Checkpoint, found: bytes, *, forked: bool) -> Finding:
    """The finding of a signed note whose root the entries do not have.

    `forked`: they have the root of another note, of this size or larger: the key signed two histories.
    """
    if forked:
        code, action = "note-fork", "keep both, and rely on nothing that only one side shows"
    else:
        code, action = "note-root", _COMPARE
    return Finding(
        code=code,
        log=origin,
        # Every entry below it is vouched for by the next, so that the last is the one to look at.
        position=head.size - 1,
        place=f"note of size {head.size}",
        found=f"entries with root {short(found)}",
        expected=f"root {short(head.root)}, which is signed",
        signer=origin,
        action=action,
    )


def _check_lines(origin: str, place: str, note: Note, size: int, keys: NoteKeys, audit: NotesAudit) -> bool:
    """Check every line of one note; gives whether the log itself signed it."""
    sound = True
    key = keys.of_size(size)
    if key is None:
        audit.unchecked.append(Unchecked(what="signatures of the log, whose key is not known", log=origin))
    else:
        try:
            check_note(note, key, place)
            audit.signatures += 1
        except TallyError as error:
            sound = False
            other = any(isinstance(keys.of_line(line), VerifierKey) for line in note.signatures)
            code = "note-superseded" if other and not _names(note, key) else "note-signature"
            audit.findings.add(
                finding_of(code, error, log=origin, place=place, signer=origin, action=_COMPARE)
            )
    for line in note.signatures:
        named = keys.of_line(line)
        if named is None:
            audit.strangers.append(Stranger(log=origin, place=place, note=note, line=line))
        elif isinstance(named, WitnessEra):
            _check_cosignature(origin, place, note, line, named, audit)
    return sound


def _names(note: Note, key: VerifierKey) -> bool:
    return any(line.is_by(key) for line in note.signatures)


def _check_cosignature(
    origin: str, place: str, note: Note, line: NoteSignature, era: WitnessEra, audit: NotesAudit
) -> None:
    text = f"{note.text}\n{line.line}"
    try:
        time_s = check_cosignature(text, line, era.key, place)
    except TallyError as error:
        audit.findings.add(
            finding_of("note-cosignature", error, log=origin, place=place, signer=line.name, action=_COMPARE)
        )
        return
    audit.cosignatures += 1
    audit.cosigned.append((line, time_s))


def _stranger(stranger: Stranger) -> Finding:
    line = stranger.line
    return Finding(
        code="note-stranger",
        log=stranger.log,
        place=stranger.place,
        found=f"a signature line by {short(line.name)} with key id {line.key_id.hex()}",
        expected="lines by the log and by members' witness keys alone",
        signer=short(line.name),
        action=_COMPARE,
    )


def _check_ahead(
    origin: str, head: Checkpoint, proof: bytes, tree: Frontier, own: bool, findings: Findings
) -> None:
    # A note is kept without a proof where its entries were all here.
    if own or not proof:
        findings.add(
            Finding(
                code="chain-missing",
                log=origin,
                position=tree.size,
                found=f"{tree.size} entries",
                expected=f"{head.size}, as the newest signed note says",
                signer=origin,
                action="let the node fetch the missing entries from its partners before it writes",
            )
        )
        return
    hashes = [proof[i : i + HASH_BYTES] for i in range(0, len(proof), HASH_BYTES)]
    try:
        check_consistency(
            old_size=tree.size,
            old_root=tree.root(),
            new_size=head.size,
            new_root=head.root,
            proof=hashes[: MAX_PROOF_HASHES + 1],
        )
    except TallyError:
        findings.add(
            _unfit_proof(
                origin,
                head,
                f"a proof of {len(proof)} bytes that does not fit",
                f"one that leads from the {tree.size} entries here to the signed root",
            )
        )


def _unfit_proof(origin: str, head: Checkpoint, found: str, expected: str) -> Finding:
    return Finding(
        code="note-proof",
        log=origin,
        place=f"note of size {head.size}",
        found=found,
        expected=expected,
        action="sync with a partner, which brings a proof of the newest head",
    )
