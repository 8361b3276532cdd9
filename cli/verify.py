"""`tally verify`: check a home, a node's address, a folder of tiles or a receipt, trusting nobody.

Exit codes: 0 everything that could be checked holds, 1 something does not, 11 a fork, 12 entries are
missing, 13 it is older than it was, 3 nothing wrong was found and something could not be checked that
should be there. Payloads that are for other eyes, and tiles, which have none, leave it at 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.call import Call, call_of
from cli.exits import UNCHECKED, YES, exit_of_sort
from cli.homes import check_mark, find_database, open_home_file, read_known_place
from cli.parallel import default_jobs, run_in
from cli.reading import open_home
from cli.receipt_check import verify_receipt
from cli.remote import HttpFetch, is_address, read_certificate, read_logs, split_log_address
from cli.rules import EVERY_RULE
from cli.sources import FolderFetch, TileLog, open_tiles
from cli.verdict import report_lines, report_value
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.audit.home import audit_logs
from ledger.audit.log import LogAudit, audit_log
from ledger.audit.members import Known
from ledger.audit.report import Report, make_report
from ledger.audit.source import KeptNote
from ledger.errors import MalformedError, MissingError, UsageError
from ledger.log.note import VerifierKey, parse_vkey
from ledger.members.roster import Roster
from node.place import state_folder
from node.store.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What an audit may use: keys that the auditor trusts, processes, and somebody to tell of progress."""

    roster: Roster | None = None
    vkey: VerifierKey | None = None
    certificate: bytes | None = None
    heads: Mapping[str, tuple[KeptNote, ...]]
    jobs: int = 1
    progress: Callable[[int], None] = lambda entries: None


def verify(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(metavar="HOME|URL|FILE", help="A home, a node's address, tiles or a receipt."),
    ] = None,
    vkey: Annotated[
        str | None,
        typer.Option("--vkey", metavar="KEY", help="The key of the log, where no home knows it."),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="The certificate that the node must show.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=0, help="Processes to use; 0 for one on each core.")
    ] = 0,
) -> int:
    """Check logs, payloads and signatures, and say what holds, what does not and what cannot be known.

    Takes a home, a node's address, a folder of tiles or a receipt; the own home where nothing is named.
    Ends with 0 where all that could be checked holds, 1 where something does not, 11 for a fork, 12 for a
    gap, 13 for a rollback, and 3 where something that should be there could not be checked.

    \b
    tally verify ~/finca
    tally verify https://finca.example
    tally verify proof.tlog-proof
    """
    call = call_of(context)
    with _progress() as progress:
        means = _means(call, target, (vkey, cert), jobs or default_jobs(), progress)
        report = verify_target(target or str(call.home), means)
    code = exit_of_report(report)
    call.answer(report_value(report, code), report_lines(report))
    return code


def verify_target(target: str, means: Means) -> Report:
    """Check whatever the target names.

    Raises:
        MissingError, UnavailableError: there is nothing there that could be checked.
        UsageError: a key is needed.
    """
    if is_address(target):
        return verify_address(target, means)
    path = Path(target).expanduser()
    if not path.exists():
        raise MissingError(target, found="nothing there", expected="a home, an address, a folder or a file")
    if path.is_dir() and not find_database(path).exists() and (path / "checkpoint").exists():
        return verify_folder(path, means)
    if path.is_dir() or path.suffix == ".db" or _is_database(path):
        return verify_home(path, means)
    return verify_receipt(path, means.vkey, means.roster)


def verify_home(target: Path, means: Means) -> Report:
    """Check every log of a home, and the home itself."""
    checked = [
        "form, position and chain of every entry; the tree of every log; every signed head and cosignature",
        "commitment, form and rules of every payload that is here; people's signatures; members' openings",
        "the tables of the database, and the record of where the home runs",
    ]
    known = read_known_place(target, state_folder(os.environ))
    try:
        home = open_home_file(find_database(target))
    except MalformedError as error:
        return make_report(str(target), checked=(), findings=[finding_of("database-damaged", error)])
    findings = [*home.findings, *known.findings]
    unchecked: list[Unchecked] = []
    try:
        run = run_in(means.jobs, home.close)
        audits, wrong = audit_logs(
            home.logs, own=home.own, run=run, rules=EVERY_RULE, progress=means.progress
        )
        findings += wrong
        own = next((audit for audit in audits if audit.origin == home.own), None)
        source = next((log for log in home.logs if log.origin == home.own), None)
        if own is not None and source is not None:
            older, unchecked = check_mark(known, own, source)
            findings += older
    finally:
        home.close()
    return make_report(str(target), checked=checked, logs=audits, findings=findings, unchecked=unchecked)


def verify_folder(path: Path, means: Means) -> Report:
    """Check a log in a folder of tiles."""
    try:
        log = open_tiles(FolderFetch(path), f"{path}/checkpoint")
    except MalformedError as error:
        return make_report(str(path), checked=(), findings=[finding_of("note-malformed", error)])
    audit, findings = _audit_tiles(log, means, _key_for(log.origin, means))
    return make_report(str(path), checked=_TILES_CHECKED, logs=[audit], findings=findings)


