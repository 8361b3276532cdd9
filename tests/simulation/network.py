"""Whole networks of nodes in one process, under a seed: a clock of their own, and lines that fail at will.

Time passes only when every task waits. Disk work runs on the spot, so a seed decides what happens when.
Not a test module: the conftest files of the folders that need it load it.
"""

from __future__ import annotations

import asyncio
import selectors
import shutil
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from ledger.errors import TooLargeError, UnavailableError
from ledger.log.statement import may_have
from ledger.members.invitation import secret_hash
from ledger.members.network import Policy
from node.config import Settings
from node.drafts import Recorded
from node.home import NewHome, found_home, newcomer_home
from node.keyfiles import MIN_COST
from node.node import Node
from node.sync.batching import make_batch
from node.sync.calls import Call, Reply
from node.sync.door import Request
from node.sync.engine import Engine
from node.sync.joining import store_join_answer
from node.sync.wire import JoinRequest
from node.world import World
from tests.simulation.at_once import write_at_once

T = TypeVar("T")

PASSPHRASE = b"correct horse battery staple"
EPOCH_MS = 1_800_000_000_000


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, lets the clock of the loop go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout is None or timeout <= 0:
            return events if events or timeout is not None else super().select(None)
        self.now_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nothing can be done."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s

    def go_to(self, seconds: float) -> None:
        """Set the clock, before anything runs."""
        self._virtual.now_s = seconds


@dataclass(slots=True)
class Weather:
    """How the lines are: probabilities for each message, and delays in seconds."""

    drop: float = 0.0
    repeat: float = 0.0
    min_delay_s: float = 0.001
    max_delay_s: float = 0.005
    timeout_s: float = 5.0


@dataclass(slots=True)
class Machine:
    """One node of the network, running or not."""

    name: str
    home: Path
    skew_ms: int = 0
    callable: bool = True
    node: Node | None = None
    engine: Engine | None = None
    seen_bodies: list[bytes] = field(default_factory=list)

    @property
    def up(self) -> Node:
        """The running node."""
        assert self.node is not None, f"{self.name} is down"
        return self.node


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A network at rest: the homes of its members, who founded it, and when it came to rest."""

    folder: Path
    names: tuple[str, ...]
    founder: str
    at_s: float


class SimTransport:
    """The lines of one node."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name

    async def request(self, partner: str, call: Call) -> Reply:
        """Carry a request, if the weather lets it through; perhaps twice, perhaps late."""
        network, weather, chance = self._network, self._network.weather, self._network.chance
        await asyncio.sleep(chance.uniform(weather.min_delay_s, weather.max_delay_s))
        if not network.connected(self._name, partner) or chance.random() < weather.drop:
            await asyncio.sleep(weather.timeout_s)
            raise UnavailableError(partner, found="no answer", expected="an answer")
        reply = network.deliver(partner, call)
        if chance.random() < weather.repeat:
            delay_s = chance.uniform(0, 10 * weather.max_delay_s)
            asyncio.get_running_loop().call_later(delay_s, network.deliver_again, self._name, partner, call)
        await asyncio.sleep(chance.uniform(weather.min_delay_s, weather.max_delay_s))
        if not network.connected(self._name, partner) or chance.random() < weather.drop:
            await asyncio.sleep(weather.timeout_s)
            raise UnavailableError(partner, found="no answer", expected="an answer")
        if len(reply.body) > call.max_answer_bytes:
            raise TooLargeError(partner, found=f"{len(reply.body)} bytes", expected="fewer")
        network.machines[self._name].seen_bodies.append(reply.body)
        return reply

    async def close(self) -> None:
        """Nothing is open."""


