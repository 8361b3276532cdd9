"""Whatever `tally verify` is pointed at: what kind of thing it is, and the report on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cli.agreements_check import AgreementIndex
from cli.bundle_check import verify_bundle
from cli.call import plural
from cli.evidence_check import is_evidence, verify_evidence
from cli.exits import UNCHECKED, YES, exit_of_sort
from cli.homes import check_mark, find_database, open_home_file, read_known_place
from cli.means import Means
from cli.receipt_check import verify_signed
from cli.remote import HttpFetch, is_address, read_logs, split_log_address
from cli.rules import EVERY_RULE
from cli.sources import FolderFetch, TileLog, open_tiles
from cli.witness_tables import check_witness_tables
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.audit.home import audit_logs
from ledger.audit.log import Counts, LogAudit, audit_log, judged
from ledger.audit.members import Known, Standing
from ledger.audit.notes import check_signatures
from ledger.audit.report import Report, make_report
from ledger.audit.source import KeptNote
from ledger.errors import MalformedError, MissingError, TallyError, UsageError
from ledger.log.bundle import MAGIC as BUNDLE
from ledger.log.note import VerifierKey
from ledger.members.roster import Roster
from node.home import open_reader
from node.place import state_folder

DATABASE = b"SQLite format 3\0"


def verify_target(target: str, means: Means) -> Report:
    """Check whatever the target names.

    Raises:
        MissingError, UnavailableError: there is nothing there that could be checked.
        UsageError: a key is needed, or something was said that says nothing of this target.
    """
    if is_address(target):
        check_fits("an address", means)
        return verify_address(target, means)
    path = Path(target).expanduser()
    if not path.exists():
        raise MissingError(target, found="nothing there", expected="a home, an address, a folder or a file")
    if is_evidence(path):
        check_fits("a folder of evidence", means)
        return verify_evidence(path, means.vkey, means.roster)
    if path.is_dir() and not find_database(path).exists() and (path / "checkpoint").exists():
        check_fits("a folder of tiles", means)
        return verify_folder(path, means)
    if path.is_dir() or path.suffix == ".db" or begins_with(path, DATABASE):
        check_fits("a home", means)
        return verify_home(path, means)
    if begins_with(path, BUNDLE):
        check_fits("a bundle", means)
        return verify_bundle(path, means, means.network)
    check_fits("a signed file", means)
    return verify_signed(path, means.trust())


_FITS = {
    "--vkey": ("an address", "a folder of tiles", "a folder of evidence", "a bundle", "a signed file"),
    "--policy": ("a bundle", "a signed file"),
    "--of": ("a bundle",),
}


def check_fits(what: str, means: Means) -> None:
    """Refuse what was said and would be passed over in silence, as if it had been looked at.

    Raises:
        UsageError: an option says nothing of this target.
    """
    said = {"--vkey": means.vkey, "--policy": means.policy, "--of": means.network}
    for option, value in said.items():
        if value is not None and what not in _FITS[option]:
            raise UsageError(
                option,
                found=what,
                expected=" or ".join(_FITS[option]),
                action="leave the option out: nothing would be held against it",
            )


def verify_home(target: Path, means: Means) -> Report:
    """Check every log of a home, and the home itself."""
    checked = [
        "every entry: its form, its place, and that it names the one before it",
        "every signed head and cosignature, and that the head is of exactly these entries (the tree)",
        "every payload that is here: that its entry committed to it, its form, and the rules of its kind",
        "people's signatures, members' openings, and the times that entries claim",
        "the tables of the database, and the record of where the home runs",
    ]
    known = read_known_place(target, state_folder(os.environ))
    try:
        home = open_home_file(find_database(target))
    except MalformedError as error:
        return make_report(str(target), checked=(), findings=[finding_of("database-damaged", error)])
    findings = [*home.findings, *known.findings]
    unchecked: list[Unchecked] = []
    agreements = AgreementIndex(home.logs)
    try:
        run = agreements.wrap(means.run(home.close))
        means.teller.expect(sum(log.count() for log in home.logs))
        audits, wrong = audit_logs(
            home.logs, own=home.own, run=run, rules=EVERY_RULE, progress=means.teller.done
        )
        findings += wrong
        decided, wrong, unchecked = _audit_agreements(target, agreements, audits)
        findings += wrong
        checked.append(f"contracts, evaluated again: {plural(decided, 'recorded decision')}")
        own = next((audit for audit in audits if audit.origin == home.own), None)
        source = next((log for log in home.logs if log.origin == home.own), None)
        if own is not None and source is not None:
            older, open_questions = check_mark(known, own, source)
            findings += older
            unchecked += open_questions
            roster = _newest_roster(audits)
            if roster is not None and not len(own.findings):
                findings += check_witness_tables(source, roster, own.roots)
    finally:
        agreements.close()
        home.close()
    return make_report(str(target), checked=checked, logs=audits, findings=findings, unchecked=unchecked)


def _audit_agreements(
    target: Path, agreements: AgreementIndex, audits: Sequence[LogAudit]
) -> tuple[int, list[Finding], list[Unchecked]]:
    """Evaluate contracts again, by the members that the logs show at the end."""
    roster = _newest_roster(audits)
    if roster is None:
        return 0, [], []
    try:
        reader = open_reader(target)
    except TallyError as error:
        return 0, [], [Unchecked(what=f"contracts: {error}")]
    try:
        return agreements.audit(roster, reader)
    finally:
        reader.close()


def _newest_roster(audits: Sequence[LogAudit]) -> Roster | None:
    return next((audit.roster for audit in reversed(audits) if audit.roster is not None), None)


def verify_folder(path: Path, means: Means) -> Report:
    """Check a log in a folder of tiles."""
    try:
        log = open_tiles(FolderFetch(path), f"{path}/checkpoint")
    except MalformedError as error:
        return make_report(str(path), checked=(), findings=[finding_of("note-malformed", error)])
    audit, findings = audit_tiles(log, means, means.key_for(log.origin))
    return make_report(str(path), checked=TILES_CHECKED, logs=[audit], findings=findings)


def verify_address(address: str, means: Means) -> Report:
    """Check the logs that a node serves, or the one that the address names."""
    base, path = split_log_address(address)
    fetch = means.fetch(base)
    audits: list[LogAudit] = []
    findings: list[Finding] = []
    unchecked = _open_question(fetch)
    try:
        served = [(path, None)] if path else [(log.path, log.vkey) for log in read_logs(fetch)]
        if not served:
            unchecked.append(Unchecked(what="anything: the node says that it serves no log"))
        for log_path, told in served:
            try:
                log = open_tiles(fetch.below(log_path), f"{base}{log_path}/checkpoint")
            except MalformedError as error:
                findings.append(finding_of("note-malformed", error))
                continue
            key = means.trusted_key(log.origin)
            if key is None and told is not None and told.name == log.origin:
                key = told
                what = "whether this is the log's key: the node itself told it"
                unchecked.append(Unchecked(what=what, log=log.origin, harmless=True))
            audit, wrong = audit_tiles(log, means, key or means.key_for(log.origin))
            audits.append(audit)
            findings += wrong
    finally:
        fetch.close()
    return make_report(address, checked=TILES_CHECKED, logs=audits, findings=findings, unchecked=unchecked)


def exit_of_report(report: Report) -> int:
    """How a verification ends."""
    if report.findings:
        return exit_of_sort(report.sort)
    return YES if report.is_whole else UNCHECKED


TILES_CHECKED = (
    "every entry: its form, its place, and that it names the one before it; the tree as it is served",
    "the signed head, that it is of exactly these entries, and the cosignatures whose keys are known",
)


def _open_question(fetch: HttpFetch) -> list[Unchecked]:
    if fetch.certificate is not None or not fetch.base.startswith("https:"):
        return []
    what = "whether this is the node that was meant: no certificate was given to hold it against"
    return [Unchecked(what=what, harmless=True)]


def audit_tiles(
    log: TileLog, means: Means, key: VerifierKey, sizes: Iterable[int] = ()
) -> tuple[LogAudit, list[Finding]]:
    """Audit a log in tiles; `sizes` are those at which its root is wanted."""
    heads = means.heads.get(log.origin, ())
    known = Known(roster=means.roster_of(log.origin), vkey=key)
    within = tuple(head for head in heads if head.size <= log.size)
    source = TileLog(log.fetch, log.origin, log.size, log.note, within)
    unsigned = _refuse_head(source, known)
    if unsigned is not None:
        return unsigned, []
    # Tiles over HTTP are fetched one after the other, whatever the number of cores.
    jobs = means.jobs if isinstance(log.fetch, FolderFetch) else 1
    means.teller.expect(log.size)
    read = audit_log(source, known, run=means.run(jobs=jobs), sizes=sizes, progress=means.teller.done)
    audit = judged(read, source, read.roster)
    return audit, [older_head(log, head) for head in heads if head.size > log.size][-1:]


def _refuse_head(log: TileLog, known: Known) -> LogAudit | None:
    """What becomes of a log whose head is not signed by its key: nobody stands for anything below it, and its
    size may be made up, so nothing else is read."""
    keys = Standing(known=known, origin=log.origin).note_keys()
    notes = check_signatures(log.origin, [KeptNote(size=log.size, note=log.note)], keys)
    if notes.sound:
        return None
    what = "the entries, since their log's key did not sign the head over them"
    return LogAudit(
        origin=log.origin,
        size=0,
        root=None,
        counts=Counts(notes=1),
        findings=notes.findings,
        unchecked=(*notes.unchecked, Unchecked(what=what, log=log.origin)),
    )


def older_head(log: TileLog, head: KeptNote) -> Finding:
    return Finding(
        code="head-older",
        log=log.origin,
        position=log.size,
        found=f"a head of size {log.size}",
        expected=f"at least size {head.size}, a signed head that your home holds",
        signer=log.origin,
        action="ask again later; if it stays, compare heads with other partners",
    )


def begins_with(path: Path, first: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(first)) == first
