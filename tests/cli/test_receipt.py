"""`tally receipt`, `tally network policy`, and `tally verify` on what they write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cli.receipt_check import Trust, read_policy, verify_signed
from cli.receipt_words import Heard, Judges, receipt_words
from cli.targets import exit_of_report
from ledger.audit.report import Report
from ledger.audit.source import KeptNote
from ledger.errors import UsageError
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.policy import format_policy, parse_policy
from ledger.log.receipt import check_receipt
from ledger.members.policy import network_policy, policy_comments
from node.alone import rotate_keys
from node.keyfiles import MIN_COST
from node.views.receipts import make_receipt
from node.world import World

if TYPE_CHECKING:
    from tests.simulation.network import Network


@pytest.fixture
def written(network: Network, tmp_path: Path) -> Written:
    network.settings["seen_interval_s"] = 5
    network.memo("bolt", "worth recording")
    network.sleep(120)
    acme = network.machines["acme"].up
    seq = network.memo("acme", "the pump of dock 2 was replaced")[0].seq
    network.wait_until(lambda: acme.state.is_witnessed(acme.state.origin, seq))
    return Written(network, tmp_path / "r.tlog-proof", seq)


class Written:
    """A receipt of acme's in a file, in a network of three that have witnessed it."""

    def __init__(self, network: Network, path: Path, seq: int) -> None:
        self.network, self.path, self.seq = network, path, seq
        self.node = network.machines["acme"].up
        self.origin = self.node.state.origin
        self.write(seq)

    def write(self, seq: int, *, shown: bool = True) -> Path:
        node = self.node
        text = make_receipt(node.reader, node.state, (node.state.origin, seq), with_payload=shown)
        self.path.write_text(text, encoding="utf-8")
        return self.path

    @property
    def roster(self) -> Any:
        return self.node.state.roster

    @property
    def policy(self) -> Any:
        return network_policy(self.roster, self.node.state.origin)

    def verify(self, **trust: Any) -> Report:
        return verify_signed(self.path, Trust(**trust))


def said(report: Report) -> str:
    return "\n".join(report.checked)


def unknown(report: Report) -> str:
    return "\n".join(item.what for item in report.unchecked)


def test_a_receipt_says_who_wrote_what_when_and_seen_by_whom(written: Written) -> None:
    for trust in ({"roster": written.roster}, {"policy": written.policy, "policy_file": "acme.policy"}):
        report = written.verify(**trust)
        assert exit_of_report(report) == 0
        text = said(report)
        assert f"acme wrote entry {written.seq} of its log {written.node.state.origin}: kind memo" in text
        assert "it says: the pump of dock 2 was replaced" in text
        assert "made not before 2027-01-15" in text
        assert "made not after 2027-01-15" in text
        assert "seen by bolt" in text
        assert "seen by cord" in text
        assert "a claim that these bounds do not contradict" in text
        assert "not before" not in unknown(report)
    assert "witnessed under the policy acme.policy" in text


def test_bounds_hold_the_true_time(written: Written) -> None:
    lines = said(written.verify(roster=written.roster)).splitlines()
    early = next(line.split()[3][:-1] for line in lines if line.startswith("made not before"))
    late = next(line.split()[3][:-1] for line in lines if line.startswith("made not after"))
    claim = next(line.split()[7][:-1] for line in lines if line.startswith("its writer says"))
    assert early <= claim <= late.replace(".000Z", ".999Z")


def test_with_a_key_alone_what_is_not_known_is_said(written: Written) -> None:
    report = written.verify(vkey=written.roster.log_key(written.node.state.origin))
    assert exit_of_report(report) == 0
    assert "whether it is witnessed is not known" in said(report)
    assert "not before when it was made" in unknown(report)
    assert "not after when it was made" in unknown(report)
    assert "who else has seen it" in unknown(report)


def test_too_few_cosignatures_before_an_entry_bound_nothing(written: Written) -> None:
    checked = check_receipt(written.path.read_bytes(), written.roster.log_key(written.node.state.origin))
    judges = Judges(keys={}, cosigned={}, enough=lambda names: len(list(names)) > 1, under="two of three")
    for before, told in (({"bolt": 5}, False), ({"bolt": 5, "cord": 6}, True)):
        proven, open_ = receipt_words(checked, None, Heard(before=before, seen=checked.seen), judges)
        assert any(line.startswith("made not before") for line in proven) is told
        assert any("only those of bolt" in line for line in open_) is not told


def test_a_hidden_statement_shows_neither_itself_nor_what_was_seen(written: Written) -> None:
    written.write(written.seq, shown=False)
    report = written.verify(roster=written.roster)
    assert "pump" not in said(report)
    assert "what the entry says: it is not shown" in unknown(report)
    assert "the file shows nothing that its log had recorded before" in unknown(report)


