"""`tally agree`: propose, sign and show agreements."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.agreement_lines import passed_lines, standing_lines
from cli.call import Call, call_of, columns, plural, short_hash
from cli.client import open_node
from cli.due import tell_more
from cli.reading import OpenHome, find_agreement, open_home, read_text, read_time
from cli.signing import Signed, check_yes, find_signer, tell_recorded
from contracts.agreement import IN_FORCE, PROPOSED
from contracts.checker import check_document
from contracts.document import TIMEKEEPER, Document
from contracts.reading import parse_contract_yaml
from contracts.render import prose_value, render_text
from ledger.errors import ConflictError, ForbiddenError, MissingError, TallyError
from node.views.agreements import explain_agreement, show_agreement
from node.views.evidence import quarantine_lines
from node.views.listing import AGREEMENTS, DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS, list_agreements
from node.views.values import Json
from node.world import real_world

PROSE_CHARS = 96
MAX_CONTRACT_BYTES = 512 * 1024

Agreement = Annotated[
    str, typer.Argument(metavar="AGREEMENT", help="Its hash, the first digits of it, or its name.")
]
SignAs = Annotated[
    str | None, typer.Option("--as", metavar="PERSON", help="Who signs, where several people could.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without being asked again.")]


def propose(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The contract document, in YAML.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="The offer lapses after this time.")
    ] = None,
    replaces: Annotated[
        str | None,
        typer.Option("--replaces", metavar="A", help="The agreement that ends when this is in force."),
    ] = None,
) -> None:
    """Propose an agreement from a contract document.

    The document is checked first: whatever is wrong with it is said with line and column. The proposal
    goes to its parties and its timekeeper, and to nobody else.

    \b
    tally agree propose delivery.yaml
    """
    call = call_of(context)
    text = read_text(file, "a contract", MAX_CONTRACT_BYTES)
    document = parse_contract_yaml(text, str(file))
    report = check_document(document)
    for line in (*(f"Note: {problem}" for problem in report.warnings), *_over(document)):
        call.tell(line)
    body: Json = {"document": text.decode()}
    if until is not None:
        body["until"] = read_time(until, "--until")
    if replaces is not None:
        with open_home(call.home) as home:
            body["replaces"] = find_agreement(home, replaces).hex()
    with open_node(call.home) as node:
        answer = node.post("/agreements", body)
    call.answer(answer, [answer["agreement"]])
    holders = ", ".join(sorted({*document.parties.values(), document.timekeeper}))
    call.tell(f"Proposed {document.name!r} to {holders}. Each signs with: tally agree sign {document.name}")


def sign(
    context: typer.Context,
    agreement: Agreement,
    party: Annotated[
        str | None,
        typer.Option("--party", metavar="ROLE", help="The role to sign for, if there are several."),
    ] = None,
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Sign an agreement, after reading it.

    Shows the prose and every value that the rules use, asks, and signs with your key at this machine.

    \b
    tally agree sign coffee-delivery --as berta
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity = find_agreement(home, agreement)
        value = show_agreement(home.reader, home.state, home.book, identity)
        document = home.book.agreement(home.reader, home.state, identity).contract.document
        role = choose_role(value, party)
        proposal = open_proposal(call, value)
        signer = find_signer(home, sign_as, document.sign[role].of)
        about = [*quarantine_lines(value["quarantined"]), *agreement_text(document)]
        for line in (*about, *_offer_lines(home, value, proposal), *_over(document)):
            call.tell(line)
        check_yes(call, yes, f"Does {signer.person.name} sign this as {role} of {value['name']!r}?")
        body: Json = {"agreement": identity, "party": role, "proposal": bytes.fromhex(proposal["leaf"])}
        sent = Signed(call, home, signer, "agreement.sign", body)
    told = {"party": role, "proposal": proposal["leaf"]}
    answer = sent.post(f"/agreements/{identity.hex()}/signatures", told)
    tell_recorded(
        call,
        {**answer, "agreement": identity.hex()},
        f"Signed as {role}. {_what_lacks(value, proposal, role)}",
    )


def show(
    context: typer.Context,
    agreement: Annotated[
        str, typer.Argument(metavar="AGREEMENT", help="One of them: hash, first digits, or name.")
    ] = "",
    why: Annotated[
        bool, typer.Option("--why", help="For each rule: which conditions hold, and what is missing.")
    ] = False,
    start: Annotated[
        int, typer.Option("--from", metavar="N", min=0, help="Of the list: place of the first to show.")
    ] = 0,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=MAX_PAGE_ITEMS, help="Of the list: how many."),
    ] = DEFAULT_PAGE_ITEMS,
) -> None:
    """Show agreements, or one of them with all that counts.

    \b
    tally agree show coffee-delivery --why
    """
    call = call_of(context)
    with open_home(call.home) as home:
        if not agreement:
            page = list_agreements(home.reader, home.state, home.book, start=start, limit=limit)
            listed = page[AGREEMENTS]
            told = sorted({origin for item in listed for origin in item["quarantined"]})
            call.answer(listed, [*quarantine_lines(told), *_list_lines(listed)])
            tell_more(call, {AGREEMENTS: page})
            if not page["total"]:
                call.tell(f"No agreement here yet. To propose one: {call.command('agree propose FILE')}")
            return
        identity = find_agreement(home, agreement)
        value = show_agreement(home.reader, home.state, home.book, identity)
        document = home.book.agreement(home.reader, home.state, identity).contract.document
        if why:
            value["rules"] = explain_agreement(home.reader, home.state, home.book, identity)["rules"]
    told = quarantine_lines(value["quarantined"])
    call.answer(value, [*told, *agreement_text(document), *standing_lines(document, value)])


def agreement_text(document: Document) -> list[str]:
    """What people read before they sign: prose, parties and values."""
    lines = [document.name, "", *textwrap.wrap(" ".join(render_text(document).split()), PROSE_CHARS), ""]
    rows = [(role, organization) for role, organization in document.parties.items()]
    rows += [(TIMEKEEPER, document.timekeeper)]
    rows += [(name, prose_value(param.value)) for name, param in document.params.items()]
    return [*lines, *columns(rows, indent="  "), ""]


def choose_role(value: Json, party: str | None) -> str:
    """The role to sign for: the one that was said, else the only one of this organization."""
    roles: list[str] = value["roles"]
    if party is not None and party in roles:
        return party
    if not roles or party is not None:
        raise ForbiddenError(
            f"signature of {value['name']}",
            found=f"role {party}" if party else "an organization without a role",
            expected=", ".join(roles) or "a party of the agreement",
        )
    if len(roles) > 1:
        raise ConflictError(
            f"signature of {value['name']}",
            found=f"several roles: {', '.join(roles)}",
            expected="one",
            action="say --party ROLE",
        )
    return roles[0]


def open_proposal(call: Call, value: Json, organization: str | None = None) -> Json:
    """The first proposal that can be signed, of anybody or of one organization.

    Raises:
        ConflictError: it is in force, or every offer of it is gone.
        ForbiddenError: only others have proposed it.
        MissingError: no proposal is here.
    """
    where, name = f"agreement {value['name']}", value["name"]
    if value["status"] != PROPOSED:
        in_force = value["status"] == IN_FORCE
        raise ConflictError(
            where,
            found=f"an agreement {IN_FORCE}" if in_force else f"one that ended ({value['reason']})",
            expected="a proposal that still stands",
            action=f"to end it with the others: {call.command(f'agree terminate {name}')}"
            if in_force
            else f"to offer it again: {call.command('agree propose FILE')}",
        )
    standing = [proposal for proposal in value["proposals"] if not proposal["gone"]]
    found = [each for each in standing if organization in (None, each["organization"])]
    if standing and not found:
        raise ForbiddenError(
            where,
            found=f"a proposal of {', '.join(each['organization'] for each in standing)}",
            expected=f"one of {organization}",
            action=f"to refuse it: {call.command(f'agree decline {name}')}",
        )
    if not found:
        raise MissingError(
            where, found="no proposal here", expected="one", action="wait until its log has been synced"
        )
    proposal: Json = found[0]
    return proposal


def _offer_lines(home: OpenHome, value: Json, proposal: Json) -> Iterator[str]:
    """What else who signs should know: what it replaces, until when it stands, what the checker warns of."""
    if proposal["replaces"] is not None:
        yield f"It replaces {told_agreement(home, proposal['replaces'])}, which ends once this is in force."
    if proposal["until"] is not None:
        yield f"The offer stands until {proposal['until']}."
    yield from (f"Note: {warning}" for warning in value["warnings"])


def _over(document: Document) -> Iterator[str]:
    return passed_lines(document, real_world().now_ms())


def told_agreement(home: OpenHome, agreement: str) -> str:
    """An agreement by its name and hash, as far as it is here."""
    try:
        found = home.book.agreement(home.reader, home.state, bytes.fromhex(agreement))
    except TallyError:  # its document is not here, or is no contract
        return f"agreement {short_hash(agreement)}"
    return f"{found.contract.document.name!r} ({short_hash(agreement)})"


def _what_lacks(value: Json, proposal: Json, role: str) -> str:
    """Who else has to sign, by the signatures that were counted and the one just made."""
    holders = {**value["parties"], TIMEKEEPER: value["timekeeper"]}
    lacking = {**proposal["lacking"], role: proposal["lacking"].get(role, 1) - 1}
    others = [
        f"{holders[each]} ({plural(count, 'signature')} as {each})"
        for each, count in lacking.items()
        if count
    ]
    if others:
        return f"Still to sign, as far as this home knows: {', '.join(others)}."
    return f"It is in force once {value['timekeeper']} has counted every signature."


def _list_lines(listed: list[Json]) -> list[str]:
    if not listed:
        return []
    rows = [("name", "status", "state", "parties", "timekeeper", "agreement")]
    rows += [
        (
            item["name"],
            item["status"],
            item["state"] or "",
            ", ".join(item["parties"].values()),
            item["timekeeper"] + (" (a party)" if item["timekeeper_is_party"] else ""),
            short_hash(item["agreement"]),
        )
        for item in listed
    ]
    return columns(rows)
