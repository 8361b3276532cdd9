"""`tally evidence`, `tally verify` on its folders, and that every answer says which log is quarantined."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.evidence_check import verify_evidence
from cli.reading import open_home
from cli.targets import exit_of_report
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.note import add_signatures, log_vkey
from node.alone import rotate_keys
from node.evidence import folder_of
from node.evidence_watch import EvidenceWatch
from node.keyfiles import MIN_COST
from node.sync.evidence import make_fork, record_evidence
from node.world import World
from tests.attacks import small_home

if TYPE_CHECKING:
    from tests.cli.conftest import Tally

HELPERS = Path(__file__).resolve().parents[1] / "attacks" / "small_home.py"


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home that holds evidence: bolt signed two histories of its log."""
    return make_forked(tmp_path_factory.mktemp("forked"))


def make_forked(folder: Path) -> Path:
    """The home of acme, whose evidence against bolt stands in bolt's copy of acme's log, too."""
    home: Path = small_home.make_small_home(folder)
    world = World(now_ms=small_home.Clock(), random=os.urandom)
    acme, bolt = small_home.open_node(home, world), small_home.open_node(home.with_name("bolt"), world)
    try:
        head = bolt.state.own
        other = Checkpoint(origin=bolt.state.origin, size=head.copy.size, root=bytes(32))
        note = seal_checkpoint(other, bolt.keys.log.seed)
        assert head.newest is not None
        key = acme.state.roster.witness_key("acme")
        line = cosign(note, key.name, acme.keys.witness.seed, 1_760_000_000)
        told = add_signatures(note, line)
        record_evidence(acme, make_fork(acme.state.roster, head.newest.note, told, ()))
        small_home._pass_on(acme, bolt)
    finally:
        acme.stop()
        bolt.stop()
    return home


@pytest.fixture
def at(tally: Tally, forked: Path, tmp_path: Path) -> Callable[..., Any]:
    """Calls `tally` on a copy of that home."""
    home = tmp_path / "acme"
    shutil.copytree(forked, home)
    return lambda *words: tally("--home", str(home), *words)


def origin_in(forked: Path) -> str:
    (folder,) = (forked / "evidence").iterdir()
    return str(json.loads((folder / "evidence.json").read_text())["origin"])


def test_evidence_is_listed_shown_and_exported(at: Any, forked: Path, tmp_path: Path) -> None:
    origin = origin_in(forked)
    listed = at("evidence", "list", "--json")
    assert [piece["accused"] for piece in listed.value] == [origin]
    shown = at("evidence", "show", "bolt")
    assert shown.code == 0
    assert f"{origin} signed two histories" in shown.out
    done = at("evidence", "export", origin, str(tmp_path / "proof"))
    assert done.code == 0, done.err
    files = {path.name: path.read_bytes() for path in (tmp_path / "proof").iterdir()}
    assert files == {path.name: path.read_bytes() for path in folder_of(forked, origin).iterdir()}


def test_evidence_against_somebody_else_is_not_here(at: Any) -> None:
    for name in ("cord", "bolt/0123456789abcdef"):
        done = at("evidence", "show", name)
        assert done.code == 3
        assert "none in this home" in done.err


def test_an_export_overwrites_nothing(at: Any, tmp_path: Path) -> None:
    (tmp_path / "proof").mkdir()
    done = at("evidence", "export", "bolt", str(tmp_path / "proof"))
    assert done.code == 1
    assert "something is there" in done.err


def test_a_folder_of_evidence_is_verified_from_its_files_alone(tally: Tally, forked: Path) -> None:
    folder = folder_of(forked, origin_in(forked))
    done = tally("verify", str(folder), "--json")
    assert done.code == 11
    assert done.value["verdict"] == "fork"
    assert [finding["code"] for finding in done.value["findings"]] == ["evidence-fork"]
    assert "whether this is the key" in done.value["could_not_be_checked"][0]["what"]


def test_with_a_home_or_a_key_nothing_about_evidence_stays_open(tally: Tally, at: Any, forked: Path) -> None:
    folder = folder_of(forked, origin_in(forked))
    known = at("verify", str(folder), "--json")
    said = tally("verify", str(folder), "--vkey", (folder / "vkey").read_text().strip(), "--json")
    for done in (known, said):
        assert done.code == 11
        assert done.value["could_not_be_checked"] == []


