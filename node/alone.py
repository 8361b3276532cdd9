"""Writing to a home that no node runs: the rotation of its keys.

The home is locked, judged and bound to its place as at a node's start. One that has to hear its partners
first is refused: only a running node hears them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ledger.errors import UnavailableError
from ledger.log.signature import public_key
from ledger.members.rotation import KIND, seal_rotation
from node.bond import Bond
from node.caution import read_caution
from node.config import load_settings
from node.drafts import Recorded
from node.homekeys import enrolled_keys, make_next_keys, put_in_use
from node.keyfiles import INTERACTIVE_COST, Cost
from node.lock import lock_home
from node.node import Node
from node.world import World

ROTATED = ("log", "witness")


@contextmanager
def open_alone(home: Path, passphrase: bytes, world: World) -> Iterator[Node]:
    """A home for statements that the running node does not take, as it is bound to its place.

    Raises:
        ConflictError: a node runs it.
        UnavailableError: it has to hear its partners before it writes, or may not write at all.
    """
    with lock_home(home):
        bond = Bond(home, os.environ)
        node = Node(
            home=home,
            settings=load_settings(home),
            passphrase=passphrase,
            world=world,
            raise_mark=bond.raise_mark,
        )
        node.start()
        try:
            _check_may_write(bond, node)
            bond.tie(node)
            yield node
        finally:
            node.stop()
            bond.close()


def rotate_keys(home: Path, passphrase: bytes, world: World, cost: Cost = INTERACTIVE_COST) -> Recorded:
    """Give the log and its cosignatures new keys, in the steps of `node.homekeys`.

    The entry is the last of its commit, whose note the old key signs; the next one is signed by the new key.
    """
    with open_alone(home, passphrase, world) as node:
        before = enrolled_keys(node.state)
        if before is None:
            raise UnavailableError(
                str(home),
                found="a home that has not joined its network yet",
                expected="a member's home",
                action="join first, with the invitation",
            )
        seeds = make_next_keys(home, ROTATED, passphrase, world, cost)
        body = seal_rotation(
            node.state.origin,
            before=before,
            after=replace(before, log=public_key(seeds["log"]), witness=public_key(seeds["witness"])),
            old_seed=node.keys.log.seed,
            new_seed=seeds["log"],
        )
        recorded = node.record([node.draft(KIND, body)]).result()[0]
        put_in_use(home, enrolled_keys(node.state) or before)
        return recorded


def _check_may_write(bond: Bond, node: Node) -> None:
    verdict = bond.judge(node)
    caution = read_caution(node.home, node.state.origin)
    if verdict.may_append and not caution.waiting and not caution.contradicted:
        return
    raise UnavailableError(
        str(node.home),
        found=verdict.found if not verdict.may_append else "a home that has not heard its partners",
        expected="one that may write",
        action="start its node with `tally serve`, and let it hear its partners",
    )