def test_an_entry_that_was_not_witnessed_is_called_recorded(written: Written) -> None:
    written.network.isolate("acme")
    seq = written.network.memo("acme", "alone")[0].seq
    written.write(seq)
    report = written.verify(roster=written.roster)
    assert exit_of_report(report) == 0
    assert "recorded, not witnessed under the network's witness set (2 of bolt, cord)" in said(report)
    assert "no known witness cosigned a head that covers it" in unknown(report)
    refused = written.verify(policy=written.policy)
    assert exit_of_report(refused) == 1
    assert refused.findings[0].expected == "the policy's quorum 'more-than-half'"


def test_a_claim_outside_the_bounds_is_said(written: Written) -> None:
    written.network.machines["acme"].skew_ms = 20 * 60_000
    seq = written.network.memo("acme", "from the future")[0].seq
    written.network.machines["acme"].skew_ms = 0
    written.network.wait_until(lambda: written.node.state.is_witnessed(written.node.state.origin, seq))
    written.write(seq)
    assert "it lies after what the cosignatures prove" in said(written.verify(roster=written.roster))


def test_a_receipt_holds_after_its_writer_and_the_node_are_gone(written: Written) -> None:
    roster, policy = written.roster, written.policy
    for name in ("acme", "bolt", "cord"):
        written.network.stop(name)
    assert exit_of_report(written.verify(roster=roster)) == 0
    assert exit_of_report(written.verify(policy=policy)) == 0


# What is changed


def test_every_byte_of_a_receipt_counts_but_those_that_make_a_witness_unknown(written: Written) -> None:
    """docs/format.md, section 6: a changed name or key id makes a line one of nobody's, and this witness is
    missing then. Under a policy that asks for all witnesses nothing may change."""
    group = written.policy.groups[0]
    every = replace(written.policy, groups=(replace(group, threshold=len(group.members)),))
    raw = written.path.read_bytes()
    trust = Trust(roster=written.roster)
    whole = verify_signed(written.path, trust)
    signed = raw.rindex(b"\n\n") + 2
    first = raw.index(b"\n", signed) + 1
    for place in range(len(raw)):
        written.path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :])
        assert not holds(written.path, Trust(policy=every)), place
        if place >= signed and holds(written.path, trust):
            assert place >= first, place
            assert verify_signed(written.path, trust).counts.cosignatures == whole.counts.cosignatures - 1


def holds(path: Path, trust: Trust) -> bool:
    """Whether a file holds; one of a log that nobody knows does not."""
    try:
        return not verify_signed(path, trust).findings
    except UsageError:
        return False


@pytest.mark.parametrize(
    "data", [b"", b"c2sp.org/tlog-proof@v1\n", b"c2sp.org/tlog-proof@v2\n", b"\xff" * 100, b"PK\x03\x04"]
)
def test_a_file_that_is_neither_is_refused(written: Written, data: bytes) -> None:
    written.path.write_bytes(data)
    report = written.verify(roster=written.roster)
    assert exit_of_report(report) == 1
    assert [finding.code for finding in report.findings] == ["receipt"]


# Checkpoints alone, and what the home knows


def test_a_checkpoint_alone_is_checked_by_a_policy(written: Written) -> None:
    newest = written.node.state.own.newest
    assert newest is not None
    written.path.write_text(newest.note, encoding="utf-8")
    report = written.verify(policy=written.policy, policy_file="p")
    assert exit_of_report(report) == 0
    assert f"signed a head of {newest.size} entries" in said(report)
    assert "witnessed under the policy p" in said(report)
    text, lines = newest.note.split("\n\n")
    written.path.write_text(f"{text}\n\n{lines.splitlines()[0]}\n", encoding="utf-8")
    refused = written.verify(policy=written.policy)
    assert exit_of_report(refused) == 1
    assert "--superseded" in refused.findings[0].action
    assert exit_of_report(written.verify(roster=written.roster)) == 0


def test_another_key_than_the_one_given_is_refused(written: Written) -> None:
    bolt = written.network.machines["bolt"].up.state.origin
    assert exit_of_report(written.verify(vkey=written.roster.log_key(bolt))) == 1
    assert exit_of_report(written.verify(policy=network_policy(written.roster, bolt))) == 1


def test_without_any_key_nothing_is_checked(written: Written) -> None:
    with pytest.raises(UsageError, match="no key"):
        written.verify()


def test_a_receipt_of_a_forked_log_says_so_where_the_home_knows(written: Written) -> None:
    report = written.verify(roster=written.roster, quarantined=frozenset({written.node.state.origin}))
    assert exit_of_report(report) == 3
    assert "evidence of a fork of its log is recorded in this home" in unknown(report)


def test_a_receipt_that_contradicts_a_head_of_the_home_is_a_fork(written: Written) -> None:
    node, origin = written.node, written.node.state.origin
    size = int(written.path.read_text(encoding="utf-8").split("\n\n")[1].split("\n")[1])
    other = seal_checkpoint(Checkpoint(origin=origin, size=size, root=bytes(32)), node.keys.log.seed)
    heads = {origin: (KeptNote(size=size, note=other.encode()),)}
    assert exit_of_report(written.verify(roster=written.roster, heads=heads)) == 11


# Keys that were rotated since


