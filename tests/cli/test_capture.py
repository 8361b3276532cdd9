"""Capturing, and what is read of it: log, trace, receipts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.client import RUNNING_FILE
from cli.demo import goods
from cli.demo.firms import FINCA
from node.serve import RUNNING


@pytest.fixture(scope="module")
def captured(running: Any) -> Any:
    """`tally` with a running node that has captured a harvest and its shipment."""
    for papers in (goods.harvest(), goods.shipment()):
        (running.folder / papers.file).write_text(papers.text(), encoding="utf-8")
    done = running("--home", "finca", "capture", "harvest.json", "ship*.json", "--json")
    assert (done.code, done.value["recorded"]) == (0, 14), done.err
    return running


def test_what_is_captured_twice_is_recorded_once_and_said(captured: Any) -> None:
    done = captured("--home", "finca", "capture", "harvest.json")
    assert done.code == 0
    assert done.out == "harvest.json: 10 events already recorded\n"


def test_capture_takes_standard_input(captured: Any) -> None:
    text = goods.harvest().text().encode()
    done = captured("--home", "finca", "capture", "-", "--json", stdin=text)
    assert done.value["already_recorded"] == 10


def test_a_bad_file_is_refused_with_its_place_and_the_others_still_count(captured: Any) -> None:
    events = json.loads(goods.harvest().text())
    del events["epcisBody"]["eventList"][1]["eventTime"]
    (captured.folder / "bad.json").write_text(json.dumps(events))
    done = captured("--home", "finca", "capture", "bad.json", "harvest.json", "--json")
    assert done.code == 1
    assert (done.value["already_recorded"], done.value["refused"]) == (10, 1)
    assert "eventList[1]" in done.value["files"][0]["error"]["where"]


def test_a_pattern_that_fits_nothing_is_wrong_usage(captured: Any) -> None:
    assert captured("--home", "finca", "capture", "no*.json").code == 2


def test_a_file_that_is_not_there_is_wrong_usage(captured: Any) -> None:
    assert captured("--home", "finca", "capture", "none.json").code == 2


def test_where_one_file_is_not_there_nothing_is_recorded(captured: Any) -> None:
    (captured.folder / "roasting.json").write_text(goods.roasting().text(), encoding="utf-8")
    before = captured("--home", "finca", "status", "--json").value["own"]["size"]
    assert captured("--home", "finca", "capture", "roasting.json", "nowhere.json").code == 2
    assert captured("--home", "finca", "status", "--json").value["own"]["size"] == before


def test_an_audience_of_strangers_is_refused(captured: Any) -> None:
    (captured.folder / "other.json").write_text(goods.freight().text())
    done = captured("--home", "finca", "capture", "other.json", "--for", "stranger", "--json")
    assert (done.code, done.value["recorded"]) == (1, 0)


def test_without_a_node_a_write_says_how_to_start_it(tally: Any) -> None:
    tally.found("finca")
    (tally.folder / "harvest.json").write_text(goods.harvest().text())
    done = tally("--home", "finca", "capture", "harvest.json")
    assert done.code == 3
    assert "start it in another terminal: tally --home finca serve" in done.err


def test_a_node_that_was_killed_is_not_believed_to_run(tally: Any) -> None:
    tally.found("finca")
    (tally.folder / "finca" / RUNNING_FILE).write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    done = tally("--home", "finca", "log", "add", "x")
    assert done.code == 3
    assert "serve" in done.err


def test_command_line_and_node_mean_the_same_file() -> None:
    assert RUNNING_FILE == RUNNING


def test_the_log_is_shown_newest_last_and_page_by_page(captured: Any) -> None:
    page = captured("--home", "finca", "log", "show", "--from", "0", "--limit", "2", "--json").value
    assert [entry["kind"] for entry in page["entries"]] == ["log.open", "person.grant"]
    text = captured("--home", "finca", "log", "show", "finca", "--limit", "3").out
    assert len(text.splitlines()) == 4


def test_the_log_of_a_stranger_is_not_here(captured: Any) -> None:
    assert captured("--home", "finca", "log", "show", "stranger").code == 3


def test_a_remark_is_recorded_once_under_one_key(captured: Any) -> None:
    first = captured("--home", "finca", "log", "add", "hello", "--key", "k1", "--json").value
    again = captured("--home", "finca", "log", "add", "hello", "--key", "k1", "--json").value
    assert (first["seq"], first["new"], again["new"]) == (again["seq"], True, False)


def test_another_remark_under_a_used_key_is_refused(captured: Any) -> None:
    captured("--home", "finca", "log", "add", "hello", "--key", "k2")
    assert captured("--home", "finca", "log", "add", "other", "--key", "k2").code == 1


def test_a_remark_cannot_rule_the_terminal(captured: Any) -> None:
    captured("--home", "finca", "log", "add", "a\x1b[2Jb")
    shown = captured("--home", "finca", "log", "show").out
    assert "\x1b" not in shown
    assert "a\\u001b[2Jb" in shown


@pytest.mark.parametrize("thing", [goods.FARM_LOT, goods.FARM_LOT.removeprefix("https://id.gs1.org/")])
def test_a_thing_is_traced_by_its_full_and_its_short_name(captured: Any, thing: str) -> None:
    answer = captured("--home", "finca", "trace", "forward", thing, "--json").value
    assert answer["target"] == goods.FARM_LOT
    assert {edge["how"] for edge in answer["edges"]} == {"transformed", "packed"}


def test_a_trace_goes_back_to_the_sources(captured: Any) -> None:
    sack = FINCA.item(goods.SACK, 1)
    answer = captured("--home", "finca", "trace", "back", sack, "--json").value
    lots = {FINCA.lot(goods.CHERRIES, "H-1"), FINCA.lot(goods.CHERRIES, "H-2")}
    assert {leaf["thing"] for leaf in answer["leaves"]} == lots


def test_a_trace_of_what_nobody_named_could_not_be_checked(captured: Any) -> None:
    assert captured("--home", "finca", "trace", "back", "urn:epc:id:sgtin:1.2.3").code == 3


def test_a_trace_at_no_time_is_refused(captured: Any) -> None:
    assert captured("--home", "finca", "trace", "back", goods.FARM_LOT, "--at", "yesterday").code == 2


def test_every_entry_of_a_trace_gets_a_receipt_that_verifies(captured: Any) -> None:
    folder = captured.folder / "recall"
    done = captured("--home", "finca", "trace", "back", FINCA.item(goods.SACK, 5), "--receipts", "recall",
                    "--json")  # fmt: skip
    files = sorted(folder.iterdir())
    assert sorted(done.value["receipts"].values()) == [f"recall/{path.name}" for path in files]
    assert {captured("--home", "finca", "verify", str(path)).code for path in files} == {0}


@pytest.mark.parametrize("extra", [(), ("--hide",)])
def test_a_receipt_proves_with_and_without_what_it_says(captured: Any, extra: tuple[str, ...]) -> None:
    name = f"r{len(extra)}.tlog-proof"
    done = captured("--home", "finca", "receipt", "finca:0", "--out", name, *extra, "--json")
    assert done.value["payload"] == (not extra)
    assert captured("--home", "finca", "verify", name).code == 0


def test_a_receipt_goes_to_standard_output_as_it_is(captured: Any) -> None:
    done = captured("--home", "finca", "receipt", "finca:1")
    assert done.out.startswith("c2sp.org/tlog-proof@v1\n")
    assert done.out == captured("--home", "finca", "receipt", "finca:1", "--json").value["receipt"]


def test_an_entry_is_named_by_its_hash_or_by_its_event(captured: Any) -> None:
    done = captured("--home", "finca", "capture", "harvest.json", "--json").value
    event = done["files"][0]["events"][0]
    by_hash = captured("--home", "finca", "receipt", event["leaf"], "--json").value
    by_event = captured("--home", "finca", "receipt", event["event_id"], "--json").value
    assert (by_hash["seq"], by_event["seq"]) == (event["seq"], event["seq"])


@pytest.mark.parametrize("entry", ["finca:99999", "stranger:0", "00" * 32, "nonsense", ":", "finca:x"])
def test_a_receipt_of_nothing_could_not_be_made(captured: Any, entry: str) -> None:
    assert captured("--home", "finca", "receipt", entry).code == 3


def test_status_says_how_things_stand_with_and_without_a_node(captured: Any, tally: Any) -> None:
    live = captured("--home", "finca", "status", "--json").value
    assert live["node"].startswith("https://127.0.0.1:")
    assert live["wrong"] == []
    tally.found("finca")
    alone = tally("--home", "finca", "status", "--json").value
    assert alone["node"] is None
    assert alone["wrong"] == ["no node runs this home: nothing is recorded, sent or received"]


def test_serving_a_home_twice_is_refused(captured: Any) -> None:
    done = captured.process("--home", "finca", "serve")
    assert done.code == 1
    assert "opened by process" in done.err


def test_serving_with_a_wrong_passphrase_is_not_allowed(tally: Any) -> None:
    tally.found("finca")
    assert tally.process("--home", "finca", "serve", TALLY_PASSPHRASE="wrong").code == 4


def test_a_node_ends_with_0_when_it_is_told_to(tally: Any) -> None:
    tally.found("finca")
    tally.start("finca")
    assert tally.stop("finca") == 0
