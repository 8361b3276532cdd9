"""Agreements on the command line, between two firms: from the proposal to what is due."""

from __future__ import annotations

from typing import Any

import pytest

CONTRACT = """\
contract: 1
name: sale
parties: {seller: finca, broker: finca, buyer: roast}
timekeeper: finca
sign: {seller: 1, broker: 1, buyer: {need: 1, of: [procurement]}}
params:
  price: {money: "6.20 EUR"}
text: "{seller}, brokered by {broker}, sells to {buyer} at {price} a kilogram."
facts:
  handed_over: {by: [seller], confirm: [buyer], fields: {kilograms: decimal}}
rules:
  - name: payment
    when: exists(handed_over)
    then:
      - {due: {from: buyer, to: seller, amount: "round(price * handed_over.kilograms, 2, half_up)"}}
"""


FINCA, ROAST = ("--home", "finca"), ("--home", "roast")


@pytest.fixture(scope="module")
def firms(running: Any) -> Any:
    """`tally` with two firms whose nodes run."""
    assert running(*FINCA, "network", "invite", "roast").code == 0
    assert running(*ROAST, "network", "join", "roast.invitation", "--yes", "--person", "berta").code == 0
    running.start("roast")
    running.until(lambda: len(running(*FINCA, "network", "show", "--json").value["members"]) == 2)
    return running


@pytest.fixture(scope="module")
def proposed(firms: Any) -> Any:
    """The same with an agreement that both know and nobody has signed."""
    (firms.folder / "sale.yaml").write_text(CONTRACT)
    done = firms(*FINCA, "agree", "propose", "sale.yaml", "--json")
    assert done.code == 0, done.err
    firms.until(lambda: firms(*ROAST, "agree", "show", "sale").code == 0)
    return firms


@pytest.fixture(scope="module")
def in_force(proposed: Any) -> Any:
    """The same, signed by both."""
    for role in ("seller", "broker"):
        assert proposed(*FINCA, "agree", "sign", "sale", "--party", role, "--yes").code == 0
    assert proposed(*ROAST, "agree", "sign", "sale", "--yes").code == 4  # nobody has the role
    assert proposed(*ROAST, "people", "add", "bea", "--role", "procurement").code == 0
    assert proposed(*ROAST, "agree", "sign", "sale", "--yes").code == 0
    for home in (FINCA, ROAST):
        proposed.until(lambda h=home: status(proposed, h) == "in force")
    return proposed


def status(calls: Any, home: tuple[str, ...]) -> Any:
    return calls(*home, "agree", "show", "sale", "--json").value["status"]


def test_a_document_with_a_fault_is_refused_with_line_and_column(running: Any) -> None:
    (running.folder / "bad.yaml").write_text(CONTRACT.replace("price * handed_over", "prize * handed_over"))
    done = running("--home", "finca", "agree", "propose", "bad.yaml", "--json")
    assert done.code == 1
    assert done.value["error"]["where"].startswith("bad.yaml line ")


def test_a_document_that_is_no_text_is_refused(running: Any) -> None:
    (running.folder / "junk.yaml").write_bytes(b"\xff\xfe\x00")
    assert running("--home", "finca", "agree", "propose", "junk.yaml").code == 1


def test_an_offer_that_has_lapsed_already_is_refused(proposed: Any) -> None:
    done = proposed("--home", "finca", "agree", "propose", "sale.yaml", "--until", "2020-01-01T00:00:00Z")
    assert done.code == 1


def test_prose_and_values_are_shown_before_signing(proposed: Any) -> None:
    done = proposed("--home", "finca", "agree", "sign", "sale", "--party", "seller")
    assert "finca, brokered by finca, sells to roast at 6.20 EUR a kilogram." in done.err
    assert done.code == 2  # nobody to ask
    assert "--yes" in done.err


