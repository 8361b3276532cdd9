"""Reading requests and telling what was recorded: shared by every router that writes.

Bodies of JSON are read by the strict reader of the core, then held against a pydantic model, which also is
what the OpenAPI description shows. Hot paths pass no other machinery.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from ledger.errors import MalformedError, TallyError, short
from ledger.log.statement import is_client_nonce, write_nonce
from ledger.trace.json_text import JsonValue, read_json
from node.api.errors import refusal
from node.drafts import Draft, Recorded
from node.node import Node
from node.views.values import Json

MAX_FORM_BYTES = 2 * 1024 * 1024
MAX_KEY_CHARS = 200
JSON = "application/json"
KEY_HEADER = "idempotency-key"

_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY_CHARS}}}")

T = TypeVar("T")
FormType = TypeVar("FormType", bound="Form")


class Form(BaseModel):
    """A body of JSON: exactly these fields, of exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class UnsupportedMedia(Exception):
    """A body of another type than the path takes."""

    def __init__(self, error: TallyError) -> None:
        super().__init__(error)
        self.error = error


async def unsupported(request: Request, error: Exception) -> Response:
    """The answer to a body of another type."""
    if not isinstance(error, UnsupportedMedia):
        raise error
    return refusal(error.error, status=415)


def check_media(request: Request, *allowed: str) -> str:
    """The media type of a body; refused where the path does not take it."""
    said = request.headers.get("content-type", "")
    media = said.partition(";")[0].strip().lower()
    if media not in allowed:
        raise UnsupportedMedia(
            MalformedError(
                "content-type",
                found=short(said) if said else "none",
                expected=" or ".join(allowed),
                action="say what the body is",
            )
        )
    return media


async def read_form(request: Request, form: type[FormType]) -> FormType:
    """The body as a form.

    Raises:
        MalformedError: no strict JSON, or another form; the message names the field.
    """
    check_media(request, JSON)
    value = read_json(await request.body(), where="body", max_bytes=MAX_FORM_BYTES)
    try:
        return form.model_validate(_plain(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MalformedError(
            f"body {place}".strip(),
            found="no such field" if first["type"] == "missing" else short(first["input"]),
            expected=first["msg"],
            action="see /docs",
        ) from error


def _plain(value: JsonValue) -> Any:
    """Numbers as Python has them; what is no whole number stays a decimal, which no form takes."""
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` of a write.

    Raises:
        MalformedError: it is empty, long, or not of visible ASCII characters.
    """
    key = request.headers.get(KEY_HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedError(
            "Idempotency-Key",
            found=short(key),
            expected=f"1 to {MAX_KEY_CHARS} visible ASCII characters",
            action="use a random key for each write",
        )
    return key


def check_signed_nonce(nonce: bytes, key: str | None) -> None:
    """Check the nonce of a statement that a person signed against the request's `Idempotency-Key`.

    Raises:
        MalformedError: it is not the one that belongs to the key, or says that no client chose it.
    """
    if key is not None and nonce != write_nonce(key, 0):
        raise MalformedError(
            "body nonce",
            found=nonce.hex(),
            expected=f"{write_nonce(key, 0).hex()}, which belongs to the Idempotency-Key",
            action="sign with the nonce of the key, or leave the key out",
        )
    if not is_client_nonce(nonce):
        raise MalformedError(
            "body nonce",
            found=nonce.hex(),
            expected="16 bytes with the first bit set",
            action="set the first bit of the random nonce",
        )


async def record(node: Node, drafts: Sequence[Draft]) -> list[Recorded]:
    """Record statements; answers once they are on disk."""
    return await asyncio.wrap_future(node.record(drafts))


async def in_thread(work: Callable[[], T]) -> T:
    """Do what reads the store or computes for long, off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def tell_recorded(node: Node, recorded: Recorded, more: Mapping[str, Any] | None = None) -> Response:
    """201 for a new entry, 200 for one that stood there before."""
    body = show_recorded(node, recorded) | dict(more or {})
    return answer(body, status=201 if recorded.new else 200)


def show_recorded(node: Node, recorded: Recorded) -> Json:
    """Where a statement stands; `new` is false where it stood there before."""
    return {
        "new": recorded.new,
        "origin": node.state.origin,
        "seq": recorded.seq,
        "leaf": recorded.leaf.hex(),
    }


def answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(data, status_code=status, media_type=JSON, headers=dict(headers or {}))
