"""`tally agree withdraw | decline | terminate | handover`: how agreements end and go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.agree import Agreement, SignAs, Yes, choose_role, open_proposal
from cli.agreement_lines import wish_lines
from cli.call import call_of, plural
from cli.client import open_node
from cli.reading import OpenHome, find_agreement, open_home
from cli.signing import Signed, check_yes, find_signer, tell_recorded
from contracts.decision import MET, OPEN
from contracts.document import PERMISSION, TERMINATE
from contracts.wishes import END
from contracts.words import Words
from ledger.errors import MissingError, UsageError, short
from ledger.log.encoding import Value
from node.store.reader import StoredNote
from node.views.agreements import show_agreement
from node.views.values import Json

Role = Annotated[
    str | None, typer.Option("--party", metavar="ROLE", help="The role to sign for, if there are several.")
]
Why = Annotated[str, typer.Option("--text", metavar="TEXT", help="Why, for the other parties to read.")]


def withdraw(context: typer.Context, agreement: Agreement) -> None:
    """Withdraw a proposal of one's own, before it is in force.

    \b
    tally agree withdraw coffee-delivery
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        proposal = open_proposal(call, value, home.state.organization)
    with open_node(call.home) as node:
        answer = node.post(f"/agreements/{identity.hex()}/withdrawals", {"proposal": proposal["leaf"]})
    tell_recorded(call, answer, f"Withdrawn once {value['timekeeper']} has counted it.")


def decline(context: typer.Context, agreement: Agreement, sign_as: SignAs = None, yes: Yes = False) -> None:
    """Decline a proposal, before it is in force.

    \b
    tally agree decline coffee-delivery
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        proposal = open_proposal(call, value)
        signer = find_signer(home, sign_as)
        by = proposal["organization"]
        check_yes(call, yes, f"Does {signer.person.name} decline {value['name']!r}, proposed by {by}?")
        body: dict[str, Value] = {"agreement": identity, "proposal": bytes.fromhex(proposal["leaf"])}
        sent = Signed(call, home, signer, "agreement.decline", body)
    answer = sent.post(f"/agreements/{identity.hex()}/declines", {"proposal": proposal["leaf"]})
    tell_recorded(call, answer, f"Declined once {value['timekeeper']} has counted it.")


def terminate(
    context: typer.Context,
    agreement: Agreement,
    party: Role = None,
    text: Why = "",
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """End an agreement, together with the other parties or by a permission to.

    \b
    tally agree terminate coffee-delivery --text "by mutual consent"
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        role = choose_role(value, party)
        signer = find_signer(home, sign_as, value["sign"][role]["of"])
        for line in _end_lines(home, identity, value):
            call.tell(line)
        check_yes(call, yes, f"Does {signer.person.name} end {value['name']!r} as {role}?")
        body: dict[str, Value] = {"agreement": identity, "party": role, "text": text}
        sent = Signed(call, home, signer, "agreement.terminate", body)
    answer = sent.post(f"/agreements/{identity.hex()}/terminations", {"party": role, "text": text})
    tell_recorded(call, answer, _when_it_ends(value, role))


