"""A network of made-up firms with fixed keys."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ledger.log.signature import public_key
from ledger.log.statement import Statement
from ledger.members.folding import Folding, fold_roster
from ledger.members.network import (
    Founding,
    MemberKeys,
    Policy,
    format_founding,
    network_id,
    recovery_hash,
)
from ledger.members.roster import Roster, found_roster


def seed(name: str) -> bytes:
    """A fixed seed for a key of this name."""
    return name.encode().ljust(32, b".")[:32]


def member_keys(organization: str) -> MemberKeys:
    """Fixed keys of an organization."""
    return MemberKeys(
        log=public_key(seed(f"{organization} log")),
        node=public_key(seed(f"{organization} node")),
        recovery=recovery_hash(public_key(seed(f"{organization} recovery"))),
        witness=public_key(seed(f"{organization} witness")),
    )


@dataclass
class Network:
    """A founding, and a roster to which statements are folded one by one."""

    founding: bytes
    roster: Roster
    seqs: dict[str, int] = field(default_factory=dict)

    def fold(self, organization: str, kind: str, body: dict[str, object]) -> bytes:
        """Fold one more statement of an organization's log; gives its made-up leaf hash."""
        seq = self.seqs.get(organization, 0) + 1
        self.seqs[organization] = seq
        leaf = f"{organization} {seq}".encode().ljust(32, b"-")
        self.roster = fold_roster(
            self.roster,
            Folding(
                origin=self.roster.origin(organization),
                seq=seq,
                leaf=leaf,
                time_ms=seq * 1000,
                statement=Statement(kind=kind, audience=None, body=body, nonce=bytes(16)),  # type: ignore[arg-type]  # bodies of tests
            ),
        )
        return leaf

    def fold_at(
        self, origin: str, seq: int, kind: str, body: dict[str, object], time_ms: int = 0, leaf: bytes = b""
    ) -> None:
        """Fold a statement of any log at any position and time."""
        folding = Folding(
            origin=origin,
            seq=seq,
            leaf=leaf or f"{origin} {seq}".encode().ljust(32, b"-")[:32],
            time_ms=time_ms,
            statement=Statement(kind=kind, audience=None, body=body, nonce=bytes(16)),  # type: ignore[arg-type]  # bodies of tests
        )
        self.roster = fold_roster(self.roster, folding)

    def admit(self, organization: str) -> None:
        """Invite and admit an organization."""
        invite = self.fold("acme", "network.invite", {"organization": organization, "secret": bytes(32)})
        self.fold(
            "acme",
            "network.admit",
            {
                "invite": invite,
                "keys": member_keys(organization).as_map(),
                "open": bytes(32),
                "organization": organization,
                "title": organization.title(),
            },
        )


@pytest.fixture
def founding() -> Founding:
    return Founding(
        name="coffee",
        founder="acme",
        title="Acme Ltd",
        keys=member_keys("acme"),
        policy=Policy(),
        created_ms=1_700_000_000_000,
        nonce=bytes(range(16)),
    )


@pytest.fixture
def network(founding: Founding) -> Network:
    data = format_founding(founding)
    return Network(founding=data, roster=found_roster(data))


@pytest.fixture
def network_identity(network: Network) -> bytes:
    return network_id(network.founding)
