"""Fixtures of the command line's tests: calling `tally`, and homes with and without a running node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node.home import NewHome, found_home
from node.keyfiles import MIN_COST
from node.world import real_world

TALLY = (sys.executable, "-P", "-m", "cli")
PASSPHRASE = "correct horse"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a call of `tally` ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Calls `tally` in a folder, as a person at a terminal without anybody to answer questions."""

    folder: Path
    environ: Mapping[str, str]
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: bytes | None = None, **environ: str) -> Done:
        done = subprocess.run(
            [*TALLY, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def found(self, name: str) -> Path:
        """A home of a founder whose keys are sealed cheaply."""
        home = self.folder / name
        new = NewHome(
            organization=name,
            title=name.capitalize(),
            person="ana",
            passphrase=PASSPHRASE.encode(),
            world=real_world(),
            state_folder=Path(self.environ["TALLY_STATE_DIR"]),
            cost=MIN_COST,
        )
        found_home(home, new, network="Coffee")
        return home

    def start(self, name: str) -> str:
        """Start the node of a home; gives its address."""
        process = subprocess.Popen(
            [*TALLY, "--home", name, "serve"],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / f"{name}.log").open("ab"),
        )
        self.nodes[name] = process
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url, (self.folder / f"{name}.log").read_text()
        self.until(lambda: self("--home", name, "--json", "network", "show").value["members"][0]["url"])
        return url

    def stop(self, name: str) -> int:
        """Stop a node with SIGTERM; gives its exit code."""
        process = self.nodes.pop(name)
        process.send_signal(signal.SIGTERM)
        code = process.wait(TIMEOUT_S)
        if process.stdout is not None:
            process.stdout.close()
        return code

    @staticmethod
    def until(holds: Callable[[], object], seconds: float = 20) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)


def make_tally(folder: Path) -> Tally:
    """`tally` in a folder, apart from the state and the settings of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    ours = {
        "TALLY_PASSPHRASE": PASSPHRASE,
        "TALLY_STATE_DIR": str(folder / "state"),
        "TALLY_PORT": "0",
        "TALLY_HEADER_TIMEOUT_S": "1",
        "HOME": str(folder),
    }
    return Tally(folder=folder, environ={**kept, **ours})


@pytest.fixture
def tally(tmp_path: Path) -> Iterator[Tally]:
    """`tally` in a folder of this test alone; nodes that it starts are stopped."""
    calls = make_tally(tmp_path)
    yield calls
    for name in list(calls.nodes):
        calls.stop(name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tally]:
    """`tally` with the home `finca` and its node running, shared by the tests of a module."""
    calls = make_tally(tmp_path_factory.mktemp("cli"))
    calls.found("finca")
    calls.start("finca")
    yield calls
    for name in list(calls.nodes):
        calls.stop(name)
