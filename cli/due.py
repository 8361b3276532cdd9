"""`tally due`: what is due from whom to whom, and who is obliged to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from cli.call import Call, call_of, columns
from cli.reading import find_agreement, open_home
from contracts.decision import MET
from node.views.evidence import quarantine_lines
from node.views.listing import (
    DEFAULT_PAGE_ITEMS,
    DUE,
    MAX_PAGE_ITEMS,
    OBLIGATIONS,
    list_due,
    list_obligations,
    shown_of,
)
from node.views.values import Json


def due(
    context: typer.Context,
    agreement: Annotated[
        str | None, typer.Option("--agreement", metavar="A", help="Only of this agreement: hash or name.")
    ] = None,
    start: Annotated[
        int, typer.Option("--from", metavar="N", min=0, help="Place of the first to show, from 0.")
    ] = 0,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=MAX_PAGE_ITEMS, help="How many of each to show."),
    ] = DEFAULT_PAGE_ITEMS,
) -> None:
    """Show what is due from whom to whom.

    An amount is final once more than half of the witnesses hold every entry that it rests on. Until then
    it is provisional: it could still change and should move no money. Open obligations stand below.

    \b
    tally due
    """
    call = call_of(context)
    with open_home(call.home) as home:
        if agreement is None:
            pages = {
                DUE: list_due(home.reader, home.state, home.book, start=start, limit=limit),
                OBLIGATIONS: list_obligations(home.reader, home.state, home.book, start=start, limit=limit),
            }
            dues, obligations = (page[name] for name, page in pages.items())
        else:
            found = home.book.agreement(home.reader, home.state, find_agreement(home, agreement))
            pages = {}
            dues, obligations = (shown_of(home.state, found, name) for name in (DUE, OBLIGATIONS))
    told = sorted({origin for item in dues for origin in item["quarantined"]})
    between = [""] if dues and obligations else []
    lines = [*quarantine_lines(told), *due_lines(dues), *between, *obligation_lines(obligations)]
    call.answer([*dues, *obligations], lines)
    if not dues and not obligations and not start:
        call.tell("Nothing is due, as far as this home knows.")
    tell_more(call, pages)


def tell_more(call: Call, pages: Mapping[str, Json]) -> None:
    """Say of each page of a list where it stands, unless it is the whole list."""
    for name, page in pages.items():
        shown = len(page[name])
        if shown < page["total"]:
            last = page["from"] + shown
            which = (
                f"{page['from'] + 1} to {last} of {page['total']}" if shown else f"none of {page['total']}"
            )
            more = f", go on with --from {last}" if page["next"] is not None else ""
            call.tell(f"{name}: shown {which}{more}")


def due_lines(dues: list[Json]) -> list[str]:
    """Amounts due as lines of text."""
    if not dues:
        return []
    rows = [("amount", "from", "to", "by", "agreement", "rule", "standing")]
    rows += [
        (
            due["amount"],
            due["from"],
            due["to"],
            due["by"],
            due["name"],
            due["rule"] if due["key"] is None else f"{due['rule']} for {due['key']}",
            ("final" if due["final"] else "provisional") + (", paid" if due["standing"] == MET else ""),
        )
        for due in dues
    ]
    return columns(rows)


def obligation_lines(obligations: list[Json]) -> list[str]:
    """Obligations as lines of text."""
    if not obligations:
        return []
    rows = [("of", "kind", "act", "to", "by", "agreement", "rule", "standing")]
    rows += [
        (
            item["of"],
            item["kind"],
            item["act"] if item["amount"] is None else f"{item['act']} {item['amount']}",
            item["to"] or "",
            item["by"] or "",
            item["name"],
            item["rule"] if item["key"] is None else f"{item['rule']} for {item['key']}",
            item["standing"] + ("" if item["final"] else ", provisional"),
        )
        for item in obligations
    ]
    return columns(rows)
