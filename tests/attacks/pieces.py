"""Pieces of evidence of every kind, true ones, made by firms of a small network that sign what they please.

Not a test module: the tests of attacks on evidence load it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint, witness_vkey
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.evidence import prove_fork_path
from ledger.log.evidence_files import (
    Evidence,
    entries_evidence,
    fork_evidence,
    openings_evidence,
    witness_evidence,
)
from ledger.log.note import VerifierKey, add_signatures, log_vkey
from ledger.log.origin import format_origin, format_witness_name
from ledger.log.receipt import prove_receipt
from ledger.log.signature import public_key
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import Frontier, Node
from ledger.members.folding import Folding, fold_roster
from ledger.members.network import (
    Founding,
    MemberKeys,
    Policy,
    format_founding,
    network_id,
    recovery_hash,
)
from ledger.members.reopening import Reopening, seal_opening
from ledger.members.roster import Roster, found_roster

SALT = bytes(16)
TIME_S = 1_700_000_000
FIRMS = ("acme", "bolt", "cord")


def seed(name: str) -> bytes:
    """A fixed seed for a key of this name."""
    return sha256(f"pieces {name}".encode()).digest()


def member_keys(name: str, era: str = "") -> MemberKeys:
    """The keys of a firm; another era has others."""
    return MemberKeys(
        log=public_key(seed(f"{name} log{era}")),
        node=public_key(seed(f"{name} node")),
        recovery=recovery_hash(public_key(seed(f"{name} recovery"))),
        witness=public_key(seed(f"{name} witness{era}")),
    )


def make_founding(nonce: bytes = bytes(16)) -> bytes:
    """The founding of a network; another nonce makes another network of the same name."""
    return format_founding(
        Founding(
            name="pieces",
            founder="acme",
            title="Acme",
            keys=member_keys("acme"),
            policy=Policy(),
            created_ms=TIME_S * 1000,
            nonce=nonce,
        )
    )


FOUNDING = make_founding()
NETWORK = network_id(FOUNDING)
ORIGIN = format_origin("acme", NETWORK)


def make_roster(founding: bytes = FOUNDING) -> Roster:
    """The network with its three members."""
    roster = found_roster(founding)
    for number, name in enumerate(FIRMS[1:]):
        invite = sha256(name.encode()).digest()
        roster = fold(
            roster,
            ORIGIN,
            2 * number + 1,
            "network.invite",
            {"organization": name, "secret": SALT * 2},
            leaf=invite,
        )
        body = {
            "invite": invite,
            "keys": member_keys(name).as_map(),
            "open": sha256(b"open" + name.encode()).digest(),
            "organization": name,
            "title": name,
        }
        roster = fold(roster, ORIGIN, 2 * number + 2, "network.admit", body)
    return roster


def fold(
    roster: Roster,
    origin: str,
    seq: int,
    kind: str,
    body: Mapping[str, object],
    *,
    leaf: bytes = SALT * 2,
    time_ms: int = 0,
) -> Roster:
    """The roster after one more statement."""
    statement = Statement(kind=kind, audience=None, body=body, nonce=SALT)  # type: ignore[arg-type]  # bodies of tests
    origin = format_origin(origin.partition("/")[0], roster.network)
    return fold_roster(
        roster, Folding(origin=origin, seq=seq, leaf=leaf, time_ms=time_ms, statement=statement)
    )


@dataclass(frozen=True)
class History:
    """One history of a log, as somebody with its key may tell it."""

    origin: str
    entries: tuple[bytes, ...]
    log_seed: bytes
    payloads: tuple[bytes, ...]

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    def read_hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        levels = Frontier().grow(self.leaves)[1]
        return [levels[level][index] for level, index in nodes]

    def head(self, size: int) -> Checkpoint:
        root = Frontier().extended(self.leaves[:size]).root()
        return Checkpoint(origin=self.origin, size=size, root=root)

    def note(self, size: int, *witnesses: str, time_s: int = TIME_S, log_seed: bytes | None = None) -> str:
        """A signed head, cosigned by these firms."""
        note = seal_checkpoint(self.head(size), log_seed or self.log_seed)
        for name in witnesses:
            note = add_signatures(note, cosign(note, witness_key(name).name, seed(f"{name} witness"), time_s))
        return note

    def receipt(self, seq: int, size: int, *, shown: bool = False) -> str:
        salt, payload = (SALT, self.payloads[seq]) if shown else (None, None)
        return prove_receipt(
            self, entry=self.entries[seq], checkpoint=self.note(size), salt=salt, payload=payload
        )


def history(
    told: str, size: int, *, fork_at: int = 0, log_seed: bytes = b"", origin: str = ORIGIN
) -> History:
    """A history of `size` entries; from `fork_at` on it depends on what is told."""
    payloads = [f"{told if seq >= fork_at else 'alike'} {seq}".encode() for seq in range(size)]
    return chain(origin, payloads, ["log.open"] + ["memo"] * (size - 1), log_seed or seed("acme log"))


def chain(origin: str, payloads: Sequence[bytes], kinds: Sequence[str], log_seed: bytes) -> History:
    """Entries with these payloads, each linked to the one before."""
    prev, entries = NETWORK, []
    for seq, (kind, payload) in enumerate(zip(kinds, payloads, strict=False)):
        entry = Entry(
            seq=seq,
            prev=prev,
            time_ms=TIME_S * 1000,
            kind=kind,
            size=len(payload),
            commit=commit_to(SALT, payload),
        )
        entries.append(format_entry(entry))
        prev = leaf_hash(entries[-1])
    return History(origin, tuple(entries), log_seed, tuple(payloads))


def log_key() -> VerifierKey:
    return log_vkey(ORIGIN, seed("acme log"))


def witness_key(name: str) -> VerifierKey:
    return witness_vkey(format_witness_name(name, NETWORK), seed(f"{name} witness"))


def fork_of(one: History, other: History, old: int, new: int, *witnesses: str) -> Evidence:
    """Two heads of two histories: of `one` at `old`, of `other` at `new`."""
    path = () if old == new else tuple(prove_fork_path(other, old, new))
    key = log_key()
    return fork_evidence(one.note(old, *witnesses), other.note(new, *witnesses), path, key, key)


def opened(era: str) -> History:
    """A second log of bolt, opened under its recovery key; every era names other keys."""
    reopening = Reopening(
        founding=FOUNDING,
        organization="bolt",
        title="Bolt",
        number=2,
        keys=member_keys("bolt", era),
        pin=seal_checkpoint(
            Checkpoint(origin=format_origin("bolt", NETWORK), size=3, root=bytes(32)), seed("bolt log")
        ),
    )
    body = seal_opening(reopening, seed("bolt recovery"))
    payload = format_statement(Statement(kind="log.open", audience=None, body=body, nonce=SALT))
    return chain(reopening.origin, [payload], ["log.open"], seed(f"bolt log{era}"))


def every_piece() -> dict[str, Evidence]:
    """One true piece of every kind and form, by a name of its own."""
    one, other = history("one", 20, fork_at=7), history("other", 20, fork_at=7)
    key = log_key()
    return {
        "equal": fork_of(one, other, 9, 9, "bolt"),
        "longer": fork_of(one, other, 9, 20, "bolt", "cord"),
        "power of two": fork_of(one, other, 8, 13),
        "entries": entries_evidence(one.receipt(8, 12), other.receipt(8, 20), key, key),
        "witness": witness_evidence(one.note(9, "bolt"), other.note(9, "bolt"), (), witness_key("bolt")),
        "witness longer": witness_evidence(
            one.note(9, "bolt"),
            other.note(20, "bolt"),
            tuple(prove_fork_path(other, 9, 20)),
            witness_key("bolt"),
        ),
        "openings": openings_evidence(
            opened(" 2").receipt(0, 1, shown=True),
            opened(" 3").receipt(0, 1, shown=True),
            recovery_hash(public_key(seed("bolt recovery"))),
        ),
    }
