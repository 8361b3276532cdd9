"""Bundles of a home: what is given away and what is not, whole or not at all, and homes made from one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.bundle_check import CheckedBundle, check_bundle
from cli.means import Means
from cli.reading import OpenHome, open_home
from ledger.errors import ConflictError, InvalidError, MissingError, TallyError, UsageError
from ledger.log.bundle import BundleEntry, BundleHead, BundleRecord
from node.bond import Bond
from node.bundle_export import (
    Given,
    Selection,
    export_bundle,
    select_agreement,
    select_log,
    select_lot,
    select_network,
)
from node.bundle_file import SparseLog, new_bundle, read_bundle
from node.bundle_import import Imported, import_bundle
from node.place import Judgement
from node.world import real_world
from tests.attacks import small_home as small

ITEM = "urn:epc:id:sgtin:0614141.107346.2017"
FOR_ACME = b"for acme alone"
FOR_ALL = b"last, not cosigned yet"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of acme, with bolt's log beside its own."""
    return Path(small.make_small_home(tmp_path_factory.mktemp("bundles")))


Export = Callable[..., tuple[Path, Given]]
Choose = Callable[[OpenHome], Selection]


@pytest.fixture
def export(home: Path, tmp_path: Path) -> Export:
    """Exports something of the home."""

    def make(choose: Choose, reader: str | None = None) -> tuple[Path, Given]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bundle"
        with open_home(home) as opened:
            given = export_bundle(path, opened.reader, opened.state, choose(opened), audience=reader)
        return path, given

    return make


def whole_network(opened: OpenHome) -> Selection:
    return select_network(opened.state)


def one_log(name: str) -> Choose:
    return lambda opened: select_log(opened.state, opened.state.roster.origin(name))


def the_agreement(opened: OpenHome) -> Selection:
    return select_agreement(opened.reader, opened.state, opened.book, opened.reader.agreement_hashes()[0])


def the_lot(opened: OpenHome) -> Selection:
    return select_lot(opened.reader, opened.state, ITEM)


CHOICES: dict[str, Choose] = {
    "network": whole_network,
    "log of the founder": one_log("acme"),
    "log of a member": one_log("bolt"),
    "agreement": the_agreement,
    "lot": the_lot,
}


def checked(path: Path) -> CheckedBundle:
    return check_bundle(path, Means())


# What is given


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("reader", [None, "bolt", "acme"])
def test_every_bundle_of_a_home_holds_and_is_whole(export: Export, name: str, reader: str | None) -> None:
    path, _ = export(CHOICES[name], reader)
    report = checked(path).report
    assert report.findings == ()
    assert report.is_whole


def test_a_bundle_of_the_network_has_every_entry_and_payload_of_the_home(export: Export, home: Path) -> None:
    path, given = export(whole_network)
    with open_home(home) as opened:
        origins = opened.reader.origins()
        entries = sum(opened.reader.size(origin) for origin in origins)
        held = sum(len(opened.reader.payloads(origin, 0, 10_000)) for origin in origins)
    report = checked(path).report
    assert (report.counts.entries, report.counts.payloads) == (entries, held)
    assert given.for_all + given.for_some.total() == held
    assert given.absent == entries - held


def test_the_words_of_the_report_say_which_network_it_is(export: Export) -> None:
    path, _ = export(whole_network)
    report = checked(path).report
    words = report.checked[1].split()[2].rstrip(",")
    assert len(words.split("-")) == 4
    assert any(words in item.what for item in report.unchecked)


def test_a_bundle_of_a_lot_has_the_events_of_its_trace_and_no_other(export: Export) -> None:
    path, _ = export(the_lot)
    assert checked(path).report.counts.events == 2
    assert b"remark 17" not in path.read_bytes()


def test_a_bundle_of_an_agreement_has_its_signature_under_the_signer_s_grant(export: Export) -> None:
    path, _ = export(the_agreement)
    assert checked(path).report.counts.person_signatures == 1


def test_a_bundle_of_an_agreement_says_what_was_agreed_and_what_came_of_it(export: Export) -> None:
    told = "\n".join(checked(export(the_agreement)[0]).report.checked)
    assert "the agreement delivery: " in told
    assert "its text: " in told
    assert "proposed by acme; signatures that were counted: none" in told
    assert "its text: " not in "\n".join(checked(export(whole_network)[0]).report.checked)


