"""`tally claim` and `tally confirm`: facts of agreements."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import typer

from cli.agree import Agreement, SignAs, Yes
from cli.call import call_of, short_hash
from cli.client import open_node
from cli.reading import find_agreement, find_entry, find_fact, open_home
from cli.signing import find_signer, sign_body
from ledger.errors import ForbiddenError, MissingError, UsageError
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
        document = home.book.agreement(home.reader, home.state, identity).contract.document
    body: Json = {"agreement": identity.hex(), "name": fact, "fields": stated, "cites": cites}
    body["attachments"] = [_hash_of(file) for file in attach or ()]
    with open_node(call.home) as node:
        answer = node.post("/facts", body, key=key)
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])
    roles = document.facts[fact].confirm
    confirmed = f" and {', '.join(document.parties[role] for role in roles)} confirmed it" if roles else ""
    call.tell(f"Stated. It counts once {document.timekeeper} has counted it{confirmed}.")


def confirm(
    context: typer.Context,
    fact: Annotated[
        str, typer.Argument(metavar="FACT", help="Its leaf hash, the first digits of it, or AGREEMENT:NAME.")
    ],
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Confirm a fact that another party stated.

    Shows it, asks, and signs with your key at this machine. `tally status` lists what waits for you.

    \b
    tally confirm roast-delivery:delivered
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, leaf = find_fact(home, fact)
        value = show_agreement(home.reader, home.state, home.book, identity)
        stated = next(item for item in value["facts"] if item["leaf"] == leaf.hex())
        signer = find_signer(home, sign_as)
        fields = ", ".join(f"{key} {text}" for key, text in stated["fields"].items()) or "no fields"
        call.tell(f"{value['name']}: {stated['organization']} states {stated['name']!r} ({fields}).")
        if not yes and not call.confirm(f"Does {signer.person.name} confirm this?"):
            raise ForbiddenError("confirmation", found="a no", expected="a yes")
        key, signed = sign_body(call, home, signer, "confirm", {"agreement": identity, "fact": leaf})
    with open_node(call.home) as node:
        answer = node.post(
            "/confirmations", {"agreement": identity.hex(), "fact": leaf.hex(), **signed}, key=key
        )
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])
    call.tell(f"Confirmed {short_hash(leaf.hex())}. See what follows: {call.command('due')}")


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
