"""Evidence that this home holds, and which of the logs behind an answer are quarantined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.errors import TallyError
from ledger.log.evidence_files import format_evidence
from ledger.members.evidence import check_evidence
from node.evidence import HeldEvidence, find_evidence, recorded_evidence
from node.state import State
from node.store.reader import Reader
from node.views.values import Json, format_time


def list_evidence(reader: Reader, state: State) -> list[Json]:
    """Every piece that the own log records, oldest first.

    One is settled where a later log ended the log that it accuses, at the size that is named.
    """
    return [_show(state, held) for held in recorded_evidence(reader, state)]


def show_evidence(reader: Reader, state: State, accused: str) -> Json:
    """One piece with its files as text.

    Raises:
        MissingError: there is none against this log or witness.
    """
    held = find_evidence(reader, state, accused)
    files = {name: data.decode() for name, data in format_evidence(held.evidence).items()}
    return _show(state, held) | {"files": files}


def quarantined_of(state: State, organizations: Iterable[str]) -> list[str]:
    """The quarantined logs of these organizations, by name: what an answer must say beside itself."""
    wanted = set(organizations)
    return sorted(
        origin
        for origin in state.quarantined
        if origin.partition("/")[0] in wanted and not origin.endswith("/witness")
    )


def quarantined_in(state: State, value: object) -> list[str]:
    """The quarantined logs that an answer names anywhere as `origin`."""
    return sorted(set(_origins(value)) & state.quarantined)


def _origins(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        named = value.get("origin")
        if isinstance(named, str):
            yield named
        for item in value.values():
            yield from _origins(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _origins(item)


def accused_line(origin: str, accusers: Iterable[str]) -> str:
    """That members hold evidence against the own log, and what its owner can do, for people."""
    return (
        f"{', '.join(accusers)} recorded evidence that {origin} signed two histories: nothing new of it is "
        "accepted there. To do: stop every copy of this home but one, find out who has its keys, and open "
        "the next log: `tally recover`"
    )


def quarantine_lines(origins: Iterable[str]) -> list[str]:
    """The same for people."""
    return [
        f"QUARANTINED: {origin} told two histories. Here is the one that came first; nothing new of it is"
        " accepted (tally evidence list)."
        for origin in origins
    ]


def _show(state: State, held: HeldEvidence) -> Json:
    evidence = held.evidence
    try:
        found: str | None = check_evidence(evidence).words
    except TallyError as error:
        found = f"proves nothing: {error}"
    return {
        "accused": evidence.accused,
        "kind": evidence.kind.value,
        "origin": evidence.origin,
        "found": found,
        "entry": {"origin": state.origin, "seq": held.seq, "leaf": held.leaf.hex()},
        "recorded": format_time(held.time_ms),
        "settled_at": end.size if (end := state.roster.end_of(evidence.accused)) else None,
    }
