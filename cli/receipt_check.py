"""Signed files checked offline: a receipt, or a checkpoint alone, by a key, a policy or a home's members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cli.receipt_words import Heard, Judges, checkpoint_words, receipt_words
from ledger.audit.finding import Finding, Unchecked, finding_of
from ledger.audit.log import Counts
from ledger.audit.report import Report, make_report
from ledger.audit.source import KeptNote
from ledger.errors import InvalidError, MalformedError, MissingError, TallyError, UsageError, short
from ledger.log.bounds import recorded_times
from ledger.log.checkpoint import Checkpoint, parse_any_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, check_note, parse_note
from ledger.log.origin import parse_origin
from ledger.log.policy import (
    MAX_POLICY_BYTES,
    Policy,
    is_quorum,
    parse_policy,
    policy_cosignatures,
    signing_log,
)
from ledger.log.receipt import (
    FIRST_LINE,
    MAX_RECEIPT_BYTES,
    SEEN,
    CheckedReceipt,
    check_receipt,
    parse_receipt,
)
from ledger.log.statement import Statement, parse_statement
from ledger.members.roster import Roster
from ledger.members.witnessing import cosigners

POLICY_ACTION = "ask whoever gave you the file for the policy's file, on a way that you trust"
ROTATED_ACTION = (
    "where keys were rotated since, take the policy of that time, or `tally network policy LOG --superseded`"
)


RootsHere: TypeAlias = Callable[[str, Iterable[int]], Mapping[int, bytes]]
"""The roots of a log at these sizes, as far as the auditor's home holds it."""


def nothing_here(origin: str, sizes: Iterable[int]) -> Mapping[int, bytes]:
    """The roots where there is no home."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a file is checked by: a log's key, a policy, or what a home knows, its evidence and heads too."""

    vkey: VerifierKey | None = None
    policy: Policy | None = None
    policy_file: str = ""
    roster: Roster | None = None
    quarantined: frozenset[str] = frozenset()
    heads: Mapping[str, tuple[KeptNote, ...]] = field(default_factory=dict)
    roots: RootsHere = nothing_here


