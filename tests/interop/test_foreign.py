"""Logs, receipts and statements of real nodes under a verifier that knows only the public formats."""

from __future__ import annotations

import ast
import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.entry import Entry, format_entry, leaf_hash
from ledger.log.evidence import prove_fork_path
from ledger.log.note import log_vkey
from ledger.log.receipt import prove_receipt
from ledger.log.statement import write_nonce
from ledger.log.tree import Frontier

HERE = Path(__file__).resolve().parent
FIRMS = ["port", "acme", "bolt"]
FORKER = sha256(b"forker").digest()
ORIGIN = "acme/0123456789abcdef"


def verify(foreign: Any, served: Any, firm: str, folder: Path | None = None) -> Any:
    """Head and entries of a firm's log, cosigned by all others."""
    log = foreign.read_vkey(served.vkeys[firm])
    witnesses = map(foreign.read_vkey, served.witnesses(firm))
    return foreign.verify_log(foreign.fetcher(str(folder or served.log(firm))), log, witnesses)


def read(foreign: Any, served: Any, firm: str) -> tuple[Any, list[dict[str, Any]]]:
    """Head and statements of a firm's log, every signature verified."""
    head, entries = verify(foreign, served, firm)
    rows = foreign.verify_statements(zip(entries, served.payloads[firm], strict=True), head.origin)
    return head, [statement for _, statement in rows]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier as a program."""
    command = [sys.executable, "-I", str(HERE / "foreign"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_verifier_imports_nothing_of_ours() -> None:
    found: set[str] = set()
    for path in sorted((HERE / "foreign").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level < 2
                found |= set() if node.level else {str(node.module).partition(".")[0]}
    assert "cryptography" in found
    assert found <= {*sys.stdlib_module_names, "cryptography"}


# Logs


@pytest.mark.parametrize("firm", FIRMS)
def test_a_log_is_verified_with_the_cosignatures_of_all_others(foreign: Any, served: Any, firm: str) -> None:
    head, entries = verify(foreign, served, firm)
    assert (head.size, len(head.cosigned)) == (len(entries), 2)


def test_the_log_has_full_and_partial_tiles_and_many_kinds(foreign: Any, served: Any) -> None:
    _, entries = verify(foreign, served, "acme")
    files = {str(path.relative_to(served.log("acme"))) for path in served.log("acme").rglob("*")}
    width = len(entries) - 256
    assert {"tile/entries/000", f"tile/entries/001.p/{width}", "tile/1/000.p/1"} <= files
    kinds = {entry.kind for entry in entries}
    assert {"log.open", "memo", "event", "agreement.propose", "fact", "decision", "seen.later"} <= kinds


@pytest.mark.parametrize("firm", FIRMS)
def test_every_byte_of_a_checkpoint_counts(foreign: Any, served: Any, firm: str) -> None:
    log = foreign.read_vkey(served.vkeys[firm])
    witnesses = [*map(foreign.read_vkey, served.witnesses(firm))]
    note = (served.log(firm) / "checkpoint").read_bytes()
    foreign.verify_checkpoint(note, log, witnesses)
    refused_each(foreign, note, lambda data: foreign.verify_checkpoint(data, log, witnesses))


def test_every_byte_of_every_tile_and_bundle_counts(foreign: Any, served: Any) -> None:
    source = served.log("port")
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    log = foreign.read_vkey(served.vkeys["port"])
    changed = dict(files)
    for name, data in files.items():
        if name != "checkpoint":
            for at in range(0, len(data), 7):
                changed[name] = flip(data, at)
                with pytest.raises(foreign.Refused):
                    foreign.verify_log(changed.__getitem__, log)
            changed[name] = data


@pytest.mark.parametrize(
    "name", ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"], ids=lambda name: name.replace("/", "-")
)
def test_a_changed_full_tile_is_refused(foreign: Any, served: Any, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(served.log("acme"), copy)
    data = (copy / name).read_bytes()
    for at in (0, len(data) // 2, len(data) - 1):
        (copy / name).write_bytes(flip(data, at))
        with pytest.raises(foreign.Refused):
            verify(foreign, served, "acme", copy)
    (copy / name).write_bytes(data + b"\x00")
    with pytest.raises(foreign.Refused):
        verify(foreign, served, "acme", copy)


def test_a_log_under_the_key_of_another_is_refused(foreign: Any, served: Any) -> None:
    with pytest.raises(foreign.Refused):
        foreign.verify_log(foreign.fetcher(str(served.log("acme"))), foreign.read_vkey(served.vkeys["bolt"]))


def test_the_program_verifies_over_http(served: Any) -> None:
    handler = functools.partial(Quiet, directory=str(served.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/acme"
            good = run("log", url, served.vkeys["acme"], *served.witnesses("acme"))
            bad = run("log", url, served.vkeys["bolt"])
        finally:
            server.shutdown()
            thread.join()
    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + good.stderr


# Receipts


def test_a_receipt_is_verified_with_and_without_its_payload(foreign: Any, served: Any) -> None:
    log = foreign.read_vkey(served.vkeys["acme"])
    witnesses = [*map(foreign.read_vkey, served.witnesses("acme"))]
    for leaf, data in zip(served.leaves, served.receipts, strict=True):
        receipt = foreign.verify_receipt(data, log, witnesses)
        assert foreign.leaf_hash(receipt.entry.data).hex() == leaf
        assert foreign.verify_statement(receipt.payload, receipt.entry.kind)
    assert foreign.verify_receipt(served.plain_receipt, log, witnesses).payload is None


def test_every_byte_of_a_receipt_counts(foreign: Any, served: Any) -> None:
    log = foreign.read_vkey(served.vkeys["acme"])
    witnesses = [*map(foreign.read_vkey, served.witnesses("acme"))]
    for data in (served.receipts[0], served.plain_receipt):
        refused_each(foreign, data, lambda changed: foreign.verify_receipt(changed, log, witnesses))


def test_only_cosignatures_of_witnesses_one_does_not_know_may_change(foreign: Any, served: Any) -> None:
    log = foreign.read_vkey(served.vkeys["acme"])
    data = served.plain_receipt
    cosignatures = data.index(b"\n", data.index("\n— ".encode()) + 1) + 1
    for at in range(len(data)):
        try:
            foreign.verify_receipt(flip(data, at), log)
        except foreign.Refused:
            continue
        assert at >= cosignatures


def test_the_program_verifies_a_receipt(served: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.tlog-proof"
    file.write_bytes(served.receipts[0])
    assert run("receipt", str(file), served.vkeys["acme"], *served.witnesses("acme")).returncode == 0
    assert run("receipt", str(file), served.vkeys["bolt"]).returncode == 1


# Statements


@pytest.mark.parametrize("firm", FIRMS)
def test_every_statement_and_every_signature_on_it_is_verified(foreign: Any, served: Any, firm: str) -> None:
    _, statements = read(foreign, served, firm)
    signed = {statement["kind"] for statement in statements if statement["signatures"]}
    assert "agreement.sign" in signed


def test_entry_0_states_the_keys_and_the_network_that_two_people_compare(foreign: Any, served: Any) -> None:
    for firm in FIRMS:
        head, entries = verify(foreign, served, firm)
        opening = foreign.verify_statement(served.payloads[firm][0], "log.open")
        log, witness = foreign.check_opening(opening["body"], head.origin, entries[0].prev)
        assert log == foreign.read_vkey(served.vkeys[firm])
        assert witness == foreign.read_vkey(served.witness_vkeys[firm])
        assert foreign.words(entries[0].prev) == served.words


def test_a_signature_moved_to_another_log_nonce_body_or_role_is_refused(foreign: Any, served: Any) -> None:
    head, statements = read(foreign, served, "bolt")
    grant = next(s for s in statements if s["kind"] == "person.grant")["body"]
    people = {foreign.key_id(grant["key"]): (grant["key"], {*grant["roles"], "other"})}
    confirm = next(s for s in statements if s["kind"] == "confirm")
    foreign.check_people(confirm, head.origin, people)
    (signature,) = confirm["signatures"]
    changes = [
        (head.origin + "/2", {}, people),
        (head.origin, {"nonce": bytes(16)}, people),
        (head.origin, {"body": confirm["body"] | {"fact": bytes(32)}}, people),
        (head.origin, {"signatures": [signature | {"role": "other"}]}, people),
        (head.origin, {"signatures": []}, people),
        (head.origin, {}, {}),
    ]
    for origin, change, known in changes:
        with pytest.raises(foreign.Refused):
            foreign.check_people(confirm | change, origin, known)


def test_what_was_signed_is_what_was_proposed(foreign: Any, served: Any) -> None:
    _, statements = read(foreign, served, "acme")
    document = next(s for s in statements if s["kind"] == "agreement.propose")["body"]["document"]
    signed = next(s for s in statements if s["kind"] == "agreement.sign")["body"]["agreement"]
    assert foreign.agreement_hash(document) == signed == bytes.fromhex(served.agreement)


def test_a_nonce_says_whether_a_client_chose_it(foreign: Any, served: Any) -> None:
    _, statements = read(foreign, served, "acme")
    nonces = {s["body"].get("text"): s["nonce"] for s in statements if s["kind"] == "memo"}
    assert nonces["one"] == foreign.write_nonce("one", 0) == write_nonce("one", 0)
    assert nonces["one"][0] & 0x80
    assert not nonces["7"][0] & 0x80


# Forks


@pytest.mark.parametrize(("old", "new"), [(5, 9), (8, 13), (1, 2), (255, 257), (256, 300), (12, 12)])
def test_a_fork_is_proven_and_every_hash_of_its_path_counts(
    foreign: Any, tmp_path: Path, old: int, new: int
) -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(new)]
    others = [sha256(b"x%d" % number).digest() for number in range(old)]
    a, b = (seal(Frontier().extended(hashes)) for hashes in (others, leaves))
    path = [] if old == new else prove_fork_path(Nodes(leaves), old, new)
    log = foreign.read_vkey(log_vkey(ORIGIN, FORKER).text)
    foreign.verify_fork(a.encode(), b.encode(), path, log)
    for place in range(len(path)):
        wrong = [flip(item, 3) if at == place else item for at, item in enumerate(path)]
        with pytest.raises(foreign.Refused):
            foreign.verify_fork(a.encode(), b.encode(), wrong, log)


@pytest.mark.parametrize(("old", "new"), [(5, 9), (8, 13), (12, 12)])
def test_two_heads_that_fit_are_no_fork(foreign: Any, old: int, new: int) -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(new)]
    a, b = (seal(Frontier().extended(leaves[:size])).encode() for size in (old, new))
    path = [] if old == new else prove_fork_path(Nodes(leaves), old, new)
    with pytest.raises(foreign.Refused):
        foreign.verify_fork(a, b, path, foreign.read_vkey(log_vkey(ORIGIN, FORKER).text))


def test_two_receipts_for_one_position_prove_a_fork(foreign: Any) -> None:
    log = foreign.read_vkey(log_vkey(ORIGIN, FORKER).text)
    receipts = []
    for size in (1, 2):
        entry = Entry(seq=0, prev=bytes(32), time_ms=0, kind="log.open", size=size, commit=bytes(32))
        data = format_entry(entry)
        reader = Nodes([leaf_hash(data)])
        note = seal(Frontier().extended([leaf_hash(data)]))
        receipts.append(prove_receipt(reader, entry=data, checkpoint=note).encode())
    foreign.verify_fork_of_entries(*receipts, log)
    with pytest.raises(foreign.Refused):
        foreign.verify_fork_of_entries(receipts[0], receipts[0], log)


# Keys


@pytest.mark.parametrize(
    "key",
    [
        b"\x01" + bytes(31),  # the identity
        bytes(32),  # of order 4
        b"\xec" + b"\xff" * 30 + b"\x7f",  # of order 2
        b"\xee" + b"\xff" * 30 + b"\x7f",  # the identity in another form
        b"\x02" + bytes(31),  # no point
        bytes(31),
    ],
)
def test_a_point_of_small_order_or_another_form_is_no_key(foreign: Any, key: bytes) -> None:
    with pytest.raises(foreign.Refused):
        foreign.check_public_key(key)


class Nodes:
    """The nodes of a small tree, computed each time."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves

    def read_hashes(self, nodes: Any) -> list[bytes]:
        return [
            Frontier().extended(self._leaves[index << level : (index + 1) << level]).root()
            for level, index in nodes
        ]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without telling about it."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def seal(frontier: Frontier) -> str:
    """A signed note over a tree."""
    return seal_checkpoint(Checkpoint(origin=ORIGIN, size=frontier.size, root=frontier.root()), FORKER)


def flip(data: bytes, at: int) -> bytes:
    """The data with one bit changed in one byte."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def refused_each(foreign: Any, data: bytes, check: Callable[[bytes], object]) -> None:
    """Every byte in turn is flipped, and every result refused."""
    for at in range(len(data)):
        with pytest.raises(foreign.Refused):
            check(flip(data, at))
