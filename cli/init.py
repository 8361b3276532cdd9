"""`tally init`: a home, step by step."""

from __future__ import annotations

from pathlib import Path

import typer

from cli.call import call_of
from cli.join import join_by_file
from cli.network import Listening, found_network
from ledger.members.network import Policy


def init(context: typer.Context) -> None:
    """Make a home, step by step: found a network or join one.

    Asks for everything at the terminal. A script says the same in one line: tally network found,
    tally network join.

    \b
    tally --home ~/finca init
    """
    call = call_of(context)
    call.tell(f"This makes a home in {call.home}: the keys, the log and the settings of one organization.")
    file = call.ask("Invitation file (leave empty to found a new network)", default="")
    if file:
        title = call.ask("Name of your organization, for people")
        person = call.ask("Short name of the person who signs here", default="director")
        join_by_file(
            call, Path(file).expanduser(), title=title, person=person, yes=False, listening=Listening()
        )
        return
    network = call.ask("Name of the network, for people")
    organization = call.ask("Short name of your organization (a-z, 0-9, -)")
    title = call.ask("Name of your organization, for people", default=organization)
    person = call.ask("Short name of the person who signs here", default="director")
    found_network(
        call,
        network=network,
        organization=organization,
        title=title,
        person=person,
        policy=Policy(),
        listening=Listening(),
    )
