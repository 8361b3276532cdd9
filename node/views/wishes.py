"""Of an agreement: who kept its time from when, what parties wish of it, and where their decisions differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.agreement import Agreement
from contracts.decision import Decision, unfounded
from contracts.terms import Term
from contracts.wishes import Wish
from ledger.log.entry import parse_entry
from node.state import State
from node.store.reader import Reader
from node.views.values import Json, as_json, format_time


def shown_wish(wish: Wish) -> Json:
    """What parties have said of an agreement's end or of a correction, and others have not yet."""
    return {
        "sort": wish.sort,
        "leaf": wish.leaf_hash.hex(),
        "by": list(wish.by),
        "lacking": list(wish.lacking),
        "text": wish.text,
        "decision": None if wish.decision is None else wish.decision.hex(),
        "effects": as_json(wish.effects),
    }


def shown_term(term: Term, reader: Reader) -> Json:
    """Who keeps the time, from which entry on, and which head cuts the log of the one before."""
    opened = term.number == 0 or term.opening is not None
    _, origin, seq = term.opening or (0, "", 0)
    return {
        "number": term.number,
        "timekeeper": term.timekeeper,
        "opened": opened,
        "since": _since(origin, seq, reader) if opened else None,
        "replaces": term.before or None,
        "head": term.head or None,
        "cut": None if term.cut is None else {"origin": term.cut[0], "size": term.cut[1]},
        "statements": [record.leaf_hash.hex() for record in term.statements],
    }


def shown_next_term(agreement: Agreement, state: State) -> Json:
    """What a statement names that puts another in the place of the present timekeeper, as known here."""
    last = [term for term in agreement.terms if term.number == 0 or term.opening is not None][-1]
    head = state.heads.get(state.roster.origin(last.timekeeper))
    return {
        "number": last.number + 1,
        "replaces": last.timekeeper,
        "head": head.witnessed.note if head is not None and head.witnessed is not None else None,
    }


def disputed(state: State, agreement: Agreement, decisions: Iterable[Decision]) -> Iterator[Json]:
    """Decisions that parties have recorded and this home computes otherwise, or not at all."""
    about = {"agreement": agreement.contract.agreement.hex(), "name": agreement.contract.document.name}
    for decision in decisions:
        if decision.disputed_by:
            yield about | {
                "rule": decision.firing.rule,
                "key": decision.key,
                "decision": decision.hash.hex(),
                "agreed_by": list(decision.agreed_by),
                "disputed_by": list(decision.disputed_by),
            }
    for record in unfounded(agreement, lambda origin: state.copy(origin).size):
        yield about | {
            "rule": record.body["rule"],
            "key": record.body.get("key"),
            "decision": None,
            "agreed_by": [],
            "disputed_by": [record.organization],
        }


def _since(origin: str, seq: int, reader: Reader) -> Json | None:
    """The entry from which a timekeeper's entries count; the first one's all do."""
    if not origin:
        return None
    return {"time": format_time(parse_entry(reader.entry(origin, seq)).time_ms), "origin": origin, "seq": seq}
