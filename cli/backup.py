"""`tally backup` and `tally restore`: a copy of a home that holds, and a home made from one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, plural
from cli.means import Means
from cli.parallel import default_jobs
from cli.targets import verify_home
from ledger.audit.finding import Finding, Sort
from ledger.audit.report import Report
from ledger.errors import InvalidError
from node.backup import Copied, back_up
from node.backup import restore as restore_home
from node.world import real_world

_DAMAGE = ("chain-", "database-", "place-")
_DAMAGED = frozenset(
    {"note-malformed", "note-missing", "note-place", "note-proof", "note-root"}
    | {"payload-changed", "payload-lost", "payload-stray"}
)


def backup(
    context: typer.Context,
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="A new or empty folder for this backup.")
    ],
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave the key files out; keep them in another place.")
    ] = False,
) -> None:
    """Back a home up, also while its node runs, and verify the backup at once.

    Writes a new folder, whole or not at all; one that has something in it is refused, so give each backup a
    name of its own. A backup that would be damaged is not kept.

    \b
    tally backup ~/backup/2026-03-01
    """
    call = call_of(context)
    destination = destination.expanduser()
    reports: list[Report] = []
    copied = back_up(
        call.home, destination, with_keys=not without_keys, check=lambda folder: _check(folder, reports)
    )
    call.answer(_value(destination, copied, reports[0]), _lines(destination, copied, reports[0]))
    if without_keys:
        call.tell("No key is in it. A home without its keys can only be read: keep them in another place.")
    else:
        call.tell("The sealed keys are in it: who has this folder and the passphrase signs as you do.")


def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A backup, or a copy of a home.")],
) -> None:
    """Make the home from a backup, in a new or empty folder, and verify it.

    The home will be older than its log: at its first start it hears every partner, fetches back what they
    hold, and only then writes.

    \b
    tally --home ~/finca restore ~/backup/2026-03-01
    """
    call = call_of(context)
    source = source.expanduser()
    reports: list[Report] = []
    copied = restore_home(source, call.home, world=real_world(), check=lambda folder: _check(folder, reports))
    call.answer(_value(call.home, copied, reports[0]), _lines(call.home, copied, reports[0]))
    _tell_next(call, copied)


def _tell_next(call: Call, copied: Copied) -> None:
    missing = [name for name in copied.lacking if not name.endswith("recovery.key")]
    if missing:
        call.tell(f"Put these key files back first: {', '.join(missing)}.")
    call.tell(f"Next, start the node: {call.command('serve')}")
    call.tell(
        "It asks every partner for its copy of your log, fetches back what is missing, and writes nothing "
        f"until all of them have answered; see who is missing: {call.command('status')}"
    )
    call.tell(
        f"If one of them never will: {call.command('recover')} opens the next log. "
        "No other copy of this home may run from now on."
    )


def _check(folder: Path, reports: list[Report]) -> None:
    """Check a copy of a home as `tally verify` does. What others wrote wrongly is no fault of the copy."""
    report = verify_home(folder, Means(heads={}, jobs=default_jobs()))
    reports.append(report)
    damage = _damage(report.findings)
    if damage:
        first = damage[0]
        raise InvalidError(
            first.log or str(folder.name),
            found=f"{first.code}: {first.found}",
            expected=f"{first.expected} ({plural(len(damage), 'fault')} in all; nothing was kept)",
            action="run `tally verify` on what was to be copied, and take an older backup if it is damaged",
        )


def _damage(findings: Sequence[Finding]) -> list[Finding]:
    return [
        finding
        for finding in findings
        if finding.sort is not Sort.FORK and (finding.code.startswith(_DAMAGE) or finding.code in _DAMAGED)
    ]


def _value(folder: Path, copied: Copied, report: Report) -> dict[str, object]:
    return {
        "folder": str(folder),
        "logs": {log.origin: log.size for log in report.logs},
        "keys": list(copied.keys),
        "lacking": list(copied.lacking),
        "findings": [finding.code for finding in report.findings],
    }


def _lines(folder: Path, copied: Copied, report: Report) -> Iterator[str]:
    entries = sum(log.size for log in report.logs)
    yield f"{folder}"
    yield f"  {plural(len(report.logs), 'log')}, {plural(entries, 'entry', 'entries')}, verified"
    yield f"  {plural(len(copied.keys), 'key file')}"
    if report.findings:
        codes = ", ".join(sorted({finding.code for finding in report.findings}))
        yield f"  what others wrote does not all hold ({codes}): see tally verify"
