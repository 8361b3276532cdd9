"""A home: the folder of one organization in one network, and how it is made.

    tally.db        the store (see node.store.schema)
    keys/           log.key, witness.key, node.key, recovery.key: sealed with the passphrase
    people/         <name>.key of the people who sign at this machine
    token           what the operator's requests carry, readable by the owner alone
    config.toml     settings, optional (see node.config)

`keys/recovery.key` is needed for nothing but opening the next log after a loss: move it off the machine.
A home is made in a folder beside its place and moved there when it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import ConflictError, InvalidError, MissingError
from ledger.log.encoding import Value
from ledger.log.intake import Copy
from ledger.log.note import log_vkey
from ledger.log.origin import format_origin
from ledger.log.signature import public_key
from ledger.log.statement import Statement, node_nonce
from ledger.members.network import (
    Founding,
    MemberKeys,
    Policy,
    format_founding,
    network_id,
    recovery_hash,
)
from ledger.members.roster import found_roster
from node.drafts import make_draft
from node.keyfiles import INTERACTIVE_COST, Cost, KeyPair, read_key, seal_key, write_key
from node.metrics import Metrics
from node.place import HOME_ID_BYTES, Place, machine_id
from node.state import Head, State
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.store.writing import Writing
from node.world import World
from node.writer import Writer

DATABASE = "tally.db"
KEYS = "keys"
PEOPLE = "people"
TOKEN = "token"
KEY_NAMES = ("log", "witness", "node", "recovery")
FIRST_ROLES = ("director", "operator")
"""Roles of the person who makes a home, until others are granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHome:
    """What it takes to make a home: who, for whom the first person's key is, and how keys are sealed.

    `state_folder` is where the machine keeps the marks of its homes (see node.place).
    """

    organization: str
    title: str
    person: str
    passphrase: bytes
    world: World
    state_folder: Path
    cost: Cost = INTERACTIVE_COST


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeKeys:
    """The keys that a running node holds open."""

    log: KeyPair
    witness: KeyPair
    node: KeyPair


def found_home(path: Path, new: NewHome, *, network: str, policy: Policy | None = None) -> str:
    """Make the home of the founder of a new network; gives the origin of its log.

    Raises:
        ConflictError: there is something at that path.
    """

    def founding_of(keys: MemberKeys) -> bytes:
        return format_founding(
            Founding(
                name=network,
                founder=new.organization,
                title=new.title,
                keys=keys,
                policy=policy or Policy(),
                created_ms=new.world.now_ms(),
                nonce=new.world.random(16),
            )
        )

    return _make_home(path, new, founding_of)


def newcomer_home(path: Path, new: NewHome, founding: bytes) -> str:
    """Make the home of a newcomer to a network that exists; gives the origin of its log.

    Raises:
        ConflictError: there is something at that path.
    """
    return _make_home(path, new, lambda keys: founding)


def read_home_keys(path: Path, passphrase: bytes) -> HomeKeys:
    """Open the keys that a running node needs."""
    folder = path / KEYS
    return HomeKeys(
        log=read_key(folder / "log.key", passphrase),
        witness=read_key(folder / "witness.key", passphrase),
        node=read_key(folder / "node.key", passphrase),
    )


def check_home_keys(keys: HomeKeys, opening: Statement) -> None:
    """Check that the keys in the files are those that the log was opened with.

    Raises:
        InvalidError: a file belongs to another home.
    """
    enrolled = opening.body["keys"]
    for pair in (keys.log, keys.witness, keys.node):
        if not isinstance(enrolled, dict) or enrolled.get(pair.name) != pair.public:
            raise InvalidError(
                f"keys/{pair.name}.key",
                found=f"public key {pair.public.hex()[:16]}…",
                expected="the key that the log was opened with",
                action="put the key files of this home back",
            )


def read_token(path: Path) -> str:
    """The operator's token of a home.

    Raises:
        MissingError: there is no home at that path.
    """
    try:
        return (path / TOKEN).read_text(encoding="ascii").strip()
    except OSError as error:
        raise MissingError(
            str(path),
            found="no home here",
            expected="a folder made by `tally network found` or `tally network join`",
            action="name the home with --home or TALLY_HOME",
        ) from error