def test_a_no_signs_nothing(proposed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.call.asks", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *args, **kwargs: False)
    size = proposed("--home", "finca", "log", "show", "--json").value["size"]
    assert proposed("--home", "finca", "agree", "sign", "sale", "--party", "seller").code == 4
    assert proposed("--home", "finca", "log", "show", "--json").value["size"] == size


def test_which_role_is_asked_where_there_are_several(proposed: Any) -> None:
    done = proposed("--home", "finca", "agree", "sign", "sale", "--yes")
    assert done.code == 1
    assert "say --party ROLE" in done.err


def test_a_role_that_is_none_is_not_allowed(proposed: Any) -> None:
    assert proposed("--home", "finca", "agree", "sign", "sale", "--party", "judge", "--yes").code == 4


def test_a_person_without_a_key_here_cannot_sign(proposed: Any) -> None:
    done = proposed("--home", "finca", "agree", "sign", "sale", "--party", "seller", "--as", "zoe", "--yes")
    assert done.code == 3


def test_an_agreement_that_nobody_knows_could_not_be_shown(proposed: Any) -> None:
    assert proposed("--home", "finca", "agree", "show", "nothing").code == 3


def test_signing_what_is_in_force_is_refused(in_force: Any) -> None:
    done = in_force("--home", "finca", "agree", "sign", "sale", "--party", "seller", "--as", "ana", "--yes")
    assert done.code == 1
    assert "an agreement in force" in done.err


def test_an_agreement_is_found_by_its_first_digits(in_force: Any) -> None:
    (listed,) = in_force("--home", "finca", "agree", "show", "--json").value
    shown = in_force("--home", "finca", "agree", "show", listed["agreement"][:10], "--json").value
    assert shown["name"] == "sale"


def test_why_says_what_a_rule_waits_for(in_force: Any) -> None:
    text = in_force("--home", "finca", "agree", "show", "sale", "--why").out
    assert "rule payment: has" in text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (("kilograms=heavy",), 1),
        ((), 1),
        (("kilograms=1", "colour=red"), 1),
        (("kilograms",), 2),
        (("kilograms=1", "kilograms=2"), 2),
    ],
)
def test_a_fact_that_does_not_fit_is_refused(in_force: Any, fields: tuple[str, ...], code: int) -> None:
    done = in_force("--home", "finca", "claim", "sale", "handed_over", *fields, "--json")
    assert done.code == code
    assert done.value["error"]["expected"]


def test_a_fact_that_the_contract_does_not_have_is_refused(in_force: Any) -> None:
    assert in_force("--home", "finca", "claim", "sale", "stolen").code == 1


def test_a_confirmation_of_nothing_could_not_be_made(in_force: Any) -> None:
    assert in_force("--home", "finca", "confirm", "00ff00ff", "--yes").code == 3


def test_what_is_claimed_and_confirmed_becomes_due_and_final(in_force: Any) -> None:
    stated = in_force(*FINCA, "claim", "sale", "handed_over", "kilograms=10", "--cite", "finca:0", "--json")
    assert stated.code == 0, stated.err
    in_force.until(lambda: "to confirm 'handed_over'" in in_force(*ROAST, "status").out)
    done = in_force(*ROAST, "confirm", "sale:handed_over", "--as", "bea", "--yes", "--json")
    assert done.code == 0, done.err
    in_force.until(lambda: [due["final"] for due in in_force(*FINCA, "due", "--json").value] == [True])
    (due,) = in_force(*FINCA, "due", "--agreement", "sale", "--json").value
    assert (due["amount"], due["from"], due["to"]) == ("62.00 EUR", "roast", "finca")
    assert "final" in in_force(*FINCA, "due").out
    again = in_force(*ROAST, "confirm", stated.value["leaf"][:12], "--as", "bea", "--yes")
    assert again.code == 1


def test_a_partner_in_the_status_says_how_far_both_are(in_force: Any) -> None:
    in_force.until(lambda: in_force(*FINCA, "status", "--json").value["partners"][0]["agrees"])
    done = in_force(*FINCA, "status")
    assert "Partners" in done.out
    assert "agree" in done.out


def test_a_deadline_that_is_over_is_told_to_who_proposes_and_who_signs(firms: Any) -> None:
    past = "deadlines: {window: {at: close}}\nparams:\n  close: {instant: '2020-01-01T00:00:00Z'}\n"
    text = CONTRACT.replace("params:\n", past).replace("name: sale", "name: stale")
    text = text.replace("fields: {kilograms", "before: window, fields: {kilograms")
    (firms.folder / "stale.yaml").write_text(text)
    told = "the deadline 'window', 2020-01-01 00:00:00 UTC, is over"
    assert told in firms(*FINCA, "agree", "propose", "stale.yaml").err
    assert told in firms(*FINCA, "agree", "sign", "stale", "--party", "seller", "--yes").err
    assert firms(*FINCA, "agree", "withdraw", "stale").code == 0
