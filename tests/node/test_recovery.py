"""Recovery of a founder: its later log goes on admitting, and newcomers hold both."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import InvalidError, MalformedError
from ledger.log.encoding import Value
from ledger.log.signature import public_key
from ledger.members.invitation import (
    InvitationFile,
    check_inviter,
    open_invitation,
    seal_invitation,
    secret_hash,
)
from ledger.members.network import format_founding
from ledger.members.roster import Address
from node.config import Settings
from node.keyfiles import MIN_COST, read_key
from node.node import Node
from node.recovery import Means, hold_home

if TYPE_CHECKING:
    from tests.node.conftest import Network

PASSPHRASE = b"correct horse"


def recover(network: Network, home: Path) -> None:
    """Open the next log of a home, with nobody to ask."""
    key = read_key(home / "keys" / "recovery.key", PASSPHRASE)
    means = Means(
        passphrase=PASSPHRASE,
        world=network.world,
        settings=Settings(),
        state_folder=network.folder / "state",
        cost=MIN_COST,
    )
    with hold_home(home, means) as recovery:
        plan = recovery.plan(key.public)
        recovery.open(plan, key.seed, plan.people)


@pytest.fixture
def recovered(network: Network) -> Network:
    """The network after its founder, port, opened its next log; everybody has it."""
    network.restart("port", lambda home: recover(network, home))
    network.share()
    return network


def test_a_founders_later_log_is_that_of_the_founder_for_everybody(recovered: Network) -> None:
    port = recovered["port"].node
    assert port.state.origin.endswith("/2")
    for firm in recovered.firms.values():
        assert firm.node.state.roster.origin("port") == port.state.origin
        assert set(firm.node.state.roster.members) == {"acme", "bolt", "port"}


def test_a_founder_admits_in_its_later_log(recovered: Network) -> None:
    late = recovered.join("late").node
    both = recovered["port"].node.state.roster.logs("port")
    assert len(both) == 2
    for firm in recovered.firms.values():
        assert "late" in firm.node.state.roster.members
        assert firm.node.state.roster.logs("port") == both
    assert {late.state.copy(origin).size for origin in both} == {
        recovered["port"].node.state.copy(origin).size for origin in both
    }
    assert "late" in recovered.restart("late").node.state.roster.members


def test_a_join_into_the_log_before_is_answered_again_from_there(recovered: Network) -> None:
    port = recovered["port"].node
    origin, _ = port.reader.find(recovered.ask_to_join("acme").admitted)
    assert origin == port.state.roster.logs("port")[0]
    recovered.join("late")
    origin, _ = port.reader.find(recovered.ask_to_join("late").admitted)
    assert origin == port.state.origin


def test_an_invitation_of_the_log_before_still_admits(network: Network) -> None:
    """What was recorded below the pin stands."""
    secret = os.urandom(32)
    port = network["port"].node
    body: dict[str, Value] = {"organization": "late", "secret": secret_hash(secret)}
    port.record([port.draft("network.invite", body)]).result(20)
    network.share()
    network.restart("port", lambda home: recover(network, home))
    assert any(each.organization == "late" for each in network["port"].node.state.roster.invitations.values())


# The invitation file of a founder whose node key is another than the one in the founding


def invitation_of(founder: Node, **changes: Any) -> InvitationFile:
    made = InvitationFile(
        founding=format_founding(founder.state.roster.founding),
        inviter="port",
        organization="late",
        address=Address(url="http://127.0.0.1:1"),
        secret=bytes(32),
        node=founder.state.roster.member("port").keys.node,
    )
    return replace(made, **changes)


def test_an_invitation_under_the_node_key_of_a_later_log_holds(recovered: Network) -> None:
    port, bolt = recovered["port"].node, recovered["bolt"].node
    opened = open_invitation(seal_invitation(invitation_of(port), port.keys.node.seed))
    assert opened == invitation_of(port)
    check_inviter(bolt.state.roster, opened)


def test_an_invitation_under_a_key_that_no_log_of_the_inviter_names_is_found_out(recovered: Network) -> None:
    port = recovered["port"].node
    seed = b"somebody else".ljust(32, b".")
    forged = open_invitation(seal_invitation(invitation_of(port, node=public_key(seed)), seed))
    with pytest.raises(InvalidError, match="node key"):
        check_inviter(port.state.roster, forged)


def test_an_invitation_that_names_a_key_is_signed_by_that_key(recovered: Network) -> None:
    port = recovered["port"].node
    with pytest.raises(InvalidError, match="signature of port"):
        open_invitation(seal_invitation(invitation_of(port), bytes(32)))
    founded = port.state.roster.founding.keys.node
    with pytest.raises(MalformedError, match="key in the founding"):
        open_invitation(seal_invitation(invitation_of(port, node=founded), bytes(32)))
