"""The door of the sync protocol: from a request's bytes to an answer's, whatever carries them.

1. the protocol's version: `Tallystick-Protocol: 1` on requests and answers
2. the sender: a signature by a member's node key, for this node, within its time (`node.signing`);
   `join` has none, its secret speaks for it
3. the message's form, then `node.sync.serving`

Every answer carries `Tallystick-Time`, so that a node whose clock is too far off to be let in can tell.
Failures are answered as JSON (`node.limits`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ledger.errors import ForbiddenError, GapError, MissingError, TallyError, TooLargeError, UsageError, short
from node import signing
from node.limits import error_body, status_of
from node.node import Node
from node.sync import wire
from node.sync.joining import Joining
from node.sync.later import is_next_log, open_next_log
from node.sync.serving import Hooks, Serving

PROTOCOL = "1"
PROTOCOL_HEADER = "tallystick-protocol"
TIME_HEADER = "tallystick-time"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller sent: the target as it stood on the wire, headers with lower-case names."""

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it is answered."""

    status: int
    body: bytes
    media_type: str = wire.MEDIA_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Door:
    """Answers requests between nodes; every method may be called from any thread, and may wait for disk."""

    def __init__(
        self, node: Node, hooks: Hooks | None = None, heard: Callable[[str], None] | None = None
    ) -> None:
        self._node = node
        self.serving = Serving(node, hooks)
        self.joining = Joining(node)
        self.heard = heard or (lambda sender: None)
        """Told which member's signed request came in."""
        self._verbs: Mapping[str, Callable[[str, bytes], Answer]] = {
            "push": self._push,
            "pull": self._pull,
            "heads": self._heads,
            "payloads": self._payloads,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to one request; never raises a TallyError."""
        try:
            found = self._answer(request)
        except TallyError as error:
            body = json.dumps(error_body(error)).encode()
            found = Answer(status=status_of(error), body=body, media_type=JSON)
        headers = {PROTOCOL_HEADER: PROTOCOL, TIME_HEADER: str(self._node.world.now_ms())}
        return Answer(status=found.status, body=found.body, media_type=found.media_type, headers=headers)

    def check_sender(self, request: Request) -> str:
        """The member that signed a request for this node.

        Raises:
            ForbiddenError: nobody did, or it is expired, or for another node.
        """
        node = self._node
        state = node.state
        parts = urlsplit(request.target)
        origin = signing.check_request(
            headers=request.headers,
            method=request.method,
            path=parts.path,
            query=parts.query,
            body=request.body,
            recipient=self._named(request),
            key_of=lambda origin: self._node_key(origin, request.body),
            now_s=node.world.now_ms() // 1000,
            max_skew_s=node.settings.max_clock_skew_s,
        )
        if origin == state.origin:
            raise ForbiddenError(
                f"{request.method} {parts.path}",
                found="a request by this node itself",
                expected="one by a partner",
                action="see whether a copy of this home runs elsewhere; stop it at once",
            )
        organization = origin.partition("/")[0]
        self.heard(organization)
        return organization

    def _answer(self, request: Request) -> Answer:
        limit = self._node.settings.max_sync_body_bytes
        if urlsplit(request.target).path == f"{wire.PREFIX}/join":
            limit = min(limit, wire.MAX_JOIN_BYTES)
        if len(request.body) > limit:
            raise TooLargeError(
                "body", found=f"{len(request.body)} bytes", expected=f"at most {limit}", action="send less"
            )
        _check_protocol(request)
        verb = urlsplit(request.target).path.removeprefix(wire.PREFIX + "/")
        if verb == "join":
            return self._join(request.body)
        act = self._verbs.get(verb)
        if act is None:
            raise MissingError(
                f"path {short(request.target)}", found="no such request", expected=", ".join(self._verbs)
            )
        return act(self.check_sender(request), request.body)

    def _named(self, request: Request) -> str:
        """By which of its logs a caller knows this node: the newest, or one before it."""
        state = self._node.state
        said = [value for name, value in request.headers if name.lower() == signing.RECIPIENT_HEADER]
        known = state.roster.logs(state.organization)
        return said[0] if said and said[0] in known else state.origin

    def _node_key(self, origin: str, body: bytes) -> bytes | None:
        """The sender's node key; of a log that this request opens, the one that the opening names."""
        state = self._node.state
        try:
            if is_next_log(state.roster, origin):
                return open_next_log(state.roster, wire.parse_batch(body, f"push of {origin}")).keys.node
            return state.roster.member_of(origin).keys.node
        except TallyError:
            return None

    def _push(self, sender: str, body: bytes) -> Answer:
        batch = wire.parse_batch(body, f"push by {sender}")
        try:
            answer = self.serving.push(sender, batch)
        except GapError:
            held = self.serving.held(batch.origin)
            if batch.start <= held.size:
                raise
            return Answer(status=409, body=wire.format_push_answer(held))
        return Answer(status=200, body=wire.format_push_answer(answer))

    def _pull(self, sender: str, body: bytes) -> Answer:
        request = wire.parse_pull_request(body, f"pull by {sender}")
        return Answer(status=200, body=wire.format_batch(self.serving.pull(sender, request)))

    def _heads(self, sender: str, body: bytes) -> Answer:
        heads = wire.parse_heads(body, f"heads of {sender}")
        return Answer(status=200, body=wire.format_heads(self.serving.heads(sender, heads)))

    def _payloads(self, sender: str, body: bytes) -> Answer:
        request = wire.parse_payloads_request(body, f"payloads for {sender}")
        return Answer(status=200, body=wire.format_payloads(self.serving.payloads(sender, request)))

    def _join(self, body: bytes) -> Answer:
        request = wire.parse_join_request(body)
        return Answer(status=200, body=wire.format_join_answer(self.joining.join(request)))


def _check_protocol(request: Request) -> None:
    found = [value for name, value in request.headers if name.lower() == PROTOCOL_HEADER]
    if found != [PROTOCOL]:
        raise UsageError(
            f"{request.method} {short(request.target)}",
            found=f"protocol {short(found[0], 20) if found else 'unnamed'}",
            expected=f"{PROTOCOL_HEADER}: {PROTOCOL}",
            action="use versions of tally that speak the same protocol",
        )
