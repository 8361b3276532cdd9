"""`tally serve`: runs the node of a home."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.call import Call, call_of
from cli.reading import open_home
from ledger.errors import UnavailableError
from node.config import load_settings
from node.home import read_token
from node.logs import set_up_logs
from node.serve import run_node


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Listen here, whatever the settings say.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="Listen on this port; 0 takes a free one."
        ),
    ] = None,
) -> None:
    """Run the node of a home until it is told to stop.

    Says its address on stdout once it answers; logs go to stderr. Stop it with Ctrl-C or SIGTERM: what
    was answered is on disk. Settings stand in config.toml of the home or in TALLY_… variables
    (docs/operating.md). For unattended starts set TALLY_PASSPHRASE_FILE.

    \b
    tally --home ~/finca serve
    """
    call = call_of(context)
    read_token(call.home)  # says first, before anything is asked, that there is no home
    _check_joined(call)
    settings = load_settings(call.home)
    said = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=said)
    set_up_logs(json=settings.log_json, level=settings.log_level)
    run_node(
        call.home,
        settings,
        call.passphrase(),
        on_started=lambda url: call.answer({"url": url}, [url]),
    )


def _check_joined(call: Call) -> None:
    """Check that the home is that of a member: its node would reach nobody after a join that failed."""
    with open_home(call.home) as home:
        if home.state.organization in home.state.roster.members:
            return
    raise UnavailableError(
        str(call.home),
        found="a home that has not joined its network yet",
        expected="the home of a member",
        action=f"join again with the invitation: {call.command('network join FILE')}",
    )
