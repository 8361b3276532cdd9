"""The API for people: one page of our own that draws `/openapi.json`, without scripts of others."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

_POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def router() -> APIRouter:
    """The paths of this module."""
    routes = APIRouter()
    page = files("node.api").joinpath("docs.html").read_text(encoding="utf-8")

    @routes.get("/docs", include_in_schema=False)
    async def get_docs() -> Response:
        return HTMLResponse(page, headers={"content-security-policy": _POLICY})

    return routes
