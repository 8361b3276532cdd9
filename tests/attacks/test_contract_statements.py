"""Parties, members and timekeepers that state, sign, count and correct what favours them, in vain."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.agreement import ENDED, IN_FORCE, fold_agreement, read_agreement
from contracts.civil import MAX_MS
from contracts.corrections import check_effects
from contracts.course import EXISTS, REFUSED, SURPLUS, WAITING
from contracts.decision import OPEN, evaluate
from contracts.evaluator import Firing
from contracts.reading import parse_contract_yaml
from contracts.records import Record
from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.trace.document import read_event
from ledger.trace.event_hash import event_hash
from tests.contracts.conftest import Story

TWO_DUES = """
contract: 1
name: two-dues
parties: {buyer: acme, seller: bolt}
timekeeper: port
params: {part: {money: 100.00 EUR}, late: {date: 2030-01-01}}
text: On delivery {buyer} pays {part} at once and {part} on {late}. {seller} may end it after delivery.
facts:
  delivered: {by: [seller], confirm: [buyer]}
  paid: {by: [seller]}
  cleared: {by: [seller]}
rules:
  - name: price
    when: exists(delivered)
    then:
      - {due: {from: buyer, to: seller, amount: part, as: first}}
      - {due: {from: buyer, to: seller, amount: part, on: late, as: second}}
      - {obligation: {kind: permission, of: seller, act: terminate}}
  - {name: payment, when: exists(paid), then: [{discharge: first}]}
  - {name: gone, when: exists(cleared), then: [{state: cleared}]}
"""


THREE = TWO_DUES.replace("confirm: [buyer]", "confirm: [buyer, third]").replace(
    "parties: {", "parties: {third: cord, "
)


def in_force(text: str = TWO_DUES) -> Story:
    told = Story(parse_contract_yaml(text.encode(), "c"))
    told.sign_all()
    return told


def delivered() -> Story:
    told = in_force()
    fact = told.state("bolt", "delivered")
    told.count(fact, told.confirm("acme", fact))
    return told


def effects(told: Story, *amounts: str) -> list[dict[str, Any]]:
    """The effects of the first decision with other amounts."""
    given = iter(amounts)
    return [
        {**effect, "amount": next(given)} if effect["kind"] == "due" else dict(effect)
        for effect in told.evaluate().decisions[0].firing.effects
    ]


def correct(told: Story, organization: str, wanted: list[dict[str, Any]]) -> None:
    body = {
        "agreement": told.agreement,
        "decision": told.evaluate().decisions[0].hash,
        "effects": wanted,
        "text": "",
    }
    told.count(told.add(organization, "correction", body, person=f"{organization}-1"))


def payable(wanted: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The same amounts, due at another time."""
    return [{**effect, "by": by} if effect["kind"] == "due" else effect for effect in wanted]


def amounts(told: Story) -> list[str]:
    return [due.amount for due in told.evaluate().dues]


NEVER: dict[str, Any] = {
    "effects": [],
    "inputs": bytes(32),
    "outcome": bytes(32),
    "rule": "price",
    "timekeeper": ["x", 1],
}
"""What somebody says that a decision was."""


# Corrections


def test_who_shifts_money_from_what_is_paid_to_what_is_open_does_not_sign_that_alone() -> None:
    """The seller gives up one cent in all and gains what the buyer has paid already."""
    told = delivered()
    told.count(told.state("bolt", "paid"))
    wanted = effects(told, "0.00 EUR", "199.99 EUR")
    correct(told, "bolt", wanted)
    assert amounts(told) == ["100.00 EUR", "100.00 EUR"]
    correct(told, "acme", wanted)
    assert amounts(told) == ["0.00 EUR", "199.99 EUR"]


def test_who_gives_up_part_of_a_claim_signs_that_alone() -> None:
    told = delivered()
    correct(told, "bolt", effects(told, "100.00 EUR", "90.00 EUR"))
    assert amounts(told) == ["100.00 EUR", "90.00 EUR"]


