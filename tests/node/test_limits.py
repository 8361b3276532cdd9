"""Body, rate and time limits of the ASGI middlewares, and the shape of error answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors
from node.limits import (
    App,
    BodyLimit,
    Message,
    Rate,
    RateLimit,
    Receive,
    Scope,
    Send,
    TimeLimit,
    TokenBuckets,
    error_body,
    status_of,
)

LIMIT = 100


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def limited(app: App = echo, *, buffered: int = 10_000) -> BodyLimit:
    return BodyLimit(app, default_bytes=LIMIT, limits_bytes={"/sync/": 1000}, buffered_bytes=buffered)


class Answer:
    def __init__(self, sent: list[Message]) -> None:
        self.sent = sent
        self.status = sent[0]["status"] if sent else None
        self.headers = dict(sent[0]["headers"]) if sent else {}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])

    @property
    def error(self) -> dict[str, str]:
        error: dict[str, str] = json.loads(self.body)["error"]
        return error


def ask(
    app: App,
    *chunks: bytes,
    path: str = "/",
    headers: list[tuple[bytes, bytes]] | None = None,
    client: str = "10.0.0.1",
    hang_up: bool = False,
) -> Answer:
    return asyncio.run(_ask(app, list(chunks) or [b""], path, headers or [], client, hang_up))


async def _ask(
    app: App, chunks: list[bytes], path: str, headers: list[tuple[bytes, bytes]], client: str, hang_up: bool
) -> Answer:
    sent: list[Message] = []
    left = list(chunks)

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or hang_up}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": (client, 1)}
    await app(scope, receive, send)
    return Answer(sent)


def test_a_body_at_the_limit_arrives_whole() -> None:
    assert ask(limited(), b"a" * 60, b"b" * 40).body == b"a" * 60 + b"b" * 40


def test_a_longer_body_is_cut_off() -> None:
    answer = ask(limited(), b"a" * 60, b"b" * 41, b"never read")
    assert answer.status == 413
    assert answer.error["code"] == "too_large"
    assert answer.error["expected"] == "at most 100 bytes of body"


def test_a_longer_content_length_is_refused_before_the_body() -> None:
    answer = ask(limited(), b"", headers=[(b"content-length", b"101")])
    assert (answer.status, answer.error["found"]) == (413, "101 bytes")


@pytest.mark.parametrize("value", [b"", b"-1", b"1e3", b"0x10", b"9" * 5000, "٣".encode()])
def test_another_content_length_is_refused(value: bytes) -> None:
    assert ask(limited(), headers=[(b"content-length", value)]).status == 400


def test_the_longest_prefix_decides() -> None:
    app = BodyLimit(echo, default_bytes=10, limits_bytes={"/a": 20, "/a/b": 30}, buffered_bytes=1000)
    for path, limit in (("/", 10), ("/a", 20), ("/a/b", 30)):
        assert ask(app, b"x" * limit, path=path).status == 200
        assert ask(app, b"x" * (limit + 1), path=path).status == 413


@pytest.mark.parametrize("value", [b"gzip", b"br", b"zstd, gzip", b"GZIP", b"x" * 500, b"\xff"])
def test_compressed_bodies_are_refused(value: bytes) -> None:
    answer = ask(limited(), b"x", headers=[(b"content-encoding", value)])
    assert answer.status == 415
    assert answer.error["action"] == "Send the body uncompressed."


@pytest.mark.parametrize("value", [b"identity", b"Identity", b""])
def test_identity_is_no_compression(value: bytes) -> None:
    assert ask(limited(), b"x", headers=[(b"content-encoding", value)]).status == 200


def test_bodies_in_flight_are_limited_together() -> None:
    inner: list[Answer] = []

    async def nested(scope: Scope, receive: Receive, send: Send) -> None:
        inner.append(await _ask(app, [b"x" * 60], "/", [], "", False))
        await echo(scope, receive, send)

    app = limited(nested, buffered=100)
    assert ask(app, b"x" * 60).status == 200
    assert inner[0].status == 503
    assert inner[0].headers[b"retry-after"] == b"1"


def test_room_is_given_back_whatever_happens() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    app = limited(failing, buffered=100)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ask(app, b"x" * 60)
        ask(app, b"x" * 101)
        ask(app, b"x" * 60, hang_up=True)
    assert app._free_bytes == 100


def test_a_caller_who_hangs_up_gets_no_answer() -> None:
    assert ask(limited(), b"x", hang_up=True).sent == []


def test_after_the_body_the_application_hears_of_the_hang_up() -> None:
    heard = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])

    ask(limited(waiting), b"x")
    assert heard == ["http.request", "http.disconnect"]


def rated(now: list[float]) -> RateLimit:
    return RateLimit(echo, rates={"/sync/": Rate(per_s=2, burst=3)}, monotonic_s=lambda: now[0])


def test_a_burst_then_the_rate() -> None:
    now = [0.0]
    app = rated(now)
    assert [ask(app, path="/sync/v1/push").status for _ in range(4)] == [200, 200, 200, 429]
    now[0] = 0.5
    assert [ask(app, path="/sync/v1/push").status for _ in range(2)] == [200, 429]


def test_too_many_requests_say_when_to_come_back() -> None:
    app = rated([0.0])
    answers = [ask(app, path="/sync/") for _ in range(4)]
    assert answers[-1].headers[b"retry-after"] == b"1"
    assert answers[-1].error["code"] == "unavailable"


def test_addresses_and_paths_have_their_own_rates() -> None:
    app = rated([0.0])
    for _ in range(4):
        ask(app, path="/sync/")
    assert ask(app, path="/sync/", client="10.0.0.2").status == 200
    assert ask(app, path="/api/").status == 200


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    steps=st.lists(st.floats(0, 10), max_size=200),
)
def test_never_more_than_burst_and_rate_allow(rate: float, burst: int, steps: list[float]) -> None:
    buckets = TokenBuckets(Rate(per_s=rate, burst=burst))
    now_s = taken = 0.0
    for step in steps:
        now_s += step
        wait_s = buckets.take("a", now_s)
        taken += not wait_s
        assert wait_s <= 1 / rate + 1e-9
    assert taken <= burst + rate * now_s + 1e-6


def test_buckets_do_not_grow_without_end() -> None:
    buckets = TokenBuckets(Rate(per_s=1, burst=1), max_keys=10)
    for number in range(1000):
        buckets.take(str(number), 0.0)
    assert len(buckets._buckets) == 10


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    buckets = TokenBuckets(Rate(per_s=1, burst=1))
    assert buckets.take("a", 100) == 0
    assert buckets.take("a", 0) > 0


def test_a_slow_request_is_answered_in_time() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(10)

    answer = ask(TimeLimit(slow, limit_s=0.01))
    assert answer.status == 503
    assert answer.error["found"] == "no answer in time"


def test_a_timeout_of_the_application_is_its_own() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ask(TimeLimit(failing, limit_s=10))


def test_an_answer_that_began_is_not_begun_again() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        ask(TimeLimit(half, limit_s=0.01))


@pytest.mark.parametrize(
    "wrap",
    [
        limited,
        lambda app: TimeLimit(app, limit_s=1),
        lambda app: RateLimit(app, rates={"": Rate(per_s=1, burst=1)}, monotonic_s=lambda: 0),
    ],
)
def test_what_is_no_request_passes(wrap: Callable[[App], App]) -> None:
    seen = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    call: Awaitable[None] = wrap(lifespan)({"type": "lifespan"}, nothing, nothing)

    async def run() -> None:
        await call

    asyncio.run(run())
    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (errors.MalformedError, "malformed", 400),
        (errors.TooLargeError, "too_large", 413),
        (errors.InvalidError, "invalid", 422),
        (errors.ForkError, "fork", 422),
        (errors.GapError, "gap", 422),
        (errors.RollbackError, "rollback", 422),
        (errors.ForbiddenError, "forbidden", 403),
        (errors.MissingError, "missing", 404),
        (errors.ConflictError, "conflict", 409),
        (errors.UnavailableError, "unavailable", 503),
        (errors.UsageError, "usage", 400),
    ],
)
def test_every_failure_has_a_status_and_a_code(kind: type[errors.TallyError], code: str, status: int) -> None:
    error = kind("entry 41", found="a", expected="b", action="c")
    assert status_of(error) == status
    assert error_body(error) == {
        "error": {"where": "entry 41", "found": "a", "expected": "b", "action": "c", "code": code}
    }
