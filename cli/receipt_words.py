"""What a receipt or a checkpoint proves, in words: who, what, not before and not after when, seen by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cli.log import say_statement
from ledger.errors import TallyError, short
from ledger.log.bounds import Enough, not_after, not_before
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import VerifierKey
from ledger.log.receipt import CheckedReceipt, SeenBefore
from ledger.log.statement import Statement
from node.store.indexing import read_recorded_event
from node.views.values import as_json, format_seconds, format_time

TOLERANCE_S = 300
"""How far a claim may lie outside the bounds before it is called so: as far as clocks of nodes may differ."""

MAX_THINGS = 3
MAX_TEXT_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Whose cosignatures count: by key, the witness's name and until when the key counts (None: no end).

    `cosigned` is when each of them cosigned the head, in seconds; `under` says in words what asks for them.
    """

    keys: Mapping[VerifierKey, tuple[str, int | None]]
    cosigned: Mapping[str, int]
    enough: Enough
    under: str

    @property
    def vkeys(self) -> list[VerifierKey]:
        """Their keys."""
        return list(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When witnesses cosigned a head that covers an entry, and when last what its log recorded before it."""

    cosigned: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)
    seen: SeenBefore | None = None


def receipt_words(
    checked: CheckedReceipt, statement: Statement | None, heard: Heard, judges: Judges
) -> tuple[list[str], list[str]]:
    """What a receipt proves, and what it leaves unknown."""
    entry, head = checked.entry, checked.checkpoint
    organization = head.origin.partition("/")[0]
    proven = [f"{organization} wrote entry {entry.seq} of its log {head.origin}: kind {entry.kind}"]
    unknown = []
    if statement is None:
        unknown.append("what the entry says: it is not shown")
    else:
        proven.append(f"it says: {describe_statement(statement)}")
    if statement is not None and statement.audience is not None:
        proven.append(f"it was meant for {', '.join(statement.audience) or 'its writer'} only")
    proven.append(f"recorded: signed by the key of {head.origin}, in its head of size {head.size}")
    proven += _standing(judges)
    early, late = not_before(heard.before, judges.enough), not_after(heard.cosigned, judges.enough)
    _tell_bound("not before", early, _why_early(heard, judges), proven, unknown)
    _tell_bound("not after", late, _why_late(heard, judges), proven, unknown)
    proven.append(_claim(entry.time_ms, early, late))
    if not heard.cosigned:
        unknown.append("who else has seen it: no cosignature of a known witness")
    return proven, unknown


def checkpoint_words(head: Checkpoint, judges: Judges) -> tuple[list[str], list[str]]:
    """What a checkpoint alone proves, and what it leaves unknown."""
    proven = [
        f"the key of {head.origin} signed a head of {head.size} entries, root {short(head.root, 16)}",
        *_standing(judges),
    ]
    unknown = [] if judges.cosigned else ["who else has seen it: no cosignature of a known witness"]
    return proven, unknown


def describe_statement(statement: Statement) -> str:
    """A statement in a line."""
    if statement.kind == "event":
        text = _describe_event(statement)
    else:
        text = (
            say_statement(statement.kind, as_json(statement.body)) or f"a statement of kind {statement.kind}"
        )
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"


def _describe_event(statement: Statement) -> str:
    try:
        event = read_recorded_event(statement)
    except TallyError as error:
        return f"an event that cannot be read: {error}"
    things = [thing.id for thing in (*event.observed, *event.children, *event.inputs, *event.outputs)]
    shown = ", ".join(things[:MAX_THINGS]) + (
        f" and {len(things) - MAX_THINGS} more" if things[MAX_THINGS:] else ""
    )
    parts = [event.type, event.action, event.business_step, f"at {event.time}" if event.time else "", shown]
    return " ".join(part for part in parts if part)


def _standing(judges: Judges) -> Iterator[str]:
    for name, time_s in sorted(judges.cosigned.items(), key=lambda item: (item[1], item[0])):
        yield f"seen by {name}, which cosigned that head at {format_seconds(time_s)} by its own clock"
    if not judges.under:
        yield "recorded; whether it is witnessed is not known: no witness is known to this check"
    elif judges.enough(judges.cosigned):
        yield f"witnessed under {judges.under}"
    else:
        yield f"recorded, not witnessed under {judges.under}"


def _tell_bound(word: str, bound_s: int | None, why: str, proven: list[str], unknown: list[str]) -> None:
    if bound_s is None:
        unknown.append(f"{word} when it was made: {why}")
    else:
        proven.append(f"made {word} {format_seconds(bound_s)}: {why}")


def _why_late(heard: Heard, judges: Judges) -> str:
    if not heard.cosigned:
        return "no known witness cosigned a head that covers it"
    if not_after(heard.cosigned, judges.enough) is None:
        return f"only {', '.join(sorted(heard.cosigned))} cosigned a head that covers it"
    return "by then enough witnesses, by their clocks, had cosigned a head that covers it"


def _why_early(heard: Heard, judges: Judges) -> str:
    if heard.seen is None and not heard.before:
        return "the file shows nothing that its log had recorded before"
    if not heard.before:
        return "what its log had recorded before bears no cosignature of a known witness"
    place = f"entry {heard.seen.entry.seq}, which stands before it," if heard.seen else "the entry itself"
    names = ", ".join(sorted(heard.before))
    if not_before(heard.before, judges.enough) is None:
        return f"of the cosignatures that {place} records, only those of {names} are by known witnesses"
    return f"{place} records cosignatures that {names} gave to other heads, the last of them by then"


def _claim(time_ms: int, early_s: int | None, late_s: int | None) -> str:
    text = f"its writer says it was made at {format_time(time_ms)}: a claim"
    early = early_s is not None and time_ms < (early_s - TOLERANCE_S) * 1000
    late = late_s is not None and time_ms > (late_s + TOLERANCE_S) * 1000
    if early or late:
        return f"{text}, and it lies {'before' if early else 'after'} what the cosignatures prove"
    return f"{text} that these bounds do not contradict" if early_s or late_s else text