def test_evidence_under_another_key_than_the_one_said_is_refused(tally: Tally, forked: Path) -> None:
    folder, origin = folder_of(forked, origin_in(forked)), origin_in(forked)
    done = tally("verify", str(folder), "--vkey", log_vkey(origin, bytes(32)).text, "--json")
    assert done.code == 1
    assert [finding["code"] for finding in done.value["findings"]] == ["evidence-unproven"]


def test_evidence_that_was_tampered_with_is_refused(tally: Tally, forked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proof"
    shutil.copytree(folder_of(forked, origin_in(forked)), folder)
    first, second = folder / "a.checkpoint", folder / "b.checkpoint"
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    assert tally("verify", str(folder)).code == 1
    second.write_bytes(other)
    assert tally("verify", str(folder)).code == 1
    first.unlink()
    assert tally("verify", str(folder)).code == 1


def test_evidence_under_a_key_that_is_out_of_use_accuses_nobody_and_acquits_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    home = make_forked(tmp_path)
    folder, bolt = folder_of(home, origin_in(home)), home.with_name("bolt")
    assert exit_of_report(verify_evidence(folder)) == 11
    rotate_keys(
        bolt, small_home.PASSPHRASE, World(now_ms=small_home.Clock(), random=os.urandom), cost=MIN_COST
    )
    with open_home(bolt) as opened:
        report = verify_evidence(folder, None, opened.state.roster)
    assert exit_of_report(report) == 3
    assert report.findings == ()
    assert "while this key was in use" in report.unchecked[0].what


def test_the_accused_is_told_who_recorded_evidence_against_it(
    tally: Tally, at: Any, forked: Path, tmp_path: Path
) -> None:
    shutil.copytree(forked.with_name("bolt"), tmp_path / "bolt")
    said = f"acme recorded evidence that {origin_in(forked)} signed two histories"
    assert said in tally("--home", str(tmp_path / "bolt"), "status").out
    listed = tally("--home", str(tmp_path / "bolt"), "evidence", "list")
    assert said in listed.err
    assert "No evidence" not in listed.err
    assert said not in at("status").out


def test_every_command_says_that_a_log_is_quarantined(at: Any, forked: Path) -> None:
    origin = origin_in(forked)
    assert f"log {origin} forked" in at("status").out
    for words in (
        ("log", "show", "bolt"),
        ("network", "show"),
        ("agree", "show"),
        ("agree", "show", "delivery"),
    ):
        done = at(*words)
        assert f"QUARANTINED: {origin}" in done.out, words
    for words in (("log", "show"),):
        assert "QUARANTINED" not in at(*words).out
    receipt = at("receipt", "bolt:1")
    assert origin in receipt.err


def test_every_answer_in_json_says_that_a_log_is_quarantined(at: Any, forked: Path) -> None:
    origin = origin_in(forked)
    page = at("log", "show", "bolt", "--json").value
    assert page["quarantined"]
    assert all(entry["quarantined"] for entry in page["entries"])
    assert not at("log", "show", "--json").value["quarantined"]
    members = {member["organization"]: member for member in at("network", "show", "--json").value["members"]}
    assert members["bolt"]["quarantined"]
    assert not members["acme"]["quarantined"]
    assert at("agree", "show", "--json").value[0]["quarantined"] == [origin]
    assert at("agree", "show", "delivery", "--json").value["quarantined"] == [origin]
    assert at("receipt", "bolt:1", "--json").value["quarantined"]


def test_an_audit_of_the_home_ends_with_a_fork(at: Any, forked: Path) -> None:
    done = at("verify", "--json")
    assert done.code == 11
    assert "evidence-fork" in {finding["code"] for finding in done.value["findings"]}


# Evidence that people bring


@pytest.fixture
def handed(tmp_path: Path) -> Handed:
    """A home that knows nothing yet, and files by which somebody could show that bolt forked its log."""
    return make_handed(tmp_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A home, and beside it files: `here` and `there`, two heads of bolt's log that contradict each other at
    one size; `small`, a smaller head that contradicts what the home holds."""

    home: Path
    here: Path
    there: Path
    small: Path
    world: World


def make_handed(folder: Path) -> Handed:
    home: Path = small_home.make_small_home(folder)
    world = World(now_ms=small_home.Clock(), random=os.urandom)
    bolt = small_home.open_node(home.with_name("bolt"), world)
    try:
        head = bolt.state.own
        assert head.newest is not None
        size = head.copy.size
        notes = {"here": head.newest.note}
        for name, told in (("there", size), ("small", size - 1)):
            other = Checkpoint(origin=bolt.state.origin, size=told, root=bytes(32))
            notes[name] = seal_checkpoint(other, bolt.keys.log.seed)
    finally:
        bolt.stop()
    files = {name: folder / f"{name}.checkpoint" for name in notes}
    for name, note in notes.items():
        files[name].write_text(note)
    return Handed(home=home, world=world, **files)


@pytest.mark.parametrize("other", ["there", "small"])
def test_two_heads_that_contradict_each_other_are_made_into_evidence(
    tally: Tally, handed: Handed, other: str
) -> None:
    files = [str(handed.here), str(getattr(handed, other))]
    done = tally("--home", str(handed.home), "evidence", "make", *files, "proof")
    assert done.code == 0, done.err
    assert "signed two histories" in done.err
    assert tally("verify", "proof").code == 11


def test_a_head_that_contradicts_the_own_copy_is_enough(tally: Tally, handed: Handed) -> None:
    done = tally("--home", str(handed.home), "evidence", "make", *[str(handed.there)] * 2, "proof")
    assert done.code == 0, done.err
    assert tally("verify", "proof").code == 11


def test_files_that_fit_each_other_are_no_evidence(tally: Tally, handed: Handed) -> None:
    done = tally("--home", str(handed.home), "evidence", "make", *[str(handed.here)] * 2, "proof")
    assert done.code == 1
    assert "fit each other" in done.err
    assert not (tally.folder / "proof").exists()


@pytest.mark.parametrize("text", ["", "hello", "c2sp.org/tlog-proof@v1\n"])
def test_what_is_neither_receipt_nor_checkpoint_makes_no_evidence(
    tally: Tally, handed: Handed, text: str
) -> None:
    handed.there.write_text(text)
    done = tally("--home", str(handed.home), "evidence", "make", str(handed.here), str(handed.there), "proof")
    assert done.code == 1, done.err


def test_evidence_that_is_handed_over_is_recorded_by_the_node(tally: Tally, handed: Handed) -> None:
    at = ("--home", str(handed.home))
    tally(*at, "evidence", "make", str(handed.here), str(handed.there), "proof")
    done = tally(*at, "evidence", "add", "proof", "--json")
    assert (done.code, done.value["new"]) == (0, True), done.err
    node = small_home.open_node(handed.home, handed.world)
    try:
        EvidenceWatch(node).look()
        assert node.state.quarantined == {done.value["accused"]}
    finally:
        node.stop()
    again = tally(*at, "evidence", "add", "proof", "--json")
    assert (again.code, again.value["new"]) == (0, False)


def test_evidence_that_proves_nothing_is_not_taken_in(tally: Tally, handed: Handed) -> None:
    at = ("--home", str(handed.home))
    tally(*at, "evidence", "make", str(handed.here), str(handed.there), "proof")
    for name in ("a", "b"):
        path = tally.folder / "proof" / f"{name}.checkpoint"
        text, _, signature = path.read_text().rpartition("\n\n")
        path.write_text(f"{text}\n\n{signature[:-8]}AAAAAA=\n")
    done = tally(*at, "evidence", "add", "proof")
    assert done.code == 1
    assert not (handed.home / "evidence").exists()


def test_evidence_against_a_stranger_is_not_taken_in(
    tally: Tally, handed: Handed, forked: Path, tmp_path: Path
) -> None:
    folder = folder_of(forked, origin_in(forked))
    done = tally("--home", str(handed.home), "evidence", "add", str(folder))
    assert done.code == 3, done.err
    assert not (handed.home / "evidence").exists()


def test_evidence_against_the_own_organization_says_what_to_do(tally: Tally, handed: Handed) -> None:
    tally("--home", str(handed.home), "evidence", "make", str(handed.here), str(handed.there), "proof")
    done = tally("--home", str(handed.home.with_name("bolt")), "evidence", "add", "proof")
    assert done.code == 4
    assert "tally recover" in done.err
