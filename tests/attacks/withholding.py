"""Nodes that leave payloads out of what they give one partner. Not a test module."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.node import Node
from node.store.reader import StoredNote
from node.sync import pushing, serving
from node.sync.batching import make_batch
from node.sync.serving import Serving
from node.sync.wire import Batch, Payload, PayloadsRequest


def leave_out(patch: pytest.MonkeyPatch, giver: str, reader: str, word: bytes) -> None:
    """Have a firm's node give another firm's node no payload that holds a word, whosoever it is."""

    def kept(node: Node, name: str, payloads: list[Payload]) -> list[Payload]:
        if (node.state.organization, name) != (giver, reader):
            return payloads
        return [payload for payload in payloads if word not in payload[2]]

    def batch(
        node: Node, origin: str, start: int, limit: int, name: str, note: StoredNote | None = None
    ) -> Batch:
        whole = make_batch(node, origin, start, limit, name, note)
        return replace(whole, payloads=kept(node, name, list(whole.payloads)))

    answer = Serving.payloads

    def payloads(self: Serving, sender: str, request: PayloadsRequest) -> list[Payload]:
        return kept(self._node, sender, answer(self, sender, request))

    patch.setattr(pushing, "make_batch", batch)
    patch.setattr(serving, "make_batch", batch)
    patch.setattr(Serving, "payloads", payloads)
