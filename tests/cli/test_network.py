"""Founding, inviting and joining, and the people who sign."""

from __future__ import annotations

import stat
from typing import Any

import pytest

FOUND = ("network", "found", "Coffee", "--organization", "finca")


def test_found_makes_a_home_and_says_the_words(tally: Any) -> None:
    done = tally("--home", "h", *FOUND, "--title", "Finca", "--person", "ana", "--json")
    assert done.code == 0
    assert done.value["origin"].startswith("finca/")
    assert len(done.value["words"].split("-")) == 4
    assert (tally.folder / "h" / "people" / "ana.key").is_file()


def test_found_keeps_what_was_said_about_listening(tally: Any) -> None:
    tally("--home", "h", *FOUND, "--port", "9001", "--url", "https://finca.example:9001")
    text = (tally.folder / "h" / "config.toml").read_text()
    assert text == 'port = 9001\nurl = "https://finca.example:9001"\n'


def test_found_refuses_a_port_that_is_none(tally: Any) -> None:
    assert tally("--home", "h", *FOUND, "--port", "70000").code == 2
    assert not (tally.folder / "h").exists()


@pytest.mark.parametrize(("option", "value"), [("--url", "not a url"), ("--host", "")])
def test_found_refuses_an_address_that_is_none(tally: Any, option: str, value: str) -> None:
    assert tally("--home", "h", *FOUND, option, value).code == 2
    assert not (tally.folder / "h").exists()


def test_a_folder_that_cannot_be_made_is_wrong_usage(tally: Any) -> None:
    (tally.folder / "file").touch()
    done = tally("--home", "file/h", *FOUND, "--json")
    assert (done.code, done.value["error"]["code"]) == (2, "usage")


def test_what_comes_next_can_be_typed_as_it_stands(tally: Any) -> None:
    done = tally("--home", "my homes/h", *FOUND)
    assert "tally --home 'my homes/h' serve" in done.err
    assert "tally --home 'my homes/h' network invite NAME" in done.err


def test_a_network_of_one_has_no_witnesses_yet(tally: Any) -> None:
    tally.found("finca")
    assert "none yet" in tally("--home", "finca", "network", "show").out


def test_found_refuses_a_folder_that_is_not_empty(tally: Any) -> None:
    (tally.folder / "h").mkdir()
    (tally.folder / "h" / "x").touch()
    done = tally("--home", "h", *FOUND, "--json")
    assert (done.code, done.value["error"]["code"]) == (1, "conflict")


@pytest.mark.parametrize("name", ["Finca", "a b", "", "x" * 33, "ä"])
def test_found_refuses_a_name_that_could_be_confused(tally: Any, name: str) -> None:
    assert tally("--home", "h", "network", "found", "Coffee", "--organization", name).code == 2
    assert not (tally.folder / "h").exists()


def test_found_without_a_passphrase_or_a_terminal_is_wrong_usage(tally: Any) -> None:
    done = tally("--home", "h", *FOUND, TALLY_PASSPHRASE="")
    assert done.code == 2


def test_init_asks_and_says_what_to_use_where_nobody_can_answer(tally: Any) -> None:
    done = tally("--home", "h", "init")
    assert done.code == 2
    assert "a terminal, or the answer as an option" in done.err


