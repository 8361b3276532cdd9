"""A small home with everything in it: the founder's log with statements of many kinds, a partner's log,
cosignatures, events, an agreement, and enough entries for full tiles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.log.checkpoint import cosign
from ledger.log.encoding import Value
from ledger.log.entry import leaf_hash
from ledger.log.note import add_signatures
from ledger.log.statement import Statement
from ledger.members.people import sign_as_person
from node.capture import CaptureOptions, draft_document
from node.clerk import Clerk
from node.config import Settings
from node.drafts import Recorded, make_draft
from node.home import PEOPLE, NewHome, found_home, newcomer_home
from node.intake import read_run
from node.keyfiles import MIN_COST, read_key
from node.node import Node
from node.store.reader import StoredNote
from node.sync.batching import make_batch
from node.world import World

PASSPHRASE = b"correct horse battery"
MEMOS = 300
PULL_BYTES = 8 * 1024 * 1024

CONTRACT = """
contract: 1
name: delivery
parties: {seller: acme, buyer: bolt}
timekeeper: acme
sign: {seller: 1, buyer: 1}
params:
  price: {money: "8.40 EUR"}
  pay: {duration: 30 days}
text: >
  {seller} delivers to {buyer}, who confirms and then owes {price} within {pay}.
facts:
  delivered: {by: [seller], confirm: [buyer]}
  packed: {by: [seller], event: {type: AggregationEvent, step: packing}}
rules:
  - name: packing
    when: exists(packed)
    then: [{notify: [buyer]}]
  - name: delivery
    when: exists(delivered)
    then:
      - {due: {from: buyer, to: seller, amount: price, within: pay}}
"""

EVENTS = """{
  "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
  "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-01-02T03:04:05Z",
  "epcisBody": {"eventList": [
    {"type": "ObjectEvent", "eventTime": "2026-01-02T03:04:05Z", "eventTimeZoneOffset": "+00:00",
     "action": "ADD", "bizStep": "commissioning", "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"]},
    {"type": "AggregationEvent", "eventTime": "2026-01-02T04:04:05Z", "eventTimeZoneOffset": "+00:00",
     "action": "ADD", "parentID": "urn:epc:id:sscc:0614141.1234567890",
     "childEPCs": ["urn:epc:id:sgtin:0614141.107346.2017"], "bizStep": "packing"}
  ]}
}"""


@dataclass(slots=True)
class Clock:
    """A clock that goes on by a second whenever it is read."""

    now: int = 1_760_000_000_000

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def new_home(name: str, state: Path, world: World) -> NewHome:
    """What it takes to make a home of this name, with keys that open fast."""
    return NewHome(
        organization=name,
        title=f"{name} Ltd",
        person=f"{name}-ana",
        passphrase=PASSPHRASE,
        world=world,
        cost=MIN_COST,
        state_folder=state,
    )


def open_node(home: Path, world: World) -> Node:
    """The node of a home, started."""
    node = Node(home=home, settings=Settings(), passphrase=PASSPHRASE, world=world)
    node.start()
    return node


def make_small_home(folder: Path) -> Path:
    """The home of acme, who founded a network with bolt as its second member."""
    world = World(now_ms=Clock(), random=os.urandom)
    acme_home, bolt_home = folder / "acme", folder / "bolt"
    found_home(acme_home, new_home("acme", folder / "state", world), network="small")
    acme = open_node(acme_home, world)
    try:
        opening = acme.reader.record(acme.state.origin, 0).statement
        assert opening is not None
        newcomer_home(bolt_home, new_home("bolt", folder / "state", world), opening.data("founding"))
        bolt = open_node(bolt_home, world)
        try:
            _fill(acme, bolt)
        finally:
            bolt.stop()
    finally:
        acme.stop()
    return acme_home


def note_agreements(home: Path) -> None:
    """Have the clerk of a home look at its agreements, and note beside the truth what lists show of them."""
    node = open_node(home, World(now_ms=Clock(), random=os.urandom))
    try:
        clerk = Clerk(node)
        while not clerk.idle:
            clerk.work_off()
        clerk.stop()
    finally:
        node.stop()


def _fill(acme: Node, bolt: Node) -> None:
    _admit(acme, bolt)
    _pass_on(acme, bolt)
    _record(acme, "memo", {"text": "first"})
    acme.record(draft_document(EVENTS.encode(), acme.world, CaptureOptions()).drafts).result()
    acme.record([acme.draft("memo", {"text": f"remark {i}"}) for i in range(MEMOS)]).result()
    _agree(acme)
    acme.record([acme.draft("memo", {"text": "keyed"}, idempotency_key="once")]).result()
    _record(bolt, "memo", {"text": "for acme alone"}, ["acme"])
    _record(bolt, "memo", {"text": "for nobody else"}, ["bolt"])
    _pass_on(bolt, acme)
    head = bolt.state.own.newest
    assert head is not None
    _record(acme, "seen", {"heads": [head.note]})
    _cosign(acme, bolt)
    _record(acme, "memo", {"text": "last, not cosigned yet"})


def _admit(acme: Node, bolt: Node) -> None:
    invite = _record(acme, "network.invite", {"organization": "bolt", "secret": bytes(32)})
    statement = bolt.reader.record(bolt.state.origin, 0).statement
    assert statement is not None
    _record(
        acme,
        "network.admit",
        {
            "invite": invite.leaf,
            "keys": statement.body["keys"],
            "open": leaf_hash(bolt.reader.entry(bolt.state.origin, 0)),
            "organization": "bolt",
            "title": "bolt Ltd",
        },
    )
    _record(acme, "node.address", {"certificate": None, "url": "http://127.0.0.1:1"})


def _agree(acme: Node) -> None:
    document = format_document(parse_contract_yaml(CONTRACT.encode()))
    proposal = _record(acme, "agreement.propose", {"document": document, "replaces": None, "until": None})
    body: dict[str, Value] = {
        "agreement": agreement_hash(document),
        "party": "seller",
        "proposal": proposal.leaf,
    }
    nonce = os.urandom(16)
    seed = read_key(acme.home / PEOPLE / "acme-ana.key", PASSPHRASE).seed
    signature = sign_as_person(
        seed=seed,
        role="director",
        kind="agreement.sign",
        origin=acme.state.origin,
        nonce=nonce,
        body=body,
    )
    statement = Statement(
        kind="agreement.sign", audience=None, body=body, nonce=nonce, signatures=(signature,)
    )
    acme.record([make_draft(statement)]).result()


def _cosign(acme: Node, bolt: Node) -> None:
    head = acme.state.own.newest
    assert head is not None
    roster = acme.state.roster
    line = cosign(head.note, roster.witness_key("bolt").name, bolt.keys.witness.seed, 1_760_000_000)
    note = StoredNote(size=head.size, note=add_signatures(head.note, line), proof=())
    acme.writer.store_note(acme.state.origin, note).result()


def _pass_on(sender: Node, receiver: Node) -> None:
    """Give a partner the whole log of the sender, as a push would."""
    origin = sender.state.origin
    batch = make_batch(sender, origin, 0, PULL_BYTES, receiver.state.organization)
    roster = receiver.state.roster
    organization = sender.state.organization
    run = read_run(receiver.state, batch, roster.log_key(origin), roster.member(organization).opening)
    receiver.writer.store_run(run).result()


def _record(node: Node, kind: str, body: Mapping[str, Value], audience: list[str] | None = None) -> Recorded:
    return node.record([node.draft(kind, body, audience=audience)]).result()[0]
