"""Capture: EPCIS documents taken apart into one statement for each event.

An event's statement holds its text byte for byte, the text of its document's `@context`, the SHA-256 of the
document, and the event hash. The hash is that of the text as it stands, so that whoever holds the statement
can compute it again: a document's `ignoreFields` does not change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import InvalidError, TallyError
from ledger.log.statement import NONCE_BYTES, Statement, node_nonce, write_nonce
from ledger.trace.check import check_capture
from ledger.trace.document import BARE_EVENT, Capture, CapturedEvent, read_capture
from ledger.trace.event import view_event
from ledger.trace.event_hash import event_hash, format_ni
from node.drafts import Draft, make_draft
from node.store.indexing import Indexed, index_event
from node.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """How a document is captured: for whom, and under which `Idempotency-Key`."""

    audience: tuple[str, ...] | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedDocument:
    """A document ready to be recorded: its SHA-256, and for each event a draft and the name it goes by."""

    id: bytes
    drafts: tuple[Draft, ...]
    names: tuple[str, ...]


def draft_document(data: bytes, world: World, options: CaptureOptions) -> CapturedDocument:
    """Check a document and make a draft for each event in it.

    Raises:
        MalformedError, TooLargeError: it is no EPCIS document; the message names the place.
    """
    capture = read_capture(data)
    check_capture(capture)
    return _drafts(data, capture, world, options)


def draft_event(data: bytes, world: World, options: CaptureOptions) -> CapturedDocument:
    """The same for a single event, which brings its own `@context`.

    Raises:
        InvalidError: it is a document.
    """
    capture = read_capture(data, where="event")
    if capture.shape != BARE_EVENT:
        raise InvalidError(
            "event", found=capture.shape, expected="one event", action="send documents to /capture"
        )
    check_capture(capture)
    return _drafts(data, capture, world, options)


def _drafts(data: bytes, capture: Capture, world: World, options: CaptureOptions) -> CapturedDocument:
    document = sha256(data).digest()
    drafts: list[Draft] = []
    names: list[str] = []
    for event, nonce in zip(capture.events, _nonces(world, options, len(capture.events)), strict=True):
        draft, name = _draft(event, capture.context, document, nonce, options)
        drafts.append(draft)
        names.append(name)
    return CapturedDocument(id=document, drafts=tuple(drafts), names=tuple(names))


def _draft(
    event: CapturedEvent, context: str, document: bytes, nonce: bytes, options: CaptureOptions
) -> tuple[Draft, str]:
    try:
        digest = event_hash(event.value, context)
        view = view_event(event.value, context=context, digest=digest)
    except TallyError as error:
        # What the form lets pass and the hash cannot take, such as a prefix that nothing declares.
        raise InvalidError(
            f"{event.place} {error.where}".strip(),
            found=error.found,
            expected=error.expected,
            action=error.action,
        ) from error
    statement = Statement(
        kind="event",
        audience=options.audience,
        body={"capture": document, "context": context, "event": event.text.decode(), "hash": digest},
        nonce=nonce,
    )
    indexed = Indexed(nonce=nonce, event=index_event(view, document))
    draft = make_draft(statement, indexed=indexed)
    return draft, view.event_id or format_ni(digest)


def _nonces(world: World, options: CaptureOptions, count: int) -> list[bytes]:
    if options.idempotency_key is not None:
        return [write_nonce(options.idempotency_key, index) for index in range(count)]
    random = world.random(NONCE_BYTES * count)
    return [node_nonce(random[i : i + NONCE_BYTES]) for i in range(0, len(random), NONCE_BYTES)]


def own_audience(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """An audience in the form that statements have; None for all members."""
    return None if names is None else tuple(sorted(set(names)))
