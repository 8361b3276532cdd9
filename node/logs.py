"""Structured logs on stderr: one event per line, as text for people or JSON for machines, times in UTC.

What never gets into a log: payloads, salts, keys, passphrases, tokens. Fields with such names are hidden,
bytes are shown as their length (who wants a hash in the log passes its hex), long texts are cut, and
tracebacks come without the values of variables. Logs of uvicorn and other libraries take the same way.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ledger.errors import TallyError

MAX_TEXT_CHARS = 500

_HIDDEN = "[hidden]"
_SECRET_WORDS = (
    "passphrase",
    "password",
    "secret",
    "seed",
    "token",
    "authorization",
    "cookie",
    "payload",
    "salt",
    "body",
    "private",
)


def set_up_logs(*, json: bool, level: str = "info", stream: TextIO | None = None) -> None:
    """Sends this process's logs, our own and those of libraries, to `stream` (stderr)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _spell_failures,
        _hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _drop_color_message,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(json, target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # Their info lines are about single connections and requests.
    for name in ("httpx", "httpcore", "uvicorn.access", "asyncio", "http_message_signatures"):
        logging.getLogger(name).setLevel(logging.WARNING)


def get_log(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log


def _renderers(json: bool, colors: bool) -> list[Processor]:
    if json:
        # Not `dict_tracebacks`: it writes the values of variables into the log.
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=_plain)]
    console = structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
    return [console]


def _spell_failures(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An expected failure as its texts, not as an object."""
    for key, value in list(event.items()):
        if isinstance(value, TallyError):
            event[key] = str(value)
            if value.action:
                event.setdefault("action", value.action)
    return event


def _hide_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: str, value: Any) -> Any:
    if key in ("event", "exc_info", "_record", "_from_structlog"):
        return value if not isinstance(value, str) else _cut(value)
    if any(word in key.lower() for word in _SECRET_WORDS) and not isinstance(value, (int, float)):
        return _HIDDEN
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        return {inner: _shown(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown("", item) for item in value]
    return value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}…"


def _drop_color_message(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """uvicorn says everything twice, the second time for terminals."""
    event.pop("color_message", None)
    return event


def _plain(value: object) -> str:
    """How JSON shows what it has no form for."""
    return _cut(str(value))
