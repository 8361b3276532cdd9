"""How the node is: health for probes, status for its operator, figures for Prometheus."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ledger.errors import UnavailableError
from node.api.describe import answers
from node.api.requests import answer
from node.metrics import CONTENT_TYPE
from node.node import Node
from node.views.status import show_status


def router(node: Node, partners: Callable[[], Any], outside: Callable[[], Any]) -> APIRouter:
    """The paths of this module.

    `partners` tells how the exchange with each partner stands, `outside` how far outside witnesses cosigned.
    """
    routes = APIRouter(tags=["status"])

    @routes.get("/health", summary="Whether the node can do its work", responses=answers("It can"))
    def get_health() -> Response:
        _check_health(node)
        return answer({"status": "ok", "organization": node.state.organization})

    @routes.get("/status", summary="What one screen says of this node", responses=answers("The status"))
    def get_status() -> Response:
        blocked = node.blocks
        blocks = {name: str(error) for name, error in blocked.items()}
        actions = {name: error.action for name, error in blocked.items() if error.action}
        shown = show_status(node.reader, node.state, node.book)
        live = {"partners": partners(), "outside": outside()}
        return answer(shown | live | {"blocks": blocks, "actions": actions})

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        responses=answers("Text", media="text/plain", schema={"type": "string"}),
    )
    def get_metrics() -> Response:
        return Response(node.metrics.text(), headers={"content-type": CONTENT_TYPE})

    return routes


def _check_health(node: Node) -> None:
    """Raises UnavailableError where the store does not answer or nothing more can be written."""
    node.writer.check_alive()
    try:
        node.reader.entry(node.state.origin, 0)
    except sqlite3.Error as error:
        raise UnavailableError(
            "store", found=str(error), expected="an answer", action="check the disk"
        ) from error
