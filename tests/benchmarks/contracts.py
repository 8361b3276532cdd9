"""Contracts in force on one node: what one more fact costs, and a day of facts and deadlines.

Ratios of one run: the same work beside a hundred agreements and beside many. All agreements come out of one
template, as a firm's do, and each has its own parameter and so its own hash.
"""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cli.reading import OpenHome, open_home
from contracts.agreement import IN_FORCE
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from ledger.log.encoding import Value, decode, encode
from ledger.log.statement import Statement, client_nonce
from ledger.members.people import sign_as_person
from node.clerk import Clerk
from node.config import Settings
from node.drafts import Draft, Recorded, make_draft
from node.home import PEOPLE, NewHome, found_home
from node.keyfiles import MIN_COST, read_key
from node.node import Node
from node.views.listing import list_agreements, list_due, list_obligations
from node.views.status import show_status
from node.world import World
from tests.benchmarks.figures import Board

PASSPHRASE = b"correct horse battery staple"
FEW = 100
BATCH = 500
PROBES = 20
ROUNDS = 15
DAY_MS = 86_400_000
FACTS_OF_A_DAY = 50_000
DEADLINES_OF_A_DAY = 1000
TEMPLATE = """
contract: 1
name: delivery
parties: {seller: acme, buyer: acme}
timekeeper: acme
params:
  number: {integer: %d}
  wait: {duration: %d hours}
text: Delivery {number}, each part told by the seller within {wait}.
facts:
  part: {by: [seller], max: 10000, fields: {pieces: integer}}
  asked: {by: [buyer]}
deadlines:
  window: {at: asked.at + wait}
rules:
  - name: enough
    when: sum(part, part.pieces) > number
    then: [{state: enough}]
  - name: over
    when: exists(asked) and window.passed
    then: [{state: over}]
"""


@cache
def _template(wait: int) -> bytes:
    return format_document(parse_contract_yaml((TEMPLATE % (0, wait)).encode()))


def _document(number: int) -> bytes:
    """The signed form of one agreement: the template's, with a number of its own."""
    tree: Any = decode(_template(1 + number % 20), "template")
    tree["params"]["number"] = {"integer": str(number + 10**6)}
    return encode(tree)


class _Firm:
    """A network of one, who is both parties and keeps the time: nothing but this node's work is measured.

    Its home is made in the folder, unless one is there.
    """

    def __init__(self, folder: Path) -> None:
        self.now_ms = 1_760_000_000_000
        self.world = World(now_ms=lambda: self.now_ms, random=os.urandom)
        self.home = folder / "acme"
        if not self.home.exists():
            self._found(folder)
        self.open()
        self.seed = read_key(self.home / PEOPLE / "ana.key", PASSPHRASE).seed
        self.agreements = self.node.reader.agreement_hashes()

    def _found(self, folder: Path) -> None:
        new = NewHome(
            organization="acme",
            title="Acme",
            person="ana",
            passphrase=PASSPHRASE,
            world=self.world,
            cost=MIN_COST,
            state_folder=folder / "state",
        )
        found_home(self.home, new, network="bench")

    def open(self) -> None:
        """Start the node of this home, and its clerk."""
        self.node = Node(home=self.home, settings=Settings(), passphrase=PASSPHRASE, world=self.world)
        self.node.start()
        self.clerk = Clerk(self.node)

    def settle(self) -> None:
        """Let the clerk work until nothing waits."""
        while not self.clerk.idle:
            self.clerk.work_off()

    def agree(self, count: int) -> None:
        """Bring so many more agreements into force, in batches, as their clerk would have counted them."""
        first = len(self.agreements)
        for low in range(first, first + count, BATCH):
            documents = [_document(number) for number in range(low, min(low + BATCH, first + count))]
            offers = self._append(
                self.node.draft(
                    "agreement.propose",
                    {"document": document, "replaces": None, "until": None},
                    audience=("acme",),
                )
                for document in documents
            )
            made = [agreement_hash(document) for document in documents]
            signed = self._append(
                self._signature(about, party, offer.leaf)
                for about, offer in zip(made, offers, strict=True)
                for party in ("seller", "buyer")
            )
            self._append(
                self.node.draft(
                    "counted",
                    {"agreement": about, "entries": [signed[2 * at].leaf, signed[2 * at + 1].leaf]},
                    audience=("acme",),
                )
                for at, about in enumerate(made)
            )
            self.agreements += made
        self.settle()

    def _append(self, drafts: Iterable[Draft]) -> list[Recorded]:
        """Straight into the log: checking one by one what is known to be right is not what is measured."""
        return self.node.writer.append([*drafts]).result()

    def _signature(self, about: bytes, party: str, proposal: bytes) -> Draft:
        kind, nonce = "agreement.sign", client_nonce(os.urandom(16))
        body: dict[str, Value] = {"agreement": about, "party": party, "proposal": proposal}
        signature = sign_as_person(
            seed=self.seed, kind=kind, origin=self.node.state.origin, role="director", nonce=nonce, body=body
        )
        return make_draft(
            Statement(kind=kind, audience=("acme",), body=body, nonce=nonce, signatures=(signature,))
        )

    def fact(self, about: bytes, name: str = "part") -> Draft:
        fields: dict[str, Value] = {"pieces": "1"} if name == "part" else {}
        body: dict[str, Value] = {
            "agreement": about,
            "attachments": [],
            "cites": [],
            "fields": fields,
            "name": name,
        }
        return self.node.draft("fact", body, audience=("acme",))

    def close(self) -> None:
        self.clerk.stop()
        self.node.stop()


