"""`tally recover`: the next log of an organization, after its keys or its newest entries were lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.call import Call, call_of, plural
from ledger.errors import ForbiddenError, MissingError
from node.config import load_settings
from node.home import read_token
from node.homekeys import KEYS
from node.keyfiles import KeyPair, read_key
from node.place import state_folder
from node.recovery import Beyond, Means, Plan, hold_home
from node.world import real_world


def recover(
    context: typer.Context,
    recovery_key: Annotated[
        Path | None,
        typer.Option(
            "--recovery-key",
            metavar="FILE",
            help="The recovery key; else keys/recovery.key of the home.",
        ),
    ] = None,
    keep_people: Annotated[
        bool,
        typer.Option("--keep-people", help="Grant everybody who acts now the same roles in the next log."),
    ] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="NAME", help="Do not ask this partner (repeat)."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Open the next log without asking first.")] = False,
) -> None:
    """Open the next log under the recovery key, after keys or entries were lost for good.

    Stop the node first. Asks every partner that can be reached how far it knows the log, pins the highest
    head that anybody cosigned, shows what lies beyond it, and asks before it goes on: this cannot be undone.
    The old log ends at the pin and stays readable. All keys are new, the recovery key too.

    \b
    tally recover --recovery-key /media/stick/recovery.key
    """
    call = call_of(context)
    read_token(call.home)
    key = _read_recovery_key(call, recovery_key)
    means = Means(
        passphrase=call.passphrase(),
        world=real_world(),
        settings=load_settings(call.home),
        state_folder=state_folder(os.environ),
    )
    with hold_home(call.home, means) as recovery:
        plan = recovery.plan(key.public, ignored=tuple(ignore or ()))
        for line in _plan_lines(plan):
            call.tell(line)
        if not yes and not call.confirm(f"Open {plan.origin}, and end {plan.before} at {plan.size} entries?"):
            raise ForbiddenError("recover", found="no", expected="yes", action="nothing was changed")
        recovery.open(plan, key.seed, plan.people if keep_people else ())
    call.answer(_value(plan, keep_people), _lines(plan))
    _tell_next(call, plan, keep_people)


def _read_recovery_key(call: Call, file: Path | None) -> KeyPair:
    path = file.expanduser() if file else call.home / KEYS / "recovery.key"
    if not path.is_file():
        raise MissingError(
            str(path),
            found="no such file",
            expected="the recovery key",
            action="name it where you keep it: --recovery-key FILE",
        )
    return read_key(path, call.passphrase())


def _plan_lines(plan: Plan) -> Iterator[str]:
    yield f"Log {plan.before} will end at {plan.size} entries, and {plan.origin} begins."
    named = ", ".join(plan.cosigners) or "nobody but this home"
    yield f"That head is held by {named}."
    for answer in plan.answers:
        if answer.head is None:
            yield f"  {answer.partner}: {answer.error}"
        else:
            yield f"  {answer.partner}: holds {plural(answer.head.checkpoint.size, 'entry', 'entries')}"
    silent = [answer.partner for answer in plan.answers if answer.head is None]
    if silent:
        yield f"Not heard: {', '.join(silent)}. Whoever of them cosigned more than {plan.size} entries will"
        yield "refuse the next log: reach them first, if that can be done."
    if plan.beyond:
        yield "Beyond the end, and counting for nothing unless you record it anew:"
        yield from (f"  {_beyond(item)}" for item in plan.beyond)


def _beyond(item: Beyond) -> str:
    holder = item.holder or "this home"
    cosigned = f", cosigned by {', '.join(item.cosigners)}" if item.cosigners else ""
    return f"{holder} shows {plural(item.size, 'entry', 'entries')}{cosigned}"


def _value(plan: Plan, keep_people: bool) -> dict[str, object]:
    return {
        "origin": plan.origin,
        "before": plan.before,
        "pin": {"size": plan.size, "cosigned": list(plan.cosigners), "note": plan.pin.note},
        "heard": [answer.partner for answer in plan.answers if answer.head is not None],
        "not_heard": {answer.partner: answer.error for answer in plan.answers if answer.head is None},
        "beyond": [
            {"holder": item.holder or None, "size": item.size, "cosigned": list(item.cosigners)}
            for item in plan.beyond
        ],
        "people": [{"name": person.name, "roles": list(person.roles)} for person in plan.people],
        "people_kept": keep_people,
    }


def _lines(plan: Plan) -> Iterator[str]:
    yield f"log     {plan.origin}"
    yield f"before  {plan.before}, {plural(plan.size, 'entry', 'entries')}"


def _tell_next(call: Call, plan: Plan, keep_people: bool) -> None:
    call.tell(f"All keys are new. Move {KEYS}/recovery.key off this machine, and make a backup.")
    call.tell(f"Next, start the node: {call.command('serve')}")
    if keep_people:
        call.tell("Everybody who acted before acts in the next log with the same roles.")
        return
    if plan.people:
        call.tell("Nobody may sign in the next log yet. Once the node runs, grant anew who shall:")
    for person in plan.people:
        roles = " ".join(f"--role {role}" for role in person.roles)
        call.tell(f"  {call.command(f'people add {person.name} {roles}')}")