def test_init_founds_with_the_answers_that_it_gets(tally: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", "Coffee", "finca", "Finca", "ana"])
    monkeypatch.setattr("cli.call.asks", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *args, **kwargs: next(answers))
    assert tally("--home", "h", "init").code == 0
    assert tally("--home", "h", "network", "show", "--json").value["name"] == "Coffee"


def test_show_names_every_member_with_the_key_of_its_log(tally: Any) -> None:
    tally.found("finca")
    (member,) = tally("--home", "finca", "network", "show", "--json").value["members"]
    assert member["organization"] == "finca"
    assert member["vkey"].startswith(member["origin"] + "+")


def test_an_invitation_is_a_private_file_that_is_never_overwritten(running: Any) -> None:
    path = running.folder / "port.invitation"
    assert running("--home", "finca", "network", "invite", "port").code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert running("--home", "finca", "network", "invite", "port").code == 1
    assert path.read_bytes() == before


def test_an_invitation_that_cannot_be_written_is_not_made(running: Any) -> None:
    done = running("--home", "finca", "network", "invite", "nowhere", "--out", "no/folder/x")
    assert done.code == 2
    assert "nowhere" not in running("--home", "finca", "network", "show", "--json").value["invited"]


def test_an_invitation_that_is_refused_leaves_no_file(running: Any) -> None:
    assert running("--home", "finca", "network", "invite", "finca").code == 1
    assert not (running.folder / "finca.invitation").exists()


def test_an_invitation_for_no_name_is_wrong_usage(running: Any) -> None:
    assert running("--home", "finca", "network", "invite", "No Name").code == 2


def test_joining_makes_a_member_whose_node_the_others_find(running: Any) -> None:
    running("--home", "finca", "network", "invite", "roast")
    done = running("--home", "roast", "network", "join", "roast.invitation", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.value["origin"].startswith("roast/")
    running.start("roast")
    running.until(lambda: len(members(running)) == 2 and members(running)[1]["url"])
    running.stop("roast")


def test_joining_goes_on_after_a_failure(tally: Any) -> None:
    tally.found("finca")
    tally.start("finca")
    tally("--home", "finca", "network", "invite", "roast")
    tally.stop("finca")
    join = ("--home", "roast", "network", "join", "roast.invitation", "--yes")
    assert tally(*join).code == 3
    serve = tally("--home", "roast", "serve", "--json")
    assert (serve.code, serve.value["error"]["code"]) == (3, "unavailable")
    assert "not joined yet: tally --home roast network join FILE" in tally("--home", "roast", "status").out
    found = tally("--home", "finca", "network", "show", "--json").value["members"][0]["url"]
    tally.environ = {**tally.environ, "TALLY_PORT": found.rpartition(":")[2]}
    tally.start("finca")
    assert tally(*join).code == 0
    assert tally("--home", "roast", "status", "--json").value["joined"] is True


def members(running: Any) -> Any:
    return running("--home", "finca", "network", "show", "--json").value["members"]


def test_joining_with_a_file_that_is_none_changes_nothing(running: Any) -> None:
    (running.folder / "junk").write_bytes(b"\xff\x00")
    done = running("--home", "j", "network", "join", "junk", "--yes", "--json")
    assert (done.code, done.value["error"]["code"]) == (1, "malformed")
    assert not (running.folder / "j").exists()


def test_joining_without_comparing_words_needs_somebody_to_ask(running: Any) -> None:
    running("--home", "finca", "network", "invite", "dock")
    assert running("--home", "d", "network", "join", "dock.invitation").code == 2
    assert not (running.folder / "d").exists()


def test_a_person_who_is_added_may_act(running: Any) -> None:
    done = running("--home", "finca", "people", "add", "bea", "--role", "procurement", "--json")
    assert done.code == 0, done.err
    people = running("--home", "finca", "people", "list", "--json").value
    assert ["procurement"] in [person["roles"] for person in people if person["name"] == "bea"]


def test_a_person_keeps_their_key_when_they_are_granted_more(running: Any) -> None:
    running("--home", "finca", "people", "add", "cyd")
    before = (running.folder / "finca" / "people" / "cyd.key").read_bytes()
    assert running("--home", "finca", "people", "add", "cyd", "--role", "finance").code == 0
    assert (running.folder / "finca" / "people" / "cyd.key").read_bytes() == before
    cyd = [p for p in running("--home", "finca", "people", "list", "--json").value if p["name"] == "cyd"]
    assert [person["roles"] for person in cyd] == [["finance"]]


def test_a_person_with_a_bad_name_or_role_is_wrong_usage(running: Any) -> None:
    assert running("--home", "finca", "people", "add", "../x").code == 2
    assert running("--home", "finca", "people", "add", "x", "--role", "A B").code == 2