def test_another_currency_needs_payer_and_payee() -> None:
    told = delivered()
    wanted = effects(told, "100.00 EUR", "100.00 USD")
    correct(told, "bolt", wanted)
    assert amounts(told) == ["100.00 EUR", "100.00 EUR"]
    correct(told, "acme", wanted)
    assert amounts(told) == ["100.00 EUR", "100.00 USD"]


def test_nobody_takes_up_an_offer_that_was_made_before_another_was_agreed() -> None:
    """The buyer offered more for more time; both agreed on something else; then the seller remembers."""
    told = delivered()
    old = payable(effects(told, "300.00 EUR", "0.00 EUR"), "2031-01-01")
    new = payable(effects(told, "120.00 EUR", "0.00 EUR"), "2032-01-01")
    correct(told, "acme", old)
    for organization in ("acme", "bolt"):
        correct(told, organization, new)
    assert amounts(told) == ["120.00 EUR", "0.00 EUR"]
    correct(told, "bolt", old)
    assert amounts(told) == ["120.00 EUR", "0.00 EUR"]
    correct(told, "acme", old)
    assert amounts(told) == ["300.00 EUR", "0.00 EUR"]


def test_of_each_organization_its_last_word_counts() -> None:
    told = delivered()
    first, second = effects(told, "150.00 EUR", "90.00 EUR"), effects(told, "140.00 EUR", "90.00 EUR")
    correct(told, "acme", first)
    correct(told, "acme", second)
    correct(told, "bolt", first)
    assert amounts(told) == ["100.00 EUR", "100.00 EUR"]
    correct(told, "bolt", second)
    assert amounts(told) == ["140.00 EUR", "90.00 EUR"]


def test_corrections_back_and_forth_need_the_one_who_loses_each_time() -> None:
    told = delivered()
    for organization, wanted in (
        ("bolt", "50.00 EUR"),
        ("bolt", "100.00 EUR"),
        ("acme", "100.00 EUR"),
        ("acme", "50.00 EUR"),
    ):
        correct(told, organization, effects(told, wanted, "100.00 EUR"))
    assert amounts(told) == ["100.00 EUR", "100.00 EUR"]


def terminate(told: Story, organization: str, role: str) -> None:
    body = {"agreement": told.agreement, "party": role, "text": ""}
    told.count(told.add(organization, "agreement.terminate", body, person=f"{organization}-1"))


def test_a_permission_to_end_it_that_was_corrected_away_ends_nothing() -> None:
    told = delivered()
    wanted = [effect for effect in effects(told, "100.00 EUR", "100.00 EUR") if "act" not in effect]
    for organization in ("acme", "bolt"):
        correct(told, organization, wanted)
    assert not told.evaluate().obligations
    terminate(told, "bolt", "seller")
    assert told.fold().status == IN_FORCE


def test_a_permission_to_end_it_that_a_correction_gives_is_one() -> None:
    told = delivered()
    permission = {"act": "terminate", "duty": "permission", "kind": "obligation", "of": "buyer"}
    for organization in ("acme", "bolt"):
        correct(told, organization, [*effects(told, "100.00 EUR", "100.00 EUR"), permission])
    assert [o.of for o in told.evaluate().obligations if o.standing == OPEN] == ["bolt", "acme"]
    terminate(told, "acme", "buyer")
    assert told.fold().status == ENDED


def test_who_said_that_it_is_to_end_does_not_say_so_twice() -> None:
    told = in_force()
    terminate(told, "acme", "buyer")
    terminate(told, "acme", "buyer")
    assert [remark.text for remark in told.fold().remarks] == [
        "terminate: said before: a person says so once"
    ]


