"""What statements say about members: openings, admissions, people, their signatures, partners' heads.

Statements are taken in the order of their positions. The founder's log comes first, since it admits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.keys import judge_opening, judge_rotation
from ledger.audit.notes import NoteKeys
from ledger.audit.payloads import Kept, read_kept
from ledger.errors import ForbiddenError, InvalidError, TallyError, short
from ledger.log.checkpoint import Checkpoint, parse_checkpoint
from ledger.log.note import ED25519, Note, VerifierKey, check_note, parse_note
from ledger.log.origin import format_origin, parse_origin
from ledger.log.statement import Statement
from ledger.members.evidence import EVIDENCE_KINDS
from ledger.members.folding import ROSTER_KINDS, Folding, fold_roster
from ledger.members.network import network_id
from ledger.members.people import check_person_signatures
from ledger.members.roster import Member, Roster
from ledger.members.rotation import KIND as ROTATION_KIND

MAX_HEADS = 4096
"""Heads of one partner's log, as others recorded them, that are held against its entries."""

MAX_EVIDENCE = 4096
"""Statements of one log that record evidence and are judged; there is one for each accused."""

_ASK = "ask the organization to explain, and rely on nothing that rests on this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the auditor knows of a log beforehand: the network's members, or the log's key alone.

    `own`: it is the log of the home itself, which holds everything of it. `closed`: see `NoteKeys`.
    `unsure`: entries that may say who the members are do not hold, so that a stranger may be none.
    """

    roster: Roster | None = None
    vkey: VerifierKey | None = None
    own: bool = False
    closed: bool = False
    unsure: bool = False

    @property
    def network(self) -> bytes | None:
        """The network's id, where it is known."""
        return self.roster.network if self.roster else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHead:
    """A partner's head that a log recorded: where it stands, and what it says."""

    log: str
    position: int
    head: Checkpoint


@dataclass(slots=True)
class Heads:
    """Heads of other logs that were recorded, each once; of each log the newest where there are too many.

    A log's own record of itself is none: so nobody crowds out what others recorded of it, or of another.
    """

    listed: dict[tuple[str, int, bytes], SeenHead] = field(default_factory=dict)
    _of: dict[str, deque[tuple[str, int, bytes]]] = field(default_factory=dict)
    unknown: list[tuple[SeenHead, Note]] = field(default_factory=list)
    """Those under no key of their log that is known yet: it may rotate its key in entries that come later."""
    left_out: int = 0

    def add(self, seen: SeenHead) -> None:
        """Take one more."""
        key = (seen.head.origin, seen.head.size, seen.head.root)
        if key in self.listed or seen.log == seen.head.origin:
            return
        keys = self._of.setdefault(seen.head.origin, deque())
        if len(keys) >= MAX_HEADS:
            self.listed.pop(keys.popleft())
            self.left_out += 1
        keys.append(key)
        self.listed[key] = seen


