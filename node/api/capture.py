"""Events, as the EPCIS 2.0 REST interface has them: capture, and queries.

What is captured is given back byte for byte by `GET /events/{eventID}`; lists are EPCISQueryDocuments in
which each event stands with the very text that was captured.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ledger.errors import UsageError, short
from node.api.describe import answers, takes_text
from node.api.requests import JSON, answer, check_media, idempotency_key, in_thread, record, show_recorded
from node.capture import CapturedDocument, CaptureOptions, draft_document, draft_event, own_audience
from node.drafts import Recorded
from node.node import Node
from node.views.events import (
    DEFAULT_PAGE_EVENTS,
    FILTERS,
    FoundEvent,
    find_captured,
    find_events,
    query_events,
    show_event,
)
from node.views.values import Json, read_hash

JSON_LD = "application/ld+json"
INLINE_BYTES = 32 * 1024
"""Larger documents are taken apart in a thread, so that they hold nobody up."""

EPCIS_CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

_DOCUMENT = {"type": "object", "description": "An EPCIS 2.0 document"}
_EVENT = {"type": "object", "description": "An EPCIS 2.0 event with its @context"}
_PAGING = ("perPage", "nextPageToken")

Audience: TypeAlias = Annotated[
    list[str] | None,
    Query(description="Organizations that may know the events (repeat); all members where it is left out."),
]


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["events"])
    reading = asyncio.Lock()

    @routes.post(
        "/capture",
        summary="Capture an EPCIS document: one entry for each event that is not here yet",
        openapi_extra=takes_text(JSON, JSON_LD, schema=_DOCUMENT),
        responses=answers("What became of each event", 202),
        status_code=202,
    )
    async def post_capture(request: Request, audience: Audience = None) -> Response:
        check_media(request, JSON, JSON_LD)
        options = CaptureOptions(audience=own_audience(audience), idempotency_key=idempotency_key(request))
        data = await request.body()
        if len(data) > INLINE_BYTES:
            # One at a time: threads that compute only take the interpreter from each other.
            async with reading:
                document = await in_thread(lambda: draft_document(data, node.world, options))
        else:
            document = draft_document(data, node.world, options)
        recorded = await record(node, document.drafts) if document.drafts else []
        location = await _location(node, document, recorded)
        return answer(_told(node, document, recorded), status=202, headers=location)

    @routes.get(
        "/capture/{capture_id}",
        summary="The events that were first recorded from a document",
        responses=answers("The capture, and its events"),
    )
    def get_capture(capture_id: str) -> Response:
        found = find_captured(node.reader, read_hash(capture_id, "capture id"))
        shown = [show_event(node.state, event) for event in found]
        return answer(_job(capture_id) | {"events": shown})

    _serve_events(routes, node)
    return routes


def _serve_events(routes: APIRouter, node: Node) -> None:
    """Single events, and queries."""

    @routes.post(
        "/events",
        summary="Capture a single event",
        openapi_extra=takes_text(JSON, JSON_LD, schema=_EVENT),
        responses=answers("Where the event stands", 201, 200),
        status_code=201,
    )
    async def post_event(request: Request, audience: Audience = None) -> Response:
        check_media(request, JSON, JSON_LD)
        options = CaptureOptions(audience=own_audience(audience), idempotency_key=idempotency_key(request))
        document = draft_event(await request.body(), node.world, options)
        recorded = await record(node, document.drafts)
        told = _told(node, document, recorded)["events"][0]
        location = {"location": f"/events/{quote(document.names[0], safe='')}"}
        return answer(told, status=201 if recorded[0].new else 200, headers=location)

    @routes.get(
        "/events",
        summary="Events, newest arrival first, as an EPCISQueryDocument",
        responses=answers("A page of events; the header Link names the next one"),
        openapi_extra={
            "parameters": [
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
                for name in (*FILTERS, *_PAGING)
            ]
        },
    )
    def get_events(request: Request) -> Response:
        return _page(node, dict(_once(request)))

    @routes.get(
        "/events/{event_id:path}",
        summary="An event byte for byte as it was captured, by eventID or hash",
        responses=answers("The event's own text"),
    )
    def get_event(event_id: str) -> Response:
        found = find_events(node.reader, event_id)
        headers = {
            "tallystick-entry": found[0].leaf.hex(),
            "tallystick-position": f"{found[0].origin} {found[0].seq}",
        }
        if found[1:]:
            headers["tallystick-also"] = " ".join(other.leaf.hex() for other in found[1:10])
        return Response(found[0].text.encode(), media_type=JSON, headers=headers)


def _told(node: Node, document: CapturedDocument, recorded: list[Recorded]) -> Json:
    """What became of each event of a document, in its order."""
    events = [
        show_recorded(node, place)
        | {
            "event_id": name,
            "hash": draft.statement.data("hash").hex(),
            "result": "recorded" if place.new else "already recorded",
        }
        for name, draft, place in zip(document.names, document.drafts, recorded, strict=True)
    ]
    return _job(document.id.hex()) | {
        "recorded": sum(place.new for place in recorded),
        "already_recorded": sum(not place.new for place in recorded),
        "events": events,
    }


def _job(capture_id: str) -> Json:
    """A capture as the standard shows it: here it is always over once it is answered."""
    return {"captureID": capture_id, "running": False, "success": True, "errors": []}


async def _location(node: Node, document: CapturedDocument, recorded: list[Recorded]) -> dict[str, str]:
    """Where to ask for a capture again; for one that brought nothing new, the one that did."""
    if not recorded:
        return {}
    capture = document.id
    if not any(place.new for place in recorded):

        def first_capture() -> bytes:
            statement = node.reader.record(node.state.origin, recorded[0].seq).statement
            return document.id if statement is None else statement.data("capture")

        capture = await in_thread(first_capture)
    return {"location": f"/capture/{capture.hex()}"}


def _once(request: Request) -> list[tuple[str, str]]:
    """The parameters of a query, each once."""
    parameters = request.query_params.multi_items()
    names = [name for name, _ in parameters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError("query", found=f"{short(twice)} twice", expected="each parameter once")
    return parameters


def _page(node: Node, parameters: dict[str, str]) -> Response:
    """One page of events; it ends early where an event's context means other terms by the same prefix."""
    limit = _number(parameters.pop("perPage", str(DEFAULT_PAGE_EVENTS)), "perPage")
    token = parameters.pop("nextPageToken", None)
    before = None if token is None else _number(token, "nextPageToken")
    page = query_events(node.reader, parameters, limit=limit, before=before)
    contexts = _Contexts()
    texts: list[str] = []
    after = page.next
    for event in page.events:
        if not contexts.take(event):
            after = event.row + 1
            break
        texts.append(event.text)
    head = json.dumps(
        {
            "@context": contexts.value,
            "type": "EPCISQueryDocument",
            "schemaVersion": "2.0",
            "epcisBody": {"queryResults": {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": 0}}},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # The events go in as they are: reading and writing them again could change a byte.
    before_list, after_list = head.rsplit("0", 1)
    body = f"{before_list}[{','.join(texts)}]{after_list}".encode()
    headers = {}
    if after is not None:
        query = urlencode(parameters | {"perPage": str(limit), "nextPageToken": str(after)})
        headers["link"] = f'</events?{query}>; rel="next"'
    return Response(body, media_type=JSON, headers=headers)


class _Contexts:
    """The contexts of several documents as one, as long as no prefix means two things."""

    def __init__(self) -> None:
        self.value: list[Any] = [EPCIS_CONTEXT]
        self._terms: dict[str, str] = {}

    def take(self, event: FoundEvent) -> bool:
        """Add an event's context; False where it contradicts what is there."""
        if not event.context:
            return True
        parsed = json.loads(event.context)
        parts = parsed if isinstance(parsed, list) else [parsed]
        terms = {
            name: json.dumps(meaning, sort_keys=True)
            for part in parts
            if isinstance(part, dict)
            for name, meaning in part.items()
        }
        if any(self._terms.get(name, meaning) != meaning for name, meaning in terms.items()):
            return False
        self._terms.update(terms)
        self.value += [part for part in parts if part not in self.value]
        return True


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise UsageError(f"query {name}", found=short(text), expected="a number")
    return int(text)
