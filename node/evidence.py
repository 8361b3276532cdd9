"""The evidence that a home holds: an entry of the own log for each piece, and beside it a folder of files.

    evidence/<whom it accuses, with - for />/    the files of docs/format.md, section 10

The folder is written first, then the entry: what was found is never lost, and whatever a crash left out is
made up for at the next look (`node.evidence_watch`). A fork that two notes prove is recorded as `evidence`,
everything else as `evidence.files`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import (
    ConflictError,
    MalformedError,
    MissingError,
    TallyError,
    UnavailableError,
)
from ledger.log.encoding import Value
from ledger.log.evidence_files import (
    DESCRIPTION,
    MAX_FILE_BYTES,
    Evidence,
    Kind,
    format_body,
)
from ledger.log.kinds import MAX_FILES
from ledger.members.evidence import EVIDENCE_KINDS, FILES_KIND, FORK_KIND, check_evidence, evidence_of
from node.disk import fresh_folder, write_whole
from node.state import State
from node.store.reader import Reader

FOLDER = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvidence:
    """A piece that is recorded in the own log, at which position and when by the own clock."""

    seq: int
    leaf: bytes
    time_ms: int
    evidence: Evidence


def statement_of(evidence: Evidence) -> tuple[str, dict[str, Value]]:
    """The kind and body by which a log records a piece of evidence."""
    if evidence.kind == Kind.FORK:
        notes: list[Value] = [evidence.first, evidence.second]
        return FORK_KIND, {"notes": notes, "origin": evidence.origin, "proof": list(evidence.path)}
    return FILES_KIND, format_body(evidence)


def recorded_evidence(reader: Reader, state: State) -> Iterator[HeldEvidence]:
    """Every piece that the own log records, oldest first; what is none is passed over."""
    own = reader.number(state.origin)
    for number, seq in reader.roster_positions():
        if number != own:
            continue
        if FORK_KIND.encode() not in reader.entry(state.origin, seq):
            continue  # spares reading most of them
        record = reader.record(state.origin, seq)
        if record.statement is None or record.entry.kind not in EVIDENCE_KINDS:
            continue
        try:
            evidence = evidence_of(state.roster, record.statement)
        except TallyError:
            continue
        yield HeldEvidence(seq=seq, leaf=record.leaf, time_ms=record.entry.time_ms, evidence=evidence)


def accusers_of_own(reader: Reader, state: State) -> list[str]:
    """The members whose logs record evidence against the own log: they accept nothing new of it."""
    found: set[str] = set()
    own = reader.number(state.origin)
    for number, seq in reader.roster_positions():
        origin = "" if number == own else reader.origin_of(number)
        if not origin or FORK_KIND.encode() not in reader.entry(origin, seq):
            continue  # spares reading most of them
        record = reader.record(origin, seq)
        if record.statement is None or record.entry.kind not in EVIDENCE_KINDS:
            continue
        try:
            evidence = evidence_of(state.roster, record.statement)
            if evidence.accused == state.origin:
                check_evidence(evidence)
                found.add(origin.partition("/")[0])
        except TallyError:
            continue
    return sorted(found)


def find_evidence(reader: Reader, state: State, accused: str) -> HeldEvidence:
    """The piece that the own log records against a log or a witness.

    Raises:
        MissingError: there is none.
    """
    for held in recorded_evidence(reader, state):
        if held.evidence.accused == accused:
            return held
    raise MissingError(
        f"evidence against {accused[:80]}",
        found="none in this home",
        expected="a log or a witness that `tally evidence list` names",
    )


def folder_of(home: Path, accused: str) -> Path:
    """Where a home keeps the files of a piece."""
    return home / FOLDER / accused.replace("/", "-")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a piece as a folder, whole or not at all; one that is there already stays as it is.

    Raises:
        ConflictError: something else is there.
        UnavailableError: the disk refuses.
    """
    if (folder / DESCRIPTION).exists():
        return
    try:
        with fresh_folder(folder) as draft:
            for name, data in files.items():
                write_whole(draft / name, data)
    except (ConflictError, UnavailableError):
        if not (folder / DESCRIPTION).exists():  # else another thread was faster with the same piece
            raise


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder of evidence, within the limits that evidence has.

    Raises:
        MissingError: there is no such folder.
        MalformedError: it holds something that evidence does not.
    """
    where = str(folder)
    files: dict[str, bytes] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise MissingError(where, found=error.strerror or "not there", expected="a folder") from error
    if len(paths) > MAX_FILES:
        raise MalformedError(where, found=f"{len(paths)} files", expected=f"at most {MAX_FILES}")
    for path in paths:
        if not path.is_file():
            raise MalformedError(where, found=f"{path.name}, which is no file", expected="files alone")
        try:
            with path.open("rb") as file:
                files[path.name] = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise MissingError(
                str(path), found=error.strerror or "cannot be read", expected="a file of evidence"
            ) from error
    return files
