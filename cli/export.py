"""`tally export`: a log, an agreement, a lot's history or the whole network in one file that others check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, plural, tally_at
from cli.reading import OpenHome, find_agreement, find_log, open_home
from cli.trace import in_full
from ledger.members.network import network_words
from node.bundle_export import (
    Given,
    Selection,
    export_bundle,
    select_agreement,
    select_log,
    select_lot,
    select_network,
)

SUFFIX = ".bundle"
_SHOWN_AUDIENCES = 8
_NAME = re.compile(r"[^A-Za-z0-9.-]+")

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to write it; else a name in this folder."),
]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="ORGANIZATION",
        help="Leave out what this member may not know; else all that this home holds is given.",
    ),
]


def log(
    context: typer.Context,
    origin: Annotated[
        str, typer.Argument(metavar="ORIGIN", help="An organization or an origin; the own log if left out.")
    ] = "",
    out: Out = None,
    reader: For = None,
) -> None:
    """Write a log into one file, with all that it takes to check it.

    Every entry, the payloads that this home holds, the signed heads with their cosignatures, and the
    founder's entries, since they say who the members are. `tally verify FILE` checks it, anywhere.

    \b
    tally export log finca --out finca.bundle
    """
    call = call_of(context)
    with open_home(call.home) as home:
        name = find_log(home.state, origin)
        selection = select_log(home.state, name)
        _export(call, home, selection, (out, name.replace("/", "-")), reader)


def agreement(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="AGREEMENT", help="Hash, first digits of it, or the contract's name.")
    ],
    out: Out = None,
    reader: For = None,
) -> None:
    """Write an agreement into one file: what was signed, what happened, and what followed.

    The timekeeper's log is given whole, since what counts depends on its order, though without what it
    says of other things; of other logs the entries about the agreement, each with its proof.

    \b
    tally export agreement late-delivery --for port
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity = find_agreement(home, name)
        selection = select_agreement(home.reader, home.state, home.book, identity)
        _export(call, home, selection, (out, f"agreement-{identity.hex()[:16]}"), reader)


def lot(
    context: typer.Context,
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="IDENTIFIER", help="Item, lot or pallet: an EPC URN, a GS1 Digital Link or a URI."
        ),
    ],
    out: Out = None,
    reader: For = None,
) -> None:
    """Write the history of a lot into one file: the events behind `tally trace`.

    Back to its sources and forward to everyone who got it, each event with its proof.

    \b
    tally export lot urn:epc:class:lgtin:4012345.012345.R-2026-07 --out recall.bundle
    """
    call = call_of(context)
    with open_home(call.home) as home:
        selection = select_lot(home.reader, home.state, in_full(identifier))
        _export(call, home, selection, (out, f"lot-{identifier[-40:]}"), reader)
    if not selection.complete:
        call.tell("The trace hit a limit, so that this history is not complete.")


def network(context: typer.Context, out: Out = None, reader: For = None) -> None:
    """Write every log that this home holds into one file.

    \b
    tally export network --out everything.bundle
    """
    call = call_of(context)
    with open_home(call.home) as home:
        selection = select_network(home.state)
        _export(call, home, selection, (out, f"network-{home.state.roster.network.hex()[:16]}"), reader)


def _export(
    call: Call, home: OpenHome, selection: Selection, file: tuple[Path | None, str], reader: str | None
) -> None:
    """Write the bundle, and say what it gives away."""
    out, name = file
    path = out or Path(_NAME.sub("-", name).strip("-.") + SUFFIX)
    given = export_bundle(path, home.reader, home.state, selection, audience=reader)
    roster = home.state.roster
    words = network_words(roster.network)
    audiences = given.for_some.most_common()
    value = {
        "file": str(path),
        "what": selection.what,
        "subject": selection.subject,
        "complete": selection.complete,
        "network": roster.network.hex(),
        "words": words,
        "for": reader,
        "logs": given.logs,
        "entries": given.entries,
        "payloads_for_all": given.for_all,
        "payloads_for_some": [{"audience": list(names), "count": count} for names, count in audiences],
        "withheld": given.withheld,
        "not_here": given.absent,
    }
    call.answer(value, [str(path)])
    for line in _told(given, reader):
        call.tell(line)
    call.tell(f"Network {roster.founding.name}: {words}. Whoever checks it compares these words with yours.")
    call.tell(
        f"Check it: {tally_at(call.home)} verify {path}"
        if call.home_option
        else f"Check it: tally verify {path}"
    )


def _told(given: Given, reader: str | None) -> list[str]:
    """What the bundle gives away, in words."""
    lines = [
        f"Given away: {plural(given.entries, 'entry', 'entries')} of {plural(given.logs, 'log')}, "
        f"{plural(given.for_all, 'payload')} for all members"
    ]
    several = given.for_some.most_common()
    for names, count in several[:_SHOWN_AUDIENCES]:
        audience = ", ".join(names) if names else "some members"
        lines.append(f"  and {plural(count, 'payload')} that {audience} alone may know")
    if len(several) > _SHOWN_AUDIENCES:
        lines.append(f"  and {sum(count for _, count in several[_SHOWN_AUDIENCES:])} for other few")
    if several and reader is None:
        lines.append("  Whoever gets this file reads these too. To leave them out, name a member: --for NAME")
    if given.withheld:
        lines.append(f"Left out: {plural(given.withheld, 'payload')}, of other things or for others alone")
    if given.absent:
        lines.append(f"Not here: {plural(given.absent, 'payload')} that this home does not hold")
    return lines
