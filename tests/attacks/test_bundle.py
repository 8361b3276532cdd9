"""Attacks on whoever is handed a bundle: the hash at the end is always made again, as an attacker would."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cli.bundle_check import check_bundle, verify_bundle
from cli.means import Means
from cli.report_page import report_page
from cli.verdict import report_lines
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.audit.report import Report
from ledger.audit.source import KeptNote
from ledger.errors import TallyError
from ledger.log.bundle import BundleEntry, BundleLog, BundleNote, BundlePayloads, BundleRun
from ledger.log.checkpoint import parse_checkpoint, witness_vkey
from ledger.log.entry import format_entry, parse_entry
from ledger.log.note import log_vkey, parse_note
from ledger.log.policy import Policy, PolicyLog, witness_of
from ledger.members.network import network_id, network_words, recovery_hash
from ledger.members.reopening import Reopening, seal_opening
from ledger.members.roster import found_roster
from ledger.members.rotation import seal_rotation
from node.bundle_file import read_bundle

CONTRACT = """
contract: 1
name: delivery
parties: {seller: acme, buyer: bolt}
timekeeper: acme
sign: {seller: 1, buyer: 1}
params:
  price: {money: "8.40 EUR"}
  pay: {duration: 30 days}
text: >
  {seller} delivers to {buyer}, who confirms and then owes {price} within {pay}.
facts:
  delivered: {by: [seller], confirm: [buyer]}
rules:
  - name: delivery
    when: exists(delivered)
    then:
      - {due: {from: buyer, to: seller, amount: price, within: pay}}
