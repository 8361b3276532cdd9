"""A log in memory as an audit reads it, whose rows a test may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest

from ledger.audit.members import Known
from ledger.audit.source import KeptNote, plan_ranges
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import log_vkey
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import Frontier

SEED = sha256(b"a log in memory").digest()
NETWORK = sha256(b"a network").digest()
ORIGIN = f"acme/{NETWORK[:8].hex()}"


@dataclass(slots=True)
class MemoryLog:
    """Rows by position; `memory` is what is remembered of leaf hashes."""

    rows: dict[int, bytes]
    contents: dict[int, tuple[bytes, bytes]]
    kept: list[KeptNote]
    memory: dict[int, bytes] = field(default_factory=dict)
    origin: str = ORIGIN
    holds_payloads: bool = True

    def count(self) -> int:
        return len(self.rows)

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        return [(seq, self.rows[seq]) for seq in self._within(start, end)]

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        return [(seq, *self.contents[seq]) for seq in sorted(self.contents) if start <= seq < end]

    def notes(self) -> list[KeptNote]:
        return self.kept

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        end = plan_ranges(len(self.rows))[-1].end if self.rows else 0
        entries, payloads = (
            [seq for seq in rows if not 0 <= seq < end] for rows in (self.rows, self.contents)
        )
        return entries, payloads

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        return {seq: leaf for seq, leaf in self.memory.items() if start <= seq < end}

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        return None

    def copy(self) -> MemoryLog:
        """The same log, to be changed."""
        return replace(self, rows=dict(self.rows), contents=dict(self.contents), memory=dict(self.memory))

    def root(self) -> bytes:
        """The root over the rows as they are."""
        return Frontier().extended([leaf_hash(data) for data in self.rows.values()]).root()

    def _within(self, start: int, end: int) -> list[int]:
        top = max(self.rows, default=-1) + 1
        return [seq for seq in range(max(0, start), min(end, top)) if seq in self.rows]


def _make_log(
    size: int, times: Callable[[int], int] = lambda seq: 1000 + seq, kind: str = "memo"
) -> MemoryLog:
    rows: dict[int, bytes] = {}
    contents = {}
    prev = NETWORK
    for seq in range(size):
        name = "log.open" if seq == 0 else kind
        # Openings are looked at elsewhere; here entry 0 has a payload of no interest.
        salt, payload = seq.to_bytes(16, "big"), _payload(kind, seq)
        entry = Entry(
            seq=seq,
            prev=prev,
            time_ms=times(seq),
            kind=name,
            size=len(payload),
            commit=commit_to(salt, payload),
        )
        rows[seq] = format_entry(entry)
        prev = leaf_hash(rows[seq])
        if seq:
            contents[seq] = (salt, payload)
    log = MemoryLog(rows, contents, [])
    note = seal_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=log.root()), SEED)
    log.kept.append(KeptNote(size=size, note=note.encode()))
    return log


def _payload(kind: str, seq: int) -> bytes:
    body: dict[str, object] = {} if kind == "tick" else {"text": f"remark {seq}"}
    statement = Statement(kind=kind, audience=None, body=body, nonce=seq.to_bytes(16, "big"))  # type: ignore[arg-type]  # bodies of tests
    return format_statement(statement)


@pytest.fixture
def make_log() -> Callable[..., MemoryLog]:
    return _make_log


@pytest.fixture(scope="session")
def small_log() -> MemoryLog:
    return _make_log(12)


@pytest.fixture(scope="session")
def long_log() -> MemoryLog:
    """Longer than two ranges."""
    return _make_log(2 * 16_384 + 300)


@pytest.fixture(scope="session")
def session_known() -> Known:
    """The log's key, and nothing else."""
    return Known(vkey=log_vkey(ORIGIN, SEED))


@pytest.fixture
def known(session_known: Known) -> Known:
    return session_known
