"""Commands of the demo, each in a process of its own, forked from one that has loaded `tally` already.

So a command costs what it does and not the start of an interpreter, which is most of it on a slow machine.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.main import COMMANDS, Entry, main

_PROCESSES = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a command runs: its folder and its environment."""

    folder: Path
    environ: Mapping[str, str]


def load_commands() -> None:
    """Have the modules of all commands loaded once, before the first of them runs."""
    _PROCESSES.set_forkserver_preload(sorted(_modules(COMMANDS)))


def run_command(arguments: Sequence[str], around: Surroundings, timeout_s: float) -> tuple[int, str]:
    """Run `tally` with these arguments; gives its exit code and what it wrote to stdout and stderr.

    Raises:
        TimeoutError: it did not end in time; it is killed.
    """
    with tempfile.TemporaryDirectory(prefix="tally-demo-output-") as folder:
        output = Path(folder) / "output"
        process = _PROCESSES.Process(target=_carry_out, args=(list(arguments), around, str(output)))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError
        return process.exitcode, output.read_text(encoding="utf-8", errors="replace")


def _modules(commands: Mapping[str, Entry]) -> set[str]:
    found = {entry.function.partition(":")[0] for entry in commands.values() if entry.function}
    for entry in commands.values():
        found |= _modules(entry.commands)
    return found


def _carry_out(arguments: list[str], around: Surroundings, output: str) -> None:
    """The other process: a fresh `tally`, whose output goes into a file."""
    os.chdir(around.folder)
    os.environ.clear()
    os.environ.update(around.environ)
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for target, source in ((0, nothing), (1, written), (2, written)):
        os.dup2(source, target)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the rest of the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # likewise
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # likewise
    code = main(arguments)
    sys.stdout.flush()
    sys.exit(code)