"""
FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "bundle"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_bundle_vectors", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def verify(make: ModuleType, tmp_path: Path) -> Callable[..., Report]:
    """Verifies a bundle of these records."""

    def check(records: list[Any], network: str | None = None, **means: Any) -> Report:
        path = tmp_path / "attack.bundle"
        path.write_bytes(make.file_of(records))
        return verify_bundle(path, Means(**means), network)

    return check


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def place(records: list[Any], kind: type, which: int = 0) -> int:
    return [i for i, record in enumerate(records) if isinstance(record, kind)][which]


def test_an_honest_bundle_is_accepted(make: ModuleType, verify: Callable[..., Report]) -> None:
    report = verify(make.small_records())
    assert report.findings == ()
    assert report.is_whole


def test_a_payload_of_a_whole_log_swapped_for_one_of_equal_size(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    records = make.small_records()
    at = place(records, BundlePayloads)
    *rows, (seq, salt, payload) = records[at].rows
    other = payload.replace(b"Scales of dock 2", b"Scales of dock 3")
    assert other != payload
    assert len(other) == len(payload)
    records[at] = BundlePayloads((*rows, (seq, salt, other)))
    report = verify(records)
    assert [(f.code, f.position) for f in report.findings] == [("payload-changed", seq)]


def test_a_payload_of_a_single_entry_swapped_for_one_of_equal_size(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    records = make.small_records()
    at = place(records, BundleEntry, 1)
    other = records[at].payload.replace(b"for all", b"for one")
    records[at] = replace(records[at], payload=other)
    assert [(f.code, f.position) for f in verify(records).findings] == [("payload-changed", 2)]


def test_two_payloads_of_a_bundle_that_change_places(make: ModuleType, verify: Callable[..., Report]) -> None:
    records = make.small_records()
    at = place(records, BundlePayloads)
    one, two, three, four = records[at].rows
    records[at] = BundlePayloads(
        (
            one,
            two,
            (3, *four[1:]),
        )
    )
    records[at] = BundlePayloads((one, (1, *three[1:]), (2, *two[1:]), four))
    assert "payload-changed" in codes(verify(records))


def test_a_whole_log_whose_middle_is_missing(make: ModuleType, verify: Callable[..., Report]) -> None:
    records = make.small_records()
    log, run, rows = (place(records, kind) for kind in (BundleLog, BundleRun, BundlePayloads))
    entries = records[run].entries
    records[log] = replace(records[log], size=3)
    records[run] = BundleRun(0, (*entries[:2], entries[3]))
    records[rows] = BundlePayloads((*records[rows].rows[:2], (2, *records[rows].rows[3][1:])))
    records[rows + 1] = replace(records[rows + 1], given=3)
    found = verify(records)
    assert codes(found) & {"chain-missing", "chain-misplaced", "chain-changed"}


def test_a_sparse_log_whose_entry_is_told_in_the_place_of_another(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    """Entry 1 of another history of bolt, with the proof that the true entry 1 has."""
    acme, bolt = make.network_of()
    other = make.MadeLog("bolt", bolt.founding)
    other.open()
    other.add("memo", {"text": "for acme alone, and another"}, ("acme",))
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 1, 2])]
    at = place(records, BundleEntry, 1)
    salt, payload = other.payloads[1]
    records[at] = BundleEntry(entry=other.entries[1], proof=records[at].proof, salt=salt, payload=payload)
    assert codes(verify(records)) >= {"bundle-proof"}


def test_a_proof_of_another_log(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, bolt = make.network_of()
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    at = place(records, BundleEntry, 1)
    foreign = tuple(make.prove_inclusion(acme, 2, 3))
    records[at] = replace(records[at], proof=foreign)
    assert [(f.code, f.position) for f in verify(records).findings] == [("bundle-proof", 2)]


def test_a_proof_of_another_size(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, bolt = make.network_of()
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0])]
    at = place(records, BundleEntry)
    records[at] = replace(records[at], proof=tuple(make.prove_inclusion(bolt, 0, 2)))
    assert codes(verify(records)) == {"bundle-proof"}


def test_a_consistency_proof_that_leads_elsewhere(make: ModuleType, verify: Callable[..., Report]) -> None:
    records = make.small_records()
    at = place(records, BundleNote, 1)
    wrong = tuple(bytes(32) for _ in records[at].proof)
    records[at] = BundleNote(records[at].note, wrong)
    assert codes(verify(records)) == {"bundle-proof"}


@pytest.mark.parametrize("which", [0, 1])
def test_a_root_that_nobody_signed(make: ModuleType, verify: Callable[..., Report], which: int) -> None:
    records = make.small_records()
    at = place(records, BundleLog, which)
    records[at] = replace(records[at], root=bytes(32))
    assert "bundle-proof" in codes(verify(records))


def test_a_broken_link_between_two_entries_that_are_proven(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    """The writer itself signs a tree over entries that are not chained."""
    acme, bolt = make.network_of()
    good = make.Entry(seq=2, prev=bytes(32), time_ms=make.TIME_MS, kind="memo", size=0, commit=bytes(32))
    bolt.entries[2] = make.format_entry(good)
    sparse = bolt.sparse([0, 1, 2])
    sparse[-2] = replace(sparse[-2], salt=None, payload=None)
    sparse[-1] = replace(sparse[-1], given=2, absent=1)
    records = [make.head_of(acme.founding), *acme.whole(), *sparse]
    assert [(f.code, f.position) for f in verify(records).findings] == [("bundle-link", 2)]


def test_two_networks_of_one_name(make: ModuleType, verify: Callable[..., Report]) -> None:
    """The other's bundle holds in itself; whoever knows the words, the key or a home is not fooled."""
    meant = make.founding_of("bundle")
    other = make.small_records("another founding of the same name")
    words = network_words(network_id(meant))
    unpinned = verify(other)
    assert unpinned.findings == ()
    assert any("compare" in item.what for item in unpinned.unchecked)
    assert codes(verify(other, network=words)) == {"bundle-network"}
    assert codes(verify(other, network=network_id(meant).hex())) == {"bundle-network"}
    assert codes(verify(other, roster=found_roster(meant))) == {"bundle-network"}
    vkey = log_vkey(make.MadeLog("acme", meant).origin, make.made("acme log"))
    assert codes(verify(other, vkey=vkey)) == {"bundle-network"}
    mine = make.small_records("bundle")
    assert verify(mine, network=words, roster=found_roster(meant), vkey=vkey).findings == ()


