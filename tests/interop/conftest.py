"""A real network's logs, as they were served, for a verifier that was not written by us."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import httpx
import pytest

from ledger.log.signature import public_key
from ledger.log.statement import client_nonce
from node.api.app import create_app
from node.api.tiles import tiles_router
from node.home import read_token
from node.sync.door import Door
from node.world import World

T = TypeVar("T")

HERE = Path(__file__).resolve().parent
MEMOS = 300

CONTRACT = """
contract: 1
name: delivery
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: "100.00 EUR"}
  pay: {duration: 30 days}
text: >
  {seller} delivers to {buyer}, who confirms and then owes {price} within {pay}.
facts:
  delivered: {by: [seller], confirm: [buyer], fields: {pieces: integer}}
rules:
  - name: delivery
    when: exists(delivered) and delivered.pieces > 0
    then: [{due: {from: buyer, to: seller, amount: price, within: pay}}, {state: delivered}]
"""

EVENT = {
    "type": "ObjectEvent",
    "action": "OBSERVE",
    "bizStep": "shipping",
    "eventTime": "2026-03-02T10:00:00.000Z",
    "eventTimeZoneOffset": "+00:00",
    "epcList": ["urn:epc:id:sgtin:4012345.011111.1"],
}
CAPTURE = {
    "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    "type": "EPCISDocument",
    "schemaVersion": "2.0",
    "creationDate": "2026-03-02T10:00:00.000Z",
    "epcisBody": {"eventList": [EVENT]},
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a network served: for each firm a folder of tiles, keys as text, and receipts with payloads."""

    folder: Path
    vkeys: dict[str, str]
    witness_vkeys: dict[str, str]
    payloads: dict[str, list[bytes]]
    receipts: list[bytes]
    plain_receipt: bytes
    words: str
    leaves: list[str]
    agreement: str

    def log(self, firm: str) -> Path:
        """Where the tiles of a firm's log are."""
        return self.folder / firm

    def witnesses(self, firm: str) -> list[str]:
        """The witness keys of all others."""
        return [vkey for name, vkey in self.witness_vkeys.items() if name != firm]


class Desk:
    """The HTTP side of one firm."""

    def __init__(self, firm: Any) -> None:
        self.firm = firm
        self._runner = asyncio.Runner()
        app = create_app(firm.node, routers=[tiles_router(firm.node, Door(firm.node), at_once)])
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://node.test")
        self._token = {"authorization": f"Bearer {read_token(firm.node.home)}"}

    def write(self, path: str, **more: Any) -> Any:
        headers = self._token | more.pop("headers", {})
        answer = self._runner.run(self._client.post(path, headers=headers, **more))
        assert answer.is_success, answer.text
        return answer.json()

    def fetch(self, path: str, *, anonymous: bool = False) -> bytes:
        answer = self._runner.run(self._client.get(path, headers={} if anonymous else self._token))
        assert answer.status_code == 200, answer.text
        return answer.content

    def signed(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        nonce = client_nonce(os.urandom(16))
        made = self.firm.sign(kind, nonce, body)
        signature = {"key": made.key.hex(), "role": made.role, "signature": made.signature.hex()}
        return {"nonce": nonce.hex(), "signatures": [signature]}

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


async def at_once(work: Callable[[], T]) -> T:
    """Blocking work on the spot."""
    return work()


@pytest.fixture(scope="session")
def foreign() -> ModuleType:
    """The verifier that knows only the public formats."""
    return load("foreign_verifier", HERE / "foreign.py")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, foreign: ModuleType) -> Served:
    """Three firms that did some of everything, with more than one full tile of entries in one log."""
    folder = tmp_path_factory.mktemp("interop")
    nodes = load("node_fixtures", HERE.parent / "node" / "conftest.py")
    clock = nodes.Clock()
    network = nodes.Network(folder / "homes", World(now_ms=clock, random=os.urandom))
    (folder / "homes").mkdir()
    try:
        network.found("port")
        for name in ("acme", "bolt"):
            network.join(name)
        desks = {name: Desk(firm) for name, firm in network.firms.items()}
        try:
            leaves = act(network, desks)
            agreement = agree(network, desks)
            network.settle()
            return collect(folder / "served", network, desks, leaves, agreement, foreign)
        finally:
            for desk in desks.values():
                desk.close()
    finally:
        network.close()


