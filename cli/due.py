"""`tally due`: what is due from whom to whom, and who is obliged to what."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.call import call_of, columns
from cli.reading import find_agreement, open_home
from contracts.decision import MET
from node.views.agreements import list_due, list_obligations
from node.views.evidence import quarantine_lines
from node.views.values import Json


def due(
    context: typer.Context,
    agreement: Annotated[
        str | None, typer.Option("--agreement", metavar="A", help="Only of this agreement: hash or name.")
    ] = None,
) -> None:
    """Show what is due from whom to whom.

    An amount is final once more than half of the witnesses hold every entry that it rests on. Until then
    it is provisional: it could still change and should move no money. Open obligations stand below.

    \b
    tally due
    """
    call = call_of(context)
    with open_home(call.home) as home:
        dues = list_due(home.reader, home.state, home.book)
        obligations = list_obligations(home.reader, home.state, home.book)
        if agreement is not None:
            wanted = find_agreement(home, agreement).hex()
            dues = [item for item in dues if item["agreement"] == wanted]
            obligations = [item for item in obligations if item["agreement"] == wanted]
    told = sorted({origin for item in dues for origin in item["quarantined"]})
    between = [""] if dues and obligations else []
    lines = [*quarantine_lines(told), *due_lines(dues), *between, *obligation_lines(obligations)]
    call.answer([*dues, *obligations], lines)
    if not dues and not obligations:
        call.tell("Nothing is due, as far as this home knows.")


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
