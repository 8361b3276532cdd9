"""`tally demo`: the command around the story. Nothing stays behind unless that is asked for."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, plural
from cli.client import running_url
from cli.demo.firms import CORNER, FINCA, FIRMS
from cli.demo.goods import FARM_LOT, SHOP_LOT
from cli.demo.stage import PASSPHRASE, Stage, end_demo, make_folder
from cli.demo.story import PAPERS, tell_story
from cli.demo.teller import make_teller
from ledger.errors import InvalidError, TallyError, UsageError


def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Play it in this new folder; else in a temporary one."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the nodes running, and everything in place.")
    ] = False,
    stop: Annotated[
        Path | None,
        typer.Option("--stop", metavar="DIR", help="Stop the nodes of a demo that was kept, and remove it."),
    ] = None,
) -> None:
    """Four firms, four nodes: the whole job in under a minute.

    Starts four nodes on this machine, and tells what it does while a network is founded, goods are traced,
    an agreement is signed and fulfilled, and every log is verified. Then stops and removes everything.

    \b
    tally demo
    tally demo --keep
    """
    call = call_of(context)
    if stop is not None:
        if keep or folder is not None:
            raise UsageError("demo", found="--stop with --keep or --dir", expected="--stop DIR alone")
        running = end_demo(stop)
        call.answer(
            {"removed": str(stop), "stopped": running},
            [f"Stopped {plural(len(running), 'node')}; removed {stop}"],
        )
        return
    _play(call, folder, keep)


def _play(call: Call, folder: Path | None, keep: bool) -> None:
    started = time.monotonic()
    place = make_folder(folder)
    stage = Stage(place, make_teller(to_stdout=not call.as_json))
    stays = False
    try:
        with _terminable():
            tell_story(stage)
            seconds = round(time.monotonic() - started, 1)
            stays = keep
    except TallyError as error:
        where = "" if error.where.startswith("demo") else f"demo, {stage.teller.step}: "
        raise InvalidError(
            where + error.where, found=error.found, expected=error.expected, action=error.action
        ) from error
    finally:
        if not stays:
            stage.stop_all()
            shutil.rmtree(place, ignore_errors=True)
    events = sum(len(papers.events) for papers in PAPERS)
    steps = stage.teller.steps
    stage.teller.say(f"{events} events, {len(FIRMS)} nodes, {len(steps)} steps: {seconds} seconds.")
    _tell_end(stage, stays)
    nodes = {firm.name: running_url(place / firm.name) for firm in FIRMS} if stays else {}
    if call.as_json:
        folder_kept = str(place) if stays else None
        value = {"seconds": seconds, "events": events, "steps": steps, "dir": folder_kept, "nodes": nodes}
        call.answer(value, [])


def _tell_end(stage: Stage, stays: bool) -> None:
    """The commands to look around."""
    program = _program()
    if not stays:
        stage.teller.say("Everything is stopped and removed again. To look around yourself:")
        stage.teller.tell_lines(["", f"$ {program} demo --keep"])
        stage.teller.say(f"To run a node of your own: {program} init, then {program} serve.")
        return
    stage.teller.say("The four nodes go on running. To look around:")
    lines = [
        "",
        *_path_lines(program),
        f"$ cd {shlex.quote(str(stage.folder))}",
        f"$ tally --home {CORNER.name} status",
        f"$ tally --home {CORNER.name} agree show roast-delivery --why",
        f"$ tally --home {CORNER.name} trace back {SHOP_LOT}",
        f"$ tally --home {FINCA.name} trace forward {FARM_LOT}",
        f"$ tally --home {FINCA.name} log show wheels",
        f"The interface of {CORNER.name}, described: {running_url(stage.folder / CORNER.name)}/docs",
        "",
        "To sign, or to start a node again, say before:",
        f"$ export TALLY_PASSPHRASE={PASSPHRASE} TALLY_STATE_DIR={shlex.quote(str(stage.folder / 'state'))}",
        "",
        f"To stop and remove it: tally demo --stop {shlex.quote(str(stage.folder))}",
    ]
    stage.teller.tell_lines(lines)


def _program() -> str:
    """`tally` as a terminal here finds it: by its name, else by the path that it was called with."""
    called = sys.argv[0]
    return "tally" if shutil.which("tally") or Path(called).name != "tally" else called


def _path_lines(program: str) -> list[str]:
    """How a terminal finds `tally` from any folder, where it does not yet."""
    if program == "tally":
        return []
    return [f"$ export PATH={shlex.quote(str(Path(program).absolute().parent))}:$PATH"]


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the story like Ctrl-C, so that no node is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
