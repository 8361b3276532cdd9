"""A home: the folder of one organization in one network, and how it is made.

    tally.db        the store (see node.store.schema)
    keys/           log.key, witness.key, node.key, recovery.key: sealed with the passphrase (node.homekeys)
    people/         <name>.key of the people who sign at this machine
    token           what the operator's requests carry, readable by the owner alone
    config.toml     settings, optional (see node.config)

`keys/recovery.key` is needed for nothing but opening the next log after a loss: move it off the machine.
A home is made in a folder beside its place and moved there when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import MissingError
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
from node.disk import fresh_folder, write_whole
from node.drafts import make_draft
from node.homekeys import KEY_NAMES, KEYS, make_keys
from node.keyfiles import INTERACTIVE_COST, Cost, seal_key, write_key
from node.metrics import Metrics
from node.place import HOME_ID_BYTES, Place, machine_id
from node.state import Head, State
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.world import World
from node.writer import Writer

DATABASE = "tally.db"
PEOPLE = "people"
TOKEN = "token"
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


def write_token(path: Path, world: World) -> None:
    """Give a home a new token for its operator."""
    write_whole(path / TOKEN, world.random(32).hex().encode() + b"\n")


def read_token(path: Path) -> str:
    """The operator's token of a home.

    Raises:
        MissingError: there is no home at that path.
    """
    try:
        return (path / TOKEN).read_text(encoding="ascii").strip()
    except OSError as error:
        raise _no_home(path) from error


def open_reader(path: Path) -> Reader:
    """A reader of a home's database. Raises MissingError where there is no home."""
    if not (path / DATABASE).is_file():
        raise _no_home(path)
    return Reader.open(path / DATABASE)


def _no_home(path: Path) -> MissingError:
    return MissingError(
        str(path),
        found="no home here",
        expected="a folder that holds a home",
        action="name it with --home or TALLY_HOME; or make one: `tally init`, from a backup: `tally restore`",
    )


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
    with fresh_folder(path) as draft:
        place = Place(
            home=new.world.random(HOME_ID_BYTES),
            machine=machine_id(new.state_folder, random=new.world.random),
            path=str(path.parent.resolve() / path.name),
            starts=0,
        )
        return _fill_home(draft, new, place, founding_of)


def _fill_home(folder: Path, new: NewHome, place: Place, founding_of: Callable[[MemberKeys], bytes]) -> str:
    (folder / KEYS).mkdir(mode=0o700)
    seeds = make_keys(folder / KEYS, KEY_NAMES, new.passphrase, new.world, new.cost)
    person = add_person_key(folder, new.person, new.passphrase, new.world, new.cost)
    write_token(folder, new.world)
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
    roster = found_roster(founding)
    head = Head(number=0, copy=Copy(origin=origin, last=roster.network))
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
