"""A network of real nodes for measurements: homes in a folder, one process for each node on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ledger.members.invitation import open_invitation
from node.home import NewHome, found_home, open_reader, read_token
from node.keyfiles import MIN_COST
from node.serve import RUNNING, join_network
from node.state import load_state
from node.tls import client_context
from node.world import real_world

PASSPHRASE = "measured"
START_TIMEOUT_S = 30


@dataclass(slots=True)
class Member:
    """One firm's home, and its node's process while it runs."""

    name: str
    home: Path
    port: int
    state_folder: Path
    tls: bool = True
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it listens."""
        (self.home / RUNNING).unlink(missing_ok=True)
        environ = os.environ | {
            "TALLY_PASSPHRASE": PASSPHRASE,
            "TALLY_PORT": str(self.port),
            "TALLY_TLS": "true" if self.tls else "false",
            "TALLY_STATE_DIR": str(self.state_folder),
            "TALLY_LOG_LEVEL": "warning",
        }
        with (self.home / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", "--home", str(self.home), "serve"],
                env=environ,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.home / RUNNING).exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self.name} did not start: {(self.home / 'node.log').read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the node and wait for it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    @property
    def url(self) -> str:
        """Where the running node listens."""
        return str(json.loads((self.home / RUNNING).read_text())["url"])

    @property
    def origin(self) -> str:
        """The name of the log."""
        reader = open_reader(self.home)
        try:
            return reader.own_origin()
        finally:
            reader.close()

    @property
    def token(self) -> str:
        """What the operator's requests carry."""
        return read_token(self.home)

    def client(self) -> httpx.Client:
        """A client with the operator's token and the node's certificate pinned."""
        return httpx.Client(
            base_url=self.url,
            verify=client_context(self.certificate) if self.tls else True,
            headers={"authorization": f"Bearer {self.token}"},
            timeout=60,
            trust_env=False,
        )

    @property
    def certificate(self) -> bytes:
        """The node's certificate in DER, as its own log has it."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            reader = open_reader(self.home)
            try:
                address = load_state(reader).roster.addresses.get(self.name)
            finally:
                reader.close()
            if address is not None and address.certificate is not None:
                return address.certificate
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} recorded no address")

    def size(self, origin: str) -> int:
        """How many entries of a log this home holds."""
        reader = open_reader(self.home)
        try:
            return reader.size(origin) if origin in reader.origins() else 0
        finally:
            reader.close()


@contextmanager
def running_network(folder: Path, names: tuple[str, ...], *, tls: bool = True) -> Iterator[list[Member]]:
    """Found a network, have everybody join it, and run all nodes until the block is left."""
    states = folder / "state"
    members = [
        Member(name=name, home=folder / name, port=port, state_folder=states, tls=tls)
        for name, port in zip(names, free_ports(len(names)), strict=True)
    ]
    founder, *others = members
    found_home(founder.home, _new(founder), network="measured")
    try:
        founder.start()
        for member in others:
            with founder.client() as client:
                answer = client.post("/invitations", json={"organization": member.name})
            answer.raise_for_status()
            invitation = open_invitation(answer.json()["invitation"])
            join_network(member.home, invitation, _new(member))
            member.start()
        yield members
    finally:
        for member in members:
            member.stop()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def _new(member: Member) -> NewHome:
    return NewHome(
        organization=member.name,
        title=member.name.title(),
        person="director",
        passphrase=PASSPHRASE.encode(),
        world=real_world(),
        state_folder=member.state_folder,
        cost=MIN_COST,
    )