@pytest.mark.parametrize(
    ("effect", "found"),
    [
        ({"kind": "notify", "roles": "buyer"}, "roles"),
        ({"kind": "state", "state": "\x1b[2J"}, "state"),
        ({"kind": "state", "state": "a\u202eb"}, "state"),
        ({"kind": "state", "state": "x" * 100_000}, "state"),
        ({"kind": "discharge", "name": "paid\n"}, "name"),
        ({"kind": "confirm", "fact": "d\u0435livered", "of": "buyer"}, "fact"),
        ({"act": "go", "duty": "duty", "kind": "obligation", "of": "buyer", "survives": "false"}, "survives"),
        ({"act": "go", "amount": "\x07", "duty": "duty", "kind": "obligation", "of": "buyer"}, "amount"),
        ({"act": "go", "amount": "9" * 501, "duty": "duty", "kind": "obligation", "of": "buyer"}, "amount"),
    ],
)
def test_effects_of_a_correction_say_only_what_a_rule_could_say(effect: dict[str, Any], found: str) -> None:
    told = delivered()
    with pytest.raises(MalformedError, match=found):
        check_effects(told.replay().contract, [effect])
    for organization in ("acme", "bolt"):
        correct(told, organization, [effect])
    assert amounts(told) == ["100.00 EUR", "100.00 EUR"]


# Facts and confirmations


def test_a_fact_that_is_confirmed_after_the_end_does_not_exist() -> None:
    told = in_force(TWO_DUES.replace("cleared}]", "fulfilled}]"))
    fact = told.state("bolt", "delivered")
    told.count(fact, told.state("bolt", "cleared"), told.confirm("acme", fact))
    found = told.fold()
    assert found.status == ENDED
    assert [view.status for view in found.facts] == [REFUSED, EXISTS]


def test_ten_thousand_confirmations_of_one_party_are_as_good_as_one() -> None:
    told = in_force(THREE)
    fact = told.state("bolt", "delivered")
    flood = [told.confirm("acme", fact) for _ in range(10_000)]
    for page in range(0, len(flood), 5000):
        told.count(fact, *flood[page : page + 5000])
    begun = time.process_time()
    found = told.fold()
    assert time.process_time() - begun < 3.0
    assert found.facts[0].status == WAITING
    assert found.facts[0].awaiting == ("third",)
    told.count(told.confirm("cord", fact))
    assert told.fold().facts[0].status == EXISTS


def test_a_second_confirmation_is_not_worth_counting() -> None:
    told = in_force(THREE)
    fact = told.state("bolt", "delivered")
    told.count(fact, told.confirm("acme", fact))
    told.confirm("acme", fact, person="bert")
    assert told.fold().countable == ()


EVENTS = """
contract: 1
name: tonnage
parties: {carrier: dart, grower: acme, importer: bolt}
timekeeper: port
params: {price: {money: 1.00 EUR}, close: {instant: "2026-12-31T00:00:00Z"}}
text: "{importer} pays {grower} {price} for each kilogram that arrives until {close}."
facts:
  arrived:
    by: [carrier, importer]
    before: season
    max: 100
    event: {type: ObjectEvent, action: OBSERVE}
    fields: {kg: {decimal: {event: quantity, unit: KGM}}}
deadlines: {season: {at: close}}
rules:
  - name: pay
    when: season.passed and count(arrived) > 0
    then: [{due: {from: importer, to: grower, amount: "round(price * sum(arrived, arrived.kg), 2, half_up)"}}]
"""

SEEN = {
    "type": "ObjectEvent",
    "eventTime": "2026-05-04T09:30:00Z",
    "eventTimeZoneOffset": "+02:00",
    "action": "OBSERVE",
    "bizLocation": {"id": "urn:epc:id:sgln:0614141.00888.0"},
    "quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 30, "uom": "KGM"}],
}


def record_event(told: Story, organization: str, text: str, digest: bytes | None = None) -> Record:
    found = event_hash(read_event(text.encode()).value, "", ()) if digest is None else digest
    body = {"capture": sha256(text.encode()).digest(), "context": "", "event": text, "hash": found}
    return told.add(organization, "event", body)


