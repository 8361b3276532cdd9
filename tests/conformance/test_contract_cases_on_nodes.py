"""The same cases end to end: firms with a node each, one of which keeps the time, and a clock that goes on.

All cases of a clause are agreements of one network at once. Facts pass the door of their author's node, the
timekeeper's clerk counts and ticks, and what follows is compared at every node.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import Agreement
from contracts.decision import evaluate
from contracts.document import Document, agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.errors import TallyError
from ledger.log.encoding import Value
from ledger.log.statement import Statement, client_nonce
from node.drafts import make_draft
from node.world import World
from tests.conformance.contract_cases import DAY, SCENES, Said, Scene, ms, read_cases, scenes_of
from tests.node.conftest import Clock, Firm, Network


@pytest.fixture(scope="module")
def cases(conformance: Path) -> dict[str, Any]:
    return read_cases(conformance)


@pytest.fixture
def clock() -> Clock:
    return Clock(now=0)


@pytest.fixture
def make_network(tmp_path: Path, clock: Clock) -> Iterator[Callable[[set[str]], Network]]:
    """Makes a network of port, who keeps the time, and these firms."""
    networks: list[Network] = []

    def make(names: set[str]) -> Network:
        network = Network(tmp_path, World(now_ms=clock, random=os.urandom))
        networks.append(network)
        network.found("port")
        for name in sorted(names - {"port"}):
            network.join(name)
        return network

    yield make
    for network in networks:
        network.close()


class Played:
    """A scene over nodes: its agreement, and what is recorded for it."""

    def __init__(self, network: Network, scene: Scene) -> None:
        self.network = network
        self.scene = scene
        self.document: Document = parse_contract_yaml(scene.text)
        self.signed = format_document(self.document)
        self.agreement = agreement_hash(self.signed)
        self.everyone = tuple(sorted(self.document.organizations()))

    def record(self, name: str, kind: str, body: Mapping[str, Value], *, signed: bool = False) -> bytes:
        """Record a statement at a firm's node, through the door that all own statements pass."""
        firm: Firm = self.network[name]
        nonce = client_nonce(os.urandom(16))
        signatures = (firm.sign(kind, nonce, body),) if signed else ()
        statement = Statement(
            kind=kind, audience=self.everyone, body=body, nonce=nonce, signatures=signatures
        )
        return firm.node.record([make_draft(statement)]).result(20)[0].leaf

    def propose(self) -> bytes:
        proposer = next(iter(self.document.parties.values()))
        body: dict[str, Value] = {"document": self.signed, "replaces": None, "until": None}
        return self.record(proposer, "agreement.propose", body)

    def sign(self, proposal: bytes) -> None:
        for role in self.document.sign:
            name = self.document.parties.get(role, self.document.timekeeper)
            body: dict[str, Value] = {"agreement": self.agreement, "party": role, "proposal": proposal}
            self.record(name, "agreement.sign", body, signed=True)

    def state(self, said: Said) -> bytes | None:
        """State a fact; None where its author's node refuses it, as it should."""
        body: dict[str, Value] = {
            "agreement": self.agreement,
            "attachments": [],
            "cites": [],
            "fields": dict(said.fields),
            "name": said.name,
        }
        if not said.refusal:
            return self.record(said.by, "fact", body)
        with pytest.raises(TallyError, match=said.refusal):
            self.record(said.by, "fact", body)
        return None

    def confirm(self, said: Said, fact: bytes) -> None:
        for name in said.confirmed_by:
            self.record(name, "confirm", {"agreement": self.agreement, "fact": fact}, signed=True)

    def seen_by(self, name: str) -> Agreement:
        node = self.network[name].node
        return node.book.agreement(node.reader, node.state, self.agreement)

    def check_outcome(self) -> None:
        """At every node the same final decisions, and what the case says."""
        decided = []
        for name in self.everyone:
            agreement = self.seen_by(name)
            evaluation = evaluate(agreement, self.network[name].node.state.is_witnessed)
            decided.append([decision.hash for decision in evaluation.decisions])
            for decision in evaluation.decisions:
                assert decision.final
                assert decision.agreed_by == tuple(sorted(set(self.document.parties.values())))
                assert decision.disputed_by == ()
            if self.scene.rejected:
                assert not evaluation.dues
                continue
            found = self.scene.read(agreement, evaluation)
            assert {key: found[key] for key in self.scene.expected} == self.scene.expected, name
        assert decided == [decided[0]] * len(self.everyone)


def play(network: Network, clock: Clock, played: list[Played]) -> None:
    """Let the clock go from one moment at which something happens in a scene to the next."""
    proposals = [one.propose() for one in played]
    network.settle()
    for one, proposal in zip(played, proposals, strict=True):
        one.sign(proposal)
    network.settle()
    moments = sorted({said.at for one in played for said in one.scene.said})
    for moment in moments:
        clock.now = max(clock.now, ms(moment))
        network.settle()
        now = [(one, said) for one in played for said in one.scene.said if said.at == moment]
        stated = []
        for one, said in now:
            if one.document.facts[said.name].when is not None:
                # It may ask for what was stated a moment ago.
                network.settle()
            stated.append((one, said, one.state(said)))
        network.settle()
        for one, said, fact in stated:
            if fact is not None:
                one.confirm(said, fact)
        network.settle()
    clock.now = ms(max(one.scene.end for one in played))
    network.settle()


@pytest.mark.parametrize("clause", SCENES)
def test_every_node_decides_every_case_as_its_clause_says(
    cases: dict[str, Any], clause: str, clock: Clock, make_network: Callable[[set[str]], Network]
) -> None:
    scenes = scenes_of(clause, cases[clause])
    clock.now = ms(min(scene.begin for scene in scenes) - DAY)
    signable = [scene for scene in scenes if not scene.refusal]
    names = {name for scene in scenes for name in parse_contract_yaml(scene.text).organizations()}
    network = make_network(names)
    played = [Played(network, scene) for scene in signable]
    for scene in scenes:
        if scene.refusal:
            with pytest.raises(TallyError, match=scene.refusal):
                Played(network, scene).propose()
    play(network, clock, played)
    for one in played:
        one.check_outcome()
