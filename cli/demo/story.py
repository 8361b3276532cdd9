"""The story of the demo, step by step; every step does what its words say, with the real command line."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cli.client import running_url
from cli.demo import goods
from cli.demo.contract import CONTRACT, KILOGRAMS, NAME, PRICE
from cli.demo.firms import CORNER, FINCA, FIRMS, ROAST, WHEELS, Firm
from cli.demo.goods import Papers
from cli.demo.stage import Stage, free_ports
from cli.exits import NO
from cli.reading import OpenHome, find_agreement
from ledger.errors import InvalidError
from node.home import DATABASE
from node.views.agreements import show_agreement
from node.views.listing import AGREEMENTS, DUE, list_agreements, list_due

PAPERS: Sequence[Papers] = (
    goods.harvest(),
    goods.shipment(),
    goods.freight(),
    goods.roasting(),
    goods.boxes(),
    goods.delivery(),
    goods.counter(),
)
NETWORK = "Coffee from Huila"
WRITTEN, FORGED = b'"quantity": 420', b'"quantity": 920'


def tell_story(stage: Stage) -> None:
    """The whole job."""
    stage.teller.say(
        """Four firms handle the same coffee and do not wholly trust each other: a grower (finca), a roaster
        (roast), a carrier (wheels) and a shop (corner). Each runs a node of its own, with its own log and its
        own keys. Nobody stands in the middle."""
    )
    found_network(stage)
    move_goods(stage)
    sign_agreement(stage)
    deliver(stage)
    become_final(stage)
    trace_lot(stage)
    take_receipt(stage)
    verify_chains(stage)
    tamper(stage)


def found_network(stage: Stage) -> None:
    """The grower founds, the others join."""
    ports = dict(zip(FIRMS, free_ports(len(FIRMS)), strict=True))
    stage.teller.begin(
        "The grower founds a network and invites the others",
        """Founding makes a home: a folder with keys, sealed by a passphrase, and an empty log. An invitation
        is one file; whoever gets it compares a few words with the one who sent it.""",
    )
    stage.at(FINCA, "network", "found", NETWORK, "--organization", FINCA.name, "--title", FINCA.title,
             "--person", FINCA.person, "--port", str(ports[FINCA]))  # fmt: skip
    stage.start(FINCA)
    newcomers = (ROAST, WHEELS, CORNER)
    stage.together(*(lambda firm=firm: stage.at(FINCA, "network", "invite", firm.name) for firm in newcomers))
    stage.teller.say("The three make their homes from the invitations, join, and start their nodes.")
    stage.together(*(lambda firm=firm: _join(stage, firm, ports[firm]) for firm in newcomers))
    for firm in FIRMS:
        stage.wait_for(f"{firm.name} to hold all four logs", firm, _holds_everything)
    stage.at(CORNER, "network", "show")


def _join(stage: Stage, firm: Firm, port: int) -> None:
    stage.at(firm, "network", "join", f"{firm.name}.invitation", "--yes", "--title", firm.title,
             "--person", firm.person, "--port", str(port))  # fmt: skip
    stage.start(firm)


def _holds_everything(home: OpenHome) -> bool:
    """Whether all members are known, can be called, and their logs are here."""
    roster = home.state.roster
    return len(roster.members) == len(FIRMS) and all(
        (address := roster.addresses.get(name)) is not None
        and address.url is not None
        and home.state.copy(roster.origin(name)).size > 0
        for name in roster.members
    )


def move_goods(stage: Stage) -> None:
    """Each firm captures what it does."""
    events = sum(len(papers.events) for papers in PAPERS)
    stage.teller.begin(
        "The coffee moves, and each firm records what it does",
        f"""Every step is an event in EPCIS 2.0, the standard that scanners and warehouse systems speak:
        {events} events, from picking over washing, filling, packing, shipping, roasting and delivering to
        selling. Each becomes one entry in the log of the firm that saw it, and goes to the others at once;
        they sign that they hold it.""",
    )
    for papers in PAPERS:
        (stage.folder / papers.file).write_text(papers.text(), encoding="utf-8")
    stage.together(*(lambda firm=firm: _capture_all(stage, firm) for firm in FIRMS))
    stage.teller.say("What was captured before is recognised:")
    stage.at(FINCA, "capture", "harvest.json")


def _capture_all(stage: Stage, firm: Firm) -> None:
    stage.at(firm, "capture", *(papers.file for papers in PAPERS if papers.firm is firm))


def sign_agreement(stage: Stage) -> None:
    """Roaster, shop and carrier agree; the grower learns no price."""
    stage.teller.begin(
        "Roaster, shop and carrier sign an agreement",
        f"""The shop pays {PRICE} for each kilogram once the carrier has said what it delivered and the
        shop has confirmed it. Prose and rules are one document: the prose is filled in from the same
        values that the rules use. The carrier keeps the time: it only says in which order facts count.""",
    )
    (stage.folder / f"{NAME}.yaml").write_text(CONTRACT, encoding="utf-8")
    stage.at(ROAST, "agree", "propose", f"{NAME}.yaml")
    parties = (ROAST, WHEELS, CORNER)
    for firm in parties:
        stage.wait_for(f"{firm.name} to hold the proposal", firm, lambda home: bool(_agreements(home)))
    stage.at(CORNER, "agree", "sign", NAME, "--yes")
    stage.together(*(lambda firm=firm: stage.at(firm, "agree", "sign", NAME, "--yes", most_lines=3)
                     for firm in (ROAST, WHEELS)))  # fmt: skip
    for firm in parties:
        stage.wait_for("the agreement to be in force", firm, _in_force)
    stage.at(CORNER, "agree", "show")
    stage.teller.say(
        "The grower is no party. It holds the roaster's log like everyone, and can prove that something was "
        "agreed and when; but what it says, and the price, never left the parties:"
    )
    _check(not stage.look(FINCA, _agreements), stage, "the grower knows no agreement")
    stage.at(FINCA, "log", "show", ROAST.name, "--limit", "2")


def deliver(stage: Stage) -> None:
    """Two firms go offline; the carrier claims, the shop confirms, the contract fires."""
    stage.teller.begin(
        "The carrier delivers while two nodes are switched off",
        "Grower and roaster switch their computers off for the night. That stops nobody else.",
    )
    stage.together(lambda: stage.stop(FINCA), lambda: stage.stop(ROAST))
    stage.at(WHEELS, "claim", NAME, "delivered", f"kilograms={KILOGRAMS}")
    stage.wait_for("the shop to hold the claim", CORNER, lambda home: bool(_facts(home)))
    stage.teller.say("The shop sees what waits for it, and confirms:")
    stage.at(CORNER, "status")
    fact = stage.look(CORNER, _facts)[0]
    stage.at(CORNER, "confirm", fact[:16], "--yes")
    stage.wait_for("the contract to fire", CORNER, lambda home: bool(_dues(home)))
    stage.teller.say(
        "The contract has fired. Only two of the four hold these entries yet, so the amount is provisional: "
        "whoever moves money waits."
    )
    _check(stage.look(CORNER, _dues) == ["provisional"], stage, "the amount is provisional")
    stage.at(CORNER, "due")


def become_final(stage: Stage) -> None:
    """The two come back, catch up and cosign."""
    stage.teller.begin(
        "The two come back, catch up by themselves, and the amount is final",
        "Final means: more than half of the other members hold every entry that it rests on, and signed so.",
    )
    stage.together(lambda: stage.start(FINCA), lambda: stage.start(ROAST))
    for firm in (CORNER, ROAST):
        stage.wait_for("the amount to be final", firm, lambda home: _dues(home) == ["final"])
    stage.together(lambda: stage.at(CORNER, "due"), lambda: stage.at(ROAST, "due"))


def trace_lot(stage: Stage) -> None:
    """Back from the shop's lot, forward from the farm's."""
    stage.teller.begin(
        "Where does the shop's coffee come from?",
        "The shop asks its own home, which holds the logs of all four firms. The second column names the "
        "entry behind every line.",
    )
    for firm in (CORNER, FINCA):
        stage.wait_for(f"{firm.name} to hold all events", firm, _holds_all_events)
    stage.at(CORNER, "trace", "back", goods.SHOP_LOT, most_lines=16)
    stage.teller.say("And the other way, as in a recall: where did the third plot's harvest go?")
    stage.at(FINCA, "trace", "forward", goods.FARM_LOT, most_lines=12)


def take_receipt(stage: Stage) -> None:
    """A proof in one file."""
    stage.teller.begin(
        "A proof that fits in one file",
        "The shop writes a receipt for the grower's first harvest event. It proves, without any node and to "
        "anyone, that the event stands in the grower's log, and who cosigned it.",
    )
    seq = stage.look(CORNER, lambda home: _first_event(home, FINCA))
    stage.at(CORNER, "receipt", f"{FINCA.name}:{seq}", "--out", "harvest.tlog-proof")
    stage.at(CORNER, "verify", "harvest.tlog-proof")


def verify_chains(stage: Stage) -> None:
    """All four, from outside."""
    stage.teller.begin(
        "Verifying all four chains from outside",
        "An auditor asks each node over its address, and checks every hash, every link and every signature "
        "again, believing none of them.",
    )
    for firm in FIRMS:
        stage.wait_for(f"{firm.name} to be witnessed", firm, _all_witnessed)
    urls = {firm: running_url(stage.folder / firm.name) for firm in FIRMS}
    stage.at(CORNER, "verify", urls[FINCA])
    stage.together(*(lambda firm=firm: stage.at(CORNER, "verify", urls[firm], most_lines=7)
                     for firm in (ROAST, WHEELS, CORNER)))  # fmt: skip


def tamper(stage: Stage) -> None:
    """One byte of a copy."""
    copy = stage.folder / "copy"
    copy.mkdir()
    _copy_database(stage.folder / FINCA.name / DATABASE, copy / DATABASE)
    _flip(copy / DATABASE, stage)
    stage.teller.begin(
        "Somebody changes one byte",
        "In a copy of the grower's database, 420 kg of the first harvest become 920 kg: one digit, one byte. "
        "Nothing else is touched. What does verify say?",
    )
    stage.run("verify", "copy", expect=NO)
    stage.teller.say("It names the log and the position, and ends with exit code 1.")


def _copy_database(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as database,
        closing(sqlite3.connect(target)) as other,
    ):
        database.backup(other)
        other.execute("PRAGMA journal_mode = DELETE")


def _flip(database: Path, stage: Stage) -> None:
    data = database.read_bytes()
    _check(data.count(WRITTEN) >= 1, stage, "the harvest stands in the database as it was captured")
    database.write_bytes(data.replace(WRITTEN, FORGED, 1))


def _check(holds: bool, stage: Stage, what: str) -> None:
    if not holds:
        raise InvalidError(f"demo, {stage.teller.step}", found="it does not hold", expected=what)


def _agreements(home: OpenHome) -> list[str]:
    page = list_agreements(home.reader, home.state, home.book)
    return [item["agreement"] for item in page[AGREEMENTS]]


def _in_force(home: OpenHome) -> bool:
    page = list_agreements(home.reader, home.state, home.book)
    return [item["status"] for item in page[AGREEMENTS]] == ["in force"]


def _facts(home: OpenHome) -> list[str]:
    """The facts that are counted, by leaf hash."""
    shown = show_agreement(home.reader, home.state, home.book, find_agreement(home, NAME))
    return [fact["leaf"] for fact in shown["facts"] if fact["counted"]]


def _dues(home: OpenHome) -> list[str]:
    dues = list_due(home.reader, home.state, home.book)[DUE]
    return ["final" if due["final"] else "provisional" for due in dues]


def _holds_all_events(home: OpenHome) -> bool:
    return len(home.reader.newest_events(1000)) == sum(len(papers.events) for papers in PAPERS)


def _first_event(home: OpenHome, firm: Firm) -> int:
    origin = home.state.roster.origin(firm.name)
    size = home.state.head(origin).copy.size
    return next(seq for seq in range(size) if home.reader.record(origin, seq).entry.kind == "event")


def _all_witnessed(home: OpenHome) -> bool:
    return all(head.witnessed_size == head.copy.size for head in home.state.heads.values())
