"""`tally due`: what is due from whom to whom."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.call import call_of, columns
from cli.reading import find_agreement, open_home
from node.views.agreements import list_due
from node.views.values import Json


def due(
    context: typer.Context,
    agreement: Annotated[
        str | None, typer.Option("--agreement", metavar="A", help="Only of this agreement: hash or name.")
    ] = None,
) -> None:
    """Show what is due from whom to whom.

    An amount is final once more than half of the witnesses hold every entry that it rests on. Until then
    it is provisional: it could still change and should move no money.

    \b
    tally due
    """
    call = call_of(context)
    with open_home(call.home) as home:
        dues = list_due(home.reader, home.state, home.book)
        if agreement is not None:
            wanted = find_agreement(home, agreement).hex()
            dues = [item for item in dues if item["agreement"] == wanted]
    call.answer(dues, due_lines(dues))
    if not dues:
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
            due["rule"],
            "final" if due["final"] else "provisional",
        )
        for due in dues
    ]
    return columns(rows)
