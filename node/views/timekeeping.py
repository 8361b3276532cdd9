"""Who keeps the time of an agreement, as a home knows it, and how far what they said can be relied on."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.contract import Contract
from contracts.outside import network_outside
from contracts.records import Outside, Position, Record
from contracts.replay import Replay
from contracts.terms import LogOrder
from ledger.errors import MissingError
from ledger.log.checkpoint import Checkpoint
from ledger.log.tree import read_frontier
from ledger.members.roster import Roster
from node.state import State
from node.store.reader import Reader
from node.store.unanswered import first_unanswered


def outside_of(reader: Reader, roster: Roster) -> Outside:
    """What a replay asks about the network, as a home knows it by its roster and its copies."""

    def holds(checkpoint: Checkpoint) -> bool:
        try:
            size = reader.size(checkpoint.origin)
        except MissingError:
            return False
        if size < checkpoint.size:
            return False
        hashes = reader.hashes(checkpoint.origin, size)
        return read_frontier(hashes, checkpoint.size).root() == checkpoint.root

    return network_outside(roster, holds)


def order_of(place: Position) -> LogOrder:
    return len(place[0]), *place


def barrier_of(reader: Reader, state: State, keeper: str) -> Position | None:
    """The first entry of a timekeeper's logs that may be about an agreement, and nobody can tell yet."""
    if keeper == state.organization:
        return None
    logs = [origin for origin in state.heads if origin.partition("/")[0] == keeper]
    for origin in sorted(logs, key=lambda origin: (len(origin), origin)):
        seq = first_unanswered(reader, origin)
        if seq is not None and not state.roster.is_beyond(origin, seq):
            return origin, seq
    return None


def keepers_of(contract: Contract, outside: Outside, records: Iterable[Record]) -> tuple[str, set[str]]:
    """Who keeps the time at present, and those of earlier terms, whose ticks are all learnt."""
    if not any(record.kind == "timekeeper.replace" for record in records):
        return contract.document.timekeeper, set()
    replay = Replay(contract, outside=outside)
    replay.learn(*records)
    return replay.timekeeper, {term.timekeeper for term in replay.terms[:-1]}
