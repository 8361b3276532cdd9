"""`tally capture`: records the events of EPCIS 2.0 documents."""

from __future__ import annotations

import glob
import hashlib
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.progress import track

from cli.call import Call, call_of, plural
from cli.client import NodeClient, open_node
from cli.reading import read_text
from ledger.errors import ConflictError, InvalidError, MalformedError, TallyError, UsageError
from ledger.trace.document import MAX_DOCUMENT_BYTES
from node.limits import error_body

STANDARD_INPUT = "-"


def capture(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="EPCIS documents or single events; patterns; - for stdin."),
    ],
    audience: Annotated[
        list[str] | None,
        typer.Option(
            "--for", metavar="NAME", help="Only this organization may read them (repeat); else all."
        ),
    ] = None,
) -> None:
    """Record the events of EPCIS 2.0 documents.

    One entry for each event, kept byte for byte as captured. What was recorded before is recognised and
    not recorded again. A file that is refused adds nothing; the others still count, and the exit code is 1.

    \b
    tally capture harvest.json 'deliveries/*.json'
    """
    call = call_of(context)
    names = _expand(files)
    results = []
    _check_readable(names)
    with open_node(call.home) as node:
        for name in track(
            names, description="capturing", console=Console(stderr=True), transient=True,
            disable=len(names) < 2 or not sys.stderr.isatty(),
        ):  # fmt: skip
            results.append(_capture_one(call, node, name, audience))
    recorded = sum(result["recorded"] for result in results)
    known = sum(result["already_recorded"] for result in results)
    refused = [result for result in results if "error" in result]
    value = {"recorded": recorded, "already_recorded": known, "refused": len(refused), "files": results}
    call.answer(value, [_line(result) for result in results])
    told = f"{plural(recorded, 'event')} recorded, {known} recorded before"
    call.tell(f"{told}, {plural(len(refused), 'file')} refused" if refused else told)
    if refused:
        raise typer.Exit(1)


def _expand(patterns: list[str]) -> list[str]:
    """The files that are meant; a pattern that the shell left alone is resolved here."""
    names: list[str] = []
    for pattern in patterns:
        if pattern == STANDARD_INPUT or Path(pattern).exists() or not glob.has_magic(pattern):
            names.append(pattern)
            continue
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise UsageError(pattern, found="no such file", expected="a pattern that fits some")
        names += found
    return list(dict.fromkeys(names))


def _check_readable(names: list[str]) -> None:
    """Refuse, before anything is recorded, a file that cannot be read or is too large."""
    for name in names:
        if name != STANDARD_INPUT:
            read_text(Path(name), "an EPCIS document", MAX_DOCUMENT_BYTES)


def _capture_one(call: Call, node: NodeClient, name: str, audience: list[str] | None) -> dict[str, Any]:
    """Send one document; gives what became of it. Only a refusal of the document itself is noted here."""
    if name == STANDARD_INPUT:
        data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    else:
        data = read_text(Path(name), "an EPCIS document", MAX_DOCUMENT_BYTES)
    query = "?" + urlencode([("audience", member) for member in sorted(set(audience))]) if audience else ""
    key = hashlib.sha256(data + query.encode()).hexdigest()
    try:
        answer = node.post_bytes(f"/capture{query}", data, key=key)
    except (MalformedError, InvalidError, ConflictError) as error:
        _show_refusal(call, name, error)
        return {"file": name, "recorded": 0, "already_recorded": 0, **error_body(error)}
    return {"file": name, **answer}


def _show_refusal(call: Call, name: str, error: TallyError) -> None:
    call.tell(f"{name}: {error}")
    if error.action:
        call.tell(f"  To do: {error.action}")


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['file']}: refused"
    parts = []
    if result["recorded"]:
        parts.append(f"{plural(result['recorded'], 'event')} recorded")
    if result["already_recorded"]:
        parts.append(f"{plural(result['already_recorded'], 'event')} already recorded")
    return f"{result['file']}: {', '.join(parts) or 'no events'}"
