"""How agreements end, go on and are put right, between three firms whose nodes run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

DELIVERY = """\
contract: 1
name: delivery
parties: {seller: finca, buyer: roast}
timekeeper: port
sign: {seller: 1, buyer: 1, timekeeper: 1}
params:
  price: {money: "6.20 EUR"}
  pay: {duration: 30 days}
  slack: {duration: 1 second}
text: >
  {seller} hands lots of coffee over to {buyer}, who owes {price} for each kilogram within {pay} once it has
  confirmed a lot. A claim must be confirmed within {slack} of the last call.
facts:
  handed_over:
    {by: [seller], confirm: [buyer], per: lot, attachments: 1, fields: {lot: string, kilograms: decimal}}
  last_call: {by: [buyer]}
  claimed: {by: [buyer], confirm: [seller], before: window}
deadlines:
  window: {at: last_call.counted + slack}
lets:
  owed: round(price * handed_over.kilograms, 2, half_up)
rules:
  - name: payment
    per: lot
    when: exists(handed_over)
    then:
      - {due: {from: buyer, to: seller, amount: owed, within: pay}}
  - name: claim
    when: exists(claimed)
    then: [{notify: [seller]}]
"""

FINCA, ROAST, PORT = ("--home", "finca"), ("--home", "roast"), ("--home", "port")
HOMES = {"seller": FINCA, "buyer": ROAST, "timekeeper": PORT}


@pytest.fixture(scope="module")
def firms(running: Any) -> Any:
    """`tally` with three firms whose nodes run; `port` keeps the time."""
    for name in ("roast", "port"):
        assert running(*FINCA, "network", "invite", name).code == 0
        joined = running("--home", name, "network", "join", f"{name}.invitation", "--yes", "--person", "bea")
        assert joined.code == 0, joined.err
        running.start(name)
    running.until(lambda: len(running(*ROAST, "network", "show", "--json").value["members"]) == 3)
    return running


@pytest.fixture(scope="module")
def delivery(firms: Any) -> Any:
    """The same with an agreement in force."""
    return into_force(firms, "delivery", DELIVERY)


@pytest.fixture(scope="module")
def delivered(delivery: Any) -> Any:
    """The same after two lots, of which the second was weighed wrongly."""
    (delivery.folder / "note.txt").write_text("dock 2")
    for lot in ("L1", "L2"):
        fields = (f"lot={lot}", "kilograms=10", "--attach", "note.txt", "--attach", "note.txt")
        stated = delivery(*FINCA, "claim", "delivery", "handed_over", *fields, "--json")
        assert stated.code == 0, stated.err
        leaf = stated.value["leaf"]
        delivery.until(lambda leaf=leaf: leaf[:16] in delivery(*ROAST, "status").out)
        done = delivery(*ROAST, "confirm", leaf[:12], "--attach", "note.txt", "--yes")
        assert done.code == 0, done.err
    delivery.until(lambda: [due["final"] for due in dues(delivery)] == [True, True])
    return delivery


def into_force(calls: Any, name: str, text: str, *options: str) -> Any:
    (calls.folder / f"{name}.yaml").write_text(text)
    proposed = calls(*FINCA, "agree", "propose", f"{name}.yaml", *options, "--json")
    assert proposed.code == 0, proposed.err
    agreement = proposed.value["agreement"]
    for role, home in HOMES.items():
        calls.until(lambda h=home: calls(*h, "agree", "show", agreement).code == 0)
        done = calls(*home, "agree", "sign", agreement, "--party", role, "--yes")
        assert done.code == 0, done.err
    for home in HOMES.values():
        calls.until(lambda h=home: shown(calls, h, agreement)["status"] == "in force")
    return calls


def shown(calls: Any, home: tuple[str, ...], agreement: str) -> Any:
    return calls(*home, "agree", "show", agreement, "--json").value


def dues(calls: Any, home: tuple[str, ...] = FINCA) -> Any:
    return calls(*home, "due", "--json").value


# Before it is in force


def test_a_proposal_is_withdrawn_by_its_proposer_alone_and_declined_by_any_party(firms: Any) -> None:
    (firms.folder / "offer.yaml").write_text(DELIVERY.replace("name: delivery", "name: offer"))
    for home, act, told in ((FINCA, "withdraw", "withdrawn"), (ROAST, "decline", "declined")):
        firms(*FINCA, "agree", "propose", "offer.yaml")
        for other in (FINCA, ROAST, PORT):
            firms.until(lambda h=other: firms(*h, "agree", "show", "offer").out.count("lacking") == 3)
        refused = firms(*ROAST, "agree", "withdraw", "offer")
        assert (refused.code, "agree decline offer" in refused.err) == (4, True)
        assert firms(*PORT, "agree", "decline", "offer", "--yes").code == 4
        assert firms(*FINCA, "agree", "terminate", "offer", "--yes").code == 1
        yes = () if act == "withdraw" else ("--yes",)
        assert firms(*home, "agree", act, "offer", *yes).code == 0
        for other in (FINCA, ROAST):
            firms.until(lambda h=other, r=told: shown(firms, h, "offer")["reason"] == r)
        again = firms(*home, "agree", act, "offer", *yes)
        assert (again.code, f"one that ended ({told})" in again.err) == (1, True)
    signed = firms(*ROAST, "agree", "sign", "offer", "--yes")
    assert (signed.code, "agree propose FILE" in signed.err) == (1, True)


def test_an_offer_that_a_party_never_signs_lapses_by_its_time(firms: Any) -> None:
    (firms.folder / "brief.yaml").write_text(DELIVERY.replace("name: delivery", "name: brief"))
    until = datetime.now(UTC) + timedelta(seconds=8)
    said = ("--until", until.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    proposed = firms(*FINCA, "agree", "propose", "brief.yaml", *said)
    assert proposed.code == 0, proposed.err
    signed = firms(*FINCA, "agree", "sign", "brief", "--yes")
    assert "Still to sign, as far as this home knows: roast (1 signature as buyer), port" in signed.err
    firms.until(lambda: shown(firms, FINCA, "brief")["reason"] == "lapsed", seconds=30)
    late = firms(*FINCA, "agree", "sign", "brief", "--yes")
    assert (late.code, "one that ended (lapsed)" in late.err) == (1, True)


# Facts


def test_a_document_that_is_missing_or_another_is_refused(delivered: Any) -> None:
    fields = ("handed_over", "lot=L9", "kilograms=1")
    assert "expected at least 1" in delivered(*FINCA, "claim", "delivery", *fields).err
    assert delivered(*FINCA, "claim", "delivery", *fields, "--attach", "nothing.txt").code == 3
    assert delivered(*FINCA, "claim", "delivery", *fields, "--attach", ".").code == 3
    stated = delivered(*FINCA, "claim", "delivery", *fields, "--attach", "note.txt", "--json").value["leaf"]
    delivered.until(lambda: stated[:16] in delivered(*ROAST, "status").out)
    (delivered.folder / "other.txt").write_text("dock 3")
    done = delivered(*ROAST, "confirm", "delivery:handed_over", "--attach", "other.txt", "--yes")
    assert (done.code, "ask finca for the one that it means" in done.err) == (1, True)


def test_a_document_named_twice_is_stated_once(delivered: Any) -> None:
    assert [len(fact["attachments"]) for fact in shown(delivered, FINCA, "delivery")["facts"]][:2] == [1, 1]


def test_a_fact_that_waits_for_nobody_here_is_not_confirmed(delivered: Any) -> None:
    by_name = delivered(*FINCA, "confirm", "delivery:handed_over", "--yes")
    assert (by_name.code, "expected roast" in by_name.err) == (4, True)
    settled = next(f["leaf"] for f in shown(delivered, ROAST, "delivery")["facts"] if f["exists"])
    again = delivered(*ROAST, "confirm", settled[:12], "--yes")
    assert (again.code, "confirmed and exists" in again.err) == (1, True)
    assert delivered(*ROAST, "confirm", "delivery:claimed", "--yes").code == 3


def test_a_late_fact_is_not_confirmed_and_why_is_said(delivered: Any) -> None:
    assert delivered(*ROAST, "claim", "delivery", "claimed").code == 0
    assert delivered(*ROAST, "claim", "delivery", "last_call").code == 0
    delivered.until(lambda: any(d["closed"] for d in shown(delivered, FINCA, "delivery")["deadlines"]))
    done = delivered(*FINCA, "confirm", "delivery:claimed", "--yes")
    assert done.code == 1
    assert "late: not confirmed before window had closed" in done.err
    assert "changes nothing, confirmed or not" in done.err


# Corrections


def effects(calls: Any, rule: str) -> Any:
    return calls(*FINCA, "agree", "correct", "delivery", rule, "--json").value


def test_who_would_get_less_signs_a_correction_and_nobody_else(delivered: Any) -> None:
    (due,) = effects(delivered, "payment:L1")
    assert due["amount"] == "62.00 EUR"
    (delivered.folder / "less.json").write_text(json.dumps([{**due, "amount": "55.80 EUR"}]))
    command = ("agree", "correct", "delivery", "payment:L1", "less.json", "--yes")
    favoured = delivered(*ROAST, *command)
    assert (favoured.code, "expected finca, who would get less" in favoured.err) == (4, True)
    done = delivered(*FINCA, *command, "--text", "wet")
    assert "is to stand  roast (buyer) owes finca (seller) 55.80 EUR" in done.err
    assert "It stands once port has counted it." in done.err
    delivered.until(lambda: "55.80 EUR" in [amount["amount"] for amount in dues(delivered, ROAST)])
    delivered.until(lambda: all(amount["final"] for amount in dues(delivered, ROAST)))
    text = delivered(*ROAST, "agree", "show", "delivery").out
    assert "corrected by finca (wet)" in text
    assert "it was before:" in text
    again = delivered(*FINCA, *command)
    assert (again.code, "the effects that stand" in again.err) == (1, True)


def test_all_parties_sign_the_same_where_more_than_amounts_change(delivered: Any) -> None:
    (due,) = effects(delivered, "payment:L2")
    (delivered.folder / "later.json").write_text(json.dumps([{**due, "by": "2030-01-01"}]))
    done = delivered(*FINCA, "agree", "correct", "delivery", "payment:L2", "later.json", "--yes")
    assert "It stands once roast signed the same and port has counted it." in done.err
    delivered.until(lambda: "finca would correct a decision" in delivered(*ROAST, "status").out)
    assert "waits for roast" in delivered(*ROAST, "agree", "show", "delivery").out
    done = delivered(*ROAST, "agree", "correct", "delivery", "payment:L2", "--same", "finca", "--yes")
    assert done.code == 0, done.err
    assert "It stands once port has counted it." in done.err
    delivered.until(lambda: "2030-01-01" in [amount["by"] for amount in dues(delivered)])
    assert "would correct" not in delivered(*ROAST, "status").out
    done = delivered(*ROAST, "agree", "correct", "delivery", "payment:L2", "--same", "finca", "--yes")
    assert done.code == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 1),
        ("[" * 9999, 1),
        ("{}", 1),
        ('[{"kind": "gift"}]', 1),
        ('[{"kind": "due"}]', 1),
        ('["due"]', 1),
    ],
)
def test_effects_without_their_form_are_refused(delivered: Any, text: str, code: int) -> None:
    (delivered.folder / "bad.json").write_text(text)
    done = delivered(*FINCA, "agree", "correct", "delivery", "payment:L1", "bad.json", "--yes", "--json")
    assert done.code == code
    assert done.value["error"]["expected"]


def test_a_decision_that_is_none_or_not_sure_is_refused_with_those_that_are(delivered: Any) -> None:
    done = delivered(*FINCA, "agree", "correct", "delivery", "payment")
    assert (done.code, "payment:L1, payment:L2" in done.err) == (1, True)
    assert delivered(*FINCA, "agree", "correct", "delivery", "gift").code == 3
    assert (
        delivered(*FINCA, "agree", "correct", "delivery", "payment:L1", "x.json", "--same", "roast").code == 2
    )


# Other versions


def test_a_new_version_ends_the_one_before_and_takes_its_name(delivered: Any) -> None:
    old = shown(delivered, FINCA, "delivery")["agreement"]
    folder, newer = delivered.folder, DELIVERY.replace("6.20", "6.80")
    for wrong in (
        newer.replace("buyer: roast", "buyer: port"),
        newer.replace("keeper: port", "keeper: finca"),
    ):
        (folder / "wrong.yaml").write_text(wrong.replace(", timekeeper: 1", ""))
        assert delivered(*FINCA, "agree", "propose", "wrong.yaml", "--replaces", "delivery").code == 1
    (folder / "newer.yaml").write_text(newer)
    done = delivered(*FINCA, "agree", "propose", "newer.yaml", "--replaces", "delivery", "--json")
    new = done.value["agreement"]
    unsure = delivered(*FINCA, "agree", "show", "delivery")
    assert (unsure.code, f"{new[:16]} (proposed)" in unsure.err) == (1, True)
    for role, home in HOMES.items():
        delivered.until(lambda h=home: delivered(*h, "agree", "show", new).code == 0)
        signed = delivered(*home, "agree", "sign", new, "--party", role, "--yes")
        assert f"It replaces 'delivery' ({old[:16]})" in signed.err
    for home in (FINCA, ROAST):
        delivered.until(lambda h=home: shown(delivered, h, old)["reason"] == "replaced")
        assert shown(delivered, home, "delivery")["agreement"] == new
    assert [amount["name"] for amount in dues(delivered)] == ["delivery", "delivery"]
    late = delivered(
        *FINCA, "claim", old[:12], "handed_over", "lot=L3", "kilograms=1", "--attach", "note.txt"
    )
    assert (late.code, "that ended (replaced)" in late.err) == (1, True)


def test_it_ends_once_all_parties_have_said_so(firms: Any) -> None:
    into_force(firms, "short", DELIVERY.replace("name: delivery", "name: short"))
    assert firms(*PORT, "agree", "terminate", "short", "--yes").code == 4
    done = firms(*ROAST, "agree", "terminate", "short", "--text", "no harvest", "--yes")
    assert "It ends once finca said so too and port has counted it." in done.err
    again = firms(*ROAST, "agree", "terminate", "short", "--yes")
    assert (again.code, "said before" in again.err) == (1, True)
    firms.until(lambda: "roast would end 'short' (no harvest)" in firms(*FINCA, "status").out)
    done = firms(*FINCA, "agree", "terminate", "short", "--yes")
    assert "wanted by roast (no harvest): waits for finca" in done.err
    for home in HOMES.values():
        firms.until(lambda h=home: shown(firms, h, "short")["reason"] == "terminated")
    ended = firms(*ROAST, "agree", "terminate", "short", "--yes")
    assert (ended.code, "nothing to do" in ended.err) == (1, True)
    assert "would end" not in firms(*FINCA, "status").out