@pytest.mark.parametrize("second", ["dart", "bolt"])
@pytest.mark.parametrize("digest", [None, bytes(32)])
def test_an_event_that_is_recorded_twice_states_its_fact_once(second: str, digest: bytes | None) -> None:
    """By another party, or by the same one, whatever hash it tells; otherwise laid out or not."""
    told = in_force(EVENTS)
    told.count(record_event(told, "dart", json.dumps(SEEN)))
    told.count(record_event(told, second, json.dumps(SEEN, indent=1), digest))
    assert [view.status for view in told.fold().facts] == (
        [EXISTS, SURPLUS] if second == "dart" else [SURPLUS, EXISTS]
    )


def test_another_event_states_another_fact() -> None:
    told = in_force(EVENTS)
    told.count(record_event(told, "dart", json.dumps(SEEN)))
    told.count(record_event(told, "dart", json.dumps({**SEEN, "eventTime": "2026-05-04T09:31:00Z"})))
    assert [view.status for view in told.fold().facts] == [EXISTS, EXISTS]


def test_an_event_of_an_organization_that_may_not_state_it_states_nothing() -> None:
    told = in_force(EVENTS)
    told.count(record_event(told, "acme", json.dumps(SEEN)), record_event(told, "mallory", json.dumps(SEEN)))
    assert told.fold().facts == ()


# The timekeeper


def test_an_entry_about_something_else_counts_as_nothing_and_stops_nothing() -> None:
    told, other = in_force(), in_force(TWO_DUES.replace("two-dues", "another"))
    memo = told.add("bolt", "memo", {"text": "hello"})
    stranger = replace(other.state("bolt", "delivered"), leaf_hash=bytes([7]) * 32)
    fact = told.state("bolt", "delivered")
    told.count(memo, stranger, fact, told.confirm("acme", fact))
    for records in ([*told.records, stranger], [stranger, *told.records], [stranger, *told.records[::-1]]):
        found = fold_agreement(told.agreement, records)
        assert found.missing == ()
        assert [firing.rule for firing in found.firings] == ["price"]


def test_an_entry_that_nobody_holds_stops_the_agreement_and_is_named() -> None:
    told = in_force()
    unknown = replace(told.add("bolt", "memo", {"text": "hello"}), leaf_hash=bytes([9]) * 32)
    told.records.pop()
    told.count(unknown)
    told.count(told.state("bolt", "delivered"))
    assert told.fold().missing == (unknown.leaf_hash,)


@pytest.mark.parametrize("kind", ["agreement.sign", "agreement.withdraw", "agreement.decline"])
def test_a_counted_statement_without_the_form_of_its_kind_is_no_crash(kind: str) -> None:
    told = Story(parse_contract_yaml(TWO_DUES.encode(), "c"))
    told.propose("acme")
    told.count(told.add("acme", kind, {"agreement": told.agreement}, person="anna"))
    assert len(told.fold().remarks) == 1


def test_an_entry_counted_twice_or_in_two_entries_counts_once() -> None:
    told = in_force()
    fact = told.state("bolt", "delivered")
    confirmation = told.confirm("acme", fact)
    told.count(fact, fact)
    told.count(fact, confirmation)
    told.count(confirmation, fact)
    found = told.fold()
    assert [firing.rule for firing in found.firings] == ["price"]
    assert [view.status for view in found.facts] == [EXISTS]


def test_a_confirmation_that_is_counted_before_its_fact_counts() -> None:
    told = in_force()
    fact = told.state("bolt", "delivered")
    told.count(told.confirm("acme", fact), fact)
    assert [firing.rule for firing in told.fold().firings] == ["price"]


def test_counting_its_own_entries_changes_nothing() -> None:
    told = in_force()
    first = told.tick(told.now_ms + 5)
    second = told.count(first)
    told.count(second, first)
    found = told.fold()
    assert found.status == IN_FORCE
    assert found.missing == ()
    assert found.firings == ()


