"""The OpenAPI description: what the handlers read themselves is told to FastAPI here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from node.api.requests import JSON, MAX_KEY_CHARS, Form

_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["where", "expected", "found", "action", "code"],
            "properties": {
                name: {"type": "string"} for name in ("where", "expected", "found", "action", "code")
            },
        }
    },
}
_REFUSALS = {
    400: "The request has not the form that it must have",
    401: "No operator's token",
    403: "Whoever asks may not do this",
    404: "What it is about is not here",
    405: "Another method",
    409: "It contradicts what is already recorded",
    413: "The body is too large",
    415: "The body is of another type, or compressed",
    422: "Well-formed, but a check says no",
    429: "Too many requests",
    503: "Cannot be done now",
}
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this write: sent again with the same content, it is recorded once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]+$"},
}

Responses = dict[int | str, dict[str, Any]]

REFUSALS: Responses = {
    status: {"description": text, "content": {JSON: {"schema": {"$ref": _REF.format(model="Error")}}}}
    for status, text in _REFUSALS.items()
}


def answers(text: str, *statuses: int, media: str = JSON, schema: dict[str, Any] | None = None) -> Responses:
    """What a path answers: the same at each of these statuses, and any refusal."""
    content = {media: {"schema": schema or {}}}
    return {status: {"description": text, "content": content} for status in statuses or (200,)} | REFUSALS


def takes(form: type[Form]) -> dict[str, Any]:
    """A write whose body is a form."""
    return _takes({JSON: {"schema": {"$ref": _REF.format(model=form.__name__)}}})


def takes_text(*media: str, schema: dict[str, Any], form: type[Form] | None = None) -> dict[str, Any]:
    """A write whose body is a document of one of these types, or a form."""
    content: dict[str, Any] = {name: {"schema": schema} for name in media}
    if form is not None:
        content[JSON] = {"schema": {"$ref": _REF.format(model=form.__name__)}}
    return _takes(content)


def writes() -> dict[str, Any]:
    """A write without a body."""
    return {"parameters": [_KEY_PARAMETER]}


def describe(app: FastAPI, forms: Sequence[type[Form]]) -> None:
    """Add the forms and the security scheme to an application's description."""
    plain = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            components = schema.setdefault("components", {})
            _, made = models_json_schema([(form, "validation") for form in forms], ref_template=_REF)
            schemas = components.setdefault("schemas", {})
            schemas.update(made.get("$defs", {}))
            schemas["Error"] = _ERROR
            components["securitySchemes"] = {"operator": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _takes(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}, "parameters": [_KEY_PARAMETER]}
