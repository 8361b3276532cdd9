"""Remarks: `POST /memos`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from node.api.describe import answers, takes
from node.api.hot import Handler, HotPath
from node.api.requests import Form, idempotency_key, read_form, record, tell_recorded
from node.node import Node


class MemoForm(Form):
    """A memo; for all members unless `audience` names some."""

    text: str = Field(examples=["stock-take done"])
    audience: list[str] | None = None


FORMS = (MemoForm,)


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["record"])
    routes.post(
        "/memos",
        summary="Record a memo",
        openapi_extra=takes(MemoForm),
        responses=answers("Where the memo stands", 201, 200),
        status_code=201,
    )(memo_handler(node))
    return routes


def hot_paths(node: Node) -> dict[str, HotPath]:
    """The paths of this module that must be quick."""
    return {"/memos": HotPath("/memos", memo_handler(node))}


def memo_handler(node: Node) -> Handler:
    """What answers `POST /memos`."""

    async def post_memo(request: Request) -> Response:
        form = await read_form(request, MemoForm)
        draft = node.draft(
            "memo", {"text": form.text}, audience=form.audience, idempotency_key=idempotency_key(request)
        )
        recorded = await record(node, [draft])
        return tell_recorded(node, recorded[0])

    return post_memo
