"""A newcomer to a network whose founder's log is longer than one answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.members.invitation import open_invitation
from node.home import NewHome, open_reader
from node.keyfiles import MIN_COST
from node.serve import join_network
from node.state import load_state
from node.world import real_world
from tests.benchmarks.network import PASSPHRASE, running_network

REMARKS = 12
REMARK_CHARS = 900_000


def test_a_newcomer_joins_behind_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    with running_network(tmp_path, ("acme",)) as (acme,), acme.client() as client:
        for number in range(REMARKS):
            client.post("/memos", json={"text": f"{number}" + "x" * REMARK_CHARS}).raise_for_status()
        text = client.post("/invitations", json={"organization": "late"}).json()["invitation"]
        new = NewHome(
            organization="late",
            title="Late",
            person="ana",
            passphrase=PASSPHRASE.encode(),
            world=real_world(),
            state_folder=tmp_path / "state",
            cost=MIN_COST,
        )
        join_network(tmp_path / "late", open_invitation(text), new)
    reader = open_reader(tmp_path / "late")
    try:
        assert "late" in load_state(reader).roster.members
    finally:
        reader.close()
