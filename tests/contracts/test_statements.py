"""A node refuses a bad statement of its own before it appends it, and says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.reading import parse_contract_yaml
from contracts.records import Record, Signature
from contracts.replay import Replay
from contracts.statements import check_proposal, check_statement
from ledger.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MissingError,
    TallyError,
)
from ledger.log.kinds import KINDS
from tests.contracts.capped import CAPPED


def record_of(kind: str, organization: str, body: dict[str, Any], signatures: Any = ()) -> Record:
    """A statement as the record that it would become."""
    return Record(
        origin=f"{organization}/0123456789abcdef",
        organization=organization,
        seq=99,
        leaf_hash=bytes(32),
        time_ms=1_700_000_000_000,
        kind=kind,
        body=body,
        signatures=tuple(signatures),
    )


def check_fact(replay: Replay, organization: str, body: dict[str, Any]) -> None:
    check_statement(replay, record_of("fact", organization, body))


def check_confirm(replay: Replay, organization: str, body: dict[str, Any], signatures: Any) -> None:
    check_statement(replay, record_of("confirm", organization, body, signatures))


def check_sign(replay: Replay, organization: str, body: dict[str, Any], signatures: Any) -> None:
    check_statement(replay, record_of("agreement.sign", organization, body, signatures))


def check_counted(replay: Replay, organization: str, body: dict[str, Any]) -> None:
    check_statement(replay, record_of("counted", organization, body))


def check_offer(organization: str, body: dict[str, Any]) -> None:
    check_proposal(record_of("agreement.propose", organization, body), None)


def person(organization: str, role: str = "director") -> tuple[Signature, ...]:
    return (Signature(organization=organization, person="anna", role=role),)


def in_force(story: Any) -> Any:
    told = story("coffee-delivery")
    told.sign_all()
    return told


def fact_body(told: Any, **change: Any) -> dict[str, Any]:
    body = {
        "agreement": told.agreement,
        "attachments": [],
        "cites": [],
        "fields": {"kilograms": "60"},
        "name": "delivered",
    }
    return {**body, **change}


def test_a_good_proposal_passes(story: Any) -> None:
    told = story("coffee-delivery")
    check_offer("roast", {"document": told.signed, "replaces": None, "until": None})


@pytest.mark.parametrize(
    ("organization", "change"),
    [
        ("stranger", {}),
        ("roast", {"document": b"\x80"}),
        ("roast", {"document": b"contract: 1"}),
        ("roast", {"replaces": bytes(32)}),
        ("roast", {"until": "tomorrow"}),
        ("roast", {"more": 1}),
    ],
)
def test_a_bad_proposal_is_refused(story: Any, organization: str, change: dict[str, Any]) -> None:
    body = {"document": story("coffee-delivery").signed, "replaces": None, "until": None, **change}
    with pytest.raises(TallyError):
        check_offer(organization, body)


def test_a_fact_with_a_wrong_value_says_what_is_expected(story: Any) -> None:
    told = in_force(story)
    check_fact(told.replay(), "wheels", fact_body(told))
    with pytest.raises(MalformedError) as caught:
        check_fact(told.replay(), "wheels", fact_body(told, fields={"kilograms": "abc"}))
    assert caught.value.where == "fact delivered field kilograms"
    assert caught.value.found == "'abc'"
    assert caught.value.expected.endswith("such as 12.5")
    assert caught.value.action


@pytest.mark.parametrize(
    ("organization", "change", "error"),
    [
        ("roast", {}, ForbiddenError),
        ("wheels", {"name": "stolen"}, InvalidError),
        ("wheels", {"fields": {"kilograms": "81"}}, InvalidError),
        ("wheels", {"fields": {}}, MalformedError),
        ("wheels", {"fields": {"kilograms": 60}}, MalformedError),
        ("wheels", {"agreement": bytes(32)}, InvalidError),
    ],
)
def test_a_bad_fact_is_refused(
    story: Any, organization: str, change: dict[str, Any], error: type[TallyError]
) -> None:
    told = in_force(story)
    with pytest.raises(error):
        check_fact(told.replay(), organization, fact_body(told, **change))


def test_a_fact_waits_for_the_agreement_to_be_in_force(story: Any) -> None:
    told = story("coffee-delivery")
    told.propose("roast")
    with pytest.raises(ConflictError, match="proposed"):
        check_fact(told.replay(), "wheels", fact_body(told))


def test_a_fact_that_could_not_count_any_more_is_refused(story: Any) -> None:
    told = in_force(story)
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    told.count(fact, told.confirm("corner", fact))
    with pytest.raises(ConflictError, match="already"):
        check_fact(told.replay(), "wheels", fact_body(told))


def test_a_payment_before_any_demand_waits_for_it(story: Any) -> None:
    told = story("payment-upon-demand")
    told.sign_all()
    paid = told.state("bolt", "paid")
    told.count(paid, told.confirm("acme", paid))
    assert told.evaluate().state is None


def test_a_signature_by_the_right_person_passes(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    body = {"agreement": told.agreement, "party": "shop", "proposal": proposal.leaf_hash}
    check_sign(told.replay(), "corner", body, person("corner", "buyer"))


@pytest.mark.parametrize(
    ("organization", "change", "role", "error"),
    [
        ("corner", {}, "intern", ForbiddenError),
        ("roast", {}, "buyer", ForbiddenError),
        ("corner", {"party": "roaster"}, "buyer", ForbiddenError),
        ("corner", {"proposal": bytes(32)}, "buyer", MissingError),
        ("corner", {"party": "No One"}, "buyer", MalformedError),
    ],
)
def test_a_bad_signature_is_refused(
    story: Any, organization: str, change: dict[str, Any], role: str, error: type[TallyError]
) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    body = {"agreement": told.agreement, "party": "shop", "proposal": proposal.leaf_hash, **change}
    with pytest.raises(error):
        check_sign(told.replay(), organization, body, person("corner", role))


def test_a_person_who_signed_is_told_so(story: Any) -> None:
    told = story("coffee-delivery")
    proposal = told.propose("roast")
    told.count(told.sign(proposal, "roaster", "anna"))
    body = {"agreement": told.agreement, "party": "roaster", "proposal": proposal.leaf_hash}
    with pytest.raises(ConflictError, match="each person once"):
        check_sign(told.replay(), "roast", body, person("roast"))


def test_a_confirmation_by_the_one_who_is_asked_passes(story: Any) -> None:
    told = in_force(story)
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    body = {"agreement": told.agreement, "fact": fact.leaf_hash}
    check_confirm(told.replay(), "corner", body, person("corner"))
    with pytest.raises(ForbiddenError, match="corner"):
        check_confirm(told.replay(), "roast", body, person("roast"))
    with pytest.raises(ForbiddenError, match="person"):
        check_confirm(told.replay(), "corner", body, ())
    with pytest.raises(MissingError):
        check_confirm(told.replay(), "corner", {**body, "fact": bytes(32)}, person("corner"))


def test_a_second_confirmation_is_refused(story: Any) -> None:
    told = in_force(story)
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    confirmation = told.confirm("corner", fact)
    body = {"agreement": told.agreement, "fact": fact.leaf_hash}
    with pytest.raises(ConflictError, match="already"):
        check_confirm(told.replay(), "corner", body, person("corner"))
    told.count(fact, confirmation)
    with pytest.raises(ConflictError, match="exists"):
        check_confirm(told.replay(), "corner", body, person("corner"))


def test_counting_what_is_countable_passes(story: Any) -> None:
    told = in_force(story)
    fact = told.state("wheels", "delivered", {"kilograms": "60"})
    body = {"agreement": told.agreement, "entries": [fact.leaf_hash]}
    check_counted(told.replay(), "port", body)
    with pytest.raises(ForbiddenError):
        check_counted(told.replay(), "wheels", body)
    for entries in ([], [fact.leaf_hash] * 2, [bytes(32)]):
        with pytest.raises(InvalidError):
            check_counted(told.replay(), "port", {**body, "entries": entries})


values = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.text(max_size=9), st.binary(max_size=33)),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.dictionaries(st.text(max_size=9), st.text(max_size=9)),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_body_breaks_a_check(story: Any, data: st.DataObject) -> None:
    told = in_force(story)
    agreement = told.replay()
    hashes = st.sampled_from([told.agreement, bytes(32), told.records[0].leaf_hash])
    checks: tuple[tuple[str, Callable[[dict[str, Any]], None]], ...] = (
        ("fact", lambda body: check_fact(agreement, "wheels", body)),
        ("confirm", lambda body: check_confirm(agreement, "corner", body, ())),
        ("agreement.sign", lambda body: check_sign(agreement, "corner", body, ())),
        ("counted", lambda body: check_counted(agreement, "port", body)),
        ("agreement.propose", lambda body: check_offer("roast", body)),
    )
    for kind, check in checks:
        body = data.draw(st.fixed_dictionaries(dict.fromkeys(KINDS[kind].fields, values | hashes)))
        with pytest.raises(TallyError):
            check(body)


def two_claims(story: Any) -> tuple[Any, Record, Record]:
    told = story(parse_contract_yaml(CAPPED))
    told.sign_all()
    first, second = (told.state("acme", "claimed", {"amount": amount}) for amount in ("6", "7"))
    told.count(first, second)
    return told, first, second


def confirm_as(told: Any, organization: str, fact: Record) -> None:
    body = {"agreement": told.agreement, "fact": fact.leaf_hash}
    check_confirm(told.replay(), organization, body, person(organization))


def test_the_last_confirmation_of_what_would_not_count_is_refused(story: Any) -> None:
    told, first, second = two_claims(story)
    told.count(told.confirm("bolt", first), told.confirm("bolt", second))
    confirm_as(told, "dart", second)
    told.count(told.confirm("dart", first))
    with pytest.raises(ConflictError) as caught:
        confirm_as(told, "dart", second)
    assert caught.value.found.startswith(
        "a fact that would not count: confirmed when this did not hold: sum("
    )
    assert caught.value.action == "wait until that holds, or leave it unconfirmed"


def test_a_confirmation_that_is_not_the_last_may_come_before_its_condition_holds(story: Any) -> None:
    told, first, second = two_claims(story)
    told.count(told.confirm("bolt", first), told.confirm("dart", first))
    confirm_as(told, "bolt", second)
    uncounted = told.state("acme", "claimed", {"amount": "9"})
    confirm_as(told, "bolt", uncounted)


def test_after_the_end_nothing_is_confirmed(story: Any) -> None:
    told, first, _ = two_claims(story)
    told.count(told.confirm("bolt", first))
    confirm_as(told, "dart", first)
    for role, organization in told.document.parties.items():
        body = {"agreement": told.agreement, "party": role, "text": ""}
        told.count(told.add(organization, "agreement.terminate", body, person="anna"))
    with pytest.raises(ConflictError, match="after the agreement had ended"):
        confirm_as(told, "dart", first)


SHIPPED = """
contract: 1
name: shipped
parties: {carrier: dart, buyer: bolt}
timekeeper: port
text: "{carrier} tells {buyer}."
facts:
  arrived:
    by: [carrier]
    per: crate
    total: 100
    event: {type: ObjectEvent, action: OBSERVE}
    fields: {crate: {string: {event: identifier}}}
  declared: {by: [buyer], per: number, total: 100, fields: {number: string, crate: string}}
