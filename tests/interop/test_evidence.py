"""Our evidence, held against the verifier that knows none of our code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.log.evidence_files import format_body, format_evidence

HERE = Path(__file__).resolve().parent
FROZEN: dict[str, dict[str, str]] = json.loads(
    (HERE.parent / "vectors" / "log" / "evidence.json").read_text(encoding="ascii")
)
NAMES = ["equal", "longer", "power of two", "entries", "witness", "witness longer", "openings"]


@pytest.fixture
def files(pieces: Any, name: str) -> dict[str, bytes]:
    """The files of a true piece."""
    found: dict[str, bytes] = format_evidence(pieces.every_piece()[name])
    return found


def refused(foreign: Any, files: dict[str, bytes]) -> bool:
    try:
        foreign.verify_evidence(files)
    except foreign.Refused:
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_a_true_piece_is_accepted_as_folder_and_as_statement(
    foreign: Any, pieces: Any, files: dict[str, bytes], name: str
) -> None:
    found = foreign.verify_evidence(files)
    assert found.accused in (pieces.ORIGIN, pieces.witness_key("bolt").name, f"{pieces.opened(' 2').origin}")
    if found.kind == "fork":
        return
    body = format_body(pieces.every_piece()[name])
    assert foreign.verify_body(body) == found
    for change in ({"accused": "cord"}, {"form": "another"}):
        with pytest.raises(foreign.Refused):
            foreign.verify_body({**body, **change})


@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_piece_is_accepted(foreign: Any, name: str) -> None:
    files = {file: text.encode() for file, text in FROZEN[name].items()}
    assert foreign.verify_evidence(files).origin == json.loads(files["evidence.json"])["origin"]


def others_lines(kind: str, name: str, data: bytes) -> set[int]:
    """Where a log's notes have cosignatures, which are not what is checked there."""
    found: set[int] = set()
    start = data.find("\n\n— ".encode()) + 2
    for line in data[start:].splitlines(keepends=True) if start > 1 and kind != "witness" else ():
        if b"/witness " in line:
            found |= {*range(start, start + len(line))}
        start += len(line)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_bytes_all_over_a_piece_count_but_not_those_of_cosignatures_of_a_log(
    foreign: Any, files: dict[str, bytes], name: str
) -> None:
    kind = foreign.verify_evidence(files).kind
    for file, data in files.items():
        free = others_lines(kind, file, data)
        # Lines of base64 have four characters for three bytes, so each place in a group has its turn.
        for at in set(range(0, len(data), 1 if len(data) < 500 else 5)) - free:
            changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            assert refused(foreign, {**files, file: changed}), (file, at)


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_missing_more_repeated_or_exchanged_are_refused(
    foreign: Any, files: dict[str, bytes], name: str
) -> None:
    for file in files:
        assert refused(foreign, {other: data for other, data in files.items() if other != file})
    assert refused(foreign, {**files, "more": b""})
    a, b = sorted(file for file in files if file.startswith(("a.", "b.")))
    assert refused(foreign, {**files, a: files[b]})
    assert refused(foreign, {**files, b: files[a]})
    assert refused(foreign, {**files, a: files[b], b: files[a]})


@pytest.mark.parametrize("name", ["equal", "entries", "witness"])
def test_a_second_key_must_be_another_one_and_of_the_same_log(
    foreign: Any, files: dict[str, bytes], name: str
) -> None:
    assert refused(foreign, {**files, "vkey": files["vkey"] * 2})
    assert refused(foreign, {**files, "vkey": files["vkey"] + b"no key\n"})


def test_notes_on_both_sides_of_a_rotation_are_proven_with_both_keys(foreign: Any, pieces: Any) -> None:
    one, other = pieces.history("one", 9, fork_at=3), pieces.history("other", 9, fork_at=3)
    newer = pieces.seed("acme log newer")
    keys = [pieces.log_vkey(pieces.ORIGIN, seed) for seed in (one.log_seed, newer)]
    notes = [one.note(6), other.note(9, log_seed=newer)]
    path = tuple(pieces.prove_fork_path(other, 6, 9))
    files = format_evidence(pieces.fork_evidence(notes[0], notes[1], path, *keys))
    assert files["vkey"].count(b"\n") == 2
    found = foreign.verify_evidence(files)
    assert [key.key for key in found.keys] == [key.public_key for key in keys]
    first, second = files["vkey"].splitlines(keepends=True)
    for lines in (first, second, second + first):
        assert refused(foreign, {**files, "vkey": lines})


@pytest.mark.parametrize("name", ["longer", "openings"])
def test_the_program_verifies_a_folder(files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    command = [sys.executable, "-I", str(HERE / "foreign"), "evidence", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split(": ")[-1].strip() in ("fork", "entries", "witness", "openings")
