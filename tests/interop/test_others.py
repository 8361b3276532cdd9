"""A node's log and receipts under programs by others: Go's note and tlog, tlog-scales, @sigstore/verify.

Each test runs with what `.ci/run` installs, and is skipped, with a reason, where that is not there.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OTHERS = Path(__file__).resolve().parent / "others"
GO_PATH = Path("/usr/share/gocode")
GO_PLACES = (Path("/usr/lib/go-1.19/bin/go"), Path("/usr/lib/go/bin/go"))
READ_LOGS = ["go", "tlog-scales"]
READ_RECEIPTS = [*READ_LOGS, "sigstore"]

Program = Callable[..., subprocess.CompletedProcess[str]]


def go_program(folder: Path) -> list[str]:
    """The Go program, built with what Debian ships and no module proxy."""
    found = shutil.which("go") or next((str(place) for place in GO_PLACES if place.exists()), None)
    if found is None or not (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("no Go, or no golang.org/x/mod: packages golang-1.19-go and golang-golang-x-mod-dev")
    program = folder / "verify"
    environ = {"PATH": os.environ["PATH"], "GO111MODULE": "off", "GOPATH": str(GO_PATH)}
    environ |= {"GOCACHE": str(folder / "cache"), "GOFLAGS": "-p=1", "GOPROXY": "off"}
    subprocess.run(
        [found, "build", "-o", str(program), str(OTHERS / "verify.go")], env=environ, check=True, timeout=100
    )
    return [str(program)]


def tiles_program(folder: Path) -> list[str]:
    """The Python program on tlog-scales."""
    if importlib.util.find_spec("tlog_scales") is None:
        pytest.skip("no tlog-scales: the extra `interop`")
    return [sys.executable, str(OTHERS / "verify_tiles.py")]


def sigstore_program(folder: Path) -> list[str]:
    """The program on @sigstore/verify."""
    node = shutil.which("node")
    if node is None or not (OTHERS / "node_modules/@sigstore/verify").is_dir():
        pytest.skip("no node, or no @sigstore/verify: npm install in tests/interop/others")
    return [node, str(OTHERS / "verify.cjs")]


MAKERS = {"go": go_program, "tlog-scales": tiles_program, "sigstore": sigstore_program}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Program]:
    """Programs by name, each built once."""
    made: dict[str, list[str]] = {}

    def program(name: str) -> Program:
        if name not in made:
            made[name] = MAKERS[name](tmp_path_factory.mktemp(name))
        command = made[name]

        def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
            line = [*command, *map(str, arguments)]
            return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

        return run

    return program


def test_the_go_program_knows_nothing_but_x_mod_and_its_standard_library() -> None:
    text = (OTHERS / "verify.go").read_text()
    imported = text[text.index("import (") : text.index(")", text.index("import ("))].split('"')[1::2]
    foreign = {name for name in imported if "." in name}
    assert foreign == {"golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog"}


# Logs


@pytest.mark.parametrize("name", READ_LOGS)
@pytest.mark.parametrize("firm", ["port", "acme"])
def test_a_log_is_accepted(programs: Any, served: Any, name: str, firm: str) -> None:
    done = programs(name)("log", served.log(firm), served.vkeys[firm])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", READ_LOGS)
def test_a_log_under_the_key_of_another_is_refused(programs: Any, served: Any, name: str) -> None:
    assert programs(name)("log", served.log("acme"), served.vkeys["bolt"]).returncode == 1


@pytest.mark.parametrize("name", READ_LOGS)
@pytest.mark.parametrize("file", ["checkpoint", "tile/entries/000", "tile/0/000", "tile/1/000.p/1"])
def test_a_log_with_a_changed_file_is_refused(
    programs: Any, served: Any, tmp_path: Path, name: str, file: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(served.log("acme"), copy)
    data = bytearray((copy / file).read_bytes())
    # In a checkpoint this is in the middle of the root.
    at = data.index(b"\n", data.index(b"\n") + 1) + 9 if file == "checkpoint" else 100 % len(data)
    data[at] ^= 1
    (copy / file).write_bytes(data)
    assert programs(name)("log", copy, served.vkeys["acme"]).returncode == 1


@pytest.mark.parametrize("name", READ_LOGS)
def test_a_log_without_its_last_entries_is_refused(
    programs: Any, served: Any, tmp_path: Path, name: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(served.log("acme"), copy)
    (bundle,) = (copy / "tile/entries/001.p").iterdir()
    data = bundle.read_bytes()
    bundle.write_bytes(data[: int.from_bytes(data[:2], "big") + 2])
    assert programs(name)("log", copy, served.vkeys["acme"]).returncode == 1


# Receipts


def other_byte(part: str, index: int) -> Callable[[str], str]:
    """A change of a base64 line of a receipt: the byte at an index of what it says."""

    def change(text: str) -> str:
        start = text.index(part) + len(part)
        end = text.index("\n", start)
        data = bytearray(base64.b64decode(text[start:end]))
        data[index] ^= 1
        return text[:start] + base64.b64encode(bytes(data)).decode() + text[end:]

    return change


def other_index(text: str) -> str:
    """A receipt that says the position after its own."""
    start = text.index("\nindex ") + 7
    end = text.index("\n", start)
    return text[:start] + str(int(text[start:end]) + 1) + text[end:]


def other_root(text: str) -> str:
    """A receipt whose checkpoint has another root."""
    head, gap, note = text.partition("\n\n")
    origin, size, root, *rest = note.split("\n")
    data = bytearray(base64.b64decode(root))
    data[7] ^= 1
    return head + gap + "\n".join([origin, size, base64.b64encode(bytes(data)).decode(), *rest])


def without_last_hash(text: str) -> str:
    """A receipt whose path is one hash short."""
    head, gap, note = text.partition("\n\n")
    return head.rpartition("\n")[0] + gap + note


CHANGES = {
    "entry": other_byte("\nextra ", 40),
    "index": other_index,
    "path": lambda text: other_byte(text[text.index("\nindex ") :].split("\n")[1] + "\n", 3)(text),
    "path-short": without_last_hash,
    "root": other_root,
}


@pytest.mark.parametrize("name", READ_RECEIPTS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_receipt_with_its_payload_is_accepted(
    programs: Any, served: Any, tmp_path: Path, name: str, which: int
) -> None:
    file = tmp_path / "one.tlog-proof"
    file.write_bytes(served.receipts[which])
    done = programs(name)("receipt", file, served.vkeys["acme"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", READ_RECEIPTS)
def test_a_receipt_without_its_payload_is_accepted(
    programs: Any, served: Any, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "one.tlog-proof"
    file.write_bytes(served.plain_receipt)
    done = programs(name)("receipt", file, served.vkeys["acme"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", READ_RECEIPTS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_receipt_is_refused(
    programs: Any, served: Any, tmp_path: Path, name: str, change: str
) -> None:
    text = served.plain_receipt.decode()
    changed = CHANGES[change](text)
    assert changed != text
    file = tmp_path / "one.tlog-proof"
    file.write_text(changed)
    assert programs(name)("receipt", file, served.vkeys["acme"]).returncode == 1


@pytest.mark.parametrize("name", READ_RECEIPTS)
def test_a_receipt_signed_by_another_key_is_refused(
    programs: Any, served: Any, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "one.tlog-proof"
    file.write_bytes(served.plain_receipt)
    assert programs(name)("receipt", file, served.vkeys["bolt"]).returncode == 1