rules:
  - {name: told, PER when: count(arrived) + count(declared) > 1, then: [{notify: [buyer]}]}
"""
LINK, URN = "https://id.gs1.org/00/106141412345678908", "urn:epc:id:sscc:0614141.1234567890"


def declare(story: Any, per: str, **fields: str) -> None:
    told = story(parse_contract_yaml(SHIPPED.replace("PER", per).encode()))
    told.sign_all()
    body = fact_body(told, name="declared", fields={"number": "1", **fields})
    check_fact(told.replay(), "bolt", body)


def test_a_key_that_events_tell_is_stated_in_their_form(story: Any) -> None:
    declare(story, "per: crate,", crate=LINK)
    declare(story, "per: crate,", crate="crate 7")
    with pytest.raises(InvalidError) as caught:
        declare(story, "per: crate,", crate=URN)
    assert caught.value.where == "fact declared field crate"
    assert caught.value.action == f"write {LINK}"


def test_what_is_no_key_or_comes_from_no_event_is_stated_as_it_is(story: Any) -> None:
    declare(story, "", crate=URN)
    declare(story, "per: number,", number=URN, crate=URN)


def test_what_counts_does_not_hang_on_the_form_of_a_key(story: Any) -> None:
    told = story(parse_contract_yaml(SHIPPED.replace("PER", "per: crate,").encode()))
    told.sign_all()
    told.count(told.state("bolt", "declared", {"number": "1", "crate": URN}))
    (view,) = told.fold().facts
    assert (view.status, dict(view.fields)["crate"]) == ("exists", URN)
