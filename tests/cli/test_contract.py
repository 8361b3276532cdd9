"""`tally contract`: documents checked, shown, tried out and explained, without a home and with one."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

DOCUMENTS = Path(__file__).resolve().parents[1] / "contracts" / "documents"
STORY = """
start: "2019-01-01T00:00:00Z"
until: "2019-04-01T00:00:00Z"
story: [{fact: delivered, at: "2019-01-19T03:24:00Z"}]
"""
BROKEN = """contract: 1
name: broken
parties: {a: acme, b: bolt}
timekeeper: port
facts: {f: {by: [a]}}
rules:
  - {name: r, when: not exists(f) and g, then: [{notify: [c]}]}
"""


@pytest.fixture
def late(tally: Any) -> Any:
    """`tally` in a folder with a contract and a story for it."""
    (tally.folder / "late.yaml").write_bytes((DOCUMENTS / "late-delivery.yaml").read_bytes())
    (tally.folder / "story.yaml").write_text(STORY)
    (tally.folder / "broken.yaml").write_text(BROKEN)
    return tally


def test_check_says_everything_at_once_and_ends_with_1(late: Any) -> None:
    done = late("contract", "check", "broken.yaml", "--json")
    value = json.loads(done.out)
    assert done.code == 1
    assert [problem["where"].partition(" (")[0] for problem in value["errors"]] == [
        "broken.yaml line 7 column 39",
        "broken.yaml line 7 column 49",
    ]
    assert all(problem["found"] and problem["action"] for problem in value["errors"])


def test_check_of_a_good_contract_ends_with_0_and_warns(late: Any) -> None:
    done = late("contract", "check", "late.yaml")
    assert done.code == 0
    assert done.out.startswith("warning: late.yaml line ")
    assert "late.yaml: it can be proposed (0 errors, 1 warning)" in done.err


def test_what_is_no_contract_ends_with_1_and_what_is_not_there_with_2(late: Any) -> None:
    assert late("contract", "check", "story.yaml").code == 1
    assert late("contract", "check", "nothing.yaml").code == 2


def test_a_contract_with_errors_is_not_shown_and_not_tried_out(late: Any) -> None:
    assert late("contract", "render", "broken.yaml").code == 1
    assert late("contract", "simulate", "broken.yaml", "story.yaml").code == 1


def test_simulate_tells_what_follows_and_draws_it(late: Any) -> None:
    done = late("contract", "simulate", "late.yaml", "story.yaml", "--svg", "late.svg")
    assert done.code == 0
    assert "rule penalty: acme (seller) owes bolt (buyer) 84.00 USD" in done.out
    assert "In the end: in force" in done.out
    assert ET.parse(late.folder / "late.svg").getroot().tag.endswith("svg")


def test_simulate_gives_the_same_as_json(late: Any) -> None:
    value = json.loads(late("contract", "simulate", "late.yaml", "story.yaml", "--json").out)
    assert [due["amount"] for due in value["due"]] == ["84.00 USD"]
    assert value["steps"][-1]["effects"][0]["kind"] == "due"
    assert value["facts"][0]["status"] == "exists"


def test_a_scenario_that_does_not_fit_is_refused_with_its_place(late: Any) -> None:
    (late.folder / "story.yaml").write_text("story: [{fact: nothing, at: 2019-01-19T03:24:00Z}]")
    done = late("contract", "simulate", "late.yaml", "story.yaml")
    assert (done.code, done.out) == (1, "")
    assert "story.yaml line 1 column 16" in done.err


def test_render_writes_one_page(late: Any) -> None:
    assert late("contract", "render", "late.yaml", "-o", "late.html").out == "late.html\n"
    page = (late.folder / "late.html").read_text()
    assert late("contract", "render", "late.yaml").out == page
    assert "84.00 USD" in page


def test_explain_of_a_document_needs_a_scenario(late: Any) -> None:
    assert late("contract", "explain", "late.yaml").code == 2
    done = late("contract", "explain", "late.yaml", "quit", "--scenario", "story.yaml")
    assert done.code == 0
    assert done.out.splitlines()[0] == "rule quit: has not fired"
    assert "from “delivered” by dart, counted 2019-01-19 03:24:00 UTC" in done.out


def test_explain_of_a_rule_that_is_not_there_names_those_that_are(late: Any) -> None:
    done = late("contract", "explain", "late.yaml", "nothing", "--scenario", "story.yaml")
    assert done.code == 3
    assert "penalty, quit, closed" in done.err


def test_an_agreement_is_shown_with_its_standing_and_explained_as_agree_show_does(running: Any) -> None:
    (running.folder / "own.yaml").write_text(
        "contract: 1\nname: own\nparties: {a: finca, b: finca}\ntimekeeper: finca\n"
        "facts: {f: {by: [a]}}\nrules: [{name: r, when: exists(f), then: [{notify: [b]}]}]\n"
    )
    assert running("--home", "finca", "agree", "propose", "own.yaml").code == 0
    page = running("--home", "finca", "contract", "render", "own").out
    assert "How it stands: proposed" in page
    explained = running("--home", "finca", "contract", "explain", "own").out
    assert "waits for  f: not stated; finca (a) may state it" in explained
    assert explained in running("--home", "finca", "agree", "show", "own", "--why").out


def test_check_tells_faults_of_form_with_all_others(late: Any) -> None:
    (late.folder / "faults.yaml").write_text(
        BROKEN.replace("by: [a]", "by: [a], mux: 2").replace("c]", "c], on: 1")
    )
    done = late("contract", "check", "faults.yaml", "--json")
    value = json.loads(done.out)
    assert (done.code, value["name"], value["agreement"], value["cost"]) == (1, None, None, None)
    assert [(problem["found"], problem["action"]) for problem in value["errors"]] == [
        ("the key 'mux'", "write max"),
        ("the key 'on'", "remove or rename it"),
        ("the name 'g'", "define g under params or lets"),
        ("the role 'c'", "add it under parties or correct it"),
    ]


def test_explain_says_what_can_no_longer_be_and_what_stands(late: Any) -> None:
    item = (
        'story:\n  - {correct: penalty, amount: 63.00 USD, text: ours, counted: "2019-02-20T00:00:00Z"}\n  - '
    )
    (late.folder / "story.yaml").write_text(STORY.replace("story: [", item).replace("}]", "}"))
    told = late("contract", "explain", "late.yaml", "--scenario", "story.yaml").out
    assert "  stands    corrected by bolt, 2019-02-20 00:00:00 UTC: “ours”" in told
    assert "  stands    acme (seller) owes bolt (buyer) 63.00 USD" in told
    assert "  can no longer fire: nothing that may still come makes this hold: “late” is 0" in told