# What is not given


def test_what_only_others_may_know_is_not_in_a_bundle_for_a_member(export: Export) -> None:
    for choose in CHOICES.values():
        path, given = export(choose, "bolt")
        assert not given.for_some or all("bolt" in names for names in given.for_some)
    path, given = export(whole_network, "acme")
    assert FOR_ACME in path.read_bytes()
    assert FOR_ALL in path.read_bytes()


def test_a_member_who_is_in_no_audience_gets_nothing_that_is_for_some(tmp_path: Path) -> None:
    """Bolt's home, exported for acme: what bolt keeps for itself is not among the file's bytes."""
    small.make_small_home(tmp_path)
    out = tmp_path / "bolt.bundle"
    with open_home(tmp_path / "bolt") as opened:
        selection = whole_network(opened)
        given = export_bundle(out, opened.reader, opened.state, selection, audience="acme")
        everything = export_bundle(
            tmp_path / "all.bundle", opened.reader, opened.state, selection, audience=None
        )
    data = out.read_bytes()
    assert b"for nobody else" not in data
    assert FOR_ACME in data
    assert given.withheld == everything.withheld + 1
    assert b"for nobody else" in (tmp_path / "all.bundle").read_bytes()
    report = checked(out).report
    assert report.findings == ()


def test_a_bundle_of_an_agreement_does_not_tell_what_else_its_timekeeper_said(export: Export) -> None:
    path, given = export(the_agreement)
    data = path.read_bytes()
    for secret in (b"remark 17", b"keyed", FOR_ACME, FOR_ALL):
        assert secret not in data
    assert given.withheld > 300


def test_a_bundle_of_a_member_s_log_does_not_tell_what_the_founder_said(export: Export) -> None:
    path, given = export(one_log("bolt"))
    assert b"remark 17" not in path.read_bytes()
    assert FOR_ACME in path.read_bytes()
    assert given.withheld > 300


def test_how_much_was_left_out_stands_in_the_bundle(export: Export) -> None:
    path, given = export(one_log("bolt"))
    parts = read_bundle(path).parts
    assert sum(part.close.withheld for part in parts) == given.withheld
    assert sum(part.close.absent for part in parts) == given.absent == 1


def test_a_bundle_is_readable_by_its_owner_alone(export: Export) -> None:
    path, _ = export(the_lot)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_bundle_for_somebody_who_is_no_member_is_refused(export: Export) -> None:
    with pytest.raises(MissingError):
        export(whole_network, "nobody")


def test_a_bundle_of_a_log_that_is_not_here_is_refused(export: Export) -> None:
    with pytest.raises(MissingError):
        export(lambda opened: select_log(opened.state, "cord/0123456789abcdef"))


def test_a_bundle_of_a_thing_that_no_event_names_is_refused(export: Export) -> None:
    with pytest.raises(MissingError):
        export(lambda opened: select_lot(opened.reader, opened.state, "urn:epc:id:sgtin:0614141.107346.1"))


# Whole or not at all


def test_a_file_that_is_there_is_not_written_over(export: Export, home: Path, tmp_path: Path) -> None:
    path, _ = export(the_lot)
    before = path.read_bytes()
    with open_home(home) as opened, pytest.raises(ConflictError):
        export_bundle(path, opened.reader, opened.state, the_lot(opened), audience=None)
    assert path.read_bytes() == before


