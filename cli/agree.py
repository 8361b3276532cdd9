"""`tally agree`: propose, sign and show agreements."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from cli.call import call_of, columns, plural, short_hash
from cli.client import open_node
from cli.due import due_lines, obligation_lines
from cli.explained import named, rule_lines
from cli.reading import find_agreement, open_home, read_text, read_time
from cli.signing import find_signer, sign_body
from contracts.checker import check_document
from contracts.document import TIMEKEEPER, Document
from contracts.reading import parse_contract_yaml
from contracts.render import prose_value, render_text
from ledger.errors import ConflictError, ForbiddenError, MissingError
from node.views.agreements import explain_agreement, list_agreements, show_agreement
from node.views.evidence import quarantine_lines
from node.views.values import Json

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
    for problem in report.warnings:
        call.tell(f"Note: {problem}")
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
        proposal = open_proposal(value)
        signer = find_signer(home, sign_as, document.sign[role].of)
        for line in (*quarantine_lines(value["quarantined"]), *agreement_text(document)):
            call.tell(line)
        question = f"Does {signer.person.name} sign this as {role} of {value['name']!r}?"
        if not yes and not call.confirm(question):
            raise ForbiddenError("signature", found="a no", expected="a yes")
        body: Json = {"agreement": identity, "party": role, "proposal": bytes.fromhex(proposal)}
        key, signed = sign_body(call, home, signer, "agreement.sign", body)
    with open_node(call.home) as node:
        answer = node.post(
            f"/agreements/{identity.hex()}/signatures",
            {"party": role, "proposal": proposal, **signed},
            key=key,
        )
    call.answer({**answer, "agreement": identity.hex()}, [f"entry {answer['seq']}  {answer['leaf']}"])
    call.tell(f"Signed as {role}. It is in force once {value['timekeeper']} has counted every signature.")


def show(
    context: typer.Context,
    agreement: Annotated[
        str, typer.Argument(metavar="AGREEMENT", help="One of them: hash, first digits, or name.")
    ] = "",
    why: Annotated[
        bool, typer.Option("--why", help="For each rule: which conditions hold, and what is missing.")
    ] = False,
) -> None:
    """Show agreements, or one of them with all that counts.

    \b
    tally agree show coffee-delivery --why
    """
    call = call_of(context)
    with open_home(call.home) as home:
        if not agreement:
            listed = list_agreements(home.reader, home.state, home.book)
            told = sorted({origin for item in listed for origin in item["quarantined"]})
            call.answer(listed, [*quarantine_lines(told), *_list_lines(listed)])
            if not listed:
                call.tell(f"No agreement here yet. To propose one: {call.command('agree propose FILE')}")
            return
        identity = find_agreement(home, agreement)
        value = show_agreement(home.reader, home.state, home.book, identity)
        document = home.book.agreement(home.reader, home.state, identity).contract.document
        if why:
            value["rules"] = explain_agreement(home.reader, home.state, home.book, identity)["rules"]
    told = quarantine_lines(value["quarantined"])
    call.answer(value, [*told, *agreement_text(document), *_standing_lines(value)])


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


def open_proposal(value: Json, organization: str | None = None) -> str:
    """The first proposal that can be signed, of anybody or of one organization."""
    proposals = [
        proposal["leaf"]
        for proposal in value["proposals"]
        if not proposal["gone"] and organization in (None, proposal["organization"])
    ]
    if not proposals:
        raise MissingError(
            f"agreement {value['name']}", found="no proposal here that stands", expected="a proposal"
        )
    return str(proposals[0])


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


def _standing_lines(value: Json) -> list[str]:
    reason = f" ({value['reason']})" if value["reason"] else ""
    lines = [f"agreement  {value['agreement']}", f"status     {value['status']}{reason}"]
    if value["state"]:
        lines.append(f"state      {value['state']}")
    for proposal in value["proposals"]:
        lines += _proposal_lines(proposal)
    for fact in value["facts"]:
        lines += _fact_lines(fact)
    lines += [_deadline_line(deadline) for deadline in value["deadlines"]]
    for firing in value["firings"]:
        standing = "final" if firing["final"] else "provisional"
        corrected = ", corrected" if firing["corrected"] else ""
        lines.append(f"fired      {named(firing)}, {standing}{corrected}, {firing['at']['time']}")
    lines += [f"due        {line}" for line in due_lines(value["due"])[1:]]
    lines += [f"obligation {line}" for line in obligation_lines(value["obligations"])[1:]]
    lines += [f"failed     {failure['rule']}: {failure['trouble']}" for failure in value["failures"]]
    lines += [f"missing    entry {leaf}" for leaf in value["missing"]]
    lines += [f"no effect  {remark['text']} ({short_hash(remark['leaf'])})" for remark in value["remarks"]]
    if "rules" in value:
        lines += ["", *rule_lines(value["rules"])]
    return lines


def _deadline_line(deadline: Json) -> str:
    name = deadline["name"] if deadline["key"] is None else f"{deadline['name']} for {deadline['key']}"
    closed = deadline["closed"]
    how = f"closed at {closed['time']}" if closed else f"open, closes from {deadline['closes_from']} on"
    return f"deadline   {name}, {deadline['at']}: {how}"


def _proposal_lines(proposal: Json) -> list[str]:
    lines = [f"proposed   by {proposal['organization']}, {short_hash(proposal['leaf'])}"]
    for role, people in proposal["signed"].items():
        names = ", ".join(person["name"] or short_hash(person["key"]) for person in people)
        lines.append(f"signed     as {role}: {names}")
    for role, count in proposal["lacking"].items():
        lines.append(f"lacking    {plural(count, 'signature')} as {role}")
    return [*lines, f"gone       {proposal['gone']}"] if proposal["gone"] else lines


def _fact_lines(fact: Json) -> list[str]:
    fields = "".join(f" {key}={text}" for key, text in fact["fields"].items())
    stated = f"{fact['name']}{fields}, by {fact['organization']}"
    return [
        f"fact       {stated}: {fact['status']}, {_standing(fact)}, {short_hash(fact['leaf'])}",
        *(f"           confirmed by {each['organization']}" for each in fact["confirmations"]),
        *(f"           waits for {role} to confirm" for role in fact["awaiting"]),
    ]


def _standing(entry: Json) -> str:
    return "witnessed" if entry["witnessed"] else "recorded"
