"""`tally`: the table of commands, loaded when they are called, and how a call ends.

Each command is a function in the module of its noun; its docstring is its help. A module is loaded only
for a command that is called, so that `tally --help` answers at once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from cli.call import Call, call_of, show_what_fits
from cli.exits import FAULT, INTERRUPTED, USAGE, exit_code
from ledger.errors import TallyError
from node.limits import error_body
from node.place import state_folder

FAULTS_FILE = "faults.log"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, by `module:function`, or a group of commands; `summary` is its line in the help."""

    summary: str
    function: str = ""
    commands: Mapping[str, Entry] = field(default_factory=dict)


COMMANDS: Mapping[str, Entry] = {
    "init": Entry("Make a home, step by step: found a network or join one.", "cli.init:init"),
    "serve": Entry("Run the node of a home until it is told to stop.", "cli.serve:serve"),
    "status": Entry("Show in one screen how things stand and what waits for you.", "cli.status:status"),
    "network": Entry(
        "Found a network, invite to it, join it, show it.",
        commands={
            "found": Entry("Found a new network and make the home of its first member.", "cli.network:found"),
            "invite": Entry("Invite an organization: writes one file to hand over.", "cli.network:invite"),
            "join": Entry("Make a home from an invitation and join its network.", "cli.join:join"),
            "show": Entry("Show the members, how to reach them and who witnesses.", "cli.network:show"),
            "policy": Entry("Print the policy by which others check a log.", "cli.network:policy"),
        },
    ),
    "people": Entry(
        "Grant and list the people who sign for this organization.",
        commands={
            "add": Entry("Make a key for a person and grant them roles.", "cli.people:add"),
            "list": Entry("List the people who sign for this organization.", "cli.people:show"),
        },
    ),
    "capture": Entry("Record the events of EPCIS 2.0 documents.", "cli.capture:capture"),
    "agree": Entry(
        "Propose, sign, show, end and correct agreements.",
        commands={
            "propose": Entry("Propose an agreement from a contract document.", "cli.agree:propose"),
            "sign": Entry("Sign an agreement, after reading it.", "cli.agree:sign"),
            "show": Entry("Show agreements, or one of them with all that counts.", "cli.agree:show"),
            "withdraw": Entry(
                "Withdraw a proposal of one's own, before it is in force.", "cli.agree_life:withdraw"
            ),
            "decline": Entry("Decline a proposal, before it is in force.", "cli.agree_life:decline"),
            "terminate": Entry(
                "End an agreement, together with the other parties or by a permission to.",
                "cli.agree_life:terminate",
            ),
            "correct": Entry(
                "Correct the effects of a decision; those whom it disfavours sign.",
                "cli.correct:correct",
            ),
            "handover": Entry(
                "Put another timekeeper in the place of a silent one.", "cli.agree_life:handover"
            ),
        },
    ),
    "contract": Entry(
        "Check, show, try out and explain contracts.",
        commands={
            "check": Entry(
                "Say everything that is wrong or odd about a contract document.", "cli.contract:check"
            ),
            "render": Entry(
                "Show a contract as one page: the prose that is signed, and the rules beside it in words.",
                "cli.contract:render",
            ),
            "simulate": Entry(
                "Try a contract out: made-up facts and ticks, and what would follow when.",
                "cli.contract:try_out",
            ),
            "explain": Entry("Explain for each rule why it has fired, or why not.", "cli.contract:explain"),
        },
    ),
    "claim": Entry("State a fact of an agreement, such as a delivery.", "cli.fact:claim"),
    "confirm": Entry("Confirm a fact that another party stated.", "cli.fact:confirm"),
    "due": Entry("Show what is due from whom to whom.", "cli.due:due"),
    "trace": Entry(
        "Trace goods back to their sources or forward to who got them.",
        commands={
            "back": Entry("Where a thing came from.", "cli.trace:back"),
            "forward": Entry("Where a thing went, and what was made of it.", "cli.trace:forward"),
        },
    ),
    "log": Entry(
        "Show the entries of a log, or add a memo to one's own.",
        commands={
            "show": Entry("Show entries of a log, newest last.", "cli.log:show"),
            "add": Entry("Record a memo in the own log.", "cli.log:add"),
        },
    ),
    "receipt": Entry("Write a file that proves offline that an entry is in a log.", "cli.receipt:receipt"),
    "verify": Entry(
        "Check logs, payloads and signatures, and say what holds, what does not and what cannot be known.",
        "cli.verify:verify",
    ),
    "export": Entry(
        "Write a log, an agreement, a lot's history or the network into one file that others check.",
        commands={
            "log": Entry("Write a log into one file, with all that it takes to check it.", "cli.export:log"),
            "agreement": Entry(
                "Write an agreement into one file: what was signed, what happened, and what followed.",
                "cli.export:agreement",
            ),
            "lot": Entry(
                "Write the history of a lot into one file: the events behind `tally trace`.",
                "cli.export:lot",
            ),
            "network": Entry("Write every log that this home holds into one file.", "cli.export:network"),
        },
    ),
    "import": Entry("Make a fresh home from a bundle of a log or of the network.", "cli.import_:import_"),
    "backup": Entry(
        "Back a home up, also while its node runs, and verify the backup at once.", "cli.backup:backup"
    ),
    "restore": Entry(
        "Make the home from a backup, in a new or empty folder, and verify it.", "cli.backup:restore"
    ),
    "keys": Entry(
        "List the organization's keys, and give it new ones.",
        commands={
            "list": Entry(
                "List the organization's key files in this home, and which are in use.", "cli.keys:show"
            ),
            "rotate": Entry(
                "Give the log, and the cosignatures of others' logs, new keys.", "cli.keys:rotate"
            ),
        },
    ),
    "recover": Entry(
        "Open the next log under the recovery key, after keys or entries were lost for good.",
        "cli.recover:recover",
    ),
    "evidence": Entry(
        "Make, take in, show and hand out proof that somebody signed two histories.",
        commands={
            "list": Entry("List the evidence that this home holds.", "cli.evidence:listed"),
            "show": Entry("Show what one piece of evidence proves.", "cli.evidence:show"),
            "export": Entry("Write evidence as a folder that anybody can check.", "cli.evidence:export"),
            "make": Entry("Make evidence out of two files that cannot both be true.", "cli.evidence:make"),
            "add": Entry("Take in evidence that somebody handed over.", "cli.evidence:add"),
        },
    ),
    "doctor": Entry(
        "Look at a home for faults: permissions, keys, place, the database, what is derived from it.",
        "cli.doctor:doctor",
    ),
    "demo": Entry("Four firms, four nodes: the whole job in under a minute.", "cli.demo.command:demo"),
}