def read_policy(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        UsageError: it cannot be read, or is none; the line is named.
    """
    try:
        with path.open("rb") as file:
            return parse_policy(file.read(MAX_POLICY_BYTES + 1), str(path))
    except OSError as error:
        found = error.strerror or "cannot be read"
        raise UsageError(str(path), found=found, expected="a policy's file", action=POLICY_ACTION) from error
    except MalformedError as error:
        raise UsageError(
            error.where, found=error.found, expected=error.expected, action=POLICY_ACTION
        ) from error


def verify_signed(path: Path, trust: Trust) -> Report:
    """Check a receipt, or a checkpoint alone.

    Raises:
        UsageError: there is no key to check it by.
    """
    with path.open("rb") as file:
        data = file.read(MAX_RECEIPT_BYTES + 1)
    try:
        if data.startswith(FIRST_LINE.encode()):
            return _verify_receipt(path, data, trust)
        return _verify_checkpoint(path, data, trust)
    except UsageError:
        raise
    except TallyError as error:
        return _refused(path, error)


def _verify_receipt(path: Path, data: bytes, trust: Trust) -> Report:
    receipt = parse_receipt(data, "receipt")
    head = parse_checkpoint(parse_note(receipt.checkpoint).text)
    judges = _judges(head, receipt.checkpoint, trust)
    try:
        key = _log_key(head, receipt.checkpoint, trust)
        checked = check_receipt(data, key, witnesses=judges.vkeys, where="receipt")
        _check_quorum(judges, trust, "receipt")
        statement = _statement(checked)
        heard = _heard(checked, statement, judges)
    except UsageError:
        raise
    except TallyError as error:
        return _refused(path, error, head.origin)
    words, unknown = receipt_words(checked, statement, heard, judges)
    findings, doubts = _against_home(head, trust)
    counts = Counts(
        entries=1,
        payloads=int(statement is not None),
        notes=1,
        signatures=1,
        cosignatures=len(heard.cosigned),
    )
    return Report(
        target=str(path),
        checked=tuple(words),
        counts=counts,
        findings=tuple(findings),
        unchecked=(*doubts, *(Unchecked(what=what, log=head.origin, harmless=True) for what in unknown)),
    )


def _verify_checkpoint(path: Path, data: bytes, trust: Trust) -> Report:
    try:
        parsed = parse_note(data, "file")
        head = parse_any_checkpoint(parsed.text, "file")
    except TallyError as error:
        raise MalformedError(
            "file", found=f"no receipt and no checkpoint: {error}", expected=FIRST_LINE
        ) from error
    note = data.decode()
    judges = _judges(head, note, trust)
    try:
        check_note(parsed, _log_key(head, note, trust), "checkpoint")
        _check_quorum(judges, trust, "checkpoint")
    except UsageError:
        raise
    except TallyError as error:
        return _refused(path, error, head.origin)
    words, unknown = checkpoint_words(head, judges)
    findings, doubts = _against_home(head, trust)
    return Report(
        target=str(path),
        checked=tuple(words),
        counts=Counts(notes=1, signatures=1, cosignatures=len(judges.cosigned)),
        findings=tuple(findings),
        unchecked=(*doubts, *(Unchecked(what=what, log=head.origin, harmless=True) for what in unknown)),
    )


def _log_key(head: Checkpoint, note: str, trust: Trust) -> VerifierKey:
    """The key that must have signed a head; UsageError where there is none to check it by."""
    if trust.vkey is not None:
        if trust.vkey.name != head.origin:
            raise InvalidError(
                "signed head", found=f"log {short(head.origin)}", expected=f"log {trust.vkey.name}"
            )
        return trust.vkey
    if trust.policy is not None and trust.policy.logs:
        try:
            return signing_log(trust.policy, note)
        except InvalidError as error:
            raise InvalidError(
                error.where, found=error.found, expected=error.expected, action=ROTATED_ACTION
            ) from error
    if trust.roster is not None:
        try:
            return trust.roster.log_key(head.origin, head.size)
        except (MissingError, MalformedError):
            pass
    raise UsageError(
        f"signed head of {short(head.origin)}",
        found="no key to check it by",
        expected="--vkey of the log, --policy, or --home of a member of its network",
        action="ask the log's writer for the vkey, on a way that you trust",
    )


def _judges(head: Checkpoint, note: str, trust: Trust) -> Judges:
    """Whose cosignatures count, and how many are asked for."""
    policy, roster = trust.policy, trust.roster
    if policy is not None:
        return Judges(
            keys={each.vkey: (each.name, None) for each in policy.witnesses if each.vkey is not None},
            cosigned=policy_cosignatures(policy, note),
            enough=lambda names: is_quorum(policy, names),
            under=f"the policy {trust.policy_file} (quorum {short(policy.quorum)})",
        )
    try:
        writer = parse_origin(head.origin).organization
        known = roster is not None and head.origin in roster.logs(writer)
    except MalformedError:
        known = False
    if roster is None or not known:
        return Judges(keys={}, cosigned={}, enough=lambda names: False, under="")
    names, needed = roster.witnesses(writer), roster.witnesses_needed(writer)
    return Judges(
        keys={
            era.key: (name, None if era.superseded_ms is None else era.superseded_ms // 1000)
            for name in names
            for era in roster.witness_keys(name)
        },
        cosigned=cosigners(roster, note),
        enough=lambda found: len(set(found)) >= needed,
        under=f"the network's witness set ({needed} of {', '.join(names)})" if names else "",
    )


def _check_quorum(judges: Judges, trust: Trust, where: str) -> None:
    """Check that a policy's quorum is reached; a network's witness set is told, not asked for."""
    if trust.policy is not None and not judges.enough(judges.cosigned):
        named = ", ".join(sorted(map(short, judges.cosigned)))
        raise InvalidError(
            where,
            found=f"cosignatures of {named or 'no witness of the policy'}",
            expected=f"the policy's quorum {short(trust.policy.quorum)}",
            action=ROTATED_ACTION,
        )


def _heard(checked: CheckedReceipt, statement: Statement | None, judges: Judges) -> Heard:
    """When witnesses cosigned what covers the entry, and what its log had recorded before it."""
    heads = [*(checked.seen.heads if checked.seen else ())]
    if statement is not None and statement.kind == SEEN:
        heads += statement.texts("heads")
    before: dict[str, int] = {}
    times = recorded_times(heads, {key: until_s for key, (_, until_s) in judges.keys.items()})
    for key, time_s in times.items():
        name = judges.keys[key][0]
        before[name] = max(time_s, before.get(name, time_s))
    return Heard(cosigned=judges.cosigned, before=before, seen=checked.seen)


def _statement(checked: CheckedReceipt) -> Statement | None:
    """The statement that is shown; raises if it is none of the entry's kind."""
    if checked.payload is None:
        return None
    where = f"receipt, {checked.checkpoint.origin} entry {checked.entry.seq}"
    statement = parse_statement(checked.payload, where)
    if statement.kind != checked.entry.kind:
        raise MalformedError(where, found=f"kind {statement.kind}", expected=checked.entry.kind)
    return statement


def _against_home(head: Checkpoint, trust: Trust) -> tuple[list[Finding], list[Unchecked]]:
    """What the home knows that speaks against a head: another head or entries of its size, evidence."""
    held = [kept.note for kept in trust.heads.get(head.origin, ()) if kept.size == head.size]
    others = {parse_any_checkpoint(parse_note(kept).text).root: "a head held here" for kept in held}
    entries = trust.roots(head.origin, [head.size]).get(head.size)
    if entries is not None:
        others.setdefault(entries, "the entries held here")
    findings = [
        Finding(
            code="head-fork",
            log=head.origin,
            place=f"size {head.size}",
            found=f"root {short(head.root)} in this file",
            expected=f"root {short(root)}, of {whose}",
            signer=head.origin,
            action="keep this file: with the head that your home holds it proves that the log forked",
        )
        for root, whose in others.items()
        if root != head.root
    ]
    doubts = []
    if head.origin in trust.quarantined:
        what = "which of two histories this is: evidence of a fork of its log is recorded in this home"
        doubts.append(Unchecked(what=what, log=head.origin))
    return findings, doubts


def _refused(path: Path, error: TallyError, origin: str = "") -> Report:
    finding = finding_of("receipt", error, log=origin, place=error.where, signer=origin)
    return make_report(str(path), checked=(), findings=[finding])
