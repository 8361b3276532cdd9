"""The demo's stage: one folder, four homes in it, the real command line and real node processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from cli.client import RUNNING_FILE
from cli.demo.commands import Surroundings, load_commands, run_command
from cli.demo.firms import FIRMS, Firm
from cli.demo.teller import Teller
from cli.main import FAULTS_FILE
from cli.reading import OpenHome, open_home
from ledger.errors import ConflictError, InvalidError, MissingError, TallyError, UnavailableError
from node.lock import LOCK_FILE, lock_home

T = TypeVar("T")

MARKER = "demo.json"
PASSPHRASE = "demo"
COMMAND_TIMEOUT_S = 120
WAIT_S = 90
STOP_S = 30
LOG_LINES = 12


class Stage:
    """Runs commands and nodes, each told by the teller; stops every process that it started."""

    def __init__(self, folder: Path, teller: Teller) -> None:
        self.folder = folder
        self.teller = teller
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        ours = {
            "TALLY_PASSPHRASE": PASSPHRASE,
            "TALLY_STATE_DIR": str(folder / "state"),
            "NO_COLOR": "1",
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
        self._environ = {**inherited, **ours}
        load_commands()

    # Commands

    def run(
        self, *arguments: str, expect: int = 0, most_lines: int | None = None, firm: Firm | None = None
    ) -> str:
        """Run a command and tell it; gives what it wrote. `firm` is the one whose log tells of a failure.

        Raises:
            InvalidError: it ended with another exit code.
        """
        where = f"tally {shlex.join(arguments)}"
        around = Surroundings(folder=self.folder, environ=self._environ)
        try:
            code, output = run_command(arguments, around, COMMAND_TIMEOUT_S)
        except TimeoutError as error:
            raise self._failed(where, f"no end after {COMMAND_TIMEOUT_S} seconds", "an end", firm) from error
        self.teller.show(arguments, output, code=code, most_lines=most_lines if code == expect else None)
        if code != expect:
            raise self._failed(where, f"exit code {code}", f"exit code {expect}", firm)
        return output

    def at(self, firm: Firm, *arguments: str, expect: int = 0, most_lines: int | None = None) -> str:
        """Run a command on a firm's home."""
        return self.run("--home", firm.name, *arguments, expect=expect, most_lines=most_lines, firm=firm)

    def together(self, *works: Callable[[], object]) -> None:
        """Do several things at the same time, as four firms would; raises what failed first."""
        with ThreadPoolExecutor(len(works)) as pool:
            for future in [pool.submit(work) for work in works]:
                future.result()

    # Nodes

    def start(self, firm: Firm) -> None:
        """Start a firm's node, and wait until it answers."""
        home = self.folder / firm.name
        log = (self.folder / f"{firm.name}.log").open("ab")
        with log:
            self._nodes[firm.name] = subprocess.Popen(
                [*_TALLY, "--home", firm.name, "serve"],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.teller.show(["--home", firm.name, "serve"], "(in a process of its own)")
        process = self._nodes[firm.name]
        self._wait(
            f"the node of {firm.name} to answer",
            lambda: process.poll() is not None or (home / RUNNING_FILE).exists(),
            firm,
        )
        if process.poll() is not None:
            raise self._failed(
                f"node of {firm.name}", f"ended with {process.returncode}", "a running node", firm
            )

    def stop(self, firm: Firm) -> None:
        """Stop a firm's node with SIGTERM, as a service manager would."""
        process = self._nodes.pop(firm.name, None)
        if process is not None:
            process.terminate()
            _end(process)

    def stop_all(self) -> None:
        """Stop every node that this stage started."""
        for process in self._nodes.values():
            process.terminate()
        for process in self._nodes.values():
            _end(process)
        self._nodes.clear()

    # Looking and waiting

    def look(self, firm: Firm, ask: Callable[[OpenHome], T]) -> T:
        """Ask a firm's home something, read-only."""
        with open_home(self.folder / firm.name) as home:
            return ask(home)

    def wait_for(self, what: str, firm: Firm, holds: Callable[[OpenHome], bool]) -> None:
        """Wait until something holds at a firm's home."""
        self._wait(what, lambda: self.look(firm, holds), firm)

    def _wait(self, what: str, holds: Callable[[], bool], firm: Firm) -> None:
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                if holds():
                    return
            except MissingError:
                pass  # not there yet is what we wait for
            time.sleep(0.05)
        raise self._failed(what, f"nothing after {WAIT_S} seconds", "it to happen", firm)

    def _failed(self, where: str, found: str, expected: str, firm: Firm | None = None) -> TallyError:
        """The failure, after the last lines of that firm's log, or of all, and of a fault of our own."""
        logs = [self.folder / f"{each.name}.log" for each in ([firm] if firm else FIRMS)]
        for path in (*logs, self.folder / "state" / FAULTS_FILE):
            if path.exists():
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
                self.teller.say(f"The last lines of {path.name}:")
                self.teller.tell_lines(lines)
        return InvalidError(
            f"demo, {self.teller.step}: {where}",
            found=found,
            expected=expected,
            action="read what stands above; `tally doctor` looks for faults of the machine",
        )


def make_folder(folder: Path | None) -> Path:
    """The demo's folder, new and marked as such.

    Raises:
        ConflictError: there is something at that path.
    """
    if folder is None:
        made = Path(tempfile.mkdtemp(prefix="tallystick-demo-"))
    else:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConflictError(str(folder), found="something is there", expected="a new or empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        made = folder.resolve()
    (made / MARKER).write_text(json.dumps({"made_by": "tally demo"}) + "\n", encoding="utf-8")
    return made


def end_demo(folder: Path) -> list[str]:
    """Stop the nodes of a demo that was kept, and remove its folder; gives the firms that were running.

    Raises:
        MissingError: no demo was kept there.
    """
    if not (folder / MARKER).is_file():
        raise MissingError(
            str(folder), found="no demo here", expected="the folder that `tally demo --keep` named"
        )
    running = [firm.name for firm in FIRMS if _stop_holder(folder / firm.name)]
    shutil.rmtree(folder)
    return running


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody uses at the moment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


_TALLY: Sequence[str] = (sys.executable, "-P", "-m", "cli")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stop_holder(home: Path) -> bool:
    """Stop the process that holds a home's lock; only its holder is a node of this home."""
    if not home.is_dir() or not _is_held(home):
        return False
    os.kill(int((home / LOCK_FILE).read_text(encoding="ascii")), signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while _is_held(home):
        if time.monotonic() > until:
            raise UnavailableError(
                f"node of {home}", found=f"still running after {STOP_S} seconds", expected="an end on SIGTERM"
            )
        time.sleep(0.05)
    return True


def _is_held(home: Path) -> bool:
    try:
        lock_home(home).release()
    except TallyError:
        return True
    return False