def handover(
    context: typer.Context,
    agreement: Agreement,
    timekeeper: Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Who is to keep the time.")],
    term: Annotated[
        int | None,
        typer.Option("--term", min=1, metavar="N", help="The term to come, where the document is not here."),
    ] = None,
    silent: Annotated[
        str | None,
        typer.Option("--from", metavar="SILENT", help="Who is silent, where the document is not here."),
    ] = None,
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Put another timekeeper in the place of a silent one.

    All parties say so, or more than half of the other members where the contract names the successor. Each
    names the last head of the silent one's log that its home knows as witnessed; what was counted up to the
    longest of them stands. A member who does not hold the document says the agreement's whole hash, the term
    and who is silent, as a party tells them.

    \b
    tally agree handover coffee-delivery hub
    """
    call = call_of(context)
    with open_home(call.home) as home:
        found = _find_term(home, agreement, term, silent)
        head = _witnessed_head(home, found.replaced)
        past = found.past(home, head.size)
        for line in _cut_lines(home, found, head.size, past):
            call.tell(line)
        signer = find_signer(home, sign_as)
        question = f"put {timekeeper} in place of {found.replaced} for {found.name}, term {found.number}"
        check_yes(call, yes, f"Does {signer.person.name} {question}?")
        told: Json = {"head": head.note, "term": found.number, "timekeeper": timekeeper}
        body: dict[str, Value] = {"agreement": found.agreement, **told}
        sent = Signed(call, home, signer, "timekeeper.replace", body)
    answer = sent.post(f"/agreements/{found.agreement.hex()}/timekeepers", told)
    tell_recorded(
        call,
        {**answer, "cut": head.size, "past": past},
        f"{timekeeper} keeps the time once the others have said so too and it goes on.",
    )


def _when_it_ends(value: Json, role: str) -> str:
    """What the end waits for, once somebody has said it for a role."""
    own = value["parties"][role]
    permitted = any(
        (each["kind"], each["act"], each["of"], each["standing"]) == (PERMISSION, TERMINATE, own, OPEN)
        for each in value["obligations"]
    )
    said = {each for wish in value["wishes"] if wish["sort"] == END for each in wish["by"]}
    others = [] if permitted else sorted({*value["parties"].values()} - {own} - said)
    until = f"{' and '.join(others)} said so too and " if others else ""
    return f"It ends once {until}{value['timekeeper']} has counted it."


def _end_lines(home: OpenHome, identity: bytes, value: Json) -> Iterator[str]:
    """What the end would leave behind, and who has said before that it is to end."""
    words = Words(home.book.agreement(home.reader, home.state, identity).contract.document)
    for wish in value["wishes"]:
        if wish["sort"] == END:
            yield from wish_lines(words, value, wish)
    still = [due for due in value["due"] if due["standing"] != MET]
    yield from (
        f"stays due  {due['amount']} from {due['from']} to {due['to']}, {due['rule']}" for due in still
    )


def _show(home: OpenHome, agreement: str) -> tuple[bytes, Json]:
    identity = find_agreement(home, agreement)
    return identity, show_agreement(home.reader, home.state, home.book, identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TermToCome:
    """The term of an agreement for which another timekeeper is stated, and whom that one replaces."""

    agreement: bytes
    name: str
    number: int
    replaced: str
    has_document: bool

    def past(self, home: OpenHome, size: int) -> int | None:
        """How many entries past a head the one to be replaced counted with; None where nobody here knows."""
        if not self.has_document:
            return None
        with home.book.replay(home.reader, home.state, self.agreement) as replay:
            return replay.counted_past((home.state.roster.origin(self.replaced), size))


def _find_term(home: OpenHome, text: str, number: int | None, silent: str | None) -> _TermToCome:
    """The term that is meant: as the agreement has it, or as it was said where the document is not here."""
    agreement = _find_hash(home, text)
    try:
        with home.book.replay(home.reader, home.state, agreement) as replay:
            name, term = replay.contract.document.name, replay.open_term
    except MissingError as error:
        if number is None or silent is None:
            raise UsageError(
                "--term and --from",
                found=f"one not said, and agreement {short(agreement, 16)} is not here",
                expected="the term to come, and who is silent",
                action="ask a party for both",
            ) from error
        name = f"agreement {short(agreement, 16)}"
        return _TermToCome(agreement=agreement, name=name, number=number, replaced=silent, has_document=False)
    known = (term.number + 1, term.timekeeper)
    if (number or known[0], silent or known[1]) != known:
        raise UsageError(
            "--term and --from",
            found=f"{number or known[0]} and {silent or known[1]}",
            expected=f"{known[0]} and {known[1]}: {name} is here",
            action="leave them out",
        )
    return _TermToCome(
        agreement=agreement, name=repr(name), number=known[0], replaced=known[1], has_document=True
    )


def _find_hash(home: OpenHome, text: str) -> bytes:
    """The hash of the agreement that is meant; one said in full need not be known here."""
    try:
        return find_agreement(home, text)
    except MissingError:
        if len(text) == 64 and set(text.lower()) <= set("0123456789abcdef"):
            return bytes.fromhex(text)
        raise


def _witnessed_head(home: OpenHome, timekeeper: str) -> StoredNote:
    head = home.state.head(home.state.roster.origin(timekeeper))
    if head.witnessed is None:
        raise MissingError(
            f"log of {timekeeper}", found="no witnessed head", expected="one", action="sync first"
        )
    return head.witnessed


def _cut_lines(home: OpenHome, found: _TermToCome, size: int, past: int | None) -> Iterator[str]:
    """What is told before it is signed: where the log would be cut, what lies past that, who said what."""
    silent = found.replaced
    yield (
        f"{silent}'s log is known here as witnessed up to {plural(size, 'entry', 'entries')}: "
        f"what {silent} counted there stands at least."
    )
    if past is None:
        yield "The document is not here: a party has to tell that the term and who is silent are right."
    elif past:
        yield (
            f"Past that, {silent} counted for {found.name} in {plural(past, 'entry', 'entries')} held here. "
            "Unless another names a longer head they are void, and the new timekeeper counts anew."
        )
    for record in home.book.statements(home.reader, home.state, found.agreement):
        if record.kind == "timekeeper.replace" and record.body["term"] == found.number:
            new, before = record.body["timekeeper"], short(record.body["head"].partition("/")[0])
            yield f"Said before: by {record.organization}, for {new} in place of {before}."