def measure_contracts(board: Board, folder: Path, agreements: int, homes: Path | None = None) -> None:
    """One fact beside few and beside many agreements, looks at all of them, a day, a start.

    `homes` is where homes are kept once they are built, and found again.
    """
    board.head(f"Contracts in force on one node: {FEW} and {agreements}")
    firms = [_firm(folder, count, homes) for count in (FEW, agreements)]
    names = [f"a fact beside {len(firm.agreements)} agreements" for firm in firms]
    _check_in_force(firms[1])
    took_s = [0.0, 0.0]
    for turn in range(ROUNDS):
        # By turns, so that what else the machine does hits both alike.
        for which in (0, 1):
            took_s[which] += _probe(firms[which], turn)
    for name, seconds in zip(names, took_s, strict=True):
        board.add(
            name,
            ROUNDS * PROBES / seconds,
            "facts/s",
            "of one core, one by one",
        )
    board.ratio("many agreements beside few", names[1], names[0], 0.83)
    firms[0].close()
    _looks(board, firms[1])
    _day(board, firms[1])
    _start(board, firms[1])


def _firm(folder: Path, count: int, homes: Path | None) -> _Firm:
    """A firm with so many agreements; out of a copy of a home that is kept, or of one that is built now."""
    name = f"contracts-{count}"
    built = (homes or folder) / name
    if not built.exists():
        built.mkdir(parents=True)
        firm = _Firm(built)
        firm.agree(count)
        if homes is None:
            return firm
        firm.close()
    place = folder / f"{name}-copy"
    shutil.copytree(built, place)
    return _Firm(place)


def _looks(board: Board, firm: _Firm) -> None:
    """What a command shows of a home while its node runs: each opens it anew."""
    firm.clerk.stop()
    looks: dict[str, Callable[[OpenHome], object]] = {
        "tally status": lambda home: show_status(home.reader, home.state, home.book),
        "tally agree show": lambda home: list_agreements(home.reader, home.state, home.book),
        "tally due": lambda home: (
            list_due(home.reader, home.state, home.book),
            list_obligations(home.reader, home.state, home.book),
        ),
    }
    for name, look in looks.items():
        started = time.process_time()
        with open_home(firm.home) as home:
            look(home)
        took_s = time.process_time() - started
        board.add(f"{name} beside {len(firm.agreements)} agreements", took_s * 1000, "ms", "of one core")
    firm.clerk = Clerk(firm.node)


def _probe(firm: _Firm, turn: int) -> float:
    """Seconds of this process for facts that are each recorded and counted, about any of the agreements."""
    chosen = Random(turn).sample(firm.agreements, PROBES)
    started = time.process_time()
    for about in chosen:
        firm.node.record([firm.fact(about)]).result()
        firm.settle()
    firm.clerk.rest()
    return time.process_time() - started


def _check_in_force(firm: _Firm) -> None:
    """What was brought in by batches is what the clerk would have made: a sample is in force."""
    for about in Random(1).sample(firm.agreements, PROBES):
        found = firm.node.book.agreement(firm.node.reader, firm.node.state, about)
        if (found.status, found.countable) != (IN_FORCE, ()):
            raise ValueError(f"agreement {about.hex()} is {found.status}")


def _day(board: Board, firm: _Firm) -> None:
    """A day's facts, in batches as they come in, and deadlines that close in its course."""
    random = Random(2)
    chosen = random.sample(firm.agreements, min(DEADLINES_OF_A_DAY, len(firm.agreements)))
    before, started = time.process_time(), time.perf_counter()
    for about in chosen:
        firm.node.record([firm.fact(about, "asked")]).result()
    firm.settle()
    hours = 24
    for _ in range(hours):
        waiting = [
            firm.node.record([firm.fact(random.choice(chosen))]) for _ in range(FACTS_OF_A_DAY // hours)
        ]
        for future in waiting:
            future.result()
        firm.now_ms += DAY_MS // hours
        firm.settle()
        firm.clerk.work_off()
        firm.settle()
        firm.clerk.rest()
    took_s = time.perf_counter() - started
    board.add(f"a day of {FACTS_OF_A_DAY} facts and {len(chosen)} deadlines", took_s, "s", "of 86,400")
    board.add("the same of one core", time.process_time() - before, "s")


def _start(board: Board, firm: _Firm) -> None:
    """A node that begins again looks only at agreements that changed since."""
    firm.close()
    started = time.process_time()
    firm.open()
    firm.settle()
    board.add("a start of node and clerk", time.process_time() - started, "s", "of one core")
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    board.add("most memory at once", peak_kib / 1024, "MiB", "the whole benchmark")
    firm.close()