class Network:
    """Nodes that can reach each other, or not."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.chance = Random(seed)
        self.loop = VirtualLoop()
        self.weather = Weather()
        self.machines: dict[str, Machine] = {}
        self.cut: set[frozenset[str]] = set()
        self.settings: dict[str, Any] = {"sync_interval_s": 10, "seen_interval_s": 60}
        self.founder = ""

    # Time

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the network's loop."""
        return self.loop.run_until_complete(work)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def wait_until(self, condition: Callable[[], bool], limit_s: float = 120) -> float:
        """Let time pass until something holds; how long that took."""
        start = self.loop.time()
        while not condition():
            assert self.loop.time() - start < limit_s, "it never came to hold"
            self.sleep(0.05)
        return self.loop.time() - start

    def now_ms(self, machine: Machine) -> int:
        """The clock of one machine."""
        return EPOCH_MS + round(self.loop.time() * 1000) + machine.skew_ms

    # Machines

    def found(self, name: str, policy: Policy | None = None) -> Node:
        """The founder's node."""
        machine = self._machine(name)
        found_home(machine.home, self._new_home(machine), network="Simulated", policy=policy)
        self.founder = name
        return self._begin(machine)

    def join(self, name: str, *, callable: bool = True) -> Node:
        """One more member, admitted by the founder, whose node runs."""
        founder = self.machines[self.founder]
        machine = self._machine(name)
        machine.callable = callable
        secret = sha256(name.encode()).digest()
        self.record(self.founder, "network.invite", {"organization": name, "secret": secret_hash(secret)})
        opening = founder.up.reader.record(founder.up.state.origin, 0).statement
        assert opening is not None
        newcomer_home(machine.home, self._new_home(machine), opening.data("founding"))
        node = self.open(name)
        batch = make_batch(node, node.state.origin, 0, 1_000_000, name)
        assert founder.engine is not None
        answer = founder.engine.door.joining.join(JoinRequest(batch=batch, secret=secret))
        store_join_answer(node, answer)
        return self._begin(machine)

    def newcomer(self, name: str, folder: str) -> Node:
        """A home that nobody has admitted yet, opened; whoever asks for it stops it."""
        founder = self.machines[self.founder].up
        opening = founder.reader.record(founder.state.origin, 0).statement
        assert opening is not None
        machine = Machine(name=name, home=self.folder / folder)
        newcomer_home(machine.home, self._new_home(machine), opening.data("founding"))
        node = Node(
            home=machine.home,
            settings=Settings(**self.settings),
            passphrase=PASSPHRASE,
            world=self._world(machine),
        )
        node.start()
        return node

    def open(self, name: str) -> Node:
        """Open a home without starting its engine."""
        machine = self.machines[name]
        node = Node(
            home=machine.home,
            settings=Settings(**self.settings),
            passphrase=PASSPHRASE,
            world=self._world(machine),
        )
        write_at_once(node)
        node.start()
        machine.node = node
        machine.engine = Engine(node, SimTransport(self, name), _offload)
        return node

    def start(self, name: str) -> Node:
        """Open a home and start its engine."""
        return self._begin(self.machines[name])

    def stop(self, name: str) -> None:
        """Stop a node as SIGTERM does."""
        machine = self.machines[name]
        if machine.engine is not None:
            self.run(machine.engine.stop())
        if machine.node is not None:
            machine.node.stop()
        machine.node = machine.engine = None

    def keep(self) -> Kept:
        """Stop everything, for networks that go on from here with copies of these homes."""
        names = tuple(self.machines)
        self.close()
        return Kept(folder=self.folder, names=names, founder=self.founder, at_s=self.loop.time())

    def go_on(self, kept: Kept) -> None:
        """Open copies of the homes of a network at rest, at the time when it came to rest."""
        self.loop.go_to(kept.at_s)
        self.founder = kept.founder
        for name in kept.names:
            shutil.copytree(kept.folder / name, self._machine(name).home)
        for name in kept.names:
            self.start(name)

    def close(self) -> None:
        """Stop everything."""
        for name in self.machines:
            self.stop(name)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _begin(self, machine: Machine) -> Node:
        node = machine.node or self.open(machine.name)
        engine = machine.engine
        assert engine is not None
        self.run(engine.start())
        if machine.name not in node.state.roster.addresses and machine.callable:
            url = f"http://{machine.name}.invalid"
            self.record(machine.name, "node.address", {"certificate": None, "url": url})
        return node

    def _machine(self, name: str) -> Machine:
        machine = Machine(name=name, home=self.folder / name)
        self.machines[name] = machine
        return machine

    def _new_home(self, machine: Machine) -> NewHome:
        return NewHome(
            organization=machine.name,
            title=machine.name.title(),
            person="ann",
            passphrase=PASSPHRASE,
            world=self._world(machine),
            cost=MIN_COST,
            state_folder=self.folder / "machine",
        )

    def _world(self, machine: Machine) -> World:
        chance = Random(self.chance.getrandbits(64))
        return World(now_ms=lambda: self.now_ms(machine), random=chance.randbytes)

    # Lines

    def connected(self, one: str, other: str) -> bool:
        """Whether `one` can call `other`."""
        machine = self.machines.get(other)
        return (
            machine is not None
            and machine.callable
            and machine.engine is not None
            and self.machines[one].engine is not None
            and frozenset((one, other)) not in self.cut
        )

    def isolate(self, *names: str) -> None:
        """Cut every line between these and the others."""
        for one in names:
            for other in self.machines:
                if other not in names:
                    self.cut.add(frozenset((one, other)))

    def heal(self) -> None:
        """Mend every line."""
        self.cut.clear()

    def deliver(self, partner: str, call: Call) -> Reply:
        """Have a node answer a request."""
        machine = self.machines[partner]
        assert machine.engine is not None
        request = Request(
            method=call.method, target=call.path, headers=list(call.headers.items()), body=call.body
        )
        answer = machine.engine.door.answer(request)
        headers = {"content-type": answer.media_type, **answer.headers}
        return Reply(status=answer.status, headers=headers, body=answer.body)

    def deliver_again(self, sender: str, partner: str, call: Call) -> None:
        """A repeated message, whose answer nobody waits for."""
        if self.connected(sender, partner):
            self.deliver(partner, call)

    # What is in the logs

    def record(
        self, name: str, kind: str, body: Mapping[str, Any], audience: Sequence[str] | None = None
    ) -> list[Recorded]:
        """Record a statement in a node's own log."""
        node = self.machines[name].up
        return node.record([node.draft(kind, dict(body), audience=audience)]).result()

    def memo(self, name: str, text: str, audience: Sequence[str] | None = None) -> list[Recorded]:
        """Record a remark."""
        return self.record(name, "memo", {"text": text}, audience)

    def running(self) -> list[Machine]:
        """The machines that are up."""
        return [machine for machine in self.machines.values() if machine.node is not None]

    def heads_of(self, name: str) -> dict[str, tuple[int, bytes]]:
        """Size and root of every copy at one node."""
        heads = self.machines[name].up.state.heads
        return {origin: (head.copy.size, head.copy.root) for origin, head in heads.items()}

    def agree(self) -> bool:
        """Whether all running nodes hold the same."""
        heads = [self.heads_of(machine.name) for machine in self.running()]
        return all(found == heads[0] for found in heads)

    def leaked(self) -> Iterator[tuple[str, str, int]]:
        """Payloads that are where they must not be, as (holder, origin, position)."""
        for machine in self.running():
            reader = machine.up.reader
            for origin, head in machine.up.state.heads.items():
                for seq, _, payload in reader.payloads(origin, 0, head.copy.size):
                    if not may_have(payload, origin.partition("/")[0], machine.name):
                        yield machine.name, origin, seq

    def lacking(self) -> Iterator[tuple[str, str, int]]:
        """Payloads that a node may have and has not, as (holder, origin, position)."""
        for author in self.running():
            origin = author.up.state.origin
            for seq, _, payload in author.up.reader.payloads(origin, 0, author.up.state.own.copy.size):
                for machine in self.running():
                    held = machine.up.state.copy(origin).size
                    permitted = may_have(payload, author.name, machine.name)
                    if seq < held and permitted and machine.up.reader.payload(origin, seq) is None:
                        yield machine.name, origin, seq


async def _offload(work: Callable[[], Any]) -> Any:
    return work()
