"""Making and opening homes."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, UnavailableError
from ledger.log.statement import parse_statement
from node.config import Settings
from node.home import NewHome, add_person_key, found_home, newcomer_home, open_reader, read_token
from node.keyfiles import MIN_COST
from node.node import Node
from node.store.reader import Reader
from node.world import World


def new_home(folder: Path, world: World, organization: str = "acme") -> NewHome:
    return NewHome(
        organization=organization,
        title=organization.title(),
        person="ana",
        passphrase=b"correct horse",
        world=world,
        cost=MIN_COST,
        state_folder=folder / "state",
    )


def test_a_new_home_has_opened_its_log_and_granted_its_person(home: Path) -> None:
    reader = open_reader(home)
    origin = reader.own_origin()
    statements = [parse_statement(payload, "entry") for _, _, payload in reader.payloads(origin, 0, 10)]
    reader.close()
    assert [statement.kind for statement in statements] == ["log.open", "person.grant"]
    assert statements[1].texts("roles") == ("director", "operator")


def test_two_networks_never_have_the_same_id(tmp_path: Path, world: World) -> None:
    origins = {found_home(tmp_path / str(i), new_home(tmp_path, world), network="coffee") for i in range(3)}
    assert len(origins) == 3


def test_what_is_secret_is_readable_by_its_owner_alone(home: Path) -> None:
    files = [home / "token", *(home / "keys").iterdir(), *(home / "people").iterdir()]
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert len(read_token(home)) == 64


@pytest.mark.parametrize("there", ["file", "folder"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, world: World, there: str) -> None:
    path = tmp_path / "acme"
    if there == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine").write_text("mine")
    with pytest.raises(ConflictError):
        found_home(path, new_home(tmp_path, world), network="coffee")
    assert (path if there == "file" else path / "mine").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path: Path, world: World) -> None:
    (tmp_path / "acme").mkdir()
    assert found_home(tmp_path / "acme", new_home(tmp_path, world), network="coffee").startswith("acme/")


def test_a_home_that_could_not_be_made_leaves_nothing(tmp_path: Path, world: World) -> None:
    calls = iter(range(1000))

    def broken(count: int) -> bytes:
        if next(calls) == 9:
            raise OSError("no entropy")
        return world.random(count)

    new = new_home(tmp_path, replace(world, random=broken))
    with pytest.raises(UnavailableError, match="no entropy"):
        found_home(tmp_path / "acme", new, network="coffee")
    assert not (tmp_path / "acme").exists()
    assert not list(tmp_path.glob(".acme*"))


def test_a_folder_without_a_home_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        open_reader(tmp_path)
    with pytest.raises(MissingError):
        read_token(tmp_path)


def test_another_passphrase_opens_nothing(home: Path, world: World) -> None:
    with pytest.raises(ForbiddenError):
        Node(home=home, settings=Settings(), passphrase=b"wrong", world=world)


def test_keys_of_another_home_are_refused(home: Path, tmp_path: Path, world: World) -> None:
    found_home(tmp_path / "other", new_home(tmp_path, world), network="coffee")
    for name in ("log", "witness", "node"):
        kept = (home / "keys" / f"{name}.key").read_bytes()
        (tmp_path / "other" / "keys" / f"{name}.key").replace(home / "keys" / f"{name}.key")
        with pytest.raises(InvalidError, match=f"{name}.key"):
            Node(home=home, settings=Settings(), passphrase=b"correct horse", world=world)
        (home / "keys" / f"{name}.key").write_bytes(kept)
        (home / "keys" / f"{name}.key").chmod(0o600)


def test_a_newcomers_home_is_of_the_network_that_invited_it(home: Path, tmp_path: Path, world: World) -> None:
    reader = open_reader(home)
    founding = reader.record(reader.own_origin(), 0).statement
    assert founding is not None
    origin = newcomer_home(tmp_path / "bolt", new_home(tmp_path, world, "bolt"), founding.data("founding"))
    assert origin.partition("/")[2] == reader.own_origin().partition("/")[2]
    reader.close()


def test_a_person_has_one_key_under_a_name(home: Path, world: World) -> None:
    add_person_key(home, "bo", b"secret words", world, MIN_COST)
    with pytest.raises(ConflictError):
        add_person_key(home, "bo", b"secret words", world, MIN_COST)


def test_readers_cannot_write(home: Path) -> None:
    reader: Any = open_reader(home)
    assert isinstance(reader, Reader)
    with pytest.raises(Exception, match="readonly"):
        reader.database.conn.execute("DELETE FROM log")
    reader.close()
