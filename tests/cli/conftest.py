"""Fixtures of the command line's tests: calling `tally`, and homes with and without a running node."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
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

    def __call__(self, *arguments: str, stdin: bytes = b"", **environ: str) -> Done:
        """Call it in this process, which costs no start of an interpreter."""
        before, folder = dict(os.environ), Path.cwd()
        out, err = _stream(), _stream()
        os.environ.clear()
        os.environ.update({**self.environ, **environ})
        os.chdir(self.folder)
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(arguments)
        finally:
            sys.stdin = sys.__stdin__
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
        return Done(code=code, out=_written(out), err=_written(err))

    def process(self, *arguments: str, seconds: float = TIMEOUT_S, **environ: str) -> Done:
        """Call it in a process of its own, as people do."""
        with self.begun(*arguments, **environ) as process:
            out, err = process.communicate(timeout=seconds)
        encoding = environ.get("PYTHONIOENCODING", "utf-8")
        return Done(code=process.returncode, out=out.decode(encoding), err=err.decode(encoding))

    @contextlib.contextmanager
    def begun(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        """A call in a process of its own that is going on. One that has not ended in time is asked to, so
        that what it started ends as well."""
        with subprocess.Popen(
            [*TALLY, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    try:
                        process.communicate(timeout=TIMEOUT_S)
                    except subprocess.TimeoutExpired:
                        process.kill()

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

    def start(self, name: str = "") -> str:
        """Start the node of a home (of the default one, without a name); gives its address."""
        where = ["--home", name] if name else []
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*TALLY, *where, "serve"],
                cwd=self.folder,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self.nodes[name] = process
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url, log.read_text()
        self.until(lambda: self._address(where))
        return url

    def _address(self, where: Sequence[str]) -> str | None:
        """What the home's own log says that partners call."""
        shown = self(*where, "--json", "network", "show").value
        own = self(*where, "--json", "status").value["organization"]
        return next((each["url"] for each in shown["members"] if each["organization"] == own), None)

    def stop(self, name: str) -> int:
        """Stop a node with SIGTERM; gives its exit code."""
        process = self.nodes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(TIMEOUT_S)
        finally:
            process.kill()  # one that has ended takes no notice
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    @staticmethod
    def until(holds: Callable[[], object], seconds: float = 20) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def make_tally(folder: Path) -> Tally:
    """`tally` in a folder, apart from the state and the settings of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    ours = {
        "TALLY_PASSPHRASE": PASSPHRASE,
        "TALLY_STATE_DIR": str(folder / "state"),
        "TALLY_PORT": "0",
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


@pytest.fixture(scope="module")
def shared_tally(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tally]:
    """`tally` in a folder that the tests of a module share; nodes that they start are stopped."""
    calls = make_tally(tmp_path_factory.mktemp("cli"))
    yield calls
    for name in list(calls.nodes):
        calls.stop(name)
