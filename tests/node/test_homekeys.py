"""New keys for a home: a death at any step leaves a home that starts, under the keys that its log names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, UnavailableError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.note import VerifierKey
from node import alone, homekeys, recovery
from node.alone import open_alone, rotate_keys
from node.bond import Bond
from node.caution import Caution, write_caution
from node.config import Settings
from node.homekeys import KEYS, NEXT, SUPERSEDED, list_keys, read_home_keys
from node.keyfiles import MIN_COST, read_key
from node.lock import lock_home
from node.node import Node
from node.place import Judgement, MarkFile
from node.recovery import Means, Plan, hold_home
from node.world import World
from node.writer import Writer

PASSPHRASE = b"correct horse"


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def killing(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, after: bool, at: int = 1) -> None:
    """Have the process die before or after the call with this number of a function."""
    real: Callable[..., object] = getattr(owner, name)
    calls = iter(range(1, 1000))

    def dying(*args: object, **kwargs: object) -> object:
        call = next(calls)
        if call == at and not after:
            raise Killed
        done = real(*args, **kwargs)
        if call == at:
            raise Killed
        return done

    monkeypatch.setattr(owner, name, dying)


def start(home: Path, world: World) -> Node:
    """The home as its node opens it, bound to its place."""
    node = Node(home=home, settings=Settings(), passphrase=PASSPHRASE, world=world)
    node.start()
    return node


def check_starts(home: Path, world: World, state: Path) -> tuple[str, int]:
    """Open the home and write to it; gives its log and the number of eras of its keys."""
    node = start(home, world)
    try:
        bond = Bond(home, {"TALLY_STATE_DIR": str(state)})
        verdict = bond.judge(node)
        if verdict.judgement is Judgement.UNCHANGED:
            bond.tie(node)
            node.record([node.draft("memo", {"text": "it goes on"})]).result(20)
        bond.close()
        newest = node.state.own.newest
        assert newest is not None
        eras = node.state.roster.log_keys(node.state.origin)
        key: VerifierKey = node.state.roster.log_key(node.state.origin, newest.size)
        open_checkpoint(newest.note, key)
        return node.state.origin, len(eras)
    finally:
        node.stop()


ROTATION_STEPS = [
    (alone, "make_next_keys", False, 1),
    (homekeys, "write_key", True, 1),
    (alone, "make_next_keys", True, 1),
    (alone, "seal_rotation", True, 1),
    (alone, "put_in_use", False, 1),
    (homekeys, "_supersede", False, 1),
    (homekeys, "_supersede", True, 1),
    (homekeys, "_supersede", False, 2),
    (homekeys, "_supersede", True, 2),
    (alone, "put_in_use", True, 1),
]


@pytest.mark.parametrize(("owner", "name", "after", "at"), ROTATION_STEPS)
def test_a_death_at_any_step_of_a_rotation_leaves_a_home_that_starts(
    home: Path,
    world: World,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    after: bool,
    at: int,
) -> None:
    with monkeypatch.context() as patch:
        killing(patch, owner, name, after=after, at=at)
        with pytest.raises(Killed):
            rotate_keys(home, PASSPHRASE, world, MIN_COST)
    origin, eras = check_starts(home, world, state)
    committed = owner is not alone or name == "put_in_use"
    assert eras == (2 if committed and name != "write_key" else 1)
    rotate_keys(home, PASSPHRASE, world, MIN_COST)
    assert check_starts(home, world, state) == (origin, eras + 1)
    assert not list((home / KEYS / NEXT).glob("*.key"))


def test_a_rotation_changes_log_and_witness_and_keeps_the_rest(home: Path, world: World, state: Path) -> None:
    before = {file.name: file.public for file in list_keys(home)}
    recorded = rotate_keys(home, PASSPHRASE, world, MIN_COST)
    files = list(list_keys(home))
    after = {file.name: file.public for file in files if file.standing == "in use"}
    assert {name for name in before if before[name] != after[name]} == {"log", "witness"}
    superseded = {file.name: file.public for file in files if file.standing == "superseded"}
    assert superseded == {"log": before["log"], "witness": before["witness"]}
    node = start(home, world)
    try:
        assert node.state.own.copy.size == recorded.seq + 1, "the commit ends at the rotation"
        newest = node.state.own.newest
        assert newest is not None
        open_checkpoint(newest.note, node.state.roster.log_keys(node.state.origin)[0].key)
    finally:
        node.stop()


def test_keys_are_not_rotated_under_a_running_node(home: Path, world: World) -> None:
    with lock_home(home), pytest.raises(ConflictError):
        rotate_keys(home, PASSPHRASE, world, MIN_COST)


def test_keys_are_not_rotated_with_another_passphrase(home: Path, world: World) -> None:
    with pytest.raises(ForbiddenError):
        rotate_keys(home, b"another", world, MIN_COST)
    assert [file.standing for file in list_keys(home)] == ["in use"] * 4


def test_keys_of_a_copied_home_are_not_rotated(home: Path, world: World, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "copy")
    with pytest.raises(UnavailableError, match="copied from"):
        rotate_keys(tmp_path / "copy", PASSPHRASE, world, MIN_COST)


def test_a_home_that_has_not_heard_its_partners_writes_nothing_alone(home: Path, world: World) -> None:
    with open_alone(home, PASSPHRASE, world) as node:
        origin = node.state.origin
    write_caution(home, origin, Caution(waiting=True))
    with pytest.raises(UnavailableError, match="has not heard"):
        rotate_keys(home, PASSPHRASE, world, MIN_COST)


def test_a_key_file_that_is_lost_is_named_with_the_ways_out(home: Path) -> None:
    assert read_home_keys(home, PASSPHRASE).log.public
    (home / KEYS / "log.key").unlink()
    with pytest.raises(MissingError, match=r"log\.key") as caught:
        read_home_keys(home, PASSPHRASE)
    assert "tally recover" in caught.value.action


def test_keys_of_another_home_are_refused(home: Path, world: World, tmp_path: Path) -> None:
    rotate_keys(home, PASSPHRASE, world, MIN_COST)
    old = next((home / KEYS / SUPERSEDED).glob("log-*.key"))
    shutil.copy(old, home / KEYS / "log.key")
    with pytest.raises(InvalidError, match=r"keys/log\.key"):
        start(home, world)


# The next log


@pytest.fixture
def means(world: World, state: Path) -> Means:
    return Means(passphrase=PASSPHRASE, world=world, settings=Settings(), state_folder=state, cost=MIN_COST)


def recover(home: Path, means: Means) -> Plan:
    key = read_key(home / KEYS / "recovery.key", PASSPHRASE)
    with hold_home(home, means) as held:
        plan = held.plan(key.public)
        held.open(plan, key.seed, plan.people)
    return plan


RECOVERY_STEPS = [
    (recovery, "make_next_keys", False, False),
    (recovery, "make_next_keys", True, False),
    (recovery, "open_mark", True, False),
    (Writer, "start", False, False),
    (MarkFile, "confirm", False, True),
    (MarkFile, "confirm", True, True),
    (recovery, "put_in_use", False, True),
    (homekeys, "_supersede", True, True),
    (recovery, "write_caution", False, True),
]


@pytest.mark.parametrize(("owner", "name", "after", "opened"), RECOVERY_STEPS)
@pytest.mark.parametrize("restored", [False, True])
def test_a_death_at_any_step_of_a_recovery_leaves_a_home_that_starts(
    home: Path,
    world: World,
    state: Path,
    means: Means,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    after: bool,
    opened: bool,
    restored: bool,
) -> None:
    if restored:  # the machine remembers more than the home has
        kept = home.with_name("kept")
        shutil.copytree(home, kept)
        check_starts(home, world, state)
        shutil.rmtree(home)
        shutil.move(kept, home)
    first = start(home, world)
    origin = first.state.origin
    first.stop()
    at = 2 if name == "put_in_use" else 1  # the first one finishes what an earlier rotation left
    with monkeypatch.context() as patch:
        killing(patch, owner, name, after=after, at=at)
        with pytest.raises(Killed):
            recover(home, means)
    assert check_starts(home, world, state)[0] == (f"{origin}/2" if opened else origin)
    if not opened:
        recover(home, means)
        assert check_starts(home, world, state)[0] == f"{origin}/2"


def test_a_restored_home_that_opened_its_next_log_may_write(
    home: Path, world: World, state: Path, means: Means
) -> None:
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    for _ in range(3):
        check_starts(home, world, state)
    shutil.rmtree(home)
    shutil.move(kept, home)
    plan = recover(home, means)
    node = start(home, world)
    try:
        assert Bond(home, {"TALLY_STATE_DIR": str(state)}).judge(node).judgement is Judgement.UNCHANGED
        assert node.state.origin == plan.origin
        assert node.state.roster.end_of(plan.before) == plan.pin.checkpoint
        assert [
            person.name for grants in node.state.roster.people_of(plan.origin).values() for person in grants
        ]
    finally:
        node.stop()


def test_a_home_from_before_its_next_log_is_judged_restored(
    home: Path, world: World, state: Path, means: Means
) -> None:
    check_starts(home, world, state)
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    recover(home, means)
    shutil.rmtree(home)
    shutil.move(kept, home)
    node = start(home, world)
    try:
        assert not Bond(home, {"TALLY_STATE_DIR": str(state)}).judge(node).may_append
    finally:
        node.stop()


def test_only_the_recovery_key_that_was_named_last_opens_the_next_log(home: Path, means: Means) -> None:
    used = read_key(home / KEYS / "recovery.key", PASSPHRASE)
    recover(home, means)
    with hold_home(home, means) as held, pytest.raises(InvalidError, match="recovery key"):
        held.plan(used.public)
    assert recover(home, means).origin.endswith("/3")


def test_all_keys_of_the_next_log_are_new(home: Path, means: Means) -> None:
    before = {file.name: file.public for file in list_keys(home)}
    recover(home, means)
    after = {file.name: file.public for file in list_keys(home) if file.standing == "in use"}
    assert not set(before.values()) & set(after.values())
    assert before.keys() == after.keys()


def test_the_log_before_stays_as_it_was(home: Path, world: World, means: Means) -> None:
    first = start(home, world)
    origin = first.state.origin
    entries = first.reader.entries(origin, 0, 100)
    first.stop()
    recover(home, means)
    node = start(home, world)
    try:
        assert node.reader.entries(origin, 0, 100) == entries
        assert node.state.own.copy.size == 2
    finally:
        node.stop()
