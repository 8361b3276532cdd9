"""A bundle checked with no network and no home, and what it shows in words.

A bundle of another network verifies too: so the network's words and id are told, and held against what the
auditor knows of it beforehand: its id or words, the key of one of its logs, or a home of one of its members.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.bundle_agreements import agreement_lines, audit_agreements
from cli.call import plural
from cli.means import Means
from cli.rules import EVERY_RULE
from ledger.audit.bundle import BundleAudit, audit_bundle
from ledger.audit.bundle_order import BundleContents, BundlePart
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.audit.report import Report, make_report
from ledger.audit.source import LogSource
from ledger.errors import InvalidError, MalformedError, TallyError, short
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import parse_note
from ledger.log.origin import parse_origin
from ledger.log.policy import check_policy
from ledger.members.network import network_words
from ledger.members.roster import Roster
from ledger.members.witnessing import cosigners
from node.bundle_file import SparseLog, WholeLog, read_bundle

_WHAT = {"log": "the log", "agreement": "the agreement", "lot": "the history of", "network": "the network"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """A report, and what was read and audited; None where the file is no bundle or was changed."""

    report: Report
    contents: BundleContents | None = None
    audit: BundleAudit | None = None


def verify_bundle(path: Path, means: Means, network: str | None = None) -> Report:
    """Check a bundle; `network` is the id or the words of the network that it must be of.

    Raises:
        MissingError, UnavailableError: there is no file, or it cannot be read.
    """
    return check_bundle(path, means, network).report


def check_bundle(path: Path, means: Means, network: str | None = None) -> CheckedBundle:
    """As `verify_bundle`; gives also what was read."""
    try:
        contents = read_bundle(path)
        audit = audit_file(path, contents, means)
        decided, wrong, unchecked = audit_agreements(path, contents, audit.roster)
    except (MalformedError, InvalidError) as error:
        finding = finding_of("bundle-form", error, place=error.where)
        return CheckedBundle(report=make_report(str(path), checked=(), findings=[finding]))
    findings = [
        *audit.findings,
        *wrong,
        *_other_network(contents, audit.roster, means, network),
        *_other_heads(path, contents, means),
        *_superseded(path, contents, means),
        *_below_quorum(path, contents, means),
    ]
    pinned = network or means.vkey or means.roster or means.policy
    report = make_report(
        str(path),
        checked=[
            *_told(path, contents, audit),
            f"contracts, evaluated again: {plural(decided, 'recorded decision')}",
            # Of entries that do not hold nothing follows that could be told as if it did.
            *([] if findings else agreement_lines(path, contents, audit.roster)),
        ],
        logs=audit.logs,
        findings=findings,
        unchecked=[*unchecked, *([] if pinned else [_unpinned(contents)])],
    )
    return CheckedBundle(report=report, contents=contents, audit=audit)


def audit_file(path: Path, contents: BundleContents, means: Means) -> BundleAudit:
    """Audit the logs of a bundle that was read.

    Raises:
        MalformedError, InvalidError: it cannot be audited.
    """

    def open_whole(part: BundlePart) -> LogSource:
        heads = means.heads.get(part.log.origin, ())
        return WholeLog(path, part, tuple(head for head in heads if head.size <= part.log.size))

    means.teller.expect(
        sum(part.entries if not part.log.is_whole else part.log.size for part in contents.parts)
    )
    return audit_bundle(
        contents,
        open_whole,
        partial(SparseLog, path),
        run=means.run(),
        rules=EVERY_RULE,
        progress=means.teller.done,
    )


def _other_network(
    contents: BundleContents, roster: Roster, means: Means, named: str | None
) -> Iterator[Finding]:
    """What the auditor knows of the network beforehand, and the bundle does not fit."""
    identity = contents.network
    words = network_words(identity)
    found = f"network {words}, id {identity.hex()}"
    if named is not None and named.strip().lower() not in (words, identity.hex()):
        yield _wrong_network(found, f"network {short(named)}, as you said")
    if means.roster is not None and means.roster.network != identity:
        yield _wrong_network(found, f"network {network_words(means.roster.network)}, as your home knows it")
    if means.vkey is not None:
        told = _keys_of(roster, means.vkey.name)
        if means.vkey.public_key not in told:
            yield _wrong_network(
                f"{len(told)} keys of {short(means.vkey.name)}, none of them yours",
                f"the key {short(means.vkey.text, 80)}",
            )

    if means.policy is not None:
        keys = [log.vkey for log in means.policy.logs]
        if not any(key.public_key in _keys_of(roster, key.name) for key in keys):
            yield _wrong_network(found, f"one with a log of {means.policy_file or 'the policy'}")


def _keys_of(roster: Roster, origin: str) -> set[bytes]:
    """The keys that ever signed notes of a log, as the bundle shows them; none where it is nobody's."""
    try:
        return {era.key.public_key for era in roster.log_keys(origin)}
    except TallyError:
        return set()