def test_a_log_of_another_network_in_a_bundle(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, _ = make.network_of()
    _, stranger = make.network_of("another founding of the same name")
    records = [make.head_of(acme.founding), *acme.whole(), *stranger.sparse([0, 2])]
    assert codes(verify(records)) == {"bundle-form"}


def test_a_log_of_somebody_whom_nobody_admitted(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, _ = make.network_of()
    cord = make.MadeLog("cord", acme.founding)
    cord.open()
    cord.add("memo", {"text": "me too"})
    records = [make.head_of(acme.founding), *acme.whole(), *cord.sparse([0, 1])]
    assert "member-stranger" in codes(verify(records))


def test_a_note_that_the_log_s_key_did_not_sign(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, bolt = make.network_of()
    forged = make.seal_checkpoint(
        make.Checkpoint(origin=bolt.origin, size=3, root=bolt.root(3)), make.made("somebody's log")
    )
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    at = place(records, BundleNote, 2)
    records[at] = BundleNote(forged)
    assert "note-signature" in codes(verify(records))


def test_a_history_that_differs_from_the_head_that_the_auditor_saw(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    acme, bolt = make.network_of()
    other = make.MadeLog("bolt", bolt.founding)
    other.open()
    other.add("memo", {"text": "another history"})
    other.add("memo", {"text": "of the same size"})
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    heads = {bolt.origin: (KeptNote(size=3, note=other.note(3).encode()),)}
    assert codes(verify(records, heads=heads)) == {"head-fork"}


@pytest.mark.parametrize("size", [2, 3])
def test_a_history_of_single_entries_that_differs_from_a_head_that_another_log_recorded(
    make: ModuleType, verify: Callable[..., Report], size: int
) -> None:
    acme, bolt = make.network_of()
    other = make.MadeLog("bolt", bolt.founding)
    other.open()
    other.add("memo", {"text": "another history"})
    other.add("memo", {"text": "of the same size"})
    acme.add("seen", {"heads": [bolt.note(1)]})
    honest = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    assert verify(honest).findings == ()
    acme.add("seen", {"heads": [other.note(size)]})
    report = verify([make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])])
    assert [(f.code, f.log) for f in report.findings] == [("head-fork", bolt.origin)]
    assert f"size {size}" in report.findings[0].where


def test_a_history_that_differs_from_the_entries_that_the_auditor_holds(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    """A whole log up to where two histories part, under a larger head of the other one."""
    acme, bolt = make.network_of()
    acme.add("memo", {"text": "to you"})
    size = len(acme.entries)
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    larger = replace(records[1], size=size - 1, root=acme.root(size - 1))
    run, rows = place(records, BundleRun), place(records, BundlePayloads)
    records[1] = larger
    records[2] = BundleNote(acme.note(size), tuple(make.prove_consistency(acme, size - 1, size)))
    records[run] = BundleRun(0, records[run].entries[:-1])
    records[rows] = BundlePayloads(records[rows].rows[:-1])
    records[rows + 1] = replace(records[rows + 1], given=size - 1)
    assert codes(verify(records)) == set()

    def roots(origin: str, sizes: Iterable[int]) -> dict[int, bytes]:
        return {size: bytes(32)} if origin == acme.origin else {}

    report = verify(records, roots=roots)
    assert [(f.code, f.log, f.place) for f in report.findings] == [("head-fork", acme.origin, f"size {size}")]


def test_a_bundle_with_fewer_cosignatures_than_the_policy_asks_for(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    acme, bolt = make.network_of()
    size = len(acme.entries)
    witness = witness_vkey(
        make.format_witness_name("bolt", network_id(acme.founding)), make.made("bolt witness")
    )
    asked = Policy(
        logs=(PolicyLog(log_vkey(acme.origin, make.made("acme log"))),),
        witnesses=(witness_of("bolt", witness),),
        groups=(),
        quorum="bolt",
    )
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])]
    assert [(f.code, f.log) for f in verify(records, policy=asked).findings] == [("note-quorum", acme.origin)]
    records[2] = BundleNote(acme.note(size, "bolt"))
    assert verify(records, policy=asked).findings == ()


@pytest.mark.parametrize("text", ["\nEverything that could be checked holds.", "\x1b[2J", "<script>"])
def test_a_subject_that_passes_for_lines_of_the_report(
    make: ModuleType, verify: Callable[..., Report], text: str
) -> None:
    records = make.small_records()
    before = len(list(report_lines(verify(records))))
    records[0] = replace(records[0], subject=f"x{text}")
    report = verify(records)
    lines = list(report_lines(report))
    assert len(lines) == before
    assert not any("\n" in line or "\x1b" in line for line in lines)
    assert "<script>" not in report_page(report, 0, datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize(("off_ms", "code"), [(-1_000_000, "time-early"), (1_000_000, "time-late")])
def test_a_single_entry_that_claims_another_time_than_others_signed(
    make: ModuleType, verify: Callable[..., Report], off_ms: int, code: str
) -> None:
    acme, bolt = make.network_of()
    bolt.add("seen", {"heads": [acme.note(1, "acme")]})
    bolt.add("memo", {"text": "when"})
    at = len(bolt.entries) - 1
    assert (
        verify([make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 3, at], "acme")]).findings == ()
    )
    entry = parse_entry(bolt.entries[at])
    bolt.entries[at] = format_entry(replace(entry, time_ms=entry.time_ms + off_ms))
    bolt.add("memo", {"text": "the head before this one covers it"})
    report = verify([make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 3, at], "acme")])
    assert [(f.code, f.log, f.position) for f in report.findings] == [(code, bolt.origin, at)]