def test_nothing_is_left_of_a_bundle_that_failed(tmp_path: Path) -> None:
    def fail() -> None:
        with new_bundle(tmp_path / "half.bundle") as writer:
            writer.put(BundleHead(what="log", subject="x", exporter="acme", reader=None, founding=b""))
            raise InvalidError("middle", found="a failure")

    with pytest.raises(InvalidError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_in_an_expected_way(tmp_path: Path) -> None:
    def write() -> None:
        with new_bundle(tmp_path / "no" / "folder.bundle"):
            pass

    with pytest.raises(TallyError):
        write()


# Import


def import_from(path: Path, home: Path, keys: Path | None = None) -> Imported:
    found = checked(path)
    assert found.contents is not None
    assert found.audit is not None
    return import_bundle(home, path, (found.contents, found.audit), world=real_world(), keys=keys)


@pytest.mark.parametrize("name", ["network", "log of the founder", "log of a member"])
def test_an_imported_home_holds_what_the_bundle_gave(
    export: Export, home: Path, tmp_path: Path, name: str
) -> None:
    path, _ = export(CHOICES[name])
    made = import_from(path, tmp_path / "made")
    with open_home(home) as before, open_home(tmp_path / "made") as after:
        assert after.state.origin == made.origin
        for origin in made.copies:
            size = before.reader.size(origin)
            assert after.reader.entries(origin, 0, size) == before.reader.entries(origin, 0, size)
            held = set(before.reader.payloads(origin, 0, size))
            assert set(after.reader.payloads(origin, 0, size)) <= held
            assert after.state.head(origin).copy == before.state.head(origin).copy
        assert sorted(after.state.roster.members) == ["acme", "bolt"]


def test_an_imported_network_gives_the_same_bundle_again(export: Export, tmp_path: Path) -> None:
    path, _ = export(whole_network)
    import_from(path, tmp_path / "made")
    again = tmp_path / "again.bundle"
    with open_home(tmp_path / "made") as opened:
        export_bundle(again, opened.reader, opened.state, whole_network(opened), audience=None)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["agreement", "lot"])
def test_a_bundle_of_single_entries_is_not_imported(export: Export, tmp_path: Path, name: str) -> None:
    path, _ = export(CHOICES[name])
    with pytest.raises(UsageError):
        import_from(path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_home_that_is_there_is_not_imported_over(export: Export, home: Path) -> None:
    path, _ = export(whole_network)
    with pytest.raises(ConflictError):
        import_from(path, home)


def test_a_home_without_keys_never_writes(export: Export, tmp_path: Path) -> None:
    path, _ = export(whole_network)
    import_from(path, tmp_path / "made")
    with pytest.raises(TallyError, match="no keys"):
        small.open_node(tmp_path / "made", real_world())


def test_a_home_with_keys_is_judged_restored(export: Export, home: Path, tmp_path: Path) -> None:
    path, _ = export(whole_network)
    made = import_from(path, tmp_path / "made", home / "keys")
    assert made.keys == ("log", "witness", "node", "recovery")
    node = small.open_node(tmp_path / "made", real_world())
    try:
        bond = Bond(tmp_path / "made", {"TALLY_STATE_DIR": str(tmp_path / "state")})
        verdict = bond.judge(node)
    finally:
        node.stop()
    assert verdict.judgement is Judgement.RESTORED
    assert not verdict.may_append


def test_keys_of_a_member_make_its_home_though_another_exported(
    export: Export, home: Path, tmp_path: Path
) -> None:
    path, _ = export(whole_network)
    made = import_from(path, tmp_path / "made", home.parent / "bolt" / "keys")
    assert made.origin.startswith("bolt/")


def test_keys_of_nobody_in_the_bundle_are_refused(export: Export, tmp_path: Path) -> None:
    path, _ = export(whole_network)
    other = small.make_small_home(tmp_path / "other")
    with pytest.raises(InvalidError):
        import_from(path, tmp_path / "made", other / "keys")
    assert not (tmp_path / "made").exists()


def test_nothing_is_left_of_an_import_that_failed(export: Export, tmp_path: Path) -> None:
    path, _ = export(whole_network)
    found = checked(path)
    assert found.contents is not None
    assert found.audit is not None
    target = tmp_path / "homes" / "made"
    target.parent.mkdir()
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(TallyError):
        import_bundle(target, path, (found.contents, found.audit), world=real_world())
    assert list(target.parent.iterdir()) == []


def records_of(path: Path) -> list[BundleRecord]:
    """The single entries of a bundle."""
    parts = read_bundle(path).parts
    return [entry for part in parts if not part.log.is_whole for entry in SparseLog(path, part).items()]


def test_the_same_selection_gives_the_same_bytes(export: Export) -> None:
    first, _ = export(the_lot)
    second, _ = export(the_lot)
    assert first.read_bytes() == second.read_bytes()
    assert all(isinstance(record, BundleEntry) for record in records_of(first))
