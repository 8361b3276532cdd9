"""Every refusal in one shape, whatever refused: our own rules, the framework, or a fault of ours."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ledger.errors import MissingError, TallyError, UnavailableError, UsageError, short
from node.limits import error_body, status_of
from node.logs import get_log

_log = get_log(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Have an application answer every failure with the error body."""
    app.add_exception_handler(TallyError, _refused)
    app.add_exception_handler(RequestValidationError, _misused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _failed)


def refusal(
    error: TallyError, *, status: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer to an expected failure."""
    found = headers or {}
    if isinstance(error, UnavailableError):
        found = {"retry-after": "1"} | found
    return JSONResponse(error_body(error), status_code=status or status_of(error), headers=found)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, TallyError):
        raise error
    return refusal(error)


async def _misused(request: Request, error: Exception) -> Response:
    """A parameter of the path or query that does not fit."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])
    return refusal(
        UsageError(
            f"{request.method} {short(request.url.path)[1:-1]} {place}",
            found=short(first.get("input")),
            expected=str(first["msg"]),
            action="see /docs",
        )
    )


async def _unknown(request: Request, error: Exception) -> Response:
    """No such path, or no such method on it."""
    if not isinstance(error, HTTPException):
        raise error
    where = f"{request.method} {short(request.url.path)[1:-1]}"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        wrong = UsageError(
            where, found="another method", expected=headers.get("Allow", "a method"), action="see /docs"
        )
        return refusal(wrong, status=405, headers=headers)
    missing = MissingError(where, found="no such path", expected="a path of this API", action="see /docs")
    return refusal(missing, status=error.status_code, headers=headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of our own: nothing of it goes out, all of it into the log."""
    _log.error("fault", method=request.method, path=request.url.path, exc_info=error)
    fault = UnavailableError(
        f"{request.method} {short(request.url.path)[1:-1]}",
        found="a fault of this node",
        expected="an answer",
        action="see the node's log and report it",
    )
    return JSONResponse(error_body(fault), status_code=500)
