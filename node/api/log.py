"""The logs that are here: entries page by page, one by one, and their receipts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import parse_note
from ledger.log.receipt import parse_receipt
from node.api.describe import answers
from node.api.requests import answer
from node.node import Node
from node.views.entries import DEFAULT_PAGE_ENTRIES, MAX_PAGE_ENTRIES, find_entry, list_entries
from node.views.receipts import make_receipt
from node.views.values import read_hash

RECEIPT_MEDIA = "text/plain"
QUARANTINED_HEADER = "tallystick-quarantined"
"""Stands beside a receipt of a log that is proven to have forked, and names it."""


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["log"])

    @routes.get("/entries", summary="A page of a log", responses=answers("Entries with their statements"))
    def get_entries(
        origin: Annotated[str | None, Query(description="The log; else the own one.")] = None,
        start: Annotated[int, Query(alias="from", ge=0, le=2**53, description="First position.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_ENTRIES)] = DEFAULT_PAGE_ENTRIES,
    ) -> Response:
        state = node.state
        return answer(list_entries(node.reader, state, origin or state.origin, start=start, limit=limit))

    @routes.get("/entries/{leaf}", summary="One entry", responses=answers("The entry with its statement"))
    def get_entry(leaf: str) -> Response:
        return answer(find_entry(node.reader, node.state, read_hash(leaf, "leaf hash")))

    @routes.get(
        "/receipts/{leaf}",
        summary="The receipt of an entry: a .tlog-proof file that anyone can check offline",
        responses=answers("The file", media=RECEIPT_MEDIA, schema={"type": "string"}),
    )
    def get_receipt(
        leaf: str, payload: Annotated[bool, Query(description="Whether it shows the statement, too.")] = False
    ) -> Response:
        text = make_receipt(node.reader, node.state, read_hash(leaf, "leaf hash"), with_payload=payload)
        origin = parse_checkpoint(parse_note(parse_receipt(text).checkpoint).text).origin
        told = {QUARANTINED_HEADER: origin} if origin in node.state.quarantined else {}
        return Response(text, media_type=RECEIPT_MEDIA, headers=told)

    return routes
