"""A small log with its tree and keys, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pytest

from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint, witness_vkey
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import VerifierKey, add_signatures, log_vkey
from ledger.log.tree import EMPTY_ROOT, Frontier, Node, node_hash

NETWORK_ID = sha256(b"network").digest()
ORIGIN = f"acme/{NETWORK_ID[:8].hex()}"


@dataclass(slots=True)
class MemoryReader:
    """The nodes of a tree, all in memory; counts what is read."""

    levels: list[list[bytes]]
    nodes_read: int = 0
    calls: int = 0

    def read_hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        self.nodes_read += len(nodes)
        self.calls += 1
        return [self.levels[level][index] for level, index in nodes]


@dataclass(slots=True)
class SampleLog:
    """Entries that are made the same way every time, with what belongs to them."""

    salts: list[bytes]
    payloads: list[bytes]
    entries: list[bytes]
    seed: bytes

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    @property
    def vkey(self) -> VerifierKey:
        return log_vkey(ORIGIN, self.seed)

    @property
    def reader(self) -> MemoryReader:
        return MemoryReader(Frontier().grow(self.leaves)[1])

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(origin=ORIGIN, size=size, root=slow_root(self.leaves[:size]))

    def note(self, size: int) -> str:
        return seal_checkpoint(self.head(size), self.seed)

    def cosigned(self, size: int, *witnesses: str) -> str:
        note = self.note(size)
        for number, name in enumerate(witnesses):
            note = add_signatures(note, cosign(note, name, witness_seed(name), 1_700_000_000 + number))
        return note


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """The definition of the tree in RFC 6962, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(slow_root(leaves[:split]), slow_root(leaves[split:]))


def witness_seed(name: str) -> bytes:
    return sha256(name.encode()).digest()


def build(size: int, *, history: str = "true", fork_at: int = 0, opening_at: int = 0) -> SampleLog:
    log = SampleLog([], [], [], sha256(b"log key").digest())
    prev = NETWORK_ID
    for seq in range(size):
        told = history if seq >= fork_at else "true"
        salt = sha256(f"salt {seq}".encode()).digest()[:16]
        payload = f"{told} payload {seq}".encode()
        entry = format_entry(
            Entry(
                seq=seq,
                prev=prev,
                time_ms=1_700_000_000_000 + 1000 * seq,
                kind="log.open" if seq in (0, opening_at) else "event",
                size=len(payload),
                commit=commit_to(salt, payload),
            )
        )
        prev = leaf_hash(entry)
        log.salts.append(salt)
        log.payloads.append(payload)
        log.entries.append(entry)
    return log


@pytest.fixture(scope="session")
def build_log() -> Callable[..., SampleLog]:
    return build


@pytest.fixture(scope="session")
def log() -> SampleLog:
    return build(20)


@pytest.fixture(scope="session")
def network_id() -> bytes:
    return NETWORK_ID


@pytest.fixture(scope="session")
def origin() -> str:
    return ORIGIN


@pytest.fixture(scope="session")
def witness() -> Callable[[str], VerifierKey]:
    return lambda name: witness_vkey(name, witness_seed(name))


@pytest.fixture(scope="session")
def root_of() -> Callable[[Sequence[bytes]], bytes]:
    return slow_root


@pytest.fixture(scope="session")
def reader_of() -> Callable[[Sequence[bytes]], MemoryReader]:
    return lambda leaves: MemoryReader(Frontier().grow(leaves)[1])
