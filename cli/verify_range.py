"""`tally verify --range`: some entries of a log by themselves, and their place under the signed root.

Entries, links and payloads of the range are checked as in a whole audit. Then the tree: the hashes that are
kept of what comes before the range, with the entries of the range, give a root; a consistency proof out of
the kept hashes must lead from it to the signed one. So the kept hashes need no trust: were one of them, or
one of the entries, not as it was signed, the proof would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.homes import find_database, open_home_file
from cli.means import Means
from cli.reading import find_log, open_home
from cli.remote import HttpFetch, is_address, split_log_address
from cli.rules import EVERY_RULE
from cli.sources import FolderFetch, TileLog, open_tiles
from cli.targets import DATABASE, begins_with
from ledger.audit.finding import Finding, Findings, Unchecked, finding_of
from ledger.audit.log import Counts, counts_of
from ledger.audit.members import Known, Standing
from ledger.audit.notes import check_signatures
from ledger.audit.payloads import read_kept
from ledger.audit.ranges import Depth, RangeResult, RangeWork
from ledger.audit.report import Report
from ledger.audit.source import RANGE_ENTRIES, LogSource, Range
from ledger.errors import InvalidError, MissingError, TallyError, UnavailableError, UsageError, short
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import leaf_hash
from ledger.log.tile import TILE_BYTES, TILE_HASHES, TileReader, tile_path
from ledger.log.tree import HashReader, check_consistency, prove_consistency, read_frontier
from ledger.members.people import check_person_signatures
from node.home import open_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A log of which a part is checked: where it is read, the hashes kept of it, whose keys count."""

    source: LogSource
    hashes: HashReader
    known: Known


def verify_range(target: str, span: Range, log: str, means: Means) -> Report:
    """Check the entries of a range, whole tiles of 256 around it, in one log of the target.

    Raises:
        UsageError: the target has no log, or no such position.
    """
    if means.policy is not None or means.network is not None:
        raise UsageError(
            "--range", found="--policy or --of with it", expected="a home, an address or tiles by themselves"
        )
    with _open_part(target, log, means) as part:
        size = part.source.count()
        if span.start >= size:
            raise UsageError(
                "--range", found=f"position {span.start}", expected=f"one below {size}, the log's size here"
            )
        start = span.start - span.start % TILE_HASHES
        end = min(size, span.end + -span.end % TILE_HASHES)
        return _verify(target, part, Range(start, end), means)


def _verify(target: str, part: Part, span: Range, means: Means) -> Report:
    source, origin = part.source, part.source.origin
    findings, unchecked = Findings(), list[Unchecked]()
    means.teller.expect(span.end - span.start)
    counts = _check_pieces(part, span, means, findings, unchecked)
    notes = check_signatures(origin, source.notes(), Standing(known=part.known, origin=origin).note_keys())
    findings.extend(notes.findings, notes.findings.more)
    head = max(notes.sound, key=lambda note: note.size, default=None)
    if not len(findings):
        unchecked += _check_root(part, span, head, findings)
    unchecked += notes.unchecked
    unchecked.append(Unchecked(what="the entries outside of the range", log=origin, harmless=True))
    if part.known.roster is not None:
        what = "whether the members and their keys are as this home knows them: their entries were not read"
        unchecked.append(Unchecked(what=what, log=origin, harmless=True))
    signed = Counts(notes=len(source.notes()), signatures=notes.signatures, cosignatures=notes.cosignatures)
    return Report(
        target=target,
        checked=(
            f"entries {span.start} to {span.end - 1} of {origin}: form, position, chain, payloads",
            "their place in the tree under the newest signed head",
        ),
        counts=counts.plus(signed),
        findings=tuple(findings),
        unchecked=tuple(unchecked),
        more=findings.more,
    )


def _check_pieces(
    part: Part, span: Range, means: Means, findings: Findings, unchecked: list[Unchecked]
) -> Counts:
    """Check entries, payloads and people's signatures of the range; gives how much there was."""
    source, roster = part.source, part.known.roster
    rules = EVERY_RULE if source.holds_payloads else None
    work = RangeWork(source, Depth(network=roster.network if roster else None, rules=rules))
    # Over HTTP one file is fetched after the other, whatever the number of cores.
    jobs = 1 if isinstance(source, TileLog) and isinstance(source.fetch, HttpFetch) else means.jobs
    counts = Counts()
    for result in means.run(jobs=jobs)(work, list(_pieces(span))):
        findings.extend(result.findings, result.findings.more)
        findings.extend(result.payloads.findings, result.payloads.findings.more)
        if result.top < min(result.span.end, span.end):
            findings.add(_missing(source.origin, result))
        people = _check_people(part, result, findings, unchecked)
        counts = counts.plus(counts_of(result)).plus(Counts(person_signatures=people))
        means.teller.done(result.present)
    return counts


