"""Ten million entries: `python -m tests.benchmarks.large [--entries N] [--home FOLDER]`.

Builds a home with so long a log (minutes, about 500 bytes of disk an entry), or takes the one it built before
in the same folder, and audits it: on one core and on all, with payloads and without, and resumed after 99%.
Beside each rate stands the peak of memory of the audit and all its processes together.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.parallel import default_jobs
from tests.benchmarks.figures import Board, tell
from tests.benchmarks.long_home import make_long_home

ENTRIES = 10_000_000
LIMIT_MB = 300
SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit in processes of its own: how long, how much memory, and what it printed."""

    wall_s: float
    peak_mb: float
    answer: str


def main() -> None:
    """Build and measure."""
    parser = argparse.ArgumentParser(
        prog="make bench-large", description="Audit a log of ten million entries."
    )
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--home", type=Path, help="folder for the home; kept, and used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tally-large-") as made:
        folder = (arguments.home or Path(made)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TALLY_STATE_DIR"] = str(folder / "state")
        home = folder / "long"
        if not home.exists():
            tell(f"building a log of {arguments.entries:,} entries ...")
            started = time.perf_counter()
            make_long_home(folder, arguments.entries)
            tell(f"built in {time.perf_counter() - started:,.0f} s")
        measure_large(Board(), home, Path(made))


def measure_large(board: Board, home: Path, scratch: Path) -> None:
    """Audit a home with a long log in every way that is to be measured."""
    board.head(f"A long log, processes of {LIMIT_MB} MB in all")
    cores = default_jobs()
    for jobs in sorted({1, cores}):
        _measure(board, f"entries alone, {jobs} processes", _ENTRIES_ALONE, home, jobs)
        _measure(board, f"tally verify, {jobs} processes", _VERIFY, home, jobs)
    for what in ("entries alone", "tally verify"):
        if cores > 1:
            board.ratio(
                f"{what}: {cores} processes to 1", f"{what}, {cores} processes", f"{what}, 1 processes", 1.8
            )
    _measure_resumed(board, home, scratch / "verify.state", cores)


def _measure(board: Board, name: str, command: Sequence[str], home: Path, jobs: int) -> float:
    audit = run_audit([*command, str(home), "--jobs", str(jobs)])
    entries = json.loads(audit.answer)["counts"]["entries"]
    board.add(name, entries / audit.wall_s, "entries/s", f"{entries:,} entries in {audit.wall_s:,.1f} s")
    verdict = "reached" if audit.peak_mb < LIMIT_MB else "missed"
    board.add(
        f"{name}: memory", audit.peak_mb, "MB", f"all processes together; to stay under {LIMIT_MB}: {verdict}"
    )
    return audit.wall_s


def _measure_resumed(board: Board, home: Path, state: Path, jobs: int) -> None:
    """A whole audit that writes its state, and one that finds 99% of it done."""
    command = [*_VERIFY, str(home), "--jobs", str(jobs), "--state", str(state)]
    whole = run_audit(command)
    data = state.read_bytes()
    state.write_bytes(data[: len(data) * 99 // 100])
    resumed = run_audit(command)
    board.add("audit with a state file", whole.wall_s, "s")
    board.add("the same, resumed after 99%", resumed.wall_s, "s")
    board.add(
        "resumed, as a part of the whole",
        100 * resumed.wall_s / whole.wall_s,
        "%",
        "starting Python included",
    )


def run_audit(command: Sequence[str]) -> Audit:
    """Run an audit, and look at its memory all the time."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, sum(map(_resident_mb, _family(process.pid))))
            time.sleep(SAMPLE_S)
        wall = time.perf_counter() - started
        output.seek(0)
        answer = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {answer[:2000]}")
    return Audit(wall_s=wall, peak_mb=peak, answer=answer)


def _family(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield from _family(child)


def _resident_mb(pid: int) -> float:
    """What a process holds in memory; pages that it shares with others are counted for each."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


_VERIFY = (sys.executable, "-P", "-m", "cli", "--json", "verify")
_ENTRIES_ALONE = (sys.executable, "-m", "tests.benchmarks.entries_alone")

if __name__ == "__main__":
    main()