@pytest.mark.parametrize("name", ["acme", "bolt", "cord"])
def test_a_receipt_stays_valid_and_witnessed_after_a_rotation(
    written: Written, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the log's own key, and of those of its witnesses, under the roster as it is after it."""
    network = written.network
    monkeypatch.setenv("TALLY_STATE_DIR", str(network.folder / "machine"))
    before = written.roster.witness_key(name), written.roster.log_key(written.node.state.origin)
    rotate(network, name)
    network.memo(name, "under the new keys")
    reader = network.machines["cord" if name == "bolt" else "bolt"]
    origin = network.machines[name].up.state.origin
    network.wait_until(lambda: len(reader.up.state.roster.log_keys(origin)) == 2)
    roster = reader.up.state.roster
    assert roster.witness_key(name) != before[0]
    assert (roster.log_key(written.origin) != before[1]) == (name == "acme")
    report = written.verify(roster=roster)
    assert exit_of_report(report) == 0
    assert "witnessed under the network's witness set (2 of bolt, cord)" in said(report)
    assert all(f"seen by {witness}" in said(report) for witness in ("bolt", "cord"))


def test_a_cosignature_made_under_a_witness_key_after_it_was_given_up_does_not_count(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = written.network
    monkeypatch.setenv("TALLY_STATE_DIR", str(network.folder / "machine"))
    old = network.machines["bolt"].up.keys.witness.seed
    before_s = network.now_ms(network.machines["bolt"]) // 1000
    rotate(network, "bolt")
    network.memo("bolt", "under the new keys")
    reader = network.machines["cord"]
    network.wait_until(lambda: len(reader.up.state.roster.witness_keys("bolt")) == 2)
    name = written.roster.witness_key("bolt").name
    head, _, lines = written.path.read_text(encoding="utf-8").rpartition("\n\n")
    text = head.rpartition("\n\n")[2]
    kept = [line for line in lines.splitlines() if not line.startswith(f"— {name}")]
    for time_s, counts in ((before_s, True), (network.now_ms(reader) // 1000 + 60, False)):
        line = cosign(f"{text}\n\n{kept[0]}\n", name, old, time_s).strip()
        written.path.write_text("\n".join([f"{head}\n", *kept, line, ""]), encoding="utf-8")
        told = said(written.verify(roster=reader.up.state.roster))
        assert ("seen by bolt" in told) == counts
        assert "seen by cord" in told


def rotate(network: Network, name: str) -> None:
    """New keys for the log and the cosignatures of a firm."""
    machine = network.machines[name]
    network.stop(name)
    world = World(now_ms=lambda: network.now_ms(machine), random=Random(name).randbytes)
    rotate_keys(machine.home, b"correct horse battery staple", world, MIN_COST)
    network.start(name)


# Policies


def test_the_network_s_policy_names_the_log_and_more_than_half_of_its_witnesses(written: Written) -> None:
    origin = written.node.state.origin
    text = format_policy(written.policy, policy_comments(written.roster, origin))
    policy = parse_policy(text)
    assert [log.vkey.name for log in policy.logs] == [origin]
    assert [each.vkey for each in policy.witnesses] == [
        written.roster.witness_key(name) for name in ("bolt", "cord")
    ]
    assert (policy.groups[0].threshold, policy.quorum) == (2, "more-than-half")


def test_a_network_of_one_has_a_policy_that_asks_for_nobody(
    make_network: Callable[[int], Network],
) -> None:
    node = make_network(8).found("acme")
    policy = network_policy(node.state.roster, node.state.origin)
    assert (policy.witnesses, policy.quorum) == ((), "none")


def test_a_file_that_is_no_policy_is_wrong_usage_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text("# a policy\nquorum nobody\n")
    with pytest.raises(UsageError, match="line 2: quorum 'nobody'"):
        read_policy(path)
    with pytest.raises(UsageError):
        read_policy(tmp_path / "missing")


# As a person calls it


def test_a_receipt_is_written_and_checked_by_key_policy_and_home(running: Any) -> None:
    added = running("--home", "finca", "--json", "log", "add", "weighed").value
    done = running("--home", "finca", "receipt", added["leaf"], "--out", "w.tlog-proof")
    assert done.code == 0
    assert "--vkey finca/" in done.err
    policy = running("--home", "finca", "network", "policy")
    assert policy.code == 0
    (running.folder / "finca.policy").write_text(policy.out)
    vkey = done.err.split("--vkey ")[1].split()[0]
    for by in (["--policy", "finca.policy"], ["--vkey", vkey], ["--home", "finca"]):
        checked = running("verify", "w.tlog-proof", *by)
        assert checked.code == 0, checked.err
        assert "it says: weighed" in checked.out
    assert running("verify", "w.tlog-proof").code == 2
    wrong = running("verify", "w.tlog-proof", "--policy", "w.tlog-proof")
    assert wrong.code == 2
    assert "w.tlog-proof line 1" in wrong.err


def test_a_receipt_told_as_json_says_whether_it_is_witnessed(running: Any) -> None:
    value = running("--home", "finca", "--json", "receipt", "finca:0").value
    assert value["witnessed"] is False
    assert value["receipt"].startswith("c2sp.org/tlog-proof@v1\n")