def verify_address(address: str, means: Means) -> Report:
    """Check the logs that a node serves, or the one that the address names."""
    base, path = split_log_address(address)
    fetch = HttpFetch(base, means.certificate or _certificate_of(base, means.roster))
    audits: list[LogAudit] = []
    findings: list[Finding] = []
    unchecked = _open_question(fetch)
    try:
        served = [(path, None)] if path else [(log.path, log.vkey) for log in read_logs(fetch)]
        for log_path, told in served:
            try:
                log = open_tiles(fetch.below(log_path), f"{base}{log_path}/checkpoint")
            except MalformedError as error:
                findings.append(finding_of("note-malformed", error))
                continue
            key = _trusted_key(log.origin, means)
            if key is None and told is not None and told.name == log.origin:
                key = told
                what = "whether this is the log's key: the node itself told it"
                unchecked.append(Unchecked(what=what, log=log.origin, harmless=True))
            audit, wrong = _audit_tiles(log, means, key or _key_for(log.origin, means))
            audits.append(audit)
            findings += wrong
    finally:
        fetch.close()
    return make_report(address, checked=_TILES_CHECKED, logs=audits, findings=findings, unchecked=unchecked)


def exit_of_report(report: Report) -> int:
    """How a verification ends."""
    if report.findings:
        return exit_of_sort(report.sort)
    return YES if report.is_whole else UNCHECKED


_TILES_CHECKED = (
    "form, position and chain of every entry; the tree, and the hashes that are served of it",
    "the signed head, and the cosignatures whose keys are known",
)


def _open_question(fetch: HttpFetch) -> list[Unchecked]:
    if fetch.certificate is not None or not fetch.base.startswith("https:"):
        return []
    what = "whether this is the node that was meant: no certificate was given to hold it against"
    return [Unchecked(what=what, harmless=True)]


def _certificate_of(base: str, roster: Roster | None) -> bytes | None:
    """The certificate that a member of the network recorded for this address."""
    addresses = roster.addresses.values() if roster else ()
    return next((a.certificate for a in addresses if a.url and a.url.rstrip("/") == base), None)


def _audit_tiles(log: TileLog, means: Means, key: VerifierKey) -> tuple[LogAudit, list[Finding]]:
    heads = means.heads.get(log.origin, ())
    known = Known(roster=_roster_of(log.origin, means), vkey=key)
    within = tuple(head for head in heads if head.size <= log.size)
    source = TileLog(log.fetch, log.origin, log.size, log.note, within)
    # Tiles over HTTP are fetched one after the other, whatever the number of cores.
    jobs = means.jobs if isinstance(log.fetch, FolderFetch) else 1
    audit = audit_log(source, known, run=run_in(jobs), progress=means.progress)
    return audit, [_older(log, head) for head in heads if head.size > log.size][-1:]


def _older(log: TileLog, head: KeptNote) -> Finding:
    return Finding(
        code="head-older",
        log=log.origin,
        position=log.size,
        found=f"a head of size {log.size}",
        expected=f"at least size {head.size}, a signed head that your home holds",
        signer=log.origin,
        action="ask again later; if it stays, compare heads with other partners",
    )


def _roster_of(origin: str, means: Means) -> Roster | None:
    roster = means.roster
    return roster if roster and any(roster.origin(name) == origin for name in roster.members) else None


def _trusted_key(origin: str, means: Means) -> VerifierKey | None:
    if means.vkey is not None and means.vkey.name == origin:
        return means.vkey
    roster = _roster_of(origin, means)
    return roster.log_key(roster.member_of(origin).organization) if roster else None


def _key_for(origin: str, means: Means) -> VerifierKey:
    key = _trusted_key(origin, means)
    if key is None:
        named = f"a key of {means.vkey.name}" if means.vkey else "no key"
        raise UsageError(
            f"log {origin}", found=named, expected="--vkey of this log, or --home of a member of its network"
        )
    return key


def _means(
    call: Call,
    target: str | None,
    options: tuple[str | None, Path | None],
    jobs: int,
    progress: Callable[[int], None],
) -> Means:
    vkey, cert = options
    roster, heads = None, {}
    needs_home = target is not None and not find_database(Path(target).expanduser()).is_file()
    if call.home_option is not None or (needs_home and find_database(call.home).is_file()):
        with open_home(call.home) as home:
            roster = home.state.roster
            heads = {origin: _heads_of(home.reader, origin) for origin in home.state.heads}
    return Means(
        roster=roster,
        vkey=_said_key(vkey) if vkey else None,
        certificate=read_certificate(cert) if cert else None,
        heads=heads,
        jobs=jobs,
        progress=progress,
    )


def _said_key(text: str) -> VerifierKey:
    try:
        return parse_vkey(text, "--vkey")
    except MalformedError as error:
        raise UsageError(
            "--vkey",
            found=error.found,
            expected=error.expected,
            action="copy it from `tally network show --json` at a member of the network",
        ) from error


def _heads_of(reader: Reader, origin: str) -> tuple[KeptNote, ...]:
    return tuple(KeptNote(size=note.size, note=note.note.encode()) for note in reader.notes(origin))


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Something to tell of entries done: shown on a terminal, and nowhere else."""
    if not sys.stderr.isatty():
        yield lambda entries: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} entries checked"), TimeElapsedColumn())
    # Without a thread of its own, so that processes can be forked beside it.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("verify", total=None)

        def advance(entries: int) -> None:
            bar.advance(task, entries)
            bar.refresh()

        yield advance
