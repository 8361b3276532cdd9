"""`tally receipt`: a file that proves offline that an entry is in a log."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of
from cli.reading import find_entry, open_home
from ledger.errors import UsageError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import VerifierKey, parse_note
from ledger.log.receipt import parse_receipt
from ledger.members.witnessing import is_witnessed
from node.views.evidence import quarantine_lines
from node.views.receipts import make_receipt

SUFFIX = ".tlog-proof"


EntryName = Annotated[
    str,
    typer.Argument(metavar="ENTRY", help="Leaf hash, <organization>:<position>, or the eventID of an event."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; else to stdout.")]
Hide = Annotated[
    bool, typer.Option("--hide", help="Prove that the entry is there, without showing what it says.")
]


def receipt(context: typer.Context, entry: EntryName, out: Out = None, hide: Hide = False) -> None:
    """Write a file that proves offline that an entry is in a log.

    It holds the entry, its way up the tree, and the signed checkpoint with the witnesses' cosignatures:
    whoever has it needs neither this node nor any other. `tally verify FILE` checks it. Unless --hide is
    said it shows the statement, and the heads of other logs that its log had recorded before: they say
    not before when it was made, and name members of the network.

    \b
    tally receipt finca:12 --out harvest.tlog-proof
    """
    call = call_of(context)
    with open_home(call.home) as home:
        origin, seq = find_entry(home, entry)
        shown = not hide and home.reader.payload(origin, seq) is not None
        text = make_receipt(home.reader, home.state, (origin, seq), with_payload=shown)
        note = parse_receipt(text).checkpoint
        size = parse_checkpoint(parse_note(note).text).size
        vkey = home.state.roster.log_key(origin, size)
        witnessed = is_witnessed(home.state.roster, note)
        quarantined = origin in home.state.quarantined
    if out is not None:
        write_receipt(out, text)
    value = {
        "origin": origin,
        "seq": seq,
        "payload": shown,
        "size": size,
        "witnessed": witnessed,
        "quarantined": quarantined,
        "file": None if out is None else str(out),
        "receipt": text,
    }
    call.answer(value, [str(out)] if out is not None else [text.removesuffix("\n")])
    for line in quarantine_lines([origin] if quarantined else []):
        call.tell(line)
    if not witnessed:
        call.tell(
            "Its entry is recorded and not witnessed yet: a later receipt will carry more cosignatures."
        )
    if out is not None:
        _tell_checks(call, out, vkey)


def _tell_checks(call: Call, file: Path, vkey: VerifierKey) -> None:
    """Say how whoever gets the file checks it."""
    call.tell(f"Check it here: {call.command(f'verify {shlex.quote(str(file))}')}")
    call.tell(f"Elsewhere, without a home, with the key of its log: --vkey {vkey.text}")
    policy = call.command("network policy")
    call.tell(f"or with its witnesses too: --policy FILE, from {policy} {vkey.name}")


def write_receipt(path: Path, text: str) -> None:
    """Put a receipt into a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            str(path), found=error.strerror or "cannot be written", expected="a place to write to"
        ) from error
