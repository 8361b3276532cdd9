"""`tally status`: one screen that says how things stand and what waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from cli.call import Call, call_of, columns, plural, short_hash
from cli.client import open_node, running_url
from cli.explained import named
from cli.reading import OpenHome, open_home
from contracts.wishes import END
from ledger.errors import UnavailableError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import parse_note, parse_vkey
from node.store.witness_notes import read_outside
from node.views.evidence import accused_line
from node.views.status import show_status
from node.views.values import Json, format_time


def status(context: typer.Context) -> None:
    """Show in one screen how things stand and what waits for you.

    The own log, every partner's log and whether our copies agree, what waits for your signature, and what
    is wrong. Works without a running node, too; then it says what the home knows.

    \b
    tally status
    """
    call = call_of(context)
    value = _ask_node(call) or _read_home(call)
    value["wrong"] = list(_wrong(call, value))
    call.answer(value, _lines(call, value))


def _ask_node(call: Call) -> Json | None:
    """What the running node says; None where none runs."""
    try:
        with open_node(call.home) as node:
            value: Json = node.get("/status")
            value |= {"joined": True, "node": running_url(call.home)}
    except UnavailableError:
        return None
    return value


def _read_home(call: Call) -> Json:
    with open_home(call.home) as home:
        value = show_status(home.reader, home.state, home.book)
        joined = home.state.organization in home.state.roster.members
        outside = list(_outside_notes(home))
    live: Json = {"blocks": {}, "actions": {}, "partners": [], "outside": outside}
    return {"joined": joined, "node": None, **value, **live}


def _outside_notes(home: OpenHome) -> Iterator[Json]:
    """What outside witnesses cosigned last, as far as this home keeps it."""
    for vkey, note in read_outside(home.reader.database).items():
        head = parse_checkpoint(parse_note(note).text)
        if head.origin == home.state.origin:
            yield {"name": parse_vkey(vkey, "witness").name, "size": head.size, "error": None, "action": None}


def _wrong(call: Call, value: Json) -> Iterator[str]:
    """What is wrong, in words."""
    if not value["joined"]:
        yield "this home has not joined its network yet"
    elif value["node"] is None:
        yield "no node runs this home: nothing is recorded, sent or received"
    for name, text in value["blocks"].items():
        action = value["actions"].get(name)
        yield f"does not write ({name}): {text}" + (f". To do: {action}" if action else "")
    if value["accused_by"]:
        yield accused_line(value["origin"], value["accused_by"])
    for log in (value["own"], *value["copies"]):
        if log["quarantined"]:
            yield f"log {log['origin']} forked: nothing new of it is accepted (tally evidence list)"
    for name in value["discredited"]:
        yield f"{name} cosigned two histories of a log: its cosignatures count no more (tally evidence list)"
    for item in value["waiting"]["disputed"]:
        others, about = " and ".join(item["disputed_by"]), f"{named(item)} in {item['name']!r}"
        look = call.command(f"agree show {short_hash(item['agreement'])} --why")
        yield f"{others} recorded another decision of {about} than this home computes: {look}"
    for witness in value["outside"]:
        if witness["error"]:
            action = f". To do: {witness['action']}" if witness["action"] else ""
            yield f"the outside witness {witness['name']} did not cosign: {witness['error']}{action}"
    for partner in value["partners"]:
        if partner["agrees"] is False and not partner["quarantined"]:
            yield f"{partner['organization']} holds another copy of some log than we do"
        if partner["url"] is not None and not partner["reachable"]:
            why = partner["error"] or "no answer"
            yield f"the last exchange with {partner['organization']} failed: {why}"


def _lines(call: Call, value: Json) -> Iterator[str]:
    own = value["own"]
    node = f"node at {value['node']}" if value["node"] else "no node running"
    yield f"{value['organization']} in {value['network']!r}, {node}"
    yield ""
    yield f"Own log  {own['origin']}"
    yield (
        f"  {plural(own['size'], 'entry', 'entries')}, {own['witnessed_size']} witnessed, "
        f"root {short_hash(own['root'])}, last entry {own['last_entry']}"
    )
    yield from _earlier_lines(value)
    yield ""
    yield "Partners"
    yield from _partner_lines(call, value)
    yield from _outside_lines(value)
    yield ""
    yield "Waits for you"
    yield from (f"  {line}" for line in _waiting(call, value["waiting"]) or ["nothing"])
    yield ""
    yield "Wrong"
    yield from (f"  {line}" for line in value["wrong"] or ["nothing that this home knows of"])


def _earlier_lines(value: Json) -> Iterator[str]:
    """The own logs before the newest, and what of them lies beyond their end."""
    for log in value["copies"]:
        if log["organization"] != value["organization"] or log["ended_at"] is None:
            continue
        beyond = log["size"] - log["ended_at"]
        line = f"  before: {log['origin']}, ended at {plural(log['ended_at'], 'entry', 'entries')}"
        yield line + (f"; {beyond} beyond, which count for nothing" if beyond > 0 else "")


def _partner_lines(call: Call, value: Json) -> list[str]:
    if not value["joined"]:
        return [f"  not joined yet: {call.command('network join FILE')}"]
    copies = [copy for copy in value["copies"] if copy["organization"] != value["organization"]]
    if not copies:
        return [f"  none yet: {call.command('network invite NAME')}"]
    live: Mapping[str, Any] = {partner["organization"]: partner for partner in value["partners"]}
    rows: list[tuple[str, ...]] = [("name", "their log here", "witnessed", "ours there", "copies", "heard")]
    rows += [_partner_row(value["own"], copy, live.get(copy["organization"])) for copy in copies]
    return columns(rows, indent="  ")


def _outside_lines(value: Json) -> Iterator[str]:
    """How far the outside witnesses that were asked have cosigned; nothing where none are."""
    if value["outside"]:
        yield ""
        yield "Outside witnesses"
        size = value["own"]["size"]
        rows = [("name", "cosigned")]
        rows += [
            (each["name"], "all" if each["size"] >= size else f"{each['size']} of {size}")
            for each in value["outside"]
        ]
        yield from columns(rows, indent="  ")


def _partner_row(own: Json, copy: Json, live: Any) -> tuple[str, ...]:
    name = copy["organization"]
    if copy["ended_at"] is not None:
        stands = "forked, settled" if copy["settled"] else ""
        return f"{name}, ended", str(copy["size"]), str(copy["witnessed_size"]), "", stands, ""
    if live is None:
        there = "all" if name in own["cosigned"] else "not known"
        return name, str(copy["size"]), str(copy["witnessed_size"]), there, "not compared", "not running"
    here = f"{copy['size']}, {live['lag_in']} behind" if live["lag_in"] else f"{copy['size']}, all"
    there = f"{live['lag_out']} behind" if live["lag_out"] else "all"
    if live["lag_out"] and live["heard_ms"] is None:
        there = "not known"
    agree = {True: "agree", False: "DIFFER", None: "not compared"}[live["agrees"]]
    heard = format_time(live["heard_ms"]) if live["heard_ms"] is not None else "never"
    return name, here, str(copy["witnessed_size"]), there, "FORKED" if live["quarantined"] else agree, heard


def _waiting(call: Call, waiting: Json) -> list[str]:
    """What waits, each with the command that does it."""
    lines = [
        f"to sign {item['name']!r} as {item['role']}:  "
        + call.command(f"agree sign {short_hash(item['agreement'])} --party {item['role']}")
        for item in waiting["signatures"]
    ]
    lines += [
        f"to confirm {item['fact_name']!r}, stated by {item['organization']} in {item['name']!r}:  "
        + call.command(f"confirm {short_hash(item['fact'])}")
        for item in waiting["confirmations"]
    ]
    lines += [_wish_line(call, item) for item in waiting["wishes"]]
    lines += [
        f"for {item['timekeeper']} to count our {_stated(item)} of {item['name']!r} (nothing to do)"
        for item in waiting["not_counted"]
    ]
    more = sum(waiting["total"].values()) - sum(len(waiting[name]) for name in waiting["total"])
    return [*lines, f"and {more} more"] if more else lines


def _wish_line(call: Call, item: Json) -> str:
    by, why = " and ".join(item["by"]), f" ({item['text']})" if item["text"] else ""
    short = short_hash(item["agreement"])
    if item["sort"] == END:
        act, how = "would end", f"agree terminate {short}"
    else:
        act, how = "would correct a decision of", f"agree correct {short} {short_hash(item['decision'])}"
        how += f" --same {item['by'][0]}"
    return f"{by} {act} {item['name']!r}{why}; to look at it and agree:  {call.command(how)}"


def _stated(item: Json) -> str:
    """A statement that was not counted, in words."""
    return repr(item["fact_name"]) if item["fact_name"] else _KINDS[item["kind"]]


_KINDS = {
    "agreement.decline": "refusal",
    "agreement.sign": "signature",
    "agreement.terminate": "wish to end it",
    "agreement.withdraw": "withdrawal",
    "confirm": "confirmation",
    "correction": "correction",
    "timekeeper.replace": "wish for another timekeeper",
}
