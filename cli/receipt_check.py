"""A receipt checked offline, and what it proves in words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ledger.audit.finding import Unchecked, finding_of
from ledger.audit.log import Counts
from ledger.audit.report import Report, make_report
from ledger.errors import MalformedError, TallyError, UsageError, short
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import Entry
from ledger.log.note import VerifierKey, parse_note
from ledger.log.receipt import MAX_RECEIPT_BYTES, CheckedReceipt, check_receipt, parse_receipt
from ledger.log.statement import parse_statement
from ledger.members.roster import Roster


def verify_receipt(path: Path, vkey: VerifierKey | None, roster: Roster | None) -> Report:
    """Check a receipt by a log's key, or by the keys of a network's members.

    Raises:
        UsageError: there is no key to check it by.
    """
    with path.open("rb") as file:
        data = file.read(MAX_RECEIPT_BYTES + 1)
    try:
        origin = parse_checkpoint(parse_note(parse_receipt(data, "receipt").checkpoint).text).origin
    except TallyError as error:
        return _refused(path, error)
    key, witnesses = _keys(origin, vkey, roster)
    try:
        checked = check_receipt(data, key, witnesses=witnesses, where="receipt")
        shown = _check_statement(checked, origin)
    except TallyError as error:
        return _refused(path, error, origin)
    return _told(path, origin, checked, shown)


def _keys(
    origin: str, vkey: VerifierKey | None, roster: Roster | None
) -> tuple[VerifierKey, list[VerifierKey]]:
    names = [name for name in roster.members if roster.origin(name) == origin] if roster else []
    witnesses = [roster.witness_key(name) for name in roster.members] if roster else []
    if vkey is not None:
        return vkey, witnesses
    if roster is None or not names:
        raise UsageError(
            f"receipt of {short(origin)}",
            found="no key to check it by",
            expected="--vkey of the log, or --home of a member of its network",
            action="ask the log's writer for the vkey, on a way that you trust",
        )
    return roster.log_key(names[0]), witnesses


def _check_statement(checked: CheckedReceipt, origin: str) -> bool:
    """Whether a statement is shown; raises if it is none of the entry's kind."""
    if checked.payload is None:
        return False
    where = f"receipt, {origin} entry {checked.entry.seq}"
    statement = parse_statement(checked.payload, where)
    if statement.kind != checked.entry.kind:
        raise MalformedError(where, found=f"kind {statement.kind}", expected=checked.entry.kind)
    return True


def _refused(path: Path, error: TallyError, origin: str = "") -> Report:
    finding = finding_of("receipt", error, log=origin, place=error.where, signer=origin)
    return make_report(str(path), checked=(), findings=[finding])


def _told(path: Path, origin: str, checked: CheckedReceipt, shown: bool) -> Report:
    entry = checked.entry
    lines = [
        f"{origin} entry {entry.seq}: {_what(entry, shown)}",
        f"signed by the key of {origin}, in its head of size {checked.checkpoint.size}",
        f"its writer says it was made on {_day(entry.time_ms // 1000)}: a claim",
        *(
            f"seen by {name} on {_day(time_s)}: it was made before"
            for name, time_s in sorted(checked.cosigned.items(), key=lambda item: item[1])
        ),
    ]
    unchecked = []
    if not shown:
        unchecked.append(Unchecked(what="what the entry says: it is not shown", log=origin, harmless=True))
    if not checked.cosigned:
        what = "who else has seen it: no cosignature of a known witness"
        unchecked.append(Unchecked(what=what, log=origin, harmless=True))
    counts = Counts(entries=1, payloads=int(shown), notes=1, signatures=1, cosignatures=len(checked.cosigned))
    return Report(
        target=str(path), checked=tuple(lines), counts=counts, findings=(), unchecked=tuple(unchecked)
    )


def _what(entry: Entry, shown: bool) -> str:
    text = f"a statement of kind {entry.kind}"
    return f"{text}, as shown in the receipt" if shown else text


def _day(time_s: int) -> str:
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {time_s}"
