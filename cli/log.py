"""`tally log`: the entries of a log, and a memo in one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.call import call_of, columns, plural, short_hash
from cli.client import open_node
from cli.reading import find_log, open_home
from ledger.errors import UsageError
from node.views.entries import MAX_PAGE_ENTRIES, list_entries
from node.views.evidence import quarantine_lines
from node.views.values import Json

DEFAULT_ENTRIES = 20
MAX_TEXT_CHARS = 60


def show(
    context: typer.Context,
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="An organization or an origin; the own log if left out.")
    ] = "",
    start: Annotated[
        int | None, typer.Option("--from", metavar="N", min=0, help="First position to show.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=MAX_PAGE_ENTRIES, help="How many to show.")
    ] = DEFAULT_ENTRIES,
) -> None:
    """Show entries of a log, newest last.

    \b
    tally log show finca --limit 5
    """
    call = call_of(context)
    with open_home(call.home) as home:
        origin = find_log(home.state, log)
        size = home.state.head(origin).copy.size
        first = max(0, size - limit) if start is None else start
        page = list_entries(home.reader, home.state, origin, start=first, limit=limit)
    warned = quarantine_lines([origin] if page["quarantined"] else [])
    call.answer(page, [*warned, *_page_lines(page)])
    shown = len(page["entries"])
    told = f"shown {first} to {first + shown - 1}" if shown else f"none from {first} on"
    call.tell(f"{origin}: {plural(size, 'entry', 'entries')} here, {told}")


def add(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The memo.")],
    audience: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="NAME", help="Only this organization may read it (repeat); else all."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="Idempotency key: under one key it is recorded once."),
    ] = None,
) -> None:
    """Record a memo in the own log.

    \b
    tally log add "Scales of dock 2 calibrated"
    """
    call = call_of(context)
    if not text.strip():
        raise UsageError("memo", found="nothing", expected="a text")
    body: Json = {"text": text}
    if audience:
        body["audience"] = sorted(set(audience))
    with open_node(call.home) as node:
        answer = node.post("/memos", body, key=key)
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])


def _page_lines(page: Json) -> list[str]:
    rows = [("seq", "time", "kind", "leaf", "witnessed", "what it says")]
    rows += [
        (
            str(entry["seq"]),
            entry["time"],
            entry["kind"],
            short_hash(entry["leaf"]),
            "yes" if entry["witnessed"] else "not yet",
            _brief(entry),
        )
        for entry in page["entries"]
    ]
    return columns(rows)


def _brief(entry: Json) -> str:
    """An entry's statement in a few words."""
    statement = entry["statement"]
    if statement is None:
        return str(entry.get("trouble", "(not for us, or not here)"))
    text = say_statement(statement["kind"], statement["body"])
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"


def say_statement(kind: str, body: Json) -> str:
    """What a statement says, in a line; empty where its kind says it all."""
    match kind:
        case "log.open":
            return f"the log of {body['title']}"
        case "person.grant":
            return f"{body['name']} as {', '.join(body['roles'])}"
        case "network.invite" | "network.admit":
            return str(body["organization"])
        case "node.address":
            return body["url"] or "cannot be called"
        case "memo":
            return " ".join(body["text"].split())
        case "event":
            return " ".join(body["event"].split())
        case "fact":
            return " ".join([body["name"], *(f"{key}={value}" for key, value in body["fields"].items())])
        case "decision":
            return f"rule {body['rule']}"
        case "seen":
            return "heads of " + ", ".join(head.partition("/")[0] for head in body["heads"])
        case "agreement.sign":
            return f"as {body['party']}"
        case "confirm":
            return f"fact {short_hash(body['fact'])}"
    return ""
