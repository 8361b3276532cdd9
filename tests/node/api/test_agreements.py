"""An agreement over HTTP, from the proposal to the amount due, in a network of three."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger.log.statement import client_nonce, write_nonce
from node.api.app import create_app
from node.home import read_token

CONTRACT = """
contract: 1
name: delivery
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: "100.00 EUR"}
  pay: {duration: 30 days}
text: >
  {seller} delivers to {buyer}, who confirms and then owes {price} within {pay}.
facts:
  delivered: {by: [seller], confirm: [buyer], fields: {pieces: integer}}
rules:
  - name: delivery
    when: exists(delivered) and delivered.pieces > 0
    then: [{due: {from: buyer, to: seller, amount: price, within: pay}}, {state: delivered}]
"""


class Desk:
    """The HTTP side of one firm, whose person signs where the key is."""

    def __init__(self, firm: Any) -> None:
        self.firm = firm
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(firm.node)),
            base_url="http://node.test",
            headers={"authorization": f"Bearer {read_token(firm.node.home)}"},
        )

    def get(self, path: str) -> Any:
        answer = self._runner.run(self._client.get(path))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._client.post(path, **more))

    def write(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        said: dict[str, Any] = answer.json()
        return said

    def sign(
        self, agreement: str, proposal: str, party: str, *, key: str | None = None, **wrong: Any
    ) -> httpx.Response:
        nonce = client_nonce(os.urandom(16)) if key is None else write_nonce(key, 0)
        body = {"agreement": bytes.fromhex(agreement), "party": party, "proposal": bytes.fromhex(proposal)}
        form = {"party": party, "proposal": proposal} | self._signed("agreement.sign", nonce, body) | wrong
        headers = {} if key is None else {"idempotency-key": key}
        return self.post(f"/agreements/{agreement}/signatures", json=form, headers=headers)

    def confirm(self, agreement: str, fact: str) -> httpx.Response:
        nonce = client_nonce(os.urandom(16))
        body = {"agreement": bytes.fromhex(agreement), "fact": bytes.fromhex(fact)}
        form = {"agreement": agreement, "fact": fact} | self._signed("confirm", nonce, body)
        return self.post("/confirmations", json=form)

    def _signed(self, kind: str, nonce: bytes, body: dict[str, Any]) -> dict[str, Any]:
        made = self.firm.sign(kind, nonce, body)
        signature = {"key": made.key.hex(), "role": made.role, "signature": made.signature.hex()}
        return {"nonce": nonce.hex(), "signatures": [signature]}

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def desks(network: Any) -> Iterator[dict[str, Desk]]:
    desks = {name: Desk(firm) for name, firm in network.firms.items()}
    yield desks
    for desk in desks.values():
        desk.close()


def propose(desks: dict[str, Desk], network: Any) -> tuple[str, str]:
    said = desks["acme"].write("/agreements", {"document": CONTRACT})
    network.settle()
    return said["agreement"], said["proposal"]


def bring_into_force(desks: dict[str, Desk], network: Any) -> str:
    agreement, proposal = propose(desks, network)
    for name, party in (("acme", "seller"), ("bolt", "buyer"), ("port", "timekeeper")):
        assert desks[name].sign(agreement, proposal, party).status_code == 201
    network.settle()
    return agreement


def deliver(desk: Desk, agreement: str, **fields: str) -> httpx.Response:
    return desk.post(
        "/facts", json={"agreement": agreement, "name": "delivered", "fields": {"pieces": "3"} | fields}
    )


def error(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    found: dict[str, str] = answer.json()["error"]
    return found


def test_a_proposal_says_what_it_is(desks: dict[str, Desk]) -> None:
    answer = desks["acme"].post(
        "/agreements", content=CONTRACT.encode(), headers={"content-type": "application/yaml"}
    )
    said = answer.json()
    assert (answer.status_code, said["name"], said["warnings"]) == (201, "delivery", [])
    assert "acme delivers to bolt" in said["text"]


def test_the_same_proposal_under_the_same_key_is_recorded_once(desks: dict[str, Desk]) -> None:
    for status in (201, 200):
        answer = desks["acme"].post(
            "/agreements", json={"document": CONTRACT}, headers={"idempotency-key": "k"}
        )
        assert answer.status_code == status


def test_the_same_document_is_not_offered_twice_at_a_time(desks: dict[str, Desk], network: Any) -> None:
    propose(desks, network)
    assert error(desks["acme"].post("/agreements", json={"document": CONTRACT}), 409)["action"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("acme", "stranger"), 422),
        (("{seller: acme, buyer: bolt}", "{seller: port, buyer: bolt}"), 403),
        (("exists(delivered) and", "not exists(delivered) and"), 422),
        (("100.00 EUR", "100.00 euros"), 400),
        (("timekeeper: port", "timekeeper: nobody"), 422),
    ],
)
def test_a_contract_that_could_not_work_is_refused(
    desks: dict[str, Desk], change: tuple[str, str], status: int
) -> None:
    answer = desks["acme"].post("/agreements", json={"document": CONTRACT.replace(*change)})
    assert error(answer, status)["found"]


def test_an_offer_that_ended_before_it_began_is_refused(desks: dict[str, Desk]) -> None:
    answer = desks["acme"].post("/agreements", json={"document": CONTRACT, "until": 5})
    assert error(answer, 422)["where"] == "body until"


def test_signatures_bring_it_into_force(desks: dict[str, Desk], network: Any) -> None:
    agreement = bring_into_force(desks, network)
    shown = desks["bolt"].get(f"/agreements/{agreement}")
    assert (shown["status"], shown["roles"], shown["proposals"][0]["lacking"]) == ("in force", ["buyer"], {})
    assert shown["proposals"][0]["signed"]["seller"][0]["name"] == "ana"
    assert [(term["number"], term["timekeeper"]) for term in shown["terms"]] == [(0, "port")]
    assert (shown["next_term"]["number"], shown["next_term"]["replaces"]) == (1, "port")


def test_who_has_signed_does_not_sign_again(desks: dict[str, Desk], network: Any) -> None:
    agreement, proposal = propose(desks, network)
    assert desks["acme"].sign(agreement, proposal, "seller").status_code == 201
    network.settle()
    assert error(desks["acme"].sign(agreement, proposal, "seller"), 409)["found"] == "signed before"


def test_a_signature_under_the_same_key_is_recorded_once(desks: dict[str, Desk], network: Any) -> None:
    agreement, proposal = propose(desks, network)
    first = desks["acme"].sign(agreement, proposal, "seller", key="k")
    network.settle()
    second = desks["acme"].sign(agreement, proposal, "seller", key="k")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["leaf"] == second.json()["leaf"]


def test_a_nonce_that_does_not_belong_to_the_key_is_refused(desks: dict[str, Desk], network: Any) -> None:
    agreement, proposal = propose(desks, network)
    answer = desks["acme"].sign(agreement, proposal, "seller", key="k", nonce="80" + "00" * 15)
    assert error(answer, 400)["where"] == "body nonce"


def test_a_signature_for_another_role_is_refused(desks: dict[str, Desk], network: Any) -> None:
    agreement, proposal = propose(desks, network)
    assert error(desks["acme"].sign(agreement, proposal, "buyer"), 403)
    assert error(desks["acme"].sign(agreement, proposal, "nobody"), 403)


def test_a_signature_by_a_stranger_or_over_something_else_is_refused(
    desks: dict[str, Desk], network: Any
) -> None:
    agreement, proposal = propose(desks, network)
    size = network["acme"].node.state.own.copy.size
    stranger = [{"key": "ab" * 32, "role": "director", "signature": "00" * 64}]
    assert error(desks["acme"].sign(agreement, proposal, "seller", signatures=stranger), 403)
    other = "80" + "11" * 15
    assert error(desks["acme"].sign(agreement, proposal, "seller", nonce=other), 422)
    assert network["acme"].node.state.own.copy.size == size


def test_a_fact_needs_an_agreement_in_force(desks: dict[str, Desk], network: Any) -> None:
    agreement, _ = propose(desks, network)
    assert "proposed" in error(deliver(desks["acme"], agreement), 409)["found"]


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("bolt", {}, 403),
        ("acme", {"pieces": "many"}, 400),
        ("acme", {"colour": "red"}, 400),
        ("acme", {"at": "yesterday"}, 400),
    ],
)
def test_a_fact_that_would_not_count_is_refused(
    desks: dict[str, Desk], network: Any, name: str, fields: dict[str, str], status: int
) -> None:
    agreement = bring_into_force(desks, network)
    error(deliver(desks[name], agreement, **fields), status)


def test_a_fact_cites_only_what_is_here(desks: dict[str, Desk], network: Any) -> None:
    agreement = bring_into_force(desks, network)
    memo = desks["acme"].write("/memos", {"text": "delivery note"})["leaf"]
    form = {"agreement": agreement, "name": "delivered", "fields": {"pieces": "3"}}
    error(desks["acme"].post("/facts", json=form | {"cites": ["ab" * 32]}), 422)
    assert desks["acme"].write("/facts", form | {"cites": [memo]})["new"]


def test_a_milestone_confirmed_makes_money_due(desks: dict[str, Desk], network: Any) -> None:
    agreement = bring_into_force(desks, network)
    fact = deliver(desks["acme"], agreement).json()["leaf"]
    network.settle()
    waiting = desks["bolt"].get("/status")["waiting"]
    assert [item["fact"] for item in waiting["confirmations"]] == [fact]
    assert desks["bolt"].get("/due")["due"] == []
    assert desks["bolt"].confirm(agreement, fact).status_code == 201
    network.settle()
    for desk in desks.values():
        due = desk.get("/due")["due"]
        assert [(item["from"], item["to"], item["amount"], item["final"]) for item in due] == [
            ("bolt", "acme", "100.00 EUR", True)
        ]
        assert desk.get("/due?organization=nobody")["due"] == []
    shown = desks["acme"].get(f"/agreements/{agreement}")
    assert (shown["state"], shown["facts"][0]["exists"]) == ("delivered", True)
    assert shown["firings"][0]["agreed_by"] == ["acme", "bolt"]


def test_what_was_confirmed_is_not_confirmed_or_stated_again(desks: dict[str, Desk], network: Any) -> None:
    agreement = bring_into_force(desks, network)
    fact = deliver(desks["acme"], agreement).json()["leaf"]
    network.settle()
    error(desks["acme"].confirm(agreement, fact), 403)
    error(desks["bolt"].confirm(agreement, "ab" * 32), 404)
    assert desks["bolt"].confirm(agreement, fact).status_code == 201
    network.settle()
    error(desks["bolt"].confirm(agreement, fact), 409)
    error(deliver(desks["acme"], agreement), 409)


def test_explain_says_what_is_missing(desks: dict[str, Desk], network: Any) -> None:
    agreement = bring_into_force(desks, network)
    rule = desks["acme"].get(f"/agreements/{agreement}/explain")["rules"][0]
    assert (rule["rule"], rule["fired"]) == ("delivery", None)
    assert [condition["holds"] for condition in rule["conditions"]] == [False, None]
    assert rule["missing"]


def test_only_who_takes_part_knows_the_agreement(desks: dict[str, Desk], network: Any) -> None:
    network.join("dart")
    agreement = bring_into_force(desks, network)
    outsider = Desk(network["dart"])
    assert outsider.get("/agreements")["agreements"] == []
    error(outsider.post("/facts", json={"agreement": agreement, "name": "delivered"}), 404)
    entries = outsider.get(f"/entries?origin={network['acme'].node.state.origin}")["entries"]
    hidden = [entry for entry in entries if entry["kind"].startswith("agreement")]
    assert hidden
    assert all(entry["statement"] is None for entry in hidden)
    outsider.close()


def test_proposals_wait_for_a_signature_on_the_status(desks: dict[str, Desk], network: Any) -> None:
    _, proposal = propose(desks, network)
    waiting = desks["bolt"].get("/status")["waiting"]["signatures"]
    assert [(item["proposal"], item["role"]) for item in waiting] == [(proposal, "buyer")]