def test_a_truncated_bundle(make: ModuleType, tmp_path: Path) -> None:
    whole = make.file_of(make.small_records())
    path = tmp_path / "short.bundle"
    for length in (0, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert codes(verify_bundle(path, Means())) == {"bundle-form"}


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 2 * 1024 * 1024 + 1])
def test_a_huge_length(make: ModuleType, tmp_path: Path, length: int) -> None:
    path = tmp_path / "huge.bundle"
    path.write_bytes(make.MAGIC + length.to_bytes(4, "big") + b"\x96\xa4head")
    with pytest.raises(TallyError, match="at most 2097152"):
        read_bundle(path)


def test_an_array_that_claims_more_than_the_record_holds(make: ModuleType, tmp_path: Path) -> None:
    record = b"\x93\xa3run\x00\xdd\xff\xff\xff\xff"
    path = tmp_path / "claims.bundle"
    path.write_bytes(make.MAGIC + len(record).to_bytes(4, "big") + record)
    with pytest.raises(TallyError):
        read_bundle(path)


def test_records_repeated_or_out_of_order(make: ModuleType, verify: Callable[..., Report]) -> None:
    records = make.small_records()
    for at in range(len(records)):
        repeated = [*records[: at + 1], *records[at:]]
        assert codes(verify(repeated)) == {"bundle-form"}
    for at in range(len(records) - 1):
        moved = [*records[:at], records[at + 1], records[at], *records[at + 2 :]]
        assert codes(verify(moved)) == {"bundle-form"}


def test_something_else_that_begins_like_a_bundle(tmp_path: Path) -> None:
    path = tmp_path / "later.bundle"
    path.write_bytes(b"tallystick bundle v2\n" + bytes(100))
    assert codes(verify_bundle(path, Means())) == {"bundle-form"}


def rotated(make: ModuleType, *, told: bool) -> list[Any]:
    """Bolt rotated its keys: the newest note is under the new key, which its entry 3 names, if it is told."""
    acme, bolt = make.network_of()
    before = make.keys_of("bolt")
    seed = make.made("bolt log after")
    witness = make.public_key(make.made("bolt witness after"))
    body = seal_rotation(
        bolt.origin,
        before=before,
        after=replace(before, log=make.public_key(seed), witness=witness),
        old_seed=make.made("bolt log"),
        new_seed=seed,
    )
    bolt.add("keys.rotate", body)
    bolt.add("memo", {"text": "under the new key"})
    sparse = bolt.sparse([0, 3, 4] if told else [0, 4])
    at = place(sparse, BundleNote, 1)
    head = make.Checkpoint(origin=bolt.origin, size=5, root=bolt.root(5))
    sparse[at] = BundleNote(make.seal_checkpoint(head, seed))
    return [make.head_of(acme.founding), *acme.whole(), *sparse]


