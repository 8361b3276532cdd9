"""Provenance: where a thing came from, and what became of it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.trace.instants import parse_instant
from node.api.describe import answers
from node.api.requests import answer
from node.node import Node
from node.views.events import trace
from node.views.evidence import quarantined_in

Thing: TypeAlias = Annotated[
    str, Query(alias="id", min_length=1, max_length=4096, description="Identifier of an item or a lot.")
]
Moment: TypeAlias = Annotated[
    str | None, Query(alias="at", description="As of when, such as 2026-05-01T12:00:00Z.")
]


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["trace"])

    @routes.get("/trace/back", summary="What a thing came from", responses=answers("The trace"))
    def get_back(name: Thing, at: Moment = None) -> Response:
        return _answer("back", name, at)

    @routes.get("/trace/forward", summary="What became of a thing", responses=answers("The trace"))
    def get_forward(name: Thing, at: Moment = None) -> Response:
        return _answer("forward", name, at)

    def _answer(direction: str, name: str, at: str | None) -> Response:
        traced = trace(node.reader, direction, name, _instant(at))
        return answer(traced | {"quarantined": quarantined_in(node.state, traced)})

    return routes


def _instant(text: str | None) -> int | None:
    return None if text is None else parse_instant(text)
