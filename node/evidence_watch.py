"""What partners recorded of others' logs, held against the own copies: so a fork is found through a third.

    `seen` entries      their notes: one that contradicts a copy here is evidence
    handing over        the note in a `timekeeper.replace`, likewise
    evidence            counts after the own check, as if it had been found here

Every entry of a partner's log is looked at once, when it has come; of notes that are ahead of the own copy
the largest that each partner recorded waits until the copy has grown. A look also makes up for what a crash
left out: a folder without its entry, an entry without its folder.
"""

from __future__ import annotations

from ledger.errors import TallyError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.evidence_files import DESCRIPTION, format_evidence, parse_evidence
from ledger.log.note import parse_note
from ledger.log.statement import Statement
from ledger.members.evidence import EVIDENCE_KINDS, evidence_of
from node.evidence import (
    FOLDER,
    folder_of,
    read_folder,
    recorded_evidence,
    write_folder,
)
from node.logs import get_log
from node.node import Node
from node.sync.evidence import check_note_fits, is_recorded, record_evidence, root_at

SEEN = "seen"
HANDOVER = "timekeeper.replace"
_MARKS = (b"seen", b"evidence", HANDOVER.encode())
CHUNK_ENTRIES = 256
MAX_LOOKED_BACK = 8192
"""Entries of each log that are searched at a start for heads; evidence is found however old it is."""

log = get_log(__name__)


class EvidenceWatch:
    """Looks at what has come. Used by one thread at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looked_at: dict[str, int] = {}
        self._waiting: dict[tuple[str, str], str] = {}
        """Notes that are ahead of the copy here, by who recorded them and by log."""
        self._folders: set[str] = set()
        """Folders that are recorded, or prove nothing."""
        self._settled = False

    def look(self) -> None:
        """Look at everything that has come since the last look, and record what it proves."""
        if not self._settled:
            self._settled = True
            self._settle()
        self._record_folders()
        state = self._node.state
        for origin, head in state.heads.items():
            if origin != state.origin:
                self._look_at(origin, head.copy.size)
        for key, note in list(self._waiting.items()):
            if self._is_done(note):
                del self._waiting[key]

    def _settle(self) -> None:
        """Write folders that a crash left out, and look at partners' evidence, however old it is."""
        node = self._node
        for held in recorded_evidence(node.reader, node.state):
            try:
                write_folder(folder_of(node.home, held.evidence.accused), format_evidence(held.evidence))
            except TallyError as error:
                log.error("the files of evidence could not be written", error=error)
        numbers = {node.reader.number(origin): origin for origin in node.state.heads}
        for number, seq in node.reader.roster_positions():
            origin = numbers.get(number, node.state.origin)
            if origin != node.state.origin:
                self._look_at_entry(origin, seq, EVIDENCE_KINDS)

    def _record_folders(self) -> None:
        """Record what a crash, or a time in which the home might not write, left in its folder alone."""
        folders = self._node.home / FOLDER
        for folder in sorted(folders.iterdir()) if folders.is_dir() else ():
            if folder.name not in self._folders and (folder / DESCRIPTION).is_file():
                self._record_folder(folder.name)

    def _record_folder(self, name: str) -> None:
        node = self._node
        try:
            evidence = parse_evidence(read_folder(node.home / FOLDER / name), f"{FOLDER}/{name}")
            if not is_recorded(node, evidence.accused):
                record_evidence(node, evidence)
            if is_recorded(node, evidence.accused):
                self._folders.add(name)
        except TallyError as error:
            self._folders.add(name)
            log.warning("a folder of evidence proves nothing", folder=name, error=error)

    def _look_at(self, origin: str, size: int) -> None:
        start = self._looked_at.get(origin, max(0, size - MAX_LOOKED_BACK))
        for first in range(start, size, CHUNK_ENTRIES):
            entries = self._node.reader.entries(origin, first, min(CHUNK_ENTRIES, size - first))
            for seq, data in enumerate(entries, first):
                # Looking into the bytes first spares parsing most of them.
                if any(mark in data for mark in _MARKS):
                    self._look_at_entry(origin, seq, EVIDENCE_KINDS | {SEEN, HANDOVER})
        self._looked_at[origin] = size

    def _look_at_entry(self, origin: str, seq: int, kinds: frozenset[str]) -> None:
        reader = self._node.reader
        if parse_entry(reader.entry(origin, seq)).kind not in kinds:
            return
        try:
            statement = reader.record(origin, seq).statement
        except TallyError:
            return  # its payload is no statement
        if statement is None:
            return
        if statement.kind in (SEEN, HANDOVER):
            for note in statement.texts("heads") if statement.kind == SEEN else (statement.text("head"),):
                self._waiting[origin, note.partition("\n")[0]] = note
        else:
            self._take_evidence(origin, statement)

    def _take_evidence(self, origin: str, statement: Statement) -> None:
        """Evidence that a partner recorded counts after the own check.

        Of a log that a later one ended it seldom does: its key is out of use, as it was not when the
        partner recorded it. Nothing depends on it any more.
        """
        node = self._node
        accused = ""
        try:
            evidence = evidence_of(node.state.roster, statement)
            accused = evidence.accused
            if not is_recorded(node, accused):
                record_evidence(node, evidence)
        except TallyError as error:
            settled = node.state.roster.end_of(accused) is not None
            say = log.debug if settled else log.warning
            say("what a partner recorded as evidence proves nothing", partner=origin, error=error)

    def _is_done(self, note: str) -> bool:
        """Whether a note that a partner recorded need not wait any longer; records what it proves."""
        node = self._node
        origin = note.partition("\n")[0]
        head = node.state.heads.get(origin)
        if origin == node.state.origin or origin in node.state.quarantined:
            return True  # of the own log, whoever contradicts it is heard in the exchange of heads
        if head is None:
            return False
        try:
            told = parse_checkpoint(parse_note(note).text)
            if 0 < told.size <= head.copy.size and root_at(node.reader, head, told.size) == told.root:
                return True
            check_note_fits(node, note)
        except TallyError as error:
            log.warning("a head that a partner recorded does not fit", origin=origin, error=error)
            return True
        return told.size <= head.copy.size
