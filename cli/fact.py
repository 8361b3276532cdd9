"""`tally claim` and `tally confirm`: facts of agreements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import typer

from cli.agree import Agreement, SignAs, Yes
from cli.agreement_lines import attachment_lines
from cli.call import call_of, short_hash
from cli.client import open_node
from cli.reading import find_agreement, find_entry, find_fact, open_home
from cli.signing import Signed, check_yes, find_signer, tell_recorded
from contracts.course import EXISTS, LATE, REFUSED, SURPLUS
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, UsageError
from node.views.agreements import show_agreement
from node.views.values import Json


def claim(
    context: typer.Context,
    agreement: Agreement,
    fact: Annotated[str, typer.Argument(metavar="FACT", help="The fact's name in the contract.")],
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Its fields, as texts.")
    ] = None,
    cite: Annotated[
        list[str] | None,
        typer.Option("--cite", metavar="ENTRY", help="An entry that it relies on (repeat)."),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", metavar="FILE", help="A document that proves it; its hash is stated."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="Idempotency key: under one key it is stated once."),
    ] = None,
) -> None:
    """State a fact of an agreement, such as a delivery.

    \b
    tally claim coffee-delivery delivered kilograms=60
    """
    call = call_of(context)
    stated = _fields(fields or [])
    with open_home(call.home) as home:
        identity = find_agreement(home, agreement)
        cites = [home.reader.record(*find_entry(home, text)).leaf.hex() for text in cite or ()]
        found = home.book.agreement(home.reader, home.state, identity)
        document, timekeeper = found.contract.document, found.timekeeper
    body: Json = {"agreement": identity.hex(), "name": fact, "fields": stated, "cites": cites}
    body["attachments"] = list(dict.fromkeys(_hash_of(file) for file in attach or ()))
    with open_node(call.home) as node:
        answer = node.post("/facts", body, key=key)
    roles = document.facts[fact].confirm
    confirmed = f" and {', '.join(document.parties[role] for role in roles)} confirmed it" if roles else ""
    tell_recorded(call, answer, f"Stated. It counts once {timekeeper} has counted it{confirmed}.")


def confirm(
    context: typer.Context,
    fact: Annotated[
        str, typer.Argument(metavar="FACT", help="Its leaf hash, the first digits of it, or AGREEMENT:NAME.")
    ],
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", metavar="FILE", help="A document you were given: is it one that is stated?"),
    ] = None,
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Confirm a fact that another party stated.

    Shows it, asks, and signs with your key at this machine. `tally status` lists what waits for you. A
    document that you were given is held against the hashes that are stated.

    \b
    tally confirm roast-delivery:delivered
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, leaf = find_fact(home, fact)
        value = show_agreement(home.reader, home.state, home.book, identity)
        stated = next(item for item in value["facts"] if item["leaf"] == leaf.hex())
        document = home.book.agreement(home.reader, home.state, identity).contract.document
        _check_waits(value, stated, document.facts[stated["name"]].confirm)
        _check_attached(stated, attach or ())
        signer = find_signer(home, sign_as)
        fields = ", ".join(f"{key} {text}" for key, text in stated["fields"].items()) or "no fields"
        call.tell(f"{value['name']}: {stated['organization']} states {stated['name']!r} ({fields}).")
        for line in attachment_lines(stated):
            call.tell(f"  {line}")
        check_yes(call, yes, f"Does {signer.person.name} confirm this?")
        sent = Signed(call, home, signer, "confirm", {"agreement": identity, "fact": leaf})
    answer = sent.post("/confirmations", {"agreement": identity.hex(), "fact": leaf.hex()})
    told = f"Confirmed {short_hash(leaf.hex())}. See what follows: {call.command('due')}"
    tell_recorded(call, answer, told)


def _check_waits(value: Json, stated: Json, confirm: Sequence[str]) -> None:
    """Check, before anybody is asked, that a fact waits for this organization: for one of these roles.

    Raises:
        ConflictError: it is settled, or confirmed from here already.
        ForbiddenError: others are asked to confirm it.
    """
    where = f"confirmation of {stated['name']!r} in {value['name']}"
    holders = [value["parties"][role] for role in confirm]
    asked = [role for role in confirm if role in value["roles"]]
    if not asked:
        raise ForbiddenError(
            where,
            found="a fact that does not wait for us",
            expected=" and ".join(holders) or "nobody: it needs no confirmation",
            action="nothing to do",
        )
    if stated["status"] in (LATE, REFUSED, SURPLUS, EXISTS):
        why = f": {stated['reason']}" if stated["reason"] else ""
        raise ConflictError(
            where,
            found=f"a fact that is confirmed and {EXISTS}"
            if stated["status"] == EXISTS
            else f"a fact that is {stated['status']}{why}",
            expected="one that waits",
            action="nothing to do"
            if stated["status"] == EXISTS
            else "nothing to do: it is shown and changes nothing, confirmed or not",
        )
    if not set(asked) & set(stated["awaiting"]):
        raise ConflictError(
            where, found="confirmed from here already", expected="one confirmation", action="nothing to do"
        )


def _check_attached(stated: Json, files: Iterable[Path]) -> None:
    """Check that documents are among those whose hashes a fact states."""
    for file in files:
        digest = _hash_of(file)
        if digest not in stated["attachments"]:
            raise InvalidError(
                str(file),
                found=f"a document with SHA-256 {digest}",
                expected=" or ".join(stated["attachments"]) or "none: the fact names no document",
                action=f"ask {stated['organization']} for the one that it means; until then confirm nothing",
            )


def _hash_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(
            str(file), found=str(error.strerror or error), expected="a file that can be read"
        ) from error


def _fields(texts: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in fields:
            raise UsageError(
                f"field {text!r}",
                found="no KEY=VALUE" if not equals or not name else f"{name} a second time",
                expected="each field once, as KEY=VALUE",
            )
        fields[name] = value
    return fields
