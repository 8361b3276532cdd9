"""`tally network`: found one, invite to it, show it, print its policies (`cli.join` joins one)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer
from pydantic import ValidationError

from cli.call import Call, call_of, columns, plural
from cli.client import open_node
from cli.reading import find_log, open_home
from ledger.errors import ConflictError, UsageError
from ledger.log.kinds import NAME, TITLE, Form
from ledger.log.policy import format_policy
from ledger.members.invitation import open_invitation
from ledger.members.network import Policy, network_id, network_words
from ledger.members.policy import network_policy, policy_comments
from node.config import CONFIG_FILE, Settings
from node.home import DATABASE, NewHome, found_home
from node.place import state_folder
from node.views.evidence import quarantine_lines, quarantined_of
from node.views.members import show_network
from node.views.values import Json
from node.world import real_world

INVITATION_SUFFIX = ".invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the node of a new home shall listen; None leaves the default of the settings."""

    host: str | None = None
    port: int | None = None
    url: str | None = None


Organization = Annotated[
    str, typer.Option("--organization", metavar="NAME", help="Short name: a-z, 0-9 and -, at most 32.")
]
Title = Annotated[
    str, typer.Option("--title", metavar="TEXT", help="Name for people; the short name where it is left out.")
]
PersonName = Annotated[
    str, typer.Option("--person", metavar="NAME", help="Who signs at this machine: a-z, 0-9 and -.")
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Where the node listens; else 127.0.0.1.")
]
Port = Annotated[
    int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="Port of the node; else 8440.")
]
Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Address that partners call, if it is another.")
]


def found(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network, for people.")],
    organization: Organization,
    title: Title = "",
    person: PersonName = "director",
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", metavar="NAME", help="Only this one witnesses (repeat); else all do."),
    ] = None,
    tiles: Annotated[
        Literal["open", "members"],
        typer.Option("--tiles", help="Who reads the entries' hashes without asking: open or members."),
    ] = "open",
    host: Host = None,
    port: Port = None,
    url: Url = None,
) -> None:
    """Found a new network and make the home of its first member.

    Asks for a passphrase that will seal the keys in the home (or takes it from TALLY_PASSPHRASE, or from
    the file that TALLY_PASSPHRASE_FILE names).

    \b
    tally network found "Coffee from Huila" --organization finca --title "Finca La Esperanza"
    """
    call = call_of(context)
    policy = Policy(tiles=tiles, witnesses=tuple(sorted(set(witness))) if witness else None)
    found_network(
        call,
        network=name,
        organization=organization,
        title=title,
        person=person,
        policy=policy,
        listening=Listening(host=host, port=port, url=url),
    )


def invite(
    context: typer.Context,
    organization: Annotated[str, typer.Argument(metavar="NAME", help="Short name of the organization.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write it; else NAME.invitation here."),
    ] = None,
) -> None:
    """Invite an organization: writes one file to hand over.

    Whoever holds the file may join in that name, once: hand it over as you would a key.

    \b
    tally network invite roast
    """
    call = call_of(context)
    check_form(NAME, organization, "organization")
    path = out or Path(organization + INVITATION_SUFFIX)
    with open_node(call.home) as node, _private_file(path) as file:
        answer = node.post("/invitations", {"organization": organization})
        text = str(answer["invitation"])
        file.write(text)
    words = network_words(network_id(open_invitation(text).founding))
    value = {"organization": organization, "file": str(path), "words": words}
    call.answer(value, [str(path)])
    call.tell(f"Hand {path} over to {organization}, and compare the words with them: {words}")


def show(context: typer.Context) -> None:
    """Show the members, how to reach them and who witnesses.

    \b
    tally network show
    """
    call = call_of(context)
    with open_home(call.home) as home:
        value = show_network(home.state)
        told = quarantine_lines(quarantined_of(home.state, home.state.roster.members))
    told += [
        f"DISCREDITED: {member['organization']} cosigned two histories of a log: its word counts no more."
        for member in value["members"]
        if member["discredited"]
    ]
    call.answer(value, [*told, *_network_lines(value)])