def test_thousands_of_hashes_in_one_entry_are_taken_in_a_moment() -> None:
    told = in_force()
    facts = [told.state("bolt", "paid") for _ in range(8192)]
    told.count(*facts)
    begun = time.process_time()
    found = told.fold()
    assert time.process_time() - begun < 3.0
    assert [view.status for view in found.facts].count(EXISTS) == 1


DEADLINE = """
contract: 1
name: window
parties: {buyer: acme, seller: bolt}
timekeeper: port
params: {close: {instant: "2030-01-01T00:00:00Z"}, price: {money: 10.00 EUR}}
text: Unless delivered before {close}, {seller} owes {buyer} {price}.
facts: {delivered: {by: [seller, buyer], before: window}}
deadlines: {window: {at: close}}
rules:
  - name: penalty
    when: window.passed and not exists(delivered)
    then: [{due: {from: seller, to: buyer, amount: price}}]
"""


@pytest.mark.parametrize("time_ms", [MAX_MS + 1, 2**53, -1])
def test_a_tick_outside_the_years_of_the_language_closes_nothing(time_ms: int) -> None:
    told = in_force(DEADLINE)
    told.tick(time_ms)
    told.count(told.state("bolt", "delivered"))
    found = told.fold()
    assert found.firings == ()
    assert [view.status for view in found.facts] == [EXISTS]


def test_after_a_tick_far_ahead_nothing_counts_and_each_entry_says_so() -> None:
    """It harms this agreement alone, until the parties put another timekeeper in place."""
    told = in_force(DEADLINE)
    told.tick(MAX_MS)
    fact = told.state("bolt", "delivered")
    told.count(fact)
    found = told.fold()
    assert [firing.rule for firing in found.firings] == ["penalty"]
    assert [view.status for view in found.facts] == ["not counted"]
    assert any("before that of the entry before it" in remark.text for remark in found.remarks)


# Proposals and signatures


def test_two_proposals_of_one_document_do_not_share_signatures() -> None:
    told = Story(parse_contract_yaml(TWO_DUES.encode(), "c"))
    first, second = told.propose("acme"), told.propose("bolt")
    told.count(
        told.sign(first, "buyer", "anna"),
        told.sign(second, "seller", "bert"),
        told.sign(first, "timekeeper", "p"),
    )
    assert told.fold().status != IN_FORCE
    told.count(told.sign(first, "seller", "bert"))
    assert told.fold().status == IN_FORCE


def test_a_signature_for_a_proposal_of_another_version_does_not_count() -> None:
    told = Story(parse_contract_yaml(TWO_DUES.encode(), "c"))
    newer = Story(
        parse_contract_yaml(TWO_DUES.replace("100.00", "900.00").encode(), "c"), told.records, told.lengths
    )
    old, proposal = told.propose("acme"), newer.propose("bolt")
    signature = told.sign(old, "buyer", "anna")
    moved = replace(signature, body={**signature.body, "agreement": newer.agreement})
    newer.records[newer.records.index(signature)] = moved
    newer.count(moved, newer.sign(proposal, "seller", "bert"), newer.sign(proposal, "timekeeper", "p"))
    found = newer.fold()
    assert found.status != IN_FORCE
    assert found.proposals[0].lacking == {"buyer": 1}


def test_after_a_proposal_was_declined_its_signatures_do_not_count() -> None:
    told = Story(parse_contract_yaml(TWO_DUES.encode(), "c"))
    proposal = told.propose("acme")
    body = {"agreement": told.agreement, "proposal": proposal.leaf_hash}
    told.count(told.add("bolt", "agreement.decline", body, person="bert"))
    told.count(*(told.sign(proposal, role, role) for role in ("buyer", "seller", "timekeeper")))
    assert (told.fold().status, told.fold().reason) == (ENDED, "declined")


def test_a_decision_of_a_stranger_or_the_timekeeper_disputes_nothing() -> None:
    told = delivered()
    body = {"agreement": told.agreement, **NEVER}
    for organization in ("mallory", "port"):
        told.add(organization, "decision", body)
    assert told.evaluate().decisions[0].disputed_by == ()
    told.add("bolt", "decision", body)
    assert told.evaluate().decisions[0].disputed_by == ("bolt",)


