"""Writes a frozen bundle beside itself, and refuses to overwrite it: `python tests/vectors/bundle/make.py`.

A bundle of a made-up network: the log of acme, who founded it, whole, and of bolt's two entries of three.
A vector that changes is a format that changed: see `docs/format.md`, section 11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from ledger.log.bundle import (
    MAGIC,
    RUN_ENTRIES,
    BundleClose,
    BundleEnd,
    BundleEntry,
    BundleHead,
    BundleLog,
    BundleNote,
    BundlePayloads,
    BundleRecord,
    BundleRun,
    format_record,
)
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.note import add_signatures
from ledger.log.origin import format_origin, format_witness_name
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import Frontier, Node, prove_consistency, prove_inclusion
from ledger.members.network import (
    Founding,
    MemberKeys,
    Policy,
    format_founding,
    network_id,
    recovery_hash,
)

FOLDER = Path(__file__).parent
FILE = "small.bundle"
TIME_MS = 1_700_000_000_000


def made(what: str, size: int = 32) -> bytes:
    """Bytes out of a name, in place of random ones."""
    return sha256(f"tallystick vectors: {what}".encode()).digest()[:size]


def keys_of(organization: str) -> MemberKeys:
    """The keys of a made-up organization."""
    log, node, recovery, witness = (
        public_key(made(f"{organization} {name}")) for name in ("log", "node", "recovery", "witness")
    )
    return MemberKeys(log=log, node=node, recovery=recovery_hash(recovery), witness=witness)


def founding_of(nonce: str = "bundle") -> bytes:
    """A network of acme; each nonce makes another one of the same name."""
    return format_founding(
        Founding(
            name="Coffee",
            founder="acme",
            title="Acme Ltd",
            keys=keys_of("acme"),
            policy=Policy(),
            created_ms=TIME_MS,
            nonce=made(nonce, 16),
        )
    )


@dataclass(slots=True)
class MadeLog:
    """A log that grows by statements, with all that can be told of it."""

    organization: str
    founding: bytes
    entries: list[bytes] = field(default_factory=list)
    payloads: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """The name of the log."""
        return format_origin(self.organization, network_id(self.founding))

    @property
    def leaves(self) -> list[bytes]:
        """The leaf hashes of its entries."""
        return [leaf_hash(entry) for entry in self.entries]

    def add(self, kind: str, body: Mapping[str, Value], audience: tuple[str, ...] | None = None) -> bytes:
        """Add a statement; gives the entry's leaf hash."""
        seq = len(self.entries)
        nonce = made(f"{self.organization} nonce {seq}", 16)
        payload = format_statement(Statement(kind=kind, audience=audience, body=body, nonce=nonce))
        salt = made(f"{self.organization} salt {seq}", 16)
        prev = self.leaves[-1] if self.entries else network_id(self.founding)
        entry = Entry(
            seq=seq,
            prev=prev,
            time_ms=TIME_MS + seq,
            kind=kind,
            size=len(payload),
            commit=commit_to(salt, payload),
        )
        self.entries.append(format_entry(entry))
        self.payloads.append((salt, payload))
        return leaf_hash(self.entries[-1])

    def open(self) -> bytes:
        """Add the opening."""
        return self.add(
            "log.open",
            {
                "founding": self.founding,
                "keys": keys_of(self.organization).as_map(),
                "number": 1,
                "organization": self.organization,
                "title": f"{self.organization.capitalize()} Ltd",
            },
        )

    def root(self, size: int) -> bytes:
        """The root of the tree over its first entries."""
        return Frontier().extended(self.leaves[:size]).root()

    def note(self, size: int, *witnesses: str) -> str:
        """A signed note of this size with cosignatures."""
        head = Checkpoint(origin=self.origin, size=size, root=self.root(size))
        note = seal_checkpoint(head, made(f"{self.organization} log"))
        for name in witnesses:
            witness = format_witness_name(name, network_id(self.founding))
            line = cosign(note, witness, made(f"{name} witness"), TIME_MS // 1000 + size)
            note = add_signatures(note, line)
        return note

    def read_hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        """Nodes of its tree, so that it proves."""
        leaves = self.leaves
        return [
            Frontier().extended(leaves[index << level : (index + 1) << level]).root()
            for level, index in nodes
        ]

    def whole(self, given: Sequence[int] | None = None) -> list[BundleRecord]:
        """The records of the log given whole, with these payloads or all."""
        size = len(self.entries)
        chosen = range(size) if given is None else given
        records: list[BundleRecord] = [
            BundleLog(origin=self.origin, form="whole", size=size, root=self.root(size)),
            BundleNote(self.note(size)),
        ]
        for start in range(0, size, RUN_ENTRIES):
            run = range(start, min(start + RUN_ENTRIES, size))
            records.append(BundleRun(start, tuple(self.entries[seq] for seq in run)))
            rows = tuple((seq, *self.payloads[seq]) for seq in run if seq in chosen)
            if rows:
                records.append(BundlePayloads(rows))
        left = size - len(chosen)
        return [*records, BundleClose(given=len(chosen), withheld=left, absent=0)]

    def sparse(self, positions: Sequence[int], *witnesses: str) -> list[BundleRecord]:
        """The records of the log of which these entries are given; also a smaller note is told."""
        size = len(self.entries)
        smaller = tuple(prove_consistency(self, size - 1, size))
        return [
            BundleLog(origin=self.origin, form="sparse", size=size, root=self.root(size)),
            BundleNote(self.note(size - 1, *witnesses), smaller),
            BundleNote(self.note(size)),
            *(
                BundleEntry(
                    entry=self.entries[seq],
                    proof=tuple(prove_inclusion(self, seq, size)),
                    salt=self.payloads[seq][0],
                    payload=self.payloads[seq][1],
                )
                for seq in positions
            ),
            BundleClose(given=len(positions), withheld=0, absent=0),
        ]


def network_of(nonce: str = "bundle") -> tuple[MadeLog, MadeLog]:
    """The logs of acme, who founded the network, and bolt, whom acme admitted."""
    founding = founding_of(nonce)
    acme, bolt = MadeLog("acme", founding), MadeLog("bolt", founding)
    acme.open()
    opened = bolt.open()
    invite = acme.add("network.invite", {"organization": "bolt", "secret": made("secret")})
    admission: dict[str, Value] = {
        "invite": invite,
        "keys": keys_of("bolt").as_map(),
        "open": opened,
        "organization": "bolt",
        "title": "Bolt Ltd",
    }
    acme.add("network.admit", admission)
    acme.add("memo", {"text": "Scales of dock 2 calibrated"})
    bolt.add("memo", {"text": "for acme alone"}, ("acme",))
    bolt.add("memo", {"text": "for all"})
    return acme, bolt


def head_of(founding: bytes) -> BundleHead:
    """The head of a bundle about acme's log."""
    subject = format_origin("acme", network_id(founding))
    return BundleHead(what="log", subject=subject, exporter="acme", reader=None, founding=founding)


def small_records(nonce: str = "bundle") -> list[BundleRecord]:
    """The records of the small bundle, without its end."""
    acme, bolt = network_of(nonce)
    return [head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2], "acme")]


def file_of(records: Sequence[BundleRecord]) -> bytes:
    """The bundle with these records and its end."""
    data = MAGIC + b"".join(map(format_record, records))
    return data + format_record(BundleEnd(sha256(data).digest()))


if __name__ == "__main__":
    with (FOLDER / FILE).open("xb") as file:
        file.write(file_of(small_records()))
