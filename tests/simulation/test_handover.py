"""`tally agree handover` at homes that know different heads of the silent timekeeper's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cli.main import main
from node.api.app import create_app
from node.home import read_token
from tests.simulation.test_deciding import FIRMS, PASSPHRASE, Deal

if TYPE_CHECKING:
    from tests.simulation.network import Machine, Network


class Door:
    """The HTTP side of a machine's node, for the commands of its operator."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def post(self, path: str, body: dict[str, Any], *, key: str) -> Any:
        answer = asyncio.run(self._ask(path, body, key))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def _ask(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(self._machine.up))
        headers = {"authorization": f"Bearer {read_token(self._machine.home)}", "idempotency-key": key}
        async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:
            return await client.post(path, json=body, headers=headers)


def hand_over(deal: Deal, name: str, patch: pytest.MonkeyPatch) -> None:
    """Call the command at a node's home, as people do."""
    machine = deal.network.machines[name]
    patch.setattr("cli.agree_life.open_node", lambda home: nullcontext(Door(machine)))
    patch.setenv("TALLY_PASSPHRASE", PASSPHRASE.decode())
    patch.setenv("TALLY_STATE_DIR", str(machine.home.parent / "state"))
    assert main(["--home", str(machine.home), "agree", "handover", "orders", "hub", "--yes"]) == 0


def test_who_hands_over_second_names_the_head_of_the_first(
    make_network: Callable[[int], Network],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second knows more of the silent timekeeper's log as witnessed than the first did."""
    deal = Deal(make_network(3))
    network = deal.network
    deal.bring_into_force()
    network.isolate("acme")
    deal.state("bolt", "ordered", "one")
    deal.settle(12)
    network.stop("port")
    states = [network.machines[name].up.state for name in ("acme", "bolt")]
    first, second = (state.head(state.roster.origin("port")).witnessed_size for state in states)
    assert first < second
    hand_over(deal, "acme", monkeypatch)
    assert "has said so before" not in capsys.readouterr().err
    network.heal()
    deal.settle()
    assert deal.seen("bolt").timekeeper == "port"
    hand_over(deal, "bolt", monkeypatch)
    told = capsys.readouterr().err
    assert "acme has said so before" in told
    assert f"what port counted from entry {first} " in told
    deal.settle()
    assert [deal.seen(name).timekeeper for name in FIRMS[1:]] == ["hub"] * 3
