"""`tally evidence`: what this home holds against logs and witnesses, as files that convince anybody."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli.call import call_of, columns, short_hash
from cli.evidence_check import evidence_lines
from cli.reading import OpenHome, open_home
from ledger.errors import ConflictError, MissingError
from ledger.log.evidence_files import format_evidence
from ledger.log.kinds import NAME_PATTERN
from ledger.members.evidence import check_evidence
from node.evidence import HeldEvidence, accusers_of_own, find_evidence, recorded_evidence, write_folder
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
    rows = [("against", "kind", "recorded", "entry")]
    rows += [
        (piece["accused"], piece["kind"], piece["recorded"], str(piece["entry"]["seq"])) for piece in pieces
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
    if folder.exists():
        raise ConflictError(
            str(folder), found="something is there", expected="a new folder", action="name another folder"
        )
    with open_home(call.home) as home:
        evidence = _find(home, accused).evidence
    files = format_evidence(evidence)
    write_folder(folder, files)
    value = {
        "accused": evidence.accused,
        "kind": evidence.kind.value,
        "folder": str(folder),
        "files": sorted(files),
    }
    call.answer(value, [str(folder)])
    call.tell(f"Anybody can check it: {call.command(f'verify {shlex.quote(str(folder))}')}")


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