def run() -> NoReturn:
    """The console script."""
    show_what_fits()
    sys.exit(main(sys.argv[1:]))


def main(args: Sequence[str]) -> int:
    """Carry out one call; gives the exit code."""
    call = Call()
    try:
        done = root().main(args=list(args), prog_name="tally", standalone_mode=False, obj=call)
        return done if isinstance(done, int) else 0
    except TallyError as error:
        return _refused(call, error)
    except typer.TyperException as error:  # wrong usage, with its own way of showing it
        call.as_json |= "--json" in args  # it may stand behind what could not be read
        return _misused(call, error)
    except (typer.Abort, KeyboardInterrupt):
        call.tell("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  # the last door: a fault of our own, whatever it is
        return _fault(call, error)


def root() -> TyperGroup:
    """The command `tally` with everything below it."""
    return Group("tally", Entry(_HELP, commands=COMMANDS), params=[*_COMMON, _VERSION])


class Group(TyperGroup):
    """A group that loads a command when it is called, and not to list it."""

    def __init__(self, name: str, entry: Entry, params: Sequence[Any]) -> None:
        stubs: dict[str, Any] = {key: TyperCommand(key, help=entry.summary) for key in entry.commands}
        super().__init__(
            name=name,
            commands=stubs,
            rich_markup_mode=None,
            no_args_is_help=True,
            help=entry.summary,
            params=list(params),
            context_settings=dict(_SETTINGS),
        )
        self.entries = entry.commands

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if entry.commands:
            return Group(cmd_name, entry, _COMMON)
        return load_command(cmd_name, entry)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])


def load_command(name: str, entry: Entry) -> Any:
    """The command behind an entry of the table, with the options that all commands have."""
    module, _, function = entry.function.partition(":")
    command = _command(name, getattr(importlib.import_module(module), function))
    command.params = [*command.params, *_COMMON]
    return command


def _command(name: str, function: Any) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=dict(_SETTINGS))
    app.command(name=name)(function)
    return typer.main.get_command(app)


def _set_home(context: typer.Context, home: Path | None) -> None:
    if home is not None:
        call_of(context).home_option = home


def _set_json(context: typer.Context, as_json: bool) -> None:
    if as_json:
        call_of(context).as_json = True


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tally {version('tallystick')}")
        raise typer.Exit


def _common(
    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            metavar="DIR",
            callback=_set_home,
            expose_value=False,
            help="The home to use; else TALLY_HOME, else ~/tallystick.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", callback=_set_json, expose_value=False, help="Answer with one JSON value."),
    ] = False,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, expose_value=False, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Only its options are used."""


*_COMMON, _VERSION = _command("common", _common).params

_HELP = """A shared ledger for firms: signed agreements, traced goods, and a proof on every answer.

Answers go to stdout, everything else to stderr. Exit codes: 0 yes, 1 no, 2 wrong usage, 3 could not be
checked, 4 not allowed, 70 a fault of our own.

\b
To look around:   tally demo
To begin:         tally init, then tally serve
"""


def _refused(call: Call, error: TallyError) -> int:
    """An expected failure: where, found, expected, and one thing to do."""
    code = exit_code(error)
    if call.as_json:
        call.answer({**error_body(error), "exit": code}, [])
    call.tell(f"tally: {error}")
    if error.action:
        call.tell(f"  To do: {error.action}")
    return code


def _misused(call: Call, error: typer.TyperException) -> int:
    if call.as_json:
        problem = {"where": "command line", "found": error.format_message(), "expected": "", "action": ""}
        call.answer({"error": {**problem, "code": "usage"}, "exit": USAGE}, [])
    context = getattr(error, "ctx", None)
    call.tell(f"tally: {error.format_message()}" if context is None else _usage(context, error))
    return USAGE


def _usage(context: Any, error: typer.TyperException) -> str:
    if type(error).__name__ == "NoArgsIsHelpError":
        return error.format_message()
    return f"{context.get_usage()}\ntally: {error.format_message()}\n  To do: {context.command_path} --help"


def _fault(call: Call, error: Exception) -> int:
    """A fault of our own: one line here, the rest into a file that helps whoever mends it."""
    trace = "".join(traceback.format_exception(error))
    path = state_folder(os.environ) / FAULTS_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"tally {version('tallystick')}\n{trace}\n")
        where = f"the details are in {path}"
    except OSError:
        call.tell(trace)
        where = "the details stand above"
    if call.as_json:
        problem = {"where": "tally", "found": type(error).__name__, "expected": "", "action": ""}
        typer.echo(json.dumps({"error": {**problem, "code": "fault"}, "exit": FAULT}))
    call.tell(f"tally: a fault of our own ({type(error).__name__}): {where}")
    return FAULT
