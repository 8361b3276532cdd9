"""Key files: sealed, opened, written and refused."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from ledger.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MissingError,
    TallyError,
    TooLargeError,
    UsageError,
)
from ledger.log.signature import public_key
from node.keyfiles import (
    INTERACTIVE_COST,
    MIN_COST,
    Cost,
    find_passphrase,
    open_key,
    read_key,
    read_public,
    seal_key,
    write_key,
)

SEED = bytes(range(32))
PASSPHRASE = "größer als nötig".encode()


def seal(name: str = "person/bob", cost: Cost = MIN_COST) -> str:
    return seal_key(name, SEED, PASSPHRASE, random=random.Random(1).randbytes, cost=cost)


TEXT = seal()


@pytest.mark.parametrize("name", ["log", "witness", "node", "recovery", "person/bob", "person/b-2"])
def test_what_is_sealed_opens(name: str) -> None:
    pair = open_key(seal(name), PASSPHRASE, "key")
    assert (pair.name, pair.seed, pair.public) == (name, SEED, public_key(SEED))


def test_the_default_cost_opens() -> None:
    assert open_key(seal(cost=INTERACTIVE_COST), PASSPHRASE, "key").seed == SEED


def test_the_box_opens_by_the_format_alone() -> None:
    data = json.loads(TEXT)
    kdf = data["kdf"]
    key = argon2id.kdf(32, PASSPHRASE, bytes.fromhex(kdf["salt"]), kdf["ops"], kdf["memory_bytes"])
    assert SecretBox(key).decrypt(bytes.fromhex(data["box"])) == SEED


def test_a_seed_never_shows() -> None:
    assert SEED.hex() not in repr(open_key(TEXT, PASSPHRASE, "key"))
    assert str(SEED) not in repr(open_key(TEXT, PASSPHRASE, "key"))


@pytest.mark.parametrize(
    "name", ["", "Log", "person/", "person/Bob", "person/-b", "log\n", "tls", "person/" + 33 * "a"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        seal(name)


def test_a_wrong_passphrase_is_forbidden() -> None:
    with pytest.raises(ForbiddenError, match="passphrase"):
        open_key(TEXT, PASSPHRASE + b" ", "key")


@settings(max_examples=400, deadline=None)
@given(position=st.integers(0, len(TEXT) - 1), byte=st.integers(0, 255))
def test_every_changed_byte_is_refused(position: int, byte: int) -> None:
    data = bytearray(TEXT.encode())
    if data[position] == byte:
        return
    data[position] = byte
    with pytest.raises(TallyError):
        open_key(data.decode("latin-1"), PASSPHRASE, "key")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=3000) | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(json.dumps))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TallyError):
        open_key(text, PASSPHRASE, "key")


@pytest.mark.parametrize("field", ["ops", "memory_bytes", "salt", "name"])
@pytest.mark.parametrize("value", [None, True, 1.0, "8192", [], {}, -1, 0, 10**30, float("nan")])
def test_other_types_are_refused(field: str, value: object) -> None:
    data = json.loads(TEXT)
    data["kdf"][field] = value
    with pytest.raises(TallyError):
        open_key(json.dumps(data, indent=2) + "\n", PASSPHRASE, "key")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MalformedError):
        open_key("[" * 2000, PASSPHRASE, "key")


@pytest.mark.parametrize(
    ("ops", "memory"), [(21, 8192), (2, 2**30 + 1024), (2, 2**62), (0, 8192), (1, 4096), (1, 8193)]
)
def test_absurd_costs_are_refused_before_they_are_spent(ops: int, memory: int) -> None:
    text = TEXT.replace('"ops": 1', f'"ops": {ops}').replace(
        '"memory_bytes": 8192', f'"memory_bytes": {memory}'
    )
    with pytest.raises(InvalidError):
        open_key(text, PASSPHRASE, "key")


def test_a_box_fits_no_other_name() -> None:
    with pytest.raises(InvalidError, match="another name"):
        open_key(TEXT.replace("person/bob", "person/eve"), PASSPHRASE, "key")


def test_the_public_key_of_another_seed_is_refused() -> None:
    other = public_key(bytes(32)).hex()
    with pytest.raises(InvalidError, match="another seed"):
        open_key(TEXT.replace(public_key(SEED).hex(), other), PASSPHRASE, "key")


def test_a_written_file_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "bob.key"
    write_key(path, TEXT)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path, PASSPHRASE).seed == SEED
    assert read_public(path).public == public_key(SEED)
    assert os.listdir(tmp_path) == ["bob.key"]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "bob.key"
    path.write_text("precious")
    with pytest.raises(ConflictError):
        write_key(path, TEXT)
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["bob.key"]


def test_nothing_stays_of_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TallyError, match="No space"):
        write_key(tmp_path / "bob.key", TEXT)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
def test_a_looser_file_is_refused_with_the_command(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "bob.key"
    write_key(path, TEXT)
    path.chmod(mode)
    with pytest.raises(ForbiddenError) as caught:
        read_key(path, PASSPHRASE)
    assert caught.value.action == f"chmod 600 {path}"


def test_a_file_of_someone_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bob.key"
    write_key(path, TEXT)
    other = path.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(ForbiddenError, match="a file of user"):
        read_key(path, PASSPHRASE)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        read_key(tmp_path / "none", PASSPHRASE)
    with pytest.raises(TallyError):
        read_key(tmp_path, PASSPHRASE)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(MalformedError):
        read_key(tmp_path / "pipe", PASSPHRASE)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b" " * 3_000_000)
    path.chmod(0o600)
    with pytest.raises(TooLargeError):
        read_key(path, PASSPHRASE)


def test_the_variable_comes_before_file_and_prompt(tmp_path: Path) -> None:
    environ = {"TALLY_PASSPHRASE": "one", "TALLY_PASSPHRASE_FILE": str(tmp_path / "none")}
    assert find_passphrase(environ, lambda: "three") == b"one"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_file_comes_before_the_prompt(tmp_path: Path, end: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(f" zwei {end}".encode())
    path.chmod(0o600)
    assert find_passphrase({"TALLY_PASSPHRASE_FILE": str(path)}, lambda: "three") == b" zwei "


def test_a_passphrase_file_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("zwei")
    path.chmod(0o644)
    with pytest.raises(ForbiddenError):
        find_passphrase({"TALLY_PASSPHRASE_FILE": str(path)}, None)


def test_the_prompt_comes_last() -> None:
    assert find_passphrase({}, lambda: "drei") == b"drei"


def test_without_any_there_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="no terminal") as caught:
        find_passphrase({}, None)
    assert "TALLY_PASSPHRASE_FILE" in caught.value.action


@pytest.mark.parametrize("text", ["", "\udcff", "x" * 1025])
def test_what_cannot_be_a_passphrase_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        find_passphrase({"TALLY_PASSPHRASE": text}, None)