def reopened(make: ModuleType, *, recovery: str = "bolt recovery", pinned: int = 2) -> list[Any]:
    """Bolt went on in a second log; entry 2 of the first lies beyond a pin that acme cosigned."""
    acme, bolt = make.network_of()
    first = bolt.sparse([0, 2], "acme")

    class Later(make.MadeLog):  # type: ignore[misc, name-defined]  # the module is loaded by its path
        origin = f"{bolt.origin}/2"

    opening = Reopening(
        founding=bolt.founding,
        organization="bolt",
        title="Bolt Ltd",
        number=2,
        keys=replace(
            make.keys_of("bolt"), recovery=recovery_hash(make.public_key(make.made("next recovery")))
        ),
        pin=bolt.note(pinned, "acme"),
    )
    later = Later("bolt", bolt.founding)
    later.add("log.open", seal_opening(opening, make.made(recovery)))
    later.add("memo", {"text": "gone on"})
    later.add("memo", {"text": "and on"})
    return [make.head_of(acme.founding), *acme.whole(), *first, *later.sparse([0, 1])]


def test_a_later_log_that_is_told_holds_and_what_lies_beyond_its_pin_is_said(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    report = verify(reopened(make))
    assert report.findings == ()
    assert [log.origin.count("/") for log in report.logs] == [1, 1, 2]
    assert any("beyond" in item.what for item in report.unchecked)


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"recovery": "somebody's recovery"}, "opening-recovery"), ({"pinned": 1}, "opening-pin")],
)
def test_a_later_log_opened_by_somebody_else_or_with_a_lower_pin(
    make: ModuleType, verify: Callable[..., Report], changed: dict[str, Any], code: str
) -> None:
    report = verify(reopened(make, **changed))
    assert code in codes(report)
    assert {finding.log.count("/") for finding in report.findings if finding.code == code} == {2}


def test_a_decision_that_its_agreement_does_not_give(make: ModuleType, verify: Callable[..., Report]) -> None:
    acme, bolt = make.network_of()
    document = format_document(parse_contract_yaml(CONTRACT.encode()))
    acme.add("agreement.propose", {"document": document, "replaces": None, "until": None})
    acme.add(
        "decision",
        {
            "agreement": agreement_hash(document),
            "effects": [{"kind": "state", "state": "fulfilled"}],
            "inputs": bytes(32),
            "outcome": bytes(32),
            "rule": "delivery",
            "timekeeper": [acme.origin, 4],
        },
    )
    report = verify([make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 2])])
    assert [(f.code, f.log, f.position) for f in report.findings] == [("decision-differs", acme.origin, 5)]


def test_a_note_under_a_key_after_a_rotation_that_is_told(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    assert verify(rotated(make, told=True)).findings == ()


def test_a_note_under_a_key_that_nothing_in_the_bundle_names(
    make: ModuleType, verify: Callable[..., Report]
) -> None:
    assert "note-signature" in codes(verify(rotated(make, told=False)))


def test_a_rotation_that_is_left_out_so_that_a_superseded_key_counts(
    make: ModuleType, verify: Callable[..., Report], tmp_path: Path
) -> None:
    """Nothing in the file betrays it; whoever has a home that knows the rotation is told."""
    acme, bolt = make.network_of()
    bolt.add("memo", {"text": "in the place of the rotation"})
    bolt.add("memo", {"text": "made today"})
    records = [make.head_of(acme.founding), *acme.whole(), *bolt.sparse([0, 4])]
    assert verify(records).findings == ()
    honest = tmp_path / "honest.bundle"
    honest.write_bytes(make.file_of(rotated(make, told=True)))
    audit = check_bundle(honest, Means()).audit
    assert audit is not None
    report = verify(records, roster=audit.roster)
    assert [(f.code, f.log) for f in report.findings] == [("note-superseded", bolt.origin)]


def test_a_note_made_today_under_a_superseded_key(make: ModuleType, verify: Callable[..., Report]) -> None:
    records = rotated(make, told=True)
    at = place(records, BundleNote, 2)
    text = parse_note(records[at].note).text
    head = parse_checkpoint(text)
    records[at] = BundleNote(make.seal_checkpoint(head, make.made("bolt log")))
    assert codes(verify(records)) & {"note-superseded", "note-signature"}
