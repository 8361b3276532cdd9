"""`tally evidence`: proof against logs and witnesses, as files that convince anybody."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, columns, plural, short_hash
from cli.evidence_check import evidence_lines
from cli.reading import OpenHome, open_home, read_text
from ledger.errors import ConflictError, ForbiddenError, MalformedError, MissingError
from ledger.log.evidence_files import Evidence, format_evidence, parse_evidence
from ledger.log.kinds import NAME_PATTERN
from ledger.log.receipt import MAX_RECEIPT_BYTES
from ledger.members.evidence import check_accused, check_evidence
from node.evidence import (
    HeldEvidence,
    accusers_of_own,
    find_evidence,
    folder_of,
    read_folder,
    recorded_evidence,
    write_folder,
)
from node.evidence_making import make_evidence, parse_signed
from node.views.evidence import accused_line, list_evidence, show_evidence

Accused = Annotated[
    str,
    typer.Argument(
        metavar="LOG", help="Whom it is against: an organization, a log, or the name of a witness key."
    ),
]


def listed(context: typer.Context) -> None:
    """List the evidence that this home holds.

    \\b
    tally evidence list
    """
    call = call_of(context)
    with open_home(call.home) as home:
        pieces = list_evidence(home.reader, home.state)
        accusers = accusers_of_own(home.reader, home.state)
        origin = home.state.origin
    rows = [("against", "kind", "recorded", "entry", "")]
    rows += [
        (
            piece["accused"],
            piece["kind"],
            piece["recorded"],
            str(piece["entry"]["seq"]),
            "" if piece["settled_at"] is None else f"settled: {_settled(piece['settled_at'])}",
        )
        for piece in pieces
    ]
    call.answer(pieces, columns(rows) if pieces else [])
    if accusers:
        call.tell(accused_line(origin, accusers))
    elif not pieces:
        call.tell("No evidence: as far as this home knows, nobody signed two histories.")


def show(context: typer.Context, accused: Accused) -> None:
    """Show what one piece of evidence proves.

    By whose signatures, under which key, and where it is recorded.

    \\b
    tally evidence show roast
    """
    call = call_of(context)
    with open_home(call.home) as home:
        held = _find(home, accused)
        value = show_evidence(home.reader, home.state, held.evidence.accused)
        proven = check_evidence(held.evidence)
    lines = [
        f"against   {value['accused']}",
        f"kind      {value['kind']}",
        *(f"proven    {line}" for line in evidence_lines(held.evidence, proven)),
        f"recorded  {value['recorded']}, own entry {held.seq}, {short_hash(value['entry']['leaf'])}",
        *([] if value["settled_at"] is None else [f"settled   {_settled(value['settled_at'])}"]),
        f"files     {', '.join(value['files'])}",
    ]
    call.answer(value, lines)


def export(
    context: typer.Context,
    accused: Accused,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
) -> None:
    """Write evidence as a folder that anybody can check.

    The files are standard ones: signed checkpoints or receipts, a proof, a key. `tally verify FOLDER` checks
    them, offline and without a home.

    \\b
    tally evidence export roast proof/
    """
    call = call_of(context)
    _check_free(folder)
    with open_home(call.home) as home:
        evidence = _find(home, accused).evidence
    _write(call, evidence, folder)


def make(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="A receipt or a signed checkpoint.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one, of the same log.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
) -> None:
    """Make evidence out of two files that cannot both be true.

    They are receipts or signed checkpoints: two entries at one position, or two heads that contradict each
    other. Of heads of different sizes the home's own copy of the log gives the missing link. Writes a folder,
    as `tally evidence export` does.

    \\b
    tally evidence make theirs.tlog-proof ours.tlog-proof proof/
    """
    call = call_of(context)
    _check_free(folder)
    signed = [parse_signed(_read_signed(path), str(path)) for path in (first, second)]
    with open_home(call.home) as home:
        evidence = make_evidence(home.reader, home.state, *signed)
    proven = check_evidence(evidence)
    _write(call, evidence, folder, [f"proven    {line}" for line in evidence_lines(evidence, proven)])
    call.tell(f"Take it in: {call.command(f'evidence add {shlex.quote(str(folder))}')}")


def add(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of evidence.")],
) -> None:
    """Take in evidence that somebody handed over.

    It is checked first, and counts by what its files prove, whoever brings it. The node records it in the own
    log; from then on the accused log is quarantined here, and every partner is told.

    \\b
    tally evidence add proof/
    """
    call = call_of(context)
    files = read_folder(folder)
    evidence = parse_evidence(files, str(folder))
    proven = check_evidence(evidence)
    with open_home(call.home) as home:
        check_accused(home.state.roster, evidence)
        if evidence.accused.partition("/")[0] == home.state.organization:
            raise ForbiddenError(
                f"evidence against {evidence.accused}",
                found="evidence against this home's own organization",
                expected="evidence against another",
                action="stop every copy of this home but one, find out why, then `tally recover`",
            )
        known = evidence.accused in home.state.accused
    kept = folder_of(call.home, evidence.accused)
    if not known:
        write_folder(kept, files)
    value = {"accused": evidence.accused, "kind": evidence.kind.value, "folder": str(kept), "new": not known}
    call.answer(value, [evidence.accused])
    if known:
        call.tell("A piece against it is recorded here already, and one is enough.")
        return
    call.tell(f"{proven.words}.")
    call.tell(
        "The running node records it within seconds, else the next start does: see `tally evidence list`."
    )


def _settled(size: int) -> str:
    return f"its next log ended it at {plural(size, 'entry', 'entries')}"


def _check_free(folder: Path) -> None:
    if folder.exists():
        raise ConflictError(
            str(folder), found="something is there", expected="a new folder", action="name another folder"
        )


def _write(call: Call, evidence: Evidence, folder: Path, told: Iterable[str] = ()) -> None:
    """Write a piece to a new folder, and say where it is and how it is checked."""
    files = format_evidence(evidence)
    write_folder(folder, files)
    value = {
        "accused": evidence.accused,
        "kind": evidence.kind.value,
        "folder": str(folder),
        "files": sorted(files),
    }
    call.answer(value, [str(folder)])
    for line in told:
        call.tell(line)
    call.tell(f"Anybody can check it: {call.command(f'verify {shlex.quote(str(folder))}')}")


def _read_signed(path: Path) -> str:
    data = read_text(path, "a receipt or a checkpoint", MAX_RECEIPT_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(
            str(path), found="bytes that are no text", expected="a receipt or a checkpoint"
        ) from error


def _find(home: OpenHome, text: str) -> HeldEvidence:
    """The piece that a person means.

    Raises:
        MissingError: there is none.
        ConflictError: several are against that organization.
    """
    if not NAME_PATTERN.fullmatch(text):
        return find_evidence(home.reader, home.state, text)
    found = [
        held
        for held in recorded_evidence(home.reader, home.state)
        if held.evidence.accused.partition("/")[0] == text
    ]
    if not found:
        raise MissingError(
            f"evidence against {text}",
            found="none in this home",
            expected="an organization that `tally evidence list` names",
        )
    if len(found) > 1:
        names = ", ".join(held.evidence.accused for held in found)
        raise ConflictError(
            f"evidence against {text}", found=names, expected="one of them", action="name the log or the key"
        )
    return found[0]
