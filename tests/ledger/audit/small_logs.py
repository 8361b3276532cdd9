"""Logs of a small network in memory, with whatever statements somebody signs. Not a test module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ledger.audit.source import KeptNote
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import add_signatures
from ledger.log.statement import PersonSignature, Statement, format_statement
from ledger.log.tree import Frontier

HELPERS = Path(__file__).resolve().parents[2] / "attacks" / "pieces.py"
SALT = bytes(16)
NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000

Told = Sequence[tuple[str, Mapping[str, Value], int]]
"""Kind, body and time of each statement after the opening."""


def make_log_of(
    make: Callable[..., Any],
    made: Any,
    name: str,
    told: Told,
    *,
    opening: Mapping[str, Value] | None = None,
    title: str = "",
    opened_ms: int = NOW_MS,
    signatures: Sequence[PersonSignature] = (),
    witnesses: Mapping[str, int] | None = None,
) -> Any:
    """The log of a member with these statements, which bear people's signatures where some are given."""
    opening = opening or {
        "founding": made.FOUNDING,
        "keys": made.member_keys(name).as_map(),
        "number": 1,
        "organization": name,
        "title": title or ("Acme" if name == "acme" else name),
    }
    log = make(1).copy()
    log.origin = made.ORIGIN.replace("acme", name)
    log.rows, log.contents, prev = {}, {}, made.NETWORK
    for seq, (kind, body, time_ms) in enumerate([("log.open", opening, opened_ms), *told]):
        signed = tuple(signatures) if seq else ()
        nonce = seq.to_bytes(16, "big")
        statement = Statement(kind=kind, audience=None, body=body, nonce=nonce, signatures=signed)
        payload = format_statement(statement)
        entry = Entry(
            seq=seq,
            prev=prev,
            time_ms=time_ms,
            kind=kind,
            size=len(payload),
            commit=commit_to(SALT, payload),
        )
        log.rows[seq], log.contents[seq] = format_entry(entry), (SALT, payload)
        prev = leaf_hash(log.rows[seq])
    root = Frontier().extended([leaf_hash(data) for data in log.rows.values()]).root()
    head = Checkpoint(origin=log.origin, size=len(log.rows), root=root)
    note = seal_checkpoint(head, made.seed(f"{name} log"))
    for witness, time_s in (witnesses or {}).items():
        note = add_signatures(
            note, cosign(note, made.witness_key(witness).name, made.seed(f"{witness} witness"), time_s)
        )
    log.kept = [KeptNote(size=len(log.rows), note=note.encode())]
    return log


def founder_log(make: Callable[..., Any], made: Any, others: Sequence[Any]) -> Any:
    """Acme's log, which admits the writers of the others."""
    told: list[tuple[str, Mapping[str, Value], int]] = []
    for log in others:
        name = log.origin.partition("/")[0]
        told.append(("network.invite", {"organization": name, "secret": bytes(32)}, NOW_MS))
        invite = leaf_hash(make_log_of(make, made, "acme", told).rows[len(told)])
        admission = {
            "invite": invite,
            "keys": made.member_keys(name).as_map(),
            "open": leaf_hash(log.rows[0]),
            "organization": name,
            "title": name,
        }
        told.append(("network.admit", admission, NOW_MS))
    return make_log_of(make, made, "acme", told)
