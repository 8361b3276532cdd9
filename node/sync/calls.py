"""A partner as this node sees it: typed requests over a transport, every answer held to its limits.

A `Transport` carries bytes; here requests are signed and answers read. What a partner answers wrongly is
an error of that partner: it is raised as a TallyError that names it, and costs nobody else anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ledger.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MissingError,
    TallyError,
    UnavailableError,
    short,
)
from node import signing
from node.node import Node
from node.sync import wire
from node.sync.door import PROTOCOL, PROTOCOL_HEADER, TIME_HEADER

MAX_TEXT_CHARS = 300
MAX_SMALL_ANSWER_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a partner. An answer with a larger body than `max_answer_bytes` is cut off."""

    path: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    max_answer_bytes: int = MAX_SMALL_ANSWER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Carries one request to a member's node."""

    async def request(self, partner: str, call: Call) -> Reply:
        """The reply. Raises UnavailableError where the partner cannot be reached or does not answer,
        MalformedError, TooLargeError where what it answers is no answer."""

    async def close(self) -> None:
        """Close what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A partner's clock as an answer told it, with the own clock before and after."""

    time_ms: int
    asked_ms: int
    answered_ms: int

    @property
    def offset_ms(self) -> int:
        """How far the partner's clock is ahead, about."""
        return self.time_ms - (self.asked_ms + self.answered_ms) // 2

    @property
    def error_ms(self) -> int:
        """How far that may be wrong: half of the round trip."""
        return (self.answered_ms - self.asked_ms) // 2


class Calls:
    """What one partner can be asked. `told` is the clock of its last answer."""

    def __init__(self, node: Node, partner: str, transport: Transport) -> None:
        self.partner = partner
        self.told: Told | None = None
        self._node = node
        self._transport = transport

    async def push(self, body: bytes) -> wire.PushAnswer:
        """Send a batch of the own log (formatted). An answer whose `size` is below its start: resend."""
        reply = await self._call("push", body, expected=(200, 409))
        if reply.headers.get("content-type", "").startswith("application/json"):
            raise self._refusal("push", reply)
        return wire.parse_push_answer(reply.body, f"{self.partner}: answer to push")

    async def pull(self, request: wire.PullRequest) -> bytes:
        """Ask for a run of a log; the batch as bytes, since reading it is work for another thread."""
        limit = self._node.settings.max_sync_body_bytes
        return (await self._call("pull", wire.format_pull_request(request), max_answer_bytes=limit)).body

    async def heads(self, heads: wire.Heads) -> wire.Heads:
        """Exchange heads."""
        limit = self._node.settings.max_sync_body_bytes
        asked_ms = self._node.world.now_ms()
        reply = await self._call("heads", wire.format_heads(heads), max_answer_bytes=limit)
        answered_ms = self._node.world.now_ms()
        found = wire.parse_heads(reply.body, f"{self.partner}: heads")
        self.told = Told(time_ms=found.time_ms, asked_ms=asked_ms, answered_ms=answered_ms)
        return found

    async def payloads(self, request: wire.PayloadsRequest) -> list[wire.Payload]:
        """Ask for payloads."""
        limit = self._node.settings.max_sync_body_bytes
        reply = await self._call("payloads", wire.format_payloads_request(request), max_answer_bytes=limit)
        return wire.parse_payloads(reply.body, f"{self.partner}: payloads")

    async def join(self, request: wire.JoinRequest) -> wire.JoinAnswer:
        """Ask the founder to be admitted; not signed, since it does not know the key yet."""
        limit = self._node.settings.max_sync_body_bytes
        call = self._prepare("join", wire.format_join_request(request), limit, signed=False)
        reply = await self._exchange("join", call, (200,))
        return wire.parse_join_answer(reply.body, f"{self.partner}: answer to join")

    async def _call(
        self,
        verb: str,
        body: bytes,
        *,
        expected: tuple[int, ...] = (200,),
        max_answer_bytes: int = MAX_SMALL_ANSWER_BYTES,
    ) -> Reply:
        return await self._exchange(verb, self._prepare(verb, body, max_answer_bytes), expected)

    def _prepare(self, verb: str, body: bytes, max_answer_bytes: int, *, signed: bool = True) -> Call:
        node = self._node
        path = f"{wire.PREFIX}/{verb}"
        headers = {"content-type": wire.MEDIA_TYPE, PROTOCOL_HEADER: PROTOCOL}
        if signed:
            state = node.state
            headers |= signing.sign_request(
                seed=node.keys.node.seed,
                sender=state.origin,
                recipient=state.roster.origin(self.partner),
                method="POST",
                path=path,
                query="",
                body=body,
                now_s=node.world.now_ms() // 1000,
            )
        return Call(path=path, body=body, headers=headers, max_answer_bytes=max_answer_bytes)

    async def _exchange(self, verb: str, call: Call, expected: tuple[int, ...]) -> Reply:
        asked_ms = self._node.world.now_ms()
        reply = await self._transport.request(self.partner, call)
        self._hear_clock(reply, asked_ms)
        if reply.status not in expected:
            raise self._refusal(verb, reply)
        if reply.headers.get(PROTOCOL_HEADER) != PROTOCOL:
            raise MalformedError(
                f"{self.partner}: answer to {verb}",
                found=f"protocol {short(reply.headers.get(PROTOCOL_HEADER, 'unnamed'), 20)}",
                expected=f"{PROTOCOL_HEADER}: {PROTOCOL}",
                action="check the partner's address, and the versions of both nodes",
            )
        return reply

    def _hear_clock(self, reply: Reply, asked_ms: int) -> None:
        text = reply.headers.get(TIME_HEADER, "")
        if text.isascii() and text.isdigit() and len(text) < 17:
            self.told = Told(time_ms=int(text), asked_ms=asked_ms, answered_ms=self._node.world.now_ms())

    def _refusal(self, verb: str, reply: Reply) -> TallyError:
        """A partner's refusal in its own words, cut to a length that a log line bears."""
        where = f"{self.partner}: {verb}"
        said = _error_of(reply.body)
        found = said.get("found", "") or f"status {reply.status}"
        place = said.get("where", "")
        kind = _KINDS.get(reply.status, InvalidError if 400 <= reply.status < 500 else UnavailableError)
        return kind(
            f"{where}: {place}" if place else where,
            found=found,
            expected=said.get("expected", ""),
            action=said.get("action", ""),
        )


_KINDS: Mapping[int, type[TallyError]] = {
    400: MalformedError,
    403: ForbiddenError,
    404: MissingError,
    409: ConflictError,
    429: UnavailableError,
}


def _error_of(body: bytes) -> dict[str, str]:
    """The texts of an error answer; empty where it is none."""
    if len(body) > MAX_SMALL_ANSWER_BYTES:
        return {}
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return {}
    return {
        name: "".join(c if c.isprintable() else "?" for c in text[:MAX_TEXT_CHARS])
        for name, text in error.items()
        if isinstance(name, str) and isinstance(text, str)
    }
