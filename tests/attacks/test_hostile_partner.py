"""A partner that answers wrongly harms only itself: the others stay in step, and the operator is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from node.sync import wire
from node.sync.calls import Call, Reply
from node.sync.wire import PushAnswer

if TYPE_CHECKING:
    from tests.simulation.network import Network

HEADERS = {"content-type": wire.MEDIA_TYPE, "tallystick-protocol": "1", "tallystick-time": "0"}


def ok(body: bytes) -> Reply:
    return Reply(status=200, headers=HEADERS, body=body)


ANSWERS: dict[str, Callable[[Call], Reply]] = {
    "nothing": lambda call: ok(b""),
    "noise": lambda call: ok(b"\xc1" * 100),
    "deep nesting": lambda call: ok(b"\x91" * 10_000),
    "claims of size": lambda call: ok(b"\xdd\xff\xff\xff\xff"),
    "another protocol": lambda call: Reply(status=200, headers={}, body=b"hello"),
    "a page": lambda call: Reply(status=502, headers={"content-type": "text/html"}, body=b"<html>"),
    "a redirect": lambda call: Reply(status=307, headers={"location": "http://x"}, body=b""),
    "deep JSON": lambda call: Reply(status=400, headers={}, body=b"[" * 100_000),
    "errors with escapes": lambda call: Reply(
        status=403, headers={}, body=json.dumps({"error": {"found": "\x1b[2J" * 1000}}).encode()
    ),
    "no progress": lambda call: ok(wire.format_push_answer(PushAnswer(size=0))),
    "a lie about the own log": lambda call: ok(wire.format_push_answer(PushAnswer(size=2**40))),
    "a bad cosignature": lambda call: ok(
        wire.format_push_answer(PushAnswer(size=0, cosignature="— x AAAAAAAA\n"))
    ),
    "an endless log": lambda call: ok(
        wire.format_heads(wire.Heads(notes=["x\n1\n" * 10] * 1000, time_ms=2**60))
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_a_partner_answers_the_others_stay_in_step(network: Network, name: str) -> None:
    def hostile(partner: str, call: Call, *, honest: Callable[[str, Call], Reply] = network.deliver) -> Reply:
        return ANSWERS[name](call) if partner == "cord" else honest(partner, call)

    network.deliver = hostile  # type: ignore[method-assign]  # this network's lines to cord are cord's
    acme, bolt = network.machines["acme"], network.machines["bolt"]
    before = network.loop.time()
    network.memo("acme", "hello")
    network.wait_until(lambda: bolt.up.state.copy(acme.up.state.origin) == acme.up.state.own.copy, 30)
    network.sleep(60)
    assert network.loop.time() - before < 120
    assert acme.engine is not None
    cord = next(status for status in acme.engine.status() if status.organization == "cord")
    assert not cord.reachable
    assert cord.error
    assert "\x1b" not in cord.error
    assert len(cord.error) < 2000
    assert not acme.up.state.quarantined
    network.memo("acme", "still writing")