def _check_people(part: Part, result: RangeResult, findings: Findings, unchecked: list[Unchecked]) -> int:
    """Check people's signatures in the range; gives how many hold."""
    origin, checked = part.source.origin, 0
    for kept in result.payloads.kept:
        statement = read_kept(kept, origin)
        if not statement.signatures:
            continue
        if part.known.roster is None:
            unchecked.append(Unchecked(what="signatures of people who are not known here", log=origin))
            continue
        people = part.known.roster.people_of(origin)
        try:
            check_person_signatures(people, origin=origin, seq=kept.seq, statement=statement)
            checked += len(statement.signatures)
        except TallyError as error:
            findings.add(
                finding_of(
                    "person-signature",
                    error,
                    log=origin,
                    position=kept.seq,
                    signer=origin,
                    action="do not count this signature",
                )
            )
    return checked


def _check_root(part: Part, span: Range, head: Checkpoint | None, findings: Findings) -> list[Unchecked]:
    """Whether the range leads to the signed root."""
    source, origin = part.source, part.source.origin
    if head is None or head.size < span.end:
        found = "there is none" if head is None else f"the newest covers {head.size} entries"
        return [Unchecked(what=f"the tree under a signed head: {found}", log=origin)]
    try:
        frontier = read_frontier(part.hashes, span.start)
        for piece in _pieces(span):
            rows = source.entries(piece.start, min(piece.end, span.end))
            frontier = frontier.extended([leaf_hash(data) for _, data in rows])
        proof = prove_consistency(part.hashes, span.end, head.size)
        check_consistency(
            old_size=span.end,
            old_root=frontier.root(),
            new_size=head.size,
            new_root=head.root,
            proof=proof,
        )
    except InvalidError as error:
        findings.add(
            Finding(
                code="range-root",
                log=origin,
                position=span.start,
                place=f"entries {span.start} to {span.end - 1}",
                found=error.found,
                expected=f"root {short(head.root)} of size {head.size}, which is signed",
                signer=origin,
                action="verify the whole log: that names the entry",
            )
        )
    except (MissingError, UnavailableError) as error:
        return [Unchecked(what=f"the tree: hashes of the rest of the log are not here ({error})", log=origin)]
    return []


def _missing(origin: str, result: RangeResult) -> Finding:
    return Finding(
        code="chain-missing",
        log=origin,
        position=result.top,
        found="no entry",
        expected=f"entries up to {result.span.end - 1}",
        signer=origin,
        action="fetch the missing entries from a partner, or restore the home from a backup",
    )


def _pieces(span: Range) -> Iterator[Range]:
    """The range in pieces that fit into memory, each within one piece of a whole audit."""
    start = span.start
    while start < span.end:
        end = min(span.end, start - start % RANGE_ENTRIES + RANGE_ENTRIES)
        yield Range(start, end)
        start = end


@contextmanager
def _open_part(target: str, log: str, means: Means) -> Iterator[Part]:
    if is_address(target):
        base, path = split_log_address(target)
        if not path:
            raise UsageError("address", found=target, expected="that of one log: https://host:port/log/<hex>")
        fetch = means.fetch(base)
        try:
            yield _tile_part(open_tiles(fetch.below(path), f"{target}/checkpoint"), means)
        finally:
            fetch.close()
        return
    folder = Path(target).expanduser()
    if (folder / "checkpoint").is_file():
        yield _tile_part(open_tiles(FolderFetch(folder), f"{folder}/checkpoint"), means)
        return
    database = find_database(folder)
    if not database.is_file() or not begins_with(database, DATABASE):
        raise UsageError("--range", found=target, expected="a home, a log's address or a folder of tiles")
    with open_home(folder) as home:
        origin, roster = find_log(home.state, log), home.state.roster
    opened = open_home_file(database)
    reader = open_reader(folder)
    try:
        source = next((each for each in opened.logs if each.origin == origin), None)
        if source is None:
            raise MissingError(f"log {origin}", found="not in this home", expected="a log that it holds")
        known = Known(roster=roster, own=origin == opened.own, closed=True)
        yield Part(source=source, hashes=reader.hashes(origin), known=known)
    finally:
        reader.close()
        opened.close()


def _tile_part(log: TileLog, means: Means) -> Part:
    def fetch(level: int, index: int, width: int) -> bytes:
        return log.fetch(tile_path(level, index, width), TILE_BYTES)

    known = Known(roster=means.roster_of(log.origin), vkey=means.key_for(log.origin))
    return Part(source=log, hashes=TileReader(log.size, fetch), known=known)
