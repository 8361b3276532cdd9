"""`tally network join`: from an invitation file to a home that is a member."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of
from cli.network import (
    Host,
    Listening,
    PersonName,
    Port,
    Title,
    Url,
    check_listening,
    make_folder,
    new_home,
    next_steps,
    write_config,
)
from cli.reading import open_home, read_text
from ledger.errors import ForbiddenError, MalformedError
from ledger.members.invitation import MAX_FILE_BYTES, InvitationFile, open_invitation
from ledger.members.network import network_id, network_words
from node.serve import join_network
from node.views.members import show_network


def join(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The invitation file that a member gave you.")],
    title: Title = "",
    person: PersonName = "director",
    yes: Annotated[
        bool, typer.Option("--yes", help="The words were compared already: do not ask about them.")
    ] = False,
    host: Host = None,
    port: Port = None,
    url: Url = None,
) -> None:
    """Make a home from an invitation and join its network.

    Shows the words of the network first: compare them with the member who invited you, on the telephone
    or in person, since a file could be an invitation to another network.

    \b
    tally --home ~/roast network join roast.invitation --title "Rösterei Nord"
    """
    call = call_of(context)
    join_by_file(
        call, file, title=title, person=person, yes=yes, listening=Listening(host=host, port=port, url=url)
    )


def join_by_file(call: Call, file: Path, *, title: str, person: str, yes: bool, listening: Listening) -> None:
    """Make a newcomer's home from an invitation file and join; says what comes next."""
    invitation = _read_invitation(file)
    words = network_words(network_id(invitation.founding))
    call.tell(f"Network {invitation.network().name!r}, invited by {invitation.inviter}. Its words: {words}")
    if not yes and not call.confirm(f"Does {invitation.inviter} see the same words?"):
        raise ForbiddenError(
            str(file),
            found="words that differ",
            expected="the same words on both sides",
            action=f"ask {invitation.inviter} for the file again",
        )
    check_listening(listening)
    new = new_home(call, invitation.organization, title, person)
    make_folder(call.home)
    join_network(call.home, invitation, new)
    write_config(call.home, listening)
    with open_home(call.home) as home:
        value = {"home": str(call.home), "origin": home.state.origin, **show_network(home.state)}
    lines = [f"network  {value['name']}", f"words    {words}", f"log      {value['origin']}"]
    call.answer(value, lines)
    call.tell(next_steps(call, "see how things stand", "status"))


def _read_invitation(path: Path) -> InvitationFile:
    data = read_text(path, "an invitation file", MAX_FILE_BYTES)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(str(path), found="bytes that are no text", expected="an invitation") from error
    return open_invitation(text, str(path))