def act(network: Any, desks: dict[str, Desk]) -> list[str]:
    """Remarks, an event, a person who comes and goes; the leaf hashes of what has a receipt."""
    acme = network["acme"].node
    acme.record([acme.draft("memo", {"text": str(number)}) for number in range(MEMOS)]).result(20)
    acme.record([acme.draft("memo", {"text": "for bolt"}, audience=["bolt"])]).result(20)
    acme.record([acme.draft("seen.later", {"unknown": [None, -5]})]).result(20)
    grant = {"key": public_of(b"ben"), "name": "ben", "roles": ["director"]}
    acme.record([acme.draft("person.grant", grant)]).result(20)
    key = sha256(b"tallystick key v1\ned25519\n" + public_of(b"ben")).digest()
    acme.record([acme.draft("person.revoke", {"key": key})]).result(20)
    memo = desks["acme"].write("/memos", json={"text": "one"}, headers={"idempotency-key": "one"})
    captured = desks["acme"].write(
        "/capture", content=json.dumps(CAPTURE).encode(), headers={"content-type": "application/ld+json"}
    )
    return [memo["leaf"], captured["events"][0]["leaf"]]


def public_of(name: bytes) -> bytes:
    """A public key out of a name."""
    return public_key(sha256(name).digest())


def agree(network: Any, desks: dict[str, Desk]) -> str:
    """From the proposal to the decision; the agreement's hash."""
    said = desks["acme"].write("/agreements", json={"document": CONTRACT})
    network.settle()
    agreement, proposal = said["agreement"], said["proposal"]
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        body = {"agreement": bytes.fromhex(agreement), "party": party, "proposal": bytes.fromhex(proposal)}
        form = {"party": party, "proposal": proposal} | desks[name].signed("agreement.sign", body)
        desks[name].write(f"/agreements/{agreement}/signatures", json=form)
    network.settle()
    fact = {"agreement": agreement, "name": "delivered", "fields": {"pieces": "3"}}
    leaf = desks["acme"].write("/facts", json=fact)["leaf"]
    network.settle()
    body = {"agreement": bytes.fromhex(agreement), "fact": bytes.fromhex(leaf)}
    form = {"agreement": agreement, "fact": leaf} | desks["bolt"].signed("confirm", body)
    desks["bolt"].write("/confirmations", json=form)
    network.settle()
    found: str = agreement
    return found


def collect(
    folder: Path,
    network: Any,
    desks: dict[str, Desk],
    leaves: list[str],
    agreement: str,
    foreign: ModuleType,
) -> Served:
    """Everything that a verifier reads, as the nodes served it."""
    vkeys, witness_vkeys, payloads = {}, {}, {}
    roster = network["port"].node.state.roster
    for name, desk in desks.items():
        vkeys[name] = roster.log_key(name).text
        witness_vkeys[name] = roster.witness_key(name).text
        origin = roster.origin(name)
        base = f"/log/{sha256(origin.encode()).hexdigest()}"
        reader, size = network[name].node.reader, network[name].node.state.own.copy.size
        payloads[name] = [payload for _, _, payload in reader.payloads(origin, 0, size)]
        foreign.verify_log(saving(desk, base, folder / name), foreign.read_vkey(vkeys[name]))
    acme = desks["acme"]
    return Served(
        folder=folder,
        vkeys=vkeys,
        witness_vkeys=witness_vkeys,
        payloads=payloads,
        receipts=[acme.fetch(f"/receipts/{leaf}?payload=true") for leaf in leaves],
        plain_receipt=acme.fetch(f"/receipts/{leaves[0]}"),
        words=json.loads(acme.fetch("/members"))["words"],
        leaves=leaves,
        agreement=agreement,
    )


def saving(desk: Desk, base: str, folder: Path) -> Callable[[str], bytes]:
    """Reads of a node that anybody may make, kept in a folder."""

    def fetch(path: str) -> bytes:
        data = desk.fetch(f"{base}/{path}", anonymous=True)
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return data

    return fetch


def load(name: str, path: Path) -> ModuleType:
    """A module from its file, since test folders are no packages."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