@dataclass(slots=True)
class Standing:
    """The members as one log's statements make them, and what was found on the way."""

    known: Known
    origin: str
    roster: Roster | None = None
    opened: Member | None = None
    damaged: set[int] = field(default_factory=set)
    """Positions at which something was found: who was granted a role there is not known."""
    person_signatures: int = 0
    unknown_people: int = 0
    lacking: int = 0
    findings: Findings = field(default_factory=Findings)
    unchecked: list[Unchecked] = field(default_factory=list)
    heads: Heads = field(default_factory=Heads)
    evidence: dict[int, int] = field(default_factory=dict)
    """Positions of statements that record evidence, with the times of their entries: judged at the end, since
    whose key it was may stand in a log that is read later."""
    more_evidence: int = 0

    def __post_init__(self) -> None:
        self.roster = self.known.roster

    @property
    def organization(self) -> str:
        """Whose log it is."""
        return parse_origin(self.origin).organization

    @property
    def member(self) -> Member | None:
        """The member whose log it is."""
        return self.roster.members.get(self.organization) if self.roster else None

    def note_keys(self) -> NoteKeys:
        """The keys by which signed notes of this log are checked."""
        roster = self.roster
        if roster is None:
            return NoteKeys(log=self.known.vkey, closed=self.known.closed)
        is_known = self.origin in roster.logs(self.organization)
        end = roster.end_of(self.origin)
        return NoteKeys(
            log=None if is_known else self._opened_key(),
            eras=roster.log_keys(self.origin) if is_known else (),
            roster=roster,
            end=end.size if end else None,
            closed=self.known.closed and not self.unsure,
        )

    @property
    def unsure(self) -> bool:
        """Whether somebody may be a member, or have a role, that could not be read."""
        return self.known.unsure or bool(self.damaged)

    def take_lacking(self, positions: Iterable[int]) -> None:
        """Note entries about members without a payload: such payloads are never withheld or erased."""
        for seq in positions:
            self.damaged.add(seq)
            self.lacking += 1
            if self.known.own:
                self.findings.add(
                    Finding(
                        code="payload-lost",
                        log=self.origin,
                        position=seq,
                        found="no payload",
                        expected="the statement, which is about members and never erased",
                        signer=self.origin,
                        action="fetch it from a partner, or restore the home from a backup",
                    )
                )

    def take_evidence(self, seq: int, time_ms: int) -> None:
        """Note a statement that records evidence."""
        if len(self.evidence) < MAX_EVIDENCE:
            self.evidence[seq] = time_ms
        else:
            self.more_evidence += 1

    def _opened_key(self) -> VerifierKey | None:
        """Of a home whose organization is not admitted yet, the key that its log was opened with."""
        if not self.known.own or self.opened is None:
            return self.known.vkey
        return VerifierKey(name=self.origin, key_type=ED25519, public_key=self.opened.keys.log)

    def finish(self) -> None:
        """What is left when all statements were taken."""
        if self.heads.left_out:
            text = f"heads of others that it recorded, before the newest {MAX_HEADS} of each"
            self.unchecked.append(
                Unchecked(what=text, log=self.origin, count=self.heads.left_out, harmless=True)
            )
        if self.unknown_people:
            text = "signatures of people who are not known here"
            self.unchecked.append(Unchecked(what=text, log=self.origin, count=self.unknown_people))
        if self.roster is not None and self.member is None and self.known.own:
            text = "whether the network admitted this organization: no admission is here"
            self.unchecked.append(Unchecked(what=text, log=self.origin))
        elif self.roster is not None and self.member is None and self.unsure:
            text = "whether the network admitted this organization: entries that say so do not hold"
            self.unchecked.append(Unchecked(what=text, log=self.origin))
        elif self.roster is not None and self.member is None:
            self.findings.add(
                Finding(
                    code="member-stranger",
                    log=self.origin,
                    found=f"a log of {self.organization}",
                    expected=f"one of {', '.join(sorted(self.roster.members))}",
                    action="do not rely on this log: nobody admitted its writer",
                )
            )
        if self.lacking and not self.known.own:
            text = "statements about members that are not here, though they are for all"
            self.unchecked.append(Unchecked(what=text, log=self.origin, count=self.lacking))


def take_statement(
    standing: Standing, kept: Kept, *, leaf: bytes, time_ms: int, network: bytes | None
) -> None:
    """Check one statement in its place, and let it change the roster.

    `leaf` and `time_ms` are of its entry; `network` is what the first entry of its range names before it.
    """
    statement = read_kept(kept, standing.origin)
    if kept.seq == 0:
        _take_opening(standing, statement, leaf, network)
    if statement.signatures:
        _check_people(standing, kept.seq, statement)
    if statement.kind == "seen":
        _take_heads(standing, kept.seq, statement.texts("heads"))
    if statement.kind == "timekeeper.replace":
        _take_heads(standing, kept.seq, (statement.text("head"),))
    if statement.kind in EVIDENCE_KINDS:
        standing.take_evidence(kept.seq, time_ms)
    if statement.kind == ROTATION_KIND and standing.roster is not None:
        wrong = judge_rotation(standing.roster, standing.origin, kept.seq, statement)
        if wrong is not None:
            standing.findings.add(wrong)
    if statement.kind in ROSTER_KINDS and standing.roster is not None:
        folding = Folding(
            origin=standing.origin, seq=kept.seq, leaf=leaf, time_ms=time_ms, statement=statement
        )
        standing.roster = fold_roster(standing.roster, folding)


