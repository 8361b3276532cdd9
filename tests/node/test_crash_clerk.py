"""Three real nodes that keep an agreement and are killed again and again: every effect happens once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from contracts.decision import evaluate
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.log.encoding import Value
from ledger.log.statement import Statement, write_nonce
from ledger.members.people import sign_as_person
from node.home import PEOPLE, open_reader
from node.keyfiles import read_key
from node.state import load_state
from node.views.records import AgreementBook
from tests.benchmarks.network import PASSPHRASE, Member, running_network

CONTRACT = b"""
contract: 1
name: orders
parties: {seller: acme, buyer: bolt}
timekeeper: port
params:
  price: {money: 10.00 EUR}
  wait: {duration: 4 seconds}
text: Each order is delivered within {wait} for {price}; if it is not, {seller} owes {price}.
facts:
  ordered: {by: [buyer], per: order, total: 50, fields: {order: string}}
  delivered: {by: [seller], before: window, per: order, total: 50, fields: {order: string}}
deadlines:
  window: {at: ordered.at + wait, per: order}
rules:
  - name: paid
    per: order
    when: exists(delivered)
    then: [{due: {from: buyer, to: seller, amount: price}}]
  - name: failed
    per: order
    when: window.passed and not exists(delivered)
    then: [{due: {from: seller, to: buyer, amount: price}}]
"""
AGREEMENT = agreement_hash(format_document(parse_contract_yaml(CONTRACT)))
NAMES = ("port", "acme", "bolt")
ORDERS = 6
KILLS = 12
LIMIT_S = 150


def post(member: Member, path: str, key: str, **content: Any) -> Any:
    """Send a request, under its key, until it is answered."""
    headers = {"idempotency-key": key} | content.pop("headers", {})
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            with member.client() as client:
                answer = client.post(path, headers=headers, **content)
        except (httpx.HTTPError, OSError):
            time.sleep(0.05)
            continue
        if answer.status_code in (200, 201):
            return answer.json()
        if answer.status_code not in (404, 409, 503):
            raise AssertionError(answer.text)
        time.sleep(0.05)  # it is not known there yet, or the node may not write at the moment
    raise AssertionError(f"{path} was never taken")


def sign(member: Member, proposal: str, role: str) -> None:
    """Sign the agreement as the director of a home."""
    seed = read_key(member.home / PEOPLE / "director.key", PASSPHRASE.encode()).seed
    key = f"sign-{role}"
    nonce = write_nonce(key, 0)
    body: dict[str, Value] = {"agreement": AGREEMENT, "party": role, "proposal": bytes.fromhex(proposal)}
    signature = sign_as_person(
        seed=seed, role="director", kind="agreement.sign", origin=member.origin, nonce=nonce, body=body
    )
    form = {
        "nonce": nonce.hex(),
        "party": role,
        "proposal": proposal,
        "signatures": [
            {"key": signature.key.hex(), "role": signature.role, "signature": signature.signature.hex()}
        ],
    }
    post(member, f"/agreements/{AGREEMENT.hex()}/signatures", key, json=form)


def state(member: Member, fact: str, order: str) -> None:
    """State a fact, once, however often the node dies meanwhile."""
    form = {"agreement": AGREEMENT.hex(), "name": fact, "fields": {"order": order}}
    post(member, "/facts", f"{fact}-{order}", json=form)


def own(member: Member, *kinds: str) -> list[Statement]:
    """The statements of these kinds in a firm's own log, as its home has them."""
    reader = open_reader(member.home)
    try:
        origin = reader.own_origin()
        found = (reader.record(origin, seq).statement for seq in range(reader.size(origin)))
        return [statement for statement in found if statement is not None and statement.kind in kinds]
    finally:
        reader.close()


def decided(member: Member) -> list[tuple[str, str]]:
    """Rule and order of every decision that a party has recorded."""
    return [(said.text("rule"), said.text("key")) for said in own(member, "decision")]


def kill(member: Member, chance: Random) -> None:
    """Kill a node at any moment, or right after its clerk has written something, and start it again."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, 0.3))
    else:
        written = len(own(member, "counted", "tick", "decision"))
        deadline = time.monotonic() + 1.5
        while len(own(member, "counted", "tick", "decision")) == written and time.monotonic() < deadline:
            time.sleep(0.002)
    member.stop(signal.SIGKILL)
    try:
        member.start()
    except RuntimeError:  # a machine that is very busy
        member.stop(signal.SIGKILL)
        member.start()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.1)


@pytest.mark.timeout(400)
def test_kills_between_counting_ticking_and_deciding_change_no_outcome(tmp_path: Path) -> None:
    chance = Random(8)
    with running_network(tmp_path, NAMES) as members:
        port, acme, bolt = members
        offered = post(
            acme, "/agreements", "offer", content=CONTRACT, headers={"content-type": "application/yaml"}
        )
        for member, role in ((port, "timekeeper"), (acme, "seller"), (bolt, "buyer")):
            sign(member, offered["proposal"], role)
        orders = [f"order-{number}" for number in range(ORDERS)]
        kills = 0
        for order in orders:
            state(bolt, "ordered", order)
            if chance.random() < 0.5:
                state(acme, "delivered", order)
            for _ in range(KILLS // ORDERS):
                kill(chance.choice(members), chance)
                kills += 1
        for member in members:
            kill(member, chance)
        wait_until(lambda: all({key for _, key in decided(party)} == set(orders) for party in (acme, bolt)))
        wait_until(lambda: len({str(everything(member)) for member in members}) == 1)
    assert kills == KILLS
    final = {str(finals(member)) for member in members}
    assert len(final) == 1, "the nodes came to different final decisions"
    for party in (acme, bolt):
        assert sorted(decided(party)) == sorted(finals(port))
    assert sorted(key for _, key in finals(port)) == orders
    counted = Counter(leaf for said in own(port, "counted") for leaf in said.hashes("entries"))
    assert set(counted.values()) == {1}, "something was counted twice"
    for member in members:
        check_verified(member)


def everything(member: Member) -> list[tuple[str, int]]:
    """How far a home holds every log."""
    reader = open_reader(member.home)
    try:
        return sorted((origin, reader.size(origin)) for origin in reader.origins())
    finally:
        reader.close()


def finals(member: Member) -> dict[tuple[str, str], str]:
    """The final decisions of a home, evaluated from the start."""
    reader = open_reader(member.home)
    try:
        state = load_state(reader)
        agreement = AgreementBook().agreement(reader, state, AGREEMENT)
        decisions = evaluate(agreement, state.is_witnessed).decisions
        assert all(decision.final for decision in decisions)
        return {(d.firing.rule, str(d.key)): d.hash.hex() for d in decisions}
    finally:
        reader.close()


def check_verified(member: Member) -> None:
    """Have `tally verify` look at a home, with the state folder of its machine."""
    environ = os.environ | {"TALLY_STATE_DIR": str(member.state_folder)}
    command = [sys.executable, "-P", "-m", "cli", "verify", str(member.home)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
