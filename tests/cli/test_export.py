"""`tally export` and `tally import`, as people call them; `tally verify` with nothing but the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

EVENTS = """{
  "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
  "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-01-02T03:04:05Z",
  "epcisBody": {"eventList": [
    {"type": "ObjectEvent", "eventTime": "2026-01-02T03:04:05Z", "eventTimeZoneOffset": "+00:00",
     "action": "ADD", "bizStep": "commissioning", "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"]}
  ]}
}"""
ITEM = "urn:epc:id:sgtin:0614141.107346.2017"
BRIEF = "01/10614141073464/21/2017"


@pytest.fixture(scope="module")
def finca(running: Any) -> Any:
    """A home with an event and two remarks, one of them for nobody else; its node runs."""
    (running.folder / "harvest.json").write_text(EVENTS)
    assert running("--home", "finca", "capture", "harvest.json").code == 0
    assert running("--home", "finca", "log", "add", "for everybody").code == 0
    assert running("--home", "finca", "log", "add", "mine alone", "--for", "finca").code == 0
    return running


def test_a_log_is_exported_and_verified_with_nothing_but_the_file(finca: Any) -> None:
    done = finca("--home", "finca", "export", "log", "--out", "log.bundle")
    assert (done.code, done.out) == (0, "log.bundle\n")
    assert "that finca alone may know" in done.err
    checked = finca("verify", "log.bundle")
    assert checked.code == 0, checked.out
    words = done.err.split("Network Coffee: ")[1].split(".")[0]
    assert f"network Coffee: {words}" in checked.out
    assert f"compare {words}" in checked.out


def test_the_answer_says_what_was_given_away(finca: Any) -> None:
    value = finca("--home", "finca", "--json", "export", "network", "--out", "network.bundle").value
    assert value["what"] == "network"
    assert value["payloads_for_some"] == [{"audience": ["finca"], "count": 1}]
    assert value["payloads_for_all"] + 1 == value["entries"]
    assert value["withheld"] == 0


def test_a_lot_is_exported_under_a_name_of_its_own(finca: Any) -> None:
    done = finca("--home", "finca", "export", "lot", ITEM)
    assert done.code == 0, done.err
    file = finca.folder / done.out.strip()
    assert file.suffix == ".bundle"
    assert "/" not in done.out.strip()
    assert finca("verify", str(file)).code == 0
    assert b"mine alone" not in file.read_bytes()


def test_a_lot_is_named_as_the_trace_names_it(finca: Any) -> None:
    assert BRIEF in finca("--home", "finca", "trace", "back", ITEM).out
    done = finca("--home", "finca", "export", "lot", BRIEF, "--out", "brief.bundle")
    assert (done.code, done.out) == (0, "brief.bundle\n"), done.err
    assert finca("--home", "finca", "export", "lot", BRIEF[:-1], "--out", "other.bundle").code == 3


def test_a_bundle_of_the_network_that_was_named_is_accepted_and_of_another_refused(finca: Any) -> None:
    made = finca("--home", "finca", "--json", "export", "log", "--out", "named.bundle").value
    assert finca("verify", "named.bundle", "--of", made["words"]).code == 0
    assert finca("verify", "named.bundle", "--of", made["network"]).code == 0
    done = finca("verify", "named.bundle", "--of", "lusab-babad-gutih-tugad")
    assert done.code == 1
    assert "bundle-network" in done.out


def test_a_file_that_is_there_is_not_written_over(finca: Any) -> None:
    (finca.folder / "there.bundle").write_text("mine")
    assert finca("--home", "finca", "export", "log", "--out", "there.bundle").code == 1
    assert (finca.folder / "there.bundle").read_text() == "mine"


def test_a_bundle_for_nobody_in_the_network_is_refused(finca: Any) -> None:
    done = finca("--home", "finca", "export", "log", "--for", "stranger", "--out", "nobody.bundle")
    assert done.code == 3
    assert not (finca.folder / "nobody.bundle").exists()


def test_an_imported_home_reads_everything_and_serves_nothing(finca: Any) -> None:
    finca("--home", "finca", "export", "network", "--out", "reading.bundle")
    made = finca("--home", "reading", "import", "reading.bundle")
    assert made.code == 0, made.err
    assert "never writes" in made.err
    assert "for everybody" in finca("--home", "reading", "log", "show").out
    assert finca("--home", "reading", "trace", "back", ITEM).code == 0
    assert finca("--home", "reading", "verify").code == 0
    assert finca("--home", "reading", "receipt", "finca:2", "--out", "read.tlog-proof").code == 0
    assert finca("--home", "reading", "status").code == 0
    assert finca("--home", "reading", "agree", "show").code == 0
    assert finca("--home", "reading", "network", "show").code == 0
    refused = finca("--home", "reading", "serve")
    assert refused.code == 3
    assert "no keys" in refused.err
    assert finca("--home", "reading", "log", "add", "not mine").code != 0


def test_a_tampered_bundle_is_not_imported(finca: Any) -> None:
    finca("--home", "finca", "export", "network", "--out", "good.bundle")
    data = bytearray((finca.folder / "good.bundle").read_bytes())
    data[len(data) // 2] ^= 1
    (finca.folder / "bad.bundle").write_bytes(data)
    done = finca("--home", "bad", "import", "bad.bundle")
    assert done.code == 1
    assert "bundle-form" in done.out
    assert not Path(finca.folder / "bad").exists()


def test_a_bundle_of_a_lot_is_not_imported(finca: Any) -> None:
    finca("--home", "finca", "export", "lot", ITEM, "--out", "lot.bundle")
    done = finca("--home", "lot", "import", "lot.bundle")
    assert done.code == 2
    assert "single entries" in done.err


def test_a_file_that_is_not_there_could_not_be_checked(finca: Any) -> None:
    assert finca("--home", "none", "import", "none.bundle").code == 3


def test_an_imported_home_with_keys_serves_again_once_it_was_judged(finca: Any) -> None:
    """Nobody else is in the network, so that there is nobody to hear. The first home's node has ended."""
    finca("--home", "finca", "export", "network", "--out", "whole.bundle")
    made = finca("--home", "again", "--json", "import", "whole.bundle", "--keys", "finca/keys")
    assert made.code == 0, made.err
    assert made.value["writes"]
    finca.stop("finca")
    finca.start("again")
    finca.until(lambda: finca("--home", "again", "log", "add", "back again").code == 0)
    finca.stop("again")
    shown = finca("--home", "again", "log", "show").out
    assert "for everybody" in shown
    assert "back again" in shown
    assert finca("--home", "again", "verify").code == 0
