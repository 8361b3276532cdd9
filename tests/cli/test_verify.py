"""`tally verify`: what it says, and with which exit code, of homes, tiles, addresses and receipts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli.main import main
from cli.means import Means
from cli.parallel import run_in
from cli.targets import verify_target
from ledger.audit.finding import CODES
from ledger.log.note import parse_vkey
from ledger.log.tile import TILE_HASHES, entries_path, format_bundle, log_path, tile_path
from node.home import open_reader
from node.state import load_state
from node.store.reader import Reader
from node.views.receipts import make_receipt
from tests.attacks import small_home

HELPERS = Path(__file__).resolve().parents[1] / "attacks" / "small_home.py"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with everything in it."""
    return Path(small_home.make_small_home(tmp_path_factory.mktemp("pristine")))


@pytest.fixture
def home(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and nothing else at hand."""
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TALLY_HOME", str(tmp_path / "nowhere"))
    shutil.copytree(pristine, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def origin(home: Path) -> str:
    with_reader = open_reader(home)
    try:
        return with_reader.own_origin()
    finally:
        with_reader.close()


@pytest.fixture
def tiles(home: Path, tmp_path: Path) -> Path:
    """The own log of the home as a folder of tiles."""
    folder = tmp_path / "tiles"
    reader = open_reader(home)
    try:
        write_tiles(reader, reader.own_origin(), folder)
    finally:
        reader.close()
    return folder


@pytest.fixture
def vkey(home: Path, origin: str) -> str:
    reader = open_reader(home)
    try:
        roster = load_state(reader).roster
        return roster.log_key(roster.origin("acme")).text
    finally:
        reader.close()


def write_tiles(reader: Reader, origin: str, folder: Path) -> None:
    """Every file that a server of this log must have."""
    size = reader.size(origin)
    write(folder, "/checkpoint", reader.notes(origin)[-1].note.encode())
    for level in range(2):
        count = size >> 8 * level
        for index in range(-(-count // TILE_HASHES)):
            width = min(TILE_HASHES, count - index * TILE_HASHES)
            write(folder, tile_path(level, index, width), reader.read_tile(origin, level, index, width))
            if level == 0:
                entries = reader.entries(origin, index * TILE_HASHES, width)
                write(folder, entries_path(index, width), format_bundle(entries))


def write(folder: Path, path: str, data: bytes) -> None:
    file = folder / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of a call with --json."""
    capsys.readouterr()
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_sound_home_is_told_in_full(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(capsys, "verify", str(home))
    assert (code, report["holds"], report["exit"]) == (0, True, 0)
    assert report["counts"]["entries"] == 317
    assert report["counts"]["cosignatures"] == 1
    assert report["could_not_be_checked"]
    assert report["no_ledger_can_tell"]


def test_a_finding_names_place_expected_found_signer_and_action(
    home: Path, origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = sqlite3.connect(home / "tally.db")
    database.execute("UPDATE payload_1 SET salt = zeroblob(16) WHERE seq = 40")
    database.commit()
    database.close()
    code, report = run(capsys, "verify", str(home))
    (finding,) = report["findings"]
    assert code == 1
    assert (finding["code"], finding["log"], finding["position"]) == ("payload-changed", origin, 40)
    assert all(finding[name] for name in ("found", "expected", "signer", "action"))


def test_the_text_says_what_was_checked_and_what_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(home)]) == 0
    out = capsys.readouterr().out
    assert "Could not be checked:" in out
    assert "No ledger can tell:" in out
    assert "Everything that could be checked holds." in out


def test_nothing_at_a_place_could_not_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", str(tmp_path / "missing"))[0] == 3


def test_tiles_hold_under_the_right_key(tiles: Path, vkey: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(capsys, "verify", str(tiles), "--vkey", vkey)
    assert (code, report["findings"]) == (0, [])
    assert report["counts"]["entries"] == 313


def test_tiles_need_a_key(tiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", str(tiles))[0] == 2


def test_tiles_are_checked_by_the_keys_of_a_home(
    tiles: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run(capsys, "verify", str(tiles), "--home", str(home))
    assert (code, report["counts"]["cosignatures"]) == (0, 1)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/57", "tile/1/000.p/1"])
def test_a_changed_tile_is_found(
    tiles: Path, vkey: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(tiles / path, 3)
    code, report = run(capsys, "verify", str(tiles), "--vkey", vkey)
    assert (code, {finding["code"] for finding in report["findings"]}) == (1, {"tile-differs"})


def test_a_changed_entry_in_a_bundle_is_named(
    tiles: Path, vkey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiles / "tile/entries/000"
    length = int.from_bytes(bundle.read_bytes()[:2], "big")
    flip(bundle, 2 + length + 2 + 30)
    code, report = run(capsys, "verify", str(tiles), "--vkey", vkey)
    assert code == 1
    assert {finding["position"] for finding in report["findings"]} == {1}


def test_a_missing_bundle_is_a_gap(tiles: Path, vkey: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tiles / "tile/entries/000").unlink()
    assert run(capsys, "verify", str(tiles), "--vkey", vkey)[0] == 12


def test_an_older_checkpoint_than_the_home_knows_is_a_rollback(
    tiles: Path, home: Path, origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = open_reader(home)
    try:
        older = reader.notes(origin)[0]
    finally:
        reader.close()
    (tiles / "checkpoint").write_text(older.note)
    # Partial tiles of the older size.
    for path in ("tile/0/001", "tile/entries/001"):
        data = (tiles / f"{path}.p/57").read_bytes()
        last = data[:-32] if "entries" not in path else data[: -2 - int(_last_length(data))]
        (tiles / f"{path}.p/56").write_bytes(last)
    code, report = run(capsys, "verify", str(tiles), "--home", str(home))
    assert (code, [finding["code"] for finding in report["findings"]]) == (13, ["head-older"])


def _last_length(data: bytes) -> int:
    position, length = 0, 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2], "big")
        position += 2 + length
    return length


@pytest.fixture
def address(tiles: Path, tmp_path: Path, origin: str, vkey: str) -> Iterator[str]:
    """A server that lists the log and serves its tiles."""
    root = tmp_path / "served"
    shutil.copytree(tiles, root / log_path(origin).removeprefix("/"))
    listed = {"logs": [{"origin": origin, "vkey": vkey, "size": 313, "path": log_path(origin)}]}
    (root / "logs").write_text(json.dumps(listed))
    handler = partial(Quiet, directory=str(root))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Files, without a word on stderr."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_address_is_verified_and_its_key_is_said_to_be_its_own(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run(capsys, "verify", address)
    assert (code, report["findings"]) == (0, [])
    assert any("node itself told it" in item["what"] for item in report["could_not_be_checked"])


def test_one_log_at_an_address_is_verified_by_a_key(
    address: str, origin: str, vkey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run(capsys, "verify", address + log_path(origin), "--vkey", vkey)
    assert (code, report["counts"]["entries"]) == (0, 313)
    assert not any("told" in item["what"] for item in report["could_not_be_checked"])


def test_an_address_that_nobody_answers_could_not_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", "http://127.0.0.1:9")[0] == 3


@pytest.fixture
def receipt(home: Path, origin: str, tmp_path: Path) -> Path:
    path = tmp_path / "entry.tlog-proof"
    reader = open_reader(home)
    try:
        path.write_text(make_receipt(reader, load_state(reader), (origin, 6), with_payload=True))
    finally:
        reader.close()
    return path


def test_a_receipt_says_what_it_proves(receipt: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(capsys, "verify", str(receipt), "--home", str(home))
    assert code == 0
    assert any("bolt" in line for line in report["checked"])


def test_a_receipt_is_checked_with_a_vkey_alone(
    receipt: Path, vkey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "verify", str(receipt), "--vkey", vkey)[0] == 0


def test_every_flipped_byte_of_a_receipt_is_refused_or_costs_its_witness(receipt: Path, vkey: str) -> None:
    means = Means(heads={}, vkey=parse_vkey(vkey))
    whole = receipt.read_bytes()
    passed = []
    for at in range(len(whole)):
        receipt.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        if not verify_target(str(receipt), means).findings:
            passed.append(at)
    # What is left are bytes of the line of a witness whose key is not given.
    assert min(passed, default=len(whole)) > whole.rindex("\n— bolt".encode())


def test_processes_find_what_one_finds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = verify_target(str(home), Means(heads={}))
    monkeypatch.setattr("cli.parallel.MIN_RANGES", 1)
    together = verify_target(str(home), Means(heads={}, jobs=2))
    assert run_in(2) is not None
    assert [log.root for log in together.logs] == [log.root for log in alone.logs]
    assert together.counts == alone.counts
    assert together.findings == alone.findings == ()


def test_every_finding_has_its_paragraph() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text()
    described = [line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")]
    assert sorted(described) == sorted(CODES)
    for code, sort in CODES.items():
        assert f"### {code}\n*{sort}.*" in text


def run_range(home: Path, capsys: pytest.CaptureFixture[str], *rest: str) -> tuple[int, dict[str, Any]]:
    code = main(["--json", "verify", str(home), *rest])
    return code, json.loads(capsys.readouterr().out)


def test_a_range_is_checked_by_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run_range(home, capsys, "--range", "2:5")
    assert (code, report["findings"]) == (0, [])
    assert "the entries outside of the range" in [item["what"] for item in report["could_not_be_checked"]]


def test_a_changed_entry_in_a_range_is_named(
    home: Path, origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = sqlite3.connect(home / "tally.db")
    entry = bytearray(database.execute("SELECT entry FROM entry_1 WHERE seq = 4").fetchone()[0])
    entry[-1] ^= 1
    database.execute("UPDATE entry_1 SET entry = ? WHERE seq = 4", (bytes(entry),))
    database.commit()
    database.close()
    code, report = run_range(home, capsys, "--range", "0:6", "--log", origin)
    assert code == 1
    assert ("chain-changed", 4) in [(f["code"], f["position"]) for f in report["findings"]]


def test_a_range_of_a_log_that_was_signed_otherwise_does_not_reach_the_root(
    tiles: Path, vkey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run_range(tiles, capsys, "--range", "300:301", "--vkey", vkey)
    assert (code, report["counts"]["entries"]) == (0, 313 - 256)
    flip(tiles / "tile" / "1" / "000.p" / "1", 5)
    code, report = run_range(tiles, capsys, "--range", "300:301", "--vkey", vkey)
    assert (code, [f["code"] for f in report["findings"]]) == (1, ["range-root"])


def test_the_last_entry_of_a_range_is_vouched_for_by_the_tree(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other entry names the last one of a log."""
    database = sqlite3.connect(home / "tally.db")
    entry = bytearray(database.execute("SELECT entry FROM entry_1 WHERE seq = 312").fetchone()[0])
    entry[-1] ^= 1
    database.execute("DELETE FROM payload_1 WHERE seq = 312")
    database.execute("UPDATE entry_1 SET entry = ? WHERE seq = 312", (bytes(entry),))
    database.commit()
    database.close()
    code, report = run_range(home, capsys, "--range", "300:313")
    assert (code, [f["code"] for f in report["findings"]]) == (1, ["range-root"])


@pytest.mark.parametrize("said", ["5:5", "9:2", "a:b", "-1:4", "1", "1:2:3", "1000000:1000001"])
def test_a_range_that_is_none_is_wrong_usage(home: Path, said: str) -> None:
    assert main(["verify", str(home), f"--range={said}"]) == 2


def test_a_range_of_a_receipt_is_wrong_usage(receipt: Path) -> None:
    assert main(["verify", str(receipt), "--range", "0:1"]) == 2


def test_the_state_file_is_made_and_used_again(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = str(tmp_path / "verify.state")
    first = run_range(home, capsys, "--state", state)
    assert run_range(home, capsys, "--state", state) == first
    shutil.copytree(home, tmp_path / "other")
    assert main(["verify", str(tmp_path / "other"), "--state", state]) == 2


def test_a_network_of_one_home_says_whose_copies_it_could_not_have(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run_range(home, capsys, "--network")
    assert code in (0, 3)
    assert report["findings"] == []
    assert any("compared" in line for line in report["checked"])
    assert any("copies that" in item["what"] for item in report["could_not_be_checked"])


def test_a_report_is_a_page_that_asks_nobody(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert main(["verify", str(home), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Everything that could be checked holds." in text
    assert not any(word in text for word in ("<script", "http://", "https://", "src=", "url(", "@import"))
    assert text.count("<h2>") == 5


def test_a_report_says_each_finding_in_plain_words(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = sqlite3.connect(home / "tally.db")
    database.execute("UPDATE payload_1 SET payload = x'00' WHERE seq = 3")
    database.commit()
    database.close()
    page = tmp_path / "report.html"
    assert main(["verify", str(home), "--report", str(page)]) == 1
    text = page.read_text(encoding="utf-8")
    assert "payload-changed" in text
    assert "The content that is kept for this entry is not the one that was recorded." in text
    assert "What to do" in text
