"""`tally people`: who signs for this organization."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.call import call_of, columns, short_hash
from cli.client import open_node
from cli.reading import open_home
from ledger.errors import UsageError
from ledger.log.kinds import NAME
from node.home import FIRST_ROLES, PEOPLE, add_person_key
from node.keyfiles import INTERACTIVE_COST, read_public
from node.views.members import show_member
from node.world import real_world


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person: a-z, 0-9 and -.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="A role to grant (repeat); else director and operator."),
    ] = None,
) -> None:
    """Make a key for a person and grant them roles.

    The key is made in this home and sealed with a passphrase. A person who has a key here already keeps
    it and is granted the roles anew.

    \b
    tally people add berta --role procurement
    """
    call = call_of(context)
    for value, what in ((name, "person"), *((item, "role") for item in role or ())):
        if not NAME.fits(value):
            raise UsageError(what, found=repr(value), expected=NAME.words)
    path = call.home / PEOPLE / f"{name}.key"
    roles = sorted(set(role or FIRST_ROLES))
    with open_node(call.home) as node:
        if path.is_file():
            public = read_public(path).public
        else:
            passphrase = call.passphrase(new=True)
            public = add_person_key(call.home, name, passphrase, real_world(), INTERACTIVE_COST)
        answer = node.post("/people", {"name": name, "key": public.hex(), "roles": roles})
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])
    call.tell(f"{name} may act as {', '.join(roles)} from the entry after it.")


def show(context: typer.Context) -> None:
    """List the people who sign for this organization.

    \b
    tally people list
    """
    call = call_of(context)
    with open_home(call.home) as home:
        people = show_member(home.state, home.state.organization)["people"]
    rows = [("name", "roles", "key", "standing")]
    rows += [
        (
            person["name"],
            ", ".join(person["roles"]),
            short_hash(person["key"]),
            "acts" if person["revoked_at"] is None else f"revoked at entry {person['revoked_at']}",
        )
        for person in people
    ]
    call.answer(people, columns(rows))
