"""Lists over all agreements, a page at a time: what each puts into them is noted beside how it stands.

An item is noted without what moves while its agreement rests: whether it is final (heads) and which logs
behind it are quarantined (evidence). Both are found when it is shown. What is stale is replayed instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any

from contracts.agreement import IN_FORCE, PROPOSED, Agreement
from contracts.course import WAITING
from contracts.decision import OPEN, Decision, Evaluation, evaluate, rests_on_positions
from ledger.errors import TallyError, UsageError
from node.state import State
from node.store.reader import Reader
from node.store.standing import (
    Item,
    Stored,
    count_listed,
    listed,
    listed_as,
    one_moment,
    stale_agreements,
)
from node.views.agreements import own_roles, show_brief, shown_due, shown_obligation
from node.views.evidence import quarantined_of
from node.views.records import AgreementBook
from node.views.values import Json
from node.views.wishes import disputed, shown_wish

AGREEMENTS, DUE, OBLIGATIONS = "agreements", "due", "obligations"
SIGNATURES, CONFIRMATIONS, WISHES = "signatures", "confirmations", "wishes"
NOT_COUNTED, DISPUTED = "not_counted", "disputed"
WAITING_LISTS = (SIGNATURES, CONFIRMATIONS, WISHES, NOT_COUNTED, DISPUTED)

MAX_PAGE_ITEMS = 1000
DEFAULT_PAGE_ITEMS = 100
LAST = "~"
"""Stands in an order of times for no time."""

MAX_WAITING_ITEMS = 100
"""How many of each list that waits stand in a status."""


def list_agreements(
    reader: Reader, state: State, book: AgreementBook, *, start: int = 0, limit: int = DEFAULT_PAGE_ITEMS
) -> Json:
    """A page of every agreement whose document is here and is a contract, in short, by name."""
    return _page(reader, state, book, AGREEMENTS, start=start, limit=limit)


def list_due(
    reader: Reader,
    state: State,
    book: AgreementBook,
    *,
    start: int = 0,
    limit: int = DEFAULT_PAGE_ITEMS,
    organization: str | None = None,
) -> Json:
    """A page of every amount due that is known here, the earliest first; of all, or of one organization."""
    return _page(reader, state, book, DUE, start=start, limit=limit, between=organization)


def list_obligations(
    reader: Reader, state: State, book: AgreementBook, *, start: int = 0, limit: int = DEFAULT_PAGE_ITEMS
) -> Json:
    """A page of every obligation that is open, the earliest first; those without a time last."""
    return _page(reader, state, book, OBLIGATIONS, start=start, limit=limit)


def waiting_for(reader: Reader, state: State, book: AgreementBook) -> Json:
    """What waits for this organization to sign, confirm or join in, what of its own is not counted yet, and
    decisions in which organizations differ: the first of each, and under `total` how many there are."""
    with one_moment(reader):
        fresh = _fresh(reader, state, book)
        pages = {name: _cut(reader, state, name, fresh, 0, MAX_WAITING_ITEMS) for name in WAITING_LISTS}
    return {name: page[name] for name, page in pages.items()} | {
        "total": {name: page["total"] for name, page in pages.items()}
    }


def shown_of(state: State, agreement: Agreement, name: str) -> list[Json]:
    """What one agreement puts into a list."""
    return [_shown(state, item.text) for item in items_of(state, agreement) if item.list == name]


def named_agreements(reader: Reader, state: State, book: AgreementBook, name: str, most: int) -> list[bytes]:
    """The agreements whose contract has a name, up to so many."""
    with one_moment(reader):
        fresh = _fresh(reader, state, book)
        found = [agreement for agreement, _, item in fresh if (item.list, item.sort) == (AGREEMENTS, name)]
        return sorted([*listed_as(reader, AGREEMENTS, name, most), *found])[:most]


def waiting_confirmations(reader: Reader, state: State, book: AgreementBook) -> list[tuple[bytes, bytes]]:
    """Every fact that waits for this organization to confirm it, after its agreement."""
    with one_moment(reader):
        texts = [item.text for _, _, item in _fresh(reader, state, book) if item.list == CONFIRMATIONS]
        texts += [row.text for row in listed(reader, CONFIRMATIONS)]
    shown = [_shown(state, text) for text in texts]
    return [(bytes.fromhex(item["agreement"]), bytes.fromhex(item["fact"])) for item in shown]


# Pages

_Fresh = Sequence[tuple[bytes, int, Item]]


def _page(
    reader: Reader,
    state: State,
    book: AgreementBook,
    name: str,
    *,
    start: int,
    limit: int,
    between: str | None = None,
) -> Json:
    if not (0 <= start <= 2**53 and 1 <= limit <= MAX_PAGE_ITEMS):
        raise UsageError(
            f"page of {name}",
            found=f"from {start}, {limit} of them",
            expected=f"a place in the list, and 1 to {MAX_PAGE_ITEMS} of them",
        )
    with one_moment(reader):
        return _cut(reader, state, name, _fresh(reader, state, book), start, limit, between)


def _fresh(reader: Reader, state: State, book: AgreementBook) -> _Fresh:
    """What stale agreements put into lists: those that can be shown; others lack a document or a contract."""
    found = []
    for identity in stale_agreements(reader):
        try:
            agreement = book.agreement(reader, state, identity)
        except TallyError:
            continue
        found += [(identity, place, item) for place, item in enumerate(items_of(state, agreement))]
    return found


def _cut(
    reader: Reader,
    state: State,
    name: str,
    fresh: _Fresh,
    start: int,
    limit: int,
    between: str | None = None,
) -> Json:
    among = sorted(
        (
            Stored(sort=item.sort, agreement=agreement, place=place, text=item.text)
            for agreement, place, item in fresh
            if item.list == name and between in (None, item.one, item.other)
        ),
        key=_order,
    )
    total = count_listed(reader, name, between) + len(among)
    rows = merge(listed(reader, name, between=between, most=start + limit), among, key=_order)
    shown = [_shown(state, row.text) for row in islice(rows, start, start + limit)]
    end = start + len(shown)
    return {name: shown, "from": start, "next": end if shown and end < total else None, "total": total}


def _order(row: Stored) -> tuple[str, bytes, int]:
    return row.sort, row.agreement, row.place


# Items


def items_of(state: State, agreement: Agreement) -> tuple[Item, ...]:
    """What an agreement puts into every list."""
    evaluation = evaluate(agreement, lambda origin, seq: False)
    shown = show_brief(state, agreement, evaluation)
    return (
        _item(AGREEMENTS, agreement.contract.document.name, shown, agreement),
        *_dues(agreement, evaluation),
        *_waiting(state, agreement, evaluation),
    )


def _item(
    name: str,
    sort: str,
    shown: Json,
    agreement: Agreement,
    rests_on: Mapping[str, int] | None = None,
    sides: tuple[str, str] = ("", ""),
) -> Item:
    document = agreement.contract.document
    about = [*document.parties.values(), document.timekeeper] if "quarantined" in shown else []
    text = json.dumps([shown, rests_on, about], ensure_ascii=False, separators=(",", ":"))
    return Item(list=name, sort=sort, text=text, one=sides[0], other=sides[1])


def _shown(state: State, text: str) -> Json:
    """An item with what is found only now: whether it is final, and the quarantined logs behind it."""
    shown, rests_on, about = json.loads(text)
    if rests_on is not None:
        shown["final"] = all(state.is_witnessed(origin, seq) for origin, seq in rests_on.items())
    if about:
        shown["quarantined"] = quarantined_of(state, about)
    value: Json = shown
    return value


def _dues(agreement: Agreement, evaluation: Evaluation) -> Iterator[Item]:
    decisions = {decision.hash: decision for decision in evaluation.decisions}
    for due in sorted(evaluation.dues, key=lambda due: (due.by, due.rule)):
        shown = shown_due(agreement, due) | {"quarantined": []}
        rests_on = _rests_on(agreement, decisions[due.decision])
        yield _item(DUE, due.by, shown, agreement, rests_on, (due.payer, due.payee))
    obligations = [obliged for obliged in evaluation.obligations if obliged.standing == OPEN]
    for obliged in sorted(obligations, key=lambda obliged: (obliged.by or LAST, obliged.act)):
        shown = shown_obligation(agreement, obliged)
        rests_on = _rests_on(agreement, decisions[obliged.decision])
        sides = (obliged.of, obliged.to or "")
        yield _item(OBLIGATIONS, obliged.by or LAST, shown, agreement, rests_on, sides)


def _rests_on(agreement: Agreement, decision: Decision) -> Mapping[str, int]:
    """By log the last entry that what stands of a firing rests on: once these are witnessed, all are."""
    last: dict[str, int] = {}
    corrected = () if decision.correction is None else decision.correction.positions
    for origin, seq in (*rests_on_positions(agreement, decision.firing), *corrected):
        last[origin] = max(seq, last.get(origin, 0))
    return last


def _waiting(state: State, agreement: Agreement, evaluation: Evaluation) -> Iterator[Item]:
    document = agreement.contract.document
    about: Json = {"agreement": agreement.contract.agreement.hex(), "name": document.name}
    roles = own_roles(state, document)
    for unsigned in _unsigned(agreement, roles):
        yield _item(SIGNATURES, "", about | unsigned, agreement)
    for fact in agreement.facts if agreement.status == IN_FORCE else ():
        named = about | {"fact": fact.leaf_hash.hex(), "fact_name": fact.name}
        role = next((role for role in fact.awaiting if role in roles), None)
        if role is not None and (fact.counted is None or fact.status == WAITING) and not fact.reason:
            shown = named | {"role": role, "organization": fact.organization}
            yield _item(CONFIRMATIONS, "", shown, agreement)
    for wish in agreement.wishes:
        if state.organization in wish.lacking:
            yield _item(WISHES, "", about | shown_wish(wish), agreement)
    for kind, leaf, name in _uncounted(state, agreement):
        shown = about | {"kind": kind, "leaf": leaf.hex(), "fact_name": name}
        yield _item(NOT_COUNTED, "", shown | {"timekeeper": agreement.timekeeper}, agreement)
    for differing in disputed(state, agreement, evaluation.decisions):
        yield _item(DISPUTED, "", differing, agreement)


def _uncounted(state: State, agreement: Agreement) -> Iterator[tuple[str, bytes, str | None]]:
    """What this organization stated and the timekeeper has not counted: kind, leaf hash, name of a fact."""
    for fact in agreement.facts if agreement.status == IN_FORCE else ():
        own = fact.organization == state.organization and not fact.by_event
        if own and fact.counted is None and not fact.reason:
            yield "fact", fact.leaf_hash, fact.name
    for each in agreement.not_counted:
        if each.organization == state.organization and each.kind not in ("fact", "event"):
            yield each.kind, each.leaf_hash, None


def _unsigned(agreement: Agreement, roles: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Proposals that lack a signature of ours, unless the agreement is settled."""
    if agreement.status != PROPOSED:
        return
    for proposal in (proposal for proposal in agreement.proposals if not proposal.gone):
        for role in roles:
            if role in proposal.lacking:
                yield {
                    "proposal": proposal.leaf_hash.hex(),
                    "role": role,
                    "lacking": proposal.lacking[role],
                    "organization": proposal.organization,
                }
