"""The demo: its goods are what the standard says, it plays to the end, and it leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.demo.contract import CONTRACT
from cli.demo.firms import FIRMS, with_check_digit
from cli.demo.stage import free_ports
from cli.demo.story import PAPERS
from cli.demo.teller import Teller
from contracts.checker import check_document
from contracts.reading import parse_contract_yaml
from ledger.trace.check import check_capture
from ledger.trace.document import read_capture

PATIENCE_S = 240
"""A busy machine is no failure."""


def test_check_digits_are_those_of_the_standard() -> None:
    assert with_check_digit("629104150021") == "6291041500213"


@pytest.mark.parametrize("papers", PAPERS, ids=lambda papers: papers.file)
def test_the_papers_are_epcis(papers: Any, conformance: Path) -> None:
    check_capture(read_capture(papers.text().encode()))
    schema = json.loads((conformance / "epcis" / "gs1" / "EPCIS-JSON-Schema.json").read_text())
    jsonschema.validate(json.loads(papers.text()), schema)


def test_the_contract_has_no_errors() -> None:
    check_document(parse_contract_yaml(CONTRACT.encode()))


def test_a_long_command_is_told_over_several_lines() -> None:
    told = io.StringIO()
    Teller(told).show(["network", "found", "Coffee from Huila", *["--option"] * 12], "")
    lines = told.getvalue().strip("\n").split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100
    joined = told.getvalue().replace("\\\n", " ")
    assert shlex.split(joined)[:5] == ["$", "tally", "network", "found", "Coffee from Huila"]


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(8))) == 8


@pytest.mark.timeout(PATIENCE_S + 60)
def test_the_demo_plays_to_its_end_and_leaves_nothing_behind(tally: Any) -> None:
    done = tally.process("demo", "--dir", "stage", "--json", seconds=PATIENCE_S)
    assert done.code == 0, done.err
    assert len(done.value["steps"]) == 9
    assert not (tally.folder / "stage").exists()
    for words in ("provisional", "final", "H-3", "payload with commitment", "(exit code 1)"):
        assert words in done.err


@pytest.mark.timeout(PATIENCE_S + 60)
def test_a_demo_that_is_stopped_leaves_nothing_behind(tally: Any) -> None:
    folder = tally.folder / "stage"
    with tally.begun("demo", "--dir", "stage") as process:
        tally.until(lambda: (folder / "finca" / "running").exists() or process.poll() is not None, PATIENCE_S)
        node = json.loads((folder / "finca" / "running").read_text())["pid"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert not folder.exists()
    tally.until(lambda: not alive(node), PATIENCE_S)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_demo_needs_a_folder_of_its_own(tally: Any) -> None:
    (tally.folder / "stage").mkdir()
    (tally.folder / "stage" / "mine").touch()
    assert tally("demo", "--dir", "stage").code == 1
    assert (tally.folder / "stage" / "mine").exists()


def test_stop_removes_no_folder_that_is_not_a_demo(tally: Any) -> None:
    (tally.folder / "mine").mkdir()
    assert tally("demo", "--stop", "mine").code == 3
    assert (tally.folder / "mine").exists()


def test_stop_goes_alone(tally: Any) -> None:
    assert tally("demo", "--stop", "x", "--keep").code == 2


def test_every_firm_has_a_person_and_a_number_of_its_own() -> None:
    assert len({firm.prefix for firm in FIRMS}) == len({firm.person for firm in FIRMS}) == len(FIRMS)