def open_reader(path: Path) -> Reader:
    """A reader of a home's database. Raises MissingError where there is no home."""
    if not (path / DATABASE).is_file():
        raise MissingError(
            str(path),
            found="no home here",
            expected="a folder made by `tally network found` or `tally network join`",
            action="name the home with --home or TALLY_HOME",
        )
    return Reader.open(path / DATABASE)


def add_person_key(path: Path, name: str, passphrase: bytes, world: World, cost: Cost) -> bytes:
    """Make a person's key file in a home; gives the public key. ConflictError if the name has one."""
    seed = world.random(32)
    folder = path / PEOPLE
    folder.mkdir(mode=0o700, exist_ok=True)
    write_key(
        folder / f"{name}.key", seal_key(f"person/{name}", seed, passphrase, random=world.random, cost=cost)
    )
    return public_key(seed)


def _make_home(path: Path, new: NewHome, founding_of: Callable[[MemberKeys], bytes]) -> str:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConflictError(
            str(path),
            found="something is there",
            expected="a new or empty folder",
            action="choose another folder with --home",
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.mkdir(mode=0o700, parents=True)
    try:
        place = Place(
            home=new.world.random(HOME_ID_BYTES),
            machine=machine_id(new.state_folder, random=new.world.random),
            path=str(path.parent.resolve() / path.name),
            starts=0,
        )
        origin = _fill_home(draft, new, place, founding_of)
        if path.exists():
            path.rmdir()
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return origin


def _fill_home(folder: Path, new: NewHome, place: Place, founding_of: Callable[[MemberKeys], bytes]) -> str:
    seeds = {name: new.world.random(32) for name in KEY_NAMES}
    (folder / KEYS).mkdir(mode=0o700)
    for name, seed in seeds.items():
        text = seal_key(name, seed, new.passphrase, random=new.world.random, cost=new.cost)
        write_key(folder / KEYS / f"{name}.key", text)
    person = add_person_key(folder, new.person, new.passphrase, new.world, new.cost)
    _write_private(folder / TOKEN, new.world.random(32).hex())
    keys = MemberKeys(
        log=public_key(seeds["log"]),
        node=public_key(seeds["node"]),
        recovery=recovery_hash(public_key(seeds["recovery"])),
        witness=public_key(seeds["witness"]),
    )
    founding = founding_of(keys)
    opening: dict[str, Value] = {
        "founding": founding,
        "keys": keys.as_map(),
        "number": 1,
        "organization": new.organization,
        "title": new.title,
    }
    grant: dict[str, Value] = {"key": person, "name": new.person, "roles": list(FIRST_ROLES)}
    origin = format_origin(new.organization, network_id(founding))
    with _first_writer(folder / DATABASE, origin, founding, seeds["log"], new.world) as writer:
        statements = [
            Statement(kind=kind, audience=None, body=body, nonce=node_nonce(new.world.random(16)))
            for kind, body in (("log.open", opening), ("person.grant", grant))
        ]
        writer.store_place(place).result()
        writer.append([make_draft(statement) for statement in statements]).result()
    return origin


@contextmanager
def _first_writer(
    database_path: Path, origin: str, founding: bytes, seed: bytes, world: World
) -> Iterator[Writer]:
    """A writer on a database that has nothing in it yet."""
    database = connect(database_path, write=True)
    migrate(database)
    with database.atomic():
        number = Writing(database).add_log(origin)
    roster = found_roster(founding)
    head = Head(number=number, copy=Copy(origin=origin, last=roster.network))
    writer = Writer(
        database=database,
        state=State(origin=origin, roster=roster, heads={origin: head}),
        vkey=log_vkey(origin, seed),
        log_seed=seed,
        world=world,
        metrics=Metrics(),
        raise_mark=lambda size, root: None,
    )
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()
        database.close()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
