"""`tally verify`: check a home, a node's address, tiles, a file or a whole network, trusting nobody.

Exit codes: 0 everything that could be checked holds, 1 something does not, 11 a fork, 12 entries are
missing, 13 it is older than it was, 3 nothing wrong was found and something could not be checked that
should be there. Payloads that are for other eyes, and tiles, which have none, leave it at 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.call import call_of
from cli.means import Means, Said, find_means
from cli.progress import show_progress
from cli.report_page import report_page
from cli.state_file import StateFile, open_state
from cli.targets import exit_of_report, verify_target
from cli.verdict import report_lines, report_value
from cli.verify_network import verify_network
from cli.verify_range import verify_range
from ledger.audit.report import Report
from ledger.audit.source import Range
from ledger.errors import UsageError, short
from node.disk import write_whole
from node.place import state_folder

_RANGE = re.compile(r"([0-9]{1,15}):([0-9]{1,15})", re.ASCII)


Target = Annotated[
    str | None,
    typer.Argument(metavar="HOME|URL|FILE", help="A home, an address, tiles, a bundle, a receipt, evidence."),
]
WholeNetwork = Annotated[
    bool, typer.Option("--network", help="Every log from every member that can be reached, compared.")
]
Of = Annotated[
    str | None,
    typer.Option("--of", metavar="ID", help="The network that a bundle must be of: id or words."),
]
Vkey = Annotated[
    str | None, typer.Option("--vkey", metavar="KEY", help="The key of the log, where no home knows it.")
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="The logs and witnesses to trust: a C2SP tlog-policy."),
]
Certificate = Annotated[
    Path | None, typer.Option("--cert", metavar="FILE", help="The certificate that the node must show.")
]
Part = Annotated[
    str | None, typer.Option("--range", metavar="A:B", help="Only entries A to before B of one log.")
]
LogName = Annotated[
    str | None, typer.Option("--log", metavar="LOG", help="The log of --range; the home's own otherwise.")
]
State = Annotated[
    Path | None, typer.Option("--state", metavar="FILE", help="Go on from here, and note what is done.")
]
Page = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the result as a page to print.")
]
Jobs = Annotated[
    int, typer.Option("--jobs", metavar="N", min=0, help="Processes to use; 0 for one on each core.")
]


def verify(
    context: typer.Context,
    target: Target = None,
    whole_network: WholeNetwork = False,
    of: Of = None,
    vkey: Vkey = None,
    policy: PolicyFile = None,
    cert: Certificate = None,
    part: Part = None,
    log: LogName = None,
    state: State = None,
    report: Page = None,
    jobs: Jobs = 0,
) -> int:
    """Check logs, payloads and signatures, and say what holds, what does not and what cannot be known.

    Takes a home, a node's address, a folder of tiles or of evidence, a bundle, a receipt or a checkpoint; the
    own home where nothing is named.
    Ends with 0 where all that could be checked holds, 1 where something does not, 11 for a fork, 12 for a
    gap, 13 for a rollback, and 3 where something that should be there could not be checked.

    \b
    tally verify ~/finca
    tally verify https://finca.example
    tally verify proof.tlog-proof
    tally verify --network --report report.html
    """
    call = call_of(context)
    named = target or str(call.home)
    said = Said(vkey=vkey, policy=policy, certificate=cert, network=of, jobs=jobs)
    with show_progress() as teller, _state(state, named) as kept:
        means = find_means(call, target, said, kept, teller)
        found = _verify(named, means, whole_network=whole_network, part=part, log=log)
        if kept is not None:
            found = replace(found, unchecked=(*found.unchecked, *kept.told()))
    code = exit_of_report(found)
    if report is not None:
        write_page(report, found, code)
    call.answer(report_value(found, code), report_lines(found))
    return code


def write_page(path: Path, report: Report, code: int) -> None:
    """Write a report as a page, whole or not at all."""
    write_whole(
        path, report_page(report, code, datetime.now(UTC)).encode(), action="name another file for the page"
    )


def _verify(target: str, means: Means, *, whole_network: bool, part: str | None, log: str | None) -> Report:
    if part is None and log is not None:
        raise UsageError("--log", found="no range", expected="--range A:B with it")
    if whole_network and part is not None:
        raise UsageError("--network", found="--range with it", expected="one of both")
    if whole_network:
        return verify_network(Path(target).expanduser(), means)
    if part is not None:
        return verify_range(target, _range_of(part), log or "", means)
    return verify_target(target, means)


def _range_of(text: str) -> Range:
    match = _RANGE.fullmatch(text)
    if match is None or not int(match[1]) < int(match[2]):
        raise UsageError(
            "--range", found=short(text), expected="two positions such as 1000:2000, the first smaller"
        )
    return Range(int(match[1]), int(match[2]))


@contextmanager
def _state(path: Path | None, target: str) -> Iterator[StateFile | None]:
    """The state file, while it is used."""
    if path is None:
        yield None
        return
    where = target if "://" in target else str(Path(target).expanduser().resolve())
    kept = open_state(path, state_folder(os.environ), target=where)
    try:
        yield kept
    finally:
        kept.close()