def test_a_decision_of_a_rule_that_never_fired_decides_nothing() -> None:
    told = in_force()
    body = {"agreement": told.agreement, **NEVER}
    told.add("bolt", "decision", body)
    told.add("bolt", "decision", {**body, "key": "a\u202eb"})
    assert told.evaluate().decisions == ()


def test_who_owes_and_is_owed_everything_is_refused() -> None:
    text = TWO_DUES.replace("seller: bolt", "seller: acme")
    with pytest.raises(InvalidError):
        Story(parse_contract_yaml(text.encode(), "c")).replay()


def test_no_check_of_effects_ends_with_anything_but_its_error() -> None:
    contract = delivered().replay().contract
    junk: list[Any] = [None, 1, b"x", [], {}, ["buyer"], {"a": 1}, "", "buyer"]
    for kind in ("due", "obligation", "discharge", "state", "confirm", "notify", None, 7):
        for key in ("amount", "by", "from", "to", "act", "duty", "of", "name", "state", "fact", "roles"):
            for value in junk:
                with pytest.raises(TallyError):
                    check_effects(contract, [{"kind": kind, key: value, "x": value}])
                full = {"kind": kind, "amount": "1 EUR", "by": "2030-01-01", "from": "buyer", "to": "seller"}
                if kind == "due" and full.get(key) != value and not (key == "to" and value == "buyer"):
                    with pytest.raises(TallyError):
                        check_effects(contract, [{**full, key: value}])


def hostile_story(draw: st.DataObject) -> Story:
    """A history of statements that all try something, counted in any order, some twice, some never."""
    told = delivered()
    wanted = [effects(told, a, b) for a, b in (("10.00 EUR", "20.00 EUR"), ("100.00 EUR", "300.00 EUR"))]
    decision = told.evaluate().decisions[0].hash
    base = {"agreement": told.agreement}
    fact = told.state("bolt", "paid")
    made = [fact, told.add("bolt", "memo", {"text": "x"}), told.state("bolt", "cleared")]
    made += [told.confirm(name, fact, person=name) for name in ("acme", "bolt", "mallory", "acme")]
    for name, role in (("acme", "buyer"), ("bolt", "seller"), ("acme", "seller"), ("acme", "buyer")):
        body = {**base, "party": role, "text": ""}
        made.append(told.add(name, "agreement.terminate", body, person=name))
        for effect in wanted:
            body = {**base, "decision": decision, "effects": effect, "text": name}
            made.append(told.add(name, "correction", body, person=name))
        made.append(told.add(name, "decision", {**base, **NEVER}))
    for _ in range(draw.draw(st.integers(1, 6))):
        told.count(*draw.draw(st.lists(st.sampled_from(made), max_size=8)))
        if draw.draw(st.booleans()):
            told.tick(told.now_ms + draw.draw(st.integers(-5000, 5000)))
    return told


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_tried_all_who_learn_it_in_any_order_come_to_the_same(draw: st.DataObject) -> None:
    told = hostile_story(draw)
    whole = told.fold()
    records = draw.draw(st.permutations(told.records))
    replay = told.replay(*told.records[:1])
    for record in records:
        replay.learn(record)
    found = read_agreement(replay)
    assert found == whole
    assert found.corrections == whole.corrections
    assert evaluate(found, lambda origin, seq: True) == evaluate(whole, lambda origin, seq: True)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_tried_no_decision_is_undone(draw: st.DataObject) -> None:
    told = hostile_story(draw)
    stream = [record for record in told.records if record.organization == "port"]
    others = [record for record in told.records if record.organization != "port"]
    before: tuple[Firing, ...] = ()
    for length in range(len(stream) + 1):
        found = told.replay(*others, *stream[:length]).course.evaluator.firings
        assert tuple(found[: len(before)]) == before
        before = tuple(found)
