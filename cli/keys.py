"""`tally keys`: the keys of the organization, and their planned rotation."""

from __future__ import annotations

import typer

from cli.call import call_of, columns, short_hash
from node.alone import ROTATED, rotate_keys
from node.home import read_token
from node.homekeys import KEYS, SUPERSEDED, list_keys
from node.world import real_world


def rotate(context: typer.Context) -> None:
    """Give the log, and the cosignatures of others' logs, new keys.

    Stop the node first, and start it again afterwards: partners learn the new keys by themselves, and nothing
    stops to hold. The node's key and the recovery key stay; they change with the next log (tally recover).
    The new key files are sealed with the same passphrase. The old ones stay in keys/superseded.

    \b
    tally keys rotate
    """
    call = call_of(context)
    read_token(call.home)  # says first, before anything is asked, that there is no home
    recorded = rotate_keys(call.home, call.passphrase(), real_world())
    value = {"seq": recorded.seq, "leaf": recorded.leaf.hex(), "rotated": list(ROTATED)}
    call.answer(value, [f"entry {recorded.seq}  {recorded.leaf.hex()}"])
    call.tell(f"New keys for {' and '.join(ROTATED)} are in use from the entry after it.")
    call.tell(f"Back the new key files up. The old ones, in {KEYS}/{SUPERSEDED}, are needed for nothing.")
    call.tell(f"Next, start the node: {call.command('serve')}")


def show(context: typer.Context) -> None:
    """List the organization's key files in this home, and which are in use.

    \b
    tally keys list
    """
    call = call_of(context)
    read_token(call.home)
    files = list(list_keys(call.home))
    value = [
        {
            "file": str(file.path.relative_to(call.home)),
            "name": file.name,
            "public": file.public.hex(),
            "standing": file.standing,
        }
        for file in files
    ]
    rows = [("key", "public key", "standing", "file")]
    rows += [(row["name"], short_hash(row["public"]), row["standing"], row["file"]) for row in value]
    call.answer(value, columns(rows))
