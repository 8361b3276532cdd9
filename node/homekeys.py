"""The key files of a home over time: those in use, those about to be used, and those that were.

    keys/<name>.key              in use: log, witness, node, recovery
    keys/next/<name>.key         made, and not yet known to be in the log
    keys/superseded/<name>-<first 16 hex digits of the public key>.key   needed for nothing any more

New keys take these steps; each says what is there if we die after it:

1. the new files in `next`, on disk. The log does not name them: the next try makes others.
2. the entry that names them (`keys.rotate`, or entry 0 of the next log), on disk. The files in use are those
   before: the next start does step 3.
3. for each key that the log names now: the file before it goes to `superseded`, the new one takes its place
   (`put_in_use`). Any number of them may have moved: the next start goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import InvalidError, MissingError, UnavailableError
from ledger.log.note import VerifierKey
from ledger.members.network import MemberKeys, recovery_hash
from node.disk import sync_folder, unwritable
from node.keyfiles import Cost, KeyPair, read_key, read_public, seal_key, write_key
from node.state import State
from node.world import World

KEYS = "keys"
NEXT = "next"
SUPERSEDED = "superseded"
KEY_NAMES = ("log", "witness", "node", "recovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeKeys:
    """The keys that a running node holds open."""

    log: KeyPair
    witness: KeyPair
    node: KeyPair


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A key file of a home, and where in its life it is: "in use", "next" or "superseded"."""

    path: Path
    name: str
    public: bytes
    standing: str


def make_keys(
    folder: Path, names: Sequence[str], passphrase: bytes, world: World, cost: Cost
) -> dict[str, bytes]:
    """Make key files in a folder; gives their seeds by name. ConflictError where one is there."""
    seeds = {name: world.random(32) for name in names}
    for name, seed in seeds.items():
        write_key(folder / f"{name}.key", seal_key(name, seed, passphrase, random=world.random, cost=cost))
    return seeds


def make_next_keys(
    home: Path, names: Sequence[str], passphrase: bytes, world: World, cost: Cost
) -> dict[str, bytes]:
    """Step 1: new key files in `next`. Those of an earlier try, which the log does not name, make way."""
    folder = home / KEYS / NEXT
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in folder.glob("*.key"):
            path.unlink()
        sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    return make_keys(folder, names, passphrase, world, cost)


def put_in_use(home: Path, enrolled: MemberKeys) -> list[str]:
    """Step 3: have every key in `next` that the log names take its place; gives the names of those."""
    folder = home / KEYS
    moved = []
    for name in KEY_NAMES:
        fresh, used = folder / NEXT / f"{name}.key", folder / f"{name}.key"
        if not fresh.is_file() or not _is_enrolled(name, read_public(fresh).public, enrolled):
            continue
        try:
            _supersede(used)
            os.rename(fresh, used)
            sync_folder(folder)
            sync_folder(folder / NEXT)
        except OSError as error:
            raise unwritable(used, error) from error
        moved.append(name)
    return moved


def read_home_keys(home: Path, passphrase: bytes) -> HomeKeys:
    """Open the keys that a running node needs.

    Raises:
        MissingError: the home has none (made from a bundle, or from a backup without keys), or lacks one.
    """
    folder = home / KEYS
    if not any(folder.glob("*.key")):
        raise MissingError(
            str(home),
            found="no keys: a home that reads, and never writes or serves",
            expected="the key files of its organization",
            action="put them into its folder keys, or import a bundle with --keys",
        )
    try:
        return HomeKeys(
            log=read_key(folder / "log.key", passphrase),
            witness=read_key(folder / "witness.key", passphrase),
            node=read_key(folder / "node.key", passphrase),
        )
    except MissingError as error:
        raise MissingError(
            error.where,
            found=error.found,
            expected=error.expected,
            action="put it back from a backup; where it is lost for good, open the next log: `tally recover`",
        ) from error


def check_home_keys(keys: HomeKeys, enrolled: MemberKeys) -> None:
    """Check that the keys in the files are those that the log names.

    Raises:
        InvalidError: a file belongs to another home, or to another time.
    """
    for pair in (keys.log, keys.witness, keys.node):
        if not _is_enrolled(pair.name, pair.public, enrolled):
            raise InvalidError(
                f"keys/{pair.name}.key",
                found=f"public key {pair.public.hex()[:16]}…",
                expected="the key that the own log names now",
                action="put the key files of this home back; where they are lost, `tally recover`",
            )


def enrolled_keys(state: State) -> MemberKeys | None:
    """The keys that the own log names now; None before the founder admitted this organization."""
    if state.organization not in state.roster.members:
        return None
    return state.roster.log(state.origin).keys


def check_own_key(state: State, vkey: VerifierKey) -> None:
    """Check that nobody rotated or ended the own log elsewhere: a note under an old key proves nothing.

    Raises:
        UnavailableError: the log goes on under another key, or its organization opened the next one.
    """
    if state.organization not in state.roster.members or not state.own.copy.size:
        return
    current = state.roster.origin(state.organization)
    if current != state.origin:
        found = f"ended: {state.organization} goes on with {current}"
    elif state.roster.log_key(state.origin) != vkey:
        found = "a rotation to keys that are not those of this home"
    else:
        return
    raise UnavailableError(
        f"log {state.origin}",
        found=found,
        expected="the log and the keys of this home",
        action="go on with the home that did it; where it is lost, `tally recover` opens the next log",
    )


def list_keys(home: Path) -> Iterator[KeyFile]:
    """The organization's key files in a home: in use first, then those to come, then those that were."""
    folder = home / KEYS
    for place, standing in ((folder, "in use"), (folder / NEXT, "next"), (folder / SUPERSEDED, "superseded")):
        for path in sorted(place.glob("*.key")):
            public = read_public(path)
            yield KeyFile(path=path, name=public.name, public=public.public, standing=standing)


def _supersede(used: Path) -> None:
    try:
        public = read_public(used).public
    except MissingError:
        return  # the recovery key is kept elsewhere, or a step died after this
    folder = used.parent / SUPERSEDED
    folder.mkdir(mode=0o700, exist_ok=True)
    os.rename(used, folder / f"{used.stem}-{public.hex()[:16]}.key")
    sync_folder(folder)


def _is_enrolled(name: str, public: bytes, enrolled: MemberKeys) -> bool:
    named: Mapping[str, bytes] = {
        "log": enrolled.log,
        "witness": enrolled.witness,
        "node": enrolled.node,
        "recovery": enrolled.recovery,
    }
    return named[name] == (recovery_hash(public) if name == "recovery" else public)