def _wrong_network(found: str, expected: str) -> Finding:
    return Finding(
        code="bundle-network",
        place="network",
        found=found,
        expected=expected,
        action="ask for a bundle of the network that you mean, and compare its words with a member",
    )


def _unpinned(contents: BundleContents) -> Unchecked:
    words = network_words(contents.network)
    what = f"whether this is the network that was meant: compare {words} with what a member tells you"
    return Unchecked(what=what, harmless=True)


def _other_heads(path: Path, contents: BundleContents, means: Means) -> Iterator[Finding]:
    """Heads that are others than those of the same size that the auditor saw, or than the entries held.

    Of a whole log `WholeLog` holds heads up to its size against the entries; here are those beyond, too.
    """
    for part in contents.parts:
        heads = [parse_checkpoint(parse_note(note.note).text) for note in SparseLog(path, part).notes()]
        known: dict[int, bytes] = {**means.roots(part.log.origin, [head.size for head in heads])}
        for kept in means.heads.get(part.log.origin, ()):
            known[kept.size] = parse_checkpoint(parse_note(kept.note).text).root
        for head in heads:
            root = known.get(head.size, head.root)
            if root != head.root:
                yield Finding(
                    code="head-fork",
                    log=head.origin,
                    place=f"size {head.size}",
                    found=f"root {short(head.root)}",
                    expected=f"root {short(root)}, which your home holds",
                    signer=head.origin,
                    action="keep both, and rely on nothing that only one side shows",
                )


def _superseded(path: Path, contents: BundleContents, means: Means) -> Iterator[Finding]:
    """Heads under a key that, as the auditor's home knows, the log had at another time.

    A bundle may leave out the rotation that ended it. Keys that the home does not know may be newer.
    """
    for part in contents.parts:
        roster = means.roster_of(part.log.origin)
        if roster is None:
            continue
        eras = roster.log_keys(part.log.origin)
        for kept in SparseLog(path, part).notes():
            lines = parse_note(kept.note).signatures
            right = roster.log_key(part.log.origin, kept.size)
            known = any(line.is_by(era.key) for era in eras for line in lines)
            if known and not any(line.is_by(right) for line in lines):
                yield Finding(
                    code="note-superseded",
                    log=part.log.origin,
                    place=f"note of size {kept.size}",
                    found="a signature by a key that the log had at another time",
                    expected=f"one by {short(right.text, 80)}, as your home knows its keys",
                    signer=part.log.origin,
                    action="rely on nothing of this bundle: whoever has the old key may have made it",
                )


def _below_quorum(path: Path, contents: BundleContents, means: Means) -> Iterator[Finding]:
    """Logs of the auditor's policy without a head over all that is given that reaches the policy's quorum."""
    if means.policy is None:
        return
    named = {log.vkey.name for log in means.policy.logs}
    for part in contents.parts:
        if part.log.origin not in named:
            continue
        wrong: TallyError | None = None
        for note in SparseLog(path, part).notes():
            if note.size < part.log.size:
                continue
            try:
                check_policy(means.policy, note.note, f"note of size {note.size}")
            except TallyError as error:
                wrong = error
            else:
                break
        else:
            if wrong is not None:
                yield finding_of(
                    "note-quorum",
                    wrong,
                    log=part.log.origin,
                    place=wrong.where,
                    signer=part.log.origin,
                    action="ask for a bundle with the cosignatures that your policy asks for",
                )


def _told(path: Path, contents: BundleContents, audit: BundleAudit) -> Iterator[str]:
    """What the bundle is, and what of each log it shows."""
    head = contents.head
    reader = f" for {head.reader}" if head.reader else ""
    yield f"a bundle of {_WHAT[head.what]} {head.subject}, made{reader} by {head.exporter}, as it says itself"
    name = audit.roster.founding.name
    yield f"network {name}: {network_words(contents.network)}, id {contents.network.hex()}"
    for part in contents.parts:
        close = part.close
        given = "all" if part.log.is_whole else str(part.entries)
        yield (
            f"{part.log.origin}: {given} of {plural(part.log.size, 'entry', 'entries')}, "
            f"{plural(close.given, 'payload')}; left out {close.withheld}, not at hand {close.absent}; "
            f"{_seen_by(path, part, audit.roster)}"
        )


def _seen_by(path: Path, part: BundlePart, roster: Roster) -> str:
    """Who cosigned the heads that are given."""
    seen: dict[str, int] = {}
    witnessed = 0
    writer = parse_origin(part.log.origin).organization
    for note in SparseLog(path, part).notes():
        names = cosigners(roster, note.note.decode())
        size = note.size
        seen |= {name: max(size, seen.get(name, 0)) for name in names}
        if len(names) >= roster.witnesses_needed(writer):
            witnessed = size
    told = ", ".join(f"{name} to {min(size, part.log.size)}" for name, size in sorted(seen.items()))
    return f"seen by {told or 'nobody else'}; witnessed to {min(witnessed, part.log.size)}"
