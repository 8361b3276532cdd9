"""GS1's 47 example documents through a node: every event back byte for byte, every document once."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ledger.trace.document import read_capture
from node.api.app import create_app
from node.config import Settings
from node.home import NewHome, found_home, read_token
from node.keyfiles import MIN_COST
from node.node import Node
from node.world import real_world

FOLDER = Path("epcis") / "gs1" / "examples"
DOCUMENTS = 47


@pytest.fixture(scope="module")
def documents(conformance: Path) -> list[Path]:
    found = sorted(path for path in (conformance / FOLDER).rglob("*") if path.suffix in (".json", ".jsonld"))
    assert len(found) == DOCUMENTS
    return found


class Door:
    """The HTTP side of one node, asked as its operator."""

    def __init__(self, home: Path) -> None:
        world = real_world()
        new = NewHome(
            organization="acme",
            title="Acme",
            person="ana",
            passphrase=b"for tests",
            world=world,
            cost=MIN_COST,
            state_folder=home.parent / "state",
        )
        found_home(home, new, network="coffee")
        self.node = Node(home=home, settings=Settings(), passphrase=b"for tests", world=world)
        self.node.start()
        self.runner = asyncio.Runner()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(self.node)),
            base_url="http://node.test",
            headers={"authorization": f"Bearer {read_token(home)}"},
        )

    def capture(self, data: bytes) -> Any:
        headers = {"content-type": "application/ld+json"}
        answer = self.runner.run(self.client.post("/capture", content=data, headers=headers))
        assert answer.status_code == 202, answer.text
        return answer.json()

    def get(self, path: str) -> httpx.Response:
        answer = self.runner.run(self.client.get(path))
        assert answer.status_code == 200, answer.text
        return answer

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.node.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    door = Door(tmp_path_factory.mktemp("homes") / f"acme-{os.getpid()}")
    yield door
    door.close()


def test_every_event_comes_back_byte_for_byte(door: Door, documents: list[Path]) -> None:
    seen: set[str] = set()
    events = 0
    for path in documents:
        data = path.read_bytes()
        texts = [event.text for event in read_capture(data).events]
        said = door.capture(data)["events"]
        assert len(said) == len(texts), path
        for event, text in zip(said, texts, strict=True):
            entry = door.get(f"/entries/{event['leaf']}").json()
            if event["new"]:
                assert entry["statement"]["body"]["event"].encode() == text, path
                events += 1
            if event["event_id"] not in seen:
                seen.add(event["event_id"])
                assert door.get(f"/events/{quote(event['event_id'], safe='')}").content == text, path
            assert json.loads(entry["statement"]["body"]["event"])["type"] == json.loads(text)["type"]
    assert events > DOCUMENTS


def test_a_second_capture_adds_nothing_and_says_so(door: Door, documents: list[Path]) -> None:
    for path in documents:
        door.capture(path.read_bytes())
    before = door.node.state.own.copy.size
    for path in documents:
        said = door.capture(path.read_bytes())
        assert said["recorded"] == 0, path
        assert all(event["result"] == "already recorded" for event in said["events"]), path
    assert door.node.state.own.copy.size == before
