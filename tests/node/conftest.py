"""A home of one organization, and an open node on it, with a clock that the test moves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger.log.encoding import Value
from ledger.log.note import add_signatures
from ledger.log.statement import PersonSignature
from ledger.members.invitation import secret_hash
from ledger.members.people import sign_as_person
from node.clerk import Clerk
from node.config import Settings
from node.home import PEOPLE, NewHome, found_home, newcomer_home
from node.keyfiles import MIN_COST, read_key
from node.node import Node
from node.sync.batching import make_batch
from node.sync.joining import Joining, store_join_answer
from node.sync.storing import store_batch, store_note
from node.sync.wire import JoinAnswer, JoinRequest
from node.world import World

PASSPHRASE = b"correct horse"


@dataclass(slots=True)
class Clock:
    """Milliseconds that only the test moves."""

    now: int = 1_760_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class OpenNode:
    """A started node, the clock it reads, and every value that its high-water mark was raised to."""

    node: Node
    clock: Clock
    marks: list[tuple[int, bytes]] = field(default_factory=list)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return World(now_ms=clock, random=os.urandom)


@pytest.fixture
def home(tmp_path: Path, world: World) -> Path:
    """The home of acme, who founded a network."""
    path = tmp_path / "acme"
    found_home(
        path,
        NewHome(
            organization="acme",
            title="Acme Ltd",
            person="ana",
            passphrase=PASSPHRASE,
            world=world,
            cost=MIN_COST,
            state_folder=tmp_path / "state",
        ),
        network="coffee",
    )
    return path


@pytest.fixture
def open_node(home: Path, world: World, clock: Clock) -> Iterator[Callable[[], OpenNode]]:
    """Opens and starts the node of the home; what is still open at the end of a test is stopped."""
    opened: list[Node] = []

    def start() -> OpenNode:
        marks: list[tuple[int, bytes]] = []
        node = Node(
            home=home,
            settings=Settings(),
            passphrase=PASSPHRASE,
            world=world,
            raise_mark=lambda size, root: marks.append((size, root)),
        )
        node.start()
        opened.append(node)
        return OpenNode(node, clock, marks)

    yield start
    for node in opened:
        node.stop()


@pytest.fixture
def opened(open_node: Callable[[], OpenNode]) -> OpenNode:
    return open_node()


@pytest.fixture
def node(opened: OpenNode) -> Node:
    return opened.node


@dataclass(slots=True)
class Firm:
    """A member of a network: its node, its clerk, and the key of the person who signs for it."""

    node: Node
    clerk: Clerk
    seed: bytes

    @property
    def name(self) -> str:
        return self.node.state.organization

    def sign(
        self, kind: str, nonce: bytes, body: Mapping[str, Value], role: str = "director"
    ) -> PersonSignature:
        return sign_as_person(
            seed=self.seed, role=role, kind=kind, origin=self.node.state.origin, nonce=nonce, body=body
        )


class Network:
    """Several firms in one process, whose nodes exchange only when the test says so."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world
        self.founder = ""
        self._secrets: dict[str, bytes] = {}
        self.firms: dict[str, Firm] = {}

    def __getitem__(self, name: str) -> Firm:
        return self.firms[name]

    def found(self, name: str) -> Firm:
        """The first firm, with a new network."""
        found_home(self.folder / name, self._new(name), network="coffee")
        self.founder = name
        return self._open(name)

    def join(self, name: str) -> Firm:
        """One more firm, invited and admitted by the first."""
        founder = self.firms[self.founder].node
        secret = os.urandom(32)
        invitation = founder.draft("network.invite", {"organization": name, "secret": secret_hash(secret)})
        founder.record([invitation]).result(20)
        founding = founder.reader.record(founder.state.origin, 0).statement
        assert founding is not None
        newcomer_home(self.folder / name, self._new(name), founding.data("founding"))
        firm = self._open(name)
        self._secrets[name] = secret
        store_join_answer(firm.node, self.ask_to_join(name))
        self.share()
        return firm

    def ask_to_join(self, name: str) -> JoinAnswer:
        """What the founder answers to a newcomer's join, also when it comes again."""
        node, founder = self.firms[name].node, self.firms[self.founder].node
        batch = make_batch(node, node.state.origin, 0, 2**20, self.founder)
        return Joining(founder).join(JoinRequest(batch=batch, secret=self._secrets[name]))

    def share(self, *names: str) -> None:
        """Everyone (or only these) tells everyone its log and gets the cosignatures back."""
        chosen = [self.firms[name] for name in names] or list(self.firms.values())
        for author in chosen:
            origin = author.node.state.origin
            for reader in chosen:
                if reader is not author:
                    self._push(author.node, origin, reader.node)
        for author in chosen:
            # Once more, now that the own note carries all cosignatures.
            for reader in chosen:
                if reader is not author:
                    self._push(author.node, author.node.state.origin, reader.node)

    def settle(self) -> None:
        """Share and let the clerks work until nothing changes."""
        for _ in range(20):
            before = [firm.node.state.own.copy.size for firm in self.firms.values()]
            self.share()
            for firm in self.firms.values():
                assert firm.clerk.work_off()
            if before == [firm.node.state.own.copy.size for firm in self.firms.values()]:
                return
        raise AssertionError("the network does not come to rest")

    def restart(self, name: str, meanwhile: Callable[[Path], None] = lambda home: None) -> Firm:
        """Close a firm's node and open it again; in between something may be done to its home."""
        self.firms.pop(name).node.stop()
        meanwhile(self.folder / name)
        return self._open(name)

    def close(self) -> None:
        for firm in self.firms.values():
            firm.node.stop()

    def _push(self, author: Node, origin: str, reader: Node) -> None:
        start = reader.state.copy(origin).size
        batch = make_batch(author, origin, start, 2**20, reader.state.organization)
        stored = store_batch(reader, batch)
        if stored.cosignature is not None:
            store_note(author, add_signatures(batch.checkpoint, stored.cosignature))

    def _new(self, name: str) -> NewHome:
        return NewHome(
            organization=name,
            title=name.title(),
            person="ana",
            passphrase=PASSPHRASE,
            world=self.world,
            cost=MIN_COST,
            state_folder=self.folder / "state",
        )

    def _open(self, name: str) -> Firm:
        home = self.folder / name
        node = Node(home=home, settings=Settings(), passphrase=PASSPHRASE, world=self.world)
        node.start()
        seed = read_key(home / PEOPLE / "ana.key", PASSPHRASE).seed
        firm = Firm(node, Clerk(node), seed)
        self.firms[name] = firm
        return firm


@pytest.fixture
def network(tmp_path: Path, world: World) -> Iterator[Network]:
    """A network of port, who founded it and keeps the time, acme and bolt."""
    network = Network(tmp_path, world)
    network.found("port")
    for name in ("acme", "bolt"):
        network.join(name)
    yield network
    network.close()
