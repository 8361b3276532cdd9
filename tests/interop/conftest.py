"""A real network's logs, as they were served, for a verifier that was not written by us."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import httpx
import pytest

from cli.reading import open_home
from ledger.log.policy import format_policy
from ledger.log.signature import public_key
from ledger.log.statement import client_nonce
from ledger.members.policy import network_policy
from node.alone import rotate_keys
from node.api.app import create_app
from node.api.tiles import tiles_router
from node.bundle_export import export_bundle, select_agreement, select_log, select_lot, select_network
from node.config import Settings
from node.home import read_token
from node.keyfiles import MIN_COST, read_key
from node.recovery import Means, hold_home
from node.sync.door import Door
from node.views.receipts import make_receipt
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


AFTER_MS = 10_000
"""How long after anything else keys are rotated, so that times in seconds tell before from after."""


@dataclass(frozen=True, kw_only=True)
class Lived:
    """What is left of a network in which one firm rotated its keys and one lost them and opened a next log.

    `bundles` by subject and reader, `policies` by whether they name superseded keys; `receipts` of acme from
    before and after its rotation; `notes` likewise.
    """

    bundles: dict[tuple[str, str | None], bytes]
    policies: dict[bool, bytes]
    receipts: tuple[bytes, bytes]
    notes: tuple[str, str]
    agreement: str
    shown: dict[str, Any]


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
    return load("foreign_verifier", HERE / "foreign" / "__init__.py")


@pytest.fixture(scope="session")
def pieces() -> ModuleType:
    """True pieces of evidence of every kind."""
    return load("pieces", HERE.parent / "attacks" / "pieces.py")


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
        vkeys[name] = roster.log_key(roster.origin(name)).text
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


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Three firms that agreed and traded; then acme rotates its keys, and bolt opens its second log."""
    folder = tmp_path_factory.mktemp("lived")
    nodes = load("node_fixtures", HERE.parent / "node" / "conftest.py")
    clock = nodes.Clock()
    world = World(now_ms=clock, random=os.urandom)
    network = nodes.Network(folder, world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALLY_STATE_DIR", str(folder / "state"))
        try:
            network.found("port")
            for name in ("acme", "bolt"):
                network.join(name)
            yield live(folder, network, world, nodes.PASSPHRASE)
        finally:
            network.close()


def live(folder: Path, network: Any, world: World, passphrase: bytes) -> Lived:
    """The life of the network, and what it leaves."""
    desks = {name: Desk(firm) for name, firm in network.firms.items()}
    agreement = agree(network, desks)
    desks["acme"].write(
        "/capture", content=json.dumps(CAPTURE).encode(), headers={"content-type": "application/ld+json"}
    )
    acme = network["acme"].node
    acme.record([acme.draft("memo", {"text": "for bolt"}, audience=["bolt"])]).result(20)
    network.settle()
    shown = json.loads(desks["acme"].fetch(f"/agreements/{agreement}"))
    before = snapshot(network)
    for desk in desks.values():
        desk.close()
    rotate(folder / "acme", network, world, passphrase)
    recover(folder / "bolt", network, world, passphrase)
    acme = network["acme"].node
    acme.record([acme.draft("memo", {"text": "under the eyes of new witnesses"})]).result(20)
    network.settle()
    after = snapshot(network)
    with open_home(folder / "port") as home:
        chosen = {
            "network": select_network(home.state),
            "agreement": select_agreement(home.reader, home.state, home.book, bytes.fromhex(agreement)),
            "lot": select_lot(home.reader, home.state, EVENT["epcList"][0]),
        }
        for name in network.firms:
            chosen[name] = select_log(home.state, home.state.roster.origin(name))
        bundles = {}
        for what, selection in chosen.items():
            for reader in (None, "bolt"):
                path = folder / f"{what}-{reader}.bundle"
                export_bundle(path, home.reader, home.state, selection, audience=reader)
                bundles[what, reader] = path.read_bytes()
        origin = home.state.roster.origin("acme")
        policies = {
            old: format_policy(network_policy(home.state.roster, origin, superseded=old)).encode()
            for old in (False, True)
        }
    return Lived(
        bundles=bundles,
        policies=policies,
        receipts=(before[0], after[0]),
        notes=(before[1], after[1]),
        agreement=agreement,
        shown=shown,
    )


def snapshot(network: Any) -> tuple[bytes, str]:
    """A receipt of acme's entry 1 and the newest note of its log, as acme's node has them now."""
    node = network["acme"].node
    receipt = make_receipt(node.reader, node.state, (node.state.origin, 1), with_payload=True)
    return receipt.encode(), node.state.own.newest.note


def rotate(home: Path, network: Any, world: World, passphrase: bytes) -> None:
    """New keys for a firm, under which it goes on."""
    network[home.name].node.stop()
    world.now_ms.now += AFTER_MS  # type: ignore[attr-defined]  # it is the test's clock
    rotate_keys(home, passphrase, world, MIN_COST)
    world.now_ms.now += AFTER_MS  # type: ignore[attr-defined]  # as above
    node = network.restart(home.name).node
    node.record([node.draft("memo", {"text": "under new keys"})]).result(20)
    network.share()


def recover(home: Path, network: Any, world: World, passphrase: bytes) -> None:
    """The next log of a firm, in which it goes on."""
    network[home.name].node.stop()
    key = read_key(home / "keys" / "recovery.key", passphrase)
    means = Means(
        passphrase=passphrase,
        world=world,
        settings=Settings(),
        state_folder=home.parent / "state",
        cost=MIN_COST,
    )
    with hold_home(home, means) as held:
        plan = held.plan(key.public)
        held.open(plan, key.seed, plan.people)
    world.now_ms.now += AFTER_MS  # type: ignore[attr-defined]  # as above
    node = network.restart(home.name).node
    node.record([node.draft("memo", {"text": "in the next log"})]).result(20)
    network.share()


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
