"""`tally trace`: where goods came from and where they went, with the entries behind every step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, columns, plural
from cli.reading import OpenHome, open_home, read_time
from cli.receipt import SUFFIX, write_receipt
from ledger.errors import MissingError
from ledger.trace.identifiers import ROOT
from node.views.events import trace
from node.views.evidence import quarantine_lines, quarantined_in
from node.views.receipts import make_receipt
from node.views.values import Json

_BRIEF = re.compile(r"[0-9]{2,4}/")

Thing = Annotated[
    str, typer.Argument(metavar="ID", help="Item, lot or pallet: an EPC URN, a GS1 Digital Link or a URI.")
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="As it was at this time, such as 2026-05-02T09:00:00Z."),
]
Receipts = Annotated[
    Path | None,
    typer.Option("--receipts", metavar="DIR", help="Write a receipt there for every entry of the answer."),
]


def back(context: typer.Context, thing: Thing, at: At = None, receipts: Receipts = None) -> None:
    """Where a thing came from.

    Goes back over packing, shipping and making to the sources, across all logs that this home holds.
    Says what is not known, and where goods changed hands without a word.

    \b
    tally trace back urn:epc:class:lgtin:4012345.012345.R-2026-07
    """
    _trace(call_of(context), "back", thing, at, receipts)


def forward(context: typer.Context, thing: Thing, at: At = None, receipts: Receipts = None) -> None:
    """Where a thing went, and what was made of it.

    \b
    tally trace forward urn:epc:class:lgtin:4012345.012345.H-2026-01 --receipts recall/
    """
    _trace(call_of(context), "forward", thing, at, receipts)


def _trace(call: Call, direction: str, thing: str, at: str | None, receipts: Path | None) -> None:
    at_ms = None if at is None else read_time(at, "--at")
    with open_home(call.home) as home:
        answer = trace(home.reader, direction, in_full(thing), at_ms)
        if not answer["edges"] and not answer["steps"]:
            raise MissingError(
                f"trace of {thing}",
                found="no event here that names it",
                expected="the identifier of an item, lot or pallet that some event names",
                action="check the identifier, or wait until its log has been synced (tally status)",
            )
        answer["quarantined"] = quarantined_in(home.state, answer)
        if receipts is not None:
            answer["receipts"] = _write_receipts(home, answer, receipts)
    call.answer(answer, [*quarantine_lines(answer["quarantined"]), *_lines(answer)])
    if receipts is not None:
        written = plural(len(answer["receipts"]), "receipt")
        call.tell(f"{written} in {receipts}; check: {call.command('verify FILE')}")


def _write_receipts(home: OpenHome, answer: Json, folder: Path) -> dict[str, str]:
    """A receipt for every entry of an answer; gives the files by leaf hash."""
    files = {}
    for ref in _refs(answer):
        name = f"{ref['origin'].partition('/')[0]}-{ref['seq']}{SUFFIX}"
        text = make_receipt(home.reader, home.state, (ref["origin"], ref["seq"]), with_payload=True)
        write_receipt(folder / name, text)
        files[ref["leaf"]] = str(folder / name)
    return files


def _refs(answer: Json) -> list[Json]:
    """Every entry that an answer names, once."""
    named = [ref for edge in answer["edges"] for ref in edge["entries"]]
    named += [step["entry"] for step in answer["steps"]]
    return list({ref["leaf"]: ref for ref in named}.values())


def _lines(answer: Json) -> list[str]:
    """An answer as text: where the walk ended, what happened in order of time, and what is not known."""
    back = answer["direction"] == "back"
    lines = [f"{'Sources of' if back else 'Ends reached from'} {_brief(answer['target'])}"]
    lines += columns(map(_leaf_row, answer["leaves"]), indent="  ") or ["  none that is known"]
    lines += ["", "What happened"]
    happened = [*map(_edge_row, answer["edges"]), *map(_step_row, answer["steps"])]
    happened.sort(key=_when)
    lines += columns(happened, indent="  ")
    if answer["set_aside"]:
        lines += ["", "Set aside, as their authors declared them wrong"]
        lines += [f"  {_place(aside['event'] or aside['declaration'])}: {aside['reason']}"
                  for aside in answer["set_aside"]]  # fmt: skip
    if answer["unknown"]:
        lines += ["", "Not known"]
        lines += [f"  {_brief(gap['thing'])}: {gap['what']}" for gap in answer["unknown"]]
    if not answer["complete"]:
        lines += ["", "This answer hit a limit and is not complete: ask for a narrower thing or time."]
    if any(_brief(thing) != thing for thing in answer["things"]):
        lines += ["", f"Identifiers that begin with a number begin with {ROOT} in full; both are understood."]
    return lines


def _leaf_row(leaf: Json) -> list[str]:
    step = leaf["step"]
    if step is None:
        return [_brief(leaf["thing"]), "nothing else is known of it"]
    return [_brief(leaf["thing"]), f"{_how(step)} by {step['organization']}", _minute(step["time"])]


def _edge_row(edge: Json) -> list[str]:
    amount = " ".join(part for part in (edge["amount"], edge["unit"]) if part)
    return [
        _minute(edge["time"]),
        _place(edge["entries"][0]) if edge["entries"] else edge["organization"],
        edge["how"],
        f"{_brief(edge['from'])} → {_brief(edge['to'])}" + (f" ({amount})" if amount else ""),
    ]


def _step_row(step: Json) -> list[str]:
    handed = f" to {_brief(step['given_to'])}" if step["how"] == "shipped" and step["given_to"] else ""
    return [
        _minute(step["time"]),
        _place(step["entry"]),
        _how(step),
        _brief(step["thing"]) + handed,
    ]


def _when(row: list[str]) -> tuple[str, str, int, list[str]]:
    """The order of what happened: by time, then by the place of its entry."""
    organization, _, seq = row[1].partition(":")
    return row[0], organization, int(seq or 0), row[2:]


def _how(step: Json) -> str:
    """What happened, in the word of the standard where it has one."""
    return str(step["how"] if step["how"] != "observed" else step["business_step"] or "observed")


def _brief(name: str) -> str:
    """A GS1 identifier without its address, which is the same for all."""
    return name.removeprefix(ROOT)


def in_full(name: str) -> str:
    """The identifier that a person means, who may leave the address of GS1 out."""
    return ROOT + name if _BRIEF.match(name) else name


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _place(ref: Json) -> str:
    return f"{ref['origin'].partition('/')[0]}:{ref['seq']}"
