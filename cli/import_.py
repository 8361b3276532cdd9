"""`tally import`: a fresh home from a bundle, to read in; or to go on in, with an organization's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.bundle_check import check_bundle
from cli.call import Call, call_of, plural
from cli.exits import exit_of_sort
from cli.means import Means
from cli.parallel import default_jobs
from cli.verdict import report_lines, report_value
from ledger.audit.report import Report
from ledger.members.network import network_words
from node.bundle_import import Imported, import_bundle
from node.world import real_world


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file made by `tally export`.")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="DIR", help="A folder with an organization's key files."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="ID", help="The network that it must be of: its id or words."),
    ] = None,
) -> int:
    """Make a fresh home from a bundle of a log or of the network.

    The bundle is checked first, as `tally verify` does; what does not hold is not imported. Without keys
    the home can be read and never writes. With the key files of an organization, it is that
    organization's home again: it hears its partners before it writes anything.

    \b
    tally --home ~/reading import everything.bundle
    tally --home ~/finca import network.bundle --keys /media/safe/keys
    """
    call = call_of(context)
    checked = check_bundle(file, Means(jobs=default_jobs()), of)
    if checked.report.findings or checked.contents is None or checked.audit is None:
        return _refuse(call, checked.report)
    made = import_bundle(call.home, file, (checked.contents, checked.audit), world=real_world(), keys=keys)
    words = network_words(checked.contents.network)
    value = {
        "home": str(call.home),
        "origin": made.origin,
        "network": checked.contents.network.hex(),
        "words": words,
        "writes": bool(made.keys),
        "keys": list(made.keys),
        "copies": dict(made.copies),
        "left_out": list(made.left_out),
    }
    call.answer(value, [str(call.home)])
    for line in _told(call, made):
        call.tell(line)
    call.tell(f"Network {words}: compare these words with what a member tells you.")
    return 0


def _refuse(call: Call, report: Report) -> int:
    code = exit_of_sort(report.sort)
    call.answer(report_value(report, code), report_lines(report))
    call.tell("Nothing was imported: the bundle does not hold.")
    return code


def _told(call: Call, made: Imported) -> list[str]:
    """What became of the bundle, and what comes next, in words."""
    lines = [f"  {origin}: {plural(size, 'entry', 'entries')}" for origin, size in made.copies.items()]
    if made.left_out:
        count = plural(len(made.left_out), "log")
        lines.append(f"  of {count} the bundle gives single entries only, which a home cannot hold")
    if made.keys:
        lines.append(f"This is the home of {made.origin} again. At its first start it hears its partners")
        lines.append(f"before it writes: {call.command('serve')}")
        if "recovery" not in made.keys:
            lines.append("The recovery key was not in that folder: keep it where it rests.")
    else:
        lines.append(
            f"This home reads what {made.origin.partition('/')[0]} gave away. It has no keys, so that"
        )
        lines.append(f"it never writes or serves. Look around: {call.command('log show')}")
    return lines