def policy(
    context: typer.Context,
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="An organization or an origin; the own log if left out.")
    ] = "",
    superseded: Annotated[
        bool, typer.Option("--superseded", help="With keys that were rotated out, for older receipts.")
    ] = False,
) -> None:
    """Print the policy by which others check a log.

    It names the log's key, its witnesses, and how many of them it takes: a C2SP tlog-policy file, which other
    programs read, too. `tally verify FILE --policy POLICY` checks receipts and checkpoints by it, without a
    home.

    \b
    tally network policy finca > finca.policy
    """
    call = call_of(context)
    with open_home(call.home) as home:
        origin = find_log(home.state, log)
        made = network_policy(home.state.roster, origin, superseded=superseded)
        comments = list(policy_comments(home.state.roster, origin, superseded=superseded))
    text = format_policy(made, comments)
    call.answer({"origin": origin, "quorum": made.quorum, "policy": text}, text.splitlines())


def found_network(
    call: Call,
    *,
    network: str,
    organization: str,
    title: str,
    person: str,
    policy: Policy,
    listening: Listening,
) -> None:
    """Make the founder's home and say what comes next."""
    check_form(TITLE, network, "network")
    check_listening(listening)
    new = new_home(call, organization, title, person)
    make_folder(call.home)
    origin = found_home(call.home, new, network=network, policy=policy)
    write_config(call.home, listening)
    with open_home(call.home) as home:
        value = {"home": str(call.home), "origin": origin, **show_network(home.state)}
    call.answer(value, [f"network  {network}", f"words    {value['words']}", f"log      {origin}"])
    call.tell(next_steps(call, "invite the others", "network invite NAME"))


def _network_lines(value: Json) -> list[str]:
    members = value["members"]
    rows = [("organization", "title", "entries here", "address", "witnesses needed")]
    rows += [
        (
            member["organization"],
            member["title"],
            str(member["entries_here"]),
            member["url"] or "cannot be called",
            _needed(len(member["witnesses"])),
        )
        for member in members
    ]
    lines = [
        f"{value['name']}, founded by {value['founder']}, {plural(len(members), 'member')}",
        f"words  {value['words']}",
        f"id     {value['network']}",
        "",
        *columns(rows),
    ]
    if value["invited"]:
        lines += ["", f"invited and not here yet: {', '.join(value['invited'])}"]
    return lines


def _needed(witnesses: int) -> str:
    return f"{witnesses // 2 + 1} of {witnesses}" if witnesses else "none yet"


def new_home(call: Call, organization: str, title: str, person: str) -> NewHome:
    check_form(NAME, organization, "organization")
    check_form(NAME, person, "person")
    check_form(TITLE, title or organization, "title")
    return NewHome(
        organization=organization,
        title=title or organization,
        person=person,
        passphrase=call.passphrase(new=not (call.home / DATABASE).exists()),
        world=real_world(),
        state_folder=state_folder(os.environ),
    )


def check_form(form: Form, value: str, where: str) -> None:
    if not form.fits(value):
        raise UsageError(where, found=repr(value), expected=form.words, action="choose another")


def check_listening(listening: Listening) -> None:
    """Check what was said about listening before a home is made that could not be served."""
    said = {key: value for key, value in asdict(listening).items() if value is not None}
    try:
        Settings(**said)
    except ValidationError as error:
        wrong = next((each for each in error.errors() if each["loc"] and each["loc"][0] in said), None)
        if wrong is not None:
            raise UsageError(
                f"--{wrong['loc'][0]}",
                found=repr(wrong["input"]),
                expected=wrong["msg"].removeprefix("Value error, "),
            ) from error


def make_folder(home: Path) -> None:
    """Make the folder of a new home, where there is none yet."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            str(home),
            found=error.strerror or "cannot be made",
            expected="a place where you can make a folder",
            action="choose another folder with --home",
        ) from error


def write_config(home: Path, listening: Listening) -> None:
    """Keep what was said about listening as lines of the settings file; JSON's texts are TOML's."""
    said = {"host": listening.host, "port": listening.port, "url": listening.url}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in said.items() if value is not None]
    if lines:
        (home / CONFIG_FILE).write_text("".join(lines), encoding="utf-8")


@contextmanager
def _private_file(path: Path) -> Iterator[TextIO]:
    """A new file that only its owner can read: made before the node is asked, removed after a failure."""
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        raise ConflictError(
            str(path), found="a file already there", expected="a new one", action="name another with --out"
        ) from error
    except OSError as error:
        raise UsageError(
            str(path), found=error.strerror or "cannot be written", expected="a place to write to"
        ) from error
    with ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        with path.open("w", encoding="utf-8") as file:
            yield file
        undo.pop_all()


def next_steps(call: Call, act: str, then: str) -> str:
    """What a person does with a new home: the node first, then a command."""
    serve = f"Next, start the node (it stays in the terminal): {call.command('serve')}"
    return f"{serve}\nThen {act}: {call.command(then)}"