def check_opening(statement: Statement, origin: str, roster: Roster, network: bytes | None) -> Member:
    """Check what a `log.open` says against the network and the log's name; gives its author.

    Raises:
        InvalidError: it opens a log of another network, name or key.
    """
    where = f"{origin} entry 0 body"
    founded = network_id(statement.data("founding"))
    if founded != roster.network or (network is not None and founded != network):
        raise InvalidError(
            f"{where}.founding", found=f"network {short(founded)}", expected=short(roster.network)
        )
    opened = Member.of_opening(statement)
    number = statement.body["number"]
    named = format_origin(opened.organization, roster.network, number if isinstance(number, int) else 1)
    if named != origin:
        raise InvalidError(f"{where}.organization", found=f"the opening of {named}", expected=origin)
    member = roster.members.get(opened.organization) if number == 1 else None
    if member is None:
        return opened
    is_newest = roster.origin(opened.organization) == origin
    if opened.keys != roster.log(origin).first or (is_newest and opened.title != member.title):
        raise InvalidError(
            f"{where}.keys", found="keys or a title of its own", expected="those that the network admitted"
        )
    return opened


def _take_opening(standing: Standing, statement: Statement, leaf: bytes, network: bytes | None) -> None:
    if statement.kind != "log.open":
        return
    if standing.roster is None:
        standing.opened = Member.of_opening(statement, leaf)
        return
    blame = partial(
        finding_of,
        log=standing.origin,
        position=0,
        signer=standing.origin,
        action="ask which log the network admitted",
    )
    try:
        standing.opened = check_opening(statement, standing.origin, standing.roster, network)
    except TallyError as error:
        standing.findings.add(blame("member-opening", error))
        return
    if parse_origin(standing.origin).number > 1:
        wrong = judge_opening(standing.roster, standing.origin, statement, leaf)
        if wrong is not None:
            standing.findings.add(wrong)
        return
    member = standing.member
    if member is not None and member.opening is not None and member.opening != leaf:
        other = InvalidError(
            f"{standing.origin} entry 0",
            found=f"hash {short(leaf)}",
            expected=f"{short(member.opening)}, which was admitted",
        )
        standing.findings.add(blame("member-other-log", other))


def _check_people(standing: Standing, seq: int, statement: Statement) -> None:
    if standing.roster is None:
        standing.unknown_people += len(statement.signatures)
        return
    people = standing.roster.people_of(standing.origin)
    try:
        check_person_signatures(people, origin=standing.origin, seq=seq, statement=statement)
        standing.person_signatures += len(statement.signatures)
    except TallyError as error:
        if isinstance(error, ForbiddenError) and standing.damaged:
            standing.unknown_people += len(statement.signatures)
            return
        standing.findings.add(
            finding_of(
                "person-signature",
                error,
                log=standing.origin,
                position=seq,
                signer=standing.origin,
                action="do not count this signature",
            )
        )


def _take_heads(standing: Standing, seq: int, heads: Iterable[str]) -> None:
    """Note what this log recorded of others, where it is signed by their keys."""
    roster = standing.roster
    if roster is None:
        return
    for text in heads:
        try:
            note = parse_note(text, "head")
            head = parse_checkpoint(note.text, "head")
            is_known = head.origin in roster.logs(parse_origin(head.origin).organization)
            if is_known:
                key = roster.log_key(head.origin, head.size)
                if not any(line.is_by(key) for line in note.signatures):
                    standing.heads.unknown.append(
                        (SeenHead(log=standing.origin, position=seq, head=head), note)
                    )
                    continue
                check_note(note, key, f"head of {head.origin}")
        except TallyError as error:
            standing.findings.add(
                finding_of(
                    "head-signature",
                    error,
                    log=standing.origin,
                    position=seq,
                    signer=standing.origin,
                    action=_ASK,
                )
            )
            continue
        if is_known:
            standing.heads.add(SeenHead(log=standing.origin, position=seq, head=head))
